package ietf

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/moqtgo/moqt/core/route"
)

// named returns a row as it is between peers that name nodes.
func named(p *Profile) *Profile {
	row := *p
	row.Hops = true
	return &row
}

func path(hops ...uint64) parameters { return parameters{HopPath: hops} }

func priced(m parameters, cost uint64) parameters {
	m.RouteCost = some(cost)
	return m
}

// hopVectors are written by hand from moq-dev's cluster extension: 14 and 16
// differ from what that defines, which is for 17 and later, only as their
// parameters do.
var hopVectors = map[string][]vector{
	"14h": {
		{name: "setup", m: &serverSetup{Version: 0xff00000e, Options: setupOptions{RelayHops: some[uint64](300), RelayCost: some[uint64](0)}},
			hex: "21 0015 c0000000ff00000e 02 80040b55 02 412c 80040b56 00"},
		{name: "publish_namespace", m: &publishNamespace{RequestID: 2, Namespace: "a", Params: priced(path(7, 300), 5)},
			hex: "06 0012 02 01 0161 02 80040b57 03 07412c 80040b58 05"},
		{name: "publish_namespace-path", m: &publishNamespace{RequestID: 2, Namespace: "a", Params: path(0)},
			hex: "06 000b 02 01 0161 01 80040b57 01 00"},
	},
	"16h": {
		{name: "setup", m: &clientSetup{Options: setupOptions{Implementation: "x", RelayHops: some[uint64](7)}},
			hex: "20 000a 02 07 01 78 80040b4e 01 07"},
		{name: "publish_namespace", m: &publishNamespace{RequestID: 2, Namespace: "a", Params: priced(path(7, 300), 5)},
			hex: "06 000f 02 01 0161 02 80040b57 03 07412c 01 05"},
		{name: "namespace", m: &namespace{Suffix: "a", Params: priced(path(7, 0, 0, math.MaxUint64>>2), 5)},
			hex: "08 0016 01 0161 02 80040b57 0b 07 00 00 ffffffffffffffff 01 05"},
	},
	"18h": hopVectors18, "19h": hopVectors18, "20h": hopVectors18,
}

var hopVectors18 = []vector{
	{name: "setup", m: &setup{Options: setupOptions{RelayHops: some[uint64](42), RelayCost: some[uint64](9)}},
		hex: "af00 0007 c40b55 01 2a 01 09"},
	{name: "setup-unknown", m: &setup{Options: setupOptions{RelayHops: some[uint64](0)}}, hex: "af00 0005 c40b55 01 00"},
	{name: "publish_namespace", m: &publishNamespace{RequestID: 2, Namespace: "a", Params: priced(path(7, 300), 5)},
		hex: "06 000e 02 01 0161 02 c40b57 03 07812c 01 05"},
	{name: "namespace", m: &namespace{Suffix: "a/b", Params: path(7, 0, 0, math.MaxUint64)},
		hex: "08 0016 02 0161 0162 01 c40b57 0c 07 00 00 ffffffffffffffffff"},
	{name: "namespace-free", m: &namespace{Params: priced(path(1), 0)}, hex: "08 0009 00 02 c40b57 01 01 01 00"},
}

var badHops = []badVector{
	{"RELAY_HOPS without an id", "18 19 20", anyMessage, "af00 0004 c40b55 00", CodeProtocolViolation, "message ends inside a field"},
	{"RELAY_HOPS cut off", "18 19 20", anyMessage, "af00 0005 c40b55 01 81", CodeProtocolViolation, "message ends inside a field"},
	{"two ids in RELAY_HOPS", "18 19 20", anyMessage, "af00 0006 c40b55 02 0102", CodeProtocolViolation, "bytes left after the last field"},
	{"RELAY_HOPS twice", "18 19 20", anyMessage, "af00 0008 c40b55 01 01 00 01 02", CodeProtocolViolation, "set-up option 0x40b55 is there twice"},
	{"RELAY_COST twice", "18 19 20", anyMessage, "af00 0006 c40b56 01 00 01", CodeProtocolViolation, "set-up option 0x40b56 is there twice"},
	{"RELAY_HOPS with two ids", "14", anyMessage, "20 0009 00 01 80040b55 02 0102", CodeProtocolViolation, "bytes left after the last field"},
	{"a path that was not agreed on", "18 19 20", anyMessage, "06 000a 02 01 0161 01 c40b57 01 07", CodeProtocolViolation, "unknown parameter 0x40b57"},
	{"a path that was not agreed on", "16", anyMessage, "06 000b 02 01 0161 01 80040b57 01 07", CodeProtocolViolation, "unknown parameter 0x40b57"},
	{"parameters of NAMESPACE", "16 18 19 20", anyMessage, "08 0004 01 0161 00", CodeProtocolViolation, "bytes left after the last field"},

	{"no path", "14h 16h 18h 19h 20h", anyMessage, "06 0005 02 01 0161 00", CodeProtocolViolation, "an announcement without HOP_PATH"},
	{"no path in NAMESPACE", "16h 18h 19h 20h", anyMessage, "08 0004 01 0161 00", CodeProtocolViolation, "an announcement without HOP_PATH"},
	{"no parameters of NAMESPACE", "16h 18h 19h 20h", anyMessage, "08 0003 01 0161", CodeProtocolViolation, "message ends inside a field"},
	{"path without hops", "18h 19h 20h", anyMessage, "06 0009 02 01 0161 01 c40b57 00", CodeProtocolViolation, "a path without hops"},
	{"path without hops", "14h 16h", anyMessage, "06 000a 02 01 0161 01 80040b57 00", CodeProtocolViolation, "a path without hops"},
	{"a hop twice", "18h 19h 20h", anyMessage, "08 000b 01 0161 01 c40b57 03 010201", CodeProtocolViolation, "hop 1 is there twice"},
	{"a hop twice", "14h 16h", anyMessage, "06 000d 02 01 0161 01 80040b57 03 010201", CodeProtocolViolation, "hop 1 is there twice"},
	{"a hop cut off", "18h 19h 20h", anyMessage, "08 000a 01 0161 01 c40b57 02 0181", CodeProtocolViolation, "message ends inside a field"},
	{"a hop cut off", "14h 16h", anyMessage, "06 000c 02 01 0161 01 80040b57 02 0141", CodeProtocolViolation, "message ends inside a field"},
	{"33 hops", "18h 19h 20h", anyMessage, "08 0029 01 0161 01 c40b57 21 000000000000000000000000000000000000000000000000000000000000000000", CodeProtocolViolation, "a path of more than 32 hops"},
	{"path twice", "18h 19h 20h", anyMessage, "08 000c 01 0161 02 c40b57 01 01 00 01 02", CodeProtocolViolation, "parameter 0x40b57 is there twice"},
	{"cost twice", "18h 19h 20h", anyMessage, "08 000d 01 0161 03 c40b57 01 01 01 05 00 05", CodeProtocolViolation, "parameter 0x40b58 is there twice"},
	{"a token in NAMESPACE", "18h 19h 20h", anyMessage, "08 0009 01 0161 01 03 03 03 00 74", CodeProtocolViolation, "parameter 0x3 has no place here"},
	{"path of a subscription", "18h 19h 20h", anyMessage, "03 000c 00 01 0161 0176 01 c40b57 01 01", CodeProtocolViolation, "parameter 0x40b57 has no place here"},
}

func init() {
	for draft, all := range hopVectors {
		vectors[draft] = all
	}
	badVectors = append(badVectors, badHops...)
}

// What a session makes of a path, and tells the next one of it.
func TestRoutes(t *testing.T) {
	bare := &session{p: profileOf("18"), hop: 9}
	assert.Equal(t, route.Route{Hops: []uint64{0}, Cost: 1}, bare.arrived(&parameters{}))
	assert.Equal(t, parameters{}, bare.departs(route.Announcement{Hops: []uint64{1}, Cost: 1}))

	s := &session{p: profileOf("18h"), hop: 9, cost: 3}
	arrived := func(m parameters) route.Route { return s.arrived(&m) }
	assert.Equal(t, route.Route{Hops: []uint64{1, 2}, Cost: 3}, arrived(path(1, 2)))
	assert.Equal(t, route.Route{Hops: []uint64{1}, Cost: 8}, arrived(priced(path(1), 5)))
	assert.Equal(t, uint64(math.MaxUint64), arrived(priced(path(1), math.MaxUint64-1)).Cost)

	assert.Equal(t, path(9), s.departs(route.Announcement{}))
	hops := append(make([]uint64, 0, 8), 1, 2)
	assert.Equal(t, priced(path(1, 2, 9), 7), s.departs(route.Announcement{Hops: hops, Cost: 7}))
	assert.Equal(t, path(1, 2, 9), s.departs(route.Announcement{Hops: hops}))
	assert.Equal(t, []uint64{1, 2, 0}, hops[:3], "hops are shared")
	assert.Equal(t, path(4, 0, 0, 9), s.departs(route.Announcement{Hops: []uint64{4, 0, 4}}), "a careless node")
	old := &session{p: profileOf("16h"), hop: 9}
	assert.Equal(t, priced(path(0, 2, 9), 1<<62-1), old.departs(route.Announcement{Hops: []uint64{1 << 62, 2}, Cost: 1 << 63}))
}
