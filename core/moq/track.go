package moq

import (
	"slices"
	"sort"
	"sync"
	"time"
)

// CacheLimits bound what a track keeps. The newest group is always kept, the
// open one included, up to GroupBytes, GroupObjects, and what Bytes or GroupBytes
// have room for if each object takes 256 bytes more, and 80 for each of its
// properties. The zero value takes the defaults named.
type CacheLimits struct {
	Bytes        int64         // payload bytes of the whole track, and 256 for each object: 64 MiB
	Groups       int           // groups: 4096
	Age          time.Duration // of a group since a newer one exists, at least 1 s: 5 s
	GroupBytes   int64         // payload bytes of one group: 32 MiB
	GroupObjects int           // objects of one group: 1e6
	ObjectBytes  uint64        // payload bytes of one object: 16 MiB
	Subgroups    int           // subgroups of one group: 1024
}

func (l CacheLimits) withDefaults() CacheLimits {
	orDefault(&l.Bytes, 64<<20)
	orDefault(&l.Groups, 4096)
	orDefault(&l.Age, 5*time.Second)
	orDefault(&l.GroupBytes, 32<<20)
	orDefault(&l.GroupObjects, 1e6)
	orDefault(&l.ObjectBytes, 16<<20)
	orDefault(&l.Subgroups, 1024)
	return l
}

func orDefault[T int | int64 | uint64 | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

const (
	// objectCost is what an object or a subgroup takes besides its payload.
	objectCost = 256
	// propertyCost is what a property of an object takes besides its bytes.
	propertyCost = 80
	// minAge is how long a group is kept at least once a newer one exists:
	// its tail may still be under way.
	minAge = time.Second
)

// A Track is a named sequence of groups: a bounded log that one source
// appends to and any number of readers follow. All methods may be called
// concurrently and none of them blocks.
type Track struct {
	name     FullTrackName
	limits   CacheLimits
	onDemand func(*Track)
	account  *account // nil: of no Budget

	mu       sync.Mutex
	info     TrackInfo
	known    bool
	groups   []*Group  // ascending by sequence
	arrivals []arrival // what arrived and is in the cache, in that order
	ordinal  int       // of the next arrival
	bytes    int64     // what groups cost together
	held     int64     // what they hold together, see Budget
	joined   bool      // and has not left its Budget
	retired  bool
	floor    uint64 // no group up to it is taken again
	floored  bool
	largest  Location
	any      bool // largest is set
	certain  bool // what is not here does not exist, but for unknown
	unknown  []span
	final    uint64
	finished bool
	err      *Error
	readers  []*TrackReader // replaced, never modified
	changed  chan struct{}
	progress chan struct{}
	evicted  []*func() // to be called, see SubgroupWriter.AfterEviction
	lost     int       // what readers did not get, see Backlog
}

// An arrival is a subgroup or a datagram object.
type arrival struct {
	ordinal int
	sg      *Subgroup
	dg      *Datagram
}

func (a arrival) group() *Group {
	if a.dg != nil {
		return a.dg.group
	}
	return a.sg.group
}

// NewTrack returns an empty track. onDemand, which may be nil, is called
// without locks held whenever the result of Demand may have changed; it must
// not block.
func NewTrack(name FullTrackName, limits CacheLimits, onDemand func(*Track)) *Track {
	return &Track{name: name, limits: limits.withDefaults(), onDemand: onDemand}
}

// Name returns the full name of the track.
func (t *Track) Name() FullTrackName { return t.name }

// SetInfo sets what the publisher says of the track.
func (t *Track) SetInfo(info TrackInfo) {
	t.mu.Lock()
	t.info, t.known = info, true
	t.unlockNotify()
}

// Info returns what the publisher says of the track, and whether that is
// known.
func (t *Track) Info() (info TrackInfo, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.info, t.known
}

// Largest returns the largest location that has arrived. ok is false as long
// as nothing has.
func (t *Track) Largest() (l Location, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.largest, t.any
}

// Oldest returns the oldest group in the cache. ok is false where there is none.
func (t *Track) Oldest() (group uint64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.groups) == 0 {
		return 0, false
	}
	return t.groups[0].Sequence, true
}

// Resume returns the first group that a new source of the same content has to
// bring. ok is false as long as nothing has arrived.
func (t *Track) Resume() (group uint64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.groups) == 0 {
		return 0, false
	}
	for _, g := range t.groups {
		for _, sg := range g.subgroups {
			if sg.state == open {
				return g.Sequence, true
			}
		}
	}
	return after(t.groups[len(t.groups)-1].Sequence), true
}

// Cached returns what the objects in the cache cost: their payload bytes, and
// 256 for each of them.
func (t *Track) Cached() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bytes
}

// Demand returns what all readers of the track want together.
func (t *Track) Demand() Demand {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.demand()
}

// demand joins what the readers want. A start in the future must not keep
// those waiting who want what there is now: it counts only where all want it.
func (t *Track) demand() Demand {
	live := false
	for _, r := range t.readers {
		live = live || !t.ahead(r.sub)
	}
	var d Demand
	for _, r := range t.readers {
		s := r.sub
		if live && t.ahead(s) {
			s.From, s.Start = FromNext, Location{}
		}
		d.add(s)
	}
	return d
}

// ahead reports whether s starts after all that has arrived.
func (t *Track) ahead(s Subscription) bool {
	return s.From == FromAbsolute && s.Start.Group > 0 && (!t.any || s.Start.Compare(t.largest) > 0)
}

// Finish says that the track is complete: no group from final on will exist,
// and nothing more arrives. A group from final on that has arrived raises it.
func (t *Track) Finish(final uint64) {
	t.mu.Lock()
	if !t.finished && t.err == nil {
		if t.any {
			final = max(final, after(t.largest.Group))
		}
		t.finished, t.final = true, final
		t.endOpen(&Error{Code: CodeDropped, Reason: "the track ended inside a group"})
	}
	t.unlockNotify()
}

// Fail ends the track with an error: readers get it after what has arrived,
// and subgroups that are open are reset with it. Only the first end counts.
func (t *Track) Fail(err *Error) {
	if err == nil {
		err = ErrInternal
	}
	t.mu.Lock()
	if !t.finished && t.err == nil {
		t.err = err
		t.endOpen(err)
	}
	t.unlockNotify()
}

// Ended reports whether the track was finished or failed, with the error in
// the second case.
func (t *Track) Ended() (ended bool, err *Error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.finished || t.err != nil, t.err
}

// ResetOrphans resets the subgroups whose writer was lost and not replaced.
func (t *Track) ResetOrphans(err *Error) {
	t.mu.Lock()
	for _, g := range t.groups {
		for _, sg := range g.subgroups {
			if sg.state == open && sg.writer == nil && len(sg.others) == 0 {
				sg.state, sg.err = reset, err
			}
		}
	}
	t.unlockNotify()
}

func (t *Track) endOpen(err *Error) {
	for _, g := range t.groups {
		g.cut(err)
	}
}

// unlockNotify unlocks t and wakes everybody who reads it, or writes what was
// evicted.
func (t *Track) unlockNotify() {
	readers, changed, evicted := t.readers, t.changed, t.evicted
	t.changed, t.evicted = nil, nil
	t.mu.Unlock()
	if changed != nil {
		close(changed)
	}
	for _, f := range evicted {
		(*f)()
	}
	for _, r := range readers {
		r.signal()
	}
}

// wait returns a channel that is closed with the next change. t.mu is held.
func (t *Track) wait() <-chan struct{} {
	if t.changed == nil {
		t.changed = make(chan struct{})
	}
	return t.changed
}

// Changed returns a channel that is closed with the next change of the track.
// Look at the track after calling it, then wait.
func (t *Track) Changed() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.wait()
}

// find returns where the group is, or belongs, in t.groups.
func (t *Track) find(seq uint64) (int, bool) {
	if n := len(t.groups); n > 0 && t.groups[n-1].Sequence < seq {
		return n, false
	}
	i := sort.Search(len(t.groups), func(i int) bool { return t.groups[i].Sequence >= seq })
	return i, i < len(t.groups) && t.groups[i].Sequence == seq
}

// group returns the group with the sequence, made if needed.
func (t *Track) group(seq uint64, now time.Time) (*Group, *Error) {
	i, ok := t.find(seq)
	if ok {
		return t.groups[i], nil
	}
	if t.finished && seq >= t.final {
		return nil, Errorf(CodeOld, "group %d comes after the end of the track", seq)
	}
	if t.floored && seq <= t.floor {
		return nil, Errorf(CodeEvicted, "group %d was evicted", max(seq, t.floor))
	}
	g := &Group{track: t, Sequence: seq, Arrived: now}
	if i == len(t.groups) && i > 0 {
		t.groups[i-1].superseded = now
	} else if i < len(t.groups) {
		g.superseded = now
	}
	t.groups = slices.Insert(t.groups, i, g)
	g.hold(objectCost)
	t.evict(now)
	if g.evicted {
		return nil, Errorf(CodeOld, "group %d is older than what the cache keeps", seq)
	}
	return g, nil
}

// arrived appends to the arrival log.
func (t *Track) arrived(a arrival) {
	a.ordinal = t.ordinal
	t.ordinal++
	t.arrivals = append(t.arrivals, a)
}

func (t *Track) raise(l Location) {
	if !t.any || l.Compare(t.largest) > 0 {
		t.largest, t.any = l, true
	}
}

// after returns n+1, or n where there is no such number.
func after(n uint64) uint64 {
	if n+1 == 0 {
		return n
	}
	return n + 1
}

// squeeze evicts where the track has more bytes than it may have.
func (t *Track) squeeze(now time.Time) bool { return t.bytes > t.limits.Bytes && t.evict(now) }

// evict drops the oldest groups that the limits have no room for; never the
// newest one. It reports whether there were any.
func (t *Track) evict(now time.Time) bool {
	age := t.limits.Age
	if t.known && t.info.MaxAge > 0 {
		age = t.info.MaxAge
	}
	age = max(age, minAge)
	for _, r := range t.readers {
		age = max(age, r.sub.MaxLatency)
	}
	n := 0
	for n < len(t.groups)-1 {
		g := t.groups[n]
		room := t.bytes <= t.limits.Bytes && len(t.groups)-n <= t.limits.Groups
		if room && (t.certain || now.Sub(g.superseded) <= age) {
			break
		}
		t.drop(g, !room)
		n++
	}
	if n > 0 {
		t.forget(n)
	}
	return n > 0
}

// drop evicts a group; squeezed says that it is lost to its readers too.
func (t *Track) drop(g *Group, squeezed bool) {
	g.hold(-g.held)
	g.evicted, g.squeezed = true, squeezed
	g.cut(Errorf(CodeEvicted, "group %d was evicted", g.Sequence))
	t.bytes -= g.cost
	t.evicted = append(t.evicted, g.writers...)
	g.writers = nil
}

// forget removes the oldest n groups, which were dropped.
func (t *Track) forget(n int) {
	gone := 0 // arrivals, mostly the first ones
	for _, g := range t.groups[:n] {
		gone += len(g.subgroups) + len(g.datagrams)
	}
	t.groups = slices.Delete(t.groups, 0, n)
	kept := t.arrivals[:0]
	for i, a := range t.arrivals {
		if gone == 0 {
			kept = append(kept, t.arrivals[i:]...)
			break
		}
		if !a.group().evicted {
			kept = append(kept, a)
			continue
		}
		gone--
		for _, r := range t.readers {
			r.lose(a)
		}
	}
	clear(t.arrivals[len(kept):])
	t.arrivals = kept
	for _, r := range t.readers {
		r.forgetEvicted()
		r.held = slices.DeleteFunc(r.held, func(a arrival) bool { return a.group().evicted })
	}
}
