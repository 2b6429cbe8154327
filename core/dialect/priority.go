package dialect

import (
	"cmp"
	"slices"

	"github.com/moqtgo/moqt/core/moq"
)

// Media streams take the RFC 9218 urgencies from firstMedia on; everything
// else stays before them at the stack's default.
const (
	firstMedia = 4
	lastMedia  = 7
)

// urgency returns the urgency of a group stream: level is the rank of its
// subscription in the session, and where the newest group is wanted first,
// older ones come one step later.
func urgency(level uint8, order moq.Order, newest bool) uint8 {
	u := firstMedia + level
	if order == moq.Descending && !newest {
		u++
	}
	return min(u, lastMedia)
}

// levels ranks subscriptions by (subscriber priority, publisher priority), the
// highest first: equal ones share a level, and all from the third on share
// one.
func levels(prios [][2]uint8) []uint8 {
	distinct := slices.Clone(prios)
	slices.SortFunc(distinct, func(a, b [2]uint8) int {
		return cmp.Or(cmp.Compare(b[0], a[0]), cmp.Compare(b[1], a[1]))
	})
	distinct = slices.Compact(distinct)
	out := make([]uint8, len(prios))
	for i, p := range prios {
		out[i] = uint8(min(2, slices.Index(distinct, p)))
	}
	return out
}

// rank orders the tasks of the session's subscriptions and sets the level of
// each.
func (e *Egress) rank() {
	e.mu.Lock()
	defer e.mu.Unlock()
	prios := make([][2]uint8, len(e.subs))
	for i, o := range e.subs {
		info, _ := o.reader.Track().Info()
		prios[i] = [2]uint8{o.reader.Subscription().Priority, info.Priority}
	}
	lv := levels(prios)
	e.runner.mu.Lock()
	defer e.runner.mu.Unlock()
	for i, o := range e.subs {
		o.level.Store(uint32(lv[i]))
		o.Task.rank = 1<<63 | uint64(255-prios[i][0])<<48 | uint64(255-prios[i][1])<<40 | o.id&(1<<40-1)
	}
}
