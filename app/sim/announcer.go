package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/moqtgo/moqt/app/moqt"
)

// An announcer publishes many broadcasts without tracks over one session.
type announcer struct {
	*dialer
	prefix moqt.Path
	count  int
}

func (a *announcer) begin() {
	mux := moqt.NewTrackMux(&moqt.TrackMuxConfig{Hop: a.hop()})
	a.run(func(ctx context.Context) { a.stay(ctx, mux, nil) })
	a.w.Advance(a.w.settle()) // the session is there: every name is news
	b := moqt.NewBroadcast()
	for i := range a.count {
		path := a.prefix.Join(moqt.Path(fmt.Sprintf("%05d", i)))
		if err := mux.Announce(a.ctx, path, b); err != nil {
			a.w.breach("%s cannot announce: %v", a.name, err)
			return
		}
	}
}

// settle is long enough for a session to be set up.
func (w *World) settle() time.Duration { return 20*w.link.Latency + 20*w.link.Jitter + time.Second }

func (a *announcer) facts() []fact {
	return append(a.connected(), number("announcing", a.count))
}
