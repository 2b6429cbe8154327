package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/app/moqt"
)

// loopTime is how long two relays may feed each other while news of a change
// is on its way.
const loopTime = 2 * time.Second

// check looks whether everything is as it must be at any time. What a reader
// gets is checked when it gets it.
func (w *World) check() {
	w.checked = w.Now()
	for _, a := range w.actors {
		a.check(w)
	}
	w.checkLoops()
	w.checkLive()
}

func (w *World) relays() (all []*relayNode) {
	for _, a := range w.actors {
		if r, ok := a.(*relayNode); ok && r.alive {
			all = append(all, r)
		}
	}
	return all
}

// A flow is a track that a relay has from another node, and hands to other relays.
type flow struct {
	track    moqt.FullTrackName
	at, from string
	to       []string
}

func (f flow) same(g flow) bool {
	return f.track == g.track && f.at == g.at && f.from == g.from && slices.Equal(f.to, g.to)
}

// checkLoops follows every track from relay to relay towards its source.
func (w *World) checkLoops() {
	var flows []flow
	for _, r := range w.relays() {
		flows = append(flows, r.flows()...)
	}
	w.judgeLoops(flows, w.Now())
}

// judgeLoops looks for circles in what feeds what. A relay may have two tracks of
// one name, of two publishers: what matters is which of them the next one reads.
func (w *World) judgeLoops(flows []flow, now time.Duration) {
	found := map[string]bool{}
	for i := range flows {
		for _, at := range circles(flows, i) {
			found[fmt.Sprint(flows[i].track, " at ", at)] = true
		}
	}
	for loop := range w.loops {
		if !found[loop] {
			delete(w.loops, loop)
		}
	}
	for loop := range found {
		since, known := w.loops[loop]
		if !known {
			w.loops[loop] = now
		} else if now-since > loopTime {
			w.breach("relays have fed each other %s for %v", loop, now-since)
		}
	}
}

// circles returns the first name of the relays on each way of a flow's objects
// back to where they come from.
func circles(flows []flow, start int) (names []string) {
	seen := make([]bool, len(flows))
	var follow func(i int, first string)
	follow = func(i int, first string) {
		f := flows[i]
		first = min(first, f.at)
		for j, g := range flows {
			switch {
			case g.at != f.from || g.track != f.track || !slices.Contains(g.to, f.at):
			case j == start:
				names = append(names, first)
			case !seen[j]:
				seen[j] = true
				follow(j, first)
			}
		}
	}
	follow(start, flows[start].at)
	return names
}

// checkLive holds every subscriber that a publisher can reach to receive what
// that writes, once nothing has changed for a while.
func (w *World) checkLive() {
	now := w.Now()
	if now < w.changed+w.conf.Bound {
		return
	}
	var reach map[string]int
	for _, a := range w.actors {
		s, ok := a.(*subscriber)
		if !ok || !s.alive || !s.silent(now-w.conf.Bound) {
			continue
		}
		if reach == nil {
			reach = w.reach()
		}
		at := s.where()
		part, there := reach[at]
		if !there || !w.open(s.name, at) {
			continue
		}
		if p := w.sourceOf(s, part, reach); p != nil && !w.narrow(p) {
			w.breach("%s has received nothing of %s since %v", s.name, p.name, s.received())
		}
	}
}

// sourceOf returns a publisher on the same side of every cut as s, if s must
// receive something: one of those that have the name may not write for a while.
func (w *World) sourceOf(s *subscriber, part int, reach map[string]int) (source *publisher) {
	for _, a := range w.actors {
		p, ok := a.(*publisher)
		if !ok || !p.alive || !p.announced && p.flapping == 0 || p.root.Join(p.path) != s.root.Join(s.path) {
			continue
		}
		if p.paused || p.flapping > 0 || !p.writes(s.track) {
			return nil
		}
		if at, there := reach[p.where()]; there && at == part && w.open(p.name, p.where()) {
			source = p
		}
	}
	return source
}

// narrow reports whether a link may be too slow for all who read p: what comes
// of that is not promised.
func (w *World) narrow(p *publisher) bool {
	readers := int64(len(w.relays()))
	for _, a := range w.actors {
		if s, ok := a.(*subscriber); ok && s.alive && s.root.Join(s.path) == p.root.Join(p.path) {
			readers++
		}
	}
	var need int64
	for _, t := range p.tracks {
		need += readers * int64(t.c.fps*(t.c.size+512))
	}
	slow := func(l *memnet.Link) bool { return l.Rate > 0 && l.Rate < need }
	for _, st := range w.links {
		if slow(&st.Link) {
			return true
		}
	}
	return slow(&w.link)
}

// open reports whether a and b can talk to each other.
func (w *World) open(a, b string) bool {
	return !w.state(a, b).cut && !w.state(b, a).cut
}

// reach returns for every live relay in which part of the network it is.
func (w *World) reach() map[string]int {
	part := map[string]int{}
	relays := w.relays()
	for i, r := range relays {
		part[r.name] = i
	}
	for changed := true; changed; {
		changed = false
		for _, r := range relays {
			for _, up := range r.joined() {
				at, there := part[up]
				if there && at != part[r.name] && w.open(r.name, up) {
					low := min(at, part[r.name])
					part[up], part[r.name] = low, low
					changed = true
				}
			}
		}
	}
	return part
}

// finish ends everything in order and looks whether anything is left.
func (w *World) finish() {
	w.mu.Lock()
	w.conf.Bound = 24 * time.Hour // silence is what is wanted now
	w.mu.Unlock()
	w.healAll()
	w.Advance(2 * idleTimeout)
	for _, a := range w.actors {
		switch a := a.(type) {
		case *subscriber:
			a.unsubscribe()
			w.Wait()
		case *publisher:
			a.paused, a.flapping = true, 0
		}
	}
	w.Advance(unwanted)
	for _, a := range w.actors {
		switch a := a.(type) {
		case *publisher:
			for _, t := range a.tracks {
				if n := t.writer.Demand().Readers; a.alive && n > 0 {
					w.breach("%s still has %d subscriptions of %s; nobody subscribes", a.name, n, t.name)
				}
			}
		case *relayNode:
			if st := a.relay.Stats(); a.alive && st.Tracks+st.Subscriptions > 0 {
				w.breach("%s still holds %d tracks and %d subscriptions; nobody subscribes", a.name, st.Tracks, st.Subscriptions)
			}
		}
	}
	w.end(func(a actor) bool {
		switch a.(type) {
		case *publisher, *announcer:
			return true
		}
		return false
	})
	w.Advance(linger)
	for _, a := range w.actors {
		switch a := a.(type) {
		case *watcher:
			if n := len(a.there); a.alive && a.now() != nil && n > 0 {
				w.breach("%s still sees %d broadcasts; nobody publishes", a.name, n)
			}
		case *relayNode:
			if st := a.relay.Stats(); a.alive && st.Broadcasts > 0 {
				w.breach("%s still has %d broadcasts; nobody publishes", a.name, st.Broadcasts)
			}
		}
	}
	w.end(func(a actor) bool { _, ok := a.(*relayNode); return !ok })
	w.end(func(actor) bool { return true })
}

const (
	// unwanted is when the last relay of a long chain has dropped a track
	// that nobody reads: each waits for the one below it.
	unwanted = 4 * 35 * time.Second
	// linger is when the last has forgotten a broadcast that has vanished.
	linger = 4 * (idleTimeout + 6*time.Second)
)

func (w *World) end(which func(actor) bool) {
	for _, a := range w.actors {
		if b := a.base(); b.alive && which(a) {
			a.leave()
			w.Wait()
			b.quit()
			w.Wait()
		}
	}
}

// close ends what is left, and the bubble with it.
func (w *World) close() {
	w.cancel()
	w.net.Close()
	w.wg.Wait()
	time.Sleep(3 * time.Minute) // what lingers
	for _, a := range w.actors {
		if err := a.over(); err != nil {
			w.breach("%v", err)
		}
	}
}
