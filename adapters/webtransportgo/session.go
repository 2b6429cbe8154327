package webtransportgo

import (
	"context"
	"errors"
	"net/url"
	"sync/atomic"

	quicgo "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	wtgo "github.com/quic-go/webtransport-go"

	adapter "github.com/moqtgo/moqt/adapters/quicgo"
	"github.com/moqtgo/moqt/ports/quic"
)

// A session is a WebTransport session as a quic.Connection.
type session struct {
	wt       *wtgo.Session
	conn     *adapter.Conn
	owner    *http3Conn    // nil on the client
	connect  *http3.Stream // nil on the client: the library hides it
	protocol string
	url      *url.URL

	// The library wakes one caller per event: callers take turns.
	bidi, uni adapter.Turn

	ctx     adapter.Context
	final   atomic.Pointer[quic.ConnError] // why the session is over: the first reason wins
	local   atomic.Pointer[quic.ConnError] // the reason that CloseWithError put forward
	closing atomic.Bool
	closed  chan struct{} // CloseWithError has done its work
	waits   waits

	outbox adapter.DatagramQueue
	inbox  inbox
}

var _ quic.Connection = (*session)(nil)

// newSession returns the session of a client; Upgrade adds what a server has.
func newSession(wt *wtgo.Session, conn *quicgo.Conn, protocol string, u *url.URL) *session {
	s := &session{
		wt: wt, conn: adapter.NewConn(conn), protocol: protocol, url: u,
		bidi: adapter.NewTurn(), uni: adapter.NewTurn(), closed: make(chan struct{}),
		inbox: newInbox(),
	}
	s.outbox.Send = s.sendDatagram
	return s
}

// watch makes the connection below end with the session.
func (s *session) watch() *session {
	context.AfterFunc(s.wt.Context(), s.end)
	return s
}

// end runs when the session is over. The connection below served it alone. If
// it was us who closed, CloseWithError closes the connection in its own time.
func (s *session) end() {
	s.waits.end()
	if s.cause() != s.local.Load() {
		closeHTTP3(s.conn.QUICConn())
	}
}

// cause is why the session is over. It is for a session that is.
func (s *session) cause() *quic.ConnError {
	if e := s.final.Load(); e != nil {
		return e
	}
	_, err := s.wt.OpenUniStream() // opens nothing any more; the context knows no cause
	s.final.CompareAndSwap(nil, endOf(err, s.conn.QUICConn()))
	return s.final.Load()
}

// over returns why the session is over, or nil.
func (s *session) over() error {
	if e := s.final.Load(); e != nil {
		return e
	}
	if s.wt.Context().Err() != nil {
		return s.cause()
	}
	return nil
}

// fail translates the error of a call. ctx is what the caller waited with.
func (s *session) fail(ctx context.Context, err error) error {
	if e := s.final.Load(); e != nil {
		return e
	}
	if ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))) {
		return err
	}
	var limit *wtgo.StreamLimitReachedError
	var quicLimit *quicgo.StreamLimitReachedError
	if errors.As(err, &limit) || errors.As(err, &quicLimit) {
		return quic.ErrWouldBlock
	}
	// Whatever else a call can fail from ends the session.
	select {
	case <-s.wt.Context().Done():
		return s.cause()
	case <-ctx.Done():
		return err
	}
}

func (s *session) OpenStream(ctx context.Context) (quic.Stream, error) {
	if err := s.over(); err != nil {
		return nil, err
	}
	str, err := s.wt.OpenStreamSync(ctx)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return newStream(s, str), nil
}

func (s *session) OpenUniStream(ctx context.Context) (quic.SendStream, error) {
	if err := s.over(); err != nil {
		return nil, err
	}
	str, err := s.wt.OpenUniStreamSync(ctx)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &sendStream{sess: s, str: str}, nil
}

func (s *session) TryOpenUniStream() (quic.SendStream, error) {
	if err := s.over(); err != nil {
		return nil, err
	}
	str, err := s.wt.OpenUniStream()
	if err != nil {
		return nil, s.fail(context.Background(), err)
	}
	return &sendStream{sess: s, str: str}, nil
}

func (s *session) AcceptStream(ctx context.Context) (quic.Stream, error) {
	if err := s.over(); err != nil {
		return nil, err
	}
	if err := s.bidi.Take(ctx); err != nil {
		return nil, err
	}
	str, err := s.wt.AcceptStream(ctx)
	s.bidi.Pass()
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return newStream(s, str), nil
}

func (s *session) AcceptUniStream(ctx context.Context) (quic.ReceiveStream, error) {
	if err := s.over(); err != nil {
		return nil, err
	}
	if err := s.uni.Take(ctx); err != nil {
		return nil, err
	}
	str, err := s.wt.AcceptUniStream(ctx)
	s.uni.Pass()
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &receiveStream{sess: s, str: str}, nil
}

func (s *session) HandshakeComplete(ctx context.Context) error {
	if err := s.conn.HandshakeComplete(ctx); err != nil {
		return s.fail(ctx, err)
	}
	return nil
}

func (s *session) Context() context.Context {
	return s.ctx.Of(s.wt.Context(), func(error) error { return s.cause() })
}

func (s *session) State() quic.State {
	state := s.conn.State()
	state.Protocol = s.protocol
	state.Transport = quic.WebTransport
	state.URL = s.url
	state.Priorities = false
	state.Datagrams = true // no session without them
	return state
}

func (s *session) Stats() quic.Stats {
	stats := s.conn.Stats()
	stats.DatagramsDroppedSend = s.outbox.Dropped()
	stats.DatagramsDroppedIn = s.inbox.lost()
	return stats
}
