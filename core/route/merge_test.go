package route

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/moq"
)

func merge(t *testing.T, v *View, r Route) (*Publication, *fakeSource) {
	t.Helper()
	s := newSource()
	r.Merge = true
	p, err := v.Publish("a", r, s)
	require.NoError(t, err)
	return p, s
}

// Publications that are merged feed one track together, and are one content to
// who watches; any other takes the name over, and they another's.
func TestMerge(t *testing.T) {
	m := NewMux(Config{Idle: time.Minute})
	v := func(peer string) *View { return m.View(Scope{Peer: peer}) }
	watch, err := v("z").Watch("", 0, nil)
	require.NoError(t, err)
	p1, s1 := merge(t, v("x"), Route{Hops: []uint64{0}})
	require.Equal(t, "active a [0]", said(watch))
	k := subscribe(t, v("z"), "a", epoch)
	require.True(t, s1.wanted[k])
	p2, s2 := merge(t, v("y"), Route{Hops: []uint64{0}})
	require.True(t, s2.wanted[k], "the newcomer is asked for what there is")
	require.Same(t, k, subscribe(t, v("z"), "a", epoch))
	require.Empty(t, said(watch))

	p1.Lose(epoch)
	require.False(t, s1.wanted[k])
	require.NoError(t, failed(k))
	require.Empty(t, said(watch))
	p1, s1 = merge(t, v("x"), Route{Hops: []uint64{0}})
	require.True(t, s1.wanted[k])

	// Who refuses a track is out; the last one ends it.
	require.False(t, m.Quit(k, s2))
	require.True(t, m.Quit(k, s1))
	require.True(t, m.Quit(moq.NewTrack(k.Name(), moq.CacheLimits{}, nil), s1), "a track of nobody's")
	k.Fail(moq.ErrNotFound)
	k = subscribe(t, v("z"), "a", epoch)
	require.True(t, s1.wanted[k] && s2.wanted[k])

	// Another kind of publication is another content.
	other, _ := publish(t, v("w"), "a", 0)
	require.Equal(t, "replaced a [0]", said(watch))
	require.ErrorIs(t, failed(k), moq.ErrReplaced)
	other.End()
	require.Equal(t, "replaced a [0]", said(watch))
	k = subscribe(t, v("z"), "a", epoch)
	require.True(t, s1.wanted[k] && s2.wanted[k], "they are restored")

	// One that differs is not one of them: the newest takes over.
	require.False(t, m.Conflict(moq.NewTrack(k.Name(), moq.CacheLimits{}, nil), moq.ErrMalformed))
	require.True(t, m.Conflict(k, moq.ErrMalformed))
	require.ErrorIs(t, failed(k), moq.ErrMalformed)
	require.Equal(t, "replaced a [0]", said(watch))
	k = subscribe(t, v("z"), "a", epoch)
	require.True(t, s1.wanted[k] && !s2.wanted[k])
	require.False(t, m.Conflict(k, moq.ErrMalformed), "with whom?")
	p1.End()
	require.Equal(t, "replaced a [0]", said(watch))
	k = subscribe(t, v("z"), "a", epoch)
	require.True(t, s2.wanted[k])
	p2.End()
	require.Equal(t, "ended a []", said(watch))
	watch.Close()
}

// A source that has come to the end of a track has the last word: a broadcast
// that ends before it has said so takes nothing away.
func TestQuitThenEnd(t *testing.T) {
	m := NewMux(Config{})
	v := func(peer string) *View { return m.View(Scope{Peer: peer}) }
	p, s := merge(t, v("x"), Route{Hops: []uint64{0}})
	k := subscribe(t, v("z"), "a", epoch)
	require.True(t, m.Quit(k, s))
	p.End()
	require.NoError(t, failed(k))
	k.Finish(0)
	ended, err := k.Ended()
	require.True(t, ended)
	require.Nil(t, err)
}

// What is brought without being asked is one track whoever brings it, and stays
// without readers.
func TestPush(t *testing.T) {
	m := NewMux(Config{Idle: time.Minute, Linger: -1})
	v := func(peer string) *View { return m.View(Scope{Peer: peer}) }
	name := moq.FullTrackName{Path: "a", Name: "v"}
	p1, s1 := merge(t, v("x"), Route{Hops: []uint64{0}})
	k := p1.Push(name)
	require.Same(t, k, subscribe(t, v("z"), "a", epoch))
	p2, s2 := merge(t, v("y"), Route{Hops: []uint64{0}})
	require.Same(t, k, p2.Push(name))
	m.Sweep(epoch.Add(time.Hour))
	require.Contains(t, m.feeds, k)
	require.False(t, m.Quit(k, s1))
	m.Sweep(epoch.Add(2 * time.Hour))
	require.Contains(t, m.feeds, k)
	require.True(t, m.Quit(k, s2))
	k.Finish(0)
	p1.End()
	p2.End()
	require.Nil(t, p2.Push(name), "it is gone")
	require.Equal(t, Stats{}, m.Stats())
}
