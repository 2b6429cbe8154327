package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/moqtgo/moqt/app/moqt"
)

// An uplink is the session of a publisher, while it has one.
type uplink struct {
	mu      sync.Mutex
	session *moqt.Session // nil: none
	changed chan struct{}
}

func newUplink() *uplink { return &uplink{changed: make(chan struct{})} }

// A publisher feeds one track.
type publisher struct {
	*uplink
	cmd      *publishCmd
	w        *world
	track    *moqt.TrackWriter
	progress *progress

	group  *moqt.GroupWriter
	frames int       // in group
	bytes  int       // in group
	free   time.Time // when --rate allows the next frame
	behind bool      // backpressure is given up until the backlog is small again

	lost        int  // groups that subscribers did not get
	undelivered bool // the rest was not delivered in time
}

// hold holds a session. After a loss subscribers are given time to come back.
func (p *publisher) hold(over context.Context, s *moqt.Session) error {
	if p.lostBefore() {
		ctx, cancel := context.WithTimeout(over, comeback)
		stop := context.AfterFunc(s.Context(), cancel)
		_ = p.track.WaitSubscribers(ctx)
		stop()
		cancel()
	}
	return p.uplink.hold(over, s)
}

// hold is what happens in a session: nothing, until it ends or over does.
func (p *uplink) hold(over context.Context, s *moqt.Session) error {
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

func (p *uplink) set(s *moqt.Session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.session = s
	close(p.changed)
	p.changed = make(chan struct{})
}

// rtt returns the round-trip time of the session, 0 where it is unknown.
func (p *uplink) rtt() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.session == nil {
		return 0
	}
	return max(0, p.session.Stats().SmoothedRTT)
}

// connected waits until there is a session that lives.
func (p *uplink) connected(ctx context.Context) (*moqt.Session, error) {
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
		if err := p.pace(ctx, len(f)); err != nil {
			return err
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

// pace waits until --rate allows the next frame after one of n bytes. A pause of
// the input is not made up for.
func (p *publisher) pace(ctx context.Context, n int) error {
	if p.cmd.Rate == 0 {
		return nil
	}
	now := time.Now()
	if p.free.Before(now) {
		p.free = now
	}
	p.free = p.free.Add(time.Duration(float64(n) / float64(p.cmd.Rate) * float64(time.Second)))
	const slice = 10 * time.Millisecond // shorter waits are not worth a timer
	if p.free.Sub(now) < slice {
		return nil
	}
	return sleep(ctx, p.free.Sub(now))
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
		p.frames, p.bytes = 0, 0
	}
	if _, err := p.group.Write(f); err != nil {
		return err
	}
	p.progress.add(len(f))
	p.frames, p.bytes = p.frames+1, p.bytes+len(f)
	if p.frames >= p.cmd.Group || p.bytes >= groupBytes {
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
		p.undelivered = true
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
