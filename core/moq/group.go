package moq

import (
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
	datagrams  []*Datagram
	bytes      int64
	objects    int
	final      uint64 // last object, where known
	complete   bool   // final is set
	absent     bool   // the publisher says that nothing of it exists (any more)
	evicted    bool   // no longer in the cache
	squeezed   bool   // evicted for want of room: readers lose it too
}

// A Datagram is an object that was sent on no stream.
type Datagram struct {
	*Object
	EndOfGroup bool // nothing follows it in its group
	group      *Group
}

// Sequence returns the sequence number of the datagram's group.
func (d *Datagram) Sequence() uint64 { return d.group.Sequence }

// AddDatagram adds a datagram object with a copy of payload. endOfGroup says
// that the group has no object after it.
func (t *Track) AddDatagram(group uint64, h ObjectHeader, payload []byte, endOfGroup bool, now time.Time) *Error {
	o := newObject(t, h, uint64(len(payload)), uint64(len(payload)), now)
	o.have = o.size
	copy(o.buf[headroom:], payload)
	t.mu.Lock()
	defer t.unlockNotify()
	if err := t.writable(); err != nil {
		return err
	}
	g, err := t.group(group, now)
	if err != nil {
		return err
	}
	for _, d := range g.datagrams {
		if d.ID == h.ID {
			return Errorf(CodeDuplicate, "datagram object %d of group %d exists", h.ID, group)
		}
	}
	for _, sg := range g.subgroups {
		if _, ok := sg.find(h.ID); ok {
			return Errorf(CodeDuplicate, "object %d of group %d exists", h.ID, group)
		}
	}
	if err := g.grow(len(payload), 1); err != nil {
		return err
	}
	if endOfGroup {
		g.final, g.complete = h.ID, true
	}
	d := &Datagram{Object: o, EndOfGroup: endOfGroup, group: g}
	g.datagrams = append(g.datagrams, d)
	t.arrived(arrival{dg: d})
	t.raise(Location{group, h.ID})
	return nil
}

// Absent says that the groups from first to last do not exist, or not any
// more: readers that wait for them go on.
func (t *Track) Absent(first, last uint64, now time.Time) {
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

// grow accounts for n more bytes and objects of the group.
func (g *Group) grow(n, objects int) *Error {
	l := &g.track.limits
	if g.bytes+int64(n) > l.GroupBytes {
		return Errorf(CodeTooLarge, "group %d exceeds %d bytes", g.Sequence, l.GroupBytes)
	}
	if g.objects+objects > l.GroupObjects {
		return Errorf(CodeTooMany, "group %d exceeds %d objects", g.Sequence, l.GroupObjects)
	}
	g.bytes += int64(n)
	g.objects += objects
	if !g.evicted {
		g.track.bytes += int64(n)
	}
	return nil
}
