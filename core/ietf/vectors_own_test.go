package ietf

import (
	"time"

	"github.com/moqtgo/moqt/core/moq"
)

// ownVectors are what the others leave out, written by hand from the drafts.
var ownVectors = map[string][]vector{
	"14": {
		{name: "subscribe-publisher-order", m: &subscribe{RequestID: 2, Name: short, Params: parameters{
			SubscriberPriority: some[uint8](1), Forward: some(false), Filter: some(locationFilter{Type: filterNextGroup}),
			ObjectDeliveryTimeout: some(500 * time.Millisecond), Tokens: []token{{AliasType: aliasUseValue, Type: 1, Value: []byte("t")}},
		}}, hex: "03 0013 02 01 0161 0176 01 00 00 01 02 02 41f4 03 03 03 01 74"},
		{name: "subscribe-start", m: &subscribe{Name: short, Params: parameters{
			SubscriberPriority: some[uint8](128), GroupOrder: order14, Forward: some(true),
			Filter: some(locationFilter{Type: filterAbsoluteStart, Start: loc(7, 1)}),
		}}, hex: "03 000d 00 01 0161 0176 80 01 01 03 07 01 00"},
		{name: "subscribe_ok-cache", m: &subscribeOK{RequestID: 1, Params: parameters{
			GroupOrder: order14, MaxCacheDuration: some(time.Second),
		}}, hex: "04 0009 01 00 00 01 00 01 04 43e8"},
		{name: "subscribe_update-range", m: &requestUpdate{Of: kindSubscribe, RequestID: 8, ExistingID: 2, Params: parameters{
			Filter:             some(locationFilter{Type: filterAbsoluteRange, Start: loc(10, 1), EndGroup: 63}),
			SubscriberPriority: some[uint8](50), Forward: some(false),
		}}, hex: "02 0009 08 02 0a 01 4040 32 00 00"},
		{name: "track_status", m: &trackStatus{RequestID: 4, Name: short, Params: parameters{
			SubscriberPriority: some[uint8](0), GroupOrder: some(moq.Descending), Forward: some(false), Filter: largestObject,
		}}, hex: "0d 000b 04 01 0161 0176 00 02 00 02 00"},
		{name: "track_status_ok", m: &requestOK{To: kindTrackStatus, RequestID: 4, Params: parameters{
			Expires: some(3 * time.Second), GroupOrder: some(moq.Descending), LargestObject: some(loc(5, 300)),
		}}, hex: "0e 000a 04 00 4bb8 02 01 05 412c 00"},
		{name: "track_status_error", m: &requestError{To: kindTrackStatus, RequestID: 4, Code: 4}, hex: "0f 0003 04 04 00"},
		{name: "publish_ok-range", m: &requestOK{To: kindPublish, RequestID: 1, Params: parameters{
			Forward: some(false), SubscriberPriority: some[uint8](1), GroupOrder: some(moq.Descending),
			Filter: some(locationFilter{Type: filterAbsoluteRange, Start: loc(1, 2), EndGroup: 3}),
		}}, hex: "1e 0009 01 00 01 02 04 01 02 03 00"},
		{name: "publish-nothing-yet", m: &publish{RequestID: 3, Name: short, TrackAlias: 1, Params: parameters{
			GroupOrder: order14, Forward: some(false),
		}}, hex: "1d 000b 03 01 0161 0176 01 01 00 00 00"},
		{name: "fetch-abs-join-publisher-order", m: &fetch{
			RequestID: 6, Type: fetchAbsoluteJoining, JoiningRequestID: 2, JoiningStart: 5,
			Params: parameters{SubscriberPriority: some[uint8](128)},
		}, hex: "16 0007 06 80 00 03 02 05 00"},
		{name: "fetch_ok-end", m: &fetchOK{RequestID: 4, EndOfTrack: true, End: loc(5, 0), Params: parameters{GroupOrder: some(moq.Descending)}},
			hex: "18 0006 04 02 01 05 00 00"},
		{name: "goaway-uri", m: &goaway{URI: "https://b.example/m"}, hex: "10 0014 1368747470733a2f2f622e6578616d706c652f6d"},
		{name: "empty-prefix", m: &subscribeNamespace{RequestID: 2}, hex: "11 0003 02 00 00"},
	},
	"16": {
		{name: "publish_ok-filter", m: &requestOK{To: kindPublish, RequestID: 1, Params: parameters{Filter: some(locationFilter{Type: filterNextGroup})}},
			hex: "1e 0005 01 01 21 01 01"},
		{name: "request_ok-largest", m: &requestOK{RequestID: 12, Params: parameters{LargestObject: some(loc(5, 300))}}, hex: "07 0007 0c 01 09 03 05 412c"},
		{name: "request_ok-tail", m: &requestOK{RequestID: 12}, hex: "07 0004 0c 00 08 01", loose: true},
		{name: "subscribe-misplaced", m: &subscribe{Name: short}, hex: "03 000a 00 01 0161 0176 01 09 01 05", loose: true},
		{name: "subscribe-new-group", m: &subscribe{Name: short, Params: parameters{NewGroupRequest: some[uint64](7)}}, hex: "03 0009 00 01 0161 0176 01 32 07"},
		{name: "fetch-abs-join", m: &fetch{RequestID: 6, Type: fetchAbsoluteJoining, JoiningStart: 4}, hex: "16 0005 06 03 00 04 00"},
		{name: "subscribe_namespace-both", m: &subscribeNamespace{Options: wantBoth, Params: parameters{Forward: some(false)}}, hex: "11 0006 00 00 02 01 10 00"},
		{name: "publish-extensions", m: &publish{RequestID: 1, Name: short, Properties: []moq.Property{numeric(propGroupOrder, 2), {Type: 0x4001, Bytes: []byte("m")}}},
			hex: "1d 000e 01 01 0161 0176 00 00 22 02 7fdf 01 6d"},
	},
	"18": {
		{name: "publish_ok", m: &requestOK{Params: parameters{Forward: some(true)}}, hex: "1e 0003 01 10 01", loose: true},
		{name: "setup-stream", m: &setup{}, hex: "af00 0000"},
		{name: "redirect-same-name", m: &requestError{Code: 0x34, Redirect: &moq.Redirect{}}, hex: "05 0006 34 00 00 00 00 00"},
		{name: "goaway-control-no-id", m: &goaway{}, hex: "10 0002 00 00"},
		{name: "subscribe_tracks-all", m: &subscribeTracks{}, hex: "51 0003 00 00 00"},
		{name: "namespace-equal-to-prefix", m: &namespace{}, hex: "08 0001 00"},
		{name: "subscribe-unfiltered", m: &subscribe{Name: short, Params: parameters{Filter: some(locationFilter{Type: filterAbsoluteStart})}},
			hex: "03 000c 00 01 0161 0176 01 21 03 03 00 00"},
		{name: "fetch_ok-properties", m: &fetchOK{EndOfTrack: true, End: loc(1, 0), Properties: []moq.Property{numeric(propDynamicGroups, 1)}},
			hex: "18 0006 01 01 00 00 30 01"},
		{name: "datagram-empty", m: &objectDatagram{DefaultPriority: true, Group: 6}, hex: "0c 00 06"},
		{name: "datagram-normal-status", m: &objectDatagram{DefaultPriority: true, Group: 6}, hex: "2c 00 06 00", loose: true},
	},
}
