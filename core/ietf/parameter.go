package ietf

import (
	"math"
	"time"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
)

// The types of message parameters. Others are unknown.
const (
	paramObjectDeliveryTimeout   uint64 = 0x02 // DELIVERY_TIMEOUT up to 16
	paramAuthorizationToken      uint64 = 0x03
	paramMaxCacheDuration        uint64 = 0x04 // 14
	paramRendezvousTimeout       uint64 = 0x04 // from 18 on
	paramSubgroupDeliveryTimeout uint64 = 0x06
	paramExpires                 uint64 = 0x08
	paramLargestObject           uint64 = 0x09
	paramFillTimeout             uint64 = 0x0a
	paramForward                 uint64 = 0x10
	paramSubscriberPriority      uint64 = 0x20
	paramLocationFilter          uint64 = 0x21 // SUBSCRIPTION_FILTER up to 18
	paramGroupOrder              uint64 = 0x22
	paramFillParameters          uint64 = 0x23
	paramSubgroupFilter          uint64 = 0x25
	paramObjectIDFilter          uint64 = 0x26
	paramPriorityFilter          uint64 = 0x27
	paramObjectPropertyFilter    uint64 = 0x28
	paramTrackPropertyFilter     uint64 = 0x29
	paramNewGroupRequest         uint64 = 0x32
	paramTrackNamespacePrefix    uint64 = 0x34
	paramIncludeProperties       uint64 = 0x35
	paramHopPath                 uint64 = 0x40b57 // with Profile.Hops
	paramRouteCost               uint64 = 0x40b58 // likewise
)

// Parameters are the message parameters of a request or an answer. What is
// absent has its default or, in an update, stays as it is. The fixed fields of
// drafts with InlineFields are here too. What a draft does not define for a
// message is not sent.
type parameters struct {
	ObjectDeliveryTimeout   optional[time.Duration]
	Tokens                  []token
	MaxCacheDuration        optional[time.Duration] // 14; later a track property
	RendezvousTimeout       optional[time.Duration]
	SubgroupDeliveryTimeout optional[time.Duration]
	Expires                 optional[time.Duration]
	LargestObject           optional[moq.Location]
	FillTimeout             optional[time.Duration]
	Forward                 optional[bool]
	SubscriberPriority      optional[uint8] // 0 first
	Filter                  optional[locationFilter]
	GroupOrder              optional[moq.Order]
	Fill                    *parameters // FILL_PARAMETERS: those of the backfill
	RangeFilters            []rangeFilter
	NewGroupRequest         optional[uint64]
	TrackNamespacePrefix    optional[moq.Path]
	IncludeProperties       optional[bool]
	HopPath                 []uint64 // the origin first, the sender last; nil: absent
	RouteCost               optional[uint64]
}

// Scope is a set of messages, or places in them, where a parameter may stand.
type scope uint32

const (
	inSubscribe scope = 1 << iota
	inSubscribeOK
	inPublish
	inPublishOK
	inFetch
	inFetchOK
	inTrackStatus
	inTrackStatusOK
	inPublishNamespace
	inPublishNamespaceOK
	inSubscribeNamespace
	inSubscribeNamespaceOK
	inSubscribeTracks
	inSubscribeTracksOK
	inUpdate          // REQUEST_UPDATE of a subscription
	inUpdateFetch     // … of a fetch
	inUpdateNamespace // … of PUBLISH_NAMESPACE
	inUpdatePrefix    // … of SUBSCRIBE_NAMESPACE
	inUpdateTracks    // … of SUBSCRIBE_TRACKS
	inUpdateOK
	inNotify
	inFill
	inNamespace

	inUpdates = inUpdate | inUpdateFetch | inUpdateNamespace | inUpdatePrefix | inUpdateTracks
	inOKs     = inPublishOK | inTrackStatusOK | inPublishNamespaceOK | inSubscribeNamespaceOK | inSubscribeTracksOK | inUpdateOK
	// what a token may authorize
	inRequests = inSubscribe | inPublish | inFetch | inTrackStatus | inPublishNamespace | inSubscribeNamespace | inSubscribeTracks | inUpdates
)

// Where each draft allows what.
var (
	params14 = map[uint64]scope{
		paramObjectDeliveryTimeout: inTrackStatus | inTrackStatusOK | inPublish | inPublishOK | inSubscribe | inSubscribeOK | inUpdate,
		paramAuthorizationToken:    inRequests,
		paramMaxCacheDuration:      inPublish | inSubscribeOK | inFetchOK | inTrackStatusOK,
	}
	params16 = map[uint64]scope{
		paramObjectDeliveryTimeout: inPublishOK | inSubscribe | inUpdate,
		paramAuthorizationToken:    inRequests,
		paramExpires:               inSubscribeOK | inPublish | inPublishOK | inUpdateOK | inTrackStatusOK,
		paramLargestObject:         inSubscribeOK | inPublish | inUpdateOK | inTrackStatusOK,
		paramForward:               inSubscribe | inUpdate | inPublish | inPublishOK | inSubscribeNamespace,
		paramSubscriberPriority:    inSubscribe | inFetch | inUpdate | inUpdateFetch | inPublishOK,
		paramLocationFilter:        inSubscribe | inPublishOK | inUpdate,
		paramGroupOrder:            inSubscribe | inPublishOK | inFetch,
		paramNewGroupRequest:       inPublishOK | inSubscribe | inUpdate,
	}
	params18 = map[uint64]scope{
		paramObjectDeliveryTimeout:   inPublishOK | inSubscribe | inUpdate,
		paramAuthorizationToken:      inRequests,
		paramRendezvousTimeout:       inSubscribe,
		paramSubgroupDeliveryTimeout: inPublishOK | inSubscribe | inUpdate,
		paramExpires:                 inSubscribeOK | inPublish | inPublishOK | inUpdateOK | inTrackStatusOK,
		paramLargestObject:           inSubscribeOK | inPublish | inUpdateOK | inTrackStatusOK,
		paramFillTimeout:             inFetch,
		paramForward:                 inSubscribe | inUpdate | inPublish | inPublishOK | inSubscribeTracks,
		paramSubscriberPriority:      inSubscribe | inFetch | inUpdate | inUpdateFetch | inPublishOK,
		paramLocationFilter:          inSubscribe | inPublishOK | inUpdate,
		paramGroupOrder:              inSubscribe | inPublishOK | inFetch,
		paramNewGroupRequest:         inPublishOK | inSubscribe | inUpdate,
		paramTrackNamespacePrefix:    inUpdatePrefix | inUpdateTracks,
	}
	params19 = map[uint64]scope{
		paramObjectDeliveryTimeout:   inPublishOK | inSubscribe | inUpdate | inSubscribeTracks,
		paramAuthorizationToken:      inRequests,
		paramRendezvousTimeout:       inSubscribe | inSubscribeTracks,
		paramSubgroupDeliveryTimeout: inPublishOK | inSubscribe | inUpdate | inSubscribeTracks,
		paramExpires:                 inSubscribeOK | inPublish | inOKs,
		paramLargestObject:           inSubscribeOK | inPublish | inUpdateOK | inTrackStatusOK,
		paramFillTimeout:             inFetch,
		paramForward:                 inSubscribe | inUpdate | inPublish | inPublishOK | inSubscribeTracks,
		paramSubscriberPriority:      inSubscribe | inFetch | inUpdate | inUpdateFetch | inPublishOK | inSubscribeTracks,
		paramLocationFilter:          inSubscribe | inPublishOK | inUpdate | inSubscribeTracks,
		paramGroupOrder:              inSubscribe | inSubscribeTracks | inFetch | inPublish,
		paramSubgroupFilter:          inFiltered,
		paramObjectIDFilter:          inFiltered,
		paramPriorityFilter:          inFiltered,
		paramObjectPropertyFilter:    inFiltered,
		paramTrackPropertyFilter:     inSubscribeTracks | inUpdateTracks,
		paramNewGroupRequest:         inPublishOK | inSubscribe | inUpdate | inSubscribeTracks,
		paramTrackNamespacePrefix:    inUpdatePrefix | inUpdateTracks,
	}
	params20 = map[uint64]scope{
		paramObjectDeliveryTimeout:   inPublish | inSubscribe | inUpdate | inSubscribeTracks,
		paramAuthorizationToken:      inRequests,
		paramRendezvousTimeout:       inSubscribe | inSubscribeTracks,
		paramSubgroupDeliveryTimeout: inPublish | inSubscribe | inUpdate | inSubscribeTracks,
		paramExpires:                 inSubscribeOK | inPublish | inOKs,
		paramLargestObject:           inSubscribeOK | inPublish | inUpdateOK | inTrackStatusOK | inNotify,
		paramFillTimeout:             inFetch | inFill,
		paramForward:                 inSubscribe | inUpdate | inUpdateTracks | inPublish | inSubscribeTracks | inNotify,
		paramSubscriberPriority:      inSubscribe | inPublish | inFetch | inUpdate | inUpdateFetch | inSubscribeTracks | inFill,
		paramLocationFilter:          inSubscribe | inPublish | inFetch | inUpdate | inSubscribeTracks | inNotify | inFill,
		paramGroupOrder:              inSubscribe | inPublish | inSubscribeTracks | inFetch | inFill,
		paramFillParameters:          inSubscribe | inUpdate,
		paramSubgroupFilter:          inFetch | inSubscribe | inSubscribeTracks | inUpdate | inFill,
		paramObjectIDFilter:          inFetch | inSubscribe | inSubscribeTracks | inUpdate | inFill,
		paramPriorityFilter:          inFetch | inSubscribe | inSubscribeTracks | inUpdate | inFill,
		paramObjectPropertyFilter:    inFetch | inSubscribe | inSubscribeTracks | inUpdate | inFill,
		paramTrackPropertyFilter:     inSubscribeTracks | inUpdateTracks,
		paramNewGroupRequest:         inSubscribe | inUpdate | inSubscribeTracks,
		paramTrackNamespacePrefix:    inUpdatePrefix | inUpdateTracks,
		paramIncludeProperties:       inSubscribe | inTrackStatus | inFetch | inSubscribeTracks,
	}
)

const inFiltered = inFetch | inSubscribe | inSubscribeTracks | inUpdate | inPublishOK

// place returns where a parameter may stand, and whether it is known.
func (p *Profile) place(t uint64) (s scope, known bool) {
	if p.Hops && (t == paramHopPath || t == paramRouteCost) {
		return inPublishNamespace | inNamespace, true
	}
	s, known = p.params[t]
	return s, known
}

// repeats says whether a message may hold several parameters of type t.
func repeats(t uint64) bool {
	return t == paramAuthorizationToken || t >= paramSubgroupFilter && t <= paramTrackPropertyFilter
}

// maxDuration is the longest duration that is a number of milliseconds.
const maxDuration = math.MaxInt64 / time.Millisecond * time.Millisecond

// milliseconds returns d in milliseconds, rounded up so that a short duration
// does not become none. A negative one is 0.
func milliseconds(d time.Duration) uint64 {
	ms := max(d, 0) / time.Millisecond
	if d > ms*time.Millisecond {
		ms++
	}
	return uint64(ms)
}

// duration is the inverse; what is too long becomes maxDuration.
func duration(ms uint64) time.Duration {
	return time.Duration(min(ms, uint64(maxDuration/time.Millisecond))) * time.Millisecond
}

// The numbers of a group order on the wire.
const (
	orderAscending  = 1
	orderDescending = 2
)

func orderNumber(o moq.Order) uint64 {
	if o == moq.Ascending {
		return orderAscending
	}
	return orderDescending
}

func orderOf(r *wire.Reader, n uint64) moq.Order {
	switch n {
	case orderAscending:
		return moq.Ascending
	case orderDescending:
	default:
		r.Fail(invalid("group order %d", n))
	}
	return moq.Descending
}
