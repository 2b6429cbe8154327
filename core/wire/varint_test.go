package wire_test

import (
	"encoding/hex"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/wire"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	require.NoError(t, err)
	return b
}

func TestVarint(t *testing.T) {
	for _, row := range []struct {
		flavour wire.Varint
		x       uint64
		hex     string
	}{
		{wire.RFC9000, 0, "00"},
		{wire.RFC9000, 37, "25"},
		{wire.RFC9000, 63, "3f"},
		{wire.RFC9000, 64, "4040"},
		{wire.RFC9000, 15293, "7bbd"},
		{wire.RFC9000, 16383, "7fff"},
		{wire.RFC9000, 16384, "80004000"},
		{wire.RFC9000, 494878333, "9d7f3e7d"},
		{wire.RFC9000, 1<<30 - 1, "bfffffff"},
		{wire.RFC9000, 1 << 30, "c000000040000000"},
		{wire.RFC9000, 151288809941952652, "c2197c5eff14e88c"},
		{wire.RFC9000, 1<<62 - 1, "ffffffffffffffff"},
		{wire.LeadingOnes, 0, "00"},
		{wire.LeadingOnes, 37, "25"},
		{wire.LeadingOnes, 64, "40"},
		{wire.LeadingOnes, 127, "7f"},
		{wire.LeadingOnes, 128, "8080"},
		{wire.LeadingOnes, 0x2f00, "af00"},
		{wire.LeadingOnes, 15293, "bbbd"},
		{wire.LeadingOnes, 16383, "bfff"},
		{wire.LeadingOnes, 16384, "c04000"},
		{wire.LeadingOnes, 1<<21 - 1, "dfffff"},
		{wire.LeadingOnes, 1 << 21, "e0200000"},
		{wire.LeadingOnes, 226442877, "ed7f3e7d"},
		{wire.LeadingOnes, 1<<28 - 1, "efffffff"},
		{wire.LeadingOnes, 1 << 28, "f010000000"},
		{wire.LeadingOnes, 1<<35 - 1, "f7ffffffff"},
		{wire.LeadingOnes, 1 << 35, "f80800000000"},
		{wire.LeadingOnes, 2893212287960, "faa1a0e403d8"},
		{wire.LeadingOnes, 1<<42 - 1, "fbffffffffff"},
		{wire.LeadingOnes, 1 << 42, "fe00040000000000"}, // 7 bytes are never sent
		{wire.LeadingOnes, 1<<49 - 1, "fe01ffffffffffff"},
		{wire.LeadingOnes, 70423237261249041, "fefa318fa8e3ca11"},
		{wire.LeadingOnes, 1<<56 - 1, "feffffffffffffff"},
		{wire.LeadingOnes, 1 << 56, "ff0100000000000000"},
		{wire.LeadingOnes, math.MaxUint64, "ffffffffffffffffff"},
	} {
		want := unhex(t, row.hex)
		assert.Equal(t, want, row.flavour.Append(nil, row.x), "append %d", row.x)
		assert.Equal(t, len(want), row.flavour.Len(row.x), "length of %d", row.x)
		x, n, err := row.flavour.Parse(append(want, 0xaa))
		require.NoError(t, err, row.hex)
		assert.Equal(t, row.x, x, row.hex)
		assert.Equal(t, len(want), n, row.hex)
		for short := range len(want) {
			_, _, err := row.flavour.Parse(want[:short])
			assert.ErrorIs(t, err, wire.ErrTruncated, "%s cut at %d", row.hex, short)
		}
	}
}

func TestVarintLongForms(t *testing.T) {
	for _, row := range []struct {
		flavour wire.Varint
		hex     string
		x       uint64
	}{
		{wire.RFC9000, "4025", 37},
		{wire.RFC9000, "80000025", 37},
		{wire.RFC9000, "c000000000000025", 37},
		{wire.LeadingOnes, "8025", 37},
		{wire.LeadingOnes, "c00000", 0},
		{wire.LeadingOnes, "fc8998abc66bc0", 151288809941952},
		{wire.LeadingOnes, "ff0000000000000005", 5},
	} {
		x, n, err := row.flavour.Parse(unhex(t, row.hex))
		require.NoError(t, err, row.hex)
		assert.Equal(t, row.x, x, row.hex)
		assert.Equal(t, len(row.hex)/2, n, row.hex)
	}
}

func TestVarintAboveMax(t *testing.T) {
	assert.Equal(t, uint64(wire.MaxRFC9000), wire.RFC9000.Max())
	assert.Equal(t, uint64(math.MaxUint64), wire.LeadingOnes.Max())
	for _, x := range []uint64{wire.MaxRFC9000 + 1, math.MaxUint64} {
		b := wire.RFC9000.Append(nil, x)
		assert.Equal(t, unhex(t, "ffffffffffffffff"), b)
		assert.Len(t, b, wire.RFC9000.Len(x))
	}
}

func TestZigzag(t *testing.T) {
	for _, row := range []struct {
		x   int64
		hex string
	}{
		{0, "00"},
		{-1, "01"},
		{1, "02"},
		{-2, "03"},
		{90000, "8002bf20"},
		{-90000, "8002bf1f"},
		{wire.MaxZigzag, "fffffffffffffffe"},
		{wire.MinZigzag, "ffffffffffffffff"},
	} {
		b := wire.AppendZigzag(nil, row.x)
		assert.Equal(t, unhex(t, row.hex), b)
		r := wire.NewReader(wire.RFC9000, b)
		assert.Equal(t, row.x, r.Zigzag())
		assert.NoError(t, r.Close())
	}
	assert.Equal(t, wire.AppendZigzag(nil, wire.MaxZigzag), wire.AppendZigzag(nil, math.MaxInt64))
	assert.Equal(t, wire.AppendZigzag(nil, wire.MinZigzag), wire.AppendZigzag(nil, math.MinInt64))
}

func FuzzVarint(f *testing.F) {
	for _, x := range []uint64{0, 63, 64, 16383, 16384, 1<<30 - 1, 1 << 30, 1 << 42, 1 << 56, wire.MaxRFC9000, math.MaxUint64} {
		f.Add(x, wire.LeadingOnes.Append(nil, x))
	}
	f.Fuzz(func(t *testing.T, x uint64, b []byte) {
		for _, v := range []wire.Varint{wire.RFC9000, wire.LeadingOnes} {
			enc := v.Append(nil, x)
			got, n, err := v.Parse(enc)
			require.NoError(t, err)
			require.Equal(t, min(x, v.Max()), got)
			require.Equal(t, len(enc), n)
			require.Equal(t, len(enc), v.Len(x))

			got, n, err = v.Parse(b)
			if err != nil {
				require.ErrorIs(t, err, wire.ErrTruncated)
				require.Less(t, len(b), 9)
				continue
			}
			require.LessOrEqual(t, n, len(b))
			again, _, err := v.Parse(v.Append(nil, got))
			require.NoError(t, err)
			require.Equal(t, got, again)
		}
		z := wire.NewReader(wire.RFC9000, wire.AppendZigzag(nil, int64(x)))
		require.Equal(t, max(min(int64(x), wire.MaxZigzag), wire.MinZigzag), z.Zigzag())
		require.NoError(t, z.Close())
	})
}

var benchmarkValues = [8]uint64{5, 300, 41, 16384, 8192, 1 << 33, 63, 90000}

func BenchmarkVarintAppend(b *testing.B) {
	for name, v := range map[string]wire.Varint{"RFC9000": wire.RFC9000, "LeadingOnes": wire.LeadingOnes} {
		b.Run(name, func(b *testing.B) {
			buf := make([]byte, 0, 16)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				buf = v.Append(buf[:0], benchmarkValues[i%8])
			}
		})
	}
}

func BenchmarkVarintParse(b *testing.B) {
	for name, v := range map[string]wire.Varint{"RFC9000": wire.RFC9000, "LeadingOnes": wire.LeadingOnes} {
		b.Run(name, func(b *testing.B) {
			var enc [8][]byte
			for i, x := range benchmarkValues {
				enc[i] = v.Append(nil, x)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, _, err := v.Parse(enc[i%8]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
