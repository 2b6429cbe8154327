// Package quicfault has decorators of a connection for tests: a [Counter]
// counts what passes, and a [Conn] fails, delays or resets at the nth call.
package quicfault

import (
	"context"
	"io"
	"sync/atomic"

	"github.com/moqtgo/moqt/ports/quic"
)

// Traffic counts one direction.
type Traffic struct {
	// Streams and UniStreams were opened by us, or accepted.
	Streams, UniStreams int64
	// Calls are the Write and TryWrite calls that took bytes, or the Read
	// calls that returned some.
	Calls int64
	// Bytes are payload of streams.
	Bytes int64
	// Ends are streams that ended with FIN: Close calls, or reads of io.EOF.
	Ends int64
	// Cancels are CancelWrite or CancelRead calls.
	Cancels int64
	// Datagrams were taken by SendDatagram, or received.
	Datagrams int64
}

// A Counter is a connection that counts what its user sends and receives.
type Counter struct {
	quic.Connection
	sent, received tally
}

// A tally is a Traffic that is being counted.
type tally struct {
	streams, uniStreams, calls, bytes, ends, cancels, datagrams atomic.Int64
}

func (t *tally) traffic() Traffic {
	return Traffic{
		Streams: t.streams.Load(), UniStreams: t.uniStreams.Load(),
		Calls: t.calls.Load(), Bytes: t.bytes.Load(), Ends: t.ends.Load(),
		Cancels: t.cancels.Load(), Datagrams: t.datagrams.Load(),
	}
}

func (t *tally) call(n int) {
	if n > 0 {
		t.calls.Add(1)
		t.bytes.Add(int64(n))
	}
}

// NewCounter counts on c from now on.
func NewCounter(c quic.Connection) *Counter { return &Counter{Connection: c} }

// Unwrap returns the connection below.
func (c *Counter) Unwrap() quic.Connection { return c.Connection }

// Sent is what was sent so far.
func (c *Counter) Sent() Traffic { return c.sent.traffic() }

// Received is what was received so far.
func (c *Counter) Received() Traffic { return c.received.traffic() }

func (c *Counter) OpenStream(ctx context.Context) (quic.Stream, error) {
	s, err := c.Connection.OpenStream(ctx)
	if err != nil {
		return nil, err
	}
	c.sent.streams.Add(1)
	return c.stream(s), nil
}

func (c *Counter) OpenUniStream(ctx context.Context) (quic.SendStream, error) {
	s, err := c.Connection.OpenUniStream(ctx)
	if err != nil {
		return nil, err
	}
	c.sent.uniStreams.Add(1)
	return &sendCounter{s, &c.sent}, nil
}

func (c *Counter) TryOpenUniStream() (quic.SendStream, error) {
	s, err := c.Connection.TryOpenUniStream()
	if err != nil {
		return nil, err
	}
	c.sent.uniStreams.Add(1)
	return &sendCounter{s, &c.sent}, nil
}

func (c *Counter) AcceptStream(ctx context.Context) (quic.Stream, error) {
	s, err := c.Connection.AcceptStream(ctx)
	if err != nil {
		return nil, err
	}
	c.received.streams.Add(1)
	return c.stream(s), nil
}

func (c *Counter) AcceptUniStream(ctx context.Context) (quic.ReceiveStream, error) {
	s, err := c.Connection.AcceptUniStream(ctx)
	if err != nil {
		return nil, err
	}
	c.received.uniStreams.Add(1)
	return &receiveCounter{s, &c.received}, nil
}

func (c *Counter) SendDatagram(p []byte) error {
	err := c.Connection.SendDatagram(p)
	if err == nil {
		c.sent.datagrams.Add(1)
	}
	return err
}

func (c *Counter) ReceiveDatagram(ctx context.Context) ([]byte, error) {
	p, err := c.Connection.ReceiveDatagram(ctx)
	if err == nil {
		c.received.datagrams.Add(1)
	}
	return p, err
}

func (c *Counter) stream(s quic.Stream) quic.Stream {
	return &stream{&sendCounter{s, &c.sent}, &receiveCounter{s, &c.received}}
}

// A stream joins the decorators of its halves.
type stream struct {
	quic.SendStream
	quic.ReceiveStream
}

type sendCounter struct {
	quic.SendStream
	sent *tally
}

func (s *sendCounter) Write(p []byte) (int, error) {
	n, err := s.SendStream.Write(p)
	s.sent.call(n)
	return n, err
}

func (s *sendCounter) TryWrite(p []byte) error {
	err := s.SendStream.TryWrite(p)
	if err == nil {
		s.sent.call(len(p))
	}
	return err
}

func (s *sendCounter) Close() error {
	err := s.SendStream.Close()
	if err == nil {
		s.sent.ends.Add(1)
	}
	return err
}

func (s *sendCounter) CancelWrite(code quic.ErrorCode) {
	s.sent.cancels.Add(1)
	s.SendStream.CancelWrite(code)
}

type receiveCounter struct {
	quic.ReceiveStream
	received *tally
}

func (s *receiveCounter) Read(p []byte) (int, error) {
	n, err := s.ReceiveStream.Read(p)
	s.received.call(n)
	if err == io.EOF {
		s.received.ends.Add(1)
	}
	return n, err
}

func (s *receiveCounter) CancelRead(code quic.ErrorCode) {
	s.received.cancels.Add(1)
	s.ReceiveStream.CancelRead(code)
}
