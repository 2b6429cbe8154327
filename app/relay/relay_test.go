package relay

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/app/moqt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world is a network in memory in a bubble.
type world struct {
	*testing.T
	net *memnet.Network
	wg  sync.WaitGroup
}

func bubble(t *testing.T, f func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, net: memnet.New(memnet.Config{Seed: 1, Settle: synctest.Wait, Link: memnet.Link{Latency: 10 * time.Millisecond}})}
		defer w.net.Close() // also where a test has failed
		f(w)
		w.net.Close()
		w.wg.Wait()
		time.Sleep(time.Minute) // what lingers
	})
}

// relay runs a relay on a node; stop ends its server well.
func (w *world) relay(node string) (r *Relay, stop func()) {
	n := w.net.Node(node)
	r = &Relay{Client: &moqt.Client{DialQUICFunc: n.Dial, DialWebTransportFunc: n.DialWebTransport}}
	s := &moqt.Server{
		Addr: ":443", TLSConfig: &tls.Config{}, Handler: r,
		ListenFunc: n.Listen, NewWebtransportServerFunc: n.NewWebTransportServer,
	}
	w.wg.Go(func() { assert.Error(w, s.ListenAndServe()) })
	w.net.Wait()
	return r, func() { _ = s.Close() }
}

func (w *world) dial(node, url string, mux *moqt.TrackMux) *moqt.Session {
	w.Helper()
	n := w.net.Node(node)
	c := &moqt.Client{DialQUICFunc: n.Dial, DialWebTransportFunc: n.DialWebTransport}
	s, err := c.Dial(w.Context(), url, mux)
	require.NoError(w, err)
	return s
}

// announce publishes a track "data" with one closed group for each text.
func announce(t *world, mux *moqt.TrackMux, path moqt.Path, groups ...string) (*moqt.TrackWriter, context.CancelFunc) {
	t.Helper()
	b := moqt.NewBroadcast()
	tw, err := b.Track("data", moqt.TrackInfo{})
	require.NoError(t, err)
	for _, text := range groups {
		g, err := tw.AppendGroup()
		require.NoError(t, err)
		for _, frame := range strings.SplitAfter(text, " ") {
			_, err = g.Write([]byte(frame))
			require.NoError(t, err)
		}
		require.NoError(t, g.Close())
	}
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, mux.Announce(ctx, path, b))
	return tw, cancel
}

// read returns the newest group of a track.
func (w *world) read(s *moqt.Session, path moqt.Path) string {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 20*time.Second)
	defer cancel()
	r, err := s.Subscribe(ctx, path, "data", nil)
	require.NoError(w, err)
	defer r.Close()
	g, err := r.NextGroup(ctx)
	require.NoError(w, err)
	var text strings.Builder
	for f, err := range g.Frames(ctx) {
		require.NoError(w, err)
		text.Write(f.Payload)
	}
	return text.String()
}

func TestPathIsTheRoot(t *testing.T) {
	for _, url := range []string{"moqt://relay", "https://relay:443"} {
		t.Run(url, func(t *testing.T) {
			bubble(t, func(w *world) {
				r, stop := w.relay("relay")
				defer stop()
				mux := moqt.NewTrackMux(nil)
				_, _ = announce(w, mux, "b/c", "below a")
				pub := w.dial("pub", url+"/a/", mux)
				w.net.Wait()
				assert.Equal(w, "below a", w.read(w.dial("x", url+"/a", nil), "b/c"))
				assert.Equal(w, "below a", w.read(w.dial("y", url+"/a/b", nil), "c"))
				root := w.dial("z", url, nil)
				assert.Equal(w, "below a", w.read(root, "a/b/c"))
				elsewhere := w.dial("v", url+"/other", nil)
				_, err := elsewhere.Subscribe(w.Context(), "b/c", "data", nil)
				assert.ErrorIs(w, err, moqt.ErrNotFound)

				st := r.Stats()
				assert.Equal(w, 5, st.Sessions)
				assert.EqualValues(w, 5, st.TotalSessions)
				assert.Equal(w, 1, st.Broadcasts)
				assert.Equal(w, 1, st.Tracks)
				assert.Equal(w, 0, st.Subscriptions)
				reader, err := root.Subscribe(w.Context(), "a/b/c", "data", nil)
				require.NoError(w, err)
				time.Sleep(time.Second)
				assert.Equal(w, 1, r.Stats().Subscriptions)
				reader.Close()
				require.NoError(w, pub.CloseWithError(moqt.SessionNoError, ""))
				w.net.Wait()
				time.Sleep(time.Second)
				assert.Equal(w, 4, r.Stats().Sessions)
				assert.Equal(w, 0, r.Stats().Broadcasts)
			})
		})
	}
}

// Names of both relays are there on both, and a ring is no loop.
func TestConnect(t *testing.T) {
	for _, scheme := range []string{"moqt", "https"} {
		t.Run(scheme, func(t *testing.T) {
			bubble(t, func(w *world) {
				names := []string{"one", "two", "three"}
				ctx, cancel := context.WithCancel(w.Context())
				relays := map[string]*Relay{}
				for _, name := range names {
					r, stop := w.relay(name)
					w.Cleanup(stop)
					relays[name] = r
				}
				for i, name := range names {
					next := names[(i+1)%len(names)]
					w.wg.Go(func() {
						assert.ErrorIs(w, relays[name].Connect(ctx, scheme+"://"+next+":443/"), context.Canceled)
					})
				}
				time.Sleep(time.Second)
				for _, name := range names {
					mux := moqt.NewTrackMux(nil)
					_, _ = announce(w, mux, moqt.Path("from/"+name), "hello of "+name)
					w.dial("pub-"+name, scheme+"://"+name+":443", mux)
				}
				time.Sleep(time.Second)
				for _, at := range names {
					s := w.dial("sub-"+at, scheme+"://"+at+":443", nil)
					for _, from := range names {
						assert.Equal(w, "hello of "+from, w.read(s, moqt.Path("from/"+from)), "at %s", at)
					}
					assert.Equal(w, 3, relays[at].Stats().Broadcasts)
				}
				cancel()
				time.Sleep(10 * time.Second)
				for _, at := range names {
					assert.Equal(w, 1, relays[at].Stats().Broadcasts, "what came from elsewhere is gone")
				}
			})
		})
	}
}

// A relay that is not ours has to be named; then what came from upstream is not
// passed on to it.
func TestIsLeaf(t *testing.T) {
	bubble(t, func(w *world) {
		ctx, cancel := context.WithCancel(w.Context())
		defer cancel()
		up, stop := w.relay("up")
		defer stop()
		hub, stop := w.relay("hub")
		defer stop()
		hub.Client.Config = &moqt.Config{Versions: []string{"moqt-18"}}
		hub.IsLeaf = func(r *moqt.SetupRequest) bool { return strings.HasPrefix(r.RemoteAddr.String(), "leaf") }
		w.wg.Go(func() { _ = hub.Connect(ctx, "moqt://up") })
		_, _ = announce(w, up.TrackMux(), "above", "a")
		_, _ = announce(w, hub.TrackMux(), "here", "h")
		time.Sleep(time.Second)
		for node, want := range map[string][]moqt.Path{"leaf": {"here"}, "client": {"above", "here"}} {
			n := w.net.Node(node)
			c := &moqt.Client{DialQUICFunc: n.Dial, Config: &moqt.Config{Versions: []string{"moqt-18"}}}
			s, err := c.Dial(ctx, "moqt://hub", nil)
			require.NoError(w, err)
			r, err := s.Announced(ctx, "")
			require.NoError(w, err)
			time.Sleep(time.Second)
			var got []moqt.Path
			for _, a := range r.Drain(10) {
				got = append(got, a.Path)
			}
			assert.Equal(w, want, got, node)
			r.Close()
		}
		cancel()
		time.Sleep(time.Second)
	})
}

func TestConnectComesBack(t *testing.T) {
	bubble(t, func(w *world) {
		ctx, cancel := context.WithCancel(w.Context())
		edge, stop := w.relay("edge")
		defer stop()
		w.wg.Go(func() { assert.ErrorIs(w, edge.Connect(ctx, "moqt://up"), context.Canceled) })
		for round := range 3 {
			_, stop := w.relay("up")
			mux := moqt.NewTrackMux(nil)
			name := moqt.Path(fmt.Sprintf("round/%d", round))
			_, _ = announce(w, mux, name, "hello")
			for edge.Stats().Sessions == 0 {
				time.Sleep(time.Second)
			}
			pub := w.dial("pub", "moqt://up", mux)
			time.Sleep(time.Second)
			s := w.dial("sub", "moqt://edge", nil)
			assert.Equal(w, "hello", w.read(s, name))
			require.NoError(w, s.CloseWithError(0, ""))
			require.NoError(w, pub.CloseWithError(0, ""))
			if round%2 == 0 {
				stop()
			} else {
				w.net.Node("up").Crash()
			}
			for edge.Stats().Sessions > 0 {
				time.Sleep(time.Second)
			}
			time.Sleep(10 * time.Second)
			assert.Equal(w, 0, edge.Stats().Broadcasts)
		}
		cancel()
	})
}

func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r := &Relay{}
		require.NoError(t, Clock(ctx, r.TrackMux()))
		reader, err := r.Mux.Subscribe(ctx, ClockBroadcast, ClockTrack, nil)
		require.NoError(t, err)
		for range 3 {
			g, err := reader.NextGroup(ctx)
			require.NoError(t, err)
			frames := 0
			for f, err := range g.Frames(ctx) {
				require.NoError(t, err)
				require.Regexp(t, `^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n$`, string(f.Payload))
				frames++
			}
			assert.Equal(t, 10, frames)
		}
		reader.Close()
		cancel()
		synctest.Wait()
		assert.Equal(t, 0, r.Stats().Broadcasts)
		time.Sleep(time.Minute)
	})
}

func get(r *Relay, cert *Certificate, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r.HTTPHandler(cert).ServeHTTP(w, httptest.NewRequest("GET", target, nil))
	return w
}

func TestHTTP(t *testing.T) {
	bubble(t, func(w *world) {
		cert, err := SelfSigned(nil)
		require.NoError(w, err)
		r := &Relay{}
		_, _ = announce(w, r.TrackMux(), "room/alice", "first group", "second group")
		open, _ := announce(w, r.Mux, moqt.PathOf("room", "bob", "a b%\n"))
		g, err := open.AppendGroup()
		require.NoError(w, err)
		_, _ = g.Write([]byte("still "))
		_, _ = g.Write([]byte("open"))
		_, _ = announce(w, r.Mux, "empty")
		for _, test := range []struct {
			target string
			status int
			body   string // exact for 200, contained otherwise
		}{
			{"/certificate.sha256", 200, cert.SHA256()},
			{"/health", 200, "ok\n"},
			{"/announced", 200, "empty\nroom/alice\nroom/bob/a b%25%0A\n"},
			{"/announced/", 200, "empty\nroom/alice\nroom/bob/a b%25%0A\n"},
			{"/announced/room", 200, "room/alice\nroom/bob/a b%25%0A\n"},
			{"/announced/roo", 200, ""},
			{"/announced/room/bob/a%20b%25%0A", 200, "room/bob/a b%25%0A\n"},
			{"/fetch/room/alice/data", 200, "second group"},
			{"/fetch/room/alice/data?group=0", 200, "first group"},
			{"/fetch/room/alice/data?group=1", 200, "second group"},
			{"/fetch//room//alice/data", 200, "second group"},
			{"/fetch/room/%61lice/d%61ta", 200, "second group"},
			{"/fetch/room/bob/a%20b%25%0A/data", 200, "still open"},
			{"/fetch/room/alice/data?group=2", 404, ""},
			{"/fetch/room/alice/data?group=x", 400, ""},
			{"/fetch/room/alice/data?group=-1", 400, ""},
			{"/fetch/room/alice/video", 404, "video"},
			{"/fetch/room/../room/alice/data", 404, ""}, // names are opaque
			{"/fetch/room/carol/data", 404, "carol"},
			{"/fetch/data", 404, ""},
			{"/fetch/", 400, ""},
			{"/fetch", 400, ""},
			{"/", 404, ""},
			{"/health/x", 404, ""},
		} {
			got := get(r, cert, test.target)
			assert.Equal(w, test.status, got.Code, test.target)
			assert.Equal(w, "*", got.Header().Get("Access-Control-Allow-Origin"), test.target)
			if test.status == 200 {
				assert.Equal(w, test.body, got.Body.String(), test.target)
			} else {
				assert.Contains(w, got.Body.String(), test.body, test.target)
			}
		}
		assert.Equal(w, 404, get(r, nil, "/certificate.sha256").Code)
		post := httptest.NewRecorder()
		r.HTTPHandler(cert).ServeHTTP(post, httptest.NewRequest("POST", "/health", nil))
		assert.Equal(w, 405, post.Code)
	})
}

// A fetch of a group that only the publisher, a session away, still has.
func TestHTTPFetchUpstream(t *testing.T) {
	bubble(t, func(w *world) {
		r, stop := w.relay("relay")
		defer stop()
		mux := moqt.NewTrackMux(nil)
		tw, _ := announce(w, mux, "far", "old group", "newest group")
		w.dial("pub", "moqt://relay", mux)
		time.Sleep(time.Second)
		assert.Equal(w, "newest group", get(r, nil, "/fetch/far/data").Body.String())
		assert.Equal(w, "old group", get(r, nil, "/fetch/far/data?group=0").Body.String())
		assert.Equal(w, 404, get(r, nil, "/fetch/far/nothing").Code)

		require.NoError(w, tw.Close())
		time.Sleep(time.Second)
		got := get(r, nil, "/fetch/far/data")
		assert.Contains(w, []int{200, 404}, got.Code, "an ended track may be gone")
	})
}

// An answer that cannot be ended is cut off, not ended.
func TestHTTPCutOff(t *testing.T) {
	frames := []string{"a", "b"}
	next := func() ([]byte, error) {
		if len(frames) == 0 {
			return nil, io.ErrUnexpectedEOF
		}
		f := frames[0]
		frames = frames[1:]
		return []byte(f), nil
	}
	assert.Panics(t, func() { send(httptest.NewRecorder(), next) })
	w := httptest.NewRecorder()
	send(w, next)
	assert.Equal(t, 502, w.Code)
}

// A relay tells where each track comes from, and what it keeps of it.
func TestTracks(t *testing.T) {
	bubble(t, func(w *world) {
		r, stop := w.relay("relay")
		defer stop()
		mux := moqt.NewTrackMux(nil)
		_, withdraw := announce(w, mux, "room", "hello")
		w.dial("pub", "moqt://relay", mux)
		s := w.dial("sub", "moqt://relay", nil)
		w.net.Wait()
		reader, err := s.Subscribe(w.Context(), "room", "data", nil)
		require.NoError(w, err)
		time.Sleep(time.Second)
		all := r.TrackMux().Tracks()
		require.Len(w, all, 1)
		assert.Equal(w, moqt.FullTrackName{Path: "room", Name: "data"}, all[0].Name)
		assert.Equal(w, "pub:49152", all[0].From.String())
		assert.Equal(w, 1, all[0].Subscriptions)
		assert.False(w, all[0].Former)
		assert.Greater(w, all[0].Cached, int64(len("hello")))
		withdraw()
		time.Sleep(time.Second)
		all = r.TrackMux().Tracks()
		require.Len(w, all, 1, "who had subscribed keeps the track")
		assert.True(w, all[0].Former)
		reader.Close()
		time.Sleep(time.Minute)
		assert.Empty(w, r.TrackMux().Tracks())
	})
}

// Goaway moves those who were accepted.
func TestGoaway(t *testing.T) {
	bubble(t, func(w *world) {
		r, stop := w.relay("one")
		defer stop()
		n := w.net.Node("sub")
		c := &moqt.Client{DialQUICFunc: n.Dial, Config: &moqt.Config{Versions: []string{"moq-lite-05"}}}
		s, err := c.Dial(w.Context(), "moqt://one:443/", nil)
		require.NoError(w, err)
		time.Sleep(time.Second)
		require.Equal(w, 1, r.Stats().Sessions)
		r.Goaway(w.Context(), "", time.Second) // to the same place: anywhere is here too
		time.Sleep(5 * time.Second)
		assert.NoError(w, s.Context().Err())
		assert.Equal(w, 1, r.Stats().Sessions)
		assert.EqualValues(w, 2, r.Stats().TotalSessions, "it came back over another connection")
		require.NoError(w, s.CloseWithError(moqt.SessionNoError, ""))
		require.Error(w, s.Wait())
	})
}
