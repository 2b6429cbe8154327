package moq

import (
	"io"
	"math"
	"time"
)

// overtaking is how long a merged cursor waits for what a stream that was
// overtaken may bring.
const overtaking = 100 * time.Millisecond

// Merge makes the cursor read the objects of the whole group in the order of
// their ids, whatever subgroup they come in: for dialects in which a group is
// one stream. Call it before Next. An object is read once it is complete, and
// once none with a smaller id can come before it.
//
// Where ids are missing another stream may still bring them: then Due says how
// long to wait. A subgroup that was cut short ends the group where its rest
// belongs. A group whose start is not known is refused with CodeOld. The group
// ends when its publisher has said so, or when a newer one exists and every
// subgroup has ended.
func (r *SubgroupReader) Merge() { r.merged = true }

// Due returns when a merged cursor has waited long enough for what is missing
// in front of what is there; zero where it does not wait for that. Call Skip
// then.
func (r *SubgroupReader) Due() time.Time { return r.due }

// Skip makes a merged cursor wait no more for what is missing.
func (r *SubgroupReader) Skip() { r.skip = true }

// merge is step for a merged cursor. track.mu is held.
func (r *SubgroupReader) merge() (p Piece, ok bool, err error) {
	g := r.group
	f, wait, err := g.first(r.from, math.MaxUint64)
	r.due = time.Time{}
	o := f.Object
	switch {
	case g.squeezed && !wait && o != nil:
		return p, false, Errorf(CodeEvicted, "group %d was evicted", g.Sequence)
	case wait && !g.track.finished && g.track.err == nil:
		return p, false, nil
	case o == nil && err != nil:
		return p, false, err
	case o == nil:
		return p, false, r.mergedEnd()
	}
	if err := g.cutBefore(o.ID); err != nil {
		return p, false, err
	}
	if o.ID > r.from && !o.follows(r.from) && !r.skip {
		r.due = o.Arrived.Add(overtaking)
		return p, false, nil
	}
	if r.from == 0 && o.ID > 0 && !g.startKnown(f) && !o.follows(0) {
		return p, false, Errorf(CodeOld, "group %d has begun before the subscription", g.Sequence)
	}
	data := o.from(r.off)
	if r.off == 0 && len(data) > FirstChunk {
		data = data[:FirstChunk]
	}
	p = Piece{Object: o, First: !r.taken, Data: data}
	r.off += uint64(len(data))
	p.Last, r.taken = r.off == o.size, true
	if p.Last {
		r.from, r.off, r.taken, r.skip = o.ID+1, 0, false, false
	}
	return p, true, nil
}

// follows reports whether the publisher says that no object with an id from id
// to that of o exists.
func (o *Object) follows(id uint64) bool {
	for _, p := range o.Properties {
		if p.Type == propPriorObjectIDGap {
			return p.Int >= o.ID-id
		}
	}
	return false
}

// cutBefore returns the error of a subgroup that was reset in front of the
// object id: what it has not brought may belong there.
func (g *Group) cutBefore(id uint64) error {
	for _, sg := range g.subgroups {
		if o := sg.last(); sg.broken() && (o == nil || o.ID < id) {
			return sg.err
		}
	}
	return nil
}

// mergedEnd reports whether nothing more of the group will come.
func (r *SubgroupReader) mergedEnd() error {
	g := r.group
	t := g.track
	switch {
	case g.complete || g.evicted || t.finished || t.err != nil:
		return io.EOF
	case g.superseded.IsZero():
		return nil
	case !r.skip:
		r.due = g.superseded.Add(overtaking)
		return nil
	}
	return io.EOF
}

// startKnown reports whether f, which is not object 0, is known to be the
// first of its group.
func (g *Group) startKnown(f Found) bool {
	for _, sg := range g.subgroups {
		if !sg.FirstKnown {
			return false
		}
	}
	return !f.Datagram
}
