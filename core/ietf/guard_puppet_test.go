package ietf_test

import (
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
	"github.com/moqtgo/moqt/core/wire"
	"github.com/moqtgo/moqt/ports/quic"
	"github.com/moqtgo/moqt/ports/quic/quictest"
)

// fast lets a peer ask as fast as it likes: what else bounds it is to be seen.
var fast = dialect.Config{Limits: dialect.Limits{RequestRate: 1e6, RequestBurst: 1e6}}

// id is a request id in the draft's integers.
func id(draft string, n int) string {
	v := wire.RFC9000
	if streams(draft) {
		v = wire.LeadingOnes
	}
	return hex.EncodeToString(v.Append(nil, uint64(n)))
}

// Subscriptions beyond the limit are refused, one by one; those below stand.
func TestPuppetSubscribeFlood(t *testing.T) {
	for _, draft := range []string{moq18, moq19} {
		inWorld(t, draft, fast, func(t *testing.T, w *world) {
			p := w.join(draft)
			const limit = 1024
			tracks := map[string]*moq.Track{}
			for i := range limit + 100 {
				name := fmt.Sprintf("t%d", i)
				tracks[name] = moq.NewTrack(moq.FullTrackName{Path: "p/many", Name: name}, moq.CacheLimits{}, nil)
				tracks[name].SetInfo(moq.TrackInfo{})
			}
			pub, err := w.relay.View(route.Scope{}).Publish("p/many", route.Route{}, &source{tracks})
			require.NoError(t, err)
			w.pubs = append(w.pubs, pub)
			for i := range limit + 100 {
				st := p.Open(subscribe(draft, id(draft, 2*i), fmt.Sprintf("01 'many' 't%d'", i)))
				switch {
				case i == limit-1:
					pass(time.Second)
				case i >= limit:
					wantError(t, st, "05 09", true) // EXCESSIVE_LOAD
				}
			}
			readers := 0
			for _, track := range tracks {
				readers += track.Demand().Readers
			}
			require.Equal(t, limit, readers)
		})
	}
}

// Requests and updates come as fast as the limits say, however they are sent.
func TestPuppetRate(t *testing.T) {
	conf := dialect.Config{Limits: dialect.Limits{RequestBurst: 20, RequestRate: 20}}
	const n = 60 // 20 at once, 40 at 20 a second
	for _, draft := range drafts {
		inWorld(t, draft+"/requests", conf, func(t *testing.T, w *world) {
			p := w.join(draft)
			start := time.Now()
			var all []*quictest.PuppetStream
			for i := range n {
				all = append(all, p.ask(subscribe(draft, id(draft, 2*i), "01 'room' 'none'")))
			}
			for _, st := range all {
				wantError(t, st, "05", streams(draft))
			}
			require.InDelta(t, 2, time.Since(start).Seconds(), 0.1)
		})
		if draft == moq14 {
			continue // has no answer to tell
		}
		inWorld(t, draft+"/updates", conf, func(t *testing.T, w *world) {
			p := w.join(draft)
			st := p.ask(subscribe(draft, "00", "01 'room' 'video'"))
			st.WantBytes(accepted(draft, "00", ""))
			start := time.Now()
			for i := 0; i < n; i += 6 { // 8 may be unanswered
				for k := range 6 {
					n := id(draft, 2*(i+k)+2)
					st.Send(msg("02", of(draft, "", n+" 00 00", n+" 00")))
				}
				for k := range 6 {
					st.WantBytes(msg("07", of(draft, "", id(draft, 2*(i+k)+2)+" 00", "00")))
				}
			}
			require.InDelta(t, 2, time.Since(start).Seconds(), 0.3)
		})
	}
}

// Streams without their first message wait, and make others wait, as long as
// a first message may take.
func TestPuppetHalfOpen(t *testing.T) {
	conf := dialect.Config{Limits: dialect.Limits{Requests: 3}}
	for _, draft := range []string{moq16, moq18, moq19} {
		inWorld(t, draft, conf, func(t *testing.T, w *world) {
			p := w.join(draft)
			var halves []*quictest.PuppetStream
			for range 3 {
				halves = append(halves, p.Open(x(of(draft, "", "11", "03"))))
			}
			pass(time.Second)
			request, answer := subscribe(draft, "00", "01 'room' 'video'"), accepted(draft, "00", "")
			if draft == moq16 {
				request, answer = msg("11", "00 01 'nobody' 01 00"), msg("07", "00 00")
			}
			st := p.Open(request)
			st.WantIdle()
			pass(10 * time.Second)
			for _, h := range halves {
				h.WantStop(2)
			}
			st.WantBytes(answer)
		})
	}
}

// Who aborts most of what it begins is sent away.
func TestPuppetChurn(t *testing.T) {
	for _, draft := range []string{moq18, moq19} {
		for _, how := range []string{"RESET", "STOP_SENDING", "RESET before the request", "RESET of data"} {
			inWorld(t, draft+"/"+how, quietly, func(t *testing.T, w *world) {
				p := w.join(draft)
				for i := range 300 {
					if how == "RESET of data" {
						st, err := p.Conn().OpenUniStream(t.Context())
						if err != nil {
							break
						}
						_, _ = st.Write(x("50"))
						st.CancelWrite(1)
						continue
					}
					st, err := p.Conn().OpenStream(t.Context())
					if err != nil {
						break
					}
					request := subscribe(draft, id(draft, 2*i), "01 'room' 'video'")
					switch how {
					case "RESET":
						_, _ = st.Write(request)
						st.CancelWrite(1)
					case "STOP_SENDING":
						_, _ = st.Write(request)
						st.CancelRead(1)
					default:
						_, _ = st.Write(request[:2])
						st.CancelWrite(1)
					}
				}
				p.WantClosed(3)
			})
		}
		inWorld(t, draft+"/slowly", quietly, func(t *testing.T, w *world) {
			p := w.join(draft)
			for i := range 300 {
				p.Open(subscribe(draft, id(draft, 2*i), "01 'room' 'video'")).Reset(1)
				pass(11 * time.Millisecond)
			}
			p.ask(subscribe(draft, id(draft, 600), "01 'room' 'none'")).Read(3)
		})
	}
	forDrafts(t, []string{moq14, moq16}, func(t *testing.T, w *world, draft string) {
		p := w.join(draft)
		for i := range 200 {
			n := id(draft, 2*i)
			if p.Conn().Context().Err() != nil {
				break
			}
			p.control.Send(subscribe(draft, n, "01 'room' 'video'"), msg("0a", n))
		}
		p.WantClosed(7)
	})
}

// Messages about nothing cost nothing and change nothing.
func TestPuppetIdleTalk(t *testing.T) {
	forDrafts(t, []string{moq14, moq16}, func(t *testing.T, w *world, draft string) {
		p := w.join(draft)
		for i := range 5000 {
			p.control.Send(msg("1a", id(draft, i)))                // REQUESTS_BLOCKED
			p.control.Send(msg("15", id(draft, 10242+2*i)))        // MAX_REQUEST_ID
			p.control.Send(msg("0a", id(draft, 2*i+100)))          // UNSUBSCRIBE of nothing
			p.control.Send(msg("17", id(draft, 2*i+100)))          // FETCH_CANCEL of nothing
			p.control.Send(gone(draft, id(draft, 77), "02", "00")) // PUBLISH_DONE of nothing
			cancel := of(draft, "01 'bob' 01 00", id(draft, 78)+" 01 00", "")
			p.control.Send(msg("0c", cancel)) // PUBLISH_NAMESPACE_CANCEL of nothing
		}
		p.ask(subscribe(draft, "00", "01 'room' 'video'")).WantBytes(accepted(draft, "00", ""))
	})
	forDrafts(t, []string{moq14, moq16}, func(t *testing.T, w *world, draft string) {
		p := w.join(draft)
		p.control.Send(msg("15", "6900"), msg("15", "6900"))
		p.WantClosed(3)
	})
}

// A peer that cancels our announcement is not told of its end.
func TestPuppetCancelsNamespace(t *testing.T) {
	inWorld(t, moq14, quietly, func(t *testing.T, w *world) {
		p := w.join(moq14)
		p.control.Send(msg("11", "00 01 'room' 00"))
		p.control.WantBytes(msg("12", "00")).WantBytes(msg("06", "01 01 'room' 00"))
		p.control.Send(msg("07", "01"), msg("0c", "01 'room' 01 'bye'"))
		pass(time.Second)
		w.pubs[0].End()
		p.control.WantIdle()
	})
}

// unread is a connection on which the relay can send next to nothing.
func (w *world) unread(draft string) *quictest.Puppet {
	w.t.Helper()
	c, err := w.net.Node("puppet").Dial(w.t.Context(), "relay:4443", &tls.Config{NextProtos: []string{draft}}, &quic.Config{
		EnableDatagrams: true, MaxIncomingStreams: 100, MaxIncomingUniStreams: 100,
		InitialStreamReceiveWindow: 32, MaxStreamReceiveWindow: 32,
	})
	require.NoError(w.t, err)
	return quictest.NewPuppet(w.t, c)
}

// Who sends updates and takes no answers is sent away: in 19 by their number, as
// we have said, and everywhere by what waits.
func TestPuppetUnreadAnswers(t *testing.T) {
	for _, c := range []struct {
		draft string
		code  quic.ErrorCode
	}{{moq16, 1}, {moq18, 1}, {moq19, 0x1b}} {
		conf := fast
		conf.Limits.UnsentBytes = 4096
		inWorld(t, c.draft, conf, func(t *testing.T, w *world) {
			p := w.unread(c.draft)
			var st quic.Stream
			send := func(b []byte) bool {
				_, err := st.Write(b)
				return err == nil
			}
			var err error
			if st, err = p.Conn().OpenStream(t.Context()); streams(c.draft) {
				p.OpenUni(x(clientSetup[c.draft]))
			} else {
				send(x(clientSetup[c.draft]))
			}
			require.NoError(t, err)
			send(subscribe(c.draft, "00", "01 'room' 'video'"))
			for i := range 4096 {
				n := id(c.draft, 2*i+2)
				if !send(msg("02", of(c.draft, "", n+" 00 00", n+" 00"))) {
					break
				}
				if i%64 == 0 {
					pass(20 * time.Millisecond)
				}
			}
			p.WantClosed(c.code)
		})
	}
}
