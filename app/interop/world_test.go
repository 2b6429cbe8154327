package interop

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/app/moqt"
	"github.com/moqtgo/moqt/app/relay"
	"github.com/moqtgo/moqt/ports/quic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world is a network in memory in a bubble.
type world struct {
	*testing.T
	net  *memnet.Network
	wg   sync.WaitGroup
	stop []func()
}

func bubble(t *testing.T, name string, f func(w *world)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := &world{T: t}
			w.net = memnet.New(memnet.Config{Seed: 1, Settle: synctest.Wait, Link: memnet.Link{Latency: 10 * time.Millisecond}})
			defer w.net.Close() // also where a test has failed
			f(w)
			for _, stop := range w.stop {
				stop()
			}
			w.net.Close()
			w.wg.Wait()
			time.Sleep(2 * time.Minute) // what lingers
		})
	})
}

// serve runs a server of the node "relay"; a nil handler is a relay.
func (w *world) serve(h moqt.Handler) {
	n := w.net.Node("relay")
	if h == nil {
		h = &relay.Relay{}
	}
	s := &moqt.Server{
		Addr: ":4443", TLSConfig: &tls.Config{}, QUICConfig: &quic.Config{EnableDatagrams: true}, Handler: h,
		ListenFunc: n.Listen, NewWebtransportServerFunc: n.NewWebTransportServer,
	}
	w.wg.Go(func() { require.ErrorIs(w, s.ListenAndServe(), moqt.ErrServerClosed) })
	w.net.Wait()
	w.stop = append(w.stop, func() { _ = s.Close() })
}

// runner returns one that offers the versions, all without any.
func (w *world) runner(url string, versions ...string) *Runner {
	n := w.net.Node("client")
	return &Runner{URL: url, Version: "test", Client: &moqt.Client{
		QUICConfig:   &quic.Config{EnableDatagrams: true},
		DialQUICFunc: n.Dial, DialWebTransportFunc: n.DialWebTransport,
		Config: &moqt.Config{Versions: versions},
	}}
}

// play runs the cases and returns what was written.
func (w *world) play(r *Runner, names ...string) (ok bool, out string) {
	w.Helper()
	var b bytes.Buffer
	ok, err := r.Run(w.Context(), &b, names)
	require.NoError(w, err)
	return ok, b.String()
}

func ids() (all []string) {
	for _, c := range Cases() {
		all = append(all, c.ID)
	}
	return all
}

// forEach runs f for each draft on each transport.
func forEach(t *testing.T, f func(w *world, url, version string)) {
	for _, url := range []string{"moqt://relay:4443", "https://relay:4443/moq"} {
		for _, v := range Versions() {
			scheme, _, _ := strings.Cut(url, ":")
			bubble(t, fmt.Sprintf("%s %s", scheme, Draft(v)), func(w *world) { f(w, url, v) })
		}
	}
}
