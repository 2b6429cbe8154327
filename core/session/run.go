package session

import (
	"sync"
	"time"

	"github.com/moqtgo/moqt/core/route"
)

// NewMux returns a Mux whose deadlines are kept: a timer sweeps it when
// something is due. It needs no closing.
func NewMux(conf route.Config) *route.Mux {
	r := &sweeper{mux: route.NewMux(conf)}
	r.mux.SetAlarm(r.alarm)
	return r.mux
}

// sweepStep is the clock of a sweeper: what is due within one goes together.
const sweepStep = time.Millisecond

type sweeper struct {
	mux *route.Mux

	mu    sync.Mutex
	timer *time.Timer
	due   time.Time // zero: nothing is due
}

// alarm sees to it that the Mux is swept at the time given, or up to a step later.
func (r *sweeper) alarm(at time.Time) {
	now := time.Now()
	if at.After(now) {
		at = at.Add(sweepStep - 1).Truncate(sweepStep)
	} else {
		at = now
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.due.IsZero() && !at.Before(r.due) {
		return
	}
	r.due = at
	if r.timer != nil {
		r.timer.Stop()
	}
	if wait := at.Sub(now); wait > 0 {
		r.timer = time.AfterFunc(wait, r.sweep)
	} else { // see DESIGN.md, "Determinism", on timers
		r.timer = nil
		go r.sweep()
	}
}

func (r *sweeper) sweep() {
	r.mu.Lock()
	r.due = time.Time{}
	r.mu.Unlock()
	if next := r.mux.Sweep(time.Now()); !next.IsZero() {
		r.alarm(next)
	}
}
