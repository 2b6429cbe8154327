package memnet_test

import (
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/ports/quic"
	"github.com/moqtgo/moqt/ports/quic/quictest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func pipe(c memnet.Config) func(testing.TB, *quic.Config) (quic.Connection, quic.Connection, func()) {
	return func(_ testing.TB, conf *quic.Config) (client, server quic.Connection, stop func()) {
		return memnet.Pipe(c, conf)
	}
}

func TestOrdered(t *testing.T) {
	quictest.TestConnection(t, quictest.Config{Bubble: true, MakePipe: pipe(memnet.Config{Settle: synctest.Wait})})
}

func TestOrderedWithLatency(t *testing.T) {
	c := memnet.Config{Seed: 1, Settle: synctest.Wait, Link: memnet.Link{Latency: 10 * time.Millisecond, Jitter: 5 * time.Millisecond}}
	quictest.TestConnection(t, quictest.Config{Bubble: true, MakePipe: pipe(c)})
}

func TestRealTime(t *testing.T) {
	quictest.TestConnection(t, quictest.Config{MakePipe: pipe(memnet.Config{})})
}
