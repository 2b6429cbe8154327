package ietf

import (
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
)

// A locationFilter says which part of a track a subscription delivers, in
// every draft in the same terms.
type locationFilter struct {
	Type      filterType
	Groups    uint64       // filterRelative: how many groups before the next one; 1 is the current group
	Start     moq.Location // filterAbsoluteStart, filterAbsoluteRange
	EndGroup  uint64       // filterAbsoluteRange: the last group; below Start.Group the filter is empty
	EndObject optional[uint64]
}

// A filterType is a number on the wire up to 19, but for filterNone and
// filterRelative, which only 20 can say.
type filterType uint8

const (
	filterNone          filterType = 0
	filterNextGroup     filterType = 1
	filterLargestObject filterType = 2
	filterAbsoluteStart filterType = 3
	filterAbsoluteRange filterType = 4
	filterRelative      filterType = 5
)

// append writes the fields without a length. Where a draft lacks a form it
// writes the nearest that delivers no more: none is a start at {0, 0}, a
// relative start the largest object, and an end object is left out.
func (f *locationFilter) append(b []byte, p *Profile) []byte {
	if p.FilterFields {
		return f.appendFields(b, p)
	}
	switch f.Type {
	case filterNextGroup, filterLargestObject:
		return p.Varint.Append(b, uint64(f.Type))
	case filterRelative:
		if f.Groups == 0 {
			return p.Varint.Append(b, uint64(filterNextGroup))
		}
		return p.Varint.Append(b, uint64(filterLargestObject))
	case filterAbsoluteRange:
		b = p.Varint.Append(b, uint64(filterAbsoluteRange))
		b = appendLocation(b, p, f.Start)
		if p.FilterDelta {
			return p.Varint.Append(b, f.groups())
		}
		return p.Varint.Append(b, f.EndGroup)
	}
	b = p.Varint.Append(b, uint64(filterAbsoluteStart))
	return appendLocation(b, p, f.Start)
}

// groups is how many groups follow the first one.
func (f *locationFilter) groups() uint64 { return max(f.EndGroup, f.Start.Group) - f.Start.Group }

func (f *locationFilter) appendFields(b []byte, p *Profile) []byte {
	switch f.Type {
	case filterNextGroup:
		return p.Varint.Append(b, 0)
	case filterRelative:
		return p.Varint.Append(b, f.Groups)
	case filterLargestObject:
		return appendLocation(b, p, moq.Location{})
	case filterAbsoluteStart:
		if f.Start == (moq.Location{}) {
			return b // two zeros are the largest object
		}
		return appendLocation(b, p, f.Start)
	case filterAbsoluteRange:
		b = appendLocation(b, p, f.Start)
		b = p.Varint.Append(b, f.groups())
		if f.EndObject.has {
			b = p.Varint.Append(b, f.EndObject.v)
		}
	}
	return b
}

// read reads the fields; with FilterFields they fill the rest of r.
func (f *locationFilter) read(r *wire.Reader, p *Profile) {
	*f = locationFilter{}
	if p.FilterFields {
		f.readFields(r)
		return
	}
	t := r.Varint()
	switch f.Type = filterType(min(t, 255)); f.Type {
	case filterNextGroup, filterLargestObject:
	case filterAbsoluteStart:
		f.Start = readLocation(r)
	case filterAbsoluteRange:
		f.Start = readLocation(r)
		f.EndGroup = r.Varint()
		if p.FilterDelta {
			f.EndGroup = sum(r, f.Start.Group, f.EndGroup)
		}
	default:
		r.Fail(invalid("location filter of type %#x", t))
	}
}

func (f *locationFilter) readFields(r *wire.Reader) {
	if r.Len() == 0 {
		return
	}
	first := r.Varint()
	if r.Len() == 0 {
		f.Type, f.Groups = filterRelative, first
		if first == 0 {
			f.Type = filterNextGroup
		}
		return
	}
	f.Start = moq.Location{Group: first, Object: r.Varint()}
	switch {
	case r.Len() > 0:
		f.Type = filterAbsoluteRange
		f.EndGroup = sum(r, f.Start.Group, r.Varint())
	case f.Start == (moq.Location{}):
		f.Type = filterLargestObject
	default:
		f.Type = filterAbsoluteStart
	}
	if r.Len() > 0 {
		f.EndObject = some(r.Varint())
	}
}

// sum returns a+b and fails above 64 bits.
func sum(r *wire.Reader, a, b uint64) uint64 {
	if a+b < a {
		r.Fail(invalid("a number above 64 bits"))
		return 0
	}
	return a + b
}
