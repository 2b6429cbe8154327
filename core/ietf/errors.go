package ietf

import (
	"errors"
	"fmt"
	"io"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
	"github.com/moqtgo/moqt/ports/quic"
)

// A violation is what ends a session: the peer broke a rule.
type violation struct {
	Code   quic.ErrorCode
	Reason string
}

func violated(code quic.ErrorCode, format string, args ...any) *violation {
	return &violation{Code: code, Reason: fmt.Sprintf(format, args...)}
}

func (e *violation) Error() string { return "ietf: " + e.Reason }

// A refusal is what one request is answered with: it came well, but it is not
// granted.
type refusal struct {
	Code   requestCode
	Reason string
}

func refused(code requestCode, format string, args ...any) *refusal {
	return &refusal{Code: code, Reason: fmt.Sprintf(format, args...)}
}

func (e *refusal) Error() string { return "ietf: " + e.Reason }

// decodeCode is the code to close a session with whose message could not be
// read: ok is false where err is not about its bytes but about the stream
// below.
func decodeCode(err error) (code quic.ErrorCode, ok bool) {
	var v *violation
	var large *wire.TooLargeError
	switch {
	case errors.As(err, &v):
		return v.Code, true
	case errors.As(err, &large), errors.Is(err, wire.ErrInvalid), errors.Is(err, wire.ErrTruncated),
		errors.Is(err, wire.ErrTrailing), errors.Is(err, io.ErrUnexpectedEOF):
		return CodeProtocolViolation, true
	}
	return 0, false
}

// sessionCode is the code with which a session is closed for err; nil is a
// clean end.
func sessionCode(err error) quic.ErrorCode {
	if err == nil {
		return CodeNoError
	}
	if code, ok := decodeCode(err); ok {
		return code
	}
	var e *moq.Error
	if errors.As(err, &e) {
		switch e.Code {
		case moq.CodeUnauthorized:
			return CodeUnauthorized
		case moq.CodeMalformed, moq.CodeTooMany, moq.CodeTooLarge:
			return CodeProtocolViolation
		case moq.CodeCanceled, moq.CodeClosed:
			return CodeNoError
		case moq.CodeUnsupported:
			return CodeVersionNegotiation
		case moq.CodeTimeout:
			return CodeControlMessageTimeout
		}
	}
	return CodeInternalError
}
