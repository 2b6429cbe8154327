package ietf_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/ports/quic/quictest"
)

// A subscription to what is not there yet waits for as long as it says, up to a
// limit, and not for as long as others do.
func TestPuppetRendezvous(t *testing.T) {
	forDrafts(t, []string{moq18, moq19}, func(t *testing.T, w *world, draft string) {
		p := w.join(draft)
		within := func(id, name, ms string) *quictest.PuppetStream {
			return p.ask(msg("03", id, " 01 'late' ", name, " 02 04 ", ms, " 1d 01 02"))
		}
		start := time.Now()
		at := func(st *quictest.PuppetStream, want string, after time.Duration) {
			t.Helper()
			wantError(t, st, want, true)
			require.Equal(t, after+20*time.Millisecond, time.Since(start)) // a round trip
		}
		long := within("00", "'a'", "8bb8") // 3 s
		none := within("02", "'b'", "00")
		short := within("04", "'c'", "81f4")
		silent := p.ask(subscribe(draft, "06", "01 'late' 'd'"))
		longest := within("08", "'e'", "e000ea60") // a minute
		at(none, "05 10 00", 0)
		at(short, "05 02 00", 500*time.Millisecond)
		at(silent, "05 10 00", time.Second)
		at(long, "05 02 00", 3*time.Second)
		at(longest, "05 02 00", 10*time.Second)

		st := within("0a", "'video'", "8bb8")
		pass(2900 * time.Millisecond)
		w.publish("p/late", false, "video")
		st.Read(3)
		wantError(t, within("0c", "'other'", "8bb8"), "05 10 00", true) // the publisher has no such track
		require.NoError(t, p.Conn().Context().Err())
	})
}
