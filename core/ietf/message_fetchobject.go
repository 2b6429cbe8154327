package ietf

import (
	"errors"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
)

// A fetchHeader opens a fetch stream. fetchObjects follow up to its end.
type fetchHeader struct {
	RequestID uint64
}

func (m *fetchHeader) append(b []byte, p *Profile) []byte {
	b = p.Varint.Append(b, typeFetchHeader)
	return p.Varint.Append(b, m.RequestID)
}

// readFetchHeader reads the header behind its type.
func readFetchHeader(s *wire.Stream) (m fetchHeader, err error) {
	m.RequestID, err = s.Varint()
	return m, wire.UnexpectedEOF(err)
}

// The bits of the flags of a fetch object.
const (
	fetchSubgroupMask  uint64 = 0x03
	fetchSubgroupZero  uint64 = 0x00
	fetchSubgroupPrior uint64 = 0x01
	fetchSubgroupNext  uint64 = 0x02
	fetchSubgroupField uint64 = 0x03
	fetchObjectID      uint64 = 0x04
	fetchGroupID       uint64 = 0x08
	fetchPriority      uint64 = 0x10
	fetchProperties    uint64 = 0x20
	fetchDatagram      uint64 = 0x40
	maxFetchFlags      uint64 = 0x7f
)

// A fetchEnd says what is known of the objects up to a location. Other than
// fetchIsObject the numbers are those on the wire.
type fetchEnd uint64

const (
	fetchIsObject       fetchEnd = 0     // it is an object
	fetchEndNonExistent fetchEnd = 0x8c  // they do not exist
	fetchEndUnknown     fetchEnd = 0x10c // nothing is known of them
	fetchEndTimedOut    fetchEnd = 0x20c // likewise, for the time was too short; with TimedOutRange
)

// A fetchObject is an object of a fetch stream up to its payload, or the end
// of a range without objects.
type fetchObject struct {
	End        fetchEnd // otherwise only Group and Object are set: the last location of the range
	Group      uint64
	Object     uint64
	Datagram   bool   // it was a datagram and has no subgroup; with FetchFlags
	Subgroup   uint64 // without FetchFlags a datagram's is its object id
	Priority   uint8  // 0 first
	Properties []moq.Property
	Size       uint64     // bytes of the payload, which follow
	Status     moq.Status // without FetchFlags
}

var (
	// errUnsaid says that a draft has no way to write a fetchObject.
	errUnsaid = errors.New("ietf: this draft cannot say that in a fetch")
	// errOrder says that a track is malformed: the stream is to be reset.
	errOrder = moq.Errorf(moq.CodeMalformed, "objects of a fetch are out of order")
)

// A fetchCursor remembers what the objects of one fetch stream refer to. Its
// zero value, with the Order of the request, is the start of the stream.
type fetchCursor struct {
	Order moq.Order

	located     bool // group and object are those of an object or of an end of a range
	group       uint64
	object      uint64
	seen        bool // priority is that of an object
	priority    uint8
	hasSubgroup bool // subgroup is that of the last object
	subgroup    uint64
}

// append appends m. errOrder: it does not follow what came before. errUnsaid:
// the draft has no such thing. Then b is returned as it was.
func (c *fetchCursor) append(b []byte, p *Profile, m *fetchObject) ([]byte, error) {
	switch {
	case !c.follows(p, m):
		return b, errOrder
	case !p.FetchFlags:
		return c.appendWhole(b, p, m)
	case m.End != fetchIsObject:
		if m.End == fetchEndTimedOut && !p.TimedOutRange {
			m = &fetchObject{End: fetchEndUnknown, Group: m.Group, Object: m.Object}
		}
		b = p.Varint.Append(b, uint64(m.End))
		b = p.Varint.Append(b, m.Group)
		b = p.Varint.Append(b, m.Object)
		c.pass(m)
		return b, nil
	case m.Status != moq.StatusNormal:
		return b, errUnsaid
	}
	flags := c.flags(m)
	b = p.Varint.Append(b, flags)
	if flags&fetchGroupID != 0 {
		b = p.Varint.Append(b, c.groupField(p, m.Group))
	}
	if flags&fetchSubgroupMask == fetchSubgroupField {
		b = p.Varint.Append(b, m.Subgroup)
	}
	if flags&fetchObjectID != 0 {
		x := m.Object
		if p.FetchDeltas && flags&fetchGroupID == 0 {
			x -= c.object
		}
		b = p.Varint.Append(b, x)
	}
	if flags&fetchPriority != 0 {
		b = append(b, m.Priority)
	}
	if flags&fetchProperties != 0 {
		b = appendBlock(b, p, m.Properties)
	}
	b = p.Varint.Append(b, m.Size)
	c.pass(m)
	return b, nil
}

// follows says whether m comes after what was before. Where ids are whole the
// order of groups is not looked at: in 14 FETCH_OK may tell it later.
func (c *fetchCursor) follows(p *Profile, m *fetchObject) bool {
	switch {
	case !c.located:
		return true
	case m.Group == c.group:
		return m.Object > c.object
	case !p.FetchDeltas:
		return true
	}
	return m.Group > c.group == (c.Order == moq.Ascending)
}

// flags chooses the shortest form of m.
func (c *fetchCursor) flags(m *fetchObject) (flags uint64) {
	switch {
	case m.Datagram:
		flags = fetchDatagram
	case m.Subgroup == 0:
		flags = fetchSubgroupZero
	case c.hasSubgroup && m.Subgroup == c.subgroup:
		flags = fetchSubgroupPrior
	default:
		flags = fetchSubgroupField
	}
	if !c.located || m.Group != c.group {
		flags |= fetchGroupID | fetchObjectID
	} else if m.Object != c.object+1 {
		flags |= fetchObjectID
	}
	if !c.seen || m.Priority != c.priority {
		flags |= fetchPriority
	}
	if len(m.Properties) > 0 {
		flags |= fetchProperties
	}
	return flags
}

func (c *fetchCursor) groupField(p *Profile, group uint64) uint64 {
	switch {
	case !p.FetchDeltas || !c.located:
		return group
	case c.Order == moq.Ascending:
		return group - c.group - 1
	}
	return c.group - group - 1
}

// pass remembers m.
func (c *fetchCursor) pass(m *fetchObject) {
	c.located, c.group, c.object = true, m.Group, m.Object
	if m.End != fetchIsObject {
		return
	}
	c.seen, c.priority = true, m.Priority
	c.hasSubgroup, c.subgroup = !m.Datagram, m.Subgroup
}

// appendWhole appends m with every field.
func (c *fetchCursor) appendWhole(b []byte, p *Profile, m *fetchObject) ([]byte, error) {
	if m.End != fetchIsObject {
		return b, errUnsaid
	}
	subgroup := m.Subgroup
	if m.Datagram {
		subgroup = m.Object
	}
	b = p.Varint.Append(b, m.Group)
	b = p.Varint.Append(b, subgroup)
	b = p.Varint.Append(b, m.Object)
	b = append(b, m.Priority)
	b = appendBlock(b, p, p.propertiesOf(m.Properties, m.Status))
	b = p.Varint.Append(b, m.Size)
	if m.Size == 0 {
		b = p.Varint.Append(b, uint64(m.Status))
	}
	c.pass(m)
	return b, nil
}
