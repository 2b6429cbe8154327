package moqt

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBroadcast(t *testing.T) {
	forEach(t, func(w *world, url, version string) {
		mux := NewTrackMux(nil)
		b := NewBroadcast()
		track, err := b.Track("video", TrackInfo{Priority: 9})
		require.NoError(w, err)
		require.NoError(w, mux.Announce(w.Context(), "/alice/", b))
		writeGroup(w, track, "old")
		writeGroup(w, track, "a", "", "c")

		s, r := w.server()
		pattern := "/room"
		if version != "moq-lite-05" && url == urls["quic"] {
			pattern = "/" // no path on the wire
		}
		r.HandleFunc(pattern, func(sw SetupResponseWriter, sr *SetupRequest) {
			sess, err := Accept(sw, sr, mux)
			if err == nil {
				require.Equal(w, version, sess.Version())
			}
		})
		w.serve(s)
		c := w.client("alice")
		c.Config = &Config{Versions: []string{version}}
		sess, err := c.Dial(w.ctx(), url, NewTrackMux(nil))
		require.NoError(w, err)
		require.Equal(w, version, sess.Version())
		require.Equal(w, "/room", sess.Path())

		all, err := sess.Announced(w.ctx(), "/")
		require.NoError(w, err)
		a, err := all.Next(w.ctx())
		require.NoError(w, err)
		require.Equal(w, Path("alice"), a.Path)
		require.Equal(w, Active, a.Change)
		all.Close()

		if version == "moq-lite-05" {
			info, err := sess.TrackInfo(w.ctx(), "alice", "video")
			require.NoError(w, err)
			require.Equal(w, TrackInfo{Priority: 9, Timescale: 1000, MaxAge: 5 * time.Second}, info)
		}
		tr, err := sess.Subscribe(w.ctx(), "/alice", "video", nil)
		require.NoError(w, err)
		seq, frames := readGroup(w.ctx(), w, tr)
		require.EqualValues(w, 1, seq)
		require.Equal(w, []string{"a", "", "c"}, frames)
		require.NoError(w, track.WaitSubscribers(w.ctx()))
		require.NoError(w, track.SendDatagram(Frame{Payload: []byte("dg")}))
		_, frames = readGroup(w.ctx(), w, tr)
		require.Equal(w, []string{"dg"}, frames)
		require.NoError(w, b.Close())
		_, err = tr.NextGroup(w.ctx())
		require.Equal(w, io.EOF, err)
		require.NoError(w, b.WaitDrained(w.ctx()))
		tr.Close()

		_, err = sess.Subscribe(w.ctx(), "alice", "audio", nil)
		require.ErrorIs(w, err, ErrNotFound)
		_, err = sess.Subscribe(w.ctx(), "bob", "video", nil)
		require.ErrorIs(w, err, ErrNotFound)
		if version != "moql" {
			or, err := sess.Fetch(w.ctx(), GroupFetch("alice", "video", 1, 0))
			require.NoError(w, err)
			f, err := or.Next(w.ctx())
			require.NoError(w, err)
			require.Equal(w, "a", string(f.Object.Payload()))
			or.Close()
		}
		w.end(sess)
		require.NoError(w, s.Close())
	})
}
