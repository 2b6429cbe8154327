package lite

import (
	"fmt"
	"slices"
	"time"

	"github.com/moqtgo/moqt/core/wire"
)

// A setup is the one message of a Setup stream. What has its zero value is not
// sent.
type setup struct {
	Probe  uint64   // what PROBE the sender answers
	Path   string   // URI path and query, from clients on transports without a URI
	Role   uint64   // what the client is
	Cost   optional // price of the sender's egress; absent: 1
	Origin uint64   // hop id of the sender, 0: none
}

// The parameters of SETUP. Others are ignored.
const (
	paramProbe  uint64 = 0x1
	paramPath   uint64 = 0x2
	paramRole   uint64 = 0x3
	paramCost   uint64 = 0x4
	paramOrigin uint64 = 0x5
)

// Values of the Probe parameter; a larger one is read as probeIncrease.
const (
	probeNone     uint64 = 0
	probeReport   uint64 = 1
	probeIncrease uint64 = 2
)

// Values of the Role parameter; a larger one is read as roleBoth.
const (
	roleBoth       uint64 = 0
	rolePublisher  uint64 = 1
	roleSubscriber uint64 = 2
)

func (m *setup) append(b []byte, _ *Profile) []byte {
	start := len(b)
	n := 0
	number := func(id, value uint64) {
		n++
		b = appendVarint(b, id)
		b = appendVarint(b, uint64(wire.RFC9000.Len(value)))
		b = appendVarint(b, value)
	}
	if m.Probe != probeNone {
		number(paramProbe, m.Probe)
	}
	if m.Path != "" {
		n++
		b = appendVarint(b, paramPath)
		b = appendString(b, m.Path)
	}
	if m.Role != roleBoth {
		number(paramRole, m.Role)
	}
	if m.Cost.has {
		number(paramCost, m.Cost.n)
	}
	if m.Origin != 0 {
		number(paramOrigin, m.Origin)
	}
	b = slices.Insert(b, start, byte(n)) // n <= 5
	return withLength(b, start)
}

func (m *setup) read(r *wire.Reader, _ *Profile) {
	*m = setup{}
	var seen [maxParameters]uint64
	n := readParameterCount(r)
	for i := range n {
		id := r.Varint()
		if r.Err() == nil && slices.Contains(seen[:i], id) {
			r.Fail(fmt.Errorf("%w: %d", errDuplicateParameter, id))
		}
		seen[i] = id
		if id == paramPath {
			m.Path = r.String(maxRequestPath)
			continue
		}
		m.readNumber(r, id, r.Bytes(anyLength))
	}
}

// readNumber reads a parameter whose value is one integer that fills it.
func (m *setup) readNumber(r *wire.Reader, id uint64, value []byte) {
	if r.Err() != nil || id < paramProbe || id > paramOrigin {
		return
	}
	v := wire.NewReader(wire.RFC9000, value)
	x := v.Varint()
	if err := v.Close(); err != nil {
		r.Fail(err)
		return
	}
	switch id {
	case paramProbe:
		m.Probe = min(x, probeIncrease)
	case paramRole:
		if x > roleSubscriber {
			x = roleBoth
		}
		m.Role = x
	case paramCost:
		m.Cost = some(x)
	case paramOrigin:
		m.Origin = x
	}
}

// readParameterCount reads how many parameters follow, of two bytes at least.
func readParameterCount(r *wire.Reader) int {
	n := r.Varint()
	if n > maxParameters {
		r.Fail(fmt.Errorf("%w: %d", errTooManyParameters, n))
	}
	if r.Err() != nil {
		return 0
	}
	return int(n)
}

// A probe tells a bitrate: the subscriber its target, the publisher its
// estimate. A field of 0 is unknown.
type probe struct {
	Bitrate uint64        // bits a second
	RTT     time.Duration // with ProbeRTT
}

func (m *probe) append(b []byte, p *Profile) []byte {
	start := len(b)
	b = appendVarint(b, m.Bitrate)
	if p.ProbeRTT {
		b = appendDuration(b, m.RTT)
	}
	return withLength(b, start)
}

func (m *probe) read(r *wire.Reader, p *Profile) {
	m.Bitrate = r.Varint()
	if p.ProbeRTT {
		m.RTT = readDuration(r)
	}
}

// A goaway asks the peer to leave for URI, or just to leave where it is empty.
type goaway struct {
	URI string
}

func (m *goaway) append(b []byte, _ *Profile) []byte {
	start := len(b)
	b = appendString(b, m.URI)
	return withLength(b, start)
}

func (m *goaway) read(r *wire.Reader, _ *Profile) {
	m.URI = r.String(maxURI)
}
