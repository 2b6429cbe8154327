package lite_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/ports/quic"
	"github.com/moqtgo/moqt/ports/quic/quictest"
)

// A subscriber that reads nothing for an hour costs nothing that grows, slows
// nobody, and has the newest group when it reads again.
func TestPuppetStalls(t *testing.T) {
	for _, c := range []struct {
		name    string
		streams int64
		window  uint64
	}{
		{"few streams", 3, 512 << 10},
		{"a tiny window", 100, 1},
		{"a window of a packet", 100, 1200},
	} {
		inWorld(t, c.name, quietly, func(t *testing.T, w *world) {
			ctx, cancel := timeout(10 * time.Second)
			defer cancel()
			conn, err := w.net.Node("puppet").Dial(ctx, "relay:4443", &tls.Config{NextProtos: []string{lite05}}, &quic.Config{
				MaxIncomingUniStreams: c.streams, InitialStreamReceiveWindow: c.window, MaxStreamReceiveWindow: c.window,
			})
			require.NoError(t, err)
			p := quictest.NewPuppet(t, conn)
			p.OpenUni(x("01 01 00")).FIN()
			p.AcceptUni().WantHex("01 08 02 010101 05024063").WantFIN()
			p.Accept()
			st := p.Open(x("02"), subscribeAlice(1))
			pass(time.Second)
			var heap [2]uint64
			var goroutines [2]int
			for second := range 3600 {
				w.group(second, strings.Repeat("z", 5000), second, strings.Repeat("y", 500))
				pass(time.Second)
				if second == 60 || second == 3599 {
					w.next.check()
					i := second / 3599
					var m runtime.MemStats
					runtime.GC()
					runtime.ReadMemStats(&m)
					heap[i], goroutines[i] = m.HeapAlloc, runtime.NumGoroutine()
				}
			}
			require.InDelta(t, goroutines[0], goroutines[1], 4)
			require.Less(t, heap[1], heap[0]+(1<<20))
			st.WantHex("00 01 00") // and DROPs for what had no stream in time
			// It reads again.
			found := make(chan string, 5000)
			reading := later(func() (struct{}, error) {
				for {
					s, err := conn.AcceptUniStream(context.Background())
					if err != nil {
						return struct{}{}, err
					}
					go func() {
						head := make([]byte, 5)
						n, _ := io.ReadFull(s, head)
						found <- fmt.Sprintf("%x", head[:n])
						drain(s)
					}()
				}
			})
			pass(5 * time.Second)
			w.group(0, "newest")
			pass(time.Second)
			w.net.Wait()
			newest := false
			for n := len(found); n > 0; n-- {
				head := <-found
				newest = newest || strings.HasPrefix(head, "0003014e10") // group 3600
			}
			require.True(t, newest)
			p.Close(0, "")
			_, _ = reading()
			w.next.check()
		})
	}
}

// Groups that are late before there is a stream for them are dropped, and 05
// says so.
func TestPuppetDrop(t *testing.T) {
	inWorld(t, lite05, dialect.Config{}, func(t *testing.T, w *world) {
		ctx, cancel := timeout(10 * time.Second)
		defer cancel()
		conn, err := w.net.Node("puppet").Dial(ctx, "relay:4443", &tls.Config{NextProtos: []string{lite05}}, &quic.Config{MaxIncomingUniStreams: 2})
		require.NoError(t, err)
		p := quictest.NewPuppet(t, conn)
		p.OpenUni(x("01 01 00")).FIN()
		p.AcceptUni().WantHex("01 08 02 010101 05024063").WantFIN()
		st := p.Open(x("02 18 4040 'room/alice' 'video' 02 00 00 00 00"))
		w.net.Wait()
		pass(100 * time.Millisecond)
		for range 6 { // 0 and 1 have streams, 5 is the newest
			w.group(0, "a")
			pass(time.Millisecond)
		}
		st.WantHex("00 01 00").WantIdle()
		pass(time.Second)
		st.WantHex("02 03 02 02 02  02 03 03 03 02  02 03 04 04 02").WantIdle()
		p.AcceptUni().WantHex("00 03 4040 00  00 01 61").WantFIN()
		p.AcceptUni().WantHex("00 03 4040 01  00 01 61").WantFIN()
		p.AcceptUni().WantHex("00 03 4040 05  00 01 61").WantFIN()
		// The end accounts for every group.
		require.NoError(t, w.video.Close())
		st.WantHex("01 01 06").WantFIN()
	})
}

// A group may not be larger than the cache allows; the track goes on.
func TestPuppetEndlessGroup(t *testing.T) {
	forDrafts(t, []string{lite04, lite05}, func(t *testing.T, w *world, draft string) {
		p := w.publishing(draft)
		r := w.read("room/bob", "video", moq.Subscription{Priority: 2})
		resp := p.wantSubscribe(t)
		if draft == lite04 {
			resp.Send(x("00 05 02 00 00 00 00"))
		}
		header, frame := "00 02 00 00", "80100000" // 1 MiB
		if draft == lite05 {
			frame = "00 " + frame
		}
		st, err := p.Conn().OpenUniStream(t.Context())
		require.NoError(t, err)
		_, _ = st.Write(x(header))
		payload := make([]byte, 1<<20)
		n := 0
		for ; n < 100; n++ {
			if _, err = st.Write(x(frame)); err == nil {
				_, err = st.Write(payload)
			}
			if err != nil {
				break
			}
		}
		stopped := new(quic.StreamError)
		require.ErrorAs(t, err, &stopped)
		require.Equal(t, m(27), stopped.Code)
		require.LessOrEqual(t, n, 48) // and what was under way
		p.OpenUni(x("00 02 00 01")).FIN()
		wantOpen(t, r, 0)
		wantFrames(t, r, 1)
		w.next.check()
	})
}
