package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/moqtgo/moqt/app/moqt"
)

type publishCmd struct {
	URL        string        `arg:"" help:"Of the relay: https://host:port/ or moqt://host:port/."`
	Broadcast  string        `arg:"" help:"Path of the broadcast."`
	Track      string        `arg:"" optional:"" default:"data" help:"Name of the track (${default})."`
	Lines      bool          `short:"l" help:"A frame is a line, with its newline; otherwise what one read returns."`
	Chunk      int           `default:"8192" placeholder:"BYTES" help:"Largest frame where it is not a line (${default})."`
	Group      int           `short:"g" default:"32" placeholder:"N" help:"Frames in a group: who comes late starts with a group (${default})."`
	NoWait     bool          `help:"Read standard input at once, not only when the first subscription is there."`
	MaxLatency time.Duration `default:"30s" help:"How far a subscriber may be behind before it loses something (${default})."`
	Drain      time.Duration `default:"10s" help:"How long subscribers may take for the rest after the end of the input (${default})."`
	clientFlags
}

// Validate is called by kong.
func (c *publishCmd) Validate() error {
	if c.Chunk < 1 || c.Chunk > 16<<20 {
		return errors.New("--chunk must be from 1 to 16777216")
	}
	if c.Group < 1 {
		return errors.New("--group must be 1 or more")
	}
	return c.clientFlags.Validate()
}

const (
	// backlogBytes and backlogGroups are how far the input may run ahead of
	// the slowest subscriber: well below what the cache keeps.
	backlogBytes  = 8 << 20
	backlogGroups = 512
	// comeback is how long subscribers may take to come back to us after the
	// session was lost, before the input goes on without them.
	comeback = 5 * time.Second
	// sessionEnd is how long the end of a session may take in this process.
	sessionEnd = 100 * time.Millisecond
)

// Run publishes standard input until it ends, or a signal comes.
func (c *publishCmd) Run(w *world) error {
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
	p := &publisher{cmd: c, w: w, track: track, progress: newProgress(w, "sent"), changed: make(chan struct{})}
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
	p.finish()
	if over.Err() == nil {
		p.drain(over)
	}
	unannounce()
	end(errDone)
	err = <-sessions
	p.progress.stop()
	switch {
	case err != nil && !errors.Is(err, errDone):
		return err
	case inputErr != nil && context.Cause(input) == nil:
		return fmt.Errorf("standard input: %w", inputErr)
	case p.lost > 0:
		return exit{exitLoss, fmt.Errorf("%d groups were lost by subscribers that were too slow", p.lost)}
	}
	return nil
}

var errDone = errors.New("done")

// A publisher feeds one track.
type publisher struct {
	cmd      *publishCmd
	w        *world
	track    *moqt.TrackWriter
	progress *progress

	group  *moqt.GroupWriter
	frames int // in group
	lost   int
	behind bool // backpressure is given up until the backlog is small again

	mu      sync.Mutex
	session *moqt.Session // nil: none
	changed chan struct{}
}

// hold is what happens in a session: nothing, until it ends or over does.
func (p *publisher) hold(over context.Context, s *moqt.Session) error {
	if p.lostBefore() {
		ctx, cancel := context.WithTimeout(over, comeback)
		stop := context.AfterFunc(s.Context(), cancel)
		_ = p.track.WaitSubscribers(ctx)
		stop()
		cancel()
	}
	p.set(s)
	defer p.set(nil)
	select {
	case <-s.Context().Done():
		return fmt.Errorf("the session ended: %w", context.Cause(s.Context()))
	case <-over.Done():
		return nil
	}
}

// lostBefore reports whether a session was lost that had subscribers.
func (p *publisher) lostBefore() bool {
	_, any := p.track.Track().Largest()
	return any
}

func (p *publisher) set(s *moqt.Session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.session = s
	close(p.changed)
	p.changed = make(chan struct{})
}

// connected waits until there is a session that lives.
func (p *publisher) connected(ctx context.Context) (*moqt.Session, error) {
	for {
		p.mu.Lock()
		s, changed := p.session, p.changed
		p.mu.Unlock()
		if s != nil && s.Context().Err() == nil {
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// feed writes the input to the track until it ends or ctx does.
func (p *publisher) feed(ctx context.Context) error {
	if _, err := p.connected(ctx); err != nil {
		return err
	}
	if !p.cmd.NoWait {
		p.progress.state("waiting for a subscriber of %s", p.cmd.Broadcast)
		if err := p.track.WaitSubscribers(ctx); err != nil {
			return err
		}
	}
	p.progress.state("publishing %s %s", p.cmd.Broadcast, p.cmd.Track)
	in := readAhead(ctx, newFrames(p.w.in, p.cmd.Lines, p.cmd.Chunk))
	for {
		if err := p.waitRoom(ctx); err != nil {
			return err
		}
		f, err := in(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := p.write(f); err != nil {
			return err
		}
	}
}

// readAhead reads frames in a goroutine, so that a read which does not return
// holds nobody up. A frame is valid until the next call.
func readAhead(ctx context.Context, f *frames) func(context.Context) ([]byte, error) {
	type frame struct {
		b   []byte
		err error
	}
	out, more := make(chan frame), make(chan struct{})
	go func() {
		for {
			b, err := f.next()
			select {
			case out <- frame{b, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
			select {
			case <-more:
			case <-ctx.Done():
				return
			}
		}
	}()
	first := true
	return func(ctx context.Context) ([]byte, error) {
		if !first {
			select {
			case more <- struct{}{}:
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
		first = false
		select {
		case f := <-out:
			return f.b, f.err
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// waitRoom waits while the slowest subscriber is too far behind, and while
// there is no session. A subscriber that does not move for MaxLatency is not
// waited for.
func (p *publisher) waitRoom(ctx context.Context) error {
	t := p.track.Track()
	var patience <-chan time.Time
	for {
		if _, err := p.connected(ctx); err != nil {
			return err
		}
		progress := t.Progress()
		b := t.Backlog()
		p.noteLoss(b.Lost)
		room := b.Bytes < backlogBytes && b.Groups < backlogGroups
		if room {
			p.behind = false
		}
		if room || p.behind {
			return nil
		}
		patience = time.After(p.cmd.MaxLatency)
		select {
		case <-progress:
		case <-patience:
			p.behind = true
			p.progress.clear()
			p.w.say("a subscriber has not moved for %v and is not waited for", p.cmd.MaxLatency)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (p *publisher) noteLoss(lost int) {
	if lost > p.lost {
		p.progress.clear()
		p.w.say("lost %d groups: a subscriber was too slow", lost-p.lost)
		p.lost = lost
	}
}

func (p *publisher) write(f []byte) error {
	if p.group == nil {
		var err error
		if p.group, err = p.track.AppendGroup(); err != nil {
			return err
		}
		p.frames = 0
	}
	if _, err := p.group.Write(f); err != nil {
		return err
	}
	p.progress.add(len(f))
	if p.frames++; p.frames >= p.cmd.Group {
		err := p.group.Close()
		p.group = nil
		return err
	}
	return nil
}

// finish ends the group and the track.
func (p *publisher) finish() {
	if p.group != nil {
		_ = p.group.Close()
	}
	_ = p.track.Close()
}

// drain waits until every subscriber has got the rest, or has left.
func (p *publisher) drain(over context.Context) {
	p.progress.state("waiting for subscribers to finish")
	ctx, cancel := context.WithTimeout(over, p.cmd.Drain)
	defer cancel()
	err := p.drained(ctx)
	p.noteLoss(p.track.Track().Backlog().Lost)
	if err != nil && over.Err() == nil {
		p.progress.clear()
		p.w.say("not everything was delivered within %v", p.cmd.Drain)
		p.lost++
	}
}

// drained waits until every subscriber has got everything. Subscribers whose
// session is lost are expected to come back over the next one.
func (p *publisher) drained(ctx context.Context) error {
	for {
		s, err := p.connected(ctx)
		if err != nil {
			return err
		}
		if err := p.track.WaitDrained(ctx); err != nil {
			return err
		}
		back := p.track.DemandChanged()
		// They may also have left because the session has ended, which we
		// are told last.
		select {
		case <-s.Context().Done():
		case <-time.After(sessionEnd):
			return nil
		}
		select {
		case <-back: // it may be over already: fine
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
