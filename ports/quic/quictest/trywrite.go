package quictest

import (
	"bytes"
	"errors"
	"io"

	"github.com/moqtgo/moqt/ports/quic"
)

// tryWriteChecks are about writes that never block.
var tryWriteChecks = []check{
	{name: "try write is all or nothing", conf: narrow, run: tryWriteAll},
	{name: "try write takes a small write", run: tryWriteSmall},
	{name: "try write has a limit", run: tryWriteLimit},
}

// tryWriteAll fills the stream's window and shows that what is refused never
// arrives.
func tryWriteAll(p *pipe) {
	s, r := p.uni()
	want := pattern(10, streamWindow-300)
	p.write(s, want)
	for i := range 10 {
		piece := pattern(20+i, 500)
		switch err := s.TryWrite(piece); {
		case err == nil:
			want = append(want, piece...)
		case !errors.Is(err, quic.ErrWouldBlock):
			p.fatalf("TryWrite: %v; want ErrWouldBlock", err)
		}
	}
	if taken := len(want) - (streamWindow - 300); taken > 300 {
		p.fatalf("TryWrite took %d bytes with 300 bytes of credit", taken)
	}
	send := p.start("Write after a refused TryWrite", func() error {
		if _, err := s.Write([]byte("end")); err != nil {
			return err
		}
		return s.Close()
	})
	p.wantBytes(r, append(bytes.Clone(want), "end"...))
	p.wantEOF(r)
	send.ok()
}

func tryWriteSmall(p *pipe) {
	s, r := p.uni()
	for i := range 3 {
		piece := pattern(i, 200)
		p.must(s.TryWrite(piece), "TryWrite of 200 bytes on an idle stream")
		clear(piece)
		p.wantBytes(r, pattern(i, 200))
	}
	p.finish(s)
	p.wantEOF(r)
}

func tryWriteLimit(p *pipe) {
	s := p.openUni()
	var want []byte
	try := func(size int) (taken int) {
		for i := range 100 {
			piece := pattern(len(want)+i, size)
			err := s.TryWrite(piece)
			if errors.Is(err, quic.ErrWouldBlock) {
				return taken
			}
			p.must(err, "TryWrite")
			want = append(want, piece...)
			taken += size
			p.settle() // the bytes have left, and still count
			if taken > quic.TryWriteLimit {
				p.fatalf("TryWrite took %d bytes without a Write; the limit is %d", taken, quic.TryWriteLimit)
			}
		}
		return taken
	}
	try(700)
	if try(quic.TryWriteLimit) != 0 && len(want) > quic.TryWriteLimit {
		p.fatalf("TryWrite took %d bytes without a Write; the limit is %d", len(want), quic.TryWriteLimit)
	}
	p.write(s, []byte("w"))
	want = append(want, 'w')
	if n := try(quic.TryWriteLimit + 1); n != 0 {
		p.fatalf("TryWrite took %d bytes at once", n)
	}
	try(800)
	p.finish(s)
	got, err := readAll(p.acceptUni())
	if err != io.EOF || !bytes.Equal(got, want) {
		p.fatalf("read %d bytes and %v; want the %d taken bytes", len(got), err, len(want))
	}
}
