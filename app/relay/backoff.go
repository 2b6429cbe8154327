package relay

import (
	"context"
	"math/rand/v2"
	"time"
)

// A Backoff is how long to wait before one tries again: 1 s, then twice as
// long each time up to 30 s, and ±25 % so that those who lost one peer do not
// come back at one instant. The zero value is ready; it belongs to one
// goroutine.
type Backoff struct {
	failures int
	// Random returns a number in [0, 1); nil is a shared source.
	Random func() float64
}

const (
	firstWait = time.Second
	longWait  = 30 * time.Second
)

// Next returns the next time to wait.
func (b *Backoff) Next() time.Duration {
	random := b.Random
	if random == nil {
		random = rand.Float64
	}
	d := min(firstWait<<min(b.failures, 5), longWait)
	b.failures++
	return time.Duration(float64(d) * (0.75 + random()/2))
}

// Reset says that it has worked: the next wait is a short one again.
func (b *Backoff) Reset() { b.failures = 0 }

// Wait waits for the next time, or until ctx ends: then it returns its cause.
func (b *Backoff) Wait(ctx context.Context) error { return sleep(ctx, b.Next()) }

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
