package moq

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"
)

// A Filler asks somebody else for the objects from start to end, which a track
// knows nothing of. The reader that it returns may end before end; then the
// rest is asked for when it is needed. One that ends after it replaces what the
// track has there. An error says that nobody can tell.
type Filler func(ctx context.Context, start, end Location) (*ObjectReader, error)

// Until makes the reader end at l, where that is before its end. Call it before
// Next.
func (r *ObjectReader) Until(l Location) {
	if l.Compare(r.end) < 0 {
		r.end = l
	}
}

// Fill makes the reader ask for what its track does not know, until by; the zero
// time never comes. Call it before Next.
func (r *ObjectReader) Fill(ask Filler, by time.Time) { r.ask, r.fillBy = ask, by }

// asked asks for the range f of which nothing is known, and reports whether
// there is an answer.
func (r *ObjectReader) asked(ctx context.Context, f Found) bool {
	ctx, cancel := r.patience(ctx)
	defer cancel()
	if ctx.Err() != nil {
		return false
	}
	from, err := r.ask(ctx, f.Start, f.End)
	switch {
	case err != nil:
		return false
	case from.end.Compare(f.Start) < 0 || from.end.Compare(r.end) > 0:
		from.Close()
		return false
	}
	r.track.mu.Lock()
	r.from, r.over, r.wide = from, false, from.end.Compare(f.End) > 0
	r.pass(from.end)
	r.track.mu.Unlock()
	return true
}

func (r *ObjectReader) patience(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.fillBy.IsZero() {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, r.fillBy)
}

// filled is Next of what was asked for; neither an object nor an error: it has
// ended.
func (r *ObjectReader) filled(ctx context.Context) (Found, bool, error) {
	wait, cancel := r.patience(ctx)
	defer cancel()
	from := r.from
	f, err := from.Next(wait)
	if err == nil {
		return f, true, nil
	}
	r.from = nil
	defer from.Close()
	switch {
	case err == io.EOF:
		return f, false, nil
	case errors.Is(err, ErrNotFound), // as moq-lite says it, which has no other answer
		ctx.Err() == nil && errors.Is(wait.Err(), context.DeadlineExceeded):
		rest := from.rest()
		if r.wide { // the track knows some of it
			r.track.mu.Lock()
			r.pos, r.over, r.group = rest.Start, false, nil
			r.track.mu.Unlock()
			return f, false, nil
		}
		return rest, true, nil
	}
	return f, false, err
}

// rest is what a reader has not come to: nothing is known of it.
func (r *ObjectReader) rest() Found {
	r.track.mu.Lock()
	defer r.track.mu.Unlock()
	return Found{Group: r.pos.Group, Start: r.pos, End: r.end}
}

// Unread returns how many payload bytes there are in the groups that the reader
// has not passed: who writes a track for one reader waits for Progress while
// they are many.
func (r *ObjectReader) Unread() (bytes int64) {
	t := r.track
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, g := range slices.Backward(t.groups) {
		if g.Sequence < r.pos.Group {
			break
		}
		bytes += g.bytes
	}
	return bytes
}

// A span is a range of locations.
type span struct{ start, end Location }

// Certain says that the track is the answer to a question: what it does not
// hold does not exist, but for what Unknown says.
func (t *Track) Certain() {
	t.mu.Lock()
	t.certain = true
	t.unlockNotify()
}

// IsCertain reports whether Certain was called.
func (t *Track) IsCertain() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.certain
}

// Complete reports whether no object follows those that the track has of a
// group.
func (t *Track) Complete(group uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	i, ok := t.find(group)
	return ok && t.groups[i].complete
}

// Unknown says that nothing is known of the objects from start to end, which
// come after those there are.
func (t *Track) Unknown(start, end Location) {
	t.mu.Lock()
	t.unknown = append(t.unknown, span{start, end})
	t.raise(end)
	t.unlockNotify()
}

// Reach says that the publisher has got to l, whether it arrives here or not.
// Who waits for what comes after the newest group or object learns so where
// that is.
func (t *Track) Reach(l Location) {
	t.mu.Lock()
	first := !t.any
	t.raise(l)
	for _, r := range t.readers {
		if first && (r.sub.From == FromNext || r.sub.From == FromLargest) {
			r.pin()
		}
	}
	t.unlockNotify()
}

// piece passes what is next of the range to end, in which the track has no
// object: as much as is alike.
func (r *ObjectReader) piece(end Location) Found {
	u, ok := r.track.doubt(r.pos, end)
	switch {
	case !ok:
		return r.skip(end, true)
	case u.start.Compare(r.pos) > 0:
		return r.skip(u.start.before(), true)
	}
	return r.skip(u.end, false)
}

// doubt returns the first part of the range from start to end, which has no
// object, that nothing is known of.
func (t *Track) doubt(start, end Location) (span, bool) {
	if !t.certain {
		return span{start, end}, true
	}
	for _, u := range t.unknown {
		if u.end.Compare(start) >= 0 && u.start.Compare(end) <= 0 {
			if u.start.Compare(start) < 0 {
				u.start = start
			}
			if u.end.Compare(end) > 0 {
				u.end = end
			}
			return u, true
		}
	}
	return span{}, false
}

// before returns the location before l, which is not the first.
func (l Location) before() Location {
	if l.Object > 0 {
		return Location{l.Group, l.Object - 1}
	}
	return Location{l.Group - 1, 1<<64 - 1}
}

// doubtful returns what is next of the range to end where somebody can be asked
// whether there is something: of what the publisher has got to, a datagram or a
// whole subgroup may never have come here. track.mu is held.
func (r *ObjectReader) doubtful(end Location) (Found, bool) {
	t := r.track
	if r.ask == nil || r.pos.Compare(t.largest) > 0 || r.group.lacksNothing(r.pos.Object) {
		return Found{}, false
	}
	if end.Compare(t.largest) > 0 {
		end = t.largest
	}
	f := r.skip(end, false)
	f.guess = true
	return f, true
}

// lacksNothing reports whether the group says itself that no object from id on
// exists but those in the log.
func (g *Group) lacksNothing(id uint64) bool {
	ended := g.complete && (len(g.datagrams) == 0 || g.datagrams[len(g.datagrams)-1].ID < id)
	for _, sg := range g.subgroups {
		if sg.Whole && sg.FirstKnown {
			return true
		}
		o := sg.last()
		ended = ended && (o == nil || o.ID < id)
	}
	return ended
}
