package media

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/moqtgo/moqt/app/media/fmp4"
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
