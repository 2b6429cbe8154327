// Package workload holds the streams that the benchmarks send: the same
// frames at the same pace, whatever carries them.
package workload

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Workload is one track of frames of one size.
type Workload struct {
	Name  string
	About string
	// Rate is in frames per second; 0 sends nothing.
	Rate int
	// Size of a frame in bytes, at least StampSize.
	Size int
	// Group is the number of frames in a group.
	Group int
}

// All are the workloads that can be named.
var All = []Workload{
	{"W1", "video, 30 fps of 8 KiB", 30, 8 << 10, 60},
	{"W2", "video, 60 fps of 4000 B", 60, 4000, 60},
	{"W3", "audio, 50 fps of 160 B", 50, 160, 50},
}

// Set finds the workload called name; with String it makes *Workload a
// flag.Value.
func (w *Workload) Set(name string) error {
	i := slices.IndexFunc(All, func(w Workload) bool { return strings.EqualFold(w.Name, name) })
	if i < 0 {
		return fmt.Errorf("there is no workload %q", name)
	}
	*w = All[i]
	return nil
}

func (w *Workload) String() string { return w.Name }

// StampSize is how many bytes at the start of a frame say when it was made.
const StampSize = 8

// A Frame is one frame of a run; its payload is never changed again.
type Frame struct {
	Group   uint64
	Index   int // within the group
	Payload []byte
}

// Run calls send with each frame when it is due, until ctx ends. A late frame
// is sent at once and does not delay those after it.
func (w *Workload) Run(ctx context.Context, send func(Frame)) {
	if w.Rate == 0 {
		<-ctx.Done()
		return
	}
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := uint64(0); ; n++ {
		// From the start, not from the last frame: errors do not add up.
		due := start.Add(time.Duration(n) * time.Second / time.Duration(w.Rate))
		timer.Reset(time.Until(due))
		select {
		case <-ctx.Done():
			return
		case now := <-timer.C:
			group := uint64(w.Group)
			payload := make([]byte, w.Size)
			Stamp(payload, now)
			send(Frame{Group: n / group, Index: int(n % group), Payload: payload})
		}
	}
}

// Stamp writes now at the start of payload.
func Stamp(payload []byte, now time.Time) {
	binary.BigEndian.PutUint64(payload, uint64(now.UnixNano()))
}

// Age returns how long before now payload was stamped.
func Age(payload []byte, now time.Time) time.Duration {
	return time.Duration(now.UnixNano() - int64(binary.BigEndian.Uint64(payload)))
}
