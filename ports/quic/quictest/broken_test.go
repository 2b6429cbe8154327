package quictest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/moqtgo/moqt/ports/quic"
)

// A brokenConn wraps every half of a stream.
type brokenConn struct {
	quic.Connection
	send func(quic.SendStream) quic.SendStream
	recv func(quic.ReceiveStream) quic.ReceiveStream
}

// brokenBidi joins the halves; Close and the cancels may know of both.
type brokenBidi struct {
	quic.SendStream
	quic.ReceiveStream
}

func (c *brokenConn) wrapSend(s quic.SendStream) quic.SendStream {
	if c.send == nil {
		return s
	}
	return c.send(s)
}

func (c *brokenConn) wrapRecv(r quic.ReceiveStream) quic.ReceiveStream {
	if c.recv == nil {
		return r
	}
	return c.recv(r)
}

func (c *brokenConn) OpenStream(ctx context.Context) (quic.Stream, error) {
	s, err := c.Connection.OpenStream(ctx)
	if err != nil {
		return nil, err
	}
	return brokenBidi{c.wrapSend(s), c.wrapRecv(s)}, nil
}

func (c *brokenConn) AcceptStream(ctx context.Context) (quic.Stream, error) {
	s, err := c.Connection.AcceptStream(ctx)
	if err != nil {
		return nil, err
	}
	return brokenBidi{c.wrapSend(s), c.wrapRecv(s)}, nil
}

func (c *brokenConn) OpenUniStream(ctx context.Context) (quic.SendStream, error) {
	s, err := c.Connection.OpenUniStream(ctx)
	if err != nil {
		return nil, err
	}
	return c.wrapSend(s), nil
}

func (c *brokenConn) TryOpenUniStream() (quic.SendStream, error) {
	s, err := c.Connection.TryOpenUniStream()
	if err != nil {
		return nil, err
	}
	return c.wrapSend(s), nil
}

func (c *brokenConn) AcceptUniStream(ctx context.Context) (quic.ReceiveStream, error) {
	s, err := c.Connection.AcceptUniStream(ctx)
	if err != nil {
		return nil, err
	}
	return c.wrapRecv(s), nil
}

// send and recv break one kind of half.
func send(f func(quic.SendStream) quic.SendStream) func(quic.Connection) quic.Connection {
	return func(c quic.Connection) quic.Connection { return &brokenConn{Connection: c, send: f} }
}

func recv(f func(quic.ReceiveStream) quic.ReceiveStream) func(quic.Connection) quic.Connection {
	return func(c quic.Connection) quic.Connection { return &brokenConn{Connection: c, recv: f} }
}

// A brokenSend calls its functions where they are set.
type brokenSend struct {
	quic.SendStream
	write       func([]byte) (int, error)
	tryWrite    func([]byte) error
	close       func() error
	cancel      func(quic.ErrorCode)
	setPriority func()
	setBoundary func()
	context     func() context.Context
}

func (s *brokenSend) Write(p []byte) (int, error) {
	if s.write != nil {
		return s.write(p)
	}
	return s.SendStream.Write(p)
}

func (s *brokenSend) TryWrite(p []byte) error {
	if s.tryWrite != nil {
		return s.tryWrite(p)
	}
	return s.SendStream.TryWrite(p)
}

func (s *brokenSend) Close() error {
	if s.close != nil {
		return s.close()
	}
	return s.SendStream.Close()
}

func (s *brokenSend) CancelWrite(code quic.ErrorCode) {
	if s.cancel != nil {
		s.cancel(code)
		return
	}
	s.SendStream.CancelWrite(code)
}

func (s *brokenSend) SetPriority(urgency uint8, incremental bool) {
	if s.setPriority != nil {
		s.setPriority()
		return
	}
	s.SendStream.SetPriority(urgency, incremental)
}

func (s *brokenSend) SetReliableBoundary() {
	if s.setBoundary != nil {
		s.setBoundary()
		return
	}
	s.SendStream.SetReliableBoundary()
}

func (s *brokenSend) Context() context.Context {
	if s.context != nil {
		return s.context()
	}
	return s.SendStream.Context()
}

// A brokenRecv calls its functions where they are set.
type brokenRecv struct {
	quic.ReceiveStream
	read   func([]byte) (int, error)
	cancel func(quic.ErrorCode)
}

func (r *brokenRecv) Read(p []byte) (int, error) {
	if r.read != nil {
		return r.read(p)
	}
	return r.ReceiveStream.Read(p)
}

func (r *brokenRecv) CancelRead(code quic.ErrorCode) {
	if r.cancel != nil {
		r.cancel(code)
		return
	}
	r.ReceiveStream.CancelRead(code)
}

// visible shows every stream when it is opened: one byte that the other side
// strips.
type visible struct{ brokenConn }

func newVisible(c quic.Connection) quic.Connection {
	return &visible{brokenConn{Connection: c, recv: func(r quic.ReceiveStream) quic.ReceiveStream {
		b := &brokenRecv{ReceiveStream: r}
		stripped := false
		b.read = func(p []byte) (int, error) {
			if !stripped {
				stripped = true
				_, _ = r.Read(make([]byte, 1))
			}
			return r.Read(p)
		}
		return b
	}}}
}

func (c *visible) OpenUniStream(ctx context.Context) (quic.SendStream, error) {
	s, err := c.Connection.OpenUniStream(ctx)
	if err == nil {
		_, err = s.Write([]byte{0})
	}
	return s, err
}

// stateless has no addresses.
type stateless struct{ quic.Connection }

func (c stateless) State() quic.State {
	s := c.Connection.State()
	s.LocalAddr = nil
	return s
}

// lifo serves the last waiting OpenUniStream first.
type lifo struct {
	quic.Connection
	mu    sync.Mutex
	stack []int
	next  int
}

func (c *lifo) OpenUniStream(ctx context.Context) (quic.SendStream, error) {
	c.mu.Lock()
	c.next++
	me := c.next
	c.stack = append(c.stack, me)
	c.mu.Unlock()
	for {
		c.mu.Lock()
		if c.stack[len(c.stack)-1] == me {
			s, err := c.Connection.TryOpenUniStream()
			if err == nil {
				c.stack = c.stack[:len(c.stack)-1]
				c.mu.Unlock()
				return s, nil
			}
		}
		c.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-c.Connection.Context().Done():
			return nil, context.Cause(c.Connection.Context())
		case <-time.After(time.Millisecond):
		}
	}
}

// greedy serves TryOpenUniStream before a waiting OpenUniStream: it keeps two
// streams back for that.
type greedy struct {
	quic.Connection
	mu    sync.Mutex
	spare []quic.SendStream
	full  bool
}

func (c *greedy) TryOpenUniStream() (quic.SendStream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.spare) < 2 {
		s, err := c.Connection.TryOpenUniStream()
		if err != nil {
			break
		}
		c.spare = append(c.spare, s)
	}
	if s, err := c.Connection.TryOpenUniStream(); err == nil || c.full && len(c.spare) == 0 {
		return s, err
	}
	if !c.full {
		c.full = true
		return nil, quic.ErrWouldBlock
	}
	s := c.spare[0]
	c.spare = c.spare[1:]
	return s, nil
}

// deaf ignores the context of its accepts.
type deaf struct{ quic.Connection }

func (c deaf) AcceptStream(context.Context) (quic.Stream, error) {
	return c.Connection.AcceptStream(context.Background())
}

// stuck does not notice in AcceptUniStream that the connection has ended.
type stuck struct{ quic.Connection }

func (c stuck) AcceptUniStream(ctx context.Context) (quic.ReceiveStream, error) {
	s, err := c.Connection.AcceptUniStream(ctx)
	if err != nil {
		<-ctx.Done()
	}
	return s, err
}

// mute closes without code and reason.
type mute struct{ quic.Connection }

func (c mute) CloseWithError(quic.ErrorCode, string) error { return c.Connection.CloseWithError(0, "") }

// wrapping wraps the error of a call.
type wrapping struct{ quic.Connection }

func (c wrapping) TryOpenUniStream() (quic.SendStream, error) {
	s, err := c.Connection.TryOpenUniStream()
	if err != nil {
		err = fmt.Errorf("open: %w", err)
	}
	return s, err
}

// hesitant closes a moment later, with the last code that it was given.
type hesitant struct {
	quic.Connection
	mu   sync.Mutex
	code quic.ErrorCode
	set  bool
}

func (c *hesitant) CloseWithError(code quic.ErrorCode, reason string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.code = code
	if !c.set {
		c.set = true
		time.AfterFunc(time.Millisecond, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			_ = c.Connection.CloseWithError(c.code, reason)
		})
	}
	return nil
}

// datagrams sends something else than it was asked to.
type datagrams struct {
	quic.Connection
	send func(c quic.Connection, p []byte) error
}

func (c datagrams) SendDatagram(p []byte) error { return c.send(c.Connection, p) }

// sieve loses the bytes of every 50th stream.
type sieve struct {
	quic.Connection
	mu sync.Mutex
	n  int
}

func (c *sieve) OpenUniStream(ctx context.Context) (quic.SendStream, error) {
	s, err := c.Connection.OpenUniStream(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n++; err == nil && c.n%50 == 0 {
		s = &brokenSend{SendStream: s, write: func(p []byte) (int, error) { return len(p), nil }}
	}
	return s, err
}

var errForeign = errors.New("an error of the stack")

// foreign turns an error of the port into one of the stack.
func foreign(err error) error {
	if err != nil {
		return errForeign
	}
	return nil
}
