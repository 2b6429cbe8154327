package lite

import (
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
	"github.com/moqtgo/moqt/ports/quic"
)

// The encoding classes of moq-lite: with and without timestamps.
const (
	classPlain moq.Class = 1
	classTimed moq.Class = 2
)

// A form writes groups as moq-lite does.
type form struct{ s *session }

func (f *form) Class() moq.Class {
	if f.s.p.Timestamps {
		return classTimed
	}
	return classPlain
}

func (f *form) Carriage() moq.Carriage { return f.s.p.Carriage() }

// Carriage returns what the draft can carry of a track.
func (p *Profile) Carriage() moq.Carriage {
	c := moq.Carriage{Whole: true, MaxNumber: wire.MaxRFC9000, Timestamps: p.Timestamps}
	if p.Datagrams {
		c.Datagrams = moq.WholeDatagrams
	}
	switch {
	case p.TrackStream:
		c.Info = moq.InfoTimed
	case p.TypedResponses:
		c.Info = moq.InfoDelivery
	}
	return c
}

func (f *form) StreamHeader(b []byte, id, group uint64, _ *moq.SubgroupHeader) []byte {
	b = appendVarint(b, typeGroup)
	h := groupHeader{ID: id, Sequence: group}
	return h.append(b, f.s.p)
}

func (f *form) ObjectHeader(b []byte, prev, o *moq.ObjectHeader, size uint64) []byte {
	return appendFrameHeader(b, f.s.p, prev, o, size)
}

func appendFrameHeader(b []byte, p *Profile, prev, o *moq.ObjectHeader, size uint64) []byte {
	h := frameHeader{Size: size}
	if p.Timestamps {
		h.Delta = int64(o.Timestamp)
		if prev != nil {
			h.Delta -= int64(prev.Timestamp)
		}
	}
	return h.append(b, p)
}

func (f *form) Datagram(b []byte, id, group uint64, o *moq.ObjectHeader, _ bool, payload []byte) []byte {
	m := datagram{ID: id, Sequence: group, Timestamp: o.Timestamp, Payload: payload}
	return m.append(b, f.s.p)
}

func (f *form) Code(err error) quic.ErrorCode { return f.s.code(codeOf(err)) }
