package ietf

import (
	"bytes"
	"time"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
)

// read reads parameters of a message in any scope of s.
func (m *parameters) read(r *wire.Reader, p *Profile, s scope) {
	*m = parameters{}
	var last uint64
	var seen uint64 // by what all known types differ in
	for range r.Count("number of parameters", maxParameters) {
		t := readType(r, p, &last)
		if r.Err() != nil {
			return
		}
		allowed, known := p.place(t)
		switch {
		case !known && !p.UnknownParams:
			r.Fail(invalid("unknown parameter %#x", t))
		case known && allowed&s == 0 && !p.MisplacedParams:
			r.Fail(invalid("parameter %#x has no place here", t))
		case !known || allowed&s == 0:
			skipPair(r, t)
		case seen>>(t%64)&1 == 1 && !repeats(t):
			r.Fail(invalid("parameter %#x is there twice", t))
		default:
			seen |= 1 << (t % 64)
			m.readValue(r, p, t)
		}
	}
}

func skipPair(r *wire.Reader, t uint64) {
	if t%2 == 0 {
		r.Varint()
	} else {
		r.Bytes(maxValue)
	}
}

func (m *parameters) readValue(r *wire.Reader, p *Profile, t uint64) {
	switch t {
	case paramObjectDeliveryTimeout:
		m.ObjectDeliveryTimeout = readMilliseconds(r)
		if m.ObjectDeliveryTimeout.v == 0 && !p.ZeroTimeout {
			r.Fail(invalid("delivery timeout 0"))
		}
	case paramAuthorizationToken:
		tok, err := parseToken(r.Bytes(maxValue), p)
		if r.Err() == nil && err != nil {
			r.Fail(err)
		}
		m.Tokens = append(m.Tokens, tok)
	case paramRendezvousTimeout:
		if p.UnknownParams {
			m.MaxCacheDuration = readMilliseconds(r)
		} else {
			m.RendezvousTimeout = readMilliseconds(r)
		}
	case paramSubgroupDeliveryTimeout:
		m.SubgroupDeliveryTimeout = readMilliseconds(r)
	case paramExpires:
		m.Expires = readMilliseconds(r)
	case paramLargestObject:
		m.LargestObject = some(readLocationParam(r, p))
	case paramFillTimeout:
		m.FillTimeout = readMilliseconds(r)
	case paramForward:
		m.Forward = some(readFlag(r, p, t))
	case paramSubscriberPriority:
		m.SubscriberPriority = some(uint8(readSmall(r, p)))
	case paramLocationFilter:
		m.Filter = some(readFilterParam(r, p))
	case paramGroupOrder:
		m.GroupOrder = some(orderOf(r, readSmall(r, p)))
	case paramFillParameters:
		inner := wire.NewReader(p.Varint, r.Bytes(maxValue))
		m.Fill = &parameters{}
		m.Fill.read(&inner, p, inFill)
		closeInner(r, &inner)
	case paramSubgroupFilter, paramObjectIDFilter, paramPriorityFilter, paramObjectPropertyFilter, paramTrackPropertyFilter:
		m.RangeFilters = append(m.RangeFilters, rangeFilter{Type: t, Value: bytes.Clone(r.Bytes(maxValue))})
	case paramNewGroupRequest:
		m.NewGroupRequest = some(r.Varint())
	case paramTrackNamespacePrefix:
		m.TrackNamespacePrefix = some(readPrefix(r, p))
	case paramIncludeProperties:
		m.IncludeProperties = some(readFlag(r, p, t))
	case paramHopPath:
		m.HopPath = readHopPath(r, p)
	case paramRouteCost:
		m.RouteCost = some(r.Varint())
	}
}

func readMilliseconds(r *wire.Reader) optional[time.Duration] { return some(duration(r.Varint())) }

// readSmall reads a number of one byte.
func readSmall(r *wire.Reader, p *Profile) uint64 {
	switch {
	case p.VarintBytes:
		return readByteOrVarint(r)
	case p.TypedParams:
		return uint64(r.Byte())
	}
	n := r.Varint()
	if n > 255 {
		r.Fail(invalid("parameter of %d, which is no byte", n))
	}
	return n
}

// readByteOrVarint reads a number of one byte that may be a varint of two: 0x80
// and the number, if that is 128 or more. As a byte of 128 it would be followed
// by a type that no draft has.
func readByteOrVarint(r *wire.Reader) uint64 {
	b := r.Byte()
	if ahead := *r; b == 0x80 && ahead.Byte() >= 0x80 {
		b = r.Byte()
	}
	return uint64(b)
}

func readFlag(r *wire.Reader, p *Profile, t uint64) bool {
	if p.odd(t) && r.Varint() != 1 {
		r.Fail(invalid("parameter %#x is not one byte long", t))
	}
	n := readSmall(r, p)
	if n > 1 {
		r.Fail(invalid("parameter %#x is %d", t, n))
	}
	return n == 1
}

// odd says whether the value of a parameter has a length that it should not
// have.
func (p *Profile) odd(t uint64) bool { return p.OddLengths && t%2 == 1 }

func readLocationParam(r *wire.Reader, p *Profile) moq.Location {
	if p.TypedParams && !p.OddLengths {
		return readLocation(r)
	}
	inner := wire.NewReader(p.Varint, r.Bytes(maxValue))
	l := readLocation(&inner)
	closeInner(r, &inner)
	return l
}

func readFilterParam(r *wire.Reader, p *Profile) (f locationFilter) {
	inner := wire.NewReader(p.Varint, r.Bytes(maxValue))
	f.read(&inner, p)
	closeInner(r, &inner)
	return f
}

// closeInner hands an error of a value that must fill its length to r.
func closeInner(r, inner *wire.Reader) {
	if err := inner.Close(); r.Err() == nil && err != nil {
		r.Fail(err)
	}
}
