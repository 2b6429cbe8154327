package session

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
)

// On a path that is too slow for everything, the track that the subscriber
// asked for with the higher priority arrives as if it were alone.
func TestSubscriberPriority(t *testing.T) {
	for _, v := range slices.Concat(versions, drafts) {
		bubble(t, v, func(t *testing.T, w *world) {
			mux, video, _ := publish("room/alice", "video")
			track := moq.NewTrack(moq.FullTrackName{Path: "room/bob", Name: "audio"}, moq.CacheLimits{}, nil)
			track.SetInfo(moq.TrackInfo{Timescale: 1000})
			_, err := mux.View(route.Scope{}).Publish("room/bob", route.Route{}, &source{map[string]*moq.Track{"audio": track}})
			require.NoError(t, err)
			audio := moq.NewTrackWriter(track, time.Now)
			w.dial("publisher", v, mux)
			w.net.SetLink("relay", "watcher", memnet.Link{Latency: 10 * time.Millisecond, Rate: 60 << 10})
			s := w.dial("watcher", v, nil)
			require.True(t, s.c.State().Priorities)
			rv := subscribeTo(t, s, aliceVideo, moq.Subscription{Priority: 10})
			ra := subscribeTo(t, s, moq.FullTrackName{Path: "room/bob", Name: "audio"}, moq.Subscription{Priority: 200})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				for g, err := range rv.Groups(ctx) {
					if err != nil {
						return
					}
					go func() {
						for range g.Frames(ctx) {
						}
					}()
				}
			}()
			w.sleep(time.Second)
			var worst time.Duration
			for range 10 { // seconds, with more than twice the rate of the path
				gv, err := video.AppendGroup()
				require.NoError(t, err)
				for range 10 {
					require.NoError(t, gv.WriteFrame(moq.Frame{Payload: make([]byte, 16<<10)}))
					ga, err := audio.AppendGroup()
					require.NoError(t, err)
					start := time.Now()
					require.NoError(t, ga.WriteFrame(moq.Frame{Payload: make([]byte, 160)}))
					require.NoError(t, ga.Close())
					_, err = nextGroup(t, ra).ReadFrame(ctx)
					require.NoError(t, err)
					worst = max(worst, time.Since(start))
					w.sleep(100*time.Millisecond - time.Since(start))
				}
				require.NoError(t, gv.Close())
			}
			// What the link has queued before it, 16 packets, must go first.
			require.Less(t, worst, 500*time.Millisecond)
		})
	}
}
