package ietf

import (
	"slices"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
	"github.com/moqtgo/moqt/ports/quic"
)

// The encoding classes of moq-transport: objects of subgroup streams, with
// either flavour of integers.
const (
	classRFC9000     moq.Class = 3
	classLeadingOnes moq.Class = 4
)

// A form writes groups as moq-transport does.
type form struct{ s *session }

func (f *form) Class() moq.Class {
	if f.s.p.Varint == wire.LeadingOnes {
		return classLeadingOnes
	}
	return classRFC9000
}

// every stream has properties: whether objects will is not known when it opens.
var streamShape = subgroupHeader{Properties: true}

func (f *form) StreamHeader(b []byte, id uint64, g *moq.Subgroup) []byte {
	h := subgroupHeader{
		Properties: true, EndOfGroup: g.EndOfGroup, FirstObject: g.FirstKnown,
		TrackAlias: id, Group: g.Group(), Subgroup: g.ID, Priority: 255 - g.Priority,
	}
	if g.ID != 0 {
		h.Mode = modeExplicit
	}
	return h.append(b, f.s.p)
}

func (f *form) ObjectHeader(b []byte, prev, o *moq.Object, _ *moq.TrackInfo) []byte {
	var ids objectIDs
	if prev != nil {
		ids.pass(prev.ID)
	}
	return appendObject(b, f.s.p, &streamShape, &ids, &objectHeader{
		ID: o.ID, Properties: objectProperties(&o.ObjectHeader), Size: o.Size(), Status: o.Status,
	})
}

// objectProperties returns those of an object, its timestamp among them.
func objectProperties(o *moq.ObjectHeader) []moq.Property {
	stamp := func(p moq.Property) bool { return p.Type == propTimestamp }
	if !o.Timed || slices.ContainsFunc(o.Properties, stamp) {
		return o.Properties
	}
	return append(slices.Clone(o.Properties), moq.Property{Type: propTimestamp, Int: o.Timestamp})
}

func (f *form) Datagram(b []byte, id uint64, d *moq.Datagram, _ *moq.TrackInfo) ([]byte, bool) {
	m := objectDatagram{
		EndOfGroup: d.EndOfGroup && d.Status == moq.StatusNormal,
		TrackAlias: id, Group: d.Sequence(), Object: d.ID, Priority: 255 - d.Priority,
		Properties: objectProperties(&d.ObjectHeader), Status: d.Status, Payload: d.Payload(),
	}
	return m.append(b, f.s.p), true
}

func (f *form) Whole() bool { return false }

func (f *form) Code(err error) quic.ErrorCode { return f.s.reset(err) }
