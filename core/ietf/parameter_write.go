package ietf

import (
	"slices"
	"time"

	"github.com/moqtgo/moqt/core/moq"
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
		n := uint64(m.SubscriberPriority.v)
		if p.VarintBytes {
			n /= 2 // the order of our requests is what counts
		}
		w.small(paramSubscriberPriority, n)
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
	if m.HopPath != nil {
		w.bytes(paramHopPath, appendHopPath(p, m.HopPath))
	}
	if m.RouteCost.has {
		w.number(paramRouteCost, m.RouteCost.v)
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
	if s, _ := w.p.place(t); s&w.s == 0 {
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

// check says whether every parameter that is present may stand in s. Where
// misplaced ones are ignored there is nothing to say.
func (m *parameters) check(p *Profile, s scope) error {
	if p.MisplacedParams {
		return nil
	}
	for _, t := range m.present() {
		if in, _ := p.place(t); in&s == 0 {
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
	add(paramHopPath, m.HopPath != nil)
	add(paramRouteCost, m.RouteCost.has)
	return types
}
