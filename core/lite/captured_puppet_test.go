package lite_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
	"github.com/moqtgo/moqt/ports/quic"
	"github.com/moqtgo/moqt/ports/quic/quictest"
)

// What shipped peers were seen to send, replayed: once in the fragments in
// which they write it, and once byte by byte.

// replaying runs f with both ways to send.
func replaying(t *testing.T, name string, f func(t *testing.T, w *world, send sender)) {
	t.Helper()
	inWorld(t, name+", as written", quietly, func(t *testing.T, w *world) { f(t, w, sender{w, false}) })
	inWorld(t, name+", byte by byte", quietly, func(t *testing.T, w *world) { f(t, w, sender{w, true}) })
}

// A sender sends fragments, which "·" separates.
type sender struct {
	w     *world
	split bool
}

func (s sender) to(st *quictest.PuppetStream, fragments ...string) *quictest.PuppetStream {
	for _, f := range fragments {
		data := x(f)
		step := len(data)
		if s.split {
			step = 1
		}
		for ; len(data) > 0; data = data[step:] {
			st.Send(data[:step])
			s.w.net.Wait() // nothing joins it on the way
		}
	}
	return st
}

// The origin that npm clients draw has 53 bits.
const origin = "c01fffffffffffff"

func TestCapturedNpmConsumer(t *testing.T) {
	replaying(t, lite05, func(t *testing.T, w *world, send sender) {
		p := &peer{Puppet: w.dial(lite05)}
		send.to(p.OpenUni(), "01", "0e", "02 01 01 01 05 08"+origin).FIN()
		p.AcceptUni().WantHex("01 08 02 010101 05024063").WantFIN()
		p.Accept().WantHex("01 03 00 4063")
		announced := send.to(p.Open(), "01", "09", "00"+origin)
		announced.WantBytes(x("03 4063 01  0d 01 'room/alice' 00")).WantIdle()
		probe := send.to(p.Open(), "04")
		probe.WantHex("02 00 14").WantIdle()

		info := send.to(p.Open(), "06", "11", "'room/alice' 'video'")
		info.WantHex("08 07 00 6710 80015f90").WantFIN()
		info.FIN()
		st := send.to(p.Open(), "02", "17", "00 'room/alice' 'video' 05 00 00 00 00")
		st.WantIdle()
		w.group(90000, "f0", 88500, "b")
		st.WantHex("00 01 00")
		p.AcceptUni().WantHex("00 02 00 00 8002bf20 02 6630 4bb7 01 62").WantFIN()
		send.to(st, "05", "09 00 00 00 00")
		w.group(0, "x")
		p.AcceptUni().WantHex("00 02 00 01 00 01 78").WantFIN()
		st.FIN()
		st.Stop(0)
		pass(50 * time.Millisecond)
		w.group(0, "y")
		p.WantIdle()

		send.to(p.Open(), "06", "11", "'room/alice' 'video'").WantHex("08 07 00 6710 80015f90").WantFIN()
		fetch := send.to(p.Open(), "03", "13", "'room/alice' 'video' 00 00")
		fetch.WantHex("8002bf20 02 6630 4bb7 01 62").WantFIN()
		fetch.FIN()

		unknown := send.to(p.Open(), "06", "0f", "'room/bob' 'video'")
		unknown.WantReset(m(13))
		p.WantIdle()
		w.next.check()
	})
}

func TestCapturedNpmPublisher(t *testing.T) {
	replies := map[string][]string{
		lite02: {"06", "01", "'room'"},
		lite03: {"07", "01", "'room'", "01"},
		lite04: {"0f", "01 'room' 01" + origin},
		lite05: {"09", origin, "01", "07", "01 'room' 00"},
	}
	for _, draft := range drafts {
		replaying(t, draft, func(t *testing.T, w *world, send sender) {
			watch := w.watch()
			p := w.join(draft)
			if draft == lite02 {
				replies[draft] = []string{"06", "01 'room'"}
			}
			send.to(p.asks, replies[draft]...)
			a, err := watch.Next(context.Background())
			require.NoError(t, err)
			require.Equal(t, moq.Path("room"), a.Path)
			r := w.read("room", "video", moq.Subscription{Priority: 2})
			if draft == lite05 {
				ask := p.Accept()
				ask.WantBytes(x("06 0b 'room' 'video'"))
				send.to(ask, "08", "01 00 5388 80015f90").FIN()
				ask.WantFIN()
			}
			st := p.Accept()
			frames := "02 6630 01 62"
			switch draft {
			case lite02:
				st.WantBytes(x("02 0d 00 'room' 'video' 02"))
				send.to(st, "00")
			case lite05:
				frames = "8002bf20 02 6630 4bb7 01 62"
				st.WantBytes(x("02 11 00 'room' 'video' 02 00 00 00 00"))
				send.to(st, "00", "01", "00")
			case lite04:
				st.WantBytes(x("02 12 00 '/room' 'video' 02 00 00 00 00"))
				send.to(st, "00", "05", "02 00 00 00 00")
			default:
				st.WantBytes(x("02 11 00 'room' 'video' 02 00 00 00 00"))
				send.to(st, "00", "05", "02 00 00 00 00")
			}
			send.to(p.OpenUni(), "00", "02", "00 00", frames).FIN()
			wantFrames(t, r, 0, "f0", "b")
			if draft == lite05 { // group 1 is a datagram, which START and END do not count
				p.SendDatagram(x("00 01 80015f90 6467"))
				wantFrames(t, r, 1, "dg")
			}
			send.to(p.OpenUni(), "00", "02", "00 02").FIN()
			wantFrames(t, r, 2)
			// The end, and then the last group.
			if draft == lite05 {
				send.to(st, "01", "01", "04")
			}
			st.FIN()
			st.Stop(0)
			pass(100 * time.Millisecond)
			send.to(p.OpenUni(), "00", "02", "00 03", frames).FIN()
			wantFrames(t, r, 3, "f0", "b")
			wantEnd(t, r, io.EOF, 3*time.Second)
			w.next.check()
		})
	}
}

// A peer whose paths are rooted gets rooted paths and plain codes.
func TestCapturedGomoqtConsumer(t *testing.T) {
	replaying(t, lite04, func(t *testing.T, w *world, send sender) {
		p := w.join(lite04)
		send.to(p.Open(), "01", "03 012f 00").WantBytes(x("0f 01 'room/alice' 01 4063")).WantIdle()
		send.to(p.Open(), "01", "08 '/room/' 00").WantBytes(x("0a 01 'alice' 01 4063")).WantIdle()
		st := send.to(p.Open(), "02", "18", "01 '/room/alice' 'video' 02 00 00 00 00")
		st.WantHex("00 06 07 00 6710 00 00")
		w.group(0, "a")
		p.AcceptUni().WantHex("00 02 01 00 01 61").WantFIN()
		send.to(p.Open(), "02", "16", "02 '/room/bob' 'video' 02 00 00 00 00").WantReset(13)
		send.to(p.Open(), "3f").WantReset(17)
		// It sends a target on its Probe stream at once.
		probe := send.to(p.Open(), "04", "05", "802625a0 00")
		probe.WantHex("02 00 14").WantIdle()
		st.Reset(0)
		pass(50 * time.Millisecond)
		w.group(0, "b")
		p.WantIdle()
	})
}

func TestCapturedGomoqtPublisher(t *testing.T) {
	replaying(t, lite04, func(t *testing.T, w *world, send sender) {
		watch := w.watch()
		p := w.join(lite04)
		send.to(p.Open(), "01", "03 012f 00") // this is how its style shows
		send.to(p.asks, "0b", "01 'room/bob' 00")
		wantChange(t, watch, "room/bob", route.Active, 0)
		r := w.read("room/bob", "video", moq.Subscription{})
		st := p.Accept().WantBytes(x("02 16 00 '/room/bob' 'video' 00 00 00 00 00"))
		g := p.OpenUni(x("00 02 00 01 01 61")) // OK comes with the first group, which is 1
		send.to(st, "00", "05", "00 00 00 02 00")
		g.FIN()
		wantFrames(t, r, 1, "a")
		// It writes n+1 into DROP: this is 5 to 7.
		send.to(st, "01", "03", "06 08 02")
		pass(50 * time.Millisecond)
		p.OpenUni(x("00 02 00 08 01 62")).FIN()
		wantFrames(t, r, 8, "b")
		old := r.Track().Read(moq.Location{Group: 4}, moq.Location{Group: 8}, nil)
		var absent []uint64
		for {
			f, err := old.Next(context.Background())
			if err != nil {
				require.Equal(t, io.EOF, err)
				break
			}
			if f.Absent {
				for g := f.Start.Group; g <= f.End.Group && g < 9; g++ {
					absent = append(absent, g)
				}
			}
		}
		require.Contains(t, absent, uint64(5))
		require.Contains(t, absent, uint64(7))
		require.NotContains(t, absent, uint64(4))
		st.FIN()
		wantEnd(t, r, io.EOF, 3*time.Second)

		// Its number for what is not found.
		r = w.read("room/bob", "smell", moq.Subscription{})
		p.Accept().Reset(3)
		wantEnd(t, r, moq.ErrNotFound, time.Second)
	})
}

// How codes go out depends on what was learnt of the peer.
func TestPuppetCodes(t *testing.T) {
	for _, c := range []struct {
		name, first string
		draft       string
		code        quic.ErrorCode
	}{
		{"nothing is known", "", lite05, m(13)},
		{"segments", "'room'", lite05, m(13)},
		{"an empty prefix says nothing", "''", lite04, m(13)},
		{"rooted", "'/'", lite04, 13},
		{"rooted on 05", "'/room/'", lite05, 13},
	} {
		inWorld(t, c.name, quietly, func(t *testing.T, w *world) {
			p := w.join(c.draft)
			if c.first != "" {
				p.Open(x("01"), msg(c.first, " 00"))
				pass(50 * time.Millisecond)
			}
			for range 2 {
				st := p.Open(x("02"), msg("00 'room/bob' 'video' 02 00 00 00 00"))
				if c.first == "" {
					st = p.Open(x("03"), msg("'' 'video' 02 00")) // no path, no style
				}
				st.WantReset(c.code)
				st.WantStop(c.code)
			}
		})
	}
	inWorld(t, "the first path counts", quietly, func(t *testing.T, w *world) {
		p := w.join(lite04)
		p.Open(x("02"), msg("00 '/room/bob' 'video' 02 00 00 00 00")).WantReset(13)
		p.Open(x("02"), msg("00 'room/bob' 'video' 02 00 00 00 00")).WantReset(13)
		p.asks.Send(msg("01 'room/bob' 00"))
		pass(50 * time.Millisecond)
		w.read("room/bob", "video", moq.Subscription{})
		p.Accept().WantBytes(x("02 16 00 '/room/bob' 'video' 00 00 00 00 00"))
	})
	inWorld(t, "segments on 04", quietly, func(t *testing.T, w *world) {
		p := w.join(lite04)
		p.Open(x("02"), msg("00 'room/bob' 'video' 02 00 00 00 00")).WantReset(m(13))
		p.asks.Send(msg("01 'room/bob' 00"))
		pass(50 * time.Millisecond)
		w.read("room/bob", "video", moq.Subscription{})
		p.Accept().WantBytes(x("02 15 00 'room/bob' 'video' 00 00 00 00 00"))
	})
	// WebTransport maps them itself.
	inWorld(t, "WebTransport", quietly, func(t *testing.T, w *world) {
		p := quictest.NewPuppet(t, w.connect("web", lite05))
		p.AcceptUni().WantHex("01 08 02 010101 05024063").WantFIN() // the path is in the URL: no wait for SETUP
		setup := p.OpenUni(x("01 01 00"))
		setup.WantStop(0)
		p.Open(x("02"), msg("00 'room/bob' 'video' 02 00 00 00 00")).WantReset(13)
	})
}
