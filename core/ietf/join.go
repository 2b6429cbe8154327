package ietf

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/moqtgo/moqt/core/moq"
)

// A join fetches the part of a group that had been published when a
// subscription of ours began: peers that take "largest object" by the letter
// do not send it. Streams of the group wait for it.
type join struct {
	in    *incoming
	start moq.Location // of the group
	last  moq.Location // the largest object then
	done  chan struct{}
	once  sync.Once // of done

	// guarded by s.mu
	call    *call
	fetch   *fetching
	writers map[uint64]*moq.SubgroupWriter // of subgroups that no stream has gone on with
	whole   bool                           // all of it has come
	newer   bool                           // a newer group has begun
	timer   *time.Timer
}

// begins notes where a subscription begins: behind the object that is the
// largest one now.
func (in *incoming) begins(largest optional[moq.Location]) {
	if !largest.has {
		return
	}
	in.s.mu.Lock()
	in.start = largest.v.Next()
	in.s.mu.Unlock()
	if in.strange(largest.v.Group) {
		return
	}
	in.track.Reach(largest.v)
	if in.beginsLate() {
		in.catchUp(largest.v)
	}
}

// beginsLate reports whether what the peer sends first may be the middle of a
// group.
func (in *incoming) beginsLate() bool {
	p := in.s.p
	f := in.sent.Filter
	return !p.Replays && !p.FilterFields && (!f.has || f.v.Type == filterRelative)
}

// catchUp begins to complete the group of the object last. in is not bound yet.
func (in *incoming) catchUp(last moq.Location) {
	s := in.s
	j := &join{in: in, start: moq.Location{Group: last.Group}, last: last, done: make(chan struct{})}
	s.mu.Lock()
	in.join = j
	s.mu.Unlock()
	if !s.group.Go(j.run) {
		j.end(nil, false)
	}
}

// run fetches: by joining the subscription, or the range itself where that
// cannot be joined.
func (j *join) run() {
	p := j.in.s.p
	if !p.JoinLargest || j.in.c.kind == kindSubscribe {
		if err := j.ask(fetchRelativeJoining); err == nil || isViolation(err) {
			return
		}
	}
	if err := j.ask(fetchStandalone); err != nil {
		j.end(nil, false)
	}
}

// ask makes the request and waits until its objects have come. An error says
// that it was refused.
func (j *join) ask(t fetchType) error {
	in, s := j.in, j.in.s
	f := &fetching{track: in.track, start: j.start, join: j, answered: make(chan struct{}), over: make(chan struct{})}
	c, err := s.open(kindFetch, func(c *call) message {
		m := &fetch{RequestID: c.id, Type: t, JoiningRequestID: in.c.id}
		if t == fetchStandalone {
			m.Name, m.Start, m.End = in.name, j.start, s.p.after(j.last)
		}
		m.Params.GroupOrder, m.Params.SubscriberPriority = some(moq.Ascending), in.sent.SubscriberPriority
		s.mu.Lock()
		s.fetches[c.id] = f
		j.fetch = f
		s.mu.Unlock()
		return m
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	j.call = c
	s.mu.Unlock()
	select {
	case <-j.done: // it was ended before it could be withdrawn
		s.endFetch(c, f)
	default:
	}
	if _, err := s.fetchAnswer(s.ctx, c, f); err != nil {
		select {
		case <-j.done:
			return nil
		default:
			return err
		}
	}
	timer := time.NewTimer(s.cfg.RequestTimeout)
	defer timer.Stop()
	select {
	case <-j.done:
	case <-timer.C:
		j.abandon()
	case <-s.ctx.Done():
		j.end(nil, false)
	}
	return nil
}

// end says that nothing more will come: writers are those of the subgroups
// that have begun, whole that they have got to the last object.
func (j *join) end(writers map[uint64]*moq.SubgroupWriter, whole bool) {
	s := j.in.s
	first := false
	j.once.Do(func() {
		first = true
		if !whole {
			for _, w := range writers { // streams of the group go on, behind a hole
				w.Reset(moq.Errorf(moq.CodeDropped, "the start of group %d could not be fetched", j.start.Group))
			}
			writers = nil
		}
		s.mu.Lock()
		j.writers, j.whole = writers, whole
		j.linger()
		s.mu.Unlock()
		close(j.done)
	})
	if first {
		j.in.checkEnd() // which may come back here
		return
	}
	for _, w := range writers {
		w.Leave()
	}
}

// abandon withdraws the fetch.
func (j *join) abandon() {
	s := j.in.s
	j.end(nil, false)
	s.mu.Lock()
	c, f := j.call, j.fetch
	s.mu.Unlock()
	if c != nil {
		s.endFetch(c, f)
	}
}

// linger gives streams some time to go on with what was fetched, once a newer
// group has begun: then the group is taken for complete. s.mu is held.
func (j *join) linger() {
	if j.newer && j.timer == nil && len(j.writers) > 0 && !j.in.over && !j.in.s.closing {
		j.timer = time.AfterFunc(j.in.s.cfg.Limits.ParkTime, j.settle)
	}
}

// settle ends the subgroups that no stream has gone on with.
func (j *join) settle() {
	s := j.in.s
	s.mu.Lock()
	writers := j.writers
	j.writers = nil
	if j.timer != nil {
		j.timer.Stop()
	}
	s.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(writers)) {
		writers[id].Presume()
	}
}

// isOver reports whether all that can come has come. s.mu is held.
func (j *join) isOver() bool {
	if j == nil {
		return true
	}
	select {
	case <-j.done:
		return true
	default:
		return false
	}
}

// open returns the writer of a subgroup whose stream begins with the object
// first, if begun. Where the group is being completed it waits for that.
func (in *incoming) open(group uint64, h moq.SubgroupHeader, first uint64, begun bool) (*moq.SubgroupWriter, *moq.Error) {
	s := in.s
	s.mu.Lock()
	j := in.join
	if j != nil && group > j.start.Group && !j.newer {
		j.newer = true
		j.linger()
	}
	s.mu.Unlock()
	if j == nil || group != j.start.Group {
		return in.track.JoinSubgroup(group, h, time.Now())
	}
	if begun && first <= j.last.Object { // the peer sends the group from its start
		j.abandon()
	}
	select {
	case <-j.done:
	case <-s.ctx.Done():
		return nil, moq.ErrDropped
	}
	s.mu.Lock()
	w := j.writers[h.ID]
	delete(j.writers, h.ID)
	h.FirstKnown = h.FirstKnown || j.whole && begun && first > j.last.Object
	s.mu.Unlock()
	if w != nil {
		return w, nil
	}
	return in.track.JoinSubgroup(group, h, time.Now())
}
