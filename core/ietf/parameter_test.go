package ietf

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
)

// everyParameter has all of them.
func everyParameter() parameters {
	return parameters{
		ObjectDeliveryTimeout:   some(time.Second),
		Tokens:                  []token{{AliasType: aliasUseValue, Type: 1, Value: []byte("t")}, {AliasType: aliasUse, Alias: 2}},
		MaxCacheDuration:        some(2 * time.Second),
		RendezvousTimeout:       some(3 * time.Second),
		SubgroupDeliveryTimeout: some(4 * time.Second),
		Expires:                 some(5 * time.Second),
		LargestObject:           some(loc(6, 600)),
		FillTimeout:             some(7 * time.Second),
		Forward:                 some(true),
		SubscriberPriority:      some[uint8](200),
		Filter:                  some(locationFilter{Type: filterAbsoluteRange, Start: loc(1, 2), EndGroup: 300}),
		GroupOrder:              some(moq.Descending),
		Fill:                    &parameters{FillTimeout: some(8 * time.Second)},
		RangeFilters: []rangeFilter{
			{paramTrackPropertyFilter, []byte{0, 2, 1, 1}}, {paramSubgroupFilter, []byte{0, 1}},
			{paramSubgroupFilter, []byte{1, 1}}, {paramObjectIDFilter, []byte{0, 1}},
			{paramPriorityFilter, []byte{0, 1}}, {paramObjectPropertyFilter, []byte{0, 2, 1}},
		},
		NewGroupRequest:      some[uint64](9),
		TrackNamespacePrefix: some(moq.Path("a/b")),
		IncludeProperties:    some(false),
	}
}

// parameterPlaces says in which messages the drafts allow each parameter, by a letter:
// Subscribe, Publish, Fetch, Track status, Namespace (publish), subscribe
// namespace Prefix (X), trackS (K), their answers in lower case, Updates 1 to
// 5 of each, their answer 6, notify N, fill L.
const placeLetters = "SsPpFfTtNnXxKk123456!L"

var parameterPlaces = map[string]map[uint64]string{
	"14": {
		0x02: "TtPpSs1", 0x03: "SPFTNXK12345", 0x04: "Psft",
	},
	"16": {
		0x02: "pS1", 0x03: "SPFTNXK12345", 0x08: "sPpt6", 0x09: "sPt6", 0x10: "S1PpX", 0x20: "SF12p", 0x21: "Sp1",
		0x22: "SpF", 0x32: "pS1",
	},
	"18": {
		0x02: "pS1", 0x03: "SPFTNXK12345", 0x04: "S", 0x06: "pS1", 0x08: "sPpt6", 0x09: "sPt6", 0x0a: "F",
		0x10: "S1PpK", 0x20: "SF12p", 0x21: "Sp1", 0x22: "SpF", 0x32: "pS1", 0x34: "45",
	},
	"19": {
		0x02: "pS1K", 0x03: "SPFTNXK12345", 0x04: "SK", 0x06: "pS1K", 0x08: "sPptnxk6", 0x09: "sPt6", 0x0a: "F",
		0x10: "S1PpK", 0x20: "SF12pK", 0x21: "Sp1K", 0x22: "SPFK", 0x25: "SF1pK", 0x26: "SF1pK", 0x27: "SF1pK", 0x28: "SF1pK",
		0x29: "K5", 0x32: "pS1K", 0x34: "45",
	},
	"20": {
		0x02: "PS1K", 0x03: "SPFTNXK12345", 0x04: "SK", 0x06: "PS1K", 0x08: "sPptnxk6", 0x09: "sPt6!", 0x0a: "FL",
		0x10: "S15PK!", 0x20: "SPF12KL", 0x21: "SPF1K!L", 0x22: "SPFKL", 0x23: "S1", 0x25: "SF1KL", 0x26: "SF1KL",
		0x27: "SF1KL", 0x28: "SF1KL", 0x29: "K5", 0x32: "S1K", 0x34: "45", 0x35: "STFK",
	},
}

// Each parameter in each place of each draft: read where it is allowed,
// ignored or refused elsewhere, and never written there.
func TestParameterPlaces(t *testing.T) {
	for _, draft := range drafts {
		p := profileOf(draft)
		for typ := range uint64(64) {
			allowed, known := parameterPlaces[draft][typ]
			_, ours := p.params[typ]
			assert.Equal(t, known, ours, "%s: parameter %#x", draft, typ)
			for i, letter := range placeLetters {
				in := scope(1) << i
				body, n := oneParameter(p, typ)
				if n == 0 {
					continue
				}
				var m parameters
				r := wire.NewReader(p.Varint, body)
				m.read(&r, p, in)
				err := r.Close()
				want := strings.ContainsRune(allowed, letter)
				switch {
				case want:
					assert.NoError(t, err, "%s: parameter %#x in %c", draft, typ, letter)
					assert.Equal(t, body, m.append(nil, p, in), "%s: parameter %#x in %c", draft, typ, letter)
					assert.NoError(t, m.check(p, in))
				case p.MisplacedParams:
					assert.NoError(t, err, "%s: parameter %#x in %c", draft, typ, letter)
					assert.Equal(t, parameters{}, m, "%s: parameter %#x in %c is ignored", draft, typ, letter)
				default:
					assert.ErrorContains(t, err, "has no place here", "%s: parameter %#x in %c", draft, typ, letter)
				}
				if !want {
					every := everyParameter()
					assert.NotContains(t, typesIn(t, p, every.append(nil, p, in), in), typ)
				}
			}
		}
	}
}

// oneParameter is a list of all parameters of a type that everyParameter has,
// and how many they are.
func oneParameter(p *Profile, typ uint64) (body []byte, n int) {
	q := *p
	q.params = map[uint64]scope{typ: 1}
	if _, known := p.params[typ]; !known {
		return nil, 0
	}
	every := everyParameter()
	body = every.append(nil, &q, 1)
	return body, int(body[0])
}

func typesIn(t *testing.T, p *Profile, body []byte, in scope) []uint64 {
	var m parameters
	r := wire.NewReader(p.Varint, body)
	m.read(&r, p, in)
	require.NoError(t, r.Close())
	return m.present()
}

// Every message takes all that it is allowed to take.
func TestEveryParameter(t *testing.T) {
	for _, draft := range drafts {
		p := profileOf(draft)
		for _, in := range []scope{inSubscribe, inPublish, inFetch, inSubscribeTracks, inUpdate, inUpdateTracks, inOKs, inNotify, inFill} {
			every := everyParameter()
			body := every.append(nil, p, in)
			var m parameters
			r := wire.NewReader(p.Varint, body)
			m.read(&r, p, in)
			require.NoError(t, r.Close())
			assert.Equal(t, body, m.append(nil, p, in))
			for cut := range body {
				r := wire.NewReader(p.Varint, body[:cut])
				m.read(&r, p, in)
				assert.ErrorIs(t, r.Close(), wire.ErrTruncated)
			}
		}
	}
}

// In 14 what is not known is ignored, also twice.
func TestUnknownParameters14(t *testing.T) {
	p := profileOf("14")
	var m parameters
	r := wire.NewReader(p.Varint, unhex(t, "05 4141 02 6162 32 07 32 07 4142 05 02 05"))
	m.read(&r, p, inSubscribe)
	require.NoError(t, r.Close())
	assert.Equal(t, parameters{ObjectDeliveryTimeout: some(5 * time.Millisecond)}, m)
}

func TestParameterLimit(t *testing.T) {
	p := profileOf("14")
	for n, ok := range map[int]bool{64: true, 65: false} {
		b := wire.RFC9000.Append(nil, uint64(n))
		for i := range n {
			b = append(wire.RFC9000.Append(b, uint64(1000+2*i)), 0)
		}
		var m parameters
		r := wire.NewReader(p.Varint, b)
		m.read(&r, p, inSubscribe)
		if ok {
			assert.NoError(t, r.Close())
			continue
		}
		var large *wire.TooLargeError
		require.ErrorAs(t, r.Close(), &large)
		assert.Equal(t, uint64(64), large.Limit)
	}
}

// Some peers put a length in front of every odd parameter.
func TestOddLengths(t *testing.T) {
	p := *profileOf("20")
	p.OddLengths = true
	for _, row := range []struct {
		in  scope
		m   parameters
		hex string
	}{
		{inSubscribeOK, parameters{LargestObject: some(loc(5, 300))}, "01 09 03 05 812c"},
		{inSubscribe, parameters{IncludeProperties: some(false)}, "01 35 01 00"},
		{inSubscribe, parameters{IncludeProperties: some(true), Forward: some(true)}, "02 10 01 25 01 01"},
	} {
		b := unhex(t, row.hex)
		assert.Equal(t, b, row.m.append(nil, &p, row.in))
		var m parameters
		r := wire.NewReader(p.Varint, b)
		m.read(&r, &p, row.in)
		require.NoError(t, r.Close())
		assert.Equal(t, row.m, m)
	}
	// As the npm package @moq/net 0.3.4 writes them.
	for hex, want := range map[string]message{
		"030012000101610176051001107f01000102130100": &subscribe{Name: short, Params: parameters{
			Forward: some(true), SubscriberPriority: some[uint8](127), GroupOrder: some(moq.Descending),
			Filter: some(locationFilter{}), IncludeProperties: some(false),
		}},
		"04000d0701090305812c08cf42401a02": &subscribeOK{
			TrackAlias: 7, Params: parameters{LargestObject: some(loc(5, 300))},
			Properties: []moq.Property{numeric(propTimescale, 1_000_000), numeric(propGroupOrder, 2)},
		},
	} {
		got, err := readMessage(streamOf(&p, unhex(t, hex)), &p)
		require.NoError(t, err)
		assert.Equal(t, want, got)
		assert.Equal(t, unhex(t, hex), want.append(nil, &p))
		_, err = readMessage(streamOf(&p, unhex(t, hex)), profileOf("20"))
		assert.Error(t, err, "the draft has no length there")
	}
	for _, hex := range []string{"01 35 02 00 00", "01 35 00", "01 09 04 05 812c 00", "01 09 02 05 812c"} {
		var m parameters
		r := wire.NewReader(p.Varint, unhex(t, hex))
		m.read(&r, &p, inSubscribe|inSubscribeOK)
		assert.Error(t, r.Close(), hex)
	}
}

// Older versions of @moq/net write numbers of one byte as varints.
func TestVarintBytes(t *testing.T) {
	p := *profileOf("18")
	p.VarintBytes = true
	read := func(hex string, p *Profile) (m parameters, err error) {
		r := wire.NewReader(p.Varint, unhex(t, hex))
		m.read(&r, p, inSubscribe)
		return m, r.Close()
	}
	of := func(priority uint8) parameters {
		return parameters{
			Forward: some(true), SubscriberPriority: some(priority), GroupOrder: some(moq.Descending),
			Filter: some(locationFilter{Type: filterLargestObject}),
		}
	}
	for hex, want := range map[string]uint8{
		"04 1001 1000   010102 0102": 0,
		"04 1001 107f   010102 0102": 127,
		"04 1001 1080   010102 0102": 128, // a byte
		"04 1001 109b   010102 0102": 155, // a byte
		"04 1001 108080 010102 0102": 128, // as @moq/net 0.2.8 writes it
		"04 1001 10809b 010102 0102": 155,
		"04 1001 1080ff 010102 0102": 255,
	} {
		m, err := read(hex, &p)
		require.NoError(t, err, hex)
		assert.Equal(t, of(want), m, hex)
	}
	_, err := read("04 1001 10809b 010102 0102", profileOf("18"))
	assert.Error(t, err, "the draft has one byte")
	for _, hex := range []string{"01 20", "01 2080ff00", "01 208080ff"} {
		_, err := read(hex, &p)
		assert.Error(t, err, hex)
	}
	// What is sent is the same number to those who read a byte and to those who
	// read a varint, and in the same order.
	for n := range 256 {
		m := of(uint8(n))
		b := m.append(nil, &p, inSubscribe)
		got, err := read(fmt.Sprintf("%x", b), profileOf("18"))
		require.NoError(t, err)
		assert.Equal(t, of(uint8(n/2)), got)
	}
}

// A publisher that takes the filter at its word must not begin in the middle
// of the current group where the draft can say so.
func TestJoin(t *testing.T) {
	for _, p := range Profiles {
		m := parametersOf(p, moq.Demand{})
		want := "02" // the largest object
		if p.FilterFields {
			want = "01" // the current group
		}
		assert.Equal(t, unhex(t, want), m.Filter.v.append(nil, p), p.Token)
	}
}

// A subscriber's Max Latency is the timeout of a subgroup where a draft has
// one, and of objects otherwise.
func TestMaxLatency(t *testing.T) {
	for _, p := range Profiles {
		m := parametersOf(p, moq.Demand{Subscription: moq.Subscription{MaxLatency: 1500 * time.Millisecond}})
		assert.NotEqual(t, m.SubgroupDeliveryTimeout.has, m.ObjectDeliveryTimeout.has, p.Token)
		got := m.subscription(moq.Subscription{MaxLatency: patience})
		assert.Equal(t, 1500*time.Millisecond, max(got.SubgroupTimeout, got.ObjectTimeout), p.Token)
		m = parametersOf(p, moq.Demand{})
		assert.Equal(t, patience, m.subscription(moq.Subscription{MaxLatency: patience}).MaxLatency, p.Token)
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]time.Duration{
		math.MinInt64:        0,
		-1:                   0,
		0:                    0,
		1:                    time.Millisecond,
		time.Millisecond:     time.Millisecond,
		time.Millisecond + 1: 2 * time.Millisecond,
		maxDuration:          maxDuration,
		math.MaxInt64:        maxDuration,
	} {
		assert.Equal(t, want, duration(milliseconds(d)), "%d ns", int64(d))
	}
	assert.Equal(t, maxDuration, duration(math.MaxUint64))
}

// The answer to a request may not say what does not belong there, once it is
// known which request it was.
func TestCheckAnswers(t *testing.T) {
	p := profileOf("18")
	props := []moq.Property{numeric(propPublisherPriority, 100)}
	for _, row := range []struct {
		m  requestOK
		ok bool
	}{
		{requestOK{To: kindPublishNamespace}, true},
		{requestOK{To: kindPublishNamespace, Properties: props}, false},
		{requestOK{To: kindPublish, Properties: props}, false},
		{requestOK{To: kindTrackStatus, Properties: props}, true},
		{requestOK{To: kindPublish, Params: parameters{Forward: some(false)}}, true},
		{requestOK{To: kindSubscribeTracks, Params: parameters{Forward: some(false)}}, false},
		{requestOK{To: kindUpdate, Params: parameters{LargestObject: some(loc(1, 1))}}, true},
		{requestOK{To: kindSubscribe}, false},
		{requestOK{To: kindFetch}, false},
	} {
		err := row.m.check(p)
		if row.ok {
			assert.NoError(t, err)
			continue
		}
		var v *violation
		require.ErrorAs(t, err, &v, "%+v", row.m)
		assert.Equal(t, CodeProtocolViolation, v.Code)
	}
	// The same from the wire: properties on a stream of PUBLISH_NAMESPACE.
	m, err := readMessage(streamOf(p, unhex(t, "070003000e64")), p)
	require.NoError(t, err)
	m.(*requestOK).To = kindPublishNamespace
	assert.Error(t, m.(*requestOK).check(p))
}

func TestCheckUpdates(t *testing.T) {
	p := profileOf("19")
	forward := parameters{Forward: some(true)}
	for kind, ok := range map[requestKind]bool{
		kindSubscribe: true, kindPublish: true, kindFetch: false, kindPublishNamespace: false,
		kindSubscribeNamespace: false, kindSubscribeTracks: false, kindTrackStatus: false,
	} {
		m := requestUpdate{Of: kind, Params: forward}
		assert.Equal(t, ok, m.check(p) == nil, "kind %d", kind)
		m.Params = parameters{}
		assert.Equal(t, kind != kindTrackStatus, m.check(p) == nil, "kind %d", kind)
	}
	m := requestUpdate{Of: kindTrackStatus}
	assert.NoError(t, (&requestOK{To: kindPublish, Params: parameters{Expires: some(time.Second)}}).check(profileOf("16")))
	assert.Error(t, m.check(profileOf("16")))
}
