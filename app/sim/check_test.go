package sim

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/app/moqt"
)

const small = "relay r\npublish p r room video\nsubscribe s r room video\nwatch w r\nadvance 3s"

// room is what small publishes.
var room = moqt.FullTrackName{Path: "room", Name: "video"}

func (w *World) play(t *testing.T, story string) {
	for _, line := range strings.Split(story, "\n") {
		require.NoError(t, w.Do(line))
	}
}

// leak never ends: TestMain knows of it.
func leak(never chan struct{}) { <-never }

// TestChecks breaks each thing that never may be, and wants it found.
func TestChecks(t *testing.T) {
	subscriberOf := func(w *World) *subscriber { return w.byName["s"].(*subscriber) }
	relayOf := func(w *World) *relayNode { return w.byName["r"].(*relayNode) }
	payload := func(w *World, group, frame uint64) []byte { return w.content("p#1", room).payload(group, frame) }
	for want, breaks := range map[string]func(w *World){
		"s got object 0 of group 1 where 1 was due": func(w *World) {
			o := &reading{}
			subscriberOf(w).got(1, o, 0, payload(w, 1, 0))
			subscriberOf(w).got(1, o, 0, payload(w, 1, 0))
		},
		"s got object 2 of group 1 where 1 was due": func(w *World) {
			o := &reading{}
			subscriberOf(w).got(1, o, 0, payload(w, 1, 0))
			subscriberOf(w).got(1, o, 2, payload(w, 1, 2))
		},
		"s got group 1 twice in one subscription": func(w *World) {
			subscriberOf(w).parts = false
			subscriberOf(w).opened(1)
		},
		"s got object 1 of group 1 twice": func(w *World) {
			s := subscriberOf(w)
			s.subscribedTo("moqt-19")
			first := s.opened(1)
			for id := range uint64(2) {
				s.got(1, first, id, payload(w, 1, id))
			}
			second := s.opened(1)
			s.got(1, second, 2, payload(w, 1, 2))
			require.NoError(t, w.Err(), "it goes on")
			require.True(t, second.covers())
			s.got(1, s.opened(1), 1, payload(w, 1, 1))
		},
		"s got object 4 of group 1 where 0 was due": func(w *World) {
			s := subscriberOf(w)
			s.subscribedTo("moqt-19")
			s.got(1, s.opened(1), 4, payload(w, 1, 4))
		},
		"has other bytes than what was written": func(w *World) {
			b := payload(w, 1, 0)
			b[len(b)-1]++
			subscriberOf(w).got(1, &reading{}, 0, b)
		},
		"frame 3 of group 1 begins with": func(w *World) {
			subscriberOf(w).got(1, &reading{next: 3}, 3, payload(w, 1, 2))
		},
		"frame 0 of group 900 was never written": func(w *World) {
			subscriberOf(w).got(900, &reading{}, 0, payload(w, 900, 0))
		},
		"s got an object of room:video that says it is": func(w *World) {
			subscriberOf(w).got(1, &reading{}, 0, []byte("q#1|room|video|1|0|"))
		},
		"s saw the end of group 1 after 9 objects; there are 10": func(w *World) {
			subscriberOf(w).groupEnded(1, &reading{next: 9, label: "p#1"}, io.EOF)
		},
		"w was told twice that \"room\" is there": func(w *World) {
			w.byName["w"].(*watcher).take(moqt.Announcement{Path: "room"})
		},
		"of the end of \"x\", which it knew nothing of": func(w *World) {
			w.byName["w"].(*watcher).take(moqt.Announcement{Path: "x", Change: moqt.Ended})
		},
		"comes through one node twice": func(w *World) {
			w.byName["w"].(*watcher).take(moqt.Announcement{Path: "y", Hops: []uint64{1, 2, 1}})
		},
		"relays have fed each other room:video at a for 3s": func(w *World) {
			flows := []flow{ // b reads the other track of c
				{room, "a", "b", nil}, {room, "b", "c", []string{"a"}}, {room, "c", "a", nil}, {room, "c", "p", []string{"b"}},
			}
			w.judgeLoops(flows, 1*time.Second)
			w.judgeLoops(flows, 4*time.Second)
			require.NoError(t, w.Err(), "they have one name")
			flows = []flow{{room, "a", "b", []string{"c"}}, {room, "b", "c", []string{"a"}}, {room, "c", "a", []string{"d", "b"}}, {room, "d", "a", nil}}
			w.judgeLoops(flows, 10*time.Second)
			require.NoError(t, w.Err(), "news is on its way")
			w.judgeLoops(flows, 13*time.Second)
		},
		"r has two subscriptions of room:video from p:1": func(w *World) {
			track := moqt.TrackStats{Name: room, From: memnet.Addr{Node: "p", Port: "1"}}
			relayOf(w).judge(w, []moqt.TrackStats{track, track})
		},
		"r keeps 99999999 bytes of room:video": func(w *World) {
			relayOf(w).judge(w, []moqt.TrackStats{{Name: room, Cached: 99_999_999}})
		},
		"s has received nothing of p since": func(w *World) {
			w.net.Partition("r", "s") // nobody knows
			w.Advance(70 * time.Second)
		},
		"r still holds 1 tracks and 1 subscriptions; nobody subscribes": func(w *World) {
			s, err := w.Client("leak").Dial(w.ctx, "moqt://r:443/", nil)
			require.NoError(t, err)
			_, err = s.Subscribe(w.ctx, "room", "video", nil)
			require.NoError(t, err)
		},
		"r still has 1 broadcasts; nobody publishes": func(w *World) {
			mux := moqt.NewTrackMux(nil)
			_, err := w.Client("leak").Dial(w.ctx, "moqt://r:443/", mux)
			require.NoError(t, err)
			require.NoError(t, mux.Announce(w.ctx, "leak", moqt.NewBroadcast()))
		},
		"something never ends": func(*World) { go leak(make(chan struct{})) },
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			r := NewPlayer(t).Run(nil, func(w *World) error {
				w.play(t, small)
				breaks(w)
				return w.Err()
			})
			require.ErrorContains(t, r.Err, want)
		})
	}
	require.NoError(t, NewPlayer(t).Run(nil, func(w *World) error { w.play(t, small); return nil }).Err, "nothing is broken")
}
