package main

import (
	"context"
	"fmt"
	"io"

	"github.com/moqtgo/moqt/app/moqt"
)

type fetchCmd struct {
	URL       string  `arg:"" help:"Of the relay: https://host:port/ or moqt://host:port/."`
	Broadcast string  `arg:"" help:"Path of the broadcast."`
	Track     string  `arg:"" optional:"" default:"data" help:"Name of the track (${default})."`
	Group     *uint64 `placeholder:"N" help:"Number of the group; without it the newest one, until it ends."`
	clientFlags
}

// Run writes one group. It is not tried again: what was written cannot be taken
// back.
func (c *fetchCmd) Run(w *world) error {
	ctx, stop := w.interruptible()
	defer stop()
	d, err := c.dialer(w, c.URL, moqt.Config{})
	if err != nil {
		return err
	}
	d.once = true
	return d.run(ctx, moqt.NewTrackMux(nil), func(s *moqt.Session) error {
		if err := c.fetch(ctx, w.out, s); err != nil {
			return fmt.Errorf("%s %s: %w", c.Broadcast, c.Track, sessionError(ctx, s, err))
		}
		return nil
	})
}

func (c *fetchCmd) fetch(ctx context.Context, out io.Writer, s *moqt.Session) error {
	path := moqt.ParsePath(c.Broadcast)
	if c.Group == nil {
		r, err := s.Subscribe(ctx, path, c.Track, nil)
		if err != nil {
			return err
		}
		defer r.Close()
		g, err := r.NextGroup(ctx)
		if err == io.EOF {
			return moqt.Errorf(moqt.CodeNotFound, "the track has no group")
		}
		if err != nil {
			return err
		}
		for f, err := range g.Frames(ctx) {
			if err != nil {
				return err
			}
			if _, err := out.Write(f.Payload); err != nil {
				return err
			}
		}
		return nil
	}
	r, err := s.Fetch(ctx, moqt.GroupFetch(path, c.Track, *c.Group, 128))
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		f, err := r.Next(ctx)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case f.Object != nil:
			if _, err := out.Write(f.Object.Payload()); err != nil {
				return err
			}
		}
	}
}
