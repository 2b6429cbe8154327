package main

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/moqtgo/moqt/core/moq"
)

// startGrace is how long a group that may not be the first one waits for those
// before it: streams can overtake each other.
const startGrace = 250 * time.Millisecond

var errLate = errors.New("later groups did not wait any longer")

// A collector writes the groups of a track in the order of their sequence
// numbers, however they arrive. What is missing is waited for until something
// after it has been there for latency; then it is lost.
type collector struct {
	out     io.Writer
	latency time.Duration
	// lost is told of every loss: the groups from first to last.
	lost func(first, last uint64, why string)

	begun bool
	next  uint64 // the group that is to be written
	skip  int    // how many frames of it have been written already
	wrote int64  // bytes

	mu      sync.Mutex
	held    map[uint64]held
	end     error // of the track
	changed chan struct{}
	guard   *guard
}

type held struct {
	*moq.GroupReader
	at time.Time
}

// A guard ends a context when a group after its own has been there for too
// long.
type guard struct {
	group  uint64
	cancel context.CancelCauseFunc
	timer  *time.Timer
}

// outputError is a failure of the output, which nothing can mend.
type outputError struct{ error }

func (e outputError) Unwrap() error { return e.error }

// collect writes what r delivers until the track ends, the output fails or ctx
// ends. It can be called again with a reader that goes on with c.next, of which
// the first c.skip frames are skipped.
func (c *collector) collect(ctx context.Context, r *moq.TrackReader) error {
	c.held, c.end, c.changed = map[uint64]held{}, nil, make(chan struct{})
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.arrivals(ctx, r)
	}()
	defer func() {
		cancel()
		<-done
	}()
	for {
		g, err := c.take(ctx)
		if err == io.EOF {
			if final, ok := r.Final(); ok && c.begun && c.next < final {
				c.lose(final, "the track ended without them")
			}
			return nil
		}
		if err != nil {
			return err
		}
		gctx, stop := c.watch(ctx, g.Sequence())
		err = c.write(gctx, g)
		stop()
		var fatal outputError
		switch {
		case errors.As(err, &fatal):
			return fatal.error
		case context.Cause(ctx) != nil:
			return context.Cause(ctx)
		case err == io.EOF:
		case c.dropped(r, err):
			return err
		default:
			c.lost(g.Sequence(), g.Sequence(), err.Error())
		}
		c.next, c.skip = g.Sequence()+1, 0
	}
}

// dropped reports whether a group was cut short because its whole track was: it
// may go on with another source.
func (c *collector) dropped(r *moq.TrackReader, err error) bool {
	_, why := r.Track().Ended()
	return why != nil && errors.Is(err, why)
}

// arrivals takes the groups of r as they come.
func (c *collector) arrivals(ctx context.Context, r *moq.TrackReader) {
	for {
		g, err := r.NextGroup(ctx)
		c.mu.Lock()
		if err != nil {
			c.end = err
		} else {
			c.held[g.Sequence()] = held{g, time.Now()}
			c.arm()
		}
		close(c.changed)
		c.changed = make(chan struct{})
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// watch returns a context that ends with errLate when a group after the one
// given has been there for c.latency.
func (c *collector) watch(ctx context.Context, group uint64) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	g := &guard{group: group, cancel: cancel}
	c.guard = g
	c.arm()
	return ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.guard = nil
		if g.timer != nil {
			g.timer.Stop()
		}
		cancel(nil)
	}
}

// arm starts the guard's timer once there is a group after its own. c.mu is
// held.
func (c *collector) arm() {
	g := c.guard
	if g == nil || g.timer != nil {
		return
	}
	var since time.Time
	for seq, h := range c.held {
		if seq > g.group && (since.IsZero() || h.at.Before(since)) {
			since = h.at
		}
	}
	if !since.IsZero() {
		g.timer = time.AfterFunc(max(1, time.Until(since.Add(c.latency))), func() { g.cancel(errLate) })
	}
}

// take returns the next group in order.
func (c *collector) take(ctx context.Context) (*moq.GroupReader, error) {
	if !c.begun {
		if err := c.begin(ctx); err != nil {
			return nil, err
		}
	}
	watch, stop := c.watch(ctx, c.next)
	defer stop()
	for {
		h, ok, first, changed, end := c.look()
		switch {
		case ok:
			return h.GroupReader, nil
		case end != nil && first == nil:
			return nil, end
		case end != nil || context.Cause(watch) == errLate:
			c.lose(*first, "missing")
			continue
		}
		select {
		case <-changed:
		case <-watch.Done():
			if context.Cause(ctx) != nil {
				return nil, context.Cause(ctx)
			}
		}
	}
}

// look takes the next group out of what is held. Where it is not there, first
// is the first one after it.
func (c *collector) look() (h held, ok bool, first *uint64, changed <-chan struct{}, end error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h, ok = c.held[c.next]; ok {
		delete(c.held, c.next)
		return h, true, nil, nil, nil
	}
	maps.DeleteFunc(c.held, func(seq uint64, _ held) bool { return seq < c.next }) // given up before
	if len(c.held) > 0 {
		lowest := slices.Min(slices.Collect(maps.Keys(c.held)))
		first = &lowest
	}
	return h, false, first, c.changed, c.end
}

// begin finds the group to start with.
func (c *collector) begin(ctx context.Context) error {
	var grace <-chan time.Time
	for over := false; ; {
		c.mu.Lock()
		keys := slices.Sorted(maps.Keys(c.held))
		end, changed := c.end, c.changed
		c.mu.Unlock()
		switch {
		case len(keys) > 0 && (over || keys[0] == 0 || end != nil):
			c.begun, c.next = true, keys[0]
			return nil
		case end != nil:
			return end
		case len(keys) > 0 && grace == nil:
			grace = time.After(startGrace)
		}
		select {
		case <-changed:
		case <-grace:
			over = true
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// write writes the frames of a group; the error is io.EOF at its end.
func (c *collector) write(ctx context.Context, g *moq.GroupReader) error {
	for n := 0; ; n++ {
		f, err := g.ReadFrame(ctx)
		if err != nil {
			return err
		}
		if n < c.skip {
			continue
		}
		if _, err := c.out.Write(f.Payload); err != nil {
			return outputError{err}
		}
		c.wrote += int64(len(f.Payload))
		c.skip = n + 1
	}
}

// lose gives up the groups before first.
func (c *collector) lose(first uint64, why string) {
	c.lost(c.next, first-1, why)
	c.next, c.skip = first, 0
}
