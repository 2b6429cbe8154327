package route

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/moq"
)

// Sessions may have so many broadcasts together, and so many below one root;
// those that linger count, and this process is not bounded.
func TestBroadcastsOfAllSessions(t *testing.T) {
	m := NewMux(Config{Broadcasts: 6, RootBroadcasts: 4})
	now := time.Unix(0, 0)
	peers := []*View{
		m.View(Scope{Root: "a", Peer: "1"}), m.View(Scope{Root: "a", Peer: "2"}),
		m.View(Scope{Root: "b", Peer: "3"}), m.View(Scope{Root: "c", Peer: "4"}),
	}
	n := 0
	publish := func(v *View) (*Publication, error) {
		n++
		return v.Publish(moq.Path(fmt.Sprint(n)), Route{Hops: []uint64{uint64(n)}}, newSource())
	}
	must := func(v *View) *Publication {
		p, err := publish(v)
		require.NoError(t, err)
		return p
	}
	refused := func(v *View) {
		_, err := publish(v)
		require.ErrorIs(t, err, moq.ErrTooMany)
	}
	first, second := must(peers[0]), must(peers[1])
	third, fourth := must(peers[0]), must(peers[1])
	refused(peers[0])
	refused(peers[1])
	must(peers[2])
	last := must(peers[2])
	refused(peers[3])
	for range 10 {
		must(m.View(Scope{Root: "a"}))
	}

	require.NoError(t, first.Update(Route{Hops: []uint64{99}}), "another origin is still one")
	refused(peers[0])
	first.End()
	first.End()
	must(peers[0])
	refused(peers[0])

	second.Lose(now)
	third.Lose(now)
	refused(peers[0])
	_, err := m.View(Scope{Root: "a", Peer: "5"}).Publish("2", Route{Hops: []uint64{2}}, newSource())
	require.NoError(t, err, "who comes back has its place still")
	refused(peers[0])
	m.Sweep(now.Add(time.Minute)) // the third has lingered
	must(peers[0])
	refused(peers[1])
	last.End()
	fourth.End()
	must(peers[3])
	must(peers[1])
	refused(peers[3])
}

// What tracks hold counts for the root of who publishes them, and for nobody
// once they have gone.
func TestCacheOfRoots(t *testing.T) {
	m := NewMux(Config{CacheBytes: 1 << 20, RootBytes: 1 << 19, Idle: -1})
	now := time.Unix(0, 0)
	evil, innocent := m.View(Scope{Root: "evil", Peer: "1"}), m.View(Scope{Root: "innocent", Peer: "2"})
	viewer := m.View(Scope{})
	var readers []*moq.TrackReader
	tracks := map[string]*moq.Track{}
	for name, v := range map[string]*View{"evil": evil, "innocent": innocent} {
		_, err := v.Publish("x", Route{Hops: []uint64{7}}, newSource())
		require.NoError(t, err)
		r, err := viewer.Subscribe(moq.FullTrackName{Path: moq.ParsePath(name + "/x"), Name: "video"}, moq.Subscription{}, now, nil)
		require.NoError(t, err)
		readers, tracks[name] = append(readers, r), r.Track()
	}
	put := func(name string, n int) {
		for group := range uint64(n) {
			now = now.Add(time.Millisecond)
			w, err := tracks[name].OpenGroup(group, now)
			require.Nil(t, err)
			require.Nil(t, w.Append(moq.ObjectHeader{}, make([]byte, 50<<10), now))
			require.Nil(t, w.Finish(true))
		}
	}
	put("innocent", 8)
	put("evil", 100)
	oldest, _ := tracks["innocent"].Oldest()
	require.Zero(t, oldest)
	oldest, _ = tracks["evil"].Oldest()
	require.Greater(t, oldest, uint64(85))
	st := m.Stats()
	require.LessOrEqual(t, st.Cached, int64(1<<20))
	require.Greater(t, st.Evicted, int64(85))
	for _, r := range readers {
		r.Close()
	}
	m.Sweep(now)
	require.Zero(t, m.Stats().Tracks)
	require.Zero(t, m.Stats().Cached)
}
