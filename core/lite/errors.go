package lite

import (
	"errors"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/ports/quic"
)

var wireCodes = [...]quic.ErrorCode{
	moq.CodeInternal: CodeTransport, moq.CodeCanceled: CodeCancel, moq.CodeNotFound: CodeNotFound,
	moq.CodeUnauthorized: CodeUnauthorized, moq.CodeTimeout: CodeTimeout, moq.CodeOld: CodeOld,
	moq.CodeDropped: CodeDropped, moq.CodeReplaced: CodeDropped, moq.CodeEvicted: CodeEvicted,
	moq.CodeLagged: CodeLagged, moq.CodeDuplicate: CodeDuplicate, moq.CodeTooLarge: CodeFrameTooLarge,
	moq.CodeTooMany: CodeBounds, moq.CodeMalformed: CodeProtocolViolation,
	moq.CodeUnsupported: CodeUnsupported, moq.CodeClosed: CodeClosed, moq.CodeRange: CodeNotFound,
}

// codeOf returns the code with which a stream or session is ended for err.
func codeOf(err error) quic.ErrorCode {
	var e *moq.Error
	if errors.As(err, &e) {
		if e.Remote {
			return quic.ErrorCode(e.Wire)
		}
		return wireCodes[e.Code]
	}
	if code, ok := decodeCode(err); ok {
		return code
	}
	var reset *quic.StreamError
	if errors.As(err, &reset) {
		if reset.Remote {
			return CodeCancel
		}
		return fromCode(reset.Code) // ours: a timeout for example
	}
	return CodeTransport
}

var meanings = map[quic.ErrorCode]moq.Code{
	CodeCancel: moq.CodeCanceled, CodeOld: moq.CodeOld, CodeTimeout: moq.CodeTimeout,
	CodeUnauthorized: moq.CodeUnauthorized, CodeBounds: moq.CodeTooMany, CodeDuplicate: moq.CodeDuplicate,
	CodeNotFound: moq.CodeNotFound, CodeProtocolViolation: moq.CodeMalformed,
	CodeUnsupported: moq.CodeUnsupported, CodeDropped: moq.CodeDropped, CodeClosed: moq.CodeClosed,
	CodeLagged: moq.CodeLagged, CodeFrameTooLarge: moq.CodeTooLarge, CodeUnroutable: moq.CodeNotFound,
	CodeEvicted: moq.CodeEvicted, CodeDecode: moq.CodeMalformed,
}

// fromWire returns what err of one of our streams means. A peer that writes
// rooted paths has its own numbers: 3 says that a subscription was not found.
func (s *session) fromWire(err error) *moq.Error {
	var reset *quic.StreamError
	if errors.As(err, &reset) {
		n := fromCode(reset.Code)
		code, ok := meanings[n]
		switch {
		case !ok:
			code = moq.CodeInternal
		case !reset.Remote: // we gave up: a timeout for example
			return &moq.Error{Code: code, Err: err}
		case s.style.v.Load() == styleSlash && n == 3:
			code = moq.CodeNotFound
		}
		return &moq.Error{Code: code, Remote: true, Wire: uint64(n)}
	}
	var e *moq.Error
	switch {
	case errors.As(err, &e):
		return e
	case isConn(err):
		return &moq.Error{Code: moq.CodeDropped, Reason: "the session ended", Err: err}
	}
	if _, ok := decodeCode(err); ok {
		return &moq.Error{Code: moq.CodeMalformed, Err: err}
	}
	return &moq.Error{Code: moq.CodeCanceled, Err: err}
}

func isConn(err error) bool {
	var conn *quic.ConnError
	return errors.As(err, &conn)
}
