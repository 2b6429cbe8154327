package quicfault

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/moqtgo/moqt/ports/quic"
)

// An Op is a method that can be made to fail.
type Op string

const (
	OpenStream       Op = "OpenStream"
	OpenUniStream    Op = "OpenUniStream"
	TryOpenUniStream Op = "TryOpenUniStream"
	AcceptStream     Op = "AcceptStream"
	AcceptUniStream  Op = "AcceptUniStream"
	SendDatagram     Op = "SendDatagram"
	ReceiveDatagram  Op = "ReceiveDatagram"
	Write            Op = "Write"
	TryWrite         Op = "TryWrite"
	Close            Op = "Close" // of a stream
	Read             Op = "Read"
)

// A Fault happens at the nth call of an Op, counted over all streams of the
// connection. What of it is set happens in the order of the fields.
type Fault struct {
	Op Op
	// N is the number of the call, from 1. Onwards: and every call
	// after it.
	N       int
	Onwards bool
	// Delay holds the call up, as long as the connection lives.
	Delay time.Duration
	// Reset cancels the stream of the call, in the direction of the call,
	// with this code; the call goes on and finds that out.
	Reset *quic.ErrorCode
	// CloseWith closes the connection with this code; the call goes on.
	CloseWith *quic.ErrorCode
	// Truncate, of Write and TryWrite, lets the first half of the bytes pass
	// and ends the stream there. The call fails with Err, or io.ErrShortWrite.
	Truncate bool
	// Err is returned instead of making the call.
	Err error
}

// Code returns a pointer to code, for the fields of a Fault.
func Code(code quic.ErrorCode) *quic.ErrorCode { return &code }

// A Conn is a connection with faults.
type Conn struct {
	quic.Connection
	faults []Fault

	mu    sync.Mutex
	calls map[Op]int
}

// NewConn puts faults on c.
func NewConn(c quic.Connection, faults ...Fault) *Conn {
	return &Conn{Connection: c, faults: faults, calls: make(map[Op]int)}
}

// Unwrap returns the connection below.
func (c *Conn) Unwrap() quic.Connection { return c.Connection }

// Calls says how often op was called.
func (c *Conn) Calls(op Op) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[op]
}

// A truncated is the error of a call of which half is to be done.
type truncated struct{ error }

// before does what must happen before a call of op.
func (c *Conn) before(op Op, cancel func(quic.ErrorCode)) error {
	c.mu.Lock()
	c.calls[op]++
	n := c.calls[op]
	c.mu.Unlock()
	for _, f := range c.faults {
		if f.Op != op || n < f.N || n > f.N && !f.Onwards {
			continue
		}
		if f.Delay > 0 {
			c.wait(f.Delay)
		}
		if f.Reset != nil && cancel != nil {
			cancel(*f.Reset)
		}
		if f.CloseWith != nil {
			_ = c.CloseWithError(*f.CloseWith, "injected fault")
		}
		switch {
		case f.Truncate && f.Err == nil:
			return truncated{io.ErrShortWrite}
		case f.Truncate:
			return truncated{f.Err}
		case f.Err != nil:
			return f.Err
		}
	}
	return nil
}

func (c *Conn) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.Context().Done():
	}
}

func (c *Conn) OpenStream(ctx context.Context) (quic.Stream, error) {
	if err := c.before(OpenStream, nil); err != nil {
		return nil, err
	}
	s, err := c.Connection.OpenStream(ctx)
	if err != nil {
		return nil, err
	}
	return c.stream(s), nil
}

func (c *Conn) OpenUniStream(ctx context.Context) (quic.SendStream, error) {
	if err := c.before(OpenUniStream, nil); err != nil {
		return nil, err
	}
	s, err := c.Connection.OpenUniStream(ctx)
	if err != nil {
		return nil, err
	}
	return &sendStream{s, c}, nil
}

func (c *Conn) TryOpenUniStream() (quic.SendStream, error) {
	if err := c.before(TryOpenUniStream, nil); err != nil {
		return nil, err
	}
	s, err := c.Connection.TryOpenUniStream()
	if err != nil {
		return nil, err
	}
	return &sendStream{s, c}, nil
}

func (c *Conn) AcceptStream(ctx context.Context) (quic.Stream, error) {
	if err := c.before(AcceptStream, nil); err != nil {
		return nil, err
	}
	s, err := c.Connection.AcceptStream(ctx)
	if err != nil {
		return nil, err
	}
	return c.stream(s), nil
}

func (c *Conn) AcceptUniStream(ctx context.Context) (quic.ReceiveStream, error) {
	if err := c.before(AcceptUniStream, nil); err != nil {
		return nil, err
	}
	s, err := c.Connection.AcceptUniStream(ctx)
	if err != nil {
		return nil, err
	}
	return &receiveStream{s, c}, nil
}

func (c *Conn) SendDatagram(p []byte) error {
	if err := c.before(SendDatagram, nil); err != nil {
		return err
	}
	return c.Connection.SendDatagram(p)
}

func (c *Conn) ReceiveDatagram(ctx context.Context) ([]byte, error) {
	if err := c.before(ReceiveDatagram, nil); err != nil {
		return nil, err
	}
	return c.Connection.ReceiveDatagram(ctx)
}

func (c *Conn) stream(s quic.Stream) quic.Stream {
	return &stream{&sendStream{s, c}, &receiveStream{s, c}}
}

type sendStream struct {
	quic.SendStream
	c *Conn
}

func (s *sendStream) Write(p []byte) (int, error) {
	err := s.c.before(Write, s.CancelWrite)
	if t, ok := err.(truncated); ok {
		n, _ := s.SendStream.Write(p[:len(p)/2])
		_ = s.SendStream.Close()
		return n, t.error
	}
	if err != nil {
		return 0, err
	}
	return s.SendStream.Write(p)
}

func (s *sendStream) TryWrite(p []byte) error {
	err := s.c.before(TryWrite, s.CancelWrite)
	if t, ok := err.(truncated); ok {
		_ = s.SendStream.TryWrite(p[:len(p)/2])
		_ = s.SendStream.Close()
		return t.error
	}
	if err != nil {
		return err
	}
	return s.SendStream.TryWrite(p)
}

func (s *sendStream) Close() error {
	if err := s.c.before(Close, s.CancelWrite); err != nil {
		return err
	}
	return s.SendStream.Close()
}

type receiveStream struct {
	quic.ReceiveStream
	c *Conn
}

func (s *receiveStream) Read(p []byte) (int, error) {
	if err := s.c.before(Read, s.CancelRead); err != nil {
		return 0, err
	}
	return s.ReceiveStream.Read(p)
}
