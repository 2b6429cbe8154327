package webtransportgo

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/ports/quic"
)

func TestDialStatus(t *testing.T) {
	for _, status := range []int{http.StatusNotFound, http.StatusFound, http.StatusServiceUnavailable} {
		certificate()
		synctest.Test(t, func(t *testing.T) {
			a, b, stop := network(t)
			ln, err := b.Listen(serverConf("h3"), nil)
			require.NoError(t, err)
			server := NewServer(nil)
			done := make(chan error, 1)
			go func() {
				conn, err := ln.Accept(context.Background())
				if err == nil {
					err = server.ServeQUICConn(conn, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						w.WriteHeader(status)
					}))
				}
				done <- err
			}()
			_, err = dialFrom(a)(context.Background(), "https://localhost/", nil, nil, clientConf(), nil)
			var e *StatusError
			require.ErrorAs(t, err, &e)
			require.Equal(t, status, e.StatusCode)
			require.ErrorContains(t, err, http.StatusText(status))
			require.NoError(t, <-done, "the connection was left open")
			require.NoError(t, server.Close())
			require.NoError(t, ln.Close())
			stop()
		})
	}
}

// TestDialContext: the context bounds a server that does not answer, and
// nothing after dialing.
func TestDialContext(t *testing.T) {
	certificate()
	synctest.Test(t, func(t *testing.T) {
		a, b, stop := network(t)
		ln, err := b.Listen(serverConf("h3"), nil)
		require.NoError(t, err)
		server := NewServer(nil)
		sessions := make(chan quic.Connection, 1)
		answer := false
		done := make(chan error, 2)
		go func() {
			for range 2 {
				conn, err := ln.Accept(context.Background())
				if err != nil {
					return
				}
				go func() {
					done <- server.ServeQUICConn(conn, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if !answer {
							<-r.Context().Done()
							return
						}
						sess, err := server.Upgrade(w, r, nil)
						if err == nil {
							sessions <- sess
						}
					}))
				}()
			}
		}()
		dial := dialFrom(a)
		start := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		_, err = dial(ctx, "https://localhost/", nil, nil, clientConf(), nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 3*time.Second, time.Since(start))
		cancel()
		require.NoError(t, <-done)

		answer = true
		ctx, cancel = context.WithCancel(context.Background())
		client, err := dial(ctx, "https://localhost/", nil, nil, clientConf(), nil)
		require.NoError(t, err)
		cancel()
		time.Sleep(time.Minute)
		require.NoError(t, client.Context().Err())
		closeBoth(t, client, <-sessions)
		require.NoError(t, <-done)
		require.NoError(t, server.Close())
		require.NoError(t, ln.Close())
		stop()
	})
}

// TestDialPlainHTTP3 finds a server without WebTransport.
func TestDialPlainHTTP3(t *testing.T) {
	certificate()
	synctest.Test(t, func(t *testing.T) {
		a, b, stop := network(t)
		ln, err := b.Listen(serverConf("h3"), nil)
		require.NoError(t, err)
		server := &http3.Server{Handler: http.NotFoundHandler()}
		done := make(chan error, 1)
		go func() {
			conn, err := ln.Accept(context.Background())
			if err == nil {
				qc, _ := quicConn(conn)
				err = server.ServeQUICConn(qc)
			}
			done <- err
		}()
		_, err = dialFrom(a)(context.Background(), "https://localhost/", nil, nil, clientConf(), nil)
		require.ErrorContains(t, err, "server didn't enable")
		<-done
		require.NoError(t, ln.Close())
		stop()
	})
}

func TestDialArguments(t *testing.T) {
	refused := errors.New("not dialed")
	var addr string
	var conf *tls.Config
	dial := NewDialFunc(func(_ context.Context, a string, c *tls.Config, _ *quic.Config) (quic.Connection, error) {
		addr, conf = a, c
		return nil, refused
	})
	for _, u := range []string{"http://localhost/", "moqt://localhost/", "https:///path", "https://[::1", "localhost:443"} {
		addr = ""
		_, err := dial(context.Background(), u, nil, nil, nil, nil)
		require.Error(t, err, u)
		require.Empty(t, addr, u)
	}
	for u, want := range map[string]string{
		"https://localhost/":        "localhost:443",
		"https://localhost:4433/?a": "localhost:4433",
		"https://[::1]/x":           "[::1]:443",
	} {
		given := &tls.Config{NextProtos: []string{"other"}, ServerName: "name"}
		_, err := dial(context.Background(), u, nil, nil, given, nil)
		require.ErrorIs(t, err, refused)
		require.Equal(t, want, addr)
		require.Equal(t, []string{"h3"}, conf.NextProtos)
		require.Equal(t, "name", conf.ServerName)
		require.Equal(t, []string{"other"}, given.NextProtos, "the caller's config was changed")
	}
}
