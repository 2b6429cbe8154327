package dialect

import (
	"runtime/debug"
	"sync"
)

// A Group is the goroutines of one session: every one of them is born here,
// and Wait returns when all have ended.
type Group struct {
	panicked func(v any, stack []byte) // nil: a panic ends the process

	mu     sync.Mutex
	n      int
	closed bool
	idle   chan struct{} // closed when closed and n is 0
}

// NewGroup returns an empty group.
func NewGroup() *Group { return &Group{idle: make(chan struct{})} }

// Recover makes the group survive panics: each is handed to f, in the goroutine
// that it has ended. Call it before the first Go.
func (g *Group) Recover(f func(v any, stack []byte)) { g.panicked = f }

// recover is deferred by every goroutine.
func (g *Group) recover() {
	if g.panicked == nil {
		return
	}
	if v := recover(); v != nil {
		g.panicked(v, debug.Stack())
	}
}

// Go runs f in a goroutine. It returns false, and runs nothing, once the group
// is closed.
func (g *Group) Go(f func()) bool { return g.Bind(f)() }

// Bind returns a function that starts f as Go does, without allocating.
func (g *Group) Bind(f func()) (start func() bool) {
	run := func() {
		defer g.done()
		defer g.recover()
		f()
	}
	return func() bool {
		if !g.add() {
			return false
		}
		go run()
		return true
	}
}

func (g *Group) add() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.n++
	return true
}

func (g *Group) done() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n--
	g.settle()
}

// Close makes Go refuse. It does not wait.
func (g *Group) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.closed = true
		g.settle()
	}
}

func (g *Group) settle() {
	if g.closed && g.n == 0 {
		close(g.idle)
	}
}

// Wait returns when the group is closed and its goroutines have ended.
func (g *Group) Wait() { <-g.idle }
