package memnet_test

import (
	"context"
	"crypto/tls"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/ports/quic"
)

func TestDialErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := memnet.New(memnet.Config{Settle: synctest.Wait, Link: memnet.Link{Latency: time.Millisecond}})
		defer net.Close()
		client, server := net.Node("client"), net.Node("server")
		var end *quic.ConnError

		var err error
		assert.Equal(t, 2*time.Second, took(func() {
			_, err = client.Dial(t.Context(), "server:9", nil, &quic.Config{HandshakeIdleTimeout: 2 * time.Second})
		}), "nobody listens")
		require.ErrorAs(t, err, &end)
		require.Error(t, end.Err)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = client.Dial(ctx, "server:9", nil, nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		_, err = client.Dial(t.Context(), "server", nil, nil)
		require.Error(t, err)

		l, err := server.Listen(":1", &tls.Config{NextProtos: []string{"b", "a"}}, nil)
		require.NoError(t, err)
		_, err = server.Listen(":1", nil, nil)
		require.Error(t, err, "in use")
		for _, offer := range []*tls.Config{nil, {NextProtos: []string{"c"}}} {
			_, err = client.Dial(t.Context(), "server:1", offer, nil)
			require.ErrorAs(t, err, &end)
			assert.True(t, end.Remote)
			var alert tls.AlertError
			require.ErrorAs(t, err, &alert)
		}
		c, err := client.Dial(t.Context(), "server:1", &tls.Config{NextProtos: []string{"a", "b"}}, nil)
		require.NoError(t, err)
		assert.Equal(t, "b", c.State().Protocol, "the server's order counts")

		accepted, err := l.Accept(t.Context())
		require.NoError(t, err)
		waiting, err := client.Dial(t.Context(), "server:1", &tls.Config{NextProtos: []string{"a"}}, nil)
		require.NoError(t, err)
		net.Wait()
		time.Sleep(time.Second)
		require.NoError(t, l.Close())
		_, err = l.Accept(t.Context())
		require.ErrorIs(t, err, quic.ErrListenerClosed)
		<-waiting.Context().Done()
		time.Sleep(time.Second)
		require.NoError(t, accepted.Context().Err(), "accepted connections live on")
		require.NoError(t, c.Context().Err())
	})
}

func TestAcceptHonoursItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := memnet.New(memnet.Config{Settle: synctest.Wait})
		defer net.Close()
		l, err := net.Node("server").Listen(":0", nil, nil)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = l.Accept(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		c, err := net.Node("server").Dial(t.Context(), l.Addr().String(), nil, nil)
		require.NoError(t, err)
		assert.Equal(t, l.Addr(), c.State().RemoteAddr)
	})
}

// TestAllow0RTT: the server has the connection before the handshake is over.
func TestAllow0RTT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := memnet.New(memnet.Config{Settle: synctest.Wait, Link: memnet.Link{Latency: 10 * time.Millisecond}})
		defer net.Close()
		l, err := net.Node("server").Listen(":1", nil, &quic.Config{Allow0RTT: true})
		require.NoError(t, err)
		go func() { _, _ = net.Node("client").Dial(t.Context(), "server:1", nil, nil) }()
		var c quic.Connection
		assert.Equal(t, 10*time.Millisecond, took(func() { c, err = l.Accept(t.Context()) }))
		require.NoError(t, err)
		assert.Equal(t, 20*time.Millisecond, took(func() { err = c.HandshakeComplete(t.Context()) }))
		require.NoError(t, err)
	})
}
