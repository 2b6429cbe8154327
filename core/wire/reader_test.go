package wire_test

import (
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/wire"
)

func TestReaderFields(t *testing.T) {
	b := unhex(t, "4040 01 07 01 0102 0000000000000003 02 6869 02 c3a9 03 aabbcc")
	r := wire.NewReader(wire.RFC9000, b)
	assert.Equal(t, uint64(64), r.Varint())
	assert.Equal(t, int64(-1), r.Zigzag())
	assert.Equal(t, byte(7), r.Byte())
	assert.True(t, r.Bool())
	assert.Equal(t, uint16(0x0102), r.Uint16())
	assert.Equal(t, uint64(3), r.Uint64())
	hi := r.Bytes(2)
	assert.Equal(t, []byte("hi"), hi)
	assert.Equal(t, "é", r.String(2))
	assert.Equal(t, 3, r.Count("items", 3))
	assert.Equal(t, 3, r.Len())
	assert.Equal(t, []byte{0xaa, 0xbb, 0xcc}, r.Rest())
	assert.NoError(t, r.Err())
	assert.NoError(t, r.Close())

	b[16] = 'H'
	assert.Equal(t, []byte("Hi"), hi, "Bytes is a part of the body")
	assert.Len(t, append(hi, '!'), 3)
	assert.Equal(t, byte(2), b[18], "appending to Bytes must not reach the body")
}

func TestReaderLeadingOnes(t *testing.T) {
	r := wire.NewReader(wire.LeadingOnes, unhex(t, "40 8080 ffffffffffffffffff"))
	assert.Equal(t, uint64(64), r.Varint())
	assert.Equal(t, uint64(128), r.Varint())
	assert.Equal(t, uint64(math.MaxUint64), r.Varint())
	assert.NoError(t, r.Close())
}

func TestReaderErrors(t *testing.T) {
	for _, row := range []struct {
		name string
		hex  string
		read func(*wire.Reader)
		want error
	}{
		{"empty varint", "", func(r *wire.Reader) { r.Varint() }, wire.ErrTruncated},
		{"short varint", "40", func(r *wire.Reader) { r.Varint() }, wire.ErrTruncated},
		{"short zigzag", "80 00", func(r *wire.Reader) { r.Zigzag() }, wire.ErrTruncated},
		{"no byte", "", func(r *wire.Reader) { r.Byte() }, wire.ErrTruncated},
		{"no bool", "", func(r *wire.Reader) { r.Bool() }, wire.ErrTruncated},
		{"bool 2", "02", func(r *wire.Reader) { r.Bool() }, wire.ErrInvalid},
		{"short uint16", "00", func(r *wire.Reader) { r.Uint16() }, wire.ErrTruncated},
		{"short uint64", "00000000000000", func(r *wire.Reader) { r.Uint64() }, wire.ErrTruncated},
		{"short bytes", "02 61", func(r *wire.Reader) { r.Bytes(9) }, wire.ErrTruncated},
		{"huge bytes", "ffffffffffffffff", func(r *wire.Reader) { r.Bytes(math.MaxInt) }, wire.ErrTruncated},
		{"not UTF-8", "01 ff", func(r *wire.Reader) { _ = r.String(9) }, wire.ErrInvalid},
		{"surrogate", "03 eda080", func(r *wire.Reader) { _ = r.String(9) }, wire.ErrInvalid},
		{"count above the rest", "03 0000", func(r *wire.Reader) { r.Count("items", 9) }, wire.ErrTruncated},
		{"left over", "00 00", func(r *wire.Reader) { r.Byte() }, wire.ErrTrailing},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := wire.NewReader(wire.RFC9000, unhex(t, row.hex))
			row.read(&r)
			assert.ErrorIs(t, r.Close(), row.want)
		})
	}
}

func TestReaderLimits(t *testing.T) {
	body := unhex(t, "03 616263")
	for limit, ok := range map[int]bool{-1: false, 0: false, 2: false, 3: true, 4: true} {
		for name, read := range map[string]func(*wire.Reader){
			"bytes":  func(r *wire.Reader) { r.Bytes(limit) },
			"string": func(r *wire.Reader) { _ = r.String(limit) },
			"count":  func(r *wire.Reader) { r.Count("items", limit) },
		} {
			r := wire.NewReader(wire.RFC9000, body)
			read(&r)
			if ok {
				assert.NoError(t, r.Err(), "%s with limit %d", name, limit)
				continue
			}
			var large *wire.TooLargeError
			require.ErrorAs(t, r.Err(), &large, "%s with limit %d", name, limit)
			assert.Equal(t, uint64(3), large.Size)
			assert.Equal(t, uint64(max(limit, 0)), large.Limit)
			assert.NotEmpty(t, large.What)
		}
	}
}

func TestReaderKeepsFirstError(t *testing.T) {
	first := errors.New("first")
	r := wire.NewReader(wire.RFC9000, unhex(t, "01 01 01 01 01 01 01 01 01 01"))
	r.Fail(first)
	r.Fail(errors.New("second"))
	assert.Zero(t, r.Varint())
	assert.Zero(t, r.Zigzag())
	assert.Zero(t, r.Byte())
	assert.False(t, r.Bool())
	assert.Zero(t, r.Uint16())
	assert.Zero(t, r.Uint64())
	assert.Nil(t, r.Bytes(9))
	assert.Empty(t, r.String(9))
	assert.Zero(t, r.Count("items", 9))
	assert.Nil(t, r.Rest())
	assert.Zero(t, r.Len())
	assert.Equal(t, first, r.Err())
	assert.Equal(t, first, r.Close())
}

func TestReaderDoesNotAllocate(t *testing.T) {
	body := unhex(t, "4040 07 01 02 6869")
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		r := wire.NewReader(wire.RFC9000, body)
		r.Varint()
		r.Byte()
		r.Bool()
		r.Bytes(9)
		if r.Close() != nil {
			panic("valid body refused")
		}
	}))
}

// FuzzReader runs a program of reads (a byte each) over a body.
func FuzzReader(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8}, unhex(f, "4040 01 07 01 0102 0000000000000003 02 6869 02 c3a9 03 aabbcc"))
	f.Add([]byte{6, 9}, unhex(f, "ffffffffffffffff"))
	f.Add([]byte{10, 11}, unhex(f, "ffffffffffffffffff"))
	f.Fuzz(func(t *testing.T, program, body []byte) {
		flavour := wire.RFC9000
		if len(program) > 0 && program[0] >= 128 {
			flavour = wire.LeadingOnes
		}
		r := wire.NewReader(flavour, body)
		left := len(body)
		for _, op := range program {
			limit := int(op >> 4)
			switch op % 10 {
			case 0:
				r.Varint()
			case 1:
				r.Zigzag()
			case 2:
				r.Byte()
			case 3:
				r.Bool()
			case 4:
				r.Uint16()
			case 5:
				r.Uint64()
			case 6:
				require.LessOrEqual(t, len(r.Bytes(limit)), limit)
			case 7:
				require.LessOrEqual(t, len(r.String(limit)), limit)
			case 8:
				n := r.Count("items", limit)
				require.LessOrEqual(t, n, min(limit, r.Len()))
			case 9:
				r.Rest()
			}
			require.LessOrEqual(t, r.Len(), left)
			left = r.Len()
			if r.Err() != nil {
				require.Zero(t, r.Len())
			}
		}
		if err := r.Err(); err != nil {
			require.Equal(t, err, r.Close())
		} else if left > 0 {
			require.Equal(t, wire.ErrTrailing, r.Close())
		} else {
			require.NoError(t, r.Close())
		}
	})
}
