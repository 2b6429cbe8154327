package route

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/moq"
)

// A track comes the way that its announcement names: a better route is taken
// when it comes, and when it is named.
func TestTracksFollowTheRoute(t *testing.T) {
	m := NewMux(Config{})
	_, far := publish(t, m.View(Scope{Peer: "far"}), "a", 1, 2, 3)
	k := subscribe(t, m.View(Scope{Peer: "viewer"}), "a", epoch)
	require.True(t, far.wanted[k])
	p, near := publish(t, m.View(Scope{Peer: "near"}), "a", 1, 4)
	require.Empty(t, far.wanted)
	require.Equal(t, map[*moq.Track]bool{k: true}, near.wanted)
	require.NoError(t, p.Update(Route{Hops: []uint64{1, 5, 6, 4}}))
	require.Empty(t, near.wanted)
	require.Equal(t, map[*moq.Track]bool{k: true}, far.wanted)
	require.NoError(t, failed(k))
}

// There is one subscription upstream, over a route that suits all who read it.
func TestOneSubscriptionUpstream(t *testing.T) {
	m := NewMux(Config{})
	near, far := m.View(Scope{Peer: "near"}), m.View(Scope{Peer: "far"})
	p1, s1 := publish(t, near, "a", 1)
	_, s2 := publish(t, far, "a", 1, 2)
	usual := subscribe(t, m.View(Scope{Peer: "viewer"}), "a", epoch)
	require.True(t, s1.wanted[usual])
	name := moq.FullTrackName{Path: "a", Name: "v"}
	back, err := near.Subscribe(name, moq.Subscription{}, epoch, nil)
	require.NoError(t, err)
	require.Same(t, usual, back.Track())
	require.Empty(t, s1.wanted, "near cannot have it from itself")
	require.True(t, s2.wanted[usual])
	back.Close()
	m.Sweep(epoch)
	require.Empty(t, s2.wanted)
	require.True(t, s1.wanted[usual], "the best route again")
	p1.Lose(epoch)
	require.Equal(t, map[*moq.Track]bool{usual: true}, s2.wanted)
	require.Equal(t, 1, m.Stats().Tracks)
}

// Who had to take the only route there was leaves it for one that suits, although
// the other is the better one.
func TestForcedRoute(t *testing.T) {
	m := NewMux(Config{})
	near := m.View(Scope{Peer: "near"})
	k := subscribe(t, near, "a", epoch) // waits
	_, s1 := publish(t, near, "a", 1)
	require.True(t, s1.wanted[k], "there is no other")
	_, s2 := publish(t, m.View(Scope{Peer: "far"}), "a", 1, 2)
	require.Empty(t, s1.wanted)
	require.True(t, s2.wanted[k])
}

// Where the only route leads through who reads the track, that is ended, but not
// before there was time for another one.
func TestMisled(t *testing.T) {
	m := NewMux(Config{})
	p, s1 := publish(t, m.View(Scope{Peer: "near"}), "a", 1, 2)
	peer := m.View(Scope{Peer: "peer"})
	peer.SetHop(7)
	name := moq.FullTrackName{Path: "a", Name: "v"}
	other, err := m.View(Scope{Peer: "other"}).Subscribe(name, moq.Subscription{}, epoch, nil)
	require.NoError(t, err)
	back, err := peer.Subscribe(name, moq.Subscription{}, epoch, nil)
	require.NoError(t, err)
	k := back.Track()
	require.Same(t, k, other.Track())
	ended := func(r *moq.TrackReader) error {
		_, _, err := r.Next()
		return err
	}

	require.NoError(t, p.Update(Route{Hops: []uint64{1, 7, 2}}))
	require.Equal(t, epoch.Add(patience), m.Sweep(epoch))
	far, s2 := publish(t, m.View(Scope{Peer: "far"}), "a", 1, 3, 4, 5)
	require.True(t, s2.wanted[k], "a longer one that suits")
	require.Empty(t, s1.wanted)
	m.Sweep(epoch.Add(time.Minute))
	require.NoError(t, ended(back))

	far.End()
	require.True(t, s1.wanted[k])
	m.Sweep(epoch.Add(2 * time.Minute))
	require.NoError(t, ended(back))
	m.Sweep(epoch.Add(2*time.Minute + patience))
	require.ErrorIs(t, ended(back), moq.ErrDropped)
	require.NoError(t, ended(other))
}

// Where no route suits everybody there are two tracks, as long as they have
// different routes: then those who read one of them come back to the other.
func TestTwoTracksOfOneName(t *testing.T) {
	m := NewMux(Config{})
	near, far := m.View(Scope{Peer: "near"}), m.View(Scope{Peer: "far"})
	p1, s1 := publish(t, near, "a", 1)
	_, s2 := publish(t, far, "a", 1, 2)
	k1, k2 := subscribe(t, far, "a", epoch), subscribe(t, near, "a", epoch)
	require.Equal(t, map[*moq.Track]bool{k1: true}, s1.wanted)
	require.Equal(t, map[*moq.Track]bool{k2: true}, s2.wanted)
	p1.End()
	require.Equal(t, map[*moq.Track]bool{k2: true}, s2.wanted)
	require.ErrorIs(t, failed(k1), moq.ErrDropped)
	require.NoError(t, failed(k2))
	require.Equal(t, 1, m.Stats().Tracks)
}
