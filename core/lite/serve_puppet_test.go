package lite_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
)

// Golden conversations in which the relay publishes and the puppet subscribes.

func TestPuppetSetup(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p := w.join(draft)
		p.WantIdle()
		w.next.check()
	})
}

func TestPuppetAnnounceSnapshot(t *testing.T) {
	request := map[string]string{lite02: "01 01 00", lite03: "01 01 00", lite04: "01 02 00 00", lite05: "01 02 00 00"}
	first := map[string]string{
		lite02: "0c 01 'room/alice'",
		lite03: "0d 01 'room/alice' 01",
		lite04: "0f 01 'room/alice' 01 4063",
		lite05: "03 4063 01  0d 01 'room/alice' 00",
	}
	bob := map[string]string{
		lite02: "0a 01 'room/bob'",
		lite03: "0b 01 'room/bob' 01",
		lite04: "0d 01 'room/bob' 01 4063",
		lite05: "0b 01 'room/bob' 00",
	}
	ended := map[string]string{
		lite02: "0a 00 'room/bob'",
		lite03: "0b 00 'room/bob' 00",
		lite04: "0b 00 'room/bob' 00",
		lite05: "0b 00 'room/bob' 00",
	}
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p := w.join(draft)
		st := p.Open(x(request[draft]))
		st.WantBytes(x(first[draft])).WantIdle()
		w.publish("p/room/bob", false, "video")
		st.WantBytes(x(bob[draft])).WantIdle()
		w.publish("elsewhere", false, "video") // not below the root
		st.WantIdle()
		w.pubs[2].End()
		st.WantBytes(x(ended[draft])).WantIdle()
		st.FIN().WantFIN() // the peer ends it
		w.next.check()
	})
}

func TestPuppetAnnouncePrefixes(t *testing.T) {
	// Whatever form a prefix has, the suffix is what follows it field by
	// field.
	for _, c := range []struct{ prefix, suffix string }{
		{"''", "'room/alice'"}, {"'/'", "'room/alice'"}, {"'room'", "'alice'"}, {"'/room/'", "'alice'"},
		{"'//room'", "'alice'"}, {"'room/'", "'alice'"}, {"'room/alice'", "''"}, {"'roo'", ""}, {"'room/alicex'", ""},
		{"'room/alice/x'", ""}, {"'..'", ""}, {"'/room//'", "'alice'"},
	} {
		inWorld(t, c.prefix, quietly, func(t *testing.T, w *world) {
			p := w.join(lite05)
			st := p.Open(x("01"), msg(c.prefix, " 00"))
			if c.suffix == "" {
				st.WantHex("03 4063 00").WantIdle()
				return
			}
			st.WantHex("03 4063 01").WantBytes(msg("01 ", c.suffix, " 00")).WantIdle()
		})
	}
}

func TestPuppetExcludeHop(t *testing.T) {
	for _, draft := range []string{lite04, lite05} {
		inWorld(t, draft, quietly, func(t *testing.T, w *world) {
			pub, err := w.relay.View(route.Scope{}).Publish("p/far", route.Route{Hops: []uint64{7, 8}}, &source{})
			require.NoError(t, err)
			w.pubs = append(w.pubs, pub)
			all := w.join(draft).Open(x("01 02 00 00"))
			some := w.join(draft).Open(x("01 02 00 07"))
			if draft == lite04 {
				all.WantBytes(x("0a 01 'far' 03 07 08 4063"))
				all.WantBytes(x("0f 01 'room/alice' 01 4063"))
				some.WantBytes(x("0f 01 'room/alice' 01 4063")).WantIdle()
				return
			}
			all.WantBytes(x("03 4063 02  08 01 'far' 02 07 08  0d 01 'room/alice' 00"))
			some.WantBytes(x("03 4063 01  0d 01 'room/alice' 00")).WantIdle()
		})
	}
}

// A re-route is one active on 05 and nothing before, but for a node on 04 that
// tells others of the way: it looks like other content, which is ended and active,
// in this order, on every draft.
func TestPuppetAnnounceChanges(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		view := w.relay.View(route.Scope{Root: "p"})
		pub, err := view.Publish("b", route.Route{Hops: []uint64{7, 8, 9}}, &source{})
		require.NoError(t, err)
		w.pubs = append(w.pubs, pub)
		p := w.join(draft)
		st := p.Open(x("01"), msg("'b'", map[bool]string{true: " 00"}[draft == lite04 || draft == lite05]))
		ended := x(map[string]string{lite02: "02 00 00", lite03: "03 00 00 00", lite04: "03 00 00 00", lite05: "03 00 00 00"}[draft])
		active := func(way ...string) []byte {
			hops := way[0]
			for _, h := range way[1:] {
				hops += " " + h
			}
			switch draft {
			case lite02:
				return x("02 01 00")
			case lite03:
				return x("03 01 00 0", len(way)+1)
			case lite04:
				return msg("01 00 0", len(way)+1, " ", hops, " 4063")
			}
			return msg("01 00 0", len(way), " ", hops)
		}
		switch draft {
		case lite02:
			st.WantHex("02 01 00")
		case lite05:
			st.WantHex("03 4063 01")
			fallthrough
		default:
			st.WantBytes(active("07", "08", "09"))
		}
		st.WantIdle()
		node := st
		if draft == lite04 {
			node = w.join(draft).Open(x("01"), msg("'b' 0b"))
			node.WantBytes(active("07", "08", "09"))
		}

		require.NoError(t, pub.Update(route.Route{Hops: []uint64{7, 9}}))
		switch draft {
		case lite04:
			node.WantBytes(join(ended, active("07", "09"))).WantIdle()
		case lite05:
			st.WantBytes(active("07", "09"))
		}
		st.WantIdle()

		require.NoError(t, pub.Update(route.Route{Hops: []uint64{8, 9}}))
		st.WantBytes(join(ended, active("08", "09"))).WantIdle()

		pub.End()
		st.WantBytes(ended).WantIdle()
	})
}

func TestPuppetSubscribe(t *testing.T) {
	ask := map[string]string{lite02: "02 13 00 'room/alice' 'video' 02", lite03: "02 17 00 'room/alice' 'video' 02 00 00 00 00"}
	ask[lite04], ask[lite05] = ask[lite03], ask[lite03]
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		w.group(90000, "hi", 89999, "x")
		p := w.join(draft)
		st := p.Open(x(ask[draft]))
		g := p.AcceptUni()
		switch draft {
		case lite02:
			st.WantHex("00")
		case lite03, lite04:
			st.WantHex("00 06 07 00 6710 01 00")
		case lite05:
			st.WantHex("00 01 00")
		}
		// From the start of the newest group.
		if draft == lite05 {
			g.WantHex("00 02 00 00  8002bf20 02 6869  01 01 78").WantFIN()
		} else {
			g.WantHex("00 02 00 00  02 6869  01 78").WantFIN()
		}
		st.WantIdle()

		// A group as it is written; an empty frame and an empty group.
		out, err := w.video.AppendGroup()
		require.NoError(t, err)
		require.NoError(t, out.WriteFrame(moq.Frame{Payload: []byte("b"), Timed: true, Timestamp: 3000}))
		g = p.AcceptUni()
		require.NoError(t, out.WriteFrame(moq.Frame{Timed: true, Timestamp: 6000}))
		require.NoError(t, out.Close())
		if draft == lite05 {
			g.WantHex("00 02 00 01  5770 01 62  5770 00").WantFIN()
		} else {
			g.WantHex("00 02 00 01  01 62  00").WantFIN()
		}
		w.group()
		p.AcceptUni().WantHex("00 02 00 02").WantFIN()

		// The end: END where the draft has it, FIN, and nothing after it.
		require.NoError(t, w.video.Close())
		if draft == lite05 {
			st.WantHex("01 01 03")
		}
		st.WantFIN()
		st.FIN()
		p.WantIdle()
		w.next.check()

		// A peer that does not end its side is made to.
		st = p.Open(x(ask[draft]))
		p.AcceptUni().WantHex("00 02 00 02").WantFIN()
		pass(5 * time.Second)
		st.WantStop(m(3))
	})
}

// group publishes a group of room/alice/video: pairs of timestamp and payload.
func (w *world) group(frames ...any) {
	w.t.Helper()
	g, err := w.video.AppendGroup()
	require.NoError(w.t, err)
	for i := 0; i < len(frames); i += 2 {
		f := moq.Frame{Payload: []byte(frames[i+1].(string)), Timed: true, Timestamp: uint64(frames[i].(int))}
		require.NoError(w.t, g.WriteFrame(f))
	}
	require.NoError(w.t, g.Close())
}

// A track without a group: OK says so at once with start 0; 05 says nothing
// until the first group is known.
func TestPuppetSubscribeAhead(t *testing.T) {
	forDrafts(t, []string{lite03, lite04, lite05}, func(t *testing.T, w *world, draft string) {
		p := w.join(draft)
		st := p.Open(x("02 18 4040 'room/alice' 'video' 02 00 00 00 00"))
		if draft != lite05 {
			st.WantHex("00 06 07 00 6710 00 00")
		}
		st.WantIdle()
		w.group(0, "a")
		if draft == lite05 {
			st.WantHex("00 01 00")
			p.AcceptUni().WantHex("00 03 4040 00  00 01 61").WantFIN()
		} else {
			p.AcceptUni().WantHex("00 03 4040 00  01 61").WantFIN()
			st.WantIdle() // no second OK: shipped peers do not expect one
		}
		// UPDATE: nothing is answered, the range counts.
		st.Send(x("05 07 01 00 00 02")) // up to group 1
		w.net.Wait()
		pass(50 * time.Millisecond)
		w.group()
		p.AcceptUni().WantHex("00 03 4040 01").WantFIN()
		w.group()
		p.WantIdle()
		st.WantIdle()                   // the end of the range is no end
		st.Send(x("05 07 01 00 00 00")) // what was held back follows
		p.AcceptUni().WantHex("00 03 4040 02").WantFIN()

		// Unsubscribe.
		st.FIN().WantFIN()
		w.group(0, "b")
		p.WantIdle()
	})
}

func TestPuppetSubscribeRange(t *testing.T) {
	forDrafts(t, []string{lite03, lite04, lite05}, func(t *testing.T, w *world, draft string) {
		for range 4 {
			w.group()
		}
		p := w.join(draft)
		// Ordered, from group 1 to group 2.
		st := p.Open(x("02 17 05 'room/alice' 'video' ff 01 00 02 03"))
		p.AcceptUni().WantHex("00 02 05 01").WantFIN()
		p.AcceptUni().WantHex("00 02 05 02").WantFIN()
		if draft == lite05 {
			st.WantHex("00 01 01").WantIdle()
		} else {
			st.WantHex("00 06 07 00 6710 02 03").WantIdle()
		}
		p.WantIdle()
		// A start that lies ahead.
		ahead := p.Open(x("02 17 06 'room/alice' 'video' ff 01 00 06 00"))
		if draft != lite05 {
			ahead.WantHex("00 06 07 00 6710 06 00")
		}
		w.group() // 4
		p.WantIdle()
		w.group() // 5
		p.AcceptUni().WantHex("00 02 06 05").WantFIN()
		if draft == lite05 {
			ahead.WantHex("00 01 05")
		}
		ahead.WantIdle()
	})
}

// Unsubscribing cancels groups in flight.
func TestPuppetUnsubscribe(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		out, err := w.video.AppendGroup()
		require.NoError(t, err)
		require.NoError(t, out.WriteFrame(moq.Frame{Payload: []byte("b")}))
		p := w.join(draft)
		ask := "02 17 00 'room/alice' 'video' 02 00 00 00 00"
		if draft == lite02 {
			ask = "02 13 00 'room/alice' 'video' 02"
		}
		for _, how := range []string{"FIN", "FIN and STOP_SENDING", "RESET", "STOP_SENDING"} {
			st := p.Open(x(ask))
			g := p.AcceptUni()
			g.Read(4)
			switch how {
			case "FIN":
				st.FIN()
			case "FIN and STOP_SENDING":
				st.FIN()
				st.Stop(m(0))
			case "RESET":
				st.Reset(m(0))
			case "STOP_SENDING":
				st.Stop(m(0))
			}
			g.WantReset(m(0))
		}
		require.NoError(t, out.Close())
		p.WantIdle()
		w.next.check()
	})
}

func TestPuppetTrack(t *testing.T) {
	inWorld(t, "info", quietly, func(t *testing.T, w *world) {
		p := w.join(lite05)
		st := p.Open(x("06 11 'room/alice' 'video'"))
		st.WantHex("08 07 00 6710 80015f90").WantFIN()
		for _, body := range []string{"'room/bob' 'video'", "'room/alice' 'smell'", "'' ''", "'room' 'video'"} {
			p.Open(x("06"), msg(body)).WantReset(m(13))
		}
		w.next.check()
	})
	for _, draft := range []string{lite02, lite03, lite04} {
		inWorld(t, draft, quietly, func(t *testing.T, w *world) {
			st := w.join(draft).Open(x("06 11 'room/alice' 'video'"))
			st.WantReset(m(17))
			st.WantStop(m(17))
		})
	}
}

func TestPuppetUnknownTrack(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p := w.join(draft)
		rest := " 00 00 00 00"
		if draft == lite02 {
			rest = ""
		}
		for i, name := range []string{"'room/bob' 'video'", "'room/alice' 'smell'", "'' ''", "'door' 'bell'", "'../n/door' 'bell'"} {
			st := p.Open(x("02"), msg("0", i, " ", name, " 02", rest))
			st.WantReset(m(13))
			st.WantStop(m(13))
		}
		w.next.check()
	})
}

func TestPuppetDatagram(t *testing.T) {
	inWorld(t, lite05, quietly, func(t *testing.T, w *world) {
		p := w.join(lite05)
		st := p.Open(x("02 17 03 'room/alice' 'video' 02 00 00 00 00"))
		pass(50 * time.Millisecond)
		require.Nil(t, w.alice.AddDatagram(41, moq.ObjectHeader{Timed: true, Timestamp: 90000}, []byte("hi"), true, time.Now()))
		st.WantHex("00 01 29")
		p.WantDatagram(x("03 29 80015f90 6869"))
		p.WantIdle()
	})
	// Elsewhere it is a group of one frame.
	inWorld(t, lite04, quietly, func(t *testing.T, w *world) {
		p := w.join(lite04)
		p.Open(x("02 17 03 'room/alice' 'video' 02 00 00 00 00"))
		pass(50 * time.Millisecond)
		require.Nil(t, w.alice.AddDatagram(41, moq.ObjectHeader{Timed: true, Timestamp: 90000}, []byte("hi"), true, time.Now()))
		p.AcceptUni().WantHex("00 02 03 29  02 6869").WantFIN()
	})
}

func TestPuppetFetch(t *testing.T) {
	forDrafts(t, []string{lite03, lite04, lite05}, func(t *testing.T, w *world, draft string) {
		w.group(90000, "hi", 89999, "x")
		w.group(0, "newest")
		p := w.join(draft)
		want := "02 6869  01 78"
		if draft == lite05 {
			want = "8002bf20 02 6869  01 01 78"
		}
		// One peer ends its side at once, another when it is done, a third
		// one by a reset.
		p.Open(x("03 13 'room/alice' 'video' 03 00")).FIN().WantHex(want).WantFIN()
		st := p.Open(x("03 13 'room/alice' 'video' 03 00"))
		st.WantHex(want).WantFIN()
		st.Reset(m(0))
		p.Open(x("03 13 'room/alice' 'video' 03 02")).WantReset(m(13)) // the future
		p.Open(x("03 13 'room/alice' 'smell' 03 00")).WantReset(m(13))
		p.Open(x("03 11 'room/bob' 'video' 03 00")).WantReset(m(13))
		p.WantIdle()
	})
	inWorld(t, lite02, quietly, func(t *testing.T, w *world) {
		w.join(lite02).Open(x("03 13 'room/alice' 'video' 03 00")).WantReset(m(17))
	})
}

func TestPuppetProbe(t *testing.T) {
	forDrafts(t, []string{lite03, lite04, lite05}, func(t *testing.T, w *world, draft string) {
		p := w.join(draft)
		st := p.Open(x("04"))
		want := x("01 00") // memnet knows no bitrate
		if draft != lite03 {
			want = x("02 00 14") // 20 ms
		}
		st.WantBytes(want).WantIdle()
		st.Send(msg("802625a0 28"), x("ff ff ff"), make([]byte, 100<<10)) // targets, and whatever else
		st.WantIdle()
		pass(9500 * time.Millisecond)
		if draft != lite03 {
			st.WantBytes(want) // again after 10 s
		}
		st.WantIdle()
		st.FIN().WantFIN()
		st = p.Open(x("04"))
		st.WantBytes(want)
		st.Stop(m(0))
		st.WantStop(m(0))
		w.next.check()
	})
	inWorld(t, lite02, quietly, func(t *testing.T, w *world) { w.join(lite02).Open(x("04")).WantReset(m(17)) })
}

func TestPuppetGoaway(t *testing.T) {
	for _, draft := range []string{lite04, lite05} {
		var got []string
		conf := quietly
		conf.OnGoaway = func(uri string, _ time.Duration) { got = append(got, uri) }
		inWorld(t, draft, conf, func(t *testing.T, w *world) {
			p := w.join(draft)
			p.Open(x("05 01 00")).WantFIN()
			st := p.Open(x("05"), msg("'https://b.example/'")).FIN()
			st.WantFIN()
			p.WantIdle() // leaving is up to the application
			require.Equal(t, []string{"", "https://b.example/"}, got)
		})
	}
	for _, draft := range []string{lite02, lite03} {
		inWorld(t, draft, quietly, func(t *testing.T, w *world) { w.join(draft).Open(x("05 01 00")).WantReset(m(17)) })
	}
}

// Whose node the peer is, it says in SETUP or with its first announcements:
// what came through it is of no use to it.
func TestPuppetOwnHop(t *testing.T) {
	for _, how := range []string{"SETUP", "ANNOUNCE_OK"} {
		inWorld(t, how, quietly, func(t *testing.T, w *world) {
			pub, err := w.relay.View(route.Scope{}).Publish("p/far", route.Route{Hops: []uint64{7, 8}}, &source{})
			require.NoError(t, err)
			w.pubs = append(w.pubs, pub)
			p := w.dial(lite05)
			if how == "SETUP" {
				p.OpenUni(x("01 04 01 05 01 08")).FIN()
				p.Accept()
			} else {
				p.OpenUni(x("01 01 00")).FIN()
				p.Accept().Send(x("02 08 00"))
			}
			pass(50 * time.Millisecond)
			p.Open(x("01 02 00 00")).WantBytes(x("03 4063 01  0d 01 'room/alice' 00")).WantIdle()
			p.Open(x("02"), msg("00 'far' 'video' 02 00 00 00 00")).WantReset(m(13))
		})
	}
}
