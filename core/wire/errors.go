package wire

import (
	"errors"
	"fmt"
	"io"
)

var (
	// ErrTruncated says that a message ends inside one of its fields.
	ErrTruncated = errors.New("wire: message ends inside a field")
	// ErrTrailing says that bytes are left after the last field of a message.
	ErrTrailing = errors.New("wire: bytes left after the last field")
	// ErrInvalid says that a field holds a value that it must not have. It
	// comes wrapped in a sentence that names the field.
	ErrInvalid = errors.New("wire: invalid value")
)

var (
	errBool = fmt.Errorf("%w: boolean is neither 0 nor 1", ErrInvalid)
	errUTF8 = fmt.Errorf("%w: string is not UTF-8", ErrInvalid)
)

// A TooLargeError says that the length of a field or message, or the number of
// its items, exceeds the Limit that the receiver allows. What names it.
type TooLargeError struct {
	What  string
	Size  uint64
	Limit uint64
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("wire: %s of %d exceeds the limit of %d", e.What, e.Size, e.Limit)
}

// UnexpectedEOF returns io.ErrUnexpectedEOF for io.EOF and any other error as
// it is. It is for the second and later values of a unit that must be whole.
func UnexpectedEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
