package route

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/moqtgo/moqt/core/moq"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var epoch = time.Unix(1000, 0)

func said(r *AnnounceReader) string {
	var s []string
	for _, a := range r.Drain(100) {
		s = append(s, fmt.Sprintf("%s %s %v", []string{"active", "ended", "replaced", "rerouted"}[a.Change], a.Path, a.Hops))
	}
	return strings.Join(s, ", ")
}

func publish(t *testing.T, v *View, path moq.Path, hops ...uint64) (*Publication, *fakeSource) {
	t.Helper()
	s := newSource()
	p, err := v.Publish(path, Route{Hops: hops}, s)
	require.NoError(t, err)
	return p, s
}

func subscribe(t *testing.T, v *View, path moq.Path, now time.Time) *moq.Track {
	t.Helper()
	r, err := v.Subscribe(moq.FullTrackName{Path: path, Name: "v"}, moq.Subscription{}, now, nil)
	require.NoError(t, err)
	return r.Track()
}

func failed(t *moq.Track) error {
	if _, err := t.Ended(); err != nil {
		return err
	}
	return nil
}

// TestStory walks through the life of one name.
func TestStory(t *testing.T) {
	m := NewMux(Config{Hop: 50})
	x, y, z := m.View(Scope{Peer: "x"}), m.View(Scope{Peer: "y"}), m.View(Scope{Peer: "z"})
	watch, err := z.Watch("", 0, nil)
	require.NoError(t, err)
	own, err := x.Watch("", 0, nil)
	require.NoError(t, err)
	far, err := z.Watch("", 3, nil)
	require.NoError(t, err)

	early := subscribe(t, z, "a", epoch) // before the announcement
	p1, s1 := publish(t, x, "a", 1)
	require.True(t, s1.wanted[early])
	require.Equal(t, "active a [1]", said(watch))
	require.Empty(t, said(own), "its own publication is not offered back")
	require.Equal(t, "active a [1]", said(far))
	require.Same(t, early, subscribe(t, z, "a", epoch), "tracks are shared")

	p2, s2 := publish(t, y, "a", 1, 2) // the same origin: a standby
	require.Empty(t, said(watch))
	require.Equal(t, "active a [1 2]", said(own), "a peer is told of the best route that is not its own")
	require.Empty(t, s2.wanted)

	w, fail := early.OpenSubgroup(0, moq.SubgroupHeader{FirstKnown: true}, epoch)
	require.Nil(t, fail)
	require.Nil(t, w.Append(moq.ObjectHeader{}, []byte("zero"), epoch))
	p1.Lose(epoch)
	require.Equal(t, "rerouted a [1 2]", said(watch), "the standby takes over")
	require.Empty(t, s1.wanted)
	require.True(t, s2.wanted[early])
	require.True(t, m.Release(early, s1), "it has another source")
	require.ErrorIs(t, w.Append(moq.ObjectHeader{ID: 1}, nil, epoch), moq.ErrClosed)
	w, fail = early.OpenSubgroup(0, moq.SubgroupHeader{FirstKnown: true}, epoch)
	require.Nil(t, fail, "the orphan is continued")
	require.Nil(t, w.Append(moq.ObjectHeader{}, []byte("zero"), epoch))
	require.Nil(t, w.Append(moq.ObjectHeader{ID: 1}, []byte("one"), epoch))

	taker, s3 := publish(t, x, "a", 9) // another origin takes the name over
	require.Equal(t, "replaced a [9]", said(watch))
	require.ErrorIs(t, failed(early), moq.ErrReplaced)
	require.Empty(t, s2.wanted)
	second := subscribe(t, z, "a", epoch)
	require.True(t, s3.wanted[second])
	taker.Lose(epoch)
	require.Equal(t, "replaced a [1 2]", said(watch), "the one before is restored at once")
	require.ErrorIs(t, failed(second), moq.ErrDropped)
	taker, _ = publish(t, x, "a", 9)
	taker.End()
	require.Empty(t, said(watch), "what came and went between two reads is no news")

	require.NoError(t, p2.Update(Route{Hops: []uint64{1, 3, 2}}))
	require.Equal(t, "rerouted a [1 3 2]", said(watch))
	require.Equal(t, "ended a []", said(far), "a route through the excluded node")

	third := subscribe(t, z, "a", epoch)
	p2.Lose(epoch)
	require.Empty(t, said(watch), "it lingers")
	require.True(t, m.Release(third, s2), "it waits for another source")
	require.Equal(t, epoch.Add(5*time.Second), m.Sweep(epoch.Add(time.Second)))
	p4, s4 := publish(t, y, "a", 1, 4)
	require.True(t, s4.wanted[third], "the same content comes back")
	require.Equal(t, "rerouted a [1 4]", said(watch))
	p4.Lose(epoch)
	m.Sweep(epoch.Add(5 * time.Second))
	require.Equal(t, "ended a []", said(watch))
	require.ErrorIs(t, failed(third), moq.ErrDropped)

	p5, _ := publish(t, y, "a")
	require.Equal(t, "active a []", said(watch))
	p5.Lose(epoch)
	p6, s6 := publish(t, x, "a")
	require.Equal(t, "replaced a []", said(watch), "a lingering one never delays a newcomer")
	last := subscribe(t, z, "a", epoch)
	p6.End()
	require.Equal(t, "ended a []", said(watch), "a clean end is immediate")
	require.NoError(t, failed(last), "the track goes on until its source ends it")
	require.True(t, s6.wanted[last])
	require.False(t, m.Release(last, s6))
}

func TestPatience(t *testing.T) {
	var alarms []time.Time
	m := NewMux(Config{})
	m.SetAlarm(func(at time.Time) { alarms = append(alarms, at) })
	v := m.View(Scope{})
	k := subscribe(t, v, "a", epoch)
	require.Equal(t, []time.Time{epoch.Add(time.Second)}, alarms)
	require.Equal(t, epoch.Add(time.Second), m.Sweep(epoch.Add(999*time.Millisecond)))
	m.Sweep(epoch.Add(time.Second))
	require.ErrorIs(t, failed(k), moq.ErrNotFound)
	require.True(t, m.root.empty())

	_, err := NewMux(Config{Patience: -1}).View(Scope{}).Subscribe(moq.FullTrackName{Path: "a"}, moq.Subscription{}, epoch, nil)
	require.ErrorIs(t, err, moq.ErrNotFound)
}

func TestIdle(t *testing.T) {
	for idle, kept := range map[time.Duration]time.Duration{0: 30 * time.Second, time.Second: time.Second, -1: 0} {
		m := NewMux(Config{Idle: idle})
		v := m.View(Scope{})
		_, s := publish(t, v, "a")
		r, err := v.Subscribe(moq.FullTrackName{Path: "a", Name: "v"}, moq.Subscription{}, epoch, nil)
		require.NoError(t, err)
		require.True(t, m.Sweep(epoch).IsZero())
		r.Close()
		if kept > 0 {
			require.Equal(t, epoch.Add(kept), m.Sweep(epoch))
			require.Len(t, s.wanted, 1)
			back := subscribe(t, v, "a", epoch)
			require.Same(t, r.Track(), back, "the track was still there")
			require.True(t, m.Sweep(epoch.Add(time.Hour)).IsZero(), "it is read again")
			continue
		}
		m.Sweep(epoch)
		require.Empty(t, s.wanted)
		require.Zero(t, m.Stats().Tracks)
	}
}

func TestPrefixes(t *testing.T) {
	m := NewMux(Config{})
	v := m.View(Scope{})
	waiting, elsewhere := subscribe(t, v, "a/b/c", epoch), subscribe(t, v, "ab", epoch)
	s := newSource()
	p, err := v.Publish("a", Route{Prefix: true, Hidden: true}, s)
	require.NoError(t, err)
	require.True(t, s.wanted[waiting], "who waits below a prefix is served")
	require.False(t, s.wanted[elsewhere])
	_, exact := publish(t, v, "a/b")
	require.True(t, exact.wanted[subscribe(t, v, "a/b", epoch)], "the exact path counts more")
	require.True(t, s.wanted[subscribe(t, v, "a/x", epoch)])
	p.Lose(epoch)
	require.ErrorIs(t, failed(waiting), moq.ErrDropped)
	require.Empty(t, s.wanted)
}

func TestScopes(t *testing.T) {
	m := NewMux(Config{})
	no := errors.New("no")
	deny := func(op Op, p moq.Path) error {
		if p == "secret" {
			return no
		}
		return nil
	}
	room := m.View(Scope{Root: "demo/room", Allow: deny, Peer: 1})
	mate := m.View(Scope{Root: "demo/roommate", Peer: 2})
	watch, err := mate.Watch("", 0, nil)
	require.NoError(t, err)
	p, _ := publish(t, room, "alice")
	require.Equal(t, moq.Path("demo/room/alice"), p.Path())
	require.Empty(t, said(watch), "prefixes end at fields")
	all, err := m.View(Scope{}).Watch("demo", 0, nil)
	require.NoError(t, err)
	require.Equal(t, "active demo/room/alice []", said(all))
	_, err = room.Publish("secret", Route{}, newSource())
	require.Equal(t, no, err)
	_, err = room.Watch("secret", 0, nil)
	require.Equal(t, no, err)
	_, err = room.Subscribe(moq.FullTrackName{Path: "secret"}, moq.Subscription{}, epoch, nil)
	require.Equal(t, no, err)
	_, err = room.Fetch(t.Context(), moq.FetchRequest{Name: moq.FullTrackName{Path: "secret"}})
	require.Equal(t, no, err)
	deep := moq.ParsePath(strings.Repeat("x/", maxDepth-1))
	_, err = room.Publish(deep, Route{}, newSource())
	require.ErrorIs(t, err, moq.ErrTooLarge, "the root counts")
	_, err = room.Fetch(t.Context(), moq.FetchRequest{Name: moq.FullTrackName{Path: "../roommate"}})
	require.ErrorIs(t, err, moq.ErrNotFound, "dots are ordinary")
	rel, ok := room.Relative("demo/room/alice")
	require.True(t, ok)
	require.Equal(t, moq.Path("alice"), rel)
	_, err = m.View(Scope{Allow: deny}).Below("x").Watch("secret", 0, nil)
	require.NoError(t, err, "it is x/secret")
}

func TestHopLimits(t *testing.T) {
	m := NewMux(Config{Hop: 50, MaxHops: 2})
	v, peer := m.View(Scope{}), m.View(Scope{Peer: 1})
	_, err := v.Publish("a", Route{Hops: []uint64{1, 2, 3}}, newSource())
	require.ErrorIs(t, err, moq.ErrTooMany)
	p, _ := publish(t, v, "a", 1, 2)
	here, _ := v.Watch("", 0, nil)
	there, _ := peer.Watch("", 0, nil)
	require.Equal(t, "active a [1 2]", said(here))
	require.Empty(t, said(there), "with this node it would be too long for a peer")
	require.NoError(t, p.Update(Route{Hops: []uint64{1}}))
	require.Equal(t, "active a [1]", said(there))
	require.ErrorIs(t, p.Update(Route{Hops: []uint64{1, 50}}), moq.ErrDuplicate)
	require.Equal(t, "ended a []", said(there), "a reflection withdraws the route")
}

// TestAlias: the id of a publisher without one does not depend on what else
// begins in the same moment, and is another one every time.
func TestAlias(t *testing.T) {
	begin := func(paths ...moq.Path) (m *Mux, peer *AnnounceReader, pubs map[moq.Path]*Publication) {
		m, pubs = NewMux(Config{Hop: 50, Linger: -1}), map[moq.Path]*Publication{}
		peer, _ = m.View(Scope{Peer: "y"}).Watch("", 0, nil)
		for _, path := range paths {
			pubs[path], _ = publish(t, m.View(Scope{Peer: path}), path, 0)
		}
		return m, peer, pubs
	}
	m, there, pubs := begin("a", "b", "c")
	first := said(there)
	require.NotContains(t, first, "[0]")
	_, other, _ := begin("c", "a", "b")
	require.Equal(t, first, said(other))

	seen := map[string]bool{strings.Fields(first)[2]: true}
	again := func() {
		t.Helper()
		now := strings.Fields(said(there))
		require.Equal(t, []string{"replaced", "a"}, now[:2])
		require.False(t, seen[now[2]])
		seen[now[2]] = true
	}
	for i := range 10 {
		old := pubs["a"]
		pubs["a"], _ = publish(t, m.View(Scope{Peer: i}), "a", 0)
		again()
		old.End()
		require.Empty(t, said(there))
	}
	pubs["a"].End()
	publish(t, m.View(Scope{Peer: "x"}), "a", 0)
	again()
}

// TestFlappingNamesCostAWatcherNothing: one that never reads must not collect
// names that came and went.
func TestFlappingNamesCostAWatcherNothing(t *testing.T) {
	m := NewMux(Config{})
	v := m.View(Scope{})
	woken := 0
	r, _ := v.Watch("", 0, func() { woken++ })
	keep, _ := publish(t, v, "keep")
	require.Equal(t, "active keep []", said(r))
	for i := range 1000 {
		p, _ := publish(t, v, moq.Path(fmt.Sprint("x", i)))
		p.End()
	}
	keep.End()
	require.Len(t, r.dirty, 1)
	require.Equal(t, 2, woken)
	require.Equal(t, "ended keep []", said(r))
}

func TestBlockingWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := NewMux(Config{}).View(Scope{})
		r, err := v.Watch("", 0, nil)
		require.NoError(t, err)
		time.AfterFunc(time.Second, func() { _, _ = v.Publish("a", Route{}, newSource()) })
		time.AfterFunc(2*time.Second, func() { _, _ = v.Publish("b", Route{}, newSource()) })
		time.AfterFunc(3*time.Second, r.Close)
		var got []string
		for a, err := range r.All(t.Context()) {
			require.NoError(t, err)
			got = append(got, string(a.Path))
		}
		require.Equal(t, []string{"a", "b"}, got)
	})
}

// A lockedSource may be told from several goroutines.
type lockedSource struct {
	mu sync.Mutex
	fakeSource
}

func (s *lockedSource) Want(t *moq.Track) { s.mu.Lock(); defer s.mu.Unlock(); s.fakeSource.Want(t) }
func (s *lockedSource) Drop(t *moq.Track) { s.mu.Lock(); defer s.mu.Unlock(); s.fakeSource.Drop(t) }

// TestConcurrentMux lets publishers, subscribers, watchers and the sweeper run
// at once; afterwards every source believes what is true, and nothing is left.
func TestConcurrentMux(t *testing.T) {
	m := NewMux(Config{Idle: -1, Patience: time.Second})
	var wg sync.WaitGroup
	var mu sync.Mutex
	var sources []*lockedSource
	for i := range 4 {
		v := m.View(Scope{Peer: i})
		wg.Go(func() {
			for j := range 60 {
				s := &lockedSource{fakeSource: *newSource()}
				mu.Lock()
				sources = append(sources, s)
				mu.Unlock()
				p, err := v.Publish(paths[j%3], Route{Hops: []uint64{uint64(1 + j%2), uint64(i + 10)}}, s)
				if err != nil {
					t.Error(err)
					return
				}
				_ = p.Update(Route{Hops: []uint64{uint64(1 + j%2), 30, uint64(i + 10)}})
				if j%3 == 0 {
					p.End()
				} else {
					p.Lose(epoch)
				}
			}
		})
		wg.Go(func() {
			for j := range 60 {
				r, err := v.Subscribe(moq.FullTrackName{Path: paths[j%3], Name: "v"}, moq.Subscription{}, epoch, func() {})
				if err == nil {
					r.Update(moq.Subscription{Priority: 1})
					r.Close()
				}
			}
		})
		wg.Go(func() {
			for range 30 {
				r, err := v.Watch("", 0, func() {})
				if err != nil {
					t.Error(err)
					return
				}
				r.Drain(10)
				r.Close()
			}
		})
	}
	wg.Go(func() {
		for range 100 {
			m.Sweep(epoch)
		}
	})
	wg.Wait()
	m.Sweep(epoch.Add(time.Hour))
	m.Sweep(epoch.Add(2 * time.Hour))
	require.Equal(t, Stats{}, m.Stats())
	require.True(t, m.root.empty())
	for _, s := range sources {
		require.Empty(t, s.wanted)
	}
}

// BenchmarkDrain reads the snapshot of 1000 announcements in steps of 64.
func BenchmarkDrain(b *testing.B) {
	v := NewMux(Config{}).View(Scope{})
	for i := range 1000 {
		_, _ = v.Publish(moq.Path(fmt.Sprintf("room/%d/cam", i)), Route{}, newSource())
	}
	b.ReportAllocs()
	for b.Loop() {
		r, _ := v.Watch("room", 0, nil)
		for len(r.Drain(64)) == 64 {
		}
		r.Close()
	}
}

// A slowSource is overtaken: something else happens while it is told.
type slowSource struct {
	fakeSource
	before func()
}

func (s *slowSource) Want(t *moq.Track) {
	if f := s.before; f != nil {
		s.before = nil
		f()
	}
	s.fakeSource.Want(t)
}

func TestOvertakenWant(t *testing.T) {
	m := NewMux(Config{})
	v := m.View(Scope{})
	s := &slowSource{fakeSource: *newSource()}
	p, err := v.Publish("a", Route{Hops: []uint64{1}}, s)
	require.NoError(t, err)
	_, standby := publish(t, v, "a", 1, 2)
	s.before = func() { p.Lose(epoch) }
	k := subscribe(t, v, "a", epoch)
	require.Empty(t, s.wanted, "a late Want must not bring the track back")
	require.True(t, standby.wanted[k])
}
