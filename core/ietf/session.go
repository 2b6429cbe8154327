package ietf

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
	"github.com/moqtgo/moqt/core/wire"
	"github.com/moqtgo/moqt/ports/quic"
)

// A session is one moq-transport session: both roles at once. It implements
// dialect.Peer.
type session struct {
	conn    quic.Connection
	p       *Profile
	role    dialect.Role
	cfg     *dialect.Config
	home    *route.View
	budget  *dialect.Budget
	group   *dialect.Group
	runner  *dialect.Runner
	egress  *dialect.Egress
	control *control
	intake  *dialect.Intake
	churn   dialect.Churn // of streams with objects
	hop     uint64        // of this node; 0: it is not told
	peerHop uint64        // with Profile.Hops
	cost    uint64        // of what the peer sends
	ctx     context.Context
	done    chan struct{} // closed when everything has ended

	entering sync.Mutex // one change of imports at a time; taken before mu
	drawing  sync.Mutex // one request id at a time, until it is sent; taken before mu

	mu         sync.Mutex
	closing    bool
	leaving    bool                // we have sent GOAWAY
	released   bool                // teardown has given up the tracks
	calls      map[uint64]*call    // live requests by id, of both sides: their parity differs
	nextID     uint64              // of our next request
	maxID      uint64              // the first id that the peer does not allow us
	peerNext   uint64              // the lowest id that the peer has not drawn
	peerIDs    map[uint64]struct{} // those above that it has
	skipped    map[uint64]struct{} // those below that it has not, as far as we know: see maxAhead
	raised     chan struct{}       // closed when maxID grows
	byTrack    map[*moq.Track]*incoming
	aliases    map[uint64]*incoming
	parked     map[uint64][]chan struct{} // streams that wait for an alias
	served     map[uint64]*serving        // subscriptions of the peer by request id
	subscribed chan struct{}              // closed when served grows
	freed      chan struct{}              // closed when a call ends; nil: nobody waits
	fetches    map[uint64]*fetching       // fetches of ours by request id
	fetchSlots chan struct{}              // taken by each fetch of ours
	wanted     []*incoming
	requesting bool
	imports    map[moq.Path]entry
	pushing    map[moq.FullTrackName]struct{} // tracks that are being entered
	offers     map[moq.Path]*offer            // our PUBLISH_NAMESPACEs
	answered   chan struct{}                  // closed when offers changes
	asked      []*asked                       // what we have asked to be told of, where the answers are requests
	tracks     []*asked                       // what we have asked to be published to us
}

func newSession(c quic.Connection, p *Profile, role dialect.Role, cfg *dialect.Config, home *route.View) *session {
	s := &session{
		conn: c, p: p, role: role, cfg: cfg,
		budget: dialect.NewBudget(&cfg.Limits), group: dialect.NewGroup(),
		intake: dialect.NewIntake(&cfg.Limits), churn: dialect.Churn{Limit: cfg.Limits.Resets},
		ctx: c.Context(), done: make(chan struct{}),
		calls: map[uint64]*call{}, peerIDs: map[uint64]struct{}{}, skipped: map[uint64]struct{}{}, raised: make(chan struct{}), subscribed: make(chan struct{}),
		byTrack: map[*moq.Track]*incoming{}, aliases: map[uint64]*incoming{},
		parked: map[uint64][]chan struct{}{}, served: map[uint64]*serving{}, fetches: map[uint64]*fetching{},
		imports: map[moq.Path]entry{}, pushing: map[moq.FullTrackName]struct{}{}, offers: map[moq.Path]*offer{}, answered: make(chan struct{}),
		fetchSlots: make(chan struct{}, cfg.Limits.Fetches),
	}
	if role == dialect.Server {
		s.nextID = 1
	} else {
		s.peerNext = 1
	}
	s.home = home.With(s)
	if f := cfg.OnPanic; f != nil {
		s.group.Recover(func(v any, stack []byte) {
			f(v, stack)
			s.Close(violated(CodeInternalError, "internal error"))
		})
	}
	s.runner = dialect.NewRunner(s.group)
	s.runner.Coalesce(s.cfg.Coalesce, c.State())
	s.runner.Limit(cfg.Limits.UnsentBytes, func() {
		s.Close(violated(CodeInternalError, "more than %d bytes of messages are not read", cfg.Limits.UnsentBytes))
	})
	s.egress = dialect.NewEgress(c, s.runner, s.group, &form{s: s}, cfg, home.Mux().Lost())
	return s
}

// start begins to serve the peer.
func (s *session) start() {
	context.AfterFunc(s.ctx, s.teardown)
	s.group.Go(s.control.read)
	s.group.Go(s.acceptStreams)
	s.group.Go(s.acceptData)
	if s.conn.State().Datagrams {
		s.group.Go(s.receiveDatagrams)
	}
	if s.role == dialect.Client {
		s.group.Go(s.export)
	}
	if s.cfg.Import && s.role == dialect.Client {
		s.group.Go(s.importAll)
	}
}

// teardown runs once, when the connection has ended.
func (s *session) teardown() {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	s.group.Close()
	s.group.Wait() // writers of groups have left: another source may go on
	s.egress.Close()
	s.conclude()
	now := time.Now()
	s.mu.Lock()
	pubs := s.imports
	s.imports = nil
	s.mu.Unlock()
	for _, e := range pubs {
		if e.pub == nil {
			continue
		}
		if cleanEnd(context.Cause(s.ctx)) {
			e.pub.End()
		} else {
			e.pub.Lose(now)
		}
	}
	s.mu.Lock()
	s.released = true
	fetches := slices.Collect(maps.Values(s.fetches))
	tracks := make([]*moq.Track, 0, len(s.byTrack))
	for t := range s.byTrack {
		tracks = append(tracks, t)
	}
	s.mu.Unlock()
	slices.SortFunc(tracks, func(a, b *moq.Track) int { return a.Name().Compare(b.Name()) })
	for _, t := range tracks {
		s.giveUp(t)
	}
	for _, f := range fetches {
		f.track.Fail(&moq.Error{Code: moq.CodeDropped, Reason: "the session ended", Err: context.Cause(s.ctx)})
	}
	close(s.done)
}

// conclude ends the tracks of which the peer has said that they have ended:
// nothing more can come of them.
func (s *session) conclude() {
	var over []*incoming
	s.mu.Lock()
	for _, in := range s.byTrack {
		if in.done && !in.over {
			over = append(over, in)
		}
	}
	s.mu.Unlock()
	slices.SortFunc(over, func(a, b *incoming) int { return a.name.Compare(b.name) })
	for _, in := range over {
		if in.why != nil {
			in.track.Fail(in.why)
		}
		in.finish()
	}
}

// cleanEnd reports whether a session was closed with code 0.
func cleanEnd(err error) bool {
	var conn *quic.ConnError
	return errors.As(err, &conn) && conn.Err == nil && conn.Code == 0
}

// giveUp leaves a track to its next source, or fails it.
func (s *session) giveUp(t *moq.Track) {
	if !s.home.Mux().Release(t, s) {
		t.Fail(&moq.Error{Code: moq.CodeDropped, Reason: "the session ended", Err: context.Cause(s.ctx)})
	}
}

// RemoteAddr implements dialect.Peer.
func (s *session) RemoteAddr() net.Addr { return s.conn.State().RemoteAddr }

// Wait returns when the session has ended, with the reason.
func (s *session) Wait() error {
	<-s.done
	return context.Cause(s.ctx)
}

// Close ends the session: with NO_ERROR for nil.
func (s *session) Close(err error) {
	if err == nil {
		_ = s.conn.CloseWithError(0, "")
		return
	}
	_ = s.conn.CloseWithError(sessionCode(err), reason(err))
}

// reason is the text of err as a close reason.
func reason(err error) string {
	text := err.Error()
	return text[:min(len(text), maxReason)]
}

// acceptStreams accepts the peer's bidirectional streams: a request each. In
// drafts with a ControlStream that is SUBSCRIBE_NAMESPACE, where at all.
func (s *session) acceptStreams() {
	for {
		begun, ok := s.intake.Enter(s.ctx)
		if !ok {
			return
		}
		st, err := s.conn.AcceptStream(s.ctx)
		if err != nil {
			return
		}
		c := s.newCall(st)
		if !s.intake.Pace(s.ctx) || !s.group.Go(func() { c.serveStream(begun) }) {
			return
		}
	}
}

// serveStream reads the request of a stream and serves it. begun is called when
// it is in.
func (c *call) serveStream(begun func()) {
	s := c.s
	timer := time.AfterFunc(s.cfg.Limits.HeaderTime, func() { c.st.CancelRead(s.reset(moq.ErrTimeout)) })
	m, err := readMessage(c.in, s.p)
	timer.Stop()
	begun()
	aborted := abortedByPeer(err)
	if err == nil {
		err = s.admit(c, m)
	}
	if err != nil {
		s.ended(c.start, aborted)
		if isViolation(err) {
			s.Close(err)
		}
		c.st.CancelWrite(s.reset(err))
		c.st.CancelRead(s.reset(err))
		return
	}
	c.serve(m)
}

// admit checks the id of a request and notes it.
func (s *session) admit(c *call, m message) error {
	id, kind, ok := opens(m)
	if !ok {
		return violated(CodeProtocolViolation, "%T opens no request", m)
	}
	if s.p.ControlStream && c.st != nil && kind != kindSubscribeNamespace {
		return violated(CodeProtocolViolation, "%T has no stream of its own", m)
	}
	if s.p.ControlStream && s.p.NamespaceStream == (c.st == nil) && kind == kindSubscribeNamespace {
		return violated(CodeProtocolViolation, "%T is on the wrong stream", m)
	}
	c.id, c.kind = id, kind
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.take(id); err != nil {
		return err
	}
	switch m := m.(type) {
	case *subscribe:
		c.name = m.Name
		c.serving = &serving{c: c, settled: make(chan struct{}), over: make(chan struct{})}
		s.enlist(c)
	case *publishNamespace:
		c.name.Path = m.Namespace
	case *publish:
		c.name = m.Name
	case *subscribeNamespace:
		c.name.Path = m.Prefix
	case *subscribeTracks:
		c.name.Path = m.Prefix
	}
	s.calls[id] = c
	return nil
}

// take notes that the peer has drawn an id. s.mu is held.
func (s *session) take(id uint64) error {
	if _, late := s.skipped[id]; late {
		delete(s.skipped, id)
		return nil
	}
	_, seen := s.peerIDs[id]
	switch {
	case id%2 != s.peerNext%2, id < s.peerNext, seen:
		return violated(CodeInvalidRequestID, "request id %d", id)
	case s.p.MaxRequestID && id >= s.control.limit():
		return violated(CodeTooManyRequests, "request id %d is not allowed yet", id)
	case s.p.MaxRequestID && !s.p.NamespaceStream && id != s.peerNext:
		return violated(CodeInvalidRequestID, "request id %d comes after %d", id, s.peerNext)
	}
	// Streams overtake each other: ids come in any order.
	s.peerIDs[id] = struct{}{}
	if len(s.peerIDs) > maxAhead {
		lowest := id
		for ahead := range s.peerIDs {
			lowest = min(lowest, ahead)
		}
		for ; s.peerNext < lowest && len(s.skipped) < maxAhead; s.peerNext += 2 {
			s.skipped[s.peerNext] = struct{}{}
		}
		s.peerNext = lowest
	}
	for {
		if _, ok := s.peerIDs[s.peerNext]; !ok {
			return nil
		}
		delete(s.peerIDs, s.peerNext)
		s.peerNext += 2
	}
}

// maxAhead is how many ids may have come before a lower one that is missing.
// Then that one is not waited for any longer: its stream was reset, or is very
// late. So many may be late in a session.
const maxAhead = 4096

// serve runs a request of the peer. The type of its error decides: a violation
// closes the session, any other refuses the request.
func (c *call) serve(m message) {
	s := c.s
	if c.st != nil {
		// STOP_SENDING withdraws a request even where the peer goes on.
		withdrawn := func() {
			if !c.finished.Load() {
				c.aborted.Store(true)
				c.leave()
				c.st.CancelRead(s.reset(moq.ErrCanceled))
			}
		}
		defer context.AfterFunc(c.st.Context(), func() {
			if c.kind == kindPublish { // its PUBLISH_DONE may be on the way
				time.AfterFunc(s.cfg.Limits.ParkTime, withdrawn)
			} else {
				withdrawn()
			}
		})()
	}
	err := c.handle(m)
	switch {
	case err == nil:
	case isViolation(err):
		s.Close(err)
	default:
		c.reject(err)
	}
	c.forget()
	s.ended(c.start, c.aborted.Load())
	if c.st != nil && err == nil { // a peer that has nothing to say either may not say so
		time.AfterFunc(s.cfg.Limits.HeaderTime, func() { c.st.CancelRead(s.reset(nil)) })
	}
}

// handle is the handler of a request of its kind.
func (c *call) handle(m message) error {
	if err := c.s.refuse(m); err != nil {
		if c.serving != nil {
			c.serving.delist()
		}
		return err
	}
	switch m := m.(type) {
	case *subscribe:
		return c.subscribe(m)
	case *publish:
		return c.publish(m)
	case *fetch:
		return c.fetch(m)
	case *trackStatus:
		return c.trackStatus(m)
	case *publishNamespace:
		return c.publishNamespace(m)
	case *subscribeNamespace:
		return c.subscribeNamespace(m)
	case *subscribeTracks:
		return c.subscribeTracks(m)
	}
	return moq.Errorf(moq.CodeUnsupported, "%T is not served here", m)
}

func isConn(err error) bool {
	var conn *quic.ConnError
	return errors.As(err, &conn)
}

// timeout bounds a step by d; context.Cause says why it ended.
func (s *session) timeout(ctx context.Context, d time.Duration, why string) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, moq.Errorf(moq.CodeTimeout, "%s", why))
}

var errGone = moq.Errorf(moq.CodeCanceled, "the request was withdrawn")

// isGone reports whether err is errGone itself: others of its code, such as
// the reset of a publisher, are no withdrawal.
func isGone(err error) bool {
	var e *moq.Error
	return errors.As(err, &e) && e == errGone
}

// abortedByPeer reports whether err is a reset of the peer.
func abortedByPeer(err error) bool {
	var reset *quic.StreamError
	return errors.As(err, &reset) && reset.Remote
}

// ended notes that a request of the peer has ended. Who aborts too many is
// sent away.
func (s *session) ended(start time.Time, aborted bool) {
	if err := s.intake.Ended(start, aborted); err != nil {
		s.Close(violated(s.p.abuse(), "%v", err))
	}
}

// abuse is the code of a session whose peer asks for too much.
func (p *Profile) abuse() quic.ErrorCode {
	if p.MaxRequestID {
		return CodeTooManyRequests
	}
	return CodeProtocolViolation
}

// newCall returns the call of a stream that the peer opened.
func (s *session) newCall(st quic.Stream) *call {
	c := &call{s: s, st: st, in: wire.NewStream(s.p.Varint, st), gone: make(chan struct{}), start: time.Now()}
	c.out = dialect.NewOutbox(s.runner, 1<<32, st)
	return c
}
