package ietf_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/ports/quic/quictest"
)

// literal returns a puppet that has published the namespace bob, and is not
// known to send groups from their start.
func (w *world) literal(draft string) *peer {
	w.t.Helper()
	p := &peer{Puppet: w.dial(draft), draft: draft, t: w.t}
	hello := x(strings.ReplaceAll(clientSetup[draft], "6d6f7174676f", "6f7468657273"))
	if streams(draft) {
		p.control, p.theirs = p.OpenUni(hello), p.AcceptUni()
	} else {
		p.control = p.Open(hello)
		p.theirs = p.control
	}
	p.theirs.WantHex(serverSetup[draft])
	p.ask(msg("06", "00 01 'bob' 00")).WantBytes(msg("07", of(draft, "00", "00 00", "00")))
	return p
}

// okFrom is a SUBSCRIBE_OK that names the largest object.
func okFrom(draft, id, alias, largest string) []byte {
	return msg("04", of(draft, id+" "+alias+" 00 01 01 "+largest+" 00", id+" "+alias+" 01 09 02 "+largest, alias+" 01 09 "+largest))
}

// fetching wants a FETCH with this id: of what, behind the priority and order
// of 14.
func (p *peer) fetching(st *quictest.PuppetStream, id, what string) *quictest.PuppetStream {
	p.t.Helper()
	if streams(p.draft) {
		st = p.Accept()
	}
	st.WantBytes(msg("16", of(p.draft, id+" fd 01", id, id), " ", what, " ", of(p.draft, "00", "02 20 40fd 02 01", "02 20 fd 02 01")))
	return st
}

// part is a fetch stream with objects 0 and 1 of group 3: "a" and "b".
func part(draft, id string) []byte {
	return x("05 ", id, " ", of(draft, "03 00 00 80 00 01 61  03 00 01 80 00 01 62", "1c 03 00 80 01 61  00 01 62", "1c 03 00 80 01 61  00 01 62"))
}

func fetchedOK(draft, id, end string) []byte {
	return msg("18", of(draft, id+" 01 00 "+end+" 00", id+" 00 "+end+" 00", "00 "+end+" 00"))
}

// A publisher that starts behind the largest object, by the letter, is asked
// for the start of its group: subscribers get the group from there.
func TestPuppetIsJoined(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p := w.literal(draft)
		r := w.read("bob", "video")
		st := p.wantSubscribe("01", "'video'").Send(okFrom(draft, "01", "07", "03 01"))
		ft := p.fetching(st, "03", "02 01 00")
		live := p.OpenUni(x("10 07 03 80 02 01 63")) // object 2 of group 3
		p.OpenUni(group("07", "04")).FIN()
		wantGroup(t, r, 4, "a") // newer groups do not wait
		p.OpenUni(part(draft, "03")).FIN()
		ft.Send(fetchedOK(draft, "03", "03 02"))
		live.Send(x("00 01 64")).FIN()
		wantGroup(t, r, 3, "a", "b", "c", "d")
		l, _ := r.Track().Largest()
		require.Equal(t, moq.Location{Group: 4}, l)
		// Who comes later gets it from the cache.
		w.finished()
		late := w.read("bob", "video")
		require.Same(t, r.Track(), late.Track())
	})
}

// Where nothing can be fetched, subscribers get what comes.
func TestPuppetIsNotJoined(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p := w.literal(draft)
		r := w.read("bob", "video")
		st := p.wantSubscribe("01", "'video'").Send(okFrom(draft, "01", "07", "03 01"))
		live := p.OpenUni(x("10 07 03 80 02 01 63"))
		refuse := func(st *quictest.PuppetStream, id string) {
			st.Send(msg(of(draft, "19", "05", "05"), of(draft, id+" 03 00", id+" 03 00 00", "03 00 00")))
		}
		refuse(p.fetching(st, "03", "02 01 00"), "03")
		refuse(p.fetching(st, "05", "01 01 'bob' 'video' 03 00 03 02"), "05")
		live.FIN()
		wantGroup(t, r, 3, "c")
	})
}

// PUBLISH_DONE and all its streams have come when the fetch of the group before
// is refused: the track ends with that.
func TestPuppetEndsBeforeItIsJoined(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p := w.literal(draft)
		r := w.read("bob", "video")
		st := p.wantSubscribe("01", "'video'").Send(okFrom(draft, "01", "07", "03 01"))
		asked := p.fetching(st, "03", "02 01 00")
		p.OpenUni(group("07", "04")).FIN()
		st.Send(gone(draft, "01", "02", "01"))
		pass(100 * time.Millisecond)
		refused := func(id string) []byte {
			return msg(of(draft, "19", "05", "05"), of(draft, id+" 03 00", id+" 03 00 00", "03 00 00"))
		}
		asked.Send(refused("03"))
		p.fetching(st, "05", "01 01 'bob' 'video' 03 00 03 02").Send(refused("05"))
		wantGroup(t, r, 4, "a")
		wantEnd(t, r, io.EOF, 500*time.Millisecond)
	})
}

// Part of a group and then nothing: what comes live is not glued to it.
func TestPuppetIsJoinedInPart(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p := w.literal(draft)
		r := w.read("bob", "video")
		st := p.wantSubscribe("01", "'video'").Send(okFrom(draft, "01", "07", "03 05"))
		p.fetching(st, "03", "02 01 00").Send(fetchedOK(draft, "03", "03 06"))
		p.OpenUni(part(draft, "03")).Reset(0)
		p.OpenUni(x("10 07 03 80 06 01 67")).FIN()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		g, err := r.NextGroup(ctx)
		require.NoError(t, err)
		for _, want := range []string{"a", "b"} {
			f, err := g.ReadFrame(ctx)
			require.NoError(t, err)
			require.Equal(t, want, string(f.Payload))
		}
		_, err = g.ReadFrame(ctx)
		require.ErrorIs(t, err, moq.ErrDropped)
		wantGroup(t, r, 3, "g")
	})
}

// A publisher that sends the group from its start need not be asked.
func TestPuppetReplays(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p := w.literal(draft)
		r := w.read("bob", "video")
		st := p.wantSubscribe("01", "'video'").Send(okFrom(draft, "01", "07", "03 01"))
		ft := p.fetching(st, "03", "02 01 00")
		p.OpenUni(x("10 07 03 80 00 01 61 00 01 62 00 01 63")).FIN()
		wantGroup(t, r, 3, "a", "b", "c")
		if streams(draft) {
			ft.WantReset(1)
			ft.WantStop(1)
		} else {
			ft.WantBytes(msg("17", "03"))
		}
	})
}

// What was fetched of a group that no stream goes on with is all of it, once
// there is a newer one, or at the end of the subscription.
func TestPuppetIsJoinedAtTheEndOfAGroup(t *testing.T) {
	for _, by := range []string{"a newer group", "PUBLISH_DONE"} {
		for _, draft := range drafts {
			inWorld(t, draft+"/"+by, quietly, func(t *testing.T, w *world) {
				p := w.literal(draft)
				r := w.read("bob", "video")
				st := p.wantSubscribe("01", "'video'").Send(okFrom(draft, "01", "07", "03 01"))
				ft := p.fetching(st, "03", "02 01 00")
				if by == "PUBLISH_DONE" { // while the fetch is under way
					st.Send(gone(draft, "01", "02", "00"))
					pass(3 * time.Second)
				} else {
					p.OpenUni(group("07", "04")).FIN()
					wantGroup(t, r, 4, "a")
				}
				ft.Send(fetchedOK(draft, "03", "03 02"))
				p.OpenUni(part(draft, "03")).FIN()
				wantGroup(t, r, 3, "a", "b")
			})
		}
	}
}

// A subgroup that begins behind the largest object begins with its first one.
func TestPuppetIsJoinedWithSubgroups(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p := w.literal(draft)
		r := w.read("bob", "video")
		st := p.wantSubscribe("01", "'video'").Send(okFrom(draft, "01", "07", "03 01"))
		p.fetching(st, "03", "02 01 00").Send(fetchedOK(draft, "03", "03 02"))
		p.OpenUni(part(draft, "03")).FIN()
		p.OpenUni(x("14 07 03 09 80 05 01 78")).FIN() // subgroup 9 with object 5
		pass(time.Second)
		for _, want := range []struct {
			first bool
			ids   []uint64
		}{{true, []uint64{0, 1}}, {true, []uint64{5}}} {
			sg, _, err := r.Next()
			require.NoError(t, err)
			require.Equal(t, want.first, sg.FirstKnown)
			for _, id := range want.ids {
				o, ok, err := sg.Next()
				require.True(t, ok, err)
				require.Equal(t, id, o.ID)
			}
		}
	})
}

// A track that was published is joined too; in 14 and 16 only subscriptions of
// the subscriber can be.
func TestPuppetPublishesLate(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p := w.literal(draft)
		st := p.ask(msg("1d", "02 01 'eve' 'video' 07 ", of(draft, "01 01 03 01 01 00", "01 09 02 03 01", "01 09 03 01")))
		want := msg("16", of(draft, "01 80 01 01 01 'eve' 'video' 03 00 03 02 00",
			"01 01 01 'eve' 'video' 03 00 03 02 01 22 01", "01 02 02 00 01 22 01"))
		ft := st
		if streams(draft) {
			ft = p.Accept().WantBytes(want)
		} else { // in any order with PUBLISH_OK
			got := st.Read(3)
			got = append(got, st.Read(int(got[2]))...)
			if got[0] == 0x1e {
				st.WantBytes(want)
			} else {
				require.Equal(t, want, got)
			}
		}
		live := p.OpenUni(x("10 07 03 80 02 01 63"))
		ft.Send(fetchedOK(draft, "01", "03 02"))
		p.OpenUni(part(draft, "01")).FIN()
		live.FIN()
		wantGroup(t, w.read("eve", "video"), 3, "a", "b", "c")
	})
}
