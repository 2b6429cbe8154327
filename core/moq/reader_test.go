package moq

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// arrivals returns the groups that Next has now.
func arrivals(t *testing.T, r *TrackReader) (seqs []uint64) {
	t.Helper()
	for {
		sg, dg, err := r.Next()
		require.NoError(t, err)
		switch {
		case sg != nil:
			seqs = append(seqs, sg.Group())
		case dg != nil:
			seqs = append(seqs, dg.Sequence())
		default:
			return seqs
		}
	}
}

func TestWhereASubscriptionStarts(t *testing.T) {
	for _, c := range []struct {
		name   string
		before []uint64 // groups of one object
		sub    Subscription
		start  Location // once group 12, 11 and 13 have arrived too
		want   []uint64
	}{
		{"the latest", []uint64{9, 10}, Subscription{}, Location{Group: 10}, []uint64{10, 12, 11, 13}},
		{"the next", []uint64{9, 10}, Subscription{From: FromNext}, Location{Group: 11}, []uint64{12, 11, 13}},
		{"after the largest", []uint64{9, 10}, Subscription{From: FromLargest}, Location{10, 1}, []uint64{10, 12, 11, 13}},
		{"the past", []uint64{8, 9, 10}, Subscription{From: FromAbsolute, Start: Location{Group: 9}}, Location{Group: 9}, []uint64{9, 10, 12, 11, 13}},
		{"the future", []uint64{9}, Subscription{From: FromAbsolute, Start: Location{Group: 13}}, Location{Group: 13}, []uint64{13}},
		// The first stream may have been overtaken: nothing that arrives is dropped.
		{"the latest of nothing", nil, Subscription{}, Location{Group: 11}, []uint64{12, 11, 13}},
		{"the next of nothing", nil, Subscription{From: FromNext}, Location{Group: 11}, []uint64{12, 11, 13}},
		{"an end", []uint64{10}, Subscription{Ends: true, End: Location{Group: 12}}, Location{Group: 10}, []uint64{10, 12, 11}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := track(CacheLimits{})
			for _, g := range c.before {
				write(t, k, g, 1, epoch)
			}
			r := k.Subscribe(c.sub, nil)
			_, ok := r.Start()
			require.Equal(t, c.before != nil || c.sub.From == FromAbsolute, ok)
			for _, g := range []uint64{12, 11, 13} {
				write(t, k, g, 1, epoch)
			}
			require.Equal(t, c.want, arrivals(t, r))
			start, ok := r.Start()
			require.True(t, ok)
			require.Equal(t, c.start, start)
			again, _ := r.Start()
			require.Equal(t, start, again)
		})
	}
}

// Where nothing has arrived, what the publisher says of itself decides.
func TestWhatIsToCome(t *testing.T) {
	for _, c := range []struct {
		from  From
		start Location
		known bool
		want  []uint64
	}{
		{FromLatest, Location{Group: 8}, false, []uint64{8, 9, 10}}, // what is late is not lost
		{FromLargest, Location{9, 3}, true, []uint64{9, 10}},
		{FromNext, Location{Group: 10}, true, []uint64{10}},
	} {
		k := track(CacheLimits{})
		r := k.Subscribe(Subscription{From: c.from}, nil)
		k.Reach(Location{9, 2})
		start, known := r.Start()
		require.Equal(t, c.known, known)
		if known {
			require.Equal(t, c.start, start)
		}
		for _, g := range []uint64{8, 9, 10} {
			write(t, k, g, 4, epoch)
		}
		k.Reach(Location{20, 0}) // only the first word counts
		require.Equal(t, c.want, arrivals(t, r), "%v", c.from)
		start, _ = r.Start()
		require.Equal(t, c.start, start)
	}
}

// A reader that fails ends with all that it reads.
func TestFailedReader(t *testing.T) {
	k := track(CacheLimits{})
	w := open0(t, k, 4)
	require.Nil(t, w.Append(ObjectHeader{ID: 0}, nil, epoch))
	woken := 0
	r := k.Subscribe(Subscription{}, func() { woken++ })
	sg, _, err := r.Next()
	require.NoError(t, err)
	other := k.Subscribe(Subscription{}, nil)
	before := woken
	r.Fail(ErrDropped)
	r.Fail(ErrTimeout)
	require.Equal(t, before+1, woken)
	_, _, err = r.Next()
	require.Equal(t, ErrDropped, err)
	_, _, err = sg.Next()
	require.Equal(t, ErrDropped, err)
	require.Equal(t, []uint64{4}, arrivals(t, other))
}

func TestObjectBounds(t *testing.T) {
	k := track(CacheLimits{})
	w := open0(t, k, 4)
	require.Nil(t, w.Append(ObjectHeader{ID: 0}, nil, epoch))
	require.Nil(t, w.Append(ObjectHeader{ID: 1}, nil, epoch))
	r := k.Subscribe(Subscription{From: FromLargest, Ends: true, End: Location{4, 3}}, nil)
	sg, _, err := r.Next()
	require.NoError(t, err)
	for id := range uint64(3) {
		require.Nil(t, w.Append(ObjectHeader{ID: id + 2}, nil, epoch))
	}
	for _, want := range []uint64{2, 3} {
		p, ok, err := sg.Next()
		require.True(t, ok, err)
		require.Equal(t, want, p.ID)
	}
	_, _, err = sg.Next()
	require.Equal(t, io.EOF, err)
}

func TestUpdateOfARange(t *testing.T) {
	k := track(CacheLimits{})
	woken := 0
	r := k.Subscribe(Subscription{Ends: true, End: Location{Group: 1}}, func() { woken++ })
	for g := range uint64(5) {
		write(t, k, g, 1, epoch)
	}
	require.Equal(t, []uint64{0, 1}, arrivals(t, r))
	before := woken
	r.Update(Subscription{Ends: true, End: Location{Group: 3}, Priority: 9})
	require.Equal(t, before+1, woken, "what was held is there now")
	require.EqualValues(t, 9, r.Subscription().Priority)
	require.Equal(t, []uint64{2, 3}, arrivals(t, r))
	write(t, k, 5, 1, epoch)
	require.Nil(t, arrivals(t, r))
	r.Update(Subscription{From: FromAbsolute, Start: Location{Group: 5}})
	require.Equal(t, []uint64{4, 5}, arrivals(t, r), "held groups are not forgotten")
	r.Update(Subscription{From: FromAbsolute, Start: Location{Group: 8}})
	r.Update(Subscription{From: FromAbsolute, Start: Location{Group: 2}})
	write(t, k, 7, 1, epoch)
	write(t, k, 8, 1, epoch)
	require.Equal(t, []uint64{8}, arrivals(t, r), "a start is never lowered")
}

func TestPause(t *testing.T) {
	k := track(CacheLimits{})
	r := k.Subscribe(Subscription{Paused: true}, nil)
	write(t, k, 0, 1, epoch)
	require.Nil(t, arrivals(t, r))
	r.Update(Subscription{})
	require.Equal(t, []uint64{0}, arrivals(t, r))
}

func TestHeldGroupsAreReleased(t *testing.T) {
	k := track(CacheLimits{Groups: 2})
	r := k.Subscribe(Subscription{Ends: true}, nil)
	for g := range uint64(50) {
		write(t, k, g, 1, epoch)
		arrivals(t, r)
	}
	require.Len(t, r.held, 2)
	require.Zero(t, r.Lost(), "they were not wanted")
}

func TestWakeOncePerNext(t *testing.T) {
	k := track(CacheLimits{})
	woken := 0
	r := k.Subscribe(Subscription{}, func() { woken++ })
	require.Equal(t, 1, woken)
	for g := range uint64(3) {
		write(t, k, g, 1, epoch)
	}
	require.Equal(t, 1, woken, "nobody has looked yet")
	arrivals(t, r)
	w := open0(t, k, 9)
	require.Equal(t, 2, woken)
	arrivals(t, r)
	require.Nil(t, w.Begin(ObjectHeader{}, 100, epoch))
	feed(t, w, make([]byte, 99))
	require.Equal(t, 2, woken, "a part of a small object is no news")
	feed(t, w, make([]byte, 1))
	require.Equal(t, 3, woken)
	r.Close()
	require.True(t, r.Closed())
	write(t, k, 10, 1, epoch)
	require.Equal(t, 3, woken)
	_, _, err := r.Next()
	require.Equal(t, ErrClosed, err)
}

func TestInfo(t *testing.T) {
	k := track(CacheLimits{})
	_, known := k.Info()
	require.False(t, known)
	k.SetInfo(TrackInfo{Timescale: 90000, MaxAge: time.Second})
	info, known := k.Info()
	require.True(t, known)
	require.EqualValues(t, 90000, info.Timescale)
}
