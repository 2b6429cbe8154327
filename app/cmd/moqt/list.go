package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/moqtgo/moqt/app/moqt"
)

type listCmd struct {
	URL    string `arg:"" help:"Of the relay: https://host:port/ or moqt://host:port/."`
	Prefix string `arg:"" optional:"" help:"Only broadcasts at this path and below."`
	clientFlags
}

// Help is shown by kong.
func (listCmd) Help() string {
	return `Prints "+ PATH" for each broadcast that is there or comes, and "- PATH" for each that goes, until it is interrupted.`
}

// Run prints changes until a signal comes.
func (c *listCmd) Run(w *world) error {
	ctx, stop := w.interruptible()
	defer stop()
	d, err := c.dialer(w, c.URL, moqt.Config{})
	if err != nil {
		return err
	}
	err = d.run(ctx, moqt.NewTrackMux(nil), func(s *moqt.Session) error { return c.watch(ctx, w, s) })
	if context.Cause(ctx) != nil {
		return nil
	}
	return err
}

func (c *listCmd) watch(ctx context.Context, w *world, s *moqt.Session) error {
	r, err := s.Announced(ctx, moqt.ParsePath(c.Prefix))
	if err != nil {
		return err
	}
	defer r.Close()
	there := map[moqt.Path]bool{}
	defer func() {
		if ctx.Err() != nil {
			return
		}
		for _, p := range slices.Sorted(maps.Keys(there)) { // out of reach
			fmt.Fprintf(w.out, "- %s\n", p)
		}
	}()
	for {
		a, err := r.Next(ctx)
		if err != nil {
			return sessionError(ctx, s, err)
		}
		if there[a.Path] && a.Change != moqt.Rerouted {
			fmt.Fprintf(w.out, "- %s\n", a.Path)
			delete(there, a.Path)
		}
		if a.Change == moqt.Active || a.Change == moqt.Replaced {
			fmt.Fprintf(w.out, "+ %s\n", a.Path)
			there[a.Path] = true
		}
	}
}
