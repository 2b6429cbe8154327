package moqt

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/route"
	"github.com/moqtgo/moqt/core/session"
)

// Who looks as often as there is news hears of a replacement in one, whether or
// not the origins differ.
func TestWatchReplaced(t *testing.T) {
	for name, hops := range map[string][2][]uint64{
		"known":   {{7, 1}, {8, 1}},
		"same":    {{7, 1}, {7, 1}},
		"unknown": {{0, 1}, {0, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			w := &watch{held: map[Path]*held{}}
			w.view = route.NewMux(route.Config{Linger: -1}).View(route.Scope{})
			var err error
			var got []Change
			w.reader, err = w.view.Watch("", 0, func() {
				for _, a := range w.reader.Drain(64) {
					got = append(got, a.Change)
				}
			})
			require.NoError(t, err)
			w.reader.Drain(64) // from now on it is woken
			s := &session.Session{}
			w.take(s, Announcement{Path: "room", Hops: hops[0]})
			w.take(s, Announcement{Path: "room", Hops: hops[1], Change: Replaced})
			w.take(s, Announcement{Path: "room", Change: Ended})
			assert.Equal(t, []Change{Active, Replaced, Ended}, got)
		})
	}
}
