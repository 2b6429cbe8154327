package moq

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var epoch = time.Unix(1_000_000, 0)

func track(l CacheLimits) *Track { return NewTrack(FullTrackName{Path: "a/b", Name: "t"}, l, nil) }

func open0(t *testing.T, k *Track, group uint64) *SubgroupWriter {
	t.Helper()
	w, err := k.OpenSubgroup(group, SubgroupHeader{FirstKnown: true}, epoch)
	require.Nil(t, err)
	return w
}

// feed writes the payload bytes of the current object up to the limit.
func feed(t *testing.T, w *SubgroupWriter, p []byte) {
	t.Helper()
	for len(p) > 0 {
		n := copy(w.Space(), p)
		require.Positive(t, n)
		require.Nil(t, w.Advance(n))
		p = p[n:]
	}
}

func TestEncodedSharesByClass(t *testing.T) {
	for _, size := range []uint64{0, 1, 1000, FirstChunk, FirstChunk + 1, 1 << 20} {
		k := track(CacheLimits{})
		w := open0(t, k, 0)
		body := payload(0, 0, 0, size)
		require.Nil(t, w.Append(ObjectHeader{}, body, epoch))
		o := w.sg.objects[0]
		n := int(min(size, FirstChunk))

		first := o.Encoded(1, []byte("head"), n)
		require.Equal(t, append([]byte("head"), body[:n]...), first)
		require.Same(t, &first[0], &o.Encoded(1, []byte("head"), n)[0], "the first class owns the headroom")
		require.Same(t, &o.buf[headroom-4], &first[0], "nothing is copied for it")

		second := o.Encoded(2, []byte("longer"), n)
		require.Equal(t, append([]byte("longer"), body[:n]...), second)
		again := o.Encoded(2, []byte("longer"), n)
		require.Equal(t, second, again)
		if size <= FirstChunk {
			require.Same(t, &second[0], &again[0], "the second class shares one copy")
		} else {
			require.NotSame(t, &second[0], &again[0], "large objects are not kept twice")
		}
		require.Equal(t, append([]byte("head"), body[:n]...), first, "the first encoding is as it was")
		require.Len(t, first, cap(first), "an append cannot reach the payload")
	}
}

func TestEncodedWithALongHeader(t *testing.T) {
	w := open0(t, track(CacheLimits{}), 0)
	require.Nil(t, w.Append(ObjectHeader{}, []byte("xyz"), epoch))
	o := w.sg.objects[0]
	long := make([]byte, headroom+1)
	require.Equal(t, append(append([]byte{}, long...), "xyz"...), o.Encoded(1, long, 3))
	fits := make([]byte, headroom)
	fits[0] = 7
	b := o.Encoded(2, fits, 3)
	require.Same(t, &o.buf[0], &b[0], "the headroom was still free")
}

func TestChunksOfAPayload(t *testing.T) {
	for _, size := range []uint64{1, FirstChunk, FirstChunk + 1, FirstChunk + laterChunk, FirstChunk + laterChunk + 1, FirstChunk + 3*laterChunk + 5} {
		for _, step := range []int{1 << 20, 4096, 8191} {
			w := open0(t, track(CacheLimits{}), 0)
			body := payload(0, 0, 0, size)
			require.Nil(t, w.Begin(ObjectHeader{}, size, epoch))
			require.Nil(t, w.sg.objects[0].Payload(), "not complete")
			for p := body; len(p) > 0; {
				n := min(step, len(p))
				feed(t, w, p[:n])
				p = p[n:]
			}
			require.Nil(t, w.Space())
			o := w.sg.objects[0]
			require.Equal(t, body, o.Payload())
			require.Equal(t, size, o.Size())
			var pieces []byte
			for uint64(len(pieces)) < size {
				p := o.from(uint64(len(pieces)))
				require.NotEmpty(t, p)
				pieces = append(pieces, p...)
			}
			require.Equal(t, body, pieces)
			memory := len(o.buf)
			for _, c := range o.more {
				memory += len(c)
			}
			require.EqualValues(t, size+headroom, memory, "no byte more than the object needs")
		}
	}
}

// TestDeclaredSizeCostsNothing: a peer that names a large size and sends
// nothing must not make us allocate it.
func TestDeclaredSizeCostsNothing(t *testing.T) {
	w := open0(t, track(CacheLimits{}), 0)
	require.Nil(t, w.Begin(ObjectHeader{}, 16<<20, epoch))
	require.Len(t, w.sg.objects[0].buf, headroom+FirstChunk)
	require.Empty(t, w.sg.objects[0].more)
	require.Len(t, w.Space(), FirstChunk)
}

func TestCutThrough(t *testing.T) {
	w := open0(t, track(CacheLimits{}), 0)
	r := &SubgroupReader{Subgroup: w.sg}
	const size = FirstChunk + laterChunk + 3000
	body := payload(0, 0, 0, size)
	require.Nil(t, w.Begin(ObjectHeader{}, size, epoch))
	at := 0
	for _, step := range []struct {
		feed  int
		piece []int
	}{
		{wakeBytes - 1, nil},
		{1, []int{wakeBytes}},
		{100, nil},
		{wakeBytes - 100, []int{wakeBytes}},
		{wakeBytes, []int{wakeBytes}},
		{laterChunk - wakeBytes, []int{laterChunk - wakeBytes}},
		{2999, nil},
		{1, []int{3000}},
	} {
		feed(t, w, body[at:at+step.feed])
		at += step.feed
		var got []int
		for {
			p, ok, err := r.Next()
			require.NoError(t, err)
			if !ok {
				break
			}
			got = append(got, len(p.Data))
		}
		require.Equal(t, step.piece, got, "after %d bytes", at)
	}
}

func TestSmallObjectsGoWhole(t *testing.T) {
	w := open0(t, track(CacheLimits{}), 0)
	r := &SubgroupReader{Subgroup: w.sg}
	require.Nil(t, w.Begin(ObjectHeader{}, FirstChunk, epoch))
	feed(t, w, make([]byte, FirstChunk-1))
	_, ok, err := r.Next()
	require.False(t, ok)
	require.NoError(t, err)
	feed(t, w, make([]byte, 1))
	p, ok, _ := r.Next()
	require.True(t, ok && p.First && p.Last)
	require.Len(t, p.Data, FirstChunk)
}

// TestFirstPieceIsBounded: what a private header is copied to is small even
// where the application wrote a large frame in one go.
func TestFirstPieceIsBounded(t *testing.T) {
	w := open0(t, track(CacheLimits{}), 0)
	r := &SubgroupReader{Subgroup: w.sg}
	require.Nil(t, w.Append(ObjectHeader{}, make([]byte, 1<<20), epoch))
	p, ok, _ := r.Next()
	require.True(t, ok && p.First && !p.Last)
	require.Len(t, p.Data, FirstChunk)
	p, ok, _ = r.Next()
	require.True(t, ok && !p.First && p.Last)
	require.Len(t, p.Data, 1<<20-FirstChunk)
}

// Two subscribers of one class may have different objects before: headers of
// one length are not the same header.
func TestEncodedWithAnotherHeader(t *testing.T) {
	for _, size := range []int{3, FirstChunk + 1} {
		tr := NewTrack(FullTrackName{}, CacheLimits{}, nil)
		w, err := tr.OpenGroup(0, time.Time{})
		require.Nil(t, err)
		require.Nil(t, w.Append(ObjectHeader{}, make([]byte, size), time.Time{}))
		o := tr.groups[0].subgroups[0].objects[0]
		for range 2 {
			for _, class := range []Class{1, 2} {
				for _, header := range []string{"one", "two"} {
					require.Equal(t, header, string(o.Encoded(class, []byte(header), 3)[:3]), "class %d, %d bytes", class, size)
				}
			}
		}
	}
}
