package route

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/moqtgo/moqt/core/moq"
)

// A mesh is relays that are joined at random, and what travels between them.
type mesh struct {
	relays []*Mux
	links  []*link
	local  map[string]*Publication
	naive  int  // the relay that tells everybody everything; -1: none does
	counts bool // they count hops instead of heeding relations
	now    time.Time
}

// A link carries what one end is told to the other: both ends are a session.
type link struct {
	to    *View
	watch *AnnounceReader
	live  map[moq.Path]*Publication // nil: refused, it has been there before
	hop   uint64                    // of the sender, where announcements name nodes
	count bool                      // they count them
}

// join joins a leaf to an upstream relay. Their announcements name nodes where
// both have an id. To a naive relay all are strangers.
func (m *mesh) join(t require.TestingT, leaf, up int) {
	l, u := m.relays[leaf].View(Scope{Peer: new(int)}), m.relays[up].View(Scope{Peer: new(int)})
	hops := [2]uint64{l.mux.Hop(), u.mux.Hop()}
	named := hops[0] != 0 && hops[1] != 0
	if leaf != m.naive && !m.counts {
		l.SetRelation(Upstream, named)
	}
	if up != m.naive && !m.counts {
		u.SetRelation(Leaf, named)
	}
	for i, ends := range [][2]*View{{l, u}, {u, l}} {
		k := &link{to: ends[1], live: map[moq.Path]*Publication{}, count: m.counts}
		if named {
			k.hop = hops[i]
			ends[0].SetHop(hops[1-i])
		}
		var err error
		k.watch, err = ends[0].Watch("", 0, nil)
		require.NoError(t, err)
		m.links = append(m.links, k)
	}
}

// move carries one change over a link. It returns false when there is none.
func (l *link) move(t require.TestingT) bool {
	changes := l.watch.Drain(1)
	for _, a := range changes {
		r := Route{Hops: []uint64{0}, Cost: 1}
		if l.count {
			r = Route{Hops: make([]uint64, len(a.Hops)+1), Cost: uint64(len(a.Hops) + 1)}
		}
		if l.hop != 0 {
			r = Route{Hops: append(slices.Clone(a.Hops), l.hop), Cost: a.Cost + 1}
			require.Subset(t, r.Hops, a.Hops)
		}
		p := l.live[a.Path]
		switch {
		case a.Change == Rerouted && (l.hop == 0 || p != nil && p.Reroute(r) == nil):
			continue
		case p != nil:
			p.End()
		}
		delete(l.live, a.Path)
		if a.Change == Ended {
			continue
		}
		p, err := l.to.Publish(a.Path, r, newSource())
		if err != nil {
			require.ErrorIs(t, err, moq.ErrDuplicate)
		}
		l.live[a.Path] = p
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

// rest is settle, and again when nothing is taken for an echo any more.
func (m *mesh) rest(t *rapid.T) {
	m.settle(t)
	for range m.relays { // from relay to relay
		for range 2 {
			for _, r := range m.relays {
				r.Sweep(m.now)
			}
			m.now = m.now.Add(echoTime)
		}
		m.settle(t)
	}
}

// play joins relays at random and changes what they publish until everything is at
// rest. It returns who has joined whom.
func (m *mesh) play(t *rapid.T) (ups map[int][]int) {
	ups = map[int][]int{}
	n := len(m.relays)
	m.local = map[string]*Publication{}
	for range rapid.IntRange(1, 8).Draw(t, "links") {
		leaf := rapid.IntRange(0, n-1).Draw(t, "leaf")
		up := rapid.IntRange(0, n-1).Draw(t, "up")
		// one that sees strangers everywhere and is joined twice fools itself
		again := slices.Contains(ups[leaf], up) || slices.Contains(ups[up], leaf)
		if leaf != up && (!again || leaf != m.naive && up != m.naive) {
			m.join(t, leaf, up)
			ups[leaf] = append(ups[leaf], up)
		}
	}
	for i := range rapid.IntRange(1, 10).Draw(t, "changes") {
		at := rapid.IntRange(0, n-1).Draw(t, "at")
		path := rapid.SampledFrom(meshPaths).Draw(t, "path")
		key := fmt.Sprint(at, path)
		if p := m.local[key]; p != nil {
			p.End()
			delete(m.local, key)
		} else {
			id := rapid.SampledFrom([]uint64{0, uint64(1000 + i)}).Draw(t, "publisher")
			r := Route{Hops: []uint64{id}, Cost: 1, Merge: id == 0}
			p, err := m.relays[at].View(Scope{Peer: new(int)}).Publish(path, r, newSource())
			require.NoError(t, err)
			m.local[key] = p
		}
		if rapid.Bool().Draw(t, "settle") {
			m.rest(t)
		}
	}
	m.rest(t)
	return ups
}

var meshPaths = []moq.Path{"x", "y"}

// want checks who has what: near says whose publications a relay must have, and
// may what it can have at most.
func (m *mesh) want(t *rapid.T, must, may func(at, from int) bool) {
	for at, r := range m.relays {
		for _, path := range meshPaths {
			low, high := false, false
			for from := range m.relays {
				if m.local[fmt.Sprint(from, path)] != nil {
					low, high = low || must(at, from), high || may(at, from)
				}
			}
			node := r.root.find(path)
			has := node != nil && node.active() != nil
			require.True(t, has || !low, "%q is not at %d", path, at)
			require.True(t, high || !has, "%q is at %d", path, at)
		}
	}
	for _, p := range m.local {
		p.End()
	}
	m.rest(t)
	for at, r := range m.relays {
		require.Zero(t, r.Stats().Broadcasts, "at %d", at)
	}
}

// near reports whether a relay is one step from another, or two over a common
// upstream.
func near(ups map[int][]int, a, b int) bool {
	return a == b || slices.Contains(ups[a], b) || slices.Contains(ups[b], a) ||
		slices.ContainsFunc(ups[a], func(u int) bool { return slices.Contains(ups[b], u) })
}

// connected reports whether relays that all are in set join one to another.
func connected(ups map[int][]int, a, b int, set func(int) bool) bool {
	reached := []int{a}
	for i := 0; i < len(reached); i++ {
		for r := range 10 {
			joined := slices.Contains(ups[r], reached[i]) || slices.Contains(ups[reached[i]], r)
			if joined && set(r) && set(reached[i]) && !slices.Contains(reached, r) {
				reached = append(reached, r)
			}
		}
	}
	return slices.Contains(reached, b)
}

func newMesh(n int, hop func(i int) uint64) *mesh {
	m := &mesh{naive: -1, now: epoch}
	for i := range n {
		m.relays = append(m.relays, NewMux(Config{Hop: hop(i)}))
	}
	return m
}

// Relays that are joined in any way, rings, double and mutual links included,
// come to rest, and forget what is not published any more. Whoever is one step
// away, or two over a common upstream, has what a relay publishes.
func TestMeshSettles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMesh(rapid.IntRange(2, 5).Draw(t, "relays"), func(int) uint64 { return 0 })
		ups := m.play(t)
		at := func(a, b int) bool { return near(ups, a, b) }
		m.want(t, at, at)
	})
}

// Relays that name the nodes on the way have all that any of them publishes,
// however far away.
func TestNamedMeshSettles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMesh(rapid.IntRange(2, 6).Draw(t, "relays"), func(i int) uint64 { return uint64(i + 1) })
		ups := m.play(t)
		at := func(a, b int) bool { return connected(ups, a, b, func(int) bool { return true }) }
		m.want(t, at, at)
	})
}

// Those that do not are no danger among them, even one that tells everybody
// everything: what has passed them goes no further than it would without the
// others, and those have what they had.
func TestMixedMeshSettles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 6).Draw(t, "relays")
		named := rapid.SliceOfN(rapid.Bool(), n, n).Draw(t, "named")
		naive := rapid.IntRange(-1, n-1).Draw(t, "naive")
		for i := range named {
			named[i] = i != naive && (named[i] || naive >= 0)
		}
		m := newMesh(n, func(i int) uint64 {
			if named[i] {
				return uint64(i + 1)
			}
			return 0
		})
		m.naive = naive
		ups := m.play(t)
		ours := func(i int) bool { return named[i] }
		m.want(t,
			func(a, b int) bool { return near(ups, a, b) || connected(ups, a, b, ours) },
			func(a, b int) bool { return connected(ups, a, b, func(int) bool { return true }) })
	})
}
