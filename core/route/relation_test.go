package route

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/moq"
)

func TestRelation(t *testing.T) {
	for _, test := range []struct {
		from, to Relation
		want     bool
	}{
		{Stranger, Stranger, true}, {Stranger, Leaf, true}, {Stranger, Upstream, true},
		{Leaf, Stranger, true}, {Leaf, Leaf, true}, {Leaf, Upstream, false},
		{Upstream, Stranger, true}, {Upstream, Leaf, false}, {Upstream, Upstream, false},
	} {
		m := NewMux(Config{})
		from, to := m.View(Scope{Peer: "from"}), m.View(Scope{Peer: "to"})
		from.SetRelation(test.from, false)
		to.SetRelation(test.to, false)
		w, err := to.Watch("", 0, nil)
		require.NoError(t, err)
		s := &shelf{fakeSource: *newSource()}
		s.put("v")
		_, err = from.Publish("a", Route{Hops: []uint64{0}, Tracks: s.list}, s)
		require.NoError(t, err)
		require.Equal(t, test.want, len(w.Drain(1)) == 1, test)
		tracks, err := to.WatchTracks("", nil)
		require.NoError(t, err)
		require.Equal(t, test.want, len(tracks.Drain(1)) == 1, test)
		_, err = to.Subscribe(moq.FullTrackName{Path: "a", Name: "w"}, moq.Subscription{}, epoch, nil)
		require.Equal(t, test.want, err == nil, test)
	}
}

// The nearest content is what a path means, whichever is newer.
func TestNearest(t *testing.T) {
	m := NewMux(Config{})
	view := func(r Relation) *View {
		v := m.View(Scope{Peer: new(int)})
		v.SetRelation(r, false)
		return v
	}
	watch, err := m.View(Scope{Peer: "watcher"}).Watch("", 0, nil)
	require.NoError(t, err)
	up, _ := publish(t, view(Upstream), "a", 0)
	require.Equal(t, "active a [0]", said(watch))
	leaf, _ := publish(t, view(Leaf), "a", 0)
	require.Equal(t, "replaced a [0]", said(watch))
	near, _ := publish(t, view(Stranger), "a", 0)
	require.Equal(t, "replaced a [0]", said(watch))
	again, _ := publish(t, view(Upstream), "a", 0)
	other, _ := publish(t, view(Leaf), "a", 0)
	require.Empty(t, said(watch))
	near.End()
	require.Equal(t, "replaced a [0]", said(watch), "the newer leaf")
	leaf.End()
	require.Empty(t, said(watch))
	other.End()
	require.Equal(t, "replaced a [0]", said(watch), "the newer upstream")
	up.End()
	require.Empty(t, said(watch))
	again.End()
	require.Equal(t, "ended a []", said(watch))
}
