package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/moqtgo/moqt/app/media"
	"github.com/moqtgo/moqt/app/moqt"
)

// together is how long the subscribers of other tracks may take after the first
// one, for --wait.
const together = 500 * time.Millisecond

// runMedia publishes the tracks of a fragmented MP4 until it ends, or a signal
// comes.
func (c *publishCmd) runMedia(w *world) error {
	ctx, stop := w.interruptible()
	defer stop()
	d, err := c.dialer(w, c.URL, moqt.Config{Limits: moqt.Limits{HeaderTime: c.Drain + dialTime}})
	if err != nil {
		return err
	}
	if err := c.seekable(w.in); err != nil {
		return err
	}
	b := moqt.NewBroadcast()
	b.Cache = moqt.CacheLimits{Age: c.MaxLatency}
	pub, err := media.NewPublisher(b, &media.PublisherConfig{Container: c.Container})
	if err != nil {
		return err
	}
	pump := media.NewPump(pub, w.in)
	pump.Live, pump.Loop = c.Live, c.Loop
	p := &mediaPublisher{cmd: c, pub: pub, pump: pump, b: b, uplink: newUplink(), progress: newProgress(w, "sent")}
	p.progress.detail = p.detail
	defer p.progress.stop()
	pump.Log = func(format string, args ...any) {
		p.progress.clear()
		w.say(format, args...)
	}
	p.progress.state("waiting for the input")
	if err := within(ctx, pump.Start); err != nil {
		_ = pub.Close()
		return inputError(ctx, err)
	}
	mux := moqt.NewTrackMux(nil)
	announced, unannounce := context.WithCancel(context.Background())
	defer unannounce()
	if err := mux.Announce(announced, moqt.ParsePath(c.Broadcast), b); err != nil {
		return exit{exitUsage, err}
	}
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
	_ = pub.Close()
	begun := pump.Stats().Samples > 0
	if over.Err() == nil && begun {
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
		return inputError(ctx, inputErr)
	case context.Cause(ctx) != nil && !begun:
		return context.Cause(ctx)
	}
	return nil
}

// seekable reports an input that --loop cannot begin anew with.
func (c *publishCmd) seekable(in io.Reader) error {
	if !c.Loop {
		return nil
	}
	s, ok := in.(io.Seeker)
	if ok {
		_, err := s.Seek(0, io.SeekCurrent)
		ok = err == nil
	}
	if !ok {
		return exit{exitUsage, errors.New("--loop needs a file: moqt publish … < film.mp4")}
	}
	return nil
}

// inputError says whose error it is.
func inputError(ctx context.Context, err error) error {
	if context.Cause(ctx) != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("standard input: %w", err)
}

// within runs f, which reads the input, and leaves it behind when ctx ends.
func within(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// A mediaPublisher publishes the tracks of one input.
type mediaPublisher struct {
	*uplink
	cmd      *publishCmd
	b        *moqt.Broadcast
	pub      *media.Publisher
	pump     *media.Pump
	progress *progress
	bytes    int64 // that the progress has shown
}

// feed publishes the input until it ends or ctx does.
func (p *mediaPublisher) feed(ctx context.Context) error {
	if _, err := p.connected(ctx); err != nil {
		return err
	}
	if p.cmd.Wait {
		p.progress.state("waiting for a subscriber of %s", p.cmd.Broadcast)
		if err := p.pub.WaitSubscribers(ctx, together); err != nil {
			return err
		}
	}
	p.progress.state("publishing %s", p.cmd.Broadcast)
	return within(ctx, func() error { return p.pump.Run(ctx) })
}

// drain waits until every subscriber has got the rest, or has left.
func (p *mediaPublisher) drain(over context.Context) {
	p.progress.state("waiting for subscribers to finish")
	ctx, cancel := context.WithTimeout(over, p.cmd.Drain)
	defer cancel()
	_ = p.b.WaitDrained(ctx)
}

// detail is what the progress shows.
func (p *mediaPublisher) detail(since time.Duration) string {
	s := p.pump.Stats()
	if s.Samples == 0 {
		return "nothing sent"
	}
	rate := float64(s.Bytes-p.bytes) * 8 / max(since.Seconds(), 0.001)
	p.bytes = s.Bytes
	text := fmt.Sprintf("%s, %d groups, %s, drift %+.2f s", s.Media.Truncate(time.Second), s.Groups, bitrate(rate), s.Drift.Seconds())
	if rtt := p.rtt(); rtt > 0 {
		text += fmt.Sprintf(", RTT %.1f ms", rtt.Seconds()*1000)
	}
	return text
}

// bitrate returns bits a second for people.
func bitrate(x float64) string {
	if x < 1e6 {
		return fmt.Sprintf("%.0f kbit/s", x/1e3)
	}
	return fmt.Sprintf("%.1f Mbit/s", x/1e6)
}

// recorder returns what writes media to out.
func (s *subscriber) recorder(out io.Writer) *media.Recorder {
	r := media.NewRecorder(out)
	r.Tracks, r.MaxLatency = s.cmd.Only, s.cmd.MaxLatency
	r.Log = func(format string, args ...any) {
		s.progress.clear()
		s.w.say(format, args...)
	}
	r.Lost = func(_ string, first, last uint64, why string) { s.lose(first, last, why) }
	return r
}

// readMedia records until the broadcast ends. What comes from another publisher
// than before is added to it.
func (s *subscriber) readMedia(ctx context.Context, sess *moqt.Session, path moqt.Path, origin uint64) error {
	if s.record.Begun() && (origin == 0 || origin != s.origin) {
		s.progress.clear()
		s.w.say("another publisher took over, and what follows is its newest group")
		s.record.Restart()
	}
	s.origin = origin
	s.progress.state("receiving %s over %s", path, sess.Version())
	err := s.record.Run(ctx, sess, path)
	if media.IsOutput(err) {
		return finalError{err}
	}
	return err
}
