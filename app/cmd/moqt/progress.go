package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// A progress is a line on a terminal that says how far we are. Without a
// terminal it says nothing.
type progress struct {
	w    *world
	verb string
	// detail, if not nil, replaces what is counted; since is the time since it
	// was called last.
	detail func(since time.Duration) string

	mu    sync.Mutex
	text  string
	bytes int64
	last  int64
	shown bool
	at    time.Time // of the last detail

	end  func() // ends the goroutine, if there is one
	done chan struct{}
}

func newProgress(w *world, verb string) *progress {
	p := &progress{w: w, verb: verb, end: func() {}}
	if w.terminal {
		p.done = make(chan struct{})
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			p.run()
		}()
		p.end = sync.OnceFunc(func() {
			close(p.done)
			<-gone
			p.clear()
		})
	}
	return p
}

func (p *progress) run() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.show()
		case <-p.done:
			return
		}
	}
}

// state says what is being done.
func (p *progress) state(format string, args ...any) {
	p.mu.Lock()
	p.text = fmt.Sprintf(format, args...)
	p.mu.Unlock()
	if p.w.terminal {
		p.show()
	}
}

func (p *progress) show() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.detail != nil {
		now := time.Now()
		fmt.Fprintf(p.w.err, "\r\x1b[K%s: %s", p.text, p.detail(now.Sub(p.at)))
		p.at, p.shown = now, true
		return
	}
	rate := p.bytes - p.last
	p.last = p.bytes
	fmt.Fprintf(p.w.err, "\r\x1b[K%s: %s %s, %s/s", p.text, p.verb, size(p.bytes), size(rate))
	p.shown = true
}

// clear removes the line, so that something else can be said.
func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		fmt.Fprint(p.w.err, "\r\x1b[K")
		p.shown = false
	}
}

// stop ends the progress; it can be called again.
func (p *progress) stop() { p.end() }

// add counts bytes.
func (p *progress) add(n int) {
	p.mu.Lock()
	p.bytes += int64(n)
	p.mu.Unlock()
}

// count returns w, with what is written counted.
func (p *progress) count(w io.Writer) io.Writer { return counted{w, p} }

type counted struct {
	io.Writer
	p *progress
}

func (c counted) Write(b []byte) (int, error) {
	n, err := c.Writer.Write(b)
	c.p.add(n)
	return n, err
}

// size returns a number of bytes for people.
func size(n int64) string {
	switch {
	case n < 10_000:
		return fmt.Sprintf("%d B", n)
	case n < 10_000_000:
		return fmt.Sprintf("%d kB", n/1000)
	}
	return fmt.Sprintf("%d MB", n/1_000_000)
}
