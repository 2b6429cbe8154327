package moq

import (
	"io"
	"time"
)

// A SubgroupReader is a cursor in a subgroup. It belongs to one goroutine at
// a time; all calls return at once.
type SubgroupReader struct {
	*Subgroup
	next   int    // index of the object to read next
	off    uint64 // payload bytes of it that were read
	taken  bool   // its header was read
	passed bool   // objects before From were skipped
	From   uint64 // objects before this id are skipped
	Before uint64 // objects from this id on are not delivered; 0: no bound

	merged bool      // reads the whole group
	from   uint64    // merged: the smallest id to read next
	due    time.Time // merged: when to wait no more
	skip   bool      // merged: it is

	owner *TrackReader // nil once read to the end, or abandoned
	read  uint64       // what was read or skipped, as Subgroup.cost counts
}

// Header returns the header of what is read: it does not begin with the
// subgroup's first object where From is behind that.
func (r *SubgroupReader) Header() SubgroupHeader {
	h := r.SubgroupHeader
	h.FirstKnown = h.FirstKnown && !r.passed
	return h
}

// A Piece is the next part of a subgroup: payload bytes of an object, shared
// and not to be modified.
type Piece struct {
	*Object
	First bool // Data starts the object's payload
	Last  bool // Data ends the object's payload
	Data  []byte
}

// Next returns the next piece that is worth sending: a whole object up to
// FirstChunk bytes, the parts of a larger one as they arrive. ok is false when
// there is none now. err is io.EOF after the end of the subgroup, and an
// *Error where it was reset or evicted, or TrackReader.Fail was called.
func (r *SubgroupReader) Next() (p Piece, ok bool, err error) {
	t := r.group.track
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.owner != nil && r.owner.err != nil {
		err = r.owner.err
	} else {
		p, ok, err = r.step()
	}
	switch {
	case err != nil:
		r.leave(err == io.EOF)
	case ok && t.progress != nil:
		t.progressed()
	}
	return p, ok, err
}

func (r *SubgroupReader) step() (p Piece, ok bool, err error) {
	if r.merged {
		return r.merge()
	}
	if r.squeezed() {
		return p, false, Errorf(CodeEvicted, "group %d was evicted", r.group.Sequence)
	}
	if r.next < len(r.objects) && !r.taken && r.objects[r.next].ID < r.From {
		from := r.next
		r.next, _ = r.find(r.From)
		r.passed = true
		for _, o := range r.objects[from:r.next] {
			r.read += o.have + objectCost
		}
	}
	if r.next < len(r.objects) {
		o := r.objects[r.next]
		if r.Before > 0 && o.ID >= r.Before {
			return p, false, io.EOF
		}
		data := o.from(r.off)
		if r.off == 0 && len(data) > FirstChunk {
			data = data[:FirstChunk] // what a header may be copied to
		}
		end := r.off + uint64(len(data))
		if o.have == o.size || o.size > FirstChunk && len(data) > 0 && (len(data) >= wakeBytes || end < o.have) {
			p = Piece{Object: o, First: !r.taken, Data: data}
			r.off += uint64(len(data))
			r.read += uint64(len(data))
			p.Last = r.off == o.size
			r.taken = true
			if p.Last {
				r.next, r.off, r.taken = r.next+1, 0, false
				r.read += objectCost
			}
			return p, true, nil
		}
	}
	return p, false, r.end()
}

// squeezed reports whether what is still to be read has gone. track.mu is held.
func (r *SubgroupReader) squeezed() bool {
	return r.group.squeezed && (r.merged || r.state == reset || r.next < len(r.objects))
}

// Squeezed reports whether what is still to be read has gone for want of room.
func (r *SubgroupReader) Squeezed() bool {
	t := r.group.track
	t.mu.Lock()
	defer t.mu.Unlock()
	return r.squeezed()
}

func (r *SubgroupReader) end() error {
	switch r.state {
	case reset:
		return r.err
	case finished:
		if r.next >= len(r.objects) {
			return io.EOF
		}
	}
	return nil
}
