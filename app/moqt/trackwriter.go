package moqt

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/moqtgo/moqt/core/moq"
)

// A TrackWriter produces a track: each frame is written once, however many
// subscribers there are. Its methods may be called concurrently.
//
// The writer of a TrackHandler has its subscribers wait until SetInfo or until
// it opens the first group, for 250 ms at most; and its first group waits
// until a subscriber wants it.
type TrackWriter struct {
	w      *moq.TrackWriter
	name   FullTrackName
	ctx    context.Context
	cancel context.CancelCauseFunc
	lazy   bool // the first group waits for a subscriber

	mu      sync.Mutex
	begun   bool // it has waited
	changed chan struct{}
}

func newTrackWriter(parent context.Context, t *moq.Track, name FullTrackName, lazy bool) *TrackWriter {
	w := &TrackWriter{w: moq.NewTrackWriter(t, time.Now), name: name, lazy: lazy}
	w.ctx, w.cancel = context.WithCancelCause(parent)
	return w
}

// Name returns the path of the broadcast, as the publisher knows it, and the
// name of the track. A track of a Broadcast has no path.
func (w *TrackWriter) Name() FullTrackName { return w.name }

// Context ends when nothing more is wanted: with the end of the track, and in
// a handler with that of what was published, and a while after the last
// subscriber has left.
func (w *TrackWriter) Context() context.Context { return w.ctx }

// Track returns the log that is written.
func (w *TrackWriter) Track() *Track { return w.w.Track() }

// SetInfo says what subscribers are told of the track; call it before the
// first group. A zero Timescale is 1000, a zero MaxAge 5 s.
func (w *TrackWriter) SetInfo(info TrackInfo) {
	if w.ctx.Err() == nil {
		w.w.SetInfo(withDefaults(info))
	}
}

// accept says the default of what SetInfo has not.
func (w *TrackWriter) accept() {
	if _, known := w.w.Track().Info(); !known {
		w.SetInfo(TrackInfo{})
	}
}

// begin is called before a group is opened.
func (w *TrackWriter) begin() error {
	w.accept()
	w.mu.Lock()
	begun := w.begun
	w.mu.Unlock()
	if !begun && w.lazy {
		if err := w.WaitSubscribers(w.ctx); err != nil {
			return err
		}
	}
	w.mu.Lock()
	w.begun = true
	w.mu.Unlock()
	return w.alive()
}

func (w *TrackWriter) alive() error {
	if w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	return nil
}

// AppendGroup opens the group after the largest one. Close it; several may be
// open.
func (w *TrackWriter) AppendGroup() (*GroupWriter, error) {
	if err := w.begin(); err != nil {
		return nil, err
	}
	return w.w.AppendGroup()
}

// OpenGroup opens the group with the given sequence number. It returns
// ErrDuplicate where that exists.
func (w *TrackWriter) OpenGroup(sequence uint64) (*GroupWriter, error) {
	if err := w.begin(); err != nil {
		return nil, err
	}
	return w.w.OpenGroup(sequence)
}

// SendDatagram sends a frame as a group of its own: unreliably where the
// transport and the version have datagrams, and on a stream otherwise.
func (w *TrackWriter) SendDatagram(f Frame) error {
	if err := w.begin(); err != nil {
		return err
	}
	return w.w.WriteDatagram(f)
}

// Close ends the track: what was written is still delivered. Groups that are
// open are cut short: close them first.
func (w *TrackWriter) Close() error {
	if err := w.alive(); err != nil {
		return err
	}
	err := w.w.Close()
	w.cancel(moq.ErrClosed)
	return err
}

// CloseWithError ends the track with an error: subscribers get its Code if it
// is an *Error, and CodeInternal otherwise.
func (w *TrackWriter) CloseWithError(err error) {
	if w.alive() == nil {
		w.w.CloseWithError(asError(err))
		w.cancel(moq.ErrClosed)
	}
}

// Demand returns what all subscribers want together. Who asks for the info of
// the track only counts as a paused one.
func (w *TrackWriter) Demand() Demand { return w.w.Track().Demand() }

// WaitSubscribers waits until there is a subscriber that is not paused.
func (w *TrackWriter) WaitSubscribers(ctx context.Context) error {
	for {
		changed := w.demandChange()
		if d := w.Demand(); d.Readers > 0 && !d.Paused {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-w.ctx.Done():
			return context.Cause(w.ctx)
		}
	}
}

// WaitDrained waits until there is no subscriber. After Close that is when
// each of them has got everything, or has left.
func (w *TrackWriter) WaitDrained(ctx context.Context) error {
	for {
		changed := w.demandChange()
		if w.Demand().Readers == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// DemandChanged returns a channel that is closed with the next change of the
// demand, also after the end of the track. Look at Demand after calling it,
// then wait.
func (w *TrackWriter) DemandChanged() <-chan struct{} { return w.demandChange() }

// demandChange returns a channel that is closed when the demand changes.
func (w *TrackWriter) demandChange() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.changed == nil {
		w.changed = make(chan struct{})
	}
	return w.changed
}

func (w *TrackWriter) demandChanged() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.changed != nil {
		close(w.changed)
		w.changed = nil
	}
}

func errorAs(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}
