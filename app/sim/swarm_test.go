package sim

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSwarm plays stories that seeds make up.
func TestSwarm(t *testing.T) {
	for i := range *swarm {
		seed := *first + uint64(i)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			s, p := Swarm(seed, nil), NewPlayer(t)
			c := &Config{Seed: seed, Dialects: strings.Split(s.Mixes()[0], "+")}
			r := p.Play(s, c)
			if r.Err == nil {
				return
			}
			t.Errorf("%v\nagain: moqt sim --swarm --seed=%d", r.Err, seed)
			if !*shrinks {
				return
			}
			small, r := p.Shrink(s, c, r)
			t.Errorf("line %d: %v\nmoqt sim --seed=%d - <<'END'\n%sEND", r.Line, r.Err, seed, small)
		})
	}
}

// features are what stories of the swarm must be about now and then: patterns
// of their text.
var features = map[string]string{
	"lossy links": `(?m)^link .*loss=`, "small packets": ` mtu=`, "a single relay": `\Adialects.*\nlink.*\nrelay r1.*\npublish`,
	"a tree": `(?m)^relay r3 r\d\b`, "a relay joined twice": `(?m)^relay r\d r\d r\d`, "a ring": `(?m)^relay r\d .*\nconnect r1`,
	"several versions": `\Adialects .*\+`, "moq-lite": `\Adialects.*moq-lite`, "moq-transport": `\Adialects.*(moqt|moq-00)`,
	"a limited cache": ` cache=`, "lingering": ` linger=`, "patience": ` patience=`, "min latency": ` minlatency=`, "idle tracks": ` idle=`,
	"max age": ` maxage=`, "several tracks": ` video audio`, "tracks that end": ` groups=`,
	"a standby": `(?s)hop=(\d+) .*hop=`, "roots": ` root=`, "WebTransport": ` via=webtransport`,
	"max latency": `subscribe.* latency=`, "priorities": ` priority=`, "ascending order": ` order=ascending`, "a start": ` from=`,
	"watchers": `(?m)^watch `, "many names": `(?m)^announce `,
	"relay crash": `(?m)^crash r`, "publisher crash": `(?m)^crash p`, "subscriber crash": `(?m)^crash s`, "restart": `(?m)^restart `, "stop": `(?m)^stop `,
	"cut": `(?m)^cut \S+ `, "cut one way": `(?m)^cut \S+>`, "heal": `(?m)^heal r\d|^heal \*\nadvance [^1]`,
	"slow node": `(?m)^slow \S+ \*`, "slow link": `(?m)^slow \S+ [a-z]`, "unannounce": `(?m)^unannounce `, "pause": `(?m)^pause `, "flapping": `(?m)^flap `,
	"unsubscribe": `(?m)^unsubscribe `, "stalled reader": `(?m)^stall `, "GOAWAY": `(?m)^goaway r\d timeout`, "GOAWAY elsewhere": `(?m)^goaway r\d r\d`,
	"drain": `(?m)^drain `, "fetch": `(?m)^fetch `, "disconnect": `(?m)^disconnect `, "late subscriber": `(?s)\nadvance.*\nsubscribe `,
}

// TestSwarmCovers shows how often what occurs: everything in one story of twenty.
// -v prints it.
func TestSwarmCovers(t *testing.T) {
	const stories = 300
	counts := map[string]int{}
	for _, d := range Dialects {
		features["speaks "+d] = `\Adialects (.*\+)?` + d + `\b`
	}
	compiled := map[string]*regexp.Regexp{}
	for f, pattern := range features {
		compiled[f] = regexp.MustCompile(pattern)
	}
	for seed := range uint64(stories) {
		text := Swarm(seed+1, nil).String()
		for f, pattern := range compiled {
			if pattern.MatchString(text) {
				counts[f]++
			}
		}
		if takesOver(text) {
			counts["takeover"]++
		}
	}
	features["takeover"] = ""
	for _, f := range slices.Sorted(maps.Keys(features)) {
		t.Logf("%5.1f %% %s", 100*float64(counts[f])/stories, f)
		assert.GreaterOrEqual(t, counts[f], stories/20, f)
	}
}

var published = regexp.MustCompile(`(?m)^publish \S+ \S+ (\S+) .*?( hop=\d+)?( root=\S+)?( via=\S+)?$`)

// takesOver reports whether two publishers of a story have one name and
// different content.
func takesOver(text string) bool {
	hops := map[string]string{}
	for _, p := range published.FindAllStringSubmatch(text, -1) {
		name := p[3] + "/" + p[1]
		hop := regexp.MustCompile(` hop=\d+`).FindString(p[0])
		if was, again := hops[name]; again && (was == "" || was != hop) {
			return true
		}
		hops[name] = hop
	}
	return false
}

// TestShrink plants failures that need certain lines, and wants those and no
// others back.
func TestShrink(t *testing.T) {
	long, err := Parse("long", `dialects lite-05+moqt-19
		link * latency=3ms loss=0.01
		relay r0
		relay r1 r0 cache=64k
		relay r2 r0 r1
		publish p0 r0 room/0 video audio
		publish p1 r0 room/1 video audio hop=7 via=webtransport
		subscribe s0 r2 room/0 video latency=2s
		advance 3s
		crash r2
		advance 9s
		restart r2
		heal *
		advance 20s`)
	require.NoError(t, err)
	has := func(s *Story, lines ...string) bool {
		rest := s.Lines
		for _, want := range lines {
			i := slices.IndexFunc(rest, func(l Line) bool { return strings.HasPrefix(l.String(), want) })
			if i < 0 {
				return false
			}
			rest = rest[i+1:]
		}
		return true
	}
	for _, test := range []struct {
		name, want string
		plays      func(*Story) error
	}{
		{"lines", "dialects moq-lite-05\nrelay r1\npublish p1\nadvance 1ms\n", func(s *Story) error {
			if has(s, "relay r1", "publish p1", "advance") {
				return fmt.Errorf("at %ds: p1 has %d lines around it", len(s.Lines), len(s.Lines))
			}
			return nil
		}},
		{"another failure", "dialects moqt-19\nrelay r1\n", func(s *Story) error {
			switch {
			case !has(s, "relay r1"):
				return unplayableError{errors.New("r1 is missing")}
			case len(s.Lines) > 8 && strings.HasPrefix(s.Dialects[0], "moq-lite-05+"):
				return errors.New("r1 is broken")
			case has(s, "publish"):
				return errors.New("something else is broken")
			case strings.HasSuffix(s.Dialects[0], "moqt-19"):
				return errors.New("r2 is broken")
			}
			return nil
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			was, plays := long.String(), 0
			play := func(s *Story) *Result {
				plays++
				return &Result{Err: test.plays(s), Line: len(s.Lines)}
			}
			failed := play(long)
			require.Error(t, failed.Err)
			small, r := shrink(long, failed, play)
			words := regexp.MustCompile(`(?m)^(\S+ \S+).*$`).ReplaceAllString(small.String(), "$1")
			assert.Equal(t, test.want, words)
			require.Error(t, r.Err)
			assert.Equal(t, len(small.Lines)+1, small.Lines[len(small.Lines)-1].Number)
			assert.Less(t, plays, mostPlays)
			assert.Equal(t, was, long.String(), "the story itself is not changed")
		})
	}
}
