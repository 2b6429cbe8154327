// Package quictest is the contract of package quic as a test suite: every
// adapter brings a pipe, a connection between two ends, and calls
// [TestConnection]. It also has a [Puppet], which plays a peer byte by byte.
package quictest

import (
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqtgo/moqt/ports/quic"
)

// failSafe bounds every check. It is a duration of the bubble's clock in a
// bubble, and is never reached by an adapter that works.
const failSafe = 20 * time.Second

// A Config says how to reach the adapter under test.
type Config struct {
	// Bubble runs every subtest in a testing/synctest bubble of its own.
	Bubble bool
	// MakePipe returns the two ends of a new connection; conf holds for both
	// sides. It runs within the subtest's bubble. stop closes both ends and
	// returns when nothing of them is left.
	MakePipe func(t testing.TB, conf *quic.Config) (client, server quic.Connection, stop func())
	// Skip names what the adapter cannot do.
	Skip []Capability
}

// A Capability is something that an adapter may lack. Subtests lists what each
// of them excuses.
type Capability string

const (
	// Priorities: SetPriority has an effect. It goes without saying where
	// State().Priorities is false.
	Priorities Capability = "priorities"
	// ReliableBoundary: SetReliableBoundary has an effect.
	ReliableBoundary Capability = "reliable-boundary"
	// TryWrite: TryWrite takes a small write on an idle stream.
	TryWrite Capability = "try-write"
	// Datagrams: both sides take datagrams if Config.EnableDatagrams asks.
	Datagrams Capability = "datagrams"
	// OpenOrder: waiting calls of OpenStream are served first come first
	// served.
	OpenOrder Capability = "open-order"
)

// Subtests lists the subtests that a missing capability excuses. Every other
// subtest must pass.
var Subtests = map[Capability][]string{
	Priorities:       {"priorities"},
	ReliableBoundary: {"reliable boundary"},
	TryWrite:         {"try write takes a small write"},
	Datagrams:        {"datagram echo", "datagram size", "datagram burst"},
	OpenOrder:        {"open order"},
}

// TestConnection runs every subtest twice: once the client acts and the server
// answers, once the other way round.
func TestConnection(t *testing.T, c Config) {
	skip := make(map[string]Capability)
	for _, capability := range c.Skip {
		names, ok := Subtests[capability]
		if !ok {
			t.Fatalf("quictest: unknown capability %q", capability)
		}
		for _, name := range names {
			skip[name] = capability
		}
	}
	for _, ck := range checks {
		for _, role := range []string{"client", "server"} {
			t.Run(ck.name+"/"+role, func(t *testing.T) {
				if capability, ok := skip[ck.name]; ok {
					t.Skipf("the adapter has no %s", capability)
				}
				run := func(t *testing.T) {
					if err := c.try(t, ck, role == "server"); err != nil {
						t.Error(err)
					}
				}
				if c.Bubble {
					synctest.Test(t, run)
				} else {
					run(t)
				}
			})
		}
	}
}

// A check is one subtest. run reports through the pipe.
type check struct {
	name string
	conf quic.Config
	run  func(*pipe)
}

// checks is the whole suite, in the order in which it runs.
var checks = concat(streamChecks, errorChecks, creditChecks, tryWriteChecks, closeChecks, datagramChecks, loadChecks)

func concat(lists ...[]check) (all []check) {
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

// try runs one check on a fresh pipe and says what is wrong with it.
func (c Config) try(t testing.TB, ck check, swap bool) error {
	conf := ck.conf
	client, server, stop := c.MakePipe(t, &conf)
	p := newPipe(c, t, client, server, stop)
	if swap {
		p.a, p.b = server, client
	}
	return p.run(func() {
		p.handshake()
		ck.run(p)
	})
}

// suiteStacks returns the stacks of the goroutines that run the suite.
func suiteStacks() string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var mine []string
	for stack := range strings.SplitSeq(string(buf), "\n\n") {
		if strings.Contains(stack, "quictest.") {
			mine = append(mine, stack)
		}
	}
	return strings.Join(mine, "\n\n")
}
