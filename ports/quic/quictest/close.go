package quictest

import (
	"strings"
	"sync"
	"time"

	"github.com/moqtgo/moqt/ports/quic"
)

// tight has few streams, small windows and datagrams.
var tight = quic.Config{
	EnableDatagrams:    true,
	MaxIncomingStreams: few, MaxIncomingUniStreams: few,
	InitialStreamReceiveWindow: streamWindow, MaxStreamReceiveWindow: streamWindow,
	InitialConnectionReceiveWindow: connWindow, MaxConnectionReceiveWindow: connWindow,
}

// closeChecks are about the end of a connection.
var closeChecks = []check{
	{name: "close unblocks everything", conf: tight, run: closeUnblocks},
	{name: "calls after close", conf: tight, run: callsAfterClose},
	{name: "the first close wins", run: closeTwice},
	{name: "no goroutine is left", conf: tight, run: noGoroutine},
}

func closeUnblocks(p *pipe) {
	const code, reason = 0x1234, "so long"
	type end struct {
		side  string
		conn  quic.Connection
		calls []*call
	}
	ends := []*end{{side: "closing side", conn: p.a}, {side: "other side", conn: p.b}}
	// Read and Write block on streams of the acting side.
	wide, wideR := p.bidi()
	write := func(s quic.SendStream) func() error {
		return func() error { _, err := s.Write(make([]byte, 1<<20)); return err }
	}
	_, idleR := p.uni()
	read := func(r quic.ReceiveStream) func() error {
		return func() error { _, err := r.Read(make([]byte, 1)); return err }
	}
	back, backR := p.bidi()
	ends[0].calls = append(ends[0].calls, p.start("Write", write(wide)), p.start("Read", read(back)))
	ends[1].calls = append(ends[1].calls, p.start("Write", write(wideR)), p.start("Read", read(idleR)), p.start("Read", read(backR)))
	for _, e := range ends {
		c := e.conn
		p.fillUni(c)
		opening, _ := p.opening(p.ctx, c, few+1)
		e.calls = append(e.calls,
			opening,
			p.start("OpenUniStream", func() error { _, err := c.OpenUniStream(p.ctx); return err }),
			p.start("AcceptStream", func() error { _, err := c.AcceptStream(p.ctx); return err }),
			p.start("AcceptUniStream", func() error { _, err := c.AcceptUniStream(p.ctx); return err }),
		)
		if c.State().Datagrams {
			e.calls = append(e.calls, p.start("ReceiveDatagram", func() error { _, err := c.ReceiveDatagram(p.ctx); return err }))
		}
	}
	p.settle()
	for _, e := range ends {
		for _, c := range e.calls {
			if c.returned() {
				p.fatalf("%s: %s returned (%v) and had to block", e.side, c.what, c.err)
			}
		}
	}
	p.must(p.a.CloseWithError(code, reason), "CloseWithError")
	for i, e := range ends {
		for _, c := range e.calls {
			p.wantConn(c.result(), code, i == 1, reason, e.side+": "+c.what)
		}
		p.wantConn(p.ended(e.conn.Context(), "the "+e.side), code, i == 1, reason, e.side+": Context")
	}
}

func callsAfterClose(p *pipe) {
	const code, reason = 0x77, "done"
	s, r := p.bidi()
	t, u := p.uni()
	p.must(p.b.CloseWithError(code, reason), "CloseWithError")
	p.ended(p.a.Context(), "a connection that the peer closed")
	p.ended(p.b.Context(), "a closed connection")
	for _, e := range []struct {
		side   string
		conn   quic.Connection
		send   []quic.SendStream
		recv   []quic.ReceiveStream
		remote bool
	}{
		{"other side", p.a, []quic.SendStream{s, t}, []quic.ReceiveStream{s}, true},
		{"closing side", p.b, []quic.SendStream{r}, []quic.ReceiveStream{r, u}, false},
	} {
		c := e.conn
		calls := map[string]func() error{
			"OpenStream":       func() error { _, err := c.OpenStream(p.ctx); return err },
			"OpenUniStream":    func() error { _, err := c.OpenUniStream(p.ctx); return err },
			"TryOpenUniStream": func() error { _, err := c.TryOpenUniStream(); return err },
			"AcceptStream":     func() error { _, err := c.AcceptStream(p.ctx); return err },
			"AcceptUniStream":  func() error { _, err := c.AcceptUniStream(p.ctx); return err },
		}
		if c.State().Datagrams {
			calls["SendDatagram"] = func() error { return c.SendDatagram([]byte("late")) }
			calls["ReceiveDatagram"] = func() error { _, err := c.ReceiveDatagram(p.ctx); return err }
		}
		for _, s := range e.send {
			calls["Write"] = func() error { _, err := s.Write([]byte("late")); return err }
			calls["TryWrite"] = func() error { return s.TryWrite([]byte("late")) }
			p.wantConn(p.ended(s.Context(), "a stream of a closed connection"), code, e.remote, reason, e.side+": stream context")
		}
		for _, r := range e.recv {
			calls["Read"] = func() error { _, err := readAll(r); return err }
		}
		for what, f := range calls {
			p.wantConn(p.start(what+" after close", f).result(), code, e.remote, reason, e.side+": "+what+" after close")
		}
		p.wantConn(p.ended(c.Context(), "a closed connection"), code, e.remote, reason, e.side+": Context")
	}
}

func closeTwice(p *pipe) {
	p.must(p.a.CloseWithError(1, "first"), "CloseWithError")
	_ = p.a.CloseWithError(2, "second")
	p.wantConn(p.ended(p.b.Context(), "a closed connection"), 1, true, "first", "Context of the other side")
	_ = p.b.CloseWithError(3, "third")
	for range 2 {
		p.wantConn(p.ended(p.a.Context(), "a closed connection"), 1, false, "first", "Context of the closing side")
		p.wantConn(p.ended(p.b.Context(), "a closed connection"), 1, true, "first", "Context of the other side")
		p.settle()
	}
}

// noGoroutine uses a second pipe: what the adapter starts once and for all was
// started for the first.
func noGoroutine(p *pipe) {
	p.stop()
	before := goroutines()
	conf := tight
	client, server, stop := p.conf.MakePipe(p.tb, &conf)
	stop = sync.OnceFunc(stop)
	defer stop()
	calls := []*call{
		p.start("AcceptStream", func() error { _, err := client.AcceptStream(p.ctx); return err }),
		p.start("AcceptUniStream", func() error { _, err := server.AcceptUniStream(p.ctx); return err }),
	}
	if s, err := client.OpenStream(p.ctx); err == nil {
		_, _ = s.Write(make([]byte, 1000))
		calls = append(calls, p.start("Read", func() error { _, err := s.Read(make([]byte, 1)); return err }))
	}
	p.settle()
	stop()
	for _, c := range calls {
		if c.result() == nil {
			p.fatalf("%s returned no error after the connection was closed", c.what)
		}
	}
	var left []string
	for start := time.Now(); time.Since(start) < failSafe/2; {
		left = left[:0]
		for id, stack := range goroutines() {
			if _, ok := before[id]; !ok {
				left = append(left, stack)
			}
		}
		if len(left) == 0 {
			return
		}
		p.settle()
	}
	p.fatalf("goroutines left after stop:\n%s", strings.Join(left, "\n\n"))
}
