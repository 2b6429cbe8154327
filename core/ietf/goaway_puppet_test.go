package ietf_test

import (
	"testing"
	"time"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/ports/quic"
)

// GOAWAY on the control stream, in every form that a client may not send.
func TestPuppetBadGoaway(t *testing.T) {
	for _, c := range []struct {
		name, draft, body string
		code              quic.ErrorCode
	}{
		{"a URI", moq14, "'moqt://b'", 3}, {"a URI", moq16, "'moqt://b'", 3},
		{"a URI", moq18, "'moqt://b' 00", 3}, {"a URI", moq19, "'moqt://b' 00", 3},
		{"a timeout", moq14, "00 05", 3}, {"a timeout", moq16, "00 05", 3},
		{"no timeout", moq18, "00", 3}, {"no timeout", moq19, "00", 3},
		{"a request id that is the client's", moq18, "00 00 00", 4},
		{"a request id", moq19, "00 00 01", 3},
		{"two request ids", moq18, "00 00 01 03", 3},
		{"a URI that is too long", moq18, "a001 00", 3},
	} {
		inWorld(t, c.draft+"/"+c.name, quietly, func(t *testing.T, w *world) {
			p := w.join(c.draft)
			p.control.Send(msg("10", c.body))
			p.WantClosed(c.code)
		})
	}
}

// GOAWAY on the stream of a request is about that request: it goes on. Once.
func TestPuppetRequestGoaway(t *testing.T) {
	requests := map[string]struct {
		ask, answer func(draft string) []byte
	}{
		"SUBSCRIBE": {
			func(d string) []byte { return subscribe(d, "00", "01 'room' 'video'") },
			func(d string) []byte { return accepted(d, "00", "") },
		},
		"PUBLISH_NAMESPACE": {
			func(string) []byte { return msg("06", "00 01 'bob' 00") },
			func(string) []byte { return msg("07", "00") },
		},
		"SUBSCRIBE_NAMESPACE": {
			func(string) []byte { return msg("50", "00 01 'nobody' 00") },
			func(string) []byte { return msg("07", "00") },
		},
	}
	for name, r := range requests {
		for _, draft := range []string{moq18, moq19} {
			for _, c := range []struct {
				name string
				more [][]byte
				code quic.ErrorCode
			}{
				{"once", nil, 0},
				{"twice", [][]byte{msg("10", "00 00")}, 3},
				{"a URI", [][]byte{msg("10", "'moqt://b' 00")}, 3},
				{"a request id", [][]byte{msg("10", "00 00 01")}, 3},
			} {
				inWorld(t, draft+"/"+name+"/"+c.name, quietly, func(t *testing.T, w *world) {
					p := w.join(draft)
					st := p.ask(r.ask(draft)).WantBytes(r.answer(draft))
					if c.name == "once" || c.name == "twice" {
						st.Send(msg("10", "00 00"))
					}
					for _, b := range c.more {
						st.Send(b)
					}
					if c.code != 0 {
						p.WantClosed(c.code)
						return
					}
					st.WantIdle()
					p.ask(subscribe(draft, "02", "01 'room' 'none'")).Read(3)
				})
			}
		}
	}
	// 16 has a stream for one kind of request, and no GOAWAY there.
	inWorld(t, moq16, quietly, func(t *testing.T, w *world) {
		p := w.join(moq16)
		st := p.Open(msg("11", "00 01 'nobody' 01 00")).WantBytes(msg("07", "00 00"))
		st.Send(msg("10", "00"))
		p.WantClosed(3)
	})
}

// Requests of ours are answered with what belongs to them.
func TestPuppetWrongAnswers(t *testing.T) {
	for _, c := range []struct {
		name   string
		drafts []string
		data   func(draft string) []byte
	}{
		{"FETCH_OK", drafts, func(d string) []byte { return msg("18", of(d, "01 01 00 01 02 00", "01 00 01 02 00", "00 01 02 00")) }},
		{"REQUEST_OK", drafts, func(d string) []byte { return msg("07", of(d, "01", "01 00", "00")) }},
		{"PUBLISH_DONE", drafts, func(d string) []byte { return gone(d, "01", "02", "00") }},
		{"SUBSCRIBE", []string{moq18, moq19}, func(d string) []byte { return subscribe(d, "02", "01 'room' 'video'") }},
		{"FETCH_ERROR", []string{moq14}, func(string) []byte { return msg("19", "01 04 00") }},
		{"TRACK_STATUS_OK", []string{moq14}, func(string) []byte { return msg("0e", "01 00 00 01 00 00") }},
	} {
		for _, draft := range c.drafts {
			inWorld(t, draft+"/"+c.name, quietly, func(t *testing.T, w *world) {
				p, _ := w.publishing(draft)
				r := w.read("bob", "video")
				st := p.wantSubscribe("01", "'video'")
				st.Send(c.data(draft))
				p.WantClosed(3)
				r.Close()
			})
		}
	}
	// The first message on a SUBSCRIBE_NAMESPACE says whether it is granted.
	for _, draft := range []string{moq16, moq18, moq19} {
		inWorld(t, draft+"/NAMESPACE first", quietly, func(t *testing.T, w *world) {
			p, _, _ := w.served(draft, dialect.Config{Import: true})
			asks := p.Accept()
			asks.WantBytes(msg(of(draft, "", "11", "50"), "00 00", of(draft, "", " 01", ""), " 00"))
			asks.Send(msg("08", "01 'bob'"))
			p.WantClosed(3)
		})
	}
}

// No answer at all: the request is given up in time, and only that.
func TestPuppetSilence(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p, _ := w.publishing(draft)
		r := w.read("bob", "video")
		st := p.wantSubscribe("01", "'video'")
		pass(11 * time.Second)
		if streams(draft) {
			st.WantReset(1)
		}
		r.Close()
		p.ask(subscribe(draft, "02", "01 'room' 'none'")).Read(3)
	})
}
