package ietf

import (
	"context"
	"io"
	"math"
	"sync"
	"time"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
)

// A control is the control stream of a session: one bidirectional stream in
// drafts with a ControlStream, where it carries the requests too, and one
// unidirectional stream each way in the others.
type control struct {
	s   *session
	out *dialect.Outbox
	in  *wire.Stream // of the peer

	moved bool // GOAWAY has come

	mu      sync.Mutex
	granted uint64 // the first id that the peer may not draw
	open    uint64 // requests of the peer that have ended
	told    uint64 // the last limit that we said we are blocked by, plus one
}

const (
	leastWindow = 5120
	grantStep   = 64 // requests have ended before there is a MAX_REQUEST_ID
)

// window is how many requests of the peer may be open at once: what it may
// subscribe to and announce. What is less than that is refused one by one.
func window(l *dialect.Limits) uint64 {
	return max(leastWindow, uint64(l.Subscriptions)+uint64(l.Announcements))
}

// read reads the control stream until the session ends.
func (c *control) read() {
	for {
		m, err := readMessage(c.in, c.s.p)
		if err == nil {
			err = c.take(m)
		}
		if err == nil {
			continue
		}
		if isConn(err) {
			return
		}
		if err == io.EOF {
			err = violated(CodeProtocolViolation, "the control stream was closed")
		}
		c.s.Close(err)
		return
	}
}

// take handles one message of the control stream.
func (c *control) take(m message) error {
	s := c.s
	switch m := m.(type) {
	case *goaway:
		switch {
		case c.moved:
			return violated(CodeProtocolViolation, "a second GOAWAY")
		case m.URI != "" && s.role == dialect.Server:
			return violated(CodeProtocolViolation, "a client's GOAWAY names a URI")
		case m.RequestID.has && !s.ownID(m.RequestID.v):
			return violated(CodeInvalidRequestID, "GOAWAY from request %d on, which is not ours to make", m.RequestID.v)
		}
		c.moved = true
		if f := s.cfg.OnGoaway; f != nil {
			f(m.URI, m.Timeout)
		}
		return nil
	case *maxRequestID:
		return s.raise(m.RequestID)
	case *requestsBlocked:
		return nil
	}
	if !s.p.ControlStream {
		return violated(CodeProtocolViolation, "%T on the control stream", m)
	}
	if to, again := c.repeats(m); again {
		return c.repeat(to, m)
	}
	if _, _, ok := opens(m); ok {
		if !s.intake.Pace(s.ctx) {
			return nil
		}
		v := &call{s: s, inbox: make(chan message, inboxSize), gone: make(chan struct{}), start: time.Now()}
		if err := s.admit(v, m); err != nil {
			return err
		}
		c.start(v, m)
		return nil
	}
	return c.route(m)
}

// start serves a request. Namespaces come and go in the order of the messages:
// what follows may be about them.
func (c *control) start(v *call, m message) {
	if v.kind != kindPublishNamespace {
		c.s.group.Go(func() { v.serve(m) })
		return
	}
	v.entered, v.served = make(chan struct{}), make(chan struct{})
	serve := func() {
		defer close(v.served)
		v.serve(m)
	}
	if c.s.group.Go(serve) {
		select {
		case <-v.entered:
		case <-v.served:
		}
	}
}

// route gives a message to the request that it belongs to. Of one that has
// ended it may still be under way: it is dropped.
func (c *control) route(m message) error {
	s := c.s
	find := func(id uint64) *call {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.calls[id]
	}
	var to *call
	if id, ok := belongsTo(s.p, m); ok {
		to = find(id)
	}
	ends := false
	switch m := m.(type) {
	case *subscribeOK, *requestOK, *requestError, *fetchOK, *publishDone:
	case *requestUpdate:
		if err := c.admitUpdate(m); err != nil {
			return err
		}
		if to != nil && !to.updatable() {
			return violated(CodeProtocolViolation, "an update of a request that is not the peer's")
		}
	case *unsubscribe:
		if ends = true; to != nil && to.ours != (to.kind == kindPublish) {
			return violated(CodeProtocolViolation, "UNSUBSCRIBE from the peer's own track")
		}
	case *fetchCancel:
		if ends = true; to != nil && to.ours {
			return violated(CodeProtocolViolation, "%T of a request that is not the peer's", m)
		}
	case *publishNamespaceDone:
		if ends = true; !s.p.NamespaceRequestID {
			to = c.callOf(kindPublishNamespace, m.Namespace, false)
		}
	case *publishNamespaceCancel:
		if ends = true; !s.p.NamespaceRequestID {
			to = c.callOf(kindPublishNamespace, m.Namespace, true)
		}
	case *unsubscribeNamespace:
		to, ends = c.callOf(kindSubscribeNamespace, m.Prefix, false), true
	default:
		return violated(CodeProtocolViolation, "%T on the control stream", m)
	}
	switch {
	case to == nil || to.inbox == nil: // it has ended, or has a stream
		return nil
	case ends:
		to.aborted.Store(!to.finished.Load())
		if to.leave(); to.served != nil {
			<-to.served
		}
		return nil
	}
	if err := to.identify(m); err != nil {
		return err
	}
	select {
	case to.inbox <- m:
		return nil
	default:
		return violated(CodeTooManyRequests, "request %d has %d unread messages", to.id, inboxSize)
	}
}

// admitUpdate takes the id of an update, which is one of the sequence.
func (c *control) admitUpdate(m *requestUpdate) error {
	s := c.s
	if !s.intake.Pace(s.ctx) {
		return nil
	}
	defer c.grant()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.take(m.RequestID); err != nil {
		return err
	}
	_, ahead := s.peerIDs[m.ExistingID]
	if m.ExistingID%2 == s.peerNext%2 && m.ExistingID >= s.peerNext && !ahead {
		return violated(CodeProtocolViolation, "an update of request %d, which there is not", m.ExistingID)
	}
	return nil
}

// callOf returns the request that a message names by its namespace.
func (c *control) callOf(kind requestKind, path moq.Path, ours bool) *call {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.calls {
		if v.kind == kind && v.ours == ours && v.name.Path == path {
			return v
		}
	}
	return nil
}

// ownID reports whether an id is one that only we may draw.
func (s *session) ownID(id uint64) bool { return (id%2 == 1) == (s.role == dialect.Server) }

// raise takes MAX_REQUEST_ID.
func (s *session) raise(limit uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if limit <= s.maxID {
		return violated(CodeProtocolViolation, "MAX_REQUEST_ID %d after %d", limit, s.maxID)
	}
	s.maxID = limit
	close(s.raised)
	s.raised = make(chan struct{})
	return nil
}

// ofNoRequest is the rank of messages that follow what is said of requests.
const ofNoRequest = math.MaxUint64

// grant allows the peer one more request for each that has ended, in steps.
func (c *control) grant() {
	if !c.s.p.MaxRequestID {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open++
	if c.open < grantStep {
		return
	}
	c.granted += 2 * c.open
	c.open = 0
	m := &maxRequestID{RequestID: c.granted}
	c.out.SendRanked(ofNoRequest, m.append(nil, c.s.p)) // locked: they must come in order
}

// limit is the first id that the peer may not draw.
func (c *control) limit() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.granted
}

// blocked tells the peer, once a limit, that we have no request left.
func (c *control) blocked(limit uint64) {
	c.mu.Lock()
	told := c.told == limit+1
	c.told = limit + 1
	c.mu.Unlock()
	if !told {
		m := &requestsBlocked{MaxRequestID: limit}
		c.out.SendRanked(ofNoRequest, m.append(nil, c.s.p))
	}
}

// Goaway implements dialect.Peer. It is said once; a peer that is still there
// after the timeout, if that is not 0, is sent away.
func (s *session) Goaway(_ context.Context, uri string, timeout time.Duration) error {
	if uri != "" && s.role == dialect.Client {
		return moq.Errorf(moq.CodeUnsupported, "a client names no URI")
	}
	b, err := encode(nil, s.p, &goaway{URI: uri, Timeout: timeout})
	if err != nil {
		return err
	}
	s.mu.Lock()
	again := s.leaving
	s.leaving = true
	s.mu.Unlock()
	if again {
		return moq.Errorf(moq.CodeDuplicate, "the peer has been asked to leave")
	}
	s.control.out.SendRanked(ofNoRequest, b)
	if timeout > 0 {
		timeout += s.cfg.Limits.ParkTime // the peer has known later
		timer := time.AfterFunc(timeout, func() { s.Close(violated(CodeGoawayTimeout, "still there after GOAWAY")) })
		context.AfterFunc(s.ctx, func() { timer.Stop() })
	}
	return nil
}
