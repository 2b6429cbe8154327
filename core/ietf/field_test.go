package ietf

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
)

// One filter in every draft; what it becomes where a draft has no word for it.
func TestLocationFilter(t *testing.T) {
	for _, row := range []struct {
		f                  locationFilter
		old, delta, fields string // 14 and 16; 18 and 19; 20
		oldAs, fieldsAs    *locationFilter
	}{
		{locationFilter{Type: filterNextGroup}, "01", "01", "00", nil, nil},
		{locationFilter{Type: filterLargestObject}, "02", "02", "0000", nil, nil},
		{locationFilter{Type: filterAbsoluteStart, Start: loc(5, 6)}, "03 05 06", "03 05 06", "05 06", nil, nil},
		{locationFilter{Type: filterAbsoluteStart}, "03 00 00", "03 00 00", "", nil, &locationFilter{}},
		{locationFilter{Type: filterAbsoluteRange, Start: loc(10, 0), EndGroup: 15}, "04 0a 00 0f", "04 0a 00 05", "0a 00 05", nil, nil},
		{locationFilter{Type: filterAbsoluteRange, EndGroup: 15}, "04 00 00 0f", "04 00 00 0f", "00 00 0f", nil, nil},
		{locationFilter{Type: filterAbsoluteRange, Start: loc(10, 0), EndGroup: 15, EndObject: some[uint64](7)},
			"04 0a 00 0f", "04 0a 00 05", "0a 00 05 07", &locationFilter{Type: filterAbsoluteRange, Start: loc(10, 0), EndGroup: 15}, nil},
		{locationFilter{Type: filterRelative, Groups: 2}, "02", "02", "02", &locationFilter{Type: filterLargestObject}, nil},
		{locationFilter{Type: filterRelative}, "01", "01", "00", &locationFilter{Type: filterNextGroup}, &locationFilter{Type: filterNextGroup}},
		{locationFilter{}, "03 00 00", "03 00 00", "", &locationFilter{Type: filterAbsoluteStart}, nil},
	} {
		for _, draft := range drafts {
			p := profileOf(draft)
			hex, want := row.old, row.oldAs
			switch {
			case p.FilterFields:
				hex, want = row.fields, row.fieldsAs
			case p.FilterDelta:
				hex = row.delta
			}
			if want == nil {
				want = &row.f
			}
			b := row.f.append([]byte{0xaa}, p)
			assert.Equal(t, unhex(t, "aa"+hex), b, "%s: %+v", draft, row.f)
			r := wire.NewReader(p.Varint, b[1:])
			got := locationFilter{EndGroup: 77}
			got.read(&r, p)
			require.NoError(t, r.Close(), "%s: %+v", draft, row.f)
			assert.Equal(t, *want, got, "%s: %+v", draft, row.f)
		}
	}
	// An end in front of the start is read where it can be said; it refuses
	// the request, not the session.
	var f locationFilter
	r := wire.NewReader(wire.RFC9000, unhex(t, "04 0a 00 05"))
	f.read(&r, profileOf("16"))
	require.NoError(t, r.Close())
	assert.Equal(t, uint64(5), f.EndGroup)
	assert.Equal(t, unhex(t, "04 0a 00 00"), f.append(nil, profileOf("18")))
}

func TestNamespaceLimits(t *testing.T) {
	fields := func(n int) moq.Path { return moq.PathOf(strings.Split(strings.Repeat("x", n), "")...) }
	text := func(n int) string { return strings.Repeat("x", n) }
	for _, row := range []struct {
		name string
		m    message
		ok   bool
	}{
		{"32 fields", &publishNamespace{Namespace: fields(32)}, true},
		{"33 fields", &publishNamespace{Namespace: fields(33)}, false},
		{"prefix of 32 fields", &subscribeNamespace{Prefix: fields(32)}, true},
		{"prefix of 33 fields", &subscribeNamespace{Prefix: fields(33)}, false},
		{"namespace of 4096 bytes", &publishNamespace{Namespace: moq.PathOf(text(4000), text(96))}, true},
		{"namespace of 4097 bytes", &publishNamespace{Namespace: moq.PathOf(text(4000), text(97))}, false},
		{"full name of 4096 bytes", &trackStatus{Name: moq.FullTrackName{Path: moq.PathOf(text(4000)), Name: text(96)}}, true},
		{"full name of 4097 bytes", &trackStatus{Name: moq.FullTrackName{Path: moq.PathOf(text(4000)), Name: text(97)}}, false},
		{"empty track name", &trackStatus{Name: moq.FullTrackName{Path: "a"}}, true},
		{"any bytes", &publish{Name: moq.FullTrackName{Path: moq.PathOf("a/b\\c", "\xff\x00"), Name: "\xfe/"}}, true},
		{"reason of 1024 bytes", &publishDone{Reason: text(1024)}, true},
		{"URI of 8192 bytes", &goaway{URI: text(8192)}, true},
		{"URI of 8193 bytes", &goaway{URI: text(8193)}, false},
	} {
		for _, draft := range drafts {
			p := profileOf(draft)
			b, err := encode(nil, p, row.m)
			require.NoError(t, err)
			got, err := readMessage(streamOf(p, b), p)
			if !row.ok {
				var large *wire.TooLargeError
				assert.ErrorAs(t, err, &large, "%s: %s", draft, row.name)
				continue
			}
			require.NoError(t, err, "%s: %s", draft, row.name)
			again, err := encode(nil, p, got)
			require.NoError(t, err)
			assert.Equal(t, b, again, "%s: %s", draft, row.name)
			if m, ok := got.(*publish); ok {
				assert.Equal(t, row.m.(*publish).Name, m.Name)
			}
		}
	}
}

func TestEmptyNamespaces(t *testing.T) {
	for draft, row := range map[string]struct{ none, prefix, field bool }{
		"14": {false, true, true}, "16": {false, true, false},
		"18": {true, true, false}, "19": {true, true, false}, "20": {true, true, false},
	} {
		p := profileOf(draft)
		for m, ok := range map[message]bool{
			&publishNamespace{}:   row.none,
			&subscribe{}:          row.none,
			&subscribeNamespace{}: row.prefix,
			&publishNamespace{Namespace: moq.PathOf("a", "")}: row.field,
			&publishNamespace{Namespace: moq.PathOf("")}:      row.field,
		} {
			b, err := encode(nil, p, m)
			require.NoError(t, err)
			_, err = readMessage(streamOf(p, b), p)
			assert.Equal(t, ok, err == nil, "%s: %+v: %v", draft, m, err)
		}
	}
}

func TestReservedNamespaces(t *testing.T) {
	for path, want := range map[moq.Path]bool{
		"": false, "a": false, ".": true, "./a": true, ".session": true, ".session/x": true, ".xyz": false, "a/.session": false,
	} {
		assert.Equal(t, want, profileOf("18").reserved(path), path)
		assert.False(t, profileOf("16").reserved(path), path)
	}
}

func TestLongReasonIsCut(t *testing.T) {
	p := profileOf("18")
	for in, want := range map[string]string{
		strings.Repeat("x", 1025):         strings.Repeat("x", 1024),
		strings.Repeat("x", 1023) + "é":   strings.Repeat("x", 1023),
		strings.Repeat("x", 1022) + "é":   strings.Repeat("x", 1022) + "é",
		strings.Repeat("\U0001f600", 300): strings.Repeat("\U0001f600", 256),
	} {
		m := publishDone{Reason: in}
		got, err := readMessage(streamOf(p, m.append(nil, p)), p)
		require.NoError(t, err)
		assert.Equal(t, want, got.(*publishDone).Reason)
	}
	r := wire.NewReader(p.Varint, p.Varint.AppendString(nil, strings.Repeat("x", 1025)))
	_ = readReason(&r)
	assert.Error(t, r.Err())
}

func TestMessageTooLong(t *testing.T) {
	p := profileOf("18")
	m := &subscribeOK{}
	for len(m.Properties) < 17 {
		m.Properties = append(m.Properties, moq.Property{Type: 0x4001, Bytes: make([]byte, 3855-4)})
	}
	fits, err := encode(nil, p, m)
	require.NoError(t, err)
	_, err = readMessage(streamOf(p, fits), p)
	require.NoError(t, err)
	m.Properties = append(m.Properties, moq.Property{Type: 0x4001, Bytes: make([]byte, 100)})
	b, err := encode([]byte{1}, p, m)
	var large *wire.TooLargeError
	require.ErrorAs(t, err, &large)
	assert.Equal(t, []byte{1}, b)
}

func TestNoSuchMessage(t *testing.T) {
	for _, row := range []struct {
		drafts string
		m      message
	}{
		{"14 16", &subscribeTracks{}},
		{"14 16", &publishSkipped{}},
		{"14", &namespace{}},
		{"14", &namespaceDone{}},
		{"14", &requestOK{To: kindSubscribe}},
		{"14", &requestOK{To: kindUpdate}},
		{"14", &requestError{To: kindSubscribeTracks}},
		{"14 16 18 19", &publishStateNotify{}},
		{"18 19 20", &unsubscribe{}},
		{"18 19 20", &fetchCancel{}},
		{"18 19 20", &maxRequestID{}},
		{"18 19 20", &publishNamespaceDone{}},
		{"18 19 20", &clientSetup{}},
		{"14 16", &setup{}},
	} {
		for draft := range strings.FieldsSeq(row.drafts) {
			b, err := encode([]byte{1}, profileOf(draft), row.m)
			assert.ErrorIs(t, err, moq.ErrUnsupported, "%s: %T", draft, row.m)
			assert.Equal(t, []byte{1}, b)
		}
	}
}

func TestPropertyLimits(t *testing.T) {
	for _, draft := range []string{"16", "18"} {
		p := profileOf(draft)
		for n, ok := range map[int]bool{64: true, 65: false} {
			_, err := parseBlock(appendPairs(nil, p, make([]moq.Property, n)), p)
			assert.Equal(t, ok, err == nil, "%s: %d properties: %v", draft, n, err)
		}
		for n, ok := range map[int]bool{65535: true, 65536: false} {
			_, err := parseBlock(appendPairs(nil, p, []moq.Property{{Type: 1, Bytes: make([]byte, n)}}), p)
			assert.Equal(t, ok, err == nil, "%s: %d bytes: %v", draft, n, err)
		}
	}
	_, err := parseBlock(unhex(t, "02 00 ffffffffffffffffff 00"), profileOf("18"))
	assert.ErrorContains(t, err, "64 bits")
	_, err = parseBlock(unhex(t, "01 00 fffffffffffffffffe 00"), profileOf("18"))
	assert.NoError(t, err, "the largest type, an odd one")
}

// Deltas are made anew when a property comes or goes; the inside of the
// immutable ones stays as it was, long forms included.
func TestPropertyOrder(t *testing.T) {
	p := profileOf("18")
	b := unhex(t, "08 07 03 05 8002 c00009 33 01 3e 00 00 00")
	props, err := parseBlock(b, p)
	require.NoError(t, err)
	assert.Equal(t, []moq.Property{
		numeric(8, 7), {Type: 0x0b, Bytes: unhex(t, "8002 c00009"), Nested: []moq.Property{numeric(2, 9)}, Pairs: p.pairs()},
		numeric(0x3e, 1), numeric(0x7c, 0), numeric(0x7c, 0),
	}[:3], props[:3])
	inner, err := immutable(props[1].Bytes, p)
	require.NoError(t, err)
	assert.Equal(t, []moq.Property{numeric(2, 9)}, inner)

	shorter := append([]moq.Property{}, props[1:]...)
	out := appendPairs(nil, p, shorter)
	assert.True(t, bytes.HasPrefix(out, unhex(t, "0b 05 8002 c00009 33 01")))
	longer := append([]moq.Property{numeric(0x3c, 5)}, props...)
	again, err := parseBlock(appendPairs(nil, p, longer), p)
	require.NoError(t, err)
	assert.Equal(t, numeric(0x3c, 5), again[2])
	assert.Equal(t, numeric(0x3c, 5), longer[0], "the list of the caller stays as it is")
	assert.Len(t, again, len(longer))

	// Where types are whole the order of arrival stays.
	old := profileOf("14")
	assert.Equal(t, unhex(t, "3c 05 08 07"), appendPairs(nil, old, longer[:2]))
}

func TestImmutable(t *testing.T) {
	p := profileOf("18")
	for _, hex := range []string{"0b 00", "08 01 03 00", "08", "09 05 00"} {
		_, err := immutable(unhex(t, hex), p)
		assert.Error(t, err, hex)
	}
	props := p.nest([]moq.Property{numeric(2, 5), {Type: 0x0b, Bytes: unhex(t, "08 8057 08 09")}})
	for typ, want := range map[uint64]uint64{2: 5, 8: 0x57, 0x10: 9} {
		x, ok := lookup(props, typ)
		assert.True(t, ok)
		assert.Equal(t, want, x)
	}
	_, ok := lookup(props, 4)
	assert.False(t, ok)
	_, ok = lookup(p.nest([]moq.Property{{Type: 0x0b, Bytes: []byte{8}}}), 8)
	assert.False(t, ok)
}

func TestTokens(t *testing.T) {
	for _, row := range []struct {
		t    token
		hex  string
		want error
	}{
		{token{AliasType: aliasDelete, Alias: 200}, "00 80c8", &refusal{Code: requestMalformedAuthToken}},
		{token{AliasType: aliasRegister, Alias: 1, Type: 2, Value: []byte("v")}, "01 01 02 76", &violation{Code: CodeAuthTokenCacheOverflow}},
		{token{AliasType: aliasUse, Alias: 1}, "02 01", &refusal{Code: requestMalformedAuthToken}},
		{token{AliasType: aliasUseValue, Type: 2, Value: []byte{}}, "03 02", nil},
	} {
		p := profileOf("18")
		b := unhex(t, row.hex)
		assert.Equal(t, b, row.t.append(nil, p))
		got, err := parseToken(b, p)
		require.NoError(t, err)
		assert.Equal(t, row.t, got)
		switch want := row.want.(type) {
		case nil:
			assert.NoError(t, refuseAliases([]token{got}))
		case *refusal:
			var r *refusal
			require.ErrorAs(t, refuseAliases([]token{{AliasType: aliasUseValue}, got}), &r)
			assert.Equal(t, want.Code, r.Code)
		case *violation:
			var v *violation
			require.ErrorAs(t, refuseAliases([]token{got}), &v)
			assert.Equal(t, want.Code, v.Code)
		}
	}
}

func TestRangeFilters(t *testing.T) {
	p := profileOf("19")
	for _, row := range []struct {
		typ  uint64
		hex  string
		want ranges
	}{
		{paramObjectIDFilter, "00 03 02 05 05", ranges{Spans: []span{{3, 5}, {10, 15}}}},
		{paramSubgroupFilter, "07 03", ranges{Set: 7, Spans: []span{{3, 1<<64 - 1}}}},
		{paramPriorityFilter, "00 00 80ff", ranges{Spans: []span{{0, 255}}}},
		{paramPriorityFilter, "00 05", ranges{Spans: []span{{5, 1<<64 - 1}}}},
		{paramTrackPropertyFilter, "01 10 64", ranges{Set: 1, Property: 0x10, Spans: []span{{100, 1<<64 - 1}}}},
		{paramObjectPropertyFilter, "01 10 64 00", ranges{Set: 1, Property: 0x10, Spans: []span{{100, 100}}}},
	} {
		f := rangeFilter{row.typ, unhex(t, row.hex)}
		got, err := f.parse(p)
		require.NoError(t, err, row.hex)
		assert.Equal(t, row.want, got)
		assert.Equal(t, f.Value, got.append(nil, p, row.typ))
	}
	for _, row := range []struct {
		typ uint64
		hex string
	}{
		{paramObjectIDFilter, ""},
		{paramObjectIDFilter, "00 80"},
		{paramObjectIDFilter, "00 01 ffffffffffffffffff"},
		{paramObjectIDFilter, "00 01 01 ffffffffffffffffff"},
		{paramPriorityFilter, "00 8100"},
		{paramPriorityFilter, "00 00 8100"},
		{paramTrackPropertyFilter, "00 11 01"},
		{paramObjectPropertyFilter, "00"},
		{paramSubgroupFilter, "00" + strings.Repeat("0101", 17)},
	} {
		f := rangeFilter{row.typ, unhex(t, row.hex)}
		_, err := f.parse(p)
		var r *refusal
		require.ErrorAs(t, err, &r, row.hex)
		assert.Equal(t, requestInvalidFilter, r.Code)
	}
	assert.NoError(t, refuseFilters(nil))
	var r *refusal
	require.ErrorAs(t, refuseFilters(make([]rangeFilter, 1)), &r)
	assert.Equal(t, requestInvalidFilter, r.Code)
}

// Unknown options stay, in the order of arrival where that is the order of
// types; known ones may not come twice, but tokens may.
func TestSetupOptions(t *testing.T) {
	p := profileOf("18")
	m := &setup{Options: setupOptions{
		Tokens:  []token{{AliasType: aliasUseValue, Value: []byte("a")}, {AliasType: aliasRegister, Alias: 1, Value: []byte("b")}},
		Unknown: []moq.Property{numeric(0x9c, 7), {Type: 0x9d, Bytes: []byte("g")}, {Type: 0x9d, Bytes: []byte{}}, numeric(0x40b5a, 1)},
	}}
	got, err := readMessage(streamOf(p, m.append(nil, p)), p)
	require.NoError(t, err)
	assert.Equal(t, m, got)

	many := &setup{Options: setupOptions{Unknown: make([]moq.Property, 65)}}
	_, err = readMessage(streamOf(p, many.append(nil, p)), p)
	var large *wire.TooLargeError
	assert.ErrorAs(t, err, &large)
	old := profileOf("14")
	versions := &clientSetup{Versions: make([]uint64, 65)}
	_, err = readMessage(streamOf(old, versions.append(nil, old)), old)
	assert.ErrorAs(t, err, &large)
}
