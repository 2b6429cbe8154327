package moqt

import (
	"context"
	"io"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/moqtgo/moqt/core/moq"
)

// A TrackHandler produces tracks that are wanted.
//
// ServeTrack is run once for each track, however many subscribers there are.
// It should return when w.Context() ends; returning ends the track if Close
// and CloseWithError have not: a handler that has no such track returns after
// w.CloseWithError(ErrNotFound).
type TrackHandler interface {
	ServeTrack(w *TrackWriter)
}

// TrackHandlerFunc is a function as a TrackHandler.
type TrackHandlerFunc func(*TrackWriter)

// ServeTrack calls f.
func (f TrackHandlerFunc) ServeTrack(w *TrackWriter) { f(w) }

// A FetchHandler serves groups that are no longer in the cache. A TrackHandler
// that is one too is asked for those of its tracks.
//
// ServeFetch writes the groups from r.Start to r.End, by OpenGroup, and
// returns; an error before the first group refuses the request. r.Name is as
// w.Name() of the track, and w.Context() ends with the request.
type FetchHandler interface {
	ServeFetch(w *TrackWriter, r FetchRequest) error
}

// FetchHandlerFunc is a function as a FetchHandler.
type FetchHandlerFunc func(w *TrackWriter, r FetchRequest) error

// ServeFetch calls f.
func (f FetchHandlerFunc) ServeFetch(w *TrackWriter, r FetchRequest) error { return f(w, r) }

// acceptAfter is when a track whose handler has said nothing is taken to be
// one with the default info.
const acceptAfter = 250 * time.Millisecond

// A handled is a TrackHandler as a route.Source.
type handled struct {
	ctx     context.Context // of the publication
	mux     *TrackMux
	handler TrackHandler

	mu      sync.Mutex
	writers map[*moq.Track]*TrackWriter
}

func newHandled(ctx context.Context, m *TrackMux, h TrackHandler) *handled {
	return &handled{ctx: ctx, mux: m, handler: h, writers: map[*moq.Track]*TrackWriter{}}
}

// Track implements route.Source: the Mux makes the tracks.
func (h *handled) Track(FullTrackName) *moq.Track { return nil }

// Want implements route.Source.
func (h *handled) Want(t *moq.Track) {
	ended, _ := t.Ended()
	h.mu.Lock()
	w := h.writers[t]
	if w == nil && !ended && t.Demand().Readers > 0 {
		if h.ctx.Err() != nil {
			h.mu.Unlock()
			t.Fail(moq.Errorf(moq.CodeDropped, "the publisher has left"))
			return
		}
		w = newTrackWriter(h.ctx, t, h.name(t.Name()), true)
		h.writers[t] = w
		go h.serve(w)
	}
	h.mu.Unlock()
	if w != nil {
		w.demandChanged()
	}
}

func (h *handled) name(n FullTrackName) FullTrackName {
	n.Path, _ = h.mux.view.Relative(n.Path)
	return n
}

func (h *handled) serve(w *TrackWriter) {
	timer := time.AfterFunc(acceptAfter, w.accept)
	func() {
		defer w.survive(h.mux.log)
		h.handler.ServeTrack(w)
	}()
	timer.Stop()
	t := w.w.Track()
	h.mu.Lock()
	ours := h.writers[t] == w // otherwise somebody else writes it now
	if ours {
		delete(h.writers, t)
	}
	h.mu.Unlock()
	if ours {
		t.Finish(0)
	}
	w.cancel(moq.ErrClosed)
}

// survive is deferred around a handler: its panic ends its track, and nothing
// else.
func (w *TrackWriter) survive(log *slog.Logger) {
	v := recover()
	if v == nil {
		return
	}
	if log == nil {
		log = slog.Default()
	}
	log.Error("panic in a track's handler", "track", w.Name().String(), "value", v, "stack", string(debug.Stack()))
	w.CloseWithError(moq.Errorf(moq.CodeInternal, "internal error"))
}

// Drop implements route.Source.
func (h *handled) Drop(t *moq.Track) {
	h.mu.Lock()
	w := h.writers[t]
	delete(h.writers, t)
	h.mu.Unlock()
	if w != nil {
		w.cancel(moq.Errorf(moq.CodeCanceled, "nobody wants the track"))
	}
}

// Fetch implements route.Source.
func (h *handled) Fetch(ctx context.Context, r FetchRequest) (*ObjectReader, error) {
	f, ok := h.handler.(FetchHandler)
	if !ok {
		return nil, moq.Errorf(moq.CodeNotFound, "%q is not in the cache", r.Name)
	}
	r.Name = h.name(r.Name)
	return serveFetch(ctx, f, r, h.mux.cache, h.mux.log)
}

// serveFetch runs a FetchHandler and returns once it has begun to answer.
func serveFetch(ctx context.Context, f FetchHandler, r FetchRequest, limits CacheLimits, log *slog.Logger) (*ObjectReader, error) {
	t := moq.NewTrack(r.Name, limits, nil)
	t.Certain()
	w := newTrackWriter(context.WithoutCancel(ctx), t, r.Name, false)
	stop := context.AfterFunc(ctx, func() { w.cancel(context.Cause(ctx)) })
	go func() {
		func() {
			defer w.survive(log)
			if err := f.ServeFetch(w, r); err != nil {
				t.Fail(asError(err))
			}
		}()
		w.accept()
		t.Finish(0)
		w.cancel(moq.ErrClosed)
	}()
	if _, err := t.WaitInfo(ctx); err != nil {
		w.cancel(moq.ErrCanceled)
		return nil, err
	}
	return t.Read(r.Start, r.End, func() {
		stop()
		w.cancel(moq.ErrCanceled)
	}), nil
}

var _ io.Closer = (*TrackWriter)(nil)
