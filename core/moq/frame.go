package moq

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

// A Frame is what applications write and read: a payload and, where the track
// has timestamps, when it is to be shown.
type Frame struct {
	Payload []byte
	// Timed says that Timestamp, in units of TrackInfo.Timescale, was given.
	Timed     bool
	Timestamp uint64
}

// A GroupReader reads the frames of one group in order. It belongs to one
// goroutine.
type GroupReader struct {
	r    *SubgroupReader
	dg   *Datagram // instead of r: a group of one frame
	done bool      // dg was read
}

// NextGroup returns the next group in the order of arrival, and blocks until
// there is one. The error is io.EOF after the end of the track. Over
// moq-transport a group may come in parts, each a GroupReader of its own: its
// subgroups, and what another publisher brings where a stream was cut short.
func (r *TrackReader) NextGroup(ctx context.Context) (*GroupReader, error) {
	for {
		changed := r.track.Changed()
		sg, dg, err := r.Next()
		switch {
		case err != nil:
			return nil, err
		case sg != nil:
			return &GroupReader{r: sg}, nil
		case dg != nil:
			return &GroupReader{dg: dg}, nil
		}
		if err := await(ctx, changed); err != nil {
			return nil, err
		}
	}
}

// Groups iterates over the groups in the order of arrival until the track
// ends; it yields an error last where the track did not end well.
func (r *TrackReader) Groups(ctx context.Context) iter.Seq2[*GroupReader, error] {
	return func(yield func(*GroupReader, error) bool) {
		for {
			g, err := r.NextGroup(ctx)
			if err == io.EOF || !yield(g, err) || err != nil {
				return
			}
		}
	}
}

// Sequence returns the group's sequence number.
func (g *GroupReader) Sequence() uint64 {
	if g.dg != nil {
		return g.dg.group.Sequence
	}
	return g.r.Group()
}

// ReadObject returns the next object once its payload is complete. The error
// is io.EOF after the end of the group, and an *Error where it was cut short.
func (g *GroupReader) ReadObject(ctx context.Context) (*Object, error) {
	if g.dg != nil {
		if g.done {
			return nil, io.EOF
		}
		g.done = true
		return g.dg.Object, nil
	}
	for {
		changed := g.r.group.track.Changed()
		p, ok, err := g.r.Next()
		switch {
		case ok && p.Last:
			return p.Object, nil
		case ok:
			continue
		case err != nil:
			return nil, err
		}
		if err := await(ctx, changed); err != nil {
			return nil, err
		}
	}
}

// ReadFrame returns the next frame. Its payload may be shared with other
// readers: do not modify it. Errors as ReadObject.
func (g *GroupReader) ReadFrame(ctx context.Context) (Frame, error) {
	o, err := g.ReadObject(ctx)
	if err != nil {
		return Frame{}, err
	}
	return Frame{Payload: o.Payload(), Timed: o.Timed, Timestamp: o.Timestamp}, nil
}

// Frames iterates over the frames of the group; it yields an error last where
// the group was cut short.
func (g *GroupReader) Frames(ctx context.Context) iter.Seq2[Frame, error] {
	return func(yield func(Frame, error) bool) {
		for {
			f, err := g.ReadFrame(ctx)
			if err == io.EOF || !yield(f, err) || err != nil {
				return
			}
		}
	}
}

// A TrackWriter produces a track: each frame is written once, however many
// subscribers there are. Its methods may be called concurrently; a
// GroupWriter belongs to one goroutine.
type TrackWriter struct {
	t   *Track
	now func() time.Time
}

// NewTrackWriter returns a producer of t that takes the time from now.
func NewTrackWriter(t *Track, now func() time.Time) *TrackWriter {
	return &TrackWriter{t: t, now: now}
}

// Track returns the track that is written.
func (w *TrackWriter) Track() *Track { return w.t }

// SetInfo sets what subscribers are told of the track. Call it before the
// first group.
func (w *TrackWriter) SetInfo(info TrackInfo) { w.t.SetInfo(info) }

// AppendGroup opens the group after the largest one.
func (w *TrackWriter) AppendGroup() (*GroupWriter, error) {
	for {
		seq, err := w.next()
		if err != nil {
			return nil, err
		}
		g, err := w.OpenGroup(seq)
		if !errors.Is(err, ErrDuplicate) {
			return g, err
		}
	}
}

func (w *TrackWriter) next() (uint64, error) {
	l, ok := w.t.Largest()
	switch {
	case !ok:
		return 0, nil
	case l.Group+1 == 0:
		return 0, Errorf(CodeTooLarge, "no group comes after %d", l.Group)
	}
	return l.Group + 1, nil
}

// OpenGroup opens the group with the given sequence number. It fails with
// CodeDuplicate where that exists.
func (w *TrackWriter) OpenGroup(sequence uint64) (*GroupWriter, error) {
	sw, err := w.t.OpenGroup(sequence, w.now())
	if err != nil {
		return nil, err
	}
	return &GroupWriter{w: sw, now: w.now}, nil
}

// WriteDatagram sends a frame as a group of its own, unreliably where the
// transport has datagrams.
func (w *TrackWriter) WriteDatagram(f Frame) error {
	for {
		seq, fail := w.next()
		if fail != nil {
			return fail
		}
		err := w.t.AddGroup(seq, f, w.now())
		if err == nil {
			return nil
		}
		if err.Code != CodeDuplicate {
			return err
		}
	}
}

// Close ends the track: what was written is still delivered. Groups that are
// open are cut short: close them first.
func (w *TrackWriter) Close() error {
	w.t.Finish(0)
	return nil
}

// CloseWithError ends the track with an error.
func (w *TrackWriter) CloseWithError(err *Error) { w.t.Fail(err) }

// A GroupWriter writes the frames of one group.
type GroupWriter struct {
	w   *SubgroupWriter
	now func() time.Time
	id  uint64
}

// Sequence returns the group's sequence number.
func (g *GroupWriter) Sequence() uint64 { return g.w.sg.Group() }

// WriteFrame appends a frame; its payload is copied.
func (g *GroupWriter) WriteFrame(f Frame) error {
	h := ObjectHeader{ID: g.id, Priority: g.w.sg.Priority, Timed: f.Timed, Timestamp: f.Timestamp}
	if err := g.w.Append(h, f.Payload, g.now()); err != nil {
		return err
	}
	g.id++
	return nil
}

// Write appends a frame with the payload p and no timestamp.
func (g *GroupWriter) Write(p []byte) (int, error) {
	if err := g.WriteFrame(Frame{Payload: p}); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close ends the group.
func (g *GroupWriter) Close() error {
	if err := g.w.Finish(true); err != nil {
		return err
	}
	return nil
}

// CloseWithError cuts the group short.
func (g *GroupWriter) CloseWithError(err *Error) { g.w.Reset(err) }
