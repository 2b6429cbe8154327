// Package source turns a workload into a broadcast of one track.
package source

import (
	"context"

	"github.com/moqtgo/moqt/app/moqt"
	"github.com/moqtgo/moqt/bench/workload"
)

// The names of what is published.
const (
	Path  = "bench"
	Track = "frames"
)

// Run announces the workload in mux and sends it until ctx ends.
func Run(ctx context.Context, work *workload.Workload, mux *moqt.TrackMux) error {
	b := moqt.NewBroadcast()
	w, err := b.Track(Track, moqt.TrackInfo{})
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	go func() { failed <- mux.Announce(ctx, Path, b) }()
	go func() {
		var group *moqt.GroupWriter
		work.Run(ctx, func(f workload.Frame) {
			if f.Index == 0 {
				if group != nil {
					_ = group.Close() // fails only after the end of the track
				}
				if group, err = w.OpenGroup(f.Group); err != nil {
					failed <- err
				}
			}
			if err := group.WriteFrame(moqt.Frame{Payload: f.Payload}); err != nil {
				failed <- err
			}
		})
	}()
	return <-failed
}
