package ietf

import (
	"time"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
)

// A requestKind is what a request asks for.
type requestKind uint8

const (
	kindUnknown requestKind = iota // of an answer whose request is not looked up yet
	kindSubscribe
	kindPublish
	kindFetch
	kindTrackStatus
	kindPublishNamespace
	kindSubscribeNamespace
	kindSubscribeTracks
	kindUpdate // REQUEST_UPDATE
	requestKinds
)

// okScopes is what the REQUEST_OK to each kind may carry.
var okScopes = [requestKinds]scope{
	kindUnknown: inOKs, kindPublish: inPublishOK, kindTrackStatus: inTrackStatusOK,
	kindPublishNamespace: inPublishNamespaceOK, kindSubscribeNamespace: inSubscribeNamespaceOK,
	kindSubscribeTracks: inSubscribeTracksOK, kindUpdate: inUpdateOK,
}

// updateScopes is what the REQUEST_UPDATE of each kind may carry.
var updateScopes = [requestKinds]scope{
	kindUnknown: inUpdates, kindSubscribe: inUpdate, kindPublish: inUpdate, kindFetch: inUpdateFetch,
	kindPublishNamespace: inUpdateNamespace, kindSubscribeNamespace: inUpdatePrefix, kindSubscribeTracks: inUpdateTracks,
}

// The message types of 14 for each kind, 0 where there is none.
var (
	okTypes = [requestKinds]uint64{
		kindPublish: typePublishOK, kindTrackStatus: typeTrackStatusOK,
		kindPublishNamespace: typeRequestOK, kindSubscribeNamespace: typeSubscribeNamespaceOK,
	}
	errorTypes = [requestKinds]uint64{
		kindSubscribe: typeRequestError, kindPublish: typePublishError, kindFetch: typeFetchError,
		kindTrackStatus: typeTrackStatusError, kindPublishNamespace: typePublishNamespaceError,
		kindSubscribeNamespace: typeSubscribeNamespaceError,
	}
)

// A requestOK accepts a request, other than SUBSCRIBE and FETCH (REQUEST_OK,
// up to 16 also PUBLISH_OK, in 14 an OK of each kind).
//
// With AnswersByKind, To comes with the message. In other drafts the reader
// sets it when it has found the request, and calls check.
type requestOK struct {
	To         requestKind
	RequestID  uint64 // with ResponseIDs
	Params     parameters
	Properties []moq.Property // of the track, to TRACK_STATUS; with OKProperties
}

func (m *requestOK) append(b []byte, p *Profile) []byte {
	t := typeRequestOK
	if p.AnswersByKind {
		t = okTypes[m.To]
	} else if p.PublishOK && m.To == kindPublish {
		t = typePublishOK
	}
	b, start := begin(b, p, t)
	if p.ResponseIDs {
		b = p.Varint.Append(b, m.RequestID)
	}
	if p.InlineFields {
		b = m.appendInline(b, p)
		return end(b, start)
	}
	b = m.Params.append(b, p, okScopes[m.To])
	if p.OKProperties {
		b = appendPairs(b, p, m.Properties)
	}
	return end(b, start)
}

func (m *requestOK) appendInline(b []byte, p *Profile) []byte {
	switch m.To {
	case kindPublish:
		b = appendBool(b, m.Params.Forward.or(true))
		b = append(b, m.Params.SubscriberPriority.or(defaultPriority))
		b = append(b, byte(orderNumber(m.Params.GroupOrder.or(moq.Ascending))))
		b = appendInlineFilter(b, p, m.Params.Filter)
		return m.Params.append(b, p, inPublishOK)
	case kindTrackStatus:
		b = p.Varint.Append(b, 0) // track alias
		b = appendContent(b, p, &m.Params)
		return m.Params.append(b, p, inTrackStatusOK)
	}
	return b
}

func (m *requestOK) read(r *wire.Reader, p *Profile) {
	if p.ResponseIDs {
		m.RequestID = r.Varint()
	}
	m.Params = parameters{}
	if p.InlineFields {
		m.readInline(r, p)
		return
	}
	m.Params.read(r, p, okScopes[m.To])
	switch {
	case p.OKProperties:
		m.Properties = readPairs(r, p)
	case m.To == kindUnknown:
		r.Rest() // 16 wants track properties here but has no field for them
	}
}

func (m *requestOK) readInline(r *wire.Reader, p *Profile) {
	switch m.To {
	case kindPublish:
		forward := r.Bool()
		priority := r.Byte()
		order := readInlineOrder(r, false)
		filter := readInlineFilter(r, p)
		m.Params.read(r, p, inPublishOK)
		m.Params.Forward, m.Params.SubscriberPriority = some(forward), some(priority)
		m.Params.GroupOrder, m.Params.Filter = order, some(filter)
	case kindTrackStatus:
		r.Varint() // track alias
		readContent(r, p, &m.Params, inTrackStatusOK)
	}
}

// check says whether m may answer its request, once To is known.
func (m *requestOK) check(p *Profile) error {
	if m.To == kindSubscribe || m.To == kindFetch {
		return violated(CodeProtocolViolation, "REQUEST_OK does not answer this request")
	}
	if len(m.Properties) > 0 && m.To != kindTrackStatus {
		return violated(CodeProtocolViolation, "REQUEST_OK with track properties")
	}
	return m.Params.check(p, okScopes[m.To])
}

// A requestError refuses a request (REQUEST_ERROR, in 14 an error of each
// kind). For To see requestOK.
type requestError struct {
	To            requestKind
	RequestID     uint64 // with ResponseIDs
	Code          uint64 // as the draft numbers it
	RetryInterval uint64 // milliseconds plus one, 0: never; with RetryInterval
	Reason        string
	Redirect      *moq.Redirect // with Redirect, where Code is REDIRECT
}

// wireRedirect is the code of a REQUEST_ERROR that has a redirect.
const wireRedirect = 0x34

func (m *requestError) append(b []byte, p *Profile) []byte {
	t := typeRequestError
	if p.AnswersByKind {
		t = errorTypes[m.To]
	}
	b, start := begin(b, p, t)
	if p.ResponseIDs {
		b = p.Varint.Append(b, m.RequestID)
	}
	b = p.Varint.Append(b, m.Code)
	if p.RetryInterval {
		b = p.Varint.Append(b, m.RetryInterval)
	}
	b = appendReason(b, p, m.Reason)
	if p.Redirect && m.Code == wireRedirect {
		to := m.Redirect
		if to == nil {
			to = &moq.Redirect{}
		}
		b = p.Varint.AppendString(b, to.URI)
		b = appendTrackName(b, p, to.Name)
	}
	return end(b, start)
}

func (m *requestError) read(r *wire.Reader, p *Profile) {
	if p.ResponseIDs {
		m.RequestID = r.Varint()
	}
	m.Code = r.Varint()
	if p.RetryInterval {
		m.RetryInterval = r.Varint()
	}
	m.Reason = readReason(r)
	m.Redirect = nil
	if p.Redirect && m.Code == wireRedirect {
		m.Redirect = &moq.Redirect{URI: r.String(maxURI)}
		m.Redirect.Name = readTrackName(r, p)
	}
}

// check says whether m may refuse its request, once To is known.
func (m *requestError) check(role dialect.Role) error {
	to := m.Redirect
	if to == nil {
		return nil
	}
	if role == dialect.Server && to.URI != "" {
		return violated(CodeProtocolViolation, "a client redirects to a URI")
	}
	switch m.To {
	case kindPublishNamespace, kindSubscribeNamespace, kindSubscribeTracks:
		if to.Name.Name != "" {
			return violated(CodeProtocolViolation, "a request of a namespace is redirected to a track")
		}
	}
	return nil
}

// retry returns how long to wait before the request may be made again; ok is
// false where it must not be.
func (m *requestError) retry() (wait time.Duration, ok bool) {
	if m.RetryInterval == 0 {
		return 0, false
	}
	return duration(m.RetryInterval - 1), true
}

// A requestUpdate changes a request (REQUEST_UPDATE, SUBSCRIBE_UPDATE in 14).
//
// With InlineFields it has no absent values: a Filter is required, and it may
// only make the range smaller. For Of see requestOK.To.
type requestUpdate struct {
	Of         requestKind
	RequestID  uint64 // its own
	ExistingID uint64 // of the request that it updates; with ExistingID
	Params     parameters
}

func (m *requestUpdate) append(b []byte, p *Profile) []byte {
	b, start := begin(b, p, typeRequestUpdate)
	b = p.Varint.Append(b, m.RequestID)
	if p.ExistingID {
		b = p.Varint.Append(b, m.ExistingID)
	}
	if p.InlineFields {
		filter := m.Params.Filter.v
		b = appendLocation(b, p, filter.Start)
		if filter.Type == filterAbsoluteRange {
			b = p.Varint.Append(b, min(filter.EndGroup, wire.MaxRFC9000-1)+1)
		} else {
			b = p.Varint.Append(b, 0)
		}
		b = append(b, m.Params.SubscriberPriority.or(defaultPriority))
		b = appendBool(b, m.Params.Forward.or(true))
	}
	b = m.Params.append(b, p, updateScopes[m.Of])
	return end(b, start)
}

func (m *requestUpdate) read(r *wire.Reader, p *Profile) {
	m.RequestID = r.Varint()
	if p.ExistingID {
		m.ExistingID = r.Varint()
	}
	if !p.InlineFields {
		m.Params.read(r, p, updateScopes[m.Of])
		return
	}
	filter := locationFilter{Type: filterAbsoluteStart, Start: readLocation(r)}
	if end := r.Varint(); end > 0 {
		filter.Type, filter.EndGroup = filterAbsoluteRange, end-1
	}
	priority := r.Byte()
	forward := r.Bool()
	m.Params.read(r, p, updateScopes[m.Of])
	m.Params.Filter = some(filter)
	m.Params.SubscriberPriority, m.Params.Forward = some(priority), some(forward)
}

// check says whether m may update its request, once Of is known.
func (m *requestUpdate) check(p *Profile) error {
	if updateScopes[m.Of] == 0 {
		return violated(CodeProtocolViolation, "REQUEST_UPDATE of a request that has none")
	}
	return m.Params.check(p, updateScopes[m.Of])
}

// A publishStateNotify tells the subscriber what has changed (20).
type publishStateNotify struct {
	Params parameters
}

func (m *publishStateNotify) append(b []byte, p *Profile) []byte {
	b, start := begin(b, p, typePublishStateNotify)
	b = m.Params.append(b, p, inNotify)
	return end(b, start)
}

func (m *publishStateNotify) read(r *wire.Reader, p *Profile) { m.Params.read(r, p, inNotify) }
