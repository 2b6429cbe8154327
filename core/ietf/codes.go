package ietf

import "github.com/moqtgo/moqt/ports/quic"

// What a session is closed with, the same numbers in every draft that has them.
const (
	CodeNoError                 quic.ErrorCode = 0x0
	CodeInternalError           quic.ErrorCode = 0x1
	CodeUnauthorized            quic.ErrorCode = 0x2
	CodeProtocolViolation       quic.ErrorCode = 0x3
	CodeInvalidRequestID        quic.ErrorCode = 0x4
	CodeDuplicateTrackAlias     quic.ErrorCode = 0x5
	CodeKeyValueFormattingError quic.ErrorCode = 0x6
	CodeTooManyRequests         quic.ErrorCode = 0x7 // with Profile.MaxRequestID
	CodeInvalidPath             quic.ErrorCode = 0x8
	CodeMalformedPath           quic.ErrorCode = 0x9
	CodeGoawayTimeout           quic.ErrorCode = 0x10
	CodeControlMessageTimeout   quic.ErrorCode = 0x11
	CodeDataStreamTimeout       quic.ErrorCode = 0x12
	CodeAuthTokenCacheOverflow  quic.ErrorCode = 0x13
	CodeDuplicateAuthTokenAlias quic.ErrorCode = 0x14
	CodeVersionNegotiation      quic.ErrorCode = 0x15
	CodeMalformedAuthToken      quic.ErrorCode = 0x16
	CodeUnknownAuthTokenAlias   quic.ErrorCode = 0x17
	CodeExpiredAuthToken        quic.ErrorCode = 0x18
	CodeInvalidAuthority        quic.ErrorCode = 0x19
	CodeMalformedAuthority      quic.ErrorCode = 0x1a
	CodeTooManyRequestUpdates   quic.ErrorCode = 0x1b // from 19 on
)

// A requestCode is why a request is refused. Each draft has its own numbers
// for them, 14 for every kind of request.
type requestCode uint8

const (
	requestInternalError requestCode = iota
	requestUnauthorized
	requestTimeout
	requestNotSupported
	requestMalformedAuthToken
	requestExpiredAuthToken
	requestGoingAway
	requestExcessiveLoad
	requestDoesNotExist
	requestInvalidRange
	requestMalformedTrack
	requestDuplicateSubscription
	requestUninterested
	requestPrefixOverlap
	requestNamespaceTooLarge
	requestInvalidJoiningRequestID
	requestUnsupportedExtension
	requestRedirect
	requestConflictingFilters
	requestInvalidFilter
	requestNoObjects            // 14
	requestUnknownStatusInRange // 14
	requestCodes
)

// requestInstead says what is sent where a draft has no number for a code.
// What is not here is an internal error.
var requestInstead = map[requestCode]requestCode{
	requestMalformedAuthToken:      requestUnauthorized,
	requestExpiredAuthToken:        requestUnauthorized,
	requestGoingAway:               requestTimeout,
	requestExcessiveLoad:           requestTimeout,
	requestDoesNotExist:            requestUninterested,
	requestInvalidRange:            requestDoesNotExist,
	requestDuplicateSubscription:   requestNotSupported,
	requestUninterested:            requestNotSupported,
	requestNamespaceTooLarge:       requestNotSupported,
	requestInvalidJoiningRequestID: requestInvalidRange,
	requestUnsupportedExtension:    requestNotSupported,
	requestRedirect:                requestDoesNotExist,
	requestConflictingFilters:      requestNotSupported,
	requestInvalidFilter:           requestNotSupported,
	requestNoObjects:               requestInvalidRange,
	requestUnknownStatusInRange:    requestInvalidRange,
}

// A requestTable has a draft's numbers for each kind of request.
type requestTable [requestKinds]map[requestCode]uint64

// forAll returns the table of a draft with the same numbers for every kind.
func forAll(numbers map[requestCode]uint64) (t requestTable) {
	for kind := range t {
		t[kind] = numbers
	}
	return t
}

var (
	requests14 = requestTable{
		kindSubscribe: with14(map[requestCode]uint64{
			requestDoesNotExist: 0x4, requestInvalidRange: 0x5,
			requestMalformedAuthToken: 0x10, requestExpiredAuthToken: 0x12,
		}),
		kindTrackStatus: with14(map[requestCode]uint64{
			requestDoesNotExist: 0x4, requestInvalidRange: 0x5,
			requestMalformedAuthToken: 0x10, requestExpiredAuthToken: 0x12,
		}),
		kindFetch: with14(map[requestCode]uint64{
			requestDoesNotExist: 0x4, requestInvalidRange: 0x5, requestNoObjects: 0x6,
			requestInvalidJoiningRequestID: 0x7, requestUnknownStatusInRange: 0x8, requestMalformedTrack: 0x9,
			requestMalformedAuthToken: 0x10, requestExpiredAuthToken: 0x12,
		}),
		kindPublish: with14(map[requestCode]uint64{
			requestUninterested: 0x4,
		}),
		kindPublishNamespace: with14(map[requestCode]uint64{
			requestUninterested: 0x4, requestMalformedAuthToken: 0x10, requestExpiredAuthToken: 0x12,
		}),
		kindSubscribeNamespace: with14(map[requestCode]uint64{
			requestDoesNotExist: 0x4, requestPrefixOverlap: 0x5,
			requestMalformedAuthToken: 0x10, requestExpiredAuthToken: 0x12,
		}),
	}
	requests16 = forAll(map[requestCode]uint64{
		requestInternalError: 0x0, requestUnauthorized: 0x1, requestTimeout: 0x2, requestNotSupported: 0x3,
		requestMalformedAuthToken: 0x4, requestExpiredAuthToken: 0x5, requestDoesNotExist: 0x10,
		requestInvalidRange: 0x11, requestMalformedTrack: 0x12, requestDuplicateSubscription: 0x19,
		requestUninterested: 0x20, requestPrefixOverlap: 0x30, requestInvalidJoiningRequestID: 0x32,
	})
	requests18 = forAll(map[requestCode]uint64{
		requestInternalError: 0x0, requestUnauthorized: 0x1, requestTimeout: 0x2, requestNotSupported: 0x3,
		requestMalformedAuthToken: 0x4, requestExpiredAuthToken: 0x5, requestGoingAway: 0x6,
		requestExcessiveLoad: 0x9, requestDoesNotExist: 0x10, requestInvalidRange: 0x11,
		requestMalformedTrack: 0x12, requestDuplicateSubscription: 0x19, requestUninterested: 0x20,
		requestPrefixOverlap: 0x30, requestNamespaceTooLarge: 0x31, requestInvalidJoiningRequestID: 0x32,
		requestUnsupportedExtension: 0x33, requestRedirect: 0x34,
	})
	requests19 = forAll(map[requestCode]uint64{
		requestInternalError: 0x0, requestUnauthorized: 0x1, requestTimeout: 0x2, requestNotSupported: 0x3,
		requestMalformedAuthToken: 0x4, requestExpiredAuthToken: 0x5, requestGoingAway: 0x6,
		requestExcessiveLoad: 0x9, requestDoesNotExist: 0x10, requestInvalidRange: 0x11,
		requestMalformedTrack: 0x12, requestUninterested: 0x20, requestPrefixOverlap: 0x30,
		requestNamespaceTooLarge: 0x31, requestInvalidJoiningRequestID: 0x32, requestUnsupportedExtension: 0x33,
		requestRedirect: 0x34, requestConflictingFilters: 0x35, requestInvalidFilter: 0x36,
	})
)

// with14 adds what all errors of 14 have in common.
func with14(numbers map[requestCode]uint64) map[requestCode]uint64 {
	numbers[requestInternalError], numbers[requestUnauthorized] = 0x0, 0x1
	numbers[requestTimeout], numbers[requestNotSupported] = 0x2, 0x3
	return numbers
}

// A doneCode is why a publisher ends a subscription.
type doneCode uint8

const (
	doneInternalError doneCode = iota
	doneUnauthorized
	doneTrackEnded
	doneSubscriptionEnded
	doneGoingAway
	doneTooFarBehind
	doneExpired
	doneUpdateFailed
	doneExcessiveLoad
	doneMalformedTrack
	doneCodes
)

var (
	dones14 = map[doneCode]uint64{
		doneInternalError: 0x0, doneUnauthorized: 0x1, doneTrackEnded: 0x2, doneSubscriptionEnded: 0x3,
		doneGoingAway: 0x4, doneExpired: 0x5, doneTooFarBehind: 0x6, doneMalformedTrack: 0x7,
	}
	dones16 = map[doneCode]uint64{
		doneInternalError: 0x0, doneUnauthorized: 0x1, doneTrackEnded: 0x2, doneSubscriptionEnded: 0x3,
		doneGoingAway: 0x4, doneExpired: 0x5, doneTooFarBehind: 0x6, doneUpdateFailed: 0x8,
		doneMalformedTrack: 0x12,
	}
	dones18 = map[doneCode]uint64{
		doneInternalError: 0x0, doneUnauthorized: 0x1, doneTrackEnded: 0x2, doneSubscriptionEnded: 0x3,
		doneGoingAway: 0x4, doneTooFarBehind: 0x5, doneExpired: 0x6, doneUpdateFailed: 0x8,
		doneExcessiveLoad: 0x9, doneMalformedTrack: 0x12,
	}
)

// A resetCode is why a stream is reset, or is not wanted any more.
type resetCode uint8

const (
	resetInternalError resetCode = iota
	resetCancelled
	resetDeliveryTimeout
	resetSessionClosed
	resetGoingAway
	resetTooFarBehind
	resetUnknownObjectStatus
	resetExpiredAuthToken
	resetExcessiveLoad
	resetMalformedTrack
	resetCodes
)

var (
	resets14 = map[resetCode]uint64{
		resetInternalError: 0x0, resetCancelled: 0x1, resetDeliveryTimeout: 0x2, resetSessionClosed: 0x3,
	}
	resets16 = map[resetCode]uint64{
		resetInternalError: 0x0, resetCancelled: 0x1, resetDeliveryTimeout: 0x2, resetSessionClosed: 0x3,
		resetUnknownObjectStatus: 0x4, resetMalformedTrack: 0x12,
	}
	resets18 = map[resetCode]uint64{
		resetInternalError: 0x0, resetCancelled: 0x1, resetDeliveryTimeout: 0x2, resetSessionClosed: 0x3,
		resetGoingAway: 0x4, resetTooFarBehind: 0x5, resetUnknownObjectStatus: 0x6,
		resetExpiredAuthToken: 0x7, resetExcessiveLoad: 0x9, resetMalformedTrack: 0x12,
	}
	// what is sent where a draft has no number; what is not here is an
	// internal error
	resetInstead = map[resetCode]resetCode{
		resetGoingAway: resetSessionClosed, resetTooFarBehind: resetDeliveryTimeout,
		resetExpiredAuthToken: resetCancelled, resetExcessiveLoad: resetCancelled,
	}
)
