package memnet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/moqtgo/moqt/ports/quic"
	"github.com/moqtgo/moqt/ports/webtransport"
)

// NewWebTransportServer returns a server that upgrades requests which arrive
// on connections of this network. A nil checkOrigin accepts every origin.
func (d *Node) NewWebTransportServer(checkOrigin func(*http.Request) bool) webtransport.Server {
	return &webServer{checkOrigin: checkOrigin, conns: make(map[*conn]struct{})}
}

type webServer struct {
	checkOrigin func(*http.Request) bool

	mu     sync.Mutex
	conns  map[*conn]struct{}
	closed bool
}

// ServeQUICConn waits for the request of conn and serves it.
func (s *webServer) ServeQUICConn(qc quic.Connection, h http.Handler) error {
	c := unwrap(qc)
	if c == nil {
		return fmt.Errorf("memnet: cannot serve HTTP/3 on a %T", qc)
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		_ = c.CloseWithError(http3NoError, "")
		return http.ErrServerClosed
	}
	s.conns[c] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, c)
	}()
	if request := c.nextRequest(); request != nil {
		serveRequest(c, request, h)
	}
	<-c.Context().Done()
	return serveError(context.Cause(c.Context()))
}

// serveError is nil where an application ended the connection.
func serveError(err error) error {
	var end *quic.ConnError
	if errors.As(err, &end) && end.Err == nil {
		return nil
	}
	return err
}

func (c *conn) nextRequest() *exchange {
	c.net.mu.Lock()
	defer c.net.release()
	for c.web.request == nil {
		if c.sleep(context.Background(), &c.web.wake) != nil {
			return nil
		}
	}
	return c.web.request
}

func serveRequest(c *conn, e *exchange, h http.Handler) {
	u := *e.url // the handler may change it
	r := &http.Request{
		Method: http.MethodConnect, Proto: "webtransport", ProtoMajor: 3,
		URL: &u, Host: u.Host, RequestURI: u.RequestURI(),
		Header: e.header.Clone(), Body: http.NoBody, RemoteAddr: c.remote.String(),
	}
	ctx, cancel := context.WithCancel(c.Context())
	defer cancel() // with the handler's return, as in HTTP/3
	r = r.WithContext(ctx)
	w := &response{c: c, request: e, header: make(http.Header)}
	h.ServeHTTP(w, r)
	w.WriteHeader(http.StatusOK)
}

func (s *webServer) Upgrade(w http.ResponseWriter, r *http.Request, protocols []string) (quic.Connection, error) {
	answer := unwrapResponse(w)
	if answer == nil || r.Method != http.MethodConnect || r.Proto != "webtransport" {
		return nil, webtransport.ErrNotWebTransport
	}
	if s.checkOrigin != nil && !s.checkOrigin(r) {
		w.WriteHeader(http.StatusForbidden)
		return nil, fmt.Errorf("memnet: origin %q refused", r.Header.Get("Origin"))
	}
	protocol := ""
	for _, p := range protocols {
		if slices.Contains(answer.request.protocols, p) {
			protocol = p
			w.Header().Set(chosenProtocol, strconv.Quote(p))
			break
		}
	}
	return answer.upgrade(protocol)
}

// Close ends every HTTP/3 connection that is served.
func (s *webServer) Close() error {
	s.mu.Lock()
	s.closed = true
	conns := slices.Collect(maps.Keys(s.conns))
	s.mu.Unlock()
	for _, c := range conns {
		c.net.mu.Lock()
		c.closeHTTP3(http3NoError)
		c.net.release()
	}
	return nil
}

// unwrap finds our connection under decorators.
func unwrap(qc quic.Connection) *conn {
	for {
		switch c := qc.(type) {
		case *conn:
			return c
		case interface{ Unwrap() quic.Connection }:
			qc = c.Unwrap()
		default:
			return nil
		}
	}
}

// A response is the http.ResponseWriter of a request.
type response struct {
	c       *conn
	request *exchange
	header  http.Header
	sent    bool
}

func unwrapResponse(w http.ResponseWriter) *response {
	for {
		switch r := w.(type) {
		case *response:
			return r
		case interface{ Unwrap() http.ResponseWriter }:
			w = r.Unwrap()
		default:
			return nil
		}
	}
}

func (w *response) Header() http.Header { return w.header }

func (w *response) WriteHeader(status int) {
	w.c.net.mu.Lock()
	defer w.c.net.release()
	w.send(&exchange{status: status, header: w.header.Clone()})
}

func (w *response) send(e *exchange) bool {
	if w.sent {
		return false
	}
	w.sent = true
	w.c.wantControl(frame{kind: responseFrame, stream: -1, web: e})
	return true
}

// Write drops the body: nobody reads it.
func (w *response) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return len(p), nil
}

func (w *response) upgrade(protocol string) (quic.Connection, error) {
	w.c.net.mu.Lock()
	defer w.c.net.release()
	if w.c.err != nil {
		return nil, w.c.err
	}
	e := &exchange{status: http.StatusOK, url: w.request.url, header: w.header.Clone(), protocol: protocol}
	if !w.send(e) {
		return nil, errors.New("memnet: the request was answered before the upgrade")
	}
	w.c.web.session = true
	return &session{conn: w.c, url: w.request.url, subproto: protocol}, nil
}
