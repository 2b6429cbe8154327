package ietf

import (
	"maps"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
)

// An entry is a namespace of the peer that is published in the home view: by a
// PUBLISH_NAMESPACE, for the sake of the tracks that it has published, or both.
type entry struct {
	pub    *route.Publication
	by     *call                 // PUBLISH_NAMESPACE; nil: only its tracks are there
	route  route.Route           // hops and cost; with by
	tracks map[string]*moq.Track // by PUBLISH, replaced and never modified
}

// Track implements route.Source: a track that the peer has published is there
// already, others exist with us once wanted.
func (s *session) Track(name moq.FullTrackName) *moq.Track {
	rel, ok := s.home.Relative(name.Path)
	if !ok {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.imports[rel].tracks[name.Name]
}

// pushes reports whether the peer is about to bring a track without being
// asked. s.mu is held.
func (s *session) pushes(name moq.FullTrackName) bool {
	_, ok := s.pushing[name]
	return ok
}

// onlyTracks reports whether the peer has published tracks of a namespace, but
// not the namespace: others of it must not be asked for. s.mu is held.
func (s *session) onlyTracks(ns moq.Path) bool {
	e, ok := s.imports[ns]
	return ok && e.by == nil
}

// enter publishes a namespace of the peer in the home view. It replaces what
// an earlier request has entered; one that is repeated has another route.
func (s *session) enter(ns moq.Path, by *call, r route.Route) error {
	s.entering.Lock()
	defer s.entering.Unlock()
	s.mu.Lock()
	old := s.imports[ns]
	s.mu.Unlock()
	if old.pub != nil && old.by == by && s.p.Hops {
		e := old
		e.route = r
		s.mu.Lock()
		s.imports[ns] = e
		s.mu.Unlock()
		err := old.pub.Reroute(s.routeOf(ns, e))
		if err != nil { // the publication has ended
			s.remove(ns, old)
		}
		return err
	}
	if old.pub != nil {
		old.pub.End()
	}
	return s.put(ns, entry{by: by, route: r, tracks: old.tracks})
}

// routeOf returns the route of an entry.
func (s *session) routeOf(ns moq.Path, e entry) route.Route {
	r := e.route
	if e.by == nil { // nobody has said where the tracks came from
		if r = s.arrived(&parameters{}); s.p.Hops {
			r.Hops = []uint64{0, s.peerHop}
		}
	}
	r.Prefix, r.Tracks, r.Merge = e.by != nil, s.published(ns), !s.p.Broadcasts && !s.p.Hops
	return r
}

// put publishes e in the home view.
func (s *session) put(ns moq.Path, e entry) error {
	s.mu.Lock()
	s.imports[ns] = e // before it can be asked for
	s.mu.Unlock()
	pub, err := s.home.Publish(ns, s.routeOf(ns, e), s)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		delete(s.imports, ns)
		return err
	}
	e.pub = pub
	s.imports[ns] = e
	return nil
}

// published implements route.Route.Tracks for a namespace.
func (s *session) published(ns moq.Path) func() map[string]*moq.Track {
	return func() map[string]*moq.Track {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.imports[ns].tracks
	}
}

// withdrawn takes back what a PUBLISH_NAMESPACE has entered; tracks that were
// published stay.
func (s *session) withdrawn(ns moq.Path, by *call) {
	s.entering.Lock()
	defer s.entering.Unlock()
	s.mu.Lock()
	e := s.imports[ns]
	s.mu.Unlock()
	if e.pub != nil && e.by == by {
		s.remove(ns, e)
	}
}

// remove takes an entry back, but for the tracks that were published.
func (s *session) remove(ns moq.Path, e entry) {
	s.mu.Lock()
	delete(s.imports, ns)
	s.mu.Unlock()
	e.pub.End()
	if len(e.tracks) > 0 {
		_ = s.put(ns, entry{tracks: e.tracks})
	}
}

// publish serves a PUBLISH: the objects of a track come at once, whether
// somebody reads them or not.
func (c *call) publish(m *publish) error {
	s := c.s
	if !s.wantsTrack(m.Name) {
		return refused(requestUninterested, "nothing is published here")
	}
	if err := s.p.malformedTrack(m.Properties); err != nil {
		return err
	}
	if !s.budget.Announcements.Take() {
		return moq.Errorf(moq.CodeTooMany, "more than %d tracks", s.cfg.Limits.Announcements)
	}
	defer s.budget.Announcements.Release()
	in := &incoming{s: s, name: m.Name, c: c, streams: map[*uniStream]struct{}{}}
	info := s.p.info(m.Properties, &m.Params)
	if err := s.push(in, info); err != nil {
		return err
	}
	in.begins(m.Params.LargestObject)
	if err := in.bind(m.TrackAlias, info); err != nil {
		return err
	}
	ok := &requestOK{To: kindPublish, RequestID: c.id}
	ok.Params.Forward, ok.Params.SubscriberPriority = some(true), some(defaultPriority)
	ok.Params.GroupOrder, ok.Params.Filter = some(info.Order), some(locationFilter{Type: filterLargestObject})
	c.send(ok)
	in.expires(m.Params.Expires.v)
	err := c.wait(true, in.response)
	switch {
	case isViolation(err):
	case s.ctx.Err() != nil:
		return nil // teardown decides
	default:
		if done, _ := in.ended(); !done {
			s.endIncoming(in, moq.Errorf(moq.CodeDropped, "the publisher withdrew %q", m.Name))
		}
	}
	s.unoffer(m.Name, in.track)
	return err
}

// ended reports whether PUBLISH_DONE has come, and whether the subscription is
// over.
func (in *incoming) ended() (done, over bool) {
	in.s.mu.Lock()
	defer in.s.mu.Unlock()
	return in.done, in.over
}

// push enters a track that the peer has published. It is one that others have
// published too, where there is one.
func (s *session) push(in *incoming, info moq.TrackInfo) error {
	s.entering.Lock()
	defer s.entering.Unlock()
	ns, name := in.name.Path, in.name.Name
	s.mu.Lock()
	e, had := s.imports[ns]
	if e.tracks[name] != nil {
		s.mu.Unlock()
		return refused(requestDuplicateSubscription, "%q is published already", in.name)
	}
	s.pushing[in.name] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.pushing, in.name)
		s.mu.Unlock()
	}()
	if !had {
		if err := s.put(ns, e); err != nil {
			return err
		}
	}
	s.mu.Lock()
	e = s.imports[ns]
	s.mu.Unlock()
	in.track = e.pub.Push(moq.FullTrackName{Path: s.home.Root().Join(ns), Name: name})
	if in.track == nil {
		return moq.ErrDropped
	}
	if _, known := in.track.Info(); !known {
		in.track.SetInfo(info) // before it can be found: who is offered it looks once
	}
	s.mu.Lock()
	tracks := maps.Clone(e.tracks)
	if tracks == nil {
		tracks = map[string]*moq.Track{}
	}
	tracks[name] = in.track
	e.tracks = tracks
	s.imports[ns] = e
	s.byTrack[in.track] = in
	s.mu.Unlock()
	e.pub.TracksChanged()
	return nil
}

// unoffer takes it back. The namespace goes with its last track, unless it was
// published itself.
func (s *session) unoffer(name moq.FullTrackName, t *moq.Track) {
	s.entering.Lock()
	defer s.entering.Unlock()
	s.mu.Lock()
	e := s.imports[name.Path]
	if e.tracks[name.Name] != t {
		s.mu.Unlock()
		return
	}
	e.tracks = maps.Clone(e.tracks)
	delete(e.tracks, name.Name)
	gone := len(e.tracks) == 0 && e.by == nil
	if gone {
		delete(s.imports, name.Path)
	} else {
		s.imports[name.Path] = e
	}
	s.mu.Unlock()
	switch {
	case e.pub == nil:
	case gone:
		e.pub.End()
	default:
		e.pub.TracksChanged()
	}
}
