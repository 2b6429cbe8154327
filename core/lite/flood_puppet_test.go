package lite_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/ports/quic/quictest"
)

func TestPuppetFloods(t *testing.T) {
	fast := dialect.Config{Limits: dialect.Limits{RequestRate: 1e6, RequestBurst: 1e6}}
	inWorld(t, "subscriptions", fast, func(t *testing.T, w *world) {
		p := w.join(lite05)
		refused := 0
		for i := range 10000 {
			st := p.Open(join(x("02"), subscribeAlice(uint64(i))))
			switch {
			case i == 1023:
				pass(50 * time.Millisecond)
			case i >= 1024:
				st.WantReset(m(11))
				refused++
			}
		}
		require.Equal(t, 10000-1024, refused)
		w.group(0, "a")
		p.AcceptUni()
		w.next.check()
	})
	inWorld(t, "duplicate id", quietly, func(t *testing.T, w *world) {
		p := w.join(lite05)
		st := p.Open(join(x("02"), subscribeAlice(7)))
		pass(50 * time.Millisecond)
		p.Open(join(x("02"), subscribeAlice(7))).WantReset(m(12))
		w.group(0, "a")
		st.WantHex("00 01 00").WantIdle()
		w.next.check()
	})
	inWorld(t, "rate", quietly, func(t *testing.T, w *world) {
		p := w.join(lite05)
		start := time.Now()
		for range 6120 - 1 {
			p.Open(x("3f"))
		}
		p.Open(x("3f")).WantReset(m(17))
		require.InDelta(t, 5, time.Since(start).Seconds(), 0.2) // 5,120 and 200 a second
		w.next.check()
	})
	inWorld(t, "updates", quietly, func(t *testing.T, w *world) {
		p := w.publishing(lite05)
		s := p.Open(x("02"), msg("00 'room/alice' 'video' 02 00 00 00 00"))
		for i := range 5000 {
			s.Send(x("05"), []byte{byte(i), 0, 0, 0, 0})
		}
		w.next.check()
	})
	inWorld(t, "announcements", quietly, func(t *testing.T, w *world) {
		p := w.join(lite04)
		for i := range 4097 {
			p.asks.Send(msg(fmt.Sprintf("01 'x%04d' 01 07", i)))
		}
		p.WantClosed(11)
		w.next.check()
	})
	inWorld(t, "announce streams", quietly, func(t *testing.T, w *world) {
		p := w.join(lite05)
		for range 257 {
			p.Open(x("01 02 00 00"))
		}
		p.WantClosed(11)
		w.next.check()
	})
	inWorld(t, "probe streams", quietly, func(t *testing.T, w *world) {
		p := w.join(lite05)
		for range 8 {
			p.Open(x("04")).WantHex("02 00 14")
		}
		p.Open(x("04")).WantReset(m(11))
		w.next.check()
	})
	inWorld(t, "fetches", quietly, func(t *testing.T, w *world) {
		g, err := w.video.AppendGroup()
		require.NoError(t, err)
		p := w.join(lite05)
		for range 16 {
			p.Open(x("03 13 'room/alice' 'video' 03 00"))
		}
		pass(50 * time.Millisecond)
		st := p.Open(x("03 13 'room/alice' 'video' 03 00"))
		st.WantReset(m(11))
		w.next.check()
		require.NoError(t, g.Close())
	})
	for _, how := range []string{"RESET", "STOP_SENDING", "RESET of groups"} {
		inWorld(t, how, quietly, func(t *testing.T, w *world) {
			p := w.publishing(lite05)
			if how == "RESET of groups" {
				w.read("room/bob", "video", moq.Subscription{Priority: 2})
				p.wantSubscribe(t)
			}
			for i := range uint64(300) {
				if how == "RESET of groups" {
					if st, err := p.Conn().OpenUniStream(t.Context()); err == nil {
						_, _ = st.Write(x("00"))
						st.CancelWrite(0)
					}
					continue
				}
				st, err := p.Conn().OpenStream(t.Context())
				if err != nil {
					break // closed already
				}
				_, _ = st.Write(join(x("02"), subscribeAlice(i)))
				if how == "RESET" {
					st.CancelWrite(0)
				} else {
					st.CancelRead(0)
				}
			}
			p.WantClosed(11)
			w.next.check()
		})
	}
	// Slowly, or among enough that is meant, it is no abuse.
	inWorld(t, "slow RESET", quietly, func(t *testing.T, w *world) {
		p := w.join(lite05)
		for i := range 500 {
			p.Open(join(x("02"), subscribeAlice(uint64(i)))).Reset(0)
			pass(11 * time.Millisecond)
		}
		var old []*quictest.PuppetStream
		for i := range 200 {
			old = append(old, p.Open(join(x("02"), subscribeAlice(uint64(i)))))
		}
		pass(2 * time.Second)
		for _, st := range old { // a page that is closed
			st.Reset(0)
		}
		pass(50 * time.Millisecond)
		p.Open(x("3f")).WantReset(m(17))
		w.next.check()
	})
}
