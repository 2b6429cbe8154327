package moq

import (
	"io"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// write appends a whole group of one object of size bytes at the time given.
func write(t *testing.T, k *Track, group uint64, size int, now time.Time) {
	t.Helper()
	w, err := k.OpenSubgroup(group, SubgroupHeader{FirstKnown: true}, now)
	require.Nil(t, err)
	require.Nil(t, w.Append(ObjectHeader{}, make([]byte, size), now))
	require.Nil(t, w.Finish(true))
}

func groups(k *Track) (seqs []uint64) {
	for _, g := range k.groups {
		seqs = append(seqs, g.Sequence)
	}
	return seqs
}

func TestEviction(t *testing.T) {
	type w struct {
		group uint64
		size  int
		at    time.Duration
	}
	s := time.Second
	for _, c := range []struct {
		name   string
		limits CacheLimits
		maxAge time.Duration // of the track info
		reader time.Duration // max latency of a reader
		writes []w
		want   []uint64
	}{
		{"the newest stays for ever", CacheLimits{}, 0, 0, []w{{0, 10, 0}}, []uint64{0}},
		{"age counts from the newer group", CacheLimits{}, 0, 0, []w{{0, 1, 0}, {1, 1, 60 * s}, {2, 1, 65 * s}}, []uint64{0, 1, 2}},
		{"age", CacheLimits{}, 0, 0, []w{{0, 1, 0}, {1, 1, s}, {2, 1, 6*s + 1}}, []uint64{1, 2}},
		{"the publisher's age", CacheLimits{}, 10 * s, 0, []w{{0, 1, 0}, {1, 1, s}, {2, 1, 11 * s}, {3, 1, 11*s + 1}}, []uint64{1, 2, 3}},
		{"never below a second", CacheLimits{}, time.Millisecond, 0, []w{{0, 1, 0}, {1, 1, 0}, {2, 1, s}, {3, 1, s + 1}}, []uint64{1, 2, 3}},
		{"a reader's latency", CacheLimits{}, 0, 20 * s, []w{{0, 1, 0}, {1, 1, s}, {2, 1, 21 * s}}, []uint64{0, 1, 2}},
		{"groups", CacheLimits{Groups: 2}, 0, 0, []w{{0, 1, 0}, {1, 1, 0}, {2, 1, 0}}, []uint64{1, 2}},
		{"one group", CacheLimits{Groups: 1}, 0, 0, []w{{0, 1, 0}, {7, 1, 0}}, []uint64{7}},
		{"bytes", CacheLimits{Bytes: 3000}, 0, 0, []w{{0, 1000, 0}, {1, 1000, 0}, {2, 1000, 0}}, []uint64{2}},
		{"bytes of the newest", CacheLimits{Bytes: 100}, 0, 0, []w{{0, 1000, 0}, {1, 5000, 0}}, []uint64{1}},
		{"late arrivals are young", CacheLimits{}, 0, 0, []w{{9, 1, 0}, {3, 1, 60 * s}, {10, 1, 64 * s}}, []uint64{3, 9, 10}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := track(c.limits)
			if c.maxAge > 0 {
				k.SetInfo(TrackInfo{MaxAge: c.maxAge})
			}
			if c.reader > 0 {
				k.Subscribe(Subscription{MaxLatency: c.reader}, nil)
			}
			for _, w := range c.writes {
				write(t, k, w.group, w.size, epoch.Add(w.at))
			}
			require.Equal(t, c.want, groups(k))
		})
	}
}

func TestLateGroupThatFindsNoRoom(t *testing.T) {
	k := track(CacheLimits{Groups: 2})
	write(t, k, 5, 1, epoch)
	write(t, k, 6, 1, epoch)
	_, err := k.OpenSubgroup(4, SubgroupHeader{}, epoch)
	require.ErrorIs(t, err, ErrOld)
	require.Equal(t, []uint64{5, 6}, groups(k))
}

// TestEvictionEndsOpenGroups: who reads a group that is dropped while it is
// being written must not wait for its end, even when its source is gone.
func TestEvictionEndsOpenGroups(t *testing.T) {
	for _, left := range []bool{false, true} {
		k := track(CacheLimits{})
		woken := 0
		r := k.Subscribe(Subscription{}, func() { woken++ })
		w := open0(t, k, 0)
		require.Nil(t, w.Append(ObjectHeader{}, []byte("x"), epoch))
		sg, _, err := r.Next()
		require.NoError(t, err)
		if left {
			w.Leave()
		}
		write(t, k, 1, 1, epoch)
		_, _, _ = r.Next()
		_, _, _ = r.Next()
		before := woken
		write(t, k, 2, 1, epoch.Add(6*time.Second))
		require.Greater(t, woken, before)
		p, ok, err := sg.Next()
		require.True(t, ok && p.Last, "what arrived is still there: %v", err)
		_, _, err = sg.Next()
		require.ErrorIs(t, err, ErrEvicted)
		if !left {
			require.ErrorIs(t, w.Append(ObjectHeader{ID: 1}, nil, epoch), ErrEvicted)
		}
	}
}

func TestSqueezedGroupIsLostToItsReaders(t *testing.T) {
	k := track(CacheLimits{Groups: 1})
	r := k.Subscribe(Subscription{}, nil)
	write(t, k, 0, 1, epoch)
	sg, _, _ := r.Next()
	write(t, k, 1, 1, epoch)
	_, _, err := sg.Next()
	require.ErrorIs(t, err, ErrEvicted)
	require.Zero(t, r.Lost(), "it was handed out")
	write(t, k, 2, 1, epoch)
	require.Equal(t, 1, r.Lost())
}

func TestLimitsOfAGroup(t *testing.T) {
	k := track(CacheLimits{GroupBytes: 1000, GroupObjects: 3, ObjectBytes: 900, Subgroups: 2})
	w := open0(t, k, 0)
	require.Equal(t, CodeTooLarge, w.Append(ObjectHeader{}, make([]byte, 901), epoch).Code)
	require.Equal(t, CodeTooLarge, k.AddDatagram(0, ObjectHeader{}, make([]byte, 901), false, epoch).Code)
	require.Nil(t, w.Append(ObjectHeader{}, make([]byte, 900), epoch))
	require.Equal(t, CodeTooLarge, w.Append(ObjectHeader{ID: 1}, make([]byte, 101), epoch).Code)
	require.Nil(t, w.Append(ObjectHeader{ID: 1}, nil, epoch))
	require.Nil(t, k.AddDatagram(0, ObjectHeader{ID: 9}, nil, false, epoch))
	require.Equal(t, CodeTooMany, w.Append(ObjectHeader{ID: 2}, nil, epoch).Code)
	_, err := k.OpenSubgroup(0, SubgroupHeader{ID: 1}, epoch)
	require.Nil(t, err)
	_, err = k.OpenSubgroup(0, SubgroupHeader{ID: 2}, epoch)
	require.Equal(t, CodeTooMany, err.Code)
}

// TestLargestNumbers: a peer may use the largest numbers there are; nothing
// wraps around.
func TestLargestNumbers(t *testing.T) {
	const max uint64 = math.MaxUint64
	k := track(CacheLimits{})
	w := open0(t, k, max)
	require.Nil(t, w.Append(ObjectHeader{ID: max}, []byte("x"), epoch))
	require.ErrorIs(t, w.Append(ObjectHeader{ID: 0}, nil, epoch), ErrMalformed)
	for _, from := range []From{FromNext, FromLargest} {
		r := k.Subscribe(Subscription{From: from}, nil)
		start, ok := r.Start()
		require.True(t, ok)
		require.Equal(t, Location{max, max}, start)
	}
	tw := NewTrackWriter(k, func() time.Time { return epoch })
	_, err := tw.AppendGroup()
	require.ErrorIs(t, err, ErrTooLarge)
	require.ErrorIs(t, tw.WriteDatagram(Frame{}), ErrTooLarge)
	require.Nil(t, w.Finish(true))
	or := k.Read(Location{}, Location{max, max}, nil)
	f, err := or.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, Found{End: Location{max - 1, max}}, f)
	f, err = or.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, max, f.Object.ID)
	_, err = or.Next(t.Context())
	require.Equal(t, io.EOF, err)
	k.Absent(max, max, epoch)
	k.Absent(0, max, epoch)
	require.NoError(t, tw.Close())
	_, ok := k.Subscribe(Subscription{}, nil).Final()
	require.True(t, ok)
}

func TestGroupJumpsCostNothing(t *testing.T) {
	k := track(CacheLimits{Groups: 4})
	r := k.Subscribe(Subscription{}, nil)
	write(t, k, 1<<61, 1, epoch)
	for i := range uint64(1000) {
		write(t, k, i+1, 1, epoch)
	}
	require.Len(t, k.groups, 4)
	require.Len(t, k.arrivals, 4)
	require.LessOrEqual(t, cap(k.arrivals), 16, "arrivals of evicted groups leave nothing behind")
	require.Equal(t, 997, r.Lost())
}

func TestDemand(t *testing.T) {
	at := func(g uint64) Subscription { return Subscription{From: FromAbsolute, Start: Location{Group: g}} }
	end := func(s Subscription, g uint64) Subscription { s.Ends, s.End = true, Location{Group: g}; return s }
	for _, c := range []struct {
		name    string
		largest uint64 // 0: nothing has arrived
		subs    []Subscription
		want    Demand
	}{
		{"nobody", 0, nil, Demand{}},
		{"one", 0, []Subscription{end(at(3), 9)}, Demand{1, end(at(3), 9)}},
		{"priority and latency", 0, []Subscription{{Priority: 3, MaxLatency: 5, Order: Ascending}, {Priority: 7, MaxLatency: 2}},
			Demand{2, Subscription{Priority: 7, MaxLatency: 5}}},
		{"the latest is earlier than the next", 0, []Subscription{{From: FromNext}, {From: FromLatest}}, Demand{2, Subscription{}}},
		{"paused only where all are", 0, []Subscription{{Paused: true}, {}}, Demand{2, Subscription{}}},
		{"all paused", 0, []Subscription{{Paused: true}, {Paused: true}}, Demand{2, Subscription{Paused: true}}},
		{"the earlier start", 9, []Subscription{at(5), at(3), at(4)}, Demand{3, at(3)}},
		{"the past and the live edge", 9, []Subscription{{}, at(3)}, Demand{2, at(3)}},
		{"a future start does not starve the live edge", 9, []Subscription{{}, at(30)}, Demand{2, Subscription{}}},
		{"nor where nothing is known", 0, []Subscription{at(30), {}}, Demand{2, Subscription{}}},
		{"the beginning is never the future", 0, []Subscription{at(0), {}}, Demand{2, at(0)}},
		{"only the future", 9, []Subscription{at(30), at(20)}, Demand{2, at(20)}},
		{"the later end", 0, []Subscription{end(Subscription{}, 4), end(Subscription{}, 6), end(Subscription{}, 5)}, Demand{3, end(Subscription{}, 6)}},
		{"an end only where all have one", 0, []Subscription{end(Subscription{}, 4), {}, end(Subscription{}, 5)}, Demand{3, Subscription{}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := track(CacheLimits{})
			if c.largest > 0 {
				write(t, k, c.largest, 1, epoch)
			}
			for _, s := range c.subs {
				k.Subscribe(s, nil)
			}
			require.Equal(t, c.want, k.Demand())
		})
	}
}

func TestDemandIsReported(t *testing.T) {
	var seen []int
	k := NewTrack(FullTrackName{}, CacheLimits{}, func(t *Track) { seen = append(seen, t.Demand().Readers) })
	a := k.Subscribe(Subscription{}, nil)
	b := k.Subscribe(Subscription{}, nil)
	a.Update(Subscription{Priority: 4})
	a.Close()
	a.Close()
	b.Close()
	require.Equal(t, []int{1, 2, 2, 1, 0}, seen)
}

func TestEndsOfATrack(t *testing.T) {
	boom := Errorf(CodeTimeout, "no more")
	for _, c := range []struct {
		name string
		end  func(*Track)
		sub  error
		err  error
	}{
		{"finish", func(k *Track) { k.Finish(0) }, ErrDropped, io.EOF},
		{"fail", func(k *Track) { k.Fail(boom) }, ErrTimeout, boom},
		{"fail without a reason", func(k *Track) { k.Fail(nil) }, ErrInternal, ErrInternal},
		{"the first counts", func(k *Track) { k.Finish(0); k.Fail(boom) }, ErrDropped, io.EOF},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := track(CacheLimits{})
			r := k.Subscribe(Subscription{}, nil)
			paused := k.Subscribe(Subscription{Paused: true}, nil)
			w := open0(t, k, 3)
			c.end(k)
			sg, _, err := r.Next()
			require.NoError(t, err, "what arrived before comes first")
			_, _, err = sg.Next()
			require.ErrorIs(t, err, c.sub)
			for _, r := range []*TrackReader{r, paused} {
				_, _, err = r.Next()
				require.Equal(t, c.err, err)
			}
			require.NotNil(t, w.Append(ObjectHeader{}, nil, epoch))
			require.NotNil(t, w.Finish(true))
			_, fail := k.OpenSubgroup(9, SubgroupHeader{}, epoch)
			require.NotNil(t, fail)
			require.NotNil(t, k.AddDatagram(9, ObjectHeader{}, nil, true, epoch))
			if final, ok := r.Final(); ok {
				require.EqualValues(t, 4, final, "group 3 has arrived")
			}
		})
	}
}

func TestResume(t *testing.T) {
	k := track(CacheLimits{})
	_, ok := k.Resume()
	require.False(t, ok)
	w := open0(t, k, 4)
	write(t, k, 5, 1, epoch)
	g, ok := k.Resume()
	require.True(t, ok)
	require.EqualValues(t, 4, g, "the orphan comes first")
	require.Nil(t, w.Finish(true))
	g, _ = k.Resume()
	require.EqualValues(t, 6, g)
}

func TestAbsentGroups(t *testing.T) {
	k := track(CacheLimits{})
	write(t, k, 2, 1, epoch)
	k.Absent(1, 3, epoch)
	k.Absent(9, 8, epoch)
	require.Equal(t, []uint64{1, 2, 3}, groups(k))
	r := k.Read(Location{Group: 1}, Location{3, 5}, nil)
	var got []Found
	for {
		f, err := r.Next(t.Context())
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		f.Object = nil
		got = append(got, f)
	}
	require.Equal(t, []Found{
		{Group: 1, Start: Location{Group: 1}, End: Location{1, math.MaxUint64}, Absent: true},
		{Group: 2},
		{Group: 3, Start: Location{Group: 3}, End: Location{3, 5}, Absent: true},
	}, got)
	w := open0(t, k, 3)
	require.Nil(t, w.Append(ObjectHeader{}, nil, epoch), "it exists after all")
	require.False(t, slices.ContainsFunc(k.groups, func(g *Group) bool { return g.Sequence == 3 && g.absent }))
}
