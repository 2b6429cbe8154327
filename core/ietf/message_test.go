package ietf

import (
	"io"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/wire"
)

// forEach runs f for every vector of every draft.
func forEach(t *testing.T, f func(t *testing.T, p *Profile, v vector, b []byte)) {
	for _, draft := range slices.Sorted(maps.Keys(vectors)) {
		for _, v := range append(slices.Clip(vectors[draft]), ownVectors[draft]...) {
			t.Run(draft+"/"+v.name, func(t *testing.T) { f(t, profileOf(draft), v, unhex(t, v.hex)) })
		}
	}
}

func TestVectors(t *testing.T) {
	forEach(t, func(t *testing.T, p *Profile, v vector, b []byte) {
		got, err := readUnit(p, v.m, b)
		require.NoError(t, err)
		assert.Equal(t, v.m, got)
		again := appendUnit(t, []byte{0xaa}, p, v.m)
		if !v.loose {
			assert.Equal(t, append([]byte{0xaa}, b...), again)
		}
		got, err = readUnit(p, v.m, again[1:])
		require.NoError(t, err)
		assert.Equal(t, v.m, got)
	})
}

// Every vector of the reference is here.
func TestVectorCount(t *testing.T) {
	for draft, n := range map[string]int{"14": 35, "16": 32, "18": 44, "19": 5} {
		assert.Len(t, vectors[draft], n, "draft %s", draft)
	}
}

func TestUnitEndsInside(t *testing.T) {
	forEach(t, func(t *testing.T, p *Profile, v vector, b []byte) {
		for cut := range b {
			_, err := readUnit(p, v.m, b[:cut])
			switch m := v.m.(type) {
			case message:
				if cut == 0 {
					assert.Equal(t, io.EOF, err)
				} else {
					assert.Equal(t, io.ErrUnexpectedEOF, err, "cut at %d", cut)
				}
			case *objectDatagram:
				if cut < len(b)-len(m.Payload) {
					assert.ErrorIs(t, err, wire.ErrTruncated, "cut at %d", cut)
				} else {
					assert.NoError(t, err)
				}
			case *subgroupStream, *fetchStream:
				switch {
				case cut == 0:
					assert.Equal(t, io.EOF, err)
				case boundaries(t, p, v.m)[cut]:
					assert.NoError(t, err, "cut at %d", cut)
				default:
					assert.Equal(t, io.ErrUnexpectedEOF, err, "cut at %d", cut)
				}
			}
		}
	})
}

// boundaries are the lengths at which a stream may end.
func boundaries(t *testing.T, p *Profile, m any) map[int]bool {
	at := map[int]bool{}
	switch m := m.(type) {
	case *subgroupStream:
		for i := range len(m.objects) + 1 {
			at[len(appendUnit(t, nil, p, &subgroupStream{m.header, m.objects[:i]}))] = true
		}
	case *fetchStream:
		for i := range len(m.objects) + 1 {
			at[len(appendUnit(t, nil, p, &fetchStream{m.header, m.objects[:i]}))] = true
		}
	}
	return at
}

// A body must be as long as its fields.
func TestBodyMustFit(t *testing.T) {
	forEach(t, func(t *testing.T, p *Profile, v vector, b []byte) {
		if _, ok := v.m.(message); !ok {
			return
		}
		typ, n, err := p.Varint.Parse(b)
		require.NoError(t, err)
		body := b[n+2:]
		require.NoError(t, decode(body, p, p.messages[typ]()))
		for cut := range body {
			err := decode(body[:cut], p, p.messages[typ]())
			if mayEnd(p, v.m, body, cut) {
				continue
			}
			assert.ErrorIs(t, err, wire.ErrTruncated, "cut at %d", cut)
		}
		if !open(p, v.m) {
			assert.ErrorIs(t, decode(append(body[:len(body):len(body)], 0), p, p.messages[typ]()), wire.ErrTrailing)
		}
	})
}

// open says whether m ends with fields that fill the rest of its message.
func open(p *Profile, m any) bool {
	switch m := m.(type) {
	case *setup:
		return true
	case *subscribeOK, *publish, *fetchOK:
		return p.TrackProperties
	case *requestOK:
		return p.OKProperties || !p.AnswersByKind && m.To == kindUnknown
	case *goaway:
		return p.GoawayID
	}
	return false
}

// mayEnd says whether a shorter body is one too: without the last of the
// fields that fill the rest.
func mayEnd(p *Profile, m any, body []byte, cut int) bool {
	if !open(p, m) {
		return false
	}
	return decode(body[:cut], p, p.messages[typeOf(p, m)]()) == nil
}

func typeOf(p *Profile, m any) uint64 {
	typ, _, _ := p.Varint.Parse(m.(message).append(nil, p))
	return typ
}
