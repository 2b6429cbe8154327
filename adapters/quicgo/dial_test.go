package quicgo

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/ports/quic"
)

func ips(list string) (addrs []net.IPAddr) {
	for s := range strings.FieldsSeq(list) {
		addrs = append(addrs, net.IPAddr{IP: net.ParseIP(s)})
	}
	return addrs
}

func TestInterleave(t *testing.T) {
	for _, row := range []struct{ in, out string }{
		{"", ""},
		{"127.0.0.1", "127.0.0.1"},
		{"::1 127.0.0.1", "::1 127.0.0.1"},
		{"::1 ::2 ::3 10.0.0.1", "::1 10.0.0.1 ::2 ::3"},
		{"10.0.0.1 10.0.0.2 ::1 ::2", "10.0.0.1 ::1 10.0.0.2 ::2"},
	} {
		var got []string
		for _, a := range interleave(ips(row.in), 443) {
			require.Equal(t, 443, a.Port)
			got = append(got, a.IP.String())
		}
		require.Equal(t, row.out, strings.Join(got, " "), row.in)
	}
}

// fakeConn is told apart by its number and knows whether it was closed.
type fakeConn struct {
	quic.Connection
	n      int
	closed bool
}

func (c *fakeConn) CloseWithError(quic.ErrorCode, string) error {
	c.closed = true
	return nil
}

func TestRace(t *testing.T) {
	type attempt struct {
		after time.Duration
		err   error
		deaf  bool // succeeds although its context was cancelled
	}
	refused := errors.New("refused")
	for _, row := range []struct {
		name     string
		attempts []attempt
		winner   int // -1: none
		took     time.Duration
		closed   int // how many late connections were closed
	}{
		{"the first answers in time", []attempt{{after: 100 * time.Millisecond}, {}}, 0, 100 * time.Millisecond, 0},
		{"the first is deaf", []attempt{{after: time.Hour}, {after: 10 * time.Millisecond}}, 1, 260 * time.Millisecond, 0},
		{"the first fails at once", []attempt{{err: refused}, {after: 10 * time.Millisecond}}, 1, 10 * time.Millisecond, 0},
		{"the first is late but faster", []attempt{{after: 300 * time.Millisecond}, {after: time.Second}}, 0, 300 * time.Millisecond, 0},
		{"the loser is closed", []attempt{{after: 270 * time.Millisecond, deaf: true}, {after: 10 * time.Millisecond}}, 1, 270 * time.Millisecond, 1},
		{"all fail", []attempt{{err: refused}, {err: refused}, {err: refused}}, -1, 0, 0},
		{"one address", []attempt{{after: time.Minute}}, 0, time.Minute, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				addrs := make([]*net.UDPAddr, len(row.attempts))
				conns := make([]*fakeConn, len(row.attempts))
				for i := range addrs {
					addrs[i], conns[i] = &net.UDPAddr{Port: i}, &fakeConn{n: i}
				}
				start := time.Now()
				c, err := race(context.Background(), addrs, func(ctx context.Context, a *net.UDPAddr) (quic.Connection, error) {
					at := row.attempts[a.Port]
					if at.deaf {
						ctx = context.Background()
					}
					select {
					case <-time.After(at.after):
						return conns[a.Port], at.err
					case <-ctx.Done():
						return nil, ctx.Err()
					}
				})
				require.Equal(t, row.took, time.Since(start))
				closed := 0
				for _, c := range conns {
					if c.closed {
						closed++
					}
				}
				require.Equal(t, row.closed, closed)
				if row.winner < 0 {
					require.ErrorIs(t, err, refused)
					return
				}
				require.NoError(t, err)
				require.Equal(t, row.winner, c.(*fakeConn).n)
			})
		})
	}
}

// TestDialLocalhost reaches a server that listens on one of the two families.
func TestDialLocalhost(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "[::1]", ""} {
		t.Run(host, func(t *testing.T) {
			ln, err := Listen(host+":0", serverConf(alpn), nil)
			if err != nil {
				t.Skip("no such family here: ", err)
			}
			defer ln.Close()
			_, port, err := net.SplitHostPort(ln.Addr().String())
			require.NoError(t, err)
			client, err := Dial(deadline(t), "localhost:"+port, clientConf(alpn), nil)
			require.NoError(t, err)
			server, err := ln.Accept(deadline(t))
			require.NoError(t, err)
			require.Equal(t, "localhost", server.State().TLS.ServerName)
			roundTrip(t, client, server)
			closeBoth(t, client, server)
		})
	}
}

// TestListenDualStack: an empty host is both families.
func TestListenDualStack(t *testing.T) {
	ln, err := Listen(":0", serverConf(alpn), nil)
	require.NoError(t, err)
	defer ln.Close()
	port := ln.Addr().(*net.UDPAddr).Port
	for _, host := range []string{"127.0.0.1", "::1"} {
		pc, err := net.ListenPacket("udp", net.JoinHostPort(host, "0"))
		if err != nil {
			t.Log("no such family here: ", err)
			continue
		}
		pc.Close()
		client, err := Dial(deadline(t), (&net.UDPAddr{IP: net.ParseIP(host), Port: port}).String(), clientConf(alpn), nil)
		require.NoError(t, err)
		server, err := ln.Accept(deadline(t))
		require.NoError(t, err)
		roundTrip(t, client, server)
		closeBoth(t, client, server)
	}
}

// TestDialContext: the context ends the handshake and nothing after it.
func TestDialContext(t *testing.T) {
	certificate()
	synctest.Test(t, func(t *testing.T) {
		a, b, stop := simulated(t)
		defer stop()
		ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
		defer cancel()
		_, err := a.Dial(ctx, serverAddr, clientConf(alpn), nil) // nobody listens
		require.ErrorIs(t, err, context.DeadlineExceeded)

		ln, err := b.Listen(serverConf(alpn), nil)
		require.NoError(t, err)
		ctx, cancel = context.WithCancel(context.Background())
		client, err := a.Dial(ctx, serverAddr, clientConf(alpn), nil)
		require.NoError(t, err)
		server, err := ln.Accept(context.Background())
		require.NoError(t, err)
		cancel()
		time.Sleep(time.Minute)
		require.NoError(t, client.Context().Err())
		roundTrip(t, client, server)
		require.NoError(t, ln.Close())
		closeBoth(t, client, server)
	})
}

// TestDialReleasesTheSocket dials from a port that must be free afterwards.
func TestDialReleasesTheSocket(t *testing.T) {
	ln, err := Listen("127.0.0.1:0", serverConf(alpn), nil)
	require.NoError(t, err)
	defer ln.Close()
	client, err := Dial(deadline(t), ln.Addr().String(), clientConf(alpn), nil)
	require.NoError(t, err)
	server, err := ln.Accept(deadline(t))
	require.NoError(t, err)
	addr := server.State().RemoteAddr.String()
	require.NoError(t, server.CloseWithError(0, "")) // the client does nothing
	<-client.Context().Done()
	listenAgain(t, addr)
}

func TestDialErrors(t *testing.T) {
	_, err := Dial(deadline(t), "127.0.0.1:1", nil, nil)
	require.ErrorContains(t, err, "tls.Config")
	_, err = Dial(deadline(t), "127.0.0.1:1", clientConf(), nil)
	require.ErrorContains(t, err, "NextProtos")
	_, err = Dial(deadline(t), "no port", clientConf(alpn), nil)
	require.Error(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = Dial(ctx, "127.0.0.1:1", clientConf(alpn), nil)
	require.ErrorIs(t, err, context.Canceled)
}
