package route

import (
	"context"
	"iter"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/moqtgo/moqt/core/moq"
)

// Change is what happened to a broadcast.
type Change uint8

const (
	Active   Change = iota // it is there
	Ended                  // it is gone
	Replaced               // another content has taken its name
	Rerouted               // the same content, another route
)

// An Announcement is a change of a broadcast.
type Announcement struct {
	// Path is relative to the view.
	Path   moq.Path
	Change Change
	// Hops are the ids of the nodes on the way, the origin first, this node
	// excluded; they are shared and not to be modified.
	Hops []uint64
	// Cost is that of the route.
	Cost uint64
}

// An AnnounceReader watches the broadcasts below a prefix. However late it is
// read, it yields what is true then: changes of one path between two reads
// become one.
type AnnounceReader struct {
	watch
	batch []Announcement

	// guarded by mux.mu
	exclude uint64
	sent    map[moq.Path]sent
}

// A watch is what looks at the paths below a prefix.
type watch struct {
	view   *View
	prefix moq.Path // absolute
	wake   func()
	awake  atomic.Bool
	tracks bool // it is told of tracks, not of broadcasts
	gather func(context.Context)
	said   func(moq.Path) bool // whether anything was said of a path; mux.mu is held

	// guarded by mux.mu
	dirty  map[moq.Path]struct{}
	queue  []moq.Path    // taken from dirty, in order
	notify chan struct{} // of who waits in Next
	err    error         // after Close or Fail
	onEnd  func()
}

// A sent is what was said of a path: serials, so that nothing is kept alive.
type sent struct {
	content uint64
	pub     uint64
	version int
}

// Watch returns a reader of the broadcasts below prefix, which is relative to
// the view. What exists is its first batch. Routes through the node exclude,
// if that is not 0, are not offered. wake is called without locks held when
// there may be something new, at most once between two calls of Drain, for the
// first of which it is not waited; a last wake may come after Close.
func (v *View) Watch(prefix moq.Path, exclude uint64, wake func()) (*AnnounceReader, error) {
	r := &AnnounceReader{exclude: exclude, sent: map[moq.Path]sent{}}
	r.said = func(p moq.Path) bool { _, ok := r.sent[p]; return ok }
	if err := v.begin(&r.watch, prefix, wake); err != nil {
		return nil, err
	}
	return r, nil
}

// begin registers a watch, with all that exists to be looked at.
func (v *View) begin(w *watch, prefix moq.Path, wake func()) error {
	if err := v.check(OpWatch, prefix); err != nil {
		return err
	}
	w.view, w.prefix, w.wake, w.dirty = v, v.root.Join(prefix), wake, map[moq.Path]struct{}{}
	m := v.mux
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.root.at(w.prefix)
	n.watches = append(n.watches, w)
	m.watchers++
	n.walk(w.prefix, func(p moq.Path, n *node) {
		if n.active() != nil {
			w.dirty[p] = struct{}{}
		}
	})
	return nil
}

// changed marks the path for everybody who watches it. What came and went
// before a reader was told of it leaves no trace, so that names which nobody
// drains cost nothing.
func (m *Mux) changed(path moq.Path, calls *calls) { m.mark(path, false, calls) }

// mark marks the path for those who watch it: all, or those of tracks only.
func (m *Mux) mark(path moq.Path, tracks bool, calls *calls) {
	n := m.root.find(path)
	gone := n == nil || n.active() == nil
	m.root.along(path, func(n *node, _ int) {
		for _, w := range n.watches {
			if tracks && !w.tracks {
				continue
			}
			if gone && !w.said(path) {
				delete(w.dirty, path)
				continue
			}
			w.dirty[path] = struct{}{}
			if w.notify != nil {
				close(w.notify)
				w.notify = nil
			}
			if w.wake != nil && !w.awake.Swap(true) {
				calls.add(w.wake)
			}
		}
	})
}

// Drain returns up to limit changes in the order of their paths; fewer means
// that there are no more now.
func (r *AnnounceReader) Drain(limit int) []Announcement {
	r.awake.Store(false)
	m := r.view.mux
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.err != nil {
		return nil
	}
	var out []Announcement
	for len(out) < limit && r.refill() {
		p := r.queue[0]
		r.queue = r.queue[1:]
		if a, ok := r.look(p); ok {
			out = append(out, a)
		}
	}
	return out
}

// refill moves what is dirty to an empty queue: a long list is sorted once,
// however small the steps in which it is read.
func (w *watch) refill() bool {
	if len(w.queue) > 0 {
		return true
	}
	w.queue = slices.Sorted(maps.Keys(w.dirty))
	clear(w.dirty)
	return len(w.queue) > 0
}

// look compares what is true of a path with what was said of it.
func (r *AnnounceReader) look(p moq.Path) (a Announcement, ok bool) {
	a.Path, _ = p.Under(r.view.root)
	old, had := r.sent[p]
	pub := r.offer(p)
	if pub == nil {
		delete(r.sent, p)
		a.Change = Ended
		return a, had
	}
	now := sent{pub.content.serial, pub.serial, pub.version}
	if pub.content.merge { // all are one route
		now = sent{content: pub.content.serial}
	}
	r.sent[p] = now
	if a.Hops, a.Cost = pub.route.Hops, pub.route.Cost; r.view.peer != nil {
		a.Hops = pub.way()
	}
	switch {
	case !had:
		a.Change = Active
	case old.content != now.content:
		a.Change = Replaced
	case old != now:
		a.Change = Rerouted
	default:
		return a, false
	}
	return a, true
}

// suits reports whether the watcher may be told of p, which has not passed the
// node that it leaves out.
func (r *AnnounceReader) suits(p *Publication) bool {
	return r.view.suits(p) && (r.exclude == 0 || !slices.Contains(p.route.Hops, r.exclude))
}

// has reports whether the watcher may have something of c.
func (r *AnnounceReader) has(c *content) bool {
	if len(c.pubs) == 0 {
		return c.last == nil || r.suits(c.last)
	}
	return slices.ContainsFunc(c.pubs, r.suits)
}

// offer returns the publication that the watcher is told of.
func (r *AnnounceReader) offer(p moq.Path) *Publication {
	n := r.view.mux.root.find(p)
	if n == nil {
		return nil
	}
	c := n.means(r.has)
	if c == nil {
		return nil
	}
	pubs := c.pubs
	if len(pubs) == 0 && c.last != nil {
		pubs = []*Publication{c.last}
	}
	for _, pub := range pubs {
		switch {
		case pub.route.Hidden, !r.suits(pub):
		case r.view.peer != nil && len(pub.route.Hops) >= r.view.mux.conf.MaxHops: // with this node, too long for the peer
		default:
			return pub
		}
	}
	return nil
}

// Next blocks for the next change. It is for readers without a wake function,
// and belongs to one goroutine. The error is moq.ErrClosed after Close, and
// what Fail was given.
func (r *AnnounceReader) Next(ctx context.Context) (Announcement, error) {
	return next(ctx, &r.watch, &r.batch, r.Drain)
}

// next takes the next of what drain returns, and waits for it.
func next[T any](ctx context.Context, w *watch, batch *[]T, drain func(int) []T) (first T, err error) {
	m := w.view.mux
	for {
		if b := *batch; len(b) > 0 {
			*batch = b[1:]
			return b[0], nil
		}
		m.mu.Lock()
		if w.notify == nil {
			w.notify = make(chan struct{})
		}
		notify, err := w.notify, w.err
		m.mu.Unlock()
		if err != nil {
			return first, err
		}
		if w.gather != nil {
			w.gather(ctx)
		}
		if *batch = drain(64); len(*batch) > 0 {
			continue
		}
		select {
		case <-notify:
		case <-ctx.Done():
			return first, context.Cause(ctx)
		}
	}
}

// All iterates over the changes until ctx ends or the watch does; it yields an
// error last where that was not Close.
func (r *AnnounceReader) All(ctx context.Context) iter.Seq2[Announcement, error] {
	return func(yield func(Announcement, error) bool) {
		for {
			a, err := r.Next(ctx)
			if err == moq.ErrClosed || !yield(a, err) || err != nil {
				return
			}
		}
	}
}

// Gather sets what Next calls before it looks for news, so that all that comes
// at one moment is there. Call it before the first Next.
func (w *watch) Gather(wait func(context.Context)) { w.gather = wait }

// OnEnd sets what is called once, without locks held, when the watch ends.
func (w *watch) OnEnd(f func()) {
	m := w.view.mux
	m.mu.Lock()
	w.onEnd = f
	m.mu.Unlock()
}

// Close ends the watch.
func (w *watch) Close() { w.Fail(moq.ErrClosed) }

// Fail ends the watch with an error; only the first end counts.
func (w *watch) Fail(err error) {
	if end := w.end(err); end != nil {
		end()
	}
}

func (w *watch) end(err error) (onEnd func()) {
	m := w.view.mux
	m.mu.Lock()
	defer m.mu.Unlock()
	if w.err != nil {
		return nil
	}
	w.err = err
	w.dirty, w.queue = nil, nil
	if w.notify != nil {
		close(w.notify)
		w.notify = nil
	}
	m.watchers--
	if n := m.root.find(w.prefix); n != nil {
		n.watches = slices.DeleteFunc(n.watches, func(q *watch) bool { return q == w })
		m.root.prune(w.prefix)
	}
	return w.onEnd
}
