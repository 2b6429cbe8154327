package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// A summary is the medians of a subject at one N.
type summary struct {
	subject             string
	n, rounds           int
	micros, low, high   float64
	ratio               float64 // to the floor of the same block; 0 without one
	mallocs, aboveFloor float64
	delivered           float64 // share of what the workload sends
	dropped             uint64  // in all rounds
	lag50, lag99        float64
	others              float64
}

const (
	// quiet is the share of the machine that others may have in a run.
	quiet = 0.10
	// complete is the share of the workload that must arrive.
	complete = 0.98
)

// doubtful says that the figures are not those of an unhurried sender: one
// that is late writes several frames at a wake and looks cheap.
func (s *summary) doubtful() bool {
	return s.others > quiet || s.delivered < complete || s.dropped > 0
}

// summarize takes the medians over the rounds. Ratios and differences are
// taken within a block, that is, against the floor of the same N and round.
func summarize(samples []sample, rate int) []summary {
	type block struct{ n, round int }
	type key struct {
		subject string
		n       int
	}
	floors := map[block]sample{}
	groups := map[key][]sample{}
	var order []key
	for _, s := range samples {
		if s.Subject == subjects[0].name {
			floors[block{s.N, s.Round}] = s
		}
		k := key{s.Subject, s.N}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], s)
	}
	rank := func(k key) int {
		return slices.IndexFunc(subjects, func(s subject) bool { return s.name == k.subject })
	}
	slices.SortFunc(order, func(a, b key) int {
		if a.n != b.n {
			return a.n - b.n
		}
		return rank(a) - rank(b)
	})
	var out []summary
	for _, k := range order {
		group := groups[k]
		pick := func(f func(sample) float64) []float64 {
			var values []float64
			for _, s := range group {
				values = append(values, f(s))
			}
			return values
		}
		var ratios, above []float64
		var dropped uint64
		for _, s := range group {
			dropped += s.Dropped
			if floor, ok := floors[block{s.N, s.Round}]; ok {
				ratios = append(ratios, s.Micros/floor.Micros)
				above = append(above, s.Mallocs-floor.Mallocs)
			}
		}
		micros := pick(func(s sample) float64 { return s.Micros })
		out = append(out, summary{
			subject: k.subject, n: k.n, rounds: len(group),
			micros: median(micros), low: slices.Min(micros), high: slices.Max(micros),
			ratio:      median(ratios),
			mallocs:    median(pick(func(s sample) float64 { return s.Mallocs })),
			aboveFloor: median(above),
			delivered:  median(pick(func(s sample) float64 { return s.Rate })) / float64(rate*k.n),
			dropped:    dropped,
			lag50:      median(pick(func(s sample) float64 { return s.LagP50 })),
			lag99:      median(pick(func(s sample) float64 { return s.LagP99 })),
			others:     median(pick(func(s sample) float64 { return s.Others })),
		})
	}
	return out
}

// median is 0 for no values.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	m := len(v) / 2
	if len(v)%2 == 1 {
		return v[m]
	}
	return (v[m-1] + v[m]) / 2
}

// write prints the tables.
func write(w io.Writer, summaries []summary, idle []idleSample) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "subject\tN\trounds\tµs/delivery\t(min-max)\tto floor\tallocs/delivery\tabove floor\tdelivered\tdropped\tlag p50\tlag p99\tothers' CPU")
	doubts := false
	for _, s := range summaries {
		name := s.subject
		if s.doubtful() {
			name, doubts = name+"*", true
		}
		ratio, above := "-", "-"
		if s.ratio > 0 {
			ratio, above = fmt.Sprintf("%.2fx", s.ratio), fmt.Sprintf("%+.2f", s.aboveFloor)
		}
		others := "unknown"
		if s.others >= 0 {
			others = fmt.Sprintf("%.0f%%", 100*s.others)
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%.1f\t(%.1f-%.1f)\t%s\t%.2f\t%s\t%.1f%%\t%d\t%.1f ms\t%.1f ms\t%s\n",
			name, s.n, s.rounds, s.micros, s.low, s.high, ratio, s.mallocs, above, 100*s.delivered, s.dropped, s.lag50, s.lag99, others)
	}
	if len(idle) > 0 {
		fmt.Fprintln(t, "\nidle subject\tN\tgoroutines/subscriber\tKiB heap/subscriber")
		for _, s := range idle {
			fmt.Fprintf(t, "%s\t%d\t%.2f\t%.1f\n", s.Subject, s.N, s.Goroutines, s.Heap)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if doubts {
		_, err := fmt.Fprintf(w, "\n* not to be trusted: others had more than %.0f%% of the machine, or frames came late or not at all;\n"+
			"  a sender that is late writes several frames at a wake and looks cheap\n", 100*quiet)
		return err
	}
	return nil
}
