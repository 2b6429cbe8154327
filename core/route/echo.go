package route

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/moqtgo/moqt/core/moq"
)

// Where announcements count nodes and do not name them, what a relay has sent
// around a ring comes back as news of somebody else. It has come further then
// than what it was made from: so content of an unknown origin that has come
// through others takes nothing over that is nearer, and is not believed for a
// moment after that has ended, which ends the echo too.

// echoTime is how long an echo may take to end after what it was made from.
const echoTime = 2 * time.Second

// An ending is what has ended under a path, as long as echoes of it may come.
type ending struct {
	path   moq.Path
	length int
	until  time.Time // zero: the next Sweep says
}

// echoes reports whether c has come as an echo would.
func (c *content) echoes() bool { return c.origin == 0 && c.length > 1 }

// yields reports whether c may be an echo of d.
func (c *content) yields(d *content) bool {
	return c.echoes() && c.length > d.length
}

// hushed reports whether c may be an echo of what has ended.
func (n *node) hushed(c *content) bool {
	e := n.ending
	return e != nil && c.echoes() && c.length > e.length
}

// hush keeps echoes of c, which has ended, from being believed.
func (m *Mux) hush(n *node, c *content, calls *calls) {
	if !m.counted || c.waiting {
		return // nobody counts
	}
	if e := n.ending; e == nil || c.length <= e.length {
		n.ending = &ending{path: c.path, length: c.length}
		m.endings[n] = struct{}{}
		calls.add(func() { m.ring(time.Time{}) })
	}
}

// unhush lets those be heard that are still there when echoes have ended.
func (m *Mux) unhush(now time.Time, later func(time.Time), calls *calls) {
	byPath := func(a, b *node) int { return cmp.Compare(a.ending.path, b.ending.path) }
	for _, n := range slices.SortedFunc(maps.Keys(m.endings), byPath) {
		e := n.ending
		if e.until.IsZero() {
			e.until = now.Add(echoTime)
		}
		if now.Before(e.until) {
			later(e.until)
			continue
		}
		delete(m.endings, n)
		n.ending = nil
		m.changed(e.path, calls)
		m.root.prune(e.path)
	}
}
