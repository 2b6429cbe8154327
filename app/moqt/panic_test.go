package moqt

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/ports/quic"
)

// wantClosed wants the session ended by the peer with its code of an internal
// error.
func wantClosed(w *world, s *Session) {
	w.Helper()
	codes := map[bool]quic.ErrorCode{true: SessionInternal, false: 1}
	lite := strings.HasPrefix(s.Version(), "moq-lite") || s.Version() == "moql"
	var end *ConnError
	require.ErrorAs(w, s.Wait(), &end)
	require.True(w, end.Remote)
	require.Equal(w, codes[lite], end.Code)
}

// A SetupHandler that panics, before it decides or after, loses its session
// and nothing else.
func TestSetupHandlerPanics(t *testing.T) {
	forEach(t, func(w *world, url, version string) {
		s, r := w.server()
		innocent := NewTrackMux(nil)
		b := NewBroadcast()
		track, err := b.Track("t", TrackInfo{})
		require.NoError(w, err)
		require.NoError(w, innocent.Announce(w.ctx(), "b", b))
		late := make(chan struct{})
		var calls int
		s.Handler = SetupHandlerFunc(func(sw SetupResponseWriter, sr *SetupRequest) {
			calls++
			switch calls {
			case 2:
				panic("before the decision")
			case 3:
				_, err := Accept(sw, sr, innocent)
				require.NoError(w, err)
				<-late
				panic(errors.New("after it"))
			}
			_, err := Accept(sw, sr, innocent)
			require.NoError(w, err)
		})
		_ = r
		w.serve(s)
		c := w.client("good")
		c.Config = &Config{Versions: []string{version}}
		good, err := c.Dial(w.ctx(), url, NewTrackMux(nil))
		require.NoError(w, err)
		reader, err := good.Subscribe(w.ctx(), "b", "t", nil)
		require.NoError(w, err)

		bad, err := c.Dial(w.ctx(), url, NewTrackMux(nil))
		if err == nil { // the server says nothing before it is asked
			wantClosed(w, bad)
		}
		bad, err = c.Dial(w.ctx(), url, NewTrackMux(nil))
		require.NoError(w, err)
		w.sleep(time.Second)
		close(late)
		wantClosed(w, bad)

		writeGroup(w, track, "still here")
		_, frames := readGroup(w.ctx(), w, reader)
		require.Equal(w, []string{"still here"}, frames)
		require.EqualValues(w, 2, s.Stats().Panics)
		require.Equal(w, 1, s.Stats().Sessions)
		require.Contains(w, w.log.take(), "before the decision")
		w.end(good)
		require.NoError(w, s.Close())
		require.Zero(w, s.Stats().Conns)
	})
}

// A panic in what a session asks of the application, here whether it may, is
// the session's end.
func TestSessionPanics(t *testing.T) {
	forEach(t, func(w *world, url, version string) {
		s, _ := w.server()
		mux := NewTrackMux(nil)
		guarded := mux.With(func(op Op, path Path) error {
			if path == "trap" {
				panic("sprung")
			}
			return nil
		})
		s.Handler = SetupHandlerFunc(func(sw SetupResponseWriter, sr *SetupRequest) {
			_, err := Accept(sw, sr, guarded)
			require.NoError(w, err)
		})
		w.serve(s)
		c := w.client("bad")
		c.Config = &Config{Versions: []string{version}}
		bad, err := c.Dial(w.ctx(), url, NewTrackMux(nil))
		require.NoError(w, err)
		good := w.dial("good", url, nil)
		_, err = bad.Subscribe(w.ctx(), "trap", "t", nil)
		require.Error(w, err)
		wantClosed(w, bad)
		_, err = good.Subscribe(w.ctx(), "b", "t", nil)
		require.ErrorIs(w, err, ErrNotFound, "it is served")
		require.EqualValues(w, 1, s.Stats().Panics)
		w.end(good)
		require.NoError(w, s.Close())
	})
}

// A TrackHandler or FetchHandler that panics ends its track only.
func TestTrackHandlerPanics(t *testing.T) {
	bubble(t, func(w *world) {
		mux := NewTrackMux(&TrackMuxConfig{Logger: slog.New(slog.NewTextHandler(w.log, nil))})
		ctx, cancel := context.WithCancel(w.ctx())
		defer cancel()
		require.NoError(w, mux.Publish(ctx, "b", trapped{}))
		_, err := mux.Subscribe(ctx, "b", "track", nil)
		require.ErrorIs(w, err, ErrInternal)
		require.Contains(w, w.log.take(), "no track")
		_, err = mux.Fetch(ctx, GroupFetch("b", "track", 3, 1))
		require.ErrorIs(w, err, ErrInternal)
		require.Contains(w, w.log.take(), "no fetch")
	})
}

type trapped struct{}

func (trapped) ServeTrack(*TrackWriter)                     { panic("no track") }
func (trapped) ServeFetch(*TrackWriter, FetchRequest) error { panic("no fetch") }
