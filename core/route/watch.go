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
}

// An AnnounceReader watches the broadcasts below a prefix. However late it is
// read, it yields what is true then: changes of one path between two reads
// become one.
type AnnounceReader struct {
	view   *View
	prefix moq.Path // absolute
	wake   func()
	awake  atomic.Bool

	// guarded by mux.mu
	exclude uint64
	sent    map[moq.Path]sent
	dirty   map[moq.Path]struct{}
	queue   []moq.Path    // taken from dirty, in order
	notify  chan struct{} // of who waits in Next
	batch   []Announcement
	err     error // after Close or Fail
	onEnd   func()
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
	if err := v.check(OpWatch, prefix); err != nil {
		return nil, err
	}
	r := &AnnounceReader{
		view: v, prefix: v.root.Join(prefix), wake: wake, exclude: exclude,
		sent: map[moq.Path]sent{}, dirty: map[moq.Path]struct{}{},
	}
	m := v.mux
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.root.at(r.prefix)
	n.watchers = append(n.watchers, r)
	m.watchers++
	n.walk(r.prefix, func(p moq.Path, n *node) {
		if n.active() != nil {
			r.dirty[p] = struct{}{}
		}
	})
	return r, nil
}

// changed marks the path for everybody who watches it. What came and went
// before a reader was told of it leaves no trace, so that names which nobody
// drains cost nothing.
func (m *Mux) changed(path moq.Path, calls *calls) {
	n := m.root.find(path)
	gone := n == nil || n.active() == nil
	m.root.along(path, func(n *node, _ int) {
		for _, r := range n.watchers {
			if _, said := r.sent[path]; gone && !said {
				delete(r.dirty, path)
				continue
			}
			r.dirty[path] = struct{}{}
			if r.notify != nil {
				close(r.notify)
				r.notify = nil
			}
			if r.wake != nil && !r.awake.Swap(true) {
				calls.add(r.wake)
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
func (r *AnnounceReader) refill() bool {
	if len(r.queue) > 0 {
		return true
	}
	r.queue = slices.Sorted(maps.Keys(r.dirty))
	clear(r.dirty)
	return len(r.queue) > 0
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
	r.sent[p] = now
	a.Hops = pub.route.Hops
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

// offer returns the publication that the watcher is told of.
func (r *AnnounceReader) offer(p moq.Path) *Publication {
	n := r.view.mux.root.find(p)
	if n == nil {
		return nil
	}
	c := n.active()
	if c == nil {
		return nil
	}
	pubs := c.pubs
	if len(pubs) == 0 && c.last != nil {
		pubs = []*Publication{c.last}
	}
	for _, pub := range pubs {
		hops := pub.route.Hops
		switch {
		case pub.route.Hidden, !r.view.suits(pub):
		case r.exclude != 0 && slices.Contains(hops, r.exclude):
		case r.view.peer != nil && len(hops) >= r.view.mux.conf.MaxHops: // with this node, too long for the peer
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
	m := r.view.mux
	for {
		if len(r.batch) > 0 {
			a := r.batch[0]
			r.batch = r.batch[1:]
			return a, nil
		}
		m.mu.Lock()
		if r.notify == nil {
			r.notify = make(chan struct{})
		}
		notify, err := r.notify, r.err
		m.mu.Unlock()
		if err != nil {
			return Announcement{}, err
		}
		if r.batch = r.Drain(64); len(r.batch) > 0 {
			continue
		}
		select {
		case <-notify:
		case <-ctx.Done():
			return Announcement{}, context.Cause(ctx)
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

// OnEnd sets what is called once, without locks held, when the watch ends.
func (r *AnnounceReader) OnEnd(f func()) {
	m := r.view.mux
	m.mu.Lock()
	r.onEnd = f
	m.mu.Unlock()
}

// Close ends the watch.
func (r *AnnounceReader) Close() { r.Fail(moq.ErrClosed) }

// Fail ends the watch with an error; only the first end counts.
func (r *AnnounceReader) Fail(err error) {
	if end := r.end(err); end != nil {
		end()
	}
}

func (r *AnnounceReader) end(err error) (onEnd func()) {
	m := r.view.mux
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.err != nil {
		return nil
	}
	r.err = err
	r.sent, r.dirty, r.queue = nil, nil, nil
	if r.notify != nil {
		close(r.notify)
		r.notify = nil
	}
	m.watchers--
	if n := m.root.find(r.prefix); n != nil {
		n.watchers = slices.DeleteFunc(n.watchers, func(q *AnnounceReader) bool { return q == r })
		m.root.prune(r.prefix)
	}
	return r.onEnd
}
