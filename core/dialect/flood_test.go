package dialect

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBucket(t *testing.T) {
	now := time.Unix(1000, 0)
	b := Bucket{Rate: 10, Burst: 3}
	for range 3 {
		require.Zero(t, b.Take(now))
	}
	require.Equal(t, 100*time.Millisecond, b.Take(now))
	require.Equal(t, 200*time.Millisecond, b.Take(now))
	now = now.Add(200 * time.Millisecond) // the debt is paid
	require.Equal(t, 100*time.Millisecond, b.Take(now))
	now = now.Add(time.Hour) // no more than Burst is saved
	for range 3 {
		require.Zero(t, b.Take(now))
	}
	require.Equal(t, 100*time.Millisecond, b.Take(now))
}

func TestChurn(t *testing.T) {
	now := time.Unix(1000, 0)
	c := Churn{Limit: 100}
	for range 100 {
		require.False(t, c.Ended(true, now))
	}
	require.True(t, c.Ended(true, now), "101 in a second, all of them")

	now = now.Add(time.Second)
	for range 150 {
		require.False(t, c.Ended(false, now))
	}
	for range 150 {
		require.False(t, c.Ended(true, now), "half of them at most")
	}
	require.True(t, c.Ended(true, now))

	now = now.Add(time.Hour)
	for range 1000 { // slowly for ever
		now = now.Add(10 * time.Millisecond)
		require.False(t, c.Ended(true, now))
	}
}
