package moqt

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A publisher learns whether the server has taken its broadcast, where the
// version can tell.
func TestAccepted(t *testing.T) {
	forEach(t, func(w *world, url, version string) {
		s, r := w.server()
		sessions := make(chan *Session, 1)
		r.HandleFunc("/", func(sw SetupResponseWriter, sr *SetupRequest) {
			taken := NewTrackMux(nil).With(func(op Op, path Path) error {
				if op == OpPublish && path == "eve" {
					return Errorf(CodeUnauthorized, "not you")
				}
				return nil
			})
			sess, err := AcceptRelay(sw, sr, taken)
			require.NoError(w, err)
			sessions <- sess
		})
		w.serve(s)
		mux := NewTrackMux(nil)
		c := w.client("alice")
		c.Config = &Config{Versions: []string{version}}
		sess, err := c.Dial(w.ctx(), url, mux)
		require.NoError(w, err)
		theirs := <-sessions
		for _, path := range []Path{"alice", "eve"} {
			require.NoError(w, mux.Announce(w.Context(), path, NewBroadcast()))
		}
		if version == "moql" || strings.HasPrefix(version, "moq-lite") {
			require.ErrorIs(w, sess.Accepted(w.ctx(), "alice"), ErrUnsupported)
			require.ErrorIs(w, theirs.Accepted(w.ctx(), "alice"), ErrUnsupported)
		} else {
			require.NoError(w, sess.Accepted(w.ctx(), "/alice/"))
			err := sess.Accepted(w.ctx(), "eve")
			require.ErrorIs(w, err, ErrUnauthorized)
			require.ErrorContains(w, err, "not you")
			if version != "moq-00" {
				require.ErrorIs(w, theirs.Accepted(w.ctx(), "bob"), ErrUnsupported)
			}
		}
		w.end(sess)
		require.Error(w, theirs.Wait())
		require.NoError(w, s.Close())
		w.sleep(time.Second)
	})
}
