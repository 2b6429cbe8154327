package moq

import (
	"context"
	"io"
	"slices"
	"sort"
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
	pos    int       // ordinal of the next arrival
	start  Location  // what is before it is not delivered
	first  Location  // what Start says
	pinned bool      // first is set
	held   []arrival // beyond the end of the subscription
	closed bool
	err    *Error // Fail was called
	lost   int    // arrivals that were evicted before they were read
	// cursors are the subgroups that were handed out and not read to their
	// end, as long as they are in the cache.
	cursors []*SubgroupReader
}

// Subscribe registers a reader. wake, which may be nil, is called without
// locks held when there may be something new in the track or in a subgroup of
// it: it is decided at most once between two calls of Next, and it must not
// block. So call Next first and look at the subgroups then; otherwise a wake is
// missed. A wake may come late, the last one after Close.
//
// Where nothing has arrived yet, everything that will is delivered, unless
// s.From is FromAbsolute or Reach says what FromNext and FromLargest mean.
func (t *Track) Subscribe(s Subscription, wake func()) *TrackReader {
	r := &TrackReader{track: t, wake: wake, sub: s}
	t.mu.Lock()
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

// pin fixes where the subscription starts when it is made.
func (r *TrackReader) pin() {
	t := r.track
	switch {
	case r.sub.From == FromAbsolute:
		r.start = r.sub.Start
	case !t.any:
		return // streams may overtake each other: the first arrival is no start
	case r.sub.From == FromNext:
		r.start = t.largest.nextGroup()
	case r.sub.From == FromLargest:
		r.start = Location{t.largest.Group, t.largest.Object + 1}
		if r.start.Object == 0 {
			r.start = t.largest.nextGroup()
		}
	default:
		r.start = Location{Group: t.largest.Group}
	}
	r.first, r.pinned = r.start, true
}

// nextGroup returns the start of the next group; there is none after the last.
func (l Location) nextGroup() Location {
	if l.Group+1 == 0 {
		return Location{l.Group, 1<<64 - 1}
	}
	return Location{Group: l.Group + 1}
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

// Start returns the first location that the subscription delivers: where it
// was made before anything had arrived, the smallest group there is when Start
// is first asked. ok is false as long as that is not known.
func (r *TrackReader) Start() (l Location, ok bool) {
	r.track.mu.Lock()
	defer r.track.mu.Unlock()
	if t := r.track; !r.pinned && len(t.groups) > 0 && t.any {
		r.first, r.pinned = Location{Group: t.groups[0].Sequence}, true
	}
	return r.first, r.pinned
}

// Final returns the end of the track: no group from it on exists. ok is false
// as long as the track has not finished.
func (r *TrackReader) Final() (group uint64, ok bool) {
	r.track.mu.Lock()
	defer r.track.mu.Unlock()
	return r.track.final, r.track.finished
}

// Lost returns how many of the subgroups and datagrams that the subscription
// covers were evicted before Next came to them.
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
	if s.From == FromAbsolute && s.Start.Compare(r.start) > 0 {
		r.start = s.Start
	}
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
	r.closed, r.held, r.cursors = true, nil, nil
	t.progressed()
	t.readers = slices.DeleteFunc(slices.Clone(t.readers), func(q *TrackReader) bool { return q == r })
	changed := t.changed
	t.changed = nil
	t.unlockLeave()
	if changed != nil {
		close(changed)
	}
	t.demandChanged()
}

// Fail makes Next return err, whatever there is of the track, and so do the
// readers of its subgroups. Only the first error counts.
func (r *TrackReader) Fail(err *Error) {
	t := r.track
	t.mu.Lock()
	if r.err == nil {
		r.err = err
	}
	changed := t.changed
	t.changed = nil
	t.mu.Unlock()
	if changed != nil {
		close(changed)
	}
	r.signal()
}

// WaitInfo is Track.WaitInfo for a reader that may fail before its track does.
func (r *TrackReader) WaitInfo(ctx context.Context) (TrackInfo, error) {
	return r.track.waitInfo(ctx, func() *Error { return r.err })
}

// Closed reports whether Close was called.
func (r *TrackReader) Closed() bool {
	r.track.mu.Lock()
	defer r.track.mu.Unlock()
	return r.closed
}

// Next returns the next subgroup or datagram in the order of arrival. Both are
// nil when there is none now: wake will be called. The error is io.EOF after
// the end of the track, and the track's error after what arrived before it.
func (r *TrackReader) Next() (*SubgroupReader, *Datagram, error) {
	r.awake.Store(false)
	t := r.track
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case r.closed:
		return nil, nil, ErrClosed
	case r.err != nil:
		return nil, nil, r.err
	}
	if !r.sub.Paused {
		if a, ok := r.take(); ok {
			sg, dg := r.open(a)
			return sg, dg, nil
		}
	}
	switch {
	case t.err != nil:
		return nil, nil, t.err
	case t.finished:
		return nil, nil, io.EOF
	}
	return nil, nil, nil
}

// take returns the next arrival that the subscription covers.
func (r *TrackReader) take() (arrival, bool) {
	for i, a := range r.held {
		if !r.beyond(a) {
			r.held = slices.Delete(r.held, i, i+1)
			return a, true
		}
	}
	t := r.track
	if r.pos == t.ordinal {
		return arrival{}, false
	}
	i := sort.Search(len(t.arrivals), func(i int) bool { return t.arrivals[i].ordinal >= r.pos })
	for ; i < len(t.arrivals); i++ {
		a := t.arrivals[i]
		r.pos = a.ordinal + 1
		switch {
		case !r.wants(a):
		case r.beyond(a):
			r.held = append(r.held, a)
		default:
			return a, true
		}
	}
	r.pos = t.ordinal
	return arrival{}, false
}

// lose counts an arrival that is evicted before it was read.
func (r *TrackReader) lose(a arrival) {
	if a.ordinal >= r.pos && r.wants(a) && !r.beyond(a) {
		r.lost++
		r.track.lost++
		r.track.progressed()
	}
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

// open returns the reader of what arrived, bounded to the objects that the
// subscription covers now.
func (r *TrackReader) open(a arrival) (*SubgroupReader, *Datagram) {
	r.track.progressed()
	if a.dg != nil {
		return nil, a.dg
	}
	sr := &SubgroupReader{Subgroup: a.sg, owner: r}
	r.cursors = append(r.cursors, sr)
	if a.sg.Group() == r.start.Group {
		sr.From = r.start.Object
	}
	if r.sub.Ends && a.sg.Group() == r.sub.End.Group && r.sub.End.Object+1 != 0 {
		sr.Before = r.sub.End.Object + 1
	}
	return sr, nil
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
	return t.waitInfo(ctx, func() *Error { return nil })
}

// waitInfo is WaitInfo until failed, which is asked under t.mu, says why not.
func (t *Track) waitInfo(ctx context.Context, failed func() *Error) (TrackInfo, error) {
	for {
		t.mu.Lock()
		info, known, err, finished, changed := t.info, t.known, t.err, t.finished, t.wait()
		if err == nil {
			err = failed()
		}
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
