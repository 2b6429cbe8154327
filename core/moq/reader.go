package moq

import (
	"context"
	"io"
	"slices"
	"sync/atomic"
)

// A TrackReader is one subscription of a track. Next, NextGroup and Update
// belong to one goroutine at a time.
type TrackReader struct {
	track *Track
	wake  func()
	awake atomic.Bool // a wake is under way that Next has not answered

	// guarded by track.mu
	sub    Subscription
	pos    int // ordinal of the next arrival
	start  Location
	pinned bool
	held   []arrival // beyond the end of the subscription
	closed bool
	lost   int // groups that were evicted before they were read
}

// Subscribe registers a reader. wake, which may be nil, is called without
// locks held when there may be something new: at most once between two calls
// of Next, and it must not block.
func (t *Track) Subscribe(s Subscription, wake func()) *TrackReader {
	r := &TrackReader{track: t, wake: wake, sub: s}
	t.mu.Lock()
	r.pos = t.base
	r.pin()
	t.readers = append(slices.Clip(t.readers), r)
	t.mu.Unlock()
	t.demandChanged()
	r.signal()
	return r
}

func (t *Track) demandChanged() {
	if t.onDemand != nil {
		t.onDemand(t)
	}
}

// pin fixes where the subscription starts, once that can be known.
func (r *TrackReader) pin() {
	t := r.track
	switch {
	case r.pinned:
		return
	case r.sub.From == FromAbsolute:
		r.start = r.sub.Start
	case !t.any:
		return
	case r.sub.From == FromNext:
		r.start = Location{Group: t.largest.Group + 1}
	case r.sub.From == FromLargest:
		r.start = Location{t.largest.Group, t.largest.Object + 1}
	default:
		r.start = Location{Group: t.largest.Group}
	}
	r.pinned = true
}

func (r *TrackReader) signal() {
	if r.wake != nil && !r.awake.Swap(true) {
		r.wake()
	}
}

// Track returns the track that is read.
func (r *TrackReader) Track() *Track { return r.track }

// Subscription returns what the reader wants.
func (r *TrackReader) Subscription() Subscription {
	r.track.mu.Lock()
	defer r.track.mu.Unlock()
	return r.sub
}

// Start returns the first location that the subscription delivers. ok is
// false as long as that is not known.
func (r *TrackReader) Start() (l Location, ok bool) {
	r.track.mu.Lock()
	defer r.track.mu.Unlock()
	r.pin()
	return r.start, r.pinned
}

// Final returns the end of the track: no group from it on exists. ok is false
// as long as the track has not finished.
func (r *TrackReader) Final() (group uint64, ok bool) {
	r.track.mu.Lock()
	defer r.track.mu.Unlock()
	return r.track.final, r.track.finished
}

// Lost returns how many groups were evicted before Next came to them.
func (r *TrackReader) Lost() int {
	r.track.mu.Lock()
	defer r.track.mu.Unlock()
	return r.lost
}

// Update replaces what the reader wants. A start can only be raised: what has
// been delivered is not delivered again.
func (r *TrackReader) Update(s Subscription) {
	t := r.track
	t.mu.Lock()
	r.sub = s
	if s.From == FromAbsolute && r.pinned && s.Start.Compare(r.start) > 0 {
		r.start = s.Start
	}
	r.pin()
	t.mu.Unlock()
	t.demandChanged()
	r.signal()
}

// Close ends the subscription. The readers of its subgroups live on.
func (r *TrackReader) Close() {
	t := r.track
	t.mu.Lock()
	if r.closed {
		t.mu.Unlock()
		return
	}
	r.closed, r.held = true, nil
	t.readers = slices.DeleteFunc(slices.Clone(t.readers), func(q *TrackReader) bool { return q == r })
	changed := t.changed
	t.changed = nil
	t.mu.Unlock()
	if changed != nil {
		close(changed)
	}
	t.demandChanged()
}

// Next returns the next subgroup or datagram in the order of arrival. Both are
// nil when there is none now: wake will be called. The error is io.EOF after
// the end of the track, and the track's error after what arrived before it.
func (r *TrackReader) Next() (*SubgroupReader, *Datagram, error) {
	r.awake.Store(false)
	t := r.track
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.closed {
		return nil, nil, ErrClosed
	}
	if r.sub.Paused {
		return nil, nil, nil
	}
	r.pin()
	for i, a := range r.held {
		if !r.beyond(a) {
			r.held = slices.Delete(r.held, i, i+1)
			return a.read()
		}
	}
	if r.pos < t.base {
		r.lost += t.base - r.pos
		r.pos = t.base
	}
	for r.pos < t.base+len(t.arrivals) {
		a := t.arrivals[r.pos-t.base]
		r.pos++
		if a == (arrival{}) {
			r.lost++
			continue
		}
		if !r.wants(a) {
			continue
		}
		if r.beyond(a) {
			if len(r.held) < t.limits.Groups {
				r.held = append(r.held, a)
			}
			continue
		}
		return a.read()
	}
	switch {
	case t.err != nil:
		return nil, nil, t.err
	case t.finished:
		return nil, nil, io.EOF
	}
	return nil, nil, nil
}

func (r *TrackReader) wants(a arrival) bool {
	if a.dg != nil {
		return Location{a.dg.group.Sequence, a.dg.ID}.Compare(r.start) >= 0
	}
	return a.sg.group.Sequence >= r.start.Group
}

func (r *TrackReader) beyond(a arrival) bool {
	if !r.sub.Ends {
		return false
	}
	if a.dg != nil {
		return Location{a.dg.group.Sequence, a.dg.ID}.Compare(r.sub.End) > 0
	}
	return a.sg.group.Sequence > r.sub.End.Group
}

func (a arrival) read() (*SubgroupReader, *Datagram, error) {
	if a.dg != nil {
		return nil, a.dg, nil
	}
	return &SubgroupReader{Subgroup: a.sg}, nil, nil
}

func await(ctx context.Context, changed <-chan struct{}) error {
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// WaitInfo blocks until the track's info is known.
func (t *Track) WaitInfo(ctx context.Context) (TrackInfo, error) {
	for {
		t.mu.Lock()
		info, known, err, finished, changed := t.info, t.known, t.err, t.finished, t.wait()
		t.mu.Unlock()
		switch {
		case known:
			return info, nil
		case err != nil:
			return info, err
		case finished:
			return info, ErrClosed
		}
		if err := await(ctx, changed); err != nil {
			return info, err
		}
	}
}
