package ietf_test

import (
	"context"
	"fmt"
	"io"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
	"github.com/moqtgo/moqt/ports/quic/quictest"
)

// ranged makes the relay fetch a range of bob's video and returns what it has
// come to, in words.
func (w *world) ranged(r moq.FetchRequest) chan []string {
	out := make(chan []string, 1)
	r.Name = moq.FullTrackName{Path: "bob", Name: "video"}
	r.Priority, r.Past = 2, true
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		var s []string
		defer func() { out <- s }()
		reader, err := w.relay.View(route.Scope{Root: "p"}).Fetch(ctx, r)
		if err != nil {
			s = append(s, "no: "+err.Error())
			return
		}
		defer reader.Close()
		for {
			f, err := reader.Next(ctx)
			switch {
			case err == io.EOF:
				return
			case err != nil:
				s = append(s, "error")
				return
			case f.Object != nil:
				s = append(s, fmt.Sprintf("%d/%d %s", f.Group, f.Object.ID, f.Object.Payload()))
			case f.Absent:
				s = append(s, fmt.Sprintf("absent %d-%d", f.Start.Group, f.End.Group))
			default:
				s = append(s, fmt.Sprintf("unknown %d-%d", f.Start.Group, f.End.Group))
			}
		}
	}()
	return out
}

// lacking makes the relay, which has group 5 of bob's video, fetch a range. It
// returns bob, the stream on which he is asked for the rest, and what ranged does.
func (w *world) lacking(draft string, r moq.FetchRequest) (p *peer, st *quictest.PuppetStream, out chan []string) {
	w.t.Helper()
	p, _ = w.publishing(draft)
	reader := w.read("bob", "video")
	st = p.wantSubscribe("01", "'video'").Send(ok(draft, "01", "07"))
	p.OpenUni(group("07", "05")).FIN()
	wantGroup(w.t, reader, 5, "a")
	out = w.ranged(r)
	if streams(draft) {
		st = p.Accept()
	}
	return p, st, out
}

// The publisher is asked for what the cache lacks and for nothing else; what it
// does not send does not exist, but where it says that it does not know.
func TestPuppetFillsGaps(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p, st, out := w.lacking(draft, moq.FetchRequest{End: moq.Location{Group: 9, Object: math.MaxUint64}})
		st.WantBytes(msg("16", of(draft, "03 fd 01", "03", "03"), " 01 01 'bob' 'video' 00 00 04 00 ",
			of(draft, "00", "02 20 40fd 02 01", "02 20 fd 02 01")))
		st.Send(msg("18", of(draft, "03 01 00 04 00 00", "03 00 04 00 00", "00 04 00 00")))
		unknown := "" // {2,0} to {3,7}
		want := []string{"absent 0-0", "1/1 x", "5/0 a"}
		if draft != moq14 {
			unknown = of(draft, "", "410c 03 07", "810c 03 07")
			want = []string{"absent 0-0", "1/1 x", "unknown 1-1", "unknown 2-3", "5/0 a"}
		}
		p.OpenUni(x("05 03 ", of(draft, "01 00 01 80 00 01 78", "1c 01 01 80 01 78", "1c 01 01 80 01 78 "), unknown)).FIN()
		require.Equal(t, want, <-out)
		// Nobody is asked for what is there, nor where there is no time.
		require.Equal(t, []string{"5/0 a"}, <-w.ranged(moq.FetchRequest{Start: moq.Location{Group: 5}, End: moq.Location{Group: 5}}))
		require.Equal(t, []string{"unknown 3-4", "5/0 a"}, <-w.ranged(moq.FetchRequest{
			Start: moq.Location{Group: 3}, End: moq.Location{Group: 5}, FillBy: time.Now(),
		}))
		if streams(draft) {
			st.WantFIN()
		}
		p.WantIdle()
	})
}

// The largest number that a draft can write is the end of a group, also where
// ids are larger elsewhere.
func TestPuppetKnowsNoGroup(t *testing.T) {
	forDrafts(t, drafts[1:], func(t *testing.T, w *world, draft string) {
		p, st, out := w.lacking(draft, moq.FetchRequest{Start: moq.Location{Group: 3}, End: moq.Location{Group: 5}})
		st.Read(len(msg("16", of(draft, "", "03", "03"), " 01 01 'bob' 'video' 03 00 04 00 ", of(draft, "", "02 20 40fd 02 01", "02 20 fd 02 01"))))
		st.Send(msg("18", of(draft, "", "03 00 04 00 00", "00 04 00 00")))
		p.OpenUni(x("05 03 ", of(draft, "", "410c 03 ffffffffffffffff 1c 04 00 80 01 78", "810c 03 ffffffffffffffffff 1c 00 00 80 01 78"))).FIN()
		require.Equal(t, []string{"unknown 3-3", "4/0 x", "5/0 a"}, <-out)
	})
}

// What the publisher refuses stays unknown.
func TestPuppetRefusesToFill(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		_, st, out := w.lacking(draft, moq.FetchRequest{Start: moq.Location{Group: 3}, End: moq.Location{Group: 5}})
		st.Read(len(msg("16", of(draft, "03 fd 01", "03", "03"), " 01 01 'bob' 'video' 03 00 04 00 ",
			of(draft, "00", "02 20 40fd 02 01", "02 20 fd 02 01"))))
		st.Send(msg(of(draft, "19", "05", "05"), of(draft, "03 05 00", "03 11 00 00", "11 00 00")))
		require.Equal(t, []string{"unknown 3-4", "5/0 a"}, <-out)
	})
}

// FETCH_OK never ends behind the largest object.
func TestPuppetFetchesTooMuch(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		w.finished("ab", "c")
		g, err := w.video.AppendGroup()
		require.NoError(t, err)
		require.NoError(t, g.WriteFrame(moq.Frame{Payload: []byte("d")}))
		fetch := func(id, start, end string) []byte {
			return msg("16", of(draft, id+" 80 01", id, id), " 01 01 'room' 'video' ", start, " ", end, " 00")
		}
		p := w.join(draft)
		for i, c := range []struct{ start, end, want string }{
			{"00 00", "09 00", "01 01"}, // the newest group is open
			{"00 00", "01 00", "01 01"},
			{"00 01", "01 01", "01 01"},
			{"00 00", "00 09", of(draft, "00 09", "00 09", "00 09")}, // the group ends before
			{"00 00", "00 00", "00 00"},
		} {
			id := fmt.Sprintf("%02x", 2*i)
			st := p.ask(fetch(id, c.start, c.end))
			head := st.Read(3)
			body := st.Read(int(head[1])<<8 | int(head[2]))
			at := map[string]int{moq14: 3, moq16: 2, moq18: 1, moq19: 1}[draft]
			require.Equal(t, x(c.want), body[at:at+2], "%s to %s", c.start, c.end)
			p.AcceptUni().Read(2)
		}
		// What comes after the largest object, and nothing between.
		wantError(t, p.ask(fetch("0a", "01 01", "01 05")), of(draft, "19 0a 05", "05 0a 11", "05 11"), streams(draft))
		st := p.ask(fetch("0c", "00 05", "00 07"))
		if draft == moq14 {
			wantError(t, st, "19 0c 06", false)
			return
		}
		wantError(t, st, of(draft, "", "18 0c 00 00", "18 00 00"), streams(draft))
		p.AcceptUni().WantHex("05 0c").WantFIN()
	})
	for _, draft := range drafts {
		inWorld(t, draft+"/groups", dialect.Config{Limits: dialect.Limits{FetchGroups: 2}}, func(t *testing.T, w *world) {
			for range 3 {
				w.finished("a")
			}
			st := w.join(draft).ask(msg("16", of(draft, "00 80 01", "00", "00"), " 01 01 'room' 'video' 00 00 09 00 00"))
			wantError(t, st, of(draft, "19 00 05", "05 00 11", "05 11"), streams(draft))
		})
	}
}

// A fetch up to the largest number that a draft can write ends with its group:
// there is no location after it. An end before the start would be a violation.
func TestPuppetFetchesLargestNumber(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		sg, err := w.track.OpenSubgroup(0, moq.SubgroupHeader{FirstKnown: true}, time.Now())
		require.Nil(t, err)
		ids, number := []uint64{1<<62 - 1, 1<<62 + 7}, "ffffffffffffffff" // the publisher has more
		if streams(draft) {
			ids, number = []uint64{math.MaxUint64}, "ffffffffffffffffff"
		}
		for _, id := range ids {
			require.Nil(t, sg.Append(moq.ObjectHeader{ID: id}, []byte("a"), time.Now()))
		}
		st := w.join(draft).ask(msg("16", of(draft, "00 80 01", "00", "00"), " 01 01 'room' 'video' 00 ", number, " 09 00 00"))
		head := st.Read(3)
		body := st.Read(int(head[1])<<8 | int(head[2]))
		want := x(of(draft, "00 01 00", "00 00", "00"), " 00 00") // {0, all}
		require.Equal(t, want, body[:len(want)])
	})
}
