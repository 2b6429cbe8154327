package moq

import (
	"context"
	"fmt"
	"io"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// told reads a range to its end, in words.
func told(ctx context.Context, r *ObjectReader) (s []string) {
	for {
		f, err := r.Next(ctx)
		word := "unknown"
		switch {
		case err == io.EOF:
			return s
		case err != nil:
			return append(s, err.Error())
		case f.Object != nil:
			s = append(s, fmt.Sprintf("%d/%d %s", f.Group, f.Object.ID, f.Object.Payload()))
			continue
		case f.Absent:
			word = "absent"
		}
		end := fmt.Sprint(f.End.Object)
		if f.End.Object == math.MaxUint64 {
			end = "*"
		}
		s = append(s, fmt.Sprintf("%s %d/%d-%d/%s", word, f.Start.Group, f.Start.Object, f.End.Group, end))
	}
}

// objects appends objects with a payload of word.
func objects(k *Track, word string, group uint64, h SubgroupHeader, ids ...uint64) *SubgroupWriter {
	w, _ := k.OpenSubgroup(group, h, epoch)
	for _, id := range ids {
		_ = w.Append(ObjectHeader{ID: id}, []byte(word), epoch)
	}
	return w
}

var whole = SubgroupHeader{FirstKnown: true}

// What a track does not know is asked for, and nothing else.
func TestFill(t *testing.T) {
	all := Location{9, math.MaxUint64}
	for _, c := range []struct {
		name       string
		build      func(*Track)
		start, end Location
		asked      []string
		want       []string
	}{
		{"groups before", func(k *Track) { objects(k, "c", 2, whole, 0).Finish(true) }, Location{}, Location{2, 0},
			[]string{"0/0-1/*"}, []string{"0/0 up", "1/0 up", "2/0 c"}},
		{"groups between", func(k *Track) {
			objects(k, "c", 0, whole, 0).Finish(true)
			objects(k, "c", 3, whole, 0).Finish(true)
		}, Location{}, Location{3, 0}, []string{"1/0-2/*"}, []string{"0/0 c", "1/0 up", "2/0 up", "3/0 c"}},
		{"all of it", func(k *Track) { objects(k, "c", 9, whole, 0).Finish(true) }, Location{}, Location{1, math.MaxUint64},
			[]string{"0/0-1/*"}, []string{"0/0 up", "1/0 up"}},
		{"the start of a group", func(k *Track) { objects(k, "c", 0, SubgroupHeader{}, 2, 3).Finish(true) }, Location{}, Location{0, 3},
			[]string{"0/0-0/1"}, []string{"0/0 up", "0/2 c", "0/3 c"}},
		{"the start of a group that is open", func(k *Track) { objects(k, "c", 0, SubgroupHeader{}, 2, 3) }, Location{}, Location{0, 3},
			[]string{"0/0-0/1"}, []string{"0/0 up", "0/2 c", "0/3 c"}},
		{"a gap that a stream not seen may have filled", func(k *Track) { objects(k, "c", 0, whole, 0, 5).Finish(true) }, Location{}, Location{0, 5},
			[]string{"0/1-0/4"}, []string{"0/0 c", "0/1 up", "0/5 c"}},
		{"a group that is one subgroup", func(k *Track) {
			objects(k, "c", 0, SubgroupHeader{FirstKnown: true, Whole: true}, 0, 5).Finish(false)
			objects(k, "c", 1, whole, 0).Finish(true)
		}, Location{}, Location{1, 0}, nil, []string{"0/0 c", "0/5 c", "1/0 c"}},
		{"a datagram that was lost beside an empty stream", func(k *Track) {
			objects(k, "c", 0, whole).Finish(false)
			k.Reach(Location{0, 0})
		}, Location{}, Location{0, 9}, []string{"0/0-0/0"}, []string{"0/0 up"}},
		{"the tail of a group whose end is not told", func(k *Track) {
			objects(k, "c", 0, whole, 0).Finish(false)
			objects(k, "c", 1, whole, 0).Finish(true)
		}, Location{}, Location{1, math.MaxUint64}, []string{"0/1-0/*"}, []string{"0/0 c", "0/1 up", "1/0 c"}},
		{"a gap of which nobody knows", func(k *Track) { objects(k, "c", 6, whole, 0, 5).Finish(true) }, Location{6, 0}, Location{6, 5},
			[]string{"6/1-6/4"}, []string{"6/0 c", "6/5 c"}},
		{"a gap that another stream may have filled", func(k *Track) {
			objects(k, "c", 0, whole, 0, 5).Finish(false)
			objects(k, "c", 0, SubgroupHeader{ID: 1}, 3).Finish(true)
		}, Location{}, Location{0, 5}, []string{"0/1-0/2", "0/4-0/4"},
			[]string{"0/0 c", "0/1 up", "0/3 c", "0/4 up", "0/5 c"}},
		{"a stream that was cut", func(k *Track) { objects(k, "c", 0, whole, 0).Reset(ErrOld) }, Location{}, Location{0, 5},
			[]string{"0/1-0/5"}, []string{"0/0 c", "0/1 up"}},
		{"a stream that was cut inside its last object", func(k *Track) {
			w := objects(k, "c", 0, whole, 0)
			_ = w.Begin(ObjectHeader{ID: 5}, 9, epoch)
			w.Reset(ErrOld)
		}, Location{}, Location{0, 5}, []string{"0/1-0/5"}, []string{"0/0 c", "0/1 up"}},
		{"what is absent", func(k *Track) { k.Absent(0, 1, epoch); objects(k, "c", 2, whole, 0).Finish(true) }, Location{}, Location{2, 0},
			nil, []string{"absent 0/0-0/*", "absent 1/0-1/*", "2/0 c"}},
		{"beyond what the other has", func(k *Track) { k.Reach(all) }, Location{5, 0}, Location{6, 0},
			[]string{"5/0-6/0", "6/0-6/0"}, []string{"5/0 up", "unknown 6/0-6/0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := track(CacheLimits{})
			c.build(k)
			var asked []string
			answers, closed := 0, 0
			r := k.Read(c.start, c.end, nil)
			r.Fill(func(_ context.Context, start, end Location) (*ObjectReader, error) {
				last := fmt.Sprint(end.Object)
				if end.Object == math.MaxUint64 {
					last = "*"
				}
				asked = append(asked, fmt.Sprintf("%d/%d-%d/%s", start.Group, start.Object, end.Group, last))
				if start.Group > 5 {
					return nil, ErrNotFound
				}
				answers++
				up := track(CacheLimits{}) // has one object of each group it is asked for
				up.Certain()
				for g := start.Group; g <= min(end.Group, 5); g++ {
					id := uint64(0)
					if g == start.Group {
						id = start.Object
					}
					objects(up, "up", g, whole, id).Finish(true)
				}
				up.Finish(0)
				if end.Group > 5 {
					end = Location{5, math.MaxUint64}
				}
				return up.Read(start, end, func() { closed++ }), nil
			}, time.Time{})
			require.Equal(t, c.want, told(t.Context(), r))
			require.Equal(t, c.asked, asked)
			r.Close()
			require.Equal(t, answers, closed)
		})
	}
}

// An answer tells what does not exist from what nobody knows.
func TestCertainTrack(t *testing.T) {
	k := track(CacheLimits{})
	k.Certain()
	objects(k, "a", 1, whole, 1, 4).Finish(true)
	k.Unknown(Location{1, 5}, Location{2, 3})
	objects(k, "b", 2, whole, 4, 6).Finish(true)
	k.Unknown(Location{2, 7}, Location{2, 8})
	objects(k, "c", 7, whole, 0).Finish(true)
	k.Finish(0)
	require.Equal(t, []string{
		"absent 0/0-0/*", "1/1 a", "1/4 a", "unknown 1/5-1/*", "unknown 2/0-2/3", "2/4 b", "2/6 b", "unknown 2/7-2/8",
		"absent 3/0-6/*", "7/0 c",
	}, told(t.Context(), k.Read(Location{}, Location{9, 9}, nil)))
	require.True(t, k.Complete(7))
	require.False(t, k.Complete(8))
	require.True(t, k.IsCertain())
}

// Who asks others for what is missing does so for a time only.
func TestFillBy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := track(CacheLimits{})
		objects(k, "c", 2, whole, 0).Finish(true)
		asked, closed := 0, 0
		read := func(by time.Time) []string {
			up := track(CacheLimits{})
			up.Certain()
			objects(up, "up", 0, whole, 0).Finish(true)
			up.Reach(Location{1, 0})
			objects(up, "up", 1, whole, 0) // and nothing more comes
			r := k.Read(Location{}, Location{2, 0}, nil)
			defer r.Close()
			r.Fill(func(_ context.Context, start, end Location) (*ObjectReader, error) {
				asked++
				return up.Read(start, end, func() { closed++ }), nil
			}, by)
			return told(t.Context(), r)
		}
		require.Equal(t, []string{"unknown 0/0-1/*", "2/0 c"}, read(time.Now()), "nobody is asked")
		require.Zero(t, asked)
		start := time.Now()
		require.Equal(t, []string{"0/0 up", "1/0 up", "unknown 1/1-1/*", "2/0 c"}, read(start.Add(3*time.Second)))
		require.Equal(t, 3*time.Second, time.Since(start))
		require.Equal(t, 1, asked)
		require.Equal(t, 1, closed)
	})
}

// Of what was asked for, nothing is known of the rest where the other finds
// nothing; any other error is one of the whole.
func TestFillNotFound(t *testing.T) {
	for _, c := range []struct {
		err  *Error
		want []string
	}{
		{ErrNotFound, []string{"0/0 up", "unknown 0/1-0/*", "unknown 1/0-1/*", "2/0 c"}},
		{ErrDropped, []string{"0/0 up", ErrDropped.Error()}},
	} {
		k := track(CacheLimits{})
		objects(k, "c", 2, whole, 0).Finish(true)
		r := k.Read(Location{}, Location{2, 0}, nil)
		r.Fill(func(_ context.Context, start, _ Location) (*ObjectReader, error) {
			up := track(CacheLimits{})
			up.Certain()
			if start.Group == 0 {
				objects(up, "up", 0, whole, 0)
			}
			up.Fail(c.err)
			return up.Read(start, Location{start.Group, math.MaxUint64}, nil), nil
		}, time.Time{})
		require.Equal(t, c.want, told(t.Context(), r))
	}
}

// An answer that goes beyond what was asked for replaces what the track has;
// where it comes to nothing, the track goes on.
func TestFillWide(t *testing.T) {
	for _, c := range []struct {
		err  *Error
		want []string
	}{
		{nil, []string{"0/0 up", "1/0 up", "2/0 up", "4/0 up"}},
		{ErrNotFound, []string{"0/0 up", "unknown 1/0-1/*", "2/0 c", "unknown 3/0-3/*", "4/0 c"}},
		{ErrDropped, []string{"0/0 up", ErrDropped.Error()}},
	} {
		k := track(CacheLimits{})
		objects(k, "c", 2, whole, 0).Finish(true)
		objects(k, "c", 4, whole, 0).Finish(true)
		end := Location{4, 0}
		r := k.Read(Location{}, end, nil)
		asked := 0
		r.Fill(func(_ context.Context, start, _ Location) (*ObjectReader, error) {
			if asked++; asked > 1 {
				return nil, ErrTooMany
			}
			up := track(CacheLimits{})
			up.Certain()
			objects(up, "up", 0, whole, 0).Finish(true)
			if c.err != nil {
				up.Fail(c.err)
			} else {
				for _, g := range []uint64{1, 2, 4} {
					objects(up, "up", g, whole, 0).Finish(true)
				}
				up.Absent(3, 3, epoch)
			}
			return up.Read(start, end, nil), nil
		}, time.Time{})
		var got []string
		for _, s := range told(t.Context(), r) {
			if s != "absent 3/0-3/*" {
				got = append(got, s)
			}
		}
		require.Equal(t, c.want, got)
	}
}

func TestUnread(t *testing.T) {
	k := track(CacheLimits{})
	k.Certain()
	for g := range uint64(3) {
		objects(k, "ab", g, whole, 0).Finish(true)
	}
	k.Finish(0)
	r := k.Read(Location{}, Location{2, 5}, nil)
	for _, want := range []int64{6, 4, 2} { // the group that is being read counts
		require.Equal(t, want, r.Unread())
		progress := k.Progress()
		for range 2 {
			_, err := r.Next(t.Context())
			require.True(t, err == nil || err == io.EOF, err)
			if woken(progress) {
				break
			}
		}
	}
}
