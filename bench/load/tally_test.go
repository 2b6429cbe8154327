package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/bench/control"
	"github.com/moqtgo/moqt/bench/workload"
)

func TestTally(t *testing.T) {
	tally := newTally(16)
	firsts := 0
	r := &reception{tally: tally, onFirst: func() { firsts++ }}
	frame := make([]byte, 16)
	receive := func(age time.Duration) {
		workload.Stamp(frame, time.Now().Add(-age))
		require.NoError(t, r.frame(frame))
	}
	for range 98 {
		receive(-time.Hour) // a clock that is ahead counts as no lag
	}
	receive(time.Hour)
	receive(time.Hour)
	require.Equal(t, 1, firsts)
	require.Error(t, r.frame(frame[:15]), "a frame of another size")

	var s control.Stats
	tally.fill(&s)
	require.Equal(t, uint64(100), s.Frames)
	require.Zero(t, s.LagP50)
	require.Equal(t, 2*time.Second, s.LagP99)
	tally.fill(&s)
	require.Equal(t, uint64(100), s.Frames, "frames are a total")
	require.Zero(t, s.LagP99, "lags begin anew")
}

func TestQuantile(t *testing.T) {
	lags := make([]uint32, 10)
	lags[1], lags[4], lags[9] = 50, 49, 1
	require.Equal(t, 1*lagStep, quantile(lags, 100, 50))
	require.Equal(t, 4*lagStep, quantile(lags, 100, 99))
	require.Zero(t, quantile(lags, 0, 50))
}
