package moqt

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// two starts two servers of one host, at ports 443 and 444, whose sessions are
// returned as they come.
func (w *world) two(mux *TrackMux) (servers [2]*Server, sessions [2]chan *Session) {
	return w.twoOf([2]*TrackMux{mux, mux})
}

func (w *world) twoOf(muxes [2]*TrackMux) (servers [2]*Server, sessions [2]chan *Session) {
	for i := range servers {
		s, r := w.server()
		s.Addr = fmt.Sprintf(":%d", 443+i)
		sessions[i] = make(chan *Session, 10)
		r.HandleFunc("/", func(sw SetupResponseWriter, sr *SetupRequest) {
			if sess, err := Accept(sw, sr, muxes[i]); err == nil {
				sessions[i] <- sess
			}
		})
		w.serve(s)
		servers[i] = s
	}
	return servers, sessions
}

func TestGoawayIsFollowed(t *testing.T) {
	for name, scheme := range map[string]string{"quic": "moqt", "webtransport": "https"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) { followed(w, scheme) })
		})
	}
}

func followed(w *world, scheme string) {
	mux := NewTrackMux(nil)
	b, second := NewBroadcast(), NewBroadcast()
	track, err := b.Track("t", TrackInfo{})
	require.NoError(w, err)
	require.NoError(w, mux.Announce(w.Context(), "b", b))
	gone, cancel := context.WithCancel(w.Context())
	require.NoError(w, mux.Announce(gone, "gone", second))
	servers, sessions := w.two(mux)

	c := w.client("c")
	asked := make(chan string, 1)
	c.Config = &Config{OnGoaway: func(_ *Session, uri string, _ time.Duration) { asked <- uri }}
	own := NewTrackMux(nil)
	require.NoError(w, own.Announce(w.Context(), "own", NewBroadcast()))
	sess, err := c.Dial(w.ctx(), scheme+"://server/x", own)
	require.NoError(w, err)
	first := <-sessions[0]
	before := sess.RemoteAddr().String()

	watch, err := sess.Announced(w.Context(), "")
	require.NoError(w, err)
	for _, want := range []Path{"b", "gone"} {
		a, err := watch.Next(w.ctx())
		require.NoError(w, err)
		require.Equal(w, want, a.Path)
	}
	writeGroup(w, track, "0")
	r, err := sess.Subscribe(w.ctx(), "b", "t", nil)
	require.NoError(w, err)

	w.sleep(100 * time.Millisecond) // the subscription is there
	stop := make(chan struct{})
	w.wg.Go(func() { // half a group before, half after
		for i := 1; ; i++ {
			g, err := track.AppendGroup()
			require.NoError(w, err)
			for range 5 {
				_, err := g.Write([]byte(fmt.Sprint(i)))
				require.NoError(w, err)
				w.sleep(7 * time.Millisecond)
			}
			require.NoError(w, g.Close())
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	w.sleep(200 * time.Millisecond)
	require.NoError(w, first.Goaway(w.ctx(), scheme+"://server:444/y", time.Minute))
	moved := <-sessions[1]
	require.Equal(w, scheme+"://server:444/y", <-asked)
	cancel() // it goes away after the move
	w.sleep(2 * time.Second)
	require.Error(w, first.Context().Err(), "the old connection is closed once idle")
	require.NotEqual(w, before, sess.RemoteAddr().String())
	require.NoError(w, sess.Context().Err())
	require.NoError(w, servers[0].Close())
	close(stop)

	seen := map[uint64]bool{}
	for len(seen) < 40 { // newest first, where two are there
		seq, frames := readGroup(w.ctx(), w, r)
		require.False(w, seen[seq], "group %d comes twice", seq)
		seen[seq] = true
		if seq > 0 {
			require.Equal(w, strings.Repeat(fmt.Sprint(seq)+" ", 5), strings.Join(frames, " ")+" ")
		}
	}
	for seq := range uint64(39) {
		require.True(w, seen[seq], "group %d is missing", seq)
	}
	a, err := watch.Next(w.ctx())
	require.NoError(w, err)
	require.Equal(w, Announcement{Path: "gone", Change: Ended}, a, "the move itself is no event")

	all, err := moved.Announced(w.ctx(), "") // what we offer is offered there
	require.NoError(w, err)
	a, err = all.Next(w.ctx())
	require.NoError(w, err)
	require.Equal(w, Path("own"), a.Path)
	all.Close()

	_, err = sess.Subscribe(w.ctx(), "b", "other", nil)
	require.ErrorIs(w, err, ErrNotFound)
	r.Close()
	require.NoError(w, track.WaitDrained(w.ctx()))
	w.end(sess)
	_, err = watch.Next(w.ctx())
	require.Error(w, err)
	require.NoError(w, servers[1].Close())
}

// A watch says what is true at the new place, and nothing of the old one any
// more.
func TestWatchMoves(t *testing.T) {
	bubble(t, func(w *world) {
		muxes := [2]*TrackMux{NewTrackMux(&TrackMuxConfig{Hop: 7}), NewTrackMux(&TrackMuxConfig{Hop: 7})}
		old, cancel := context.WithCancel(w.Context())
		for ctx, paths := range map[context.Context][2][]Path{
			old:         {{"both", "old", "older"}, nil},
			w.Context(): {{"stays old"}, {"both", "new"}},
		} {
			for i := range paths {
				for _, p := range paths[i] {
					require.NoError(w, muxes[i].Announce(ctx, p, NewBroadcast()))
				}
			}
		}
		servers, sessions := w.twoOf(muxes)
		sess := w.dial("c", "moqt://server", nil)
		watch, err := sess.Announced(w.Context(), "")
		require.NoError(w, err)
		events := &syncBuffer{}
		w.wg.Go(func() {
			for a, err := range watch.All(w.Context()) {
				if err != nil {
					return
				}
				fmt.Fprintf(events, "%s %d,", a.Path, a.Change)
			}
		})
		w.sleep(time.Second)
		require.Equal(w, "both 0,old 0,older 0,stays old 0,", events.take())
		require.NoError(w, (<-sessions[0]).Goaway(w.ctx(), "moqt://server:444", 0))
		<-sessions[1]
		w.sleep(500 * time.Millisecond)
		cancel()
		w.sleep(200 * time.Millisecond)
		require.ElementsMatch(w, []string{"new 0", "old 1", "older 1", ""}, strings.Split(events.take(), ",")) // the two end at once
		w.sleep(2 * time.Second)
		require.Equal(w, "stays old 1,", events.take())
		w.end(sess)
		require.NoError(w, servers[0].Close())
		require.NoError(w, servers[1].Close())
	})
}

func TestGoawayIsRefused(t *testing.T) {
	bubble(t, func(w *world) {
		servers, sessions := w.two(NewTrackMux(nil))
		sess := w.dial("c", "https://server/x", nil)
		first := <-sessions[0]
		for _, uri := range []string{"https://other:444/", "moqt://server:444", "http://server:444", "://", "https://server:444\x7f"} {
			require.NoError(w, first.Goaway(w.ctx(), uri, 0))
			w.sleep(time.Minute)
			require.Empty(w, sessions[1], uri)
			require.NoError(w, sess.Context().Err())
		}
		c := w.client("d")
		no := errors.New("no")
		c.Redirect = func(from, to *url.URL) error {
			require.Equal(w, "https://server/x", from.String())
			require.Equal(w, "https://server:444/", to.String())
			return no
		}
		other, err := c.Dial(w.ctx(), "https://server/x", NewTrackMux(nil))
		require.NoError(w, err)
		require.NoError(w, (<-sessions[0]).Goaway(w.ctx(), "//server:444/", 0))
		w.sleep(time.Minute)
		require.Empty(w, sessions[1])
		w.end(sess, other)
		require.NoError(w, servers[0].Close())
		require.NoError(w, servers[1].Close())
	})
}

// A server that sends everybody on at once is followed, but not in a rush.
func TestGoawayLoop(t *testing.T) {
	bubble(t, func(w *world) {
		servers, sessions := w.two(NewTrackMux(nil))
		sess := w.dial("c", "moqt://server", nil)
		var last *Session
		for i := range 4 {
			last = <-sessions[i%2]
			require.NoError(w, last.Goaway(w.ctx(), fmt.Sprintf("moqt://server:%d", 444-i%2), 0))
		}
		start := time.Now()
		<-sessions[0]
		require.Greater(w, time.Since(start), 3*time.Second)
		w.end(sess)
		require.NoError(w, servers[0].Close())
		require.NoError(w, servers[1].Close())
	})
}

// The session goes on where it is while the new place does not answer, and ends
// with it.
func TestGoawayToNowhere(t *testing.T) {
	bubble(t, func(w *world) {
		servers, sessions := w.two(NewTrackMux(nil))
		sess := w.dial("c", "moqt://server", nil)
		first := <-sessions[0]
		require.NoError(w, first.Goaway(w.ctx(), "moqt://server:999", 0))
		w.sleep(25 * time.Second)
		require.NoError(w, sess.Context().Err())
		require.NoError(w, first.CloseWithError(5, "now"))
		var closed *ConnError
		require.ErrorAs(w, sess.Wait(), &closed)
		require.Equal(w, ErrorCode(5), closed.Code)
		require.NoError(w, servers[0].Close())
		require.NoError(w, servers[1].Close())
	})
}

func TestCloseWhileMoving(t *testing.T) {
	for at := range 12 {
		bubble(t, func(w *world) {
			servers, sessions := w.two(NewTrackMux(nil))
			sess := w.dial("c", "moqt://server", nil)
			watch, err := sess.Announced(w.Context(), "")
			require.NoError(w, err)
			require.NoError(w, (<-sessions[0]).Goaway(w.ctx(), "moqt://server:444", 0))
			w.sleep(time.Duration(at) * 7 * time.Millisecond)
			w.end(sess)
			_, err = watch.Next(w.ctx())
			require.Error(w, err)
			w.sleep(20 * time.Second)
			require.NoError(w, servers[0].Close())
			require.NoError(w, servers[1].Close())
		})
	}
}

func TestSameHost(t *testing.T) {
	for _, c := range []struct {
		from, to string
		ok       bool
	}{
		{"https://a/x", "https://a:4443/y?z", true},
		{"https://a/x", "https://b/x", false},
		{"https://a/x", "http://a/x", false},
		{"https://a/x", "moqt://a/x", false},
		{"https://a/x", "https://a.b/x", false},
		{"https://a/x", "https://127.0.0.1/x", false},
	} {
		from, _ := url.Parse(c.from)
		to, _ := url.Parse(c.to)
		require.Equal(t, c.ok, SameHost(from, to) == nil, "%v", c)
	}
}

func TestDialErrors(t *testing.T) {
	c := &Client{}
	for _, u := range []string{"http://a", "a:b:c", "moqt://", "https:///x", "", "moqt://a\x7f"} {
		_, err := c.Dial(t.Context(), u, nil)
		require.Error(t, err, u)
	}
	c.Config = &Config{Versions: []string{"moq-99"}}
	_, err := c.Dial(t.Context(), "moqt://a", nil)
	require.ErrorContains(t, err, "moq-99")
}

// Subscriptions come and go while the session moves to and fro.
func TestSubscribeWhileMoving(t *testing.T) {
	bubble(t, func(w *world) {
		mux := NewTrackMux(nil)
		b := NewBroadcast()
		track, err := b.Track("t", TrackInfo{})
		require.NoError(w, err)
		require.NoError(w, mux.Announce(w.Context(), "b", b))
		writeGroup(w, track, "x")
		servers, sessions := w.two(mux)
		sess := w.dial("c", "moqt://server", nil)
		over := make(chan struct{})
		w.wg.Go(func() {
			defer close(over)
			for i := range 5 {
				last := <-sessions[i%2]
				w.sleep(50 * time.Millisecond)
				require.NoError(w, last.Goaway(w.ctx(), fmt.Sprintf("moqt://server:%d", 444-i%2), 0))
			}
			<-sessions[1]
		})
		ended := make([]chan struct{}, 4)
		for i := range ended {
			ended[i] = make(chan struct{})
			w.wg.Go(func() {
				defer close(ended[i])
				for n := 0; ; n++ {
					r, err := sess.Subscribe(w.Context(), "b", "t", nil)
					require.NoError(w, err)
					if n%2 == i%2 {
						_, frames := readGroup(w.Context(), w, r)
						require.Equal(w, []string{"x"}, frames)
					}
					w.sleep(time.Duration(i*n%5) * time.Millisecond)
					r.Close()
					select {
					case <-over:
						return
					default:
					}
				}
			})
		}
		for i := range ended {
			<-ended[i]
		}
		require.NoError(w, track.WaitDrained(w.ctx()))
		w.end(sess)
		require.NoError(w, servers[0].Close())
		require.NoError(w, servers[1].Close())
	})
}
