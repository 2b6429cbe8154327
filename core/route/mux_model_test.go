package route

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/moqtgo/moqt/core/moq"
)

// Check holds after every step.
func (w *world) Check(t *rapid.T) {
	type key struct {
		name moq.FullTrackName
		c    *content
		p    *Publication
	}
	unique := map[key]bool{}
	for k, f := range w.m.feeds {
		require.Same(t, k, f.track)
		require.Contains(t, f.content.feeds[k.Name()], f)
		require.LessOrEqual(t, len(f.pubs), 1, "nothing is merged here")
		var pub *Publication
		if len(f.pubs) > 0 {
			pub = f.pubs[0]
		}
		if _, err := k.Ended(); err == nil {
			id := key{k.Name(), f.content, pub}
			require.False(t, unique[id], "two feeds of %v over one route", id)
			unique[id] = true
		}
		switch {
		case pub == nil:
			require.Empty(t, f.content.pubs, "an orphan although there is a source")
			require.False(t, f.content.ended)
		case pub.gone:
			require.True(t, f.content.ended, "a feed of a source that has left")
		default:
			require.Contains(t, f.content.pubs, pub)
			require.Same(t, pub.content, f.content)
		}
		if pub != nil {
			require.True(t, pub.source.(*fakeSource).wanted[k], "its source was not told")
		}
	}
	for _, s := range w.sources {
		for k := range s.wanted {
			require.True(t, w.m.feeding(s, k), "a source feeds what nobody has")
		}
	}
	for _, n := range w.readers {
		_, err := n.r.Track().Ended()
		if n.fail == 0 && err == errJoined {
			n.fail = moq.CodeDropped
		}
		if n.fail == 0 {
			require.Nil(t, err)
			f := w.m.feeds[n.r.Track()]
			require.NotNil(t, f, "a reader of a forgotten track")
			w.checkRoute(t, f)
		} else {
			require.NotNil(t, err, "it should have failed with %v", n.fail)
			require.Equal(t, n.fail, err.Code, "%v", err)
		}
	}
	broadcasts := 0
	for _, path := range paths {
		if w.active(path, func(*naivePub) bool { return true }) != nil {
			broadcasts++
		}
	}
	live := 0
	for _, p := range w.pubs {
		if p.peer != nil {
			live++
		}
	}
	require.GreaterOrEqual(t, w.m.total, live)
	require.LessOrEqual(t, w.m.total, live+len(w.m.fading))
	readers := 0
	for _, n := range w.readers {
		if w.m.feeds[n.r.Track()] != nil {
			readers++
		}
	}
	require.Equal(t, Stats{Broadcasts: broadcasts, Tracks: len(w.m.feeds), Readers: readers, Watchers: len(w.watchers)}, w.m.Stats())
}

// checkRoute holds a feed to the best route that suits everybody who reads it.
func (w *world) checkRoute(t *rapid.T, f *feed) {
	if len(f.pubs) == 0 || f.content.ended {
		return
	}
	everybody := func(p *Publication) bool {
		for _, n := range w.readers {
			if n.r.Track() == f.track && !n.view.suits(p) {
				return false
			}
		}
		return true
	}
	if i := slices.IndexFunc(f.content.pubs, everybody); i >= 0 {
		require.Same(t, f.content.pubs[i], f.pubs[0])
	}
}

// TestMuxModel compares a Mux with a naive model of it: whom watchers believe
// to be there, which source each track has, which tracks fail and why; and
// nothing is left once everything has ended.
func TestMuxModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		t.Repeat(map[string]func(*rapid.T){
			"": w.Check, "publish": w.Publish, "publish2": w.Publish, "update": w.Update, "reflection": w.Reflection,
			"end": w.End, "lose": w.Lose, "lose2": w.Lose, "sweep": w.Sweep, "subscribe": w.Subscribe, "subscribe2": w.Subscribe,
			"close": w.CloseReader, "watch": w.Watch, "unwatch": w.Unwatch, "drain": w.Drain,
		})
		w.Drain(t)
		for len(w.pubs) > 0 {
			p := w.pubs[0]
			p.p.Lose(w.now)
			w.forget(p)
		}
		for len(w.readers) > 0 {
			w.closeReader(w.readers[0])
		}
		for _, dt := range []time.Duration{0, 10 * time.Second, 60 * time.Second} {
			w.m.Sweep(w.now.Add(dt))
		}
		for _, n := range w.watchers {
			for n.woken {
				n.woken = false
				for _, a := range n.r.Drain(100) {
					require.Equal(t, Ended, a.Change)
					delete(n.hops, a.Path)
				}
			}
			require.Empty(t, n.hops)
			require.Empty(t, n.r.sent)
			require.Empty(t, n.r.dirty)
			n.r.Close()
		}
		require.Empty(t, w.m.feeds)
		require.Empty(t, w.m.fading)
		require.Zero(t, w.m.total, "places are lost")
		require.Empty(t, w.m.totals)
		require.True(t, w.m.root.empty(), "the tree holds on to something")
		for _, s := range w.sources {
			require.Empty(t, s.wanted)
		}
		require.Equal(t, Stats{}, w.m.Stats())
	})
}
