// Package memnet is a network in memory: nodes, links with latency, jitter,
// rate, loss and partitions, and connections over them that are as strict as
// QUIC. Limits and flow control hold, a stream is invisible until its first
// byte, a reset may overtake data, and datagrams get lost.
//
// With Config.Settle a network is ordered: it hands over one frame at a time
// and lets everybody settle in between, so that the seed is the schedule.
// Without, it runs in real time.
package memnet

import (
	"io"
	"sync"
	"time"

	"github.com/moqtgo/moqt/ports/quic"
)

// A Config describes a network. The zero value is a perfect network in real
// time.
type Config struct {
	// Seed decides jitter, loss, and the order of what is due at one
	// instant.
	Seed uint64
	// Settle returns when every goroutine waits: synctest.Wait. It makes the
	// network ordered. Only the network may call it: tests call
	// [Network.Wait] instead.
	Settle func()
	// Grain is the step of the clock of a network without Settle: what is due
	// within a step is handed over at its end, which is cheaper than one by
	// one. 0 is none; a link without latency does not wait for it.
	Grain time.Duration
	// Trace takes one line a hand-over and one for every [Network.Trace]. It
	// must not block, nor call the network.
	Trace io.Writer
	// Link is every link that SetLink has not changed.
	Link Link
}

// A Network is a set of nodes and the links between them. Its methods may be
// called concurrently.
type Network struct {
	conf  Config
	start time.Time
	kick  chan struct{} // wakes the loop of an ordered network
	done  chan struct{} // closed when the loop has ended

	mu      sync.Mutex
	nodes   map[string]*Node
	links   map[[2]string]*link
	events  eventQueue
	dirty   []*link
	timer   *time.Timer // of a network in real time
	armed   time.Duration
	waiters []chan struct{}
	notes   []note
	closed  bool
}

// New returns a network without nodes. Close ends it.
func New(c Config) *Network {
	n := &Network{
		conf:  c,
		start: time.Now(),
		kick:  make(chan struct{}, 1),
		done:  make(chan struct{}),
		nodes: make(map[string]*Node),
		links: make(map[[2]string]*link),
		armed: never,
	}
	if n.ordered() {
		go n.loop()
	} else {
		close(n.done)
	}
	return n
}

// Pipe connects two nodes, "client" and "server", of a new network. conf holds
// for both sides. stop ends the network.
func Pipe(c Config, conf *quic.Config) (client, server quic.Connection, stop func()) {
	n := New(c)
	client, server, err := n.pipe(conf)
	if err != nil {
		panic(err) // only a link that loses everything could fail it
	}
	return client, server, n.Close
}

func (n *Network) ordered() bool { return n.conf.Settle != nil }

// now is the age of the network.
func (n *Network) now() time.Duration { return time.Since(n.start) }

// Node returns the node of that name; it comes into being with its first use.
func (n *Network) Node(name string) *Node {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.node(name)
}

func (n *Network) node(name string) *Node {
	d := n.nodes[name]
	if d == nil {
		d = &Node{net: n, name: name, listeners: make(map[string]*listener), dials: make(map[string]int), conns: make(map[*conn]struct{})}
		n.nodes[name] = d
	}
	return d
}

// SetLink changes the link from a to b; the link from b to a is another one.
// What is under way arrives as it was sent.
func (n *Network) SetLink(a, b string, l Link) {
	n.mu.Lock()
	defer n.release()
	k := n.link(a, b)
	k.own = true
	k.set(l)
}

// SetLinks changes every link that SetLink has not, those to come included.
func (n *Network) SetLinks(l Link) {
	n.mu.Lock()
	defer n.release()
	n.conf.Link = l
	for _, k := range n.links {
		if !k.own {
			k.set(l)
		}
	}
}

// Partition cuts the link from a to b: what a sends to b waits for Heal, and
// datagrams are lost. The link from b to a stays; cut both for a clean cut.
func (n *Network) Partition(a, b string) {
	n.mu.Lock()
	defer n.release()
	n.link(a, b).cut()
}

// Heal undoes Partition(a, b).
func (n *Network) Heal(a, b string) {
	n.mu.Lock()
	defer n.release()
	n.link(a, b).heal()
}

// Wait returns when everything of this instant has been handed over and
// everybody has settled. In real time it does not know who is still busy.
func (n *Network) Wait() {
	n.mu.Lock()
	if n.closed || !n.ordered() {
		n.release()
		return
	}
	settled := make(chan struct{})
	n.waiters = append(n.waiters, settled)
	n.release()
	<-settled
}

// Close ends every connection and listener, without a word to their peers, and
// returns when the network has stopped.
func (n *Network) Close() {
	n.mu.Lock()
	if !n.closed {
		n.closed = true
		for _, d := range n.nodes {
			d.crash(errNetworkClosed)
		}
		n.events = nil
		if n.timer != nil {
			n.timer.Stop()
		}
	}
	n.release()
	<-n.done
}
