package ietf

import (
	"context"
	"slices"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
)

// An interest is what the peer wants to be told of below a prefix.
type interest struct {
	kind      requestKind
	prefix    moq.Path
	names     bool       // namespaces
	tracks    bool       // PUBLISH of the tracks that are known
	published parameters // with which those are subscribed to
}

// subscribeNamespace serves a SUBSCRIBE_NAMESPACE.
func (c *call) subscribeNamespace(m *subscribeNamespace) error {
	i := interest{kind: kindSubscribeNamespace, prefix: m.Prefix, published: m.Params}
	switch p := c.s.p; {
	case p.NamespaceOptions:
		i.names, i.tracks = m.Options != wantPublish, m.Options != wantNamespace
	default:
		i.names, i.tracks = true, !p.SubscribeTracks
	}
	return c.watch(i)
}

// subscribeTracks serves a SUBSCRIBE_TRACKS.
func (c *call) subscribeTracks(m *subscribeTracks) error {
	return c.watch(interest{kind: kindSubscribeTracks, prefix: m.Prefix, tracks: true, published: m.Params})
}

// watch tells the peer of what there is below a prefix, until it withdraws.
func (c *call) watch(i interest) error {
	s := c.s
	if !s.budget.Watches.Take() {
		return moq.Errorf(moq.CodeTooMany, "more than %d namespace subscriptions", s.cfg.Limits.Watches)
	}
	defer s.budget.Watches.Release()
	if !c.claim(func(o *call) bool {
		return !o.ours && o.kind == i.kind && overlap(o.name.Path, i.prefix)
	}) {
		return refused(requestPrefixOverlap, "there is a subscription of an overlapping prefix")
	}
	wake, woken := waker()
	var told, names *route.AnnounceReader // by messages, by requests
	var tracks *route.OfferReader
	var err error
	switch {
	case i.names && s.p.NamespaceMessages:
		if told, err = s.home.Watch(i.prefix, 0, c.out.Wake); err != nil {
			return err
		}
		defer told.Close()
	case i.names:
		if names, err = s.home.Watch(i.prefix, 0, woken); err != nil {
			return err
		}
		defer names.Close()
	}
	if i.tracks {
		if tracks, err = s.home.WatchTracks(i.prefix, woken); err != nil {
			return err
		}
		defer tracks.Close()
	}
	c.send(&requestOK{To: i.kind, RequestID: c.id})
	if told != nil {
		c.out.Ask(func() []byte { return c.tell(i.prefix, told.Drain(64)) }, s.cfg.Limits.AnnounceLull)
	}
	ctx, cancel := context.WithCancel(s.ctx)
	telling := dialect.NewGroup()
	if names != nil || tracks != nil {
		telling.Go(func() { c.offer(ctx, i, names, tracks, wake) })
	}
	err = c.wait(s.p.FinCancelsNamespace, func(m message) error {
		if u, ok := m.(*requestUpdate); ok && s.p.AnswersUpdates {
			return c.refuseUpdate(u, refused(requestNotSupported, "the prefix cannot be changed"))
		}
		return violated(CodeProtocolViolation, "%T of a subscription of a prefix", m)
	})
	cancel()
	telling.Close()
	telling.Wait()
	c.finish()
	if isGone(err) {
		err = nil
	}
	return err
}

// offer makes requests of what there is below a prefix: PUBLISH_NAMESPACE of
// names, and PUBLISH of tracks; either may be nil.
func (c *call) offer(ctx context.Context, i interest, names *route.AnnounceReader, tracks *route.OfferReader, wake <-chan struct{}) {
	e := &exported{s: c.s, live: map[moq.Path]*offer{}}
	defer e.withdraw()
	o := &offered{s: c.s, c: c, ctx: ctx, i: i, next: map[moq.FullTrackName]*moq.Track{}}
	c.s.heed(ctx, wake, func() (more, ok bool) {
		if names != nil {
			if more, ok = e.drain(names); more || !ok {
				return more, ok
			}
		}
		if tracks != nil { // namespaces first
			for _, offer := range tracks.Drain(64) {
				more = true
				o.take(offer)
			}
		}
		return more, true
	})
}

// overlap reports whether one of two prefixes is below the other.
func overlap(a, b moq.Path) bool {
	_, ab := a.Under(b)
	_, ba := b.Under(a)
	return ab || ba
}

// claim waits until no request that inTheWay knows claims the same as c: the
// withdrawal of the one before may still be on its way. It returns false when
// that takes too long.
func (c *call) claim(inTheWay func(*call) bool) bool {
	s := c.s
	ctx, cancel := context.WithTimeout(s.ctx, s.cfg.Limits.ParkTime)
	defer cancel()
	for {
		s.mu.Lock()
		free := true
		for _, o := range s.calls {
			if o != c && o.claimed && !o.left() && inTheWay(o) {
				free = false
				break
			}
		}
		if free {
			c.claimed = true
			s.mu.Unlock()
			return true
		}
		if s.freed == nil {
			s.freed = make(chan struct{})
		}
		freed := s.freed
		s.mu.Unlock()
		select {
		case <-freed:
		case <-c.gone:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// left reports whether the peer has withdrawn the request, or has been told
// that it is over.
func (c *call) left() bool {
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}

// SubscribeTracks implements dialect.Peer.
func (s *session) SubscribeTracks(ctx context.Context, prefix moq.Path) error {
	kind := kindSubscribeTracks
	if !s.p.SubscribeTracks {
		kind = kindSubscribeNamespace
	}
	a := &asked{prefix: prefix}
	s.mu.Lock()
	s.tracks = append(s.tracks, a)
	s.mu.Unlock()
	forget := func() {
		s.mu.Lock()
		s.tracks = slices.DeleteFunc(s.tracks, func(b *asked) bool { return a == b })
		s.mu.Unlock()
	}
	c, err := s.open(kind, func(c *call) message {
		if s.p.SubscribeTracks {
			return &subscribeTracks{RequestID: c.id, Prefix: prefix}
		}
		return &subscribeNamespace{RequestID: c.id, Prefix: prefix, Options: wantPublish}
	})
	if err != nil {
		forget()
		return s.fromWire(err)
	}
	stop := context.AfterFunc(ctx, c.abandon)
	withdraw := func() {
		stop()
		forget()
		c.withdraw(&unsubscribeNamespace{Prefix: prefix})
	}
	if _, err := c.answer(); err != nil {
		withdraw()
		if isViolation(err) {
			s.Close(err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return s.fromWire(err)
	}
	s.group.Go(func() {
		defer withdraw()
		err := c.wait(true, func(m message) error {
			switch m.(type) {
			case *publishSkipped, *namespace, *namespaceDone: // tracks tell of themselves
				return nil
			}
			return violated(CodeProtocolViolation, "%T of a subscription of a prefix", m)
		})
		if isViolation(err) {
			s.Close(err)
		}
	})
	return nil
}

// wantsTrack reports whether a PUBLISH of the track is welcome.
func (s *session) wantsTrack(name moq.FullTrackName) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cfg.Import || slices.ContainsFunc(s.tracks, func(a *asked) bool {
		_, below := name.Path.Under(a.prefix)
		return below
	})
}
