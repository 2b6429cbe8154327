package moq

import (
	"context"
	"sync"
	"time"
)

// A Probe is an estimate of the path to the peer.
type Probe struct {
	// Bitrate is in bits a second; 0 where unknown.
	Bitrate uint64
	// RTT is the round-trip time; 0 where unknown.
	RTT time.Duration
}

// A ProbeReader yields estimates; a late reader gets the newest one only.
type ProbeReader struct {
	close func()

	mu      sync.Mutex
	value   Probe
	fresh   bool
	err     error
	changed chan struct{}
}

// NewProbeReader returns an empty reader; close, which may be nil, is called
// by its Close.
func NewProbeReader(close func()) *ProbeReader {
	return &ProbeReader{close: close, changed: make(chan struct{})}
}

// Set puts a new estimate in.
func (r *ProbeReader) Set(p Probe) { r.update(func() { r.value, r.fresh = p, true }) }

// Fail ends the reader; only the first error counts.
func (r *ProbeReader) Fail(err error) {
	r.update(func() {
		if r.err == nil {
			r.err = err
		}
	})
}

func (r *ProbeReader) update(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
	close(r.changed)
	r.changed = make(chan struct{})
}

// Next blocks for an estimate that has not been read.
func (r *ProbeReader) Next(ctx context.Context) (Probe, error) {
	for {
		r.mu.Lock()
		p, fresh, err, changed := r.value, r.fresh, r.err, r.changed
		r.fresh = false
		r.mu.Unlock()
		switch {
		case fresh:
			return p, nil
		case err != nil:
			return Probe{}, err
		}
		if err := await(ctx, changed); err != nil {
			return Probe{}, err
		}
	}
}

// Close stops the estimates.
func (r *ProbeReader) Close() {
	r.Fail(ErrClosed)
	if r.close != nil {
		r.close()
	}
}
