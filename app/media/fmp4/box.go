package fmp4

import (
	"encoding/binary"
	"fmt"
)

// A box is a length, a type of four characters and a body.
type box struct {
	kind  string
	body  []byte
	start int // of the box in what it is a child of
	from  int // of the body
}

// children returns the boxes that b consists of.
func children(b []byte) ([]box, error) {
	var all []box
	at := 0
	for len(b) > 0 {
		if len(b) < 8 {
			return nil, fmt.Errorf("%d bytes where a box should begin", len(b))
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
			return nil, fmt.Errorf("box %s says it has %d bytes, and %d are there", printable(kind), size, len(b))
		}
		all = append(all, box{kind, b[head:size], at, at + int(head)})
		b, at = b[size:], at+int(size)
	}
	return all, nil
}

// child returns the body of the first box of a kind.
func child(b []byte, kind string) ([]byte, error) {
	all, err := children(b)
	if err != nil {
		return nil, err
	}
	for _, c := range all {
		if c.kind == kind {
			return c.body, nil
		}
	}
	return nil, fmt.Errorf("there is no box %s", kind)
}

// path follows kinds into the first box of each.
func path(b []byte, kinds ...string) ([]byte, error) {
	for _, kind := range kinds {
		var err error
		if b, err = child(b, kind); err != nil {
			return nil, err
		}
	}
	return b, nil
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

// A cursor reads a body from its start. It keeps the first error, after which
// everything reads as zero.
type cursor struct {
	b   []byte
	err error
}

// take returns the next n bytes, or nil.
func (c *cursor) take(n int) []byte {
	if c.err == nil && (n < 0 || n > len(c.b)) {
		c.err = fmt.Errorf("a box ends %d bytes too early", n-len(c.b))
	}
	if c.err != nil {
		return nil
	}
	p := c.b[:n]
	c.b = c.b[n:]
	return p
}

func (c *cursor) skip(n int) { c.take(n) }

// number returns the next n bytes as an integer.
func (c *cursor) number(n int) (x uint64) {
	for _, b := range c.take(n) {
		x = x<<8 | uint64(b)
	}
	return x
}

func (c *cursor) u8() uint8   { return uint8(c.number(1)) }
func (c *cursor) u16() uint16 { return uint16(c.number(2)) }
func (c *cursor) u32() uint32 { return uint32(c.number(4)) }
func (c *cursor) u64() uint64 { return c.number(8) }

// full reads the version and flags of a full box.
func (c *cursor) full() (version uint8, flags uint32) {
	x := c.u32()
	return uint8(x >> 24), x & 0xffffff
}

// appendBox appends a box whose body is the parts, one after the other.
func appendBox(b []byte, kind string, parts ...[]byte) []byte {
	size := 8
	for _, p := range parts {
		size += len(p)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(size))
	b = append(b, kind...)
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func newBox(kind string, parts ...[]byte) []byte { return appendBox(nil, kind, parts...) }

// ints returns numbers as fields of the given width in bytes each.
func ints(width int, numbers ...uint64) []byte {
	b := make([]byte, 0, width*len(numbers))
	for _, x := range numbers {
		for i := width - 1; i >= 0; i-- {
			b = append(b, byte(x>>(8*i)))
		}
	}
	return b
}
