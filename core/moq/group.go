package moq

import (
	"bytes"
	"slices"
	"sort"
	"time"
)

// A Group is a part of a track that can be joined: subgroups and datagram
// objects.
type Group struct {
	Sequence uint64
	Arrived  time.Time // of its first byte

	track      *Track
	superseded time.Time // when a newer group appeared; zero for the newest
	subgroups  []*Subgroup
	datagrams  []*Datagram // ascending by id
	bytes      int64       // of payload
	cost       int64       // bytes and what the objects take besides
	held       int64       // memory, see Budget
	writers    []*func()   // see SubgroupWriter.AfterEviction
	objects    int
	complete   bool // no object follows those there are
	absent     bool // the publisher says that nothing of it exists (any more)
	evicted    bool // no longer in the cache
	squeezed   bool // evicted for want of room: readers lose it too
}

// A Datagram is an object that was sent on no stream.
type Datagram struct {
	*Object
	EndOfGroup bool // nothing follows it in its group
	group      *Group
}

// Sequence returns the sequence number of the datagram's group.
func (d *Datagram) Sequence() uint64 { return d.group.Sequence }

// Reader returns a cursor in a subgroup that holds the datagram's object only,
// for who sends it on a stream.
func (d *Datagram) Reader() *SubgroupReader {
	return &SubgroupReader{Subgroup: &Subgroup{
		SubgroupHeader: SubgroupHeader{FirstKnown: true, EndOfGroup: d.EndOfGroup, Whole: true},
		group:          d.group, objects: []*Object{d.Object}, state: finished,
	}}
}

// AddDatagram adds a datagram object with a copy of payload. endOfGroup says
// that the group has no object after it.
func (t *Track) AddDatagram(group uint64, h ObjectHeader, payload []byte, endOfGroup bool, now time.Time) *Error {
	if uint64(len(payload)) > t.limits.ObjectBytes {
		return Errorf(CodeTooLarge, "object of %d bytes; the limit is %d", len(payload), t.limits.ObjectBytes)
	}
	o := newObject(t, h, uint64(len(payload)), uint64(len(payload)), now)
	o.have = o.size
	copy(o.buf[headroom:], payload)
	t.makeRoom()
	t.mu.Lock()
	defer t.unlockNotify()
	if err := t.writable(); err != nil {
		return err
	}
	g, err := t.group(group, now)
	if err != nil {
		return err
	}
	at := g.datagram(h.ID)
	if at < len(g.datagrams) && g.datagrams[at].ID == h.ID {
		if d := g.datagrams[at]; d.Status != h.Status || !bytes.Equal(d.buf[headroom:], payload) {
			return Errorf(CodeMalformed, "datagram object %d of group %d differs from the one already received", h.ID, group)
		}
		return Errorf(CodeDuplicate, "datagram object %d of group %d exists", h.ID, group)
	}
	for _, sg := range g.subgroups {
		if _, ok := sg.find(h.ID); ok {
			return Errorf(CodeDuplicate, "object %d of group %d exists", h.ID, group)
		}
	}
	if err := g.grow(len(payload), &h); err != nil {
		return err
	}
	o.group = g
	g.hold(o.holds())
	g.absent = false
	if endOfGroup || h.Status == StatusEndOfGroup || h.Status == StatusEndOfTrack {
		g.complete = true
	}
	d := &Datagram{Object: o, EndOfGroup: endOfGroup, group: g}
	g.datagrams = slices.Insert(g.datagrams, at, d)
	t.arrived(arrival{dg: d})
	t.raise(Location{group, h.ID})
	t.squeeze(now)
	return g.lost()
}

// AddGroup adds a group that is one datagram, as moq-lite has them. Its
// priority is that of the track.
func (t *Track) AddGroup(group uint64, f Frame, now time.Time) *Error {
	h := ObjectHeader{Priority: t.priority(), Timed: f.Timed, Timestamp: f.Timestamp}
	return t.AddDatagram(group, h, f.Payload, true, now)
}

// datagram returns where the datagram object is, or belongs.
func (g *Group) datagram(id uint64) int {
	n := len(g.datagrams)
	if n == 0 || g.datagrams[n-1].ID < id {
		return n
	}
	return sort.Search(n, func(i int) bool { return g.datagrams[i].ID >= id })
}

// Absent says that the groups from first to last do not exist, or not any
// more: readers that wait for them go on.
func (t *Track) Absent(first, last uint64, now time.Time) {
	t.makeRoom()
	t.mu.Lock()
	defer t.unlockNotify()
	if t.writable() != nil || last < first || last-first >= uint64(t.limits.Groups) {
		return
	}
	for seq := first; ; seq++ {
		if g, err := t.group(seq, now); err == nil && len(g.subgroups) == 0 && len(g.datagrams) == 0 {
			g.absent, g.complete = true, true
		}
		if seq == last {
			return
		}
	}
}

func (t *Track) writable() *Error {
	switch {
	case t.err != nil:
		return t.err
	case t.finished:
		return Errorf(CodeClosed, "the track has ended")
	}
	return nil
}

// grow accounts for one more object of n bytes.
func (g *Group) grow(n int, h *ObjectHeader) *Error {
	l := &g.track.limits
	cost := int64(n) + h.cost()
	if g.bytes+int64(n) > l.GroupBytes {
		return Errorf(CodeTooLarge, "group %d exceeds %d bytes", g.Sequence, l.GroupBytes)
	}
	if limit := max(l.Bytes, l.GroupBytes); g.cost+cost > limit {
		return Errorf(CodeTooLarge, "group %d takes more than %d bytes", g.Sequence, limit)
	}
	if g.objects >= l.GroupObjects {
		return Errorf(CodeTooMany, "group %d exceeds %d objects", g.Sequence, l.GroupObjects)
	}
	g.bytes += int64(n)
	g.objects++
	g.charge(cost)
	return nil
}

func (g *Group) charge(cost int64) {
	g.cost += cost
	g.track.bytes += cost
}

// cut resets the subgroups that are open.
func (g *Group) cut(err *Error) {
	for _, sg := range g.subgroups {
		if sg.state == open {
			sg.state, sg.err, sg.writer, sg.others = reset, err, nil, nil
		}
	}
}

func (g *Group) lost() *Error {
	if g.evicted {
		return Errorf(CodeEvicted, "group %d was evicted", g.Sequence)
	}
	return nil
}
