package lite

import (
	"fmt"

	"github.com/moqtgo/moqt/core/wire"
)

// An announceRequest opens an Announce stream (ANNOUNCE_PLEASE up to 03,
// ANNOUNCE_INTEREST in 04).
type announceRequest struct {
	Prefix     string
	ExcludeHop uint64 // 0: none
}

func (m *announceRequest) append(b []byte, p *Profile) []byte {
	start := len(b)
	b = appendString(b, m.Prefix)
	if p.ExcludeHop {
		b = appendVarint(b, m.ExcludeHop)
	}
	return withLength(b, start)
}

func (m *announceRequest) read(r *wire.Reader, p *Profile) {
	m.Prefix = readPath(r)
	if p.ExcludeHop {
		m.ExcludeHop = r.Varint()
	}
}

// An announceInit is the first reply in drafts with AnnounceInit: what is
// active now.
type announceInit struct {
	Suffixes []string
}

func (m *announceInit) append(b []byte, _ *Profile) []byte {
	start := len(b)
	b = appendVarint(b, uint64(len(m.Suffixes)))
	for _, suffix := range m.Suffixes {
		b = appendString(b, suffix)
	}
	return withLength(b, start)
}

func (m *announceInit) read(r *wire.Reader, _ *Profile) {
	m.Suffixes = nil
	if n := r.Count("number of broadcasts", maxBroadcasts); n > 0 {
		m.Suffixes = make([]string, n)
	}
	for i := range m.Suffixes {
		m.Suffixes[i] = readPath(r)
	}
}

// An announceOK is the first reply in drafts with AnnounceOK.
type announceOK struct {
	Hop    uint64 // the publisher's own id, the last hop of what it announces
	Active uint64 // how many active announcements follow as the initial set
}

func (m *announceOK) append(b []byte, _ *Profile) []byte {
	start := len(b)
	b = appendVarint(b, m.Hop)
	b = appendVarint(b, m.Active)
	return withLength(b, start)
}

func (m *announceOK) read(r *wire.Reader, _ *Profile) {
	m.Hop = r.Varint()
	m.Active = r.Varint()
}

// An announce says that a broadcast begins or has ended (ANNOUNCE, in 05
// ANNOUNCE_BROADCAST).
type announce struct {
	Active bool
	Suffix string
	Hops   []uint64 // as Profile.Hops says; zeros where only their number is sent
}

// The Status of an ANNOUNCE. statusRestart is read as active where a second
// announcement replaces the first, and never sent.
const (
	statusEnded   = 0
	statusActive  = 1
	statusRestart = 2
)

func (m *announce) append(b []byte, p *Profile) []byte {
	start := len(b)
	b = appendBool(b, m.Active)
	b = appendString(b, m.Suffix)
	b = appendHops(b, p.Hops, m.Hops)
	return withLength(b, start)
}

func (m *announce) read(r *wire.Reader, p *Profile) {
	m.Active = readStatus(r, p)
	m.Suffix = readPath(r)
	m.Hops = readHops(r, p.Hops)
}

func readStatus(r *wire.Reader, p *Profile) (active bool) {
	status := r.Varint()
	if status > statusRestart || status == statusRestart && !p.Replace {
		r.Fail(fmt.Errorf("%w: announce status %d", wire.ErrInvalid, status))
	}
	return status != statusEnded
}

func appendHops(b []byte, form HopForm, hops []uint64) []byte {
	if form == HopsAbsent {
		return b
	}
	b = appendVarint(b, uint64(len(hops)))
	if form == HopsCount {
		return b
	}
	for _, hop := range hops {
		b = appendVarint(b, hop)
	}
	return b
}

func readHops(r *wire.Reader, form HopForm) []uint64 {
	if form == HopsAbsent {
		return nil
	}
	n := r.Varint()
	if n > maxHops {
		r.Fail(&wire.TooLargeError{What: "number of hops", Size: n, Limit: maxHops})
	}
	if n == 0 || r.Err() != nil {
		return nil
	}
	hops := make([]uint64, n)
	if form == HopsCount {
		return hops
	}
	for i := range hops {
		hops[i] = r.Varint()
	}
	return hops
}
