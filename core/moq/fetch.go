package moq

import (
	"context"
	"io"
)

// A FetchRequest asks for objects of the past.
type FetchRequest struct {
	Name FullTrackName
	// Start and End are the first and the last location wanted.
	Start, End Location
	Priority   uint8 // 255 first
}

// GroupFetch returns the request for one whole group.
func GroupFetch(name FullTrackName, group uint64, priority uint8) FetchRequest {
	return FetchRequest{
		Name: name, Priority: priority,
		Start: Location{Group: group}, End: Location{group, 1<<64 - 1},
	}
}

// A Found is one answer of a fetch: an object, or a range of which something
// is known.
type Found struct {
	Group    uint64
	Subgroup uint64
	Datagram bool    // the object was sent as a datagram
	Object   *Object // nil: the objects from Start to End ...
	Start    Location
	End      Location
	Absent   bool // ... do not exist; otherwise nothing is known of them
}

// An ObjectReader reads a range of a track in the order of locations: within
// a group by object, whatever subgroup it came in.
type ObjectReader struct {
	track *Track
	pos   Location
	end   Location
	close func()
}

// Read returns a reader of the range from start to end, both included. close,
// which may be nil, is called by the reader's Close.
func (t *Track) Read(start, end Location, close func()) *ObjectReader {
	return &ObjectReader{track: t, pos: start, end: end, close: close}
}

// Has reports whether the group is in the cache from its first object on.
func (t *Track) Has(group uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	i, ok := t.find(group)
	if !ok {
		return false
	}
	g := t.groups[i]
	for _, sg := range g.subgroups {
		if !sg.FirstKnown {
			return false
		}
	}
	return len(g.subgroups)+len(g.datagrams) > 0
}

// Track returns the track that is read.
func (r *ObjectReader) Track() *Track { return r.track }

// Close releases the reader.
func (r *ObjectReader) Close() {
	if r.close != nil {
		r.close()
	}
}

// Next returns the next object with its payload complete, or a range that has
// none. It blocks while a group of the range is still open. The error is
// io.EOF after the range, and the track's error or that of a subgroup that was
// cut short.
func (r *ObjectReader) Next(ctx context.Context) (Found, error) {
	for {
		r.track.mu.Lock()
		f, ok, err := r.look()
		changed := r.track.wait()
		r.track.mu.Unlock()
		if ok || err != nil {
			return f, err
		}
		if err := await(ctx, changed); err != nil {
			return f, err
		}
	}
}

// look returns what is at r.pos or after it. track.mu is held.
func (r *ObjectReader) look() (f Found, ok bool, err error) {
	t := r.track
	if r.pos.Compare(r.end) > 0 {
		return f, false, io.EOF
	}
	i, here := t.find(r.pos.Group)
	if !here {
		if i < len(t.groups) && t.groups[i].Sequence <= r.end.Group {
			return r.skip(Location{Group: t.groups[i].Sequence}, false), true, nil
		}
		switch {
		case t.err != nil:
			return f, false, t.err
		case t.finished, i < len(t.groups):
			return f, false, io.EOF
		}
		return f, false, nil
	}
	g := t.groups[i]
	if g.absent {
		return r.skip(Location{Group: g.Sequence + 1}, true), true, nil
	}
	f, openBelow, err := g.first(r.pos.Object)
	switch {
	case f.Object != nil && f.Object.ID > r.end.Object && g.Sequence == r.end.Group:
		return Found{}, false, io.EOF
	case f.Object != nil && !openBelow:
		if f.Object.have < f.Object.size {
			return Found{}, false, err
		}
		r.pos = Location{g.Sequence, f.Object.ID + 1}
		return f, true, nil
	case openBelow:
		return Found{}, false, nil
	case err != nil:
		return Found{}, false, err
	}
	if !g.closed() {
		if t.err != nil {
			return Found{}, false, t.err
		}
		return Found{}, false, nil
	}
	if g.Sequence == r.end.Group {
		return Found{}, false, io.EOF
	}
	r.pos = Location{Group: g.Sequence + 1}
	return r.look()
}

func (r *ObjectReader) skip(to Location, absent bool) Found {
	last := Location{to.Group - 1, 1<<64 - 1}
	f := Found{Group: r.pos.Group, Start: r.pos, End: last, Absent: absent}
	r.pos = to
	return f
}

// first returns the object with the smallest id from id on. openBelow says
// that a subgroup that is still open may bring a smaller one; err is that of
// a subgroup which was cut short before it brought one.
func (g *Group) first(id uint64) (f Found, openBelow bool, err error) {
	for _, d := range g.datagrams {
		if d.ID >= id && (f.Object == nil || d.ID < f.Object.ID) {
			f = Found{Group: g.Sequence, Datagram: true, Object: d.Object}
		}
	}
	for _, sg := range g.subgroups {
		i, _ := sg.find(id)
		if i < len(sg.objects) {
			if o := sg.objects[i]; f.Object == nil || o.ID < f.Object.ID {
				f = Found{Group: g.Sequence, Subgroup: sg.ID, Object: o}
			}
		} else if sg.state == reset {
			err = sg.err
		}
	}
	if f.Object == nil {
		return f, false, err
	}
	for _, sg := range g.subgroups {
		i, _ := sg.find(id)
		if i == len(sg.objects) && sg.state == open && (i == 0 || sg.objects[i-1].ID+1 < f.Object.ID) {
			openBelow = true
		}
	}
	if f.Object.have < f.Object.size {
		for _, sg := range g.subgroups {
			if sg.ID == f.Subgroup && !f.Datagram && sg.state == reset {
				return f, openBelow, sg.err
			}
		}
	}
	return f, openBelow, nil
}

// closed reports whether nothing more can arrive in the group's subgroups.
func (g *Group) closed() bool {
	for _, sg := range g.subgroups {
		if sg.state == open {
			return false
		}
	}
	return len(g.subgroups) > 0 || g.complete || g.evicted
}
