package lite_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
)

// Two puppets with the relay between them.

// What a peer publishes is neither announced nor served to itself.
func TestPuppetReflection(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p := w.publishing(draft)
		exclude, rest := "", ""
		switch draft {
		case lite04, lite05:
			exclude, rest = " 00", " 00 00 00 00"
		case lite03:
			rest = " 00 00 00 00"
		}
		st := p.Open(x("01"), msg("'room/bob'", exclude))
		switch draft {
		case lite02:
			st.WantHex("01 00")
		case lite05:
			st.WantHex("03 4063 00")
		}
		st.WantIdle()
		p.Open(x("02"), msg("00 'room/bob' 'video' 02", rest)).WantReset(m(13))
		w.next.check()
	})
}

// The relay hands FETCH on, and back what becomes of it.
func TestPuppetFetchThroughRelay(t *testing.T) {
	forDrafts(t, []string{lite03, lite04, lite05}, func(t *testing.T, w *world, draft string) {
		pub, sub := w.publishing(draft), w.join(draft)
		frames := map[bool]string{false: "02 6869 00", true: "8002bf20 02 6869 00 00"}[draft == lite05]
		info := func() {
			if draft == lite05 {
				st := pub.Accept()
				st.WantBytes(x("06 0f 'room/bob' 'video'"))
				st.Send(x("08 01 00 5388 80015f90")).FIN()
			}
		}
		for _, how := range []string{"FIN", "RESET", "not found", "garbage", "silence"} {
			st := sub.Open(x("03"), msg("'room/bob' 'video' 03 29"))
			info()
			up := pub.Accept()
			switch {
			case draft == lite04:
				up.WantBytes(x("03 12 '/room/bob' 'video' 03 29"))
			default:
				up.WantBytes(x("03 11 'room/bob' 'video' 03 29"))
			}
			switch how {
			case "FIN":
				up.Send(x(frames)).FIN()
				st.WantBytes(x(frames)).WantFIN()
			case "RESET":
				up.Send(x(frames))
				pass(50 * time.Millisecond)
				st.WantBytes(x(frames))
				up.Reset(m(31))
				st.WantReset(m(31))
			case "not found":
				up.Reset(m(13))
				st.WantReset(m(13))
			case "garbage":
				up.Send(x(strings.Repeat("ff", 40)))
				code := m(27) // a huge frame
				if draft == lite05 {
					code = m(15) // at a negative time
				}
				up.WantStop(code)
				st.WantReset(code)
			case "silence":
				pass(19 * time.Second)
				st.WantReset(m(3))
				up.WantStop(m(0))
			}
		}
		w.next.check()
		pub.Open(x("3f")).WantReset(m(17))
		sub.Open(x("3f")).WantReset(m(17))
	})
}

// A publisher that misbehaves in a group costs its subscribers that group.
func TestPuppetBadGroupThroughRelay(t *testing.T) {
	inWorld(t, lite05, dialect.Config{}, func(t *testing.T, w *world) {
		pub, sub := w.publishing(lite05), w.join(lite05)
		st := sub.Open(x("02"), msg("00 'room/bob' 'video' 02 00 00 00 00"))
		resp := pub.wantSubscribe(t)
		pub.OpenUni(x("00 02 00 00  5770 01 61  5771 01")) // an object half sent, at a negative time
		st.WantHex("00 01 00")
		g := sub.AcceptUni()
		g.WantReset(m(15))
		pub.OpenUni(x("00 02 00 01  5770 01 62")).FIN()
		sub.AcceptUni().WantHex("00 02 00 01  5770 01 62").WantFIN()
		resp.Send(x("01 01 02")).FIN()
		st.WantHex("01 01 02").WantFIN()
		w.next.check()
	})
}

// A taker of a name wins, and when it leaves the earlier publisher is restored.
func TestPuppetTakeover(t *testing.T) {
	inWorld(t, lite05, quietly, func(t *testing.T, w *world) {
		r := w.watch()
		first, second := w.join(lite05), w.join(lite05)
		first.asks.Send(x("02 07 00"), msg("01 'b' 00"))
		wantChange(t, r, "b", route.Active, 7)
		second.asks.Send(x("02 08 00"), msg("01 'b' 00"))
		wantChange(t, r, "b", route.Replaced, 8)
		reader := w.read("b", "video", moq.Subscription{})
		second.Accept().WantBytes(x("06 08 'b' 'video'")).Reset(m(13))
		wantEnd(t, reader, moq.ErrNotFound, time.Second)
		second.Close(1, "gone")
		wantChange(t, r, "b", route.Replaced, 7)
		reader = w.read("b", "video", moq.Subscription{})
		first.Accept().WantBytes(x("06 08 'b' 'video'"))
		reader.Close()
		require.Equal(t, 3, w.relay.Stats().Broadcasts)
	})
}
