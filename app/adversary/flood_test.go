package adversary

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/app/moqt"
	"github.com/moqtgo/moqt/ports/quic"
)

// many is how many requests, streams or sessions a flood has.
const many = 10_000

var families = []string{lite05, moqt19}

// Row 4: ten thousand connections that never set a session up. One host has
// its share of the set-ups; a newcomer from elsewhere waits for nobody.
func TestSlowloris(t *testing.T) {
	attack(t, nil, func(a *arena) {
		n := a.few(many, 200)
		a.swarm(n, func(int) { a.connect("evil", moqt19, &quic.Config{MaxIdleTimeout: time.Hour}) })
		st := a.server.Stats()
		require.Equal(a, 128, st.Pending, "of one host")
		require.Greater(a, st.RefusedPending, int64(n-many/10), "the rest found the backlog full")
		start := time.Now()
		s := a.client("newcomer", moqt19, nil)
		require.LessOrEqual(a, time.Since(start), latency)
		require.NoError(a, s.CloseWithError(0, ""))
		a.within(budget{heap: 40 * mib, goroutines: 128 * 6}) // with what the network knows of 10,000 clients
		a.pass(10 * time.Second)
		a.within(budget{heap: 40 * mib, goroutines: 60})
		require.Zero(a, a.server.Stats().Pending, "the set-up has its time")
	})
}

// Row 5: streams whose first message never comes, or never ends. They have
// their time too, and as many as may be half open are all that is held.
func TestHalfOpenStreams(t *testing.T) {
	for _, v := range families {
		t.Run(v, func(t *testing.T) {
			attack(t, nil, func(a *arena) {
				e := a.evil("evil", v)
				var streams []quic.Stream
				for i := range 500 {
					if st := e.bidi(e.subscribe(i, "nobody", "video")[:1+i%3]); st != nil {
						streams = append(streams, st)
					}
				}
				require.Len(a, streams, 500)
				a.pass(time.Second)
				a.within(budget{heap: 6 * mib, goroutines: 100*2 + 20})
				a.pass(60 * time.Second) // 100 at once, 10 s each
				stopped := 0
				for _, st := range streams {
					if st.Context().Err() != nil {
						stopped++
					}
				}
				require.Equal(a, 500, stopped)
				e.leave()
			})
		})
	}
}

// Row 6: sessions, set up well, from one host and from many: the caps hold.
func TestSessionFlood(t *testing.T) {
	conf := &moqt.Config{MaxConns: 150, MaxConnsPerHost: 50, AttemptRate: 40}
	for _, v := range families {
		t.Run(v, func(t *testing.T) { attack(t, conf, func(a *arena) { a.sessions(v) }) })
	}
}

func (a *arena) sessions(v string) {
	a.Helper()
	n := a.few(2000, 0)
	a.swarm(n, func(i int) {
		if e := a.connect(fmt.Sprintf("evil%d", i%8), v, &quic.Config{MaxIdleTimeout: time.Hour}); e != nil {
			e.setup("/")
		}
	})
	a.pass(time.Second)
	st := a.server.Stats()
	require.Equal(a, 150, st.Conns)
	require.LessOrEqual(a, st.Sessions, 150)
	require.EqualValues(a, n-148, st.RefusedConns+st.RefusedPending)
	require.Positive(a, st.Retries, "attempts have to verify their address")
	a.within(budget{heap: 16 * mib, goroutines: 150 * 12})
	for i := range 8 {
		a.crash(fmt.Sprintf("evil%d", i))
	}
	a.pass(time.Minute)
}

// Row 8: subscriptions without end, of what there is and of what there is not.
func TestSubscribeFlood(t *testing.T) {
	for _, v := range families {
		for _, path := range []string{"innocent", "nobody"} {
			t.Run(v+"/"+path, func(t *testing.T) {
				attack(t, nil, func(a *arena) {
					e := a.evil("evil", v)
					for i := range a.few(many, 1500) {
						st := e.bidi(e.subscribe(i, path, "video"))
						if st == nil && path == "nobody" {
							a.pass(time.Second)
						}
						if i%1000 == 0 {
							a.check()
						}
					}
					a.within(budget{heap: 24 * mib, goroutines: 1024*4 + 200})
					require.LessOrEqual(a, a.relay.Stats().Subscriptions, 1024+1)
					e.leave()
				})
			})
		}
	}
}

// Row 9: announcements and watches without end.
func TestAnnounceFlood(t *testing.T) {
	attack(t, nil, func(a *arena) {
		e := a.evil("evil", moqt19)
		for i := range a.few(many, 1500) {
			body := append(e.number(uint64(2*i)), e.namespace(fmt.Sprintf("flood/%d", i))...)
			e.bidi(message("06", append(body, 0)))
			if i%1000 == 0 {
				a.check()
			}
		}
		a.pass(time.Second)
		a.within(budget{heap: 32 * mib, goroutines: 1024*4 + 200})
		require.LessOrEqual(a, a.relay.Stats().Broadcasts, 4096+1)
		e.leave()
	})
	t.Run("lite", func(t *testing.T) {
		attack(t, nil, func(a *arena) {
			e := a.evil("evil", lite05)
			st := e.announces(a)
			for i := range many {
				_, _ = st.Write(e.announce(fmt.Sprintf("flood/%d", i), true))
			}
			a.pass(time.Second)
			code, gone := e.gone()
			require.True(a, gone, "more than 4096")
			require.EqualValues(a, 11, code)
			a.within(budget{heap: 16 * mib, goroutines: 100})
		})
	})
	for _, v := range families {
		t.Run("watches/"+v, func(t *testing.T) {
			attack(t, nil, func(a *arena) {
				e := a.evil("evil", v)
				for i := range 1000 {
					watch := bytes("01 02 00 00")
					if v == moqt19 {
						watch = message("50", append(e.number(uint64(2*i)), 1, 1, 'w', 0))
					}
					e.bidi(watch)
				}
				a.pass(time.Second)
				require.LessOrEqual(a, a.relay.Stats().Watchers, 256+2)
				_, gone := e.gone()
				require.Equal(a, v == lite05, gone, "moq-lite cannot refuse one watch")
				a.within(budget{heap: 12 * mib, goroutines: 256*6 + 200})
				e.leave()
			})
		})
	}
}

// announces accepts the relay's request for announcements and answers it.
func (e *evil) announces(a *arena) quic.Stream {
	a.Helper()
	ctx, cancel := soon()
	defer cancel()
	st, err := e.AcceptStream(ctx)
	require.NoError(a, err)
	_, _ = st.Write(bytes("02 07 00"))
	return st
}

// announce is an announcement of moq-lite.
func (e *evil) announce(path string, active bool) []byte {
	body := []byte{0}
	if active {
		body[0] = 1
	}
	body = append(append(body, e.number(uint64(len(path)))...), path...)
	body = append(body, 1, 7)
	return append(e.number(uint64(len(body))), body...)
}

// Row 11: an announcement that flaps a thousand times a second. What watchers
// are told of it is bounded, and in the end it is the truth.
func TestAnnounceChurn(t *testing.T) {
	eachFamily(t, nil, func(a *arena, v string) {
		e := a.evil("evil", v)
		flap := e.flapping(a)
		watch, err := a.viewer.Announced(a.Context(), "flap")
		require.NoError(a, err)
		var mu sync.Mutex
		told, last := 0, moqt.Announcement{}
		a.wg.Go(func() {
			for an, err := range watch.All(a.Context()) {
				if err != nil {
					return
				}
				mu.Lock()
				told, last = told+1, an
				mu.Unlock()
			}
		})
		changes := a.few(many, 0)
		for i := range changes {
			flap(i)
			if i%2 == 1 {
				a.pass(time.Millisecond)
			}
		}
		flap(changes)
		a.pass(time.Minute)
		mu.Lock()
		n, change := told, last.Change
		mu.Unlock()
		a.Logf("%d changes, of which %d are told", changes+1, n)
		require.LessOrEqual(a, n, 5*100*2)
		require.Contains(a, []moqt.Change{moqt.Active, moqt.Replaced, moqt.Rerouted}, change)
		a.within(budget{heap: 4 * mib, goroutines: 60})
		e.leave()
		watch.Close()
	})
}

// flapping returns a function that announces, and announces no more.
func (e *evil) flapping(a *arena) func(i int) {
	a.Helper()
	if e.version == lite05 {
		st := e.announces(a)
		return func(i int) {
			_, err := st.Write(e.announce("flap", i%2 == 0))
			require.NoError(a, err)
		}
	}
	var st quic.Stream
	return func(i int) {
		if i%2 == 1 {
			require.NoError(a, st.Close())
			return
		}
		st = e.bidi(message("06", append(append(e.number(uint64(i)), e.namespace("flap")...), 0)))
		require.NotNil(a, st)
	}
}

// Row 12: updates without end, from a peer that reads the answers and from one
// that does not. With moq-lite there are none.
func TestUpdateFlood(t *testing.T) {
	t.Run("lite", func(t *testing.T) {
		attack(t, nil, func(a *arena) {
			e := a.evil("evil", lite05)
			st := e.bidi(e.subscribe(0, "innocent", "video"))
			for i := range a.few(many, 0) {
				if _, err := st.Write([]byte{5, byte(i), 0, 0, 0, 0}); err != nil {
					break
				}
			}
			a.pass(time.Second)
			_, gone := e.gone()
			require.False(a, gone)
			a.within(budget{heap: 4 * mib, goroutines: 60})
			e.leave()
		})
	})
	for _, reads := range []bool{true, false} {
		t.Run(fmt.Sprintf("reads=%t", reads), func(t *testing.T) {
			attack(t, nil, func(a *arena) {
				conf := &quic.Config{MaxIncomingUniStreams: 1 << 20}
				if !reads {
					conf.InitialStreamReceiveWindow, conf.MaxStreamReceiveWindow = 64, 64
				}
				e := a.evilWith("evil", moqt19, conf)
				st := e.bidi(e.subscribe(0, "innocent", "video"))
				if reads {
					a.wg.Go(func() { _ = drain(st) })
				}
				a.pass(time.Second)
				sent := 0
				for i := range a.few(many, 0) {
					if reads && i%8 == 7 { // as many as may be unanswered
						a.pass(21 * time.Millisecond)
					}
					if _, err := st.Write(message("02", append(e.number(uint64(2*i+2)), 0))); err != nil {
						break
					}
					sent++
				}
				a.pass(time.Second)
				code, gone := e.gone()
				a.Logf("%d updates were taken", sent)
				if reads {
					require.False(a, gone, "%d", code)
					a.within(budget{heap: 4 * mib, goroutines: 60})
					e.leave()
					return
				}
				require.True(a, gone)
				require.EqualValues(a, 0x1b, code)
				a.within(budget{heap: 4 * mib, goroutines: 60})
			})
		})
	}
}

// Row 13: requests that are opened and reset. More than 100 a second, and more
// than half, are too many.
func TestRapidReset(t *testing.T) {
	for _, v := range families {
		for _, how := range []string{"RESET", "STOP_SENDING"} {
			t.Run(v+"/"+how, func(t *testing.T) {
				attack(t, nil, func(a *arena) {
					e := a.evil("evil", v)
					opened := 0
					for i := range many {
						st := e.bidi(e.subscribe(i, "innocent", "video"))
						if st == nil {
							break
						}
						opened++
						if how == "RESET" {
							st.CancelWrite(1)
						} else {
							st.CancelRead(1)
						}
					}
					a.pass(time.Second)
					_, gone := e.gone()
					require.True(a, gone)
					a.Logf("gone after %d", opened)
					require.Less(a, opened, 3000, "the credit of streams and what is under way")
					a.within(budget{heap: 6 * mib, goroutines: 60})
				})
			})
		}
	}
}
