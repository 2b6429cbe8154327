package session

import (
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
	"github.com/moqtgo/moqt/ports/quic"
	"github.com/moqtgo/moqt/ports/quic/quicfault"
)

// Every frame leaves in one write, and a stream's header leaves with the first.
func TestWritesEqualFrames(t *testing.T) {
	for _, v := range slices.Concat(versions, drafts) {
		for _, size := range []int{1, 160, 1200, 8 << 10, 16 << 10} {
			bubble(t, fmt.Sprintf("%s/%d", v, size), func(t *testing.T, w *world) {
				mux, track, _ := publish("room/alice", "video")
				var local, relayed *quicfault.Counter
				w.wrap = func(c quic.Connection) quic.Connection { local = quicfault.NewCounter(c); return local }
				w.dial("publisher", v, mux)
				w.wrap = nil
				w.sleep(time.Second)
				wrap := func(c quic.Connection) quic.Connection { relayed = quicfault.NewCounter(c); return relayed }
				w.serverWrap.Store(&wrap)
				s := w.dial("watcher", v, nil)
				w.net.Wait()
				r := subscribeTo(t, s, aliceVideo, moq.Subscription{})
				const groups, frames = 3, 10
				deliver := func() {
					g, err := track.AppendGroup()
					require.NoError(t, err)
					var in *moq.GroupReader
					for range frames {
						require.NoError(t, g.WriteFrame(moq.Frame{Payload: make([]byte, size)}))
						if in == nil {
							in = nextGroup(t, r)
						}
						_, err := in.ReadFrame(t.Context())
						require.NoError(t, err)
						w.sleep(33 * time.Millisecond)
					}
					require.NoError(t, g.Close())
				}
				deliver() // and whatever is said once
				w.sleep(time.Second)
				counters := map[string]*quicfault.Counter{"publisher": local, "relay": relayed}
				before := map[string]quicfault.Traffic{}
				for who, c := range counters {
					before[who] = c.Sent()
				}
				for range groups {
					deliver()
				}
				w.sleep(time.Second)
				for who, c := range counters {
					require.EqualValues(t, groups*frames, c.Sent().Calls-before[who].Calls, "%s: writes", who)
					require.EqualValues(t, groups, c.Sent().UniStreams-before[who].UniStreams, "%s: streams", who)
				}
			})
		}
	}
}

// A subscriber whose path is too slow gets the newest groups, and slows nobody
// else down.
func TestSlowSubscriber(t *testing.T) {
	for _, v := range slices.Concat(versions, drafts) {
		bubble(t, v, func(t *testing.T, w *world) {
			mux, track, _ := publish("room/alice", "video")
			w.dial("publisher", v, mux)
			fast, slow := w.dial("fast", v, nil), w.dial("slow", v, nil)
			w.net.SetLink("relay", "slow", memnet.Link{Latency: 10 * time.Millisecond, Rate: 40 << 10})
			rf := subscribeTo(t, fast, aliceVideo, moq.Subscription{})
			rs := subscribeTo(t, slow, aliceVideo, moq.Subscription{})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			newest := make(chan uint64, 1000)
			go func() {
				for g, err := range rs.Groups(ctx) {
					if err != nil {
						return
					}
					go func() {
						for range g.Frames(ctx) {
						}
					}()
					newest <- g.Sequence()
				}
			}()
			const seconds = 40
			for s := range seconds { // 80 KiB a second, in groups of a second
				g, err := track.AppendGroup()
				require.NoError(t, err)
				var in *moq.GroupReader
				for range 10 {
					require.NoError(t, g.WriteFrame(moq.Frame{Payload: make([]byte, 8<<10)}))
					start := time.Now()
					if in == nil {
						in = nextGroup(t, rf)
						require.EqualValues(t, s, in.Sequence())
					}
					_, err := in.ReadFrame(t.Context())
					require.NoError(t, err)
					require.Less(t, time.Since(start), 50*time.Millisecond, "the fast one waits for nobody")
					w.sleep(100*time.Millisecond - time.Since(start))
				}
				require.NoError(t, g.Close())
			}
			var last uint64
			for len(newest) > 0 {
				last = max(last, <-newest)
			}
			require.GreaterOrEqual(t, last, uint64(seconds-4), "the slow one keeps up with the newest groups")
		})
	}
}

// chain serves a second relay that takes everything from the first and offers
// it everything.
func (w *world) chain(name string, hop uint64, version string) (*route.Mux, func()) {
	mux := NewMux(route.Config{Hop: hop})
	lis, err := w.net.Node(name).Listen(":4443", &tls.Config{NextProtos: Protocols(nil)}, nil)
	require.NoError(w.t, err)
	go func() {
		for {
			c, err := lis.Accept(context.Background())
			if err != nil {
				return
			}
			go func() {
				p, err := Open(c.Context(), c, dialect.Server, &Config{Config: dialect.Config{Import: true}})
				if err == nil {
					_, _ = Accept(c.Context(), p, mux.View(route.Scope{}))
				}
			}()
		}
	}()
	w.dialWith(name, version, mux, &Config{Config: dialect.Config{Import: true}}, nil)
	return mux, func() { _ = lis.Close() }
}

func TestTwoRelays(t *testing.T) {
	for _, v := range slices.Concat(versions, drafts) {
		bubble(t, v, func(t *testing.T, w *world) {
			mux, track, _ := publish("room/alice", "video")
			_, stop := w.chain("edge", 100, v)
			defer stop()
			w.dial("publisher", v, mux)
			w.sleep(time.Second)
			s := w.dialTo("edge", "watcher", v)
			watch, err := s.Announced(t.Context(), "room")
			require.NoError(t, err)
			a, err := watch.Next(t.Context())
			require.NoError(t, err)
			require.Equal(t, moq.Path("room/alice"), a.Path)
			write(t, track, 0)
			r := subscribeTo(t, s, aliceVideo, moq.Subscription{})
			g := nextGroup(t, r)
			for i, n := range sizes {
				f, err := g.ReadFrame(t.Context())
				require.NoError(t, err)
				require.Equal(t, payload(0, i, n), f.Payload)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			_, err = watch.Next(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded, "nothing flaps")
		})
	}
}
