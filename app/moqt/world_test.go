package moqt

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/ports/quic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world is a network in memory in a bubble.
type world struct {
	*testing.T
	net *memnet.Network
	log *syncBuffer
	wg  sync.WaitGroup
}

func bubble(t *testing.T, f func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, log: &syncBuffer{}}
		w.net = memnet.New(memnet.Config{Seed: 1, Settle: synctest.Wait, Link: memnet.Link{Latency: 10 * time.Millisecond}})
		defer w.net.Close() // also where a test has failed
		f(w)
		w.net.Close()
		w.wg.Wait()
		time.Sleep(time.Minute) // what lingers
	})
}

// server returns a server of the node "server" with a router of its own.
func (w *world) server() (*Server, *Router) {
	r := NewRouter()
	node := w.net.Node("server")
	return &Server{
		Addr: ":443", TLSConfig: &tls.Config{}, QUICConfig: &quic.Config{EnableDatagrams: true},
		Handler: r, ListenFunc: node.Listen, NewWebtransportServerFunc: node.NewWebTransportServer,
		Logger: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}, r
}

// serve runs the server until the bubble ends or it is closed.
func (w *world) serve(s *Server) {
	w.wg.Go(func() { require.ErrorIs(w, s.ListenAndServe(), ErrServerClosed) })
	w.net.Wait()
}

// client returns a client on the node.
func (w *world) client(node string) *Client {
	n := w.net.Node(node)
	return &Client{
		QUICConfig:   &quic.Config{EnableDatagrams: true},
		DialQUICFunc: n.Dial, DialWebTransportFunc: n.DialWebTransport,
	}
}

func (w *world) ctx() context.Context {
	ctx, cancel := context.WithTimeout(w.Context(), 30*time.Second)
	w.Cleanup(cancel)
	return ctx
}

func (w *world) dial(node, url string, mux *TrackMux) *Session {
	w.Helper()
	if mux == nil {
		mux = NewTrackMux(nil)
	}
	s, err := w.client(node).Dial(w.ctx(), url, mux)
	require.NoError(w, err)
	return s
}

func (w *world) end(all ...*Session) {
	w.Helper()
	for _, s := range all {
		require.NoError(w, s.CloseWithError(SessionNoError, ""))
	}
	for _, s := range all {
		require.Error(w, s.Wait())
	}
}

func writeGroup(t require.TestingT, w *TrackWriter, frames ...string) {
	g, err := w.AppendGroup()
	require.NoError(t, err)
	for i, f := range frames {
		require.NoError(t, g.WriteFrame(Frame{Payload: []byte(f), Timed: true, Timestamp: uint64(i)}))
	}
	require.NoError(t, g.Close())
}

func readGroup(ctx context.Context, t require.TestingT, r *TrackReader) (seq uint64, frames []string) {
	g, err := r.NextGroup(ctx)
	require.NoError(t, err)
	for f, err := range g.Frames(ctx) {
		require.NoError(t, err)
		frames = append(frames, string(f.Payload))
	}
	return g.Sequence(), frames
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// take empties the buffer.
func (b *syncBuffer) take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.b.String()
	b.b.Reset()
	return s
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

var urls = map[string]string{"quic": "moqt://server/room", "webtransport": "https://server/room"}

func forEach(t *testing.T, f func(w *world, url, version string)) {
	for name, url := range urls {
		for _, v := range Versions() {
			t.Run(fmt.Sprintf("%s %s", name, v), func(t *testing.T) {
				bubble(t, func(w *world) { f(w, url, v) })
			})
		}
	}
}

// sleep lets the bubble's time pass.
func (w *world) sleep(d time.Duration) { time.Sleep(d) }
