package adversary

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/testutils/simnet"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/adapters/memnet"
	adapter "github.com/moqtgo/moqt/adapters/quicgo"
	"github.com/moqtgo/moqt/adapters/webtransportgo"
	"github.com/moqtgo/moqt/ports/quic"
	"github.com/moqtgo/moqt/ports/webtransport"
)

// A stack is a network with a node that is called relay. Others come to be when
// they are asked for.
type stack struct {
	listen  quic.ListenAddrFunc // at the relay
	upgrade func(checkOrigin func(*http.Request) bool) webtransport.Server
	dial    func(node string) quic.DialAddrFunc // to the relay
	name    func(net.Addr) string
	web     bool              // sessions are those of WebTransport
	wait    func()            // until nothing goes on
	crash   func(node string) // everything of a node ends, without a word
	stop    func()
}

func onMemnet(*testing.T) *stack {
	network := memnet.New(memnet.Config{Seed: 1, Settle: synctest.Wait, Link: memnet.Link{Latency: 10 * time.Millisecond}})
	return &stack{
		listen:  network.Node("relay").Listen,
		upgrade: network.Node("relay").NewWebTransportServer,
		dial:    func(node string) quic.DialAddrFunc { return network.Node(node).Dial },
		name:    func(a net.Addr) string { return a.(memnet.Addr).Node },
		wait:    network.Wait,
		crash:   func(node string) { network.Node(node).Crash() },
		stop:    network.Close,
	}
}

// onQUIC is quic-go on a network of packets.
func onQUIC(t *testing.T) *stack {
	p := &packets{T: t, hosts: map[string]*host{}}
	relay := p.host("relay")
	return &stack{
		listen: func(_ string, tlsConf *tls.Config, conf *quic.Config) (quic.Listener, error) {
			return relay.socket.Listen(tlsConf, conf)
		},
		upgrade: webtransportgo.NewServer,
		dial: func(node string) quic.DialAddrFunc {
			socket := p.host(node).socket
			return func(ctx context.Context, _ string, tlsConf *tls.Config, conf *quic.Config) (quic.Connection, error) {
				return socket.Dial(ctx, relay.addr, tlsConf, conf)
			}
		},
		name:  p.name,
		wait:  synctest.Wait,
		crash: p.crash,
		stop:  p.stop,
	}
}

func onWebTransport(t *testing.T) *stack {
	s := onQUIC(t)
	s.web = true
	return s
}

// packets are a network of hosts with a socket each.
type packets struct {
	*testing.T
	router simnet.PerfectRouter

	mu    sync.Mutex
	hosts map[string]*host
	last  int // of the addresses
}

type host struct {
	addr   *net.UDPAddr
	conn   *simnet.SimConn
	link   *simnet.SimulatedLink
	socket *adapter.Socket
}

func (p *packets) host(name string) *host {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h := p.hosts[name]; h != nil {
		return h
	}
	p.last++
	h := &host{
		addr: &net.UDPAddr{IP: net.IPv4(1, 0, byte(p.last>>8), byte(p.last)).To4(), Port: 443},
		link: &simnet.SimulatedLink{Latency: 10 * time.Millisecond, UploadPacket: &p.router},
	}
	h.conn = simnet.NewBlockingSimConn(h.addr, h.link)
	p.router.AddNode(h.addr, h.link)
	h.link.Start()
	h.socket = adapter.NewSocket(h.conn)
	p.hosts[name] = h
	return h
}

func (p *packets) name(a net.Addr) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, h := range p.hosts {
		if h.addr.String() == a.String() {
			return name
		}
	}
	return ""
}

// crash takes a host from the network; one of its name has another address.
func (p *packets) crash(name string) {
	p.mu.Lock()
	h := p.hosts[name]
	delete(p.hosts, name)
	p.mu.Unlock()
	if h == nil {
		return
	}
	p.router.RemoveNode(h.addr)
	require.NoError(p, h.conn.Close())
	require.NoError(p, h.link.Close())
	require.NoError(p, h.socket.Close())
}

func (p *packets) stop() {
	p.mu.Lock()
	var names []string
	for name := range p.hosts {
		names = append(names, name)
	}
	p.mu.Unlock()
	for _, name := range names {
		p.crash(name)
	}
}
