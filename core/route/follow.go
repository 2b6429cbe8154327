package route

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/moqtgo/moqt/core/moq"
)

// The objects of a track come the way that its announcement names: a feed takes
// the best route that suits all who read it, and another one when that changes.
// Were it to stay on the one that it has begun with, what hops say of an
// announcement would not be true of the objects, and relays could feed each other
// in a circle for ever.

// errJoined ends one of two feeds that have come to one route: their readers
// cannot be joined otherwise.
var errJoined = moq.Errorf(moq.CodeDropped, "another track of this name has taken the route")

// shows notes who reads the feed by r.
func (f *feed) shows(r *moq.TrackReader, v *View) {
	if len(f.viewers) >= f.room {
		f.prune()
		f.room = 2*len(f.viewers) + 16
	}
	f.viewers[r] = v
}

func (f *feed) prune() {
	maps.DeleteFunc(f.viewers, func(r *moq.TrackReader, _ *View) bool { return r.Closed() })
}

// route returns the best route for all who read the feed, and for others; where
// all is false it is the best of those that suit one of them, or of any.
func (f *feed) route(others ...*View) (best *Publication, all bool) {
	f.prune()
	views := map[*View]bool{}
	for _, v := range f.viewers {
		views[v] = true
	}
	for _, v := range others {
		views[v] = true
	}
	most := -1
	for _, p := range f.content.pubs {
		if !p.serves(f.track.Name().Path) {
			continue
		}
		n := 0
		for v := range views {
			if v.suits(p) {
				n++
			}
		}
		switch {
		case n == len(views):
			return p, true
		case n > 0 && most <= 0, most < 0:
			best, most = p, n
		}
	}
	return best, false
}

// moves reports whether the feed may take another route than the one it has.
func (f *feed) moves() bool {
	return len(f.pubs) == 1 && !f.pubs[0].gone && len(f.pushed) == 0 && !f.content.merge && !f.over()
}

// strays reports whether the feed may not have the best route: it had to suit
// somebody who may have left, or there was none that suits.
func (f *feed) strays() bool {
	return len(f.pubs) == 1 && len(f.content.pubs) > 1 && (f.forced || f.pubs[0] != f.content.pubs[0]) && f.moves()
}

// strays returns the feeds that may not have the best route.
func (m *Mux) strays() (all []*feed) {
	for _, f := range m.feeds {
		if f.strays() {
			all = append(all, f)
		}
	}
	slices.SortFunc(all, func(a, b *feed) int { return cmp.Compare(a.serial, b.serial) })
	return all
}

// follow gives the feeds of c the best routes there are now.
func (m *Mux) follow(c *content, calls *calls) {
	m.straighten(c.sorted(), calls)
}

// straighten gives the feeds that may not have the best routes those that there
// are now. One that a move before has ended is left alone.
func (m *Mux) straighten(feeds []*feed, calls *calls) {
	for _, f := range feeds {
		if m.feeds[f.track] == f && f.strays() {
			p, all := f.route()
			m.force(f, !all, calls)
			if p != nil {
				m.move(f, p, calls)
			}
		}
	}
}

// patience is for how long the route of a feed may not suit who reads it: most
// have heard by then that they cannot have it from here.
const patience = time.Second

// force notes whether the route of the feed may not suit all who read it.
func (m *Mux) force(f *feed, is bool, calls *calls) {
	switch {
	case !is:
		f.since = time.Time{}
	case !f.forced:
		calls.add(func() { m.ring(time.Time{}) })
	}
	f.forced = is
}

// rerouted notes that the route of p is another one now.
func (m *Mux) rerouted(p *Publication, calls *calls) {
	for _, fs := range p.content.feeds {
		for _, f := range fs {
			if !f.forced && f.moves() && f.pubs[0] == p && len(f.misled()) > 0 {
				m.force(f, true, calls)
			}
		}
	}
}

// misled returns the readers that the route of the feed does not suit: what they
// get may have been theirs.
func (f *feed) misled() (all []*moq.TrackReader) {
	for r, v := range f.viewers {
		if !v.suits(f.pubs[0]) {
			all = append(all, r)
		}
	}
	return all
}

// release ends the subscriptions that the only route there is has not suited for
// a while: relays would feed each other in a circle.
func (m *Mux) release(now time.Time, later func(time.Time), calls *calls) {
	for _, f := range m.feeds {
		if !f.forced || len(f.pubs) != 1 || f.content.merge {
			continue
		}
		if f.since.IsZero() {
			f.since = now
		}
		if due := f.since.Add(patience); now.Before(due) {
			later(due)
			continue
		}
		for _, r := range f.misled() {
			calls.add(func() {
				r.Fail(moq.Errorf(moq.CodeDropped, "the route of %q leads through who asks", f.track.Name().Path))
			})
		}
	}
}

// move gives the feed another route. It reports whether the feed is still there.
func (m *Mux) move(f *feed, p *Publication, calls *calls) bool {
	old := f.pubs[0]
	if old == p {
		return true
	}
	f.pubs = []*Publication{p}
	if p.source != old.source {
		f.track.Detach()
		calls.drop(m, old.source, f.track)
		calls.want(m, p.source, f.track)
	}
	return m.single(f, p, calls)
}

// single leaves one of the feeds of f's name that p serves: one that is read. It
// reports whether that is f.
func (m *Mux) single(f *feed, p *Publication, calls *calls) bool {
	for _, g := range slices.Clone(f.content.feeds[f.track.Name()]) {
		if g == f || !slices.Contains(g.pubs, p) || len(g.pushed) > 0 || g.over() {
			continue
		}
		end := g
		switch {
		case g.track.Demand().Readers == 0:
		case f.content.merge:
			continue
		default:
			end = f
		}
		end.end(m, errJoined, calls)
		if end == f {
			return false
		}
	}
	return true
}
