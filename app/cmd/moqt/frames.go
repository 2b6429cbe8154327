package main

import (
	"bufio"
	"context"
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

// readAhead reads frames in a goroutine, so that a read which does not return
// holds nobody up. A frame is valid until the next call.
func readAhead(ctx context.Context, f *frames) func(context.Context) ([]byte, error) {
	type frame struct {
		b   []byte
		err error
	}
	out, more := make(chan frame), make(chan struct{})
	go func() {
		for {
			b, err := f.next()
			select {
			case out <- frame{b, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
			select {
			case <-more:
			case <-ctx.Done():
				return
			}
		}
	}()
	first := true
	return func(ctx context.Context) ([]byte, error) {
		if !first {
			select {
			case more <- struct{}{}:
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
		first = false
		select {
		case f := <-out:
			return f.b, f.err
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
