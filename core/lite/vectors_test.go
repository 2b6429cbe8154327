package lite

import (
	"strings"
	"time"
)

// profileOf returns the row of a draft by the last two digits of its name.
func profileOf(name string) *Profile {
	for _, p := range Profiles {
		if draftOf(p) == name {
			return p
		}
	}
	panic("no draft " + name)
}

var draftNames = []string{"02", "03", "04", "05"}

func draftOf(p *Profile) string {
	if p.InBandSetup {
		return "02"
	}
	return strings.TrimPrefix(p.Token, "moq-lite-")
}

// A vector is a message and its bytes: Type where it has one, Length, body.
type vector struct {
	drafts string // in which drafts
	m      message
	hex    string
}

const (
	alice     = "05616c696365"
	room      = "04726f6f6d"
	roomAlice = "0a726f6f6d2f616c696365"
	video     = "05766964656f"
)

// vectors are what shipped peers send, byte by byte, and what we send.
var vectors = []vector{
	{"02 03", &announceRequest{}, "01 00"},
	{"04 05", &announceRequest{ExcludeHop: 42}, "02 00 2a"},
	{"02 03", &announceRequest{Prefix: "room"}, "05" + room},
	{"04 05", &announceRequest{Prefix: "room"}, "06" + room + "00"},
	{"04 05", &announceRequest{Prefix: "room", ExcludeHop: 1<<53 - 1}, "0d" + room + "c01fffffffffffff"},
	{"04", &announceRequest{Prefix: "/"}, "03 012f 00"},
	{"02", &announceInit{Suffixes: []string{"alice", "bob"}}, "0b 02" + alice + "03626f62"},
	{"02", &announceInit{Suffixes: []string{"room"}}, "06 01 04726f6f6d"},
	{"02", &announceInit{}, "01 00"},
	{"05", &announceOK{Hop: 300, Active: 2}, "03 412c 02"},
	{"05", &announceOK{}, "02 00 00"},
	{"02", &announce{Active: true, Suffix: "alice"}, "07 01" + alice},
	{"03 04 05", &announce{Active: true, Suffix: "alice"}, "08 01" + alice + "00"},
	{"03", &announce{Active: true, Suffix: "alice", Hops: []uint64{0, 0}}, "08 01" + alice + "02"},
	{"04 05", &announce{Active: true, Suffix: "alice", Hops: []uint64{7, 300}}, "0b 01" + alice + "02 07 412c"},
	{"02", &announce{Suffix: "alice"}, "07 00" + alice},
	{"03 04 05", &announce{Suffix: "alice"}, "08 00" + alice + "00"},
	{"03", &announce{Active: true, Suffix: "room", Hops: []uint64{0}}, "07 01" + room + "01"},
	{"04", &announce{Active: true, Suffix: "room/alice"}, "0d 01" + roomAlice + "00"},

	{"02", &subscribe{Path: "room/alice", Track: "video", Priority: 2}, "13 00" + roomAlice + video + "02"},
	{"03 04 05", &subscribe{Path: "room/alice", Track: "video", Priority: 2}, "17 00" + roomAlice + video + "02 00 00 00 00"},
	{"03 04 05", &subscribe{
		ID: 64, Path: "room/alice", Track: "video", Priority: 255,
		subscribeRange: subscribeRange{Ordered: true, MaxLatency: 500 * time.Millisecond, Start: some(0), End: some(99)},
	}, "1a 4040" + roomAlice + video + "ff 01 41f4 01 4064"},
	{"05", &subscribe{Path: "alice", Track: "video", Priority: 5}, "12 00" + alice + video + "05 00 00 00 00"},
	{"02", &subscribeUpdate{Priority: 7}, "01 07"},
	{"03 04 05", &subscribeUpdate{
		Priority:       7,
		subscribeRange: subscribeRange{Ordered: true, MaxLatency: time.Second, Start: some(5)},
	}, "06 07 01 43e8 06 00"},
	{"05", &subscribeUpdate{Priority: 9}, "05 09 00 00 00 00"},
	{"02", &subscribeOK{}, "00"},
	{"03 04", &subscribeOK{
		Priority:       2,
		subscribeRange: subscribeRange{Ordered: true, MaxLatency: 250 * time.Millisecond, Start: some(41)},
	}, "00 06 02 01 40fa 2a 00"},
	{"03 04", &subscribeOK{Priority: 2}, "00 05 02 00 00 00 00"},
	{"04", &subscribeOK{subscribeRange: subscribeRange{Start: some(1)}}, "00 05 00 00 00 02 00"},
	{"03 04", &subscribeDrop{Start: 5, End: 7, Error: 2}, "01 03 05 07 02"},
	{"03 04", &subscribeDrop{Start: 6, End: 8, Error: 2}, "01 03 06 08 02"},
	{"05", &subscribeStart{Group: 41}, "00 01 29"},
	{"05", &subscribeStart{}, "00 01 00"},
	{"05", &subscribeEnd{Group: 42}, "01 01 2a"},
	{"05", &subscribeEnd{Group: 4}, "01 01 04"},
	{"05", &subscribeDrop{Start: 5, End: 7, Error: 2}, "02 03 05 07 02"},

	{"05", &track{Path: "room/alice", Track: "video"}, "11" + roomAlice + video},
	{"05", &track{Path: "alice", Track: "video"}, "0c" + alice + video},
	{"05", &trackInfo{Priority: 1, MaxLatency: 10 * time.Second, Timescale: 90000}, "08 01 00 6710 80015f90"},
	{"05", &trackInfo{Priority: 1, MaxLatency: 5 * time.Second, Timescale: 90000}, "08 01 00 5388 80015f90"},
	{"03 04 05", &fetch{Path: "room/alice", Track: "video", Priority: 3, Group: 41}, "13" + roomAlice + video + "03 29"},
	{"05", &fetch{Path: "alice", Track: "video", Group: 7}, "0e" + alice + video + "00 07"},

	{"02 03 04 05", &groupHeader{ID: 64, Sequence: 41}, "03 4040 29"},
	{"05", &datagram{ID: 3, Sequence: 41, Timestamp: 90000, Payload: []byte("hi")}, "03 29 80015f90 6869"},
	{"05", &datagram{ID: 5, Sequence: 1, Timestamp: 90000, Payload: []byte("dg")}, "05 01 80015f90 6467"},

	{"05", &setup{}, "01 00"},
	{"05", &setup{Probe: probeReport, Origin: 300}, "08 02 01 01 01 05 02 412c"},
	{
		"05", &setup{Probe: probeReport, Path: "/room?jwt=x", Role: roleSubscriber, Origin: 300},
		"18 04 01 01 01 02 0b 2f726f6f6d3f6a77743d78 03 01 02 05 02 412c",
	},
	{"05", &setup{Path: "/room"}, "08 01 02 05 2f726f6f6d"},
	{"05", &setup{Role: rolePublisher}, "04 01 03 01 01"},
	{"05", &setup{Cost: some(7)}, "04 01 04 01 07"},
	{"05", &setup{Cost: some(0)}, "04 01 04 01 00"},
	{"05", &setup{Probe: probeReport, Origin: 1<<53 - 1}, "0e 02 01 01 01 05 08 c01fffffffffffff"},
	{"03", &probe{Bitrate: 2_500_000}, "04 802625a0"},
	{"04 05", &probe{Bitrate: 2_500_000, RTT: 40 * time.Millisecond}, "05 802625a0 28"},
	{"03", &probe{}, "01 00"},
	{"04 05", &probe{}, "02 00 00"},
	{"04 05", &goaway{}, "01 00"},
	{"04 05", &goaway{URI: "https://b.example/"}, "13 12 68747470733a2f2f622e6578616d706c652f"},

	{"02", &clientSetup{
		Versions: []uint64{0xff0dad02, 0xff0dad01, 0xff00000e},
		Params:   []parameter{{ID: 2, Value: 42069}, {ID: 0x40b5a, Value: 1}, {ID: 7, Bytes: []byte("moq-lite-js")}},
	}, "20 0031 03 c0000000ff0dad02 c0000000ff0dad01 c0000000ff00000e 03 02 8000a455 80040b5a 01 07 0b 6d6f712d6c6974652d6a73"},
	{"02", &serverSetup{Version: 0xff0dad02}, "21 0009 c0000000ff0dad02 00"},
	{"02", &sessionInfo{Bitrate: 2_500_000}, "04 802625a0"},
}

// A bad vector must be refused with code.
type badVector struct {
	drafts string
	m      message
	hex    string
	code   uint64
}

var badVectors = []badVector{
	{"05", &announce{}, "09 01" + alice + "02 07", 5},                       // two hops declared, one present
	{"03 04 05", &announce{}, "09 01" + alice + "00 00", 5},                 // a byte is left
	{"02 03 04", &announce{}, "08 02" + alice + "00", 5},                    // status 2 replaces nothing here
	{"05", &announce{}, "08 03" + alice + "00", 5},                          // unknown status
	{"03", &announce{}, "08 01" + alice + "21", 11},                         // 33 hops
	{"05", &announce{}, "09 01" + alice + "7fff", 11},                       // 16383 hops
	{"04 05", &announceRequest{}, "01 00", 5},                               // no Exclude Hop
	{"02 03", &announceRequest{}, "02 00 00", 5},                            // Exclude Hop
	{"02", &announceInit{}, "02 02 00", 5},                                  // two suffixes declared, one present
	{"05", &setup{}, "07 02 01 01 01 01 01 01", 15},                         // the same parameter twice
	{"05", &setup{}, "07 02 3f 01 01 3f 01 01", 15},                         // the same unknown parameter twice
	{"05", &setup{}, "05 01 01 02 01 01", 5},                                // the value does not fill its length
	{"05", &setup{}, "04 01 05 01 40", 5},                                   // the value exceeds its length
	{"05", &setup{}, "05 01 02 02 2fff", 5},                                 // path not UTF-8
	{"05", &setup{}, "02 4041", 19},                                         // 65 parameters
	{"05", &trackInfo{}, "05 01 00 6710 00", 5},                             // timescale 0
	{"05", &trackInfo{}, "05 01 02 6710 01", 5},                             // ordered 2
	{"03 04 05", &subscribe{}, "0a 00 0161 0176 02 02 00 00 00", 5},         // ordered 2
	{"03 04 05", &subscribe{}, "0a 00 0161 01ff 02 00 00 00 00", 5},         // track not UTF-8
	{"03 04 05", &subscribe{}, "0a 00 01ff 0176 02 00 00 00 00", 5},         // path not UTF-8
	{"02", &subscribe{}, "0a 00 0161 0176 02 00 00 00 00", 5},               // fields of 03
	{"03 04 05", &subscribe{}, "06 00 0161 0176 02", 5},                     // without them
	{"05", &subscribeStart{}, "03 01 00", 5},                                // unknown type
	{"05", &subscribeDrop{}, "03 03 05 07 02", 5},                           // unknown type
	{"03 04", &subscribeDrop{}, "02 03 05 07 02", 5},                        // a type of 05
	{"03 04", &subscribeOK{}, "02 01 00", 5},                                // a type of 05
	{"05", &subscribeStart{}, "00 05 02 00 00 00 00", 5},                    // an OK of 04
	{"02", &subscribeOK{}, "01 02", 5},                                      // an OK of 01
	{"02", &clientSetup{}, "20 0003 02 00 00", 5},                           // no count of parameters
	{"02", &clientSetup{}, "20 0002 41ff", 11},                              // 511 versions
	{"02", &serverSetup{}, "21 0004 00 01 07 02", 5},                        // value exceeds the message
	{"02", &serverSetup{}, "21 0003 00 7fff", 19},                           // 16383 parameters
	{"03 04 05", &groupHeader{}, "11 00 00 00000000000000000000000000", 11}, // longer than any GROUP
}

// looseVectors are valid, but not what we would send.
var looseVectors = []vector{
	{"05", &announce{Active: true, Suffix: "alice"}, "08 02" + alice + "00"},
	{"05", &announce{Active: true, Suffix: "alice"}, "09 4001" + alice + "00"},
	{"03 04 05", &subscribe{Path: "a", Track: "v", Priority: 2}, "0b 4000 0161 0176 02 00 00 00 00"},
	{"03 04 05", &subscribe{Path: "a", Track: "v", Priority: 2}, "400a 00 0161 0176 02 00 00 00 00"},
	{
		"03 04 05", &subscribe{Path: "a", Track: "v", Priority: 2, subscribeRange: subscribeRange{Start: some(1 << 53)}},
		"11 00 0161 0176 02 00 00 c020000000000001 00",
	},
	{"05", &setup{}, "08 02 3f 02 abcd 03 01 09"},     // unknown parameter, role 9
	{"05", &setup{}, "0a 02 00 02 abcd 06 03 414243"}, // the unknown neighbours of known ones
	{"05", &setup{Probe: probeIncrease}, "04 01 01 01 09"},
	{"05", &setup{}, "06 02 02 00 05 01 00"},                                     // empty path, origin 0
	{"05", &setup{Probe: probeReport, Origin: 300}, "08 02 05 02 412c 01 01 01"}, // any order
	{"05", &setup{Probe: probeReport, Origin: 1}, "08 02 05 01 01 01 02 4001"},   // long form
	{"04 05", &probe{RTT: maxDuration}, "09 00 ffffffffffffffff"},                // far too long
}
