package relay

import (
	"context"
	"fmt"
	"time"

	"github.com/moqtgo/moqt/app/moqt"
)

// Names of the broadcast of Clock.
const (
	ClockBroadcast = "clock"
	ClockTrack     = "data"
)

// Clock announces a small live broadcast in mux until ctx ends: its track has
// a frame each second with the time in it, one line, and a group each ten
// seconds.
func Clock(ctx context.Context, mux *moqt.TrackMux) error {
	b := moqt.NewBroadcast()
	w, err := b.Track(ClockTrack, moqt.TrackInfo{})
	if err != nil {
		return err
	}
	if err := mux.Announce(ctx, ClockBroadcast, b); err != nil {
		return err
	}
	go func() {
		defer b.Close()
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		var g *moqt.GroupWriter
		for now := time.Now(); ; {
			if g == nil || now.Second()%10 == 0 {
				if g != nil {
					_ = g.Close()
				}
				if g, err = w.AppendGroup(); err != nil {
					return
				}
			}
			_, _ = fmt.Fprintf(g, "%s\n", now.Format(time.DateTime))
			select {
			case now = <-tick.C:
			case <-ctx.Done():
				_ = g.Close()
				return
			}
		}
	}()
	return nil
}
