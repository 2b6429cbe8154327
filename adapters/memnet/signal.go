package memnet

import "context"

// A signal wakes everybody who waits for a change. The network's lock guards
// it.
type signal struct{ ch chan struct{} }

func (s *signal) wait() <-chan struct{} {
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

func (s *signal) fire() {
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}

// An ending is a context that exists from its first use.
type ending struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	cause  error
}

func (e *ending) context() context.Context {
	if e.ctx == nil {
		e.ctx, e.cancel = context.WithCancelCause(context.Background())
		if e.cause != nil {
			e.cancel(e.cause)
		}
	}
	return e.ctx
}

// end keeps the first cause.
func (e *ending) end(cause error) {
	if e.cause != nil {
		return
	}
	e.cause = cause
	if e.cancel != nil {
		e.cancel(cause)
	}
}
