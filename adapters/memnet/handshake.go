package memnet

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"time"

	"github.com/moqtgo/moqt/ports/quic"
)

var (
	errHandshakeCanceled = errors.New("memnet: the peer gave up the handshake")
	errRefused           = errors.New("memnet: connection refused")
)

// errNoProtocol is the TLS alert of RFC 7301.
const errNoProtocol = tls.AlertError(120)

// backlog is how many connections wait to be accepted.
const backlog = 128

// A hello is one side's part of the handshake: what the client offers, or what
// the server chose.
type hello struct {
	protocols  []string
	parameters parameters
	validated  bool // it answers a Retry
}

// parameters are the transport parameters of one side.
type parameters struct {
	stream, conn int64 // windows
	bidi, uni    int64 // streams
	idle         time.Duration
	datagrams    bool
}

func (c *conn) parameters() parameters {
	return parameters{
		stream:    int64(c.conf.InitialStreamReceiveWindow),
		conn:      int64(c.conf.InitialConnectionReceiveWindow),
		bidi:      c.accepted[bidi].limit,
		uni:       c.accepted[uni].limit,
		idle:      c.conf.MaxIdleTimeout,
		datagrams: c.conf.EnableDatagrams,
	}
}

// learn takes the peer's parameters; from here on everything can be read.
func (c *conn) learn(p parameters) {
	c.peerConf = p
	c.sendLimit = p.conn
	c.opened[bidi].limit, c.opened[uni].limit = p.bidi, p.uni
	c.silent.timeout = min(c.conf.MaxIdleTimeout, p.idle)
	c.hasDatagrams = c.conf.EnableDatagrams && p.datagrams
	c.keys = true
	early := c.early
	c.early = nil
	for i := range early {
		c.receive(&early[i])
	}
}

func (c *conn) establish() {
	c.established = true
	c.handshake.fire()
	c.updateSilence()
}

func (c *conn) handshakeTimeout() {
	if !c.established {
		c.end(&quic.ConnError{Err: timeoutError("handshake did not complete in time")})
	}
}

// receiveHello is where the server's end begins.
func (c *conn) receiveHello(h *hello) {
	l := c.node.listeners[c.local.Port]
	if l == nil {
		c.end(&quic.ConnError{Err: errNoListener}) // silence, as from UDP
		return
	}
	if f := l.conf.VerifySourceAddress; f != nil && !h.validated && f(c.remote) {
		again := *h
		again.validated = true
		c.wantControl(frame{kind: retryFrame, stream: -1, hello: &again})
		return
	}
	c.configure(&l.conf)
	protocol, ok := negotiate(l.protocols, h.protocols)
	if !ok {
		c.refuse(errNoProtocol)
		return
	}
	if len(l.queue) >= backlog {
		c.refuse(errRefused)
		return
	}
	c.protocol = protocol
	c.node.conns[c] = struct{}{}
	c.net.at(c.net.now()+c.conf.HandshakeIdleTimeout, c.lane, "handshake", 0, c.handshakeTimeout)
	c.wantControl(frame{kind: welcomeFrame, stream: -1, hello: &hello{protocols: []string{protocol}, parameters: c.parameters()}})
	c.listener = l
	if l.conf.Allow0RTT {
		l.add(c)
	}
	c.learn(h.parameters)
}

func (c *conn) refuse(err error) {
	c.end(&quic.ConnError{Err: err})
	c.wantControl(frame{kind: refuseFrame, stream: -1, err: &quic.ConnError{Remote: true, Err: err}})
}

func (c *conn) receiveWelcome(h *hello) {
	c.protocol = h.protocols[0]
	c.wantControl(frame{kind: finishedFrame, stream: -1})
	c.learn(h.parameters)
	c.establish()
}

func (c *conn) receiveFinished() {
	c.establish()
	if l := c.listener; l != nil && !l.conf.Allow0RTT {
		l.add(c)
	}
}

// negotiate picks the first protocol of the server that the client offers, as
// crypto/tls does for QUIC.
func negotiate(server, client []string) (string, bool) {
	for _, p := range server {
		if slices.Contains(client, p) {
			return p, true
		}
	}
	return "", len(server) == 0
}

// A listener queues the connections to a port.
type listener struct {
	node      *Node
	addr      Addr
	protocols []string
	conf      quic.Config
	queue     []*conn
	wake      signal
	closed    bool
}

// add queues a connection whose handshake is far enough.
func (l *listener) add(c *conn) {
	c.listener = nil
	if l.closed {
		c.refuseLate()
		return
	}
	l.queue = append(l.queue, c)
	l.wake.fire()
}

func (c *conn) refuseLate() {
	c.close(&quic.ConnError{Err: errRefused}, &quic.ConnError{Remote: true, Err: errRefused})
}

func (l *listener) Accept(ctx context.Context) (quic.Connection, error) {
	n := l.node.net
	n.mu.Lock()
	defer n.release()
	for {
		if l.closed {
			return nil, quic.ErrListenerClosed
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if len(l.queue) > 0 {
			c := l.queue[0]
			l.queue = l.queue[1:]
			return c, nil
		}
		wake := l.wake.wait()
		n.release()
		select {
		case <-wake:
		case <-ctx.Done():
		}
		n.mu.Lock()
	}
}

// Close refuses who waits to be accepted.
func (l *listener) Close() error {
	n := l.node.net
	n.mu.Lock()
	defer n.release()
	l.close()
	return nil
}

func (l *listener) close() {
	if l.closed {
		return
	}
	l.closed = true
	delete(l.node.listeners, l.addr.Port)
	for _, c := range l.queue {
		c.refuseLate()
	}
	l.queue = nil
	l.wake.fire()
}

func (l *listener) Addr() net.Addr { return l.addr }

func (n *Network) pipe(conf *quic.Config) (client, server quic.Connection, err error) {
	l, err := n.Node("server").Listen(":1", nil, conf)
	if err != nil {
		return nil, nil, err
	}
	client, err = n.Node("client").Dial(context.Background(), "server:1", nil, conf)
	if err != nil {
		return nil, nil, err
	}
	server, err = l.Accept(context.Background())
	return client, server, err
}
