package ietf

import (
	"errors"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/ports/quic"
)

// isViolation reports whether err ends the session.
func isViolation(err error) bool {
	_, ok := decodeCode(err)
	return ok
}

// reset returns the code with which a stream is reset or stopped for err.
func (s *session) reset(err error) quic.ErrorCode { return s.p.resetCode(err) }

// fromWire returns what err of a stream means.
func (s *session) fromWire(err error) *moq.Error {
	var reset *quic.StreamError
	if errors.As(err, &reset) && reset.Remote {
		return s.p.resetFailure(reset.Code)
	}
	var e *moq.Error
	if errors.As(err, &e) {
		return e
	}
	switch {
	case isConn(err):
		return &moq.Error{Code: moq.CodeDropped, Reason: "the session ended", Err: err}
	case isViolation(err):
		return &moq.Error{Code: moq.CodeMalformed, Err: err}
	}
	return &moq.Error{Code: moq.CodeCanceled, Err: err}
}
