package ietf_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
	"github.com/moqtgo/moqt/ports/quic/quictest"
)

// A stage is a local publisher whose tracks are known.
type stage struct {
	w   *world
	pub *route.Publication
	source
}

// stage publishes room/alice with these tracks.
func (w *world) stage(names ...string) *stage {
	w.t.Helper()
	s := &stage{w: w, source: source{map[string]*moq.Track{}}}
	for _, name := range names {
		s.source.tracks[name] = s.track(name)
	}
	var err error
	s.pub, err = w.relay.View(route.Scope{}).Publish("p/room/alice",
		route.Route{Tracks: func() map[string]*moq.Track { return s.source.tracks }}, &s.source)
	require.NoError(w.t, err)
	w.pubs = append(w.pubs, s.pub)
	return s
}

func (s *stage) track(name string) *moq.Track {
	t := moq.NewTrack(moq.FullTrackName{Path: "p/room/alice", Name: name}, moq.CacheLimits{}, nil)
	t.SetInfo(moq.TrackInfo{Priority: 155, MaxAge: 10 * time.Second, Order: moq.Ascending})
	return t
}

// enter adds a track.
func (s *stage) enter(name string) *moq.Track {
	all := map[string]*moq.Track{name: s.track(name)}
	for n, t := range s.source.tracks {
		if n != name {
			all[n] = t
		}
	}
	s.source.tracks = all
	s.pub.TracksChanged()
	return all[name]
}

// group is a group of one frame.
func (s *stage) group(name, frame string) {
	g, err := moq.NewTrackWriter(s.source.tracks[name], time.Now).AppendGroup()
	require.NoError(s.w.t, err)
	require.NoError(s.w.t, g.WriteFrame(moq.Frame{Payload: []byte(frame)}))
	require.NoError(s.w.t, g.Close())
}

// asking returns a puppet that has asked for the tracks below room, with
// parameters in the form of the draft, and the stream of its request.
func (w *world) asking(draft, params string) (*peer, *quictest.PuppetStream) {
	w.t.Helper()
	p := w.join(draft)
	switch draft {
	case moq14: // which has no other answer than both
		p.control.Send(msg("11", "00 01 'room' ", params)).WantBytes(msg("12", "00"))
		return p, p.control
	case moq16:
		st := p.Open(msg("11", "00 01 'room' 00 ", params))
		return p, st.WantBytes(msg("07", "00 00"))
	}
	st := p.Open(msg("51", "00 01 'room' ", params))
	return p, st.WantBytes(msg("07", "00"))
}

// wantNamespaces takes the two PUBLISH_NAMESPACE that come before PUBLISH in 14.
func (p *peer) wantNamespaces() {
	if p.draft == moq14 {
		p.control.WantBytes(msg("06", "01 01 'room' 00")).WantBytes(msg("06", "03 02 'room' 'alice' 00"))
		p.control.Send(msg("07", "01")).Send(msg("07", "03"))
	}
}

// wantPublish wants a PUBLISH of a track of room/alice.
func (p *peer) wantPublish(id, name, forward string) *quictest.PuppetStream {
	p.t.Helper()
	st := p.control
	if streams(p.draft) {
		st = p.Accept()
	}
	return st.WantBytes(msg("1d", id, " 02 'room' 'alice' ", name, " ", id, " ", of(p.draft,
		"01 00 "+forward+" 00", "01 10 "+forward+" 04 6710 0a 4064 14 01", "01 10 "+forward+" 04 a710 0a 64 14 01")))
}

// published is the answer to a PUBLISH that takes it from the largest object.
func published(draft, id, forward string) []byte {
	if streams(draft) {
		return msg("07", "02 10 ", forward, " 11 01 02")
	}
	return msg("1e", id, of(draft, forward+" 80 01 02 00", "02 10 "+forward+" 11 01 02", ""))
}

// What a peer has asked for is offered, and no object comes before it has
// accepted.
func TestPuppetIsOffered(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		s := w.stage("video")
		s.group("video", "a")
		p, _ := w.asking(draft, "00")
		p.wantNamespaces()
		first := of(draft, "05", "01", "01")
		st := p.control
		if streams(draft) {
			st = p.Accept()
		}
		st.WantBytes(msg("1d", first, " 02 'room' 'alice' 'video' ", first, " ", of(draft, "01 01 00 00 01 00",
			"02 09 02 00 00 07 01 04 6710 0a 4064 14 01", "02 09 00 00 07 01 04 a710 0a 64 14 01")))
		p.WantIdle()
		st.Send(published(draft, first, "01"))
		p.AcceptUni().Read(8) // from the start of the newest group
		s.group("video", "b")
		p.AcceptUni().Read(8)
		// Forward state 0, and 1 again.
		update := func(id, forward string) {
			t.Helper()
			st.Send(msg("02", of(draft, id+" "+first+" 00 00 00 32 "+forward+" 00",
				id+" "+first+" 01 10 "+forward, id+" 01 10 "+forward)))
			if draft != moq14 {
				head := st.Read(3)
				require.EqualValues(t, 7, head[0])
				st.Read(int(head[2]))
			}
		}
		update("02", "00")
		pass(time.Second)
		s.group("video", "c")
		p.WantIdle()
		update("04", "01")
		p.AcceptUni().Read(8)
		s.source.tracks["video"].Finish(3)
		st.WantBytes(msg("0b", of(draft, first+" ", first+" ", ""), "02 03 00"))
		if streams(draft) {
			st.WantFIN()
			st.FIN()
		}
		p.WantIdle()
	})
}

// Tracks that come later are offered then; a refusal is the peer's business,
// and a withdrawal ends what was accepted.
func TestPuppetIsOfferedMore(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		s := w.stage()
		p, ask := w.asking(draft, "00")
		p.wantNamespaces()
		first, second := of(draft, "05", "01", "01"), of(draft, "07", "03", "03")
		s.enter("audio")
		p.wantPublish(first, "'audio'", "01").Send(msg(of(draft, "1f", "05", "05"), of(draft,
			first+" 04 00", first+" 20 00 00", "20 00 00")))
		video := s.enter("video")
		st := p.wantPublish(second, "'video'", "01").Send(published(draft, second, "01"))
		s.group("video", "a")
		p.AcceptUni().Read(8)
		require.Equal(t, 1, video.Demand().Readers)
		if streams(draft) {
			st.Stop(1)
		} else {
			st.Send(msg("0a", second))
		}
		pass(time.Second)
		require.Zero(t, video.Demand().Readers)
		// Who asks no more is offered no more.
		if draft == moq14 {
			p.control.Send(msg("14", "01 'room'")).WantBytes(msg("09", "01 'room'")).WantBytes(msg("09", "02 'room' 'alice'"))
		} else {
			ask.Reset(1)
			ask.Stop(1)
		}
		pass(time.Second)
		s.enter("more")
		p.WantIdle()
		p.ask(subscribe(draft, "02", "01 'room' 'video'")).Read(4)
	})
}

// What the peer subscribes to is not offered to it, nor what it publishes
// itself; Forward State 0 is passed on.
func TestPuppetIsNotOffered(t *testing.T) {
	forDrafts(t, []string{moq16, moq18, moq19}, func(t *testing.T, w *world, draft string) {
		s := w.stage("video")
		p := w.join(draft)
		st := p.ask(subscribe(draft, "00", "02 'room' 'alice' 'video'"))
		st.WantBytes(accepted(draft, "00", ""))
		own := p.ask(msg("1d", "02 02 'room' 'bob' 'video' 09 00"))
		b := own.Read(3)
		own.Read(int(b[2]))
		var ask *quictest.PuppetStream
		if draft == moq16 {
			ask = p.Open(msg("11", "04 01 'room' 00 01 10 00")).WantBytes(msg("07", "04 00"))
		} else {
			ask = p.Open(msg("51", "04 01 'room' 01 10 00")).WantBytes(msg("07", "00"))
		}
		if draft == moq19 {
			ask.WantBytes(msg("0f", "01 'alice' 'video'"))
		}
		p.WantIdle()
		s.enter("audio")
		pub := p.wantPublish("01", "'audio'", "00")
		s.group("audio", "a")
		if streams(draft) {
			pub.Send(msg("07", "01 10 00"))
		} else {
			pub.Send(msg("1e", "01 01 10 00"))
		}
		p.WantIdle()
	})
}

// A name that another track has taken is offered anew when the one before has
// ended.
func TestPuppetIsOfferedAnother(t *testing.T) {
	forDrafts(t, []string{moq16, moq18, moq19}, func(t *testing.T, w *world, draft string) {
		s := w.stage("video")
		p, _ := w.asking(draft, "00")
		old := s.source.tracks["video"]
		p.wantPublish("01", "'video'", "01").Send(published(draft, "01", "01"))
		pass(time.Second)
		s.enter("video")
		p.WantIdle()
		old.Finish(0)
		pass(time.Second)
		if !streams(draft) {
			p.control.WantBytes(gone(draft, "01", "02", "00"))
		}
		p.wantPublish("03", "'video'", "01").Send(published(draft, "03", "01"))
		s.group("video", "a")
		p.AcceptUni().Read(8)
	})
}

// A PUBLISH that gets no answer is withdrawn; more than the limits allow is not
// offered.
func TestPuppetIgnoresOffer(t *testing.T) {
	conf := dialect.Config{Limits: dialect.Limits{Subscriptions: 1}}
	for _, draft := range []string{moq16, moq18, moq19} {
		inWorld(t, draft, conf, func(t *testing.T, w *world) {
			w.stage("audio", "video")
			p, ask := w.asking(draft, "00")
			st := p.wantPublish("01", "'audio'", "01")
			if streams(draft) {
				ask.WantBytes(msg("0f", "01 'alice' 'video'"))
			}
			pass(11 * time.Second)
			if streams(draft) {
				st.WantReset(1)
				st.WantStop(1)
			} else {
				st.WantBytes(gone(draft, "01", "03", "00"))
			}
			p.ask(subscribe(draft, "02", "01 'room' 'video'")).Read(4)
		})
	}
}

// What does not answer a PUBLISH ends the session.
func TestPuppetAnswersOfferBadly(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		s := w.stage()
		p, _ := w.asking(draft, "00")
		p.wantNamespaces()
		id := of(draft, "05", "01", "01")
		s.enter("video")
		p.wantPublish(id, "'video'", "01").Send(ok(draft, id, "00"))
		p.WantClosed(3)
	})
}

// One subscription of a prefix, and of a track, as far as the draft goes.
func TestPuppetOverlaps(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p := w.join(draft)
		names := of(draft, "11", "11", "50")
		opt := of(draft, "", " 01", "")
		open := func(b []byte) *quictest.PuppetStream {
			if draft == moq14 {
				return p.control.Send(b)
			}
			return p.Open(b)
		}
		st := open(msg(names, "00 02 'room' 'a'", opt, " 00"))
		st.WantBytes(msg(of(draft, "12", "07", "07"), of(draft, "00", "00 00", "00")))
		for i, prefix := range []string{"02 'room' 'a'", "01 'room'", "03 'room' 'a' 'b'"} {
			id := []string{"02", "04", "06"}[i]
			st := open(msg(names, id, " ", prefix, opt, " 00"))
			wantError(t, st, of(draft, "13 "+id+" 05", "05 "+id+" 30", "05 30"), draft != moq14)
		}
		if streams(draft) { // of the other kind
			p.Open(msg("51", "08 01 'room' 00")).WantBytes(msg("07", "00"))
			wantError(t, p.Open(msg("51", "0a 00 00")), "05 30", true)
		}
		// The withdrawal may come a little later than what replaces it.
		again := open(msg(names, of(draft, "08", "08", "0c"), " 01 'room'", opt, " 00"))
		pass(500 * time.Millisecond)
		if draft == moq14 {
			p.control.Send(msg("14", "02 'room' 'a'"))
		} else {
			st.Reset(1)
			st.Stop(1)
		}
		again.WantBytes(msg(of(draft, "12", "07", "07"), of(draft, "08", "08 00", "00")))
	})
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p := w.join(draft)
		st := p.ask(subscribe(draft, "00", "01 'room' 'video'")).WantBytes(accepted(draft, "00", ""))
		second := p.ask(subscribe(draft, "02", "01 'room' 'video'"))
		if draft == moq19 {
			second.WantBytes(accepted(draft, "02", ""))
			return
		}
		wantError(t, second, of(draft, "05 02 03", "05 02 19", "05 19"), streams(draft))
		third := p.ask(subscribe(draft, "04", "01 'room' 'video'"))
		pass(500 * time.Millisecond)
		if streams(draft) {
			st.Reset(1)
			st.Stop(1)
		} else {
			st.Send(msg("0a", "00"))
		}
		third.WantBytes(accepted(draft, "04", ""))
	})
}
