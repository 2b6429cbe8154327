package lite

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
	"github.com/moqtgo/moqt/core/wire"
	"github.com/moqtgo/moqt/ports/quic"
)

// A session is one moq-lite session: both roles at once. It implements
// dialect.Peer.
type session struct {
	conn   quic.Connection
	p      *Profile
	role   dialect.Role
	cfg    *dialect.Config
	home   *route.View
	hop    uint64
	budget *dialect.Budget
	group  *dialect.Group
	runner *dialect.Runner
	egress *dialect.Egress
	ctx    context.Context
	done   chan struct{} // closed when everything has ended
	style  style
	intake *dialect.Intake
	churn  dialect.Churn // of groups

	ready     chan struct{} // closed when the peer's SETUP is in
	peerSetup setup         // valid once ready is closed

	mu         sync.Mutex
	closing    bool
	released   bool                 // teardown has given up the tracks
	ids        map[uint64]*incoming // our subscriptions by id, ended ones for a while
	byTrack    map[*moq.Track]*incoming
	wanted     []*incoming
	requesting bool
	nextID     uint64
	served     map[uint64]struct{} // ids of the peer's subscriptions
	imports    []*imported
	groups     loop // accepts group streams
	datagrams  loop // receives datagrams
	setupSeen  bool
}

// style is how the peer writes paths and codes, learnt from what it sends.
type style struct{ v atomic.Int32 }

const (
	styleUnknown  int32 = iota
	styleSlash          // rooted paths; plain error codes on raw QUIC
	styleSegments       // paths without a leading slash
)

func (s *style) learn(path string) {
	switch {
	case path == "":
	case path[0] == '/':
		s.v.CompareAndSwap(styleUnknown, styleSlash)
	default:
		s.v.CompareAndSwap(styleUnknown, styleSegments)
	}
}

// slash reports whether paths to the peer are rooted: moq-lite-04 has peers
// that want nothing else, and no peer that minds.
func (s *session) slash() bool {
	switch s.style.v.Load() {
	case styleSlash:
		return true
	case styleSegments:
		return s.role == dialect.Client && s.p.Hops == HopsWithSender
	}
	return s.p.Hops == HopsWithSender
}

// path returns p as the peer wants it written.
func (s *session) path(p moq.Path) (string, bool) {
	str, ok := p.Slashed()
	if s.slash() {
		str = "/" + str
	}
	return str, ok
}

// prefix returns p as an announce prefix.
func (s *session) prefix(p moq.Path) (string, bool) {
	str, ok := s.path(p)
	if s.slash() && str != "/" {
		str += "/"
	}
	return str, ok
}

// code returns the code that the stack must send for n. On raw QUIC the most
// widespread peers map stream codes as WebTransport does.
func (s *session) code(n quic.ErrorCode) quic.ErrorCode {
	if s.conn.State().Transport == quic.WebTransport || s.style.v.Load() == styleSlash {
		return n
	}
	return mapped(n)
}

// fromCode returns what the peer meant by a code that it sent.
func fromCode(q quic.ErrorCode) quic.ErrorCode {
	if n, ok := unmapped(q); ok {
		return n
	}
	return q
}

func newSession(c quic.Connection, p *Profile, role dialect.Role, cfg *dialect.Config, home *route.View) *session {
	s := &session{
		conn: c, p: p, role: role, cfg: cfg,
		budget: dialect.NewBudget(&cfg.Limits), group: dialect.NewGroup(),
		ctx: c.Context(), done: make(chan struct{}), ready: make(chan struct{}),
		ids: map[uint64]*incoming{}, byTrack: map[*moq.Track]*incoming{}, served: map[uint64]struct{}{},
		intake: dialect.NewIntake(&cfg.Limits), churn: dialect.Churn{Limit: cfg.Limits.Resets},
	}
	s.home = home.With(s)
	if s.hop = cfg.Hop; s.hop == 0 {
		s.hop = home.Mux().Hop()
	}
	if f := cfg.OnPanic; f != nil {
		s.group.Recover(func(v any, stack []byte) {
			f(v, stack)
			s.Close(moq.Errorf(moq.CodeInternal, "internal error"))
		})
	}
	s.runner = dialect.NewRunner(s.group)
	s.runner.Coalesce(s.cfg.Coalesce, c.State())
	s.runner.Limit(cfg.Limits.UnsentBytes, func() {
		s.Close(moq.Errorf(moq.CodeTooMany, "more than %d bytes of messages are not read", cfg.Limits.UnsentBytes))
	})
	s.egress = dialect.NewEgress(c, s.runner, s.group, &form{s: s}, cfg, home.Mux().Lost())
	return s
}

// start begins to serve the peer.
func (s *session) start() {
	context.AfterFunc(s.ctx, s.teardown)
	s.group.Go(s.acceptRequests)
	if s.p.SetupOnUni {
		s.mu.Lock()
		seen := s.setupSeen
		s.mu.Unlock()
		if !seen {
			s.updateReceive()
		}
	}
	if s.cfg.Import {
		s.group.Go(s.importAll)
	}
}

// teardown runs once, when the connection has ended.
func (s *session) teardown() {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	s.updateReceive()
	s.group.Close()
	s.group.Wait() // writers of groups have left: another source may go on
	s.egress.Close()
	now := time.Now()
	s.mu.Lock()
	imports := slices.Clone(s.imports)
	s.mu.Unlock()
	for _, in := range imports {
		in.lose(now)
	}
	s.mu.Lock()
	s.released = true
	tracks := make([]*moq.Track, 0, len(s.byTrack))
	for t := range s.byTrack {
		tracks = append(tracks, t)
	}
	s.mu.Unlock()
	slices.SortFunc(tracks, func(a, b *moq.Track) int { return a.Name().Compare(b.Name()) })
	for _, t := range tracks {
		s.giveUp(t)
	}
	close(s.done)
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

// Close ends the session: with code 0 for nil.
func (s *session) Close(err error) {
	if err == nil {
		_ = s.conn.CloseWithError(CodeCancel, "")
		return
	}
	_ = s.conn.CloseWithError(codeOf(err), reason(err))
}

// reason is the text of err as a close reason, which has 1024 bytes at most.
func reason(err error) string {
	text := err.Error()
	return text[:min(len(text), 1024)]
}

// A fatal error ends the session, not only the stream on which it happened.
type fatal struct{ error }

func (f fatal) Unwrap() error { return f.error }

// acceptRequests accepts the peer's bidirectional streams until the session
// ends. Those beyond what the limits allow wait in the stack.
func (s *session) acceptRequests() {
	for n := uint64(0); ; n++ {
		begun, ok := s.intake.Enter(s.ctx)
		if !ok {
			return
		}
		st, err := s.conn.AcceptStream(s.ctx)
		if err != nil {
			return
		}
		r := &request{s: s, Stream: st, ordinal: n, begun: begun}
		if !s.intake.Pace(s.ctx) || !s.group.Go(r.handle) {
			return
		}
	}
}

// abuse closes the session where the peer aborts too much of what it begins.
func (s *session) abuse(err error) {
	if err != nil {
		s.Close(err)
	}
}

func (s *session) refuse(st quic.Stream, code quic.ErrorCode) {
	st.CancelRead(s.code(code))
	st.CancelWrite(s.code(code))
}

// A request is a bidirectional stream that the peer opened.
type request struct {
	quic.Stream
	s       *session
	ordinal uint64 // counts the streams of the session
	in      *wire.Stream
	timer   *time.Timer
	begun   func()      // to be called when the first message is in, or will not come
	reset   atomic.Bool // by the peer
}

// Read notes a reset by the peer, unless we have ended our side: there are
// peers that end an answered request by a reset.
func (r *request) Read(p []byte) (int, error) {
	n, err := r.Stream.Read(p)
	if err != nil && abortedByPeer(err) && r.Context().Err() == nil {
		r.reset.Store(true)
	}
	return n, err
}

func abortedByPeer(err error) bool {
	var reset *quic.StreamError
	return errors.As(err, &reset) && reset.Remote
}

// handle runs one request. The type of its error decides: a fatal one closes
// the session, any other resets the stream, none ends it.
func (r *request) handle() {
	s := r.s
	start := time.Now()
	r.in = wire.NewStream(wire.RFC9000, r)
	r.timer = time.AfterFunc(s.cfg.Limits.HeaderTime, func() { r.CancelRead(s.code(CodeTimeout)) })
	err := r.dispatch()
	r.begin()
	r.timer.Stop()
	aborted := r.reset.Load() || abortedByPeer(context.Cause(r.Context()))
	s.abuse(s.intake.Ended(start, aborted))
	if err == nil {
		return
	}
	var f fatal
	if errors.As(err, &f) {
		s.Close(err)
	}
	s.refuse(r.Stream, codeOf(err))
}

// begin says that the first message is in: the stream now counts for what it
// is.
func (r *request) begin() {
	r.timer.Stop()
	r.begun()
}

func (r *request) dispatch() error {
	t, err := r.in.Varint()
	if err != nil {
		return wire.UnexpectedEOF(err)
	}
	p := r.s.p
	switch {
	case t == typeAnnounce:
		return r.announce()
	case t == typeSubscribe:
		return r.subscribe()
	case t == typeTrack && p.TrackStream:
		return r.track()
	case t == typeFetch && p.Fetch:
		return r.fetch()
	case t == typeProbe && p.Probe:
		return r.probe()
	case t == typeGoaway && p.Goaway:
		return r.goaway()
	}
	return moq.Errorf(moq.CodeUnsupported, "unknown stream type %#x", t)
}

// read reads the first message of the request.
func (r *request) read(m message) error {
	err := wire.UnexpectedEOF(readMessage(r.in, r.s.p, r.s.cfg.Limits.ControlBytes, m))
	r.begin()
	return err
}

// closedByPeer waits until the peer ends its side, for requests on which it has
// nothing more to say.
func (r *request) closedByPeer() {
	var b [64]byte
	for {
		if _, err := r.in.Read(b[:]); err != nil {
			return
		}
	}
}

// untilStopped makes the peer's STOP_SENDING end a request on which it has no
// more to say, as its FIN does; call done when the request has ended.
func (r *request) untilStopped() (done func() bool) {
	return context.AfterFunc(r.Context(), func() {
		if abortedByPeer(context.Cause(r.Context())) {
			r.CancelRead(r.s.code(CodeCancel))
		}
	})
}

// timeout bounds a step by d; context.Cause says why it ended.
func (s *session) timeout(ctx context.Context, d time.Duration, why string) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, moq.Errorf(moq.CodeTimeout, "%s", why))
}
