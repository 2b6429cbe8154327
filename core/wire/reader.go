package wire

import (
	"encoding/binary"
	"unicode/utf8"
)

// A Reader decodes the fields of one complete message body, in order. It keeps
// the first error: later calls return zero values, so a message reads all of
// its fields and then asks Close once.
type Reader struct {
	b   []byte
	err error
	v   Varint
}

// NewReader returns a Reader of b with integers of flavour v. Bytes and Rest
// return parts of b.
func NewReader(v Varint, b []byte) Reader { return Reader{b: b, v: v} }

// Varint reads an integer.
func (r *Reader) Varint() uint64 {
	if r.err != nil {
		return 0
	}
	x, n, err := r.v.Parse(r.b)
	if err != nil {
		r.err = err
		return 0
	}
	r.b = r.b[n:]
	return x
}

// Zigzag reads a signed integer as AppendZigzag writes it.
func (r *Reader) Zigzag() int64 { return unzigzag(r.Varint()) }

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

// Bool reads one byte that must be 0 or 1.
func (r *Reader) Bool() bool {
	b := r.Byte()
	if b > 1 {
		r.Fail(errBool)
	}
	return b == 1
}

// Uint16 reads two bytes, big endian.
func (r *Reader) Uint16() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// Uint64 reads eight bytes, big endian.
func (r *Reader) Uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// Bytes reads a length and that many bytes, at most limit. The result is a
// part of the Reader's slice, nil after an error.
func (r *Reader) Bytes(limit int) []byte {
	n := r.Varint()
	if n > uint64(max(limit, 0)) {
		r.Fail(&TooLargeError{What: "field length", Size: n, Limit: uint64(max(limit, 0))})
	}
	return r.take(int(n))
}

// String reads a length and that many bytes of UTF-8, at most limit.
func (r *Reader) String(limit int) string {
	b := r.Bytes(limit)
	if !utf8.Valid(b) {
		r.Fail(errUTF8)
		return ""
	}
	return string(b)
}

// Count reads the number of items that follow, each of at least one byte. It
// fails with a TooLargeError of what above limit, and with ErrTruncated where
// fewer bytes are left, so that the result is safe to allocate for.
func (r *Reader) Count(what string, limit int) int {
	n := r.Varint()
	if n > uint64(max(limit, 0)) {
		r.Fail(&TooLargeError{What: what, Size: n, Limit: uint64(max(limit, 0))})
	} else if n > uint64(len(r.b)) {
		r.Fail(ErrTruncated)
	}
	if r.err != nil {
		return 0
	}
	return int(n)
}

// Rest reads everything that is left.
func (r *Reader) Rest() []byte { return r.take(len(r.b)) }

// Len is the number of bytes left, 0 after an error.
func (r *Reader) Len() int {
	if r.err != nil {
		return 0
	}
	return len(r.b)
}

// Fail records err unless there is an error already.
func (r *Reader) Fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// Err returns the first error.
func (r *Reader) Err() error { return r.err }

// Close returns the first error, or ErrTrailing where bytes are left.
func (r *Reader) Close() error {
	if len(r.b) > 0 {
		r.Fail(ErrTrailing)
	}
	return r.err
}

// take returns the next n bytes, nil after an error.
func (r *Reader) take(n int) []byte {
	if r.err != nil {
		return nil
	}
	if n > len(r.b) {
		r.err = ErrTruncated
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}
