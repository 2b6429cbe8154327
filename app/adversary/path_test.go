package adversary

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/app/moqt"
	"github.com/moqtgo/moqt/ports/quic"
)

// Row 26: names and paths that would lead out of where they are if anybody took
// them for files. What is below one root is never reached from another, and
// nothing is what it is not called.
func TestTraversal(t *testing.T) {
	up := []string{"..", "../innocent", "/../innocent", "%2e%2e/innocent", "./innocent", "innocent/.", "innocent/../innocent", "..\\innocent", "innocent\x00", "."}
	eachFamily(t, nil, func(a *arena, v string) {
		for i, name := range up {
			for _, root := range []string{"/evil", "/evil/..", "/evil/%2e%2e", "/evil/."} {
				mux := moqt.NewTrackMux(nil)
				ctx, cancel := context.WithCancel(context.Background())
				require.NoError(a, mux.Announce(ctx, moqt.ParsePath(name), moqt.NewBroadcast()))
				s, err := a.dial("evil", v, root, mux)
				require.NoError(a, err)
				wait, stop := context.WithTimeout(ctx, 5*time.Second)
				r, err := s.Subscribe(wait, moqt.ParsePath(name), "video", nil)
				if err == nil {
					r.Close()
				}
				require.Error(a, err, "%q of %q", name, root)
				stop()
				cancel()
				require.NoError(a, s.CloseWithError(0, ""))
			}
			if i%3 == 0 {
				a.check()
			}
		}
		a.within(budget{heap: 2 * mib, goroutines: 40})
		h := a.relay.HTTPHandler(nil)
		for _, path := range []string{
			"/fetch/evil/../innocent/video", "/fetch/evil/%2e%2e/innocent/video", "/fetch/%2Finnocent/video", "/fetch/innocent%2Fvideo",
			"/fetch/../../etc/passwd", "/fetch/..%2f..%2fetc%2fpasswd/x", "/announced/..%2f..", "/..%2f..%2fetc/passwd",
		} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://relay"+path, nil))
			require.NotContains(a, w.Body.String(), strings.Repeat("x", 1+a.frames/2), "%q", path)
			require.NotContains(a, w.Body.String(), "root:")
		}
	})
}

// Row 23: another publisher of the innocent's name, with other bytes under the
// same locations. Nobody gets a group that is a mixture, and once the attacker
// has gone the innocent is who it was.
func TestPoisoning(t *testing.T) {
	for _, v := range families {
		t.Run(v, func(t *testing.T) {
			attack(t, nil, func(a *arena) {
				mux, b := moqt.NewTrackMux(nil), moqt.NewBroadcast()
				video, err := b.Track("video", moqt.TrackInfo{})
				require.NoError(a, err)
				ctx, cancel := context.WithCancel(context.Background())
				require.NoError(a, mux.Announce(ctx, "poisoned", b))
				victim := a.client("victim", v, mux)
				poison, pb := moqt.NewTrackMux(nil), moqt.NewBroadcast()
				other, err := pb.Track("video", moqt.TrackInfo{})
				require.NoError(a, err)
				a.pass(time.Second)
				viewer := a.client("reader", lite05, nil)
				groups := &tally{whose: map[string]int{}}
				done := make(chan struct{})
				watching, stop := context.WithCancel(context.Background())
				go func() {
					defer close(done)
					for watching.Err() == nil {
						a.readWhole(watching, viewer, groups)
					}
				}()
				write := func(w *moqt.TrackWriter, what string) {
					g, err := w.AppendGroup()
					require.NoError(a, err)
					for range 4 {
						require.NoError(a, g.WriteFrame(moqt.Frame{Payload: []byte(what)}))
						a.pass(5 * time.Millisecond)
					}
					require.NoError(a, g.Close())
				}
				for range 20 {
					write(video, "victim")
				}
				require.NoError(a, poison.Announce(ctx, "poisoned", pb))
				evil := a.client("evil", v, poison)
				for range 20 {
					write(other, "poison")
					write(video, "victim")
				}
				require.NoError(a, evil.CloseWithError(0, ""))
				a.pass(10 * time.Second)
				before := groups.of("victim")
				for range 20 {
					write(video, "victim")
				}
				a.pass(time.Second)
				a.within(budget{heap: 2 * mib, goroutines: 60})
				stop()
				<-done
				a.Logf("groups: %v", groups.whose)
				require.Zero(a, groups.of("mixture"))
				require.Greater(a, groups.of("victim"), before+10, "the innocent is restored")
				cancel()
				require.NoError(a, victim.CloseWithError(0, ""))
				require.NoError(a, viewer.CloseWithError(0, ""))
			})
		})
	}
}

// A tally counts groups by whose they are.
type tally struct {
	mu    sync.Mutex
	whose map[string]int
}

func (t *tally) add(whose string) {
	t.mu.Lock()
	t.whose[whose]++
	t.mu.Unlock()
}

func (t *tally) of(whose string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.whose[whose]
}

// readWhole subscribes to what is poisoned and counts groups by whose they are.
func (a *arena) readWhole(ctx context.Context, viewer *moqt.Session, groups *tally) {
	r, err := viewer.Subscribe(ctx, "poisoned", "video", nil)
	if err != nil {
		a.pass(50 * time.Millisecond)
		return
	}
	defer r.Close()
	for {
		g, err := r.NextGroup(ctx)
		if err != nil {
			return
		}
		whose := ""
		for {
			f, err := g.ReadFrame(ctx)
			if err != nil {
				break
			}
			switch got := string(f.Payload); whose {
			case "", got:
				whose = got
			default:
				whose = "mixture"
			}
		}
		groups.add(whose)
	}
}

// Row 36: a peer that announces everything that it is told of, as if it had it,
// and two that do so to each other over the relay. It comes to rest.
func TestReflections(t *testing.T) {
	t.Run(lite05, func(t *testing.T) {
		attack(t, nil, func(a *arena) {
			e := a.evil("evil", lite05)
			out := e.announces(a)
			hop := a.relay.Mux.Hop()
			reflect := func(path string, hops ...uint64) {
				body := append([]byte{1}, e.number(uint64(len(path)))...)
				body = append(append(body, path...), e.number(uint64(len(hops)))...)
				for _, h := range hops {
					body = append(body, e.number(h)...)
				}
				_, _ = out.Write(append(e.number(uint64(len(body))), body...))
			}
			before := a.relay.Stats().Broadcasts
			reflect("reflected", 5, hop, 7) // it has passed the relay
			reflect("innocent", hop, 7)
			long := make([]uint64, 32)
			for i := range long {
				long[i] = uint64(100 + i)
			}
			a.pass(time.Second)
			require.Equal(a, before, a.relay.Stats().Broadcasts)
			reflect("long", long...) // it may be, but goes no further
			a.pass(time.Second)
			_, gone := e.gone()
			require.False(a, gone)
			watch, err := a.viewer.Announced(a.Context(), "long")
			require.NoError(a, err)
			a.pass(time.Second)
			require.Empty(a, watch.Drain(10), "33 hops")
			watch.Close()
			a.within(budget{heap: mib, goroutines: 40})
			e.leave()
			a.pass(10 * time.Second)
		})
	})
	for _, v := range families {
		t.Run("mirrors/"+v, func(t *testing.T) {
			attack(t, nil, func(a *arena) {
				var told atomic.Int64
				ctx, cancel := context.WithCancel(context.Background())
				var mirrors []*moqt.Session
				for i := range 2 {
					mux := moqt.NewTrackMux(nil)
					s := a.client(fmt.Sprintf("mirror%d", i), v, mux)
					mirrors = append(mirrors, s)
					watch, err := s.Announced(ctx, "")
					require.NoError(a, err)
					mirrored := map[moqt.Path]bool{}
					a.wg.Go(func() {
						for an, err := range watch.All(ctx) {
							if err != nil {
								return
							}
							if told.Add(1); an.Change == moqt.Active && !mirrored[an.Path] {
								mirrored[an.Path] = true
								_ = mux.PublishFunc(ctx, an.Path, func(w *moqt.TrackWriter) { w.CloseWithError(moqt.ErrNotFound) })
							}
						}
					})
				}
				mux, b := moqt.NewTrackMux(nil), moqt.NewBroadcast()
				require.NoError(a, mux.Announce(ctx, "seen", b))
				s := a.client("seen", v, mux)
				a.pass(time.Minute)
				seen := told.Load()
				a.pass(time.Minute)
				require.Equal(a, seen, told.Load(), "it has come to rest")
				a.Logf("%d announcements", seen)
				require.Less(a, seen, int64(100))
				a.cost(budget{heap: 2 * mib, goroutines: 80}) // the innocent's name may be another's for now
				cancel()
				for _, m := range append(mirrors, s) {
					require.NoError(a, m.CloseWithError(0, ""))
				}
				a.pass(20 * time.Second) // the innocent is who it was
				a.resubscribe()
			})
		})
	}
}

// resubscribe makes the innocent viewer come back, as a player would whose
// broadcast was taken over for a while.
func (a *arena) resubscribe() {
	a.Helper()
	a.reader.Close()
	var err error
	a.reader, err = a.viewer.Subscribe(context.Background(), "innocent", "video", nil)
	require.NoError(a, err)
	g, err := a.reader.NextGroup(a.Context())
	require.NoError(a, err)
	_, err = g.ReadFrame(a.Context())
	require.NoError(a, err)
}

var connections = flag.Int("connections", 4000, "how many come and go in TestConnectClose: 1e5 is the long form")

// Row 39: connections that come and go, in every way there is.
func TestConnectClose(t *testing.T) {
	attackUnder(t, rules{conf: &moqt.Config{MaxConnsPerHost: -1, AttemptRate: 1 << 20}}, func(a *arena) {
		ways := []string{lite05, moqt19, moqt16, "moq-lite-03", "moq-lite-04", "moqt-14", "moqt-18"}
		a.swarm(a.few(*connections, 0), func(i int) {
			version := ways[i%len(ways)]
			e := a.connect(fmt.Sprintf("evil%d", i%a.few(50, 0)), version, &quic.Config{})
			if e == nil {
				return
			}
			if i%3 > 0 {
				e.setup("/")
			}
			if i%3 > 1 && (version == lite05 || version == moqt19) {
				e.bidi(e.subscribe(0, "innocent", "video"))
			}
			if i%5 == 0 {
				_ = e.CloseWithError(quic.ErrorCode(i), "")
				return
			}
			e.leave()
		})
		a.pass(time.Minute) // the network remembers a connection until its last timer is due
		require.Equal(a, 2, a.server.Stats().Conns)
		a.within(budget{heap: 4 * mib, goroutines: 20})
	})
}
