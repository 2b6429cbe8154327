package lite_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/ports/quic"
)

// What a publisher may get wrong on a subscription of ours.
func TestPuppetBadResponses(t *testing.T) {
	for _, c := range []struct {
		name, draft, data string
	}{
		{"huge", lite02, huge}, {"huge", lite03, "00" + huge}, {"huge", lite05, "00" + huge},
		{"unknown type", lite03, "02 01 00"}, {"unknown type", lite05, "03 01 00"}, {"the largest type", lite05, huge},
		{"empty START", lite05, "00 00"}, {"empty END", lite05, "01 00"}, {"empty DROP", lite05, "02 00"},
		{"empty OK", lite04, "00 00"}, {"OK with a byte", lite02, "01 00"},
		{"START, trailing byte", lite05, "00 02 00 00"},
		{"ordered 2", lite04, "00 05 02 02 00 00 00"},
	} {
		inWorld(t, c.draft+"/"+c.name, quietly, func(t *testing.T, w *world) {
			p := w.publishing(c.draft)
			r := w.read("room/bob", "video", moq.Subscription{Priority: 2})
			st := p.wantSubscribe(t)
			st.Send(x(c.data))
			st.WantStop(m(0))
			st.WantFIN()
			wantEnd(t, r, moq.ErrMalformed, time.Second)
			p.Open(x("3f")).WantReset(m(17))
			w.next.check()
		})
	}
	for _, c := range []struct{ name, data string }{
		{"huge", huge}, {"timescale 0", "05 01 00 6710 00"}, {"empty", "00"}, {"trailing byte", "09 01 00 6710 80015f90 00"},
	} {
		inWorld(t, "TRACK_INFO/"+c.name, quietly, func(t *testing.T, w *world) {
			p := w.publishing(lite05)
			r := w.read("room/bob", "video", moq.Subscription{})
			p.Accept().Send(x(c.data))
			wantEnd(t, r, moq.ErrMalformed, time.Second)
			w.next.check()
		})
	}
	// What contradicts itself but can be read is lived with.
	for _, c := range []struct{ name, data string }{
		{"END before START", "01 01 05  00 01 00"}, {"START after END", "01 01 00  00 01 07"},
		{"START twice", "00 01 00  00 01 09"}, {"START 2^62-1", "00 08" + huge}, {"END 2^62-1", "01 08" + huge},
		{"DROP backwards", "02 03 07 05 00"}, {"DROP of everything", "02 0a 00" + huge + " 00"},
		{"DROP at the end", "02 18 fffffffffffffffe" + huge + huge}, {"DROP of 4096", "02 04 00 4fff 00"},
	} {
		inWorld(t, "odd/"+c.name, quietly, func(t *testing.T, w *world) {
			p := w.publishing(lite05)
			r := w.read("room/bob", "video", moq.Subscription{Priority: 2})
			st := p.wantSubscribe(t)
			st.Send(x(strings.Repeat(c.data+" ", 3)))
			pass(50 * time.Millisecond)
			p.OpenUni(x("00 02 00 03  00 01 61")).FIN()
			pass(50 * time.Millisecond)
			st.FIN()
			ctx, cancel := timeout(5 * time.Second)
			defer cancel()
			for {
				if _, err := r.NextGroup(ctx); err != nil {
					require.NotErrorIs(t, err, ctx.Err())
					break
				}
			}
			w.next.check()
		})
	}
}

func TestPuppetBadGroups(t *testing.T) {
	for _, c := range []struct {
		name, draft, data string
		code              quic.ErrorCode
	}{
		{"unknown type", lite04, "3f", 17}, {"unknown type", lite05, "02", 17}, {"the largest type", lite05, huge, 17},
		{"huge header", lite05, "00" + huge, 11}, {"header of 17 bytes", lite05, "00 11", 11}, {"empty header", lite05, "00 00", 5},
		{"header, trailing byte", lite05, "00 03 00 00 00", 5},
		{"unknown id", lite05, "00 02 07 00", 0}, {"the largest id", lite04, "00 09" + huge + " 00", 0},
		{"huge frame", lite04, "00 02 00 00" + huge, 27}, {"huge frame", lite05, "00 02 00 00 00" + huge, 27},
		{"a frame beyond the limit", lite04, "00 02 00 00 81000001", 27},
		{"a negative time", lite05, "00 02 00 00 01 00", 15},
		{"a negative sum", lite05, "00 02 00 00 02 00 03 00", 15},
		{"a sum beyond 63 bits", lite05, "00 02 00 00" + strings.Repeat(" fffffffffffffffe 00", 5), 15},
	} {
		inWorld(t, c.draft+"/"+c.name, quietly, func(t *testing.T, w *world) {
			p := w.publishing(c.draft)
			w.read("room/bob", "video", moq.Subscription{Priority: 2})
			resp := p.wantSubscribe(t)
			if c.draft != lite05 {
				resp.Send(x("00 05 02 00 00 00 00"))
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			p.OpenUni(x(c.data)).WantStop(m(c.code))
			runtime.ReadMemStats(&after)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(2<<20))
			resp.WantIdle()
			w.next.check()
		})
	}
	inWorld(t, "the largest sequence", quietly, func(t *testing.T, w *world) {
		p := w.publishing(lite05)
		r := w.read("room/bob", "video", moq.Subscription{Priority: 2})
		st := p.wantSubscribe(t)
		p.OpenUni(x("00 09 00" + huge + " 00 01 61")).FIN()
		wantFrames(t, r, 1<<62-1, "a")
		st.FIN()
		_, err := r.NextGroup(t.Context())
		require.EqualError(t, err, "EOF")
		w.next.check()
	})
	inWorld(t, "twice", quietly, func(t *testing.T, w *world) {
		p := w.publishing(lite05)
		r := w.read("room/bob", "video", moq.Subscription{Priority: 2})
		p.wantSubscribe(t)
		first := p.OpenUni(x("00 02 00 00  00 01 61"))
		wantOpen(t, r, 0)
		p.OpenUni(x("00 02 00 00  00 01 62")).WantStop(m(12))
		first.FIN()
		pass(50 * time.Millisecond)
		p.OpenUni(x("00 02 00 00  00 01 63")).WantStop(m(12))
		p.SendDatagram(x("00 00 00 64"))
		pass(50 * time.Millisecond)
		w.next.check()
	})
	inWorld(t, "after END", quietly, func(t *testing.T, w *world) {
		p := w.publishing(lite05)
		r := w.read("room/bob", "video", moq.Subscription{Priority: 2})
		p.wantSubscribe(t).Send(x("00 01 00 01 01 02"))
		pass(50 * time.Millisecond)
		p.OpenUni(x("00 02 00 02  00 01 61")).WantStop(m(0))
		p.OpenUni(x("00 02 00 00  00 01 61")).FIN()
		p.OpenUni(x("00 02 00 01  00 01 61")).FIN()
		wantOpen(t, r, 0)
		wantOpen(t, r, 1)
		wantEnd(t, r, errEOF, 5*time.Second)
		w.next.check()
	})
	inWorld(t, "datagrams", quietly, func(t *testing.T, w *world) {
		p := w.publishing(lite05)
		r := w.read("room/bob", "video", moq.Subscription{Priority: 2})
		p.wantSubscribe(t)
		for _, d := range []string{"", "00", "00 00", "07 00 00 61", "ff", "00" + huge + huge + "61", "40", "00 00 00"} {
			p.SendDatagram(x(d))
		}
		wantOpen(t, r, 1<<62-1)
		wantOpen(t, r, 0) // an empty frame
		w.next.check()
	})
	// Groups that nobody has asked for wait in the stack.
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p := w.publishing(draft)
		for range 100 {
			p.OpenUni(x("00 02 00 00 01 61"))
		}
		pass(50 * time.Millisecond)
		p.Open(x("3f")).WantReset(m(17))
		w.next.check()
	})
}

// Streams that begin and do not go on.
func TestPuppetHalves(t *testing.T) {
	for _, half := range []string{"02", "02 17", "02 17 00 05", "01", "03 13 0a"} {
		forDrafts(t, []string{lite04, lite05}, func(t *testing.T, w *world, draft string) {
			p := w.join(draft)
			st := p.Open(x(half))
			pass(9900 * time.Millisecond)
			st.WantIdle()
			st.WantReset(m(3))
			st.WantStop(m(3))
			w.next.check()
		})
	}
	inWorld(t, "group", quietly, func(t *testing.T, w *world) {
		p := w.publishing(lite05)
		w.read("room/bob", "video", moq.Subscription{Priority: 2})
		p.wantSubscribe(t)
		p.OpenUni(x("00 02 00")).WantStop(m(3))
	})
	// More than the limit wait, and are served in the end.
	inWorld(t, "a thousand", quietly, func(t *testing.T, w *world) {
		p := w.join(lite05)
		for range 1000 {
			p.Open(x("02"))
		}
		st := p.Open(x("02"), msg("00 'room/bob' 'video' 02 00 00 00 00"))
		st.WantIdle()
		goroutines := runtime.NumGoroutine()
		require.Less(t, goroutines, 1500) // 100 of them and the puppet's 1,000
		w.next.check()
		pass(100 * time.Second)
		st.WantReset(m(13))
		w.next.check()
	})
}
