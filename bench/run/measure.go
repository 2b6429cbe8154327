package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/moqtgo/moqt/bench/control"
)

// A bench starts subjects and reads them.
type bench struct {
	bin    string // folder of the built programs
	work   string
	warm   time.Duration
	window time.Duration
}

// build builds the programs of the subjects, and the load, into b.bin.
func (b *bench) build(subjects []subject) error {
	packages := []string{module + "/bench/load"}
	for _, s := range subjects {
		for _, p := range s.programs {
			packages = append(packages, module+"/bench/"+p.name)
		}
	}
	cmd := exec.Command("go", append([]string{"build", "-o", b.bin + string(filepath.Separator)}, packages...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd, err, out)
	}
	return nil
}

// A running is a subject with its processes.
type running struct {
	processes []*control.Process
	bench     *bench
	subject   *subject
	idle      bool
}

const startTimeout = 60 * time.Second

func (b *bench) start(s *subject, idle bool) (*running, error) {
	r := &running{bench: b, subject: s, idle: idle}
	for _, p := range s.programs {
		args := r.args()
		for _, arg := range p.args {
			args = append(args, strings.ReplaceAll(arg, "{url}", r.url()))
		}
		if err := r.add(p.name, args); err != nil {
			r.stop()
			return nil, err
		}
	}
	return r, nil
}

// join adds n subscribers in one more process.
func (r *running) join(n int) error {
	return r.add("load", append(r.args(), "-kind", r.subject.load, "-url", r.url(), "-n", strconv.Itoa(n)))
}

func (r *running) args() []string {
	args := []string{"-w", r.bench.work}
	if r.idle {
		args = append(args, "-idle")
	}
	return args
}

func (r *running) url() string {
	if len(r.processes) == 0 {
		return ""
	}
	return r.processes[0].Ready.URL
}

func (r *running) add(name string, args []string) error {
	p, err := control.Start(startTimeout, filepath.Join(r.bench.bin, name), args...)
	if err != nil {
		return err
	}
	r.processes = append(r.processes, p)
	return nil
}

// stop ends the processes, the last first.
func (r *running) stop() {
	for i := len(r.processes) - 1; i >= 0; i-- {
		r.processes[i].Stop()
	}
}

// ask sends command to all processes; the stats are those of the first and
// the last one, cpu is that of all.
func (r *running) ask(command string) (first, last control.Stats, cpu time.Duration, err error) {
	for i, p := range r.processes {
		s, err := p.Ask(command)
		if err != nil {
			return first, last, 0, err
		}
		if i == 0 {
			first = s
		}
		last = s
		cpu += s.CPU
	}
	return first, last, cpu, nil
}

// A sample is what one run of a subject gave.
type sample struct {
	Subject string `json:"subject"`
	N       int    `json:"n"`
	Round   int    `json:"round"`
	// Deliveries counts frames at subscribers in the window.
	Deliveries uint64  `json:"deliveries"`
	Rate       float64 `json:"rate"`    // deliveries per second
	Micros     float64 `json:"micros"`  // CPU µs of the measured process per delivery
	Mallocs    float64 `json:"mallocs"` // of the measured process per delivery
	Dropped    uint64  `json:"dropped"`
	LagP50     float64 `json:"lag50"` // ms
	LagP99     float64 `json:"lag99"` // ms
	// Others is the share of the machine that processes outside this run had;
	// negative where it is not known.
	Others float64 `json:"others"`
}

// measure runs s with n subscribers for one window.
func (b *bench) measure(s *subject, n, round int) (sample, error) {
	out := sample{Subject: s.name, N: n, Round: round}
	r, err := b.start(s, false)
	if err != nil {
		return out, err
	}
	defer r.stop()
	if err := r.join(n); err != nil {
		return out, err
	}
	time.Sleep(b.warm)
	busy, busyErr := busyTime()
	start := time.Now()
	first0, last0, cpu0, err := r.ask(control.Read)
	if err != nil {
		return out, err
	}
	first1, last1, cpu1 := first0, last0, cpu0
	for last1.Frames == last0.Frames && time.Since(start) < startTimeout { // longer on a machine that stalls
		time.Sleep(b.window)
		if first1, last1, cpu1, err = r.ask(control.Read); err != nil {
			return out, err
		}
	}
	elapsed := time.Since(start)
	out.Deliveries = last1.Frames - last0.Frames
	if out.Deliveries == 0 {
		return out, fmt.Errorf("%s delivered nothing to %d subscribers", s.name, n)
	}
	per := float64(out.Deliveries)
	out.Rate = per / elapsed.Seconds()
	out.Micros = float64((first1.CPU - first0.CPU).Nanoseconds()) / 1000 / per
	out.Mallocs = float64(first1.Mallocs-first0.Mallocs) / per
	out.Dropped = first1.Dropped - first0.Dropped
	out.LagP50 = last1.LagP50.Seconds() * 1000
	out.LagP99 = last1.LagP99.Seconds() * 1000
	out.Others = -1
	if busyErr == nil {
		if now, err := busyTime(); err == nil {
			out.Others = max((now-busy-(cpu1-cpu0)).Seconds(), 0) / (elapsed.Seconds() * cores())
		}
	}
	return out, nil
}

// An idleSample is what a subscriber costs to which nothing is sent.
type idleSample struct {
	Subject    string  `json:"subject"`
	N          int     `json:"n"`
	Goroutines float64 `json:"goroutines"` // per subscriber
	Heap       float64 `json:"heap"`       // KiB per subscriber
}

// measureIdle compares the measured process of s before and after n
// subscribers have joined.
func (b *bench) measureIdle(s *subject, n int) (idleSample, error) {
	out := idleSample{Subject: s.name, N: n}
	r, err := b.start(s, true)
	if err != nil {
		return out, err
	}
	defer r.stop()
	// One subscriber first: what is made once is not counted n times over.
	if err := r.join(1); err != nil {
		return out, err
	}
	time.Sleep(b.warm)
	before, _, _, err := r.ask(control.Collect)
	if err != nil {
		return out, err
	}
	if err := r.join(n); err != nil {
		return out, err
	}
	time.Sleep(b.warm)
	after, _, _, err := r.ask(control.Collect)
	if err != nil {
		return out, err
	}
	out.Goroutines = float64(after.Goroutines-before.Goroutines) / float64(n)
	out.Heap = (float64(after.Heap) - float64(before.Heap)) / 1024 / float64(n)
	return out, nil
}

// busyTime is the CPU time that all processes have had, and the hypervisor
// has taken, since the start of the machine. Linux alone tells.
func busyTime() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	return parseBusy(string(text))
}

// parseBusy reads the first line of /proc/stat: cpu user nice system idle
// iowait irq softirq steal …, in hundredths of a second.
func parseBusy(text string) (time.Duration, error) {
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, fmt.Errorf("odd line in /proc/stat: %q", line)
	}
	var ticks int64
	for i, field := range fields[1:9] {
		v, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		if i != 3 && i != 4 { // idle, iowait
			ticks += v
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}
