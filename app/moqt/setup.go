package moqt

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"sync"
	"time"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/session"
	"github.com/moqtgo/moqt/ports/quic"
)

// A SetupHandler decides about a request to set a session up: it calls Accept
// or w.Reject. Otherwise the request is refused when it returns. It may go on
// and use the session for as long as it likes, but the decision has
// Config.SetupTimeout.
type SetupHandler interface {
	ServeMOQ(w SetupResponseWriter, r *SetupRequest)
}

// Handler is another name of SetupHandler.
type Handler = SetupHandler

// SetupHandlerFunc is a function as a SetupHandler.
type SetupHandlerFunc func(w SetupResponseWriter, r *SetupRequest)

// ServeMOQ calls f.
func (f SetupHandlerFunc) ServeMOQ(w SetupResponseWriter, r *SetupRequest) { f(w, r) }

// A SetupResponseWriter answers a request to set a session up.
type SetupResponseWriter interface {
	// Reject refuses the request: the connection is closed with the code. It
	// returns ErrDecided after Accept or Reject.
	Reject(code ErrorCode, reason string) error
}

// ErrDecided says that a set-up request was accepted or rejected before.
var ErrDecided = errors.New("moqt: the set-up request has been answered")

// A SetupRequest is what a client asks for.
type SetupRequest struct {
	// Path is that of the client's URL, percent-decoded, with its leading
	// slash. It is "" where the version has no way to carry one: moq-lite-03
	// and -04 on raw QUIC.
	Path string
	// Query is that of the URL, without "?".
	Query string
	// Host is what the client dialed, perhaps with a port; "" where unknown.
	Host string
	// Versions are those in question, by their ALPN: of moq-lite the one
	// that was negotiated.
	Versions []string
	// Parameters are the set-up parameters by their number, unparsed.
	Parameters map[uint64][]byte
	// TLS is nil where there is none.
	TLS        *tls.ConnectionState
	LocalAddr  net.Addr
	RemoteAddr net.Addr
	// HTTPRequest is that of WebTransport; nil on raw QUIC.
	HTTPRequest *http.Request

	ctx    context.Context
	offer  *offer
	match  *http.Request // of a Router
	values map[string]string
}

// Context ends with the connection.
func (r *SetupRequest) Context() context.Context {
	if r.ctx == nil {
		return context.Background()
	}
	return r.ctx
}

// PathValue returns what a wildcard of the Router's pattern stands for, and ""
// where there is none of that name.
func (r *SetupRequest) PathValue(name string) string {
	if v, ok := r.values[name]; ok || r.match == nil {
		return v
	}
	return unmark(r.match.PathValue(name))
}

// SetPathValue makes PathValue return value for name.
func (r *SetupRequest) SetPathValue(name, value string) {
	if r.values == nil {
		r.values = map[string]string{}
	}
	r.values[name] = value
}

// Accept accepts a session: what the peer asks for is looked up in mux;
// DefaultMux where that is nil. The paths of the session are relative to mux:
// see TrackMux.At. Config.Import says whether what the peer announces is
// entered there.
func Accept(w SetupResponseWriter, r *SetupRequest, mux *TrackMux) (*Session, error) {
	return r.accept(mux, func(*dialect.Config) {})
}

// AcceptRelay accepts a session as a relay does: as Accept, and what the peer
// announces is entered into mux.
func AcceptRelay(w SetupResponseWriter, r *SetupRequest, mux *TrackMux) (*Session, error) {
	return r.accept(mux, func(c *dialect.Config) { c.Import = true })
}

// AcceptLeaf accepts a client that is a relay itself, and has joined this one:
// as AcceptRelay, and where the version's announcements do not name the relays
// on their way (moq-transport), what came from one that this relay has joined
// is not passed on to it. Relays of ours need no AcceptLeaf: they say what they
// are.
func AcceptLeaf(w SetupResponseWriter, r *SetupRequest, mux *TrackMux) (*Session, error) {
	return r.accept(mux, func(c *dialect.Config) { c.Import, c.Leaf = true, true })
}

func (r *SetupRequest) accept(mux *TrackMux, settle func(*dialect.Config)) (*Session, error) {
	if r.offer == nil {
		return nil, errors.New("moqt: the set-up request does not come from a Server")
	}
	return r.offer.accept(mux.orDefault(), settle)
}

// An offer is a set-up request of a Server.
type offer struct {
	server  *Server
	conn    quic.Connection
	pending *session.Pending
	session *Session // once accepted
	goaway  *Session // who is told of a GOAWAY
	settled func()

	mu      sync.Mutex
	decided bool
}

func (o *offer) decide() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	first := !o.decided
	o.decided = true
	return first
}

func (o *offer) accept(mux *TrackMux, settle func(*dialect.Config)) (*Session, error) {
	if !o.decide() {
		return nil, ErrDecided
	}
	settle(o.pending.Config())
	core, err := session.Accept(o.conn.Context(), o.pending, mux.view)
	if err != nil {
		_ = o.conn.CloseWithError(SessionInternal, "set-up failed")
		return nil, err
	}
	s := o.goaway
	s.start(core)
	o.settled()
	o.mu.Lock()
	o.session = s
	o.mu.Unlock()
	if !o.server.addSession(s) {
		_ = s.CloseWithError(SessionNoError, "the server is closing")
		return nil, ErrServerClosed
	}
	return s, nil
}

func (o *offer) accepted() *Session {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.session
}

// run has the handler decide. Its panic ends its session, and nothing else.
func (o *offer) run(r *SetupRequest) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		o.server.panicked(v, debug.Stack())
		failed := moq.Errorf(moq.CodeInternal, "internal error")
		if sess := o.accepted(); sess != nil {
			sess.now().Close(failed)
		} else if o.decide() {
			_ = o.pending.Fail(failed)
		}
	}()
	o.server.handler().ServeMOQ(o, r)
}

// panicked notes a panic of a handler or of a session.
func (s *Server) panicked(v any, stack []byte) {
	s.gate.panicked()
	s.log().Error("panic", "value", v, "stack", string(stack))
}

// Reject implements SetupResponseWriter.
func (o *offer) Reject(code ErrorCode, reason string) error {
	if !o.decide() {
		return ErrDecided
	}
	o.server.log().Info("session refused", "remote", o.conn.State().RemoteAddr, "code", uint64(code), "reason", reason)
	return o.pending.Reject(code, reason)
}

// setup opens a session on a connection and has the handler decide. It returns
// what was accepted, when the handler has returned. settled is called after the
// decision.
func (s *Server) setup(conn quic.Connection, hr *http.Request, settled func()) (*Session, error) {
	o := &offer{server: s, conn: conn, settled: settled, goaway: newSession("")}
	ctx, cancel := context.WithTimeoutCause(conn.Context(), 2*s.Config.setupTimeout(), moq.Errorf(moq.CodeTimeout, "no set-up in time"))
	defer cancel()
	conf := s.Config.core()
	conf.OnGoaway = func(uri string, timeout time.Duration) {
		if f := s.Config.orZero().OnGoaway; f != nil {
			go func() {
				select {
				case <-o.goaway.ready:
					f(o.goaway, uri, timeout)
				case <-conn.Context().Done():
				}
			}()
		}
	}
	conf.OnPanic = s.panicked
	var err error
	if o.pending, err = openSession(ctx, conn, conf); err != nil {
		return nil, err
	}
	r := newRequest(conn, o, hr)
	o.goaway.path = r.Path
	timer := time.AfterFunc(s.Config.setupTimeout(), func() {
		_ = o.Reject(SessionTimeout, "the handler took too long")
	})
	o.run(r)
	timer.Stop()
	_ = o.Reject(SessionNotFound, "not accepted")
	if sess := o.accepted(); sess != nil {
		return sess, nil
	}
	return nil, errRefused
}

var errRefused = errors.New("moqt: the session was refused")

func newRequest(conn quic.Connection, o *offer, hr *http.Request) *SetupRequest {
	in := o.pending.Request()
	r := &SetupRequest{
		Path: in.Path, Query: in.Query, Host: in.Host, Versions: in.Versions, Parameters: in.Params,
		TLS: in.TLS, LocalAddr: in.LocalAddr, RemoteAddr: in.RemoteAddr, HTTPRequest: hr,
		ctx: conn.Context(), offer: o,
	}
	if conn.State().URL == nil {
		if p, err := url.PathUnescape(r.Path); err == nil {
			r.Path = p
		}
	}
	if r.Path != "" && r.Path[0] != '/' {
		r.Path = "/" + r.Path
	}
	return r
}
