package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/moqtgo/moqt/app/media"
	"github.com/moqtgo/moqt/app/moqt"
)

type publishCmd struct {
	URL        string        `arg:"" help:"Of the relay: https://host:port/ or moqt://host:port/."`
	Broadcast  string        `arg:"" help:"Path of the broadcast."`
	Track      string        `arg:"" optional:"" default:"data" help:"Name of the track (${default})."`
	Lines      bool          `short:"l" help:"A frame is a line, with its newline; otherwise what one read returns."`
	Chunk      int           `default:"8192" placeholder:"BYTES" help:"Largest frame where it is not a line (${default})."`
	Group      int           `short:"g" default:"32" placeholder:"N" help:"Frames in a group, or fewer of 8 MiB: who comes late starts with a group (${default})."`
	Rate       int64         `placeholder:"BYTES" help:"Read at most so many bytes a second: a relay that gets more than its subscribers can take has to drop some."`
	NoWait     bool          `help:"Read standard input at once, not only when the first subscription is there."`
	MaxLatency time.Duration `default:"30s" help:"How far a subscriber may be behind before it loses something (${default})."`
	Drain      time.Duration `default:"10s" help:"How long subscribers may take for the rest after the end of the input (${default})."`
	mediaFlags
	clientFlags
}

// mediaFlags are those of encoded media.
type mediaFlags struct {
	FMP4      bool            `name:"fmp4" help:"Standard input is a fragmented MP4, such as of ffmpeg -f mp4 -movflags frag_keyframe+empty_moov+default_base_moof: publish its tracks and a catalog for players."`
	Live      bool            `help:"With --fmp4: send each frame when it is its time, not when it comes: for files, and for fragments that hold more than a frame."`
	Loop      bool            `help:"With --fmp4: begin anew at the end of standard input, a file. As --live."`
	Wait      bool            `help:"With --fmp4: begin with the first subscriber, and not at once."`
	Container media.Container `enum:"cmaf,legacy" default:"cmaf" help:"With --fmp4: cmaf, which every player of hang and CMSF knows, or legacy, which takes less and only hang knows (${default})."`
}

// validate is part of the Validate of the command.
func (f *mediaFlags) validate() error {
	if !f.FMP4 && (f.Live || f.Loop || f.Wait || f.Container != media.CMAF) {
		return errors.New("--live, --loop, --wait and --container belong to --fmp4")
	}
	return nil
}

// Validate is called by kong.
func (c *publishCmd) Validate() error {
	if c.Chunk < 1 || c.Chunk > 16<<20 {
		return errors.New("--chunk must be from 1 to 16777216")
	}
	if c.Group < 1 {
		return errors.New("--group must be 1 or more")
	}
	if c.Rate < 0 {
		return errors.New("--rate must not be negative")
	}
	if c.FMP4 && (c.Lines || c.Rate != 0) {
		return errors.New("--lines and --rate do not go with --fmp4")
	}
	if err := c.mediaFlags.validate(); err != nil {
		return err
	}
	return c.clientFlags.Validate()
}

const (
	// backlogBytes and backlogGroups are how far the input may run ahead of
	// the slowest subscriber: well below what the cache keeps.
	backlogBytes  = 8 << 20
	backlogGroups = 512
	// groupBytes is when a group is full, however few frames it has.
	groupBytes = 8 << 20
	// comeback is how long subscribers may take to come back to us after the
	// session was lost, before the input goes on without them.
	comeback = 5 * time.Second
	// sessionEnd is how long the end of a session may take in this process.
	sessionEnd = 100 * time.Millisecond
)

// Run publishes standard input until it ends, or a signal comes.
func (c *publishCmd) Run(w *world) error {
	if c.FMP4 {
		return c.runMedia(w)
	}
	ctx, stop := w.interruptible()
	defer stop()
	// HeaderTime is also how long a subscriber may take to say that it has got
	// the end of a track; it must not be taken for one that has, before Drain.
	conf := moqt.Config{MinLatency: c.MaxLatency, Limits: moqt.Limits{HeaderTime: c.Drain + dialTime}}
	d, err := c.dialer(w, c.URL, conf)
	if err != nil {
		return err
	}
	b := moqt.NewBroadcast()
	b.Cache = moqt.CacheLimits{Age: c.MaxLatency}
	track, err := b.Track(c.Track, moqt.TrackInfo{Order: moqt.Ascending, MaxAge: c.MaxLatency, Priority: 128})
	if err != nil {
		return err
	}
	mux := moqt.NewTrackMux(nil)
	announced, unannounce := context.WithCancel(context.Background())
	defer unannounce()
	if err := mux.Announce(announced, moqt.ParsePath(c.Broadcast), b); err != nil {
		return exit{exitUsage, err}
	}
	p := &publisher{cmd: c, w: w, track: track, progress: newProgress(w, "sent"), uplink: newUplink()}
	defer p.progress.stop()
	p.progress.state("connecting")

	over, end := context.WithCancelCause(context.Background()) // of the sessions
	sessions := make(chan error, 1)
	go func() {
		sessions <- d.run(over, mux, func(s *moqt.Session) error { return p.hold(over, s) })
		end(errDone)
	}()
	// The end of the sessions ends the input, as a signal does.
	input, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stopInput := context.AfterFunc(over, func() { cancel(errDone) })
	defer stopInput()

	inputErr := p.feed(input)
	broken := inputErr != nil && context.Cause(input) == nil
	p.finish()
	_, begun := track.Track().Largest()
	interrupted := context.Cause(ctx) != nil && !begun
	if over.Err() == nil && !interrupted {
		p.drain(over)
	}
	unannounce()
	end(errDone)
	err = <-sessions
	p.progress.stop()
	switch {
	case err != nil && !errors.Is(err, errDone):
		return err
	case broken:
		return fmt.Errorf("standard input: %w", inputErr)
	case interrupted:
		return context.Cause(ctx)
	case p.lost > 0:
		return exit{exitLoss, fmt.Errorf("%d groups were lost by subscribers that were too slow", p.lost)}
	case p.undelivered:
		return exit{code: exitLoss}
	}
	return nil
}

var errDone = errors.New("done")
