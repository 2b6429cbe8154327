package memnet_test

import (
	"context"
	"crypto/tls"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/ports/quic"
	"github.com/moqtgo/moqt/ports/quic/quicfault"
	"github.com/moqtgo/moqt/ports/quic/quictest"
	"github.com/moqtgo/moqt/ports/webtransport"
)

var tlsH3 = &tls.Config{NextProtos: []string{"h3", "raw"}}

// A webHost serves every h3 connection of a node with a handler.
type webHost struct {
	net    *memnet.Network
	server webtransport.Server
	served sync.WaitGroup
	errs   chan error // of ServeQUICConn
}

func newWebHost(t testing.TB, c memnet.Config, conf *quic.Config, checkOrigin func(*http.Request) bool, handler func(h *webHost) http.HandlerFunc) *webHost {
	h := &webHost{net: memnet.New(c), errs: make(chan error, 100)}
	node := h.net.Node("server")
	h.server = node.NewWebTransportServer(checkOrigin)
	l, err := node.Listen(":443", tlsH3, conf)
	require.NoError(t, err)
	h.served.Go(func() {
		for {
			c, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			h.served.Go(func() { h.errs <- h.server.ServeQUICConn(quicfault.NewCounter(c), handler(h)) })
		}
	})
	return h
}

func (h *webHost) stop() {
	h.net.Close()
	h.served.Wait()
}

func (h *webHost) dial(ctx context.Context, url string, header http.Header, protocols ...string) (quic.Connection, error) {
	return h.net.Node("client").DialWebTransport(ctx, url, header, protocols, nil, nil)
}

// webPipe is a session as pipe for the conformance suite.
func webPipe(c memnet.Config) func(testing.TB, *quic.Config) (quic.Connection, quic.Connection, func()) {
	return func(t testing.TB, conf *quic.Config) (client, server quic.Connection, stop func()) {
		sessions := make(chan quic.Connection, 1)
		h := newWebHost(t, c, conf, nil, func(h *webHost) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				s, err := h.server.Upgrade(w, r, []string{"b", "a"})
				assert.NoError(t, err)
				sessions <- s
			}
		})
		client, err := h.net.Node("client").DialWebTransport(context.Background(), "https://server/path", nil, []string{"a", "b"}, nil, conf)
		require.NoError(t, err)
		return client, <-sessions, h.stop
	}
}

func TestWebTransportOrdered(t *testing.T) {
	c := memnet.Config{Seed: 1, Settle: synctest.Wait, Link: memnet.Link{Latency: 10 * time.Millisecond, Jitter: 5 * time.Millisecond}}
	quictest.TestConnection(t, quictest.Config{Bubble: true, MakePipe: webPipe(c)})
}

func TestWebTransportRealTime(t *testing.T) {
	quictest.TestConnection(t, quictest.Config{MakePipe: webPipe(memnet.Config{})})
}

// inWeb runs f against a server with handler, ordered, in a bubble.
func inWeb(t *testing.T, checkOrigin func(*http.Request) bool, handler func(h *webHost) http.HandlerFunc, f func(t *testing.T, h *webHost)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := memnet.Config{Settle: synctest.Wait, Link: memnet.Link{Latency: time.Millisecond}}
		h := newWebHost(t, c, nil, checkOrigin, handler)
		defer h.stop()
		f(t, h)
	})
}

func TestSession(t *testing.T) {
	sessions := make(map[string]quic.Connection)
	inWeb(t, nil, func(h *webHost) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			assert.Equal(t, http.MethodConnect, r.Method)
			assert.Equal(t, "/room/a", r.URL.Path)
			assert.Equal(t, "k=v", r.URL.RawQuery)
			assert.Equal(t, "server:443", r.Host)
			assert.Equal(t, "https://app.example", r.Header.Get("Origin"))
			assert.Equal(t, "client:49152", r.RemoteAddr)
			s, err := h.server.Upgrade(writer{w}, r, []string{"none", "second", "first"})
			assert.NoError(t, err)
			sessions["server"] = s
		}
	}, func(t *testing.T, h *webHost) {
		c, err := h.dial(t.Context(), "https://server:443/room/a?k=v", http.Header{"Origin": {"https://app.example"}}, "first", "second")
		require.NoError(t, err)
		s := sessions["server"]
		for _, c := range []quic.Connection{c, s} {
			assert.Equal(t, "second", c.State().Protocol, "the server's order counts")
			assert.Equal(t, quic.WebTransport, c.State().Transport)
			assert.Equal(t, "/room/a", c.State().URL.Path)
			assert.True(t, c.State().Datagrams)
		}
		// The handler has returned, and the session lives on.
		time.Sleep(time.Minute)
		require.NoError(t, s.Context().Err())
		require.NoError(t, c.CloseWithError(math.MaxUint64, strings.Repeat("x", 2000)))
		<-s.Context().Done()
		var end *quic.ConnError
		require.ErrorAs(t, context.Cause(s.Context()), &end)
		assert.Equal(t, quic.ErrorCode(math.MaxUint32), end.Code, "WebTransport carries 32 bits")
		assert.Len(t, end.Reason, 1024)
		assert.NoError(t, <-h.errs, "ServeQUICConn returns with the session")
	})
}

// A writer is a middleware's http.ResponseWriter.
type writer struct{ http.ResponseWriter }

func (w writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// TestWebStreams: a stream is hidden until its own first bytes, whatever comes
// on others; one that is reset before is never seen.
func TestWebStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, stop := webPipe(memnet.Config{Settle: synctest.Wait})(t, nil)
		defer stop()
		ctx := t.Context()
		silent, err := client.OpenUniStream(ctx)
		require.NoError(t, err)
		gone, err := client.OpenUniStream(ctx)
		require.NoError(t, err)
		gone.CancelWrite(1)
		heard, err := client.OpenUniStream(ctx)
		require.NoError(t, err)
		_, err = heard.Write([]byte("heard"))
		require.NoError(t, err)
		want := func(text string) {
			r, err := server.AcceptUniStream(ctx)
			require.NoError(t, err)
			data := make([]byte, len(text))
			_, err = io.ReadFull(r, data)
			require.NoError(t, err)
			require.Equal(t, text, string(data))
		}
		want("heard")
		_, err = silent.Write([]byte("silent"))
		require.NoError(t, err)
		want("silent")
		soon, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err = server.AcceptUniStream(soon)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		heard.CancelWrite(math.MaxUint64)
		var reset *quic.StreamError
		require.ErrorAs(t, context.Cause(heard.Context()), &reset)
		assert.Equal(t, quic.ErrorCode(math.MaxUint32), reset.Code)
	})
}

func TestRefusedRequests(t *testing.T) {
	for _, test := range []struct {
		name, status string
		origin       func(*http.Request) bool
		handler      func(h *webHost) http.HandlerFunc
	}{
		{"not found", "404", nil, func(*webHost) http.HandlerFunc { return http.NotFound }},
		{"no upgrade", "200", nil, func(*webHost) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "hello") }
		}},
		{"origin", "403", func(r *http.Request) bool { return r.Header.Get("Origin") == "https://good.example" }, func(h *webHost) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				_, err := h.server.Upgrade(w, r, nil)
				assert.Error(t, err)
				assert.NotErrorIs(t, err, webtransport.ErrNotWebTransport)
			}
		}},
		{"answered before the upgrade", "418", nil, func(h *webHost) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusTeapot)
				_, err := h.server.Upgrade(w, r, nil)
				assert.Error(t, err)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWeb(t, test.origin, test.handler, func(t *testing.T, h *webHost) {
				_, err := h.dial(t.Context(), "https://server/", http.Header{"Origin": {"https://bad.example"}})
				require.ErrorContains(t, err, test.status)
				<-h.errs
			})
		})
	}
}

func TestNotWebTransport(t *testing.T) {
	inWeb(t, nil, func(h *webHost) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			get := r.Clone(r.Context())
			get.Method = http.MethodGet
			_, err := h.server.Upgrade(w, get, nil)
			assert.ErrorIs(t, err, webtransport.ErrNotWebTransport)
			_, err = h.server.Upgrade(w, r, nil)
			assert.NoError(t, err, "w was untouched")
			_, err = h.server.Upgrade(foreignWriter{}, r, nil)
			assert.ErrorIs(t, err, webtransport.ErrNotWebTransport)
		}
	}, func(t *testing.T, h *webHost) {
		c, err := h.dial(t.Context(), "https://server/", nil, "some")
		require.NoError(t, err)
		assert.Empty(t, c.State().Protocol)
		_, err = h.dial(t.Context(), "http://server/", nil)
		assert.Error(t, err)
		_, err = h.dial(t.Context(), "https://nobody:1/", nil)
		assert.Error(t, err)
	})
}

type foreignWriter struct{ http.ResponseWriter }

// TestServerClose ends sessions with an error, and later connections at once.
func TestServerClose(t *testing.T) {
	inWeb(t, nil, func(h *webHost) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, err := h.server.Upgrade(w, r, nil)
			assert.NoError(t, err)
		}
	}, func(t *testing.T, h *webHost) {
		c, err := h.dial(t.Context(), "https://server/", nil)
		require.NoError(t, err)
		require.NoError(t, h.server.Close())
		<-c.Context().Done()
		var end *quic.ConnError
		require.ErrorAs(t, context.Cause(c.Context()), &end)
		assert.Error(t, end.Err, "no application closed the session")
		<-h.errs
		_, err = h.dial(t.Context(), "https://server/", nil)
		require.Error(t, err)
		assert.ErrorIs(t, <-h.errs, http.ErrServerClosed)
	})
}

// TestRawBesideWebTransport: one listener serves both.
func TestRawBesideWebTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := memnet.New(memnet.Config{Settle: synctest.Wait})
		defer net.Close()
		l, err := net.Node("server").Listen(":1", tlsH3, nil)
		require.NoError(t, err)
		c, err := net.Node("client").Dial(t.Context(), "server:1", &tls.Config{NextProtos: []string{"raw"}}, nil)
		require.NoError(t, err)
		s, err := l.Accept(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "raw", c.State().Protocol)
		assert.Equal(t, quic.QUIC, s.State().Transport)
		assert.Nil(t, s.State().URL)
		assert.Error(t, net.Node("server").NewWebTransportServer(nil).ServeQUICConn(foreignConn{}, nil))
	})
}

type foreignConn struct{ quic.Connection }
