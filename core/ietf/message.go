package ietf

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
)

// The types of control messages. A draft knows those in its Profile.messages;
// where two drafts give one number to different messages, the name says which.
const (
	typeRequestUpdate           uint64 = 0x02 // SUBSCRIBE_UPDATE in 14
	typeSubscribe               uint64 = 0x03
	typeSubscribeOK             uint64 = 0x04
	typeRequestError            uint64 = 0x05 // SUBSCRIBE_ERROR in 14
	typePublishNamespace        uint64 = 0x06
	typeRequestOK               uint64 = 0x07 // PUBLISH_NAMESPACE_OK in 14
	typeNamespace               uint64 = 0x08
	typePublishNamespaceError   uint64 = 0x08 // 14
	typePublishNamespaceDone    uint64 = 0x09
	typeUnsubscribe             uint64 = 0x0a
	typePublishDone             uint64 = 0x0b
	typePublishNamespaceCancel  uint64 = 0x0c
	typeTrackStatus             uint64 = 0x0d
	typeNamespaceDone           uint64 = 0x0e
	typeTrackStatusOK           uint64 = 0x0e // 14
	typePublishSkipped          uint64 = 0x0f // PUBLISH_BLOCKED in 18
	typeTrackStatusError        uint64 = 0x0f // 14
	typeGoaway                  uint64 = 0x10
	typeSubscribeNamespace      uint64 = 0x11 // up to 16
	typeSubscribeNamespaceOK    uint64 = 0x12
	typeSubscribeNamespaceError uint64 = 0x13
	typeUnsubscribeNamespace    uint64 = 0x14
	typeMaxRequestID            uint64 = 0x15
	typeFetch                   uint64 = 0x16
	typeFetchCancel             uint64 = 0x17
	typeFetchOK                 uint64 = 0x18
	typeFetchError              uint64 = 0x19
	typeRequestsBlocked         uint64 = 0x1a
	typePublish                 uint64 = 0x1d
	typePublishOK               uint64 = 0x1e
	typePublishError            uint64 = 0x1f
	typeClientSetup             uint64 = 0x20
	typeServerSetup             uint64 = 0x21
	typePublishStateNotify      uint64 = 0x22
	typeNamespaces              uint64 = 0x50 // SUBSCRIBE_NAMESPACE from 18 on
	typeSubscribeTracks         uint64 = 0x51
	typeSetup                   uint64 = 0x2f00
)

// Limits of what a message may hold.
const (
	maxMessage    = 1<<16 - 1 // bytes of a body: its length has 16 bits
	maxFields     = 32        // of a namespace
	maxName       = 4 << 10   // bytes of a namespace and a track name together
	maxReason     = 1 << 10   // bytes of a reason phrase
	maxURI        = 8 << 10   // bytes of a URI that a GOAWAY or a redirect names
	maxParameters = 64        // of a message
	maxProperties = 64        // of a track, an object or a set-up
	maxVersions   = 64        // of a CLIENT_SETUP
	maxValue      = 1<<16 - 1 // bytes of the value of a pair
	maxBlock      = 64 << 10  // bytes of the properties of an object
	anyLength     = math.MaxInt
)

// A message is one control message of a draft. append writes it whole: type,
// length, body. read reads the body and leaves errors in r; what it keeps is
// its own.
type message interface {
	append(b []byte, p *Profile) []byte
	read(r *wire.Reader, p *Profile)
}

// encode appends m. It fails, and returns b as it was, where the draft has no
// such message, and with a *wire.TooLargeError where the body has more bytes
// than a length can say.
func encode(b []byte, p *Profile, m message) ([]byte, error) {
	out := m.append(b, p)
	t, n, _ := p.Varint.Parse(out[len(b):])
	if kind := p.messages[t]; kind == nil || reflect.TypeOf(kind()) != reflect.TypeOf(m) {
		return b, moq.Errorf(moq.CodeUnsupported, "%s has no %T", p.Token, m)
	}
	if size := len(out) - len(b) - n - 2; size > maxMessage {
		return b, &wire.TooLargeError{What: "message length", Size: uint64(size), Limit: maxMessage}
	}
	return out, nil
}

// decode reads body, which must hold m and nothing else.
func decode(body []byte, p *Profile, m message) error {
	r := wire.NewReader(p.Varint, body)
	m.read(&r, p)
	return r.Close()
}

// readMessage reads one control message. io.EOF: the stream ended in front of
// it. Nothing of m refers to the stream's buffers afterwards.
func readMessage(s *wire.Stream, p *Profile) (message, error) {
	t, err := s.Varint()
	if err != nil {
		return nil, err
	}
	return readBody(s, p, t)
}

// readBody reads the rest of a message behind its type.
func readBody(s *wire.Stream, p *Profile, t uint64) (message, error) {
	kind, ok := p.messages[t]
	if !ok {
		return nil, violated(CodeProtocolViolation, "unknown message type %#x", t)
	}
	n, err := s.Uint16()
	if err != nil {
		return nil, wire.UnexpectedEOF(err)
	}
	body, err := s.Body(int(n), nil)
	if err != nil {
		return nil, err
	}
	m := kind()
	return m, decode(body, p, m)
}

// begin appends a type and room for the length of the body that follows.
func begin(b []byte, p *Profile, t uint64) (out []byte, start int) {
	b = append(p.Varint.Append(b, t), 0, 0)
	return b, len(b)
}

// end writes the length of the body b[start:].
func end(b []byte, start int) []byte {
	binary.BigEndian.PutUint16(b[start-2:], uint16(len(b)-start))
	return b
}

// An optional is a value that may be absent.
type optional[T any] struct {
	v   T
	has bool
}

func some[T any](v T) optional[T] { return optional[T]{v, true} }

// or returns the value, or otherwise absent.
func (o optional[T]) or(absent T) T {
	if o.has {
		return o.v
	}
	return absent
}

func appendBool(b []byte, x bool) []byte {
	if x {
		return append(b, 1)
	}
	return append(b, 0)
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{wire.ErrInvalid}, args...)...)
}

// The kinds of messages in each draft, by type.
var (
	messages14 = map[uint64]func() message{
		typeClientSetup:             func() message { return &clientSetup{} },
		typeServerSetup:             func() message { return &serverSetup{} },
		typeRequestUpdate:           func() message { return &requestUpdate{Of: kindSubscribe} },
		typeSubscribe:               func() message { return &subscribe{} },
		typeSubscribeOK:             func() message { return &subscribeOK{} },
		typeRequestError:            func() message { return &requestError{To: kindSubscribe} },
		typePublishNamespace:        func() message { return &publishNamespace{} },
		typeRequestOK:               func() message { return &requestOK{To: kindPublishNamespace} },
		typePublishNamespaceError:   func() message { return &requestError{To: kindPublishNamespace} },
		typePublishNamespaceDone:    func() message { return &publishNamespaceDone{} },
		typePublishNamespaceCancel:  func() message { return &publishNamespaceCancel{} },
		typeUnsubscribe:             func() message { return &unsubscribe{} },
		typePublishDone:             func() message { return &publishDone{} },
		typeTrackStatus:             func() message { return &trackStatus{} },
		typeTrackStatusOK:           func() message { return &requestOK{To: kindTrackStatus} },
		typeTrackStatusError:        func() message { return &requestError{To: kindTrackStatus} },
		typeGoaway:                  func() message { return &goaway{} },
		typeSubscribeNamespace:      func() message { return &subscribeNamespace{} },
		typeSubscribeNamespaceOK:    func() message { return &requestOK{To: kindSubscribeNamespace} },
		typeSubscribeNamespaceError: func() message { return &requestError{To: kindSubscribeNamespace} },
		typeUnsubscribeNamespace:    func() message { return &unsubscribeNamespace{} },
		typeMaxRequestID:            func() message { return &maxRequestID{} },
		typeRequestsBlocked:         func() message { return &requestsBlocked{} },
		typeFetch:                   func() message { return &fetch{} },
		typeFetchCancel:             func() message { return &fetchCancel{} },
		typeFetchOK:                 func() message { return &fetchOK{} },
		typeFetchError:              func() message { return &requestError{To: kindFetch} },
		typePublish:                 func() message { return &publish{} },
		typePublishOK:               func() message { return &requestOK{To: kindPublish} },
		typePublishError:            func() message { return &requestError{To: kindPublish} },
	}
	messages16 = map[uint64]func() message{
		typeClientSetup:            func() message { return &clientSetup{} },
		typeServerSetup:            func() message { return &serverSetup{} },
		typeRequestUpdate:          func() message { return &requestUpdate{} },
		typeSubscribe:              func() message { return &subscribe{} },
		typeSubscribeOK:            func() message { return &subscribeOK{} },
		typeRequestError:           func() message { return &requestError{} },
		typePublishNamespace:       func() message { return &publishNamespace{} },
		typeRequestOK:              func() message { return &requestOK{} },
		typeNamespace:              func() message { return &namespace{} },
		typePublishNamespaceDone:   func() message { return &publishNamespaceDone{} },
		typePublishNamespaceCancel: func() message { return &publishNamespaceCancel{} },
		typeUnsubscribe:            func() message { return &unsubscribe{} },
		typePublishDone:            func() message { return &publishDone{} },
		typeTrackStatus:            func() message { return &trackStatus{} },
		typeNamespaceDone:          func() message { return &namespaceDone{} },
		typeGoaway:                 func() message { return &goaway{} },
		typeSubscribeNamespace:     func() message { return &subscribeNamespace{} },
		typeMaxRequestID:           func() message { return &maxRequestID{} },
		typeRequestsBlocked:        func() message { return &requestsBlocked{} },
		typeFetch:                  func() message { return &fetch{} },
		typeFetchCancel:            func() message { return &fetchCancel{} },
		typeFetchOK:                func() message { return &fetchOK{} },
		typePublish:                func() message { return &publish{} },
		typePublishOK:              func() message { return &requestOK{To: kindPublish} },
	}
	messages18 = map[uint64]func() message{
		typeSetup:            func() message { return &setup{} },
		typeRequestUpdate:    func() message { return &requestUpdate{} },
		typeSubscribe:        func() message { return &subscribe{} },
		typeSubscribeOK:      func() message { return &subscribeOK{} },
		typeRequestError:     func() message { return &requestError{} },
		typePublishNamespace: func() message { return &publishNamespace{} },
		typeRequestOK:        func() message { return &requestOK{} },
		typeNamespace:        func() message { return &namespace{} },
		typePublishDone:      func() message { return &publishDone{} },
		typeTrackStatus:      func() message { return &trackStatus{} },
		typeNamespaceDone:    func() message { return &namespaceDone{} },
		typePublishSkipped:   func() message { return &publishSkipped{} },
		typeGoaway:           func() message { return &goaway{} },
		typeFetch:            func() message { return &fetch{} },
		typeFetchOK:          func() message { return &fetchOK{} },
		typePublish:          func() message { return &publish{} },
		typeNamespaces:       func() message { return &subscribeNamespace{} },
		typeSubscribeTracks:  func() message { return &subscribeTracks{} },
	}
)

// with returns a copy of messages with one more.
func with(messages map[uint64]func() message, t uint64, m func() message) map[uint64]func() message {
	out := map[uint64]func() message{t: m}
	for t, m := range messages {
		out[t] = m
	}
	return out
}

var messages20 = with(messages18, typePublishStateNotify, func() message { return &publishStateNotify{} })
