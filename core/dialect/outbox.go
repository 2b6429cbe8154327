package dialect

import (
	"io"
	"sync"

	"github.com/moqtgo/moqt/ports/quic"
)

// An Outbox writes messages to a stream without blocking who sends them.
type Outbox struct {
	Task
	w *streamWriter

	mu    sync.Mutex
	queue []byte
	taken int // bytes of queue that are being written
	end   error
	more  func() []byte
	ended error
	done  bool
}

// NewOutbox returns the outbox of a stream. rank orders it among the tasks of
// the runner.
func NewOutbox(r *Runner, rank uint64, s quic.SendStream) *Outbox {
	o := &Outbox{}
	o.w = newStreamWriter(r, s, o.next, func(err error) {
		o.mu.Lock()
		o.ended, o.done = err, true
		r.owe(-o.taken - len(o.queue))
		o.taken, o.queue = 0, nil
		o.mu.Unlock()
	})
	o.init(r, rank, o.w.serve)
	return o
}

func (o *Outbox) next() ([]byte, error) {
	o.mu.Lock()
	b, end, more := o.queue, o.end, o.more
	r := o.runner
	r.owe(-o.taken)
	o.taken, o.queue = len(b), nil
	o.mu.Unlock()
	if len(b) > 0 {
		return b, nil
	}
	if end != nil {
		return nil, end
	}
	if more != nil {
		return more(), nil
	}
	return nil, nil
}

// Send queues a message.
func (o *Outbox) Send(b []byte) {
	o.mu.Lock()
	took := o.end == nil && !o.done
	if took {
		o.queue = append(o.queue, b...)
	}
	o.mu.Unlock()
	o.Wake()
	if took {
		o.runner.owe(len(b))
	}
}

// Waiting reports whether a message waits until the peer takes earlier ones.
func (o *Outbox) Waiting() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.queue) > 0
}

// Ask makes the outbox ask more for messages whenever all that was sent is
// written and it is woken.
func (o *Outbox) Ask(more func() []byte) {
	o.mu.Lock()
	o.more = more
	o.mu.Unlock()
	o.Wake()
}

// Close ends the stream with FIN once all is written.
func (o *Outbox) Close() { o.finish(io.EOF) }

// Reset ends the stream with a reset; what is queued is dropped.
func (o *Outbox) Reset(code quic.ErrorCode) {
	o.mu.Lock()
	o.runner.owe(-len(o.queue))
	o.queue = nil
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
