package route

import (
	"cmp"
	"slices"
)

// A history is what a path remembers of its contents while it has any.
type history struct {
	since   map[uint64]uint64 // when each came first, by its id
	returns int               // how often relays have told of one again
}

// Limits of a history.
const (
	maxKnown   = 64
	maxReturns = 32
)

// outranks reports whether c is what the path means rather than d: what came from
// nearer, see Relation and yields, then what is newer. What other relays tell of again is no
// newer for that. But what is newer to one is older to another, so relays in a
// ring could go on changing each other's minds for ever: where contents keep
// coming back, the relays agree by their ids instead.
func (n *node) outranks(c, d *content) bool {
	if c.relation != d.relation {
		return c.relation < d.relation
	}
	if d.yields(c) || c.yields(d) {
		return d.yields(c)
	}
	if n.history.returns < maxReturns {
		return c.since > d.since
	}
	order := cmp.Compare(c.id, d.id)
	if order == 0 && len(c.pubs) > 0 && len(d.pubs) > 0 { // unknown
		order = d.pubs[0].compare(c.pubs[0])
	}
	return cmp.Or(order, cmp.Compare(c.since, d.since)) > 0
}

// place says what c counts as whose first publication p is.
func (n *node) place(c *content, p *Publication) {
	h := &n.history
	switch hops := p.way(); len(hops) {
	case 0:
		c.id = p.mux.conf.Hop
	default:
		c.id = hops[0]
		if since, known := h.since[c.id]; len(hops) > 1 && (known || c.id == 0) {
			if h.returns++; known {
				c.since = since
			}
		}
	}
	if c.id == 0 {
		return
	}
	if h.since == nil || len(h.since) >= maxKnown {
		h.since = map[uint64]uint64{}
	}
	h.since[c.id] = c.since
}

func (n *node) remove(c *content) {
	n.contents = slices.DeleteFunc(n.contents, func(d *content) bool { return d == c })
	if len(n.contents) == 0 {
		n.history = history{}
	}
}
