package main

import (
	"bytes"
	"crypto/tls"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/app/moqt"
	"github.com/moqtgo/moqt/app/relay"
)

// A bench is a network in memory with a relay, in a bubble.
type bench struct {
	*testing.T
	net   *memnet.Network
	relay *relay.Relay
	wg    sync.WaitGroup
}

func bubble(t *testing.T, f func(b *bench)) {
	synctest.Test(t, func(t *testing.T) {
		b := &bench{T: t, net: memnet.New(memnet.Config{Seed: 1, Settle: synctest.Wait, Link: memnet.Link{Latency: 10 * time.Millisecond}})}
		defer b.net.Close() // also where a test has failed
		var stop func()
		b.relay, stop = b.serve("relay")
		f(b)
		stop()
		b.net.Close()
		b.wg.Wait()
		time.Sleep(2 * time.Minute) // what lingers
	})
}

// serve runs a relay on a node.
func (b *bench) serve(node string) (*relay.Relay, func()) {
	n := b.net.Node(node)
	r := &relay.Relay{Client: &moqt.Client{DialQUICFunc: n.Dial, DialWebTransportFunc: n.DialWebTransport}}
	s := &moqt.Server{
		Addr: ":4443", TLSConfig: &tls.Config{}, Handler: r,
		ListenFunc: n.Listen, NewWebtransportServerFunc: n.NewWebTransportServer,
	}
	b.wg.Go(func() { assert.Error(b, s.ListenAndServe()) })
	b.net.Wait()
	return r, func() { _ = s.Close() }
}

// A command is one that runs in the bubble.
type command struct {
	*world
	stdout, stderr syncBuffer
	interrupt      chan<- os.Signal
	done           chan struct{}
	code           int
}

// start runs a command on a node of its own. $relay in args is the URL of the
// relay.
func (b *bench) start(node string, stdin io.Reader, args ...string) *command {
	n := b.net.Node(node)
	signals := make(chan os.Signal, 1)
	c := &command{interrupt: signals, done: make(chan struct{})}
	c.world = &world{
		in: stdin, out: &c.stdout, err: &c.stderr, signals: signals,
		net: &network{dial: n.Dial, dialWeb: n.DialWebTransport},
	}
	b.wg.Go(func() {
		defer close(c.done)
		c.code = run(args, c.world)
	})
	return c
}

// wait returns the exit code.
func (c *command) wait() int {
	<-c.done
	return c.code
}

func (c *command) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func fields(s string) []string { return strings.Fields(s) }

// sleep lets the time of the bubble pass.
func (b *bench) sleep(d time.Duration) { time.Sleep(d) }

// same compares bytes without printing them.
func (b *bench) same(want []byte, got string) {
	b.Helper()
	if !bytes.Equal(want, []byte(got)) {
		b.Errorf("%d bytes differ from the %d that were sent", len(got), len(want))
	}
}
