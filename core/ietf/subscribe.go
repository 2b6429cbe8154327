package ietf

import (
	"sync"
	"time"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
)

// A serving is a subscription of the peer.
type serving struct {
	c     *call
	eg    *dialect.Outgoing
	sub   moq.Subscription
	track *moq.TrackReader
	over  chan struct{} // closed when PUBLISH_DONE or an error was sent

	proposed *moq.Track // by PUBLISH

	settled chan struct{} // closed when it is accepted, or over
	once    sync.Once     // of settled
	largest bool          // it can be joined in drafts with JoinLargest

	// guarded by s.mu
	joined    moq.Location // the largest object that the peer was told of
	hasJoined bool
}

// subscribe serves a SUBSCRIBE until the peer withdraws it.
func (c *call) subscribe(m *subscribe) error {
	s := c.s
	v := c.serving
	defer v.delist()
	if !s.budget.Subscriptions.Take() {
		return moq.Errorf(moq.CodeTooMany, "more than %d subscriptions", s.cfg.Limits.Subscriptions)
	}
	defer s.budget.Subscriptions.Release()
	if !s.p.MultiSubscription && !c.claim(func(o *call) bool {
		return o.name == m.Name && (o.kind == kindSubscribe && !o.ours || o.kind == kindPublish && o.ours)
	}) {
		return refused(requestDuplicateSubscription, "there is a subscription of %q already", m.Name)
	}
	v.largest = !m.Params.Filter.has || m.Params.Filter.v.Type == filterLargestObject
	v.sub = m.Params.subscription(moq.Subscription{ // without a filter all objects are wanted
		From: moq.FromAbsolute, Priority: 255 - defaultPriority, Order: moq.Ascending, MaxLatency: patience,
	})
	v.eg = s.egress.Serve(c.id, dialect.Served{Accepted: v.accepted, Started: func(uint64) {}, Ended: v.ended})
	reader, err := v.read(m)
	if err != nil {
		return err
	}
	v.track = reader
	v.eg.Start(reader)
	defer v.eg.Close()
	err = c.wait(false, v.update)
	if isViolation(err) {
		return err
	}
	select {
	case <-v.over:
	default:
		if c.st != nil { // withdrawn by the peer
			c.withdraw(nil)
		}
	}
	return nil
}

// read subscribes in the home view. A broadcast that is not there yet is waited
// for as long as the peer says, within limits; where it says nothing, for as
// long as everybody waits.
func (v *serving) read(m *subscribe) (*moq.TrackReader, error) {
	s, now := v.c.s, time.Now()
	if t := m.Params.RendezvousTimeout; t.has {
		return s.home.SubscribeWithin(min(t.v, s.cfg.Limits.Rendezvous), m.Name, v.sub, now, v.eg.Wake)
	}
	return s.home.Subscribe(m.Name, v.sub, now, v.eg.Wake)
}

// delist makes a subscription unknown again, see enlist.
func (v *serving) delist() {
	v.settle()
	s := v.c.s
	s.mu.Lock()
	delete(s.served, v.c.id)
	s.mu.Unlock()
}

func (v *serving) settle() { v.once.Do(func() { close(v.settled) }) }

// tell notes which object is the largest that the peer is told of.
func (v *serving) tell(l moq.Location) {
	v.c.s.mu.Lock()
	v.joined, v.hasJoined = l, true
	v.c.s.mu.Unlock()
}

// update takes a REQUEST_UPDATE.
func (v *serving) update(m message) error {
	u, ok := m.(*requestUpdate)
	if !ok {
		return violated(CodeProtocolViolation, "%T on a SUBSCRIBE", m)
	}
	if err := u.Params.refuse(); err != nil {
		if gone := v.c.refuseUpdate(u, err); !isGone(gone) {
			return gone
		}
		v.eg.End(updateError{err})
		return nil
	}
	paused := v.sub.Paused
	v.sub = u.Params.subscription(v.sub)
	v.eg.Update(v.sub)
	if p := v.c.s.p; p.AnswersUpdates {
		ok := &requestOK{To: kindUpdate, RequestID: u.RequestID}
		if l, has := v.track.Track().Largest(); has && !v.sub.Paused {
			if paused {
				v.tell(l)
			}
			ok.Params.LargestObject = some(l)
		}
		v.c.send(ok)
	}
	return nil
}

// accepted is called by the runner when the track's info is known.
func (v *serving) accepted(info moq.TrackInfo, _ moq.Location, _ bool) {
	p := v.c.s.p
	m := &subscribeOK{RequestID: v.c.id, TrackAlias: v.c.id, Properties: info.Properties}
	m.Params.GroupOrder = some(info.Order)
	if l, ok := v.track.Track().Largest(); ok {
		v.tell(l)
		if !p.HideLargest {
			m.Params.LargestObject = some(l)
		}
	}
	v.c.send(m)
	v.settle()
}

// ended is called by the runner when everything has been sent.
func (v *serving) ended(err error) {
	p := v.c.s.p
	// First of all: it was not the peer who withdrew.
	v.c.finished.Store(true)
	close(v.over)
	v.settle()
	defer v.c.leave()
	if !v.eg.Accepted() {
		v.c.reject(errOr(err, moq.ErrNotFound))
		return
	}
	switch {
	case !p.SilentDone:
		v.c.send(&publishDone{RequestID: v.c.id, Status: p.doneCode(err), StreamCount: v.eg.Opened()})
		v.c.finish()
	case err == nil:
		v.c.finish()
	default:
		v.c.out.Reset(v.c.s.reset(err))
	}
	if v.c.st != nil { // a peer that has nothing to say either may not say so
		time.AfterFunc(v.c.s.cfg.Limits.HeaderTime, func() { v.c.st.CancelRead(v.c.s.reset(nil)) })
	}
}

func errOr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// trackStatus serves a TRACK_STATUS: what a subscription would be told.
func (c *call) trackStatus(m *trackStatus) error {
	s := c.s
	reader, err := s.home.Subscribe(m.Name, moq.Subscription{Paused: true}, time.Now(), nil)
	if err != nil {
		return err
	}
	defer reader.Close()
	ctx, cancel := s.timeout(s.ctx, s.cfg.RequestTimeout, "no info of the track in time")
	defer cancel()
	info, err := reader.WaitInfo(ctx)
	if err != nil {
		return err
	}
	info = s.told(info)
	ok := &requestOK{To: kindTrackStatus, RequestID: c.id, Properties: info.Properties}
	ok.Params.GroupOrder = some(info.Order)
	if l, has := reader.Track().Largest(); has {
		ok.Params.LargestObject = some(l)
	}
	c.send(ok)
	c.finish()
	return nil
}
