package quictest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/moqtgo/moqt/ports/quic"
)

// A pipe is what a check works on: a acts, b answers. Its methods end the
// check where something is wrong; only the check's own goroutine calls them.
type pipe struct {
	conf   Config
	tb     testing.TB
	a, b   quic.Connection
	ctx    context.Context
	cancel context.CancelFunc
	stop   func()

	calls sync.WaitGroup
	mu    sync.Mutex
	err   error
}

func newPipe(c Config, t testing.TB, client, server quic.Connection, stop func()) *pipe {
	p := &pipe{conf: c, tb: t, a: client, b: server, stop: sync.OnceFunc(stop)}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// run runs a check under the fail-safe, stops the adapter, and says what is
// wrong.
func (p *pipe) run(check func()) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		check()
	}()
	timer := time.NewTimer(failSafe)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		p.report(fmt.Sprintf("still running after %v\n%s", failSafe, suiteStacks()))
	}
	p.cancel()
	p.stop()
	if !p.wait(done) {
		p.report("calls still blocked after the connection was closed\n" + suiteStacks())
	}
	return p.verdict()
}

// report keeps the first failure.
func (p *pipe) report(message string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = errors.New(message)
	}
}

func (p *pipe) verdict() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

func (p *pipe) fatalf(format string, args ...any) {
	p.report(fmt.Sprintf(format, args...))
	runtime.Goexit()
}

func (p *pipe) must(err error, what string) {
	if err != nil {
		p.fatalf("%s: %v", what, err)
	}
}

// wait waits for the check and its calls after stop.
func (p *pipe) wait(done <-chan struct{}) bool {
	all := make(chan struct{})
	go func() {
		<-done
		p.calls.Wait()
		close(all)
	}()
	timer := time.NewTimer(failSafe)
	defer timer.Stop()
	select {
	case <-all:
		return true
	case <-timer.C:
		return false
	}
}

// settle lets everything happen that is about to happen. In a bubble that is
// certain. In real time it is a guess: one that is too short can miss a fault,
// but never invents one.
func (p *pipe) settle() {
	d := time.Second
	if !p.conf.Bubble {
		d = 20 * time.Millisecond
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}

func (p *pipe) handshake() {
	p.must(p.a.HandshakeComplete(p.ctx), "HandshakeComplete")
	p.must(p.b.HandshakeComplete(p.ctx), "HandshakeComplete of the answering side")
}

// A call is a blocking call in a goroutine of its own.
type call struct {
	p    *pipe
	what string
	done chan struct{}
	err  error
}

// start runs f in the background.
func (p *pipe) start(what string, f func() error) *call {
	c := &call{p: p, what: what, done: make(chan struct{})}
	p.calls.Go(func() {
		defer close(c.done)
		c.err = f()
	})
	return c
}

// result waits for the call and returns its error.
func (c *call) result() error {
	timer := time.NewTimer(failSafe / 2)
	defer timer.Stop()
	select {
	case <-c.done:
		return c.err
	case <-timer.C:
		c.p.fatalf("%s does not return", c.what)
		return nil
	}
}

func (c *call) ok() { c.p.must(c.result(), c.what) }

func (c *call) returned() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// blocked requires that the call has not returned.
func (c *call) blocked() {
	c.p.settle()
	if c.returned() {
		c.p.fatalf("%s returned (%v) and had to block", c.what, c.err)
	}
}

// soon bounds a wait that is a step of a check.
func (p *pipe) soon() (context.Context, context.CancelFunc) {
	return context.WithTimeout(p.ctx, failSafe/2)
}

// ended waits until ctx is done and returns its cause.
func (p *pipe) ended(ctx context.Context, what string) error {
	soon, cancel := p.soon()
	defer cancel()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-soon.Done():
		p.fatalf("the context of %s is not done", what)
		return nil
	}
}

func (p *pipe) openUni() quic.SendStream {
	ctx, cancel := p.soon()
	defer cancel()
	s, err := p.a.OpenUniStream(ctx)
	p.must(err, "OpenUniStream")
	return s
}

func (p *pipe) open() quic.Stream {
	ctx, cancel := p.soon()
	defer cancel()
	s, err := p.a.OpenStream(ctx)
	p.must(err, "OpenStream")
	return s
}

func (p *pipe) acceptUni() quic.ReceiveStream {
	ctx, cancel := p.soon()
	defer cancel()
	s, err := p.b.AcceptUniStream(ctx)
	p.must(err, "AcceptUniStream")
	return s
}

func (p *pipe) accept() quic.Stream {
	ctx, cancel := p.soon()
	defer cancel()
	s, err := p.b.AcceptStream(ctx)
	p.must(err, "AcceptStream")
	return s
}

// uni returns both ends of a unidirectional stream that has carried one byte.
func (p *pipe) uni() (quic.SendStream, quic.ReceiveStream) {
	s := p.openUni()
	p.write(s, []byte{'!'})
	r := p.acceptUni()
	p.wantBytes(r, []byte{'!'})
	return s, r
}

// bidi returns both ends of a bidirectional stream that has carried one byte.
func (p *pipe) bidi() (quic.Stream, quic.Stream) {
	s := p.open()
	p.write(s, []byte{'!'})
	r := p.accept()
	p.wantBytes(r, []byte{'!'})
	return s, r
}

func (p *pipe) write(w io.Writer, data []byte) {
	n, err := w.Write(data)
	p.must(err, "Write")
	if n != len(data) {
		p.fatalf("Write of %d bytes took %d", len(data), n)
	}
}

func (p *pipe) finish(s quic.SendStream) { p.must(s.Close(), "Close of a stream") }

// wantBytes reads exactly len(want) bytes.
func (p *pipe) wantBytes(r io.Reader, want []byte) {
	data := make([]byte, len(want))
	n, err := io.ReadFull(r, data)
	if err != nil {
		p.fatalf("Read: %v after %d of %d bytes", err, n, len(want))
	}
	if !bytes.Equal(data, want) {
		p.fatalf("read other bytes than were written (%d bytes)", len(want))
	}
}

// wantEOF requires the end of the stream, twice.
func (p *pipe) wantEOF(r io.Reader) {
	for range 2 {
		if n, err := r.Read(make([]byte, 16)); n != 0 || err != io.EOF {
			p.fatalf("Read at the end of a stream: %d bytes, %v; want io.EOF", n, err)
		}
	}
}

// readAll reads up to an error, io.EOF included, and returns it.
func readAll(r io.Reader) ([]byte, error) {
	var all []byte
	buf := make([]byte, 4096)
	for {
		n, err := r.Read(buf)
		all = append(all, buf[:n]...)
		if err != nil {
			return all, err
		}
	}
}

// wantStream requires that err is the *StreamError of code.
func (p *pipe) wantStream(err error, code quic.ErrorCode, remote bool, what string) {
	var e *quic.StreamError
	if !errors.As(err, &e) {
		p.fatalf("%s: %v (%T); want a *quic.StreamError", what, err, err)
	}
	if e.Code != code || e.Remote != remote {
		p.fatalf("%s: code %#x, remote %v; want %#x, %v", what, e.Code, e.Remote, code, remote)
	}
}

// wantConn requires that err is itself the *ConnError of an application close.
func (p *pipe) wantConn(err error, code quic.ErrorCode, remote bool, reason, what string) {
	e, ok := err.(*quic.ConnError)
	if !ok {
		p.fatalf("%s: %v (%T); want a *quic.ConnError itself", what, err, err)
	}
	if e.Err != nil || e.Code != code || e.Remote != remote || e.Reason != reason {
		p.fatalf("%s: %#v; want code %#x, remote %v, reason %q", what, e, code, remote, reason)
	}
}

// pattern returns n bytes that depend on seed.
func pattern(seed, n int) []byte {
	data := make([]byte, n)
	x := uint64(seed)*0x9e3779b97f4a7c15 + 1
	for i := range data {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		data[i] = byte(x >> 32)
	}
	return data
}
