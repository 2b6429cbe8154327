package route

import (
	"cmp"
	"slices"
	"time"

	"github.com/moqtgo/moqt/core/moq"
)

// A content is what one origin publishes under a path. Publications with the
// same non-zero origin carry the same content and stand by for each other.
type content struct {
	path     moq.Path
	serial   uint64
	since    uint64 // a serial too, see node.outranks
	birth    birth
	id       uint64 // what other nodes know it by; 0: they do not
	origin   uint64
	relation Relation       // of its first publication
	merge    bool           // see Route.Merge
	pubs     []*Publication // the best one first
	last     *Publication   // the one that vanished last, while lingering
	waiting  bool           // no publication so far: subscribers wait for one
	waits    []wait         // of who waits
	ended    bool
	deadline time.Time // of waiting and lingering
	length   int       // hops of the best publication there is or was
	feeds    map[moq.FullTrackName][]*feed
}

// A birth tells a content from others of its path: how many contents of the Mux
// had ended, and how many there were at the path. It does not depend on what else
// begins in the same moment.
type birth struct{ ended, others uint64 }

func (m *Mux) birth(n *node) birth { return birth{m.ended, uint64(len(n.contents))} }

// join returns the content of n that p carries; a new one is the newest.
func (m *Mux) join(n *node, p *Publication) *content {
	merge := p.route.Merge && p.route.origin() == 0
	for _, c := range slices.Backward(n.contents) {
		same := c.origin == p.route.origin() && c.origin != 0 || merge && c.merge && c.relation == p.relation && len(c.pubs) > 0
		if c.waiting || same {
			c.origin, c.merge = p.route.origin(), merge
			if c.waiting {
				c.relation = p.relation
			}
			return c
		}
	}
	c := m.newContent(n, p)
	c.merge = merge
	return c
}

// newContent adds a content of p to n.
func (m *Mux) newContent(n *node, p *Publication) *content {
	c := &content{
		path: p.path, serial: m.serial, since: m.serial, birth: m.birth(n),
		origin: p.route.origin(), relation: p.relation, length: len(p.route.Hops),
		feeds: map[moq.FullTrackName][]*feed{},
	}
	n.contents = append(n.contents, c)
	return c
}

// alias is the id that stands for the publishers of c, who have none themselves,
// in front of the hops of announcements: other nodes know by it what comes from
// here in several ways. It is FNV-1a of what no other content has in common with
// c, short enough for peers that count in doubles.
func (c *content) alias(node uint64) uint64 {
	return max(1, routeKey(c.path, []uint64{node, c.birth.ended, c.birth.others})>>11)
}

// rank sorts the publications: announced ones, then the cheapest, then fewer
// hops, then the lower key, then the newest.
func (c *content) rank() {
	slices.SortFunc(c.pubs, (*Publication).compare)
	c.length = len(c.pubs[0].route.Hops)
}

func (p *Publication) compare(q *Publication) int {
	if p.route.Hidden != q.route.Hidden {
		if q.route.Hidden {
			return -1
		}
		return 1
	}
	return cmp.Or(
		cmp.Compare(p.route.Cost, q.route.Cost),
		cmp.Compare(len(p.route.Hops), len(q.route.Hops)),
		cmp.Compare(p.key, q.key),
		cmp.Compare(q.serial, p.serial),
	)
}

// adopt gives the orphans of c a source.
func (m *Mux) adopt(c *content, calls *calls) {
	for _, f := range c.orphans() {
		m.assign(f, calls)
	}
}

// adoptBelow ends the waiting for paths that p has begun to serve.
func (m *Mux) adoptBelow(p *Publication, calls *calls) {
	if !p.route.Prefix {
		return
	}
	var waiting []*content
	m.root.find(p.path).walk(p.path, func(path moq.Path, n *node) {
		for _, c := range n.contents {
			if c.waiting && m.lookup(path, nil) == p.content {
				waiting = append(waiting, c)
			}
		}
	})
	for _, c := range waiting {
		for _, f := range c.sorted() {
			f.content = p.content
			name := f.track.Name()
			p.content.feeds[name] = append(p.content.feeds[name], f)
		}
		clear(c.feeds)
		m.endContent(c, calls)
	}
	m.adopt(p.content, calls)
}

// assign gives a feed that has no source the best one of its content; all of
// them where they are merged. Where none serves its path, it fails.
func (m *Mux) assign(f *feed, calls *calls) {
	if f.left {
		return
	}
	path := f.track.Name().Path
	p, all := f.route()
	m.force(f, !all, calls)
	switch {
	case f.content.merge:
		for _, p := range f.content.pubs {
			if p.serves(path) {
				f.pubs = append(f.pubs, p)
				calls.want(m, p.source, f.track)
				m.single(f, p, calls)
			}
		}
	case p != nil && len(f.pubs) == 0:
		f.pubs = []*Publication{p}
		calls.want(m, p.source, f.track)
		if !m.single(f, p, calls) {
			return
		}
	}
	if len(f.pubs) == 0 && len(f.content.pubs) > 0 {
		f.forget(m)
		calls.fail(f.track, moq.Errorf(moq.CodeNotFound, "nobody publishes %q", path))
	}
}

// spread asks p, which is merged with others, for what they are asked for.
func (m *Mux) spread(p *Publication, calls *calls) {
	if !p.content.merge {
		return
	}
	for _, f := range p.content.sorted() {
		if !slices.Contains(f.pubs, p) && p.serves(f.track.Name().Path) && !f.over() {
			f.pubs = append(f.pubs, p)
			calls.want(m, p.source, f.track)
		}
	}
}

// reroute gives the feeds of p, which has left, to the next best publication,
// or leaves them orphans. Those that others feed too go on.
func (m *Mux) reroute(p *Publication, calls *calls) {
	for _, f := range p.content.sorted() {
		if !slices.Contains(f.pubs, p) {
			continue
		}
		f.leave(p)
		calls.add(func() { m.ring(time.Time{}) }) // it may be idle now
		calls.drop(m, p.source, f.track)
		if len(f.pubs) == 0 {
			f.track.Detach()
			m.assign(f, calls)
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
	m.ended++
	m.uncount(c.last)
	if n := m.root.find(c.path); n != nil {
		n.remove(c)
		m.hush(n, c, calls)
	}
	why := moq.Errorf(moq.CodeDropped, "the publisher of %q vanished", c.path)
	if c.waiting {
		why = moq.Errorf(moq.CodeNotFound, "nobody publishes %q", c.path)
	}
	for _, f := range c.orphans() {
		f.forget(m)
		if !f.over() {
			calls.fail(f.track, why)
		}
	}
	m.changed(c.path, calls)
	m.root.prune(c.path)
}

// failFeeds ends every feed of the content with an error.
func (m *Mux) failFeeds(c *content, why *moq.Error, calls *calls) {
	for _, f := range c.sorted() {
		f.end(m, why, calls)
	}
}
