package fmp4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/Eyevinn/mp4ff/bits"
	"github.com/Eyevinn/mp4ff/mp4"
)

// A box is a length, a type of four characters and a body.
type box struct {
	kind  string
	body  []byte
	start int // of the box in what it is a child of
	from  int // of the body
}

// boxes yields the boxes that b consists of, and the error that ends them.
func boxes(b []byte) iter.Seq2[box, error] {
	return func(yield func(box, error) bool) {
		for at := 0; at < len(b); {
			next, size, err := first(b[at:])
			next.start, next.from = at, at+next.from
			if !yield(next, err) || err != nil {
				return
			}
			at += size
		}
	}
}

// first returns the box with which b begins, and its size with the head.
func first(b []byte) (box, int, error) {
	if len(b) < 8 {
		return box{}, 0, fmt.Errorf("%d bytes where a box should begin", len(b))
	}
	size, head := uint64(binary.BigEndian.Uint32(b)), uint64(8)
	kind := string(b[4:8])
	switch {
	case size == 1 && len(b) >= 16:
		size, head = binary.BigEndian.Uint64(b[8:]), 16
	case size == 0:
		size = uint64(len(b))
	}
	if size < head || size > uint64(len(b)) {
		return box{}, 0, fmt.Errorf("box %s says it has %d bytes, and %d are there", printable(kind), size, len(b))
	}
	return box{kind: kind, body: b[head:size], from: int(head)}, int(size), nil
}

// find follows a path into the first box of each kind.
func find(b []byte, path ...string) (found box, err error) {
	for _, kind := range path {
		found = box{}
		for c, err := range boxes(b) {
			if err != nil {
				return box{}, err
			}
			if c.kind == kind {
				found = c
				break
			}
		}
		if found.kind == "" {
			return box{}, fmt.Errorf("there is no box %s", kind)
		}
		b = found.body
	}
	return found, nil
}

// printable returns a box type for messages: it is what somebody sent.
func printable(kind string) string {
	for i := range len(kind) {
		if kind[i] < 0x20 || kind[i] > 0x7e {
			return fmt.Sprintf("0x%x", kind)
		}
	}
	return kind
}

// decode has the library read a box of a kind that has no boxes in it.
func decode[B mp4.Box](b box) (decoded B, err error) {
	// Its readers check lengths, each in its own way, and one may have forgotten
	// one. What a stranger sends may end his stream, and nothing else.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("box %s cannot be read: %v", b.kind, p)
		}
	}()
	r := bits.NewFixedSliceReader(b.body)
	x, err := mp4.DecodeBoxBodySR(0, mp4.BoxHeader{Name: b.kind, Size: 8 + uint64(len(b.body)), Hdrlen: 8}, r)
	if err == nil {
		err = r.AccError()
	}
	if inner := errors.Unwrap(err); inner != nil {
		err = inner // without the kind and a place that is always 0
	}
	switch {
	case errors.Is(err, bits.ErrSliceRead):
		return decoded, fmt.Errorf("box %s ends too early", b.kind)
	case err != nil:
		return decoded, fmt.Errorf("box %s: %w", b.kind, err)
	}
	return x.(B), nil
}

// decodeIn has the library read the box at the end of a path.
func decodeIn[B mp4.Box](b []byte, path ...string) (decoded B, err error) {
	found, err := find(b, path...)
	if err != nil {
		return decoded, err
	}
	return decode[B](found)
}

// raw returns a box that the library writes as it is.
func raw(kind string, body []byte) mp4.Box {
	return mp4.CreateUnknownBox(kind, 8+uint64(len(body)), slices.Clone(body))
}

// encode has the library append boxes.
func encode(b []byte, all ...mp4.Box) ([]byte, error) {
	size := 0
	for _, x := range all {
		size += int(x.Size())
	}
	b = slices.Grow(b, size)
	w := bits.NewFixedSliceWriterFromSlice(b[len(b) : len(b)+size])
	for _, x := range all {
		if err := x.EncodeSW(w); err != nil {
			return nil, err
		}
	}
	return b[:len(b)+size], nil
}
