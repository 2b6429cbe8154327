package ietf

import "github.com/moqtgo/moqt/core/wire"

// A Profile says what one draft of moq-transport does.
type Profile struct {
	Token string // ALPN and WebTransport subprotocol
	Code  uint64 // version in the list of a CLIENT_SETUP; 0: chosen by Token alone

	Varint wire.Varint // the flavour of every integer

	VersionList    bool // CLIENT_SETUP lists versions, SERVER_SETUP selects one
	SetupOnUni     bool // SETUP on a unidirectional stream each way, which stays open as the control stream
	ControlStream  bool // one bidirectional stream of the client carries set-up and requests
	RequestStreams bool // every request has a bidirectional stream of its own
	MaxRequestID   bool // requests are limited by MAX_REQUEST_ID; ids come in sequence

	// NamespaceStream says that SUBSCRIBE_NAMESPACE has a bidirectional stream
	// of its own, also where there is a ControlStream.
	NamespaceStream bool
	// NamespaceMessages says that it is answered by NAMESPACE and
	// NAMESPACE_DONE; otherwise by PUBLISH_NAMESPACE requests.
	NamespaceMessages   bool
	NamespaceOptions    bool // SUBSCRIBE_NAMESPACE says whether it wants NAMESPACE, PUBLISH or both
	SubscribeTracks     bool // PUBLISH is asked for by SUBSCRIBE_TRACKS instead
	SkipsAny            bool // PUBLISH_SKIPPED for any reason; otherwise only where streams are short (PUBLISH_BLOCKED)
	NamespaceRequestID  bool // PUBLISH_NAMESPACE_DONE and _CANCEL name a Request ID instead of the namespace
	FinCancelsNamespace bool // FIN by the subscriber ends SUBSCRIBE_NAMESPACE and SUBSCRIBE_TRACKS

	ResponseIDs    bool // answers and PUBLISH_DONE carry the Request ID
	ExistingID     bool // REQUEST_UPDATE names the request that it updates
	AnswersByKind  bool // an OK and an error message for every kind of request
	PublishOK      bool // PUBLISH_OK is a message of its own
	InlineFields   bool // priority, order, forward state, filter and largest object are fields instead of parameters
	AnswersUpdates bool // REQUEST_UPDATE is answered by REQUEST_OK or REQUEST_ERROR
	LimitUpdates   bool // the set-up says how many of them may be unanswered
	RetryInterval  bool // REQUEST_ERROR has a Retry Interval
	Redirect       bool // REQUEST_ERROR has a Redirect where its code says so
	GoawayTimeout  bool // GOAWAY has a Timeout; it may come on request streams
	GoawayID       bool // GOAWAY on the control stream has a Request ID
	FetchFilter    bool // the range of FETCH is a location filter

	SetupCount         bool // set-up options are counted; otherwise they fill the message
	DeltaTypes         bool // the type of a pair is coded as the difference to the one before
	TypedParams        bool // a message parameter has the coding of its definition; otherwise even is a number and odd is bytes
	UnknownParams      bool // unknown parameters are ignored; otherwise they end the session
	MisplacedParams    bool // known parameters in a message that they are not defined for are ignored
	ZeroTimeout        bool // a delivery timeout may be 0: none
	TrackProperties    bool // track properties fill the rest of PUBLISH, SUBSCRIBE_OK and FETCH_OK
	OKProperties       bool // … and of the REQUEST_OK that answers TRACK_STATUS
	FilterDelta        bool // the end group of a location filter is relative to its start
	FilterFields       bool // a location filter is up to four numbers without a type
	EmptyNamespace     bool // a namespace may have no fields
	EmptyFields        bool // a field of a namespace may be empty
	ReservedNamespaces bool // a first field that starts with "." is reserved
	Mandatory          bool // a track with an unknown property of a certain range is refused

	MultiSubscription bool // several subscriptions of one track in one session
	JoinLargest       bool // only a subscription of the largest object can be joined by FETCH
	EchoTracks        bool // PUBLISH goes also to the publisher of the track itself

	// OddLengths is true in no draft: a session sets it in a copy of its row
	// for peers that put a length in front of every parameter of an odd type.
	OddLengths bool
	// VarintBytes likewise: what should be one byte may come as a varint, and
	// is sent so small that it reads the same either way.
	VarintBytes bool
	// HideLargest likewise: SUBSCRIBE_OK does not say LARGEST_OBJECT.
	HideLargest bool
	// Replays likewise: a subscription of the largest object starts with the
	// first one of its group.
	Replays bool
	// Broadcasts likewise: a namespace that is published again is another
	// broadcast, which takes the place of the one before.
	Broadcasts bool
	// SilentDone likewise: a subscription ends with its stream alone, FIN for a
	// clean end and a reset for any other.
	SilentDone bool
	// Hops likewise: both sides have sent RELAY_HOPS. Announcements say which
	// nodes they have passed, for which NAMESPACE has parameters, and one that is
	// repeated has another route.
	Hops bool

	MissingObjects   bool   // the status "does not exist"
	StatusProperties bool   // objects of any status may have properties, except missing ones
	FetchFlags       bool   // fetch objects begin with flags; otherwise every field is there
	EmptyFetch       bool   // a fetch without objects is answered by an empty stream; otherwise it is refused
	WholeGroups      bool   // the end of a fetch is that of the group where it has all of it
	FetchDeltas      bool   // … and their ids are relative to the object before
	TimedOutRange    bool   // … and there is the marker of a range that took too long
	Padding          bool   // padding streams and datagrams
	StreamCount      uint64 // the Stream Count of PUBLISH_DONE that means unknown

	SubgroupTypes typeSet // legal types of a subgroup stream
	DatagramTypes typeSet // legal types of an object datagram

	messages map[uint64]func() message // by type
	params   map[uint64]scope          // where a parameter may stand, by its type
	requests requestTable              // its numbers for errors
	dones    map[doneCode]uint64
	resets   map[resetCode]uint64
}

// Profiles are the drafts that we speak, the preferred one first. 20 is not
// final: it is last, so it is chosen where nothing else is in common, or where
// it is asked for by name.
var Profiles = []*Profile{
	{
		Token:             "moqt-19",
		Varint:            wire.LeadingOnes,
		SetupOnUni:        true,
		RequestStreams:    true,
		NamespaceStream:   true,
		NamespaceMessages: true,
		SubscribeTracks:   true,
		SkipsAny:          true,
		AnswersUpdates:    true,
		LimitUpdates:      true,
		RetryInterval:     true,
		Redirect:          true,
		GoawayTimeout:     true,

		DeltaTypes:         true,
		TypedParams:        true,
		ZeroTimeout:        true,
		TrackProperties:    true,
		OKProperties:       true,
		FilterDelta:        true,
		EmptyNamespace:     true,
		ReservedNamespaces: true,
		Mandatory:          true,

		MultiSubscription: true,

		FetchFlags:  true,
		EmptyFetch:  true,
		FetchDeltas: true,
		Padding:     true,
		StreamCount: 1<<62 - 1,

		SubgroupTypes: types(0x10, 0x15, 0x18, 0x1d, 0x30, 0x35, 0x38, 0x3d, 0x50, 0x55, 0x58, 0x5d, 0x70, 0x75, 0x78, 0x7d),
		DatagramTypes: types(0x00, 0x0f, 0x20, 0x21, 0x24, 0x25, 0x28, 0x29, 0x2c, 0x2d),

		messages: messages18,
		params:   params19,
		requests: requests19,
		dones:    dones18,
		resets:   resets18,
	},
	{
		Token:               "moqt-18",
		Varint:              wire.LeadingOnes,
		SetupOnUni:          true,
		RequestStreams:      true,
		NamespaceStream:     true,
		NamespaceMessages:   true,
		SubscribeTracks:     true,
		FinCancelsNamespace: true,
		AnswersUpdates:      true,
		RetryInterval:       true,
		Redirect:            true,
		GoawayTimeout:       true,
		GoawayID:            true,

		DeltaTypes:         true,
		TypedParams:        true,
		ZeroTimeout:        true,
		TrackProperties:    true,
		OKProperties:       true,
		FilterDelta:        true,
		EmptyNamespace:     true,
		ReservedNamespaces: true,
		Mandatory:          true,

		FetchFlags:  true,
		EmptyFetch:  true,
		FetchDeltas: true,
		Padding:     true,
		StreamCount: 1<<62 - 1,

		SubgroupTypes: types(0x10, 0x15, 0x18, 0x1d, 0x30, 0x35, 0x38, 0x3d, 0x50, 0x55, 0x58, 0x5d, 0x70, 0x75, 0x78, 0x7d),
		DatagramTypes: types(0x00, 0x0f, 0x20, 0x21, 0x24, 0x25, 0x28, 0x29, 0x2c, 0x2d),

		messages: with(messages18, typePublishOK, func() message { return &requestOK{} }), // not sent
		params:   params18,
		requests: requests18,
		dones:    dones18,
		resets:   resets18,
	},
	{
		Token:               "moqt-16",
		Varint:              wire.RFC9000,
		ControlStream:       true,
		MaxRequestID:        true,
		NamespaceStream:     true,
		NamespaceMessages:   true,
		NamespaceOptions:    true,
		NamespaceRequestID:  true,
		FinCancelsNamespace: true,
		ResponseIDs:         true,
		ExistingID:          true,
		PublishOK:           true,
		AnswersUpdates:      true,
		RetryInterval:       true,

		SetupCount:      true,
		DeltaTypes:      true,
		MisplacedParams: true,
		TrackProperties: true,

		JoinLargest: true,
		EchoTracks:  true,

		FetchFlags:  true,
		EmptyFetch:  true,
		WholeGroups: true,
		StreamCount: 1<<62 - 1,

		SubgroupTypes: types(0x10, 0x15, 0x18, 0x1d, 0x30, 0x35, 0x38, 0x3d),
		DatagramTypes: types(0x00, 0x0f, 0x20, 0x21, 0x24, 0x25, 0x28, 0x29, 0x2c, 0x2d),

		messages: messages16,
		params:   params16,
		requests: requests16,
		dones:    dones16,
		resets:   resets16,
	},
	{
		Token:         "moq-00",
		Code:          0xff00000e,
		Varint:        wire.RFC9000,
		VersionList:   true,
		ControlStream: true,
		MaxRequestID:  true,
		ResponseIDs:   true,
		ExistingID:    true,
		AnswersByKind: true,
		PublishOK:     true,
		InlineFields:  true,

		SetupCount:      true,
		UnknownParams:   true,
		MisplacedParams: true,
		ZeroTimeout:     true,
		EmptyFields:     true,

		JoinLargest: true,
		EchoTracks:  true,

		WholeGroups:      true,
		MissingObjects:   true,
		StatusProperties: true,
		StreamCount:      1<<62 - 1,

		SubgroupTypes: types(0x10, 0x15, 0x18, 0x1d),
		DatagramTypes: types(0x00, 0x07, 0x20, 0x21),

		messages: messages14,
		params:   params14,
		requests: requests14,
		dones:    dones14,
		resets:   resets14,
	},
	{
		Token:             "moqt-20",
		Varint:            wire.LeadingOnes,
		SetupOnUni:        true,
		RequestStreams:    true,
		NamespaceStream:   true,
		NamespaceMessages: true,
		SubscribeTracks:   true,
		SkipsAny:          true,
		AnswersUpdates:    true,
		LimitUpdates:      true,
		RetryInterval:     true,
		Redirect:          true,
		GoawayTimeout:     true,
		FetchFilter:       true,

		DeltaTypes:         true,
		TypedParams:        true,
		ZeroTimeout:        true,
		TrackProperties:    true,
		OKProperties:       true,
		FilterDelta:        true,
		FilterFields:       true,
		EmptyNamespace:     true,
		ReservedNamespaces: true,
		Mandatory:          true,

		MultiSubscription: true,

		FetchFlags:    true,
		EmptyFetch:    true,
		FetchDeltas:   true,
		TimedOutRange: true,
		Padding:       true,
		StreamCount:   1<<64 - 1,

		SubgroupTypes: types(0x10, 0x15, 0x18, 0x1d, 0x30, 0x35, 0x38, 0x3d, 0x50, 0x55, 0x58, 0x5d, 0x70, 0x75, 0x78, 0x7d),
		DatagramTypes: types(0x00, 0x0f, 0x20, 0x21, 0x24, 0x25, 0x28, 0x29, 0x2c, 0x2d),

		messages: messages20,
		params:   params20,
		requests: requests19,
		dones:    dones18,
		resets:   resets18,
	},
}

// A typeSet is a set of numbers below 128.
type typeSet [2]uint64

// types returns the set of the numbers in ranges, each a first and a last.
func types(ranges ...uint64) (s typeSet) {
	for i := 0; i < len(ranges); i += 2 {
		for t := ranges[i]; t <= ranges[i+1]; t++ {
			s[t/64] |= 1 << (t % 64)
		}
	}
	return s
}

func (s *typeSet) has(t uint64) bool { return t < 128 && s[t/64]>>(t%64)&1 == 1 }
