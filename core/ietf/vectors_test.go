package ietf

import (
	"time"

	"github.com/moqtgo/moqt/core/moq"
)

// A vector is a unit of a draft and its bytes: a message, or a whole stream or
// datagram.
type vector struct {
	name  string
	m     any
	hex   string
	loose bool // valid, but not what we would send
}

// vectors are those of a draft that were computed from its text alone, most of
// them checked against other implementations.
var vectors = map[string][]vector{"14": vectors14, "16": vectors16, "18": vectors18, "19": vectors19, "20": vectors20}

var demoTrack = moq.FullTrackName{Path: "moq-test/interop", Name: "test-track"}

// short is a name of few bytes.
var short = moq.FullTrackName{Path: "a", Name: "v"}

func loc(group, object uint64) moq.Location { return moq.Location{Group: group, Object: object} }

func numeric(t, x uint64) moq.Property { return moq.Property{Type: t, Int: x} }

var largestObject = some(locationFilter{Type: filterLargestObject})

var vectors18 = []vector{
	{name: "setup-wt", m: &setup{Options: setupOptions{Implementation: "moqt-go"}}, hex: "af00000907076d6f71742d676f"},
	{name: "setup-quic-client", m: &setup{Options: setupOptions{
		Path: some("/relay"), MaxAuthTokenCacheSize: 4096, Authority: some("localhost:4443"), Implementation: "moqt-go",
	}}, hex: "af00002401062f72656c6179039000010e6c6f63616c686f73743a3434343302076d6f71742d676f"},
	{name: "setup-empty", m: &setup{}, hex: "af000000"},
	{name: "subscribe", m: &subscribe{Name: demoTrack, Params: parameters{
		Forward: some(true), SubscriberPriority: some[uint8](127), Filter: largestObject, GroupOrder: some(moq.Descending),
	}}, hex: "0300280002086d6f712d7465737407696e7465726f700a746573742d747261636b041001107f0101020102"},
	{name: "subscribe-min", m: &subscribe{RequestID: 2, Name: demoTrack}, hex: "03001f0202086d6f712d7465737407696e7465726f700a746573742d747261636b00"},
	{name: "subscribe-range-auth", m: &subscribe{RequestID: 4, Name: demoTrack, Params: parameters{
		Tokens:             []token{{AliasType: aliasUseValue, Value: []byte("secret")}},
		RendezvousTimeout:  some(2 * time.Second),
		SubscriberPriority: some[uint8](200),
		Filter:             some(locationFilter{Type: filterAbsoluteRange, Start: loc(10, 0), EndGroup: 15}),
		GroupOrder:         some(moq.Ascending),
	}}, hex: "0300360402086d6f712d7465737407696e7465726f700a746573742d747261636b05030803007365637265740187d01cc80104040a00050101"},
	{name: "subscribe_ok", m: &subscribeOK{Properties: []moq.Property{numeric(propTimescale, 1_000_000), numeric(propGroupOrder, 2)}},
		hex: "040008000008cf42401a02"},
	{name: "subscribe_ok-largest", m: &subscribeOK{
		TrackAlias: 7, Params: parameters{Expires: some(30 * time.Second), LargestObject: some(loc(5, 300))},
		Properties: []moq.Property{numeric(propMaxCacheDuration, 10_000), numeric(propPublisherPriority, 100)},
	}, hex: "04000f070208c075300105812c04a7100a64"},
	{name: "request_ok", m: &requestOK{}, hex: "07000100"},
	{name: "publish_ok-forward0", m: &requestOK{Params: parameters{Forward: some(false)}}, hex: "070003011000"},
	{name: "request_error", m: &requestError{Code: 0x10, Reason: "not found"}, hex: "05000c1000096e6f7420666f756e64"},
	{name: "request_error-redirect", m: &requestError{Code: 0x34, RetryInterval: 1, Redirect: &moq.Redirect{
		URI: "moqt://b.example/app", Name: moq.FullTrackName{Path: "live", Name: "cam"},
	}}, hex: "050022340100146d6f71743a2f2f622e6578616d706c652f61707001046c6976650363616d"},
	{name: "publish_namespace", m: &publishNamespace{Namespace: demoTrack.Path}, hex: "0600140002086d6f712d7465737407696e7465726f7000"},
	{name: "subscribe_namespace", m: &subscribeNamespace{RequestID: 2, Prefix: "moq-test"}, hex: "50000c0201086d6f712d7465737400"},
	{name: "subscribe_namespace-all", m: &subscribeNamespace{RequestID: 4}, hex: "500003040000"},
	{name: "subscribe_tracks", m: &subscribeTracks{RequestID: 6, Prefix: "moq-test", Params: parameters{Forward: some(false)}},
		hex: "51000e0601086d6f712d74657374011000"},
	{name: "namespace", m: &namespace{Suffix: "interop"}, hex: "0800090107696e7465726f70"},
	{name: "namespace_done", m: &namespaceDone{Suffix: "interop"}, hex: "0e00090107696e7465726f70"},
	{name: "publish_blocked", m: &publishSkipped{Suffix: "interop", Name: "test-track"}, hex: "0f00140107696e7465726f700a746573742d747261636b"},
	{name: "publish", m: &publish{
		RequestID: 1, Name: demoTrack, TrackAlias: 7,
		Params:     parameters{LargestObject: some(loc(2, 9)), Forward: some(true)},
		Properties: []moq.Property{numeric(propGroupOrder, 2)},
	}, hex: "1d00270102086d6f712d7465737407696e7465726f700a746573742d747261636b070209020907012202"},
	{name: "publish_done", m: &publishDone{Status: 2, Reason: "ended"}, hex: "0b0008020005656e646564"},
	{name: "publish_done-unknown-count", m: &publishDone{StreamCount: 1<<62 - 1}, hex: "0b000b00ff3fffffffffffffff00"},
	{name: "request_update", m: &requestUpdate{RequestID: 8, Params: parameters{Forward: some(true), SubscriberPriority: some[uint8](50)}},
		hex: "020006080210011032"},
	{name: "request_update-prefix", m: &requestUpdate{RequestID: 10, Params: parameters{TrackNamespacePrefix: some(moq.Path("moq-test/b"))}},
		hex: "02000f0a013402086d6f712d746573740162"},
	{name: "fetch-standalone", m: &fetch{
		RequestID: 4, Type: fetchStandalone, Name: demoTrack, Start: loc(3, 0), End: loc(5, 0),
		Params: parameters{SubscriberPriority: some[uint8](64), GroupOrder: some(moq.Ascending)},
	}, hex: "160028040102086d6f712d7465737407696e7465726f700a746573742d747261636b030005000220400201"},
	{name: "fetch-rel-join", m: &fetch{RequestID: 6, Type: fetchRelativeJoining, JoiningStart: 1}, hex: "1600050602000100"},
	{name: "fetch-abs-join", m: &fetch{RequestID: 8, Type: fetchAbsoluteJoining, JoiningStart: 4}, hex: "1600050803000400"},
	{name: "fetch_ok", m: &fetchOK{End: loc(5, 301)}, hex: "1800050005812d00"},
	{name: "track_status", m: &trackStatus{RequestID: 12, Name: demoTrack}, hex: "0d001f0c02086d6f712d7465737407696e7465726f700a746573742d747261636b00"},
	{name: "track_status_ok", m: &requestOK{
		Params: parameters{LargestObject: some(loc(5, 300))}, Properties: []moq.Property{numeric(propTimescale, 90_000)},
	}, hex: "070009010905812c08c15f90"},
	{name: "goaway-control", m: &goaway{Timeout: 5 * time.Second, RequestID: some[uint64](0)}, hex: "10000400938800"},
	{name: "goaway-request", m: &goaway{URI: "https://b.example/m"}, hex: "1000151368747470733a2f2f622e6578616d706c652f6d00"},
	{name: "subgroup-simple", m: &subgroupStream{
		subgroupHeader{EndOfGroup: true, FirstObject: true, Group: 5, Priority: 128},
		[]subgroupObject{{objectHeader{Size: 4}, "abcd"}, {objectHeader{ID: 1, Size: 4}, "efgh"}},
	}, hex: "58000580000461626364000465666768"},
	{name: "subgroup-props", m: &subgroupStream{
		subgroupHeader{Properties: true, EndOfGroup: true, FirstObject: true, Group: 5},
		[]subgroupObject{{objectHeader{Properties: []moq.Property{numeric(propTimestamp, 1_000_000)}, Size: 4}, "abcd"}},
	}, hex: "59000500000410cf42400461626364"},
	{name: "subgroup-explicit-id", m: &subgroupStream{
		subgroupHeader{Mode: modeExplicit, DefaultPriority: true, FirstObject: true, TrackAlias: 200, Group: 1000, Subgroup: 3},
		[]subgroupObject{{objectHeader{ID: 10, Size: 1}, "x"}, {objectHeader{ID: 13, Size: 1}, "y"}},
	}, hex: "7480c883e8030a0178020179"},
	{name: "subgroup-firstobj-id", m: &subgroupStream{
		subgroupHeader{Mode: modeFirstObject, DefaultPriority: true, TrackAlias: 1, Group: 2},
		[]subgroupObject{{objectHeader{ID: 6, Size: 1}, "z"}},
	}, hex: "32010206017a"},
	{name: "subgroup-status", m: &subgroupStream{
		subgroupHeader{Group: 5, Priority: 128},
		[]subgroupObject{{objectHeader{}, ""}, {objectHeader{ID: 1, Status: moq.StatusEndOfGroup}, ""}},
	}, hex: "10000580000000000003"},
	{name: "fetch-stream", m: &fetchStream{fetchHeader{4}, []fetchFrame{
		{fetchObject{Group: 3, Subgroup: 1, Priority: 128, Properties: []moq.Property{numeric(propTimestamp, 77)}, Size: 2}, "hi"},
		{fetchObject{Group: 3, Subgroup: 1, Object: 1, Priority: 128, Size: 1}, "a"},
		{fetchObject{Group: 4, Priority: 128, Size: 1}, "b"},
		{fetchObject{End: fetchEndUnknown, Group: 5, Object: 9}, ""},
	}}, hex: "05043f0301008002104d0268690101610c00000162810c0509"},
	{name: "datagram", m: &objectDatagram{Group: 5, Object: 2, Priority: 128, Payload: []byte("dg")}, hex: "00000502806467"},
	{name: "datagram-min", m: &objectDatagram{EndOfGroup: true, DefaultPriority: true, Group: 6, Payload: []byte("dg")}, hex: "0e00066467"},
	{name: "datagram-props", m: &objectDatagram{
		DefaultPriority: true, Group: 6, Properties: []moq.Property{numeric(propTimestamp, 5)}, Payload: []byte("dg"),
	}, hex: "0d00060210056467"},
	{name: "datagram-status", m: &objectDatagram{DefaultPriority: true, Group: 6, Object: 1, Status: moq.StatusEndOfTrack}, hex: "2800060104"},
	{name: "padding-stream", m: &paddingUnit{stream: true, size: 4}, hex: "f0132b3e2800000000"},
	{name: "padding-datagram", m: &paddingUnit{size: 2}, hex: "f0132b3e290000"},
}

var vectors19 = []vector{
	{name: "setup-19", m: &setup{Options: setupOptions{MaxFilterRanges: 16, Implementation: "moqt-go", MaxRequestUpdates: 32}},
		hex: "af00000d061001076d6f71742d676f0120"},
	{name: "goaway-control-19", m: &goaway{Timeout: 5 * time.Second}, hex: "100003009388"},
	{name: "subscribe-objectid-filter-19", m: &subscribe{Name: demoTrack, Params: parameters{
		RangeFilters: []rangeFilter{{paramObjectIDFilter, []byte{0, 3, 2, 5, 5}}},
	}}, hex: "0300260002086d6f712d7465737407696e7465726f700a746573742d747261636b0126050003020505"},
	{name: "subscribe_tracks-trackprop-19", m: &subscribeTracks{Prefix: "moq-test", Params: parameters{
		RangeFilters: []rangeFilter{{paramTrackPropertyFilter, []byte{1, 0x10, 100}}},
	}}, hex: "5100110001086d6f712d74657374012903011064"},
	{name: "publish_skipped-19", m: &publishSkipped{Suffix: "interop", Name: "test-track"}, hex: "0f00140107696e7465726f700a746573742d747261636b"},
}

// vectors20 are what the npm package @moq/net 0.3.4 writes, and otherwise what
// the draft in progress says.
var vectors20 = []vector{
	{name: "subscribe", m: &subscribe{Name: demoTrack, Params: parameters{
		Forward: some(true), SubscriberPriority: some[uint8](127),
		Filter: some(locationFilter{Type: filterRelative, Groups: 1}), GroupOrder: some(moq.Descending),
	}}, hex: "0300280002086d6f712d7465737407696e7465726f700a746573742d747261636b041001107f0101010102"},
	{name: "subscribe-fill", m: &subscribe{Name: short, Params: parameters{
		Forward: some(true), SubscriberPriority: some[uint8](127), Filter: largestObject, GroupOrder: some(moq.Descending),
		Fill: &parameters{Filter: some(locationFilter{Type: filterRelative, Groups: 2})},
	}}, hex: "030017000101610176051001107f010200000102010401210102"},
	{name: "subscribe-fill-same", m: &subscribe{Name: short, Params: parameters{
		Forward: some(true), SubscriberPriority: some[uint8](127), Filter: largestObject, GroupOrder: some(moq.Descending),
		Fill: &parameters{},
	}}, hex: "030014000101610176051001107f010200000102010100"},
	{name: "subscribe-range", m: &subscribe{Name: short, Params: parameters{
		Forward: some(true), SubscriberPriority: some[uint8](127), GroupOrder: some(moq.Descending),
		Filter: some(locationFilter{Type: filterAbsoluteRange, Start: loc(3, 0), EndGroup: 5, EndObject: some[uint64](9)}),
	}}, hex: "030013000101610176041001107f0104030002090102"},
	{name: "subscribe-no-properties", m: &subscribe{Name: short, Params: parameters{
		Filter: some(locationFilter{}), IncludeProperties: some(false),
	}}, hex: "03000b0001016101760221001400"},
	{name: "fetch-stream-fill", m: &fetchStream{fetchHeader{4}, []fetchFrame{
		{fetchObject{Group: 3, Size: 1}, "a"}, {fetchObject{Group: 3, Object: 1, Size: 1}, "b"},
	}}, hex: "05041c0300000161000162"},
	{name: "fetch-standalone", m: &fetch{
		RequestID: 4, Type: fetchStandalone, Name: short,
		Params: parameters{Filter: some(locationFilter{Type: filterAbsoluteRange, Start: loc(3, 0), EndGroup: 5, EndObject: some[uint64](9)})},
	}, hex: "16000e0401010161017601210403000209"},
	{name: "fetch-rel-join", m: &fetch{
		RequestID: 6, Type: fetchRelativeJoining, JoiningRequestID: 2,
		Params: parameters{Filter: some(locationFilter{Type: filterRelative, Groups: 1})},
	}, hex: "16000706020201210101"},
	{name: "publish_state_notify", m: &publishStateNotify{Params: parameters{LargestObject: some(loc(2, 9)), Forward: some(false)}},
		hex: "220006020902090700"},
	{name: "publish_done-unknown-count", m: &publishDone{StreamCount: 1<<64 - 1}, hex: "0b000b00ffffffffffffffffff00"},
	{name: "fetch-stream", m: &fetchStream{fetchHeader{4}, []fetchFrame{
		{fetchObject{Group: 3, Priority: 0, Size: 1}, "a"},
		{fetchObject{End: fetchEndTimedOut, Group: 3, Object: 9}, ""},
	}}, hex: "05041c030000016 1820c0309"},
}
