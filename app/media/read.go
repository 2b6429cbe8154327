package media

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/moqtgo/moqt/app/moqt"
)

// A Source is where tracks are subscribed to: a *moqt.Session or a
// *moqt.TrackMux.
type Source interface {
	Subscribe(ctx context.Context, path moqt.Path, track string, sub *moqt.Subscription) (*moqt.TrackReader, error)
}

// A CatalogReader follows the catalog of a broadcast. It belongs to one
// goroutine.
type CatalogReader struct {
	r     *moqt.TrackReader
	parse func([]byte) (*Catalog, []error, error)
	patch bool // later frames of a group change the first one

	begun bool
	last  uint64 // group
	g     *moqt.GroupReader
	value any // of the group so far
}

// OpenCatalog subscribes to the catalog of a broadcast: hang's, or MSF's where
// that does not exist or the name of the broadcast ends in .msf.
func OpenCatalog(ctx context.Context, src Source, path moqt.Path) (*CatalogReader, error) {
	names := []string{HangTrack, MSFTrack}
	if strings.HasSuffix(string(path), ".msf") {
		slices.Reverse(names)
	}
	sub := &moqt.Subscription{Order: moqt.Ascending, Priority: 255}
	r, err := src.Subscribe(ctx, path, names[0], sub)
	if err != nil && ctx.Err() == nil {
		var other error
		if r, other = src.Subscribe(ctx, path, names[1], sub); other == nil {
			names[0], err = names[1], nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("media: catalog of %s: %w", path, err)
	}
	c := &CatalogReader{r: r, parse: ParseHang, patch: true}
	if names[0] == MSFTrack {
		c.parse, c.patch = ParseMSF, false // its delta updates are not followed
	}
	return c, nil
}

// Close ends the subscription.
func (c *CatalogReader) Close() { c.r.Close() }

// Next returns the next version of the catalog. Tracks that make no sense are
// left out, and skipped says why. The error is io.EOF when the broadcast has
// ended.
func (c *CatalogReader) Next(ctx context.Context) (catalog *Catalog, skipped []error, err error) {
	for {
		if c.g == nil {
			g, err := c.r.NextGroup(ctx)
			if err != nil {
				return nil, nil, err
			}
			if c.begun && g.Sequence() <= c.last {
				continue
			}
			c.g, c.begun, c.last, c.value = g, true, g.Sequence(), nil
		}
		f, err := c.g.ReadFrame(ctx)
		switch {
		case ctx.Err() != nil:
			return nil, nil, context.Cause(ctx)
		case err != nil: // the next group says it again
			c.g = nil
			continue
		case !c.patch && c.value != nil:
			continue
		}
		b, err := c.merge(f.Payload)
		if err != nil {
			return nil, nil, fmt.Errorf("media: catalog: %w", err)
		}
		return c.parse(b)
	}
}

// merge returns the catalog after a frame: the first one of a group is whole,
// later ones are merge patches (RFC 7396).
func (c *CatalogReader) merge(frame []byte) ([]byte, error) {
	if len(frame) > maxCatalog {
		return nil, fmt.Errorf("a frame of %d bytes", len(frame))
	}
	var next any
	if err := json.Unmarshal(frame, &next); err != nil {
		return nil, err
	}
	if c.value == nil {
		c.value = next
		return frame, nil
	}
	c.value = mergePatch(c.value, next)
	return json.Marshal(c.value)
}

// mergePatch returns target after a patch.
func mergePatch(target, patch any) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	object, ok := target.(map[string]any)
	if !ok {
		object = map[string]any{}
	}
	for key, change := range changes {
		if change == nil {
			delete(object, key)
		} else {
			object[key] = mergePatch(object[key], change)
		}
	}
	return object
}

// DefaultLatency is how long a Reader waits for a group when later ones are
// there, unless its subscription says.
const DefaultLatency = time.Second

// startGrace is how long the first group to arrive waits for those before it:
// streams can overtake each other.
const startGrace = 100 * time.Millisecond

// A Reader reads the samples of one track in the order of its groups, however
// they arrive. It belongs to one goroutine.
type Reader struct {
	// Lost, if not nil, is told of groups that are missing, in whole or in
	// part, from first to last.
	Lost func(first, last uint64, why string)

	track   Track
	r       *moqt.TrackReader
	decoder decoder
	latency time.Duration
	held    map[uint64]*moqt.GroupReader // that have come too early
	since   time.Time                    // held is not empty
	begun   bool
	next    uint64 // group
	g       *moqt.GroupReader
	first   bool // the next frame is the first one of g
	ready   []Sample
}

// Subscribe subscribes to a track of a broadcast as its catalog describes it. A
// nil sub is the newest group from its key frame, and on.
func Subscribe(ctx context.Context, src Source, path moqt.Path, t Track, sub *moqt.Subscription) (*Reader, error) {
	if sub == nil {
		sub = &moqt.Subscription{Order: moqt.Ascending, MaxLatency: DefaultLatency, Priority: 128}
	}
	r, err := src.Subscribe(ctx, path, t.Name, sub)
	if err != nil {
		return nil, fmt.Errorf("media: track %q of %s: %w", t.Name, path, err)
	}
	reader := &Reader{track: t, r: r, latency: sub.MaxLatency, held: map[uint64]*moqt.GroupReader{}}
	reader.decoder.track = &reader.track
	return reader, nil
}

// Track returns the track as the catalog describes it.
func (r *Reader) Track() Track { return r.track }

// Close ends the subscription.
func (r *Reader) Close() { r.r.Close() }

// Read returns the next sample. Its data may be shared: do not modify them. The
// duration is 0 where the container does not say. Where something is lost, the
// next sample is a key frame. The error is io.EOF at the end of the track.
func (r *Reader) Read(ctx context.Context) (Sample, error) {
	for len(r.ready) == 0 {
		if r.g == nil {
			g, err := r.group(ctx)
			if err != nil {
				return Sample{}, err
			}
			r.g, r.first, r.next = g, true, g.Sequence()+1
		}
		f, err := r.g.ReadFrame(ctx)
		switch {
		case err == io.EOF:
			r.g = nil
			continue
		case ctx.Err() != nil:
			return Sample{}, context.Cause(ctx)
		case err != nil:
			if ended, why := r.r.Track().Ended(); ended && why != nil && errors.Is(err, why) {
				return Sample{}, err
			}
			r.lose(r.g.Sequence(), r.g.Sequence(), err.Error())
			continue
		}
		if info, known := r.r.Track().Info(); known {
			r.decoder.scale = info.Timescale
		}
		if r.ready, err = r.decoder.decode(f, r.first); err != nil {
			r.lose(r.g.Sequence(), r.g.Sequence(), err.Error())
			continue
		}
		r.first = false
	}
	s := r.ready[0]
	r.ready = r.ready[1:]
	return s, nil
}

// lose tells of a loss, and leaves the group that is read.
func (r *Reader) lose(first, last uint64, why string) {
	r.g = nil
	if r.Lost != nil {
		r.Lost(first, last, why)
	}
}

// group returns the next group.
func (r *Reader) group(ctx context.Context) (*moqt.GroupReader, error) {
	for {
		if g, ok := r.held[r.next]; ok && r.begun {
			r.take(g)
			return g, nil
		}
		if len(r.held) > 0 && time.Since(r.since) >= r.patience() {
			return r.skip(), nil
		}
		g, err := r.arrival(ctx)
		switch {
		case err == errHeld:
		case err == io.EOF && len(r.held) > 0:
			return r.skip(), nil
		case err != nil:
			return nil, err
		case g.Sequence() == r.next: // 0, before it has begun
			r.begun = true
			return g, nil
		case r.begun && g.Sequence() < r.next: // given up before
		default:
			if len(r.held) == 0 {
				r.since = time.Now()
			}
			r.held[g.Sequence()] = g
		}
	}
}

// patience is how long what is held waits for what is before it.
func (r *Reader) patience() time.Duration {
	if !r.begun {
		return min(startGrace, r.latency)
	}
	return r.latency
}

var errHeld = errors.New("what is held has waited long enough")

// arrival returns the next group that comes, or errHeld.
func (r *Reader) arrival(ctx context.Context) (*moqt.GroupReader, error) {
	if len(r.held) == 0 {
		return r.r.NextGroup(ctx)
	}
	short, cancel := context.WithDeadline(ctx, r.since.Add(r.patience()))
	defer cancel()
	g, err := r.r.NextGroup(short)
	if err != nil && short.Err() != nil && ctx.Err() == nil {
		return nil, errHeld
	}
	return g, err
}

// skip gives up the groups before the first one that is held, and returns that.
// Before the beginning there is nothing to give up.
func (r *Reader) skip() *moqt.GroupReader {
	first := slices.Min(slices.Collect(maps.Keys(r.held)))
	if r.begun {
		r.lose(r.next, first-1, "missing")
	}
	r.begun = true
	g := r.held[first]
	r.take(g)
	return g
}

// take takes a group out of those that are held.
func (r *Reader) take(g *moqt.GroupReader) {
	delete(r.held, g.Sequence())
	r.since = time.Now()
}
