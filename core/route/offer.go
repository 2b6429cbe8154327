package route

import (
	"context"
	"iter"
	"maps"
	"slices"

	"github.com/moqtgo/moqt/core/moq"
)

// An Offer is a change of the tracks that are known to exist: Active or Ended.
type Offer struct {
	Name   moq.FullTrackName // relative to the view
	Track  *moq.Track
	Change Change
}

// An OfferReader watches the exact tracks below a prefix, as an AnnounceReader
// does the broadcasts: those that a peer has published one by one, and those of
// producers in this process.
type OfferReader struct {
	watch
	batch []Offer

	// guarded by mux.mu
	sent map[moq.Path]map[string]*moq.Track
}

// WatchTracks returns a reader of the tracks below prefix that the view may
// subscribe to, but for those of its own peer. wake as in Watch.
func (v *View) WatchTracks(prefix moq.Path, wake func()) (*OfferReader, error) {
	r := &OfferReader{sent: map[moq.Path]map[string]*moq.Track{}}
	r.tracks = true
	r.said = func(p moq.Path) bool { return len(r.sent[p]) > 0 }
	if err := v.begin(&r.watch, prefix, wake); err != nil {
		return nil, err
	}
	return r, nil
}

// Drain returns changes in the order of their names: of as many paths as it
// takes for limit of them. None means that there are no more now. It belongs
// to one goroutine.
func (r *OfferReader) Drain(limit int) []Offer {
	r.awake.Store(false)
	m := r.view.mux
	var out []Offer
	for len(out) < limit {
		m.mu.Lock()
		if r.err != nil || !r.refill() {
			m.mu.Unlock()
			break
		}
		path := r.queue[0]
		r.queue = r.queue[1:]
		list := r.list(path)
		m.mu.Unlock()
		rel, _ := path.Under(r.view.root)
		var now map[string]*moq.Track
		if list != nil && r.view.check(OpSubscribe, rel) == nil {
			now = list()
		}
		out = append(out, r.look(path, rel, now)...)
	}
	return out
}

// list returns what knows the tracks of a path.
func (r *OfferReader) list(path moq.Path) func() map[string]*moq.Track {
	n := r.view.mux.root.find(path)
	if n == nil {
		return nil
	}
	c := n.means(r.view.has)
	if c == nil {
		return nil
	}
	var lists []func() map[string]*moq.Track
	for _, pub := range c.pubs {
		if pub.route.Tracks != nil && !pub.route.Hidden && r.view.suits(pub) && (len(lists) == 0 || c.merge) {
			lists = append(lists, pub.route.Tracks)
		}
	}
	if len(lists) < 2 {
		return slices.Concat(lists, []func() map[string]*moq.Track{nil})[0]
	}
	return func() map[string]*moq.Track {
		all := map[string]*moq.Track{}
		for _, list := range lists {
			maps.Copy(all, list())
		}
		return all
	}
}

// look compares what there is with what was said. Another track of the same
// name ends the one before.
func (r *OfferReader) look(path, rel moq.Path, now map[string]*moq.Track) []Offer {
	m := r.view.mux
	m.mu.Lock()
	old := r.sent[path]
	if len(now) > 0 {
		r.sent[path] = now
	} else {
		delete(r.sent, path)
	}
	m.mu.Unlock()
	var out []Offer
	offer := func(name string, t *moq.Track, c Change) {
		out = append(out, Offer{Name: moq.FullTrackName{Path: rel, Name: name}, Track: t, Change: c})
	}
	for _, name := range slices.Sorted(maps.Keys(old)) {
		if now[name] != old[name] {
			offer(name, old[name], Ended)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if now[name] != old[name] {
			offer(name, now[name], Active)
		}
	}
	return out
}

// Next blocks for the next change, as AnnounceReader.Next.
func (r *OfferReader) Next(ctx context.Context) (Offer, error) {
	return next(ctx, &r.watch, &r.batch, r.Drain)
}

// All iterates over the changes until ctx ends or the watch does, as
// AnnounceReader.All.
func (r *OfferReader) All(ctx context.Context) iter.Seq2[Offer, error] {
	return func(yield func(Offer, error) bool) {
		for {
			o, err := r.Next(ctx)
			if err == moq.ErrClosed || !yield(o, err) || err != nil {
				return
			}
		}
	}
}
