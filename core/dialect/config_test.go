package dialect

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDefaults(t *testing.T) {
	var none *Config
	d := none.WithDefaults()
	require.Equal(t, time.Second, d.MinLatency)
	require.Equal(t, 64<<10, d.Limits.ControlBytes)
	d = (&Config{MinLatency: 3, Limits: Limits{Watches: 7}}).WithDefaults()
	require.EqualValues(t, 3, d.MinLatency)
	require.Equal(t, 7, d.Limits.Watches)
	require.Equal(t, 1024, d.Limits.Subscriptions)
}

func TestQuota(t *testing.T) {
	b := NewBudget(&Limits{Fetches: 2})
	require.True(t, b.Fetches.Take())
	require.True(t, b.Fetches.Take())
	require.False(t, b.Fetches.Take())
	require.EqualValues(t, 1, b.Fetches.Refused.Load())
	b.Fetches.Release()
	require.True(t, b.Fetches.Take())
	require.Equal(t, 2, b.Fetches.Used())
}
