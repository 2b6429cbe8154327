package session

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
)

// A track that one client offers reaches another that has asked for tracks, and
// every other subscriber, over a relay and between all drafts.
func TestOfferedTrack(t *testing.T) {
	for _, from := range drafts {
		for _, to := range drafts {
			bubble(t, from+" to "+to, func(t *testing.T, w *world) {
				mux := NewMux(route.Config{})
				sub := w.dial("subscriber", to, mux)
				asked, stop := context.WithCancel(t.Context())
				require.NoError(t, sub.SubscribeTracks(asked, "room"))
				here, err := mux.View(route.Scope{}).WatchTracks("", nil)
				require.NoError(t, err)
				defer here.Close()

				_, out, _ := publish("room/alice", "video")
				log := out.Track()
				pub := w.dial("publisher", from, nil)
				offered, end := context.WithCancel(t.Context())
				defer end()
				require.NoError(t, pub.Publish(offered, aliceVideo, log))
				require.Error(t, pub.Publish(offered, aliceVideo, log), "it is there already")

				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				o, err := here.Next(ctx)
				require.NoError(t, err)
				require.Equal(t, aliceVideo, o.Name)
				r := o.Track.Subscribe(moq.Subscription{Order: moq.Ascending}, nil)
				defer r.Close()
				g := hello(t, out, "one")
				in := nextGroup(t, r)
				wantFrame(t, in, "one")

				other := subscribeTo(t, w.dial("other", "moq-lite-05", nil), aliceVideo, moq.Subscription{})
				also := nextGroup(t, other)
				wantFrame(t, also, "one")
				require.NoError(t, g.WriteFrame(moq.Frame{Payload: []byte("two")}))
				wantFrame(t, in, "two")
				wantFrame(t, also, "two")
				require.NoError(t, g.Close())

				// What was offered lasts longer than the wish for more.
				stop()
				w.sleep(time.Second)
				require.NoError(t, hello(t, out, "three").Close())
				wantFrame(t, nextGroup(t, other), "three")
				wantFrame(t, nextGroup(t, r), "three")
				log.Finish(2)
				_, err = r.NextGroup(ctx)
				require.ErrorIs(t, err, io.EOF)
				other.Close()
				_ = pub.CloseWithError(0, "")
				_ = sub.CloseWithError(0, "")
			})
		}
	}
}

// The end of its context takes an offer back.
func TestOfferTakenBack(t *testing.T) {
	for _, v := range drafts {
		bubble(t, v, func(t *testing.T, w *world) {
			_, out, _ := publish("room/alice", "video")
			log := out.Track()
			pub := w.dial("publisher", v, nil)
			ctx, cancel := context.WithCancel(t.Context())
			require.NoError(t, pub.Publish(ctx, aliceVideo, log))
			w.sleep(time.Second)
			require.Equal(t, 1, w.relay.Stats().Broadcasts)
			require.Equal(t, 1, log.Demand().Readers)
			cancel()
			w.sleep(3 * time.Second)
			require.Zero(t, w.relay.Stats().Broadcasts)
			require.Zero(t, log.Demand().Readers)
			_ = pub.CloseWithError(0, "")
		})
	}
}

func TestOfferUnsupported(t *testing.T) {
	for _, v := range versions {
		bubble(t, v, func(t *testing.T, w *world) {
			_, out, _ := publish("room/alice", "video")
			log := out.Track()
			s := w.dial("publisher", v, nil)
			require.ErrorIs(t, s.Publish(t.Context(), aliceVideo, log), moq.ErrUnsupported)
			require.ErrorIs(t, s.SubscribeTracks(t.Context(), ""), moq.ErrUnsupported)
			_ = s.CloseWithError(0, "")
		})
	}
}
