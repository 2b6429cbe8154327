package ietf

import (
	"time"

	"github.com/moqtgo/moqt/core/moq"
)

var vectors16 = []vector{
	{name: "client_setup-quic", m: &clientSetup{Options: setupOptions{
		Path: some("/relay"), MaxRequestID: 100, Authority: some("localhost:4443"), Implementation: "moqt-go",
	}}, hex: "2000250401062f72656c6179014064030e6c6f63616c686f73743a3434343302076d6f71742d676f"},
	{name: "client_setup-wt", m: &clientSetup{Options: setupOptions{MaxRequestID: 100, Implementation: "moqt-go"}}, hex: "20000d0202406405076d6f71742d676f"},
	{name: "server_setup", m: &serverSetup{Options: setupOptions{MaxRequestID: 100, Implementation: "moqt-go"}}, hex: "21000d0202406405076d6f71742d676f"},
	{name: "subscribe", m: &subscribe{Name: demoTrack, Params: parameters{
		Forward: some(true), SubscriberPriority: some[uint8](127), Filter: largestObject, GroupOrder: some(moq.Descending),
	}}, hex: "0300290002086d6f712d7465737407696e7465726f700a746573742d747261636b04100110407f0101020102"},
	{name: "subscribe-range", m: &subscribe{RequestID: 4, Name: demoTrack, Params: parameters{
		Forward: some(true), SubscriberPriority: some[uint8](127),
		Filter:     some(locationFilter{Type: filterAbsoluteRange, Start: loc(10, 0), EndGroup: 15}),
		GroupOrder: some(moq.Descending),
	}}, hex: "03002c0402086d6f712d7465737407696e7465726f700a746573742d747261636b04100110407f0104040a000f0102"},
	{name: "subscribe_ok", m: &subscribeOK{}, hex: "040003000000"},
	{name: "subscribe_ok-largest", m: &subscribeOK{
		TrackAlias: 7, Params: parameters{Expires: some(30 * time.Second), LargestObject: some(loc(5, 300))},
		Properties: []moq.Property{numeric(propMaxCacheDuration, 10_000), numeric(propPublisherPriority, 100)},
	}, hex: "0400130007020880007530010305412c0467100a4064"},
	{name: "request_ok", m: &requestOK{}, hex: "0700020000"},
	{name: "request_error", m: &requestError{Code: 0x10, Reason: "not found"}, hex: "05000d001000096e6f7420666f756e64"},
	{name: "publish_namespace", m: &publishNamespace{Namespace: demoTrack.Path}, hex: "0600140002086d6f712d7465737407696e7465726f7000"},
	{name: "publish_namespace_done", m: &publishNamespaceDone{}, hex: "09000100"},
	{name: "publish_namespace_cancel", m: &publishNamespaceCancel{Code: 1, Reason: "bye"}, hex: "0c0006000103627965"},
	{name: "subscribe_namespace", m: &subscribeNamespace{RequestID: 2, Prefix: "moq-test", Options: wantNamespace}, hex: "11000d0201086d6f712d746573740100"},
	{name: "namespace", m: &namespace{Suffix: "interop"}, hex: "0800090107696e7465726f70"},
	{name: "namespace_done", m: &namespaceDone{Suffix: "interop"}, hex: "0e00090107696e7465726f70"},
	{name: "publish", m: &publish{
		RequestID: 1, Name: demoTrack, TrackAlias: 7, Params: parameters{LargestObject: some(loc(2, 9)), Forward: some(true)},
	}, hex: "1d00260102086d6f712d7465737407696e7465726f700a746573742d747261636b0702090202090701"},
	{name: "publish_ok", m: &requestOK{To: kindPublish, RequestID: 1, Params: parameters{
		Forward: some(true), SubscriberPriority: some[uint8](128), GroupOrder: some(moq.Ascending),
	}}, hex: "1e0009010310011040800201"},
	{name: "publish_done", m: &publishDone{Status: 2, Reason: "ended"}, hex: "0b000900020005656e646564"},
	{name: "unsubscribe", m: &unsubscribe{}, hex: "0a000100"},
	{name: "request_update", m: &requestUpdate{RequestID: 8, Params: parameters{Forward: some(true), SubscriberPriority: some[uint8](50)}},
		hex: "02000708000210011032"},
	{name: "fetch-standalone", m: &fetch{
		RequestID: 4, Type: fetchStandalone, Name: demoTrack, Start: loc(3, 0), End: loc(5, 0),
		Params: parameters{SubscriberPriority: some[uint8](64), GroupOrder: some(moq.Ascending)},
	}, hex: "160029040102086d6f712d7465737407696e7465726f700a746573742d747261636b03000500022040400201"},
	{name: "fetch-rel-join", m: &fetch{RequestID: 6, Type: fetchRelativeJoining, JoiningStart: 1}, hex: "1600050602000100"},
	{name: "fetch_ok", m: &fetchOK{RequestID: 4, End: loc(5, 301)}, hex: "180006040005412d00"},
	{name: "fetch_cancel", m: &fetchCancel{RequestID: 4}, hex: "17000104"},
	{name: "track_status", m: &trackStatus{RequestID: 12, Name: demoTrack}, hex: "0d001f0c02086d6f712d7465737407696e7465726f700a746573742d747261636b00"},
	{name: "goaway", m: &goaway{}, hex: "10000100"},
	{name: "max_request_id", m: &maxRequestID{RequestID: 200}, hex: "15000240c8"},
	{name: "requests_blocked", m: &requestsBlocked{MaxRequestID: 100}, hex: "1a00024064"},
	{name: "subgroup-simple", m: &subgroupStream{
		subgroupHeader{EndOfGroup: true, Group: 5, Priority: 128},
		[]subgroupObject{{objectHeader{Size: 4}, "abcd"}, {objectHeader{ID: 1, Size: 4}, "efgh"}},
	}, hex: "18000580000461626364000465666768"},
	{name: "subgroup-props", m: &subgroupStream{
		subgroupHeader{Properties: true, EndOfGroup: true, Group: 5},
		[]subgroupObject{{objectHeader{Properties: []moq.Property{numeric(propTimestamp, 1_000_000)}, Size: 4}, "abcd"}},
	}, hex: "19000500000510800f42400461626364"},
	{name: "fetch-stream", m: &fetchStream{fetchHeader{4}, []fetchFrame{
		{fetchObject{Group: 3, Subgroup: 1, Priority: 128, Properties: []moq.Property{numeric(propTimestamp, 77)}, Size: 2}, "hi"},
		{fetchObject{Group: 3, Subgroup: 1, Object: 1, Priority: 128, Size: 1}, "a"},
		{fetchObject{Group: 4, Priority: 128, Size: 1}, "b"},
		{fetchObject{End: fetchEndUnknown, Group: 5, Object: 9}, ""},
	}}, hex: "05043f030100800310404d0268690101610c04000162410c0509"},
	{name: "datagram", m: &objectDatagram{Group: 5, Object: 2, Priority: 128, Payload: []byte("dg")}, hex: "00000502806467"},
}

// order14 is what a fixed field says where it cannot be left out.
var order14 = some(moq.Ascending)

var vectors14 = []vector{
	{name: "client_setup-wt", m: &clientSetup{
		Versions: []uint64{0xff00000e}, Options: setupOptions{MaxRequestID: 100, Implementation: "moqt-go"},
	}, hex: "20001601c0000000ff00000e0202406407076d6f71742d676f"},
	{name: "client_setup-quic", m: &clientSetup{
		Versions: []uint64{0xff00000e}, Options: setupOptions{MaxRequestID: 100, Path: some("/relay")},
	}, hex: "20001501c0000000ff00000e0202406401062f72656c6179", loose: true}, // in any order
	{name: "server_setup", m: &serverSetup{Version: 0xff00000e, Options: setupOptions{MaxRequestID: 100}}, hex: "21000cc0000000ff00000e01024064"},
	{name: "subscribe", m: &subscribe{Name: demoTrack, Params: parameters{
		SubscriberPriority: some[uint8](127), GroupOrder: some(moq.Descending), Forward: some(true), Filter: largestObject,
	}}, hex: "0300230002086d6f712d7465737407696e7465726f700a746573742d747261636b7f02010200"},
	{name: "subscribe-range", m: &subscribe{RequestID: 4, Name: demoTrack, Params: parameters{
		SubscriberPriority: some[uint8](128), Forward: some(true), GroupOrder: order14,
		Filter: some(locationFilter{Type: filterAbsoluteRange, Start: loc(10, 0), EndGroup: 15}),
	}}, hex: "0300260402086d6f712d7465737407696e7465726f700a746573742d747261636b800101040a000f00"},
	{name: "subscribe_ok", m: &subscribeOK{Params: parameters{GroupOrder: some(moq.Descending)}}, hex: "040006000000020000"},
	{name: "subscribe_ok-largest", m: &subscribeOK{TrackAlias: 7, Params: parameters{
		Expires: some(30 * time.Second), GroupOrder: order14, LargestObject: some(loc(5, 300)),
	}}, hex: "04000c000780007530010105412c00"},
	{name: "subscribe_error", m: &requestError{To: kindSubscribe, Code: 4, Reason: "not found"}, hex: "05000c0004096e6f7420666f756e64"},
	{name: "subscribe_update", m: &requestUpdate{Of: kindSubscribe, RequestID: 8, Params: parameters{
		Filter: some(locationFilter{Type: filterAbsoluteStart, Start: loc(10, 0)}), SubscriberPriority: some[uint8](50), Forward: some(true),
	}}, hex: "02000808000a0000320100"},
	{name: "unsubscribe", m: &unsubscribe{}, hex: "0a000100"},
	{name: "publish_namespace", m: &publishNamespace{Namespace: demoTrack.Path}, hex: "0600140002086d6f712d7465737407696e7465726f7000"},
	{name: "publish_namespace_ok", m: &requestOK{To: kindPublishNamespace}, hex: "07000100"},
	{name: "publish_namespace_error", m: &requestError{To: kindPublishNamespace, Code: 1, Reason: "no"}, hex: "0800050001026e6f"},
	{name: "publish_namespace_done", m: &publishNamespaceDone{Namespace: demoTrack.Path}, hex: "09001202086d6f712d7465737407696e7465726f70"},
	{name: "publish_namespace_cancel", m: &publishNamespaceCancel{Namespace: demoTrack.Path, Code: 1, Reason: "bye"},
		hex: "0c001702086d6f712d7465737407696e7465726f700103627965"},
	{name: "subscribe_namespace", m: &subscribeNamespace{RequestID: 2, Prefix: "moq-test"}, hex: "11000c0201086d6f712d7465737400"},
	{name: "subscribe_namespace_ok", m: &requestOK{To: kindSubscribeNamespace, RequestID: 2}, hex: "12000102"},
	{name: "subscribe_namespace_error", m: &requestError{To: kindSubscribeNamespace, RequestID: 2, Code: 5, Reason: "overlap"},
		hex: "13000a0205076f7665726c6170"},
	{name: "unsubscribe_namespace", m: &unsubscribeNamespace{Prefix: "moq-test"}, hex: "14000a01086d6f712d74657374"},
	{name: "publish", m: &publish{RequestID: 1, Name: demoTrack, TrackAlias: 7, Params: parameters{
		GroupOrder: some(moq.Descending), LargestObject: some(loc(2, 9)), Forward: some(true),
	}}, hex: "1d00250102086d6f712d7465737407696e7465726f700a746573742d747261636b07020102090100"},
	{name: "publish_ok", m: &requestOK{To: kindPublish, RequestID: 1, Params: parameters{
		Forward: some(true), SubscriberPriority: some[uint8](128), GroupOrder: order14, Filter: largestObject,
	}}, hex: "1e0006010180010200"},
	{name: "publish_error", m: &requestError{To: kindPublish, RequestID: 1, Code: 4, Reason: "no"}, hex: "1f00050104026e6f"},
	{name: "publish_done", m: &publishDone{Status: 2, Reason: "ended"}, hex: "0b000900020005656e646564"},
	{name: "fetch-standalone", m: &fetch{
		RequestID: 4, Type: fetchStandalone, Name: demoTrack, Start: loc(3, 0), End: loc(5, 0),
		Params: parameters{SubscriberPriority: some[uint8](64), GroupOrder: order14},
	}, hex: "1600260440010102086d6f712d7465737407696e7465726f700a746573742d747261636b0300050000"},
	{name: "fetch-rel-join", m: &fetch{
		RequestID: 6, Type: fetchRelativeJoining, JoiningStart: 1,
		Params: parameters{SubscriberPriority: some[uint8](128), GroupOrder: order14},
	}, hex: "16000706800102000100"},
	{name: "fetch_ok", m: &fetchOK{RequestID: 4, End: loc(5, 301), Params: parameters{GroupOrder: order14}}, hex: "18000704010005412d00"},
	{name: "fetch_error", m: &requestError{To: kindFetch, RequestID: 4, Code: 5, Reason: "range"}, hex: "19000804050572616e6765"},
	{name: "fetch_cancel", m: &fetchCancel{RequestID: 4}, hex: "17000104"},
	{name: "goaway", m: &goaway{}, hex: "10000100"},
	{name: "max_request_id", m: &maxRequestID{RequestID: 200}, hex: "15000240c8"},
	{name: "requests_blocked", m: &requestsBlocked{MaxRequestID: 100}, hex: "1a00024064"},
	{name: "subgroup-simple", m: &subgroupStream{
		subgroupHeader{EndOfGroup: true, Group: 5, Priority: 128},
		[]subgroupObject{{objectHeader{Size: 4}, "abcd"}, {objectHeader{ID: 1, Size: 4}, "efgh"}},
	}, hex: "18000580000461626364000465666768"},
	{name: "subgroup-props", m: &subgroupStream{
		subgroupHeader{Properties: true, EndOfGroup: true, Group: 5},
		[]subgroupObject{{objectHeader{Properties: []moq.Property{numeric(propTimestamp, 1_000_000)}, Size: 4}, "abcd"}},
	}, hex: "19000500000510800f42400461626364"},
	{name: "fetch-stream", m: &fetchStream{fetchHeader{4}, []fetchFrame{
		{fetchObject{Group: 3, Subgroup: 1, Priority: 128, Properties: []moq.Property{numeric(propTimestamp, 77)}, Size: 2}, "hi"},
		{fetchObject{Group: 3, Subgroup: 1, Object: 1, Priority: 128, Size: 1}, "a"},
	}}, hex: "0504030100800310404d02686903010180000161"},
	{name: "datagram", m: &objectDatagram{Group: 5, Object: 2, Priority: 128, Payload: []byte("dg")}, hex: "00000502806467"},
}
