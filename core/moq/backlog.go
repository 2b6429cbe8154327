package moq

import "slices"

// A Backlog is how far the readers of a track are behind its writer.
type Backlog struct {
	// Bytes is what the slowest reader has not read yet: payload bytes, and
	// 256 for each object.
	Bytes int64
	// Groups is how many subgroups and datagrams one reader has not read to
	// their end, where that is most.
	Groups int
	// Lost is how many subgroups and datagrams a reader wanted and did not
	// get whole, since the track was made.
	Lost int
}

// Backlog returns how far the readers are behind: a producer that must not
// outrun them waits for Progress until it is small. Whoever takes a group and
// does not read it to its end is behind until the cache drops the group.
func (t *Track) Backlog() Backlog {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := Backlog{Lost: t.lost}
	for _, r := range t.readers {
		if r.sub.Paused {
			continue
		}
		b := r.behind()
		all.Bytes, all.Groups = max(all.Bytes, b.Bytes), max(all.Groups, b.Groups)
	}
	return all
}

// Progress returns a channel that is closed when a reader has read on, has
// lost something or has left. Look at the Backlog after calling it, then wait.
func (t *Track) Progress() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.progress == nil {
		t.progress = make(chan struct{})
	}
	return t.progress
}

// progressed wakes who waits for Progress. t.mu is held.
func (t *Track) progressed() {
	if t.progress != nil {
		close(t.progress)
		t.progress = nil
	}
}

// behind returns what r has not read. track.mu is held.
func (r *TrackReader) behind() (b Backlog) {
	t := r.track
	for i := len(t.arrivals) - 1; i >= 0 && t.arrivals[i].ordinal >= r.pos; i-- {
		if a := t.arrivals[i]; r.wants(a) && !r.beyond(a) {
			b.Groups++
			b.Bytes += a.cost()
		}
	}
	for _, c := range r.cursors {
		b.Groups++
		b.Bytes += c.cost() - int64(c.read)
	}
	return b
}

func (a arrival) cost() int64 {
	if a.dg != nil {
		return int64(a.dg.size) + objectCost
	}
	return a.sg.cost()
}

func (s *Subgroup) cost() int64 { return s.bytes + int64(len(s.objects))*objectCost }

// forgetEvicted forgets the cursors in groups that are no longer in the cache:
// nobody may ever come back to them. track.mu is held.
func (r *TrackReader) forgetEvicted() {
	r.cursors = slices.DeleteFunc(r.cursors, func(c *SubgroupReader) bool {
		if c.group.evicted && c.group.squeezed {
			c.ended(false)
		}
		return c.group.evicted
	})
}

// ended says that a cursor has come to its end, or never will. track.mu is
// held.
func (r *SubgroupReader) ended(whole bool) {
	if r.owner == nil {
		return
	}
	t := r.group.track
	if !whole && !r.owner.closed {
		t.lost++
	}
	r.owner = nil
	t.progressed()
}

// leave ends a cursor and takes it from its reader. track.mu is held.
func (r *SubgroupReader) leave(whole bool) {
	if owner := r.owner; owner != nil {
		owner.cursors = slices.DeleteFunc(owner.cursors, func(c *SubgroupReader) bool { return c == r })
		r.ended(whole)
	}
}

// Abandon says that the rest is not going to be read. lost says that the reader
// would have wanted it. Any goroutine may call it.
func (r *SubgroupReader) Abandon(lost bool) {
	t := r.group.track
	t.mu.Lock()
	defer t.mu.Unlock()
	r.leave(!lost)
}
