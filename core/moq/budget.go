package moq

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Budget bounds what many tracks hold together: payload as it arrives, the
// copies of other encodings, and 256 bytes for each group, subgroup and object.
// Tracks have an account, and accounts are bounded too. Where there is no room,
// the oldest groups of all tracks go; where that is not enough, newest groups
// go as well: large ones whose last object is the oldest, then the largest; in
// either case those first that nobody reads. What is dropped is lost to its
// readers, as anything that CacheLimits have no room for.
//
// It is looked at before each append: what the writers of that instant append
// comes on top of the limit. All methods may be called concurrently.
type Budget struct {
	total     bound
	each      int64
	squeezing sync.Mutex // by one writer, the others go on

	mu       sync.Mutex
	accounts map[Path]*account
	serial   uint64

	groups, newest atomic.Int64
}

type bound struct {
	limit int64
	used  atomic.Int64
}

// An account is a part of a Budget.
type account struct {
	bound
	budget *Budget
	key    Path
	tracks map[*Track]uint64 // in the order of their serials; guarded by budget.mu
}

// NewBudget returns a Budget of total bytes, of which one account may have each.
func NewBudget(total, each int64) *Budget {
	return &Budget{total: bound{limit: total}, each: each, accounts: map[Path]*account{}}
}

// BudgetStats are figures of a Budget.
type BudgetStats struct {
	Bytes    int64 // held now
	Accounts int   // that have tracks
	Evicted  int64 // groups that went for want of room, since the start
	Newest   int64 // those of them that were the newest of their track
}

// Stats returns the figures of now.
func (b *Budget) Stats() BudgetStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return BudgetStats{Bytes: b.total.used.Load(), Accounts: len(b.accounts), Evicted: b.groups.Load(), Newest: b.newest.Load()}
}

// Join makes t, which must be new, one of the tracks of an account. It stays
// until it is retired and nobody reads it.
func (b *Budget) Join(t *Track, key Path) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.accounts[key]
	if a == nil {
		a = &account{bound: bound{limit: b.each}, budget: b, key: key, tracks: map[*Track]uint64{}}
		b.accounts[key] = a
	}
	b.serial++
	a.tracks[t] = b.serial
	t.account, t.joined = a, true
}

// leave takes a track that held so much from its account. No lock is held.
func (a *account) leave(t *Track, held int64) {
	b := a.budget
	a.charge(-held)
	b.mu.Lock()
	defer b.mu.Unlock()
	if delete(a.tracks, t); len(a.tracks) == 0 {
		delete(b.accounts, a.key)
	}
}

func (a *account) charge(n int64) {
	a.used.Add(n)
	a.budget.total.used.Add(n)
}

func (b *bound) over() bool { return b.used.Load() > b.limit }

// goal is how much is to be freed, so that the next time is not soon.
func (b *bound) goal() int64 { return b.used.Load() - b.limit + b.limit/16 }

// makeRoom is called before something is appended to t. No lock is held.
func (t *Track) makeRoom() {
	if a := t.account; a != nil && (a.over() || a.budget.total.over()) {
		a.makeRoom()
	}
}

func (a *account) makeRoom() {
	b := a.budget
	if !b.squeezing.TryLock() {
		return
	}
	defer b.squeezing.Unlock()
	if a.over() {
		b.free(a.goal(), b.list(a))
	}
	if b.total.over() {
		b.free(b.total.goal(), b.list(nil))
	}
}

// list returns the tracks of an account, or all, in the order in which they
// have joined.
func (b *Budget) list(of *account) []*Track {
	type member struct {
		t      *Track
		serial uint64
	}
	var all []member
	b.mu.Lock()
	for _, a := range b.accounts {
		if of != nil && a != of {
			continue
		}
		for t, serial := range a.tracks {
			all = append(all, member{t, serial})
		}
	}
	b.mu.Unlock()
	slices.SortFunc(all, func(a, b member) int { return cmp.Compare(a.serial, b.serial) })
	tracks := make([]*Track, len(all))
	for i, m := range all {
		tracks[i] = m.t
	}
	return tracks
}

// A victim is a group that may have to go.
type victim struct {
	t     *Track
	group uint64
	held  int64
	since time.Time // since when there is a newer one; of the newest: of its last object
	idle  bool      // nobody reads the track
}

// free drops groups of the tracks until so many bytes are free.
func (b *Budget) free(goal int64, tracks []*Track) {
	var old, newest []victim
	for _, t := range tracks {
		old, newest = t.victims(old, newest)
	}
	slices.SortStableFunc(old, func(a, b victim) int { return a.since.Compare(b.since) })
	slices.SortStableFunc(newest, beforeNewest)
	for _, v := range append(old, newest...) {
		if goal <= 0 {
			return
		}
		freed, last := v.t.shed(v.group)
		if freed == 0 {
			continue
		}
		goal -= freed
		b.groups.Add(1)
		if last {
			b.newest.Add(1)
		}
	}
}

// small is what a newest group may hold to be spared as long as there are
// larger ones: a catalog is never written again, and everybody needs it.
const small = 64 << 10

// beforeNewest orders newest groups by how well they can be spared.
func beforeNewest(a, b victim) int {
	rank := func(v victim) int {
		n := 0
		if v.held <= small {
			n = 2
		}
		if !v.idle {
			n++
		}
		return n
	}
	switch {
	case rank(a) != rank(b):
		return cmp.Compare(rank(a), rank(b))
	case a.held <= small:
		return cmp.Compare(b.held, a.held)
	}
	return a.since.Compare(b.since)
}

// victims appends the groups of t: the newest one, and the others. Where an
// older group was superseded later than a newer one, they go together.
func (t *Track) victims(old, newest []victim) (_, _ []victim) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.joined {
		return old, newest
	}
	var since time.Time
	for i, g := range t.groups {
		v := victim{t: t, group: g.Sequence, held: g.held, idle: len(t.readers) == 0}
		if i == len(t.groups)-1 {
			v.since = g.touched()
			return old, append(newest, v)
		}
		if g.superseded.After(since) {
			since = g.superseded
		}
		v.since = since
		old = append(old, v)
	}
	return old, newest
}

// touched returns when the last object of the group began.
func (g *Group) touched() time.Time {
	at := g.Arrived
	for _, sg := range g.subgroups {
		if o := sg.last(); o != nil && o.Arrived.After(at) {
			at = o.Arrived
		}
	}
	if n := len(g.datagrams); n > 0 && g.datagrams[n-1].Arrived.After(at) {
		at = g.datagrams[n-1].Arrived
	}
	return at
}

// shed drops the oldest group if it is this one, and returns what that has
// freed, and whether it was the newest one too.
func (t *Track) shed(seq uint64) (freed int64, newest bool) {
	t.mu.Lock()
	if !t.joined || len(t.groups) == 0 || t.groups[0].Sequence != seq {
		t.mu.Unlock()
		return 0, false
	}
	g := t.groups[0]
	freed, newest = g.held, len(t.groups) == 1
	if newest {
		t.floor, t.floored = seq, true
	}
	t.drop(g, true)
	t.forget(1)
	t.unlockNotify()
	return freed, newest
}

// hold accounts for n bytes of memory. track.mu is held.
func (g *Group) hold(n int64) {
	if t := g.track; t.joined && !g.evicted {
		g.held += n
		t.held += n
		t.account.charge(n)
	}
}

// Retire says that nobody is going to write the track or to subscribe to it:
// it leaves its Budget with its last reader.
func (t *Track) Retire() {
	t.mu.Lock()
	t.retired = true
	t.unlockLeave()
}

// unlockLeave unlocks t; it leaves its Budget if it is time.
func (t *Track) unlockLeave() {
	held := t.held
	leaves := t.joined && t.retired && len(t.readers) == 0
	if leaves {
		t.joined, t.held = false, 0
	}
	t.mu.Unlock()
	if leaves {
		t.account.leave(t, held)
	}
}
