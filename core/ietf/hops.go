package ietf

import (
	"errors"
	"slices"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
	"github.com/moqtgo/moqt/core/wire"
)

// No draft has hops. Where both sides have sent RELAY_HOPS, announcements say
// which nodes they have passed, as moq-dev's cluster extension has it; see
// Profile.Hops.

// maxHops is how long a HOP_PATH may be.
const maxHops = 32

// linkCost is the cost of what a peer sends that names none.
const linkCost = 1

// hop returns the id with which we offer RELAY_HOPS; 0: we do not. A client that
// is no relay does not: its publications count as those of others under the same
// name do, see route.Route.Merge.
func (pd *pending) hop(home *route.View) uint64 {
	switch {
	case pd.role == dialect.Client && !pd.cfg.Import:
		return 0
	case pd.cfg.Hop != 0:
		return pd.cfg.Hop
	}
	return home.Mux().Hop()
}

// negotiate settles what the set-ups of both sides have agreed on.
func (pd *pending) negotiate(s *session) {
	s.p = pd.p.towards(pd.peer.Implementation)
	s.maxID = pd.peer.MaxRequestID
	named := s.hop != 0 && pd.peer.RelayHops.has
	if s.home.SetRelation(pd.relation(), named); !named {
		return
	}
	row := *s.p
	row.Hops = true
	s.p, s.peerHop, s.cost = &row, pd.peer.RelayHops.v, pd.peer.RelayCost.or(linkCost)
	s.home.SetHop(s.peerHop)
}

// arrived returns the route of an announcement of the peer.
func (s *session) arrived(m *parameters) route.Route {
	if !s.p.Hops {
		return route.Route{Hops: []uint64{0}, Cost: linkCost}
	}
	cost := m.RouteCost.v + s.cost
	if cost < s.cost {
		cost = 1<<64 - 1 // it saturates
	}
	return route.Route{Hops: m.HopPath, Cost: cost}
}

// departs returns what the peer is told of the route of an announcement. An id
// that the draft cannot write, or that a careless node has entered twice, is an
// unknown one.
func (s *session) departs(a route.Announcement) (m parameters) {
	if !s.p.Hops {
		return m
	}
	for _, hop := range append(slices.Clip(a.Hops), s.hop) {
		if hop > s.p.Varint.Max() || slices.Contains(m.HopPath, hop) {
			hop = 0
		}
		m.HopPath = append(m.HopPath, hop)
	}
	if a.Cost > 0 {
		m.RouteCost = some(min(a.Cost, s.p.Varint.Max()))
	}
	return m
}

// readHop reads the value of RELAY_HOPS.
func readHop(r *wire.Reader, p *Profile, value []byte) uint64 {
	inner := wire.NewReader(p.Varint, value)
	hop := inner.Varint()
	closeInner(r, &inner)
	return hop
}

// readHopPath reads the value of a HOP_PATH.
func readHopPath(r *wire.Reader, p *Profile) (hops []uint64) {
	inner := wire.NewReader(p.Varint, r.Bytes(maxValue))
	for inner.Len() > 0 && inner.Err() == nil {
		hop := inner.Varint()
		switch {
		case inner.Err() != nil:
		case len(hops) == maxHops:
			inner.Fail(invalid("a path of more than %d hops", maxHops))
		case hop != 0 && slices.Contains(hops, hop):
			inner.Fail(invalid("hop %d is there twice", hop))
		}
		hops = append(hops, hop)
	}
	closeInner(r, &inner)
	if len(hops) == 0 && r.Err() == nil {
		r.Fail(invalid("a path without hops"))
	}
	return hops
}

func appendHopPath(p *Profile, hops []uint64) (b []byte) {
	for _, hop := range hops {
		b = p.Varint.Append(b, hop)
	}
	return b
}

// needHops fails an announcement that does not say where it has been.
func (m *parameters) needHops(r *wire.Reader, p *Profile) {
	if p.Hops && m.HopPath == nil && r.Err() == nil {
		r.Fail(invalid("an announcement without HOP_PATH"))
	}
}

// again serves a PUBLISH_NAMESPACE that repeats the one of the request: it has
// another route.
func (c *call) again(m *publishNamespace) error {
	if !c.s.p.Hops || m.RequestID != c.id || m.Namespace != c.name.Path {
		return violated(CodeProtocolViolation, "request %d offers another namespace", c.id)
	}
	if !c.s.intake.Pace(c.s.ctx) {
		return errGone
	}
	return nil
}

// repeats returns the request of the peer that a PUBLISH_NAMESPACE repeats on a
// control stream. nil and true: it has ended meanwhile.
func (c *control) repeats(m message) (to *call, again bool) {
	pn, is := m.(*publishNamespace)
	if s := c.s; is && s.p.Hops {
		s.mu.Lock()
		defer s.mu.Unlock()
		_, ahead := s.peerIDs[pn.RequestID]
		_, late := s.skipped[pn.RequestID]
		again = pn.RequestID%2 == s.peerNext%2 && (pn.RequestID < s.peerNext && !late || ahead)
		to = s.calls[pn.RequestID]
	}
	return to, again
}

// repeat gives it to the request. It waits until that has taken what came before.
func (c *control) repeat(to *call, m message) error {
	switch {
	case to == nil:
		return nil
	case to.kind != kindPublishNamespace || to.inbox == nil:
		return violated(CodeProtocolViolation, "PUBLISH_NAMESPACE repeats request %d, which is another one", to.id)
	}
	select {
	case to.inbox <- m:
	case <-to.gone:
	case <-c.s.ctx.Done():
	}
	return nil
}

// looped reports whether an announcement was refused because of the nodes that
// it has passed. Where announcements are repeated it may yet come another way.
func (s *session) looped(err error) bool {
	return s.p.Hops && errors.Is(err, moq.ErrDuplicate)
}
