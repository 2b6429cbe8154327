package quictest

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/moqtgo/moqt/ports/quic"
)

// idle is how long nothing must happen for the WantIdle methods. In a bubble it
// is virtual.
const idle = 100 * time.Millisecond

// A Puppet plays the peer of the code under test: it sends raw bytes on chosen
// streams and says what it wants back. It knows nothing of the protocol. Every
// method fails the test where something else happens, or nothing within 20 s
// of the test's clock. Only the test's goroutine may call it.
type Puppet struct {
	tb    testing.TB
	conn  quic.Connection
	calls sync.WaitGroup
}

// NewPuppet plays the peer at its end of a connection, which it closes when the
// test ends.
func NewPuppet(tb testing.TB, conn quic.Connection) *Puppet {
	p := &Puppet{tb: tb, conn: conn}
	tb.Cleanup(func() {
		_ = conn.CloseWithError(0, "")
		p.calls.Wait()
	})
	return p
}

// Conn returns the puppet's end of the connection.
func (p *Puppet) Conn() quic.Connection { return p.conn }

func (p *Puppet) soon() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), failSafe)
}

// Open opens a bidirectional stream and sends data, if there is any.
func (p *Puppet) Open(data ...[]byte) *PuppetStream {
	p.tb.Helper()
	ctx, cancel := p.soon()
	defer cancel()
	s, err := p.conn.OpenStream(ctx)
	if err != nil {
		p.tb.Fatalf("puppet: OpenStream: %v", err)
	}
	return p.stream(s, s).Send(data...)
}

// OpenUni opens a unidirectional stream and sends data, if there is any.
func (p *Puppet) OpenUni(data ...[]byte) *PuppetStream {
	p.tb.Helper()
	ctx, cancel := p.soon()
	defer cancel()
	s, err := p.conn.OpenUniStream(ctx)
	if err != nil {
		p.tb.Fatalf("puppet: OpenUniStream: %v", err)
	}
	return p.stream(s, nil).Send(data...)
}

// Accept wants a bidirectional stream.
func (p *Puppet) Accept() *PuppetStream {
	p.tb.Helper()
	ctx, cancel := p.soon()
	defer cancel()
	s, err := p.conn.AcceptStream(ctx)
	if err != nil {
		p.tb.Fatalf("puppet: wanted a bidirectional stream: %v", err)
	}
	return p.stream(s, s)
}

// AcceptUni wants a unidirectional stream.
func (p *Puppet) AcceptUni() *PuppetStream {
	p.tb.Helper()
	ctx, cancel := p.soon()
	defer cancel()
	s, err := p.conn.AcceptUniStream(ctx)
	if err != nil {
		p.tb.Fatalf("puppet: wanted a unidirectional stream: %v", err)
	}
	return p.stream(nil, s)
}

// SendDatagram sends a datagram.
func (p *Puppet) SendDatagram(data []byte) {
	p.tb.Helper()
	if err := p.conn.SendDatagram(data); err != nil {
		p.tb.Fatalf("puppet: SendDatagram: %v", err)
	}
}

// WantDatagram wants this datagram next.
func (p *Puppet) WantDatagram(want []byte) {
	p.tb.Helper()
	ctx, cancel := p.soon()
	defer cancel()
	got, err := p.conn.ReceiveDatagram(ctx)
	if err != nil {
		p.tb.Fatalf("puppet: wanted a datagram: %v", err)
	}
	if !bytes.Equal(got, want) {
		p.tb.Fatalf("puppet: wrong datagram:\n got %s\nwant %s", dump(got), dump(want))
	}
}

// WantIdle wants no new stream, no datagram and no end of the connection.
func (p *Puppet) WantIdle() {
	p.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), idle)
	defer cancel()
	happened := make(chan string, 3)
	var calls sync.WaitGroup
	watch := func(what string, f func() error) {
		calls.Go(func() {
			err := f()
			switch {
			case err == nil:
				happened <- what
			case !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, quic.ErrNoDatagrams):
				happened <- err.Error()
			}
		})
	}
	watch("a bidirectional stream", func() error { _, err := p.conn.AcceptStream(ctx); return err })
	watch("a unidirectional stream", func() error { _, err := p.conn.AcceptUniStream(ctx); return err })
	if p.conn.State().Datagrams {
		watch("a datagram", func() error { _, err := p.conn.ReceiveDatagram(ctx); return err })
	}
	calls.Wait()
	select {
	case what := <-happened:
		p.tb.Fatalf("puppet: wanted nothing, got %s", what)
	default:
	}
}

// WantClosed wants the peer to close the connection with this code.
func (p *Puppet) WantClosed(code quic.ErrorCode) {
	p.tb.Helper()
	timer := time.NewTimer(failSafe)
	defer timer.Stop()
	select {
	case <-p.conn.Context().Done():
	case <-timer.C:
		p.tb.Fatalf("puppet: wanted the connection closed with code %#x; it is open", uint64(code))
	}
	var end *quic.ConnError
	cause := context.Cause(p.conn.Context())
	if !errors.As(cause, &end) || end.Err != nil || !end.Remote || end.Code != code {
		p.tb.Fatalf("puppet: wanted the connection closed with code %#x; it ended with: %v", uint64(code), cause)
	}
}

// Close closes the puppet's end.
func (p *Puppet) Close(code quic.ErrorCode, reason string) {
	_ = p.conn.CloseWithError(code, reason)
}

func (p *Puppet) stream(s quic.SendStream, r quic.ReceiveStream) *PuppetStream {
	ps := &PuppetStream{p: p, send: s, recv: r, news: make(chan struct{}, 1)}
	if r != nil {
		p.calls.Go(ps.read)
	}
	return ps
}
