package memnet

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/moqtgo/moqt/ports/quic"
)

var (
	errNetworkClosed = errors.New("memnet: the network was closed")
	errCrashed       = errors.New("memnet: the node has crashed")
	errNoListener    = errors.New("memnet: nobody listens")
)

// A timeoutError ends a connection that has become silent.
type timeoutError string

func (e timeoutError) Error() string   { return "memnet: " + string(e) }
func (e timeoutError) Timeout() bool   { return true }
func (e timeoutError) Temporary() bool { return false }

// A conn is one end of a connection.
type conn struct {
	net           *Network
	node          *Node
	peer          *conn
	link          *link // to the peer
	side          int64 // byServer, or 0
	lane          string
	key           uint64 // hash of seed and lane
	local, remote Addr
	conf          quic.Config
	protocol      string

	// The handshake.
	keys, established bool
	handshake         signal
	hasDatagrams      bool
	peerConf          parameters
	early             []frame
	listener          *listener // until the connection is accepted

	err    error
	ended  signal
	ctx    ending
	stats  quic.Stats
	web    webState
	silent silence

	streams  map[int64]*stream
	opened   [2]outgoing
	accepted [2]incoming
	window   window

	// What is sent.
	seq           uint64
	held          int // packets that a cut link holds
	turn, turns   uint64
	active        bool // the link knows that we have something to send
	control       []frame
	controlSorted bool
	datagrams     [][]byte
	readyQueue    readyQueue
	sent          int64
	sendLimit     int64

	inbox     [][]byte // datagrams
	inboxWake signal
}

func (n *Network) newConn(d *Node, side int64, lane string, local, remote Addr, conf *quic.Config) *conn {
	c := &conn{
		net: n, node: d, link: n.link(local.Node, remote.Node), side: side, lane: lane, key: n.hash(lane),
		local: local, remote: remote, streams: make(map[int64]*stream),
	}
	c.stats.CongestionWindow = quic.Unknown
	c.configure(conf)
	return c
}

func (c *conn) configure(conf *quic.Config) {
	c.conf = conf.WithDefaults()
	c.window = newWindow(c.conf.InitialConnectionReceiveWindow, c.conf.MaxConnectionReceiveWindow)
	c.accepted[bidi].limit = max(0, c.conf.MaxIncomingStreams)
	c.accepted[uni].limit = max(0, c.conf.MaxIncomingUniStreams)
}

// cap is what the transport carries of a code.
func (c *conn) cap(code quic.ErrorCode) quic.ErrorCode {
	if c.web.session {
		return min(code, math.MaxUint32)
	}
	return code
}

func (c *conn) OpenStream(ctx context.Context) (quic.Stream, error) {
	s, err := c.open(ctx, bidi, false)
	if err != nil {
		return nil, err
	}
	return biStream{s.send, s.recv}, nil
}

func (c *conn) OpenUniStream(ctx context.Context) (quic.SendStream, error) {
	s, err := c.open(ctx, uni, false)
	if err != nil {
		return nil, err
	}
	return s.send, nil
}

func (c *conn) TryOpenUniStream() (quic.SendStream, error) {
	s, err := c.open(context.Background(), uni, true)
	if err != nil {
		return nil, err
	}
	return s.send, nil
}

func (c *conn) AcceptStream(ctx context.Context) (quic.Stream, error) {
	s, err := c.accept(ctx, bidi)
	if err != nil {
		return nil, err
	}
	return biStream{s.send, s.recv}, nil
}

func (c *conn) AcceptUniStream(ctx context.Context) (quic.ReceiveStream, error) {
	s, err := c.accept(ctx, uni)
	if err != nil {
		return nil, err
	}
	return s.recv, nil
}

func (c *conn) HandshakeComplete(ctx context.Context) error {
	c.net.mu.Lock()
	defer c.net.release()
	for !c.established {
		if c.err != nil {
			return c.err
		}
		if err := c.sleep(ctx, &c.handshake); err != nil {
			return err
		}
	}
	return nil
}

func (c *conn) CloseWithError(code quic.ErrorCode, reason string) error {
	c.net.mu.Lock()
	defer c.net.release()
	if c.protocol == h3 {
		c.closeHTTP3(code) // no code of the application
		return nil
	}
	c.close(&quic.ConnError{Code: code, Reason: reason}, &quic.ConnError{Code: code, Reason: reason, Remote: true})
	return nil
}

// close ends the connection and tells the peer.
func (c *conn) close(ours, theirs *quic.ConnError) {
	if c.err == nil {
		c.end(ours)
		c.wantControl(frame{kind: closeFrame, stream: -1, code: theirs.Code, err: theirs})
	}
}

// end ends this end, without a word.
func (c *conn) end(err error) {
	if c.err != nil {
		return
	}
	c.err = err
	for _, h := range c.readyQueue {
		h.index = -1
	}
	c.control, c.datagrams, c.readyQueue, c.inbox, c.early = nil, nil, nil, nil, nil
	for _, s := range c.streams {
		if s.send != nil {
			s.send.lost(err)
		}
		if s.recv != nil {
			s.recv.wake.fire()
		}
	}
	c.streams = nil
	c.ended.fire()
	c.ctx.end(err)
	delete(c.node.conns, c)
	c.peer.updateSilence()
}

func (c *conn) Context() context.Context {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	return c.ctx.context()
}

func (c *conn) State() quic.State {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	return c.state()
}

func (c *conn) state() quic.State {
	return quic.State{
		Protocol:   c.protocol,
		LocalAddr:  c.local,
		RemoteAddr: c.remote,
		Priorities: true,
		Datagrams:  c.hasDatagrams,
	}
}

// rtt is the round trip of the two links, without jitter.
func (c *conn) rtt() time.Duration { return c.link.Latency + c.peer.link.Latency }

func (c *conn) Stats() quic.Stats {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	s := c.stats
	s.MinRTT = c.rtt()
	s.SmoothedRTT = s.MinRTT + max(0, c.link.busy-c.net.now())
	s.LatestRTT = s.SmoothedRTT
	if c.link.Rate > 0 && s.MinRTT > 0 {
		s.CongestionWindow = int64(float64(c.link.Rate) * s.MinRTT.Seconds())
	}
	return s
}

// lost counts a packet that the link lost.
func (c *conn) lost(size int64) {
	c.stats.PacketsLost++
	c.stats.BytesLost += size
}
