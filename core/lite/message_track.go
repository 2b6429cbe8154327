package lite

import (
	"fmt"
	"time"

	"github.com/moqtgo/moqt/core/wire"
)

// A track opens a Track stream: it asks for the properties of a track.
type track struct {
	Path  string
	Track string
}

func (m *track) append(b []byte, _ *Profile) []byte {
	start := len(b)
	b = appendString(b, m.Path)
	b = appendString(b, m.Track)
	return withLength(b, start)
}

func (m *track) read(r *wire.Reader, _ *Profile) {
	m.Path = readPath(r)
	m.Track = readTrack(r, m.Path)
}

// A trackInfo answers a track. It never changes while the broadcast lives.
type trackInfo struct {
	Priority   uint8
	Ordered    bool
	MaxLatency time.Duration // how long a group is kept at most
	Timescale  uint64        // timestamp units a second, never 0
}

func (m *trackInfo) append(b []byte, _ *Profile) []byte {
	start := len(b)
	b = append(b, m.Priority)
	b = appendBool(b, m.Ordered)
	b = appendDuration(b, m.MaxLatency)
	b = appendVarint(b, m.Timescale)
	return withLength(b, start)
}

func (m *trackInfo) read(r *wire.Reader, _ *Profile) {
	m.Priority = r.Byte()
	m.Ordered = r.Bool()
	m.MaxLatency = readDuration(r)
	m.Timescale = r.Varint()
	if m.Timescale == 0 {
		r.Fail(fmt.Errorf("%w: timescale 0", wire.ErrInvalid))
	}
}

// A fetch opens a Fetch stream: the frames of one group follow.
type fetch struct {
	Path     string
	Track    string
	Priority uint8
	Group    uint64
}

func (m *fetch) append(b []byte, _ *Profile) []byte {
	start := len(b)
	b = appendString(b, m.Path)
	b = appendString(b, m.Track)
	b = append(b, m.Priority)
	b = appendVarint(b, m.Group)
	return withLength(b, start)
}

func (m *fetch) read(r *wire.Reader, _ *Profile) {
	m.Path = readPath(r)
	m.Track = readTrack(r, m.Path)
	m.Priority = r.Byte()
	m.Group = r.Varint()
}
