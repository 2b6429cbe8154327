// Package webtransportgo implements the WebTransport port over webtransport-go
// and quic-go.
//
// One HTTP/3 connection carries one session and is closed after it. Stream
// priorities and non-blocking writes are hidden by the library:
// State().Priorities is false, SetReliableBoundary has no effect, and TryWrite
// always returns quic.ErrWouldBlock. A stream that the peer resets before its
// header has arrived is dropped by the library without being read: it is never
// accepted, and its credit comes back only with the end of the session.
package webtransportgo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	quicgo "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	wtgo "github.com/quic-go/webtransport-go"

	"github.com/moqtgo/moqt/ports/quic"
	"github.com/moqtgo/moqt/ports/webtransport"
)

const (
	// maxHeaderBytes bounds the header of a request.
	maxHeaderBytes = 64 << 10
	// idleTimeout ends an HTTP/3 connection without a request.
	idleTimeout = 30 * time.Second
	// settingsTimeout is how long an upgrade waits for the client's SETTINGS,
	// and a stream for its session.
	settingsTimeout = 5 * time.Second
)

type server struct {
	checkOrigin func(*http.Request) bool
	wt          *wtgo.Server

	mu     sync.Mutex
	conns  map[*quicgo.Conn]*http3Conn
	closed bool
}

// http3Conn is what the server keeps of an HTTP/3 connection.
type http3Conn struct {
	server  *server
	conn    *quicgo.Conn
	handler http.Handler

	mu        sync.Mutex
	upgraded  bool // it has, or had, its session
	lingering bool // it ends soon, without being told to
}

type http3ConnKey struct{}

// NewServer returns a server of WebTransport sessions. checkOrigin decides
// whether a page may open one, by the request's Origin header; nil accepts
// every origin.
func NewServer(checkOrigin func(*http.Request) bool) webtransport.Server {
	if checkOrigin == nil {
		checkOrigin = func(*http.Request) bool { return true }
	}
	s := &server{checkOrigin: checkOrigin, conns: make(map[*quicgo.Conn]*http3Conn)}
	s.wt = &wtgo.Server{
		H3: &http3.Server{
			// A nil Handler would be http.DefaultServeMux.
			Handler:        http.HandlerFunc(dispatch),
			ConnContext:    s.connContext,
			MaxHeaderBytes: maxHeaderBytes,
			IdleTimeout:    idleTimeout,
		},
		ReorderingTimeout: settingsTimeout,
		// ours has been asked before
		CheckOrigin: func(*http.Request) bool { return true },
	}
	return s
}

func (s *server) connContext(ctx context.Context, conn *quicgo.Conn) context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	return context.WithValue(ctx, http3ConnKey{}, s.conns[conn])
}

func dispatch(w http.ResponseWriter, r *http.Request) {
	if c, _ := r.Context().Value(http3ConnKey{}).(*http3Conn); c != nil {
		c.handler.ServeHTTP(w, r)
		return
	}
	http.NotFound(w, r)
}

// ServeQUICConn serves HTTP/3 on conn, which must come from adapters/quicgo,
// possibly below decorators with an Unwrap method, and must have EnableDatagrams.
// A nil h answers 404. It returns nil once the connection has ended, and an
// error if it could not be served: the connection is still open then, except
// after Close (http.ErrServerClosed).
func (s *server) ServeQUICConn(conn quic.Connection, h http.Handler) error {
	qc, err := quicConn(conn)
	if err != nil {
		return err
	}
	if alpn := qc.ConnectionState().TLS.NegotiatedProtocol; alpn != http3.NextProtoH3 {
		return fmt.Errorf("webtransportgo: the connection has negotiated %q, not %q", alpn, http3.NextProtoH3)
	}
	if h == nil {
		h = http.NotFoundHandler()
	}
	c := &http3Conn{server: s, conn: qc, handler: h}
	if err := s.add(c); err != nil {
		if err == http.ErrServerClosed {
			closeHTTP3(qc)
		}
		return err
	}
	defer s.remove(c)
	return s.wt.ServeQUICConn(qc)
}

func (s *server) add(c *http3Conn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return http.ErrServerClosed
	}
	if s.conns[c.conn] != nil {
		return errors.New("webtransportgo: the connection is already being served")
	}
	s.conns[c.conn] = c
	return nil
}

func (s *server) remove(c *http3Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c.conn)
}

// Close closes every HTTP/3 connection, and with them what is left of the
// sessions: their codes are lost. It waits, up to a second, for connections
// whose session was closed just before.
func (s *server) Close() error {
	s.mu.Lock()
	s.closed = true
	conns := slices.Collect(maps.Values(s.conns))
	s.mu.Unlock()
	for _, c := range conns {
		if !c.isLingering() {
			closeHTTP3(c.conn)
		}
	}
	for _, c := range conns {
		<-c.conn.Context().Done()
	}
	return s.wt.Close()
}

// linger closes the connection a little later. Chromium forgets the code of a
// session's end that it has answered, but not yet reported to the page, if the
// connection ends meanwhile. It does not close the connection itself.
func (c *http3Conn) linger() {
	c.mu.Lock()
	c.lingering = true
	c.mu.Unlock()
	timer := time.AfterFunc(closeTimeout, func() { closeHTTP3(c.conn) })
	context.AfterFunc(c.conn.Context(), func() { timer.Stop() })
}

func (c *http3Conn) isLingering() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lingering
}

// closeHTTP3 closes c as HTTP/3 does when all is well.
func closeHTTP3(c *quicgo.Conn) {
	c.CloseWithError(quicgo.ApplicationErrorCode(http3.ErrCodeNoError), "")
}

// quicConn finds the connection of quic-go below conn.
func quicConn(conn quic.Connection) (*quicgo.Conn, error) {
	for c := conn; c != nil; {
		if q, ok := c.(interface{ QUICConn() *quicgo.Conn }); ok {
			return q.QUICConn(), nil
		}
		u, ok := c.(interface{ Unwrap() quic.Connection })
		if !ok {
			break
		}
		c = u.Unwrap()
	}
	return nil, fmt.Errorf("webtransportgo: %T is not a connection of adapters/quicgo, and webtransport-go works on quic-go alone", conn)
}
