package wire_test

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/wire"
)

// readers are the ways in which the same bytes may arrive.
var readers = map[string]func(io.Reader) io.Reader{
	"at once":        func(r io.Reader) io.Reader { return r },
	"byte by byte":   iotest.OneByteReader,
	"halves":         iotest.HalfReader,
	"EOF with bytes": iotest.DataErrReader,
	"stuttering":     func(r io.Reader) io.Reader { return &stutter{r: r} },
}

// stutter returns no bytes and no error before every read.
type stutter struct {
	r   io.Reader
	odd bool
}

func (s *stutter) Read(p []byte) (int, error) {
	if s.odd = !s.odd; s.odd {
		return 0, nil
	}
	return s.r.Read(p[:min(len(p), 3)])
}

func TestStream(t *testing.T) {
	long := bytes.Repeat([]byte("0123456789"), 2000)
	in := unhex(t, "4040 01 07 0102 02 6869 c000000000000003 616263 05 68656c6c6f")
	in = wire.RFC9000.AppendBytes(in, long)
	in = append(wire.RFC9000.AppendBytes(in, long), "end"...)
	for name, arrive := range readers {
		t.Run(name, func(t *testing.T) {
			s := wire.NewStream(wire.RFC9000, arrive(bytes.NewReader(in)))
			x, err := s.Varint()
			require.NoError(t, err)
			assert.Equal(t, uint64(64), x)
			z, err := s.Zigzag()
			require.NoError(t, err)
			assert.Equal(t, int64(-1), z)
			b, err := s.Byte()
			require.NoError(t, err)
			assert.Equal(t, byte(7), b)
			u, err := s.Uint16()
			require.NoError(t, err)
			assert.Equal(t, uint16(0x0102), u)
			for _, want := range []string{"hi", "abc"} {
				body, err := s.Message(100, nil)
				require.NoError(t, err)
				assert.Equal(t, want, string(body))
			}
			x, err = s.Varint()
			require.NoError(t, err)
			payload := make([]byte, x)
			_, err = io.ReadFull(s, payload)
			require.NoError(t, err)
			assert.Equal(t, "hello", string(payload))

			body, err := s.Message(len(long), nil)
			require.NoError(t, err)
			assert.Equal(t, long, body)
			again, err := s.Message(len(long), body)
			require.NoError(t, err)
			assert.Equal(t, long, again)
			assert.Same(t, &body[0], &again[0], "a body that fits buf is put there")

			rest, err := io.ReadAll(s)
			require.NoError(t, err)
			assert.Equal(t, "end", string(rest))
			for range 2 {
				_, err = s.Varint()
				assert.Equal(t, io.EOF, err)
				_, err = s.Read(payload)
				assert.Equal(t, io.EOF, err)
			}
		})
	}
}

// calls are one call of each kind on a Stream with an input that it consumes
// whole.
var calls = []struct {
	name string
	hex  string
	call func(*wire.Stream) error
}{
	{"varint", "c000000000000003", func(s *wire.Stream) error { _, err := s.Varint(); return err }},
	{"zigzag", "8002bf20", func(s *wire.Stream) error { _, err := s.Zigzag(); return err }},
	{"byte", "07", func(s *wire.Stream) error { _, err := s.Byte(); return err }},
	{"uint16", "0102", func(s *wire.Stream) error { _, err := s.Uint16(); return err }},
	{"short message", "4003 616263", func(s *wire.Stream) error { _, err := s.Message(1000, nil); return err }},
	{"long message", "4100" + string(bytes.Repeat([]byte("61"), 256)), func(s *wire.Stream) error { _, err := s.Message(1000, nil); return err }},
	{"message into buf", "4100" + string(bytes.Repeat([]byte("61"), 256)), func(s *wire.Stream) error { _, err := s.Message(1000, make([]byte, 256)); return err }},
}

func TestStreamEndsInsideAValue(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range calls {
		for name, arrive := range readers {
			t.Run(c.name+" "+name, func(t *testing.T) {
				in := unhex(t, c.hex)
				for cut := range len(in) + 1 {
					s := wire.NewStream(wire.RFC9000, arrive(bytes.NewReader(in[:cut])))
					err := c.call(s)
					switch {
					case cut == 0:
						assert.Equal(t, io.EOF, err)
					case cut < len(in):
						assert.Equal(t, io.ErrUnexpectedEOF, err, "cut at %d", cut)
					default:
						assert.NoError(t, err)
						assert.Zero(t, s.Buffered())
						assert.Equal(t, io.EOF, c.call(s))
					}
					if cut == len(in) {
						continue
					}
					r := io.MultiReader(bytes.NewReader(in[:cut]), iotest.ErrReader(broken))
					s = wire.NewStream(wire.RFC9000, arrive(r))
					assert.Equal(t, broken, c.call(s), "other errors come back as they are; cut at %d", cut)
				}
			})
		}
	}
}

func TestStreamMessageLimit(t *testing.T) {
	for limit, ok := range map[int]bool{-1: false, 0: false, 2: false, 3: true} {
		s := wire.NewStream(wire.RFC9000, bytes.NewReader(unhex(t, "03 616263")))
		_, err := s.Message(limit, nil)
		if ok {
			assert.NoError(t, err)
			continue
		}
		var large *wire.TooLargeError
		require.ErrorAs(t, err, &large)
		assert.Equal(t, wire.TooLargeError{What: large.What, Size: 3, Limit: uint64(max(limit, 0))}, *large)
	}
}

func TestStreamLeadingOnes(t *testing.T) {
	s := wire.NewStream(wire.LeadingOnes, bytes.NewReader(unhex(t, "7f ffffffffffffffffff 02 6869")))
	x, err := s.Varint()
	require.NoError(t, err)
	assert.Equal(t, uint64(127), x)
	x, err = s.Varint()
	require.NoError(t, err)
	assert.Equal(t, ^uint64(0), x)
	body, err := s.Message(9, nil)
	require.NoError(t, err)
	assert.Equal(t, "hi", string(body))
}

// readSizes records how much each Read was asked for.
type readSizes struct {
	r     io.Reader
	sizes []int
}

func (r *readSizes) Read(p []byte) (int, error) {
	r.sizes = append(r.sizes, len(p))
	return r.r.Read(p)
}

func TestStreamReadsPayloadsStraight(t *testing.T) {
	in := append(unhex(t, "4400"), make([]byte, 1024)...)
	source := &readSizes{r: bytes.NewReader(in)}
	s := wire.NewStream(wire.RFC9000, source)
	n, err := s.Varint()
	require.NoError(t, err)
	ahead := s.Buffered()
	require.Less(t, ahead, 256)
	_, err = io.ReadFull(s, make([]byte, n))
	require.NoError(t, err)
	require.Len(t, source.sizes, 2)
	assert.Equal(t, int(n)-ahead, source.sizes[1])
}

// allocated is how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestStreamDoesNotTrustLengths(t *testing.T) {
	for _, arrived := range []int{0, 1, 1000, 100_000} {
		in := append(unhex(t, "ffffffffffffffff"), make([]byte, arrived)...)
		s := wire.NewStream(wire.RFC9000, bytes.NewReader(in))
		got := allocated(func() {
			_, err := s.Message(1<<62, nil)
			assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
		})
		assert.LessOrEqual(t, got, uint64(4*arrived+64<<10), "%d bytes arrived", arrived)
	}
}

func TestStreamDoesNotAllocate(t *testing.T) {
	in := unhex(t, "4040 05 68656c6c6f 8002bf20")
	source := bytes.NewReader(in)
	s := wire.NewStream(wire.RFC9000, source)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		source.Reset(in)
		_, err1 := s.Varint()
		_, err2 := s.Message(9, nil)
		_, err3 := s.Zigzag()
		if err := errors.Join(err1, err2, err3); err != nil {
			panic(err)
		}
	}))
}

// FuzzStream runs a program of calls over bytes that arrive in pieces of step.
func FuzzStream(f *testing.F) {
	for _, c := range calls {
		f.Add([]byte{0, 1, 2, 3, 4, 5}, unhex(f, c.hex), uint8(3))
	}
	f.Add([]byte{0, 4, 5}, unhex(f, "ffffffffffffffff 8001ffff 61"), uint8(0))
	f.Fuzz(func(t *testing.T, program, in []byte, step uint8) {
		flavour := wire.RFC9000
		if step >= 128 {
			flavour = wire.LeadingOnes
		}
		source := bytes.NewReader(in)
		s := wire.NewStream(flavour, &pieces{source, int(step%128) + 1})
		consumed := func() int { return len(in) - source.Len() - s.Buffered() }
		buf := make([]byte, 512)
		got := allocated(func() {
			for _, op := range program {
				before := consumed()
				var err error
				switch op % 6 {
				case 0:
					_, err = s.Varint()
				case 1:
					_, err = s.Zigzag()
				case 2:
					_, err = s.Byte()
				case 3:
					_, err = s.Uint16()
				case 4:
					var body []byte
					body, err = s.Message(64<<10, buf)
					if end := consumed(); err == nil && !bytes.Equal(body, in[end-len(body):end]) {
						t.Fatal("the body is not what was sent")
					}
				case 5:
					_, err = s.Read(buf[:op%32])
				}
				if err == io.EOF && (before != len(in) || consumed() != before) {
					t.Fatalf("io.EOF at %d of %d bytes", before, len(in))
				}
				if err != nil {
					return
				}
			}
		})
		if limit := uint64(2*len(in) + 64<<10); got > limit {
			t.Fatalf("%d bytes allocated for %d bytes of input", got, len(in))
		}
	})
}

// pieces returns at most n bytes a Read.
type pieces struct {
	r io.Reader
	n int
}

func (p *pieces) Read(b []byte) (int, error) { return p.r.Read(b[:min(len(b), p.n)]) }

func BenchmarkStreamMessage(b *testing.B) {
	in := unhex(b, "03 4040 29")
	source := bytes.NewReader(nil)
	s := wire.NewStream(wire.RFC9000, source)
	b.ReportAllocs()
	for b.Loop() {
		source.Reset(in)
		if _, err := s.Message(64, nil); err != nil {
			b.Fatal(err)
		}
	}
}
