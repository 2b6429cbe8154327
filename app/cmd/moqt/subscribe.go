package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/moqtgo/moqt/app/media"
	"github.com/moqtgo/moqt/app/moqt"
	"github.com/moqtgo/moqt/app/relay"
)

type subscribeCmd struct {
	URL        string        `arg:"" help:"Of the relay: https://host:port/ or moqt://host:port/."`
	Broadcast  string        `arg:"" help:"Path of the broadcast; it is waited for."`
	Track      string        `arg:"" optional:"" default:"data" help:"Name of the track (${default})."`
	MaxLatency time.Duration `default:"30s" help:"How long to wait for a group when later ones are there; then it is lost (${default})."`
	FMP4       bool          `name:"fmp4" help:"Write the media of the broadcast as a fragmented MP4: its tracks as its catalog has them, from the current key frame on."`
	Only       []string      `placeholder:"TRACK" help:"With --fmp4: this track of the catalog; repeatable. Without it all are written."`
	clientFlags
}

// Validate is called by kong.
func (c *subscribeCmd) Validate() error {
	if !c.FMP4 && len(c.Only) > 0 {
		return errors.New("--only belongs to --fmp4")
	}
	return c.clientFlags.Validate()
}

// cacheBytes is how much of a track we keep when standard output is slow.
const cacheBytes = 256 << 20

// Run writes the track to standard output until it ends.
func (c *subscribeCmd) Run(w *world) error {
	ctx, stop := w.interruptible()
	defer stop()
	conf := moqt.Config{Limits: moqt.Limits{Cache: moqt.CacheLimits{Bytes: cacheBytes, Groups: 1 << 16, Age: c.MaxLatency}}}
	d, err := c.dialer(w, c.URL, conf)
	if err != nil {
		return err
	}
	s := &subscriber{cmd: c, w: w, progress: newProgress(w, "received")}
	defer s.progress.stop()
	out := s.progress.count(w.out)
	if c.FMP4 {
		s.record = s.recorder(out)
	} else {
		s.out = &collector{out: out, latency: c.MaxLatency, lost: s.lose}
	}
	err = d.run(ctx, moqt.NewTrackMux(nil), func(sess *moqt.Session) error { return s.follow(ctx, sess) })
	if s.record != nil {
		err = errors.Join(err, s.record.Close())
	}
	s.progress.stop()
	if err == nil && s.lost > 0 {
		return exit{code: exitLoss, err: fmt.Errorf("%d groups were lost, in whole or in part", s.lost)}
	}
	return err
}

// A subscriber follows one track through sessions and publishers.
type subscriber struct {
	cmd      *subscribeCmd
	w        *world
	out      *collector      // of one track
	record   *media.Recorder // or of media
	progress *progress
	origin   uint64 // of what was read last; 0: unknown
	lost     uint64 // groups
	unsaid   uint64 // of them
	said     time.Time
}

// lose says what is lost, once a second at most.
func (s *subscriber) lose(first, last uint64, why string) {
	n := last - first + 1
	s.lost += n
	if time.Since(s.said) < time.Second {
		s.unsaid += n
		return
	}
	what := fmt.Sprintf("lost group %d", first)
	if n > 1 {
		what = fmt.Sprintf("lost groups %d to %d", first, last)
	}
	if s.unsaid > 0 {
		what += fmt.Sprintf(" and %d before", s.unsaid)
	}
	s.progress.clear()
	s.w.say("%s: %s", what, why)
	s.unsaid, s.said = 0, time.Now()
}

// follow writes the track as one session has it. It returns nil when the track
// has ended.
func (s *subscriber) follow(ctx context.Context, sess *moqt.Session) error {
	path := moqt.ParsePath(s.cmd.Broadcast)
	s.progress.state("waiting for %s", path)
	watch, err := sess.Announced(ctx, path)
	if err != nil {
		return err
	}
	defer watch.Close()
	var from *moqt.Announcement // nil: it is not there
	var wait relay.Backoff
	for failed := false; ; {
		a, err := next(ctx, watch, failed && from != nil, &wait)
		switch {
		case err != nil:
			return sessionError(ctx, sess, err)
		case a == nil: // the track has failed, and nothing else has changed
		case a.Path != path || a.Change == moqt.Rerouted:
			continue
		case a.Change == moqt.Ended:
			from = nil
			continue
		default:
			from = a
		}
		switch err := s.read(ctx, sess, path, origin(from)); {
		case err == nil:
			return nil
		case ctx.Err() != nil || sess.Context().Err() != nil:
			return sessionError(ctx, sess, err)
		case s.cmd.Once || !gone(err):
			return finalError{err}
		default:
			failed = true
			s.progress.clear()
			s.w.say("%v; waiting for %s to come back", err, path)
		}
	}
}

// next returns the next announcement; nil where again is set and there is none
// for a while.
func next(ctx context.Context, watch *moqt.AnnounceReader, again bool, wait *relay.Backoff) (*moqt.Announcement, error) {
	if again {
		short, cancel := context.WithTimeout(ctx, wait.Next())
		defer cancel()
		a, err := watch.Next(short)
		if err != nil && short.Err() != nil && ctx.Err() == nil {
			return nil, nil
		}
		return &a, err
	}
	a, err := watch.Next(ctx)
	return &a, err
}

// gone reports whether a track failed because its publisher left: another one
// may come.
func gone(err error) bool {
	return errors.Is(err, moqt.ErrDropped) || errors.Is(err, moqt.ErrReplaced) || errors.Is(err, moqt.ErrCanceled)
}

// origin returns the id of the publisher; 0 where it is unknown.
func origin(a *moqt.Announcement) uint64 {
	if len(a.Hops) == 0 {
		return 0
	}
	return a.Hops[0]
}

// read subscribes and writes until the track ends. What comes from the
// publisher of before goes on where that stopped.
func (s *subscriber) read(ctx context.Context, sess *moqt.Session, path moqt.Path, origin uint64) error {
	if s.record != nil {
		return s.readMedia(ctx, sess, path, origin)
	}
	sub := &moqt.Subscription{Order: moqt.Ascending, MaxLatency: s.cmd.MaxLatency, Priority: 128}
	resume := s.out.begun && origin != 0 && origin == s.origin
	if resume {
		sub.From, sub.Start = moqt.FromAbsolute, moqt.Location{Group: s.out.next}
	}
	r, err := sess.Subscribe(ctx, path, s.cmd.Track, sub)
	if err != nil {
		return fmt.Errorf("track %q of %s: %w", s.cmd.Track, path, err)
	}
	defer r.Close()
	if !resume {
		if s.out.begun {
			s.lose(s.out.next, s.out.next, "another publisher took over, and what follows is its newest group")
		}
		s.out.begun, s.out.next, s.out.skip = false, 0, 0
	}
	s.origin = origin
	s.progress.state("receiving %s %s over %s", path, s.cmd.Track, sess.Version())
	return s.out.collect(ctx, r)
}

// sessionError returns the better reason: that of the session, if it has ended.
func sessionError(ctx context.Context, sess *moqt.Session, err error) error {
	switch {
	case context.Cause(ctx) != nil:
		return context.Cause(ctx)
	case sess.Context().Err() != nil:
		return fmt.Errorf("the session ended: %w", context.Cause(sess.Context()))
	}
	return err
}
