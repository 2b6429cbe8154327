package adversary

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/app/moqt"
	"github.com/moqtgo/moqt/core/wire"
	"github.com/moqtgo/moqt/ports/quic"
)

// eachFamily plays an attack in each family.
func eachFamily(t *testing.T, mux *moqt.TrackMuxConfig, f func(a *arena, version string)) {
	for _, v := range families {
		t.Run(v, func(t *testing.T) {
			attackUnder(t, rules{mux: mux}, func(a *arena) { f(a, v) })
		})
	}
}

// publishes makes e the publisher of the broadcast "evil", and the relay
// subscribe to its track "video".
func (a *arena) publishes(e *evil) (reader *moqt.TrackReader, subscription quic.Stream) {
	a.Helper()
	if e.version == lite05 {
		_, _ = e.announces(a).Write(e.announce("evil", true))
	} else {
		st := e.bidi(message("06", append(append(e.number(0), e.namespace("evil")...), 0)))
		require.NotNil(a, st)
	}
	a.pass(time.Second)
	reader, err := a.relayReader("evil", "video", func() { subscription = e.subscribed(a) })
	require.NoError(a, err)
	return reader, subscription
}

// subscribed answers a subscription of the relay well.
func (e *evil) subscribed(a *arena) quic.Stream {
	a.Helper()
	ctx, cancel := soon()
	defer cancel()
	for {
		s, err := e.AcceptStream(ctx)
		require.NoError(a, err)
		if e.version != lite05 {
			_, _ = s.Write(message("04", append(e.number(e.alias), 0)))
			return s
		}
		r := wire.NewStream(wire.RFC9000, s)
		kind, err := r.Varint()
		require.NoError(a, err)
		if kind != 2 { // it asks what the track is like
			_, _ = s.Write(bytes("06 01 00 4e20 43e8"))
			_ = s.Close()
			continue
		}
		_, err = r.Varint() // the length of the message
		require.NoError(a, err)
		e.alias, err = r.Varint()
		require.NoError(a, err)
		_, _ = s.Write(bytes("00 01 00"))
		return s
	}
}

// relayReader subscribes in the relay itself; answer is run meanwhile.
func (a *arena) relayReader(path moqt.Path, track string, answer func()) (*moqt.TrackReader, error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		answer()
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r, err := a.relay.Mux.Subscribe(ctx, path, track, nil)
	<-done
	return r, err
}

// header opens a group of the alias. An object of one byte x is 0, 1, 'x' then.
func (e *evil) header(alias, group uint64) []byte {
	if e.version == lite05 {
		body := append(e.number(alias), e.number(group)...)
		return append([]byte{0, byte(len(body))}, body...)
	}
	b := []byte{0x30} // subgroup 0, default priority
	return append(append(b, e.number(alias)...), e.number(group)...)
}

// Row 14: a publisher that opens streams and leaves them open. It has its
// credit, and with moq-transport a subscription has its share of that.
func TestUniStreamFlood(t *testing.T) {
	eachFamily(t, nil, func(a *arena, v string) {
		e := a.evil("evil", v)
		r, _ := a.publishes(e)
		opened := 0
		for i := range 1500 {
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
			st, err := e.OpenUniStream(ctx)
			cancel()
			if err != nil {
				break
			}
			_, _ = st.Write(append(e.header(e.alias, uint64(i)), 0))
			opened++
		}
		a.Logf("%d streams were opened", opened)
		open := 256
		if v == lite05 {
			open = 1024 // the credit
		}
		a.within(budget{heap: 8 * mib, goroutines: open + 60})
		r.Close()
		e.leave()
	})
}

// Row 15: streams of an alias that nobody has heard of.
func TestUnknownAlias(t *testing.T) {
	eachFamily(t, nil, func(a *arena, v string) {
		e := a.evil("evil", v)
		for i := range 1024 {
			e.uni(append(e.header(uint64(1000+i), 0), 0, 1, 'x'))
		}
		a.pass(100 * time.Millisecond)
		a.within(budget{heap: 4 * mib, goroutines: 32 + 60})
		a.pass(2 * time.Second)
		now := measure()
		require.LessOrEqual(a, now.goroutines-a.base.goroutines, 20, "they have waited their second")
		e.leave()
	})
}

// Row 16: datagrams before their alias, and a storm of those behind it.
func TestDatagramStorm(t *testing.T) {
	for _, known := range []bool{false, true} {
		t.Run(fmt.Sprintf("known=%t", known), func(t *testing.T) {
			eachFamily(t, nil, func(a *arena, v string) {
				e := a.evil("evil", v)
				r, _ := a.publishes(e)
				alias := e.alias
				if !known {
					alias = 9
				}
				payload := make([]byte, 1000)
				for i := range a.few(2*many, 0) {
					b := append(append(e.number(alias), e.number(uint64(i))...), 0) // of moq-lite: a timestamp
					if v != lite05 {
						b = append([]byte{0x0c}, b[:len(b)-1]...)
					}
					_ = e.SendDatagram(append(b, payload...))
					if i%100 == 0 {
						a.pass(time.Millisecond)
					}
					if i%many == 0 {
						a.check()
					}
				}
				a.pass(time.Second)
				limit := 4 * mib
				if known { // 4096 groups of a datagram each
					limit = 16 * mib
				}
				a.within(budget{heap: limit, goroutines: 60})
				r.Close()
				e.leave()
			})
		})
	}
}

// Row 17: a group that never ends, in size and in number of objects.
func TestEndlessGroup(t *testing.T) {
	t.Run("bytes", func(t *testing.T) {
		eachFamily(t, nil, func(a *arena, v string) {
			e := a.evil("evil", v)
			r, _ := a.publishes(e)
			st := e.uni(e.header(e.alias, 0))
			object := append(append([]byte{0}, e.number(1<<20)...), make([]byte, 1<<20)...)
			written := 0
			for range 64 {
				if _, err := st.Write(object); err != nil {
					break
				}
				written++
			}
			a.pass(time.Second)
			a.Logf("%d MiB were taken", written)
			require.Less(a, written, 48)
			require.Error(a, st.Context().Err(), "the group is refused")
			a.within(budget{heap: 40 * mib, goroutines: 60})
			require.NoError(a, e.Context().Err(), "the session is not")
			r.Close()
			e.leave()
		})
	})
	t.Run("objects", func(t *testing.T) {
		conf := &moqt.TrackMuxConfig{Cache: moqt.CacheLimits{GroupBytes: 16 * mib, Bytes: 32 * mib}}
		eachFamily(t, conf, func(a *arena, v string) {
			e := a.evil("evil", v)
			r, _ := a.publishes(e)
			st := e.uni(e.header(e.alias, 0))
			objects := make([]byte, 0, 3<<14)
			for range 1 << 14 {
				objects = append(objects, 0, 1, 'x')
			}
			for range 20 { // 330,000
				if _, err := st.Write(objects); err != nil {
					break
				}
			}
			a.pass(time.Second)
			require.Error(a, st.Context().Err(), "the group is refused")
			a.within(budget{heap: 36 * mib, goroutines: 60})
			r.Close()
			e.leave()
		})
	})
}

// Row 17: large groups that are all left open. Those that the cache has dropped
// hold nothing any more, whatever of them is still open.
func TestOpenGroups(t *testing.T) {
	conf := &moqt.TrackMuxConfig{Cache: moqt.CacheLimits{Bytes: 8 * mib, GroupBytes: 4 * mib}}
	eachFamily(t, conf, func(a *arena, v string) {
		e := a.evil("evil", v)
		r, _ := a.publishes(e)
		object := append(append([]byte{0}, e.number(1<<20)...), make([]byte, 1<<20)...)
		for group := range a.few(64, 24) {
			e.uni(append(e.header(e.alias, uint64(group)), object[:len(object)-1]...))
		}
		a.pass(time.Second)
		a.within(budget{heap: 11 * mib, goroutines: 8 + 60})
		r.Close()
		e.leave()
	})
}

// Row 18: group and object ids that jump by 2^62, and back.
func TestIDJumps(t *testing.T) {
	eachFamily(t, nil, func(a *arena, v string) {
		e := a.evil("evil", v)
		r, _ := a.publishes(e)
		largest := uint64(math.MaxUint64)
		if v == lite05 {
			largest = 1<<62 - 1
		}
		for i := range a.few(2000, 0) {
			group := uint64(i) << 50
			switch i % 3 {
			case 1:
				group = largest - uint64(i)
			case 2:
				group = uint64(i)
			}
			b := append(e.header(e.alias, group), e.jump(1<<62)...)
			b = append(append(b, 1, 'x'), e.jump(1<<62-1)...)
			if st := e.uni(append(b, 1, 'y')); st != nil {
				_ = st.Close()
			}
		}
		a.pass(time.Second)
		require.NoError(a, e.Context().Err(), "jumps are legal")
		a.within(budget{heap: 4 * mib, goroutines: 60})
		r.Close()
		e.leave()
	})
}

// jump is what is in front of the size of an object: the difference to the id
// before; with moq-lite, which has none, that to the timestamp before.
func (e *evil) jump(n uint64) []byte {
	if e.version == lite05 {
		return wire.AppendZigzag(nil, int64(n%(1<<60)))
	}
	return e.number(n)
}

// Row 19: a subscriber that stalls for an hour. The publisher and the others
// notice nothing, and what it has missed is not kept for it.
func TestStalledSubscriber(t *testing.T) {
	for _, v := range families {
		t.Run(v, func(t *testing.T) {
			attack(t, nil, func(a *arena) {
				e := a.evilWith("evil", v, &quic.Config{
					MaxIncomingUniStreams: 100, MaxIdleTimeout: 2 * time.Hour,
					InitialStreamReceiveWindow: 4096, MaxStreamReceiveWindow: 4096,
				})
				e.bidi(e.subscribe(0, "innocent", "video"))
				a.pass(time.Second)
				var peak int64
				for i := range a.few(3600, 0) {
					g, err := a.track.AppendGroup()
					require.NoError(a, err)
					_, err = g.Write(make([]byte, 16<<10))
					require.NoError(a, err)
					require.NoError(a, g.Close())
					ctx, cancel := context.WithTimeout(context.Background(), latency)
					got, err := a.reader.NextGroup(ctx)
					require.NoError(a, err, "the innocent waits")
					_, err = got.ReadFrame(ctx)
					require.NoError(a, err)
					cancel()
					a.pass(time.Second)
					if i%100 == 99 {
						peak = max(peak, measure().heap-a.base.heap)
					}
				}
				a.Logf("heap at most +%.1f MiB", float64(peak)/float64(mib))
				a.within(budget{heap: 6 * mib, goroutines: 100 + 60})
				require.LessOrEqual(a, peak, 6*mib)
				e.leave()
			})
		})
	}
}

// Row 20: windows of a byte, on every stream of a peer that asks for all that
// there is.
func TestTinyWindows(t *testing.T) {
	for _, v := range families {
		t.Run(v, func(t *testing.T) {
			attack(t, nil, func(a *arena) {
				e := a.evilWith("evil", v, &quic.Config{
					MaxIncomingUniStreams: 1000, MaxIncomingStreams: 100, InitialStreamReceiveWindow: 16, MaxStreamReceiveWindow: 16,
				})
				for i := range 200 {
					e.bidi(e.subscribe(i, "innocent", "video"))
				}
				a.pass(time.Second)
				for range 30 {
					a.check()
					a.pass(time.Second)
				}
				a.within(budget{heap: 12 * mib, goroutines: 200*8 + 60})
				e.leave()
			})
		})
	}
}

// Row 24: fetches of everything there ever was, and of what there never was.
func TestFetchAbuse(t *testing.T) {
	eachFamily(t, nil, func(a *arena, v string) {
		e := a.evil("evil", v)
		for i := range 1000 {
			switch i % 4 {
			case 0:
				e.bidi(e.fetch(i, 0, 1<<61))
			case 1:
				e.bidi(e.fetch(i, 1<<60, 1<<61))
			case 2:
				e.bidi(e.fetch(i, 1<<62-2, 1<<62-1))
			case 3:
				e.bidi(e.fetch(i, 9, 3))
			}
		}
		a.pass(time.Second)
		a.within(budget{heap: 8 * mib, goroutines: 16*4 + 300})
		a.pass(25 * time.Second) // a fetch has 20
		now := measure()
		require.LessOrEqual(a, now.goroutines-a.base.goroutines, 60)
		e.leave()
	})
}

// fetch asks for groups of the innocent's track; with moq-lite for the first.
func (e *evil) fetch(n int, start, end uint64) []byte {
	if e.version == lite05 {
		body := append(bytes("'innocent' 'video' 00"), e.number(start)...)
		return append([]byte{3, byte(len(body))}, body...)
	}
	b := append(e.number(uint64(2*n)), 1)
	b = append(b, e.namespace("innocent")...)
	b = append(append(b, 5), "video"...)
	b = append(append(b, e.number(start)...), 0)
	b = append(append(b, e.number(end)...), 0)
	return message("16", append(b, 0))
}
