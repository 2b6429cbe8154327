package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/moqtgo/moqt/app/media/fmp4"
	"github.com/moqtgo/moqt/app/moqt"
)

// An arrived is what comes from the goroutine of a track, or of the catalog.
type arrived struct {
	track   *recorded
	sample  Sample
	lost    *loss
	catalog *Catalog
	skipped []error // of catalog
	err     error
}

// A loss is what Recorder.Lost is told.
type loss struct {
	first, last uint64
	why         string
}

// Run records until all tracks and the catalog have ended, and returns what the
// first of them failed with, if one did; or until writing fails, or ctx ends. It
// can be called again, with the same broadcast from the same or another source,
// to go on with the same file.
func (r *Recorder) Run(ctx context.Context, src Source, path moqt.Path) error {
	ctx, cancel := context.WithCancel(ctx)
	run := &recording{Recorder: r, src: src, path: path, in: make(chan arrived), said: map[string]bool{}}
	defer func() {
		cancel()
		for range run.readers {
			for a := range run.in {
				if a.err != nil {
					break
				}
			}
		}
		for _, t := range r.tracks {
			t.live = false
		}
	}()
	catalog, err := OpenCatalog(ctx, src, path)
	if err != nil {
		return err
	}
	for _, t := range r.tracks {
		t.anew, t.over = true, false
	}
	run.start(nil, func() error {
		defer catalog.Close()
		return run.follow(ctx, catalog)
	})
	return run.loop(ctx)
}

// A recording is one Run.
type recording struct {
	*Recorder
	src     Source
	path    moqt.Path
	in      chan arrived
	readers int  // goroutines that will send an error
	enough  bool // of the catalog: what is not in it comes too late
	failed  error
	said    map[string]bool // of what the catalog has and we cannot
	seen    bool
	settled <-chan time.Time
	patient <-chan time.Time
}

// start runs f, for a track or the catalog, in a goroutine that sends its error
// last.
func (r *recording) start(t *recorded, f func() error) {
	r.readers++
	go func() {
		err := f()
		if err == nil {
			err = io.EOF
		}
		r.in <- arrived{track: t, err: err}
	}()
}

func (r *recording) send(ctx context.Context, a arrived) error {
	select {
	case r.in <- a:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// follow sends the versions of the catalog.
func (r *recording) follow(ctx context.Context, c *CatalogReader) error {
	for {
		catalog, skipped, err := c.Next(ctx)
		if err != nil {
			return err
		}
		if err := r.send(ctx, arrived{catalog: catalog, skipped: skipped}); err != nil {
			return err
		}
	}
}

func (r *recording) loop(ctx context.Context) error {
	for {
		select {
		case a := <-r.in:
			if err := r.take(ctx, a); err != nil {
				return err
			}
			if r.readers == 0 {
				return r.finish()
			}
		case <-r.settled:
			r.settled = nil
			r.enough = true
		case <-r.patient:
			r.patient = nil
			r.giveUp()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := r.begin(); err != nil {
			return err
		}
	}
}

// finish is the end of a Run whose tracks have ended.
func (r *recording) finish() error {
	switch {
	case r.failed != nil:
		return r.failed
	case r.w == nil:
		r.enough = true
		r.giveUp()
		if err := r.begin(); err != nil {
			return err
		}
		if r.w == nil {
			return fmt.Errorf("media: %s ended before it had anything that can be recorded", r.path)
		}
	}
	return r.Close()
}

func (r *recording) take(ctx context.Context, a arrived) error {
	switch {
	case a.catalog != nil:
		for _, why := range a.skipped {
			if !r.said[why.Error()] {
				r.said[why.Error()] = true
				r.log("not recorded: %v", why)
			}
		}
		return r.update(ctx, a.catalog)
	case a.lost != nil:
		if r.Lost != nil {
			r.Lost(a.track.Name, a.lost.first, a.lost.last, a.lost.why)
		}
		return nil
	case a.err != nil:
		r.readers--
		if a.track != nil {
			a.track.live, a.track.over = false, true
		}
		if !errors.Is(a.err, io.EOF) && r.failed == nil {
			r.failed = a.err
		}
		return nil
	}
	return r.place(a.track, a.sample)
}

// update subscribes to the tracks of a catalog that are new.
func (r *recording) update(ctx context.Context, c *Catalog) error {
	for _, want := range r.Tracks {
		if c.Track(want) == nil && !r.seen {
			r.log("%s has no track %q yet", r.path, want)
		}
	}
	for _, t := range r.tracks {
		t.over = t.over && c.Track(t.Name) != nil
	}
	video, audio := false, false
	for _, t := range c.Tracks {
		video, audio = video || t.Kind == Video, audio || t.Kind == Audio
		if len(r.Tracks) > 0 && !slices.Contains(r.Tracks, t.Name) {
			continue
		}
		if err := r.add(ctx, t); err != nil {
			return err
		}
	}
	if len(c.Tracks) > 0 && !r.seen {
		r.seen = true
		r.settled = time.After(settle)
		r.patient = time.After(waitKey)
	}
	if video && audio {
		r.enough = true
	}
	return nil
}

func (r *recording) add(ctx context.Context, t Track) error {
	asked := t // its ID is that of its own init segment
	i := slices.IndexFunc(r.tracks, func(old *recorded) bool { return old.Name == t.Name })
	switch {
	case i >= 0 && (r.tracks[i].live || r.tracks[i].over || !r.tracks[i].wanted):
		return nil
	case i >= 0 && !r.tracks[i].annexB && !r.tracks[i].Same(&t.Track):
		return fmt.Errorf("media: track %q is another one now: %s instead of %s", t.Name, t.Codec, r.tracks[i].Codec)
	case i < 0 && r.w != nil:
		r.log("track %q came after the beginning and is not recorded", t.Name)
		r.tracks = append(r.tracks, &recorded{Track: t})
		return nil
	case i < 0:
		t.ID = uint32(len(r.tracks) + 1)
		i = len(r.tracks)
		r.tracks = append(r.tracks, &recorded{Track: t, wanted: true, annexB: t.Kind == Video && t.Config == nil && len(t.Codec) > 3 && t.Codec[:3] == "avc"})
	}
	track := r.tracks[i]
	track.live = true
	sub := &moqt.Subscription{Order: moqt.Ascending, MaxLatency: r.MaxLatency, Priority: 128}
	if sub.MaxLatency == 0 {
		sub.MaxLatency = DefaultLatency
	}
	if t.Kind == Audio {
		sub.Priority = 192
	}
	r.start(track, func() error {
		reader, err := Subscribe(ctx, r.src, r.path, asked, sub)
		if err != nil {
			return err
		}
		defer reader.Close()
		reader.Lost = func(first, last uint64, why string) {
			_ = r.send(ctx, arrived{track: track, lost: &loss{first, last, why}})
		}
		for {
			s, err := reader.Read(ctx)
			if err != nil {
				return err
			}
			if err := r.send(ctx, arrived{track: track, sample: s}); err != nil {
				return err
			}
		}
	})
	return nil
}

// place takes a sample: times go forward, and its predecessor is written once
// its duration is known.
func (r *recording) place(t *recorded, s Sample) error {
	if !t.wanted {
		return nil
	}
	if t.annexB {
		if s.Key && isAnnexB(s.Data) && t.Config == nil {
			config, err := avcConfig(s.Data)
			if err != nil {
				r.log("track %q: %v", t.Name, err)
				return nil
			}
			// The parameter sets stay in the samples too: they may change.
			t.Config, t.Codec = config, "avc3"+t.Codec[4:]
		}
		if isAnnexB(s.Data) {
			s.Data = withLengths(s.Data)
		}
	}
	at, long := fmp4.Time(s.DTS, t.Timescale), fmp4.Time(int64(s.Duration), t.Timescale)
	if t.anew && !r.times.anew && t.any && s.DTS+fmp4.Units(r.times.shift, t.Timescale) <= t.end {
		return nil // it is there already
	}
	t.anew = false
	shift, jumped, err := r.times.place(t.Name, at, long)
	if err != nil {
		return err
	}
	if jumped != 0 {
		r.log("%s: timestamps jump by %v: they are taken to go on", t.Name, jumped.Round(time.Millisecond))
	}
	s.DTS += fmp4.Units(shift, t.Timescale)
	t.end, t.any = s.DTS, true
	if before := t.last; before != nil {
		before.Duration = uint32(min(max(s.DTS-before.DTS, 1), 10*int64(t.Timescale)))
		t.last = nil
		if err := r.write(t, *before); err != nil {
			return err
		}
	}
	if s.Duration == 0 && t.Container != CMAF {
		t.last = &s
		return nil
	}
	return r.write(t, s)
}

// giveUp leaves out the tracks that cannot be written down yet.
func (r *recording) giveUp() {
	for _, t := range r.tracks {
		if t.wanted && r.w == nil && !t.ready() {
			r.log("track %q has no key frame yet and is not recorded", t.Name)
			t.wanted = false
		}
	}
}

func (t *recorded) ready() bool { return !t.annexB || t.Config != nil }

// begin begins the file if all is known that it begins with.
func (r *recording) begin() error {
	if r.w != nil || !r.enough {
		return nil
	}
	var tracks []*fmp4.Track
	for _, t := range r.tracks {
		if !t.wanted {
			continue
		}
		if !t.ready() {
			return nil
		}
		if _, err := fmp4.AppendInit(nil, &t.Track.Track); err != nil {
			r.log("track %q is not recorded: %v", t.Name, err)
			t.wanted = false
			continue
		}
		tracks = append(tracks, &t.Track.Track)
	}
	if len(tracks) == 0 {
		return nil
	}
	var err error
	if r.w, err = fmp4.NewWriter(r.out, tracks...); err != nil {
		return outputError{err}
	}
	for _, t := range r.tracks {
		for _, s := range t.sample {
			if t.wanted {
				if err := r.write(t, s); err != nil {
					return err
				}
			}
		}
		t.sample = nil
	}
	return nil
}
