package webtransportgo

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	quicgo "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/require"

	adapter "github.com/moqtgo/moqt/adapters/quicgo"
	"github.com/moqtgo/moqt/ports/quic"
	"github.com/moqtgo/moqt/ports/webtransport"
)

// listen starts a site on a loopback port. It stops with the test.
func listen(t testing.TB, server webtransport.Server, protocols []string, h http.Handler, alpn ...string) *site {
	ln, err := adapter.Listen("127.0.0.1:0", serverConf(append([]string{"h3"}, alpn...)...), nil)
	require.NoError(t, err)
	s := serve(ln, server, protocols, h)
	t.Cleanup(func() { s.stop(t) })
	return s
}

func TestSubprotocol(t *testing.T) {
	for _, row := range []struct {
		name         string
		ours, theirs []string
		want         string
	}{
		{"our order", []string{"moq-lite-05", "moq-lite-04"}, []string{"moq-lite-03", "moq-lite-04", "moq-lite-05"}, "moq-lite-05"},
		{"the second of ours", []string{"moqt-20", "moq-lite-04"}, []string{"moq-lite-04"}, "moq-lite-04"},
		{"none in common", []string{"moqt-20"}, []string{"moq-lite-04"}, ""},
		{"none offered", []string{"moqt-20"}, nil, ""},
		{"none wanted", nil, []string{"moq-lite-04"}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := listen(t, NewServer(nil), row.ours, nil)
			client, err := Dial(deadline(t), s.url(), http.Header{"X-Extra": {"1"}}, row.theirs, clientConf(), nil)
			require.NoError(t, err)
			server := <-s.sessions
			for _, c := range []quic.Connection{client, server} {
				state := c.State()
				require.Equal(t, row.want, state.Protocol)
				require.Equal(t, quic.WebTransport, state.Transport)
				require.Equal(t, s.url(), state.URL.String())
				require.Equal(t, "h3", state.TLS.NegotiatedProtocol)
				require.True(t, state.Datagrams)
				require.False(t, state.Priorities)
				require.Positive(t, c.Stats().PacketsReceived)
			}
			closeBoth(t, client, server)
		})
	}
}

func TestChoose(t *testing.T) {
	for _, row := range []struct {
		header []string
		want   string
	}{
		{[]string{`"a", "b"`}, "b"},
		{[]string{`"a"`, `"b"`}, "b"},
		{[]string{`"a";q=1`}, "a"},
		{[]string{`"x"`}, ""},
		{[]string{`b`}, ""},              // a token, not a string
		{[]string{`("b")`}, ""},          // an inner list
		{[]string{`1, "a", ("b")`}, "a"}, // others do not hide it
		{[]string{`"b`}, ""},
		{[]string{`""`}, ""},
		{nil, ""},
	} {
		require.Equal(t, row.want, choose([]string{"b", "a"}, row.header), "%q", row.header)
	}
}

// TestOneSocket serves sessions, requests and a raw protocol on one port.
func TestOneSocket(t *testing.T) {
	const raw = "moq-lite-05"
	ln, err := adapter.Listen("127.0.0.1:0", serverConf("h3", raw), nil)
	require.NoError(t, err)
	defer ln.Close()
	server := NewServer(nil)
	sessions := make(chan quic.Connection, 1)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch sess, err := server.Upgrade(w, r, []string{raw}); {
		case err == nil:
			sessions <- sess
		case errors.Is(err, webtransport.ErrNotWebTransport):
			io.WriteString(w, "hello over "+r.Proto)
		default:
			t.Error(err)
		}
	})
	raws := make(chan quic.Connection, 1)
	served := make(chan error, 2)
	go func() {
		for {
			conn, err := ln.Accept(context.Background())
			if err != nil {
				return
			}
			go func() {
				if err := conn.HandshakeComplete(deadline(t)); err != nil {
					t.Error(err)
				}
				if conn.State().Protocol == "h3" {
					served <- server.ServeQUICConn(conn, handler)
				} else {
					raws <- conn
				}
			}()
		}
	}()
	addr := ln.Addr().String()

	client, err := adapter.Dial(deadline(t), addr, clientConf(raw), nil)
	require.NoError(t, err)
	rawServer := <-raws
	require.Equal(t, raw, rawServer.State().Protocol)

	sess, err := Dial(deadline(t), "https://"+addr+"/moq", nil, []string{raw}, clientConf(), nil)
	require.NoError(t, err)
	require.Equal(t, raw, sess.State().Protocol)
	wtServer := <-sessions

	require.Equal(t, "200 hello over HTTP/3.0", get(t, addr, "/"))

	closeBoth(t, client, rawServer)
	closeBoth(t, sess, wtServer)
	require.NoError(t, server.Close())
	require.NoError(t, <-served)
	require.NoError(t, <-served)
}

// get does an ordinary request over HTTP/3.
func get(t testing.TB, addr, path string) string {
	transport := &http3.Transport{TLSClientConfig: clientConf()}
	defer transport.Close()
	r, err := http.NewRequestWithContext(deadline(t), http.MethodGet, "https://"+addr+path, nil)
	require.NoError(t, err)
	response, err := transport.RoundTrip(r)
	require.NoError(t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.Status[:3] + " " + string(body)
}

func init() {
	http.HandleFunc("/webtransportgo-secret", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "secret")
	})
}

// TestDefaultServeMuxIsNotServed has a handler there that would be found.
func TestDefaultServeMuxIsNotServed(t *testing.T) {
	ln, err := adapter.Listen("127.0.0.1:0", serverConf("h3"), nil)
	require.NoError(t, err)
	server := NewServer(nil)
	done := make(chan error)
	go func() {
		conn, err := ln.Accept(context.Background())
		if err == nil {
			err = server.ServeQUICConn(conn, nil)
		}
		done <- err
	}()
	require.Contains(t, get(t, ln.Addr().String(), "/webtransportgo-secret"), "404")
	require.NoError(t, <-done)
	require.NoError(t, server.Close())
	require.NoError(t, ln.Close())
}

func TestOrigin(t *testing.T) {
	for _, row := range []struct {
		name   string
		check  func(*http.Request) bool
		origin string
		want   int
	}{
		{"nil accepts every origin", nil, "https://elsewhere.example", 200},
		{"accepted", func(r *http.Request) bool { return r.Header.Get("Origin") == "https://a" }, "https://a", 200},
		{"refused", func(r *http.Request) bool { return r.Header.Get("Origin") == "https://a" }, "https://b", 403},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := listen(t, NewServer(row.check), nil, nil)
			client, err := Dial(deadline(t), s.url(), http.Header{"Origin": {row.origin}}, nil, clientConf(), nil)
			if row.want == 200 {
				require.NoError(t, err)
				closeBoth(t, client, <-s.sessions)
				return
			}
			var status *StatusError
			require.ErrorAs(t, err, &status)
			require.Equal(t, row.want, status.StatusCode)
			require.ErrorContains(t, err, "403 Forbidden")
		})
	}
}

func TestUpgradeLeavesOtherRequestsAlone(t *testing.T) {
	server := NewServer(func(*http.Request) bool { t.Error("asked for an origin"); return false })
	for _, r := range []*http.Request{
		httptest.NewRequest(http.MethodGet, "/", nil),
		httptest.NewRequest(http.MethodConnect, "/", nil),
		{Method: http.MethodConnect, Proto: "connect-udp"},
		{Method: http.MethodGet, Proto: "webtransport"},
	} {
		w := httptest.NewRecorder()
		_, err := server.Upgrade(w, r, nil)
		require.ErrorIs(t, err, webtransport.ErrNotWebTransport)
		require.Empty(t, w.Header())
		require.Zero(t, w.Body.Len())
		require.False(t, w.Flushed)
	}
	// A session that another server should have served.
	w := httptest.NewRecorder()
	_, err := server.Upgrade(w, &http.Request{Method: http.MethodConnect, Proto: "webtransport", Header: http.Header{}}, nil)
	require.Error(t, err)
	require.NotErrorIs(t, err, webtransport.ErrNotWebTransport)
	require.Equal(t, http.StatusInternalServerError, w.Code)
}

// wrapped is a connection below a decorator.
type wrapped struct{ quic.Connection }

func (w wrapped) Unwrap() quic.Connection { return w.Connection }

// foreign is a connection of another stack.
type foreign struct{ quic.Connection }

func TestStacks(t *testing.T) {
	ln, err := adapter.Listen("127.0.0.1:0", serverConf("h3", "raw"), nil)
	require.NoError(t, err)
	defer ln.Close()
	server := NewServer(nil)
	decorated := func(ctx context.Context, addr string, tlsConf *tls.Config, conf *quic.Config) (quic.Connection, error) {
		c, err := adapter.Dial(ctx, addr, tlsConf, conf)
		return wrapped{wrapped{c}}, err
	}
	sessions := make(chan quic.Connection, 1)
	done := make(chan error, 1)
	go func() {
		conn, err := ln.Accept(context.Background())
		if err != nil {
			done <- err
			return
		}
		done <- server.ServeQUICConn(wrapped{conn}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			sess, err := server.Upgrade(w, r, nil)
			if err != nil {
				t.Error(err)
			}
			sessions <- sess
		}))
	}()
	client, err := NewDialFunc(decorated)(deadline(t), "https://"+ln.Addr().String(), nil, nil, clientConf(), nil)
	require.NoError(t, err)
	closeBoth(t, client, <-sessions)
	require.NoError(t, <-done)

	raw, err := adapter.Dial(deadline(t), ln.Addr().String(), clientConf("raw"), nil)
	require.NoError(t, err)
	rawServer, err := ln.Accept(deadline(t))
	require.NoError(t, err)
	require.ErrorContains(t, server.ServeQUICConn(rawServer, nil), `"raw"`)
	require.ErrorContains(t, server.ServeQUICConn(foreign{rawServer}, nil), "webtransportgo.foreign is not a connection of adapters/quicgo")
	closeBoth(t, raw, rawServer)

	require.NoError(t, server.Close())
	late, err := adapter.Dial(deadline(t), ln.Addr().String(), clientConf("h3"), nil)
	require.NoError(t, err)
	lateServer, err := ln.Accept(deadline(t))
	require.NoError(t, err)
	require.ErrorIs(t, server.ServeQUICConn(lateServer, nil), http.ErrServerClosed)
	<-late.Context().Done()

	strange := func(ctx context.Context, addr string, tlsConf *tls.Config, conf *quic.Config) (quic.Connection, error) {
		c, err := adapter.Dial(ctx, addr, tlsConf, conf)
		return foreign{c}, err
	}
	_, err = NewDialFunc(strange)(deadline(t), "https://"+ln.Addr().String(), nil, nil, clientConf(), nil)
	require.ErrorContains(t, err, "is not a connection of adapters/quicgo")
}

// middleware is a writer between http3 and a handler.
type middleware struct{ http.ResponseWriter }

func (m middleware) Unwrap() http.ResponseWriter { return m.ResponseWriter }

// opaque hides the writer of http3.
type opaque struct{ http.ResponseWriter }

func TestMiddleware(t *testing.T) {
	for _, row := range []struct {
		name   string
		wrap   func(http.ResponseWriter) http.ResponseWriter
		status int
	}{
		{"with Unwrap", func(w http.ResponseWriter) http.ResponseWriter { return middleware{middleware{w}} }, 200},
		{"without", func(w http.ResponseWriter) http.ResponseWriter { return opaque{w} }, 500},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := listen(t, wrapping{NewServer(nil), row.wrap}, []string{"sub"}, nil)
			client, err := Dial(deadline(t), s.url(), nil, []string{"sub"}, clientConf(), nil)
			if row.status == 200 {
				require.NoError(t, err)
				require.Equal(t, "sub", client.State().Protocol)
				closeBoth(t, client, <-s.sessions)
				return
			}
			var status *StatusError
			require.ErrorAs(t, err, &status)
			require.Equal(t, row.status, status.StatusCode)
		})
	}
}

type wrapping struct {
	webtransport.Server
	wrap func(http.ResponseWriter) http.ResponseWriter
}

func (s wrapping) Upgrade(w http.ResponseWriter, r *http.Request, protocols []string) (quic.Connection, error) {
	return s.Server.Upgrade(s.wrap(w), r, protocols)
}

// TestServerClose ends sessions and connections without one.
func TestServerClose(t *testing.T) {
	s := listen(t, NewServer(nil), nil, nil)
	client, err := Dial(deadline(t), s.url(), nil, nil, clientConf(), nil)
	require.NoError(t, err)
	server := <-s.sessions
	idle, err := adapter.Dial(deadline(t), s.ln.Addr().String(), clientConf("h3"), nil)
	require.NoError(t, err)
	_, err = idle.AcceptUniStream(deadline(t)) // the server's SETTINGS: it is being served
	require.NoError(t, err)
	require.NoError(t, s.server.Close())
	var app *quicgo.ApplicationError
	for _, c := range []quic.Connection{client, server} {
		<-c.Context().Done()
		var e *quic.ConnError
		require.ErrorAs(t, context.Cause(c.Context()), &e)
		require.ErrorAs(t, e.Err, &app)
		require.Equal(t, quicgo.ApplicationErrorCode(http3.ErrCodeNoError), app.ErrorCode)
	}
	<-idle.Context().Done()
	require.ErrorIs(t, context.Cause(idle.Context()), &quic.ConnError{Code: quic.ErrorCode(http3.ErrCodeNoError), Remote: true})
}

// TestServerCloseWaits: a server that closes its sessions and then itself lets
// the peers report the code first.
func TestServerCloseWaits(t *testing.T) {
	certificate()
	synctest.Test(t, func(t *testing.T) {
		client, server, stop := simPipe(t, nil)
		defer stop()
		require.NoError(t, server.CloseWithError(42, "done"))
		require.NoError(t, server.(*session).owner.server.Close())
		<-client.Context().Done()
		require.Equal(t, &quic.ConnError{Code: 42, Remote: true, Reason: "done"}, context.Cause(client.Context()))
	})
}

// TestIdleConnection: an HTTP/3 connection without a session does not stay.
func TestIdleConnection(t *testing.T) {
	certificate()
	synctest.Test(t, func(t *testing.T) {
		a, b, stop := network(t)
		defer stop()
		ln, err := b.Listen(serverConf("h3"), nil)
		require.NoError(t, err)
		s := serve(ln, NewServer(nil), nil, nil)
		conn, err := a.Dial(context.Background(), serverAddr, clientConf("h3"), nil)
		require.NoError(t, err)
		start := time.Now()
		<-conn.Context().Done()
		require.InDelta(t, idleTimeout.Seconds(), time.Since(start).Seconds(), 1)
		s.stop(t)
	})
}
