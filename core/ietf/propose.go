package ietf

import (
	"context"
	"sync"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
)

// Publish implements dialect.Peer.
func (s *session) Publish(ctx context.Context, name moq.FullTrackName, t *moq.Track) error {
	rel, ok := s.home.Relative(name.Path)
	if !ok {
		return moq.Errorf(moq.CodeNotFound, "%q is no name of this session", name)
	}
	name.Path = rel
	if _, err := s.waitInfo(ctx, t); err != nil {
		return err
	}
	v, err := s.propose(name, t, &parameters{})
	if err != nil {
		return s.fromWire(err)
	}
	stop := context.AfterFunc(ctx, v.c.abandon)
	err = v.accepting()
	if !stop() && err != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return s.fromWire(err)
	}
	s.group.Go(func() { v.stay(ctx) })
	return nil
}

func (s *session) waitInfo(ctx context.Context, t *moq.Track) (moq.TrackInfo, error) {
	ctx, cancel := s.timeout(ctx, s.cfg.RequestTimeout, "no info of the track in time")
	defer cancel()
	return t.WaitInfo(ctx)
}

// propose sends a PUBLISH of a track whose info is known. asked is what the
// peer has said of such tracks before.
func (s *session) propose(name moq.FullTrackName, t *moq.Track, asked *parameters) (*serving, error) {
	info, _ := t.Info()
	info = s.told(info)
	v := &serving{settled: make(chan struct{}), over: make(chan struct{}), proposed: t}
	v.sub = asked.subscription(moq.Subscription{
		Priority: 255 - defaultPriority, Order: info.Order, MaxLatency: patience,
	})
	if !s.budget.Subscriptions.Take() {
		return nil, moq.Errorf(moq.CodeTooMany, "more than %d subscriptions", s.cfg.Limits.Subscriptions)
	}
	_, err := s.open(kindPublish, func(c *call) message {
		v.c, c.serving = c, v
		m := &publish{RequestID: c.id, TrackAlias: c.id, Name: name, Properties: info.Properties}
		m.Params.Forward, m.Params.GroupOrder = some(!v.sub.Paused), asked.GroupOrder
		if s.p.InlineFields {
			m.Params.GroupOrder = some(info.Order)
		}
		if l, ok := t.Largest(); ok {
			m.Params.LargestObject = some(l)
			v.tell(l)
		}
		s.mu.Lock()
		c.name, c.claimed = name, true
		s.enlist(c)
		s.mu.Unlock()
		return m
	})
	if err != nil {
		s.budget.Subscriptions.Release()
		return nil, err
	}
	return v, nil
}

// enlist makes a subscription of the peer known: it may be joined. s.mu is
// held.
func (s *session) enlist(c *call) {
	s.served[c.id] = c.serving
	close(s.subscribed)
	s.subscribed = make(chan struct{})
}

// dismiss forgets a PUBLISH that is over.
func (v *serving) dismiss() {
	v.delist()
	v.c.s.budget.Subscriptions.Release()
}

// accepting waits for the answer to a PUBLISH and begins to serve the
// subscription that it makes. No object is sent before: which ones are wanted
// is not known.
func (v *serving) accepting() error {
	c := v.c
	s := c.s
	m, err := c.answer()
	ok, is := m.(*requestOK)
	switch {
	case err != nil:
	case !is:
		err = violated(CodeProtocolViolation, "%T answers PUBLISH", m)
	case len(ok.Params.RangeFilters) > 0:
		err = violated(CodeProtocolViolation, "PUBLISH_OK with range filters: none are allowed")
	}
	if err != nil {
		v.dismiss()
		c.leave()
		c.withdraw(&publishDone{RequestID: c.id, Status: s.p.doneNumber(doneSubscriptionEnded)})
		if isViolation(err) {
			s.Close(err)
		}
		return err
	}
	if s.p.params[paramForward]&inPublishOK != 0 {
		v.sub.Paused = false // the default of an answer that may say otherwise
	}
	v.sub = ok.Params.subscription(v.sub)
	v.largest = !ok.Params.Filter.has || ok.Params.Filter.v.Type == filterLargestObject
	v.eg = s.egress.Serve(v.c.id, dialect.Served{
		Accepted: func(moq.TrackInfo, moq.Location, bool) { v.settle() }, Started: func(uint64) {}, Ended: v.ended,
	})
	v.track = v.proposed.Subscribe(v.sub, v.eg.Wake)
	v.eg.Start(v.track)
	return nil
}

// stay serves a PUBLISH that was accepted until the peer withdraws, the track
// ends or ctx does.
func (v *serving) stay(ctx context.Context) {
	c := v.c
	defer v.dismiss()
	defer v.eg.Close()
	defer context.AfterFunc(ctx, func() { v.eg.End(moq.ErrCanceled) })()
	if c.st != nil { // STOP_SENDING withdraws the subscription
		defer context.AfterFunc(c.st.Context(), func() {
			if !c.finished.Load() {
				c.abandon()
			}
		})()
	}
	err := c.wait(false, v.update)
	if isViolation(err) {
		c.s.Close(err)
	}
	c.forget()
	select {
	case <-v.over:
	default:
		c.withdraw(nil)
	}
}

// Offered is what a peer was offered by PUBLISH because of one interest.
type offered struct {
	s   *session
	c   *call
	ctx context.Context // of the interest
	i   interest

	mu   sync.Mutex
	next map[moq.FullTrackName]*moq.Track // of the names that are published now: what waits
}

// take makes a PUBLISH of a track. One that has the name of another which still
// lasts waits for its end.
func (o *offered) take(offer route.Offer) {
	o.mu.Lock()
	waiting, live := o.next[offer.Name]
	switch {
	case offer.Change == route.Active && live:
		o.next[offer.Name] = offer.Track
	case offer.Change == route.Active:
		o.next[offer.Name] = nil
	case live && waiting == offer.Track:
		o.next[offer.Name] = nil
	}
	o.mu.Unlock()
	if offer.Change == route.Active && !live {
		o.publish(offer.Name, offer.Track)
	}
}

// publish offers a track and serves it, then what waits for the name.
func (o *offered) publish(name moq.FullTrackName, t *moq.Track) {
	v := o.propose(name, t)
	started := v != nil && o.s.group.Go(func() {
		if v.accepting() == nil {
			v.stay(o.s.ctx)
		}
		o.over(name)
	})
	if !started {
		o.over(name)
	}
}

// propose sends the PUBLISH, or says that there is none.
func (o *offered) propose(name moq.FullTrackName, t *moq.Track) *serving {
	s := o.s
	if s.p.reserved(name.Path) {
		return nil
	}
	short := false
	if _, known := t.Info(); known && !s.subscribes(name) {
		v, err := s.propose(name, t, &o.i.published)
		if err == nil {
			return v
		}
		short = true
	}
	if s.p.SkipsAny || s.p.SubscribeTracks && short {
		suffix, _ := name.Path.Under(o.i.prefix)
		o.c.send(&publishSkipped{Suffix: suffix, Name: name.Name})
	}
	return nil
}

// over publishes what has waited for a name.
func (o *offered) over(name moq.FullTrackName) {
	o.mu.Lock()
	t := o.next[name]
	if t == nil || o.ctx.Err() != nil {
		t = nil
		delete(o.next, name)
	} else {
		o.next[name] = nil
	}
	o.mu.Unlock()
	if t != nil {
		o.publish(name, t)
	}
}

// subscribes reports whether the peer has a subscription of the track.
func (s *session) subscribes(name moq.FullTrackName) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.served {
		if v.c.name == name && !v.c.left() {
			return true
		}
	}
	return false
}
