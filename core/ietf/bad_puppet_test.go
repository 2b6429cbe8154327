package ietf_test

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/ports/quic"
)

// What a peer may get wrong when it sets a session up.
func TestPuppetBadSetup(t *testing.T) {
	for _, c := range []struct {
		name, draft, data string
		code              quic.ErrorCode
	}{
		{"another message", moq16, "03 0000", 3}, {"another message", moq18, "03 0000", 3},
		{"SERVER_SETUP", moq16, "21 0001 00", 3},
		{"unknown type", moq16, "3f 0000", 3}, {"unknown type", moq19, "3f 0000", 3},
		{"a known option twice", moq18, "af00 0006 07 01 61 00 01 62", 3},
		{"more options than bytes", moq16, "20 0001 05", 3},
		{"cut short", moq16, "20 000d 02 02", 3}, {"cut short", moq18, "af00 0008 07 06", 3},
	} {
		inWorld(t, c.draft+"/"+c.name, quietly, func(t *testing.T, w *world) {
			p := w.dial(c.draft)
			if streams(c.draft) {
				p.OpenUni(x(c.data)).FIN()
			} else {
				p.Open(x(c.data)).FIN()
			}
			p.WantClosed(c.code)
		})
	}
	for _, draft := range []string{moq16, moq18, moq19} {
		inWorld(t, draft+"/half of it", quietly, func(t *testing.T, w *world) {
			p := w.dial(draft)
			if b := x(clientSetup[draft])[:5]; streams(draft) {
				p.OpenUni(b)
			} else {
				p.Open(b)
			}
			p.WantClosed(0x11)
		})
		inWorld(t, draft+"/none of it", quietly, func(t *testing.T, w *world) {
			w.dial(draft).WantClosed(0x11)
		})
	}
	for _, draft := range drafts {
		inWorld(t, draft+"/twice", quietly, func(t *testing.T, w *world) {
			p := w.join(draft)
			p.control.Send(x(clientSetup[draft]))
			p.WantClosed(3)
		})
		inWorld(t, draft+"/closed", quietly, func(t *testing.T, w *world) {
			p := w.join(draft)
			p.control.FIN()
			p.WantClosed(3)
		})
	}
	for _, draft := range []string{moq18, moq19} {
		inWorld(t, draft+"/a second control stream", quietly, func(t *testing.T, w *world) {
			p := w.join(draft)
			p.OpenUni(x(clientSetup[draft]))
			p.WantClosed(3)
		})
	}
}

// What a peer may get wrong afterwards: the session is closed with the code of
// the draft.
func TestPuppetViolations(t *testing.T) {
	sub := "01 'room' 'video'"
	for _, c := range []struct {
		name   string
		drafts string
		code   quic.ErrorCode
		data   func(draft string) [][]byte
	}{
		{"unknown message", "all", 3, one(func(string) []byte { return msg("3e", "00") })},
		{"no request", "all", 3, one(func(d string) []byte { return msg(of(d, "21", "21", "04"), "00 00 00") })},
		{"trailing byte", "all", 3, one(func(d string) []byte {
			return msg("06", "00 01 'bob' 00 00")
		})},
		{"wrong parity", "all", 4, one(func(d string) []byte { return subscribe(d, "01", sub) })},
		{"an id twice", "all", 4, func(d string) [][]byte {
			return [][]byte{subscribe(d, "00", sub), subscribe(d, "00", sub)}
		}},
		{"a gap", moq14, 4, one(func(d string) []byte { return subscribe(d, "02", sub) })},
		{"above the maximum", moq14 + moq16, 7, one(func(d string) []byte { return subscribe(d, "6800", sub) })},
		{"MAX_REQUEST_ID does not grow", moq14 + moq16, 3, one(func(string) []byte { return msg("15", "6800") })},
		{"an update of nothing", moq16, 3, one(func(string) []byte { return msg("02", "00 08 00") })},
		{"a namespace of 33 fields", "all", 3, one(func(string) []byte {
			return msg("06", "00 21 "+strings.Repeat("'a' ", 33)+" 00")
		})},
		{"joining what is not of the largest object", moq14 + moq16, 3, func(d string) [][]byte {
			return [][]byte{
				msg("03", "00 ", sub, " ", of(d, "80 00 01 01 00", "01 21 01 01", "")),
				msg("16", of(d, "02 80 01", "02", ""), " 02 00 00 00"),
			}
		}},
		{"unsubscribes from ours", moq14, 3, func(string) [][]byte {
			return [][]byte{msg("11", "00 01 'room' 00"), msg("07", "01"), msg("0a", "01")}
		}},
	} {
		for _, draft := range drafts {
			if c.drafts != "all" && !strings.Contains(c.drafts, draft) {
				continue
			}
			inWorld(t, draft+"/"+c.name, quietly, func(t *testing.T, w *world) {
				w.finished("a")
				p := w.join(draft)
				for _, b := range c.data(draft) {
					p.ask(b)
					pass(100 * time.Millisecond)
				}
				p.WantClosed(c.code)
			})
		}
	}
}

func one(f func(draft string) []byte) func(string) [][]byte {
	return func(draft string) [][]byte { return [][]byte{f(draft)} }
}

// Every message that ends too early ends the session, wherever that is.
func TestPuppetTruncated(t *testing.T) {
	forDrafts(t, []string{moq18, moq19}, func(t *testing.T, w *world, draft string) {
		whole := subscribe(draft, "00", "01 'room' 'video'")
		for n := 1; n < len(whole); n++ {
			p := w.join(draft)
			p.Open(whole[:n]).FIN()
			p.WantClosed(3)
		}
		p := w.join(draft)
		p.Open().FIN() // nothing at all is no message
		pass(time.Second)
		p.ask(whole).WantBytes(accepted(draft, "00", ""))
	})
}

// A stream that brings its request too slowly is given up, and only that.
func TestPuppetSlowRequest(t *testing.T) {
	forDrafts(t, []string{moq16, moq18, moq19}, func(t *testing.T, w *world, draft string) {
		p := w.join(draft)
		st := p.Open(x(of(draft, "", "11", "03")))
		pass(11 * time.Second)
		st.WantStop(map[string]quic.ErrorCode{moq16: 2, moq18: 2, moq19: 2}[draft])
		p.ask(subscribe(draft, "00", "01 'room' 'video'")).WantBytes(accepted(draft, "00", ""))
	})
}

// Requests overtake each other where they have streams.
func TestPuppetRequestsOutOfOrder(t *testing.T) {
	forDrafts(t, []string{moq18, moq19}, func(t *testing.T, w *world, draft string) {
		w.finished("a")
		p := w.join(draft)
		join := p.Open(msg("16", "04 02 02 00 00"))
		pass(100 * time.Millisecond)
		p.Open(subscribe(draft, "02", "01 'room' 'video'")).WantBytes(accepted(draft, "02", "00 00"))
		wantError(t, join, "18 00 00 01", true)
		w.publish("p/other", true, "video")
		p.Open(subscribe(draft, "00", "01 'other' 'video'")).WantBytes(accepted(draft, "00", ""))
		p.Open(subscribe(draft, "02", "01 'room' 'video'"))
		p.WantClosed(4)
	})
}

// The peer gets more requests as its requests end.
func TestPuppetGrants(t *testing.T) {
	forDrafts(t, []string{moq14, moq16}, func(t *testing.T, w *world, draft string) {
		p := w.join(draft)
		for i := range 64 {
			id := x("40 00")
			id[0] |= byte(2 * i >> 8)
			id[1] = byte(2 * i)
			p.control.Send(subscribe(draft, hex.EncodeToString(id), "01 'room' 'none'"))
			wantError(t, p.control, "05", false)
		}
		p.control.WantBytes(msg("15", "6880"))
	})
}

// More at once than the limits allow is refused, and what goes on goes on.
func TestPuppetLimits(t *testing.T) {
	conf := dialect.Config{Limits: dialect.Limits{Subscriptions: 1, Announcements: 1, Watches: 1}}
	for _, draft := range drafts {
		inWorld(t, draft, conf, func(t *testing.T, w *world) {
			p := w.join(draft)
			p.ask(subscribe(draft, "00", "01 'room' 'video'")).WantBytes(accepted(draft, "00", ""))
			st := p.ask(subscribe(draft, "02", "01 'room' 'audio'"))
			wantError(t, st, of(draft, "05 02 02", "05 02 02", "05 09"), streams(draft))
			p.ask(msg("06", "04 01 'bob' 00")).WantBytes(msg("07", of(draft, "04", "04 00", "00")))
			st = p.ask(msg("06", "06 01 'eve' 00"))
			wantError(t, st, of(draft, "08 06", "05 06", "05 09"), streams(draft))
		})
	}
}
