// Package wire encodes and decodes the primitives that every MoQ dialect is
// made of: variable-length integers in both flavours, strings, and messages
// with a length. Decoders never allocate more than what has arrived.
package wire

import (
	"encoding/binary"
	"math/bits"
)

// A Varint is a flavour of variable-length integer.
type Varint uint8

const (
	// RFC9000 is the QUIC integer: the two top bits of the first byte give a
	// length of 1, 2, 4 or 8 bytes. moq-lite and moq-transport up to 16.
	RFC9000 Varint = iota
	// LeadingOnes is the integer of moq-transport 17 and later: the number of
	// leading ones in the first byte is the number of bytes that follow.
	LeadingOnes
)

// MaxRFC9000 is the largest integer of the RFC 9000 flavour.
const MaxRFC9000 = 1<<62 - 1

// Max is the largest integer that v can encode.
func (v Varint) Max() uint64 {
	if v == RFC9000 {
		return MaxRFC9000
	}
	return 1<<64 - 1
}

// Len is the number of bytes that Append uses for x.
func (v Varint) Len(x uint64) int {
	if v == RFC9000 {
		switch {
		case x < 1<<6:
			return 1
		case x < 1<<14:
			return 2
		case x < 1<<30:
			return 4
		}
		return 8
	}
	switch n := (bits.Len64(x|1) + 6) / 7; {
	case n <= 6:
		return n
	case x < 1<<56:
		return 8
	}
	return 9
}

// Append appends x in the shortest form that every peer reads: LeadingOnes
// skips its 7-byte form, which moq-transport 17 forbids. An x above v.Max() is
// sent as v.Max(); a caller that can meet such numbers checks first.
func (v Varint) Append(b []byte, x uint64) []byte {
	if v == RFC9000 {
		switch {
		case x < 1<<6:
			return append(b, byte(x))
		case x < 1<<14:
			return append(b, byte(x>>8)|0x40, byte(x))
		case x < 1<<30:
			return binary.BigEndian.AppendUint32(b, uint32(x)|2<<30)
		}
		return binary.BigEndian.AppendUint64(b, min(x, MaxRFC9000)|3<<62)
	}
	n := v.Len(x)
	if n == 9 {
		return binary.BigEndian.AppendUint64(append(b, 0xff), x)
	}
	x |= leadingOnes(n) << (8 * (n - 1))
	for n--; n >= 0; n-- {
		b = append(b, byte(x>>(8*n)))
	}
	return b
}

// leadingOnes is the prefix of the first byte of an n-byte integer.
func leadingOnes(n int) uint64 { return uint64(0xff<<(9-n)) & 0xff }

// Parse decodes the integer at the start of b and says how many bytes it
// takes. Forms longer than needed are valid. ErrTruncated: b ends too early.
func (v Varint) Parse(b []byte) (x uint64, n int, err error) {
	if len(b) == 0 {
		return 0, 0, ErrTruncated
	}
	n = v.size(b[0])
	if len(b) < n {
		return 0, 0, ErrTruncated
	}
	if v == RFC9000 {
		switch n {
		case 1:
			return uint64(b[0]), 1, nil
		case 2:
			return uint64(binary.BigEndian.Uint16(b) & 0x3fff), 2, nil
		case 4:
			return uint64(binary.BigEndian.Uint32(b) & 0x3fffffff), 4, nil
		}
		return binary.BigEndian.Uint64(b) & MaxRFC9000, 8, nil
	}
	x = uint64(b[0]) &^ leadingOnes(n)
	for _, c := range b[1:n] {
		x = x<<8 | uint64(c)
	}
	return x, n, nil
}

// size is the length of the integer whose first byte is first.
func (v Varint) size(first byte) int {
	if v == RFC9000 {
		return 1 << (first >> 6)
	}
	return bits.LeadingZeros8(^first) + 1
}

// The range of a zigzag integer.
const (
	MaxZigzag = 1<<61 - 1
	MinZigzag = -1 << 61
)

// AppendZigzag appends a signed integer as moq-lite-05 does: the sign moves to
// the lowest bit, then the RFC 9000 flavour. An x outside of MinZigzag …
// MaxZigzag is sent as the nearer of the two.
func AppendZigzag(b []byte, x int64) []byte {
	x = min(max(x, MinZigzag), MaxZigzag)
	return RFC9000.Append(b, uint64(x<<1)^uint64(x>>63))
}

func unzigzag(x uint64) int64 { return int64(x>>1) ^ -int64(x&1) }

// AppendString appends s behind its length in bytes, as a varint of flavour v.
func (v Varint) AppendString(b []byte, s string) []byte {
	return append(v.Append(b, uint64(len(s))), s...)
}

// AppendBytes appends p behind its length, as a varint of flavour v.
func (v Varint) AppendBytes(b, p []byte) []byte {
	return append(v.Append(b, uint64(len(p))), p...)
}
