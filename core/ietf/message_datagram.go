package ietf

import (
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
)

// The bits of the type of an object datagram.
const (
	datagramProperties      uint64 = 0x01
	datagramEndOfGroup      uint64 = 0x02
	datagramZeroObjectID    uint64 = 0x04
	datagramDefaultPriority uint64 = 0x08
	datagramStatus          uint64 = 0x20
)

// An objectDatagram is one object in a datagram.
type objectDatagram struct {
	// DefaultPriority says that the priority is the track's default and
	// Priority is not sent. Where a draft cannot say so Priority is sent.
	DefaultPriority bool
	EndOfGroup      bool // it is the last object of the group; not with a status

	TrackAlias uint64
	Group      uint64
	Object     uint64
	Priority   uint8          // 0 first
	Properties []moq.Property // left out where an object of its status may have none
	Status     moq.Status     // without payload unless it is StatusNormal
	Payload    []byte         // read: a part of what was read
}

// typ is the type of the datagram.
func (m *objectDatagram) typ(p *Profile) uint64 {
	var t uint64
	if m.Status != moq.StatusNormal {
		t |= datagramStatus
	} else if m.EndOfGroup {
		t |= datagramEndOfGroup
	}
	if len(p.propertiesOf(m.Properties, m.Status)) > 0 {
		t |= datagramProperties
	}
	if m.DefaultPriority && p.DatagramTypes.has(t|datagramDefaultPriority) {
		t |= datagramDefaultPriority
	}
	if m.Object == 0 && p.DatagramTypes.has(t|datagramZeroObjectID) {
		t |= datagramZeroObjectID
	}
	return t
}

func (m *objectDatagram) append(b []byte, p *Profile) []byte {
	t := m.typ(p)
	b = p.Varint.Append(b, t)
	b = p.Varint.Append(b, m.TrackAlias)
	b = p.Varint.Append(b, m.Group)
	if t&datagramZeroObjectID == 0 {
		b = p.Varint.Append(b, m.Object)
	}
	if t&datagramDefaultPriority == 0 {
		b = append(b, m.Priority)
	}
	if t&datagramProperties != 0 {
		b = appendBlock(b, p, m.Properties)
	}
	if t&datagramStatus != 0 {
		return p.Varint.Append(b, uint64(m.Status))
	}
	return append(b, m.Payload...)
}

// parseDatagram reads a whole datagram; m is set for a dataDatagram. Its
// error closes the session.
func parseDatagram(b []byte, p *Profile) (kind dataKind, m objectDatagram, err error) {
	r := wire.NewReader(p.Varint, b)
	t := r.Varint()
	if err := r.Err(); err != nil {
		return dataUnknown, m, err
	}
	switch kind = p.datagramKind(t); kind {
	case dataPadding:
		return kind, m, nil
	case dataDatagram:
		m.read(&r, p, t)
		return kind, m, r.Close()
	}
	return kind, m, violated(CodeProtocolViolation, "unknown type %#x of a datagram", t)
}

func (m *objectDatagram) read(r *wire.Reader, p *Profile, t uint64) {
	m.DefaultPriority = t&datagramDefaultPriority != 0
	m.EndOfGroup = t&datagramEndOfGroup != 0
	m.TrackAlias = r.Varint()
	m.Group = r.Varint()
	if t&datagramZeroObjectID == 0 {
		m.Object = r.Varint()
	}
	if !m.DefaultPriority {
		m.Priority = r.Byte()
	}
	if t&datagramProperties != 0 {
		m.readBlock(r, p)
	}
	if t&datagramStatus == 0 {
		if r.Len() > 0 {
			m.Payload = r.Rest()
		}
		return
	}
	status, err := p.status(r.Varint(), len(m.Properties) > 0)
	if err != nil {
		r.Fail(err)
	}
	m.Status = status
}

func (m *objectDatagram) readBlock(r *wire.Reader, p *Profile) {
	block := r.Bytes(maxBlock)
	if r.Err() != nil {
		return
	}
	if len(block) == 0 {
		r.Fail(invalid("datagram with properties that are none"))
		return
	}
	props, err := parseBlock(block, p)
	if err != nil {
		r.Fail(err)
	}
	m.Properties = props
}

// appendPaddingDatagram appends a datagram that is thrown away, of n zero
// bytes behind its type.
func appendPaddingDatagram(b []byte, p *Profile, n int) []byte {
	return append(p.Varint.Append(b, typePaddingDatagram), make([]byte, n)...)
}
