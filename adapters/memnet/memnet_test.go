package memnet_test

import (
	"context"
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

// TestOrdered runs the suite over links of every kind.
func TestOrdered(t *testing.T) {
	const ms = time.Millisecond
	for name, link := range map[string]memnet.Link{
		"perfect": {},
		"far":     {Latency: 40 * ms},
		"rough":   {Latency: 10 * ms, Jitter: 20 * ms},
		"lossy":   {Latency: 5 * ms, Jitter: ms, Loss: 0.05},
		"slow":    {Latency: ms, Rate: 10 << 20, Queue: 4},
	} {
		t.Run(name, func(t *testing.T) {
			c := memnet.Config{Seed: 1, Settle: synctest.Wait, Link: link}
			quictest.TestConnection(t, quictest.Config{Bubble: true, MakePipe: pipe(c)})
		})
	}
}

func TestRealTime(t *testing.T) {
	quictest.TestConnection(t, quictest.Config{MakePipe: pipe(memnet.Config{})})
}

func listen(c memnet.Config) func(testing.TB, *quic.Config) (quic.Listener, func(context.Context) (quic.Connection, error), func()) {
	return func(t testing.TB, conf *quic.Config) (quic.Listener, func(context.Context) (quic.Connection, error), func()) {
		net := memnet.New(c)
		l, err := net.Node("server").Listen(":1", nil, conf)
		if err != nil {
			t.Fatal(err)
		}
		return l, func(ctx context.Context) (quic.Connection, error) {
			return net.Node("client").Dial(ctx, "server:1", nil, conf)
		}, net.Close
	}
}

func TestListener(t *testing.T) {
	quictest.TestListener(t, quictest.ListenerConfig{Bubble: true, MakeListener: listen(memnet.Config{Settle: synctest.Wait})})
	quictest.TestListener(t, quictest.ListenerConfig{MakeListener: listen(memnet.Config{})})
}

// TestRealTimeLatency: links have their latency in real time too.
func TestRealTimeLatency(t *testing.T) {
	client, server, stop := memnet.Pipe(memnet.Config{Link: memnet.Link{Latency: 10 * time.Millisecond}}, nil)
	defer stop()
	s, err := client.OpenUniStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if _, err := s.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := server.AcceptUniStream(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(start); d < 10*time.Millisecond {
		t.Errorf("arrived after %v", d)
	}
}
