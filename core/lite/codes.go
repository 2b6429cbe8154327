package lite

import (
	"errors"
	"io"

	"github.com/moqtgo/moqt/core/wire"
	"github.com/moqtgo/moqt/ports/quic"
)

// What a stream or a session is ended with. No draft assigns numbers; these
// are those of the most widespread implementation, for both. Another peer's
// may mean something else: only CodeCancel is safe to act on.
const (
	CodeCancel            quic.ErrorCode = 0  // no error, or no longer wanted
	CodeExtension         quic.ErrorCode = 1  // a required extension is missing
	CodeOld               quic.ErrorCode = 2  // the group is too old
	CodeTimeout           quic.ErrorCode = 3  // the peer took too long
	CodeTransport         quic.ErrorCode = 4  // the transport failed
	CodeDecode            quic.ErrorCode = 5  // a message cannot be decoded
	CodeUnauthorized      quic.ErrorCode = 6  // not allowed
	CodeVersion           quic.ErrorCode = 9  // no version in common
	CodeUnexpectedStream  quic.ErrorCode = 10 // a stream of this type has no place here
	CodeBounds            quic.ErrorCode = 11 // a value exceeds a limit
	CodeDuplicate         quic.ErrorCode = 12 // it exists already
	CodeNotFound          quic.ErrorCode = 13 // no such broadcast, track or group
	CodeWrongSize         quic.ErrorCode = 14 // a frame is not as long as announced
	CodeProtocolViolation quic.ErrorCode = 15 // the peer broke a rule
	CodeUnexpectedMessage quic.ErrorCode = 16 // a message has no place here
	CodeUnsupported       quic.ErrorCode = 17 // known, but not done here
	CodeEncode            quic.ErrorCode = 18 // a message cannot be encoded
	CodeTooManyParameters quic.ErrorCode = 19 // more parameters than allowed
	CodeInvalidRole       quic.ErrorCode = 20 // the role does not allow it
	CodeUnknownALPN       quic.ErrorCode = 21 // the negotiated protocol is not known
	CodeDropped           quic.ErrorCode = 24 // the publisher vanished
	CodeClosed            quic.ErrorCode = 25 // it has ended
	CodeLagged            quic.ErrorCode = 26 // the reader fell too far behind
	CodeFrameTooLarge     quic.ErrorCode = 27 // a frame exceeds the limit
	CodeTimestampMismatch quic.ErrorCode = 29 // timestamps do not fit the track
	CodeUnroutable        quic.ErrorCode = 30 // nobody serves this broadcast
	CodeEvicted           quic.ErrorCode = 31 // the cache had to let it go
	CodeApplication       quic.ErrorCode = 64 // plus n: the application's code n
)

var (
	errTooManyParameters  = errors.New("lite: too many parameters")
	errDuplicateParameter = errors.New("lite: duplicate parameter")
)

// decodeCode is the code for a message that could not be read: ok is false
// where err is not about its bytes but about the stream below.
func decodeCode(err error) (code quic.ErrorCode, ok bool) {
	var large *wire.TooLargeError
	switch {
	case errors.As(err, &large):
		return CodeBounds, true
	case errors.Is(err, errTooManyParameters):
		return CodeTooManyParameters, true
	case errors.Is(err, errDuplicateParameter):
		return CodeProtocolViolation, true
	case errors.Is(err, wire.ErrInvalid), errors.Is(err, wire.ErrTruncated),
		errors.Is(err, wire.ErrTrailing), errors.Is(err, io.ErrUnexpectedEOF):
		return CodeDecode, true
	}
	return 0, false
}

// The range of HTTP/3 error codes that WebTransport maps 32-bit stream codes
// to. Some stacks use it on raw QUIC too.
const (
	firstMapped quic.ErrorCode = 0x52e4a40fa8db
	lastMapped  quic.ErrorCode = 0x52e5ac983162
	maxCode     quic.ErrorCode = 1<<32 - 1
)

// mapped returns the HTTP/3 code for n; above 32 bits, that of the largest n.
// Every 31st code of the range is reserved and skipped.
func mapped(n quic.ErrorCode) quic.ErrorCode {
	n = min(n, maxCode)
	return firstMapped + n + n/30
}

// unmapped is the inverse of mapped. ok is false outside of the range and for
// a reserved code.
func unmapped(q quic.ErrorCode) (n quic.ErrorCode, ok bool) {
	if q < firstMapped || q > lastMapped {
		return 0, false
	}
	d := q - firstMapped
	if d%31 == 30 {
		return 0, false
	}
	return d - d/31, true
}
