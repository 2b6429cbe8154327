package ietf

import (
	"github.com/moqtgo/moqt/core/wire"
)

// A rangeFilter is a range filter parameter as it came. A bad one refuses its
// request and not the session, so that parse is apart from the message.
type rangeFilter struct {
	Type  uint64 // paramSubgroupFilter … paramTrackPropertyFilter
	Value []byte // empty: remove the filter
}

// Ranges is what a range filter says.
type ranges struct {
	Set      uint8  // filters of one set must all pass, one set is enough
	Property uint64 // of the two property filters
	Spans    []span
}

// A span is a range of numbers, both ends included.
type span struct{ First, Last uint64 }

// maxRanges is how many spans one filter may have.
const maxRanges = 16

// parse reads the value of f. Its error is a refusal with INVALID_FILTER.
func (f *rangeFilter) parse(p *Profile) (ranges, error) {
	r := wire.NewReader(p.Varint, f.Value)
	m := ranges{Set: r.Byte()}
	if f.hasProperty() {
		m.Property = r.Varint()
		if m.Property%2 == 1 {
			r.Fail(invalid("filter of property %#x, which is not a number", m.Property))
		}
	}
	var last uint64
	for r.Len() > 0 {
		s := span{First: sum(&r, last, r.Varint()), Last: 1<<64 - 1}
		if r.Len() > 0 {
			s.Last = sum(&r, s.First, r.Varint())
		}
		if f.Type == paramPriorityFilter && (s.First > 255 || s.Last > 255 && s.Last != 1<<64-1) {
			r.Fail(invalid("priority above 255"))
		}
		if len(m.Spans) == maxRanges {
			r.Fail(&wire.TooLargeError{What: "number of ranges", Size: maxRanges + 1, Limit: maxRanges})
		}
		m.Spans = append(m.Spans, s)
		last = s.Last
	}
	if err := r.Close(); err != nil {
		return ranges{}, refused(requestInvalidFilter, "range filter %#x: %v", f.Type, err)
	}
	return m, nil
}

// append writes the value of a filter of type t.
func (m *ranges) append(b []byte, p *Profile, t uint64) []byte {
	b = append(b, m.Set)
	if (&rangeFilter{Type: t}).hasProperty() {
		b = p.Varint.Append(b, m.Property)
	}
	var last uint64
	for i, s := range m.Spans {
		b = p.Varint.Append(b, s.First-last)
		if i == len(m.Spans)-1 && s.Last == 1<<64-1 {
			break // an end that is left out
		}
		b = p.Varint.Append(b, s.Last-s.First)
		last = s.Last
	}
	return b
}

func (f *rangeFilter) hasProperty() bool {
	return f.Type == paramObjectPropertyFilter || f.Type == paramTrackPropertyFilter
}

// refuseFilters says what we answer to range filters: we allow none.
func refuseFilters(filters []rangeFilter) error {
	if len(filters) == 0 {
		return nil
	}
	return refused(requestInvalidFilter, "no range filters are allowed here")
}
