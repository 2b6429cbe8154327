package webtransportgo

import (
	"context"
	"errors"
	"io"
	"math"
	"os"

	quicgo "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	wtgo "github.com/quic-go/webtransport-go"

	adapter "github.com/moqtgo/moqt/adapters/quicgo"
	"github.com/moqtgo/moqt/ports/quic"
)

// canceled makes a blocking call of quic-go a question.
var canceled = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// cap32 caps a code to the 32 bits that WebTransport carries.
func cap32(code quic.ErrorCode) uint32 { return uint32(min(code, math.MaxUint32)) }

// endOf translates the error with which a session has ended.
func endOf(err error, conn *quicgo.Conn) *quic.ConnError {
	if e, ok := errors.AsType[*wtgo.SessionError](err); ok {
		return &quic.ConnError{Code: quic.ErrorCode(e.ErrorCode), Remote: e.Remote, Reason: e.Message}
	}
	// Of any other end the library keeps the text alone. If the connection
	// below is gone, it knows why; opening a stream would be refused first
	// for that and only then for the context.
	if _, connErr := conn.OpenStreamSync(canceled); !errors.Is(connErr, context.Canceled) {
		return lost(connErr)
	}
	// A CONNECT stream that ends without a capsule closes the session with
	// code 0 (draft-ietf-webtrans-http3 §6).
	if e, ok := errors.AsType[*http3.Error](err); ok && e.ErrorMessage == io.EOF.Error() {
		return &quic.ConnError{Remote: true}
	}
	return &quic.ConnError{Remote: true, Err: err}
}

// lost is the end of a session by the end of its connection. The codes of
// HTTP/3 are not codes of the session.
func lost(err error) *quic.ConnError {
	if e, ok := errors.AsType[*quicgo.ApplicationError](err); ok {
		return &quic.ConnError{Remote: e.Remote, Err: e}
	}
	if e, ok := adapter.ConnError(err).(*quic.ConnError); ok {
		return e
	}
	return &quic.ConnError{Err: err}
}

const (
	firstCode = 0x52e4a40fa8db
	lastCode  = 0x52e5ac983162
	// sessionGone resets the streams of a session that has ended.
	sessionGone quicgo.StreamErrorCode = 0x170d7b68
)

// streamCode is the application's code within a code of HTTP/3
// (draft-ietf-webtrans-http3 §4.4: the reserved codepoints are skipped).
func streamCode(h quicgo.StreamErrorCode) (quic.ErrorCode, bool) {
	if h < firstCode || h > lastCode || (h-0x21)%0x1f == 0 {
		return 0, false
	}
	n := h - firstCode
	return quic.ErrorCode(n - n/0x1f), true
}

// streamError translates an error of a stream of the library.
func (s *session) streamError(err error) error {
	if err == io.EOF {
		return err
	}
	if e, ok := errors.AsType[*wtgo.StreamError](err); ok {
		return &quic.StreamError{Code: quic.ErrorCode(e.ErrorCode), Remote: e.Remote, Err: e}
	}
	if err == quicgo.ErrStreamClosed {
		return quic.ErrFinished
	}
	if isEnd(err) {
		return s.fail(context.Background(), err)
	}
	// A code of HTTP/3 that is no code of an application.
	return &quic.StreamError{Remote: true, Err: err}
}

// isEnd says whether a stream fails with err because the session is over.
func isEnd(err error) bool {
	var sess *wtgo.SessionError
	var h3 *http3.Error
	_, lost := adapter.ConnError(err).(*quic.ConnError)
	return lost || errors.As(err, &sess) || errors.As(err, &h3) || errors.Is(err, os.ErrDeadlineExceeded) // see waits
}
