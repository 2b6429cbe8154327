package relay

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/app/moqt"
)

// guests are clients of every kind.
var guests = []struct{ version, url string }{
	{"moq-lite-05", "moqt://relay"}, {"moq-lite-05", "https://relay:443"}, {"moq-lite-04", "https://relay:443"}, {"moq-lite-03", "moqt://relay"},
	{"moq-00", "moqt://relay"}, {"moq-00", "https://relay:443"}, {"moqt-16", "moqt://relay"}, {"moqt-16", "https://relay:443"},
	{"moqt-18", "moqt://relay"}, {"moqt-18", "https://relay:443"}, {"moqt-19", "moqt://relay"}, {"moqt-19", "https://relay:443"},
	{"moqt-20", "moqt://relay"},
}

// One relay serves one broadcast to clients of every version at once, over raw
// QUIC and WebTransport, whoever publishes it.
func TestEveryVersionAtOnce(t *testing.T) {
	for _, from := range []int{0, 2, 4, 7, 8, 11} {
		t.Run(guests[from].version, func(t *testing.T) {
			bubble(t, func(w *world) {
				r, stop := w.relay("relay")
				defer stop()
				join := func(name string, guest int, mux *moqt.TrackMux) *moqt.Session {
					n := w.net.Node(name)
					c := &moqt.Client{
						Config:       &moqt.Config{Versions: []string{guests[guest].version}},
						DialQUICFunc: n.Dial, DialWebTransportFunc: n.DialWebTransport,
					}
					s, err := c.Dial(w.Context(), guests[guest].url, mux)
					require.NoError(w, err)
					require.Equal(w, guests[guest].version, s.Version())
					return s
				}
				mux := moqt.NewTrackMux(nil)
				track, _ := announce(w, mux, "live")
				join("publisher", from, mux)
				w.pass(time.Second)

				groups := [][]string{{"a", "", strings.Repeat("long ", 6000)}, {"b"}, {"c", "d", "e", "f"}}
				ctx, cancel := context.WithTimeout(w.Context(), time.Minute)
				defer cancel()
				var watching sync.WaitGroup
				for i, guest := range guests {
					s := join("guest", i, nil)
					reader, err := s.Subscribe(ctx, "live", "data", nil)
					require.NoError(w, err)
					watching.Go(func() {
						defer reader.Close()
						for _, want := range groups {
							g, err := reader.NextGroup(ctx)
							if !assert.NoError(w, err, guest) {
								return
							}
							var got []string
							for f, err := range g.Frames(ctx) {
								assert.NoError(w, err, guest)
								got = append(got, string(f.Payload))
							}
							assert.Equal(w, want, got, guest)
						}
					})
				}
				w.pass(time.Second)
				assert.Equal(w, len(guests), r.Stats().Subscriptions)
				assert.Equal(w, 1, r.Stats().Tracks)
				for _, frames := range groups {
					g, err := track.AppendGroup()
					require.NoError(w, err)
					for _, f := range frames {
						require.NoError(w, g.WriteFrame(moqt.Frame{Payload: []byte(f)}))
					}
					require.NoError(w, g.Close())
					w.pass(500 * time.Millisecond)
				}
				watching.Wait()
			})
		})
	}
}
