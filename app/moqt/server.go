package moqt

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"

	"github.com/moqtgo/moqt/adapters/quicgo"
	"github.com/moqtgo/moqt/adapters/webtransportgo"
	"github.com/moqtgo/moqt/ports/quic"
	"github.com/moqtgo/moqt/ports/webtransport"
)

// ErrServerClosed is returned by the Serve and Listen methods of a Server
// after Close or Shutdown.
var ErrServerClosed = errors.New("moqt: server closed")

// protoH3 is the ALPN of HTTP/3.
const protoH3 = "h3"

// A Server accepts sessions over raw QUIC and over WebTransport, on one UDP
// port. Do not change its fields once it is in use.
type Server struct {
	// Addr is "host:port" to listen on, UDP. Empty is ":443".
	Addr string
	// TLSConfig has the certificate. It is cloned. With NextProtos empty every
	// version of Config is offered, and h3; otherwise what is not spoken here
	// is dropped with a warning, and an error if nothing is left. It must not
	// be nil, but for ListenAndServeTLS.
	TLSConfig *tls.Config
	// QUICConfig are the limits of the transport; nil takes the defaults.
	QUICConfig *quic.Config
	// Config are the settings of sessions; nil takes the defaults.
	Config *Config
	// HTTPHandler serves HTTP/3 requests; it calls HandleWebTransport for
	// those that are to become sessions. nil: an extended CONNECT goes to
	// http.DefaultServeMux if that has a pattern for it, otherwise straight to
	// HandleWebTransport; anything else is answered with 404.
	HTTPHandler http.Handler
	// CheckHTTPOrigin decides whether a web page may open a session; nil
	// accepts every origin.
	CheckHTTPOrigin func(*http.Request) bool
	// Handler or SetupHandler, which are one field under two names, decides
	// about set-up requests. Both nil is DefaultRouter, both set an error.
	Handler      Handler
	SetupHandler SetupHandler
	// ListenFunc is the QUIC stack; nil is adapters/quicgo.
	ListenFunc quic.ListenAddrFunc
	// NewWebtransportServerFunc is the WebTransport stack; nil is
	// adapters/webtransportgo.
	NewWebtransportServerFunc func(checkOrigin func(*http.Request) bool) webtransport.Server
	// Logger is told of sessions and of what is refused; nil is silent.
	Logger *slog.Logger

	mu        sync.Mutex
	gate      gate
	wt        webtransport.Server
	closed    bool
	listeners map[*quic.Listener]struct{} // pointers: users' types need not be comparable
	conns     map[*quic.Connection]struct{}
	sessions  map[*Session]struct{}
	changed   chan struct{} // closed with the next end of a session or connection
}

func (s *Server) log() *slog.Logger { return orSilent(s.Logger) }

func (s *Server) handler() SetupHandler {
	switch {
	case s.Handler != nil:
		return s.Handler
	case s.SetupHandler != nil:
		return s.SetupHandler
	}
	return DefaultRouter
}

func (s *Server) check() error {
	if s.Handler != nil && s.SetupHandler != nil {
		return errors.New("moqt: both Server.Handler and Server.SetupHandler are set")
	}
	if len(s.Config.versions()) == 0 {
		return fmt.Errorf("moqt: none of the versions %q is spoken here", s.Config.Versions)
	}
	return nil
}

// ListenAndServe listens on Addr and serves until Close or Shutdown; then it
// returns ErrServerClosed.
func (s *Server) ListenAndServe() error {
	if s.TLSConfig == nil {
		return errors.New("moqt: Server.TLSConfig is nil: QUIC needs a certificate; see ListenAndServeTLS")
	}
	return s.listenAndServe(s.TLSConfig.Clone())
}

// ListenAndServeTLS is ListenAndServe with the certificate and key of two PEM
// files.
func (s *Server) ListenAndServeTLS(certFile, keyFile string) error {
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return err
	}
	conf := &tls.Config{}
	if s.TLSConfig != nil {
		conf = s.TLSConfig.Clone()
	}
	conf.Certificates = append([]tls.Certificate{cert}, conf.Certificates...)
	return s.listenAndServe(conf)
}

func (s *Server) listenAndServe(conf *tls.Config) error {
	if err := s.check(); err != nil {
		return err
	}
	var err error
	if conf.NextProtos, err = s.protocols(conf.NextProtos); err != nil {
		return err
	}
	listen, addr := s.ListenFunc, s.Addr
	if listen == nil {
		listen = quicgo.Listen
	}
	if addr == "" {
		addr = ":443"
	}
	if s.isClosed() {
		return ErrServerClosed
	}
	ln, err := listen(addr, conf, s.quicConfig())
	if err != nil {
		return err
	}
	return s.ServeQUICListener(ln)
}

// quicConfig returns the limits of the transport, with a doubt about addresses.
func (s *Server) quicConfig() *quic.Config {
	var conf quic.Config
	if s.QUICConfig != nil {
		conf = *s.QUICConfig
	}
	if conf.VerifySourceAddress == nil {
		conf.VerifySourceAddress = func(net.Addr) bool { return s.gate.doubt(s.Config) }
	}
	return &conf
}

// protocols returns the ALPNs to offer.
func (s *Server) protocols(given []string) ([]string, error) {
	spoken := append(s.Config.versions(), protoH3)
	if len(given) == 0 {
		return spoken, nil
	}
	var some []string
	for _, p := range given {
		if slices.Contains(spoken, p) {
			some = append(some, p)
		} else {
			s.log().Warn("TLSConfig.NextProtos has a protocol that is not spoken here", "protocol", p)
		}
	}
	if len(some) == 0 {
		return nil, errors.New("moqt: no protocol of TLSConfig.NextProtos is spoken here")
	}
	return some, nil
}

// ServeQUICListener accepts connections until Close or Shutdown, which close
// the listener; then it returns ErrServerClosed.
func (s *Server) ServeQUICListener(ln quic.Listener) error {
	if err := s.check(); err != nil {
		return err
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		_ = ln.Close()
		return ErrServerClosed
	}
	if s.listeners == nil {
		s.listeners = map[*quic.Listener]struct{}{}
	}
	s.listeners[&ln] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.listeners, &ln)
		s.mu.Unlock()
		_ = ln.Close()
	}()
	s.log().Info("listening", "addr", ln.Addr())
	for {
		conn, err := ln.Accept(context.Background())
		if err != nil {
			if s.isClosed() {
				return ErrServerClosed
			}
			return err
		}
		if err := s.enter(&conn); err != nil {
			s.log().Debug("connection refused", "remote", conn.State().RemoteAddr, "error", err)
			go func() { _ = conn.CloseWithError(SessionInternal, "the server is closing or overloaded") }()
			continue
		}
		go func() {
			sess, err := s.serve(conn)
			if err != nil {
				s.log().Debug("connection not served", "remote", conn.State().RemoteAddr, "error", err)
			}
			if sess == nil {
				s.leave(&conn)
				return
			}
			context.AfterFunc(sess.Context(), func() { // no goroutine waits meanwhile
				_ = sess.Wait()
				s.leave(&conn)
			})
		}()
	}
}

// enter takes a connection in, or says why not; leave lets it out. A connection
// is pending until gate.settle.
func (s *Server) enter(conn *quic.Connection) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrServerClosed
	}
	if err := s.gate.enter(s.Config, (*conn).State().RemoteAddr); err != nil {
		return err
	}
	if s.conns == nil {
		s.conns = map[*quic.Connection]struct{}{}
	}
	s.conns[conn] = struct{}{}
	return nil
}

func (s *Server) leave(conn *quic.Connection) {
	s.gate.leave((*conn).State().RemoteAddr)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
	s.notify()
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// notify wakes who waits for an end. s.mu is held.
func (s *Server) notify() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// addSession notes a session; false says that the server is closed.
func (s *Server) addSession(sess *Session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if s.sessions == nil {
		s.sessions = map[*Session]struct{}{}
	}
	s.sessions[sess] = struct{}{}
	context.AfterFunc(sess.Context(), func() {
		err := sess.Wait()
		s.mu.Lock()
		delete(s.sessions, sess)
		s.notify()
		s.mu.Unlock()
		s.log().Info("session ended", "remote", sess.RemoteAddr(), "error", err)
	})
	s.log().Info("session accepted", "remote", sess.RemoteAddr(), "version", sess.Version(), "path", sess.Path())
	return true
}

// webTransport returns the WebTransport stack, made with its first use.
func (s *Server) webTransport() webtransport.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wt == nil {
		make := s.NewWebtransportServerFunc
		if make == nil {
			make = webtransportgo.NewServer
		}
		s.wt = make(s.CheckHTTPOrigin)
	}
	return s.wt
}
