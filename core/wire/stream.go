package wire

import (
	"encoding/binary"
	"io"
)

const (
	inlineSize = 128     // what one idle Stream costs beside its reader
	firstStep  = 4 << 10 // what the mere claim of a long message can cost
)

// A Stream reads integers and messages from a stream of bytes. It reads ahead
// by at most a small inline buffer, and payloads go straight to where Read is
// asked to put them.
//
// Its methods return io.EOF only before the first byte of a value, and
// io.ErrUnexpectedEOF inside one. Other errors of the underlying reader come
// back as they are. One call may be under way at a time.
type Stream struct {
	r      io.Reader
	err    error // of r, due when the buffer is empty
	v      Varint
	pos    uint8 // the unread bytes are inline[pos:end]
	end    uint8
	inline [inlineSize]byte
}

// NewStream returns a Stream over r with integers of flavour v.
func NewStream(v Varint, r io.Reader) *Stream { return &Stream{r: r, v: v} }

// Buffered is how many bytes were read ahead.
func (s *Stream) Buffered() int { return int(s.end - s.pos) }

// Varint reads an integer.
func (s *Stream) Varint() (uint64, error) {
	if err := s.fill(1); err != nil {
		return 0, err
	}
	if err := s.fill(s.v.size(s.inline[s.pos])); err != nil {
		return 0, UnexpectedEOF(err)
	}
	x, n, err := s.v.Parse(s.inline[s.pos:s.end])
	s.pos += uint8(n)
	return x, err
}

// Zigzag reads a signed integer as AppendZigzag writes it.
func (s *Stream) Zigzag() (int64, error) {
	x, err := s.Varint()
	return unzigzag(x), err
}

// Byte reads one byte.
func (s *Stream) Byte() (byte, error) {
	if err := s.fill(1); err != nil {
		return 0, err
	}
	s.pos++
	return s.inline[s.pos-1], nil
}

// Uint16 reads two bytes, big endian.
func (s *Stream) Uint16() (uint16, error) {
	if err := s.fill(2); err != nil {
		return 0, err
	}
	s.pos += 2
	return binary.BigEndian.Uint16(s.inline[s.pos-2:]), nil
}

// Message reads a length and that many bytes: the body of a message. Above
// limit it fails with a *TooLargeError and reads nothing more.
//
// A short body stays in the Stream, a longer one goes into buf if that has the
// capacity, else into memory that grows as bytes arrive. So the body is valid
// until the next call on the Stream or the next use of buf; one that was put
// into memory of its own is returned with its capacity and can serve as the
// next buf.
func (s *Stream) Message(limit int, buf []byte) (body []byte, err error) {
	n, err := s.Varint()
	if err != nil {
		return nil, err
	}
	if n > uint64(max(limit, 0)) {
		return nil, &TooLargeError{What: "message length", Size: n, Limit: uint64(max(limit, 0))}
	}
	return s.Body(int(n), buf)
}

// Body reads the n bytes of a body whose length was read before, as Message
// does. The caller has checked n against its limit.
func (s *Stream) Body(n int, buf []byte) (body []byte, err error) {
	if n <= inlineSize {
		if err := s.fill(n); err != nil {
			return nil, UnexpectedEOF(err)
		}
		s.pos += uint8(n)
		return s.inline[s.pos-uint8(n) : s.pos : s.pos], nil
	}
	if cap(buf) >= n {
		if _, err := io.ReadFull(s, buf[:n]); err != nil {
			return nil, UnexpectedEOF(err)
		}
		return buf[:n], nil
	}
	for got, size := 0, firstStep; got < n; size *= 2 {
		grown := make([]byte, min(n, size))
		copy(grown, body)
		body = grown
		if _, err := io.ReadFull(s, body[got:]); err != nil {
			return nil, UnexpectedEOF(err)
		}
		got = len(body)
	}
	return body, nil
}

// Read reads into p: first what was read ahead, then straight from the
// underlying reader.
func (s *Stream) Read(p []byte) (int, error) {
	if s.pos < s.end {
		n := copy(p, s.inline[s.pos:s.end])
		s.pos += uint8(n)
		return n, nil
	}
	if s.err != nil {
		return 0, s.err
	}
	return s.r.Read(p)
}

// fill makes the next n bytes available at inline[pos:], n <= inlineSize. Its
// error is io.EOF only where nothing is buffered.
func (s *Stream) fill(n int) error {
	if s.Buffered() >= n {
		return nil
	}
	if s.pos > 0 {
		s.end = uint8(copy(s.inline[:], s.inline[s.pos:s.end]))
		s.pos = 0
	}
	for int(s.end) < n {
		if s.err != nil {
			if s.end > 0 {
				return UnexpectedEOF(s.err)
			}
			return s.err
		}
		got, err := s.r.Read(s.inline[s.end:])
		s.end += uint8(got)
		s.err = err
	}
	return nil
}
