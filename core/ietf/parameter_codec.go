package ietf

import (
	"bytes"
	"slices"
	"time"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
)

// append writes the number of parameters and those that the draft defines for
// s, in the order of their types.
func (m *parameters) append(b []byte, p *Profile, s scope) []byte {
	w := paramWriter{p: p, s: s, b: b, start: len(b)}
	w.milliseconds(paramObjectDeliveryTimeout, m.ObjectDeliveryTimeout)
	for i := range m.Tokens {
		w.bytes(paramAuthorizationToken, m.Tokens[i].append(nil, p))
	}
	if p.UnknownParams {
		w.milliseconds(paramMaxCacheDuration, m.MaxCacheDuration)
	} else {
		w.milliseconds(paramRendezvousTimeout, m.RendezvousTimeout)
	}
	w.milliseconds(paramSubgroupDeliveryTimeout, m.SubgroupDeliveryTimeout)
	w.milliseconds(paramExpires, m.Expires)
	if m.LargestObject.has {
		w.location(paramLargestObject, m.LargestObject.v)
	}
	w.milliseconds(paramFillTimeout, m.FillTimeout)
	if m.Forward.has {
		w.flag(paramForward, m.Forward.v)
	}
	if m.SubscriberPriority.has {
		w.small(paramSubscriberPriority, uint64(m.SubscriberPriority.v))
	}
	if m.Filter.has {
		w.bytes(paramLocationFilter, m.Filter.v.append(nil, p))
	}
	if m.GroupOrder.has {
		w.small(paramGroupOrder, orderNumber(m.GroupOrder.v))
	}
	if m.Fill != nil {
		w.bytes(paramFillParameters, m.Fill.append(nil, p, inFill))
	}
	for _, f := range sortedFilters(m.RangeFilters) {
		w.bytes(f.Type, f.Value)
	}
	if m.NewGroupRequest.has {
		w.number(paramNewGroupRequest, m.NewGroupRequest.v)
	}
	if m.TrackNamespacePrefix.has && w.begin(paramTrackNamespacePrefix) {
		w.b = appendNamespace(w.b, p, m.TrackNamespacePrefix.v)
	}
	if m.IncludeProperties.has {
		w.flag(paramIncludeProperties, m.IncludeProperties.v)
	}
	return slices.Insert(w.b, w.start, p.Varint.Append(nil, uint64(w.n))...)
}

func sortedFilters(filters []rangeFilter) []rangeFilter {
	byType := func(a, b rangeFilter) int { return int(a.Type) - int(b.Type) }
	if slices.IsSortedFunc(filters, byType) {
		return filters
	}
	filters = slices.Clone(filters)
	slices.SortStableFunc(filters, byType)
	return filters
}

// A paramWriter appends the parameters that its draft defines for a scope.
type paramWriter struct {
	p     *Profile
	s     scope
	b     []byte
	start int
	n     int
	last  uint64
}

// begin appends the type t and says whether the value is wanted.
func (w *paramWriter) begin(t uint64) bool {
	if w.p.params[t]&w.s == 0 {
		return false
	}
	w.n++
	w.b = w.p.Varint.Append(w.b, t-w.last)
	if w.p.DeltaTypes {
		w.last = t
	}
	return true
}

func (w *paramWriter) number(t, x uint64) {
	if w.begin(t) {
		w.b = w.p.Varint.Append(w.b, x)
	}
}

// small appends a number of one byte, which is a number like others where
// parameters are pairs.
func (w *paramWriter) small(t, x uint64) {
	switch {
	case !w.p.TypedParams:
		w.number(t, x)
	case w.begin(t):
		w.b = append(w.b, byte(x))
	}
}

func (w *paramWriter) flag(t uint64, x bool) {
	switch {
	case w.p.odd(t):
		w.bytes(t, appendBool(nil, x))
	case x:
		w.small(t, 1)
	default:
		w.small(t, 0)
	}
}

func (w *paramWriter) milliseconds(t uint64, d optional[time.Duration]) {
	if d.has {
		w.number(t, milliseconds(d.v))
	}
}

func (w *paramWriter) bytes(t uint64, value []byte) {
	if w.begin(t) {
		w.b = w.p.Varint.AppendBytes(w.b, value)
	}
}

func (w *paramWriter) location(t uint64, l moq.Location) {
	switch {
	case !w.p.TypedParams, w.p.odd(t):
		w.bytes(t, appendLocation(nil, w.p, l))
	case w.begin(t):
		w.b = appendLocation(w.b, w.p, l)
	}
}

// read reads parameters of a message in any scope of s.
func (m *parameters) read(r *wire.Reader, p *Profile, s scope) {
	*m = parameters{}
	var last uint64
	var seen uint64 // those below 64
	for range r.Count("number of parameters", maxParameters) {
		t := readType(r, p, &last)
		if r.Err() != nil {
			return
		}
		allowed, known := p.params[t]
		switch {
		case !known && !p.UnknownParams:
			r.Fail(invalid("unknown parameter %#x", t))
		case known && allowed&s == 0 && !p.MisplacedParams:
			r.Fail(invalid("parameter %#x has no place here", t))
		case !known || allowed&s == 0:
			skipPair(r, t)
		case seen>>t&1 == 1 && !repeats(t):
			r.Fail(invalid("parameter %#x is there twice", t))
		default:
			seen |= 1 << t
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
	}
}

func readMilliseconds(r *wire.Reader) optional[time.Duration] { return some(duration(r.Varint())) }

// readSmall reads a number of one byte.
func readSmall(r *wire.Reader, p *Profile) uint64 {
	if p.TypedParams {
		return uint64(r.Byte())
	}
	n := r.Varint()
	if n > 255 {
		r.Fail(invalid("parameter of %d, which is no byte", n))
	}
	return n
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

// check says whether every parameter that is present may stand in s. Where
// misplaced ones are ignored there is nothing to say.
func (m *parameters) check(p *Profile, s scope) error {
	if p.MisplacedParams {
		return nil
	}
	for _, t := range m.present() {
		if p.params[t]&s == 0 {
			return violated(CodeProtocolViolation, "parameter %#x has no place here", t)
		}
	}
	return nil
}

// present lists the types that are present.
func (m *parameters) present() (types []uint64) {
	add := func(t uint64, has bool) {
		if has {
			types = append(types, t)
		}
	}
	add(paramObjectDeliveryTimeout, m.ObjectDeliveryTimeout.has)
	add(paramAuthorizationToken, len(m.Tokens) > 0)
	add(paramRendezvousTimeout, m.RendezvousTimeout.has || m.MaxCacheDuration.has)
	add(paramSubgroupDeliveryTimeout, m.SubgroupDeliveryTimeout.has)
	add(paramExpires, m.Expires.has)
	add(paramLargestObject, m.LargestObject.has)
	add(paramFillTimeout, m.FillTimeout.has)
	add(paramForward, m.Forward.has)
	add(paramSubscriberPriority, m.SubscriberPriority.has)
	add(paramLocationFilter, m.Filter.has)
	add(paramGroupOrder, m.GroupOrder.has)
	add(paramFillParameters, m.Fill != nil)
	for i := range m.RangeFilters {
		add(m.RangeFilters[i].Type, true)
	}
	add(paramNewGroupRequest, m.NewGroupRequest.has)
	add(paramTrackNamespacePrefix, m.TrackNamespacePrefix.has)
	add(paramIncludeProperties, m.IncludeProperties.has)
	return types
}
