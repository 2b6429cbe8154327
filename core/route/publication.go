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
	// Cost is what a subscription over this route costs: the price of every
	// link on the way. Without prices it is the number of hops.
	Cost uint64
	// Prefix says that the source serves every path below this one too.
	Prefix bool
	// Merge says that sources with it, whose origin is unknown, publish the same
	// content under one path: all of them are asked for a track, and what they
	// bring is compared. See Mux.Conflict.
	Merge bool
	// Hidden keeps the publication from being announced.
	Hidden bool
	// Tracks returns the tracks of the path itself that are known to exist, by
	// their names; nil says that none are. The map is not modified afterwards.
	// It is called without locks held and must not block; call TracksChanged
	// when it would return something else.
	Tracks func() map[string]*moq.Track
}

// origin returns the id of the first hop; 0 where it is unknown.
func (r Route) origin() uint64 {
	if len(r.Hops) == 0 {
		return 0
	}
	return r.Hops[0]
}

// sameOrigin reports whether both routes are known to lead to one publisher.
func (r Route) sameOrigin(q Route) bool {
	return r.origin() == q.origin() && (r.origin() != 0 || len(r.Hops)+len(q.Hops) == 0)
}

// A Publication is the entry of one source under one path.
type Publication struct {
	mux      *Mux
	content  *content
	view     *View
	from     Relation // where the content came from
	relation Relation // as what it counts
	source   Source
	route    Route
	path     moq.Path
	key      uint64
	serial   uint64
	version  int // counts the changes of route
	counted  bool
	gone     bool
}

// Publish enters a source under path, relative to the view. A hop list that
// contains this node is refused with CodeDuplicate: it is a reflection. Sessions
// are refused with CodeTooMany beyond Config.Broadcasts.
func (v *View) Publish(path moq.Path, r Route, s Source) (*Publication, error) {
	if err := v.check(OpPublish, path); err != nil {
		return nil, err
	}
	m := v.mux
	if err := m.checkHops(r.Hops); err != nil {
		return nil, err
	}
	p := &Publication{mux: m, view: v, source: s, path: v.root.Join(path)}
	var calls calls
	m.mu.Lock()
	if err := m.count(p); err != nil {
		m.mu.Unlock()
		return nil, err
	}
	m.enter(p, r, &calls)
	m.mu.Unlock()
	calls.run()
	return p, nil
}

// count takes the place of a publication among those of all sessions. One that
// lingers under its path makes room.
func (m *Mux) count(p *Publication) error {
	root := p.view.root
	if p.view.peer == nil {
		return nil
	}
	if n := m.root.find(p.path); n != nil {
		for _, c := range n.contents {
			m.uncount(c.last)
		}
	}
	switch {
	case m.total >= m.conf.Broadcasts:
		return moq.Errorf(moq.CodeTooMany, "more than %d broadcasts of all sessions", m.conf.Broadcasts)
	case m.totals[root] >= m.conf.RootBroadcasts:
		return moq.Errorf(moq.CodeTooMany, "more than %d broadcasts below one root", m.conf.RootBroadcasts)
	}
	p.counted = true
	m.total++
	m.totals[root]++
	return nil
}

// uncount gives the place back.
func (m *Mux) uncount(p *Publication) {
	if p == nil || !p.counted {
		return
	}
	p.counted = false
	m.total--
	root := p.view.root
	if m.totals[root]--; m.totals[root] == 0 {
		delete(m.totals, root)
	}
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
	p.place()
	n := m.root.at(p.path)
	was := n.active()
	c := m.join(n, p)
	p.content = c
	if len(c.pubs) == 0 && c.last == nil {
		n.place(c, p)
	}
	m.uncount(c.last)
	c.waiting, c.waits, c.last, c.deadline = false, nil, nil, time.Time{}
	delete(m.fading, c)
	c.pubs = append(c.pubs, p)
	c.rank()
	m.counted = m.counted || c.echoes()
	for _, old := range slices.Clone(n.contents) {
		switch {
		case old == c:
		case c.yields(old):
		case len(old.pubs) == 0: // lingering: it never delays a newcomer
			m.endContent(old, calls)
		case was != c && n.active() == c:
			m.failFeeds(old, moq.Errorf(moq.CodeReplaced, "another publisher took %q over", p.path), calls)
		}
	}
	m.adopt(c, calls)
	m.spread(p, calls)
	m.adoptBelow(p, calls)
	for _, q := range slices.Clone(c.pubs) {
		if q != p && p.succeeds(q) {
			m.reroute(q, calls)
		}
	}
	m.follow(c, calls)
	m.changed(p.path, calls)
}

// place says where the content of p came from.
func (p *Publication) place() {
	v := p.view
	if p.from, p.relation = v.relation, v.relation; v.named {
		p.relation = Stranger
	}
	if p.relation == Stranger && p.route.origin() == 0 && len(p.route.Hops) > 1 {
		p.from, p.relation = Upstream, Upstream
	}
}

// succeeds reports whether p came the very way that q did, over another
// session: its publisher has come back before the end of the old session was
// noticed.
func (p *Publication) succeeds(q *Publication) bool {
	return p.view.peer != q.view.peer && p.route.origin() != 0 && slices.Equal(p.route.Hops, q.route.Hops)
}

// serves reports whether the tracks of path are to be had from p.
func (p *Publication) serves(path moq.Path) bool { return p.path == path || p.route.Prefix }

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

// way returns the hops of p as other nodes are told of them: a publisher without
// an id has that of its content, if this node has one.
func (p *Publication) way() []uint64 {
	if h := p.route.Hops; p.relation != Stranger || len(h) != 1 || h[0] != 0 || p.mux.conf.Hop == 0 {
		return h
	}
	return []uint64{p.content.alias(p.mux.conf.Hop)}
}

// Update replaces the route. Another origin, or an unknown one, is other
// content: the old one ends and a new one starts.
func (p *Publication) Update(r Route) error { return p.update(r, Route.sameOrigin) }

// Reroute is Update for sources that take another route for the same content
// only: an origin that was unknown and still is goes on.
func (p *Publication) Reroute(r Route) error {
	return p.update(r, func(r, q Route) bool { return r.origin() == q.origin() })
}

// Replace is Update to other content, whatever the origin: a watcher never finds
// the path without any.
func (p *Publication) Replace(r Route) error {
	return p.update(r, func(Route, Route) bool { return false })
}

func (p *Publication) update(r Route, same func(r, q Route) bool) error {
	m := p.mux
	if err := m.checkHops(r.Hops); err != nil {
		p.End()
		return err
	}
	var calls calls
	m.mu.Lock()
	switch {
	case p.gone:
	case same(r, p.route):
		p.route, p.key = r, routeKey(p.path, r.Hops)
		p.version++
		p.content.rank()
		m.adoptBelow(p, &calls)
		m.rerouted(p, &calls)
		m.follow(p.content, &calls)
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

// TracksChanged says that Route.Tracks returns something else now.
func (p *Publication) TracksChanged() {
	m := p.mux
	var calls calls
	m.mu.Lock()
	if !p.gone {
		m.mark(p.path, true, &calls)
	}
	m.mu.Unlock()
	calls.run()
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
		m.uncount(p)
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
			due := c.deadline
			calls.add(func() { m.ring(due) })
		default:
			m.endContent(c, &calls)
		}
		if c.last != p {
			m.uncount(p)
		}
		m.changed(p.path, &calls)
	}
	m.mu.Unlock()
	calls.run()
}

// alone reports whether c is all there is under its path, but for echoes of it:
// otherwise an earlier content that is still alive is restored at once.
func (m *Mux) alone(c *content) bool {
	n := m.root.find(c.path)
	return n != nil && slices.Contains(n.contents, c) &&
		!slices.ContainsFunc(n.contents, func(d *content) bool { return d != c && !d.yields(c) })
}

func (m *Mux) leave(p *Publication) {
	c := p.content
	c.pubs = slices.DeleteFunc(c.pubs, func(q *Publication) bool { return q == p })
}
