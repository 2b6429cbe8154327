// Package lite speaks moq-lite 02, 03, 04 and 05. A draft is a row of
// Profiles; handlers and messages ask the row what its draft does and never
// compare version numbers.
package lite

// A Profile says what one draft of moq-lite does.
type Profile struct {
	Token string // ALPN and WebTransport subprotocol
	Code  uint64 // version in the list of a CLIENT_SETUP; 0: chosen by Token alone

	InBandSetup bool // CLIENT_SETUP and SERVER_SETUP on the first bidirectional stream
	SetupOnUni  bool // SETUP on a unidirectional stream each way

	ExcludeHop   bool    // ANNOUNCE_REQUEST names a hop whose announcements are not wanted
	AnnounceInit bool    // the first reply to it is ANNOUNCE_INIT
	AnnounceOK   bool    // the first reply to it is ANNOUNCE_OK
	Hops         HopForm // what ANNOUNCE says about its way
	Replace      bool    // a second active announcement of a path replaces the first

	SubscribeParams bool // SUBSCRIBE has order, max latency and range; SUBSCRIBE_UPDATE exists
	TypedResponses  bool // replies to SUBSCRIBE begin with a type
	StartEnd        bool // those replies are START, END and DROP instead of OK and DROP
	TrackStream     bool // TRACK and TRACK_INFO

	Timestamps bool // a frame begins with the difference to the timestamp before
	Datagrams  bool // a group of one frame may be a datagram

	Fetch    bool // FETCH
	Probe    bool // PROBE
	ProbeRTT bool // PROBE has a round-trip time
	Goaway   bool // GOAWAY
}

// A HopForm is how an announcement describes the relays that it came through.
type HopForm uint8

const (
	HopsAbsent        HopForm = iota // not at all
	HopsCount                        // how many, the sender included
	HopsWithSender                   // their ids, the sender's own last
	HopsWithoutSender                // their ids; the sender's own is in ANNOUNCE_OK
)

// Profiles are the drafts that we speak, the preferred one first.
var Profiles = []*Profile{
	{
		Token:           "moq-lite-05",
		SetupOnUni:      true,
		ExcludeHop:      true,
		AnnounceOK:      true,
		Hops:            HopsWithoutSender,
		Replace:         true,
		SubscribeParams: true,
		TypedResponses:  true,
		StartEnd:        true,
		TrackStream:     true,
		Timestamps:      true,
		Datagrams:       true,
		Fetch:           true,
		Probe:           true,
		ProbeRTT:        true,
		Goaway:          true,
	},
	{
		Token:           "moq-lite-04",
		ExcludeHop:      true,
		Hops:            HopsWithSender,
		SubscribeParams: true,
		TypedResponses:  true,
		Fetch:           true,
		Probe:           true,
		ProbeRTT:        true,
		Goaway:          true,
	},
	{
		Token:           "moq-lite-03",
		Hops:            HopsCount,
		SubscribeParams: true,
		TypedResponses:  true,
		Fetch:           true,
		Probe:           true,
	},
	{
		Token:        "moql",
		Code:         0xff0dad02,
		InBandSetup:  true,
		AnnounceInit: true,
	},
}
