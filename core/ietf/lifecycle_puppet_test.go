package ietf_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/moq"
)

// orders returns every order of up to n of the steps, each at most once.
func orders(steps string, n int) []string {
	all := []string{""}
	for start := 0; n > 0; n-- {
		end := len(all)
		for _, order := range all[start:end] {
			for _, s := range steps {
				if !strings.ContainsRune(order, s) {
					all = append(all, order+string(s))
				}
			}
		}
		start = end
	}
	return all[1:]
}

// What a subscriber may do with its request, and the publisher with the track
// meanwhile, in every order: Update, Fin, Reset, Stop, unsubscriBe; a Group, the
// End of the track. The session lives on and nothing of the request is left.
func TestPuppetSubscriberOrders(t *testing.T) {
	for _, draft := range []string{moq16, moq19} {
		steps := "UBGE"
		if streams(draft) {
			steps = "UFRSGE"
		}
		for _, order := range orders(steps, 4) {
			// What has been ended cannot be written to.
			if end := strings.IndexAny(order, "FRS"); end >= 0 && strings.ContainsAny(order[end+1:], "UFR") {
				continue
			}
			inWorld(t, draft+"/"+order, quietly, func(t *testing.T, w *world) {
				p := w.join(draft)
				st := p.ask(subscribe(draft, "00", "01 'room' 'video'"))
				for _, s := range order {
					switch s {
					case 'U':
						if p.Conn().Context().Err() == nil {
							st.Send(msg("02", of(draft, "", "02 00 01 10 00", "02 01 10 00")))
						}
					case 'F':
						st.FIN()
					case 'R':
						st.Reset(1)
					case 'S':
						st.Stop(1)
					case 'B':
						st.Send(msg("0a", "00"))
					case 'G':
						if ended, _ := w.track.Ended(); !ended {
							w.finished("a")
						}
					case 'E':
						w.track.Finish(9)
					}
					pass(20 * time.Millisecond)
				}
				if !strings.ContainsAny(order, "RSBE") {
					p.Close(0, "")
					return // it still stands: the session may end with it
				}
				pass(12 * time.Second) // a peer that does not end its side is not waited for
				require.Zero(t, w.track.Demand().Readers)
				p.ask(subscribe(draft, "04", "01 'room' 'none'"))
				pass(2 * time.Second)
				require.NoError(t, p.Conn().Context().Err())
			})
		}
	}
}

// What a publisher may do, in every order: answer with Ok, send the Data of the
// one group, be Done with one stream, Fin, Reset. PUBLISH_DONE is no answer; in
// every other order the session lives on, and what was announced arrives.
func TestPuppetPublisherOrders(t *testing.T) {
	for _, draft := range []string{moq14, moq16, moq18, moq19} {
		steps := "ODN"
		if streams(draft) {
			steps = "ODNFR"
		}
		for _, order := range orders(steps, len(steps)) {
			granted, done := strings.IndexByte(order, 'O'), strings.IndexByte(order, 'N')
			end := strings.IndexAny(order, "FR")
			if end >= 0 && (end < granted || end < done || strings.IndexByte(order[end+1:], 'F') >= 0) {
				continue // what has been ended cannot be written to
			}
			inWorld(t, draft+"/"+order, quietly, func(t *testing.T, w *world) {
				p, _ := w.publishing(draft)
				r := w.read("bob", "video")
				st := p.wantSubscribe("01", "'video'")
				for _, s := range order {
					switch s {
					case 'O':
						st.Send(ok(draft, "01", "07"))
					case 'D':
						p.OpenUni(group("07", "00")).FIN()
					case 'N':
						if done >= 0 && (granted < 0 || done < granted) {
							st.Send(gone(draft, "01", "02", "01"))
							p.WantClosed(3)
							return
						}
						st.Send(gone(draft, "01", "02", "01"))
					case 'F':
						st.FIN()
					case 'R':
						st.Reset(1)
					}
					pass(50 * time.Millisecond)
				}
				data := strings.IndexByte(order, 'D')
				if data >= 0 && granted >= 0 && (end < 0 || done >= 0 && done < end && order[end] == 'F') {
					wantGroup(t, r, 0, "a")
				}
				if granted >= 0 && done >= 0 { // with its streams, or after a while without
					ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
					defer cancel()
					for err := error(nil); err == nil; {
						_, err = r.NextGroup(ctx)
					}
					require.NoError(t, ctx.Err(), "the track ends")
				}
				if end >= 0 && done < 0 {
					_, ended := r.Track().Ended()
					require.Error(t, ended)
					if granted >= 0 {
						require.ErrorIs(t, ended, moq.ErrDropped)
					}
				}
				pass(2 * time.Second)
				require.NoError(t, p.Conn().Context().Err())
			})
		}
	}
}

// A namespace publisher in every order: Update, Fin, Reset, Stop, Goaway, and
// what the session is asked to do meanwhile: a Subscriber comes.
func TestPuppetNamespaceOrders(t *testing.T) {
	for _, draft := range []string{moq18, moq19} {
		for _, order := range orders("UFRXGS", 3) {
			if end := strings.IndexAny(order, "FR"); end >= 0 && strings.ContainsAny(order[end:], "UG") {
				continue
			}
			inWorld(t, draft+"/"+order, quietly, func(t *testing.T, w *world) {
				p, st := w.publishing(draft)
				for _, s := range order {
					switch s {
					case 'U':
						st.Send(msg("02", "02 00")).WantBytes(msg("07", "00"))
					case 'F':
						st.FIN()
					case 'R':
						st.Reset(1)
					case 'X':
						st.Stop(1)
					case 'G':
						st.Send(msg("10", "00 00"))
					case 'S':
						w.read("bob", "video")
					}
					pass(50 * time.Millisecond)
					if s == 'X' && strings.ContainsAny(order[strings.IndexRune(order, s):], "UG") {
						return // it is over for the relay
					}
				}
				pass(2 * time.Second)
				require.NoError(t, p.Conn().Context().Err())
			})
		}
	}
}
