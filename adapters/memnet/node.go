package memnet

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strconv"

	"github.com/moqtgo/moqt/ports/quic"
)

// A Node is a host of the network.
type Node struct {
	net       *Network
	name      string
	listeners map[string]*listener // by port
	dials     map[string]int       // by address
	conns     map[*conn]struct{}
	lastPort  int
	stalled   bool
}

// An Addr is a node and a port.
type Addr struct{ Node, Port string }

func (a Addr) Network() string { return "memnet" }
func (a Addr) String() string  { return net.JoinHostPort(a.Node, a.Port) }

// firstPort is the first of the ports that nobody chose.
const firstPort = 49152

// Name returns the name of the node.
func (d *Node) Name() string { return d.name }

// Listen is a quic.ListenAddrFunc. The host of addr is this node whatever it
// says; port 0 picks a free port. There is no TLS: of tlsConf, which may be
// nil, only NextProtos counts.
func (d *Node) Listen(addr string, tlsConf *tls.Config, conf *quic.Config) (quic.Listener, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("memnet: listen: %w", err)
	}
	n := d.net
	n.mu.Lock()
	defer n.release()
	if n.closed {
		return nil, errNetworkClosed
	}
	for port == "0" || port == "" {
		p := strconv.Itoa(firstPort + d.lastPort)
		d.lastPort++
		if d.listeners[p] == nil {
			port = p
		}
	}
	if d.listeners[port] != nil {
		return nil, fmt.Errorf("memnet: listen %s: address already in use", Addr{d.name, port})
	}
	l := &listener{node: d, addr: Addr{d.name, port}}
	if conf != nil {
		l.conf = *conf
	}
	if tlsConf != nil {
		l.protocols = append(l.protocols, tlsConf.NextProtos...)
	}
	for _, p := range l.protocols {
		l.conf.EnableDatagrams = l.conf.EnableDatagrams || p == h3
	}
	d.listeners[port] = l
	return l, nil
}

// Dial is a quic.DialAddrFunc. addr is a node and a port; no host and localhost
// are this node. Of tlsConf, which may be nil, only NextProtos counts. Where
// nobody listens there is silence, and the handshake times out.
func (d *Node) Dial(ctx context.Context, addr string, tlsConf *tls.Config, conf *quic.Config) (quic.Connection, error) {
	var protocols []string
	if tlsConf != nil {
		protocols = tlsConf.NextProtos
	}
	c, err := d.dial(ctx, addr, protocols, conf, false)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// dial makes the two ends and sends the client's first flight. Connections are
// named by their nodes and counted, so that a node that dials one address
// twice at one instant has two connections that nobody can tell apart.
func (d *Node) dial(ctx context.Context, addr string, protocols []string, conf *quic.Config, web bool) (*conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("memnet: dial: %w", err)
	}
	n := d.net
	n.mu.Lock()
	defer n.release()
	if n.closed {
		return nil, &quic.ConnError{Err: errNetworkClosed}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if host == "" || host == "localhost" {
		host = d.name
	}
	to := Addr{host, port}
	d.dials[to.String()]++
	count := d.dials[to.String()]
	from := Addr{d.name, strconv.Itoa(firstPort + count - 1)}
	name := fmt.Sprintf("%s>%v#%d", d.name, to, count)
	c := n.newConn(d, 0, name+">", from, to, conf)
	server := n.newConn(n.node(host), byServer, name+"<", to, from, nil)
	c.peer, server.peer = server, c
	c.web.session = web
	d.conns[c] = struct{}{}
	n.at(n.now()+c.conf.HandshakeIdleTimeout, c.lane, "handshake", 0, c.handshakeTimeout)
	c.wantControl(frame{kind: helloFrame, stream: -1, hello: &hello{
		protocols: append([]string(nil), protocols...), parameters: c.parameters()}})
	for !c.established {
		if err := c.sleep(ctx, &c.handshake); err != nil {
			if c.err == nil {
				err := fmt.Errorf("memnet: dial %v: %w", to, err)
				c.close(&quic.ConnError{Err: err}, &quic.ConnError{Remote: true, Err: errHandshakeCanceled})
			}
			return nil, err
		}
	}
	return c, nil
}

// Crash ends everything of this node without a word: its peers find out by
// their idle timeouts. The node can be used again at once.
func (d *Node) Crash() {
	d.net.mu.Lock()
	defer d.net.release()
	d.crash(errCrashed)
}

// Stall keeps what has arrived from everybody who reads a stream at this node,
// as where a program hangs: windows fill, and peers can write no more. What
// needs no reader, such as acknowledgements and PINGs, goes on.
func (d *Node) Stall() {
	d.net.mu.Lock()
	defer d.net.release()
	d.stalled = true
}

// Resume undoes Stall.
func (d *Node) Resume() {
	n := d.net
	n.mu.Lock()
	defer n.release()
	d.stalled = false
	for c := range d.conns {
		for id, s := range c.streams {
			if h := s.recv; h != nil && len(h.chunks) > 0 { // one at a time
				n.at(n.now(), c.lane, "resume", uint64(id), h.wake.fire)
			}
		}
	}
}

func (d *Node) crash(err error) {
	d.stalled = false
	for _, l := range d.listeners {
		l.close()
	}
	for c := range d.conns {
		c.end(&quic.ConnError{Err: err})
	}
}
