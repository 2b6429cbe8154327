package moq

import (
	"io"
	"math"
)

// Merge makes the cursor read the objects of the whole group in the order of
// their ids, whatever subgroup they come in: for dialects in which a group is
// one stream. Call it before Next. An object is read once it is complete, and
// once none with a smaller id can come before it.
//
// Objects that only carry a status are skipped. A group whose start is not
// known is refused with CodeOld. The group ends when its publisher has said
// so, or when a newer one exists and every subgroup has ended.
func (r *SubgroupReader) Merge() { r.merged = true }

// merge is step for a merged cursor. track.mu is held.
func (r *SubgroupReader) merge() (p Piece, ok bool, err error) {
	g := r.group
	for {
		f, wait, err := g.first(r.from, math.MaxUint64)
		o := f.Object
		switch {
		case g.squeezed && !wait && o != nil:
			return p, false, Errorf(CodeEvicted, "group %d was evicted", g.Sequence)
		case wait:
			return p, false, nil
		case o == nil && err != nil:
			return p, false, err
		case o == nil:
			return p, false, g.mergedEnd()
		case r.from == 0 && o.ID > 0 && !g.startKnown(f):
			return p, false, Errorf(CodeOld, "group %d has begun before the subscription", g.Sequence)
		case o.Status != StatusNormal:
			r.from = o.ID + 1
			continue
		}
		data := o.from(r.off)
		if r.off == 0 && len(data) > FirstChunk {
			data = data[:FirstChunk]
		}
		p = Piece{Object: o, First: !r.taken, Data: data}
		r.off += uint64(len(data))
		p.Last, r.taken = r.off == o.size, true
		if p.Last {
			r.from, r.off, r.taken = o.ID+1, 0, false
		}
		return p, true, nil
	}
}

// mergedEnd reports whether nothing more of the group will come.
func (g *Group) mergedEnd() error {
	t := g.track
	if g.complete || g.evicted || !g.superseded.IsZero() || t.finished || t.err != nil {
		return io.EOF
	}
	return nil
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
