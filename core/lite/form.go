package lite

import (
	"time"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/ports/quic"
)

// The encoding classes of moq-lite: with and without timestamps.
const (
	classPlain moq.Class = 1
	classTimed moq.Class = 2
)

// defaultTimescale is that of tracks which have none: milliseconds.
const defaultTimescale = 1000

// A form writes groups as moq-lite does.
type form struct{ s *session }

func (f *form) Class() moq.Class {
	if f.s.p.Timestamps {
		return classTimed
	}
	return classPlain
}

func (f *form) StreamHeader(b []byte, id uint64, g *moq.Subgroup) []byte {
	b = appendVarint(b, typeGroup)
	h := groupHeader{ID: id, Sequence: g.Group()}
	return h.append(b, f.s.p)
}

func (f *form) ObjectHeader(b []byte, prev, o *moq.Object, info *moq.TrackInfo) []byte {
	return appendFrameHeader(b, f.s.p, prev, o, info)
}

func appendFrameHeader(b []byte, p *Profile, prev, o *moq.Object, info *moq.TrackInfo) []byte {
	h := frameHeader{Size: o.Size()}
	if p.Timestamps {
		h.Delta = int64(timestamp(o, info))
		if prev != nil {
			h.Delta -= int64(timestamp(prev, info))
		}
	}
	return h.append(b, p)
}

// timestamp returns that of an object; one without is stamped with its time of
// arrival.
func timestamp(o *moq.Object, info *moq.TrackInfo) uint64 {
	if o.Timed {
		return o.Timestamp
	}
	return arrival(o.Arrived, info)
}

func arrival(t time.Time, info *moq.TrackInfo) uint64 {
	scale := info.Timescale
	if scale == 0 {
		scale = defaultTimescale
	}
	ms := uint64(t.UnixMilli())
	if scale == 1000 {
		return ms
	}
	return ms/1000*scale + ms%1000*scale/1000
}

func (f *form) Datagram(b []byte, id uint64, d *moq.Datagram, info *moq.TrackInfo) ([]byte, bool) {
	if !f.s.p.Datagrams || d.ID != 0 {
		return b, false
	}
	m := datagram{ID: id, Sequence: d.Sequence(), Timestamp: timestamp(d.Object, info), Payload: d.Payload()}
	return m.append(b, f.s.p), true
}

func (f *form) Whole() bool { return true }

func (f *form) Code(err error) quic.ErrorCode { return f.s.code(codeOf(err)) }
