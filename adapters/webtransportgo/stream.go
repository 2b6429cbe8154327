package webtransportgo

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"time"

	quicgo "github.com/quic-go/quic-go"
	wtgo "github.com/quic-go/webtransport-go"

	adapter "github.com/moqtgo/moqt/adapters/quicgo"
	"github.com/moqtgo/moqt/ports/quic"
)

// past is a deadline that has passed in every clock.
var past = time.Unix(1, 0)

// sendHalf is what the two kinds of streams of the library have in common.
type sendHalf interface {
	Write([]byte) (int, error)
	Close() error
	CancelWrite(wtgo.StreamErrorCode)
	SetWriteDeadline(time.Time) error
	Context() context.Context
}

type sendStream struct {
	sess *session
	str  sendHalf
	ctx  adapter.Context

	wrote  atomic.Bool // the library has sent the stream's header, or is at it
	closed atomic.Bool
	cancel atomic.Pointer[quic.StreamError] // the first CancelWrite
}

func (s *sendStream) Write(p []byte) (int, error) {
	if s.closed.Load() {
		return 0, s.ended()
	}
	s.wrote.Store(true)
	if !s.sess.waits.begin(s) {
		return 0, s.sess.over()
	}
	n, err := s.str.Write(p)
	s.sess.waits.done(s)
	if err != nil {
		return n, s.fail(err)
	}
	return n, nil
}

// TryWrite takes nothing: the library has no write that does not block.
func (s *sendStream) TryWrite(p []byte) error {
	if s.closed.Load() || s.cancel.Load() != nil || s.str.Context().Err() != nil {
		return s.ended()
	}
	if err := s.sess.over(); err != nil {
		return err
	}
	return quic.ErrWouldBlock
}

// ended is the error of a write on a stream that has ended.
func (s *sendStream) ended() error {
	if e := s.cancel.Load(); e != nil {
		return e
	}
	if s.str.Context().Err() != nil {
		return s.cause(context.Cause(s.str.Context()))
	}
	return quic.ErrFinished
}

func (s *sendStream) fail(err error) error {
	if e := s.cancel.Load(); e != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		return e // CancelWrite interrupted a wait of the library
	}
	return s.sess.streamError(err)
}

func (s *sendStream) Close() error {
	s.closed.Store(true)
	s.str.Close() // its only error says that the stream was cancelled
	return nil
}

func (s *sendStream) CancelWrite(code quic.ErrorCode) {
	code32 := cap32(code)
	s.cancel.CompareAndSwap(nil, &quic.StreamError{Code: quic.ErrorCode(code32)})
	s.str.CancelWrite(wtgo.StreamErrorCode(code32))
	// Where the peer has stopped the stream for a session that lives on, the
	// library waits in Write for the session. Before the first Write it
	// sends the header in the background, which must not be interrupted.
	if s.wrote.Load() {
		_ = s.str.SetWriteDeadline(past) // it never fails
	}
}

func (s *sendStream) interrupt() { _ = s.str.SetWriteDeadline(past) }

func (s *sendStream) SetPriority(uint8, bool) {}

func (s *sendStream) SetReliableBoundary() {}

func (s *sendStream) Context() context.Context {
	return s.ctx.Of(s.str.Context(), s.cause)
}

// cause translates the cause of the context of the stream of quic-go below.
func (s *sendStream) cause(err error) error {
	if err == quicgo.ErrStreamClosed {
		return quic.ErrFinished
	}
	e, ok := errors.AsType[*quicgo.StreamError](err)
	if !ok {
		return s.sess.fail(context.Background(), err)
	}
	if e.ErrorCode == sessionGone {
		// The end of the session is on its way, unless the peer is wrong.
		ctx, cancel := context.WithTimeout(s.sess.wt.Context(), closeTimeout)
		defer cancel()
		<-ctx.Done()
		if err := s.sess.over(); err != nil {
			return err
		}
	}
	code, _ := streamCode(e.ErrorCode)
	return &quic.StreamError{Code: code, Remote: e.Remote, Err: e}
}

type receiveHalf interface {
	Read([]byte) (int, error)
	CancelRead(wtgo.StreamErrorCode)
	SetReadDeadline(time.Time) error
}

type receiveStream struct {
	sess   *session
	str    receiveHalf
	cancel atomic.Pointer[quic.StreamError] // the first CancelRead
}

func (s *receiveStream) Read(p []byte) (int, error) {
	if !s.sess.waits.begin(s) {
		s.interrupt()
	}
	n, err := s.str.Read(p)
	s.sess.waits.done(s)
	if err != nil {
		if e := s.cancel.Load(); e != nil && errors.Is(err, os.ErrDeadlineExceeded) {
			return n, e
		}
		return n, s.sess.streamError(err)
	}
	return n, nil
}

func (s *receiveStream) interrupt() { _ = s.str.SetReadDeadline(past) }

func (s *receiveStream) CancelRead(code quic.ErrorCode) {
	code32 := cap32(code)
	s.cancel.CompareAndSwap(nil, &quic.StreamError{Code: quic.ErrorCode(code32)})
	s.str.CancelRead(wtgo.StreamErrorCode(code32))
	// As in CancelWrite.
	_ = s.str.SetReadDeadline(past) // it never fails
}

// stream is a bidirectional stream.
type stream struct {
	sendStream
	receiveStream
}

func newStream(s *session, str *wtgo.Stream) *stream {
	return &stream{sendStream: sendStream{sess: s, str: str}, receiveStream: receiveStream{sess: s, str: str}}
}
