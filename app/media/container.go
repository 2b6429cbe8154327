package media

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"

	"github.com/moqtgo/moqt/app/media/fmp4"
	"github.com/moqtgo/moqt/app/moqt"
)

// Properties of LOC (draft-ietf-moq-loc-04, and 03).
const (
	locTimescale   = 0x08
	locTimestamp   = 0x10
	locTimestamp03 = 0x06
)

var errShortFrame = errors.New("media: a frame ends in the middle")

// appendVarint appends an integer as QUIC has it (RFC 9000, section 16).
func appendVarint(b []byte, x uint64) []byte {
	switch {
	case x < 1<<6:
		return append(b, byte(x))
	case x < 1<<14:
		return binary.BigEndian.AppendUint16(b, uint16(x)|1<<14)
	case x < 1<<30:
		return binary.BigEndian.AppendUint32(b, uint32(x)|2<<30)
	}
	return binary.BigEndian.AppendUint64(b, x&(1<<62-1)|3<<62)
}

// varint returns the integer at the start of b, and the rest.
func varint(b []byte) (x uint64, rest []byte, err error) {
	if len(b) == 0 {
		return 0, nil, errShortFrame
	}
	n := 1 << (b[0] >> 6)
	if len(b) < n {
		return 0, nil, errShortFrame
	}
	x = uint64(b[0] & 0x3f)
	for _, c := range b[1:n] {
		x = x<<8 | uint64(c)
	}
	return x, b[n:], nil
}

// appendFrame appends a sample of t as a frame. sequence counts those of the
// track.
func appendFrame(b []byte, t *Track, sequence uint32, s Sample) ([]byte, error) {
	switch t.Container {
	case CMAF:
		return fmp4.AppendFragment(b, sequence, 1, s), nil
	case Legacy:
		return append(appendVarint(b, rescale(s.PTS(), t.Timescale, microseconds)), s.Data...), nil
	case LOC:
		time := appendVarint([]byte{locTimestamp}, rescale(s.PTS(), t.Timescale, microseconds))
		return append(append(appendVarint(b, uint64(len(time))), time...), s.Data...), nil
	case Bare:
		return append(b, s.Data...), nil
	}
	return nil, fmt.Errorf("media: container %q is unknown", t.Container)
}

// rescale converts a time between timescales, to the nearest unit; there is none
// before 0.
func rescale(units int64, from, to uint32) uint64 {
	if units < 0 {
		return 0
	}
	high, low := bits.Mul64(uint64(units), uint64(to))
	low, carry := bits.Add64(low, uint64(from)/2, 0)
	high += carry
	if high >= uint64(from) {
		return math.MaxInt64 >> 1
	}
	x, _ := bits.Div64(high, low, uint64(from))
	return min(x, math.MaxInt64>>1)
}

// A decoder takes the frames of a track apart. It has what containers without
// decode times and durations leave open.
type decoder struct {
	track *Track
	scale uint64 // of the timestamps of frames; Bare only
	init  *fmp4.Init
	next  int64 // the least decode time of the next sample
}

// decode returns the samples in a frame; first says that it begins a group.
// Those that do not have a duration have 0. Their data are parts of the frame.
func (d *decoder) decode(f moqt.Frame, first bool) ([]Sample, error) {
	b := f.Payload
	var err error
	var time uint64
	switch d.track.Container {
	case CMAF:
		if d.init == nil {
			one := d.track.Track
			d.init = &fmp4.Init{Tracks: []*fmp4.Track{&one}}
		}
		return fmp4.ParseSamples(b, d.init)
	case Legacy:
		time, b, err = varint(b)
	case LOC:
		time, b, err = locTime(b)
	case Bare:
		if !f.Timed || d.scale == 0 {
			return nil, errors.New("media: a frame without a timestamp")
		}
		time = rescale(int64(min(f.Timestamp, math.MaxInt64>>1)), uint32(min(d.scale, math.MaxUint32)), microseconds)
	default:
		err = fmt.Errorf("media: container %q is unknown", d.track.Container)
	}
	if err != nil || len(b) == 0 { // nothing is a mark: here something ends
		return nil, err
	}
	pts := int64(rescale(int64(min(time, math.MaxInt64>>1)), microseconds, d.track.Timescale))
	// Samples come in the order of decoding, which has no times of its own:
	// that of showing will do as long as it grows.
	s := Sample{DTS: pts, Key: first || d.track.Kind == Audio, Data: b}
	const far = 10 // seconds: the source has begun anew
	if pts < d.next && d.next-pts < far*int64(d.track.Timescale) {
		s.DTS, s.Offset = d.next, int32(pts-d.next)
	}
	d.next = s.DTS + 1
	return []Sample{s}, nil
}

// locTime returns the presentation time in microseconds, and the sample.
func locTime(b []byte) (micros uint64, sample []byte, err error) {
	size, b, err := varint(b)
	if err != nil {
		return 0, nil, err
	}
	if size > uint64(len(b)) {
		return 0, nil, errShortFrame
	}
	props, sample := b[:size], b[size:]
	kind, scale, found := uint64(0), uint64(microseconds), false
	for len(props) > 0 {
		var x uint64
		if x, props, err = varint(props); err != nil {
			return 0, nil, err
		}
		kind += x
		if x, props, err = varint(props); err != nil {
			return 0, nil, err
		}
		switch {
		case kind%2 == 1 && x > uint64(len(props)):
			return 0, nil, errShortFrame
		case kind%2 == 1:
			props = props[x:]
		case kind == locTimestamp, kind == locTimestamp03:
			micros, found = x, true
		case kind == locTimescale && (x == 0 || x > math.MaxUint32):
			return 0, nil, fmt.Errorf("media: a timescale of %d", x)
		case kind == locTimescale:
			scale = x
		}
	}
	if !found {
		return 0, nil, errors.New("media: a frame without a timestamp")
	}
	return rescale(int64(min(micros, math.MaxInt64>>1)), uint32(scale), microseconds), sample, nil
}
