package route

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/moqtgo/moqt/core/moq"
)

// A fakeSource remembers which tracks it is to feed.
type fakeSource struct{ wanted map[*moq.Track]bool }

func newSource() *fakeSource { return &fakeSource{wanted: map[*moq.Track]bool{}} }

func (s *fakeSource) Track(moq.FullTrackName) *moq.Track { return nil }
func (s *fakeSource) Want(t *moq.Track)                  { s.wanted[t] = true }
func (s *fakeSource) Drop(t *moq.Track)                  { delete(s.wanted, t) }
func (s *fakeSource) Fetch(context.Context, moq.FetchRequest) (*moq.ObjectReader, error) {
	return nil, moq.ErrUnsupported
}

// A naivePub, a naiveContent and a naiveReader are what is true of those.
type naivePub struct {
	p      *Publication
	source *fakeSource
	peer   any
	route  Route
	serial int
	c      *naiveContent
}

type naiveContent struct {
	path     moq.Path
	origin   uint64
	far      bool // from a node that does not know the origin either
	since    int
	pubs     []*naivePub
	last     *naivePub // lingering
	deadline time.Time
	readers  []*naiveReader
}

type naiveReader struct {
	r    *moq.TrackReader
	view *View
	fail moq.Code // 0: alive
}

// A naiveWatcher believes what it was told, and asks only when it is woken.
type naiveWatcher struct {
	view    *View
	prefix  moq.Path
	exclude uint64
	r       *AnnounceReader
	woken   bool // initially: there is a first batch
	told    bool
	hops    map[moq.Path][]uint64
	content map[moq.Path]*naiveContent
}

type world struct {
	m        *Mux
	now      time.Time
	serial   int
	contents map[moq.Path][]*naiveContent // oldest first
	since    map[moq.Path]map[uint64]int  // when each origin came first
	waiting  map[moq.Path]*naiveContent
	pubs     []*naivePub
	sources  []*fakeSource
	readers  []*naiveReader
	watchers []*naiveWatcher
	views    []*View
}

var paths = []moq.Path{"a", "a/b", "c"}

func newWorld() *world {
	w := &world{
		m: NewMux(Config{Hop: 99}), now: time.Unix(1000, 0),
		contents: map[moq.Path][]*naiveContent{}, since: map[moq.Path]map[uint64]int{}, waiting: map[moq.Path]*naiveContent{},
	}
	for i, peer := range []any{nil, "x", "y"} {
		v := w.m.View(Scope{Peer: peer})
		if i == 2 {
			v.SetHop(7)
		}
		w.views = append(w.views, v)
	}
	return w
}

func (w *world) view(t *rapid.T) *View { return rapid.SampledFrom(w.views).Draw(t, "view") }

func (w *world) route(t *rapid.T) Route {
	r := Route{Hidden: rapid.IntRange(0, 5).Draw(t, "hidden") == 0}
	switch origin := rapid.Uint64Range(0, 4).Draw(t, "origin"); origin {
	case 4: // local
	case 0: // from its publisher: what came through others is in TestEchoes
		r.Hops = []uint64{0}
	default:
		r.Hops = append([]uint64{origin}, rapid.SliceOfN(rapid.Uint64Range(5, 8), 0, 2).Draw(t, "hops")...)
	}
	return r
}

// enter is what a publication does to what is true.
func (w *world) enter(p *naivePub, path moq.Path, r Route) {
	w.serial++
	p.route, p.serial = r, w.serial
	cs := w.contents[path]
	i := slices.IndexFunc(cs, func(c *naiveContent) bool { return c.origin != 0 && c.origin == r.origin() })
	if i >= 0 {
		p.c = cs[i]
	} else {
		p.c = &naiveContent{path: path, origin: r.origin(), far: r.origin() == 0 && len(r.Hops) > 1, since: w.serial}
		if since := w.since[path][r.origin()]; len(r.Hops) > 1 && since != 0 {
			p.c.since = since // other nodes tell of it again
		}
		if w.since[path] == nil {
			w.since[path] = map[uint64]int{}
		}
		if r.origin() != 0 {
			w.since[path][r.origin()] = p.c.since
		}
		if c := w.waiting[path]; c != nil { // those who waited get it
			delete(w.waiting, path)
			p.c.readers = c.readers
		}
		takes := !slices.ContainsFunc(cs, func(c *naiveContent) bool { return c.last == nil && c.outranks(p.c) })
		for _, c := range cs {
			if c.last != nil {
				c.kill(moq.CodeDropped)
			} else if takes {
				c.kill(moq.CodeReplaced)
			}
		}
		cs = slices.DeleteFunc(slices.Clone(cs), func(c *naiveContent) bool { return c.last != nil })
		w.contents[path] = append(cs, p.c)
	}
	p.c.last = nil
	p.c.pubs = append(p.c.pubs, p)
}

func (c *naiveContent) outranks(d *naiveContent) bool {
	if c.far != d.far {
		return d.far
	}
	return c.since > d.since
}

func (c *naiveContent) kill(why moq.Code) {
	for _, r := range c.readers {
		r.fail = why
	}
	c.readers = nil
}

func (w *world) remove(c *naiveContent) {
	w.contents[c.path] = slices.DeleteFunc(slices.Clone(w.contents[c.path]), func(d *naiveContent) bool { return d == c })
	if len(w.contents[c.path]) == 0 {
		delete(w.since, c.path)
	}
}

func (w *world) leave(p *naivePub) {
	p.c.pubs = slices.DeleteFunc(p.c.pubs, func(q *naivePub) bool { return q == p })
}

func (w *world) forget(p *naivePub) {
	w.pubs = slices.DeleteFunc(w.pubs, func(q *naivePub) bool { return q == p })
	w.leave(p)
}

func (w *world) Publish(t *rapid.T) {
	if len(w.pubs) > 8 {
		t.Skip("enough")
	}
	v, path, r := w.view(t), rapid.SampledFrom(paths).Draw(t, "path"), w.route(t)
	s := newSource()
	pub, err := v.Publish(path, r, s)
	require.NoError(t, err)
	p := &naivePub{p: pub, source: s, peer: v.peer}
	w.enter(p, path, r)
	w.pubs, w.sources = append(w.pubs, p), append(w.sources, s)
}

func (w *world) pub(t *rapid.T) *naivePub {
	if len(w.pubs) == 0 {
		t.Skip("no publication")
	}
	return rapid.SampledFrom(w.pubs).Draw(t, "pub")
}

func (w *world) Update(t *rapid.T) {
	p, r := w.pub(t), w.route(t)
	require.NoError(t, p.p.Update(r))
	if r.origin() == p.route.origin() && (r.origin() != 0 || len(r.Hops) == 0 && len(p.route.Hops) == 0) {
		w.serial++
		p.route = r
		return
	}
	c := p.c
	w.leave(p)
	if len(c.pubs) == 0 {
		c.kill(moq.CodeReplaced)
		w.remove(c)
	}
	w.enter(p, c.path, r)
}

func (w *world) Reflection(t *rapid.T) {
	_, err := w.view(t).Publish("a", Route{Hops: []uint64{1, 99, 2}}, newSource())
	require.ErrorIs(t, err, moq.ErrDuplicate)
}

func (w *world) End(t *rapid.T) {
	p := w.pub(t)
	p.p.End()
	p.p.End()
	w.forget(p)
	if len(p.c.pubs) == 0 {
		w.remove(p.c) // its readers go on until the source ends them
	}
}

func (w *world) Lose(t *rapid.T) {
	p := w.pub(t)
	p.p.Lose(w.now)
	p.p.Lose(w.now)
	w.forget(p)
	switch {
	case len(p.c.pubs) > 0:
	case len(w.contents[p.c.path]) == 1 && !p.route.Hidden:
		p.c.last, p.c.deadline = p, w.now.Add(5*time.Second)
	default:
		p.c.kill(moq.CodeDropped)
		w.remove(p.c)
	}
}

func (w *world) Sweep(t *rapid.T) {
	w.now = w.now.Add(rapid.SampledFrom([]time.Duration{0, time.Second, 4 * time.Second, 40 * time.Second}).Draw(t, "dt"))
	w.m.Sweep(w.now)
	for _, cs := range w.contents {
		for _, c := range cs {
			if c.last != nil && !w.now.Before(c.deadline) {
				c.kill(moq.CodeDropped)
				w.remove(c)
			}
		}
	}
	for path, c := range w.waiting {
		if !w.now.Before(c.deadline) {
			c.kill(moq.CodeNotFound)
			delete(w.waiting, path)
		}
	}
}

// active is what the path means to somebody who may have only some of it.
func (w *world) active(path moq.Path, has func(*naivePub) bool) (found *naiveContent) {
	for _, c := range slices.Backward(w.contents[path]) {
		pubs := slices.Clone(c.pubs)
		if c.last != nil {
			pubs = append(pubs, c.last)
		}
		if (found == nil || c.outranks(found)) && slices.ContainsFunc(pubs, has) {
			found = c
		}
	}
	return found
}

func suits(v *View, p *naivePub) bool {
	return (v.peer == nil || v.peer != p.peer) && (v.hop == 0 || !slices.Contains(p.route.Hops, v.hop))
}

func (w *world) Subscribe(t *rapid.T) {
	if len(w.readers) > 12 {
		t.Skip("enough")
	}
	v, path := w.view(t), rapid.SampledFrom(paths).Draw(t, "path")
	name := moq.FullTrackName{Path: path, Name: rapid.SampledFrom([]string{"v", "w"}).Draw(t, "track")}
	r, err := v.Subscribe(name, moq.Subscription{}, w.now, nil)
	c := w.active(path, func(p *naivePub) bool { return p.c.last != nil || suits(v, p) })
	if c == nil && len(w.contents[path]) > 0 {
		require.ErrorIs(t, err, moq.ErrNotFound, "nothing for this peer")
		return
	}
	require.NoError(t, err)
	require.Equal(t, name, r.Track().Name())
	if f := w.m.feeds[r.Track()]; len(f.pubs) > 0 {
		require.True(t, v.suits(f.pubs[0]), "its own publication is not offered to a peer")
	}
	if c == nil {
		c = w.waiting[path]
		if c == nil {
			c = &naiveContent{path: path, deadline: w.now.Add(time.Second)}
			w.waiting[path] = c
		}
	}
	n := &naiveReader{r: r, view: v}
	c.readers, w.readers = append(c.readers, n), append(w.readers, n)
}

func (w *world) CloseReader(t *rapid.T) {
	if len(w.readers) == 0 {
		t.Skip("no reader")
	}
	n := rapid.SampledFrom(w.readers).Draw(t, "reader")
	w.closeReader(n)
}

func (w *world) closeReader(n *naiveReader) {
	n.r.Close()
	w.m.Sweep(w.now) // it has rung
	gone := func(o *naiveReader) bool { return o == n }
	w.readers = slices.DeleteFunc(w.readers, gone)
	for _, cs := range w.contents {
		for _, c := range cs {
			c.readers = slices.DeleteFunc(c.readers, gone)
		}
	}
	for _, c := range w.waiting {
		c.readers = slices.DeleteFunc(c.readers, gone)
	}
}

func (w *world) Watch(t *rapid.T) {
	if len(w.watchers) > 4 {
		t.Skip("enough")
	}
	n := &naiveWatcher{
		view: w.view(t), prefix: rapid.SampledFrom([]moq.Path{"", "a", "a/b", "z"}).Draw(t, "prefix"),
		exclude: rapid.SampledFrom([]uint64{0, 5, 1}).Draw(t, "exclude"), woken: true,
		hops: map[moq.Path][]uint64{}, content: map[moq.Path]*naiveContent{},
	}
	var err error
	n.r, err = n.view.Watch(n.prefix, n.exclude, func() {
		require.False(t, n.told, "woken twice")
		n.told, n.woken = true, true
	})
	require.NoError(t, err)
	w.watchers = append(w.watchers, n)
}

func (w *world) Unwatch(t *rapid.T) {
	if len(w.watchers) == 0 {
		t.Skip("no watcher")
	}
	n := rapid.SampledFrom(w.watchers).Draw(t, "watcher")
	n.r.Close()
	w.watchers = slices.DeleteFunc(w.watchers, func(o *naiveWatcher) bool { return o == n })
	require.Nil(t, n.r.Drain(10))
}

// offer is what the watcher is to believe of the path.
func (w *world) offer(n *naiveWatcher, path moq.Path) (*naiveContent, *naivePub) {
	may := func(p *naivePub) bool {
		return suits(n.view, p) && (n.exclude == 0 || !slices.Contains(p.route.Hops, n.exclude))
	}
	c := w.active(path, may)
	if _, ok := path.Under(n.prefix); !ok || c == nil {
		return nil, nil
	}
	pubs := slices.Clone(c.pubs)
	if c.last != nil {
		pubs = append(pubs, c.last)
	}
	pubs = slices.DeleteFunc(pubs, func(p *naivePub) bool {
		return p.route.Hidden || !may(p)
	})
	if len(pubs) == 0 {
		return nil, nil
	}
	return c, slices.MinFunc(pubs, func(a, b *naivePub) int {
		return cmp.Or(len(a.route.Hops)-len(b.route.Hops),
			cmp.Compare(routeKey(path, a.route.Hops), routeKey(path, b.route.Hops)), b.serial-a.serial)
	})
}

// Drain lets those who were woken read in steps; then everybody must believe
// what is true.
func (w *world) Drain(t *rapid.T) {
	limit := rapid.IntRange(1, 4).Draw(t, "limit")
	for _, n := range w.watchers {
		for n.woken {
			n.woken, n.told = false, false
			for {
				as := n.r.Drain(limit)
				for _, a := range as {
					w.apply(t, n, a)
				}
				if len(as) < limit {
					break
				}
			}
		}
		for _, path := range paths {
			c, p := w.offer(n, path)
			hops, believed := n.hops[path]
			require.Equal(t, p != nil, believed, "%q", path)
			if p != nil {
				want := p.route.Hops
				if n.view.peer != nil {
					want = p.p.way()
				}
				require.Equal(t, want, hops)
				require.Same(t, c, n.content[path])
			}
		}
	}
}

func (w *world) apply(t *rapid.T, n *naiveWatcher, a Announcement) {
	_, had := n.hops[a.Path]
	require.Equal(t, a.Change != Active, had, "change %d of %q", a.Change, a.Path)
	c, _ := w.offer(n, a.Path)
	switch a.Change {
	case Ended:
		delete(n.hops, a.Path)
		delete(n.content, a.Path)
		return
	case Replaced:
		require.NotSame(t, n.content[a.Path], c)
	case Rerouted:
		require.Same(t, n.content[a.Path], c)
	}
	n.hops[a.Path], n.content[a.Path] = a.Hops, c
}
