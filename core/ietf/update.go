package ietf

import "time"

// change tells the peer of a subscription that has changed. One update is
// unanswered at a time, and its answer comes back to this: subscribers who change
// their mind are no reason to flood the publisher.
func (in *incoming) change(want *parameters) error {
	s := in.s
	s.mu.Lock()
	updated := in.updated
	s.mu.Unlock()
	if updated {
		return nil
	}
	// A timeout that is not there any more stays what it was.
	object, subgroup := want.ObjectDeliveryTimeout.or(in.sent.ObjectDeliveryTimeout.v), want.SubgroupDeliveryTimeout.or(in.sent.SubgroupDeliveryTimeout.v)
	if want.SubscriberPriority == in.sent.SubscriberPriority && object == in.sent.ObjectDeliveryTimeout.v && subgroup == in.sent.SubgroupDeliveryTimeout.v {
		return nil
	}
	in.sent.SubscriberPriority = want.SubscriberPriority
	if want.ObjectDeliveryTimeout.has {
		in.sent.ObjectDeliveryTimeout = want.ObjectDeliveryTimeout
	}
	if want.SubgroupDeliveryTimeout.has {
		in.sent.SubgroupDeliveryTimeout = want.SubgroupDeliveryTimeout
	}
	return in.update()
}

// update tells the peer another priority or timeout, or that we are still there.
func (in *incoming) update() error {
	s := in.s
	s.drawing.Lock()
	defer s.drawing.Unlock()
	s.mu.Lock()
	start, id := in.start, s.nextID
	if !in.bound || s.p.MaxRequestID && id >= s.maxID {
		s.mu.Unlock()
		return nil // neither is worth waiting for
	}
	s.nextID += 2
	in.updated = s.p.AnswersUpdates && !s.p.ControlStream
	s.mu.Unlock()
	in.c.last.Store(id)
	m := &requestUpdate{Of: kindSubscribe, RequestID: id, ExistingID: in.c.id}
	m.Params.SubscriberPriority = in.sent.SubscriberPriority
	m.Params.ObjectDeliveryTimeout, m.Params.SubgroupDeliveryTimeout = in.sent.ObjectDeliveryTimeout, in.sent.SubgroupDeliveryTimeout
	if s.p.InlineFields {
		// Every field is there, and the start may not go back.
		if f := in.sent.Filter.v; f.Type != filterRelative {
			start = f.Start
		}
		m.Params.Filter, m.Params.Forward = some(locationFilter{Type: filterAbsoluteStart, Start: start}), some(true)
	}
	in.c.send(m)
	return nil
}

// updateAnswered looks at what has changed meanwhile.
func (in *incoming) updateAnswered() {
	s := in.s
	s.mu.Lock()
	updated := in.updated
	in.updated = false
	s.mu.Unlock()
	if updated {
		s.Want(in.track)
	}
}

// expires sees to it that a subscription with an end is renewed: an update does
// that in drafts where it is answered. 0: it has no end.
func (in *incoming) expires(after time.Duration) {
	s := in.s
	if after == 0 || !s.p.AnswersUpdates {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if in.over || s.closing {
		return
	}
	in.expiry = time.AfterFunc(max(after/2, minRenewal), func() {
		s.mu.Lock()
		in.renew = true
		s.mu.Unlock()
		s.Want(in.track)
		in.expires(after)
	})
}

// minRenewal is how often a subscription is renewed at most.
const minRenewal = 100 * time.Millisecond
