package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
	"github.com/moqtgo/moqt/ports/quic"
)

var aliceVideo = moq.FullTrackName{Path: "room/alice", Name: "video"}

func hello(t *testing.T, w *moq.TrackWriter, text string) *moq.GroupWriter {
	t.Helper()
	g, err := w.AppendGroup()
	require.NoError(t, err)
	require.NoError(t, g.WriteFrame(moq.Frame{Payload: []byte(text)}))
	return g
}

func wantFrame(t *testing.T, g *moq.GroupReader, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	f, err := g.ReadFrame(ctx)
	require.NoError(t, err)
	require.Equal(t, text, string(f.Payload))
}

func nextGroup(t *testing.T, r *moq.TrackReader) *moq.GroupReader {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	g, err := r.NextGroup(ctx)
	require.NoError(t, err)
	return g
}

func subscribeTo(t *testing.T, s *Session, name moq.FullTrackName, sub moq.Subscription) *moq.TrackReader {
	t.Helper()
	r, err := s.Subscribe(t.Context(), name, sub)
	require.NoError(t, err)
	return r
}

// A late subscriber gets the current open group from its first frame, and a
// second one costs the publisher nothing.
func TestLateJoin(t *testing.T) {
	for _, v := range slices.Concat(versions, drafts) {
		bubble(t, v, func(t *testing.T, w *world) {
			mux, track, _ := publish("room/alice", "video")
			p := w.dial("publisher", v, mux)
			g := hello(t, track, "one")
			s := w.dial("first", v, nil)
			r := subscribeTo(t, s, aliceVideo, moq.Subscription{})
			g1 := nextGroup(t, r)
			wantFrame(t, g1, "one")
			require.NoError(t, g.WriteFrame(moq.Frame{Payload: []byte("two")}))
			wantFrame(t, g1, "two")

			late := w.dial("late", v, nil)
			r2 := subscribeTo(t, late, aliceVideo, moq.Subscription{})
			g2 := nextGroup(t, r2)
			wantFrame(t, g2, "one")
			wantFrame(t, g2, "two")
			require.NoError(t, g.WriteFrame(moq.Frame{Payload: []byte("three")}))
			wantFrame(t, g1, "three")
			wantFrame(t, g2, "three")
			require.Equal(t, 1, track.Track().Demand().Readers, "one upstream subscription serves all")

			r.Close()
			r2.Close()
			w.sleep(29 * time.Second)
			require.Equal(t, 1, track.Track().Demand().Readers, "an idle track lingers")
			w.sleep(2 * time.Second)
			require.Equal(t, 0, track.Track().Demand().Readers, "and is dropped")
			_ = p.CloseWithError(0, "")
		})
	}
}

// Who wants only what is to come gets that, where the version says what there
// is already; who is the first to ask, too.
func TestFromNow(t *testing.T) {
	for _, v := range slices.Concat(versions, drafts) {
		for from, name := range map[moq.From]string{moq.FromNext: "group", moq.FromLargest: "object"} {
			bubble(t, v+"/the next "+name, func(t *testing.T, w *world) {
				mux, track, _ := publish("room/alice", "video")
				p := w.dial("publisher", v, mux)
				g := hello(t, track, "one")
				s := w.dial("subscriber", v, nil)
				r := subscribeTo(t, s, aliceVideo, moq.Subscription{From: from})
				require.NoError(t, g.WriteFrame(moq.Frame{Payload: []byte("two")}))
				require.NoError(t, g.Close())
				w.sleep(time.Second)
				hello(t, track, "three")
				if slices.Contains(versions, v) {
					g := nextGroup(t, r)
					wantFrame(t, g, "one")
					wantFrame(t, g, "two")
				} else if from == moq.FromLargest {
					wantFrame(t, nextGroup(t, r), "two")
				}
				wantFrame(t, nextGroup(t, r), "three")
				r.Close()
				_ = p.CloseWithError(0, "")
				_ = s.CloseWithError(0, "")
			})
		}
	}
}

// A publisher that vanishes lingers; one of the same content that comes back
// in time continues the very group that was open.
func TestResume(t *testing.T) {
	for _, v := range []string{"moq-lite-05", "moq-lite-04"} {
		bubble(t, v, func(t *testing.T, w *world) {
			mux, track, _ := publish("room/alice", "video")
			conf := &Config{Config: dialect.Config{Hop: 7}}
			p := w.dialWith("publisher", v, mux, conf, nil)
			g := hello(t, track, "one")
			s := w.dial("watcher", v, nil)
			watch, err := s.Announced(t.Context(), "")
			require.NoError(t, err)
			r := subscribeTo(t, s, aliceVideo, moq.Subscription{})
			g1 := nextGroup(t, r)
			wantFrame(t, g1, "one")
			a, err := watch.Next(t.Context())
			require.NoError(t, err)
			require.Equal(t, route.Active, a.Change)

			_ = p.CloseWithError(1, "crash")
			w.sleep(3 * time.Second)
			p = w.dialWith("publisher", v, mux, conf, nil)
			require.NoError(t, g.WriteFrame(moq.Frame{Payload: []byte("two")}))
			wantFrame(t, g1, "two")
			require.NoError(t, g.Close())
			hello(t, track, "next")
			wantFrame(t, nextGroup(t, r), "next")

			_ = p.CloseWithError(1, "crash")
			start := time.Now()
			for a.Change != route.Ended {
				a, err = watch.Next(t.Context())
				require.NoError(t, err)
				require.NotEqual(t, route.Replaced, a.Change)
			}
			require.InDelta(t, 5, time.Since(start).Seconds(), 0.5)
			_, err = r.NextGroup(t.Context())
			require.ErrorIs(t, err, moq.ErrDropped)
		})
	}
}

// Another publisher takes a name over; when it leaves, the earlier one is
// restored.
func TestTakeover(t *testing.T) {
	for _, v := range slices.Concat(versions, drafts) {
		bubble(t, v, func(t *testing.T, w *world) {
			first, track1, _ := publish("room/alice", "video")
			second, track2, _ := publish("room/alice", "video")
			hello(t, track1, "first")
			hello(t, track2, "second")
			p1 := w.dialWith("p1", v, first, &Config{Config: dialect.Config{Hop: 1}}, nil)
			w.sleep(time.Second)
			s := w.dial("watcher", v, nil)
			watch, err := s.Announced(t.Context(), "room")
			require.NoError(t, err)
			want := func(c route.Change) {
				t.Helper()
				a, err := watch.Next(t.Context())
				require.NoError(t, err)
				if c == route.Replaced && a.Change == route.Ended { // seen in two steps
					a, err = watch.Next(t.Context())
					require.NoError(t, err)
					c = route.Active
				}
				require.Equal(t, c, a.Change)
			}
			want(route.Active)
			r := subscribeTo(t, s, aliceVideo, moq.Subscription{})
			wantFrame(t, nextGroup(t, r), "first")

			p2 := w.dialWith("p2", v, second, &Config{Config: dialect.Config{Hop: 2}}, nil)
			want(route.Replaced)
			_, err = r.NextGroup(t.Context())
			require.Error(t, err)
			require.NotErrorIs(t, err, io.EOF, "the track has not ended well")
			r = subscribeTo(t, s, aliceVideo, moq.Subscription{})
			wantFrame(t, nextGroup(t, r), "second")

			_ = p2.CloseWithError(1, "crash")
			want(route.Replaced)
			_, err = r.NextGroup(t.Context())
			require.Error(t, err)
			require.NotErrorIs(t, err, io.EOF, "the track has not ended well")
			r = subscribeTo(t, s, aliceVideo, moq.Subscription{})
			wantFrame(t, nextGroup(t, r), "first")
			_ = p1.CloseWithError(0, "")
			want(route.Ended)
		})
	}
}

// A standby of the same content takes over without a word.
func TestStandby(t *testing.T) {
	bubble(t, "", func(t *testing.T, w *world) {
		first, track1, _ := publish("room/alice", "video")
		second, track2, _ := publish("room/alice", "video")
		conf := &Config{Config: dialect.Config{Hop: 7}}
		p1 := w.dialWith("p1", versions[0], first, conf, nil)
		w.sleep(time.Second)
		w.dialWith("p2", versions[0], second, conf, nil)
		w.sleep(time.Second)
		s := w.dial("watcher", versions[0], nil)
		watch, err := s.Announced(t.Context(), "room")
		require.NoError(t, err)
		_, err = watch.Next(t.Context())
		require.NoError(t, err)
		r := subscribeTo(t, s, aliceVideo, moq.Subscription{})
		both := func(f func(w *moq.TrackWriter)) { f(track1); f(track2) }
		var open []*moq.GroupWriter
		both(func(w *moq.TrackWriter) { open = append(open, hello(t, w, "one")) })
		g := nextGroup(t, r)
		wantFrame(t, g, "one")
		_ = p1.CloseWithError(1, "crash")
		w.sleep(100 * time.Millisecond)
		for _, o := range open {
			require.NoError(t, o.WriteFrame(moq.Frame{Payload: []byte("two")}))
			require.NoError(t, o.Close())
		}
		wantFrame(t, g, "two")
		_, err = g.ReadFrame(t.Context())
		require.ErrorIs(t, err, io.EOF)
		both(func(w *moq.TrackWriter) { hello(t, w, "next") })
		wantFrame(t, nextGroup(t, r), "next")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err = watch.Next(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded, "nothing has changed for the watcher")
	})
}

// A subscription that comes before the announcement is served when that comes.
func TestSubscribeFirst(t *testing.T) {
	bubble(t, "", func(t *testing.T, w *world) {
		s := w.dial("watcher", versions[0], nil)
		mux, track, _ := publish("room/alice", "video")
		hello(t, track, "one")
		got := make(chan error)
		var r *moq.TrackReader
		go func() {
			var err error
			r, err = s.Subscribe(t.Context(), aliceVideo, moq.Subscription{})
			got <- err
		}()
		w.sleep(500 * time.Millisecond)
		w.dial("publisher", versions[0], mux)
		require.NoError(t, <-got)
		wantFrame(t, nextGroup(t, r), "one")
	})
}

// Names on a session are below the path of its connection.
func TestRepublish(t *testing.T) {
	for _, v := range slices.Concat(versions, drafts) {
		bubble(t, v, func(t *testing.T, w *world) {
			mux := NewMux(route.Config{})
			w.dial("publisher", v, mux)
			s := w.dial("watcher", v, nil)
			watch, err := s.Announced(t.Context(), "room")
			require.NoError(t, err)
			for i := range 3 {
				track := moq.NewTrack(aliceVideo, moq.CacheLimits{}, nil)
				track.SetInfo(moq.TrackInfo{Timescale: 1000})
				tw := moq.NewTrackWriter(track, time.Now)
				pub, err := mux.View(route.Scope{}).Publish("room/alice", route.Route{}, &source{map[string]*moq.Track{"video": track}})
				require.NoError(t, err)
				a, err := watch.Next(t.Context())
				require.NoError(t, err)
				require.Equal(t, route.Active, a.Change)
				r := subscribeTo(t, s, aliceVideo, moq.Subscription{})
				text := string(rune('a' + i))
				g := hello(t, tw, text)
				wantFrame(t, nextGroup(t, r), text)
				require.NoError(t, g.Close())
				require.NoError(t, tw.Close())
				pub.End()
				a, err = watch.Next(t.Context())
				require.NoError(t, err)
				require.Equal(t, route.Ended, a.Change)
				_, err = r.NextGroup(t.Context())
				require.ErrorIs(t, err, io.EOF)
				r.Close()
			}
		})
	}
}

func TestFetch(t *testing.T) {
	for _, v := range versions[:3] {
		bubble(t, v, func(t *testing.T, w *world) {
			mux, track, _ := publish("room/alice", "video")
			write(t, track, 0)
			write(t, track, 1)
			w.dial("publisher", v, mux)
			s := w.dial("watcher", v, nil)
			w.sleep(time.Second)
			fetch := func(group uint64) (n int, err error) {
				r, err := s.Fetch(t.Context(), moq.GroupFetch(aliceVideo, group, 0))
				if err != nil {
					return 0, err
				}
				defer r.Close()
				for {
					f, err := r.Next(t.Context())
					if err == io.EOF {
						return n, nil
					}
					if err != nil {
						return n, err
					}
					require.Equal(t, payload(int(group), n, sizes[n]), f.Object.Payload())
					n++
				}
			}
			n, err := fetch(0)
			require.NoError(t, err)
			require.Equal(t, len(sizes), n)
			_, err = fetch(9)
			require.Error(t, err)
			r := subscribeTo(t, s, aliceVideo, moq.Subscription{})
			nextGroup(t, r)
			n, err = fetch(1) // from the relay's cache
			require.NoError(t, err)
			require.Equal(t, len(sizes), n)
		})
	}
}

func TestGoawayAndProbe(t *testing.T) {
	for _, v := range versions[:2] {
		bubble(t, v, func(t *testing.T, w *world) {
			var server *Session
			accepted := make(chan *Session, 1)
			w.accepted = func(s *Session) { accepted <- s }
			said := make(chan string, 1)
			s := w.dialWith("client", v, nil, &Config{Config: dialect.Config{
				OnGoaway: func(uri string, _ time.Duration) { said <- uri },
			}}, nil)
			server = <-accepted
			require.NoError(t, server.Goaway(t.Context(), "https://b.example/", time.Second))
			require.Equal(t, "https://b.example/", <-said)
			p, err := s.Probe(t.Context())
			if errors.Is(err, moq.ErrUnsupported) {
				return
			}
			require.NoError(t, err)
			e, err := p.Next(t.Context())
			require.NoError(t, err)
			require.Positive(t, e.RTT)
			p.Close()
		})
	}
}

// A datagram is a group of one frame; who has none gets a stream.
func TestDatagrams(t *testing.T) {
	for _, v := range slices.Concat(versions, drafts) {
		bubble(t, v, func(t *testing.T, w *world) {
			mux, track, _ := publish("room/alice", "video")
			w.dial("publisher", "moq-lite-05", mux)
			s := w.dial("watcher", v, nil)
			r := subscribeTo(t, s, aliceVideo, moq.Subscription{})
			w.sleep(time.Second)
			for _, text := range []string{"one", "two", "three"} {
				require.NoError(t, track.WriteDatagram(moq.Frame{Payload: []byte(text), Timed: true, Timestamp: 5}))
				g := nextGroup(t, r)
				wantFrame(t, g, text)
				_, err := g.ReadFrame(t.Context())
				require.ErrorIs(t, err, io.EOF)
			}
		})
	}
}

// A peer that gives few streams and does not read never blocks newer groups
// behind old ones.
func TestFewStreams(t *testing.T) {
	for _, v := range slices.Concat(versions, drafts) {
		bubble(t, v, func(t *testing.T, w *world) {
			mux, track, _ := publish("room/alice", "video")
			w.dial("publisher", v, mux)
			s := w.dialWith("watcher", v, nil, &Config{}, &quic.Config{MaxIncomingUniStreams: 3, InitialStreamReceiveWindow: 4 << 10, MaxStreamReceiveWindow: 4 << 10})
			r := subscribeTo(t, s, aliceVideo, moq.Subscription{})
			for range 10 { // groups that stay open hold their streams
				hello(t, track, "x")
				w.sleep(100 * time.Millisecond)
			}
			last := uint64(0)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			for last < 9 {
				g, err := r.NextGroup(ctx)
				require.NoError(t, err)
				last = max(last, g.Sequence())
			}
		})
	}
}

// A publisher that comes back before the end of its old session was noticed is
// heard at once.
func TestComeBack(t *testing.T) {
	bubble(t, "", func(t *testing.T, w *world) {
		mux, track, _ := publish("room/alice", "video")
		conf := &Config{Config: dialect.Config{Hop: 7}}
		w.dialWith("publisher", versions[0], mux, conf, nil)
		g := hello(t, track, "one")
		s := w.dial("watcher", versions[0], nil)
		r := subscribeTo(t, s, aliceVideo, moq.Subscription{})
		in := nextGroup(t, r)
		wantFrame(t, in, "one")
		w.net.Partition("publisher", "relay")
		w.net.Partition("relay", "publisher")
		w.sleep(time.Second)
		w.dialWith("elsewhere", versions[0], mux, conf, nil)
		require.NoError(t, g.WriteFrame(moq.Frame{Payload: []byte("two")}))
		start := time.Now()
		wantFrame(t, in, "two")
		require.Less(t, time.Since(start), time.Second)
	})
}

// A publisher that leaves takes its broadcast and its tracks along, at once; one
// that vanishes, after a while.
func TestLeaves(t *testing.T) {
	for _, v := range slices.Concat(versions, drafts) {
		for code, within := range map[quic.ErrorCode]time.Duration{0: time.Second, 1: 6 * time.Second} {
			bubble(t, fmt.Sprintf("%s/%d", v, code), func(t *testing.T, w *world) {
				mux, track, _ := publish("room/alice", "video")
				p := w.dial("publisher", v, mux)
				g := hello(t, track, "one")
				s := w.dial("watcher", v, nil)
				watch, err := s.Announced(t.Context(), "room")
				require.NoError(t, err)
				_, err = watch.Next(t.Context())
				require.NoError(t, err)
				r := subscribeTo(t, s, aliceVideo, moq.Subscription{})
				wantFrame(t, nextGroup(t, r), "one")
				_ = p.CloseWithError(code, "")
				start := time.Now()
				a, err := watch.Next(t.Context())
				require.NoError(t, err)
				require.Equal(t, route.Ended, a.Change)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				_, err = r.NextGroup(ctx)
				require.Error(t, err)
				require.NotErrorIs(t, err, context.DeadlineExceeded)
				require.Less(t, time.Since(start), within)
				_ = g.Close()
			})
		}
	}
}
