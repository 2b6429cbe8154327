package moqt

import (
	"crypto/tls"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/adapters/memnet"
)

func TestHostOf(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.7:443": "192.0.2.7", "[::ffff:192.0.2.7]:443": "192.0.2.7", "127.0.0.1:9": "127.0.0.1", "[::1]:9": "::1",
		"[2001:db8:1:2:3::4]:443": "2001:db8:1:2::/64", "[fe80::1%eth0]:443": "fe80::/64",
	} {
		a, err := net.ResolveUDPAddr("udp", addr)
		if err != nil { // there is no such interface here
			a = &net.UDPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0", Port: 443}
		}
		require.Equal(t, want, hostOf(a), addr)
	}
	require.Equal(t, "node", hostOf(memnet.Addr{Node: "node", Port: "1"}))
	require.Empty(t, hostOf(nil))
}

func TestGate(t *testing.T) {
	at := func(host string) net.Addr { return memnet.Addr{Node: host, Port: "1"} }
	conf := &Config{MaxPending: 5, MaxPendingPerHost: 2, MaxConns: 8, MaxConnsPerHost: 4}
	var g gate
	enter := func(ok bool, hosts ...string) {
		t.Helper()
		for _, h := range hosts {
			err := g.enter(conf, at(h))
			require.Equal(t, ok, err == nil, "%s: %v", h, err)
		}
	}
	settle := func(hosts ...string) {
		for _, h := range hosts {
			g.settle(at(h))
		}
	}
	enter(true, "a", "a")
	enter(false, "a") // has two in their set-up
	enter(true, "b", "b", "c")
	enter(false, "d") // five altogether
	settle("a", "a", "b", "b", "c")
	enter(true, "a", "a")
	settle("a", "a")
	enter(false, "a") // has four
	enter(true, "c")
	settle("c")
	enter(false, "d") // eight altogether
	g.leave(at("b"))
	enter(true, "d")
	require.Equal(t, ServerStats{Conns: 8, Pending: 1, Hosts: 4, RefusedPending: 2, RefusedConns: 2}, g.figures())
	settle("d")
	for _, h := range []string{"a", "a", "a", "a", "b", "c", "c", "d"} {
		g.leave(at(h))
	}
	require.Equal(t, ServerStats{RefusedPending: 2, RefusedConns: 2}, g.figures())

	conf = &Config{MaxPending: -1, MaxPendingPerHost: -1, MaxConns: -1, MaxConnsPerHost: -1}
	for range 100_000 {
		enter(true, "a")
	}
	local := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}
	for range 1000 { // is no host like others
		require.NoError(t, g.enter(&Config{MaxPending: -1, MaxConns: -1}, local))
	}
	require.Error(t, g.enter(&Config{MaxPending: -1, MaxConns: -1, MaxConnsPerHost: 1}, local))
}

func TestDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		conf := &Config{AttemptRate: 10, MaxPending: 4}
		for i := range 15 {
			require.Equal(t, i >= 10, g.doubt(conf), i)
		}
		time.Sleep(time.Second)
		for i := range 15 { // no debt is left
			require.Equal(t, i >= 10, g.doubt(conf), i)
		}
		time.Sleep(time.Second)
		for range 2 {
			require.NoError(t, g.enter(conf, memnet.Addr{Node: "a"}))
		}
		require.True(t, g.doubt(conf), "half of the set-ups are in use")
		require.EqualValues(t, 11, g.figures().Retries)
		require.False(t, g.doubt(&Config{AttemptRate: -1}))
	})
}

// An HTTP/3 connection that asks for nothing does not stay.
func TestSilentHTTP(t *testing.T) {
	bubble(t, func(w *world) {
		s, _ := w.server()
		w.serve(s)
		conn, err := w.net.Node("silent").Dial(w.ctx(), "server:443", &tls.Config{NextProtos: []string{protoH3}}, nil)
		require.NoError(w, err)
		time.Sleep(time.Second)
		require.Equal(w, 1, s.Stats().Pending)
		time.Sleep(6 * time.Second)
		require.Error(w, conn.Context().Err())
		require.Zero(w, s.Stats().Conns)
		require.NoError(w, s.Close())
	})
}
