package lite_test

import (
	"context"
	"crypto/tls"
	"io"
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

// dialed returns a client of ours, an endpoint with hop 42 that publishes what
// is in home, and the puppet that it has dialed.
func (w *world) dialed(draft string, home *route.Mux) (*session.Session, *peer) {
	w.t.Helper()
	if home == nil {
		home = session.NewMux(route.Config{})
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conf := &quic.Config{EnableDatagrams: true}
	lis, err := w.net.Node("server").Listen(":4443", &tls.Config{NextProtos: []string{draft}}, conf)
	require.NoError(w.t, err)
	c, err := w.net.Node("client").Dial(ctx, "server:4443", &tls.Config{NextProtos: []string{draft}}, conf)
	require.NoError(w.t, err)
	other, err := lis.Accept(ctx)
	require.NoError(w.t, err)
	require.NoError(w.t, lis.Close())
	p := &peer{Puppet: quictest.NewPuppet(w.t, other), t: w.t, draft: draft}
	type result struct {
		s   *session.Session
		err error
	}
	begun := make(chan result, 1)
	go func() {
		pending, err := session.Open(ctx, c, dialect.Client, &session.Config{Config: dialect.Config{Hop: 42, Target: "/room?jwt=x"}})
		if err != nil {
			begun <- result{nil, err}
			return
		}
		s, err := session.Accept(ctx, pending, home.View(route.Scope{}))
		begun <- result{s, err}
	}()
	switch draft {
	case lite02:
		p.band = p.Accept()
		p.band.WantHex("20 000a 01 c0000000ff0dad02 00").WantIdle()
		p.band.Send(x("21 0009 c0000000ff0dad02 00"))
	case lite05:
		p.AcceptUni().WantBytes(x("01 14 03 010101 02 '/room?jwt=x' 05 01 2a")).WantFIN()
	}
	r := <-begun
	require.NoError(w.t, r.err)
	w.t.Cleanup(func() {
		_ = r.s.CloseWithError(0, "")
		_ = r.s.Wait()
	})
	p.WantIdle()
	if draft == lite05 {
		p.OpenUni(x("01 08 02 010101 05 02 412c")).FIN()
	}
	return r.s, p
}

// later runs f in a goroutine and returns a function that waits for its result.
func later[T any](f func() (T, error)) func() (T, error) {
	type result struct {
		v   T
		err error
	}
	c := make(chan result, 1)
	go func() {
		v, err := f()
		c <- result{v, err}
	}()
	return func() (T, error) { r := <-c; return r.v, r.err }
}

var bobVideo = moq.FullTrackName{Path: "room/bob", Name: "video"}

func TestPuppetServes(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		s, p := w.dialed(draft, nil)
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()

		// What is announced, below a prefix.
		watching := later(func() (*route.AnnounceReader, error) { return s.Announced(ctx, "room") })
		st := p.Accept()
		st.WantBytes(x(map[string]string{
			lite02: "01 05 'room'", lite03: "01 05 'room'", lite04: "01 08 '/room/' 2a", lite05: "01 06 'room' 2a",
		}[draft]))
		watch, err := watching()
		require.NoError(t, err)
		st.Send(x(map[string]string{
			lite02: "05 01 'bob'", lite03: "06 01 'bob' 01", lite04: "07 01 'bob' 01 07", lite05: "03 412c 01  06 01 'bob' 00",
		}[draft]))
		hops := map[string]uint64{lite02: 0, lite03: 0, lite04: 7, lite05: 300}[draft]
		wantChange(t, watch, "room/bob", route.Active, hops)
		watch.Close()
		st.WantFIN()
		st.WantStop(m(0))

		// A subscription, and its end by us.
		asking := later(func() (*moq.TrackReader, error) {
			return s.Subscribe(ctx, bobVideo, moq.Subscription{Priority: 2})
		})
		st = p.wantSubscribe(t)
		switch draft {
		case lite02:
			st.Send(x("00"))
		case lite03, lite04:
			st.Send(x("00 05 02 00 00 00 00"))
		}
		r, err := asking()
		require.NoError(t, err)
		group := map[bool]string{false: "01 61", true: "00 01 61"}[draft == lite05]
		p.OpenUni(x("00 02 00 05 "), x(group)).FIN()
		wantFrames(t, r, 5, "a")
		open := p.OpenUni(x("00 02 00 06 "), x(group))
		g, err := r.NextGroup(ctx)
		require.NoError(t, err)
		f, err := g.ReadFrame(ctx)
		require.NoError(t, err)
		require.Equal(t, "a", string(f.Payload))
		open.Reset(m(2))
		_, err = g.ReadFrame(ctx)
		require.ErrorIs(t, err, moq.ErrOld)
		open = p.OpenUni(x("00 02 00 07 "), x(group))
		wantOpen(t, r, 7)
		r.Close()
		st.WantFIN()
		st.WantStop(m(0))
		open.WantStop(m(0))
		p.WantIdle()
	})
}

func wantOpen(t *testing.T, r *moq.TrackReader, group uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	g, err := r.NextGroup(ctx)
	require.NoError(t, err)
	require.Equal(t, group, g.Sequence())
}

func TestPuppetIsFetchedFrom(t *testing.T) {
	forDrafts(t, []string{lite03, lite04, lite05}, func(t *testing.T, w *world, draft string) {
		s, p := w.dialed(draft, nil)
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		for _, ok := range []bool{true, false} {
			fetching := later(func() (*moq.ObjectReader, error) { return s.Fetch(ctx, moq.GroupFetch(bobVideo, 41, 3)) })
			if draft == lite05 {
				st := p.Accept()
				st.WantBytes(x("06 0f 'room/bob' 'video'"))
				st.WantIdle() // FIN would say that nobody waits for the answer
				st.Send(x("08 01 00 5388 80015f90")).FIN()
				st.WantFIN()
			}
			st := p.Accept()
			st.WantBytes(join(x("03"), msg(map[bool]string{true: "'/room/bob'", false: "'room/bob'"}[draft == lite04], " 'video' 03 29")))
			st.WantIdle()
			r, err := fetching()
			require.NoError(t, err)
			st.Send(x(map[bool]string{true: "8002bf20 02 6869  01 01 78", false: "02 6869  01 78"}[draft == lite05]))
			if ok {
				st.FIN()
			} else {
				pass(50 * time.Millisecond) // a reset overtakes data
				st.Reset(m(31))
			}
			o, err := r.Next(ctx)
			require.NoError(t, err)
			require.Equal(t, "hi", string(o.Object.Payload()))
			o, err = r.Next(ctx)
			require.NoError(t, err)
			require.Equal(t, "x", string(o.Object.Payload()))
			require.Equal(t, draft == lite05, o.Object.Timed)
			if o.Object.Timed {
				require.EqualValues(t, 89999, o.Object.Timestamp)
			}
			o, err = r.Next(ctx)
			switch {
			case !ok:
				require.ErrorIs(t, err, moq.ErrEvicted)
			default:
				for err == nil { // what is known to be absent
					require.Nil(t, o.Object)
					o, err = r.Next(ctx)
				}
				require.Equal(t, io.EOF, err)
			}
			r.Close()
			st.WantFIN() // of our side
		}
	})
}

func TestPuppetIsProbed(t *testing.T) {
	forDrafts(t, []string{lite03, lite04, lite05}, func(t *testing.T, w *world, draft string) {
		s, p := w.dialed(draft, nil)
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		probing := later(func() (*moq.ProbeReader, error) { return s.Probe(ctx) })
		st := p.Accept()
		st.WantHex("04").WantIdle() // the type and not a byte more
		r, err := probing()
		require.NoError(t, err)
		want := moq.Probe{Bitrate: 2500000}
		if draft == lite03 {
			st.Send(x("04 802625a0"))
		} else {
			st.Send(x("05 802625a0 28"))
			want.RTT = 40 * time.Millisecond
		}
		got, err := r.Next(ctx)
		require.NoError(t, err)
		require.Equal(t, want, got)
		r.Close()
		st.WantFIN()
		st.WantStop(m(0))
	})
}

func TestPuppetIsAskedToLeave(t *testing.T) {
	forDrafts(t, []string{lite04, lite05}, func(t *testing.T, w *world, draft string) {
		s, p := w.dialed(draft, nil)
		require.NoError(t, s.Goaway(context.Background(), "https://b.example/", 0))
		st := p.Accept()
		st.WantBytes(join(x("05"), msg("'https://b.example/'"))).WantFIN()
		st.FIN()
		require.NoError(t, s.Goaway(context.Background(), "", 0))
		p.Accept().WantHex("05 01 00").WantFIN()
		p.WantIdle()
	})
	forDrafts(t, []string{lite02, lite03}, func(t *testing.T, w *world, draft string) {
		s, p := w.dialed(draft, nil)
		require.ErrorIs(t, s.Goaway(context.Background(), "", 0), moq.ErrUnsupported)
		p.WantIdle()
	})
}

// A client publishes on request, and announces below any prefix.
func TestPuppetConsumesFromClient(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		home := session.NewMux(route.Config{})
		track := moq.NewTrack(bobVideo, moq.CacheLimits{}, nil)
		track.SetInfo(moq.TrackInfo{Timescale: 90000})
		pub, err := home.View(route.Scope{}).Publish("room/bob", route.Route{}, &source{map[string]*moq.Track{"video": track}})
		require.NoError(t, err)
		_, p := w.dialed(draft, home)
		exclude := map[bool]string{true: " 00"}[draft == lite04 || draft == lite05]
		st := p.Open(x("01"), msg("'room'", exclude))
		st.WantBytes(x(map[string]string{
			lite02: "05 01 'bob'", lite03: "06 01 'bob' 01", lite04: "07 01 'bob' 01 2a", lite05: "02 2a 01  06 01 'bob' 00",
		}[draft]))
		pub.End()
		st.WantBytes(x(map[string]string{
			lite02: "05 00 'bob'", lite03: "06 00 'bob' 00", lite04: "06 00 'bob' 00", lite05: "06 00 'bob' 00",
		}[draft]))
		st.FIN().WantFIN()
	})
}

// lite-02: what a server may answer to CLIENT_SETUP.
func TestPuppetInBandAnswers(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		end          bool
		want         error
	}{
		{"another version", "21 0009 c0000000ff0dad01 00", false, moq.ErrUnsupported},
		{"another type", "22 0009 c0000000ff0dad02 00", false, moq.ErrMalformed},
		{"FIN", "", true, io.ErrUnexpectedEOF},
		{"silence", "", false, nil},
		{"cut off", "21 0009 c0000000", true, io.ErrUnexpectedEOF},
		{"trailing bytes", "21 000a c0000000ff0dad02 00 00", false, nil},
	} {
		inWorld(t, c.name, quietly, func(t *testing.T, w *world) {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			lis, err := w.net.Node("server").Listen(":4443", &tls.Config{NextProtos: []string{lite02}}, nil)
			require.NoError(t, err)
			conn, err := w.net.Node("client").Dial(ctx, "server:4443", &tls.Config{NextProtos: []string{lite02}}, nil)
			require.NoError(t, err)
			other, err := lis.Accept(ctx)
			require.NoError(t, err)
			p := quictest.NewPuppet(t, other)
			opening := later(func() (*session.Session, error) {
				pending, err := session.Open(ctx, conn, dialect.Client, &session.Config{})
				if err != nil {
					return nil, err
				}
				return session.Accept(ctx, pending, session.NewMux(route.Config{}).View(route.Scope{}))
			})
			st := p.Accept()
			st.Send(x(c.answer))
			if c.end {
				st.FIN()
			}
			_, err = opening()
			require.Error(t, err)
			if c.want != nil {
				require.ErrorIs(t, err, c.want)
			}
			<-other.Context().Done()
		})
	}
}
