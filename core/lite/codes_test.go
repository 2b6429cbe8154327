package lite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/moqtgo/moqt/core/wire"
	"github.com/moqtgo/moqt/ports/quic"
)

func TestMapped(t *testing.T) {
	for n, q := range map[quic.ErrorCode]quic.ErrorCode{
		0:         0x52e4a40fa8db,
		5:         0x52e4a40fa8e0,
		6:         0x52e4a40fa8e1,
		13:        0x52e4a40fa8e8,
		15:        0x52e4a40fa8ea,
		29:        0x52e4a40fa8f8,
		30:        0x52e4a40fa8fa,
		31:        0x52e4a40fa8fb,
		64:        0x52e4a40fa91d,
		1<<32 - 1: 0x52e5ac983162,
	} {
		assert.Equal(t, q, mapped(n), "code %d", n)
		back, ok := unmapped(q)
		assert.True(t, ok)
		assert.Equal(t, n, back)
	}
	assert.Equal(t, lastMapped, mapped(1<<32), "more than 32 bits do not fit")
	assert.Equal(t, lastMapped, mapped(math.MaxUint64))
}

func TestUnmappedRange(t *testing.T) {
	for _, q := range []quic.ErrorCode{0, 13, firstMapped - 1, lastMapped + 1, math.MaxUint64} {
		_, ok := unmapped(q)
		assert.False(t, ok, "%#x", q)
	}
	var next quic.ErrorCode
	for q := firstMapped; q < firstMapped+1000; q++ {
		n, ok := unmapped(q)
		// HTTP/3 reserves every code 31 × N + 33.
		assert.Equal(t, (q-0x21)%0x1f != 0, ok, "%#x", q)
		if ok {
			assert.Equal(t, next, n)
			next++
		}
	}
}

func FuzzMapped(f *testing.F) {
	for _, x := range []uint64{0, 29, 30, 31, 1<<32 - 1, 1 << 32, uint64(firstMapped), uint64(lastMapped), uint64(firstMapped) + 30} {
		f.Add(x)
	}
	f.Fuzz(func(t *testing.T, x uint64) {
		n := quic.ErrorCode(x)
		if back, ok := unmapped(mapped(n)); !ok || back != min(n, maxCode) {
			t.Fatalf("%d comes back as %d, %v", n, back, ok)
		}
		if n, ok := unmapped(n); ok && mapped(n) != quic.ErrorCode(x) {
			t.Fatalf("%#x comes back as %#x", x, mapped(n))
		}
	})
}

func TestDecodeCode(t *testing.T) {
	for _, row := range []struct {
		err  error
		code quic.ErrorCode
		ok   bool
	}{
		{wire.ErrTruncated, CodeDecode, true},
		{wire.ErrTrailing, CodeDecode, true},
		{fmt.Errorf("%w: some field", wire.ErrInvalid), CodeDecode, true},
		{io.ErrUnexpectedEOF, CodeDecode, true},
		{&wire.TooLargeError{What: "path"}, CodeBounds, true},
		{fmt.Errorf("announce: %w", &wire.TooLargeError{What: "path"}), CodeBounds, true},
		{errTooManyParameters, CodeTooManyParameters, true},
		{errDuplicateParameter, CodeProtocolViolation, true},
		{nil, 0, false},
		{io.EOF, 0, false},
		{errors.New("other"), 0, false},
		{context.Canceled, 0, false},
		{&quic.StreamError{Code: 7, Remote: true}, 0, false},
		{&quic.ConnError{Code: 7, Remote: true}, 0, false},
	} {
		code, ok := decodeCode(row.err)
		assert.Equal(t, row.ok, ok, "%v", row.err)
		assert.Equal(t, row.code, code, "%v", row.err)
	}
}
