package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moqtgo/moqt/bench/control"
	"github.com/moqtgo/moqt/bench/workload"
)

const (
	lagStep  = 100 * time.Microsecond
	lagSteps = 20_000 // up to 2 s; older frames count as that
)

// A tally is what all subscribers of a load received.
type tally struct {
	size   int // of a frame
	frames atomic.Uint64
	lags   [lagSteps + 1]atomic.Uint32

	mu sync.Mutex // one fill at a time
}

func newTally(size int) *tally { return &tally{size: size} }

// fill adds the counts to s and begins the lags anew.
func (t *tally) fill(s *control.Stats) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.Frames = t.frames.Load()
	var lags [lagSteps + 1]uint32
	var total uint64
	for i := range t.lags {
		lags[i] = t.lags[i].Swap(0)
		total += uint64(lags[i])
	}
	s.LagP50 = quantile(lags[:], total, 50)
	s.LagP99 = quantile(lags[:], total, 99)
}

func quantile(lags []uint32, total, percent uint64) time.Duration {
	if total == 0 {
		return 0
	}
	rank := max(total*percent/100, 1)
	var seen uint64
	for i, n := range lags {
		if seen += uint64(n); seen >= rank {
			return time.Duration(i) * lagStep
		}
	}
	return lagSteps * lagStep
}

// A reception is one subscriber's side of the tally.
type reception struct {
	tally   *tally
	onJoin  func()
	onFirst func() // may be nil

	first sync.Once
}

// joined says that the subscription was granted; call it once.
func (r *reception) joined() { r.onJoin() }

// frame counts a complete frame.
func (r *reception) frame(payload []byte) error {
	if len(payload) != r.tally.size {
		return fmt.Errorf("a frame has %d bytes, not %d", len(payload), r.tally.size)
	}
	lag := workload.Age(payload, time.Now()) / lagStep
	r.tally.lags[min(max(lag, 0), lagSteps)].Add(1)
	r.tally.frames.Add(1)
	r.first.Do(func() {
		if r.onFirst != nil {
			r.onFirst()
		}
	})
	return nil
}
