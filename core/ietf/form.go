package ietf

import (
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
	"github.com/moqtgo/moqt/ports/quic"
)

// The encoding classes of moq-transport: objects of subgroup streams, with
// either flavour of integers; in 14 the types of properties are no differences.
const (
	classRFC9000     moq.Class = 3
	classLeadingOnes moq.Class = 4
	classWholeTypes  moq.Class = 5
)

// A form writes groups as moq-transport does.
type form struct{ s *session }

// pairs names the encoding of properties, and so that of objects.
func (p *Profile) pairs() uint8 {
	switch {
	case p.Varint == wire.LeadingOnes:
		return uint8(classLeadingOnes)
	case p.DeltaTypes:
		return uint8(classRFC9000)
	}
	return uint8(classWholeTypes)
}

func (f *form) Class() moq.Class {
	return moq.Class(f.s.p.pairs())
}

func (f *form) Carriage() moq.Carriage { return f.s.p.Carriage() }

// Carriage returns what the draft can carry of a track.
func (p *Profile) Carriage() moq.Carriage {
	c := moq.Carriage{
		MaxNumber: p.Varint.Max(), Timestamps: true, Datagrams: moq.AnyDatagrams, Sorted: p.DeltaTypes, Pairs: p.pairs(),
		Missing: p.MissingObjects, StatusProperties: p.StatusProperties,
		FirstObject: p.SubgroupTypes.has(subgroupBase | subgroupFirstObject),
		Info:        moq.InfoOrder, Order: moq.Ascending,
		FetchStatus: !p.FetchFlags, FetchDatagrams: p.FetchFlags,
	}
	if p.TrackProperties {
		c.Info = moq.InfoProperties
	}
	return c
}

// every stream has properties: whether objects will is not known when it opens.
var streamShape = subgroupHeader{Properties: true}

func (f *form) StreamHeader(b []byte, id, group uint64, g *moq.SubgroupHeader) []byte {
	h := subgroupHeader{
		Properties: true, EndOfGroup: g.EndOfGroup, FirstObject: g.FirstKnown,
		TrackAlias: id, Group: group, Subgroup: g.ID, Priority: 255 - g.Priority,
	}
	if g.ID != 0 {
		h.Mode = modeExplicit
	}
	return h.append(b, f.s.p)
}

func (f *form) ObjectHeader(b []byte, prev, o *moq.ObjectHeader, size uint64) []byte {
	var ids objectIDs
	if prev != nil {
		ids.pass(prev.ID)
	}
	return appendObject(b, f.s.p, &streamShape, &ids, &objectHeader{
		ID: o.ID, Properties: o.Properties, Size: size, Status: o.Status,
	})
}

func (f *form) Datagram(b []byte, id, group uint64, o *moq.ObjectHeader, endOfGroup bool, payload []byte) []byte {
	m := objectDatagram{
		EndOfGroup: endOfGroup && o.Status == moq.StatusNormal,
		TrackAlias: id, Group: group, Object: o.ID, Priority: 255 - o.Priority,
		Properties: o.Properties, Status: o.Status, Payload: payload,
	}
	return m.append(b, f.s.p)
}

func (f *form) Code(err error) quic.ErrorCode { return f.s.reset(err) }
