package lite_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
	"github.com/moqtgo/moqt/ports/quic"
)

// Every stream of every conversation ends after each of its bytes, by FIN and
// by a reset. Whatever the relay makes of it, it ends its side too and goes on.

// cuts calls f for every way to cut data off.
func cuts(data []byte, f func(piece []byte, reset bool)) {
	for n := range len(data) + 1 {
		f(data[:n], false)
		if n > 0 { // a stream that was reset before its first byte is invisible
			f(data[:n], true)
		}
	}
}

// cutOff sends a piece on a stream and ends it.
func cutOff(st quic.SendStream, piece []byte, reset bool) {
	_, _ = st.Write(piece)
	if reset {
		pass(20 * time.Millisecond) // else it overtakes the piece
		st.CancelWrite(m(0))
	} else {
		_ = st.Close()
	}
}

// wantOver wants the peer to end its side: at once, or after the grace for
// groups under way.
func wantOver(t *testing.T, st quic.Stream, what string) {
	t.Helper()
	timer := time.AfterFunc(3*time.Second, func() { st.CancelRead(99) })
	defer timer.Stop()
	_, err := io.ReadAll(st)
	var local *quic.StreamError
	require.False(t, errors.As(err, &local) && !local.Remote, "%s: the relay does not end its side", what)
}

func TestPuppetTruncatedRequests(t *testing.T) {
	old := [][]byte{join(x("01"), msg("'room'")), join(x("02"), msg("03 'room/alice' 'video' 02"))}
	later := [][]byte{
		join(x("02"), msg("03 'room/alice' 'video' 02 00 00 00 00"), x("05 07 01 00 00 02  05 07 01 00 00 00")),
		x("03 13 'room/alice' 'video' 03 00"),
		x("04 04 802625a0"),
	}
	with := [][]byte{join(x("01"), msg("'room' 00")), x("05"), join(x("05"), msg("'https://b.example/'"))}
	all := map[string][][]byte{
		lite02: old,
		lite03: append(later[:3:3], old[0]),
		lite04: append(later[:3:3], with...),
		lite05: append(append(later[:3:3], with...), x("06 11 'room/alice' 'video'")),
	}
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		w.group(0, "a", 1, "b")
		p := w.join(draft)
		for _, data := range all[draft] {
			cuts(data, func(piece []byte, reset bool) {
				st, err := p.Conn().OpenStream(t.Context())
				require.NoError(t, err)
				cutOff(st, piece, reset)
				wantOver(t, st, fmt.Sprintf("% x, reset %v", piece, reset))
			})
			w.next.check()
		}
		p.Open(x("3f")).WantReset(m(17))
	})
}

func TestPuppetTruncatedGroups(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p := w.publishing(draft)
		r := w.read("room/bob", "video", moq.Subscription{Priority: 2})
		resp := p.wantSubscribe(t)
		switch draft {
		case lite02:
			resp.Send(x("00"))
		case lite03, lite04:
			resp.Send(x("00 05 02 00 00 00 00"))
		}
		n := uint64(0)
		whole := 0
		send := func(frames []byte) {
			header := x("00 04 4000")
			header = append(header, 0x40, 0)
			cuts(join(header, frames), func(piece []byte, reset bool) {
				if len(piece) >= 6 { // a group of its own for each
					piece[4], piece[5] = 0x40|byte(n>>8), byte(n)
					n++
				}
				st, err := p.Conn().OpenUniStream(t.Context())
				require.NoError(t, err)
				cutOff(st, piece, reset)
				pass(20 * time.Millisecond)
				if reset {
					return
				}
				switch len(piece) - 6 {
				case 0, len(frames):
					whole++
				}
			})
		}
		if draft == lite05 {
			send(x("8002bf20 03 616263"))
		} else {
			send(x("03 616263"))
		}
		w.next.check()
		got := 0
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		for {
			g, err := r.NextGroup(ctx)
			if err != nil {
				require.ErrorIs(t, err, context.DeadlineExceeded)
				break
			}
			for err == nil {
				_, err = g.ReadFrame(ctx)
			}
			if err == io.EOF {
				got++
			} else {
				require.NotErrorIs(t, err, context.DeadlineExceeded, "group %d is open for ever", g.Sequence())
			}
		}
		require.Equal(t, whole, got)
		resp.WantIdle()
	})
}

func TestPuppetTruncatedResponses(t *testing.T) {
	data := map[string][]byte{
		lite02: x("00"),
		lite03: x("00 06 02 01 40fa 2a 00  01 03 05 07 02"),
		lite04: x("00 06 02 01 40fa 2a 00  01 03 05 07 02"),
		lite05: x("00 01 29  02 03 05 07 02  01 01 2a"),
	}
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p := w.publishing(draft)
		n := 0
		again := func(answer []byte, info bool) {
			cuts(answer, func(piece []byte, reset bool) {
				n++
				r := w.read("room/bob", fmt.Sprint("t", n), moq.Subscription{})
				st, err := p.Conn().AcceptStream(t.Context())
				require.NoError(t, err)
				if draft == lite05 && !info {
					_, _ = st.Write(x("08 01 00 5388 80015f90"))
					_ = st.Close()
					st, err = p.Conn().AcceptStream(t.Context())
					require.NoError(t, err)
				}
				cutOff(st, piece, reset)
				if info && len(piece) == len(answer) {
					st, err = p.Conn().AcceptStream(t.Context()) // SUBSCRIBE
					require.NoError(t, err)
					st.CancelWrite(0)
				}
				wantOver(t, st, fmt.Sprintf("% x, reset %v", piece, reset))
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				defer cancel()
				_, err = r.NextGroup(ctx)
				require.NotErrorIs(t, err, context.DeadlineExceeded, "% x, reset %v", piece, reset)
			})
		}
		again(data[draft], false)
		if draft == lite05 {
			again(x("08 01 00 6710 80015f90"), true)
		}
		p.Open(x("3f")).WantReset(m(17))
		w.next.check()
	})
}

// Announce streams, SETUP and the session stream of lite-02: a session each.
func TestPuppetTruncatedSessions(t *testing.T) {
	replies := map[string][]byte{
		lite02: x("0a 01 'room/bob'  0a 00 'room/bob'"),
		lite03: x("0b 01 'room/bob' 01  0b 00 'room/bob' 00"),
		lite04: x("0c 01 'room/bob' 01 07  0b 00 'room/bob' 00"),
		lite05: x("02 07 01  0c 01 'room/bob' 01 05  0b 00 'room/bob' 00"),
	}
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		cuts(replies[draft], func(piece []byte, reset bool) {
			p := w.join(draft)
			p.asks.Send(piece)
			if reset {
				pass(20 * time.Millisecond)
				p.asks.Reset(0)
			} else {
				p.asks.FIN()
			}
			pass(6 * time.Second)                                                          // it lingers where the session had to be closed
			require.Equal(t, 2, w.relay.Stats().Broadcasts, "% x, reset %v", piece, reset) // alice and the bell
			p.Close(0, "")
		})
		w.next.check()
	})
	setups := map[string][]byte{
		lite02: x("20 0014 02 c0000000ff0dad01 c0000000ff0dad02 01 02 01"),
		lite05: x("01 18 04 010101 02 0b 2f726f6f6d3f6a77743d78 030102 0502412c"),
	}
	forDrafts(t, []string{lite02, lite05}, func(t *testing.T, w *world, draft string) {
		cuts(setups[draft], func(piece []byte, reset bool) {
			c := w.connect("puppet", draft)
			var st quic.SendStream
			var err error
			if draft == lite05 {
				st, err = c.OpenUniStream(t.Context())
			} else {
				st, err = c.OpenStream(t.Context())
			}
			require.NoError(t, err)
			cutOff(st, piece, reset)
			pass(6 * time.Second)
			_ = c.CloseWithError(0, "")
		})
		w.next.check()
		require.Equal(t, route.Stats{Broadcasts: 2}, w.relay.Stats())
	})
}
