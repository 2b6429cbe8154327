package lite

import (
	"fmt"
	"time"

	"github.com/moqtgo/moqt/core/wire"
)

// A subscribe opens a Subscribe stream.
type subscribe struct {
	ID       uint64 // never used twice in a session and direction
	Path     string
	Track    string
	Priority uint8 // higher goes first
	subscribeRange
}

// A subscribeRange is what a subscribe asks for and an update may change, in
// drafts with SubscribeParams.
type subscribeRange struct {
	Ordered    bool          // oldest group first
	MaxLatency time.Duration // 0: only the latest group
	Start      optional      // first group; absent: the latest
	End        optional      // last group; absent: no end
}

func (m *subscribe) append(b []byte, p *Profile) []byte {
	start := len(b)
	b = appendVarint(b, m.ID)
	b = appendString(b, m.Path)
	b = appendString(b, m.Track)
	b = append(b, m.Priority)
	b = m.subscribeRange.append(b, p)
	return withLength(b, start)
}

func (m *subscribe) read(r *wire.Reader, p *Profile) {
	m.ID = r.Varint()
	m.Path = readPath(r)
	m.Track = readTrack(r, m.Path)
	m.Priority = r.Byte()
	m.subscribeRange.read(r, p)
}

// append appends the four fields; they have no Length of their own.
func (m *subscribeRange) append(b []byte, p *Profile) []byte {
	if !p.SubscribeParams {
		return b
	}
	b = appendBool(b, m.Ordered)
	b = appendDuration(b, m.MaxLatency)
	b = appendOptional(b, m.Start)
	b = appendOptional(b, m.End)
	return b
}

func (m *subscribeRange) read(r *wire.Reader, p *Profile) {
	if !p.SubscribeParams {
		return
	}
	m.Ordered = r.Bool()
	m.MaxLatency = readDuration(r)
	m.Start = readOptional(r)
	m.End = readOptional(r)
}

// A subscribeUpdate follows a subscribe and replaces all of its values.
type subscribeUpdate struct {
	Priority uint8
	subscribeRange
}

func (m *subscribeUpdate) append(b []byte, p *Profile) []byte {
	start := len(b)
	b = append(b, m.Priority)
	b = m.subscribeRange.append(b, p)
	return withLength(b, start)
}

func (m *subscribeUpdate) read(r *wire.Reader, p *Profile) {
	m.Priority = r.Byte()
	m.subscribeRange.read(r, p)
}

// The Type of a reply to SUBSCRIBE: OK and DROP, or START, END and DROP.
const (
	responseOK      uint64 = 0
	responseDrop    uint64 = 1
	responseStart   uint64 = 0
	responseEnd     uint64 = 1
	responseDropped uint64 = 2 // DROP where StartEnd holds
)

// readResponse reads one reply to SUBSCRIBE: a *subscribeOK, *subscribeStart,
// *subscribeEnd or *subscribeDrop. io.EOF: the stream ended in front of it.
func readResponse(s *wire.Stream, p *Profile, limit int) (message, error) {
	m := message(&subscribeOK{})
	if p.TypedResponses {
		t, err := s.Varint()
		if err != nil {
			return nil, err
		}
		switch {
		case p.StartEnd && t == responseStart:
			m = &subscribeStart{}
		case p.StartEnd && t == responseEnd:
			m = &subscribeEnd{}
		case p.StartEnd && t == responseDropped:
			m = &subscribeDrop{}
		case !p.StartEnd && t == responseOK:
		case !p.StartEnd && t == responseDrop:
			m = &subscribeDrop{}
		default:
			return nil, fmt.Errorf("%w: subscribe response type %d", wire.ErrInvalid, t)
		}
	}
	err := readMessage(s, p, limit, m)
	if p.TypedResponses {
		err = wire.UnexpectedEOF(err)
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// A subscribeOK accepts a subscription in drafts without StartEnd. Without
// SubscribeParams it is empty. It may be repeated when a value changes.
type subscribeOK struct {
	Priority uint8 // of the publisher
	subscribeRange
}

func (m *subscribeOK) append(b []byte, p *Profile) []byte {
	if p.TypedResponses {
		b = appendVarint(b, responseOK)
	}
	start := len(b)
	if p.SubscribeParams {
		b = append(b, m.Priority)
	}
	b = m.subscribeRange.append(b, p)
	return withLength(b, start)
}

func (m *subscribeOK) read(r *wire.Reader, p *Profile) {
	if p.SubscribeParams {
		m.Priority = r.Byte()
	}
	m.subscribeRange.read(r, p)
}

// A subscribeStart says which group is the first (SUBSCRIBE_OK in 05).
type subscribeStart struct {
	Group uint64
}

func (m *subscribeStart) append(b []byte, _ *Profile) []byte {
	b = appendVarint(b, responseStart)
	start := len(b)
	b = appendVarint(b, m.Group)
	return withLength(b, start)
}

func (m *subscribeStart) read(r *wire.Reader, _ *Profile) {
	m.Group = r.Varint()
}

// A subscribeEnd says where the track ends: Group is the first one that will
// never exist, 0 after a track without any. So all shipped peers read it, the
// draft of June calls it the last group.
type subscribeEnd struct {
	Group uint64
}

func (m *subscribeEnd) append(b []byte, _ *Profile) []byte {
	b = appendVarint(b, responseEnd)
	start := len(b)
	b = appendVarint(b, m.Group)
	return withLength(b, start)
}

func (m *subscribeEnd) read(r *wire.Reader, _ *Profile) {
	m.Group = r.Varint()
}

// A subscribeDrop says that the groups Start to End, inclusive, will not come.
type subscribeDrop struct {
	Start uint64
	End   uint64
	Error uint64
}

func (m *subscribeDrop) append(b []byte, p *Profile) []byte {
	if p.StartEnd {
		b = appendVarint(b, responseDropped)
	} else {
		b = appendVarint(b, responseDrop)
	}
	start := len(b)
	b = appendVarint(b, m.Start)
	b = appendVarint(b, m.End)
	b = appendVarint(b, m.Error)
	return withLength(b, start)
}

func (m *subscribeDrop) read(r *wire.Reader, _ *Profile) {
	m.Start = r.Varint()
	m.End = r.Varint()
	m.Error = r.Varint()
}
