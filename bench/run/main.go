// Command run measures what a delivered frame costs: for each number of
// subscribers it runs the subjects in rounds, in random order, each with its
// own processes, and prints medians and their ratios to raw quic-go (the
// floor) of the same round. Figures of one machine compare with each other
// and with nothing else.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moqtgo/moqt/bench/workload"
)

const module = "github.com/moqtgo/moqt"

func cores() float64 { return float64(runtime.NumCPU()) }

// options are the flags of the command.
type options struct {
	work         workload.Workload
	counts       []int
	subjects     []subject
	rounds       int
	warm, window time.Duration
	idle         int
	retries      int
	seed         uint64
	samples      string
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("bench: ")
	o := options{work: workload.All[0], counts: []int{50, 100}, subjects: subjects}
	flag.Var(&o.work, "w", "the workload: "+about())
	flag.Func("n", "numbers of subscribers (default 50,100)", func(v string) (err error) {
		o.counts, err = parseCounts(v)
		return err
	})
	flag.Func("subjects", "what to measure, of "+names(subjects)+" (default all)", func(v string) (err error) {
		o.subjects, err = choose(v)
		return err
	})
	flag.IntVar(&o.rounds, "rounds", 5, "rounds of each number of subscribers")
	flag.DurationVar(&o.warm, "warm", 2*time.Second, "how long a run settles before it is measured")
	flag.DurationVar(&o.window, "window", 6*time.Second, "how long a run is measured")
	flag.IntVar(&o.idle, "idle", 100, "number of idle subscribers to weigh, 0 for none")
	flag.IntVar(&o.retries, "retries", 2, "how often a run is repeated when other processes were in its way")
	flag.Uint64Var(&o.seed, "seed", rand.Uint64(), "of the order")
	flag.StringVar(&o.samples, "samples", "", "a file for every sample, one JSON object a line")
	flag.Parse()
	if err := run(&o, os.Stdout, log.Printf); err != nil {
		log.Fatal(err)
	}
}

func run(o *options, out io.Writer, progress func(format string, args ...any)) (err error) {
	bin, err := os.MkdirTemp("", "moqt-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(bin)
	record := json.NewEncoder(io.Discard)
	if o.samples != "" {
		f, err := os.Create(o.samples)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		record = json.NewEncoder(f)
	}
	b := &bench{bin: bin, work: o.work.Name, warm: o.warm, window: o.window}
	progress("building")
	if err := b.build(o.subjects); err != nil {
		return err
	}
	progress("%s (%s), seed %d, %d cores, about %v", o.work.Name, o.work.About, o.seed, runtime.NumCPU(), o.estimate())
	random := rand.New(rand.NewPCG(o.seed, 0))
	var samples []sample
	for round := range o.rounds {
		for _, n := range o.counts {
			for _, i := range random.Perm(len(o.subjects)) {
				s, err := b.measure(&o.subjects[i], n, round)
				for try := 0; err == nil && s.Others > quiet && try < o.retries; try++ {
					progress("again: other processes had %.0f%% of the machine", 100*s.Others)
					s, err = b.measure(&o.subjects[i], n, round)
				}
				if err != nil {
					return err
				}
				progress("round %d  N %d  %s  %.1f µs/delivery  %.2f allocs  lag %.1f/%.1f ms", round+1, n, s.Subject, s.Micros, s.Mallocs, s.LagP50, s.LagP99)
				samples = append(samples, s)
				if err := record.Encode(s); err != nil {
					return err
				}
			}
		}
	}
	var idle []idleSample
	if o.idle > 0 {
		for i := range o.subjects {
			s, err := b.measureIdle(&o.subjects[i], o.idle)
			if err != nil {
				return err
			}
			idle = append(idle, s)
			if err := record.Encode(s); err != nil {
				return err
			}
		}
	}
	fmt.Fprintf(out, "%s: %s, groups of %d frames; %v a run; %s/%s, %d cores, %s\n\n",
		o.work.Name, o.work.About, o.work.Group, o.window, runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	return write(out, summarize(samples, o.work.Rate), idle)
}

func (o *options) estimate() time.Duration {
	start := 500 * time.Millisecond
	loud := time.Duration(o.rounds*len(o.counts)*len(o.subjects)) * (o.warm + o.window + start)
	silent := time.Duration(0)
	if o.idle > 0 {
		silent = time.Duration(len(o.subjects)) * (2*o.warm + start)
	}
	return (loud + silent).Round(time.Second)
}

func about() string {
	var parts []string
	for _, w := range workload.All {
		parts = append(parts, w.Name+" "+w.About)
	}
	return strings.Join(parts, "; ")
}

func names(list []subject) string {
	var parts []string
	for _, s := range list {
		parts = append(parts, s.name)
	}
	return strings.Join(parts, ",")
}

// choose keeps the order of subjects and always includes the floor.
func choose(list string) ([]subject, error) {
	wanted := strings.Split(list, ",")
	var chosen []subject
	for i, s := range subjects {
		at := slices.Index(wanted, s.name)
		if at >= 0 {
			wanted = slices.Delete(wanted, at, at+1)
		}
		if at >= 0 || i == 0 {
			chosen = append(chosen, s)
		}
	}
	if len(wanted) > 0 {
		return nil, fmt.Errorf("there is no subject %q among %s", wanted[0], names(subjects))
	}
	return chosen, nil
}

func parseCounts(list string) ([]int, error) {
	var counts []int
	for _, field := range strings.Split(list, ",") {
		n, err := strconv.Atoi(field)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is not a number of subscribers", field)
		}
		counts = append(counts, n)
	}
	return counts, nil
}
