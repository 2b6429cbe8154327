package lite

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/wire"
)

type testFrame struct {
	delta   int64
	payload string
}

var frameVectors = []struct {
	drafts []string
	frames []testFrame
	hex    string
}{
	{[]string{"02", "03", "04"}, []testFrame{{0, "hello"}}, "05 68656c6c6f"},
	{[]string{"02", "03", "04"}, []testFrame{{0, "f0"}, {0, "b"}}, "02 6630 01 62"},
	{[]string{"02", "03", "04"}, []testFrame{{0, ""}, {0, ""}}, "00 00"},
	{[]string{"05"}, []testFrame{{90000, "hi"}, {-1, "x"}}, "8002bf20 02 6869 01 01 78"},
	{[]string{"05"}, []testFrame{{90000, "f0"}, {-1500, "b"}}, "8002bf20 02 6630 4bb7 01 62"},
	{[]string{"05"}, []testFrame{{3000, ""}}, "5770 00"},
	{draftNames, nil, ""},
}

// groupFrames reads the frames of a group as a handler does.
func groupFrames(s *wire.Stream, p *Profile) (frames []testFrame, err error) {
	for {
		h, err := readFrameHeader(s, p)
		if err == io.EOF {
			return frames, nil
		}
		if err != nil {
			return frames, err
		}
		payload, err := io.ReadAll(io.LimitReader(s, int64(min(h.Size, testLimit))))
		if err != nil {
			return frames, err
		}
		if uint64(len(payload)) < h.Size {
			return frames, io.ErrUnexpectedEOF
		}
		frames = append(frames, testFrame{h.Delta, string(payload)})
	}
}

func appendGroup(b []byte, p *Profile, frames []testFrame) []byte {
	for _, f := range frames {
		h := frameHeader{Delta: f.delta, Size: uint64(len(f.payload))}
		b = append(h.append(b, p), f.payload...)
	}
	return b
}

func TestGroupStream(t *testing.T) {
	for _, v := range frameVectors {
		for _, name := range v.drafts {
			t.Run(name+" "+v.hex, func(t *testing.T) {
				p := profileOf(name)
				header := groupHeader{ID: 5}
				want := unhex(t, "00 02 05 00"+v.hex)
				b := appendVarint(nil, typeGroup)
				b = header.append(b, p)
				require.Equal(t, want, appendGroup(b, p, v.frames))

				s := wire.NewStream(wire.RFC9000, iotest.OneByteReader(bytes.NewReader(want)))
				kind, err := s.Varint()
				require.NoError(t, err)
				assert.Equal(t, typeGroup, kind)
				got, err := readGroupHeader(s, p)
				require.NoError(t, err)
				assert.Equal(t, header, got)
				frames, err := groupFrames(s, p)
				require.NoError(t, err)
				assert.Equal(t, v.frames, frames)
			})
		}
	}
}

func TestFrameHeaderEnds(t *testing.T) {
	for _, name := range draftNames {
		p := profileOf(name)
		h := frameHeader{Size: 1 << 20}
		if p.Timestamps {
			h.Delta = -90000
		}
		b := h.append(nil, p)
		for cut := range b {
			_, err := readFrameHeader(streamOf(b[:cut]), p)
			if cut == 0 {
				assert.Equal(t, io.EOF, err)
			} else {
				assert.Equal(t, io.ErrUnexpectedEOF, err, "draft %s cut at %d", name, cut)
			}
		}
		got, err := readFrameHeader(streamOf(b), p)
		require.NoError(t, err)
		assert.Equal(t, h, got)
	}
}

func TestDatagramPayloadIsNotCopied(t *testing.T) {
	b := unhex(t, "03 29 80015f90 6869")
	var m datagram
	require.NoError(t, decode(b, profileOf("05"), &m))
	assert.Same(t, &b[len(b)-2], &m.Payload[0])
}

func TestDataPathDoesNotAllocate(t *testing.T) {
	p := profileOf("05")
	in := unhex(t, "02 05 00 8002bf20 00")
	source := bytes.NewReader(in)
	s := wire.NewStream(wire.RFC9000, source)
	buf := make([]byte, 0, 32)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		source.Reset(in)
		group, err := readGroupHeader(s, p)
		if err != nil {
			panic(err)
		}
		frame, err := readFrameHeader(s, p)
		if err != nil {
			panic(err)
		}
		buf = frame.append(group.append(buf[:0], p), p)
	}))
	assert.Equal(t, in, buf)
}

func BenchmarkFrameHeaderAppend(b *testing.B) {
	p := profileOf("05")
	buf := make([]byte, 0, 32)
	h := frameHeader{Delta: 3000, Size: 8192}
	b.ReportAllocs()
	for b.Loop() {
		buf = h.append(buf[:0], p)
	}
}

func BenchmarkFrameHeaderRead(b *testing.B) {
	p := profileOf("05")
	h := frameHeader{Delta: 3000, Size: 8192}
	in := h.append(nil, p)
	source := bytes.NewReader(nil)
	s := wire.NewStream(wire.RFC9000, source)
	b.ReportAllocs()
	for b.Loop() {
		source.Reset(in)
		if _, err := readFrameHeader(s, p); err != nil {
			b.Fatal(err)
		}
	}
}
