package ietf

import (
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
)

// defaultPriority is that of subscribers and of publishers that name none.
const defaultPriority uint8 = 128

// A subscribe asks for the objects of a track from now on.
type subscribe struct {
	RequestID uint64
	Name      moq.FullTrackName
	Params    parameters
}

func (m *subscribe) append(b []byte, p *Profile) []byte {
	b, start := begin(b, p, typeSubscribe)
	b = p.Varint.Append(b, m.RequestID)
	b = appendTrackName(b, p, m.Name)
	b = appendSubscription(b, p, &m.Params)
	b = m.Params.append(b, p, inSubscribe)
	return end(b, start)
}

func (m *subscribe) read(r *wire.Reader, p *Profile) {
	m.RequestID = r.Varint()
	m.Name = readTrackName(r, p)
	readSubscription(r, p, &m.Params, inSubscribe)
}

// A trackStatus asks what a subscribe would be told. Its answer is a requestOK.
type trackStatus struct {
	RequestID uint64
	Name      moq.FullTrackName
	Params    parameters
}

func (m *trackStatus) append(b []byte, p *Profile) []byte {
	b, start := begin(b, p, typeTrackStatus)
	b = p.Varint.Append(b, m.RequestID)
	b = appendTrackName(b, p, m.Name)
	b = appendSubscription(b, p, &m.Params)
	b = m.Params.append(b, p, inTrackStatus)
	return end(b, start)
}

func (m *trackStatus) read(r *wire.Reader, p *Profile) {
	m.RequestID = r.Varint()
	m.Name = readTrackName(r, p)
	readSubscription(r, p, &m.Params, inTrackStatus)
}

// appendSubscription appends the fixed fields of a subscription.
func appendSubscription(b []byte, p *Profile, params *parameters) []byte {
	if !p.InlineFields {
		return b
	}
	b = append(b, params.SubscriberPriority.or(defaultPriority))
	if params.GroupOrder.has {
		b = append(b, byte(orderNumber(params.GroupOrder.v)))
	} else {
		b = append(b, 0) // the publisher's
	}
	b = appendBool(b, params.Forward.or(true))
	return appendInlineFilter(b, p, params.Filter)
}

// readSubscription reads the fixed fields of a subscription and its parameters.
func readSubscription(r *wire.Reader, p *Profile, params *parameters, s scope) {
	if !p.InlineFields {
		params.read(r, p, s)
		return
	}
	priority := r.Byte()
	order := readInlineOrder(r, true)
	forward := r.Bool()
	filter := readInlineFilter(r, p)
	params.read(r, p, s)
	params.SubscriberPriority, params.GroupOrder = some(priority), order
	params.Forward, params.Filter = some(forward), some(filter)
}

func appendInlineFilter(b []byte, p *Profile, f optional[locationFilter]) []byte {
	return f.v.append(b, p) // the zero filter is none
}

func readInlineFilter(r *wire.Reader, p *Profile) (f locationFilter) {
	f.read(r, p)
	return f
}

// readInlineOrder reads a group order; 0, where it is allowed, is none.
func readInlineOrder(r *wire.Reader, zero bool) optional[moq.Order] {
	n := r.Byte()
	if n == 0 && zero || r.Err() != nil {
		return optional[moq.Order]{}
	}
	return some(orderOf(r, uint64(n)))
}

// A subscribeOK accepts a subscribe.
type subscribeOK struct {
	RequestID  uint64 // with ResponseIDs
	TrackAlias uint64
	Params     parameters
	Properties []moq.Property // of the track
}

func (m *subscribeOK) append(b []byte, p *Profile) []byte {
	b, start := begin(b, p, typeSubscribeOK)
	if p.ResponseIDs {
		b = p.Varint.Append(b, m.RequestID)
	}
	b = p.Varint.Append(b, m.TrackAlias)
	if p.InlineFields {
		b = appendContent(b, p, &m.Params)
	}
	b = m.Params.append(b, p, inSubscribeOK)
	b = appendTrackProperties(b, p, m.Properties)
	return end(b, start)
}

func (m *subscribeOK) read(r *wire.Reader, p *Profile) {
	if p.ResponseIDs {
		m.RequestID = r.Varint()
	}
	m.TrackAlias = r.Varint()
	if p.InlineFields {
		readContent(r, p, &m.Params, inSubscribeOK)
	} else {
		m.Params.read(r, p, inSubscribeOK)
	}
	m.Properties = readTrackProperties(r, p)
}

// appendContent appends the fixed fields that say what a track has.
func appendContent(b []byte, p *Profile, params *parameters) []byte {
	b = p.Varint.Append(b, milliseconds(params.Expires.v))
	b = append(b, byte(orderNumber(params.GroupOrder.or(moq.Ascending))))
	return appendLargest(b, p, params.LargestObject)
}

func appendLargest(b []byte, p *Profile, largest optional[moq.Location]) []byte {
	b = appendBool(b, largest.has)
	if largest.has {
		b = appendLocation(b, p, largest.v)
	}
	return b
}

// readContent reads the fixed fields and the parameters. No Expires and one of
// 0 mean the same.
func readContent(r *wire.Reader, p *Profile, params *parameters, s scope) {
	expires := readMilliseconds(r)
	expires.has = expires.v > 0
	order := readInlineOrder(r, false)
	largest := readLargest(r)
	params.read(r, p, s)
	params.Expires, params.GroupOrder, params.LargestObject = expires, order, largest
}

func readLargest(r *wire.Reader) (largest optional[moq.Location]) {
	if r.Bool() {
		largest = some(readLocation(r))
	}
	return largest
}

// An unsubscribe ends a subscription, in drafts with a ControlStream.
type unsubscribe struct {
	RequestID uint64
}

func (m *unsubscribe) append(b []byte, p *Profile) []byte {
	b, start := begin(b, p, typeUnsubscribe)
	b = p.Varint.Append(b, m.RequestID)
	return end(b, start)
}

func (m *unsubscribe) read(r *wire.Reader, _ *Profile) { m.RequestID = r.Varint() }
