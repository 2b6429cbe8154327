package quictest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/moqtgo/moqt/ports/quic"
)

const (
	streamWindow = 16 << 10
	connWindow   = 64 << 10
	// slack is what a stack may take before it notices: one packet and one
	// write of the check.
	slack = 8 << 10
	few   = 8
)

var (
	// narrow has small windows: a stream of 16 KiB, a connection of 64 KiB.
	narrow = quic.Config{
		InitialStreamReceiveWindow: streamWindow, MaxStreamReceiveWindow: streamWindow,
		InitialConnectionReceiveWindow: connWindow, MaxConnectionReceiveWindow: connWindow,
	}
	// shared has a small connection window that wide streams share.
	shared = quic.Config{
		InitialStreamReceiveWindow: 2 << 20, MaxStreamReceiveWindow: 2 << 20,
		InitialConnectionReceiveWindow: connWindow, MaxConnectionReceiveWindow: connWindow,
	}
	// fewStreams allows eight streams of a kind, also to what the stack opens
	// for itself.
	fewStreams = quic.Config{MaxIncomingStreams: few, MaxIncomingUniStreams: few}
)

// creditChecks are about waiting: for streams, bytes and the peer.
var creditChecks = []check{
	{name: "open blocks at the limit", conf: fewStreams, run: openBlocks},
	{name: "try open", conf: fewStreams, run: tryOpen},
	{name: "open order", conf: fewStreams, run: openOrder},
	{name: "accept honours its context", run: acceptContext},
	{name: "stream window blocks the writer", conf: narrow, run: streamCredit},
	{name: "connection window blocks the writers", conf: shared, run: connCredit},
	{name: "priorities", conf: shared, run: priorities},
}

// fillUni opens streams up to the limit.
func (p *pipe) fillUni(c quic.Connection) []quic.SendStream {
	var all []quic.SendStream
	for {
		s, err := c.TryOpenUniStream()
		if errors.Is(err, quic.ErrWouldBlock) {
			break
		}
		p.must(err, "TryOpenUniStream")
		if all = append(all, s); len(all) > few {
			p.fatalf("opened %d unidirectional streams; the limit is %d", len(all), few)
		}
	}
	if len(all) == 0 {
		p.fatalf("opened no unidirectional stream; the limit is %d", few)
	}
	return all
}

// opening opens n bidirectional streams in the background.
func (p *pipe) opening(ctx context.Context, c quic.Connection, n int) (*call, <-chan quic.Stream) {
	streams := make(chan quic.Stream, n)
	return p.start("OpenStream", func() error {
		for range n {
			s, err := c.OpenStream(ctx)
			if err != nil {
				return err
			}
			streams <- s
		}
		return nil
	}), streams
}

// next takes a stream that was opened.
func (p *pipe) next(streams <-chan quic.Stream) quic.Stream {
	ctx, cancel := p.soon()
	defer cancel()
	select {
	case s := <-streams:
		return s
	case <-ctx.Done():
		p.fatalf("OpenStream does not return")
		return nil
	}
}

// finishUni ends one of our streams, which gives its credit back.
func (p *pipe) finishUni(s quic.SendStream) {
	p.finish(s)
	p.wantEOF(p.acceptUni())
}

func openBlocks(p *pipe) {
	uni := p.fillUni(p.a)
	ctx, cancel := context.WithCancel(p.ctx)
	open := p.start("OpenUniStream at the limit", func() error { _, err := p.a.OpenUniStream(ctx); return err })
	open.blocked()
	cancel()
	if err := open.result(); !errors.Is(err, context.Canceled) {
		p.fatalf("OpenUniStream with a cancelled context: %v", err)
	}
	open = p.start("OpenUniStream after a stream has ended", func() error { _, err := p.a.OpenUniStream(p.ctx); return err })
	open.blocked()
	p.finishUni(uni[0])
	open.ok()

	ctx, cancel = context.WithCancel(p.ctx)
	open, streams := p.opening(ctx, p.a, few+1)
	all := []quic.Stream{p.next(streams)}
	open.blocked()
	cancel()
	if err := open.result(); !errors.Is(err, context.Canceled) {
		p.fatalf("OpenStream with a cancelled context: %v", err)
	}
	for len(streams) > 0 {
		all = append(all, <-streams)
	}
	// More streams than the limit, as soon as others have ended.
	open, streams = p.opening(p.ctx, p.a, 2*few)
	for i := range len(all) + 2*few {
		var s quic.Stream
		if i < len(all) {
			s = all[i]
		} else {
			s = p.next(streams)
		}
		p.finish(s)
		r := p.accept()
		p.wantEOF(r)
		p.finish(r)
		p.wantEOF(s)
	}
	open.ok()
}

func tryOpen(p *pipe) {
	uni := p.fillUni(p.a)
	open := p.start("OpenUniStream at the limit", func() error {
		s, err := p.a.OpenUniStream(p.ctx)
		if err == nil {
			_, err = s.Write([]byte("waited"))
		}
		return err
	})
	open.blocked()
	if _, err := p.a.TryOpenUniStream(); !errors.Is(err, quic.ErrWouldBlock) {
		p.fatalf("TryOpenUniStream while OpenUniStream waits: %v; want ErrWouldBlock", err)
	}
	p.finishUni(uni[0])
	open.ok()
	if _, err := p.a.TryOpenUniStream(); !errors.Is(err, quic.ErrWouldBlock) {
		p.fatalf("TryOpenUniStream took the credit of a waiting OpenUniStream: %v", err)
	}
}

func openOrder(p *pipe) {
	if !p.conf.Bubble {
		return // which call came first is unknown in real time
	}
	uni := p.fillUni(p.a)
	n := min(3, len(uni))
	var mu sync.Mutex
	var order []int
	var opens []*call
	for i := range n {
		opens = append(opens, p.start("OpenUniStream", func() error {
			_, err := p.a.OpenUniStream(p.ctx)
			mu.Lock()
			defer mu.Unlock()
			order = append(order, i)
			return err
		}))
		p.settle()
	}
	for i := range n {
		p.finishUni(uni[i])
		p.settle()
	}
	for _, open := range opens {
		open.ok()
	}
	if !slices.IsSorted(order) {
		p.fatalf("waiting calls of OpenUniStream were served in the order %v", order)
	}
}

func acceptContext(p *pipe) {
	for _, cancelled := range []bool{true, false} {
		ctx, cancel := context.WithCancel(p.ctx)
		if cancelled {
			cancel()
		}
		calls := []*call{
			p.start("AcceptStream", func() error { _, err := p.b.AcceptStream(ctx); return err }),
			p.start("AcceptUniStream", func() error { _, err := p.b.AcceptUniStream(ctx); return err }),
		}
		if p.b.State().Datagrams {
			calls = append(calls, p.start("ReceiveDatagram", func() error { _, err := p.b.ReceiveDatagram(ctx); return err }))
		}
		if !cancelled {
			p.settle()
			for _, c := range calls {
				if c.returned() {
					p.fatalf("%s returned (%v) and had to block", c.what, c.err)
				}
			}
		}
		cancel()
		for _, c := range calls {
			if err := c.result(); !errors.Is(err, context.Canceled) {
				p.fatalf("%s with a cancelled context: %v", c.what, err)
			}
		}
	}
	p.uni()
	p.bidi()
}

// writeAll writes n bytes in pieces and counts what Write has taken.
func (p *pipe) writeAll(s quic.SendStream, seed, n int, taken *atomic.Int64) *call {
	return p.start("Write", func() error {
		for data := pattern(seed, n); len(data) > 0; {
			piece := data[:min(4096, len(data))]
			if _, err := s.Write(piece); err != nil {
				return err
			}
			taken.Add(int64(len(piece)))
			data = data[len(piece):]
		}
		return s.Close()
	})
}

func streamCredit(p *pipe) {
	const n = 256 << 10
	s, r := p.uni()
	var taken atomic.Int64
	write := p.writeAll(s, 5, n, &taken)
	write.blocked()
	if got := taken.Load(); got > streamWindow+slack {
		p.fatalf("the writer got rid of %d bytes; the window is %d", got, streamWindow)
	}
	p.wantBytes(r, pattern(5, n))
	p.wantEOF(r)
	write.ok()
}

func connCredit(p *pipe) {
	const n = 256 << 10
	s, r := p.uni()
	t, u := p.uni()
	var taken atomic.Int64
	one := p.writeAll(s, 6, n, &taken)
	one.blocked()
	two := p.writeAll(t, 7, n, &taken)
	two.blocked()
	if got := taken.Load(); got > connWindow+2*slack {
		p.fatalf("the writers got rid of %d bytes; the window is %d", got, connWindow)
	}
	read := p.start("Read", func() error { _, err := readAll(r); return err })
	p.wantBytes(u, pattern(7, n))
	p.wantEOF(u)
	_ = read.result()
	one.ok()
	two.ok()
}
