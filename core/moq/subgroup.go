package moq

import (
	"bytes"
	"slices"
	"sort"
	"time"
)

type state uint8

const (
	open state = iota
	finished
	reset
)

// A SubgroupHeader is what is known of a subgroup when its stream opens.
type SubgroupHeader struct {
	ID       uint64
	Priority uint8 // publisher priority, 255 first
	// FirstKnown says that the first object of the log is the first one of
	// the subgroup.
	FirstKnown bool
	// EndOfGroup says that no object of the group follows this subgroup's
	// last one.
	EndOfGroup bool
	// Whole says that the subgroup is the whole group, as every group of
	// moq-lite is.
	Whole bool
}

// A Subgroup is what one stream carries: an append-only log of objects.
type Subgroup struct {
	SubgroupHeader
	group    *Group
	objects  []*Object // ascending by id
	bytes    int64     // of payload that is there
	state    state
	err      *Error            // for reset
	writer   *SubgroupWriter   // nil once it has left
	others   []*SubgroupWriter // further ones of who shares it
	before   *Subgroup         // the part that this one goes on from
	next     *Subgroup         // the part that goes on from this one, which is reset
	presumed bool              // finished, but there may be more
	sewn     bool              // nothing is missing between this part and the next
}

// Group returns the sequence number of the subgroup's group.
func (s *Subgroup) Group() uint64 { return s.group.Sequence }

// Superseded returns when a newer group than the subgroup's appeared; the
// zero time for the newest group.
func (s *Subgroup) Superseded() time.Time {
	s.group.track.mu.Lock()
	defer s.group.track.mu.Unlock()
	return s.group.superseded
}

// Finished reports whether the subgroup has come to its end.
func (s *Subgroup) Finished() bool {
	s.group.track.mu.Lock()
	defer s.group.track.mu.Unlock()
	return s.state == finished
}

func (s *Subgroup) find(id uint64) (int, bool) {
	n := len(s.objects)
	if n == 0 || s.objects[n-1].ID < id {
		return n, false
	}
	i := sort.Search(n, func(i int) bool { return s.objects[i].ID >= id })
	return i, s.objects[i].ID == id
}

// A SubgroupWriter appends to a subgroup. It belongs to one goroutine.
//
// A writer that leaves without Finish or Reset leaves an orphan: the next
// OpenSubgroup of it continues the log, and what is already there is compared
// and skipped.
type SubgroupWriter struct {
	sg      *Subgroup
	t       *Track
	cur     *Object
	seen    uint64 // payload bytes of cur that this writer has passed
	woken   uint64 // have of cur when readers were last woken
	scratch []byte

	shared bool    // it is one of several
	first  bool    // shared: it starts with the subgroup's first object
	prev   *Object // shared: the last one of the log that it has passed
	buf    []byte  // shared: what Space has returned last
	skip   uint64  // shared: payload bytes of an object that comes too late
}

// OpenSubgroup returns the writer of a subgroup, made if needed. It fails
// with CodeDuplicate where the subgroup is being written or is complete.
func (t *Track) OpenSubgroup(group uint64, h SubgroupHeader, now time.Time) (*SubgroupWriter, *Error) {
	t.makeRoom()
	t.mu.Lock()
	defer t.unlockNotify()
	if err := t.writable(); err != nil {
		return nil, err
	}
	g, err := t.group(group, now)
	if err != nil {
		return nil, err
	}
	for _, sg := range g.subgroups {
		if sg.ID != h.ID {
			continue
		}
		if sg.state != open || sg.writer != nil {
			return nil, Errorf(CodeDuplicate, "subgroup %d of group %d exists", h.ID, group)
		}
		if o := sg.last(); o != nil {
			o.fork()
		}
		sg.writer = &SubgroupWriter{sg: sg, t: t}
		return sg.writer, nil
	}
	if len(g.subgroups) >= t.limits.Subgroups {
		return nil, Errorf(CodeTooMany, "group %d has %d subgroups", group, len(g.subgroups))
	}
	w := &SubgroupWriter{t: t}
	return w, g.open(h, w, now)
}

// open adds a subgroup that w writes.
func (g *Group) open(h SubgroupHeader, w *SubgroupWriter, now time.Time) *Error {
	t := g.track
	sg := &Subgroup{SubgroupHeader: h, group: g, writer: w}
	w.sg = sg
	g.absent = false
	g.subgroups = append(g.subgroups, sg)
	g.charge(objectCost)
	g.hold(objectCost)
	t.arrived(arrival{sg: sg})
	t.raise(Location{Group: g.Sequence})
	t.squeeze(now)
	return g.lost()
}

// OpenGroup opens a group that is one subgroup, as those of moq-lite are. Its
// priority is that of the track.
func (t *Track) OpenGroup(group uint64, now time.Time) (*SubgroupWriter, *Error) {
	return t.OpenSubgroup(group, SubgroupHeader{Priority: t.priority(), FirstKnown: true, EndOfGroup: true, Whole: true}, now)
}

// priority returns that of the track, or the default where none is known.
func (t *Track) priority() uint8 {
	if info, known := t.Info(); known {
		return info.Priority
	}
	return DefaultPriority
}

// Priority returns that of the subgroup.
func (w *SubgroupWriter) Priority() uint8 { return w.sg.Priority }

// Begin starts the next object. Its payload of size bytes follows through
// Space and Advance; an object without payload is complete at once.
func (w *SubgroupWriter) Begin(h ObjectHeader, size uint64, now time.Time) *Error {
	return w.begin(h, size, min(size, FirstChunk), now)
}

func (w *SubgroupWriter) begin(h ObjectHeader, size, first uint64, now time.Time) *Error {
	t := w.t
	if size > t.limits.ObjectBytes {
		return Errorf(CodeTooLarge, "object of %d bytes; the limit is %d", size, t.limits.ObjectBytes)
	}
	t.makeRoom()
	t.mu.Lock()
	if err := w.alive(); err != nil {
		t.mu.Unlock()
		return err
	}
	if w.shared {
		if more, err := w.share(h, size, now); !more || err != nil {
			t.unlockNotify() // it may have cut a part off
			return err
		}
	}
	i, ok := w.sg.find(h.ID)
	if ok || i < len(w.sg.objects) {
		defer t.mu.Unlock()
		if !ok || w.sg.objects[i].size != size {
			return w.differs(h.ID)
		}
		w.cur, w.seen, w.woken = w.sg.objects[i], 0, w.sg.objects[i].have
		return nil
	}
	if o := w.sg.last(); o != nil && o.have < o.size {
		t.mu.Unlock()
		return Errorf(CodeMalformed, "object %d of group %d begins before object %d is complete", h.ID, w.sg.Group(), o.ID)
	}
	if err := w.sg.group.grow(int(size), &h); err != nil {
		t.mu.Unlock()
		return err
	}
	o := newObject(t, h, size, first, now)
	o.group = w.sg.group
	o.group.hold(o.holds())
	w.cur, w.seen, w.woken = o, 0, 0
	w.sg.objects = append(w.sg.objects, o)
	if h.Status == StatusEndOfGroup || h.Status == StatusEndOfTrack {
		w.sg.group.complete = true
	}
	t.raise(Location{w.sg.Group(), h.ID})
	evicted := t.squeeze(now) || len(t.evicted) > 0
	if size > 0 && !evicted {
		t.mu.Unlock() // nothing to read yet
		return nil
	}
	err := w.sg.group.lost()
	t.unlockNotify()
	return err
}

func (s *Subgroup) last() *Object {
	if n := len(s.objects); n > 0 {
		return s.objects[n-1]
	}
	return nil
}

func (w *SubgroupWriter) alive() *Error {
	switch {
	case w.shared:
		return w.sharing()
	case w.sg.state == reset:
		return w.sg.err
	case w.sg.state == finished || w.sg.writer != w:
		return Errorf(CodeClosed, "the group has ended")
	}
	return nil
}

// Missing returns how many payload bytes of the current object this writer
// has not passed yet.
func (w *SubgroupWriter) Missing() uint64 {
	if w.cur == nil {
		return w.skip
	}
	return w.cur.size - w.seen
}

// Space returns a buffer for the next payload bytes; it is not longer than
// what is missing, and empty when nothing is.
func (w *SubgroupWriter) Space() []byte {
	if w.Missing() == 0 {
		return nil
	}
	w.t.makeRoom()
	w.t.mu.Lock()
	defer w.t.mu.Unlock()
	if w.skip == 0 && w.seen == w.cur.have && w.alive() == nil && (!w.shared || w.leads()) {
		w.buf = w.cur.space()
		return w.buf
	}
	if w.scratch == nil {
		w.scratch = make([]byte, wakeBytes)
	}
	n := w.Missing()
	if w.skip == 0 && w.seen < w.cur.have {
		n = w.cur.have - w.seen
	}
	w.buf = w.scratch[:min(uint64(len(w.scratch)), n)]
	return w.buf
}

// Advance says that n bytes were put into Space.
func (w *SubgroupWriter) Advance(n int) *Error {
	t, o := w.t, w.cur
	t.mu.Lock()
	if err := w.alive(); err != nil {
		t.mu.Unlock()
		return err
	}
	if w.skip > 0 {
		w.skip -= uint64(n)
		t.mu.Unlock()
		return nil
	}
	if w.shared && (!w.leads() || w.seen < o.have) {
		err := w.follow(w.buf[:n])
		t.unlockNotify()
		return err
	}
	if w.seen < o.have {
		defer t.mu.Unlock()
		_, err := w.compare(w.scratch[:n])
		return err
	}
	o.have += uint64(n)
	w.sg.bytes += int64(n)
	w.seen = o.have
	if o.have < o.size && (o.size <= FirstChunk || o.have-w.woken < wakeBytes) {
		t.mu.Unlock()
		return nil
	}
	w.woken = o.have
	t.unlockNotify()
	return nil
}

// compare passes bytes of the current object that are there already, and
// returns those that are not.
func (w *SubgroupWriter) compare(p []byte) (rest []byte, _ *Error) {
	o := w.cur
	for len(p) > 0 && w.seen < o.have {
		q := o.from(w.seen)
		q = q[:min(len(p), len(q))]
		if !bytes.Equal(p[:len(q)], q) {
			return nil, w.differs(o.ID)
		}
		p, w.seen = p[len(q):], w.seen+uint64(len(q))
	}
	return p, nil
}

func (w *SubgroupWriter) differs(id uint64) *Error {
	return Errorf(CodeMalformed, "object %d of group %d differs from the one already received", id, w.sg.Group())
}

// Append appends a complete object with a copy of payload.
func (w *SubgroupWriter) Append(h ObjectHeader, payload []byte, now time.Time) *Error {
	if err := w.begin(h, uint64(len(payload)), uint64(len(payload)), now); err != nil {
		return err
	}
	for len(payload) > 0 {
		n := copy(w.Space(), payload)
		if err := w.Advance(n); err != nil {
			return err
		}
		payload = payload[n:]
	}
	return nil
}

// Finish ends the subgroup; where it ends inside an object, or before an
// object that a source before this one had, it is reset instead. endOfGroup
// says that these are all objects of the group, as in moq-lite.
func (w *SubgroupWriter) Finish(endOfGroup bool) *Error {
	w.t.mu.Lock()
	defer w.t.unlockNotify()
	if err := w.alive(); err != nil {
		return err
	}
	if w.shared {
		return w.finish(endOfGroup)
	}
	if o := w.sg.last(); o != w.cur || w.Missing() > 0 {
		err := Errorf(CodeMalformed, "the stream of group %d ended before the end of object %d", w.sg.Group(), o.ID)
		w.sg.state, w.sg.err, w.sg.writer = reset, err, nil
		return err
	}
	w.sg.state, w.sg.writer = finished, nil
	if (endOfGroup || w.sg.EndOfGroup) && (w.sg.Whole || len(w.sg.objects) > 0) {
		w.sg.group.complete = true // it says so of its last object
	}
	return nil
}

// Reset ends the subgroup with an error: readers get what arrived before it.
func (w *SubgroupWriter) Reset(err *Error) {
	if err == nil {
		err = ErrInternal
	}
	w.t.mu.Lock()
	if w.sg.state == open && w.quit() {
		w.sg.state, w.sg.err = reset, err
	}
	w.t.unlockNotify()
}

// Leave gives the subgroup up without ending it, so that another source of
// the same content can continue it. Any goroutine may call it.
func (w *SubgroupWriter) Leave() {
	w.t.mu.Lock()
	defer w.t.mu.Unlock()
	w.quit()
}

// AfterEviction has f called when the cache drops the group, or at once where it
// has: a writer that waits for more of it waits in vain, and keeps what there is
// from being freed. f is called without locks held and must not block; the
// function returned takes it back.
func (w *SubgroupWriter) AfterEviction(f func()) (stop func()) {
	t := w.t
	t.mu.Lock()
	defer t.unlockNotify()
	g := w.sg.group
	if g.evicted {
		t.evicted = append(t.evicted, &f)
		return func() {}
	}
	g.writers = append(g.writers, &f)
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		g.writers = slices.DeleteFunc(g.writers, func(h *func()) bool { return h == &f })
	}
}

// Detach takes all open subgroups from their writers, as if each had called
// Leave: another source continues the track.
func (t *Track) Detach() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, g := range t.groups {
		for _, sg := range g.subgroups {
			sg.writer, sg.others = nil, nil
		}
	}
}
