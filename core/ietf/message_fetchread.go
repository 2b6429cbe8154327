package ietf

import (
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
)

// read reads the next object up to its payload, which is up to the caller, who
// must check Size first. io.EOF: the fetch is complete. errOrder: the track is
// malformed; any other error about the bytes is a violation.
func (c *fetchCursor) read(s *wire.Stream, p *Profile) (m fetchObject, err error) {
	if p.FetchFlags {
		m, err = c.readFlagged(s, p)
	} else {
		m, err = readWhole(s, p)
	}
	switch {
	case err != nil:
		return fetchObject{}, err
	case !c.follows(p, &m):
		return fetchObject{}, errOrder
	}
	c.pass(&m)
	return m, nil
}

func (c *fetchCursor) readFlagged(s *wire.Stream, p *Profile) (m fetchObject, err error) {
	flags, err := s.Varint()
	if err != nil {
		return m, err
	}
	switch end := fetchEnd(flags); {
	case flags <= maxFetchFlags:
		err = c.readFields(s, p, flags, &m)
	case end == fetchEndNonExistent, end == fetchEndUnknown, end == fetchEndTimedOut && p.TimedOutRange:
		m.End = end
		if m.Group, err = s.Varint(); err == nil {
			m.Object, err = s.Varint()
		}
	default:
		err = invalid("flags %#x of a fetch object", flags)
	}
	return m, wire.UnexpectedEOF(err)
}

func (c *fetchCursor) readFields(s *wire.Stream, p *Profile, flags uint64, m *fetchObject) (err error) {
	if err := c.check(flags); err != nil {
		return err
	}
	m.Group = c.group
	if flags&fetchGroupID != 0 {
		x, err := s.Varint()
		if err != nil {
			return err
		}
		if m.Group, err = c.groupOf(p, x); err != nil {
			return err
		}
	}
	if err := c.readSubgroup(s, flags, m); err != nil {
		return err
	}
	if err := c.readObjectID(s, p, flags, m); err != nil {
		return err
	}
	m.Priority = c.priority
	if flags&fetchPriority != 0 {
		if m.Priority, err = s.Byte(); err != nil {
			return err
		}
	}
	if flags&fetchProperties != 0 {
		if m.Properties, err = readBlock(s, p); err != nil {
			return err
		}
	}
	m.Size, err = s.Varint()
	return err
}

// check says whether the flags refer to what is not there.
func (c *fetchCursor) check(flags uint64) error {
	mode := flags & fetchSubgroupMask
	refers := flags&fetchDatagram == 0 && (mode == fetchSubgroupPrior || mode == fetchSubgroupNext)
	switch {
	case !c.located && flags&(fetchGroupID|fetchObjectID) != fetchGroupID|fetchObjectID:
		return invalid("flags %#x of the first fetch object", flags)
	case !c.seen && flags&fetchPriority == 0:
		return invalid("fetch object with the priority of none before")
	case refers && !c.hasSubgroup:
		return invalid("fetch object with the subgroup of none before")
	}
	return nil
}

func (c *fetchCursor) groupOf(p *Profile, x uint64) (uint64, error) {
	switch {
	case !p.FetchDeltas || !c.located:
		return x, nil
	case c.Order == moq.Ascending:
		if group := c.group + x + 1; group > c.group && x < 1<<64-1 {
			return group, nil
		}
	case x < c.group:
		return c.group - x - 1, nil
	}
	return 0, invalid("group id outside of 64 bits")
}

func (c *fetchCursor) readSubgroup(s *wire.Stream, flags uint64, m *fetchObject) (err error) {
	if m.Datagram = flags&fetchDatagram != 0; m.Datagram {
		return nil
	}
	switch flags & fetchSubgroupMask {
	case fetchSubgroupPrior:
		m.Subgroup = c.subgroup
	case fetchSubgroupNext:
		if m.Subgroup = c.subgroup + 1; m.Subgroup == 0 {
			return invalid("subgroup id above 64 bits")
		}
	case fetchSubgroupField:
		m.Subgroup, err = s.Varint()
	}
	return err
}

func (c *fetchCursor) readObjectID(s *wire.Stream, p *Profile, flags uint64, m *fetchObject) error {
	if flags&fetchObjectID == 0 {
		if m.Object = c.object + 1; m.Object == 0 {
			return invalid("object id above 64 bits")
		}
		return nil
	}
	x, err := s.Varint()
	if err != nil {
		return err
	}
	m.Object = x
	if !p.FetchDeltas || flags&fetchGroupID != 0 {
		return nil
	}
	if m.Object = c.object + x; m.Object < c.object {
		return invalid("object id above 64 bits")
	}
	return nil
}

// readWhole reads an object with every field.
func readWhole(s *wire.Stream, p *Profile) (m fetchObject, err error) {
	if m.Group, err = s.Varint(); err != nil {
		return m, err
	}
	if m.Subgroup, err = s.Varint(); err != nil {
		return m, wire.UnexpectedEOF(err)
	}
	if m.Object, err = s.Varint(); err != nil {
		return m, wire.UnexpectedEOF(err)
	}
	if m.Priority, err = s.Byte(); err != nil {
		return m, wire.UnexpectedEOF(err)
	}
	if m.Properties, err = readBlock(s, p); err != nil {
		return m, wire.UnexpectedEOF(err)
	}
	m.Size, m.Status, err = readSize(s, p, len(m.Properties) > 0)
	return m, wire.UnexpectedEOF(err)
}
