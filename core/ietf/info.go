package ietf

import (
	"math"
	"time"

	"github.com/moqtgo/moqt/core/moq"
)

// told returns what the peer is told of a track.
func (s *session) told(info moq.TrackInfo) moq.TrackInfo {
	info, lost, _ := moq.Sent(s.p.Carriage()).Track(info)
	s.home.Mux().Lost().Count(lost)
	return info
}

// info returns what properties and parameters say of a track.
func (p *Profile) info(props []moq.Property, params *parameters) moq.TrackInfo {
	info := moq.TrackInfo{Properties: props, Priority: 255 - defaultPriority, Order: moq.Ascending}
	if info.Properties == nil && p.TrackProperties {
		info.Properties = []moq.Property{} // there are none: that is what is passed on
	}
	if x, ok := lookup(props, propPublisherPriority); ok {
		info.Priority = 255 - uint8(min(x, 255))
	}
	if x, ok := lookup(props, propGroupOrder); ok && x == orderDescending || params.GroupOrder.has && params.GroupOrder.v == moq.Descending {
		info.Order = moq.Descending
	}
	if x, ok := lookup(props, propMaxCacheDuration); ok {
		info.MaxAge = duration(x)
	}
	if x, ok := lookup(props, propTimescale); ok {
		info.Timescale = x
	}
	if x, ok := lookup(props, propObjectTimeout); ok {
		info.ObjectTimeout = duration(x)
	}
	if x, ok := lookup(props, propSubgroupTimeout); ok {
		info.SubgroupTimeout = duration(x)
	}
	return info
}

// patience is how long a late group is still sent to a subscriber that states
// no longer delivery timeout: the drafts have no such limit, and no queue is
// endless.
const patience = 10 * time.Second

// subscription returns what a subscriber asks for; an absent value is taken
// from what it has asked for before.
func (m *parameters) subscription(s moq.Subscription) moq.Subscription {
	if m.SubscriberPriority.has {
		s.Priority = 255 - m.SubscriberPriority.v
	}
	if m.GroupOrder.has {
		s.Order = m.GroupOrder.v
	}
	if m.Forward.has {
		s.Paused = !m.Forward.v
	}
	s.ObjectTimeout = m.ObjectDeliveryTimeout.or(s.ObjectTimeout)
	s.SubgroupTimeout = m.SubgroupDeliveryTimeout.or(s.SubgroupTimeout)
	s.MaxLatency = max(s.MaxLatency, s.ObjectTimeout, s.SubgroupTimeout)
	if !m.Filter.has {
		return s
	}
	f := m.Filter.v
	s.Ends = false
	switch f.Type {
	case filterNextGroup:
		s.From = moq.FromNext
	case filterAbsoluteStart, filterAbsoluteRange:
		s.From, s.Start = moq.FromAbsolute, f.Start
	default:
		// The current group is replayed from its first object: a subscriber of
		// the largest one gets more than it must, and never half a group.
		s.From = moq.FromLatest
	}
	if f.Type == filterAbsoluteRange {
		s.Ends, s.End = true, moq.Location{Group: f.EndGroup, Object: f.EndObject.or(math.MaxUint64)}
	}
	return s
}

// parametersOf returns what we ask for.
func parametersOf(p *Profile, d moq.Demand) parameters {
	m := parameters{
		SubscriberPriority: some(255 - d.Priority),
		GroupOrder:         some(d.Order),
		Forward:            some(true),
		// The current group from its first object, where a draft can say so;
		// otherwise the largest object, which relays take for that.
		Filter: some(locationFilter{Type: filterRelative, Groups: 1}),
	}
	if d.ObjectTimeout > 0 {
		m.ObjectDeliveryTimeout = some(d.ObjectTimeout)
	}
	if d.SubgroupTimeout > 0 {
		m.SubgroupDeliveryTimeout = some(d.SubgroupTimeout)
	}
	asks := m.ObjectDeliveryTimeout.has || m.SubgroupDeliveryTimeout.has
	if !asks && d.MaxLatency > 0 && d.MaxLatency != patience { // the publisher decides where nobody asks
		if p.params[paramSubgroupDeliveryTimeout] != 0 {
			m.SubgroupDeliveryTimeout = some(d.MaxLatency)
		} else {
			m.ObjectDeliveryTimeout = some(d.MaxLatency)
		}
	}
	if d.From == moq.FromAbsolute {
		m.Filter.v = locationFilter{Type: filterAbsoluteStart, Start: d.Start}
		if d.Ends {
			m.Filter.v.Type, m.Filter.v.EndGroup = filterAbsoluteRange, d.End.Group
		}
	}
	return m
}
