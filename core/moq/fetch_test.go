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

// story reads the range until it ends or has nothing more now, in words.
func story(r *ObjectReader) (s []string) {
	for {
		r.track.mu.Lock()
		f, ok, err := r.look()
		r.track.mu.Unlock()
		switch {
		case err == io.EOF:
			return append(s, "end")
		case err != nil:
			return append(s, err.(*Error).Code.String())
		case !ok:
			return append(s, "wait")
		case f.Object != nil && f.Datagram:
			s = append(s, fmt.Sprintf("d%d/%d", f.Group, f.Object.ID))
		case f.Object != nil:
			s = append(s, fmt.Sprintf("%d/%d.%d", f.Group, f.Subgroup, f.Object.ID))
		case f.Absent:
			s = append(s, fmt.Sprintf("absent %d", f.Start.Group))
		default:
			s = append(s, fmt.Sprintf("unknown %d-%d", f.Start.Group, f.End.Group))
		}
	}
}

func TestReadARange(t *testing.T) {
	sub := func(k *Track, group, id uint64, ids ...uint64) *SubgroupWriter {
		w, _ := k.OpenSubgroup(group, SubgroupHeader{ID: id, FirstKnown: true}, epoch)
		for _, id := range ids {
			_ = w.Append(ObjectHeader{ID: id}, []byte("x"), epoch)
		}
		return w
	}
	group := func(seq uint64) (Location, Location) {
		r := GroupFetch(FullTrackName{}, seq, 0)
		return r.Start, r.End
	}
	for _, c := range []struct {
		name       string
		build      func(*Track)
		start, end Location
		want       []string
	}{
		{"two groups", func(k *Track) { sub(k, 1, 0, 0, 1).Finish(true); sub(k, 2, 0, 0).Finish(true) },
			Location{}, Location{2, math.MaxUint64}, []string{"unknown 0-0", "1/0.0", "1/0.1", "2/0.0", "end"}},
		{"objects of several subgroups are merged", func(k *Track) { sub(k, 0, 0, 0, 3, 4).Finish(false); sub(k, 0, 7, 1, 2, 9).Finish(true) },
			Location{}, Location{0, 8}, []string{"0/0.0", "0/7.1", "0/7.2", "0/0.3", "0/0.4", "end"}},
		{"an open subgroup may bring what is missing", func(k *Track) { sub(k, 0, 0, 0); sub(k, 0, 1, 2).Finish(false) },
			Location{}, Location{0, 2}, []string{"0/0.0", "wait"}},
		{"but not what is there", func(k *Track) { sub(k, 0, 0, 0); sub(k, 0, 1, 1, 2).Finish(false) },
			Location{}, Location{0, 2}, []string{"0/0.0", "0/1.1", "0/1.2", "end"}},
		{"an open one below the end", func(k *Track) { sub(k, 0, 0, 0); sub(k, 0, 1, 9).Finish(false) },
			Location{}, Location{0, 2}, []string{"0/0.0", "wait"}},
		{"datagrams", func(k *Track) {
			k.AddDatagram(0, ObjectHeader{ID: 1}, nil, false, epoch)
			k.AddDatagram(0, ObjectHeader{ID: 0}, nil, false, epoch)
			sub(k, 1, 0).Finish(true)
		}, Location{}, Location{0, 5}, []string{"d0/0", "d0/1", "end"}},
		{"datagrams of the newest group", func(k *Track) { k.AddDatagram(0, ObjectHeader{ID: 0}, nil, false, epoch) },
			Location{}, Location{0, 5}, []string{"d0/0", "wait"}},
		{"a gap", func(k *Track) { sub(k, 1, 0, 0).Finish(true); sub(k, 5, 0, 0).Finish(true) },
			Location{1, 0}, Location{5, 0}, []string{"1/0.0", "unknown 2-4", "5/0.0", "end"}},
		{"a gap at the end", func(k *Track) { sub(k, 9, 0, 0).Finish(true) },
			Location{1, 0}, Location{5, 0}, []string{"unknown 1-5", "end"}},
		{"the start inside a group", func(k *Track) { sub(k, 1, 0, 0, 1, 2).Finish(true) },
			Location{1, 1}, Location{1, 1}, []string{"1/0.1", "end"}},
		{"absent", func(k *Track) { k.Absent(3, 4, epoch); sub(k, 5, 0).Finish(true) },
			Location{3, 0}, Location{5, 0}, []string{"absent 3", "absent 4", "end"}},
		{"cut short", func(k *Track) { sub(k, 1, 0, 0).Reset(ErrOld) },
			Location{1, 0}, Location{1, 9}, []string{"1/0.0", "too old"}},
		{"cut inside an object", func(k *Track) {
			w := sub(k, 1, 0, 0)
			_ = w.Begin(ObjectHeader{ID: 1}, 5, epoch)
			w.Reset(ErrOld)
		}, Location{1, 0}, Location{1, 9}, []string{"1/0.0", "too old"}},
		{"not yet complete", func(k *Track) { _ = sub(k, 1, 0, 0).Begin(ObjectHeader{ID: 1}, 5, epoch) },
			Location{1, 0}, Location{1, 9}, []string{"1/0.0", "wait"}},
		{"nothing yet", func(*Track) {}, Location{}, Location{}, []string{"wait"}},
		{"the track ended", func(k *Track) { sub(k, 1, 0, 0).Finish(true); k.Finish(0) },
			Location{1, 0}, Location{7, 0}, []string{"1/0.0", "end"}},
		{"the track failed", func(k *Track) { sub(k, 1, 0, 0).Finish(true); k.Fail(ErrTimeout) },
			Location{1, 0}, Location{7, 0}, []string{"1/0.0", "timed out"}},
		{"an empty range", func(*Track) {}, Location{2, 0}, Location{1, 0}, []string{"end"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := track(CacheLimits{})
			c.build(k)
			require.Equal(t, c.want, story(k.Read(c.start, c.end, nil)))
		})
	}
	t.Run("a group", func(t *testing.T) {
		k := track(CacheLimits{})
		sub(k, 3, 0, 0, 1).Finish(true)
		start, end := group(3)
		r := k.Read(start, end, nil)
		require.EqualValues(t, 3, r.Group())
		require.Equal(t, []string{"3/0.0", "3/0.1", "end"}, story(r))
	})
}

// TestRangeOfAnEvictedGroup: a truncated group is never taken for a whole one.
func TestRangeOfAnEvictedGroup(t *testing.T) {
	for _, squeezed := range []bool{false, true} {
		limits := CacheLimits{}
		if squeezed {
			limits.Groups = 1
		}
		k := track(limits)
		w := open0(t, k, 0)
		for id := range uint64(3) {
			require.Nil(t, w.Append(ObjectHeader{ID: id}, nil, epoch))
		}
		require.Nil(t, w.Finish(true))
		require.True(t, k.Has(0))
		r := k.Read(Location{}, Location{0, math.MaxUint64}, nil)
		write(t, k, 1, 1, epoch)
		write(t, k, 2, 1, epoch.Add(time.Hour))
		require.False(t, k.Has(0))
		if squeezed {
			require.Equal(t, []string{CodeEvicted.String()}, story(r))
		} else {
			require.Equal(t, []string{"0/0.0", "0/0.1", "0/0.2", "end"}, story(r))
		}
	}
}

func TestHas(t *testing.T) {
	k := track(CacheLimits{})
	require.False(t, k.Has(0))
	w, _ := k.OpenSubgroup(0, SubgroupHeader{}, epoch)
	require.Nil(t, w.Finish(true))
	require.False(t, k.Has(0), "its first object is not known")
	write(t, k, 1, 1, epoch)
	require.True(t, k.Has(1))
	k.Absent(2, 2, epoch)
	require.False(t, k.Has(2))
}

func TestRangeBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := track(CacheLimits{})
		closed := 0
		r := k.Read(Location{}, Location{1, 0}, func() { closed++ })
		require.Same(t, k, r.Track())
		go func() {
			time.Sleep(time.Second)
			w, _ := k.OpenSubgroup(0, SubgroupHeader{FirstKnown: true}, epoch)
			_ = w.Begin(ObjectHeader{}, 2, epoch)
			time.Sleep(time.Second)
			_ = w.Advance(copy(w.Space(), "ab"))
			time.Sleep(time.Second)
			_ = w.Finish(true)
			k.Finish(0)
		}()
		start := time.Now()
		f, err := r.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, "ab", string(f.Object.Payload()))
		require.Equal(t, 2*time.Second, time.Since(start))
		_, err = r.Next(t.Context())
		require.Equal(t, io.EOF, err)
		require.Equal(t, 3*time.Second, time.Since(start))
		r.Close()
		require.Equal(t, 1, closed)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = track(CacheLimits{}).Read(Location{}, Location{}, nil).Next(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}
