package media

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestTimeline(t *testing.T) {
	const s = time.Second
	type step struct {
		track    string
		at, long time.Duration
		want     time.Duration // at plus shift
		jumped   bool
		restart  bool
	}
	for _, test := range []struct {
		name  string
		gaps  bool
		steps []step
	}{
		{"forward", false, []step{{"a", 5 * s, s, 5 * s, false, false}, {"a", 6 * s, s, 6 * s, false, false}, {"a", 16 * s, s, 16 * s, false, false}}},
		{"a pause of ten seconds is one", false, []step{{"a", 0, s, 0, false, false}, {"a", 11 * s, s, 11 * s, false, false}}},
		{"a longer one is a jump", false, []step{{"a", 0, s, 0, false, false}, {"a", 12 * s, s, s, true, false}, {"a", 13 * s, s, 2 * s, false, false}}},
		{"unless gaps are fine", true, []step{{"a", 0, s, 0, false, false}, {"a", 3600 * s, s, 3600 * s, false, false}}},
		{"back", false, []step{{"a", 100 * s, s, 100 * s, false, false}, {"a", 0, s, 101 * s, true, false}, {"a", s, s, 102 * s, false, false}}},
		{"a little back is left alone", false, []step{{"a", 10 * s, s, 10 * s, false, false}, {"a", 9 * s, s, 9 * s, false, false}}},
		{"all tracks together", false, []step{
			{"a", 0, s, 0, false, false}, {"v", 0, 2 * s, 0, false, false}, {"a", s, s, s, false, false},
			{"v", -50 * s, 2 * s, 2 * s, true, false}, {"a", -50 * s, s, 2 * s, false, false}, {"a", -49 * s, s, 3 * s, false, false},
		}},
		{"a late track", false, []step{{"a", 0, 30 * s, 0, false, false}, {"v", 30 * s, s, 30 * s, false, false}}},
		{"anew", false, []step{{"a", 5 * s, s, 5 * s, false, false}, {"a", 5 * s, s, 6 * s, false, true}, {"v", 5 * s, s, 6 * s, false, false}, {"a", 6 * s, s, 7 * s, false, false}}},
		{"anew at the start is nothing", false, []step{{"a", 5 * s, s, 5 * s, false, true}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			line := timeline{gaps: test.gaps}
			for i, step := range test.steps {
				if step.restart {
					line.restart()
				}
				shift, jumped, err := line.place(step.track, step.at, step.long)
				assert.NoError(t, err)
				assert.Equal(t, step.want, step.at+shift, "step %d", i)
				assert.Equal(t, step.jumped, jumped != 0, "step %d", i)
			}
		})
	}
}

// Tracks that contradict each other end at some time, and until then nothing
// goes back.
func TestTimelineContradiction(t *testing.T) {
	line := timeline{}
	last := time.Duration(-1)
	for i := range 1000 {
		track, at := "a", time.Duration(i)*time.Millisecond
		if i%2 == 1 {
			track, at = "v", time.Hour+at
		}
		shift, _, err := line.place(track, at, time.Millisecond)
		if err != nil {
			assert.ErrorIs(t, err, errTimes)
			assert.Less(t, i, 100)
			return
		}
		assert.GreaterOrEqual(t, at+shift, last)
		last = at + shift
	}
	t.Error("it never ended")
}
