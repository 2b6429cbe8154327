package route

import (
	"slices"
	"time"

	"github.com/moqtgo/moqt/core/moq"
)

// A feed is one shared track: one upstream subscription feeds it, or one of each
// publication where those are merged.
type feed struct {
	track   *moq.Track
	content *content
	pubs    []*Publication // none: orphan
	pushed  []*Publication // those of pubs that bring it without being asked
	left    bool           // the last source has quit and is about to end the track
	forced  bool           // the route may not suit all who read it
	since   time.Time      // when a Sweep saw that first
	serial  uint64
	idle    time.Time // since when nobody reads it
	viewers map[*moq.TrackReader]*View
	room    int // of viewers, before those who have left are looked for
}

// over reports whether the track has ended, or is about to.
func (f *feed) over() bool {
	ended, _ := f.track.Ended()
	return ended || f.left
}

// leave takes a publication from those that feed the track.
func (f *feed) leave(p *Publication) {
	is := func(q *Publication) bool { return p == q }
	f.pubs, f.pushed = slices.DeleteFunc(f.pubs, is), slices.DeleteFunc(f.pushed, is)
}

// dropped tells all sources that the feed is not wanted any more.
func (f *feed) dropped(m *Mux, calls *calls) {
	for _, p := range f.pubs {
		calls.drop(m, p.source, f.track)
	}
}

// end ends the feed with an error. It has failed when its sources are told: what
// they cut short then is not what its readers get to know.
func (f *feed) end(m *Mux, why *moq.Error, calls *calls) {
	f.forget(m)
	calls.fail(f.track, why)
	f.dropped(m, calls)
}

// suits reports whether objects may reach the viewer.
func (f *feed) suits(v *View) bool { return len(f.pubs) == 0 || slices.ContainsFunc(f.pubs, v.suits) }

func (f *feed) forget(m *Mux) {
	delete(m.feeds, f.track)
	f.track.Retire()
	name := f.track.Name()
	rest := slices.DeleteFunc(f.content.feeds[name], func(g *feed) bool { return g == f })
	if len(rest) == 0 {
		delete(f.content.feeds, name)
	} else {
		f.content.feeds[name] = rest
	}
}

// sorted returns the feeds of the content in the order of their names.
func (c *content) sorted() []*feed {
	var all []*feed
	for _, fs := range c.feeds {
		all = append(all, fs...)
	}
	slices.SortStableFunc(all, func(a, b *feed) int { return a.track.Name().Compare(b.track.Name()) })
	return all
}

func (c *content) orphans() []*feed {
	return slices.DeleteFunc(c.sorted(), func(f *feed) bool { return len(f.pubs) > 0 })
}

// Subscribe returns a reader of a track, by a name relative to the view; wake
// as moq.Track.Subscribe. Subscribers share the tracks. A subscription to a
// broadcast that nobody has announced waits for Config.Patience, and fails with
// moq.CodeNotFound.
func (v *View) Subscribe(name moq.FullTrackName, s moq.Subscription, now time.Time, wake func()) (*moq.TrackReader, error) {
	return v.subscribe(name, s, wait{due: now.Add(v.mux.conf.Patience), why: moq.CodeNotFound}, now, wake)
}

// SubscribeWithin is Subscribe for who says how long it waits; then it fails
// with moq.CodeTimeout. Who does not wait is refused at once.
func (v *View) SubscribeWithin(patience time.Duration, name moq.FullTrackName, s moq.Subscription, now time.Time, wake func()) (*moq.TrackReader, error) {
	return v.subscribe(name, s, wait{due: now.Add(patience), why: moq.CodeTimeout}, now, wake)
}

// A wait is a subscription to a broadcast that nobody has announced.
type wait struct {
	reader *moq.TrackReader
	view   *View
	due    time.Time
	why    moq.Code // it has failed then
}

func (v *View) subscribe(name moq.FullTrackName, s moq.Subscription, w wait, now time.Time, wake func()) (*moq.TrackReader, error) {
	if err := v.check(OpSubscribe, name.Path); err != nil {
		return nil, err
	}
	name.Path = v.root.Join(name.Path)
	for {
		if t := v.produced(name); t != nil {
			return t.Subscribe(s, wake), nil
		}
		w.view = v
		f := v.feedFor(name, w.due, now)
		if f == nil {
			return nil, moq.Errorf(moq.CodeNotFound, "nobody publishes %q", name.Path)
		}
		w.reader = f.track.Subscribe(s, wake)
		if v.mux.holds(f, w) {
			return w.reader, nil
		}
		w.reader.Close() // a Sweep dropped the idle track in between
	}
}

// produced returns the track of a producer in this process, which needs no
// feed.
func (v *View) produced(name moq.FullTrackName) *moq.Track {
	p := v.publication(name)
	if p == nil {
		return nil
	}
	return p.source.Track(name)
}

func (v *View) publication(name moq.FullTrackName) *Publication {
	v.mux.mu.Lock()
	defer v.mux.mu.Unlock()
	if c := v.mux.lookup(name.Path, v); c != nil {
		return v.best(c, name.Path)
	}
	return nil
}

// feedFor returns the feed of a name, or one that waits for its broadcast at
// least until due.
func (v *View) feedFor(name moq.FullTrackName, due, now time.Time) *feed {
	m := v.mux
	m.mu.Lock()
	c := m.lookup(name.Path, v)
	if c == nil && due.After(now) {
		c = m.await(name.Path, due)
	}
	var f *feed
	var calls calls
	if c != nil {
		f, due = m.feed(c, name, v, &calls), c.nextDue(due)
	}
	m.mu.Unlock()
	calls.run()
	if c != nil && !due.IsZero() {
		m.ring(due)
	}
	return f
}

// nextDue returns when a Sweep has something to do for c, due being when it has
// for a new subscription.
func (c *content) nextDue(due time.Time) time.Time {
	if c.waiting {
		return due
	}
	return c.deadline
}

// holds reports whether the feed is still one of m and suits the viewer; then w
// is waited for as long as it says.
func (m *Mux) holds(f *feed, w wait) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ended, _ := f.track.Ended(); m.feeds[f.track] != f {
		return ended
	}
	if !f.suits(w.view) {
		return false
	}
	f.shows(w.reader, w.view)
	if f.content.waiting {
		f.content.waits = append(f.content.waits, w)
	}
	return true
}

// giveUp fails who has waited long enough, and returns when the next one will
// have.
func (c *content) giveUp(now time.Time, calls *calls) (next time.Time) {
	rest := c.waits[:0]
	for _, w := range c.waits {
		switch {
		case now.Before(w.due):
			rest = append(rest, w)
			if next.IsZero() || w.due.Before(next) {
				next = w.due
			}
		default:
			calls.add(func() { w.reader.Fail(moq.Errorf(w.why, "nobody publishes %q", c.path)) })
		}
	}
	clear(c.waits[len(rest):])
	c.waits = rest
	return next
}

// await returns the content under which subscribers of the path wait, at least
// until due.
func (m *Mux) await(path moq.Path, due time.Time) *content {
	n := m.root.at(path)
	for _, c := range n.contents {
		if c.waiting {
			if c.deadline.Before(due) {
				c.deadline = due
			}
			return c
		}
	}
	m.serial++
	c := &content{
		path: path, serial: m.serial, birth: m.birth(n), waiting: true, deadline: due,
		feeds: map[moq.FullTrackName][]*feed{},
	}
	n.contents = append([]*content{c}, n.contents...)
	m.fading[c] = struct{}{}
	return c
}

// lookup returns the content that serves the path: its own, or that of the
// longest prefix which serves what is below it. Contents that the viewer may not
// have count only where there are no others; to nil all are the same.
func (m *Mux) lookup(path moq.Path, v *View) *content {
	var found, other *content
	depth := path.Len()
	m.root.along(path, func(n *node, d int) {
		serves := func(c *content) bool { return c != nil && (d == depth || c.prefix()) }
		c := n.active()
		if serves(c) {
			other = c
		}
		if v != nil {
			c = n.means(v.has)
		}
		if serves(c) {
			found = c
		}
	})
	if found == nil {
		return other
	}
	return found
}

func (c *content) prefix() bool {
	return slices.ContainsFunc(c.pubs, func(p *Publication) bool { return p.route.Prefix })
}

// feed returns the feed of the name for the viewer: one that exists, if its
// route suits the viewer or it can take one that suits everybody, otherwise a new
// one over the best route that does.
func (m *Mux) feed(c *content, name moq.FullTrackName, v *View, calls *calls) *feed {
	for _, f := range c.feeds[name] {
		if _, err := f.track.Ended(); err == nil && f.suits(v) {
			return f
		}
	}
	pub := v.best(c, name.Path)
	if pub == nil && len(c.pubs) > 0 {
		return nil
	}
	for _, f := range c.feeds[name] {
		if f.moves() {
			if p, all := f.route(v); all && m.move(f, p, calls) {
				m.force(f, false, calls)
				return f
			}
		}
	}
	root := v.root
	if pub != nil {
		root = pub.view.root
	}
	f := m.newFeed(c, name, root)
	for _, p := range c.pubs {
		if p == pub || c.merge && v.suits(p) && p.serves(name.Path) {
			f.pubs = append(f.pubs, p)
		}
	}
	return f
}

// newFeed makes a feed; what it holds counts for root.
func (m *Mux) newFeed(c *content, name moq.FullTrackName, root moq.Path) *feed {
	m.serial++
	f := &feed{content: c, serial: m.serial, viewers: map[*moq.TrackReader]*View{}}
	f.track = moq.NewTrack(name, m.conf.Cache, m.demandChanged)
	m.cache.Join(f.track, root)
	m.feeds[f.track] = f
	c.feeds[name] = append(c.feeds[name], f)
	return f
}

// demandChanged tells the source of a track to look at its demand.
func (m *Mux) demandChanged(t *moq.Track) {
	idle := t.Demand().Readers == 0
	sweep := idle
	m.mu.Lock()
	var sources []Source
	if f := m.feeds[t]; f != nil {
		for _, p := range f.pubs {
			sources = append(sources, p.source)
		}
		if !idle {
			f.idle = time.Time{}
		}
		sweep = idle || f.strays()
	}
	m.mu.Unlock()
	for _, s := range sources {
		m.tell(s, t)
	}
	if sweep {
		m.ring(time.Time{})
	}
}

// Release is called by a source that vanished, for each of its tracks, after
// its publications were lost. It reports whether the track has another source
// or waits for one; otherwise the caller fails it.
func (m *Mux) Release(t *moq.Track, s Source) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.feeds[t]
	if f == nil {
		return false
	}
	if !f.fedBy(s) {
		return true
	}
	if f.quit(s); len(f.pubs) > 0 {
		return true
	}
	f.forget(m)
	return false
}
