package main

import (
	"bufio"
	"errors"
	"io"
)

// maxLine is the longest line that stays one frame, in bytes.
const maxLine = 1 << 20

// frames cuts a stream of bytes into frames. The frames, one after the other,
// are the stream again, byte by byte.
type frames struct {
	in    *bufio.Reader
	lines bool
	chunk []byte
	err   error // comes after the last frame
}

// newFrames returns the frames of r: a line with its newline each, or what one
// read returns, chunk bytes at most.
func newFrames(r io.Reader, lines bool, chunk int) *frames {
	if lines {
		return &frames{in: bufio.NewReaderSize(r, maxLine), lines: true}
	}
	return &frames{in: bufio.NewReaderSize(r, max(chunk, 64<<10)), chunk: make([]byte, chunk)}
}

// next returns the next frame, valid until the next call. The error is io.EOF
// at the end.
func (f *frames) next() (b []byte, err error) {
	for f.err == nil {
		if f.lines {
			b, f.err = f.in.ReadSlice('\n')
			if errors.Is(f.err, bufio.ErrBufferFull) {
				f.err = nil
			}
		} else {
			var n int
			n, f.err = f.in.Read(f.chunk)
			b = f.chunk[:n]
		}
		if len(b) > 0 {
			return b, nil
		}
	}
	return nil, f.err
}
