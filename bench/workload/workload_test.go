package workload

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRunPaces(t *testing.T) {
	for _, w := range All {
		t.Run(w.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				start := time.Now()
				var frames int
				w.Run(ctx, func(f Frame) {
					require.Equal(t, uint64(frames/w.Group), f.Group)
					require.Equal(t, frames%w.Group, f.Index)
					require.Len(t, f.Payload, w.Size)
					require.Zero(t, Age(f.Payload, time.Now()))
					require.Equal(t, time.Duration(frames)*time.Second/time.Duration(w.Rate), time.Since(start))
					if frames%w.Rate == 3 {
						time.Sleep(time.Second / time.Duration(2*w.Rate)) // a late sender
					}
					if frames++; frames == 3*w.Rate {
						cancel()
					}
				})
				require.Equal(t, 3*w.Rate, frames)
			})
		})
	}
}

func TestSet(t *testing.T) {
	var w Workload
	require.NoError(t, w.Set("w1"))
	require.Equal(t, All[0], w)
	require.Error(t, w.Set("W99"))
}
