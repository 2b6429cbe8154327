package ietf_test

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/ports/quic/quictest"
)

// publishes makes the puppet publish eve's video with the alias 7, and wants the
// PUBLISH_OK.
func (p *peer) publishes() *quictest.PuppetStream {
	p.t.Helper()
	st := p.ask(msg("1d", "00 01 'eve' 'video' 07 ", of(p.draft, "01 00 01 00", "00", "00")))
	for18 := "04 10 01 10 80 01 01 02 01 01"
	if p.draft == moq19 {
		for18 = "03 10 01 10 80 01 01 02"
	}
	st.WantBytes(msg(of(p.draft, "1e", "1e", "07"), of(p.draft, "00 01 80 01 02 00", "00 04 10 01 10 4080 01 01 02 01 01", for18)))
	return st
}

// One track, published by two sessions: each object comes once, whoever brings
// it first, and the track goes on when one of them ends it.
func TestPuppetsPublishOneTrack(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		a := w.join(draft)
		ast := a.publishes()
		a.OpenUni(group("07", "00")).FIN()
		r := w.read("eve", "video")
		wantGroup(t, r, 0, "a")
		b := w.join(draft)
		bst := b.publishes()
		b.OpenUni(group("07", "00")).FIN()
		first := a.OpenUni(x("10 07 01 80 00 01 61"))
		pass(100 * time.Millisecond)
		second := b.OpenUni(x("10 07 01 80 00 01 61 00 01 62"))
		pass(100 * time.Millisecond)
		first.Reset(2)
		ast.Send(gone(draft, "00", "02", "02"))
		pass(2 * time.Second)
		second.Send(x("00 01 63")).FIN()
		wantGroup(t, r, 1, "a", "b", "c")
		b.OpenUni(group("07", "02")).FIN()
		wantGroup(t, r, 2, "a")
		bst.Send(gone(draft, "00", "02", "03"))
		wantEnd(t, r, io.EOF, 2*time.Second)
	})
}

// What differs is not one track: it ends, and the newest publisher has the name.
func TestPuppetsPublishTwoTracks(t *testing.T) {
	for name, differs := range map[string]string{
		"other bytes": "10 07 00 80 00 01 62", "another size": "10 07 00 80 00 02 6162", "another end": "10 07 00 80",
		"beyond the end": "10 07 00 80 00 01 61 00 01 62", "another subgroup": "14 07 00 05 80 00 01 61",
	} {
		for _, draft := range drafts {
			inWorld(t, draft+"/"+name, quietly, func(t *testing.T, w *world) {
				a := w.join(draft)
				a.publishes()
				a.OpenUni(group("07", "00")).FIN()
				r := w.read("eve", "video")
				wantGroup(t, r, 0, "a")
				b := w.join(draft)
				b.publishes()
				b.OpenUni(x(differs)).FIN()
				pass(time.Second)
				for {
					sg, _, err := r.Next()
					if err != nil {
						require.ErrorIs(t, err, moq.ErrMalformed)
						return
					}
					require.NotNil(t, sg, "it goes on")
				}
			})
		}
	}
}

// Datagrams are compared too.
func TestPuppetsPublishDatagrams(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		a, b := w.join(draft), w.join(draft)
		a.publishes()
		b.publishes()
		r := w.read("eve", "video")
		a.SendDatagram(x("00 07 00 00 80 61"))
		b.SendDatagram(x("00 07 00 00 80 61"))
		b.SendDatagram(x("00 07 00 01 80 62"))
		pass(time.Second)
		for id := range uint64(2) {
			_, dg, err := r.Next()
			require.NoError(t, err)
			require.Equal(t, id, dg.ID)
		}
		_, dg, err := r.Next()
		require.NoError(t, err)
		require.Nil(t, dg, "it came once")
		a.SendDatagram(x("00 07 00 01 80 63"))
		wantEnd(t, r, moq.ErrMalformed, time.Second)
	})
}

// A namespace is published by two sessions, one of which lacks the track.
func TestPuppetsPublishOneNamespace(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		a, _ := w.publishing(draft)
		b, _ := w.publishing(draft)
		r := w.read("bob", "video")
		ast, bst := a.wantSubscribe("01", "'video'"), b.wantSubscribe("01", "'video'")
		ast.Send(msg("05", of(draft, "01 04 00", "01 10 00 00", "10 00 00")))
		pass(time.Second)
		bst.Send(ok(draft, "01", "09"))
		b.OpenUni(group("09", "00")).FIN()
		wantGroup(t, r, 0, "a")
		bst.Send(msg("0b", of(draft, "01 02 01 00", "01 02 01 00", "02 01 00")))
		wantEnd(t, r, io.EOF, 2*time.Second)
	})
}
