package dialect

import (
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moqtgo/moqt/ports/quic"
)

// A Runner does what is ready in a session, in one goroutine that lives only
// while there is something. What would block is left to goroutines of its own,
// the last one of which the runner's goroutine becomes.
type Runner struct {
	start    func() bool
	group    *Group
	coalesce time.Duration

	unsent     atomic.Int64 // bytes in outboxes
	maxUnsent  int64        // 0: no limit
	overloaded func()

	mu      sync.Mutex
	ready   []*Task
	running bool

	batch []*Task  // of the running goroutine
	later []func() // of the running goroutine
}

// NewRunner returns a runner whose goroutines belong to g.
func NewRunner(g *Group) *Runner {
	r := &Runner{group: g}
	r.start = g.Bind(r.run)
	return r
}

// Limit has f called, perhaps more than once, when more bytes than these wait in
// outboxes: messages to a peer that does not read them. Call it before the
// first message.
func (r *Runner) Limit(bytes int, f func()) { r.maxUnsent, r.overloaded = int64(bytes), f }

// Coalesce makes whatever is ready wait for more: d, and up to half of that
// longer, depending on the connection. So the runners of a node that were woken in
// one moment do not run in one: what the first does is there for the second. Call
// it before the first Wake.
func (r *Runner) Coalesce(d time.Duration, conn quic.State) {
	h := fnv.New32a()
	_, _ = fmt.Fprint(h, conn.LocalAddr, conn.RemoteAddr)
	const phases = 1 << 10
	r.coalesce = d + d*time.Duration(h.Sum32()%phases)/(2*phases)
}

// owe counts n bytes more, or less, that wait in an outbox.
func (r *Runner) owe(n int) {
	if unsent := r.unsent.Add(int64(n)); n > 0 && r.maxUnsent > 0 && unsent > r.maxUnsent {
		r.overloaded()
	}
}

// A Task is something that a Runner serves when it is woken.
type Task struct {
	runner *Runner
	serve  func(later *[]func())
	// rank orders tasks that are ready together; guarded by runner.mu.
	rank   uint64
	queued bool
}

// init sets what the task does: serve must not block, and appends to later
// what may.
func (t *Task) init(r *Runner, rank uint64, serve func(later *[]func())) {
	t.runner, t.rank, t.serve = r, rank, serve
}

// Wake makes the runner serve t soon. It may be called from anywhere.
func (t *Task) Wake() {
	r := t.runner
	r.mu.Lock()
	if t.queued {
		r.mu.Unlock()
		return
	}
	t.queued = true
	r.ready = append(r.ready, t)
	start := !r.running
	r.running = true
	r.mu.Unlock()
	if start {
		r.begin()
	}
}

// begin starts the goroutine, once more may be ready.
func (r *Runner) begin() {
	if r.coalesce > 0 {
		time.AfterFunc(r.coalesce, func() { r.start() })
		return
	}
	r.start()
}

func (r *Runner) run() {
	for {
		r.mu.Lock()
		r.batch, r.ready = r.ready, r.batch[:0]
		for _, t := range r.batch {
			t.queued = false
		}
		if len(r.batch) > 1 {
			slices.SortFunc(r.batch, func(a, b *Task) int {
				if a.rank < b.rank {
					return -1
				}
				return 1
			})
		}
		r.mu.Unlock()
		for i, t := range r.batch {
			t.serve(&r.later)
			r.batch[i] = nil
		}
		last := r.handOver()
		r.mu.Lock()
		if len(r.ready) > 0 {
			r.mu.Unlock()
			if r.coalesce > 0 {
				r.begin()
				if last != nil {
					last()
				}
				return
			}
			if last != nil {
				r.group.Go(last)
			}
			continue
		}
		r.running = false
		r.mu.Unlock()
		if last != nil {
			last()
		}
		return
	}
}

// handOver starts what may block, but for the last of it.
func (r *Runner) handOver() (last func()) {
	for i, f := range r.later {
		if last != nil {
			r.group.Go(last)
		}
		last, r.later[i] = f, nil
	}
	r.later = r.later[:0]
	return last
}
