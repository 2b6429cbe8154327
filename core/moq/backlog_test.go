package moq

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A feeder writes whole groups of one frame.
func feedGroup(t *testing.T, k *Track, seq uint64, size int, now time.Time) {
	t.Helper()
	g, err := NewTrackWriter(k, func() time.Time { return now }).OpenGroup(seq)
	require.NoError(t, err)
	_, err = g.Write(make([]byte, size))
	require.NoError(t, err)
	require.NoError(t, g.Close())
}

func woken(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestBacklog(t *testing.T) {
	now := time.Unix(0, 0)
	k := NewTrack(FullTrackName{}, CacheLimits{}, nil)
	feedGroup(t, k, 0, 1000, now)
	assert.Equal(t, Backlog{}, k.Backlog(), "nobody reads")

	fast, slow := k.Subscribe(Subscription{}, nil), k.Subscribe(Subscription{}, nil)
	k.Subscribe(Subscription{Paused: true}, nil)
	feedGroup(t, k, 1, 500, now)
	assert.Equal(t, Backlog{Bytes: 1500 + 2*objectCost, Groups: 2}, k.Backlog())

	read := func(r *TrackReader) {
		progress := k.Progress()
		sg, _, err := r.Next()
		require.NoError(t, err)
		for err == nil {
			_, _, err = sg.Next()
		}
		assert.True(t, woken(progress))
	}
	read(fast)
	read(fast)
	assert.Equal(t, 2, k.Backlog().Groups, "the slowest one counts")
	read(slow)
	assert.Equal(t, Backlog{Bytes: 500 + objectCost, Groups: 1}, k.Backlog())

	sg, _, err := slow.Next()
	require.NoError(t, err)
	assert.Equal(t, 1, k.Backlog().Groups, "taken is not read")
	_, _, err = sg.Next()
	require.NoError(t, err)
	assert.Equal(t, Backlog{Groups: 1}, k.Backlog(), "its end was not seen")
	progress := k.Progress()
	sg.Abandon(true)
	sg.Abandon(true)
	assert.True(t, woken(progress))
	assert.Equal(t, Backlog{Lost: 1}, k.Backlog())

	feedGroup(t, k, 2, 10, now)
	progress = k.Progress()
	slow.Close()
	assert.True(t, woken(progress))
	read(fast)
	assert.Equal(t, Backlog{Lost: 1}, k.Backlog(), "who has left is not behind, and loses nothing")
}

func TestBacklogOfObjectsThatArrive(t *testing.T) {
	now := time.Unix(0, 0)
	k := NewTrack(FullTrackName{}, CacheLimits{}, nil)
	r := k.Subscribe(Subscription{}, nil)
	w, e := k.OpenSubgroup(0, SubgroupHeader{FirstKnown: true}, now)
	require.Nil(t, e)
	require.Nil(t, w.Begin(ObjectHeader{}, 100_000, now))
	for w.Missing() > 50_000 {
		require.Nil(t, w.Advance(min(len(w.Space()), 10_000)))
	}
	there := int64(100_000 - w.Missing())
	sg, _, err := r.Next()
	require.NoError(t, err)
	assert.Equal(t, there+objectCost, k.Backlog().Bytes)
	p, ok, err := sg.Next()
	require.NoError(t, err)
	require.True(t, ok)
	assert.Equal(t, there+objectCost-int64(len(p.Data)), k.Backlog().Bytes)
}

func TestBacklogCountsEvictions(t *testing.T) {
	now := time.Unix(0, 0)
	k := NewTrack(FullTrackName{}, CacheLimits{Groups: 2}, nil)
	r := k.Subscribe(Subscription{}, nil)
	feedGroup(t, k, 0, 10, now)
	_, _, err := r.Next() // taken, never read
	require.NoError(t, err)
	for seq := range uint64(4) {
		feedGroup(t, k, seq+1, 10, now)
	}
	b := k.Backlog()
	assert.Equal(t, 2, b.Groups)
	assert.Equal(t, 3, b.Lost, "one that was taken, two that were not")
}
