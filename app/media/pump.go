package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/moqtgo/moqt/app/media/fmp4"
)

const (
	// maxWaitKey is how much of a video may come without a key frame.
	maxWaitKey = 30 * time.Second
	// maxLate is how late a sample may be that is paced before the pace is set
	// anew.
	maxLate = time.Second
)

// A Pump feeds a Publisher with a fragmented MP4. Call Start, then Run.
type Pump struct {
	// Live sends samples when it is their time, counted from the first one,
	// and not before: for files.
	Live bool
	// Loop begins anew when the input has ended, at the pace of Live; times go
	// on. The input must be an io.Seeker.
	Loop bool
	// Log is told what users should know; nil is silent.
	Log func(format string, args ...any)

	pub    *Publisher
	in     io.Reader
	r      *fmp4.Reader
	init   *fmp4.Init
	names  map[uint32]string // of tracks by their IDs
	count  map[Kind]int      // of names given
	taken  *fmp4.Fragment    // read by Start
	fed    bool              // something was published since the start of the input
	times  timeline
	noKey  map[string]time.Duration // of tracks that wait for a key frame: since when
	anchor time.Time                // when time 0 is
	paced  bool                     // anchor is set

	mu    sync.Mutex
	stats PumpStats
}

// PumpStats count what a Pump has published.
type PumpStats struct {
	Samples int64
	Groups  int64 // of video
	Bytes   int64 // of samples
	// Media is the time up to which samples have come, and Drift by how much
	// the clock has gone further since the first one: what grows means a
	// source that is slower than its media.
	Media, Drift time.Duration
}

// NewPump returns a Pump from in to p.
func NewPump(p *Publisher, in io.Reader) *Pump {
	return &Pump{
		pub: p, in: in, r: fmp4.NewReader(in),
		names: map[uint32]string{}, count: map[Kind]int{}, noKey: map[string]time.Duration{},
	}
}

func (p *Pump) log(format string, args ...any) {
	if p.Log != nil {
		p.Log(format, args...)
	}
}

// Stats returns the figures of now. It may be called at any time.
func (p *Pump) Stats() PumpStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}

// Start reads up to the first samples and publishes the catalog.
func (p *Pump) Start() error {
	for {
		e, err := p.r.Next()
		switch {
		case err == io.EOF:
			return errors.New("media: the input has no samples")
		case err != nil:
			return err
		case e.Init != nil:
			p.init = e.Init
		case empty(e.Fragment):
		default:
			p.taken = e.Fragment
			return p.setUp(p.init)
		}
	}
}

func empty(f *fmp4.Fragment) bool {
	return !slices.ContainsFunc(f.Tracks, func(t fmp4.TrackFragment) bool { return len(t.Samples) > 0 })
}

// setUp adds the tracks of an init segment and removes those that it does not
// have any more.
func (p *Pump) setUp(init *fmp4.Init) error {
	for _, why := range init.Skipped {
		p.log("not published: %s", why)
	}
	old := map[string]Track{}
	for _, t := range p.pub.Catalog().Tracks {
		old[t.Name] = t
	}
	names := map[uint32]string{}
	changed := false
	for _, t := range init.Tracks {
		if before, ok := old[p.names[t.ID]]; ok && before.Same(t) {
			names[t.ID] = before.Name
			delete(old, before.Name)
			continue
		}
		name := fmt.Sprintf("%s%d", t.Kind, p.count[t.Kind])
		track := Track{Name: name, Track: *t}
		p.describe(&track, t.ID)
		if err := p.pub.Add(track); err != nil {
			p.log("not published: track %d: %v", t.ID, err)
			continue
		}
		p.count[t.Kind]++
		names[t.ID] = name
		changed = true
	}
	for name := range old {
		if slices.Contains(slices.Collect(maps.Values(p.names)), name) {
			p.pub.Remove(name)
			changed = true
		}
	}
	if len(names) == 0 {
		return errors.New("media: the input has no track that can be published")
	}
	p.init, p.names = init, names
	if changed {
		return p.pub.PublishCatalog()
	}
	return nil
}

// describe says of a track what its first fragment tells.
func (p *Pump) describe(t *Track, id uint32) {
	if p.taken == nil {
		return
	}
	for _, f := range p.taken.Tracks {
		if f.Track.ID != id || len(f.Samples) == 0 {
			continue
		}
		var sum int64
		for i := range f.Samples {
			sum += int64(f.Samples[i].Duration)
		}
		n := int64(len(f.Samples))
		if sum == 0 {
			return
		}
		if t.Kind == Video {
			t.Framerate = float64(n*int64(t.Timescale)) / float64(sum)
		}
		t.Jitter = fmp4.Time(sum, t.Timescale)
		if p.Live || p.Loop {
			t.Jitter /= time.Duration(n)
		}
		return
	}
}

// Run publishes until the input ends, which returns nil, or breaks, or ctx ends.
// A read of the input is not interrupted. Close the Publisher in any case.
func (p *Pump) Run(ctx context.Context) error {
	for {
		f := p.taken
		p.taken = nil
		if f == nil {
			e, err := p.r.Next()
			switch {
			case err == io.EOF && p.Loop:
				if err := p.rewind(); err != nil {
					return err
				}
				continue
			case err == io.EOF:
				return nil
			case err != nil:
				return err
			case e.Init != nil:
				if p.fed || p.init == nil {
					p.log("the input has a new init segment")
				}
				p.init = e.Init
				if err := p.setUp(e.Init); err != nil {
					return err
				}
				continue
			}
			f = e.Fragment
		}
		if err := p.feed(ctx, f); err != nil {
			return err
		}
	}
}

func (p *Pump) rewind() error {
	s, ok := p.in.(io.Seeker)
	if !ok {
		return errors.New("media: the input is no file: it cannot begin anew")
	}
	if _, err := s.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("media: the input cannot begin anew: %w", err)
	}
	if !p.fed {
		return errors.New("media: the input has no samples")
	}
	p.fed = false
	p.times.restart()
	p.r = fmp4.NewReader(p.in)
	return nil
}

// A due is a sample with its place among those of all tracks.
type due struct {
	track *fmp4.Track
	name  string
	at    time.Duration
	Sample
}

// feed publishes the samples of a fragment, those of all tracks in the order of
// their decode times.
func (p *Pump) feed(ctx context.Context, f *fmp4.Fragment) error {
	var all []due
	for _, t := range f.Tracks {
		name, ok := p.names[t.Track.ID]
		if !ok {
			continue
		}
		for _, s := range t.Samples {
			all = append(all, due{t.Track, name, fmp4.Time(s.DTS, t.Track.Timescale), s})
		}
	}
	slices.SortStableFunc(all, func(a, b due) int { return int(min(max(a.at-b.at, -1), 1)) })
	for i := range all {
		if err := p.one(ctx, &all[i]); err != nil {
			return err
		}
	}
	return nil
}

func (p *Pump) one(ctx context.Context, d *due) error {
	long := fmp4.Time(int64(d.Duration), d.track.Timescale)
	shift, jumped, err := p.times.place(d.name, d.at, long)
	if err != nil {
		return err
	}
	if jumped != 0 {
		p.log("%s: timestamps jump by %v: they are taken to go on", d.name, jumped.Round(time.Millisecond))
	}
	at := d.at + shift
	if err := p.wait(ctx, at); err != nil {
		return err
	}
	s := d.Sample
	s.DTS += fmp4.Units(shift, d.track.Timescale)
	err = p.pub.Write(d.name, s)
	switch since, waits := p.noKey[d.name]; {
	case errors.Is(err, ErrNoKey) && !waits:
		p.noKey[d.name] = at
		p.log("%s: waiting for a key frame", d.name)
		return nil
	case errors.Is(err, ErrNoKey) && at-since > maxWaitKey:
		return fmt.Errorf("media: %s had no key frame for %v: nobody could decode it", d.name, maxWaitKey)
	case errors.Is(err, ErrNoKey):
		return nil
	case err != nil && p.pub.closed() == nil:
		p.log("%v", err) // goes on with the next key frame
		return nil
	case err != nil:
		return err
	}
	delete(p.noKey, d.name)
	p.fed = true
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Samples++
	p.stats.Bytes += int64(len(s.Data))
	p.stats.Media = max(p.stats.Media, at+long)
	p.stats.Drift = p.pub.conf.Now().Sub(p.anchor) - at
	if s.Key && d.track.Kind == Video {
		p.stats.Groups++
	}
	return nil
}

// wait waits until the time of a sample, if there is a pace.
func (p *Pump) wait(ctx context.Context, at time.Duration) error {
	now := p.pub.conf.Now()
	if !p.paced {
		p.paced, p.anchor = true, now.Add(-at)
	}
	if !p.Live && !p.Loop {
		return context.Cause(ctx)
	}
	left := p.anchor.Add(at).Sub(now)
	switch {
	case left < -maxLate:
		p.anchor = now.Add(-at)
	case left > 0:
		timer := time.NewTimer(left)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return context.Cause(ctx)
}
