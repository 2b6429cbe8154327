package sim

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqtgo/moqt/app/moqt"
)

// A Result is what became of a story.
type Result struct {
	// Err is an expectation that does not hold, or something that is broken
	// and never may be. Line is where, 0 after the end of the story.
	Err  error
	Line int
	// Log has the lines of the story, and what has changed with each.
	Log string
	// Trace is a hash of everything that happened; runs of one seed have one.
	Trace   uint64
	Figures Figures
}

// Figures count what a world has done.
type Figures struct {
	Subscribers int
	Delivered   int   // frames that subscribers got
	Late        int   // of them, those that came more than a second after they were written
	Expired     int   // groups that were given up because newer ones had come
	Lost        int   // groups that ended in any other error
	Bytes       int64 // of delivered payload
	Sent        int64 // bytes of relays on the network
	Virtual     time.Duration
	Wall        time.Duration
	Heap        uint64 // after a collection, the world still alive
}

func (f Figures) String() string {
	return fmt.Sprintf("%d subscribers, %d frames delivered, %d late, %d groups expired, %d lost, %.1f MB of payload, %.1f MB sent by relays, %v in %v",
		f.Subscribers, f.Delivered, f.Late, f.Expired, f.Lost, float64(f.Bytes)/1e6, float64(f.Sent)/1e6, f.Virtual, f.Wall.Round(10*time.Millisecond))
}

// A Player plays stories in virtual time. It needs the testing package: a test
// makes one with NewPlayer, and any other program gets one from Main.
type Player struct{ t *testing.T }

// NewPlayer returns the player of a test. The test does not fail by what a
// story finds: see Test for that.
func NewPlayer(t *testing.T) *Player { return &Player{t} }

// Play plays a story in a bubble of its own. conf may be nil; its Dialects
// count, not those of the story.
func (p *Player) Play(s *Story, conf *Config) *Result {
	r := &Result{}
	p.run(conf, r, func(w *World) {
		for i := range s.Lines {
			if err := w.do(&s.Lines[i]); err != nil {
				r.Err, r.Line = err, s.Lines[i].Number
				return
			}
		}
	})
	return r
}

// Run plays what f does in a world.
func (p *Player) Run(conf *Config, f func(w *World) error) *Result {
	r := &Result{}
	p.run(conf, r, func(w *World) { r.Err = f(w) })
	return r
}

func (p *Player) run(conf *Config, r *Result, f func(w *World)) {
	begun := time.Now()
	var c Config
	if conf != nil {
		c = *conf
	}
	var log bytes.Buffer
	sum := fnv.New64a()
	if c.Log == nil {
		c.Log = &log
	} else {
		c.Log = io.MultiWriter(&log, c.Log)
	}
	if !c.Loose {
		if c.Trace == nil {
			c.Trace = sum
		} else {
			c.Trace = io.MultiWriter(sum, c.Trace)
		}
	}
	defer func() {
		if e := recover(); e != nil && strings.Contains(fmt.Sprint(e), "deadlock") {
			r.Err = fmt.Errorf("something never ends: %v", e)
		} else if e != nil {
			panic(e)
		}
		r.Log, r.Trace = log.String(), sum.Sum64()
		r.Figures.Wall = time.Since(begun)
	}()
	synctest.Test(p.t, func(*testing.T) {
		w := newWorld(&c)
		defer func() {
			if r.Err == nil {
				w.finish()
			}
			w.close()
			if r.Err == nil {
				r.Err = w.Err()
			}
		}()
		f(w)
		r.Figures = w.measure()
	})
}

func (w *World) measure() Figures {
	f := Figures{Virtual: w.Now()}
	for _, a := range w.actors {
		switch a := a.(type) {
		case *subscriber:
			a.mu.Lock()
			f.Subscribers++
			f.Delivered += a.stats.frames
			f.Late += a.stats.late
			f.Bytes += a.stats.bytes
			f.Expired += a.codes[moqt.CodeOld.String()]
			f.Lost += a.stats.cut - a.codes[moqt.CodeOld.String()]
			a.mu.Unlock()
		case *relayNode:
			if a.alive {
				f.Sent += a.relay.Stats().BytesSent
			}
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f.Heap = m.HeapAlloc
	return f
}
