package ietf_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/ports/quic/quictest"
)

// asks are requests with one parameter, which is about anything of the puppet's
// own, by their draft.
func asks(draft, param string) map[string][]byte {
	return map[string][]byte{
		"SUBSCRIBE":           msg("03", "00 01 'room' 'video' ", of(draft, "80 00 01 02", "", ""), " 01 ", param),
		"FETCH":               msg("16", "00 ", of(draft, "80 01", "", ""), " 01 01 'room' 'video' 00 00 01 00 01 ", param),
		"TRACK_STATUS":        msg("0d", "00 01 'room' 'video' ", of(draft, "80 00 01 02", "", ""), " 01 ", param),
		"PUBLISH":             msg("1d", "00 01 'eve' 'video' 07 ", of(draft, "01 00 01", "", ""), " 01 ", param),
		"PUBLISH_NAMESPACE":   msg("06", "00 01 'eve' 01 ", param),
		"SUBSCRIBE_NAMESPACE": msg(of(draft, "11", "11", "50"), "00 01 'room' ", of(draft, "", "01", ""), " 01 ", param),
	}
}

// isAsked wants a SUBSCRIBE of the relay, whatever it asks for.
func (p *peer) isAsked() *quictest.PuppetStream {
	p.t.Helper()
	st := p.control
	if streams(p.draft) {
		st = p.Accept()
	}
	head := st.WantHex("03").Read(2)
	st.Read(int(head[0])<<8 | int(head[1]))
	return st
}

// We have no cache of tokens: what would use it is refused, what would fill it
// ends the session, and a token that is all there is none of our business.
func TestPuppetTokens(t *testing.T) {
	for name, token := range map[string]string{"use": "03 02 02 05", "delete": "03 02 00 05", "value": "03 03 03 00 78"} {
		for _, draft := range drafts {
			for request, b := range asks(draft, token) {
				inWorld(t, draft+"/"+name+"/"+request, quietly, func(t *testing.T, w *world) {
					w.finished("a")
					p := w.join(draft)
					st := p.control
					if streams(draft) || draft == moq16 && request == "SUBSCRIBE_NAMESPACE" {
						st = p.Open(b)
					} else {
						st.Send(b)
					}
					head := st.Read(3)
					body := st.Read(int(head[1])<<8 | int(head[2]))
					refused := head[0] == 0x05
					if draft == moq14 {
						want := map[string]byte{"SUBSCRIBE": 0x05, "FETCH": 0x19, "TRACK_STATUS": 0x0f, "PUBLISH": 0x1f, "PUBLISH_NAMESPACE": 0x08, "SUBSCRIBE_NAMESPACE": 0x13}
						refused = head[0] == want[request]
					}
					require.Equal(t, name != "value", refused, "% x % x", head, body)
					if refused {
						code := of(draft, "10", "04", "04")
						if draft == moq14 && request == "PUBLISH" {
							code = "01" // it has no number for tokens
						}
						require.Equal(t, x(code)[0], body[len(x(of(draft, "00", "00", "")))])
					}
					require.NoError(t, p.Conn().Context().Err())
					p.Close(0, "")
				})
			}
			inWorld(t, draft+"/register", quietly, func(t *testing.T, w *world) {
				p := w.join(draft)
				p.ask(asks(draft, "03 04 01 05 00 78")["SUBSCRIBE"])
				p.WantClosed(0x13)
			})
		}
	}
}

// An update that is refused ends its subscription.
func TestPuppetBadUpdate(t *testing.T) {
	for name, c := range map[string]struct{ draft, update, refusal string }{
		"range filter 19": {moq19, "02 01 25 03 00 01 02", "05 36 00"},
		"token 19":        {moq19, "02 01 03 02 02 05", "05 04 00"},
		"token 18":        {moq18, "02 01 03 02 02 05", "05 04 00"},
		"token 16":        {moq16, "02 00 01 03 02 02 05", "05 02 04 00"},
	} {
		inWorld(t, name, quietly, func(t *testing.T, w *world) {
			p := w.join(c.draft)
			st := p.ask(subscribe(c.draft, "00", "01 'room' 'video'"))
			st.WantBytes(accepted(c.draft, "00", ""))
			st.Send(msg("02", c.update))
			wantError(t, st, c.refusal, false)
			st.WantBytes(msg("0b", of(c.draft, "", "00 08 00 00", "08 00 00")))
			if streams(c.draft) {
				st.WantFIN()
				st.FIN()
			}
			p.WantIdle()
			require.Zero(t, w.track.Demand().Readers)
		})
	}
	// REGISTER ends the session here too.
	inWorld(t, "register", quietly, func(t *testing.T, w *world) {
		p := w.join(moq19)
		st := p.ask(subscribe(moq19, "00", "01 'room' 'video'"))
		st.WantBytes(accepted(moq19, "00", ""))
		st.Send(msg("02", "02 01 03 04 01 05 00 78"))
		p.WantClosed(0x13)
	})
}

// Names that a draft reserves are refused there, and nobody is told of them.
func TestPuppetReserved(t *testing.T) {
	forDrafts(t, []string{moq18, moq19}, func(t *testing.T, w *world, draft string) {
		old := w.join(moq16) // where they are names as any other
		old.ask(msg("06", "00 01 '.' 00")).WantBytes(msg("07", "00 00"))
		old.ask(msg("06", "02 02 '.session' 'a' 00")).WantBytes(msg("07", "02 00"))
		old.ask(msg("06", "04 01 '.mine' 00")).WantBytes(msg("07", "04 00"))
		p := w.join(draft)
		for i, request := range [][]byte{
			msg("03", "00 01 '.' 'video' 00"), msg("03", "02 02 '.session' 'a' 'video' 00"), msg("03", "04 01 '.session' 00 00"),
			msg("0d", "06 01 '.' 'video' 00"), msg("16", "08 01 01 '.' 'video' 00 00 01 00 00"),
			msg("1d", "0a 01 '.session' 'video' 07 00"), msg("06", "0c 01 '.' 00"),
		} {
			start := time.Now()
			wantError(t, p.ask(request), "05 10 00", true)
			require.Less(t, time.Since(start), 100*time.Millisecond, "request %d has waited", i)
		}
		st := p.ask(msg("50", "0e 00 00")).WantBytes(msg("07", "00"))
		st.WantBytes(msg("08", "01 '.mine'"))
		st.WantBytes(msg("08", "01 'room'"))
		st.WantIdle()
		require.NotZero(t, w.relay.Lost().Counts()[moq.LossName])
	})
}

// A track with a property that must be understood is refused, by who offers it
// and to who asks for it.
func TestPuppetMandatoryProperty(t *testing.T) {
	forDrafts(t, []string{moq18, moq19}, func(t *testing.T, w *world, draft string) {
		p, _ := w.publishing(draft)
		wantError(t, p.ask(msg("1d", "02 01 'eve' 'video' 07 00 c04000 01")), "05 33 00", true)
		wantError(t, p.ask(msg("1d", "04 01 'eve' 'audio' 08 00 0b 04 c0400001")), "05 33 00", true) // inside of another
		q := w.join(draft)
		asked := q.ask(subscribe(draft, "00", "01 'bob' 'video'"))
		st := p.isAsked().Send(msg("04", "09 00 c04000 01"))
		wantError(t, asked, "05 33 00", true)
		st.WantReset(1)
		require.NoError(t, p.Conn().Context().Err())
	})
}

// Objects that contradict themselves, or what came before: the track is
// malformed, to all who read it.
func TestPuppetMalformedObjects(t *testing.T) {
	for name, c := range map[string]struct {
		drafts []string
		data   string
	}{
		"more objects missing than there can be": {drafts, "11 07 00 80 00 02 3e01 01 61"},
		"more groups missing than there can be":  {drafts, "11 07 01 80 00 02 3c02 01 61"},
		"missing, and there":                     {drafts, "11 07 00 80 00 00 01 61 00 02 3e01 01 62"},
		"immutable properties that end inside":   {drafts, "11 07 00 80 00 03 0b0180 01 61"},
		"immutable properties in immutable ones": {drafts, "11 07 00 80 00 04 0b020b00 01 61"},
		"a property of tracks":                   {[]string{moq18, moq19}, "11 07 00 80 00 04 c0400001 01 61"},
	} {
		for _, draft := range c.drafts {
			inWorld(t, draft+"/"+name, quietly, func(t *testing.T, w *world) {
				p, _ := w.publishing(draft)
				q := w.join(draft)
				asked := q.ask(subscribe(draft, "00", "01 'bob' 'video'"))
				st := p.isAsked().Send(ok(draft, "01", "07"))
				asked.WantBytes(ok(draft, "00", "00"))
				p.OpenUni(x(c.data)).FIN()
				head := asked.Read(3)
				require.EqualValues(t, 0x0b, head[0])
				body := asked.Read(int(head[2]))
				require.Equal(t, x(of(draft, "07", "12", "12"))[0], body[len(x(of(draft, "00", "00", "")))], "% x", body)
				if streams(draft) {
					st.WantReset(1)
				} else {
					st.WantBytes(msg("0a", "01"))
				}
				require.NoError(t, p.Conn().Context().Err())
			})
		}
	}
}

// GOAWAY is said once, and who stays longer than it allows is sent away.
func TestPuppetStaysAfterGoaway(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p, s, _ := w.served(draft, dialect.Config{})
		require.ErrorIs(t, s.Goaway(context.Background(), "moqt://elsewhere", time.Second), moq.ErrUnsupported)
		require.NoError(t, s.Goaway(context.Background(), "", 3*time.Second))
		p.theirs.WantBytes(msg("10", of(draft, "00", "00", "00 8bb8")))
		require.ErrorIs(t, s.Goaway(context.Background(), "", time.Second), moq.ErrDuplicate)
		pass(3900 * time.Millisecond)
		require.NoError(t, p.Conn().Context().Err())
		p.WantClosed(0x10)
	})
}
