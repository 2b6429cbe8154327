package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/moqtgo/moqt/app/sim"
)

type simCmd struct {
	Story   []string      `arg:"" optional:"" help:"Files with a story each; - is the standard input." type:"existingfile"`
	Swarm   bool          `help:"Play stories that the seeds make up, and shrink those that fail."`
	Seed    uint64        `help:"The first seed." default:"1"`
	Seeds   int           `help:"How many seeds to play, one after the other." default:"1"`
	Dialect []string      `help:"Only these versions: lite-05, or lite-04+moqt-18 for clients that speak them in turn." placeholder:"VERSION"`
	Bound   time.Duration `help:"How soon after the last fault every subscriber must receive again." default:"1m"`
	Trace   string        `help:"Write everything that the network hands over to a file." type:"path" placeholder:"FILE"`
}

// Help is shown by kong.
func (simCmd) Help() string {
	return `Plays stories in a network in memory and in virtual time: the same story, seed and version give the same trace, line by line. See docs/simulation.md for how to write one. With --swarm every seed makes a story up: a network, who publishes and subscribes in it, and what goes wrong. Of one that fails, the smallest story that fails in the same way is shown, with the command that plays it again. The exit code is 1 if an expectation does not hold, or if anything is broken that never may be.`
}

// Run plays the stories; with the real Main of sim it does not return.
func (c *simCmd) Run(w *world) error {
	if c.Swarm == (len(c.Story) > 0) {
		return exit{exitUsage, fmt.Errorf("want files with stories, or --swarm")}
	}
	if c.Seeds < 1 {
		return exit{exitUsage, fmt.Errorf("--seeds must be at least 1")}
	}
	mixes, err := sim.ParseDialects(c.Dialect)
	if err != nil {
		return exit{exitUsage, err}
	}
	stories, err := c.stories(w.in)
	if err != nil {
		return err
	}
	trace := io.Discard
	if c.Trace != "" {
		f, err := os.Create(c.Trace)
		if err != nil {
			return err
		}
		defer f.Close()
		trace = f
	}
	play := w.play
	if play == nil {
		play = sim.Main
	}
	code := exitOK
	play(func(p *sim.Player) int {
		for i := range c.Seeds {
			seed := c.Seed + uint64(i)
			if c.Swarm {
				code = max(code, c.swarm(w, p, seed, mixes, trace))
			}
			for _, s := range stories {
				code = max(code, c.tell(w, p, s, seed, mixes, trace))
			}
		}
		return code
	})
	if code != exitOK {
		return exit{code: code}
	}
	return nil
}

// stories reads those that were named.
func (c *simCmd) stories(in io.Reader) (stories []*sim.Story, err error) {
	for _, f := range c.Story {
		var text []byte
		if f == "-" {
			text, err = io.ReadAll(in)
		} else {
			text, err = os.ReadFile(f)
		}
		if err != nil {
			return nil, err
		}
		s, err := sim.Parse(filepath.ToSlash(f), string(text))
		if err != nil {
			return nil, exit{exitUsage, err}
		}
		stories = append(stories, s)
	}
	return stories, nil
}

// options returns what else decides about a run, for the command that repeats
// it.
func (c *simCmd) options() string {
	if c.Bound != time.Minute {
		return " --bound=" + c.Bound.String()
	}
	return ""
}

// tell plays a story with one seed in each of its combinations of versions.
func (c *simCmd) tell(w *world, p *sim.Player, s *sim.Story, seed uint64, mixes []string, trace io.Writer) int {
	if len(mixes) == 0 {
		mixes = s.Mixes()
	}
	code := exitOK
	for _, mix := range mixes {
		conf := &sim.Config{Seed: seed, Dialects: strings.Split(mix, "+"), Bound: c.Bound}
		if c.Trace != "" {
			conf.Trace = trace
		}
		r := p.Play(s, conf)
		if r.Err != nil {
			code = exitError
			fmt.Fprintf(w.out, "FAIL %s seed=%d %s\n%s", s.Name, seed, mix, r.Log)
			w.say("%s:%d: %v\nagain: moqt sim %s --seed=%d --dialect=%s%s", s.Name, r.Line, r.Err, s.Name, seed, mix, c.options())
			continue
		}
		if c.Seeds == 1 && len(mixes) == 1 {
			fmt.Fprint(w.out, r.Log)
		}
		fmt.Fprintf(w.out, "ok   %s seed=%d %s trace=%016x: %v\n", s.Name, seed, mix, r.Trace, r.Figures)
	}
	return code
}

// swarm plays what a seed makes up, and shows the smallest story that fails.
func (c *simCmd) swarm(w *world, p *sim.Player, seed uint64, mixes []string, trace io.Writer) int {
	s := sim.Swarm(seed, mixes)
	conf := &sim.Config{Seed: seed, Dialects: strings.Split(s.Mixes()[0], "+"), Bound: c.Bound}
	if c.Trace != "" {
		conf.Trace = trace
	}
	r := p.Play(s, conf)
	if r.Err == nil {
		fmt.Fprintf(w.out, "ok   seed=%d %s trace=%016x: %v\n", seed, s.Mixes()[0], r.Trace, r.Figures)
		return exitOK
	}
	again := fmt.Sprintf("moqt sim --swarm --seed=%d%s", seed, c.options())
	for _, m := range mixes {
		again += " --dialect=" + m
	}
	w.say("seed %d fails: %v\nagain: %s\nshrinking the story ...", seed, r.Err, again)
	small, r := p.Shrink(s, conf, r)
	fmt.Fprintf(w.out, "FAIL seed=%d; the smallest story that fails so:\nmoqt sim --seed=%d%s - <<'END'\n%sEND\n", seed, seed, c.options(), small)
	w.say("line %d: %v", r.Line, r.Err)
	return exitError
}
