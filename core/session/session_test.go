package session

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
	"github.com/moqtgo/moqt/ports/quic"
)

// A world is a relay on a network in memory, and clients that dial it.
type world struct {
	t     *testing.T
	net   *memnet.Network
	relay *route.Mux
	lis   quic.Listener
	conf  dialect.Config
	wrap  func(quic.Connection) quic.Connection // of what clients dial
	ended chan struct{}

	accepted   func(*Session)
	serverWrap atomic.Pointer[func(quic.Connection) quic.Connection] // of what the relay accepts
}

var (
	versions = []string{"moq-lite-05", "moq-lite-04", "moq-lite-03", "moql"}
	drafts   = []string{"moqt-19", "moqt-18", "moqt-16", "moq-00", "moqt-20"}
)

// timed reports whether a version carries timestamps.
func timed(v string) bool { return v == "moq-lite-05" || slices.Contains(drafts, v) }

// bubble runs f in a synctest bubble with a fresh world.
func bubble(t *testing.T, name string, f func(t *testing.T, w *world)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			defer w.close()
			f(t, w)
		})
	})
}

func newWorld(t *testing.T) *world {
	return newWorldOn(t, memnet.New(memnet.Config{Seed: 1, Settle: synctest.Wait, Link: memnet.Link{Latency: 10 * time.Millisecond}}))
}

func newWorldOn(t *testing.T, net *memnet.Network) *world {
	w := &world{t: t, net: net, ended: make(chan struct{})}
	w.relay = NewMux(route.Config{Hop: 99})
	lis, err := w.net.Node("relay").Listen(":4443", &tls.Config{NextProtos: Protocols(nil)}, &quic.Config{EnableDatagrams: true})
	require.NoError(t, err)
	w.lis = lis
	go w.serve()
	return w
}

func (w *world) serve() {
	defer close(w.ended)
	for {
		c, err := w.lis.Accept(context.Background())
		if err != nil {
			return
		}
		if wrap := w.serverWrap.Load(); wrap != nil {
			c = (*wrap)(c)
		}
		go func() {
			conf := &Config{Config: w.conf}
			conf.Import = true
			p, err := Open(c.Context(), c, dialect.Server, conf)
			if err != nil {
				return
			}
			s, err := Accept(c.Context(), p, w.relay.View(route.Scope{Root: moq.ParsePath(p.Request().Path)}))
			if err == nil && w.accepted != nil {
				w.accepted(s)
			}
		}()
	}
}

// sleep lets time pass in the bubble.
func (w *world) sleep(d time.Duration) { time.Sleep(d) }

func (w *world) close() {
	_ = w.lis.Close()
	w.net.Close()
	<-w.ended
	time.Sleep(time.Minute) // lingering routes and idle tracks
	require.Equal(w.t, route.Stats{}, w.relay.Stats(), "the relay still holds something")
}

// dial connects a client that publishes what is in mux.
func (w *world) dial(name, version string, mux *route.Mux) *Session {
	w.t.Helper()
	return w.dialWith(name, version, mux, &Config{}, &quic.Config{EnableDatagrams: true})
}

func (w *world) dialWith(name, version string, mux *route.Mux, conf *Config, qc *quic.Config) *Session {
	w.t.Helper()
	return w.dialAny("relay", name, version, mux, conf, qc)
}

func (w *world) dialTo(to, name, version string) *Session {
	w.t.Helper()
	return w.dialAny(to, name, version, nil, &Config{}, nil)
}

func (w *world) dialAny(to, name, version string, mux *route.Mux, conf *Config, qc *quic.Config) *Session {
	w.t.Helper()
	if mux == nil {
		mux = NewMux(route.Config{})
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	c, err := w.net.Node(name).Dial(ctx, to+":4443", &tls.Config{NextProtos: []string{version}}, qc)
	require.NoError(w.t, err)
	if w.wrap != nil {
		c = w.wrap(c)
	}
	p, err := Open(ctx, c, dialect.Client, conf)
	require.NoError(w.t, err)
	s, err := Accept(ctx, p, mux.View(route.Scope{}))
	require.NoError(w.t, err)
	require.Equal(w.t, version, s.Version())
	return s
}

// A source serves tracks from logs of its own.
type source struct{ tracks map[string]*moq.Track }

func (s *source) Track(n moq.FullTrackName) *moq.Track { return s.tracks[n.Name] }
func (s *source) Want(t *moq.Track)                    { t.Fail(moq.ErrNotFound) }
func (s *source) Drop(*moq.Track)                      {}
func (s *source) Fetch(context.Context, moq.FetchRequest) (*moq.ObjectReader, error) {
	return nil, moq.ErrNotFound
}

// publish returns a Mux with one broadcast of one track.
func publish(path moq.Path, name string) (*route.Mux, *moq.TrackWriter, *route.Publication) {
	mux := NewMux(route.Config{})
	t := moq.NewTrack(moq.FullTrackName{Path: path, Name: name}, moq.CacheLimits{}, nil)
	t.SetInfo(moq.TrackInfo{Timescale: 1000, Priority: 7})
	pub, err := mux.View(route.Scope{}).Publish(path, route.Route{}, &source{map[string]*moq.Track{name: t}})
	if err != nil {
		panic(err)
	}
	return mux, moq.NewTrackWriter(t, time.Now), pub
}

func payload(group, frame, size int) []byte {
	return bytes.Repeat([]byte{byte(group), byte(frame), byte(size)}, size/3+1)[:size]
}

var sizes = []int{0, 1, 300, 8 << 10, 20 << 10, 200 << 10}

func write(t *testing.T, w *moq.TrackWriter, group int) {
	g, err := w.AppendGroup()
	require.NoError(t, err)
	for i, n := range sizes {
		require.NoError(t, g.WriteFrame(moq.Frame{Payload: payload(group, i, n), Timed: true, Timestamp: uint64(1000*group + i)}))
	}
	require.NoError(t, g.Close())
}

func wantGroup(t *testing.T, ctx context.Context, r *moq.TrackReader, group int, timed bool) {
	t.Helper()
	g, err := r.NextGroup(ctx)
	require.NoError(t, err)
	require.EqualValues(t, group, g.Sequence())
	n := 0
	for f, err := range g.Frames(ctx) {
		require.NoError(t, err)
		require.True(t, bytes.Equal(payload(group, n, sizes[n]), f.Payload), "frame %d", n)
		require.Equal(t, timed, f.Timed)
		if timed {
			require.EqualValues(t, 1000*group+n, f.Timestamp)
		}
		n++
	}
	require.Equal(t, len(sizes), n)
}

func TestPublishRelaySubscribe(t *testing.T) {
	all := slices.Concat(versions, drafts)
	for _, from := range all {
		for _, to := range all {
			bubble(t, from+" to "+to, func(t *testing.T, w *world) {
				ctx := t.Context()
				mux, track, pub := publish("room/alice", "video")
				write(t, track, 0)
				write(t, track, 1)
				p := w.dial("publisher", from, mux)
				s := w.dial("subscriber", to, nil)
				watch, err := s.Announced(ctx, "room")
				require.NoError(t, err)
				a, err := watch.Next(ctx)
				require.NoError(t, err)
				require.Equal(t, moq.Path("room/alice"), a.Path)
				require.Equal(t, route.Active, a.Change)

				r, err := s.Subscribe(ctx, moq.FullTrackName{Path: "room/alice", Name: "video"}, moq.Subscription{})
				require.NoError(t, err)
				timed, stamped := timed(from) && timed(to), to == "moq-lite-05"
				check := func(group int) {
					t.Helper()
					if stamped && !timed {
						g, err := r.NextGroup(ctx)
						require.NoError(t, err)
						require.EqualValues(t, group, g.Sequence())
						n := 0
						for f, err := range g.Frames(ctx) {
							require.NoError(t, err)
							require.True(t, f.Timed, "the relay stamps what has no timestamp")
							require.True(t, bytes.Equal(payload(group, n, sizes[n]), f.Payload))
							n++
						}
						return
					}
					wantGroup(t, ctx, r, group, timed)
				}
				check(1) // the newest group, from its first frame
				for g := 2; g < 5; g++ {
					write(t, track, g)
					check(g)
				}
				require.NoError(t, track.Close())
				_, err = r.NextGroup(ctx)
				require.EqualError(t, err, "EOF")
				pub.End()
				a, err = watch.Next(ctx)
				require.NoError(t, err)
				require.Equal(t, route.Ended, a.Change)
				r.Close()
				require.NoError(t, p.CloseWithError(0, ""))
				require.NoError(t, s.CloseWithError(0, ""))
				_ = p.Wait()
				_ = s.Wait()
			})
		}
	}
}

// What a server answers the set-up with decides what kind of error it is.
func TestBrokenSetup(t *testing.T) {
	answers := []struct {
		name  string
		bytes []byte
		fin   bool
		want  error
	}{
		{"cut short", []byte{0xaf}, true, moq.ErrMalformed},
		{"another message", []byte{0x10, 0, 1, 0}, false, moq.ErrMalformed},
		{"none", nil, true, moq.ErrMalformed},
		{"late", []byte{0xaf}, false, moq.ErrTimeout},
	}
	for _, v := range drafts {
		for _, a := range answers {
			t.Run(v+"/"+a.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					net := memnet.New(memnet.Config{Seed: 1, Settle: synctest.Wait})
					defer net.Close()
					lis, err := net.Node("relay").Listen(":4443", &tls.Config{NextProtos: []string{v}}, nil)
					require.NoError(t, err)
					defer func() { _ = lis.Close() }()
					c, err := net.Node("client").Dial(t.Context(), "relay:4443", &tls.Config{NextProtos: []string{v}}, nil)
					require.NoError(t, err)
					server, err := lis.Accept(t.Context())
					require.NoError(t, err)
					answered := make(chan error, 1)
					go func() {
						var st quic.SendStream
						var err error
						if v == "moq-00" || v == "moqt-16" {
							st, err = server.AcceptStream(t.Context())
						} else {
							st, err = server.OpenUniStream(t.Context())
						}
						if err == nil {
							_, err = st.Write(a.bytes)
						}
						if err == nil && a.fin {
							err = st.Close()
						}
						answered <- err
					}()
					p, err := Open(t.Context(), c, dialect.Client, &Config{})
					require.NoError(t, err)
					_, err = Accept(t.Context(), p, NewMux(route.Config{}).View(route.Scope{}))
					require.ErrorIs(t, err, a.want)
					require.NoError(t, <-answered)
					<-server.Context().Done()
				})
			})
		}
	}
}

func TestUnknown(t *testing.T) {
	for _, v := range slices.Concat(versions, drafts) {
		bubble(t, v, func(t *testing.T, w *world) {
			mux, _, _ := publish("room/alice", "video")
			p := w.dial("publisher", v, mux)
			s := w.dial("subscriber", v, nil)
			for _, name := range []moq.FullTrackName{{Path: "room/bob", Name: "video"}, {Path: "room/alice", Name: "smell"}} {
				start := time.Now()
				_, err := s.Subscribe(t.Context(), name, moq.Subscription{})
				require.Error(t, err, fmt.Sprint(name))
				require.ErrorIs(t, err, moq.ErrNotFound)
				require.Less(t, time.Since(start), 2*time.Second)
			}
			_ = p.CloseWithError(0, "")
			_ = s.CloseWithError(0, "")
		})
	}
}
