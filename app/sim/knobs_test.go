package sim

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// knob plays a publisher of 40 kB a second, a relay and a subscriber, the link
// between those as told, and returns what it was like for the subscriber.
func knob(t *testing.T, link string, then ...string) (*subscriber, string) {
	var trace bytes.Buffer
	var s *subscriber
	r := NewPlayer(t).Run(&Config{Trace: &trace}, func(w *World) error {
		lines := []string{"relay r", "publish p r room video fps=20 gop=20 size=2000", link, "subscribe s r room video latency=20s", "advance 10s"}
		for _, line := range append(lines, then...) {
			if line == "" {
				continue
			}
			if err := w.Do(line); err != nil {
				return err
			}
		}
		s = w.byName["s"].(*subscriber)
		return nil
	})
	require.NoError(t, r.Err)
	return s, trace.String()
}

// TestKnobs: each option of a link has its effect in a story.
func TestKnobs(t *testing.T) {
	plain, smooth := knob(t, "")
	assert.Less(t, plain.stats.worst, 100*time.Millisecond)
	frames := func(trace string) int { return strings.Count(trace, "s>r:443#1< ") }

	late, _ := knob(t, "link r>s latency=300ms")
	assert.Greater(t, late.stats.lag, 300*time.Millisecond)
	other, _ := knob(t, "link s>r latency=300ms")
	assert.Less(t, other.stats.lag, 100*time.Millisecond, "the other way")

	jumpy, _ := knob(t, "link r>s latency=5ms jitter=200ms")
	assert.Greater(t, jumpy.stats.worst, 150*time.Millisecond)

	slow, _ := knob(t, "link r>s rate=20k")
	assert.Less(t, slow.stats.frames, 3*plain.stats.frames/4)
	short, _ := knob(t, "link r>s latency=50ms rate=20k queue=1")
	long, _ := knob(t, "link r>s latency=50ms rate=20k queue=200")
	assert.Greater(t, long.stats.worst, short.stats.worst, "what is queued cannot be overtaken")

	lossy, _ := knob(t, "link r>s latency=20ms loss=0.3")
	assert.Greater(t, lossy.stats.worst, plain.stats.worst+40*time.Millisecond, "retransmissions")
	assert.Equal(t, plain.stats.whole, lossy.stats.whole+min(1, plain.stats.whole-lossy.stats.whole))

	_, small := knob(t, "link r>s latency=5ms mtu=300")
	assert.Greater(t, frames(small), 2*frames(smooth))

	for _, test := range []struct {
		then   string
		age    time.Duration
		within bool // of the idle timeout
	}{
		{"cut r>s", 4 * time.Second, true},
		{"cut s>r", 0, true}, // acknowledgements are not simulated: what is sent arrives
		{"stall s", 4 * time.Second, true},
		{"crash r", 4 * time.Second, false},
	} {
		t.Run(test.then, func(t *testing.T) {
			back := map[string]string{"cut r>s": "heal r>s", "cut s>r": "heal s>r", "stall s": "wake s", "crash r": "restart r"}[test.then]
			var age time.Duration
			var s *subscriber
			r := NewPlayer(t).Run(nil, func(w *World) error {
				w.play(t, "relay r\npublish p r room video\nsubscribe s r room video latency=20s\nadvance 3s\n"+test.then+"\nadvance 5s")
				s = w.byName["s"].(*subscriber)
				age = w.Now() - s.received()
				w.play(t, back+"\nadvance 40s\nexpect s age<200ms")
				if test.within {
					return w.Do("expect s sessions=1 subscribed=1 missing=0 cut=0")
				}
				return w.Do("expect s sessions=2")
			})
			require.NoError(t, r.Err)
			assert.GreaterOrEqual(t, age, test.age)
			if test.age == 0 {
				assert.Less(t, age, time.Second, fmt.Sprint(test))
			}
		})
	}
}
