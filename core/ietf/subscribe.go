package ietf

import (
	"time"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
)

// A serving is a subscription of the peer.
type serving struct {
	c     *call
	eg    *dialect.Outgoing
	alias uint64
	sub   moq.Subscription
	track *moq.TrackReader
	over  chan struct{} // closed when PUBLISH_DONE or an error was sent
}

// subscribe serves a SUBSCRIBE until the peer withdraws it.
func (c *call) subscribe(m *subscribe) error {
	s := c.s
	if len(m.Params.RangeFilters) > 0 {
		return refused(requestInvalidFilter, "range filters are not supported")
	}
	if !s.budget.Subscriptions.Take() {
		return moq.Errorf(moq.CodeTooMany, "more than %d subscriptions", s.cfg.Limits.Subscriptions)
	}
	defer s.budget.Subscriptions.Release()
	v := &serving{c: c, over: make(chan struct{})}
	v.sub = m.Params.subscription(moq.Subscription{
		Priority: 255 - defaultPriority, Order: moq.Ascending, MaxLatency: patience,
	})
	s.mu.Lock()
	v.alias = s.nextAlias
	s.nextAlias++
	s.mu.Unlock()
	v.eg = s.egress.Serve(v.alias, dialect.Served{Accepted: v.accepted, Started: func(uint64) {}, Ended: v.ended})
	reader, err := s.home.Subscribe(m.Name, v.sub, time.Now(), v.eg.Wake)
	if err != nil {
		return err
	}
	v.track = reader
	s.mu.Lock()
	s.served[c.id] = v
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.served, c.id)
		s.mu.Unlock()
	}()
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

// update takes a REQUEST_UPDATE.
func (v *serving) update(m message) error {
	u, ok := m.(*requestUpdate)
	if !ok {
		return violated(CodeProtocolViolation, "%T on a SUBSCRIBE", m)
	}
	v.sub = u.Params.subscription(v.sub)
	v.eg.Update(v.sub)
	if p := v.c.s.p; p.AnswersUpdates {
		ok := &requestOK{To: kindUpdate, RequestID: u.RequestID}
		if l, has := v.track.Track().Largest(); has && !v.sub.Paused {
			ok.Params.LargestObject = some(l)
		}
		v.c.send(ok)
	}
	return nil
}

// accepted is called by the runner when the track's info is known.
func (v *serving) accepted(info moq.TrackInfo, _ moq.Location, _ bool) {
	p := v.c.s.p
	m := &subscribeOK{RequestID: v.c.id, TrackAlias: v.alias, Properties: p.properties(info)}
	m.Params.GroupOrder = some(info.Order)
	if l, ok := v.track.Track().Largest(); ok && !p.HideLargest {
		m.Params.LargestObject = some(l)
	}
	v.c.send(m)
}

// ended is called by the runner when everything has been sent.
func (v *serving) ended(err error) {
	p := v.c.s.p
	defer close(v.over)
	if !v.eg.Accepted() {
		v.c.reject(errOr(err, moq.ErrNotFound))
		v.c.leave()
		return
	}
	v.c.send(&publishDone{RequestID: v.c.id, Status: p.doneCode(err), StreamCount: v.eg.Opened()})
	v.c.finish()
	v.c.leave()
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
	info, err := reader.Track().WaitInfo(ctx)
	if err != nil {
		return err
	}
	ok := &requestOK{To: kindTrackStatus, RequestID: c.id, Properties: s.p.properties(info)}
	ok.Params.GroupOrder = some(info.Order)
	if l, has := reader.Track().Largest(); has {
		ok.Params.LargestObject = some(l)
	}
	c.send(ok)
	c.finish()
	return nil
}
