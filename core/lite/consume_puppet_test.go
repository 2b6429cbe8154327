package lite_test

import (
	"bytes"
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
	"github.com/moqtgo/moqt/ports/quic"
	"github.com/moqtgo/moqt/ports/quic/quictest"
)

// Golden conversations in which the puppet publishes and the relay subscribes.

// announce makes the puppet announce room/bob with hop 7, on its answer to the
// relay's request.
func (p *peer) announce() {
	p.asks.Send(x(map[string]string{
		lite02: "0b 01 'room/bob'",
		lite03: "0b 01 'room/bob' 01",
		lite04: "0c 01 'room/bob' 01 07",
		lite05: "02 07 01  0b 01 'room/bob' 00",
	}[p.draft])[map[string]int{lite02: 0}[p.draft]:])
}

// publishing returns a puppet that has announced room/bob.
func (w *world) publishing(draft string) *peer {
	p := w.join(draft)
	if draft == lite02 {
		p.asks.Send(x("0a 01 'room/bob'"))
	} else {
		p.announce()
	}
	w.net.Wait()
	pass(50 * time.Millisecond)
	return p
}

// watch follows what is announced below p.
func (w *world) watch() *route.AnnounceReader {
	r, err := w.relay.View(route.Scope{Root: "p"}).Watch("", 0, nil)
	require.NoError(w.t, err)
	w.t.Cleanup(r.Close)
	a, err := r.Next(context.Background())
	require.NoError(w.t, err)
	require.Equal(w.t, moq.Path("room/alice"), a.Path)
	return r
}

func wantChange(t *testing.T, r *route.AnnounceReader, path moq.Path, c route.Change, hops ...uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	a, err := r.Next(ctx)
	require.NoError(t, err)
	require.Equal(t, route.Announcement{Path: path, Change: c, Hops: hops, Cost: uint64(len(hops))}, a)
}

func wantNoChange(t *testing.T, r *route.AnnounceReader) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	a, err := r.Next(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded, "%+v", a)
}

// read subscribes to a track below p.
func (w *world) read(path moq.Path, name string, sub moq.Subscription) *moq.TrackReader {
	r, err := w.relay.View(route.Scope{Root: "p"}).Subscribe(moq.FullTrackName{Path: path, Name: name}, sub, time.Now(), nil)
	require.NoError(w.t, err)
	w.t.Cleanup(r.Close)
	return r
}

// wantFrames wants a whole group next.
func wantFrames(t *testing.T, r *moq.TrackReader, group uint64, frames ...string) {
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

// wantEnd wants the track to end with err; how soon says within.
func wantEnd(t *testing.T, r *moq.TrackReader, want error, within time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	_, err := r.NextGroup(ctx)
	require.ErrorIs(t, err, want)
}

func TestPuppetAnnounces(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		r := w.watch()
		p := w.join(draft)
		asks := p.asks
		hops := []uint64{7}
		switch draft {
		case lite02:
			asks.Send(x("06 01 'room'"))
			hops = []uint64{0}
			wantChange(t, r, "room", route.Active, 0)
			asks.Send(x("06 00 'room'"))
		case lite03:
			asks.Send(x("07 01 'room' 01"))
			hops = []uint64{0}
			wantChange(t, r, "room", route.Active, 0)
			asks.Send(x("07 00 'room' 00"))
		case lite04:
			asks.Send(x("08 01 'room' 01 07"))
			wantChange(t, r, "room", route.Active, 7)
			asks.Send(x("07 00 'room' 00"))
		case lite05:
			asks.Send(x("02 07 01"), x("07 01 'room' 00"))
			wantChange(t, r, "room", route.Active, 7)
			asks.Send(x("07 00 'room' 00"))
		}
		wantChange(t, r, "room", route.Ended)
		// Ended for what was never announced is tolerated, and so are odd
		// forms of a path.
		end := map[string]string{lite02: "", lite03: " 00", lite04: " 00", lite05: " 00"}[draft]
		begin := map[string]string{lite02: "", lite03: " 01", lite04: " 01 07", lite05: " 00"}[draft]
		asks.Send(msg("00 'nobody'", end), msg("01 '/x//y/'", begin))
		wantChange(t, r, "x/y", route.Active, hops...)
		asks.Send(msg("00 'x/y'", end))
		wantChange(t, r, "x/y", route.Ended)
		// FIN: there is nothing more to come, and nothing left.
		asks.Send(msg("01 'z'", begin))
		wantChange(t, r, "z", route.Active, hops...)
		asks.FIN()
		wantChange(t, r, "z", route.Ended)
		p.WantIdle()
		asks.WantFIN()
	})
}

// A second active announcement on 05: a re-route where the first hop stays,
// other content where it does not or is unknown. Where it has passed us before
// it takes the first back.
func TestPuppetReplace(t *testing.T) {
	inWorld(t, lite05, quietly, func(t *testing.T, w *world) {
		r := w.watch()
		asks := w.join(lite05).asks
		asks.Send(x("02 07 00"), msg("01 'b' 02 05 06"))
		wantChange(t, r, "b", route.Active, 5, 6, 7)
		asks.Send(msg("01 'b' 01 05"))
		wantChange(t, r, "b", route.Rerouted, 5, 7)
		asks.Send(msg("01 'b' 01 06"))
		wantChange(t, r, "b", route.Replaced, 6, 7)
		asks.Send(msg("01 'b' 01 00"))
		wantChange(t, r, "b", route.Replaced, 0, 7)
		asks.Send(msg("02 'b' 01 00")) // status 2 is read as active
		wantChange(t, r, "b", route.Replaced, 0, 7)
		asks.Send(msg("01 'b' 02 05 4063")) // through us
		wantChange(t, r, "b", route.Ended)
		asks.Send(msg("01 'b' 02 05 4063"), msg("00 'b' 00"))
		wantNoChange(t, r)
		asks.Send(msg("01 'b' 00"))
		wantChange(t, r, "b", route.Active, 7)
	})
}

// An abrupt end lingers, an orderly one does not.
func TestPuppetLeaves(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		r := w.watch()
		p := w.publishing(draft)
		a, err := r.Next(context.Background())
		require.NoError(t, err)
		require.Equal(t, route.Active, a.Change)
		p.Close(1, "gone")
		wantNoChange(t, r)
		pass(4 * time.Second)
		wantNoChange(t, r)
		wantChange(t, r, "room/bob", route.Ended)

		p = w.publishing(draft)
		_, err = r.Next(context.Background())
		require.NoError(t, err)
		p.Close(0, "")
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		a, err = r.Next(ctx)
		require.NoError(t, err)
		require.Equal(t, route.Ended, a.Change)
	})
}

// What the relay says when it subscribes, in both styles of path.
func (p *peer) wantSubscribe(t *testing.T) *quictest.PuppetStream {
	t.Helper()
	if p.draft == lite05 {
		st := p.Accept()
		st.WantHex("06 0f 08 726f6f6d2f626f62 05 766964656f")
		st.Send(x("08 01 00 5388 80015f90")).FIN()
		st.WantFIN()
	}
	st := p.Accept()
	st.WantBytes(x(map[string]string{
		lite02: "02 11 00 'room/bob' 'video' 02",
		lite03: "02 15 00 'room/bob' 'video' 02 00 00 00 00",
		lite04: "02 16 00 '/room/bob' 'video' 02 00 00 00 00",
		lite05: "02 15 00 'room/bob' 'video' 02 00 00 00 00",
	}[p.draft]))
	return st
}

func TestPuppetPublishes(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p := w.publishing(draft)
		r := w.read("room/bob", "video", moq.Subscription{Priority: 2})
		st := p.wantSubscribe(t)
		info := moq.TrackInfo{Priority: moq.DefaultPriority, Timescale: 1000}
		two := []string{"f0", "b"}
		group := x("00 02 00 00  02 6630  01 62")
		switch draft {
		case lite02:
			st.Send(x("00"))
		case lite03, lite04:
			st.Send(x("00 05 02 00 00 00 00"))
			info.Priority = 2
		case lite05:
			st.Send(x("00 01 00"))
			info = moq.TrackInfo{Priority: 1, MaxAge: 5 * time.Second, Timescale: 90000}
			group = x("00 02 00 00  8002bf20 02 6630  4bb7 01 62")
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		got, err := r.Track().WaitInfo(ctx)
		require.NoError(t, err)
		require.Equal(t, info, got)

		p.OpenUni(group).FIN()
		wantFrames(t, r, 0, two...)
		if draft == lite05 {
			p.SendDatagram(x("00 01 80015f90 6467"))
		} else {
			p.OpenUni(x("00 02 00 01  02 6467")).FIN()
		}
		wantFrames(t, r, 1, "dg")
		p.OpenUni(x("00 02 00 02")).FIN()
		wantFrames(t, r, 2)
		// The end is said while the last group is still open.
		last := p.OpenUni(x("00 02 00 03"))
		if draft == lite05 {
			st.Send(x("01 01 04"))
		}
		st.FIN()
		pass(5 * time.Second)
		last.FIN()
		wantFrames(t, r, 3)
		wantEnd(t, r, io.EOF, 3*time.Second)
		st.WantFIN()
		w.next.check()
	})
}

// END comes before the stream of the last group is opened, as the npm
// publisher does it; without END, a short while after FIN is waited for groups
// under way.
func TestPuppetEndBeforeLastGroup(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p := w.publishing(draft)
		r := w.read("room/bob", "video", moq.Subscription{Priority: 2})
		st := p.wantSubscribe(t)
		ok := map[string]string{lite02: "00", lite03: "00 05 02 00 00 00 00", lite04: "00 05 02 00 00 00 00", lite05: "00 01 00 01 01 02"}
		st.Send(x(ok[draft])).FIN()
		st.Stop(m(0))
		pass(500 * time.Millisecond)
		frame := "01 61"
		if draft == lite05 {
			frame = "00 01 61"
		}
		p.OpenUni(x("00 02 00 00"), x(frame)).FIN()
		wantFrames(t, r, 0, "a")
		pass(500 * time.Millisecond)
		p.OpenUni(x("00 02 00 01"), x(frame)).FIN()
		wantFrames(t, r, 1, "a")
		start := time.Now()
		wantEnd(t, r, io.EOF, 3*time.Second)
		if draft == lite05 {
			require.Zero(t, time.Since(start), "all groups are there")
		}
		// The id is not known any more.
		p.OpenUni(x("00 02 00 02"), x(frame)).FIN()
		w.next.check()
	})
}

func TestPuppetRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		code quic.ErrorCode
		want error
	}{
		{"mapped not found", m(13), moq.ErrNotFound}, {"plain not found", 13, moq.ErrNotFound},
		{"mapped unroutable", m(30), moq.ErrNotFound}, {"plain cancel", 0, moq.ErrCanceled},
		{"mapped cancel", m(0), moq.ErrCanceled}, {"unauthorized", m(6), moq.ErrUnauthorized},
		{"reserved", 0x52e4a40fa8f9, moq.ErrInternal}, {"the largest", 1<<62 - 1, moq.ErrInternal},
	} {
		forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
			p := w.publishing(draft)
			r := w.read("room/bob", "video", moq.Subscription{Priority: 2})
			st := p.wantSubscribe(t)
			st.Reset(c.code)
			wantEnd(t, r, c.want, 2*time.Second)
			st.WantFIN()
		})
	}
	inWorld(t, "TRACK", quietly, func(t *testing.T, w *world) {
		p := w.publishing(lite05)
		r := w.read("room/bob", "video", moq.Subscription{})
		p.Accept().WantBytes(x("06 0f 'room/bob' 'video'")).Reset(m(30))
		wantEnd(t, r, moq.ErrNotFound, 2*time.Second)
		p.WantIdle()
	})
	inWorld(t, "TRACK in silence", quietly, func(t *testing.T, w *world) {
		p := w.publishing(lite05)
		r := w.read("room/bob", "video", moq.Subscription{})
		st := p.Accept()
		wantEnd(t, r, moq.ErrTimeout, 11*time.Second)
		st.WantStop(m(3))
	})
	inWorld(t, "SUBSCRIBE in silence", quietly, func(t *testing.T, w *world) {
		p := w.publishing(lite04)
		r := w.read("room/bob", "video", moq.Subscription{})
		st := p.Accept()
		wantEnd(t, r, moq.ErrTimeout, 11*time.Second)
		st.WantStop(m(3))
	})
}

// The relay follows what its readers want by updates, and unsubscribes when
// nobody reads for a while.
func TestPuppetGetsUpdates(t *testing.T) {
	forDrafts(t, []string{lite03, lite04, lite05}, func(t *testing.T, w *world, draft string) {
		p := w.publishing(draft)
		r := w.read("room/bob", "video", moq.Subscription{Priority: 2})
		st := p.wantSubscribe(t)
		if draft == lite05 {
			st.Send(x("00 01 00"))
		} else {
			st.Send(x("00 05 02 00 00 01 00"))
		}
		st.WantIdle()
		more := w.read("room/bob", "video", moq.Subscription{Priority: 9, MaxLatency: time.Second})
		st.WantHex("06 09 00 43e8 00 00").WantIdle()
		more.Close()
		st.WantHex("05 02 00 00 00 00").WantIdle()
		for range 100 { // who changes his mind all the time is heard once in a while
			more := w.read("room/bob", "video", moq.Subscription{Priority: 9})
			pass(time.Millisecond)
			more.Close()
			pass(time.Millisecond)
		}
		last := w.read("room/bob", "video", moq.Subscription{Priority: 12})
		said := 1
		for !bytes.Equal(st.Read(6), x("05 0c 00 00 00 00")) {
			said++
		}
		require.LessOrEqual(t, said, 50)
		st.WantIdle()
		r.Close()
		last.Close()
		pass(29 * time.Second)
		st.WantIdle()
		pass(2 * time.Second)
		st.WantFIN()
		st.WantStop(m(0))
		p.WantIdle()
	})
}
