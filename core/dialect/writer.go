package dialect

import (
	"errors"
	"io"

	"github.com/moqtgo/moqt/ports/quic"
)

// inline is the largest write that is tried without blocking: what fits one
// packet.
const inline = 1200

// A resetError makes a streamWriter reset its stream.
type resetError struct{ code quic.ErrorCode }

func (resetError) Error() string { return "dialect: the stream is to be reset" }

// A streamWriter writes to one stream what next returns: inline by the runner
// where that does not block, otherwise in a goroutine that ends when the
// stream has caught up.
type streamWriter struct {
	runner *Runner
	s      quic.SendStream
	// next returns the next bytes to write; none and no error when there are
	// none now; io.EOF to end the stream, a resetError to reset it.
	next func() ([]byte, error)
	// ended is called once, when the stream has ended or failed.
	ended func(error)
	pump  func()

	held []byte // taken from next, not written yet; owned by who writes

	// guarded by runner.mu
	busy  bool // a pump owns the writer
	again bool // look for more before the pump ends
	done  bool
}

func newStreamWriter(r *Runner, s quic.SendStream, next func() ([]byte, error), ended func(error)) *streamWriter {
	w := &streamWriter{runner: r, s: s, next: next, ended: ended}
	w.pump = w.block
	return w
}

// serve writes what does not block, and appends to later what may.
func (w *streamWriter) serve(later *[]func()) {
	w.runner.mu.Lock()
	if w.busy || w.done {
		w.again = true
		w.runner.mu.Unlock()
		return
	}
	w.runner.mu.Unlock()
	for {
		b, err := w.next()
		if err != nil {
			w.end(err)
			return
		}
		if len(b) == 0 {
			return
		}
		if len(b) <= inline {
			err = w.s.TryWrite(b)
			if err == nil {
				continue
			}
			if !errors.Is(err, quic.ErrWouldBlock) {
				w.end(err)
				return
			}
		}
		w.held = b
		w.runner.mu.Lock()
		w.busy = true
		w.runner.mu.Unlock()
		*later = append(*later, w.pump)
		return
	}
}

// block writes until there is nothing left.
func (w *streamWriter) block() {
	for {
		b, err := w.held, error(nil)
		if w.held = nil; b == nil {
			b, err = w.next()
		}
		if err == nil && len(b) > 0 {
			_, err = w.s.Write(b)
		}
		if err != nil {
			w.end(err)
			return
		}
		if len(b) > 0 {
			continue
		}
		w.runner.mu.Lock()
		if !w.again {
			w.busy = false
			w.runner.mu.Unlock()
			return
		}
		w.again = false
		w.runner.mu.Unlock()
	}
}

func (w *streamWriter) end(err error) {
	var reset resetError
	switch {
	case err == io.EOF:
		err = w.s.Close()
	case errors.As(err, &reset):
		w.s.CancelWrite(reset.code)
	}
	w.runner.mu.Lock()
	done := w.done
	w.done, w.busy = true, false
	w.runner.mu.Unlock()
	if !done {
		w.ended(err)
	}
}

// cancel resets the stream, whoever writes to it.
func (w *streamWriter) cancel(code quic.ErrorCode) {
	w.runner.mu.Lock()
	busy, done := w.busy, w.done
	w.runner.mu.Unlock()
	switch {
	case done:
	case busy: // the pump sees it
		w.s.CancelWrite(code)
	default:
		w.end(resetError{code})
	}
}

// pending reports whether the stream has bytes that are not written, and
// whether it has ended.
func (w *streamWriter) pending() (busy, done bool) {
	w.runner.mu.Lock()
	defer w.runner.mu.Unlock()
	return w.busy, w.done
}
