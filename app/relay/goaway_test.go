package relay

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/app/moqt"
)

// Who is sent to another relay keeps its root, and how it speaks.
func TestGoawayKeepsTheRoot(t *testing.T) {
	bubble(t, func(w *world) {
		one, stopOne := w.relay("one")
		defer stopOne()
		_, stopTwo := w.relay("two")
		defer stopTwo()
		mux := moqt.NewTrackMux(nil)
		_, _ = announce(w, mux, "b", "below a")
		client := func(name string, versions ...string) *moqt.Client {
			n := w.net.Node(name)
			return &moqt.Client{
				DialQUICFunc: n.Dial, DialWebTransportFunc: n.DialWebTransport,
				Redirect: func(_, _ *url.URL) error { return nil }, Config: &moqt.Config{Versions: versions},
			}
		}
		var moved []*moqt.Session
		for _, pub := range []struct{ name, url, version string }{
			{"pub", "moqt://one:443/a", "moq-lite-05"}, {"page", "https://one:443/x/y%20z", "moq-lite-04"}, {"pathless", "moqt://one:443", "moqt-18"},
		} {
			s, err := client(pub.name, pub.version).Dial(w.Context(), pub.url, mux)
			require.NoError(w, err, pub.name)
			moved = append(moved, s)
		}
		w.net.Wait()
		one.Goaway(w.Context(), "//two:443", time.Second)
		w.pass(5 * time.Second)
		require.Zero(w, one.Stats().Sessions)
		reader := w.dial("reader", "moqt://two:443", nil)
		for _, path := range []moqt.Path{"a/b", "x/y z/b", "b"} {
			assert.Equal(w, "below a", w.read(reader, path), path)
		}
		for _, s := range append(moved, reader) {
			require.NoError(w, s.CloseWithError(moqt.SessionNoError, ""))
			require.Error(w, s.Wait())
		}
	})
}

func TestDestination(t *testing.T) {
	from := &url.URL{Scheme: "https", Path: "/a b", RawQuery: "t=1"}
	for uri, want := range map[string]string{
		"": "", "//two:443": "https://two:443/a%20b?t=1", "moqt://two": "moqt://two/a%20b?t=1",
		"//two/": "https://two/", "https://two/c": "https://two/c", "https://two?t=2": "https://two?t=2", "%": "%",
	} {
		assert.Equal(t, want, destination(uri, from), uri)
	}
}
