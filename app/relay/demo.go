package relay

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"io"
	"log/slog"

	"github.com/moqtgo/moqt/app/media"
	"github.com/moqtgo/moqt/app/moqt"
)

// DemoBroadcast is the name of the broadcast of Demo.
const DemoBroadcast = "demo"

// film has film.mp4, eight seconds of H.264 and Opus; film.sh made it.
//
//go:embed film/film.mp4
var film embed.FS

// Demo announces a film in mux until ctx ends: in a loop, for players of hang
// and of MSF. mp4 is a fragmented MP4; nil is a small film of our own. log, which
// may be nil, is told if it cannot go on.
func Demo(ctx context.Context, mux *moqt.TrackMux, mp4 io.ReadSeeker, log *slog.Logger) error {
	if mp4 == nil {
		own, err := film.ReadFile("film/film.mp4")
		if err != nil {
			return err
		}
		mp4 = bytes.NewReader(own)
	}
	b := moqt.NewBroadcast()
	pub, err := media.NewPublisher(b, nil)
	if err != nil {
		return err
	}
	pump := media.NewPump(pub, mp4)
	pump.Loop = true
	if err := pump.Start(); err != nil {
		return err
	}
	if err := mux.Announce(ctx, DemoBroadcast, b); err != nil {
		return err
	}
	go func() {
		err := pump.Run(ctx)
		if log != nil && !errors.Is(err, context.Cause(ctx)) {
			log.Error("the demo has ended", "error", err)
		}
		_ = pub.Close()
		_ = b.Close()
	}()
	return nil
}
