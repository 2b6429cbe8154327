package quictest

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/ports/quic"
)

// A recorder is a testing.TB that keeps the first failure to itself.
type recorder struct {
	testing.TB
	failure string
}

func (r *recorder) Helper()        {}
func (r *recorder) Cleanup(func()) {}
func (r *recorder) Fatalf(format string, args ...any) {
	r.failure = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// puppets returns a puppet, and the other end as its user sees it.
func puppets(t *testing.T, f func(t *testing.T, p *Puppet, c quic.Connection)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		client, server, stop := memnet.Pipe(memnet.Config{Settle: synctest.Wait, Link: memnet.Link{Latency: time.Millisecond}}, &quic.Config{EnableDatagrams: true})
		t.Cleanup(stop)
		f(t, NewPuppet(t, client), server)
	})
}

func TestPuppet(t *testing.T) {
	puppets(t, func(t *testing.T, p *Puppet, c quic.Connection) {
		ctx := t.Context()
		p.WantIdle()
		s := p.Open([]byte("ask"), []byte("ing"))
		s.WantIdle()
		r, err := c.AcceptStream(ctx)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = r.Write([]byte("answer more"))
		s.WantHex("61 6e73").WantBytes([]byte("wer"))
		if got := s.Read(5); string(got) != " more" {
			t.Fatalf("Read: %q", got)
		}
		_ = r.Close()
		s.WantFIN()
		r.CancelRead(7)
		s.WantStop(7)

		u := p.OpenUni([]byte("x"))
		if _, err := c.AcceptUniStream(ctx); err != nil {
			t.Fatal(err)
		}
		u.FIN()
		u.WantIdle()

		out, _ := c.OpenUniStream(ctx)
		_, _ = out.Write([]byte("lost bytes"))
		in := p.AcceptUni()
		out.CancelWrite(9)
		in.WantReset(9)

		bidi, _ := c.OpenStream(ctx)
		_, _ = bidi.Write([]byte("y"))
		b := p.Accept().WantBytes([]byte("y"))
		b.Reset(1)
		b.Stop(2)
		_ = c.SendDatagram([]byte("dgram"))
		p.WantDatagram([]byte("dgram"))
		p.SendDatagram([]byte("back"))
		if got, err := c.ReceiveDatagram(ctx); err != nil || string(got) != "back" {
			t.Fatal(got, err)
		}
		_ = c.CloseWithError(5, "enough")
		p.WantClosed(5)
	})
}

// TestPuppetFails: every Want fails where something else happens.
func TestPuppetFails(t *testing.T) {
	type ends struct {
		p  *Puppet
		c  quic.Connection
		s  *PuppetStream // the puppet's end of a stream
		in quic.Stream   // the other end
	}
	for name, test := range map[string]struct {
		act  func(e ends)
		want func(e ends)
		says string
	}{
		"other bytes":        {func(e ends) { _, _ = e.in.Write([]byte("b")) }, func(e ends) { e.s.WantBytes([]byte("a")) }, "wrong bytes"},
		"too few bytes":      {func(e ends) { _, _ = e.in.Write([]byte("a")) }, func(e ends) { e.s.WantBytes([]byte("ab")) }, "wrong bytes"},
		"read of nothing":    {func(e ends) {}, func(e ends) { e.s.Read(1) }, "wanted 1 bytes"},
		"bytes and not FIN":  {func(e ends) { _, _ = e.in.Write([]byte("a")); _ = e.in.Close() }, func(e ends) { e.s.WantFIN() }, "wanted FIN"},
		"nothing, not FIN":   {func(e ends) {}, func(e ends) { e.s.WantFIN() }, "wanted FIN"},
		"reset, not FIN":     {func(e ends) { e.in.CancelWrite(1) }, func(e ends) { e.s.WantFIN() }, "wanted FIN"},
		"FIN, not reset":     {func(e ends) { _ = e.in.Close() }, func(e ends) { e.s.WantReset(1) }, "wanted a reset"},
		"other reset":        {func(e ends) { e.in.CancelWrite(2) }, func(e ends) { e.s.WantReset(1) }, "wanted a reset"},
		"no stop":            {func(e ends) {}, func(e ends) { e.s.WantStop(1) }, "got nothing"},
		"other stop":         {func(e ends) { e.in.CancelRead(2) }, func(e ends) { e.s.WantStop(1) }, "wanted STOP_SENDING"},
		"bytes, not idle":    {func(e ends) { _, _ = e.in.Write([]byte("a")) }, func(e ends) { e.s.WantIdle() }, "wanted nothing"},
		"FIN, not idle":      {func(e ends) { _ = e.in.Close() }, func(e ends) { e.s.WantIdle() }, "wanted nothing"},
		"stop, not idle":     {func(e ends) { e.in.CancelRead(2) }, func(e ends) { e.s.WantIdle() }, "STOP_SENDING"},
		"stream, not idle":   {func(e ends) { s, _ := e.c.OpenUniStream(context.Background()); _ = s.Close() }, func(e ends) { e.p.WantIdle() }, "wanted nothing"},
		"datagram, not idle": {func(e ends) { _ = e.c.SendDatagram([]byte("a")) }, func(e ends) { e.p.WantIdle() }, "wanted nothing"},
		"end, not idle":      {func(e ends) { _ = e.c.CloseWithError(1, "") }, func(e ends) { e.p.WantIdle() }, "wanted nothing"},
		"other datagram":     {func(e ends) { _ = e.c.SendDatagram([]byte("a")) }, func(e ends) { e.p.WantDatagram([]byte("b")) }, "wrong datagram"},
		"no datagram":        {func(e ends) {}, func(e ends) { e.p.WantDatagram(nil) }, "wanted a datagram"},
		"no stream":          {func(e ends) {}, func(e ends) { e.p.Accept() }, "wanted a bidirectional stream"},
		"no uni stream":      {func(e ends) {}, func(e ends) { e.p.AcceptUni() }, "wanted a unidirectional stream"},
		"open":               {func(e ends) {}, func(e ends) { e.p.WantClosed(1) }, "it is open"},
		"other close":        {func(e ends) { _ = e.c.CloseWithError(2, "") }, func(e ends) { e.p.WantClosed(1) }, "it ended with"},
		"own close":          {func(e ends) { e.p.Close(1, "") }, func(e ends) { e.p.WantClosed(1) }, "it ended with"},
	} {
		t.Run(name, func(t *testing.T) {
			puppets(t, func(t *testing.T, p *Puppet, c quic.Connection) {
				e := ends{p: p, c: c, s: p.Open([]byte("!"))}
				in, err := c.AcceptStream(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				e.in = in
				r := &recorder{TB: p.tb}
				p.tb = r
				test.act(e)
				time.Sleep(10 * time.Millisecond)
				done := make(chan struct{})
				go func() {
					defer close(done)
					test.want(e)
				}()
				<-done
				if !strings.Contains(r.failure, test.says) {
					t.Errorf("the puppet said %q", r.failure)
				}
			})
		})
	}
}
