package moqt

import (
	"context"
	"errors"
	"time"

	"github.com/moqtgo/moqt/ports/quic"
)

// Close ends every session, and everything else, at once. It returns when that
// is done, after two seconds at the latest; handlers that do not look at their
// session may still run then.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	bound := time.NewTimer(time.Second)
	defer bound.Stop()
	s.endSessions(bound.C)
	s.mu.Lock()
	wt := s.wt
	var listeners []quic.Listener
	for ln := range s.listeners {
		listeners = append(listeners, *ln)
	}
	s.mu.Unlock()
	var err error
	if wt != nil {
		err = wt.Close()
	}
	for _, ln := range listeners {
		err = errors.Join(err, ln.Close())
	}
	s.mu.Lock()
	for conn := range s.conns {
		go func() { _ = (*conn).CloseWithError(SessionNoError, "the server is closing") }()
	}
	s.mu.Unlock()
	bound.Reset(time.Second)
	s.wait(func() bool { return len(s.sessions)+len(s.conns) == 0 }, bound.C)
	return err
}

// endSessions closes every session with its code.
func (s *Server) endSessions(bound <-chan time.Time) {
	s.mu.Lock()
	for sess := range s.sessions {
		go func() { _ = sess.CloseWithError(SessionNoError, "the server is closing") }()
	}
	s.mu.Unlock()
	s.wait(func() bool { return len(s.sessions) == 0 }, bound)
}

// wait waits until done, which is called with s.mu held.
func (s *Server) wait(done func() bool, bound <-chan time.Time) bool {
	for {
		s.mu.Lock()
		if done() {
			s.mu.Unlock()
			return true
		}
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-bound:
			return false
		}
	}
}

// Shutdown accepts nothing more, asks every peer to go away, and waits until
// all sessions have ended, or until ctx ends; then it is Close. The error is
// that of ctx where sessions had to be ended by force.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	for sess := range s.sessions {
		go func() {
			timeout := time.Duration(0)
			if d, ok := ctx.Deadline(); ok {
				timeout = time.Until(d)
			}
			_ = sess.Goaway(ctx, "", timeout)
		}()
	}
	s.mu.Unlock()
	over := make(chan time.Time)
	stop := context.AfterFunc(ctx, func() { close(over) })
	drained := s.wait(func() bool { return len(s.sessions) == 0 }, over)
	stop()
	err := s.Close()
	if !drained {
		return context.Cause(ctx)
	}
	return err
}
