package moq

import (
	"slices"
	"sort"
	"sync"
	"time"
)

// CacheLimits bound what a track keeps. The newest group is always kept, the
// open one included, up to GroupBytes and GroupObjects. The zero value takes
// the defaults named.
type CacheLimits struct {
	Bytes        int64         // payload bytes of the whole track: 64 MiB
	Groups       int           // groups: 4096
	Age          time.Duration // of a group since a newer one exists: 5 s
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

// A Track is a named sequence of groups: a bounded log that one source
// appends to and any number of readers follow. All methods may be called
// concurrently and none of them blocks.
type Track struct {
	name     FullTrackName
	limits   CacheLimits
	onDemand func(*Track)

	mu       sync.Mutex
	info     TrackInfo
	known    bool
	groups   []*Group  // ascending by sequence
	arrivals []arrival // what arrived, in that order; the first has ordinal base
	base     int
	bytes    int64
	largest  Location
	any      bool // largest is set
	final    uint64
	finished bool
	err      *Error
	readers  []*TrackReader // replaced, never modified
	changed  chan struct{}
}

// An arrival is a subgroup or a datagram object. Both nil: evicted.
type arrival struct {
	sg *Subgroup
	dg *Datagram
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

// Demand returns what all readers of the track want together.
func (t *Track) Demand() Demand {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.demand()
}

func (t *Track) demand() Demand {
	var d Demand
	for _, r := range t.readers {
		d.add(r.sub)
	}
	return d
}

// Finish says that the track is complete: no group from final on will exist,
// and nothing more arrives.
func (t *Track) Finish(final uint64) {
	t.mu.Lock()
	if !t.finished && t.err == nil {
		t.finished, t.final = true, final
		t.endOpen(&Error{Code: CodeDropped, Reason: "the track ended inside a group"})
	}
	t.unlockNotify()
}

// Fail ends the track with an error: readers get it after what has arrived,
// and subgroups that are open are reset with it. Only the first end counts.
func (t *Track) Fail(err *Error) {
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
			if sg.state == open && sg.writer == nil {
				sg.state, sg.err = reset, err
			}
		}
	}
	t.unlockNotify()
}

func (t *Track) endOpen(err *Error) {
	for _, g := range t.groups {
		for _, sg := range g.subgroups {
			if sg.state == open {
				sg.state, sg.err = reset, err
			}
		}
	}
}

// unlockNotify unlocks t and wakes everybody who reads it.
func (t *Track) unlockNotify() {
	readers, changed := t.readers, t.changed
	t.changed = nil
	t.mu.Unlock()
	if changed != nil {
		close(changed)
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
	g := &Group{track: t, Sequence: seq, Arrived: now}
	if i == len(t.groups) && i > 0 {
		t.groups[i-1].superseded = now
	} else if i < len(t.groups) {
		g.superseded = now
	}
	t.groups = slices.Insert(t.groups, i, g)
	t.evict(now)
	if g.evicted {
		return nil, Errorf(CodeOld, "group %d is older than what the cache keeps", seq)
	}
	return g, nil
}

// arrived appends to the arrival log and raises the largest location.
func (t *Track) arrived(a arrival) { t.arrivals = append(t.arrivals, a) }

func (t *Track) raise(l Location) {
	if !t.any || l.Compare(t.largest) > 0 {
		t.largest, t.any = l, true
	}
}

// evict drops the oldest groups that the limits have no room for; never the
// newest one.
func (t *Track) evict(now time.Time) {
	age := t.limits.Age
	if t.known && t.info.MaxAge > 0 {
		age = t.info.MaxAge
	}
	for _, r := range t.readers {
		age = max(age, r.sub.MaxLatency)
	}
	n := 0
	for n < len(t.groups)-1 {
		g := t.groups[n]
		room := t.bytes <= t.limits.Bytes && len(t.groups)-n <= t.limits.Groups
		if room && now.Sub(g.superseded) <= age {
			break
		}
		g.evicted, g.squeezed = true, !room
		t.bytes -= g.bytes
		n++
	}
	if n == 0 {
		return
	}
	t.groups = slices.Delete(t.groups, 0, n)
	for i, a := range t.arrivals {
		if a.sg != nil && a.sg.group.evicted || a.dg != nil && a.dg.group.evicted {
			t.arrivals[i] = arrival{}
		}
	}
	gone := 0
	for gone < len(t.arrivals) && t.arrivals[gone] == (arrival{}) {
		gone++
	}
	t.arrivals = slices.Delete(t.arrivals, 0, gone)
	t.base += gone
}
