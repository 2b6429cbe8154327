package moq

import "fmt"

// A Code says why a request, a stream or a track failed. Each dialect has its
// own numbers for them.
type Code uint8

const (
	CodeInternal     Code = iota // something failed here
	CodeCanceled                 // the other side does not want it any more
	CodeNotFound                 // no such broadcast or track
	CodeUnauthorized             // not allowed
	CodeTimeout                  // no answer in time
	CodeOld                      // the group is too old to be sent
	CodeDropped                  // the publisher vanished
	CodeReplaced                 // another publisher took the name over
	CodeEvicted                  // the cache had no room for it
	CodeLagged                   // the reader was too slow
	CodeDuplicate                // it exists already
	CodeTooLarge                 // a size limit was exceeded
	CodeTooMany                  // a count limit was exceeded
	CodeMalformed                // the peer broke the rules
	CodeUnsupported              // the dialect or the peer cannot do it
	CodeClosed                   // the session or the track has ended
	CodeRange                    // nothing of the range exists
)

var codeText = [...]string{
	CodeInternal: "internal error", CodeCanceled: "canceled", CodeNotFound: "not found",
	CodeUnauthorized: "unauthorized", CodeTimeout: "timed out", CodeOld: "too old",
	CodeDropped: "publisher vanished", CodeReplaced: "replaced by another publisher",
	CodeEvicted: "evicted from the cache", CodeLagged: "reader too slow", CodeDuplicate: "duplicate",
	CodeTooLarge: "too large", CodeTooMany: "too many", CodeMalformed: "malformed",
	CodeUnsupported: "unsupported", CodeClosed: "closed", CodeRange: "no such range",
}

func (c Code) String() string {
	if int(c) < len(codeText) {
		return codeText[c]
	}
	return fmt.Sprintf("code %d", uint8(c))
}

// An Error is a failure with a Code. Errors with equal Code match each other
// in errors.Is, so errors.Is(err, moq.ErrNotFound) holds for every reason.
type Error struct {
	Code   Code
	Reason string // a clear sentence; may be empty
	Remote bool   // the peer said so
	Wire   uint64 // the number the peer used, where Remote
	Err    error  // the cause, if there is one
}

// Errorf returns an Error with a formatted reason.
func Errorf(c Code, format string, args ...any) *Error {
	return &Error{Code: c, Reason: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string {
	s := "moq: " + e.Code.String()
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	if e.Remote {
		s += fmt.Sprintf(" (the peer's code %d)", e.Wire)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is an *Error with the same Code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && e != nil && t.Code == e.Code
}

// One error for each code, for errors.Is.
var (
	ErrInternal     = &Error{Code: CodeInternal}
	ErrCanceled     = &Error{Code: CodeCanceled}
	ErrNotFound     = &Error{Code: CodeNotFound}
	ErrUnauthorized = &Error{Code: CodeUnauthorized}
	ErrTimeout      = &Error{Code: CodeTimeout}
	ErrOld          = &Error{Code: CodeOld}
	ErrDropped      = &Error{Code: CodeDropped}
	ErrReplaced     = &Error{Code: CodeReplaced}
	ErrEvicted      = &Error{Code: CodeEvicted}
	ErrLagged       = &Error{Code: CodeLagged}
	ErrDuplicate    = &Error{Code: CodeDuplicate}
	ErrTooLarge     = &Error{Code: CodeTooLarge}
	ErrTooMany      = &Error{Code: CodeTooMany}
	ErrMalformed    = &Error{Code: CodeMalformed}
	ErrUnsupported  = &Error{Code: CodeUnsupported}
	ErrClosed       = &Error{Code: CodeClosed}
	ErrRange        = &Error{Code: CodeRange}
)
