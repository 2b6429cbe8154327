package lite

import (
	"bytes"
	"encoding/hex"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/wire"
	"github.com/moqtgo/moqt/ports/quic"
)

const testLimit = 64 << 10 // of a control message

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	require.NoError(t, err)
	return b
}

// receiveMessage reads one message of m's kind from s as a handler does.
func receiveMessage(s *wire.Stream, p *Profile, kind message) (message, error) {
	m := reflect.New(reflect.TypeOf(kind).Elem()).Interface().(message)
	switch m := m.(type) {
	case *subscribeOK, *subscribeStart, *subscribeEnd, *subscribeDrop:
		return readResponse(s, p, testLimit)
	case *groupHeader:
		h, err := readGroupHeader(s, p)
		return &h, err
	case *datagram:
		b, err := io.ReadAll(s)
		if err != nil {
			return nil, err
		}
		return m, decode(b, p, m)
	case *clientSetup, *serverSetup:
		if _, err := s.Varint(); err != nil {
			return nil, err
		}
		return m, readInBand(s, p, m)
	}
	return m, readMessage(s, p, testLimit, m)
}

func streamOf(b []byte) *wire.Stream { return wire.NewStream(wire.RFC9000, bytes.NewReader(b)) }

// forEach runs f for every draft of every vector.
func forEach(t *testing.T, vectors []vector, f func(t *testing.T, p *Profile, m message, b []byte)) {
	for _, v := range vectors {
		for name := range strings.FieldsSeq(v.drafts) {
			t.Run(name+" "+reflect.TypeOf(v.m).Elem().Name()+" "+v.hex, func(t *testing.T) {
				f(t, profileOf(name), v.m, unhex(t, v.hex))
			})
		}
	}
}

func TestVectors(t *testing.T) {
	forEach(t, vectors, func(t *testing.T, p *Profile, m message, b []byte) {
		assert.Equal(t, b, m.append(nil, p))
		assert.Equal(t, append([]byte{0xaa}, b...), m.append([]byte{0xaa}, p), "append appends")
		s := streamOf(b)
		got, err := receiveMessage(s, p, m)
		require.NoError(t, err)
		assert.Equal(t, m, got)
		assert.Zero(t, s.Buffered())
	})
}

func TestLooseVectors(t *testing.T) {
	forEach(t, looseVectors, func(t *testing.T, p *Profile, m message, b []byte) {
		got, err := receiveMessage(streamOf(b), p, m)
		require.NoError(t, err)
		assert.Equal(t, m, got)
	})
}

func TestBadVectors(t *testing.T) {
	for _, v := range badVectors {
		for name := range strings.FieldsSeq(v.drafts) {
			t.Run(name+" "+reflect.TypeOf(v.m).Elem().Name()+" "+v.hex, func(t *testing.T) {
				_, err := receiveMessage(streamOf(unhex(t, v.hex)), profileOf(name), v.m)
				require.Error(t, err)
				code, ok := decodeCode(err)
				assert.True(t, ok, "no code for %v", err)
				assert.Equal(t, quic.ErrorCode(v.code), code, "code for %v", err)
			})
		}
	}
}

func TestStreamEndsInsideAMessage(t *testing.T) {
	forEach(t, vectors, func(t *testing.T, p *Profile, m message, b []byte) {
		header := len(b)
		if d, ok := m.(*datagram); ok {
			header -= len(d.Payload)
		}
		for cut := range header {
			_, err := receiveMessage(streamOf(b[:cut]), p, m)
			require.Error(t, err, "cut at %d", cut)
			if _, ok := m.(*datagram); ok {
				assert.ErrorIs(t, err, wire.ErrTruncated, "cut at %d", cut)
				continue
			}
			_, group := m.(*groupHeader) // always behind a stream type
			if cut == 0 && !group {
				assert.Equal(t, io.EOF, err)
			} else {
				assert.Equal(t, io.ErrUnexpectedEOF, err, "cut at %d", cut)
			}
		}
	})
}

// bodyOf returns the body of the message b, without its Type and Length.
func bodyOf(t *testing.T, p *Profile, m message, b []byte) []byte {
	s := streamOf(b)
	switch m.(type) {
	case *clientSetup, *serverSetup:
		return b[3:]
	case *subscribeOK, *subscribeStart, *subscribeEnd, *subscribeDrop:
		if p.TypedResponses {
			_, err := s.Varint()
			require.NoError(t, err)
		}
	}
	body, err := s.Message(testLimit, nil)
	require.NoError(t, err)
	return body
}

func TestBodyMustFit(t *testing.T) {
	forEach(t, vectors, func(t *testing.T, p *Profile, m message, b []byte) {
		if _, ok := m.(*datagram); ok {
			return // has no end of its own
		}
		whole := bytes.Clone(bodyOf(t, p, m, b))
		fresh := func() message { return reflect.New(reflect.TypeOf(m).Elem()).Interface().(message) }
		require.NoError(t, decode(whole, p, fresh()))
		for cut := range whole {
			assert.ErrorIs(t, decode(whole[:cut], p, fresh()), wire.ErrTruncated, "cut at %d", cut)
		}
		assert.ErrorIs(t, decode(append(whole, 0), p, fresh()), wire.ErrTrailing)
	})
}

func TestMessageLimit(t *testing.T) {
	for _, name := range draftNames {
		p := profileOf(name)
		long := wire.RFC9000.Append([]byte(nil), testLimit+1)
		long = append(long, make([]byte, 100)...)
		for _, m := range []message{&announceRequest{}, &announce{}, &subscribe{}, &subscribeUpdate{}, &trackInfo{}, &setup{}, &probe{}, &goaway{}} {
			_, err := receiveMessage(streamOf(long), p, m)
			var large *wire.TooLargeError
			require.ErrorAs(t, err, &large)
			assert.Equal(t, uint64(testLimit), large.Limit)
		}
	}
}

func TestFieldLimits(t *testing.T) {
	text := func(n int) string { return strings.Repeat("x", n) }
	deep := func(n int) string { return strings.TrimSuffix(strings.Repeat("x/", n), "/") }
	hops := func(n int) []uint64 { return make([]uint64, n) }
	for _, row := range []struct {
		name  string
		draft string
		ok    message
		bad   message
	}{
		{"path", "05", &track{Path: text(4090), Track: text(6)}, &track{Path: text(4097)}},
		{"path and track", "05", &track{Path: text(4090), Track: text(6)}, &track{Path: text(4090), Track: text(7)}},
		{"track", "04", &subscribe{Track: text(4096)}, &subscribe{Track: text(4097)}},
		{"fetch", "04", &fetch{Path: "a", Track: text(4095)}, &fetch{Path: "a", Track: text(4096)}},
		{"prefix", "04", &announceRequest{Prefix: text(4096)}, &announceRequest{Prefix: text(4097)}},
		{"segments", "03", &subscribe{Path: deep(32)}, &subscribe{Path: deep(33)}},
		{"segments of a prefix", "05", &announceRequest{Prefix: "/" + deep(32) + "/"}, &announceRequest{Prefix: deep(33)}},
		{"segments of a suffix", "05", &announce{Suffix: deep(32)}, &announce{Suffix: "//" + deep(33)}},
		{"empty segments", "05", &track{Path: strings.Repeat("/", 4096)}, &track{Path: strings.Repeat("/", 4097)}},
		{"hops", "05", &announce{Hops: hops(32)}, &announce{Hops: hops(33)}},
		{"hop count", "03", &announce{Hops: hops(32)}, &announce{Hops: hops(33)}},
		{"URI", "05", &goaway{URI: text(8192)}, &goaway{URI: text(8193)}},
		{"request path", "05", &setup{Path: text(16 << 10)}, &setup{Path: text(16<<10 + 1)}},
		{"versions", "02", &clientSetup{Versions: hops(64)}, &clientSetup{Versions: hops(65)}},
		{"broadcasts", "02", &announceInit{Suffixes: make([]string, 4096)}, &announceInit{Suffixes: make([]string, 4097)}},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := profileOf(row.draft)
			got, err := receiveMessage(streamOf(row.ok.append(nil, p)), p, row.ok)
			require.NoError(t, err)
			assert.Equal(t, row.ok, got)
			_, err = receiveMessage(streamOf(row.bad.append(nil, p)), p, row.bad)
			var large *wire.TooLargeError
			assert.ErrorAs(t, err, &large)
		})
	}
}

func TestParameterLimit(t *testing.T) {
	p := profileOf("05")
	for n, want := range map[int]error{64: nil, 65: errTooManyParameters} {
		b := wire.RFC9000.Append(nil, uint64(n))
		for id := range n {
			b = wire.RFC9000.Append(b, uint64(id+100))
			b = append(b, 0)
		}
		assert.ErrorIs(t, decode(b, p, &setup{}), want)

		p := profileOf("02")
		m := &serverSetup{Params: make([]parameter, n)}
		_, err := receiveMessage(streamOf(m.append(nil, p)), p, m)
		assert.ErrorIs(t, err, want)
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]time.Duration{
		math.MinInt64:          0,
		-1:                     0,
		0:                      0,
		1:                      time.Millisecond,
		time.Millisecond:       time.Millisecond,
		time.Millisecond + 1:   2 * time.Millisecond,
		500 * time.Millisecond: 500 * time.Millisecond,
		maxDuration:            maxDuration,
		math.MaxInt64:          maxDuration,
	} {
		r := wire.NewReader(wire.RFC9000, appendDuration(nil, d))
		assert.Equal(t, want, readDuration(&r), "%d ns", int64(d))
		assert.NoError(t, r.Close())
	}
}

func TestOptional(t *testing.T) {
	for o, want := range map[optional]optional{
		{}:                        {},
		some(0):                   some(0),
		some(wire.MaxRFC9000 - 1): some(wire.MaxRFC9000 - 1),
		some(wire.MaxRFC9000):     some(wire.MaxRFC9000 - 1),
		some(math.MaxUint64):      some(wire.MaxRFC9000 - 1),
	} {
		r := wire.NewReader(wire.RFC9000, appendOptional(nil, o))
		assert.Equal(t, want, readOptional(&r))
		assert.NoError(t, r.Close())
	}
}

func TestReadReplacesWhatWasThere(t *testing.T) {
	forEach(t, vectors, func(t *testing.T, p *Profile, m message, b []byte) {
		if _, ok := m.(*datagram); ok {
			return
		}
		last := bytes.Clone(bodyOf(t, p, m, b))
		for _, before := range vectors {
			kind := reflect.TypeOf(m)
			if reflect.TypeOf(before.m) != kind || !strings.Contains(before.drafts, draftOf(p)) {
				continue
			}
			used := reflect.New(kind.Elem()).Interface().(message)
			require.NoError(t, decode(bodyOf(t, p, m, before.m.append(nil, p)), p, used))
			require.NoError(t, decode(last, p, used))
			assert.Equal(t, m, used)
		}
	})
}
