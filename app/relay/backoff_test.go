package relay

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestBackoff(t *testing.T) {
	for _, test := range []struct {
		random float64
		want   []time.Duration
	}{
		{0.5, []time.Duration{1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000}},
		{0, []time.Duration{750, 1500, 3000, 6000, 12000, 22500, 22500}},
		{1, []time.Duration{1250, 2500, 5000, 10000, 20000, 37500, 37500}},
	} {
		b := Backoff{Random: func() float64 { return test.random }}
		for round := range 2 {
			for i, want := range test.want {
				assert.Equal(t, want*time.Millisecond, b.Next(), "round %d, wait %d", round, i)
			}
			b.Reset()
		}
	}
}
