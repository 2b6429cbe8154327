package sim

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// Shrink makes a story that fails smaller, as long as it fails in the same way,
// and returns the smallest one that it has found and what becomes of it: lines,
// options and relays are left out, times are halved, and one version
// speaks where several did.
func (p *Player) Shrink(s *Story, conf *Config, failed *Result) (*Story, *Result) {
	return shrink(s, failed, func(t *Story) *Result {
		var c Config
		if conf != nil {
			c = *conf
		}
		c.Dialects = strings.Split(t.Dialects[0], "+")
		c.Log, c.Trace = nil, nil
		return p.Play(t, &c)
	})
}

// mostPlays bounds how often a story is played to make it smaller.
const mostPlays = 1000

// A shrinker has the smallest story so far.
type shrinker struct {
	play   func(*Story) *Result
	best   *Story
	failed *Result
	plays  int
}

func shrink(s *Story, failed *Result, play func(*Story) *Result) (*Story, *Result) {
	h := &shrinker{play: play, best: s, failed: failed}
	for smaller := true; smaller; {
		smaller = h.lines() || h.version() || h.relays() || h.options() || h.times()
	}
	return h.best, h.failed
}

// try keeps a story that fails as the best one does.
func (h *shrinker) try(lines []Line, dialects []string) bool {
	if h.plays++; h.plays > mostPlays {
		return false
	}
	t := renumber(&Story{Name: h.best.Name, Dialects: dialects, Lines: slices.Clone(lines)})
	r := h.play(t)
	if r.Err == nil || unplayable(r.Err) || failure(r.Err) != failure(h.failed.Err) {
		return false
	}
	h.best, h.failed = t, r
	return true
}

// lines leaves lines out: many at once, then fewer.
func (h *shrinker) lines() (smaller bool) {
	for size := max(1, len(h.best.Lines)/2); size > 0; size /= 2 {
		for from := 0; from < len(h.best.Lines); {
			l := h.best.Lines
			if h.try(slices.Concat(l[:from], l[min(from+size, len(l)):]), h.best.Dialects) {
				smaller = true
			} else {
				from += size
			}
		}
	}
	return smaller
}

func (h *shrinker) version() bool {
	all := strings.Split(h.best.Dialects[0], "+")
	return len(all) > 1 && slices.ContainsFunc(all, func(v string) bool { return h.try(h.best.Lines, []string{v}) })
}

// relays leaves relays out; their upstreams take their places.
func (h *shrinker) relays() (smaller bool) {
	for i := 0; i < len(h.best.Lines); i++ {
		l := h.best.Lines[i]
		if l.Verb != "relay" || len(l.Args) < 2 {
			continue
		}
		lines := slices.Delete(slices.Clone(h.best.Lines), i, i+1)
		for j := range lines {
			lines[j].Args = slices.Clone(lines[j].Args)
			for k, a := range lines[j].Args {
				if k > 0 && a == l.Args[0] {
					lines[j].Args[k] = l.Args[1]
				}
			}
		}
		smaller = h.try(lines, h.best.Dialects) || smaller
	}
	return smaller
}

// change tries the story with another line i.
func (h *shrinker) change(i int, l Line) bool {
	lines := slices.Clone(h.best.Lines)
	lines[i] = l
	return h.try(lines, h.best.Dialects)
}

// options leaves options out, and arguments that need not be.
func (h *shrinker) options() (smaller bool) {
	for i := range h.best.Lines {
		for j := 0; j < len(h.best.Lines[i].Options); {
			l := h.best.Lines[i]
			l.Options = slices.Delete(slices.Clone(l.Options), j, j+1)
			if h.change(i, l) {
				smaller = true
			} else {
				j++
			}
		}
		for len(h.best.Lines[i].Args) > verbs[h.best.Lines[i].Verb].least {
			l := h.best.Lines[i]
			l.Args = l.Args[:len(l.Args)-1]
			if !h.change(i, l) {
				break
			}
			smaller = true
		}
	}
	return smaller
}

// times halves the times that pass.
func (h *shrinker) times() (smaller bool) {
	for i := range h.best.Lines {
		for h.best.Lines[i].Verb == "advance" {
			l := h.best.Lines[i]
			d, _ := time.ParseDuration(l.Args[0])
			if d < 2*time.Millisecond {
				break
			}
			l.Args = []string{(d / 2).Round(time.Millisecond).String()}
			if !h.change(i, l) {
				break
			}
			smaller = true
		}
	}
	return smaller
}

// inErrors is what differs between two failures of one kind.
var inErrors = regexp.MustCompile(`"[^"]*"|\b\w*\d[\w.#]*\b`)

// failure says in which way a story fails: names, numbers and times left out.
func failure(err error) string {
	first, _, _ := strings.Cut(err.Error(), "\n")
	return inErrors.ReplaceAllString(first, "_")
}

// renumber gives the lines the numbers that they have in String.
func renumber(s *Story) *Story {
	first := 1
	if len(s.Dialects) > 0 {
		first = 2
	}
	for i := range s.Lines {
		s.Lines[i].Number = first + i
	}
	return s
}
