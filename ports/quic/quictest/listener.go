package quictest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/moqtgo/moqt/ports/quic"
)

// A ListenerConfig says how to reach the listener under test.
type ListenerConfig struct {
	// Bubble runs every subtest in a testing/synctest bubble of its own.
	Bubble bool
	// MakeListener listens, without Allow0RTT, and returns what dials the
	// listener. It runs within the subtest's bubble. stop ends everything
	// and returns when nothing of it is left.
	MakeListener func(t testing.TB, conf *quic.Config) (l quic.Listener, dial func(context.Context) (quic.Connection, error), stop func())
}

// A listenerCheck is one subtest.
type listenerCheck struct {
	name   string
	run    func(*pipe, quic.Listener, func(context.Context) (quic.Connection, error))
	verify bool // addresses
}

var listenerChecks = []listenerCheck{
	{name: "accept honours its context", run: listenerContext},
	{name: "accept brings what was dialled", run: listenerAccept},
	{name: "close ends accept", run: listenerClose},
	{name: "accepted connections live on", run: listenerOutlived},
	{name: "addresses are verified where that is wanted", run: listenerAccept, verify: true},
}

// TestListener is the contract of quic.Listener.
func TestListener(t *testing.T, c ListenerConfig) {
	for _, ck := range listenerChecks {
		t.Run(ck.name, func(t *testing.T) {
			run := func(t *testing.T) {
				if err := c.try(t, ck); err != nil {
					t.Error(err)
				}
			}
			if c.Bubble {
				synctest.Test(t, run)
			} else {
				run(t)
			}
		})
	}
}

func (c ListenerConfig) try(t testing.TB, ck listenerCheck) error {
	var asked atomic.Int64
	l, dial, stop := c.MakeListener(t, &quic.Config{VerifySourceAddress: func(net.Addr) bool {
		asked.Add(1)
		return ck.verify
	}})
	p := newPipe(Config{Bubble: c.Bubble}, t, nil, nil, stop)
	err := p.run(func() { ck.run(p, l, dial) })
	if err == nil && ck.verify && asked.Load() < 3 { // a client may need several packets to ask
		err = fmt.Errorf("VerifySourceAddress was asked %d times for 3 connections", asked.Load())
	}
	return err
}

func listenerContext(p *pipe, l quic.Listener, _ func(context.Context) (quic.Connection, error)) {
	if l.Addr() == nil {
		p.fatalf("a listener without an address")
	}
	ctx, cancel := context.WithCancel(p.ctx)
	accept := p.start("Accept", func() error { _, err := l.Accept(ctx); return err })
	accept.blocked()
	cancel()
	if err := accept.result(); !errors.Is(err, context.Canceled) {
		p.fatalf("Accept with a cancelled context: %v", err)
	}
}

// connect dials and accepts.
func (p *pipe) connect(l quic.Listener, dial func(context.Context) (quic.Connection, error)) {
	var client, server quic.Connection
	d := p.start("Dial", func() (err error) { client, err = dial(p.ctx); return err })
	a := p.start("Accept", func() (err error) { server, err = l.Accept(p.ctx); return err })
	d.ok()
	a.ok()
	p.a, p.b = client, server
	p.handshake()
}

func listenerAccept(p *pipe, l quic.Listener, dial func(context.Context) (quic.Connection, error)) {
	for range 3 {
		p.connect(l, dial)
		p.bidi()
	}
}

func listenerClose(p *pipe, l quic.Listener, _ func(context.Context) (quic.Connection, error)) {
	accept := p.start("Accept", func() error { _, err := l.Accept(p.ctx); return err })
	accept.blocked()
	p.must(l.Close(), "Close")
	if err := accept.result(); !errors.Is(err, quic.ErrListenerClosed) {
		p.fatalf("Accept in progress at Close: %v; want ErrListenerClosed", err)
	}
	accept = p.start("Accept", func() error { _, err := l.Accept(p.ctx); return err })
	if err := accept.result(); !errors.Is(err, quic.ErrListenerClosed) {
		p.fatalf("Accept after Close: %v; want ErrListenerClosed", err)
	}
}

func listenerOutlived(p *pipe, l quic.Listener, dial func(context.Context) (quic.Connection, error)) {
	p.connect(l, dial)
	s, r := p.bidi()
	p.must(l.Close(), "Close")
	p.settle()
	p.write(s, []byte("still here"))
	p.wantBytes(r, []byte("still here"))
	p.a, p.b = p.b, p.a
	p.bidi()
	p.must(p.a.CloseWithError(7, "bye"), "CloseWithError")
	p.wantConn(p.ended(p.b.Context(), "a connection that the peer closed"), 7, true, "bye", "Context after the listener's end")
}
