package ietf

import (
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
)

// A fetch asks for objects of the past.
//
// With FetchFilter its range is Params.Filter: absent is the whole track;
// joining, one field of it counts groups back from the next one
// (fetchRelativeJoining), or is the first group (fetchAbsoluteJoining).
// Otherwise the fields here say it.
type fetch struct {
	RequestID uint64
	Type      fetchType

	Name  moq.FullTrackName // fetchStandalone
	Start moq.Location      // the first location
	// End is the location after the last one; object 0 means all of its
	// group.
	End moq.Location

	JoiningRequestID uint64 // of the subscription that is joined
	JoiningStart     uint64 // how many groups before its largest one, or the first group

	Params parameters
}

// A fetchType says what a fetch is about.
type fetchType uint64

const (
	fetchStandalone      fetchType = 1
	fetchRelativeJoining fetchType = 2
	fetchAbsoluteJoining fetchType = 3
)

func (m *fetch) append(b []byte, p *Profile) []byte {
	b, start := begin(b, p, typeFetch)
	b = p.Varint.Append(b, m.RequestID)
	if p.InlineFields {
		b = append(b, m.Params.SubscriberPriority.or(defaultPriority))
		if m.Params.GroupOrder.has {
			b = append(b, byte(orderNumber(m.Params.GroupOrder.v)))
		} else {
			b = append(b, 0) // the publisher's
		}
	}
	b = p.Varint.Append(b, uint64(m.Type))
	if m.Type == fetchStandalone {
		b = appendTrackName(b, p, m.Name)
		if !p.FetchFilter {
			b = appendLocation(b, p, m.Start)
			b = appendLocation(b, p, m.End)
		}
	} else {
		b = p.Varint.Append(b, m.JoiningRequestID)
		if !p.FetchFilter {
			b = p.Varint.Append(b, m.JoiningStart)
		}
	}
	b = m.Params.append(b, p, inFetch)
	return end(b, start)
}

func (m *fetch) read(r *wire.Reader, p *Profile) {
	*m = fetch{RequestID: r.Varint()}
	var priority optional[uint8]
	var order optional[moq.Order]
	if p.InlineFields {
		priority = some(r.Byte())
		order = readInlineOrder(r, true)
	}
	m.Type = fetchType(r.Varint())
	switch m.Type {
	case fetchStandalone:
		m.Name = readTrackName(r, p)
		if !p.FetchFilter {
			m.Start = readLocation(r)
			m.End = readLocation(r)
		}
	case fetchRelativeJoining, fetchAbsoluteJoining:
		m.JoiningRequestID = r.Varint()
		if !p.FetchFilter {
			m.JoiningStart = r.Varint()
		}
	default:
		r.Fail(invalid("fetch type %d", m.Type))
	}
	m.Params.read(r, p, inFetch)
	if p.InlineFields {
		m.Params.SubscriberPriority, m.Params.GroupOrder = priority, order
	}
}

// A fetchOK accepts a fetch.
type fetchOK struct {
	RequestID  uint64 // with ResponseIDs
	EndOfTrack bool   // End is the end of the whole track
	End        moq.Location
	Params     parameters
	Properties []moq.Property // of the track
}

func (m *fetchOK) append(b []byte, p *Profile) []byte {
	b, start := begin(b, p, typeFetchOK)
	if p.ResponseIDs {
		b = p.Varint.Append(b, m.RequestID)
	}
	if p.InlineFields {
		b = append(b, byte(orderNumber(m.Params.GroupOrder.or(moq.Ascending))))
	}
	b = appendBool(b, m.EndOfTrack)
	b = appendLocation(b, p, m.End)
	b = m.Params.append(b, p, inFetchOK)
	b = appendTrackProperties(b, p, m.Properties)
	return end(b, start)
}

func (m *fetchOK) read(r *wire.Reader, p *Profile) {
	if p.ResponseIDs {
		m.RequestID = r.Varint()
	}
	var order optional[moq.Order]
	if p.InlineFields {
		order = readInlineOrder(r, false)
	}
	m.EndOfTrack = r.Bool()
	m.End = readLocation(r)
	m.Params.read(r, p, inFetchOK)
	if p.InlineFields {
		m.Params.GroupOrder = order
	}
	m.Properties = readTrackProperties(r, p)
}

// A fetchCancel ends a fetch, in drafts with a ControlStream.
type fetchCancel struct {
	RequestID uint64
}

func (m *fetchCancel) append(b []byte, p *Profile) []byte {
	b, start := begin(b, p, typeFetchCancel)
	b = p.Varint.Append(b, m.RequestID)
	return end(b, start)
}

func (m *fetchCancel) read(r *wire.Reader, _ *Profile) { m.RequestID = r.Varint() }
