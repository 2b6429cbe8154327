package quicgo

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	quicgo "github.com/quic-go/quic-go"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/ports/quic"
	"github.com/moqtgo/moqt/ports/quic/quictest"
)

func roundTrip(t testing.TB, client, server quic.Connection) {
	t.Helper()
	ctx := deadline(t)
	s, err := client.OpenStream(ctx)
	require.NoError(t, err)
	_, err = s.Write([]byte("ping"))
	require.NoError(t, err)
	require.NoError(t, s.Close())
	r, err := server.AcceptStream(ctx)
	require.NoError(t, err)
	data, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, "ping", string(data))
	require.NoError(t, r.Close())
	_, err = io.ReadAll(s)
	require.NoError(t, err)
}

func TestListener(t *testing.T) {
	quictest.TestListener(t, quictest.ListenerConfig{
		MakeListener: func(t testing.TB, conf *quic.Config) (quic.Listener, func(context.Context) (quic.Connection, error), func()) {
			ln, err := Listen("127.0.0.1:0", serverConf(alpn), conf)
			require.NoError(t, err)
			var mu sync.Mutex
			var dialed []quic.Connection
			dial := func(ctx context.Context) (quic.Connection, error) {
				c, err := Dial(ctx, ln.Addr().String(), clientConf(alpn), nil)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					dialed = append(dialed, c)
				}
				return c, err
			}
			return ln, dial, func() {
				_ = ln.Close()
				mu.Lock()
				defer mu.Unlock()
				for _, c := range dialed {
					_ = c.CloseWithError(0, "")
				}
				listenAgain(t, ln.Addr().String())
			}
		},
	})
}

func TestListenerCloseKeepsConnections(t *testing.T) {
	ln, err := Listen("127.0.0.1:0", serverConf(alpn), nil)
	require.NoError(t, err)
	addr := ln.Addr().String()
	var clients, servers []quic.Connection
	for range 2 {
		c, err := Dial(deadline(t), addr, clientConf(alpn), nil)
		require.NoError(t, err)
		s, err := ln.Accept(deadline(t))
		require.NoError(t, err)
		clients, servers = append(clients, c), append(servers, s)
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := ln.Accept(context.Background())
		waiting <- err
	}()
	require.NoError(t, ln.Close())
	require.NoError(t, ln.Close())
	require.Equal(t, quic.ErrListenerClosed, <-waiting)
	_, err = ln.Accept(context.Background())
	require.Equal(t, quic.ErrListenerClosed, err)

	require.NoError(t, clients[0].CloseWithError(1, ""))
	<-servers[0].Context().Done()
	roundTrip(t, clients[1], servers[1])

	// The port is free once the last connection has ended, and not before.
	_, err = Listen(addr, serverConf(alpn), nil)
	require.Error(t, err)
	require.NoError(t, servers[1].CloseWithError(2, ""))
	<-clients[1].Context().Done()
	listenAgain(t, addr)
}

// listenAgain waits until addr can be listened on.
func listenAgain(t testing.TB, addr string) {
	t.Helper()
	for ctx := deadline(t); ; runtime.Gosched() {
		ln, err := Listen(addr, serverConf(alpn), nil)
		if err == nil {
			require.NoError(t, ln.Close())
			return
		}
		require.NoError(t, ctx.Err(), "the socket was not released")
	}
}

func TestListenerCloseFreesThePort(t *testing.T) {
	ln, err := Listen("127.0.0.1:0", serverConf(alpn), nil)
	require.NoError(t, err)
	addr := ln.Addr().String()
	require.NoError(t, ln.Close())
	ln, err = Listen(addr, serverConf(alpn), nil)
	require.NoError(t, err, "Close of a listener without connections releases the socket at once")
	require.NoError(t, ln.Close())
}

// TestListenerCloseRefusesTheQueue leaves a connection that nobody accepts.
func TestListenerCloseRefusesTheQueue(t *testing.T) {
	certificate()
	synctest.Test(t, func(t *testing.T) {
		a, b, stop := simulated(t)
		defer stop()
		ln, err := b.Listen(serverConf(alpn), nil)
		require.NoError(t, err)
		client, err := a.Dial(context.Background(), serverAddr, clientConf(alpn), nil)
		require.NoError(t, err)
		time.Sleep(time.Second)
		require.NoError(t, ln.Close())
		<-client.Context().Done()
		require.Equal(t, &quic.ConnError{Remote: true}, context.Cause(client.Context()))
	})
}

// TestIdleConnectionReleasesTheSocket ends a connection without a close: the
// other side has vanished.
func TestIdleConnectionReleasesTheSocket(t *testing.T) {
	certificate()
	synctest.Test(t, func(t *testing.T) {
		a, b, stop := simulated(t)
		defer stop()
		ln, err := b.Listen(serverConf(alpn), nil)
		require.NoError(t, err)
		client, err := a.Dial(context.Background(), serverAddr, clientConf(alpn), nil)
		require.NoError(t, err)
		server, err := ln.Accept(context.Background())
		require.NoError(t, err)
		require.NoError(t, ln.Close())
		require.NoError(t, b.Close())
		_ = a.transport.Conn.Close() // nothing comes and goes any more
		start := time.Now()
		<-server.Context().Done()
		require.InDelta(t, 30, time.Since(start).Seconds(), 6)
		err = context.Cause(server.Context())
		var lost *quic.ConnError
		var idle *quicgo.IdleTimeoutError
		require.ErrorAs(t, err, &lost)
		require.ErrorAs(t, err, &idle)
		synctest.Wait()
		require.True(t, b.done, "the socket is still held")
		<-client.Context().Done()
	})
}

// TestSlowHandshake starts handshakes that never end. They do not keep others
// from being accepted.
func TestSlowHandshake(t *testing.T) {
	certificate()
	synctest.Test(t, func(t *testing.T) {
		a, b, stop := simulated(t)
		defer stop()
		// The server waits for the client in this callback.
		conf := serverConf(alpn)
		hold := make(chan struct{})
		conf.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			if hello.ServerName == "slow" {
				<-hold
			}
			return nil, nil
		}
		ln, err := b.Listen(conf, nil)
		require.NoError(t, err)
		var wg sync.WaitGroup
		ctx, cancel := context.WithCancel(context.Background())
		for range 5 {
			wg.Go(func() {
				slow := clientConf(alpn)
				slow.ServerName = "slow"
				_, err := a.Dial(ctx, serverAddr, slow, nil)
				if !errors.Is(err, context.Canceled) {
					t.Errorf("a handshake that nobody answers: %v", err)
				}
			})
		}
		synctest.Wait()
		client, err := a.Dial(context.Background(), serverAddr, clientConf(alpn), nil)
		require.NoError(t, err)
		server, err := ln.Accept(context.Background())
		require.NoError(t, err)
		cancel()
		wg.Wait()
		close(hold)
		require.NoError(t, ln.Close())
		closeBoth(t, client, server)
	})
}

// TestAcceptEarly: only Allow0RTT lets Accept return before the handshake ends.
func TestAcceptEarly(t *testing.T) {
	certificate()
	for _, early := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			a, b, stop := simulated(t)
			defer stop()
			conf := &quic.Config{Allow0RTT: early}
			ln, err := b.Listen(serverConf(alpn), conf)
			require.NoError(t, err)
			var client quic.Connection
			dialed := make(chan error, 1)
			start := time.Now()
			go func() {
				var err error
				client, err = a.Dial(context.Background(), serverAddr, clientConf(alpn), nil)
				dialed <- err
			}()
			server, err := ln.Accept(context.Background())
			require.NoError(t, err)
			accepted := time.Since(start)
			require.NoError(t, server.HandshakeComplete(context.Background()))
			complete := time.Since(start)
			if early {
				require.Less(t, accepted, complete)
			} else {
				require.Equal(t, accepted, complete)
			}
			require.NoError(t, <-dialed)
			require.NoError(t, ln.Close())
			closeBoth(t, client, server)
		})
	}
}

// TestHandshakeCompleteWaits has a client that vanishes in the middle.
func TestHandshakeCompleteWaits(t *testing.T) {
	certificate()
	synctest.Test(t, func(t *testing.T) {
		a, b, stop := simulated(t)
		defer stop()
		ln, err := b.Listen(serverConf(alpn), &quic.Config{Allow0RTT: true})
		require.NoError(t, err)
		// The server's certificate is refused, so the client never finishes.
		dialed := make(chan error, 1)
		go func() {
			_, err := a.Dial(context.Background(), serverAddr, &tls.Config{NextProtos: []string{alpn}}, nil)
			dialed <- err
		}()
		server, err := ln.Accept(context.Background())
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		require.ErrorIs(t, server.HandshakeComplete(ctx), context.DeadlineExceeded)
		var lost *quic.ConnError
		require.ErrorAs(t, server.HandshakeComplete(context.Background()), &lost)
		require.Error(t, lost.Err, "a TLS alert is not an application close")
		require.Error(t, <-dialed)
		require.NoError(t, ln.Close())
		<-server.Context().Done()
	})
}

func TestListenErrors(t *testing.T) {
	_, err := Listen("127.0.0.1:0", nil, nil)
	require.ErrorContains(t, err, "tls.Config")
	_, err = Listen("127.0.0.1:0", serverConf(), nil)
	require.ErrorContains(t, err, "NextProtos")
	_, err = Listen("no port", serverConf(alpn), nil)
	require.Error(t, err)

	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	s := NewSocket(pc)
	ln, err := s.Listen(serverConf(alpn), nil)
	require.NoError(t, err)
	_, err = s.Listen(serverConf(alpn), nil)
	require.Error(t, err, "one listener at a time")
	require.NoError(t, ln.Close())
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	_, err = s.Listen(serverConf(alpn), nil)
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = s.Dial(context.Background(), serverAddr, clientConf(alpn), nil)
	require.ErrorIs(t, err, net.ErrClosed)
}

// TestSharedSocket dials and listens on the same two sockets.
func TestSharedSocket(t *testing.T) {
	certificate()
	synctest.Test(t, func(t *testing.T) {
		a, b, stop := simulated(t)
		defer stop()
		lnA, err := a.Listen(serverConf(alpn), nil)
		require.NoError(t, err)
		lnB, err := b.Listen(serverConf(alpn), nil)
		require.NoError(t, err)
		there, err := a.Dial(context.Background(), serverAddr, clientConf(alpn), nil)
		require.NoError(t, err)
		theirs, err := lnB.Accept(context.Background())
		require.NoError(t, err)
		conf := clientConf(alpn)
		conf.ServerName = "localhost"
		back, err := b.Dial(context.Background(), clientAddr, conf, nil)
		require.NoError(t, err)
		ours, err := lnA.Accept(context.Background())
		require.NoError(t, err)
		roundTrip(t, there, theirs)
		roundTrip(t, back, ours)
		require.NoError(t, lnA.Close())
		require.NoError(t, lnB.Close())
		roundTrip(t, there, theirs)
		closeBoth(t, there, theirs)
		closeBoth(t, back, ours)
	})
}

// TestPlainUDP: offload, ECN and batches need an unwrapped *net.UDPConn. Ours
// has what quic-go's own listener has.
func TestPlainUDP(t *testing.T) {
	ln, err := Listen("127.0.0.1:0", serverConf(alpn), nil)
	require.NoError(t, err)
	client, err := Dial(deadline(t), ln.Addr().String(), clientConf(alpn), nil)
	require.NoError(t, err)
	server, err := ln.Accept(deadline(t))
	require.NoError(t, err)
	plain, err := quicgo.ListenAddr("127.0.0.1:0", serverConf(alpn), nil)
	require.NoError(t, err)
	ref, err := quicgo.DialAddr(deadline(t), plain.Addr().String(), clientConf(alpn), nil)
	require.NoError(t, err)
	gso := ref.ConnectionState().GSO
	require.Equal(t, gso, client.(*Conn).QUICConn().ConnectionState().GSO)
	require.Equal(t, gso, server.(*Conn).QUICConn().ConnectionState().GSO)
	require.NoError(t, ref.CloseWithError(0, ""))
	require.NoError(t, plain.Close())
	require.NoError(t, ln.Close())
	closeBoth(t, client, server)
	runtime.KeepAlive(ref)
}
