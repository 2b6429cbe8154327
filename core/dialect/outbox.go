package dialect

import (
	"cmp"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/moqtgo/moqt/ports/quic"
)

// An Outbox writes messages to a stream without blocking who sends them.
type Outbox struct {
	Task
	w *streamWriter

	mu    sync.Mutex
	queue []byte
	parts []part // of queue
	taken int    // bytes of queue that are being written
	end   error
	more  func() []byte
	lull  time.Duration
	ended error
	done  bool

	// of who writes
	said   bool      // more has returned some since silent
	silent time.Time // when more had nothing
}

// NewOutbox returns the outbox of a stream. rank orders it among the tasks of
// the runner.
func NewOutbox(r *Runner, rank uint64, s quic.SendStream) *Outbox {
	o := &Outbox{}
	o.w = newStreamWriter(r, s, o.next, func(err error) {
		o.mu.Lock()
		o.ended, o.done = err, true
		r.owe(-o.taken - len(o.queue))
		o.taken, o.queue, o.parts = 0, nil, nil
		o.mu.Unlock()
	})
	o.init(r, rank, o.w.serve)
	return o
}

func (o *Outbox) next() ([]byte, error) {
	o.mu.Lock()
	b, end, more := o.ordered(), o.end, o.more
	r := o.runner
	r.owe(-o.taken)
	o.taken, o.queue, o.parts = len(b), nil, o.parts[:0]
	o.mu.Unlock()
	if len(b) > 0 {
		return b, nil
	}
	if end != nil {
		return nil, end
	}
	if more == nil || o.lulled() {
		return nil, nil
	}
	b = more()
	switch {
	case len(b) > 0:
		o.said = true
	case o.said:
		o.said, o.silent = false, time.Now()
	}
	return b, nil
}

// lulled reports whether it is too early to ask for more, and sees to it that
// more is asked for later.
func (o *Outbox) lulled() bool {
	if o.lull <= 0 || o.silent.IsZero() {
		return false
	}
	wait := o.lull - time.Since(o.silent)
	if wait > 0 {
		time.AfterFunc(wait, o.Wake)
	}
	return wait > 0
}

// Send queues a message.
func (o *Outbox) Send(b []byte) { o.SendRanked(0, b) }

// SendRanked queues a message that leaves before those of a higher rank which wait
// with it: what belongs to several requests comes in one order, whoever was
// quicker. Those of one rank keep theirs.
func (o *Outbox) SendRanked(rank uint64, b []byte) {
	o.mu.Lock()
	took := o.end == nil && !o.done
	if took {
		o.queue = append(o.queue, b...)
		o.parts = append(o.parts, part{rank, len(b)})
	}
	o.mu.Unlock()
	o.Wake()
	if took {
		o.runner.owe(len(b))
	}
}

// A part is one message of a queue.
type part struct {
	rank uint64
	size int
}

// ordered returns what is queued by rank.
func (o *Outbox) ordered() []byte {
	byRank := func(a, b part) int { return cmp.Compare(a.rank, b.rank) }
	if slices.IsSortedFunc(o.parts, byRank) {
		return o.queue
	}
	type message struct {
		part
		b []byte
	}
	all := make([]message, len(o.parts))
	rest := o.queue
	for i, p := range o.parts {
		all[i], rest = message{p, rest[:p.size]}, rest[p.size:]
	}
	slices.SortStableFunc(all, func(a, b message) int { return byRank(a.part, b.part) })
	b := make([]byte, 0, len(o.queue))
	for _, m := range all {
		b = append(b, m.b...)
	}
	return b
}

// Queued returns how many messages have not begun to be written.
func (o *Outbox) Queued() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.parts)
}

// Ask makes the outbox ask more for messages whenever all that was sent is
// written and it is woken; but once there were no more, not before lull has
// passed. What changes back and forth meanwhile need not be said.
func (o *Outbox) Ask(more func() []byte, lull time.Duration) {
	o.mu.Lock()
	o.more, o.lull = more, lull
	o.mu.Unlock()
	o.Wake()
}

// Close ends the stream with FIN once all is written.
func (o *Outbox) Close() { o.finish(io.EOF) }

// Reset ends the stream with a reset; what is queued is dropped.
func (o *Outbox) Reset(code quic.ErrorCode) {
	o.mu.Lock()
	o.runner.owe(-len(o.queue))
	o.queue, o.parts = nil, nil
	first := o.end == nil && !o.done
	o.mu.Unlock()
	if first {
		o.w.s.CancelWrite(code)
	}
	o.finish(resetError{code})
}

func (o *Outbox) finish(err error) {
	o.mu.Lock()
	if o.end == nil {
		o.end = err
	}
	o.mu.Unlock()
	o.Wake()
}
