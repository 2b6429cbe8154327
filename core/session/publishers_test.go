package session

import (
	"context"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
)

// Two publishers of one track: the second comes late, inside a group, and the
// first leaves, inside another. Subscribers get every frame once and see
// nothing of it.
func TestSeveralPublishers(t *testing.T) {
	for _, from := range drafts {
		for _, to := range slices.Concat(drafts, versions) {
			bubble(t, from+" to "+to, func(t *testing.T, w *world) {
				first, track1, _ := publish("room/alice", "video")
				second, track2, _ := publish("room/alice", "video")
				both := func(f func(w *moq.TrackWriter)) { f(track1); f(track2) }
				var open []*moq.GroupWriter
				group := func(text string) {
					open = nil
					both(func(w *moq.TrackWriter) { open = append(open, hello(t, w, text)) })
				}
				say := func(text string) {
					for _, g := range open {
						require.NoError(t, g.WriteFrame(moq.Frame{Payload: []byte(text)}))
					}
				}
				end := func() {
					for _, g := range open {
						require.NoError(t, g.Close())
					}
				}
				p1 := w.dial("p1", from, first)
				w.sleep(time.Second)
				s := w.dial("watcher", to, nil)
				watch, err := s.Announced(t.Context(), "room")
				require.NoError(t, err)
				a, err := watch.Next(t.Context())
				require.NoError(t, err)
				require.Equal(t, route.Active, a.Change)
				r := subscribeTo(t, s, aliceVideo, moq.Subscription{Order: moq.Ascending, MaxLatency: time.Minute})

				group("one")
				g := nextGroup(t, r)
				wantFrame(t, g, "one")
				p2 := w.dial("p2", from, second)
				w.sleep(time.Second)
				require.Equal(t, 1, track2.Track().Demand().Readers, "the newcomer is asked too")
				say("two")
				wantFrame(t, g, "two")
				end()
				_, err = g.ReadFrame(t.Context())
				require.ErrorIs(t, err, io.EOF)

				group("three")
				g = nextGroup(t, r)
				wantFrame(t, g, "three")
				_ = p1.CloseWithError(1, "crash")
				say("four")
				wantFrame(t, g, "four")
				w.sleep(time.Second)
				say("five")
				wantFrame(t, g, "five")
				end()
				_, err = g.ReadFrame(t.Context())
				require.ErrorIs(t, err, io.EOF)
				group("six")
				g = nextGroup(t, r)
				require.EqualValues(t, 2, g.Sequence())
				wantFrame(t, g, "six")
				end()
				w.sleep(time.Second)
				sg, dg, err := r.Next()
				require.NoError(t, err)
				require.True(t, sg == nil && dg == nil, "nothing comes twice")

				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err = watch.Next(ctx)
				require.ErrorIs(t, err, context.DeadlineExceeded, "nothing has changed for the watcher")
				_ = p2.CloseWithError(0, "")
				a, err = watch.Next(t.Context())
				require.NoError(t, err)
				require.Equal(t, route.Ended, a.Change)
			})
		}
	}
}

// A publisher that begins anew, with groups that are older than what is there,
// is another one: it takes the name over.
func TestPublisherBeginsAnew(t *testing.T) {
	for _, v := range drafts {
		bubble(t, v, func(t *testing.T, w *world) {
			first, track1, _ := publish("room/alice", "video")
			second, track2, _ := publish("room/alice", "video")
			for g := range 3 {
				write(t, track1, g)
			}
			w.dial("p1", v, first)
			w.sleep(time.Second)
			s := w.dial("watcher", v, nil)
			r := subscribeTo(t, s, aliceVideo, moq.Subscription{})
			require.EqualValues(t, 2, nextGroup(t, r).Sequence())
			for g := 3; g < 40; g++ { // group 0 is long gone
				write(t, track1, g)
				w.sleep(time.Second)
			}
			hello(t, track2, "anew")
			w.dial("p2", v, second)
			for {
				if _, err := r.NextGroup(t.Context()); err != nil {
					break
				}
			}
			r = subscribeTo(t, s, aliceVideo, moq.Subscription{})
			wantFrame(t, nextGroup(t, r), "anew")
		})
	}
}
