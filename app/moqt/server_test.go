package moqt

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/ports/quic"
	"github.com/moqtgo/moqt/ports/webtransport"
)

func accept(w SetupResponseWriter, r *SetupRequest) { _, _ = Accept(w, r, NewTrackMux(nil)) }

func TestServerMisconfigured(t *testing.T) {
	both := &Server{TLSConfig: &tls.Config{}, Handler: NewRouter(), SetupHandler: NewRouter()}
	require.ErrorContains(t, both.ListenAndServe(), "both")
	require.ErrorContains(t, both.ServeQUICListener(nil), "both")
	require.ErrorContains(t, both.ServeQUICConn(nil), "both")
	require.ErrorContains(t, both.HandleWebTransport(httptest.NewRecorder(), nil), "both")
	require.ErrorContains(t, (&Server{}).ListenAndServe(), "TLSConfig")
	require.Error(t, (&Server{}).ListenAndServeTLS("no such file", "nor this"))
	old := &Server{TLSConfig: &tls.Config{}, Config: &Config{Versions: []string{"moq-99"}}}
	require.ErrorContains(t, old.ListenAndServe(), "moq-99")
	none := &Server{TLSConfig: &tls.Config{NextProtos: []string{"moqt-07", "http/1.1"}}}
	require.ErrorContains(t, none.ListenAndServe(), "NextProtos")
}

func TestNextProtos(t *testing.T) {
	log := &syncBuffer{}
	bubble(t, func(w *world) {
		w.log = log
		for _, c := range []struct{ given, versions, want []string }{
			{nil, nil, append(Versions(), "h3")},
			{nil, []string{"moq-lite-03"}, []string{"moq-lite-03", "h3"}},
			{[]string{"h3", "moqt-07"}, nil, []string{"h3"}},
			{[]string{"h3", "moq-00"}, nil, []string{"h3", "moq-00"}},
			{[]string{"moq-lite-04", "moq-lite-05"}, []string{"moq-lite-05"}, []string{"moq-lite-05"}},
		} {
			s, _ := w.server()
			own := &tls.Config{NextProtos: c.given}
			s.TLSConfig = own
			s.Config = &Config{Versions: c.versions}
			var got []string
			listen := s.ListenFunc
			s.ListenFunc = func(addr string, tlsConf *tls.Config, conf *quic.Config) (quic.Listener, error) {
				got = tlsConf.NextProtos
				require.True(w, conf.EnableDatagrams)
				require.NotNil(w, conf.VerifySourceAddress)
				require.Nil(w, s.QUICConfig.VerifySourceAddress, "the caller's is not changed")
				return listen(addr, tlsConf, conf)
			}
			w.serve(s)
			require.NoError(w, s.Close())
			require.Equal(w, c.want, got)
			require.Equal(w, c.given, own.NextProtos, "the caller's is not changed")
			require.ErrorIs(w, s.ListenAndServe(), ErrServerClosed)
		}
	})
	require.Contains(t, log.String(), "moqt-07")
}

// What is refused is refused with a code.
func TestRefusals(t *testing.T) {
	for name, url := range map[string]string{"quic": "moqt://server", "webtransport": "https://server"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				s, r := w.server()
				second := make(chan error, 2)
				r.HandleFunc("/neither", func(SetupResponseWriter, *SetupRequest) {})
				r.HandleFunc("/rejected", func(sw SetupResponseWriter, sr *SetupRequest) {
					second <- sw.Reject(77, "because")
					_, err := Accept(sw, sr, nil)
					second <- err
				})
				r.HandleFunc("/slow", func(_ SetupResponseWriter, r *SetupRequest) { <-r.Context().Done() })
				w.serve(s)
				for path, code := range map[string]ErrorCode{
					"/nowhere": SessionNotFound, "/neither": SessionNotFound, "/rejected": 77, "/slow": SessionTimeout,
				} {
					sess, err := w.client("c").Dial(w.ctx(), url+path, NewTrackMux(nil))
					if err == nil { // the refusal may come after our set-up
						err = sess.Wait()
					}
					var closed *ConnError
					require.ErrorAs(w, err, &closed, path)
					require.Equal(w, code, closed.Code, "%s: %v", path, err)
					require.True(w, closed.Remote)
				}
				require.NoError(w, <-second)
				require.ErrorIs(w, <-second, ErrDecided)
				require.NoError(w, s.Close())
			})
		})
	}
}

func TestSetupRequest(t *testing.T) {
	for name, url := range map[string]string{"quic": "moqt://server", "webtransport": "https://server"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				s, r := w.server()
				r.HandleFunc("/caf\u00e9/{x}", func(sw SetupResponseWriter, r *SetupRequest) {
					require.Equal(w, "/caf\u00e9/a b", r.Path)
					require.Equal(w, "a b", r.PathValue("x"))
					require.Equal(w, "token=1%202&x", r.Query)
					require.Equal(w, []string{"moq-lite-05"}, r.Versions)
					require.NotNil(w, r.RemoteAddr)
					require.NotNil(w, r.LocalAddr)
					require.Equal(w, name == "webtransport", r.HTTPRequest != nil)
					if r.HTTPRequest != nil {
						require.Equal(w, "server", r.Host)
					}
					sess, err := Accept(sw, r, NewTrackMux(nil))
					require.NoError(w, err)
					require.Equal(w, r.Path, sess.Path())
					require.Equal(w, r.RemoteAddr, sess.RemoteAddr())
					require.Equal(w, r.LocalAddr, sess.LocalAddr())
					require.NoError(w, sess.Context().Err())
				})
				w.serve(s)
				sess := w.dial("c", url+"/caf%C3%A9/a%20b?token=1%202&x#f", nil)
				require.Equal(w, "/caf\u00e9/a b", sess.Path())
				p, err := sess.Announced(w.ctx(), "")
				require.NoError(w, err)
				p.Close()
				w.end(sess)
				require.NoError(w, s.Close())
			})
		})
	}
}

// A handler may run for as long as its session.
func TestHandlerOutlivesTimeout(t *testing.T) {
	bubble(t, func(w *world) {
		s, r := w.server()
		r.HandleFunc("/", func(sw SetupResponseWriter, r *SetupRequest) {
			sess, err := Accept(sw, r, NewTrackMux(nil))
			require.NoError(w, err)
			<-sess.Context().Done()
		})
		w.serve(s)
		a, b := w.dial("c", "moqt://server", nil), w.dial("c", "https://server", nil)
		time.Sleep(time.Minute)
		require.NoError(w, a.Context().Err())
		require.NoError(w, b.Context().Err())
		w.end(a, b)
		require.NoError(w, s.Close())
	})
}

func TestCloseEndsEverything(t *testing.T) {
	bubble(t, func(w *world) {
		s, r := w.server()
		r.HandleFunc("/", accept)
		r.HandleFunc("/slow", func(_ SetupResponseWriter, r *SetupRequest) { <-r.Context().Done() })
		w.serve(s)
		sessions := []*Session{
			w.dial("a", "moqt://server", nil), w.dial("b", "https://server", nil),
			w.dial("c", "moqt://server/slow", nil), w.dial("c", "https://server/slow", nil),
		}
		time.Sleep(time.Second)
		raw, err := w.net.Node("d").Dial(w.ctx(), "server:443", &tls.Config{NextProtos: []string{"moq-lite-05"}}, nil)
		require.NoError(w, err) // it never sets anything up
		idle, err := w.net.Node("d").Dial(w.ctx(), "server:443", &tls.Config{NextProtos: []string{"h3"}}, nil)
		require.NoError(w, err)
		require.NoError(w, s.Close())
		require.NoError(w, s.Close(), "it can be repeated")
		for i, sess := range sessions {
			var closed *ConnError
			require.ErrorAs(w, sess.Wait(), &closed)
			if i < 2 {
				require.NoError(w, closed.Err)
				require.Equal(w, SessionNoError, closed.Code)
			}
		}
		<-raw.Context().Done()
		<-idle.Context().Done()
		_, err = w.client("e").Dial(w.ctx(), "moqt://server", NewTrackMux(nil))
		require.Error(w, err)
		require.ErrorIs(w, s.ListenAndServe(), ErrServerClosed)
		require.ErrorIs(w, s.ServeQUICConn(raw), ErrServerClosed)
		rec := httptest.NewRecorder()
		require.ErrorIs(w, s.HandleWebTransport(rec, httptest.NewRequest(http.MethodConnect, "/", nil)), ErrServerClosed)
		require.Equal(w, http.StatusServiceUnavailable, rec.Code)
	})
}

func TestShutdown(t *testing.T) {
	bubble(t, func(w *world) {
		s, r := w.server()
		r.HandleFunc("/", accept)
		w.serve(s)
		asked := make(chan string, 2)
		c := w.client("a")
		var sess *Session
		c.Config = &Config{OnGoaway: func(g *Session, uri string, timeout time.Duration) {
			require.Same(w, sess, g)
			asked <- uri
			time.Sleep(2 * time.Second)
			_ = g.CloseWithError(SessionNoError, "gone")
		}}
		var err error
		sess, err = c.Dial(w.ctx(), "moqt://server", NewTrackMux(nil))
		require.NoError(w, err)
		time.Sleep(time.Second)
		start := time.Now()
		require.NoError(w, s.Shutdown(w.ctx()))
		require.Less(w, time.Since(start), 5*time.Second)
		require.Empty(w, <-asked)
		require.Error(w, sess.Wait())
	})
}

func TestShutdownForces(t *testing.T) {
	bubble(t, func(w *world) {
		s, r := w.server()
		r.HandleFunc("/", accept)
		w.serve(s)
		sess := w.dial("a", "https://server", nil)
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(w.Context(), 7*time.Second)
		defer cancel()
		start := time.Now()
		require.ErrorIs(w, s.Shutdown(ctx), context.DeadlineExceeded)
		require.Equal(w, 7*time.Second, time.Since(start).Truncate(time.Second))
		var closed *ConnError
		require.ErrorAs(w, sess.Wait(), &closed)
		require.NoError(w, closed.Err)
	})
}

func TestMaxPending(t *testing.T) {
	bubble(t, func(w *world) {
		s, r := w.server()
		s.Config = &Config{MaxPending: 2}
		r.HandleFunc("/", func(sw SetupResponseWriter, r *SetupRequest) {
			sess, err := Accept(sw, r, NewTrackMux(nil))
			require.NoError(w, err)
			<-sess.Context().Done()
		})
		w.serve(s)
		a, b := w.dial("a", "moqt://server", nil), w.dial("b", "moqt://server", nil)
		c := w.dial("c", "https://server", nil) // what is set up is not pending
		time.Sleep(time.Second)
		silent := &tls.Config{NextProtos: []string{"moq-lite-05"}}
		var held []quic.Connection
		for range 2 {
			conn, err := w.net.Node("d").Dial(w.ctx(), "server:443", silent, nil)
			require.NoError(w, err)
			held = append(held, conn)
		}
		time.Sleep(time.Second)
		refused, err := w.net.Node("d").Dial(w.ctx(), "server:443", silent, nil)
		require.NoError(w, err)
		<-refused.Context().Done()
		for _, conn := range held {
			require.NoError(w, conn.Context().Err())
		}
		time.Sleep(6 * time.Second) // lite-05 goes on without SETUP
		d := w.dial("e", "moqt://server", nil)
		w.end(a, b, c, d)
		require.NoError(w, s.Close())
	})
}

// HTTP requests, by how the server is set up.
func TestHTTP(t *testing.T) {
	s := &Server{NewWebtransportServerFunc: func(func(*http.Request) bool) webtransport.Server { return notWeb{} }}
	serve := func(method, proto, path string) int {
		r := httptest.NewRequest(method, "https://server"+path, nil)
		r.Proto = proto
		if method == http.MethodConnect {
			r.URL.Path = path
		}
		w := httptest.NewRecorder()
		s.httpHandler().ServeHTTP(w, r)
		return w.Code
	}
	teapot()
	require.Equal(t, http.StatusTeapot, serve(http.MethodConnect, "webtransport", "/moqt-test/v"))
	require.Equal(t, http.StatusBadGateway, serve(http.MethodConnect, "webtransport", "/other"), "straight to the upgrade")
	require.Equal(t, http.StatusNotFound, serve(http.MethodGet, "HTTP/3.0", "/moqt-test/v"))
	require.Equal(t, http.StatusNotFound, serve(http.MethodConnect, "HTTP/3.0", "/moqt-test/v"))
	s.HTTPHandler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusAccepted) })
	require.Equal(t, http.StatusAccepted, serve(http.MethodGet, "HTTP/3.0", "/moqt-test/v"))
	s = &Server{NewWebtransportServerFunc: func(func(*http.Request) bool) webtransport.Server { return notWeb{webtransport.ErrNotWebTransport} }}
	require.Equal(t, http.StatusNotFound, serve(http.MethodConnect, "connect-udp", "/other"))
}

// teapot registers a handler in http.DefaultServeMux.
var teapot = sync.OnceFunc(func() {
	http.HandleFunc("/moqt-test/{x}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("x") == "v" {
			w.WriteHeader(http.StatusTeapot)
		}
	})
})

// notWeb fails to upgrade.
type notWeb struct{ err error }

func (n notWeb) Upgrade(w http.ResponseWriter, r *http.Request, protocols []string) (quic.Connection, error) {
	if n.err != nil {
		return nil, n.err
	}
	w.WriteHeader(http.StatusBadGateway)
	return nil, errors.New("no")
}
func (notWeb) ServeQUICConn(quic.Connection, http.Handler) error { return nil }
func (notWeb) Close() error                                      { return nil }

func TestCheckHTTPOrigin(t *testing.T) {
	bubble(t, func(w *world) {
		s, r := w.server()
		r.HandleFunc("/", accept)
		asked := 0
		s.CheckHTTPOrigin = func(r *http.Request) bool {
			asked++
			return r.URL.Path == "/good"
		}
		w.serve(s)
		_, err := w.client("a").Dial(w.ctx(), "https://server/bad", NewTrackMux(nil))
		require.Error(w, err)
		sess := w.dial("a", "https://server/good", nil)
		require.Equal(w, 2, asked)
		w.end(sess)
		require.NoError(w, s.Close())
	})
}

// Early data is not looked at before the handshake has ended.
func TestHandshakeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{Handler: NewRouter()}
		c := &early{ctx: t.Context()}
		err := s.ServeQUICConn(c)
		require.ErrorIs(t, err, ErrTimeout)
		require.Equal(t, []string{"HandshakeComplete", "CloseWithError"}, c.calls)
	})
}

// early is a connection whose handshake never ends.
type early struct {
	quic.Connection
	ctx   context.Context
	calls []string
}

func (e *early) State() quic.State        { return quic.State{} }
func (e *early) Context() context.Context { return e.ctx }
func (e *early) HandshakeComplete(ctx context.Context) error {
	e.calls = append(e.calls, "HandshakeComplete")
	<-ctx.Done()
	return context.Cause(ctx)
}
func (e *early) CloseWithError(quic.ErrorCode, string) error {
	e.calls = append(e.calls, "CloseWithError")
	return nil
}
