package ietf

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/moq"
)

// A length or a count that is far too large, in every place of every unit:
// nothing is allocated for it, and what comes of it has a code.
func TestHugeNumbers(t *testing.T) {
	huge := map[string][]string{
		"14": {"ffffffffffffffff", "bfffffff", "7fff"}, "16": {"ffffffffffffffff", "bfffffff", "7fff"},
		"18": {"ffffffffffffffffff", "ff3fffffffffffffff", "f0ffffffff", "bfff"},
		"19": {"ffffffffffffffffff", "bfff"}, "20": {"ffffffffffffffffff", "bfff"},
	}
	forEach(t, func(t *testing.T, p *Profile, v vector, b []byte) {
		for _, hex := range huge[draftOf(p)] {
			for i := range b {
				bad := append(append(b[:i:i], unhex(t, hex)...), b[i:]...)
				if m, ok := v.m.(message); ok {
					_, n, _ := p.Varint.Parse(m.append(nil, p))
					if i < n {
						continue
					}
					if i >= n+2 { // the length is right
						size := len(bad) - n - 2
						bad[n], bad[n+1] = byte(size>>8), byte(size)
					}
				}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				_, err := readUnit(p, v.m, bad)
				runtime.ReadMemStats(&after)
				assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<10), "%s at %d", hex, i)
				if err != nil && err != errOrder && i > 0 {
					_, ok := decodeCode(err)
					require.True(t, ok, "no code for %v", err)
				}
			}
		}
	})
}

func TestObjectsDoNotAllocate(t *testing.T) {
	for _, draft := range drafts {
		p := profileOf(draft)
		h := subgroupHeader{Mode: modeExplicit, EndOfGroup: true, TrackAlias: 1, Group: 900, Subgroup: 3, Priority: 128}
		objects := []objectHeader{{ID: 3}, {ID: 4}, {ID: 900, Status: 3}}
		buf := make([]byte, 0, 64)
		write := func() []byte {
			b := h.append(buf, p)
			var ids objectIDs
			for i := range objects {
				b = appendObject(b, p, &h, &ids, &objects[i])
			}
			return b
		}
		assert.Zero(t, testing.AllocsPerRun(100, func() { write() }), draft)
		// The stream and its reader are all that is allocated.
		in := write()
		assert.LessOrEqual(t, testing.AllocsPerRun(100, func() {
			s := streamOf(p, in)
			typ, _, err := readStreamType(s, p)
			if err != nil {
				panic(err)
			}
			h, err := readSubgroupHeader(s, typ)
			if err != nil {
				panic(err)
			}
			var ids objectIDs
			for range objects {
				if _, err := readObject(s, p, &h, &ids); err != nil {
					panic(err)
				}
			}
		}), 2.0, draft)
	}
}

// BenchmarkProperties shows that ten times as many cost ten times as much.
func BenchmarkProperties(b *testing.B) {
	p := profileOf("18")
	for name, n := range map[string]int{"6": 6, "60": 60} {
		b.Run(name, func(b *testing.B) {
			block := make([]byte, 0, 2*n)
			for range n {
				block = append(block, 2, 7)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := parseBlock(block, p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendObject(b *testing.B) {
	p := profileOf("18")
	h := subgroupHeader{Properties: true}
	m := objectHeader{Properties: []moq.Property{numeric(propTimestamp, 1_000_000)}, Size: 8192}
	buf := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		var ids objectIDs
		appendObject(buf, p, &h, &ids, &m)
	}
}
