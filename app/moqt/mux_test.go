package moqt

import (
	"context"
	"errors"
	"io"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func local(t *testing.T, f func(t *testing.T, m *TrackMux)) {
	synctest.Test(t, func(t *testing.T) {
		f(t, NewTrackMux(nil))
		time.Sleep(time.Minute)
	})
}

func TestHandlerRunsOncePerTrack(t *testing.T) {
	local(t, func(t *testing.T, m *TrackMux) {
		ctx, cancel := context.WithCancel(t.Context())
		runs := 0
		ended := make(chan error, 1)
		require.NoError(t, m.At("live").PublishFunc(ctx, "room", func(w *TrackWriter) {
			runs++
			require.Equal(t, FullTrackName{Path: "room", Name: "chat"}, w.Name())
			writeGroup(t, w, "hi")
			<-w.Context().Done()
			ended <- context.Cause(w.Context())
			_, err := w.AppendGroup()
			require.Error(t, err)
		}))
		var readers []*TrackReader
		for range 3 {
			r, err := m.Subscribe(t.Context(), "live/room", "chat", nil)
			require.NoError(t, err)
			readers = append(readers, r)
			_, frames := readGroup(t.Context(), t, r)
			require.Equal(t, []string{"hi"}, frames)
		}
		require.Equal(t, 1, runs)
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
		for _, r := range readers {
			_, err := r.NextGroup(t.Context())
			require.Equal(t, io.EOF, err, "returning ends the track")
			r.Close()
		}
		synctest.Wait()
		_, err := m.Subscribe(t.Context(), "live/room", "chat", nil)
		require.ErrorIs(t, err, ErrNotFound)
	})
}

func TestHandlerEndsWhenNobodyWantsIt(t *testing.T) {
	local(t, func(t *testing.T, m *TrackMux) {
		ended := make(chan error, 2)
		require.NoError(t, m.PublishFunc(t.Context(), "room", func(w *TrackWriter) {
			writeGroup(t, w, "hi")
			<-w.Context().Done()
			ended <- context.Cause(w.Context())
		}))
		for range 2 { // and it is run again for the next one
			r, err := m.Subscribe(t.Context(), "room", "chat", nil)
			require.NoError(t, err)
			_, frames := readGroup(t.Context(), t, r)
			require.Equal(t, []string{"hi"}, frames)
			r.Close()
			start := time.Now()
			require.ErrorIs(t, <-ended, ErrCanceled)
			require.Equal(t, 30*time.Second, time.Since(start))
		}
	})
}

func TestHandlerRefuses(t *testing.T) {
	local(t, func(t *testing.T, m *TrackMux) {
		require.NoError(t, m.PublishFunc(t.Context(), "room", func(w *TrackWriter) {
			if w.Name().Name == "own" {
				w.CloseWithError(errors.New("mine"))
				return
			}
			w.CloseWithError(ErrNotFound)
		}))
		_, err := m.Subscribe(t.Context(), "room", "chat", nil)
		require.ErrorIs(t, err, ErrNotFound)
		_, err = m.Subscribe(t.Context(), "room", "own", nil)
		require.ErrorIs(t, err, ErrInternal)
		require.ErrorContains(t, err, "mine")
	})
}

func TestHandlerInfo(t *testing.T) {
	local(t, func(t *testing.T, m *TrackMux) {
		require.NoError(t, m.PublishFunc(t.Context(), "room", func(w *TrackWriter) {
			switch w.Name().Name {
			case "said":
				w.SetInfo(TrackInfo{Timescale: 90000, Priority: 3})
			case "slow":
			}
			<-w.Context().Done()
		}))
		start := time.Now()
		r, err := m.Subscribe(t.Context(), "room", "said", nil)
		require.NoError(t, err)
		require.Zero(t, time.Since(start))
		info, _ := r.Track().Info()
		require.Equal(t, TrackInfo{Timescale: 90000, Priority: 3, MaxAge: 5 * time.Second}, info)
		r.Close()
		r, err = m.Subscribe(t.Context(), "room", "slow", nil)
		require.NoError(t, err)
		require.Equal(t, acceptAfter, time.Since(start), "a handler that says nothing has the default")
		info, _ = r.Track().Info()
		require.Equal(t, TrackInfo{Timescale: 1000, MaxAge: 5 * time.Second}, info)
		r.Close()
	})
}

// The first group waits for a subscriber: who asks for the info first misses
// nothing.
func TestFirstGroupWaitsForSubscriber(t *testing.T) {
	local(t, func(t *testing.T, m *TrackMux) {
		require.NoError(t, m.PublishFunc(t.Context(), "room", func(w *TrackWriter) {
			for i := range 3 {
				writeGroup(t, w, strconv.Itoa(i))
			}
		}))
		asks, err := m.Subscribe(t.Context(), "room", "chat", &Subscription{Paused: true})
		require.NoError(t, err)
		synctest.Wait()
		_, arrived := asks.Track().Largest()
		require.False(t, arrived)
		r, err := m.Subscribe(t.Context(), "room", "chat", nil)
		require.NoError(t, err)
		asks.Close()
		for i := range 3 {
			_, frames := readGroup(t.Context(), t, r)
			require.Equal(t, []string{strconv.Itoa(i)}, frames)
		}
		_, err = r.NextGroup(t.Context())
		require.Equal(t, io.EOF, err)
		r.Close()
	})
}

func TestPrefix(t *testing.T) {
	local(t, func(t *testing.T, m *TrackMux) {
		named := func(s string) TrackHandler {
			return TrackHandlerFunc(func(w *TrackWriter) { writeGroup(t, w, s+" "+w.Name().String()) })
		}
		ctx, cancel := context.WithCancel(t.Context())
		require.NoError(t, m.HandlePrefix(t.Context(), "", named("root")))
		require.NoError(t, m.HandlePrefix(ctx, "a/b", named("prefix")))
		require.NoError(t, m.Publish(t.Context(), "a/b/c", named("announced")))
		get := func(path Path) string {
			r, err := m.Subscribe(t.Context(), path, "t", nil)
			require.NoError(t, err)
			defer r.Close()
			_, frames := readGroup(t.Context(), t, r)
			return frames[0]
		}
		require.Equal(t, "announced a/b/c:t", get("a/b/c"))
		require.Equal(t, "prefix a/b/d:t", get("a/b/d"))
		require.Equal(t, "prefix a/b:t", get("a/b"))
		require.Equal(t, "root a/bb:t", get("a/bb"))
		all, err := m.Announced(t.Context(), "")
		require.NoError(t, err)
		a, err := all.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, Path("a/b/c"), a.Path, "only what is announced is")
		all.Close()
		cancel()
		synctest.Wait()
		require.Equal(t, "root a/b/d:u", func() string {
			r, err := m.Subscribe(t.Context(), "a/b/d", "u", nil)
			require.NoError(t, err)
			defer r.Close()
			_, frames := readGroup(t.Context(), t, r)
			return frames[0]
		}())
	})
}

func TestWith(t *testing.T) {
	local(t, func(t *testing.T, m *TrackMux) {
		type asked struct {
			op   Op
			path Path
		}
		var log []asked
		deny := func(op Op, path Path) error {
			log = append(log, asked{op, path})
			if path == "secret" {
				return Errorf(CodeUnauthorized, "no")
			}
			return nil
		}
		v := m.At("a").With(deny).At("b").With(func(op Op, path Path) error {
			if op == OpPublish {
				return Errorf(CodeUnauthorized, "read only")
			}
			return nil
		})
		require.Equal(t, Path("a/b"), v.Root())
		require.ErrorIs(t, v.Announce(t.Context(), "x", NewBroadcast()), ErrUnauthorized)
		require.NoError(t, m.Announce(t.Context(), "a/b/x", NewBroadcast()))
		r, err := v.Announced(t.Context(), "")
		require.NoError(t, err)
		a, err := r.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, Path("x"), a.Path)
		r.Close()
		_, err = m.At("a").With(deny).Subscribe(t.Context(), "secret", "t", nil)
		require.ErrorIs(t, err, ErrUnauthorized)
		require.Equal(t, []asked{{OpPublish, "b/x"}, {OpWatch, "b"}, {OpSubscribe, "secret"}}, log)
	})
}

type fetcher struct{ TrackHandlerFunc }

func (fetcher) ServeFetch(w *TrackWriter, r FetchRequest) error {
	if r.Start.Group > 100 {
		return ErrOld
	}
	g, err := w.OpenGroup(r.Start.Group)
	if err != nil {
		return err
	}
	_, err = g.Write([]byte(r.Name.String() + " " + strconv.Itoa(int(r.Start.Group))))
	return errors.Join(err, g.Close())
}

func TestFetchHandler(t *testing.T) {
	local(t, func(t *testing.T, m *TrackMux) {
		require.NoError(t, m.Publish(t.Context(), "h", fetcher{func(w *TrackWriter) {}}))
		b := NewBroadcast()
		b.FetchHandler = fetcher{}
		track, err := b.Track("t", TrackInfo{})
		require.NoError(t, err)
		require.NoError(t, m.Announce(t.Context(), "b", b))
		writeGroup(t, track, "cached")
		get := func(path Path, group uint64) (string, error) {
			r, err := m.Fetch(t.Context(), GroupFetch(path, "t", group, 0))
			if err != nil {
				return "", err
			}
			defer r.Close()
			f, err := r.Next(t.Context())
			if err != nil {
				return "", err
			}
			_, err = r.Next(t.Context())
			require.Equal(t, io.EOF, err)
			return string(f.Object.Payload()), nil
		}
		for _, c := range []struct {
			path  Path
			group uint64
			want  string
		}{{"h", 7, "h:t 7"}, {"b", 0, "cached"}, {"b", 7, ":t 7"}} {
			got, err := get(c.path, c.group)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		}
		for _, p := range []Path{"h", "b"} {
			_, err := get(p, 101)
			require.ErrorIs(t, err, ErrOld)
		}
		b.FetchHandler = nil
		_, err = get("b", 7)
		require.ErrorIs(t, err, ErrNotFound)
	})
}

func TestBroadcastTracks(t *testing.T) {
	local(t, func(t *testing.T, m *TrackMux) {
		var b Broadcast // the zero value is ready
		w, err := b.Track("t", TrackInfo{})
		require.NoError(t, err)
		_, err = b.Track("t", TrackInfo{})
		require.ErrorIs(t, err, ErrDuplicate)
		ctx, cancel := context.WithCancel(t.Context())
		require.NoError(t, m.Announce(ctx, "x", &b))
		require.NoError(t, m.Announce(ctx, "y", &b))
		r, err := m.Subscribe(t.Context(), "y", "t", nil)
		require.NoError(t, err)
		writeGroup(t, w, "one")
		b.RemoveTrack("t")
		_, err = w.AppendGroup()
		require.ErrorIs(t, err, ErrClosed)
		require.ErrorIs(t, w.Close(), ErrClosed)
		_, frames := readGroup(t.Context(), t, r)
		require.Equal(t, []string{"one"}, frames)
		_, err = r.NextGroup(t.Context())
		require.Equal(t, io.EOF, err)

		short, cancelWait := context.WithTimeout(t.Context(), time.Second)
		require.ErrorIs(t, w.WaitDrained(short), context.DeadlineExceeded)
		cancelWait()
		r.Close()
		require.NoError(t, w.WaitDrained(t.Context()))

		_, err = m.Subscribe(t.Context(), "x", "t", nil)
		require.ErrorIs(t, err, ErrNotFound)
		require.NoError(t, b.Close())
		_, err = b.Track("u", TrackInfo{})
		require.ErrorIs(t, err, ErrClosed)
		cancel()
		synctest.Wait()
		require.Zero(t, m.Stats().Broadcasts)
		require.ErrorIs(t, m.Announce(ctx, "x", &b), context.Canceled)
	})
}

func TestPaths(t *testing.T) {
	for in, want := range map[Path]Path{"": "", "/": "", "/a//b/": "a/b", "a/b": "a/b", `a\/b/`: `a\/b/`, `\e/a`: `\e/a`} {
		require.Equal(t, want, clean(in), "%q", in)
	}
}

func TestHop(t *testing.T) {
	require.EqualValues(t, 7, NewTrackMux(&TrackMuxConfig{Hop: 7}).Hop())
	hop := NewTrackMux(nil).Hop()
	require.NotZero(t, hop)
	require.Less(t, hop, uint64(1)<<53)
	require.NotEqual(t, hop, NewTrackMux(nil).Hop())
	require.NotNil(t, DefaultMux)
}
