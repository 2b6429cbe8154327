package webtransportgo

import "sync"

// waits are the calls of streams that are under way. The library wakes those of
// a session that ends only as long as it remembers the stream, and it may have
// forgotten one that a call is still about: those would wait for ever.
type waits struct {
	mu    sync.Mutex
	over  bool
	calls map[interrupter]struct{}
}

// An interrupter is half of a stream whose call can be made to return.
type interrupter interface{ interrupt() }

// begin notes a call; false says that the session is over. It is a call at most
// a half at a time.
func (w *waits) begin(i interrupter) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return false
	}
	if w.calls == nil {
		w.calls = map[interrupter]struct{}{}
	}
	w.calls[i] = struct{}{}
	return true
}

func (w *waits) done(i interrupter) {
	w.mu.Lock()
	delete(w.calls, i)
	w.mu.Unlock()
}

// end interrupts all calls.
func (w *waits) end() {
	w.mu.Lock()
	w.over = true
	calls := w.calls
	w.calls = nil
	w.mu.Unlock()
	for i := range calls {
		i.interrupt()
	}
}
