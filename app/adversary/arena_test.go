package adversary

import (
	"context"
	"crypto/tls"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/moqtgo/moqt/app/moqt"
	"github.com/moqtgo/moqt/app/relay"
	"github.com/moqtgo/moqt/ports/quic"
)

// This package plays the rows of docs/threats.md against a relay: each attack
// has a budget of heap and goroutines, at its peak, and must not be noticed by
// an innocent publisher and viewer next door.

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	lite05 = "moq-lite-05"
	moqt16 = "moqt-16"
	moqt19 = "moqt-19"
)

// An arena is a relay under attack in a bubble, on a network in memory or, with
// fewer attackers, on quic-go with a network of packets.
type arena struct {
	*testing.T
	*stack
	quic   bool
	server *moqt.Server
	relay  *relay.Relay
	log    record
	wg     sync.WaitGroup

	publisher, viewer *moqt.Session
	track             *moqt.TrackWriter
	reader            *moqt.TrackReader
	stop              context.CancelFunc
	frames            int

	base figures
}

// figures are what an attack costs.
type figures struct {
	heap       int64
	goroutines int
}

func measure() figures {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return figures{int64(m.HeapAlloc), runtime.NumGoroutine()}
}

// A budget is what an attack may cost at its peak, both ends included: the
// network in memory holds what is under way, and what the attacker has.
type budget struct {
	heap       int64 // bytes
	goroutines int
}

// onTop is what quic-go may take beside that: for its buffers, and for both ends
// of each connection.
var onTop, ofConn = budget{4 * mib, 20}, budget{128 * kib, 12}

const (
	kib = int64(1) << 10
	mib = int64(1) << 20
)

// attack runs f in an arena and wants everything to be as before once the
// attackers have gone.
func attack(t *testing.T, conf *moqt.Config, f func(a *arena)) {
	t.Helper()
	attackUnder(t, rules{conf: conf}, f)
}

// rules are what a relay under attack is set to; zero fields are the defaults.
type rules struct {
	conf      *moqt.Config
	transport *quic.Config
	mux       *moqt.TrackMuxConfig
	prepare   func(a *arena) // changes what is about to be served
}

// attackUnder is attack with other rules.
func attackUnder(t *testing.T, r rules, f func(a *arena)) {
	t.Helper()
	t.Run("memnet", func(t *testing.T) { r.play(t, false, f) })
	t.Run("quic", func(t *testing.T) { r.play(t, true, f) })
}

func (r rules) play(t *testing.T, onQuicgo bool, f func(a *arena)) {
	t.Helper()
	certificate()
	synctest.Test(t, func(t *testing.T) {
		on := onMemnet
		if onQuicgo {
			on = onQUIC
		}
		a := &arena{T: t, stack: on(t), quic: onQuicgo}
		a.relay = &relay.Relay{Mux: moqt.NewTrackMux(r.mux)}
		if r.transport == nil {
			r.transport = &quic.Config{EnableDatagrams: true}
		}
		a.server = &moqt.Server{
			Addr: ":443", TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate()}},
			QUICConfig: r.transport, Config: r.conf, Handler: a.relay,
			ListenFunc: a.stack.listen, NewWebtransportServerFunc: a.stack.upgrade,
			Logger: slog.New(slog.NewTextHandler(&a.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		}
		if r.prepare != nil {
			r.prepare(a)
		}
		a.wg.Go(func() { _ = a.server.ListenAndServe() })
		defer a.stack.stop()
		a.stack.wait()
		a.settle()
		a.base = measure()
		f(a)
		a.after()
	})
}

// few is how many of n an attack has that costs a core too much on quic-go: a
// tenth, but not less than least.
func (a *arena) few(n, least int) int {
	if !a.quic {
		return n
	}
	return max(n/10, least)
}

// settle sets the innocent up.
func (a *arena) settle() {
	a.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	a.stop = cancel
	mux := moqt.NewTrackMux(nil)
	b := moqt.NewBroadcast()
	var err error
	a.track, err = b.Track("video", moqt.TrackInfo{})
	require.NoError(a, err)
	require.NoError(a, mux.Announce(ctx, "innocent", b))
	a.publisher = a.client("publisher", moqt19, mux)
	a.viewer = a.client("viewer", lite05, nil)
	a.reader, err = a.viewer.Subscribe(ctx, "innocent", "video", nil)
	require.NoError(a, err)
	a.check()
}

func (a *arena) client(node, version string, mux *moqt.TrackMux) *moqt.Session {
	a.Helper()
	s, err := a.dial(node, version, "", mux)
	require.NoError(a, err)
	return s
}

// dial is client with a path, which may be refused.
func (a *arena) dial(node, version, path string, mux *moqt.TrackMux) (*moqt.Session, error) {
	c := moqt.Client{
		Config: &moqt.Config{Versions: []string{version}}, QUICConfig: &quic.Config{EnableDatagrams: true},
		TLSConfig: &tls.Config{InsecureSkipVerify: true}, DialQUICFunc: a.stack.dial(node),
	}
	if mux == nil {
		mux = moqt.NewTrackMux(nil)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return c.Dial(ctx, "moqt://relay/"+path, mux)
}

// latency is how long a frame of the innocent takes at the very most: the links
// take 20 ms.
const latency = 100 * time.Millisecond

// check wants a group of the innocent to arrive as if nothing had happened.
func (a *arena) check() {
	a.Helper()
	a.frames++
	want := strings.Repeat("x", a.frames)
	g, err := a.track.AppendGroup()
	require.NoError(a, err)
	_, err = g.Write([]byte(want))
	require.NoError(a, err)
	require.NoError(a, g.Close())
	ctx, cancel := context.WithTimeout(context.Background(), latency)
	defer cancel()
	got, err := a.reader.NextGroup(ctx)
	require.NoError(a, err, "the innocent waits")
	f, err := got.ReadFrame(ctx)
	require.NoError(a, err, "the innocent waits")
	require.Equal(a, want, string(f.Payload))
}

// within wants the attack, as it stands, to cost no more than its budget, and the
// innocent not to notice.
func (a *arena) within(b budget) {
	a.Helper()
	a.check()
	a.cost(b)
}

// cost is the second half of within, and prints what the attack costs.
func (a *arena) cost(b budget) {
	a.Helper()
	now := measure()
	heap, goroutines := max(0, now.heap-a.base.heap), now.goroutines-a.base.goroutines
	if a.quic {
		conns := a.server.Stats().Conns - 2
		b.heap += onTop.heap + int64(conns)*ofConn.heap
		b.goroutines += onTop.goroutines + conns*ofConn.goroutines
	}
	a.Logf("heap +%.1f MiB of %.1f, goroutines +%d of %d", float64(heap)/float64(mib), float64(b.heap)/float64(mib), goroutines, b.goroutines)
	require.LessOrEqual(a, heap, b.heap, "heap")
	require.LessOrEqual(a, goroutines, b.goroutines, "goroutines")
}

// after wants nothing to be left of the attack.
func (a *arena) after() {
	a.Helper()
	a.check()
	a.stop()
	a.reader.Close()
	require.NoError(a, a.publisher.CloseWithError(0, ""))
	require.NoError(a, a.viewer.CloseWithError(0, ""))
	a.pass(2 * time.Minute) // what lingers
	st := a.relay.Stats()
	require.Zero(a, st.Sessions+st.Broadcasts+st.Tracks+st.Subscriptions+st.Watchers, "%+v", st)
	require.Zero(a, st.Cached, "%+v", st)
	figures := a.server.Stats()
	require.Zero(a, figures.Conns+figures.Pending+figures.Sessions+figures.Hosts, "%+v", figures)
	require.NoError(a, a.server.Close())
	a.stack.stop()
	a.wg.Wait()
	a.pass(time.Minute)
	synctest.Wait()
	left := measure()
	require.LessOrEqual(a, left.goroutines, a.base.goroutines, "goroutines are left")
}

// swarm runs f for 0 to n-1, as many at a time as a backlog takes.
func (a *arena) swarm(n int, f func(i int)) {
	backlog := a.few(100, 20)
	for i := 0; i < n; i += backlog {
		var wg sync.WaitGroup
		for k := range min(backlog, n-i) {
			wg.Go(func() { f(i + k) })
		}
		wg.Wait()
	}
}

// pass lets virtual time pass.
func (a *arena) pass(d time.Duration) { time.Sleep(d) }

// A record is the last of a log.
type record struct {
	mu   sync.Mutex
	text []byte
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text = append(r.text, p...)
	r.text = r.text[max(0, len(r.text)-64<<10):]
	return len(p), nil
}

// take empties the record.
func (r *record) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := string(r.text)
	r.text = nil
	return text
}
