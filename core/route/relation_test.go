package route

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/moqtgo/moqt/core/moq"
)

func TestRelation(t *testing.T) {
	for _, test := range []struct {
		from, to Relation
		want     bool
	}{
		{Stranger, Stranger, true}, {Stranger, Leaf, true}, {Stranger, Upstream, true},
		{Leaf, Stranger, true}, {Leaf, Leaf, true}, {Leaf, Upstream, false},
		{Upstream, Stranger, true}, {Upstream, Leaf, false}, {Upstream, Upstream, false},
	} {
		m := NewMux(Config{})
		from, to := m.View(Scope{Peer: "from"}), m.View(Scope{Peer: "to"})
		from.SetRelation(test.from)
		to.SetRelation(test.to)
		w, err := to.Watch("", 0, nil)
		require.NoError(t, err)
		s := &shelf{fakeSource: *newSource()}
		s.put("v")
		_, err = from.Publish("a", Route{Hops: []uint64{0}, Tracks: s.list}, s)
		require.NoError(t, err)
		require.Equal(t, test.want, len(w.Drain(1)) == 1, test)
		tracks, err := to.WatchTracks("", nil)
		require.NoError(t, err)
		require.Equal(t, test.want, len(tracks.Drain(1)) == 1, test)
		_, err = to.Subscribe(moq.FullTrackName{Path: "a", Name: "w"}, moq.Subscription{}, epoch, nil)
		require.Equal(t, test.want, err == nil, test)
	}
}

// The nearest content is what a path means, whichever is newer.
func TestNearest(t *testing.T) {
	m := NewMux(Config{})
	view := func(r Relation) *View {
		v := m.View(Scope{Peer: new(int)})
		v.SetRelation(r)
		return v
	}
	watch, err := m.View(Scope{Peer: "watcher"}).Watch("", 0, nil)
	require.NoError(t, err)
	up, _ := publish(t, view(Upstream), "a", 0)
	require.Equal(t, "active a [0]", said(watch))
	leaf, _ := publish(t, view(Leaf), "a", 0)
	require.Equal(t, "replaced a [0]", said(watch))
	near, _ := publish(t, view(Stranger), "a", 0)
	require.Equal(t, "replaced a [0]", said(watch))
	again, _ := publish(t, view(Upstream), "a", 0)
	other, _ := publish(t, view(Leaf), "a", 0)
	require.Empty(t, said(watch))
	near.End()
	require.Equal(t, "replaced a [0]", said(watch), "the newer leaf")
	leaf.End()
	require.Empty(t, said(watch))
	other.End()
	require.Equal(t, "replaced a [0]", said(watch), "the newer upstream")
	up.End()
	require.Empty(t, said(watch))
	again.End()
	require.Equal(t, "ended a []", said(watch))
}

// A mesh is relays that are joined at random, and what travels between them.
type mesh struct {
	relays []*Mux
	links  []*link
	local  map[string]*Publication
	counts bool // they count hops instead of heeding relations
}

// A link carries what one end is told to the other: both ends are a session.
type link struct {
	to    *View
	watch *AnnounceReader
	live  map[moq.Path]*Publication
	hops  bool
}

// join joins a leaf to an upstream relay.
func (m *mesh) join(t require.TestingT, leaf, up int) {
	l, u := m.relays[leaf].View(Scope{Peer: new(int)}), m.relays[up].View(Scope{Peer: new(int)})
	if !m.counts {
		l.SetRelation(Upstream)
		u.SetRelation(Leaf)
	}
	for _, ends := range [][2]*View{{l, u}, {u, l}} {
		w, err := ends[0].Watch("", 0, nil)
		require.NoError(t, err)
		m.links = append(m.links, &link{to: ends[1], watch: w, live: map[moq.Path]*Publication{}, hops: m.counts})
	}
}

// move carries one change over a link. It returns false when there is none.
func (l *link) move(t require.TestingT) bool {
	changes := l.watch.Drain(1)
	for _, a := range changes {
		if p := l.live[a.Path]; p != nil && a.Change != Rerouted {
			delete(l.live, a.Path)
			p.End()
		}
		if a.Change == Active || a.Change == Replaced {
			hops := []uint64{0}
			if l.hops {
				hops = make([]uint64, len(a.Hops)+1)
			}
			p, err := l.to.Publish(a.Path, Route{Hops: hops}, newSource())
			require.NoError(t, err)
			l.live[a.Path] = p
		}
	}
	return len(changes) > 0
}

// settle lets changes travel, in any order, until nothing changes any more.
func (m *mesh) settle(t *rapid.T) {
	for step := 0; ; step++ {
		require.Less(t, step, 5000, "announcements go around in circles")
		order := rapid.Permutation(m.links).Draw(t, "order")
		if !slices.ContainsFunc(order, func(l *link) bool { return l.move(t) }) {
			return
		}
	}
}

// Relays that are joined in any way, rings, double and mutual links included,
// come to rest, and forget what is not published any more. Whoever is one step
// away, or two over a common upstream, has what a relay publishes.
func TestMeshSettles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 5).Draw(t, "relays")
		m := &mesh{local: map[string]*Publication{}}
		for range n {
			m.relays = append(m.relays, NewMux(Config{}))
		}
		ups := map[int][]int{}
		for range rapid.IntRange(1, 8).Draw(t, "links") {
			leaf := rapid.IntRange(0, n-1).Draw(t, "leaf")
			up := rapid.IntRange(0, n-1).Draw(t, "up")
			if leaf != up {
				m.join(t, leaf, up)
				ups[leaf] = append(ups[leaf], up)
			}
		}
		for range rapid.IntRange(1, 10).Draw(t, "changes") {
			at := rapid.IntRange(0, n-1).Draw(t, "at")
			path := rapid.SampledFrom([]moq.Path{"x", "y"}).Draw(t, "path")
			key := fmt.Sprint(at, path)
			if p := m.local[key]; p != nil {
				p.End()
				delete(m.local, key)
			} else {
				p, err := m.relays[at].View(Scope{Peer: new(int)}).Publish(path, Route{Hops: []uint64{0}}, newSource())
				require.NoError(t, err)
				m.local[key] = p
			}
			if rapid.Bool().Draw(t, "settle") {
				m.settle(t)
			}
		}
		m.settle(t)
		near := func(a, b int) bool {
			return a == b || slices.Contains(ups[a], b) || slices.Contains(ups[b], a) ||
				slices.ContainsFunc(ups[a], func(u int) bool { return slices.Contains(ups[b], u) })
		}
		for at := range n {
			for _, path := range []moq.Path{"x", "y"} {
				want := false
				for from := range n {
					want = want || near(at, from) && m.local[fmt.Sprint(from, path)] != nil
				}
				node := m.relays[at].root.find(path)
				require.Equal(t, want, node != nil && node.active() != nil, "%q at %d of %v", path, at, ups)
			}
		}
		for _, p := range m.local {
			p.End()
		}
		m.settle(t)
		for _, r := range m.relays {
			require.Zero(t, r.Stats().Broadcasts)
		}
	})
}
