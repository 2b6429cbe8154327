package moqt

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// relay starts a server that enters what its sessions announce.
func (w *world) relay(mux *TrackMux) (*Server, chan *Session) {
	s, r := w.server()
	sessions := make(chan *Session, 10)
	r.HandleFunc("/", func(sw SetupResponseWriter, sr *SetupRequest) {
		sess, err := AcceptRelay(sw, sr, mux.At(ParsePath(sr.Path)))
		require.NoError(w, err)
		sessions <- sess
	})
	w.serve(s)
	return s, sessions
}

// The connection path is the root, and rooms do not see each other.
func TestRelay(t *testing.T) {
	bubble(t, func(w *world) {
		mux := NewTrackMux(nil)
		s, _ := w.relay(mux)
		own := NewTrackMux(nil)
		var ended error
		done := make(chan struct{})
		require.NoError(w, own.PublishFunc(w.Context(), "alice", func(tw *TrackWriter) {
			writeGroup(w, tw, "hello")
			<-tw.Context().Done()
			ended = context.Cause(tw.Context())
			close(done)
		}))
		pub := w.dial("pub", "moqt://server/room/1", own)
		same := w.dial("sub", "https://server/room/1", nil)
		above := w.dial("sub", "moqt://server/room", nil)
		other := w.dial("sub", "moqt://server/room/2", nil)
		for sess, path := range map[*Session]Path{same: "alice", above: "1/alice"} {
			watch, err := sess.Announced(w.ctx(), "")
			require.NoError(w, err)
			a, err := watch.Next(w.ctx())
			require.NoError(w, err)
			require.Equal(w, path, a.Path)
			require.Equal(w, []uint64{own.Hop(), mux.Hop()}, a.Hops)
			watch.Close()
			r, err := sess.Subscribe(w.ctx(), path, "t", nil)
			require.NoError(w, err)
			_, frames := readGroup(w.ctx(), w, r)
			require.Equal(w, []string{"hello"}, frames)
			r.Close()
		}
		_, err := other.Subscribe(w.ctx(), "alice", "t", nil)
		require.ErrorIs(w, err, ErrNotFound)
		<-done // nobody wants it any more: first the relay gives up, then the publisher
		require.ErrorIs(w, ended, ErrCanceled)

		w.end(pub)
		w.sleep(time.Second)
		require.Zero(w, mux.Stats().Broadcasts, "a clean end is immediate")
		w.end(same, above, other)
		require.NoError(w, s.Close())
		w.sleep(time.Minute)
		require.Equal(w, MuxStats{}, mux.Stats())
		require.Equal(w, 1, own.Stats().Broadcasts)
		require.Zero(w, own.Stats().Tracks+own.Stats().Watchers)
	})
}

// A client that imports is the relay's other half.
func TestClientImport(t *testing.T) {
	bubble(t, func(w *world) {
		up := NewTrackMux(nil)
		b := NewBroadcast()
		track, err := b.Track("t", TrackInfo{})
		require.NoError(w, err)
		require.NoError(w, up.Announce(w.Context(), "b", b))
		servers, sessions := w.two(up)
		c := w.client("edge")
		c.Config = &Config{Import: true, Hop: 5}
		edge := NewTrackMux(nil)
		sess, err := c.Dial(w.ctx(), "moqt://server", edge)
		require.NoError(w, err)
		watch, err := edge.Announced(w.ctx(), "")
		require.NoError(w, err)
		a, err := watch.Next(w.ctx())
		require.NoError(w, err)
		require.Equal(w, Announcement{Path: "b", Hops: []uint64{up.Hop()}, Cost: 1}, a)
		writeGroup(w, track, "one")
		r, err := edge.Subscribe(w.ctx(), "b", "t", nil)
		require.NoError(w, err)
		_, frames := readGroup(w.ctx(), w, r)
		require.Equal(w, []string{"one"}, frames)

		// what is imported moves with a GOAWAY too
		require.NoError(w, (<-sessions[0]).Goaway(w.ctx(), "moqt://server:444", 0))
		<-sessions[1]
		w.sleep(3 * time.Second)
		require.NoError(w, servers[0].Close())
		writeGroup(w, track, "two")
		_, frames = readGroup(w.ctx(), w, r)
		require.Equal(w, []string{"two"}, frames)
		r.Close()
		w.end(sess)
		require.NoError(w, servers[1].Close())
	})
}

// A handler that another publisher has replaced cannot disturb it.
func TestTakeover(t *testing.T) {
	local(t, func(t *testing.T, m *TrackMux) {
		first := make(chan error, 3)
		require.NoError(t, m.PublishFunc(t.Context(), "b", func(w *TrackWriter) {
			writeGroup(t, w, "first")
			<-w.Context().Done()
			first <- context.Cause(w.Context())
			_, err := w.OpenGroup(9)
			first <- err
			w.CloseWithError(errors.New("late"))
			first <- w.Close()
		}))
		r, err := m.Subscribe(t.Context(), "b", "t", nil)
		require.NoError(t, err)
		_, frames := readGroup(t.Context(), t, r)
		require.Equal(t, []string{"first"}, frames)
		ctx, cancel := context.WithCancel(t.Context())
		require.NoError(t, m.PublishFunc(ctx, "b", func(w *TrackWriter) { writeGroup(t, w, "second") }))
		for range 3 {
			require.ErrorIs(t, <-first, ErrCanceled)
		}
		_, err = r.NextGroup(t.Context())
		require.ErrorIs(t, err, ErrReplaced)
		r.Close()
		r, err = m.Subscribe(t.Context(), "b", "t", nil)
		require.NoError(t, err)
		_, frames = readGroup(t.Context(), t, r)
		require.Equal(t, []string{"second"}, frames)
		r.Close()
		cancel()
		synctest.Wait()
		watch, err := m.Announced(t.Context(), "")
		require.NoError(t, err)
		a, err := watch.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, Announcement{Path: "b"}, a, "the earlier one is back")
		watch.Close()
	})
}

// The writer of a handler tells of what it waits for.
func TestWriterErrors(t *testing.T) {
	local(t, func(t *testing.T, m *TrackMux) {
		got := make(chan error, 3)
		require.NoError(t, m.PublishFunc(t.Context(), "b", func(w *TrackWriter) {
			_, err := w.AppendGroup() // nobody but a paused one
			got <- err
			got <- w.SendDatagram(Frame{})
			got <- w.WaitSubscribers(t.Context())
		}))
		r, err := m.Subscribe(t.Context(), "b", "t", &Subscription{Paused: true})
		require.NoError(t, err)
		r.Close()
		for range 3 {
			require.ErrorIs(t, <-got, ErrCanceled)
		}
		b := NewBroadcast()
		w, err := b.Track("t", TrackInfo{})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, w.WaitSubscribers(ctx), context.DeadlineExceeded)
		w.CloseWithError(ErrUnauthorized)
		require.ErrorIs(t, w.WaitSubscribers(t.Context()), ErrClosed)
		require.NoError(t, m.Announce(t.Context(), "c", b))
		r, err = m.Subscribe(t.Context(), "c", "t", nil)
		require.NoError(t, err)
		_, err = r.NextGroup(t.Context())
		require.ErrorIs(t, err, ErrUnauthorized)
		r.Close()
	})
}

// A fetch that nobody waits for any more ends its handler.
func TestFetchCanceled(t *testing.T) {
	local(t, func(t *testing.T, m *TrackMux) {
		ended := make(chan error, 1)
		b := NewBroadcast()
		b.FetchHandler = FetchHandlerFunc(func(w *TrackWriter, r FetchRequest) error {
			if r.Start.Group == 1 {
				w.SetInfo(TrackInfo{})
			}
			<-w.Context().Done()
			ended <- context.Cause(w.Context())
			return nil
		})
		require.NoError(t, m.Announce(t.Context(), "b", b))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := m.Fetch(ctx, GroupFetch("b", "t", 0, 0))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Error(t, <-ended)
		r, err := m.Fetch(t.Context(), GroupFetch("b", "t", 1, 0))
		require.NoError(t, err)
		r.Close()
		require.ErrorIs(t, <-ended, ErrCanceled)
	})
}

func TestProbeAndGoawayOfOldVersions(t *testing.T) {
	bubble(t, func(w *world) {
		s, r := w.server()
		r.HandleFunc("/", accept)
		w.serve(s)
		c := w.client("c")
		c.Config = &Config{Versions: []string{"moq-lite-03"}}
		sess, err := c.Dial(w.ctx(), "https://server", NewTrackMux(nil))
		require.NoError(w, err)
		require.ErrorIs(w, sess.Goaway(w.ctx(), "", 0), ErrUnsupported)
		past, err := sess.Fetch(w.ctx(), GroupFetch("b", "t", 1, 0))
		require.NoError(w, err)
		_, err = past.Next(w.ctx())
		require.ErrorIs(w, err, ErrNotFound)
		past.Close()
		now := w.dial("d", "https://server", nil)
		p, err := now.Probe(w.ctx())
		require.NoError(w, err)
		probe, err := p.Next(w.ctx())
		require.NoError(w, err)
		require.Positive(w, probe.RTT)
		w.end(sess, now)
		require.NoError(w, s.Close())
	})
}
