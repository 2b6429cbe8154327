// Package control is the thread between `bench/run` and the programs that it
// starts: one line of JSON when a program is ready, and one for each command
// on its standard input. A program ends with its standard input, so that none
// is left behind.
package control

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"time"
)

// Ready is the first line of a program.
type Ready struct {
	// URL is where the program can be reached, "" if nowhere.
	URL string `json:"url,omitempty"`
}

// Stats is a reading of a program. Totals count from its start.
type Stats struct {
	// CPU is the user and system time of the process.
	CPU time.Duration `json:"cpu"`
	// Mallocs is the number of allocated objects.
	Mallocs    uint64 `json:"mallocs"`
	Heap       uint64 `json:"heap"` // bytes allocated now
	GCs        uint32 `json:"gcs"`
	Goroutines int    `json:"goroutines"`
	// Connections are open now.
	Connections int `json:"connections"`
	// Frames were received (a load) or dropped for being late (a sender).
	Frames  uint64 `json:"frames"`
	Dropped uint64 `json:"dropped"`
	// Lag is the age of frames at their last byte, since the last reading.
	LagP50 time.Duration `json:"lag50"`
	LagP99 time.Duration `json:"lag99"`
}

// The commands of a program.
const (
	// Read asks for Stats.
	Read = "read"
	// Collect asks for Stats after a garbage collection.
	Collect = "collect"
)

// Serve prints ready on w and then answers the commands of r, until r or ctx
// ends. fill, which may be nil, adds what only the program knows.
func Serve(ctx context.Context, r io.Reader, w io.Writer, ready Ready, fill func(*Stats)) error {
	out := json.NewEncoder(w)
	if err := out.Encode(ready); err != nil {
		return err
	}
	lines := make(chan string)
	failed := make(chan error, 1)
	go func() {
		in := bufio.NewScanner(r)
		for in.Scan() {
			select {
			case lines <- in.Text():
			case <-ctx.Done():
				return
			}
		}
		failed <- in.Err()
	}()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case err := <-failed:
			return err
		case line := <-lines:
			switch line {
			case Collect:
				// The second one frees what the first one's finalizers let go.
				runtime.GC()
				runtime.GC()
			case Read:
			default:
				return fmt.Errorf("unknown command %q", line)
			}
			stats, err := read()
			if err != nil {
				return err
			}
			if fill != nil {
				fill(&stats)
			}
			if err := out.Encode(stats); err != nil {
				return err
			}
		}
	}
}

func read() (Stats, error) {
	cpu, err := cpuTime()
	if err != nil {
		return Stats{}, err
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return Stats{
		CPU:        cpu,
		Mallocs:    m.Mallocs,
		Heap:       m.HeapAlloc,
		GCs:        m.NumGC,
		Goroutines: runtime.NumGoroutine(),
	}, nil
}
