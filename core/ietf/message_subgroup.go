package ietf

import (
	"io"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
)

// Types of unidirectional streams and datagrams, beside those of subgroups and
// object datagrams.
const (
	typeFetchHeader     uint64 = 0x05
	typePaddingStream   uint64 = 0x132b3e28
	typePaddingDatagram uint64 = 0x132b3e29
)

// A dataKind is what a unidirectional stream or a datagram holds.
type dataKind uint8

const (
	dataUnknown  dataKind = iota // close the session
	dataControl                  // SETUP, then control messages
	dataSubgroup                 // a subgroupHeader, then objects
	dataFetch                    // a fetchHeader, then fetchObjects
	dataDatagram                 // an objectDatagram
	dataPadding                  // to be read and thrown away
)

// streamKind says what a unidirectional stream of type t holds.
func (p *Profile) streamKind(t uint64) dataKind {
	switch {
	case p.SubgroupTypes.has(t):
		return dataSubgroup
	case t == typeFetchHeader:
		return dataFetch
	case t == typeSetup && p.SetupOnUni:
		return dataControl
	case t == typePaddingStream && p.Padding:
		return dataPadding
	}
	return dataUnknown
}

// datagramKind says what a datagram of type t holds.
func (p *Profile) datagramKind(t uint64) dataKind {
	switch {
	case p.DatagramTypes.has(t):
		return dataDatagram
	case t == typePaddingDatagram && p.Padding:
		return dataPadding
	}
	return dataUnknown
}

// The bits of the type of a subgroup stream.
const (
	subgroupProperties      uint64 = 0x01
	subgroupIDIsFirstObject uint64 = 0x02
	subgroupIDPresent       uint64 = 0x04
	subgroupEndOfGroup      uint64 = 0x08
	subgroupBase            uint64 = 0x10
	subgroupDefaultPriority uint64 = 0x20
	subgroupFirstObject     uint64 = 0x40
)

// A subgroupHeader opens a subgroup stream. Objects follow up to its end.
type subgroupHeader struct {
	Mode       subgroupMode
	Properties bool // every object has a block of properties, which may be empty
	EndOfGroup bool // the last object before FIN is the last one of the group
	// DefaultPriority says that the priority is the track's default and
	// Priority is not sent. Where a draft cannot say so Priority is sent.
	DefaultPriority bool
	FirstObject     bool // the first object is the first one of the subgroup; not sent where a draft cannot say so

	TrackAlias uint64
	Group      uint64
	Subgroup   uint64 // with modeExplicit
	Priority   uint8  // 0 first
}

// A subgroupMode is how a subgroupHeader gives the id of the subgroup.
type subgroupMode uint8

const (
	modeZero        subgroupMode = iota // 0
	modeFirstObject                     // that of the first object on the stream
	modeExplicit                        // as a field
)

// typ is the type of the stream.
func (m *subgroupHeader) typ(p *Profile) uint64 {
	t := subgroupBase | uint64(m.Mode)<<1
	if m.Properties {
		t |= subgroupProperties
	}
	if m.EndOfGroup {
		t |= subgroupEndOfGroup
	}
	if m.DefaultPriority && p.SubgroupTypes.has(t|subgroupDefaultPriority) {
		t |= subgroupDefaultPriority
	}
	if m.FirstObject && p.SubgroupTypes.has(t|subgroupFirstObject) {
		t |= subgroupFirstObject
	}
	return t
}

func (m *subgroupHeader) append(b []byte, p *Profile) []byte {
	t := m.typ(p)
	b = p.Varint.Append(b, t)
	b = p.Varint.Append(b, m.TrackAlias)
	b = p.Varint.Append(b, m.Group)
	if m.Mode == modeExplicit {
		b = p.Varint.Append(b, m.Subgroup)
	}
	if t&subgroupDefaultPriority == 0 {
		b = append(b, m.Priority)
	}
	return b
}

// readSubgroupHeader reads the header behind its type t, which is of a
// dataSubgroup.
func readSubgroupHeader(s *wire.Stream, t uint64) (m subgroupHeader, err error) {
	m.Mode = subgroupMode(t & (subgroupIDIsFirstObject | subgroupIDPresent) >> 1)
	m.Properties = t&subgroupProperties != 0
	m.EndOfGroup = t&subgroupEndOfGroup != 0
	m.DefaultPriority = t&subgroupDefaultPriority != 0
	m.FirstObject = t&subgroupFirstObject != 0
	if m.TrackAlias, err = s.Varint(); err != nil {
		return m, wire.UnexpectedEOF(err)
	}
	if m.Group, err = s.Varint(); err != nil {
		return m, wire.UnexpectedEOF(err)
	}
	if m.Mode == modeExplicit {
		if m.Subgroup, err = s.Varint(); err != nil {
			return m, wire.UnexpectedEOF(err)
		}
	}
	if !m.DefaultPriority {
		m.Priority, err = s.Byte()
	}
	return m, wire.UnexpectedEOF(err)
}

// An objectHeader stands in front of each payload on a subgroup stream.
type objectHeader struct {
	ID         uint64
	Properties []moq.Property // where the subgroupHeader says so
	Size       uint64         // bytes of the payload, which follow
	Status     moq.Status     // StatusNormal where Size is not 0
}

// An objectIDs turns the ids of the objects of one subgroup stream into
// differences, and back. Its zero value is the start of the stream.
type objectIDs struct {
	next uint64 // what a difference of 0 means
	full bool   // there is no larger id
}

// id returns the id that a difference means.
func (ids *objectIDs) id(delta uint64) (uint64, error) {
	id := ids.next + delta
	if ids.full || id < delta {
		return 0, invalid("object id above 64 bits")
	}
	ids.pass(id)
	return id, nil
}

// delta returns the difference that means id, which must be larger than the
// one before.
func (ids *objectIDs) delta(id uint64) uint64 {
	d := id - ids.next
	ids.pass(id)
	return d
}

func (ids *objectIDs) pass(id uint64) { ids.next, ids.full = id+1, id == 1<<64-1 }

// appendObject appends the header of the next object of the stream h. Its id
// must be larger than the one before. Properties that an object of its status
// may not have are left out.
func appendObject(b []byte, p *Profile, h *subgroupHeader, ids *objectIDs, m *objectHeader) []byte {
	b = p.Varint.Append(b, ids.delta(m.ID))
	if h.Properties {
		b = appendBlock(b, p, p.propertiesOf(m.Properties, m.Status))
	}
	b = p.Varint.Append(b, m.Size)
	if m.Size == 0 {
		b = p.Varint.Append(b, uint64(m.Status))
	}
	return b
}

// readObject reads the header of the next object; the payload is up to the
// caller, who must check Size first. io.EOF: the stream is complete.
func readObject(s *wire.Stream, p *Profile, h *subgroupHeader, ids *objectIDs) (m objectHeader, err error) {
	delta, err := s.Varint()
	if err != nil {
		return m, err
	}
	if m.ID, err = ids.id(delta); err != nil {
		return m, err
	}
	if h.Properties {
		if m.Properties, err = readBlock(s, p); err != nil {
			return m, wire.UnexpectedEOF(err)
		}
	}
	m.Size, m.Status, err = readSize(s, p, len(m.Properties) > 0)
	return m, wire.UnexpectedEOF(err)
}

// readBlock reads the properties of an object behind their length.
func readBlock(s *wire.Stream, p *Profile) ([]moq.Property, error) {
	block, err := s.Message(maxBlock, nil)
	if err != nil {
		return nil, wire.UnexpectedEOF(err)
	}
	return parseBlock(block, p)
}

// readSize reads the length of a payload and, if it is 0, the status.
func readSize(s *wire.Stream, p *Profile, properties bool) (size uint64, status moq.Status, err error) {
	size, err = s.Varint()
	if err != nil || size > 0 {
		return size, moq.StatusNormal, err
	}
	n, err := s.Varint()
	if err != nil {
		return 0, 0, err
	}
	status, err = p.status(n, properties)
	return 0, status, err
}

// status checks the status of an object, which may have properties.
func (p *Profile) status(n uint64, properties bool) (moq.Status, error) {
	switch {
	case n == uint64(moq.StatusNormal):
	case n == uint64(moq.StatusDoesNotExist) && p.MissingObjects:
		if properties {
			return 0, invalid("properties of an object that does not exist")
		}
	case n == uint64(moq.StatusEndOfGroup), n == uint64(moq.StatusEndOfTrack):
		if properties && !p.StatusProperties {
			return 0, invalid("properties of an object of status %d", n)
		}
	default:
		return 0, invalid("object status %d", n)
	}
	return moq.Status(n), nil
}

// propertiesOf returns those of props that an object of a status may have: all
// or none.
func (p *Profile) propertiesOf(props []moq.Property, status moq.Status) []moq.Property {
	if _, err := p.status(uint64(status), len(props) > 0); err != nil {
		return nil
	}
	return props
}

// readStreamType reads the type of a unidirectional stream. io.EOF: it ended before.
func readStreamType(s *wire.Stream, p *Profile) (t uint64, kind dataKind, err error) {
	if t, err = s.Varint(); err != nil {
		return 0, dataUnknown, err
	}
	if kind = p.streamKind(t); kind == dataUnknown {
		err = violated(CodeProtocolViolation, "unknown type %#x of a unidirectional stream", t)
	}
	return t, kind, err
}

// skipPadding reads the rest of a padding stream.
func skipPadding(s *wire.Stream) error {
	_, err := io.Copy(io.Discard, s)
	return err
}
