package lite

import (
	"github.com/moqtgo/moqt/core/wire"
)

// maxGroupHeader is more than a GROUP needs in any encoding.
const maxGroupHeader = 16

// A groupHeader opens a Group stream (GROUP). Frames follow up to its end.
type groupHeader struct {
	ID       uint64 // of the subscription
	Sequence uint64
}

func (m *groupHeader) append(b []byte, _ *Profile) []byte {
	start := len(b)
	b = appendVarint(b, m.ID)
	b = appendVarint(b, m.Sequence)
	return withLength(b, start)
}

func (m *groupHeader) read(r *wire.Reader, _ *Profile) {
	m.ID = r.Varint()
	m.Sequence = r.Varint()
}

// readGroupHeader reads the GROUP behind the stream type without allocating.
func readGroupHeader(s *wire.Stream, p *Profile) (groupHeader, error) {
	body, err := s.Message(maxGroupHeader, nil)
	if err != nil {
		return groupHeader{}, wire.UnexpectedEOF(err)
	}
	var m groupHeader
	r := wire.NewReader(wire.RFC9000, body)
	m.read(&r, p)
	return m, r.Close()
}

// A frameHeader stands in front of each payload on a Group or Fetch stream.
type frameHeader struct {
	Delta int64  // to the timestamp before, of the first frame to 0; with Timestamps
	Size  uint64 // bytes of the payload, which follow
}

func (m *frameHeader) append(b []byte, p *Profile) []byte {
	if p.Timestamps {
		b = wire.AppendZigzag(b, m.Delta)
	}
	return appendVarint(b, m.Size)
}

// readFrameHeader reads the header of the next frame; the payload is up to the
// caller, who must check Size first. io.EOF: the group is complete.
func readFrameHeader(s *wire.Stream, p *Profile) (m frameHeader, err error) {
	if p.Timestamps {
		if m.Delta, err = s.Zigzag(); err != nil {
			return m, err
		}
		m.Size, err = s.Varint()
		return m, wire.UnexpectedEOF(err)
	}
	m.Size, err = s.Varint()
	return m, err
}

// A datagram is a whole group of one frame. It has no Length.
type datagram struct {
	ID        uint64 // of the subscription
	Sequence  uint64
	Timestamp uint64 // absolute
	Payload   []byte // read: a part of what was read
}

func (m *datagram) append(b []byte, _ *Profile) []byte {
	b = appendVarint(b, m.ID)
	b = appendVarint(b, m.Sequence)
	b = appendVarint(b, m.Timestamp)
	return append(b, m.Payload...)
}

func (m *datagram) read(r *wire.Reader, _ *Profile) {
	m.ID = r.Varint()
	m.Sequence = r.Varint()
	m.Timestamp = r.Varint()
	m.Payload = r.Rest()
}
