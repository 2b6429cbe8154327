package media

import (
	"errors"
	"time"
)

const (
	// maxGap is how far timestamps may jump ahead, and maxStep how far those
	// of one track may go back: further, and the source has begun anew.
	maxGap  = 10 * time.Second
	maxStep = time.Second
	// maxStrikes is how often jumps may follow one another closely.
	maxStrikes = 20
	// strikeSamples is how many samples apart jumps have nothing to do with
	// each other.
	strikeSamples = 10
)

var errTimes = errors.New("media: the timestamps of the tracks contradict each other")

// A timeline keeps the times of all tracks of a source going forward, when
// those of the source go back or jump: it adds a shift to them, the same for
// all tracks.
type timeline struct {
	gaps  bool // jumps ahead are times in which there was nothing
	shift time.Duration
	end   time.Duration // of what has been placed
	last  map[string]time.Duration
	anew  bool // the source begins anew with the next sample

	since   int // samples since the last jump
	strikes int
}

// restart says that the source begins anew.
func (t *timeline) restart() { t.anew = len(t.last) > 0 }

// place returns what to add to the times of a sample of a track: at is when it
// is to be decoded, d how long it lasts. jumped says by how much the times of
// the source have jumped, if they have.
func (t *timeline) place(track string, at, d time.Duration) (shift, jumped time.Duration, err error) {
	if t.last == nil {
		t.last = map[string]time.Duration{}
		t.end = at
	}
	t.since++
	last, known := t.last[track]
	back := known && at+t.shift < last-maxStep
	far := !t.gaps && at+t.shift > t.end+maxGap
	switch {
	case t.anew:
		t.shift = t.end - at
	case back || far:
		jumped = at + t.shift - t.end
		t.shift = t.end - at
		if t.since > strikeSamples {
			t.strikes = 0
		}
		t.since = 0
		if t.strikes++; t.strikes > maxStrikes {
			return 0, jumped, errTimes
		}
	}
	t.anew = false
	t.last[track] = at + t.shift
	t.end = max(t.end, at+t.shift+d)
	return t.shift, jumped, nil
}
