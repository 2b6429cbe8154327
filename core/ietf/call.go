package ietf

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
	"github.com/moqtgo/moqt/ports/quic"
)

// A call is one request, of ours or of the peer, from its first message to its
// end. Where requests have streams it is one; in drafts with a ControlStream it
// is the messages with its id: handlers do not see the difference.
type call struct {
	s    *session
	id   uint64
	kind requestKind
	ours bool

	// guarded by s.mu
	name    moq.FullTrackName // what it is about: a track, a namespace or a prefix
	claimed bool              // no other request may be about the same, see claim

	answered bool // the first answer has come; of who reads

	st  quic.Stream     // nil: virtual
	in  *wire.Stream    // of st
	out *dialect.Outbox // of st

	inbox chan message // virtual
	once  sync.Once
	gone  chan struct{} // closed when the peer has withdrawn, or refused, the request

	// of a virtual PUBLISH_NAMESPACE of the peer: closed when the namespace is in
	// the home view, and when the handler has returned
	entered, served chan struct{}

	last     atomic.Uint64 // the highest id of ours that was drawn for it
	start    time.Time     // of one of the peer
	aborted  atomic.Bool   // by the peer, before we had said all
	finished atomic.Bool   // we have said all
	refused  atomic.Bool   // by the peer: nothing is left to withdraw
	serving  *serving      // of a SUBSCRIBE of the peer
	moved    bool          // GOAWAY has come on the stream
}

// inboxSize is how many messages of one request may wait.
const inboxSize = 16

// send queues a message.
func (c *call) send(m message) {
	b, err := encode(nil, c.s.p, m)
	if err != nil {
		c.s.Close(err)
		return
	}
	switch {
	case c.st != nil:
		c.out.Send(b)
	case c.ours: // what we ask for may come of what was asked of us
		c.s.control.out.SendRanked(1<<63|c.last.Load(), b)
	default:
		c.s.control.out.SendRanked(c.id, b)
	}
}

// next returns the peer's next message. The error is io.EOF when it has no
// more to say, which does not mean that it has withdrawn, and errGone when it
// has.
func (c *call) next() (message, error) {
	if c.st == nil {
		select {
		case m := <-c.inbox:
			return m, nil
		case <-c.gone:
		case <-c.s.ctx.Done():
		}
		select {
		case m := <-c.inbox: // it came before
			return m, nil
		default:
			return nil, errGone
		}
	}
	m, err := readMessage(c.in, c.s.p)
	if g, ok := m.(*goaway); ok && err == nil {
		if err = c.goaway(g); err == nil {
			return c.next() // the request goes on until its end
		}
	}
	if u, ok := m.(*requestUpdate); ok && err == nil && c.updatable() {
		err = c.takeUpdate(u)
	}
	if err == nil {
		return m, c.identify(m)
	}
	if err == io.EOF {
		return nil, err
	}
	if isViolation(err) {
		return nil, err
	}
	if !c.finished.Load() && abortedByPeer(err) {
		c.aborted.Store(true)
	}
	return nil, errGone
}

// goaway takes a GOAWAY on the stream of the request.
func (c *call) goaway(m *goaway) error {
	switch {
	case !c.s.p.GoawayTimeout:
		return violated(CodeProtocolViolation, "GOAWAY on the stream of a request")
	case c.moved:
		return violated(CodeProtocolViolation, "a second GOAWAY of one request")
	case m.RequestID.has:
		return violated(CodeProtocolViolation, "the GOAWAY of one request names another")
	case m.URI != "" && c.s.role == dialect.Server:
		return violated(CodeProtocolViolation, "a client's GOAWAY names a URI")
	}
	c.moved = true
	return nil
}

// takeUpdate admits an update of a request of the peer: by its id, and as fast
// as updates may come. Where we have said how many may be unanswered, a peer
// that takes no answers is sent away.
func (c *call) takeUpdate(m *requestUpdate) error {
	s := c.s
	s.mu.Lock()
	err := s.take(m.RequestID)
	s.mu.Unlock()
	s.control.grant()
	if err != nil {
		return err
	}
	if s.p.LimitUpdates && c.out.Queued() >= s.cfg.Limits.Updates {
		return violated(CodeTooManyRequestUpdates, "more than %d unanswered updates of one request", s.cfg.Limits.Updates)
	}
	if !s.intake.Pace(s.ctx) {
		return errGone
	}
	return nil
}

// identify tells a message that answers or updates the request what that is,
// and checks that it may.
func (c *call) identify(m message) error {
	p := c.s.p
	switch m := m.(type) {
	case *requestOK:
		if p.AnswersByKind {
			return c.answeredAs(m.To)
		}
		if m.To = c.kind; c.answered || !c.ours {
			m.To = kindUpdate
		}
		return m.check(p)
	case *requestError:
		if p.AnswersByKind {
			return c.answeredAs(m.To)
		}
		m.To = c.kind
		return m.check(c.s.role)
	case *requestUpdate:
		m.Of = c.kind
		return m.check(p)
	}
	return nil
}

// answeredAs checks that an answer is one to a request of this kind.
func (c *call) answeredAs(to requestKind) error {
	if to != c.kind {
		return violated(CodeProtocolViolation, "request %d is answered as one of another kind", c.id)
	}
	return nil
}

// updatable reports whether the peer may update the request: its own ones, and
// what it subscribes to by accepting our PUBLISH.
func (c *call) updatable() bool { return !c.ours || c.kind == kindPublish }

// leave is called when the peer has withdrawn the request.
func (c *call) leave() { c.once.Do(func() { close(c.gone) }) }

// wait returns when the peer has withdrawn the request, or the session has
// ended: for requests with nothing more to be said, but for what each gets.
func (c *call) wait(finEnds bool, each func(message) error) error {
	for {
		m, err := c.next()
		switch {
		case err == io.EOF && !finEnds:
			select {
			case <-c.st.Context().Done():
			case <-c.gone:
			}
			return nil
		case err == io.EOF, isGone(err):
			return nil
		case err != nil:
			return err
		}
		if err := each(m); err != nil {
			return err
		}
	}
}

// finish says that we have nothing more to say.
func (c *call) finish() {
	c.finished.Store(true)
	if c.st != nil {
		c.out.Close()
	}
}

// abandon ends the wait for what the peer says.
func (c *call) abandon() {
	c.leave()
	if c.st != nil {
		c.st.CancelRead(c.s.reset(moq.ErrCanceled))
	}
}

// withdraw ends a request: with m in drafts with a ControlStream, otherwise by
// ending its stream both ways.
func (c *call) withdraw(m message) {
	c.forget()
	if c.st != nil && c.refused.Load() {
		c.finish()
		return
	}
	if c.st == nil {
		if m != nil && !c.refused.Load() {
			c.send(m)
		}
		return
	}
	c.out.Reset(c.s.reset(moq.ErrCanceled))
	c.st.CancelRead(c.s.reset(moq.ErrCanceled))
}

// reject refuses a request of the peer. The answer is not overtaken by a reset.
func (c *call) reject(err error) {
	if isGone(err) || c.s.ctx.Err() != nil {
		return
	}
	n, reason := c.s.p.requestCode(c.kind, err)
	c.send(&requestError{To: c.kind, RequestID: c.id, Code: n, Reason: reason, RetryInterval: retryInterval(err)})
	c.finish()
	if c.st != nil {
		c.st.CancelRead(c.s.reset(moq.ErrCanceled))
	}
}

// forget ends the routing of messages to the call.
func (c *call) forget() {
	s := c.s
	s.mu.Lock()
	known := s.calls[c.id] == c
	if known {
		delete(s.calls, c.id)
		if s.freed != nil {
			close(s.freed)
			s.freed = nil
		}
	}
	s.mu.Unlock()
	if known && !c.ours {
		s.control.grant()
	}
}

// open makes a request of ours: build returns its message, and must not block.
func (s *session) open(kind requestKind, build func(*call) message) (*call, error) {
	c := &call{s: s, kind: kind, ours: true, gone: make(chan struct{})}
	if s.p.RequestStreams || kind == kindSubscribeNamespace && s.p.NamespaceStream {
		st, err := s.conn.OpenStream(s.ctx)
		if err != nil {
			return nil, err
		}
		c.st, c.in = st, wire.NewStream(s.p.Varint, st)
	} else {
		c.inbox = make(chan message, inboxSize)
	}
	if err := s.draw(c, build); err != nil {
		return nil, err
	}
	return c, nil
}

// draw gives a request the next id and sends it, and waits where the peer does not
// allow one. On a control stream ids must come in order.
func (s *session) draw(c *call, build func(*call) message) error {
	for {
		s.drawing.Lock()
		s.mu.Lock()
		if !s.p.MaxRequestID || s.nextID < s.maxID {
			c.id = s.nextID
			c.last.Store(c.id)
			s.nextID += 2
			s.calls[c.id] = c
			s.mu.Unlock()
			if c.st != nil {
				c.out = dialect.NewOutbox(s.runner, 1<<33|c.id, c.st)
			}
			c.send(build(c))
			s.drawing.Unlock()
			return nil
		}
		raised, limit := s.raised, s.maxID
		s.mu.Unlock()
		s.drawing.Unlock()
		s.control.blocked(limit)
		select {
		case <-raised:
		case <-s.ctx.Done():
			return errGone
		}
	}
}

// answer waits for the answer to a request of ours.
func (c *call) answer() (message, error) {
	var late atomic.Bool
	timer := time.AfterFunc(c.s.cfg.RequestTimeout, func() {
		late.Store(true)
		c.abandon()
	})
	defer timer.Stop()
	m, err := c.next()
	if late.Load() && isGone(err) {
		err = moq.Errorf(moq.CodeTimeout, "the peer did not answer in time")
	}
	if err == io.EOF {
		err = moq.Errorf(moq.CodeMalformed, "the request was not answered")
	}
	if err != nil {
		return nil, err
	}
	c.answered = true
	if e, ok := m.(*requestError); ok {
		c.refused.Store(true)
		return nil, c.s.p.requestFailure(c.kind, e)
	}
	if _, ok := m.(*requestOK); !ok && c.kind.plain() {
		return nil, violated(CodeProtocolViolation, "%T answers request %d", m, c.id)
	}
	return m, nil
}

// plain says that requests of the kind are answered by a requestOK. The others
// look at the answer themselves.
func (k requestKind) plain() bool {
	switch k {
	case kindPublish, kindPublishNamespace, kindSubscribeNamespace, kindSubscribeTracks:
		return true
	}
	return false
}
