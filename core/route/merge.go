package route

import (
	"slices"
	"time"

	"github.com/moqtgo/moqt/core/moq"
)

func (f *feed) fedBy(s Source) bool {
	return slices.ContainsFunc(f.pubs, func(p *Publication) bool { return p.source == s })
}

func (f *feed) quit(s Source) {
	is := func(p *Publication) bool { return p.source == s }
	f.pubs, f.pushed = slices.DeleteFunc(f.pubs, is), slices.DeleteFunc(f.pushed, is)
}

// Quit is called by a source that brings no more of a track that it was asked
// for, or has pushed: it has come to its end, or was refused. It reports whether
// nobody else brings it: then the caller ends the track.
func (m *Mux) Quit(t *moq.Track, s Source) (last bool) {
	m.mu.Lock()
	f := m.feeds[t]
	if f == nil {
		m.mu.Unlock()
		return true
	}
	f.quit(s)
	last = len(f.pubs) == 0
	f.left = last
	m.mu.Unlock()
	m.ring(time.Time{}) // it may be idle now
	return last
}

// Push says that the source of p brings the track of this name, below the path
// of p, without being asked. It returns the track: that of the other
// publications that p is merged with, or a new one. It is not dropped for want
// of readers. nil: p is gone.
func (p *Publication) Push(name moq.FullTrackName) *moq.Track {
	m := p.mux
	m.mu.Lock()
	defer m.mu.Unlock()
	if p.gone {
		return nil
	}
	c := p.content
	var f *feed
	for _, g := range c.feeds[name] {
		if !g.over() && (c.merge || g.pubs == nil || slices.Contains(g.pubs, p)) {
			f = g
		}
	}
	if f == nil {
		f = m.newFeed(c, name, p.view.root)
	}
	if !slices.Contains(f.pubs, p) {
		f.pubs = append(f.pubs, p)
	}
	f.pushed = append(f.pushed, p)
	return f.track
}

// Conflict is called by a source that brings something else than what is known
// of a track: publications that were merged do not have the same content. The
// newest of them takes the path over, as any other publisher would, and the
// tracks there were end with why. It reports false, and does nothing, where
// there is nobody to be in conflict with.
func (m *Mux) Conflict(t *moq.Track, why *moq.Error) bool {
	var calls calls
	m.mu.Lock()
	split := m.split(t, why, &calls)
	m.mu.Unlock()
	calls.run()
	return split
}

func (m *Mux) split(t *moq.Track, why *moq.Error, calls *calls) bool {
	f := m.feeds[t]
	if f == nil || len(f.pubs) < 2 {
		return false
	}
	c := f.content
	p := slices.MaxFunc(c.pubs, func(a, b *Publication) int {
		if a.serial < b.serial {
			return -1
		}
		return 1
	})
	m.failFeeds(c, why, calls)
	m.leave(p)
	m.serial++
	n := m.root.at(p.path)
	own := m.newContent(n, p)
	own.merge, own.pubs = true, []*Publication{p}
	p.content = own
	p.version++
	n.place(own, p)
	m.changed(p.path, calls)
	return true
}
