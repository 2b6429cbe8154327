package moq

import (
	"context"
	"io"
	"time"
)

// A FetchRequest asks for objects of the past.
type FetchRequest struct {
	Name FullTrackName
	// Start and End are the first and the last location wanted.
	Start, End Location
	Priority   uint8 // 255 first
	// Past ends the range at the largest object there is now.
	Past bool
	// FillBy is when nobody is asked any more for what the cache lacks: what
	// is unknown then stays so. The zero time never comes.
	FillBy time.Time
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
	guess    bool // nothing says that there are any: not told unless somebody knows of them
}

// An ObjectReader reads a range of a track in the order of locations: within
// a group by object, whatever subgroup it came in. A group that it has begun
// stays readable when the cache drops it for its age.
type ObjectReader struct {
	track *Track
	group *Group // that of pos, once found
	pos   Location
	end   Location
	over  bool // pos is past the last location there can be
	close func()

	ask    Filler
	fillBy time.Time
	from   *ObjectReader // what ask has returned
	wide   bool          // for more than the track lacks
}

// Read returns a reader of the range from start to end, both included. close,
// which may be nil, is called by the reader's Close.
func (t *Track) Read(start, end Location, close func()) *ObjectReader {
	r := &ObjectReader{track: t, pos: start, end: end, close: close}
	t.mu.Lock()
	if i, ok := t.find(start.Group); ok {
		r.group = t.groups[i]
	}
	t.mu.Unlock()
	return r
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

// End returns the last location that the reader reads.
func (r *ObjectReader) End() Location { return r.end }

// OnClose sets what Close calls.
func (r *ObjectReader) OnClose(f func()) { r.close = f }

// Close releases the reader.
func (r *ObjectReader) Close() {
	if r.from != nil {
		r.from.Close()
		r.from = nil
	}
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
		if r.from != nil {
			if f, ok, err := r.filled(ctx); ok || err != nil {
				return f, err
			}
		}
		r.track.mu.Lock()
		f, ok, err := r.look()
		changed := r.track.wait()
		r.track.mu.Unlock()
		if ok && err == nil && f.Object == nil && !f.Absent && r.ask != nil {
			if r.asked(ctx, f) || f.guess {
				continue
			}
		}
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
	for {
		if r.over || r.pos.Compare(r.end) > 0 {
			return f, false, io.EOF
		}
		if r.group == nil || r.group.Sequence != r.pos.Group {
			i, here := t.find(r.pos.Group)
			if !here {
				return r.gap(i)
			}
			r.group = t.groups[i]
		}
		g, last := r.group, Location{r.pos.Group, 1<<64 - 1}
		if g.Sequence == r.end.Group {
			last = r.end
		}
		switch {
		case g.squeezed:
			return f, false, g.lost()
		case g.absent:
			return r.skip(last, true), true, nil
		}
		f, wait, err := g.first(r.pos.Object, last.Object)
		if hole, ok := r.hole(f, last, wait && !t.finished || err != nil && r.ask == nil); ok {
			return hole, true, nil
		}
		switch {
		case err != nil:
			return Found{}, false, err
		case f.Object != nil:
			r.pass(Location{g.Sequence, f.Object.ID})
			return f, true, nil
		case wait && t.err != nil:
			return Found{}, false, t.err
		case wait && !t.finished:
			return Found{}, false, nil
		}
		r.pass(last)
	}
}

// hole returns the next part of the group that nothing is known of: before the
// object f, or before the end where there is none. unsure says that it is not
// known yet what is next. track.mu is held.
func (r *ObjectReader) hole(f Found, last Location, unsure bool) (Found, bool) {
	end := last
	if f.Object != nil {
		if f.Object.ID == r.pos.Object || f.Object.follows(r.pos.Object) {
			return Found{}, false
		}
		end = Location{r.pos.Group, f.Object.ID - 1}
	}
	if unsure {
		return Found{}, false
	}
	if !r.track.certain {
		if r.group.unknown(r.pos.Object, end.Object) {
			return r.skip(end, false), true
		}
		return r.doubtful(end)
	}
	u, ok := r.track.doubt(r.pos, end)
	if !ok {
		return Found{}, false
	}
	r.pos = u.start
	return r.skip(u.end, false), true
}

// unknown reports whether there may be objects from id a to b, none of which
// is in the log: they came before the subscription, or a stream was cut.
func (g *Group) unknown(a, b uint64) bool {
	for _, sg := range g.subgroups {
		before := !sg.FirstKnown && (len(sg.objects) == 0 || sg.objects[0].ID > a)
		o := sg.last()
		after := sg.broken() && (o == nil || o.ID < b || o.ID == b && o.have < o.size)
		if before || after {
			return true
		}
	}
	return false
}

// pass moves behind l.
func (r *ObjectReader) pass(l Location) {
	if l.Object+1 == 0 || l.Group > r.pos.Group {
		r.track.progressed()
	}
	if l.Object+1 != 0 {
		r.pos = Location{l.Group, l.Object + 1}
		return
	}
	if l.Group+1 == 0 {
		r.over = true
		return
	}
	r.pos = Location{Group: l.Group + 1}
}

// gap is look for a group that is not there; it belongs at i.
func (r *ObjectReader) gap(i int) (f Found, ok bool, err error) {
	t := r.track
	end := r.end
	switch {
	case i < len(t.groups) && t.groups[i].Sequence <= r.end.Group:
		end = Location{t.groups[i].Sequence - 1, 1<<64 - 1}
		return r.piece(end), true, nil
	case i < len(t.groups), t.any && r.pos.Compare(t.largest) <= 0:
		return r.piece(end), true, nil
	case t.err != nil:
		return f, false, t.err
	case t.finished:
		return f, false, io.EOF
	}
	return f, false, nil
}

func (r *ObjectReader) skip(last Location, absent bool) Found {
	f := Found{Group: r.pos.Group, Start: r.pos, End: last, Absent: absent}
	r.pass(last)
	return f
}

// first returns the complete object with the smallest id from id to last. wait
// says that there is none now, but may be one later; err is that of a subgroup
// which was cut short before it brought one.
func (g *Group) first(id, last uint64) (f Found, wait bool, err error) {
	if i := g.datagram(id); i < len(g.datagrams) && g.datagrams[i].ID <= last {
		f = Found{Group: g.Sequence, Datagram: true, Object: g.datagrams[i].Object}
	}
	var from *Subgroup
	for _, sg := range g.subgroups {
		i, _ := sg.find(id)
		if i == len(sg.objects) || sg.objects[i].ID > last {
			continue
		}
		if o := sg.objects[i]; f.Object == nil || o.ID < f.Object.ID {
			f, from = Found{Group: g.Sequence, Subgroup: sg.ID, Object: o}, sg
		}
	}
	below := f.Object == nil || id < f.Object.ID // something could come first
	for _, sg := range g.subgroups {
		o := sg.last()
		switch {
		case !below || o != nil && o.ID >= id:
		case sg.state == open:
			wait = true
		case sg.broken() && f.Object == nil:
			err = sg.err
		}
	}
	switch {
	case wait:
		return Found{}, true, nil
	case f.Object == nil:
		closed := len(g.subgroups) > 0 || g.complete || !g.superseded.IsZero()
		return f, !closed, err
	case f.Object.have == f.Object.size:
		return f, false, nil
	case from.state == reset:
		return Found{}, false, from.err
	}
	return Found{}, true, nil
}

// Group returns the sequence number of the group that is read next.
func (r *ObjectReader) Group() uint64 {
	r.track.mu.Lock()
	defer r.track.mu.Unlock()
	return r.pos.Group
}
