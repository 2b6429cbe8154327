package ietf

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
	"github.com/moqtgo/moqt/ports/quic"
)

// The numbers of each draft mean what they are for, both ways.
func TestNumbers(t *testing.T) {
	for _, p := range Profiles {
		for kind := range requestKinds {
			for c, n := range p.requests[kind] {
				assert.Equal(t, c, p.requestMeaning(kind, n), "%s: kind %d, code %#x", p.Token, kind, n)
				assert.Equal(t, n, p.requestNumber(kind, c))
			}
			for c := range requestCodes {
				n := p.requestNumber(kind, c)
				if _, ok := p.requests[kind][p.requestMeaning(kind, n)]; !ok {
					assert.Zero(t, n, "%s: kind %d, code %d has no number", p.Token, kind, c)
				}
			}
			assert.Equal(t, requestInternalError, p.requestMeaning(kind, 404))
		}
		for c, n := range p.dones {
			assert.Equal(t, c, p.doneMeaning(n))
		}
		for c := range doneCodes {
			assert.Equal(t, p.dones[c], p.doneNumber(c))
		}
		assert.Equal(t, doneInternalError, p.doneMeaning(200))
		for c, n := range p.resets {
			assert.Equal(t, c, p.resetMeaning(quic.ErrorCode(n)))
		}
		assert.Equal(t, resetInternalError, p.resetMeaning(1<<40))
	}
}

// What differs between drafts, number by number.
func TestNumbersThatDiffer(t *testing.T) {
	for _, row := range []struct {
		draft string
		kind  requestKind
		code  requestCode
		want  uint64
	}{
		{"14", kindSubscribe, requestDoesNotExist, 0x4},
		{"14", kindFetch, requestDoesNotExist, 0x4},
		{"14", kindSubscribeNamespace, requestDoesNotExist, 0x4},
		{"14", kindPublish, requestUninterested, 0x4},
		{"14", kindPublishNamespace, requestUninterested, 0x4},
		{"14", kindFetch, requestInvalidRange, 0x5},
		{"14", kindSubscribeNamespace, requestPrefixOverlap, 0x5},
		{"14", kindFetch, requestNoObjects, 0x6},
		{"14", kindFetch, requestInvalidJoiningRequestID, 0x7},
		{"14", kindFetch, requestUnknownStatusInRange, 0x8},
		{"14", kindFetch, requestMalformedTrack, 0x9},
		{"14", kindSubscribe, requestMalformedAuthToken, 0x10},
		{"14", kindPublish, requestMalformedAuthToken, 0x1},
		{"14", kindSubscribe, requestExpiredAuthToken, 0x12},
		{"14", kindSubscribe, requestRedirect, 0x4},
		{"14", kindSubscribe, requestGoingAway, 0x2},
		{"14", kindPublish, requestDoesNotExist, 0x4},
		{"14", kindSubscribe, requestUninterested, 0x3},
		{"14", kindSubscribe, requestPrefixOverlap, 0x0},
		{"16", kindSubscribe, requestDoesNotExist, 0x10},
		{"16", kindSubscribe, requestDuplicateSubscription, 0x19},
		{"16", kindSubscribe, requestExcessiveLoad, 0x2},
		{"16", kindFetch, requestNoObjects, 0x11},
		{"18", kindSubscribe, requestGoingAway, 0x6},
		{"18", kindSubscribe, requestExcessiveLoad, 0x9},
		{"18", kindSubscribe, requestDuplicateSubscription, 0x19},
		{"18", kindSubscribe, requestRedirect, 0x34},
		{"18", kindSubscribe, requestInvalidFilter, 0x3},
		{"19", kindSubscribe, requestInvalidFilter, 0x36},
		{"19", kindSubscribe, requestConflictingFilters, 0x35},
		{"19", kindSubscribe, requestDuplicateSubscription, 0x3},
		{"20", kindSubscribe, requestDoesNotExist, 0x10},
	} {
		assert.Equal(t, row.want, profileOf(row.draft).requestNumber(row.kind, row.code), "%+v", row)
	}
	for draft, want := range map[string][3]uint64{ // TOO_FAR_BEHIND, EXPIRED, MALFORMED_TRACK
		"14": {0x6, 0x5, 0x7}, "16": {0x6, 0x5, 0x12}, "18": {0x5, 0x6, 0x12}, "19": {0x5, 0x6, 0x12}, "20": {0x5, 0x6, 0x12},
	} {
		p := profileOf(draft)
		assert.Equal(t, want, [3]uint64{p.doneNumber(doneTooFarBehind), p.doneNumber(doneExpired), p.doneNumber(doneMalformedTrack)}, draft)
	}
	for draft, want := range map[string][4]quic.ErrorCode{ // UNKNOWN_OBJECT_STATUS, TOO_FAR_BEHIND, GOING_AWAY, MALFORMED_TRACK
		"14": {0, 2, 3, 0}, "16": {4, 2, 3, 0x12}, "18": {6, 5, 4, 0x12}, "19": {6, 5, 4, 0x12},
	} {
		p := profileOf(draft)
		assert.Equal(t, want, [4]quic.ErrorCode{
			p.resetNumber(resetUnknownObjectStatus), p.resetNumber(resetTooFarBehind),
			p.resetNumber(resetGoingAway), p.resetNumber(resetMalformedTrack),
		}, draft)
	}
}

// Every error of ours has a word in each draft, and most come back as what
// they were.
func TestErrorsOfOurs(t *testing.T) {
	p := profileOf("18")
	for c := moq.CodeInternal; c <= moq.CodeRange; c++ {
		err := fmt.Errorf("wrapped: %w", moq.Errorf(c, "why"))
		n, reason := p.requestCode(kindSubscribe, err)
		assert.Equal(t, "why", reason)
		back := p.requestFailure(kindSubscribe, &requestError{Code: n, Reason: reason})
		assert.True(t, back.Remote)
		assert.Equal(t, n, back.Wire)
		reset := p.resetFailure(p.resetCode(err))
		done := p.doneFailure(&publishDone{Status: p.doneCode(err), Reason: "why"})
		ends := c == moq.CodeClosed || c == moq.CodeCanceled || c == moq.CodeRange
		assert.Equal(t, ends, done.Code == moq.CodeClosed, "%v: is all there that was asked for?", c)
		switch c {
		case moq.CodeInternal, moq.CodeMalformed:
			assert.Equal(t, []moq.Code{c, c, c}, []moq.Code{back.Code, reset.Code, done.Code})
		case moq.CodeNotFound, moq.CodeUnauthorized, moq.CodeTimeout, moq.CodeDuplicate, moq.CodeUnsupported:
			assert.Equal(t, c, back.Code)
		case moq.CodeLagged:
			assert.Equal(t, []moq.Code{c, c}, []moq.Code{reset.Code, done.Code})
		case moq.CodeCanceled, moq.CodeOld:
			assert.Equal(t, c, reset.Code)
		}
	}
	n, reason := p.requestCode(kindSubscribe, refused(requestInvalidRange, "no %s", "such group"))
	assert.Equal(t, uint64(0x11), n)
	assert.Equal(t, "no such group", reason)
	n, reason = p.requestCode(kindSubscribe, io.ErrClosedPipe)
	assert.Zero(t, n)
	assert.Empty(t, reason)
	assert.Equal(t, uint64(0x2), p.doneCode(nil))
	assert.Equal(t, uint64(0x0), p.doneCode(io.ErrClosedPipe))
	assert.Equal(t, quic.ErrorCode(0x1), p.resetCode(nil))
	assert.Equal(t, quic.ErrorCode(0x0), p.resetCode(io.ErrClosedPipe))
	assert.ErrorIs(t, p.doneFailure(&publishDone{Status: 2}), moq.ErrClosed)
}

func TestSessionCodes(t *testing.T) {
	for _, row := range []struct {
		err  error
		want quic.ErrorCode
	}{
		{nil, CodeNoError},
		{violated(CodeInvalidRequestID, "id"), CodeInvalidRequestID},
		{fmt.Errorf("x: %w", violated(CodeInvalidPath, "path")), CodeInvalidPath},
		{wire.ErrTruncated, CodeProtocolViolation},
		{wire.ErrTrailing, CodeProtocolViolation},
		{invalid("x"), CodeProtocolViolation},
		{&wire.TooLargeError{}, CodeProtocolViolation},
		{io.ErrUnexpectedEOF, CodeProtocolViolation},
		{moq.Errorf(moq.CodeUnauthorized, "no"), CodeUnauthorized},
		{moq.Errorf(moq.CodeTooMany, "much"), CodeProtocolViolation},
		{moq.Errorf(moq.CodeClosed, "over"), CodeNoError},
		{moq.Errorf(moq.CodeUnsupported, "version"), CodeVersionNegotiation},
		{moq.Errorf(moq.CodeTimeout, "late"), CodeControlMessageTimeout},
		{moq.Errorf(moq.CodeNotFound, "what"), CodeInternalError},
		{errors.New("boom"), CodeInternalError},
	} {
		assert.Equal(t, row.want, sessionCode(row.err), "%v", row.err)
	}
	assert.EqualError(t, violated(CodeInvalidPath, "path %q", "x"), `ietf: path "x"`)
	assert.EqualError(t, refused(requestInvalidFilter, "x"), "ietf: x")
	_, ok := decodeCode(refused(requestInvalidFilter, "x"))
	assert.False(t, ok, "a refusal does not end the session")
}

func TestWhichRequest(t *testing.T) {
	p16, p14 := profileOf("16"), profileOf("14")
	for i, m := range []message{
		&subscribe{RequestID: 7}, &publish{RequestID: 7}, &fetch{RequestID: 7}, &trackStatus{RequestID: 7},
		&publishNamespace{RequestID: 7}, &subscribeNamespace{RequestID: 7}, &subscribeTracks{RequestID: 7},
	} {
		id, kind, ok := opens(m)
		assert.True(t, ok)
		assert.Equal(t, uint64(7), id)
		assert.Equal(t, kindSubscribe+requestKind(i), kind)
		_, ok = belongsTo(p16, m)
		assert.False(t, ok)
	}
	for _, m := range []message{
		&subscribeOK{RequestID: 7}, &fetchOK{RequestID: 7}, &requestOK{RequestID: 7}, &requestError{RequestID: 7},
		&requestUpdate{RequestID: 9, ExistingID: 7}, &publishDone{RequestID: 7}, &unsubscribe{RequestID: 7},
		&fetchCancel{RequestID: 7}, &publishNamespaceDone{RequestID: 7}, &publishNamespaceCancel{RequestID: 7},
	} {
		id, ok := belongsTo(p16, m)
		assert.True(t, ok, "%T", m)
		assert.Equal(t, uint64(7), id)
		_, _, ok = opens(m)
		assert.False(t, ok)
	}
	for _, m := range []message{&publishNamespaceDone{Namespace: "a"}, &publishNamespaceCancel{Namespace: "a"}, &goaway{}, &maxRequestID{}} {
		_, ok := belongsTo(p14, m)
		assert.False(t, ok, "%T", m)
	}
}

func TestRetry(t *testing.T) {
	_, ok := (&requestError{}).retry()
	assert.False(t, ok)
	wait, ok := (&requestError{RetryInterval: 1}).retry()
	assert.True(t, ok)
	assert.Zero(t, wait)
	wait, _ = (&requestError{RetryInterval: 1<<64 - 1}).retry()
	assert.Equal(t, maxDuration, wait)
}
