package quicgo

import (
	"context"
	"io"

	quicgo "github.com/quic-go/quic-go"

	"github.com/moqtgo/moqt/ports/quic"
)

// tally counts what TryWrite has taken since a Write last returned. One Write
// or TryWrite is under way at a time, so it needs no lock.
type tally int

func (t *tally) full(n int) bool { return int(*t)+n > quic.TryWriteLimit }

// sendHalf is what the two kinds of streams of quic-go have in common.
type sendHalf interface {
	io.WriteCloser
	TryWriteAll([]byte) error
	CancelWrite(quicgo.StreamErrorCode)
	SetPriority(urgency int8, incremental bool)
	SetReliableBoundary()
	Context() context.Context
}

type sendStream struct {
	str   sendHalf
	tried tally
	ctx   Context
}

func (s *sendStream) Write(p []byte) (int, error) {
	n, err := s.str.Write(p)
	if err != nil {
		return n, streamError(err)
	}
	s.tried = 0
	return n, nil
}

// TryWrite queues p in quic-go, which would take a whole flow-control window:
// hence the limit of the port.
func (s *sendStream) TryWrite(p []byte) error {
	if s.tried.full(len(p)) {
		return s.wouldBlock()
	}
	if err := s.str.TryWriteAll(p); err != nil {
		return streamError(err)
	}
	s.tried += tally(len(p))
	return nil
}

// wouldBlock returns ErrWouldBlock unless the stream has ended.
func (s *sendStream) wouldBlock() error {
	if err := s.str.TryWriteAll(nil); err != nil {
		return streamError(err)
	}
	return quic.ErrWouldBlock
}

func (s *sendStream) Close() error {
	s.str.Close() // its only error says that the stream was cancelled
	return nil
}

func (s *sendStream) CancelWrite(code quic.ErrorCode) {
	s.str.CancelWrite(quicgo.StreamErrorCode(cap62(code)))
}

func (s *sendStream) SetPriority(urgency uint8, incremental bool) {
	s.str.SetPriority(int8(min(urgency, 7)), incremental)
}

func (s *sendStream) SetReliableBoundary() { s.str.SetReliableBoundary() }

func (s *sendStream) Context() context.Context {
	return s.ctx.Of(s.str.Context(), streamError)
}

// stream is a bidirectional stream.
type stream struct {
	sendStream
	receiveHalf *quicgo.Stream
}

func newStream(str *quicgo.Stream) *stream {
	return &stream{sendStream: sendStream{str: str}, receiveHalf: str}
}

func (s *stream) Read(p []byte) (int, error) {
	n, err := s.receiveHalf.Read(p)
	if err != nil {
		return n, streamError(err)
	}
	return n, nil
}

func (s *stream) CancelRead(code quic.ErrorCode) {
	s.receiveHalf.CancelRead(quicgo.StreamErrorCode(cap62(code)))
}

// receiveStream is one pointer wide, so that it becomes an interface without
// an allocation.
type receiveStream struct{ str *quicgo.ReceiveStream }

func (s receiveStream) Read(p []byte) (int, error) {
	n, err := s.str.Read(p)
	if err != nil {
		return n, streamError(err)
	}
	return n, nil
}

func (s receiveStream) CancelRead(code quic.ErrorCode) {
	s.str.CancelRead(quicgo.StreamErrorCode(cap62(code)))
}
