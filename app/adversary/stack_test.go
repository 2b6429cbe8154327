package adversary

import (
	"context"
	"crypto/tls"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/testutils/simnet"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/adapters/memnet"
	adapter "github.com/moqtgo/moqt/adapters/quicgo"
	"github.com/moqtgo/moqt/ports/quic"
)

// A stack is a network with the nodes relay, publisher and viewer.
type stack struct {
	listen quic.ListenAddrFunc
	dial   func(name string) quic.DialAddrFunc
	name   func(net.Addr) string
	web    bool // sessions are those of WebTransport
	stop   func()
}

func onMemnet(*testing.T) *stack {
	network := memnet.New(memnet.Config{Seed: 1, Settle: synctest.Wait, Link: memnet.Link{Latency: 10 * time.Millisecond}})
	return &stack{
		listen: network.Node("relay").Listen,
		dial:   func(name string) quic.DialAddrFunc { return network.Node(name).Dial },
		name:   func(a net.Addr) string { return a.(memnet.Addr).Node },
		stop:   network.Close,
	}
}

// onQUIC is quic-go on a network of packets.
func onQUIC(t *testing.T) *stack {
	network := &simnet.Simnet{Router: &simnet.PerfectRouter{}}
	link := simnet.NodeBiDiLinkSettings{LatencyFunc: func(simnet.Packet) time.Duration { return 10 * time.Millisecond }}
	addrs := map[string]*net.UDPAddr{}
	sockets := map[string]*adapter.Socket{}
	for i, name := range []string{"relay", "publisher", "viewer"} {
		addrs[name] = &net.UDPAddr{IP: net.IPv4(1, 0, 0, byte(i+1)).To4(), Port: 443}
		sockets[name] = adapter.NewSocket(network.NewEndpoint(addrs[name], link))
	}
	require.NoError(t, network.Start())
	return &stack{
		listen: func(_ string, tlsConf *tls.Config, conf *quic.Config) (quic.Listener, error) {
			return sockets["relay"].Listen(tlsConf, conf)
		},
		dial: func(name string) quic.DialAddrFunc {
			return func(ctx context.Context, _ string, tlsConf *tls.Config, conf *quic.Config) (quic.Connection, error) {
				return sockets[name].Dial(ctx, addrs["relay"], tlsConf, conf)
			}
		},
		name: func(a net.Addr) string {
			for name, addr := range addrs {
				if addr.String() == a.String() {
					return name
				}
			}
			return ""
		},
		stop: func() {
			for _, s := range sockets {
				_ = s.Close()
			}
			_ = network.Close()
		},
	}
}

func onWebTransport(t *testing.T) *stack {
	s := onQUIC(t)
	s.web = true
	return s
}
