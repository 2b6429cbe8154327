package ietf

import (
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
)

// A publish offers a track. Its answer is a requestOK.
type publish struct {
	RequestID  uint64
	Name       moq.FullTrackName
	TrackAlias uint64
	Params     parameters
	Properties []moq.Property // of the track
}

func (m *publish) append(b []byte, p *Profile) []byte {
	b, start := begin(b, p, typePublish)
	b = p.Varint.Append(b, m.RequestID)
	b = appendTrackName(b, p, m.Name)
	b = p.Varint.Append(b, m.TrackAlias)
	if p.InlineFields {
		b = append(b, byte(orderNumber(m.Params.GroupOrder.or(moq.Ascending))))
		b = appendLargest(b, p, m.Params.LargestObject)
		b = appendBool(b, m.Params.Forward.or(true))
	}
	b = m.Params.append(b, p, inPublish)
	b = appendTrackProperties(b, p, m.Properties)
	return end(b, start)
}

func (m *publish) read(r *wire.Reader, p *Profile) {
	m.RequestID = r.Varint()
	m.Name = readTrackName(r, p)
	m.TrackAlias = r.Varint()
	if p.InlineFields {
		order := readInlineOrder(r, false)
		largest := readLargest(r)
		forward := r.Bool()
		m.Params.read(r, p, inPublish)
		m.Params.GroupOrder, m.Params.LargestObject, m.Params.Forward = order, largest, some(forward)
	} else {
		m.Params.read(r, p, inPublish)
	}
	m.Properties = readTrackProperties(r, p)
}

// A publishDone ends a subscription for the publisher.
type publishDone struct {
	RequestID   uint64 // with ResponseIDs
	Status      uint64 // as the draft numbers it
	StreamCount uint64 // Profile.StreamCount: unknown
	Reason      string
}

func (m *publishDone) append(b []byte, p *Profile) []byte {
	b, start := begin(b, p, typePublishDone)
	if p.ResponseIDs {
		b = p.Varint.Append(b, m.RequestID)
	}
	b = p.Varint.Append(b, m.Status)
	b = p.Varint.Append(b, m.StreamCount)
	b = appendReason(b, p, m.Reason)
	return end(b, start)
}

func (m *publishDone) read(r *wire.Reader, p *Profile) {
	if p.ResponseIDs {
		m.RequestID = r.Varint()
	}
	m.Status = r.Varint()
	m.StreamCount = r.Varint()
	m.Reason = readReason(r)
}

// A publishSkipped says that no PUBLISH comes for a track that was asked for
// by SUBSCRIBE_TRACKS (PUBLISH_BLOCKED in 18).
type publishSkipped struct {
	Suffix moq.Path // of the namespace, behind the prefix asked for
	Name   string
}

func (m *publishSkipped) append(b []byte, p *Profile) []byte {
	b, start := begin(b, p, typePublishSkipped)
	b = appendNamespace(b, p, m.Suffix)
	b = p.Varint.AppendString(b, m.Name)
	return end(b, start)
}

func (m *publishSkipped) read(r *wire.Reader, p *Profile) {
	var size int
	m.Suffix, size = readFields(r, p, maxName)
	m.Name = string(r.Bytes(maxName - size))
}
