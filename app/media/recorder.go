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

const (
	// settle is how long the catalog may take to name both audio and video.
	settle = time.Second
	// waitKey is how long a track whose configuration is in its key frames may
	// keep the others waiting.
	waitKey = 5 * time.Second
	// maxHeld bounds what is held until the file can begin, in bytes.
	maxHeld = 64 << 20
)

// A Recorder writes a broadcast into a fragmented MP4: an init segment, then a
// fragment for each sample as it comes, from the current key frames on. It
// belongs to one goroutine.
type Recorder struct {
	// Tracks are the names of those that are wanted; empty is all.
	Tracks []string
	// MaxLatency is how long to wait for a group when later ones are there: 0
	// is DefaultLatency.
	MaxLatency time.Duration
	// Log is told what users should know, and Lost of groups that are missing,
	// in whole or in part; nil is silent.
	Log  func(format string, args ...any)
	Lost func(track string, first, last uint64, why string)

	out    io.Writer
	w      *fmp4.Writer // nil: the file has not begun
	tracks []*recorded
	times  timeline
	held   int // bytes of samples that wait for the file to begin
}

// A recorded is a track of a Recorder.
type recorded struct {
	Track
	live    bool // it is read
	over    bool // it has ended, and the catalog has it still
	wanted  bool // it is in the file, or will be
	anew    bool // the next sample may be one that was written before
	annexB  bool
	last    *Sample // not written yet: its duration is unknown
	sample  []Sample
	written int64
	end     int64 // decode time of what was written last
	any     bool  // something was written
}

// NewRecorder returns a Recorder that writes to w, once for each fragment.
func NewRecorder(w io.Writer) *Recorder { return &Recorder{out: w, times: timeline{gaps: true}} }

// Restart says that what the next Run records begins anew: its times have
// nothing to do with those of before.
func (r *Recorder) Restart() { r.times.restart() }

// Begun reports whether the file has begun.
func (r *Recorder) Begun() bool { return r.w != nil }

func (r *Recorder) log(format string, args ...any) {
	if r.Log != nil {
		r.Log(format, args...)
	}
}

// An arrived is what comes from the goroutine of a track, or of the catalog.
type arrived struct {
	track   *recorded
	sample  Sample
	catalog *Catalog
	err     error
}

// Run records until all tracks have ended, which returns nil, or one of them
// fails, or writing does, or ctx ends. It can be called again, with the same
// broadcast from the same or another source, to go on with the same file.
func (r *Recorder) Run(ctx context.Context, src Source, path moqt.Path) error {
	ctx, cancel := context.WithCancel(ctx)
	run := &recording{Recorder: r, src: src, path: path, in: make(chan arrived)}
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
	said := map[string]bool{}
	for {
		catalog, skipped, err := c.Next(ctx)
		if err != nil {
			return err
		}
		for _, why := range skipped {
			if !said[why.Error()] {
				said[why.Error()] = true
				r.log("not recorded: %v", why)
			}
		}
		if err := r.send(ctx, arrived{catalog: catalog}); err != nil {
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
		return r.update(ctx, a.catalog)
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
	lost := r.Lost
	r.start(track, func() error {
		reader, err := Subscribe(ctx, r.src, r.path, asked, sub)
		if err != nil {
			return err
		}
		defer reader.Close()
		if lost != nil {
			reader.Lost = func(first, last uint64, why string) { lost(t.Name, first, last, why) }
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

// write writes a sample, or holds it until the file begins.
func (r *Recorder) write(t *recorded, s Sample) error {
	if r.w == nil {
		t.sample = append(t.sample, s)
		if r.held += len(s.Data); r.held > maxHeld {
			return fmt.Errorf("media: %d MB have come and the file cannot begin yet", maxHeld>>20)
		}
		return nil
	}
	t.written++
	if err := r.w.Write(t.ID, s); err != nil {
		return outputError{err}
	}
	return nil
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

// outputError is a failure of the output.
type outputError struct{ error }

func (e outputError) Unwrap() error { return e.error }

// IsOutput reports whether an error of a Recorder is one of its output: to go on
// makes no sense.
func IsOutput(err error) bool {
	var out outputError
	return errors.As(err, &out)
}

// Close writes what is held back because its duration is not known: that of the
// sample before is taken.
func (r *Recorder) Close() error {
	for _, t := range r.tracks {
		if t.last == nil || r.w == nil {
			continue
		}
		s := *t.last
		t.last = nil
		s.Duration = t.Timescale / 50
		if t.Framerate > 0 {
			s.Duration = uint32(float64(t.Timescale) / t.Framerate)
		}
		if err := r.write(t, s); err != nil {
			return err
		}
	}
	return nil
}
