package moq

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWriteAndRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewTrackWriter(track(CacheLimits{}), time.Now)
		w.SetInfo(TrackInfo{Timescale: 1000})
		r := w.Track().Subscribe(Subscription{}, nil)
		go func() {
			for i := range 3 {
				time.Sleep(time.Second)
				g, err := w.AppendGroup()
				if err != nil {
					t.Error(err)
					return
				}
				for j := range i + 1 {
					time.Sleep(time.Second)
					err = g.WriteFrame(Frame{Payload: fmt.Append(nil, i, j), Timed: true, Timestamp: uint64(j)})
				}
				n, werr := g.Write([]byte("last"))
				if err != nil || werr != nil || n != 4 || g.Close() != nil {
					t.Error("write failed")
				}
			}
			if err := w.WriteDatagram(Frame{Payload: []byte("dg")}); err != nil {
				t.Error(err)
			}
			g, _ := w.OpenGroup(9)
			g.CloseWithError(ErrOld)
			_, err := w.OpenGroup(9)
			if !errors.Is(err, ErrDuplicate) || w.Close() != nil {
				t.Error("open again", err)
			}
		}()
		var got []string
		for g, err := range r.Groups(t.Context()) {
			require.NoError(t, err)
			s := fmt.Sprint(g.Sequence(), ":")
			for f, err := range g.Frames(t.Context()) {
				if err != nil {
					s += " " + err.(*Error).Code.String()
					continue
				}
				s += " " + string(f.Payload)
				require.Equal(t, string(f.Payload) != "last" && string(f.Payload) != "dg", f.Timed)
			}
			got = append(got, s)
		}
		require.Equal(t, []string{"0: 0 0 last", "1: 1 0 1 1 last", "2: 2 0 2 1 2 2 last", "3: dg", "9: too old"}, got)
		final, ok := r.Final()
		require.True(t, ok)
		require.EqualValues(t, 10, final)
	})
}

func TestBlockingCallsHonourTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewTrackWriter(track(CacheLimits{}), time.Now)
		r := w.Track().Subscribe(Subscription{}, nil)
		g, err := w.AppendGroup()
		require.NoError(t, err)
		gr, err := r.NextGroup(t.Context())
		require.NoError(t, err)
		why := errors.New("enough")
		for name, call := range map[string]func(context.Context) error{
			"group": func(ctx context.Context) error { _, err := r.NextGroup(ctx); return err },
			"frame": func(ctx context.Context) error { _, err := gr.ReadFrame(ctx); return err },
			"info":  func(ctx context.Context) error { _, err := w.Track().WaitInfo(ctx); return err },
		} {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Minute, func() { cancel(why) })
			require.Equal(t, why, call(ctx), name)
		}
		// Close of the reader and the end of the track unblock too.
		time.AfterFunc(time.Second, func() { _ = g.Close() })
		_, err = gr.ReadFrame(t.Context())
		require.Equal(t, io.EOF, err)
		time.AfterFunc(time.Second, r.Close)
		_, err = r.NextGroup(t.Context())
		require.Equal(t, ErrClosed, err)
		time.AfterFunc(time.Second, func() { w.CloseWithError(ErrTimeout) })
		_, err = w.Track().WaitInfo(t.Context())
		require.ErrorIs(t, err, ErrTimeout)
		for _, err := range w.Track().Subscribe(Subscription{}, nil).Groups(t.Context()) {
			if err != nil {
				require.ErrorIs(t, err, ErrTimeout)
			}
		}
		done := track(CacheLimits{})
		done.Finish(0)
		_, err = done.WaitInfo(t.Context())
		require.ErrorIs(t, err, ErrClosed)
	})
}

func TestProbeReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := 0
		r := NewProbeReader(func() { closed++ })
		r.Set(Probe{Bitrate: 1})
		r.Set(Probe{Bitrate: 2})
		p, err := r.Next(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 2, p.Bitrate)
		time.AfterFunc(time.Second, func() { r.Set(Probe{Bitrate: 3}) })
		p, err = r.Next(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 3, p.Bitrate)
		time.AfterFunc(time.Second, r.Close)
		_, err = r.Next(t.Context())
		require.ErrorIs(t, err, ErrClosed)
		synctest.Wait()
		require.Equal(t, 1, closed)
	})
}

func TestErrors(t *testing.T) {
	err := fmt.Errorf("outer: %w", &Error{Code: CodeNotFound, Reason: "no such thing", Remote: true, Wire: 13, Err: io.ErrUnexpectedEOF})
	require.ErrorIs(t, err, ErrNotFound)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.NotErrorIs(t, err, ErrTimeout)
	require.EqualError(t, err, "outer: moq: not found: no such thing (the peer's code 13): unexpected EOF")
	for c := CodeInternal; c <= CodeRange; c++ {
		require.NotEmpty(t, c.String())
		require.NotContains(t, c.String(), "code ")
	}
	require.Equal(t, "code 200", Code(200).String())
}
