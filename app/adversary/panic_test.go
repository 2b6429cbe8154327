package adversary

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/app/moqt"
	"github.com/moqtgo/moqt/ports/quic"
)

// Row 45: peers that make the handler of set-ups, what guards a path, and the
// handler of a track panic, again and again. A panic ends the session that it is
// in, as an internal error, or the request; it is counted and no more.
func TestPanics(t *testing.T) {
	internal := map[string]quic.ErrorCode{lite05: moqt.SessionInternal, moqt19: 1}
	quiet := &moqt.TrackMuxConfig{Logger: slog.New(slog.DiscardHandler)}
	spring := func(a *arena) {
		a.relay.Mux = a.relay.Mux.With(func(_ moqt.Op, path moqt.Path) error {
			if path == "guarded" {
				panic("by the guard")
			}
			return nil
		})
		a.server.Handler = moqt.SetupHandlerFunc(func(w moqt.SetupResponseWriter, r *moqt.SetupRequest) {
			if r.Path == "/trap" {
				panic("by the set-up")
			}
			a.relay.ServeMOQ(w, r)
		})
	}
	for _, v := range families {
		t.Run(v, func(t *testing.T) {
			attackUnder(t, rules{mux: quiet, prepare: spring}, func(a *arena) {
				n := a.few(200, 0)
				for range n {
					e := a.connect("evil", v, nil)
					e.setup("/trap")
					guarded := a.evil("evil", v)
					guarded.bidi(guarded.subscribe(0, "guarded", "video"))
					a.pass(time.Second)
					for _, e := range []*evil{e, guarded} {
						code, gone := e.gone()
						require.True(a, gone)
						require.Equal(a, internal[v], code)
					}
				}
				require.EqualValues(a, 2*n, a.server.Stats().Panics)
				ctx, cancel := context.WithCancel(a.Context())
				require.NoError(a, a.relay.Mux.PublishFunc(ctx, "trap", func(*moqt.TrackWriter) { panic("by the track") }))
				e := a.evil("evil", v)
				for i := range n {
					e.bidi(e.subscribe(i, "trap", "video"))
				}
				a.pass(time.Second)
				require.NoError(a, e.Context().Err())
				a.within(budget{heap: 4 * mib, goroutines: 60})
				cancel()
				e.leave()
			})
		})
	}
}

// Row 46: pieces of nothing. Streams that end where they begin, writes and
// datagrams without a byte, and of one.
func TestEmptyPieces(t *testing.T) {
	eachFamily(t, nil, func(a *arena, v string) {
		e := a.evil("evil", v)
		r, _ := a.publishes(e)
		thrownOut := 0
		for i := range a.few(many, 0) {
			if _, gone := e.gone(); gone {
				thrownOut++
				e = a.evil("evil", v)
			}
			switch i % 5 {
			case 0:
				if st := e.uni(nil); st != nil {
					_ = st.Close()
				}
			case 1:
				if st := e.bidi(nil); st != nil {
					_ = st.Close()
				}
			case 2:
				if st := e.uni(e.header(e.alias, uint64(i))); st != nil {
					for range 10 {
						_, _ = st.Write(nil)
					}
					_ = st.Close()
				}
			case 3:
				_ = e.SendDatagram(nil)
			case 4:
				_ = e.SendDatagram([]byte{byte(i)})
			}
			if i%100 == 0 {
				a.pass(50 * time.Millisecond)
			}
			if i%1000 == 0 {
				a.check()
			}
		}
		a.pass(time.Second)
		a.Logf("thrown out %d times", thrownOut)
		a.within(budget{heap: 4 * mib, goroutines: 60})
		r.Close()
		e.leave()
	})
}
