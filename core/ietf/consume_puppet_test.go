package ietf_test

import (
	"context"
	"crypto/tls"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
	"github.com/moqtgo/moqt/core/session"
	"github.com/moqtgo/moqt/ports/quic"
	"github.com/moqtgo/moqt/ports/quic/quictest"
)

// publishing returns a puppet that has published the namespace bob.
func (w *world) publishing(draft string) (p *peer, ns *quictest.PuppetStream) {
	w.t.Helper()
	p = w.join(draft)
	ns = p.ask(msg("06", "00 01 'bob' 00"))
	ns.WantBytes(msg("07", of(draft, "00", "00 00", "00")))
	return p, ns
}

// read subscribes to a track below p.
func (w *world) read(path moq.Path, name string) *moq.TrackReader {
	r, err := w.relay.View(route.Scope{Root: "p"}).Subscribe(moq.FullTrackName{Path: path, Name: name},
		moq.Subscription{Priority: 2, Order: moq.Ascending}, time.Now(), nil)
	require.NoError(w.t, err)
	w.t.Cleanup(r.Close)
	return r
}

// wantSubscribe wants the relay's SUBSCRIBE of bob's track with this id.
func (p *peer) wantSubscribe(id, name string) *quictest.PuppetStream {
	p.t.Helper()
	st := p.control
	if streams(p.draft) {
		st = p.Accept()
	}
	st.WantBytes(msg("03", id, " 01 'bob' ", name, " ", of(p.draft, "fd 01 01 02 00",
		"04 10 01 10 40fd 01 01 02 01 01", "04 10 01 10 fd 01 01 02 01 01")))
	return st
}

// ok is a SUBSCRIBE_OK.
func ok(draft, id, alias string) []byte {
	return msg("04", of(draft, id+" "+alias+" 00 01 00 00", id+" "+alias+" 00", alias+" 00"))
}

// gone is a PUBLISH_DONE with a status and a number of streams.
func gone(draft, id, status, count string) []byte {
	return msg("0b", of(draft, id+" ", id+" ", ""), status, " ", count, " 00")
}

// group is a subgroup stream of the alias and group with an object "a".
func group(alias, group string) []byte { return x("10 ", alias, " ", group, " 80 00 01 61") }

func wantGroup(t *testing.T, r *moq.TrackReader, group uint64, frames ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	g, err := r.NextGroup(ctx)
	require.NoError(t, err)
	require.Equal(t, group, g.Sequence())
	for _, want := range frames {
		f, err := g.ReadFrame(ctx)
		require.NoError(t, err)
		require.Equal(t, want, string(f.Payload))
	}
	_, err = g.ReadFrame(ctx)
	require.Equal(t, io.EOF, err)
}

// wantEnd wants the track to end with err.
func wantEnd(t *testing.T, r *moq.TrackReader, want error, within time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	_, err := r.NextGroup(ctx)
	require.ErrorIs(t, err, want)
}

func TestPuppetIsSubscribed(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p, _ := w.publishing(draft)
		r := w.read("bob", "video")
		st := p.wantSubscribe("01", "'video'")
		st.Send(ok(draft, "01", "07"))
		p.OpenUni(group("07", "00")).FIN()
		wantGroup(t, r, 0, "a")
		// The last stream may come after PUBLISH_DONE.
		st.Send(gone(draft, "01", "02", "02"))
		pass(100 * time.Millisecond)
		p.OpenUni(group("07", "01")).FIN()
		wantGroup(t, r, 1, "a")
		wantEnd(t, r, io.EOF, 100*time.Millisecond)
		if streams(draft) {
			st.WantFIN()
			st.FIN()
		}
	})
}

// There are peers that always say 0 streams: others may follow for a while.
func TestPuppetPublishDoneWithoutCount(t *testing.T) {
	for _, count := range []string{"00", "unknown"} {
		for _, draft := range drafts {
			inWorld(t, draft+"/"+count, quietly, func(t *testing.T, w *world) {
				count := count
				if count == "unknown" { // 2^62-1
					count = of(draft, "ffffffffffffffff", "ffffffffffffffff", "ff3fffffffffffffff")
				}
				p, _ := w.publishing(draft)
				r := w.read("bob", "video")
				p.wantSubscribe("01", "'video'").Send(ok(draft, "01", "07"), gone(draft, "01", "02", count))
				pass(500 * time.Millisecond)
				p.OpenUni(group("07", "00")).FIN()
				wantGroup(t, r, 0, "a")
				wantEnd(t, r, io.EOF, 2*time.Second)
			})
		}
	}
}

// A subscription that ends without PUBLISH_DONE has failed.
func TestPuppetPublisherLeaves(t *testing.T) {
	for name, end := range map[string]func(*quictest.PuppetStream){
		"FIN": func(st *quictest.PuppetStream) { st.FIN() }, "reset": func(st *quictest.PuppetStream) { st.Reset(1) },
	} {
		for _, draft := range []string{moq18, moq19} {
			inWorld(t, draft+"/"+name, quietly, func(t *testing.T, w *world) {
				p, _ := w.publishing(draft)
				r := w.read("bob", "video")
				st := p.wantSubscribe("01", "'video'").Send(ok(draft, "01", "07"))
				pass(time.Second)
				end(st)
				wantEnd(t, r, moq.ErrDropped, time.Second)
			})
		}
	}
}

// The last reader's leaving ends the subscription as the draft says.
func TestPuppetIsUnsubscribed(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p, _ := w.publishing(draft)
		r := w.read("bob", "video")
		st := p.wantSubscribe("01", "'video'").Send(ok(draft, "01", "07"))
		pass(time.Second)
		r.Close()
		pass(time.Minute) // it lingers
		if streams(draft) {
			st.WantReset(1)
			st.WantStop(1)
		} else {
			st.WantBytes(msg("0a", "01")).WantIdle()
		}
	})
}

// What was refused needs no UNSUBSCRIBE.
func TestPuppetRefuses(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p, _ := w.publishing(draft)
		r := w.read("bob", "video")
		st := p.wantSubscribe("01", "'video'")
		st.Send(msg("05", of(draft, "01 04 00", "01 10 00 00", "10 00 00")))
		wantEnd(t, r, moq.ErrNotFound, time.Second)
		if streams(draft) {
			st.FIN()
			st.WantFIN()
		} else {
			st.WantIdle()
		}
	})
}

// Streams that come before their alias wait for it: as long as they may.
func TestPuppetParked(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p, _ := w.publishing(draft)
		r := w.read("bob", "video")
		st := p.wantSubscribe("01", "'video'")
		early := p.OpenUni(group("07", "00"))
		pass(600 * time.Millisecond)
		u := p.OpenUni(group("07", "01")).FIN()
		early.WantStop(1) // a second has passed
		st.Send(ok(draft, "01", "07"))
		wantGroup(t, r, 1, "a")
		_ = u
		other := p.OpenUni(group("08", "00"))
		other.WantStop(1)
	})
	conf := dialect.Config{Limits: dialect.Limits{ParkedStreams: 2}}
	for _, draft := range drafts {
		inWorld(t, draft+"/too many", conf, func(t *testing.T, w *world) {
			p, _ := w.publishing(draft)
			r := w.read("bob", "video")
			st := p.wantSubscribe("01", "'video'")
			p.OpenUni(group("07", "00")).FIN()
			p.OpenUni(group("07", "01")).FIN()
			pass(50 * time.Millisecond)
			third := p.OpenUni(group("07", "02"))
			third.WantStop(map[string]quic.ErrorCode{moq14: 1, moq16: 1, moq18: 9, moq19: 9}[draft])
			st.Send(ok(draft, "01", "07"))
			pass(100 * time.Millisecond) // they go on in any order
			wantEnd(t, r, nil, time.Second)
			wantEnd(t, r, nil, time.Second)
			wantEnd(t, r, context.DeadlineExceeded, time.Second)
		})
	}
}

// What a publisher may get wrong.
func TestPuppetBadPublisher(t *testing.T) {
	for _, c := range []struct {
		name string
		code quic.ErrorCode
		do   func(w *world, p *peer, st *quictest.PuppetStream)
	}{
		{"a stream type that there is not", 3, func(_ *world, p *peer, _ *quictest.PuppetStream) { p.OpenUni(x("04")) }},
		{"subgroup mode 3", 3, func(_ *world, p *peer, _ *quictest.PuppetStream) { p.OpenUni(x("16 07 00 80")) }},
		{"half a header", 3, func(_ *world, p *peer, _ *quictest.PuppetStream) { p.OpenUni(x("10 07")).FIN() }},
		{"half an object", 3, func(_ *world, p *peer, _ *quictest.PuppetStream) { p.OpenUni(x("10 07 00 80 00 05 61")).FIN() }},
		{"status 9", 3, func(_ *world, p *peer, _ *quictest.PuppetStream) { p.OpenUni(x("10 07 00 80 00 00 09")) }},
		{"ids beyond 64 bits", 3, func(_ *world, p *peer, _ *quictest.PuppetStream) {
			huge := "ffffffffffffffff"
			if streams(p.draft) {
				huge = "ff ffffffffffffffff"
			}
			p.OpenUni(x("10 07 00 80 ", strings.Repeat(huge+" 01 61 ", 5)))
		}},
		{"a datagram type that there is not", 3, func(_ *world, p *peer, _ *quictest.PuppetStream) { p.SendDatagram(x("3f 07 00 00 80")) }},
		{"a fetch that there is not", 3, func(_ *world, p *peer, _ *quictest.PuppetStream) { p.OpenUni(x("05 0f")) }},
		{"PUBLISH_DONE twice", 3, func(_ *world, p *peer, st *quictest.PuppetStream) {
			st.Send(gone(p.draft, "01", "02", "05"), gone(p.draft, "01", "02", "05"))
		}},
		{"SUBSCRIBE_OK twice", 3, func(_ *world, p *peer, st *quictest.PuppetStream) { st.Send(ok(p.draft, "01", "07")) }},
		{"an alias twice", 5, func(w *world, p *peer, _ *quictest.PuppetStream) {
			w.read("bob", "audio")
			p.wantSubscribe("03", "'audio'").Send(ok(p.draft, "03", "07"))
		}},
	} {
		for _, draft := range drafts {
			inWorld(t, draft+"/"+c.name, quietly, func(t *testing.T, w *world) {
				p, _ := w.publishing(draft)
				r := w.read("bob", "video")
				st := p.wantSubscribe("01", "'video'").Send(ok(draft, "01", "07"))
				pass(100 * time.Millisecond)
				c.do(w, p, st)
				p.WantClosed(c.code)
				r.Close()
			})
		}
	}
}

// served returns a puppet that is the server of a client of ours, beyond its
// set-up.
func (w *world) served(draft string, conf dialect.Config) (p *peer, s *session.Session, mux *route.Mux) {
	t := w.t
	t.Helper()
	lis, err := w.net.Node("server").Listen(":0", serverTLS(draft), &quic.Config{EnableDatagrams: true, MaxIncomingStreams: 100, MaxIncomingUniStreams: 100})
	require.NoError(t, err)
	t.Cleanup(func() { _ = lis.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := w.net.Node("client").Dial(ctx, lis.Addr().String(), serverTLS(draft), &quic.Config{EnableDatagrams: true, MaxIncomingStreams: 100, MaxIncomingUniStreams: 100})
	require.NoError(t, err)
	sc, err := lis.Accept(ctx)
	require.NoError(t, err)
	p = &peer{Puppet: quictest.NewPuppet(t, sc), t: t, draft: draft}
	mux = session.NewMux(route.Config{})
	began := make(chan error, 1)
	go func() {
		pending, err := session.Open(ctx, c, dialect.Client, &session.Config{Config: conf})
		if err == nil {
			s, err = session.Accept(ctx, pending, mux.View(route.Scope{}))
		}
		began <- err
	}()
	hello := clientSetup[draft]
	if conf.Import {
		hello = relaySetup[draft]
	}
	if streams(draft) {
		p.theirs = p.AcceptUni()
		p.theirs.WantHex(hello)
		p.control = p.OpenUni(x(serverSetup[draft]))
	} else {
		p.theirs = p.Accept()
		p.theirs.WantHex(hello)
		p.control = p.theirs.Send(x(serverSetup[draft]))
	}
	require.NoError(t, <-began)
	t.Cleanup(func() { _ = c.CloseWithError(0, "") })
	return p, s, mux
}

// serving returns a puppet whose client imports what it is told of, and the
// stream of the client's SUBSCRIBE_NAMESPACE.
func (w *world) serving(draft string, limits dialect.Limits) (p *peer, asks *quictest.PuppetStream, mux *route.Mux) {
	w.t.Helper()
	p, _, mux = w.served(draft, dialect.Config{Import: true, Limits: limits})
	asks = p.control
	if draft != moq14 {
		asks = p.Accept()
	}
	asks.WantBytes(msg(of(draft, "11", "11", "50"), "00 00", of(draft, "", " 01", ""), " 00"))
	asks.Send(msg(of(draft, "12", "07", "07"), of(draft, "00", "00 00", "00")))
	return p, asks, mux
}

// A client of ours: the golden set-up, and what it imports.
func TestPuppetServes(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		_, asks, mux := w.serving(draft, dialect.Limits{})
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		view, err := mux.View(route.Scope{}).Watch("", 0, nil)
		require.NoError(t, err)
		defer view.Close()
		change := func(want route.Change) {
			t.Helper()
			a, err := view.Next(ctx)
			require.NoError(t, err)
			require.Equal(t, moq.Path("bob"), a.Path)
			require.Equal(t, want, a.Change)
		}
		if draft == moq14 {
			asks.Send(msg("06", "01 01 'bob' 00")).WantBytes(msg("07", "01"))
			change(route.Active)
			asks.Send(msg("09", "01 'bob'"))
			change(route.Ended)
			return
		}
		asks.Send(msg("08", "01 'bob'"))
		change(route.Active)
		asks.Send(msg("0e", "01 'bob'"))
		change(route.Ended)
		asks.Send(msg("08", "01 'bob'"))
		change(route.Active)
		asks.FIN() // all that there was has ended
		change(route.Ended)
	})
}

func serverTLS(draft string) *tls.Config { return &tls.Config{NextProtos: []string{draft}} }

// A NAMESPACE_DONE without its NAMESPACE, and more of them than there may be.
func TestPuppetBadNamespaces(t *testing.T) {
	forDrafts(t, []string{moq16, moq18, moq19}, func(t *testing.T, w *world, draft string) {
		p, asks, _ := w.serving(draft, dialect.Limits{})
		asks.Send(msg("08", "01 'bob'"), msg("0e", "01 'eve'"))
		p.WantClosed(3)
		p, asks, _ = w.serving(draft, dialect.Limits{Announcements: 2})
		asks.Send(msg("08", "01 'a'"), msg("08", "01 'b'"), msg("0e", "01 'a'"), msg("08", "01 'c'"), msg("08", "01 'c'"))
		asks.WantIdle()
		asks.Send(msg("08", "01 'd'"))
		p.WantClosed(3)
	})
}
