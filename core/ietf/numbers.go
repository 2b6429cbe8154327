package ietf

import (
	"errors"
	"time"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/ports/quic"
)

// requestNumber is the draft's number for c in an answer to kind.
func (p *Profile) requestNumber(kind requestKind, c requestCode) uint64 {
	for {
		if n, ok := p.requests[kind][c]; ok {
			return n
		}
		instead, ok := requestInstead[c]
		if !ok {
			return 0
		}
		c = instead
	}
}

// requestMeaning is the inverse. An unknown number is an internal error.
func (p *Profile) requestMeaning(kind requestKind, n uint64) requestCode {
	return meaning(p.requests[kind], n)
}

// doneNumber is the draft's number for c in PUBLISH_DONE.
func (p *Profile) doneNumber(c doneCode) uint64 { return p.dones[c] }

// doneMeaning is the inverse. An unknown number is an internal error.
func (p *Profile) doneMeaning(n uint64) doneCode { return meaning(p.dones, n) }

// resetNumber is the draft's number for c on a stream.
func (p *Profile) resetNumber(c resetCode) quic.ErrorCode {
	if n, ok := p.resets[c]; ok {
		return quic.ErrorCode(n)
	}
	return quic.ErrorCode(p.resets[resetInstead[c]])
}

// resetMeaning is the inverse. An unknown number is an internal error.
func (p *Profile) resetMeaning(n quic.ErrorCode) resetCode { return meaning(p.resets, uint64(n)) }

// meaning finds n; C's zero value is the internal error.
func meaning[C comparable](numbers map[C]uint64, n uint64) (internal C) {
	for c, number := range numbers {
		if number == n {
			return c
		}
	}
	return internal
}

// What our errors are called here.
var (
	requestCodeOf = [...]requestCode{
		moq.CodeInternal: requestInternalError, moq.CodeCanceled: requestUninterested,
		moq.CodeNotFound: requestDoesNotExist, moq.CodeUnauthorized: requestUnauthorized,
		moq.CodeTimeout: requestTimeout, moq.CodeOld: requestInvalidRange, moq.CodeDropped: requestDoesNotExist,
		moq.CodeReplaced: requestDoesNotExist, moq.CodeEvicted: requestInvalidRange,
		moq.CodeLagged: requestExcessiveLoad, moq.CodeDuplicate: requestDuplicateSubscription,
		moq.CodeTooLarge: requestExcessiveLoad, moq.CodeTooMany: requestExcessiveLoad,
		moq.CodeMalformed: requestMalformedTrack, moq.CodeUnsupported: requestNotSupported,
		moq.CodeClosed: requestDoesNotExist, moq.CodeRange: requestInvalidRange,
	}
	doneCodeOf = [...]doneCode{
		moq.CodeInternal: doneInternalError, moq.CodeCanceled: doneSubscriptionEnded,
		moq.CodeNotFound: doneInternalError, moq.CodeUnauthorized: doneUnauthorized, moq.CodeTimeout: doneExpired,
		moq.CodeOld: doneTooFarBehind, moq.CodeDropped: doneInternalError, moq.CodeReplaced: doneInternalError,
		moq.CodeEvicted: doneTooFarBehind, moq.CodeLagged: doneTooFarBehind, moq.CodeDuplicate: doneInternalError,
		moq.CodeTooLarge: doneExcessiveLoad, moq.CodeTooMany: doneExcessiveLoad,
		moq.CodeMalformed: doneMalformedTrack, moq.CodeUnsupported: doneInternalError, moq.CodeClosed: doneTrackEnded, moq.CodeRange: doneSubscriptionEnded,
	}
	resetCodeOf = [...]resetCode{
		moq.CodeInternal: resetInternalError, moq.CodeCanceled: resetCancelled, moq.CodeNotFound: resetCancelled,
		moq.CodeUnauthorized: resetCancelled, moq.CodeTimeout: resetDeliveryTimeout, moq.CodeOld: resetDeliveryTimeout,
		moq.CodeDropped: resetSessionClosed, moq.CodeReplaced: resetCancelled, moq.CodeEvicted: resetUnknownObjectStatus,
		moq.CodeLagged: resetTooFarBehind, moq.CodeDuplicate: resetCancelled, moq.CodeTooLarge: resetExcessiveLoad,
		moq.CodeTooMany: resetExcessiveLoad, moq.CodeMalformed: resetMalformedTrack,
		moq.CodeUnsupported: resetInternalError, moq.CodeClosed: resetSessionClosed, moq.CodeRange: resetCancelled,
	}
)

// What theirs are called elsewhere.
var (
	requestMeanings = [requestCodes]moq.Code{
		requestInternalError: moq.CodeInternal, requestUnauthorized: moq.CodeUnauthorized,
		requestTimeout: moq.CodeTimeout, requestNotSupported: moq.CodeUnsupported,
		requestMalformedAuthToken: moq.CodeUnauthorized, requestExpiredAuthToken: moq.CodeUnauthorized,
		requestGoingAway: moq.CodeDropped, requestExcessiveLoad: moq.CodeTooMany,
		requestDoesNotExist: moq.CodeNotFound, requestInvalidRange: moq.CodeRange,
		requestMalformedTrack: moq.CodeMalformed, requestDuplicateSubscription: moq.CodeDuplicate,
		requestUninterested: moq.CodeCanceled, requestPrefixOverlap: moq.CodeDuplicate,
		requestNamespaceTooLarge: moq.CodeTooLarge, requestInvalidJoiningRequestID: moq.CodeNotFound,
		requestUnsupportedExtension: moq.CodeUnsupported, requestRedirect: moq.CodeNotFound,
		requestConflictingFilters: moq.CodeUnsupported, requestInvalidFilter: moq.CodeUnsupported,
		requestNoObjects: moq.CodeRange, requestUnknownStatusInRange: moq.CodeEvicted,
	}
	doneMeanings = [doneCodes]moq.Code{
		doneInternalError: moq.CodeInternal, doneUnauthorized: moq.CodeUnauthorized, doneTrackEnded: moq.CodeClosed,
		doneSubscriptionEnded: moq.CodeClosed, doneGoingAway: moq.CodeDropped, doneTooFarBehind: moq.CodeLagged,
		doneExpired: moq.CodeTimeout, doneUpdateFailed: moq.CodeUnsupported, doneExcessiveLoad: moq.CodeTooMany,
		doneMalformedTrack: moq.CodeMalformed,
	}
	resetMeanings = [resetCodes]moq.Code{
		resetInternalError: moq.CodeInternal, resetCancelled: moq.CodeCanceled, resetDeliveryTimeout: moq.CodeOld,
		resetSessionClosed: moq.CodeDropped, resetGoingAway: moq.CodeDropped, resetTooFarBehind: moq.CodeLagged,
		resetUnknownObjectStatus: moq.CodeEvicted, resetExpiredAuthToken: moq.CodeUnauthorized,
		resetExcessiveLoad: moq.CodeTooMany, resetMalformedTrack: moq.CodeMalformed,
	}
)

// requestCode is the draft's number with which a request of kind is refused
// for err, and the reason to give.
func (p *Profile) requestCode(kind requestKind, err error) (n uint64, reason string) {
	var r *refusal
	var e *moq.Error
	switch {
	case errors.As(err, &r):
		return p.requestNumber(kind, r.Code), r.Reason
	case errors.As(err, &e):
		return p.requestNumber(kind, requestCodeOf[e.Code]), e.Reason
	}
	return p.requestNumber(kind, requestInternalError), ""
}

// retryInterval is what a request is refused with for err: when it may be made
// again, if that is known.
func retryInterval(err error) uint64 {
	var r *moq.RefusalError
	var e *moq.Error
	switch {
	case errors.As(err, &r) && r.Retry: // of who we have asked
		return milliseconds(r.After) + 1
	case errors.As(err, &e) && e.Code == moq.CodeTooMany:
		return milliseconds(crowded) + 1
	}
	return 0
}

// crowded is how long a peer that was refused because there was too much of
// something should wait.
const crowded = time.Second

// requestFailure is what the refusal of a request of kind means.
func (p *Profile) requestFailure(kind requestKind, m *requestError) *moq.Error {
	e := &moq.Error{Code: requestMeanings[p.requestMeaning(kind, m.Code)], Reason: m.Reason, Remote: true, Wire: m.Code}
	r := &moq.RefusalError{Redirect: m.Redirect}
	if r.After, r.Retry = m.retry(); r.Retry || r.Redirect != nil {
		e.Err = r
	}
	return e
}

// doneCode is the draft's number with which a subscription is ended for err;
// nil is the end of the track.
func (p *Profile) doneCode(err error) uint64 {
	var e *moq.Error
	var update updateError
	switch {
	case err == nil:
		return p.doneNumber(doneTrackEnded)
	case errors.As(err, &update):
		return p.doneNumber(doneUpdateFailed)
	case errors.As(err, &e):
		return p.doneNumber(doneCodeOf[e.Code])
	}
	return p.doneNumber(doneInternalError)
}

// doneFailure is what the end of a subscription means.
func (p *Profile) doneFailure(m *publishDone) *moq.Error {
	return &moq.Error{Code: doneMeanings[p.doneMeaning(m.Status)], Reason: m.Reason, Remote: true, Wire: m.Status}
}

// resetCode is the draft's number with which a stream is ended for err; nil
// says that it is no longer wanted.
func (p *Profile) resetCode(err error) quic.ErrorCode {
	var e *moq.Error
	switch {
	case err == nil:
		return p.resetNumber(resetCancelled)
	case errors.As(err, &e):
		return p.resetNumber(resetCodeOf[e.Code])
	}
	return p.resetNumber(resetInternalError)
}

// resetFailure is what the reset of a stream means.
func (p *Profile) resetFailure(n quic.ErrorCode) *moq.Error {
	return &moq.Error{Code: resetMeanings[p.resetMeaning(n)], Remote: true, Wire: uint64(n)}
}
