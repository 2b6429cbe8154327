package adversary

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/app/moqt"
)

// Row 21: many publishers with many tracks each, and in each of them two large
// groups, one of them open. Each track is within its limits; all of them
// together may hold no more than the relay's budget, and the innocent loses
// nothing of its newest group. Where the attackers have a root of their own it
// loses nothing at all.
func TestCacheExhaustion(t *testing.T) {
	conf := &moqt.TrackMuxConfig{CacheBytes: 32 * mib, RootCacheBytes: 24 * mib}
	for _, v := range families {
		for _, root := range []string{"", "evil"} {
			t.Run(v+"/root="+root, func(t *testing.T) {
				attackUnder(t, rules{mux: conf}, func(a *arena) {
					leave := a.archive()
					attackers := a.few(8, 5)
					for n := range attackers {
						a.exhaust(n, v, root)
						a.check()
					}
					a.pass(time.Second)
					st := a.relay.Stats()
					a.Logf("%d tracks, %.1f MiB cached, %d groups evicted", st.Tracks, float64(st.Cached)/float64(mib), st.Evicted)
					require.GreaterOrEqual(a, st.Tracks, attackers*exhaustTracks)
					limit := 24 * mib // of the root
					require.LessOrEqual(a, st.Cached, limit+mib)
					require.Positive(a, st.Evicted)
					a.within(budget{heap: 44 * mib, goroutines: 8 * (5*exhaustTracks + 20)})
					for _, t := range a.relay.Mux.Tracks() {
						if t.Name.Path == "archive" && root != "" {
							require.EqualValues(a, archived, t.Cached)
						}
					}
					leave()
					a.lateViewer()
					for i := range attackers {
						a.crash(fmt.Sprintf("evil%d", i))
					}
					a.crash("watcher")
					a.pass(time.Minute)
				})
			})
		}
	}
}

const exhaustTracks = 24

// archive publishes a track with groups that are to be kept for an hour, and
// watches it.
func (a *arena) archive() (leave func()) {
	a.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	mux, b := moqt.NewTrackMux(nil), moqt.NewBroadcast()
	track, err := b.Track("video", moqt.TrackInfo{MaxAge: time.Hour})
	require.NoError(a, err)
	require.NoError(a, mux.Announce(ctx, "archive", b))
	s := a.client("archive", moqt19, mux)
	r, err := a.relay.Mux.Subscribe(ctx, "archive", "video", nil)
	require.NoError(a, err)
	for range 10 {
		g, err := track.AppendGroup()
		require.NoError(a, err)
		_, err = g.Write(make([]byte, 64<<10))
		require.NoError(a, err)
		require.NoError(a, g.Close())
	}
	a.pass(time.Second)
	return func() {
		r.Close()
		cancel()
		_ = s.CloseWithError(0, "")
	}
}

const archived = 10 * (64<<10 + 2*256) // with the objects and subgroups

// exhaust publishes from the n-th attacker: 24 tracks with two groups of 160 KiB each.
func (a *arena) exhaust(n int, version, root string) {
	a.Helper()
	e := a.evilAt(fmt.Sprintf("evil%d", n), version, "/"+root)
	path := fmt.Sprintf("cache%d", n)
	var aliases []uint64
	switch version {
	case lite05:
		_, _ = e.announces(a).Write(e.announce(path, true))
		w := a.evilAt("watcher", version, "/"+root)
		a.pass(100 * time.Millisecond)
		for i := range exhaustTracks {
			w.bidi(w.subscribe(i, path, fmt.Sprint(i)))
			e.subscribed(a)
			aliases = append(aliases, e.alias)
		}
	default:
		for i := range exhaustTracks {
			e.bidi(e.publish(i, path, fmt.Sprint(i), uint64(i)))
			aliases = append(aliases, uint64(i))
		}
		a.pass(100 * time.Millisecond)
	}
	object := append(append([]byte{0}, e.number(160<<10)...), make([]byte, 160<<10)...)
	for group := range uint64(2) {
		for _, alias := range aliases {
			st := e.uni(append(e.header(alias, group), object...))
			if st != nil && group == 0 {
				_ = st.Close()
			}
		}
		a.pass(50 * time.Millisecond)
	}
}

// publish is a PUBLISH of moq-transport, the n-th request of the session.
func (e *evil) publish(n int, path, name string, alias uint64) []byte {
	body := append(e.number(uint64(2*n)), e.namespace(path)...)
	body = append(append(body, e.number(uint64(len(name)))...), name...)
	return message("1d", append(append(body, e.number(alias)...), 0))
}

// lateViewer wants the innocent's newest group for who comes late.
func (a *arena) lateViewer() {
	a.Helper()
	s := a.client("late", lite05, nil)
	ctx, cancel := context.WithTimeout(context.Background(), latency)
	defer cancel()
	r, err := s.Subscribe(ctx, "innocent", "video", nil)
	require.NoError(a, err)
	g, err := r.NextGroup(ctx)
	require.NoError(a, err)
	f, err := g.ReadFrame(ctx)
	require.NoError(a, err)
	require.Len(a, f.Payload, a.frames)
	r.Close()
	require.NoError(a, s.CloseWithError(0, ""))
}

// Row 9: several sessions announce, each within its limit. What is below one
// root has a limit, and all roots together have one; a newcomer of another root
// finds room.
func TestAnnouncementsOfManySessions(t *testing.T) {
	conf := &moqt.TrackMuxConfig{Broadcasts: 1500, RootBroadcasts: 1000}
	eachFamily(t, conf, func(a *arena, v string) {
		for i := range 4 {
			e := a.evilAt(fmt.Sprintf("evil%d", i), v, "/tenant")
			a.announceMany(e, fmt.Sprintf("flood%d", i), 400)
		}
		a.pass(time.Second)
		require.Equal(a, 1000+1, a.relay.Stats().Broadcasts)
		mux := moqt.NewTrackMux(nil)
		ctx, cancel := context.WithCancel(context.Background())
		require.NoError(a, mux.Announce(ctx, "newcomer", moqt.NewBroadcast()))
		s := a.client("newcomer", v, mux)
		a.pass(time.Second)
		require.Equal(a, 1000+2, a.relay.Stats().Broadcasts)
		for i := range 4 {
			e := a.evilAt(fmt.Sprintf("evil%d", i), v, fmt.Sprintf("/tenant%d", i))
			a.announceMany(e, "flood", 400)
		}
		a.pass(time.Second)
		require.Equal(a, 1500, a.relay.Stats().Broadcasts)
		a.within(budget{heap: 16 * mib, goroutines: 3200*2 + 200})
		cancel()
		require.NoError(a, s.CloseWithError(0, ""))
		for i := range 4 {
			a.crash(fmt.Sprintf("evil%d", i))
		}
		a.pass(time.Minute)
	})
}

// announceMany announces n broadcasts below a prefix.
func (a *arena) announceMany(e *evil, prefix string, n int) {
	a.Helper()
	if e.version != lite05 {
		for i := range n {
			body := append(e.number(uint64(2*i)), e.namespace(fmt.Sprintf("%s/%d", prefix, i))...)
			e.bidi(message("06", append(body, 0)))
		}
		return
	}
	st := e.announces(a)
	for i := range n {
		_, err := st.Write(e.announce(fmt.Sprintf("%s/%d", prefix, i), true))
		require.NoError(a, err)
	}
}
