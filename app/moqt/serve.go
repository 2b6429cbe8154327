package moqt

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/session"
	"github.com/moqtgo/moqt/ports/quic"
	"github.com/moqtgo/moqt/ports/webtransport"
)

func openSession(ctx context.Context, conn quic.Connection, conf *session.Config) (*session.Pending, error) {
	return session.Open(ctx, conn, dialect.Server, conf)
}

// ServeQUICConn serves an accepted connection, raw or HTTP/3 by its ALPN,
// until it ends.
func (s *Server) ServeQUICConn(conn quic.Connection) error {
	if err := s.check(); err != nil {
		return err
	}
	if err := s.enter(&conn); err != nil {
		_ = conn.CloseWithError(SessionInternal, "the server is closing or overloaded")
		return err
	}
	defer s.leave(&conn)
	sess, err := s.serve(conn)
	if sess != nil {
		_ = sess.Wait()
	}
	return err
}

// serve serves a connection that has entered: HTTP/3 until it ends, otherwise
// until the SetupHandler has returned. It returns the session of the latter.
func (s *Server) serve(conn quic.Connection) (*Session, error) {
	settle := sync.OnceFunc(func() { s.gate.settle(conn.State().RemoteAddr) })
	defer settle()
	ctx, cancel := context.WithTimeoutCause(conn.Context(), s.Config.setupTimeout(), moq.Errorf(moq.CodeTimeout, "no handshake in time"))
	defer cancel()
	// Nothing that came early is looked at: it may be a replay.
	if err := conn.HandshakeComplete(ctx); err != nil {
		_ = conn.CloseWithError(SessionTimeout, "handshake failed")
		return nil, err
	}
	if conn.State().Protocol == protoH3 {
		h := s.httpHandler()
		silent := time.AfterFunc(s.Config.setupTimeout(), func() {
			_ = conn.CloseWithError(SessionTimeout, "no request in time")
		})
		defer silent.Stop()
		return nil, s.webTransport().ServeQUICConn(conn, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			silent.Stop()
			settle()
			h.ServeHTTP(w, r)
		}))
	}
	return s.setup(conn, nil, settle)
}

func (s *Server) httpHandler() http.Handler {
	if s.HTTPHandler != nil {
		return s.HTTPHandler
	}
	return http.HandlerFunc(s.serveConnect)
}

// serveConnect serves an extended CONNECT, and nothing else.
func (s *Server) serveConnect(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect || strings.HasPrefix(r.Proto, "HTTP/") {
		http.NotFound(w, r)
		return
	}
	if _, pattern := http.DefaultServeMux.Handler(r); pattern != "" {
		http.DefaultServeMux.ServeHTTP(w, r)
		return
	}
	if err := s.HandleWebTransport(w, r); errors.Is(err, webtransport.ErrNotWebTransport) {
		http.NotFound(w, r)
	}
}

// HandleWebTransport upgrades a request to a session, and has the SetupHandler
// decide about it. It returns when that returns; an accepted session lives on.
// With webtransport.ErrNotWebTransport nothing was written to w; with any other
// error the request was answered, or the session refused.
func (s *Server) HandleWebTransport(w http.ResponseWriter, r *http.Request) error {
	if err := s.check(); err != nil {
		http.Error(w, "misconfigured", http.StatusInternalServerError)
		return err
	}
	if s.isClosed() {
		http.Error(w, "the server is closing", http.StatusServiceUnavailable)
		return ErrServerClosed
	}
	conn, err := s.webTransport().Upgrade(w, r, s.Config.versions())
	if err != nil {
		if !errors.Is(err, webtransport.ErrNotWebTransport) {
			s.log().Info("upgrade refused", "remote", r.RemoteAddr, "origin", r.Header.Get("Origin"), "error", err)
		}
		return err
	}
	_, err = s.setup(conn, r, func() {})
	return err
}
