package quictest

import (
	"io"
	"sync/atomic"

	"github.com/moqtgo/moqt/ports/quic"
)

// priorities lets a connection window of 64 KiB decide: once an urgent stream
// waits as well, the credit is for it.
func priorities(p *pipe) {
	if !p.a.State().Priorities {
		return
	}
	const n = 512 << 10
	low, lowR := p.uni()
	high, highR := p.uni()
	low.SetPriority(7, false)
	high.SetPriority(0, false)
	// One Write each: between two writes an urgent stream has nothing to send.
	write := func(s quic.SendStream, data []byte) *call {
		return p.start("Write", func() error {
			if _, err := s.Write(data); err != nil {
				return err
			}
			return s.Close()
		})
	}
	want := pattern(9, n)
	one := write(low, pattern(8, n))
	one.blocked()
	two := write(high, want)

	// Credit comes bit by bit until the urgent stream has its share, and so is
	// known to wait.
	first := make([]byte, 1)
	share := p.start("Read of the urgent stream", func() error { _, err := io.ReadFull(highR, first); return err })
	var lowRead atomic.Int64
	read := p.start("Read", func() error {
		buf := make([]byte, 4096)
		for {
			k, err := lowR.Read(buf)
			lowRead.Add(int64(k))
			if err != nil {
				return err
			}
			if !share.returned() {
				p.settle()
			}
		}
	})
	share.ok()
	before := lowRead.Load()
	// With two windows to go the urgent stream still has something to send: it
	// gets all credit, however late we look.
	p.wantBytes(highR, want[1:n-2*connWindow])
	if got := lowRead.Load() - before; got > 2*connWindow {
		p.fatalf("%d bytes of urgency 7 passed while %d of urgency 0 waited", got, n-2*connWindow)
	}
	p.wantBytes(highR, want[n-2*connWindow:])
	p.wantEOF(highR)
	if err := read.result(); err != io.EOF {
		p.fatalf("Read: %v", err)
	}
	one.ok()
	two.ok()
}
