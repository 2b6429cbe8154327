package route

import (
	"context"

	"github.com/moqtgo/moqt/core/moq"
)

// maxFills is how often one fetch asks the source for what the cache lacks: the
// last time for all the rest.
const maxFills = 16

// Fetch returns a reader of objects of the past, by a name relative to the
// view: from the cache, and what that does not know from the source. A range
// with Past that starts behind the largest object is refused with CodeRange.
func (v *View) Fetch(ctx context.Context, r moq.FetchRequest) (*moq.ObjectReader, error) {
	if err := v.check(OpSubscribe, r.Name.Path); err != nil {
		return nil, err
	}
	r.Name.Path = v.root.Join(r.Name.Path)
	cached, source := v.origins(r)
	switch {
	case cached == nil && source == nil:
		return nil, moq.Errorf(moq.CodeNotFound, "nobody publishes %q", r.Name.Path)
	case cached == nil:
		return source.Fetch(ctx, r)
	}
	end := r.End
	if l, ok := cached.Largest(); ok && r.Past && l.Compare(end) < 0 {
		if end = l; end.Compare(r.Start) < 0 {
			return nil, moq.Errorf(moq.CodeRange, "%q has not got to group %d, object %d", r.Name, r.Start.Group, r.Start.Object)
		}
	}
	reader := cached.Read(r.Start, end, nil)
	if source != nil {
		fills := 0
		reader.Fill(func(ctx context.Context, start, gap moq.Location) (*moq.ObjectReader, error) {
			switch fills++; {
			case fills == maxFills:
				gap = end
			case fills > maxFills: // what the source ended before is asked for no more
				return nil, moq.Errorf(moq.CodeTooMany, "more than %d gaps in what is cached", maxFills)
			}
			part := r
			part.Start, part.End = start, gap
			return source.Fetch(ctx, part)
		}, r.FillBy)
	}
	return reader, nil
}

// origins returns the cached track with a part of what is fetched, and the
// source of all of it; either may be nil.
func (v *View) origins(r moq.FetchRequest) (cached *moq.Track, source Source) {
	m := v.mux
	m.mu.Lock()
	c := m.lookup(r.Name.Path, v)
	if c != nil {
		for _, f := range c.feeds[r.Name] {
			if useful(f.track, r) {
				cached = f.track
			}
		}
		if p := v.best(c, r.Name.Path); p != nil {
			source = p.source
		}
	}
	m.mu.Unlock()
	if source != nil && cached == nil {
		if t := source.Track(r.Name); t != nil && useful(t, r) {
			cached = t
		}
	}
	return cached, source
}

// useful reports whether a track is where to begin with a fetch: it knows a
// part of the range, or that there is nothing of it yet.
func useful(t *moq.Track, r moq.FetchRequest) bool {
	l, any := t.Largest()
	return any && (t.Has(r.Start.Group) || r.Past && (r.Start.Group != r.End.Group || r.Start.Compare(l) > 0))
}
