package route

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/moqtgo/moqt/core/moq"
)

// A Route is how a publication reached this node.
type Route struct {
	// Hops are the ids of the nodes on the way, the origin first and the
	// peer last; 0 is an unknown id. A publication of this process has none.
	Hops []uint64
	// Prefix says that the source serves every path below this one too.
	Prefix bool
	// Hidden keeps the publication from being announced.
	Hidden bool
}

// origin returns the id of the first hop; 0 where it is unknown.
func (r Route) origin() uint64 {
	if len(r.Hops) == 0 {
		return 0
	}
	return r.Hops[0]
}

// A content is what one origin publishes under a path. Publications with the
// same non-zero origin carry the same content and stand by for each other.
type content struct {
	path     moq.Path
	origin   uint64
	pubs     []*Publication // the best one first
	last     *Publication   // the one that vanished last, while lingering
	waiting  bool           // no publication so far: subscribers wait for one
	ended    bool
	deadline time.Time // of waiting and lingering
	feeds    map[moq.FullTrackName][]*feed
}

// A Publication is the entry of one source under one path.
type Publication struct {
	mux     *Mux
	content *content
	peer    any
	source  Source
	route   Route
	path    moq.Path
	key     uint64
	serial  uint64
	version int // counts the changes of route
	gone    bool
}

// Publish enters a source under path, relative to the view. A hop list that
// contains this node is refused with CodeDuplicate: it is a reflection.
func (v *View) Publish(path moq.Path, r Route, s Source) (*Publication, error) {
	if err := v.allow(OpPublish, path); err != nil {
		return nil, err
	}
	m := v.mux
	if err := m.checkHops(r.Hops); err != nil {
		return nil, err
	}
	p := &Publication{mux: m, peer: v.peer, source: s, path: v.root.Join(path)}
	var calls calls
	m.mu.Lock()
	m.enter(p, r, &calls)
	m.mu.Unlock()
	calls.run()
	return p, nil
}

func (m *Mux) checkHops(hops []uint64) error {
	if len(hops) > m.conf.MaxHops {
		return moq.Errorf(moq.CodeTooMany, "%d hops; the limit is %d", len(hops), m.conf.MaxHops)
	}
	if m.conf.Hop != 0 && slices.Contains(hops, m.conf.Hop) {
		return moq.Errorf(moq.CodeDuplicate, "the announcement has passed this node before")
	}
	return nil
}

// enter puts p into the content it belongs to.
func (m *Mux) enter(p *Publication, r Route, calls *calls) {
	m.serial++
	p.route, p.serial, p.key = r, m.serial, routeKey(p.path, r.Hops)
	n := m.root.at(p.path)
	c := n.join(p)
	p.content = c
	c.waiting, c.last = false, nil
	delete(m.fading, c)
	c.pubs = append(c.pubs, p)
	c.rank()
	for _, old := range slices.Clone(n.contents) {
		switch {
		case old == c:
		case len(old.pubs) == 0: // lingering: it never delays a newcomer
			m.endContent(old, calls)
		case n.active() == c:
			m.failFeeds(old, moq.Errorf(moq.CodeReplaced, "another publisher took %q over", p.path), calls)
		}
	}
	for _, f := range c.orphans() {
		f.pub = p
		calls.want(p.source, f.track)
	}
	m.changed(p.path, calls)
}

// join returns the content of n that p carries, made if needed, as the newest.
func (n *node) join(p *Publication) *content {
	for _, c := range n.contents {
		if c.waiting || c.origin == p.route.origin() && c.origin != 0 {
			c.origin = p.route.origin()
			return c
		}
	}
	c := &content{path: p.path, origin: p.route.origin(), feeds: map[moq.FullTrackName][]*feed{}}
	n.contents = append(n.contents, c)
	return c
}

// rank sorts the publications: fewer hops, then the lower key, then the newest.
func (c *content) rank() {
	slices.SortFunc(c.pubs, func(a, b *Publication) int {
		switch {
		case len(a.route.Hops) != len(b.route.Hops):
			return len(a.route.Hops) - len(b.route.Hops)
		case a.key != b.key:
			if a.key < b.key {
				return -1
			}
			return 1
		}
		return int(b.serial) - int(a.serial)
	})
}

// routeKey is FNV-1a over the path and the hops, with the constants that
// other implementations use, so that mixed clusters choose alike.
func routeKey(p moq.Path, hops []uint64) uint64 {
	const prime = 0x100000001b3
	h := uint64(0x420C0DECB00B)
	for i := 0; i < len(p); i++ {
		h = (h ^ uint64(p[i])) * prime
	}
	var b [8]byte
	for _, hop := range hops {
		binary.LittleEndian.PutUint64(b[:], hop)
		for _, c := range b {
			h = (h ^ uint64(c)) * prime
		}
	}
	return h
}

// Update replaces the route. Another origin is other content: the old one
// ends and a new one starts.
func (p *Publication) Update(r Route) error {
	m := p.mux
	if err := m.checkHops(r.Hops); err != nil {
		p.End()
		return err
	}
	var calls calls
	m.mu.Lock()
	switch {
	case p.gone:
	case r.origin() == p.route.origin() && r.origin() != 0:
		p.route, p.key = r, routeKey(p.path, r.Hops)
		p.version++
		p.content.rank()
		m.changed(p.path, &calls)
	default:
		m.leave(p)
		if len(p.content.pubs) == 0 {
			m.failFeeds(p.content, moq.Errorf(moq.CodeReplaced, "the publisher replaced %q", p.path), &calls)
			m.endContent(p.content, &calls)
		} else {
			m.reroute(p, &calls)
		}
		p.version++
		m.enter(p, r, &calls)
	}
	m.mu.Unlock()
	calls.run()
	return nil
}

// Path returns the absolute path of the publication.
func (p *Publication) Path() moq.Path { return p.path }

// End takes the publication back: the broadcast has ended well. Tracks that
// it feeds go on until their source ends them.
func (p *Publication) End() {
	m := p.mux
	var calls calls
	m.mu.Lock()
	if !p.gone {
		p.gone = true
		m.leave(p)
		if len(p.content.pubs) == 0 {
			m.endContent(p.content, &calls)
		} else {
			m.reroute(p, &calls)
		}
		m.changed(p.path, &calls)
	}
	m.mu.Unlock()
	calls.run()
}

// Lose takes the publication back because its source vanished. A standby
// takes over; without one the broadcast lingers, so that a publisher of the
// same content can come back.
func (p *Publication) Lose(now time.Time) {
	m := p.mux
	var calls calls
	m.mu.Lock()
	if !p.gone {
		p.gone = true
		m.leave(p)
		c := p.content
		m.reroute(p, &calls)
		switch {
		case len(c.pubs) > 0:
		case m.conf.Linger > 0 && !p.route.Hidden && m.alone(c):
			c.last, c.deadline = p, now.Add(m.conf.Linger)
			m.fading[c] = struct{}{}
			calls.add(func() { m.ring(c.deadline) })
		default:
			m.endContent(c, &calls)
		}
		m.changed(p.path, &calls)
	}
	m.mu.Unlock()
	calls.run()
}

// alone reports whether c is all there is under its path: otherwise an earlier
// content that is still alive is restored at once.
func (m *Mux) alone(c *content) bool {
	n := m.root.find(c.path)
	return n != nil && len(n.contents) == 1 && n.contents[0] == c
}

func (m *Mux) leave(p *Publication) {
	c := p.content
	c.pubs = slices.DeleteFunc(c.pubs, func(q *Publication) bool { return q == p })
}

// reroute gives the feeds of p, which has left, to the next best publication,
// or leaves them orphans.
func (m *Mux) reroute(p *Publication, calls *calls) {
	for _, f := range p.content.sorted() {
		if f.pub != p {
			continue
		}
		f.pub = nil
		if len(p.content.pubs) > 0 {
			f.pub = p.content.pubs[0]
			calls.drop(p.source, f.track)
			calls.want(f.pub.source, f.track)
		}
	}
}

// endContent removes a content that has no publication. Its feeds that still
// have a source go on without a name; orphans fail.
func (m *Mux) endContent(c *content, calls *calls) {
	delete(m.fading, c)
	if c.ended {
		return
	}
	c.ended = true
	if n := m.root.find(c.path); n != nil {
		n.remove(c)
	}
	why := moq.Errorf(moq.CodeDropped, "the publisher of %q vanished", c.path)
	if c.waiting {
		why = moq.Errorf(moq.CodeNotFound, "nobody publishes %q", c.path)
	}
	for _, f := range c.orphans() {
		f.forget(m)
		calls.fail(f.track, why)
	}
	m.changed(c.path, calls)
	m.root.prune(c.path)
}

// failFeeds ends every feed of the content with an error.
func (m *Mux) failFeeds(c *content, why *moq.Error, calls *calls) {
	for _, f := range c.sorted() {
		f.forget(m)
		if f.pub != nil {
			calls.drop(f.pub.source, f.track)
		}
		calls.fail(f.track, why)
	}
}
