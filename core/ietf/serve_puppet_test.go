package ietf_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
	"github.com/moqtgo/moqt/ports/quic"
	"github.com/moqtgo/moqt/ports/quic/quictest"
)

// subscribe is a SUBSCRIBE of the largest object of a track.
func subscribe(draft, id, name string) []byte {
	return msg("03", id, " ", name, " ", of(draft, "80 00 01 02 00", "01 21 01 02", "01 21 01 02"))
}

// finished is a group of these frames.
func (w *world) finished(frames ...string) {
	g, err := w.video.AppendGroup()
	require.NoError(w.t, err)
	for _, f := range frames {
		require.NoError(w.t, g.WriteFrame(moq.Frame{Payload: []byte(f)}))
	}
	require.NoError(w.t, g.Close())
}

// accepted is the SUBSCRIBE_OK of room/video before it has an object, or with
// the largest object {0,1}.
func accepted(draft, id, largest string) []byte {
	props := " 04 6710 0a 4064 14 01"
	if streams(draft) {
		props = " 04 a710 0a 64 14 01"
	}
	if largest != "" {
		return msg("04", of(draft, id+" "+id+" 00 01 01 "+largest+" 00",
			id+" "+id+" 01 09 02 "+largest+props, id+" 01 09 "+largest+props))
	}
	return msg("04", of(draft, id+" "+id+" 00 01 00 00", id+" "+id+" 00"+props, id+" 00"+props))
}

func TestPuppetSetup(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p := w.join(draft)
		p.theirs.WantIdle()
		p.WantIdle()
		p.Close(0, "")
	})
}

func TestPuppetSubscribes(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p := w.join(draft)
		st := p.ask(subscribe(draft, "00", "01 'room' 'video'"))
		st.WantBytes(accepted(draft, "00", ""))
		w.finished("ab", "c")
		u := p.AcceptUni()
		u.Read(1)             // the type byte is a choice
		u.WantHex("00 00 64") // groups of a local publisher have the priority of the track
		u.WantHex("00 00 02 6162 00 00 01 63")
		u.WantFIN()
		st.WantIdle()
		w.track.Finish(1)
		st.WantBytes(msg("0b", of(draft, "00 02 01 00", "00 02 01 00", "02 01 00")))
		if streams(draft) {
			st.WantFIN()
			st.FIN()
		}
		p.WantIdle()
	})
}

// Without a filter a subscription is of all objects, of the past as well; the
// relay asks its own publisher for all of them, too. 14 always has a filter.
func TestPuppetSubscribesUnfiltered(t *testing.T) {
	forDrafts(t, []string{moq16, moq18, moq19}, func(t *testing.T, w *world, draft string) {
		w.finished("ab", "c")
		w.finished("d", "e")
		p := w.join(draft)
		p.ask(msg("03", "00 01 'room' 'video' 00")).WantBytes(accepted(draft, "00", "01 01"))
		groups := map[byte]string{}
		for range 2 {
			u := p.AcceptUni()
			head := u.Read(7) // type, alias, group, priority; id, properties and size of the first object
			groups[head[2]] = string(u.Read(int(head[6])))
		}
		require.Equal(t, map[byte]string{0: "ab", 1: "d"}, groups)

		pub, _ := w.publishing(draft)
		r := w.join(draft)
		r.ask(msg("03", "00 01 'bob' 'video' 00"))
		st := pub.control
		if streams(draft) {
			st = pub.Accept()
		}
		st.WantBytes(msg("03", "01 01 'bob' 'video' ", of(draft, "", "04 10 01 10 4080 01 03 03 00 00 01 01", "04 10 01 10 80 01 03 03 00 00 01 01")))
	})
}

// In each form of unsubscribing the open stream is reset and nothing comes any
// more.
func TestPuppetUnsubscribes(t *testing.T) {
	ways := map[string]func(*quictest.PuppetStream){
		"reset and stop": func(st *quictest.PuppetStream) { st.Reset(1); st.Stop(1) },
		"reset":          func(st *quictest.PuppetStream) { st.Reset(1) },
		"stop":           func(st *quictest.PuppetStream) { st.Stop(1) },
		"FIN, then stop": func(st *quictest.PuppetStream) { st.FIN(); pass(time.Second); st.Stop(1) },
	}
	unsubscribe := func(t *testing.T, w *world, draft string, way func(*quictest.PuppetStream)) {
		p := w.join(draft)
		st := p.ask(subscribe(draft, "00", "01 'room' 'video'"))
		st.WantBytes(accepted(draft, "00", ""))
		g, err := w.video.AppendGroup()
		require.NoError(t, err)
		require.NoError(t, g.WriteFrame(moq.Frame{Payload: []byte("a")}))
		u := p.AcceptUni()
		u.Read(8)
		way(st)
		u.WantReset(1)
		require.NoError(t, g.Close())
		w.finished("b")
		p.WantIdle()
		require.Zero(t, w.track.Demand().Readers)
	}
	for _, draft := range []string{moq18, moq19} {
		for name, way := range ways {
			inWorld(t, draft+"/"+name, quietly, func(t *testing.T, w *world) { unsubscribe(t, w, draft, way) })
		}
	}
	forDrafts(t, []string{moq14, moq16}, func(t *testing.T, w *world, draft string) {
		unsubscribe(t, w, draft, func(st *quictest.PuppetStream) { st.Send(msg("0a", "00")) })
	})
}

// FIN of a subscriber means that it will update nothing.
func TestPuppetHalfCloses(t *testing.T) {
	forDrafts(t, []string{moq18, moq19}, func(t *testing.T, w *world, draft string) {
		p := w.join(draft)
		st := p.ask(subscribe(draft, "00", "01 'room' 'video'")).FIN()
		st.WantBytes(accepted(draft, "00", ""))
		w.finished("a")
		p.AcceptUni().Read(8)
		w.track.Finish(1)
		st.WantBytes(msg("0b", "02 01 00")).WantFIN()
	})
}

func TestPuppetUpdates(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p := w.join(draft)
		st := p.ask(subscribe(draft, "00", "01 'room' 'video'"))
		st.WantBytes(accepted(draft, "00", ""))
		st.Send(msg("02", of(draft, "02 00 00 00 00 32 00 00", "02 00 01 10 00", "02 01 10 00")))
		if draft == moq14 {
			st.WantIdle()
		} else {
			st.WantBytes(msg("07", of(draft, "", "02 00", "00")))
		}
		w.finished("a")
		p.WantIdle() // paused
		if streams(draft) {
			st.Send(msg("02", "02 00")) // an id twice
			p.WantClosed(4)
		} else {
			st.Send(msg("02", of(draft, "06 00 00 00 00 32 00 00", "05 00 00", ""))) // a gap, the wrong parity
			p.WantClosed(4)
		}
	})
}

// What is refused, with the draft's code and a FIN where it has a stream.
func TestPuppetRefused(t *testing.T) {
	for _, c := range []struct{ name, draft, request, want string }{
		{"unknown track", moq14, "03", "05 00 04"}, {"unknown track", moq16, "03", "05 00 10 00"},
		{"unknown track", moq18, "03", "05 10 00"}, {"unknown track", moq19, "03", "05 10 00"},
		{"status of an unknown track", moq14, "0d", "0f 00 04"}, {"status of an unknown track", moq16, "0d", "05 00 10 00"},
		{"status of an unknown track", moq18, "0d", "05 10 00"},
	} {
		inWorld(t, c.draft+"/"+c.name, quietly, func(t *testing.T, w *world) {
			p := w.join(c.draft)
			b := subscribe(c.draft, "00", "01 'room' 'none'")
			if c.request == "0d" {
				b = msg("0d", "00 01 'room' 'none' ", of(c.draft, "80 00 01 02 00", "00", "00"))
			}
			st := p.ask(b)
			wantError(t, st, c.want, streams(c.draft))
			p.ask(subscribe(c.draft, "02", "01 'room' 'video'")).Read(4)
		})
	}
	// Range filters have a codec only.
	inWorld(t, "moqt-19/range filter", quietly, func(t *testing.T, w *world) {
		p := w.join(moq19)
		wantError(t, p.ask(msg("03", "00 01 'room' 'video' 01 25 03 00 01 02")), "05 36 00", true)
		wantError(t, p.ask(msg("16", "02 01 01 'room' 'video' 00 00 01 00 01 25 03 00 01 02")), "05 36 00", true)
		wantError(t, p.ask(msg("51", "04 01 'room' 01 29 04 00 02 01 02")), "05 36 00", true)
	})
}

// wantError wants a message with this type and these first bytes, and FIN if
// fin.
func wantError(t *testing.T, st *quictest.PuppetStream, want string, fin bool) {
	t.Helper()
	b := x(want)
	head := st.Read(3)
	require.Equal(t, b[0], head[0], "% x", head)
	body := st.Read(int(head[1])<<8 | int(head[2]))
	require.Equal(t, b[1:], body[:len(b)-1], "% x", body)
	if fin {
		st.WantFIN()
	}
}

func TestPuppetTrackStatus(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		w.finished("a", "b")
		p := w.join(draft)
		st := p.ask(msg("0d", "00 01 'room' 'video' ", of(draft, "80 00 01 02 00", "00", "00")))
		st.WantBytes(msg(of(draft, "0e", "07", "07"), of(draft,
			"00 00 00 01 01 00 01 00", "00 01 09 02 00 01", "01 09 00 01 04 a710 0a 64 14 01")))
		if streams(draft) {
			st.WantFIN()
		}
		require.Zero(t, w.track.Demand().Readers)
	})
}

func TestPuppetSubscribesNamespace(t *testing.T) {
	forDrafts(t, []string{moq16, moq18, moq19}, func(t *testing.T, w *world, draft string) {
		p := w.join(draft)
		st := p.Open(msg(of(draft, "", "11", "50"), "00 01 'room'", of(draft, "", " 01 00", " 00")))
		st.WantBytes(msg("07", of(draft, "", "00 00", "00"))).WantHex("08 0001 00")
		pub, err := w.relay.View(route.Scope{}).Publish("p/room/bob", route.Route{}, &source{})
		require.NoError(t, err)
		st.WantBytes(msg("08", "01 'bob'"))
		pub.End()
		pass(time.Minute)
		st.WantBytes(msg("0e", "01 'bob'"))
		st.FIN()
		pass(time.Second)
		pub, err = w.relay.View(route.Scope{}).Publish("p/room/eve", route.Route{}, &source{})
		require.NoError(t, err)
		w.pubs = append(w.pubs, pub)
		if draft == moq19 { // FIN is a half-close
			st.WantBytes(msg("08", "01 'eve'"))
			st.Stop(1)
			return
		}
		st.WantFIN()
	})
	inWorld(t, moq14, quietly, func(t *testing.T, w *world) {
		p := w.join(moq14)
		p.control.Send(msg("11", "00 01 'room' 00"))
		p.control.WantBytes(msg("12", "00")).WantBytes(msg("06", "01 01 'room' 00")).Send(msg("07", "01"))
		pub, err := w.relay.View(route.Scope{}).Publish("p/room/bob", route.Route{}, &source{})
		require.NoError(t, err)
		p.control.WantBytes(msg("06", "03 02 'room' 'bob' 00")).Send(msg("08", "03 01 00")) // refused
		pass(time.Second)
		pub.End()
		pass(time.Minute)
		p.control.WantIdle()                        // nothing is left to withdraw
		p.control.Send(msg("14", "01 'room'"))      // UNSUBSCRIBE_NAMESPACE
		p.control.WantBytes(msg("09", "01 'room'")) // PUBLISH_NAMESPACE_DONE
	})
}

func TestPuppetFetches(t *testing.T) {
	objects := map[string]string{ // of {0,0} "ab" and {0,1} "c"
		moq14: "05 00  00 00 00 64 00 02 6162  00 00 01 64 00 01 63",
		moq16: "05 00  1c 00 00 64 02 6162  00 01 63",
		moq18: "05 00  1c 00 00 64 02 6162  00 01 63",
		moq19: "05 00  1c 00 00 64 02 6162  00 01 63",
	}
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		w.finished("ab", "c")
		p := w.join(draft)
		st := p.ask(msg("16", of(draft, "00 80 01", "00", "00"), " 01 01 'room' 'video' 00 00 00 00 00"))
		wantError(t, st, of(draft, "18 00 01 00 00", "18 00 00 00", "18 00 00"), streams(draft))
		u := p.AcceptUni()
		u.WantHex(objects[draft]).WantFIN()
	})
}

func TestPuppetFetchesBefore(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		w.finished("ab", "c")
		p := w.join(draft)
		// At once: the fetch waits for what it joins.
		st := p.ask(subscribe(draft, "00", "01 'room' 'video'"))
		join := msg("16", of(draft, "02 80 01", "02", "02"), " 02 00 00 00")
		ft := p.ask(join)
		if st == ft {
			st.WantBytes(accepted(draft, "00", "00 01"))
		}
		wantError(t, ft, of(draft, "18 02 01 00 00 02", "18 02 00 00 02", "18 00 00 02"), streams(draft))
		// Of what there is not, and of what cannot be joined.
		ft = p.ask(msg("16", of(draft, "04 80 01", "04", "04"), " 02 08 00 00"))
		wantError(t, ft, of(draft, "19 04 07", "05 04 32", "05 32"), streams(draft))
		ft = p.ask(msg("16", of(draft, "06 80 01", "06", "06"), " 03 00 09 00"))
		wantError(t, ft, of(draft, "19 06 05", "05 06 11", "05 11"), streams(draft))
	})
}

func TestPuppetPublishesNamespace(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		r, err := w.relay.View(route.Scope{Root: "p"}).Watch("bob", 0, nil)
		require.NoError(t, err)
		t.Cleanup(r.Close)
		want := func(c route.Change) {
			t.Helper()
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			a, err := r.Next(ctx)
			require.NoError(t, err)
			require.Equal(t, moq.Path("bob"), a.Path)
			require.Equal(t, c, a.Change)
		}
		p := w.join(draft)
		st := p.ask(msg("06", "00 01 'bob' 00"))
		st.WantBytes(msg("07", of(draft, "00", "00 00", "00")))
		want(route.Active)
		if streams(draft) {
			st.FIN()
		} else {
			st.Send(msg("09", of(draft, "01 'bob'", "00", "")))
		}
		want(route.Ended)
		// Withdrawn in the same breath.
		if st = p.ask(msg("06", "02 01 'bob' 00")); streams(draft) {
			st.Reset(1)
		} else {
			st.Send(msg("09", of(draft, "01 'bob'", "02", "")))
			st.WantBytes(msg("07", of(draft, "02", "02 00", "")))
		}
		pass(time.Minute)
		if changes := r.Drain(100); len(changes) > 0 {
			require.Equal(t, route.Ended, changes[len(changes)-1].Change)
		}
	})
}

func TestPuppetGoaway(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		body := map[string]string{moq14: "00", moq16: "00", moq18: "00 00 01", moq19: "00 00"}[draft]
		p := w.join(draft)
		p.control.Send(msg("10", body))
		p.ask(subscribe(draft, "00", "01 'room' 'video'")).WantBytes(accepted(draft, "00", ""))
		p.control.Send(msg("10", body))
		p.WantClosed(quic.ErrorCode(3))
	})
}

// A namespace that is published several times at once ends with its session.
func TestPuppetPublishesNamespaceAtOnce(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p := w.join(draft)
		for _, id := range []string{"00", "02", "04", "06", "08", "0a", "0c", "0e"} {
			p.ask(msg("06", id, " 01 'bob' 00"))
		}
		pass(time.Second)
		p.Close(0, "")
	})
}

// Namespaces of one moment are entered in the order in which they come: the ids
// that the relay gives them do not depend on which of their handlers runs first.
func TestPuppetNamespacesKeepOrder(t *testing.T) {
	for _, draft := range []string{moq14, moq16} {
		var first []route.Announcement
		for range 5 {
			inWorld(t, draft, dialect.Config{}, func(t *testing.T, w *world) {
				var all []byte
				for i := range 20 {
					all = append(all, msg("06", fmt.Sprintf("%02x 01 'name%d' 00", 2*i, i))...)
				}
				w.join(draft).control.Send(all)
				pass(time.Second)
				seen, err := w.relay.View(route.Scope{}).With("another").Watch("p", 0, nil)
				require.NoError(t, err)
				defer seen.Close()
				got := slices.DeleteFunc(seen.Drain(100), func(a route.Announcement) bool { return a.Path == "p/room" })
				require.Len(t, got, 20)
				if first == nil {
					first = got
				}
				require.Equal(t, first, got)
			})
		}
	}
}

// A SUBSCRIBE behind the withdrawal of a namespace waits for the next one, even
// where both come in one packet.
func TestPuppetSubscribesBehindWithdrawal(t *testing.T) {
	for range 5 {
		forDrafts(t, []string{moq14, moq16}, func(t *testing.T, w *world, draft string) {
			p := w.join(draft)
			p.control.Send(msg("06", "00 01 'bob' 00")).WantBytes(msg("07", of(draft, "00", "00 00", "")))
			p.control.Send(append(msg("09", of(draft, "01 'bob'", "00", "")), subscribe(draft, "02", "01 'bob' 'video'")...))
			pass(500 * time.Millisecond)
			w.publish("p/bob", true, "audio") // who comes next is asked, and has no such track
			p.control.WantBytes(msg("05", of(draft, "02 04 00", "02 10 00 00", "")))
		})
	}
}
