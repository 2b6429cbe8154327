package moqt

import (
	"context"
	"slices"
	"sync"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
)

// A Broadcast is a set of tracks that an application produces: each has a log
// of its own that all subscribers read, so a frame is written once, and who
// comes late starts with the newest group. Announce it with TrackMux.Announce.
// Its methods may be called concurrently.
type Broadcast struct {
	// Cache bounds each track; set it before the first one.
	Cache CacheLimits
	// FetchHandler, if there is one, serves groups that are no longer in the
	// cache. FetchRequest.Name has no path.
	FetchHandler FetchHandler

	mu     sync.Mutex
	tracks map[string]*TrackWriter
	pubs   []*route.Publication // where it is announced; replaced, never modified
	closed bool
}

// NewBroadcast returns a Broadcast without tracks.
func NewBroadcast() *Broadcast { return &Broadcast{tracks: map[string]*TrackWriter{}} }

// Track makes a track. A zero Timescale is 1000, a zero MaxAge 5 s. It
// returns ErrDuplicate where the track exists, and ErrClosed after Close.
func (b *Broadcast) Track(name string, info TrackInfo) (*TrackWriter, error) {
	w, err := b.track(name, info)
	if err == nil {
		b.tracksChanged()
	}
	return w, err
}

func (b *Broadcast) track(name string, info TrackInfo) (*TrackWriter, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return nil, moq.ErrClosed
	case b.tracks[name] != nil:
		return nil, moq.Errorf(moq.CodeDuplicate, "the broadcast has a track %q", name)
	}
	full := FullTrackName{Name: name}
	var w *TrackWriter
	t := moq.NewTrack(full, b.Cache, func(*moq.Track) { w.demandChanged() })
	w = newTrackWriter(context.Background(), t, full, false)
	w.SetInfo(info)
	if b.tracks == nil {
		b.tracks = map[string]*TrackWriter{}
	}
	b.tracks[name] = w
	return w, nil
}

// RemoveTrack ends a track, if it has not ended, and forgets it: nobody can
// subscribe to it any more.
func (b *Broadcast) RemoveTrack(name string) {
	b.mu.Lock()
	w := b.tracks[name]
	delete(b.tracks, name)
	b.mu.Unlock()
	if w != nil {
		_ = w.Close()
		b.tracksChanged()
	}
}

// list implements route.Route.Tracks.
func (b *Broadcast) list() map[string]*Track {
	b.mu.Lock()
	defer b.mu.Unlock()
	tracks := make(map[string]*Track, len(b.tracks))
	for name, w := range b.tracks {
		tracks[name] = w.Track()
	}
	return tracks
}

// tracksChanged tells those who watch for tracks where b is announced.
func (b *Broadcast) tracksChanged() {
	b.mu.Lock()
	pubs := b.pubs
	b.mu.Unlock()
	for _, p := range pubs {
		p.TracksChanged()
	}
}

// enter and leave note where b is announced.
func (b *Broadcast) enter(p *route.Publication) {
	b.mu.Lock()
	b.pubs = append(slices.Clip(b.pubs), p)
	b.mu.Unlock()
	p.TracksChanged() // since it was published
}

func (b *Broadcast) leave(p *route.Publication) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pubs = slices.DeleteFunc(slices.Clone(b.pubs), func(q *route.Publication) bool { return q == p })
}

// Close ends every track. Subscribers still get what was written.
func (b *Broadcast) Close() error {
	b.mu.Lock()
	b.closed = true
	tracks := b.tracks
	b.mu.Unlock()
	for _, w := range tracks {
		_ = w.Close()
	}
	return nil
}

// WaitDrained waits until no track has a subscriber: after Close, until each
// of them has got everything or has left.
func (b *Broadcast) WaitDrained(ctx context.Context) error {
	b.mu.Lock()
	var all []*TrackWriter
	for _, w := range b.tracks {
		all = append(all, w)
	}
	b.mu.Unlock()
	for _, w := range all {
		if err := w.WaitDrained(ctx); err != nil {
			return err
		}
	}
	return nil
}

// produced is a Broadcast as a route.Source.
type produced Broadcast

// Track implements route.Source.
func (p *produced) Track(name FullTrackName) *Track {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.tracks[name.Name]; w != nil {
		return w.w.Track()
	}
	return nil
}

// Want implements route.Source: it is told of tracks that do not exist.
func (p *produced) Want(t *Track) {
	t.Fail(moq.Errorf(moq.CodeNotFound, "the broadcast has no track %q", t.Name().Name))
}

// Drop implements route.Source.
func (p *produced) Drop(*Track) {}

// Fetch implements route.Source: it is asked for what the cache has not.
func (p *produced) Fetch(ctx context.Context, r FetchRequest) (*ObjectReader, error) {
	t := p.Track(r.Name)
	r.Name.Path = ""
	switch {
	case p.FetchHandler != nil:
		return serveFetch(ctx, p.FetchHandler, r, p.Cache, nil)
	case t != nil && r.Start.Group != r.End.Group:
		return t.Read(r.Start, r.End, nil), nil
	}
	return nil, moq.Errorf(moq.CodeNotFound, "%q is not in the cache", r.Name.Name)
}
