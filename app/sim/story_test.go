package sim

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A mistake is named with its line and with what was wanted.
func TestParseMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"relay r\n\ndance":                      `x:3: unknown verb "dance": want one of advance, announce`,
		"relay":                                 `x:1: usage: relay NAME[*N]`,
		"relay a/b":                             `a name has letters, digits and -_.`,
		"relay r color=red":                     `relay has no option "color": usage: relay NAME`,
		"relay r cache=1 cache=2":               `cache was given twice`,
		"relay r cache=much":                    `cache: want a number`,
		"link * loss=2":                         `loss: want a share from 0 to 1`,
		"advance soon":                          `want a time up to 24h, such as 250ms`,
		"advance -1s":                           `want a time up to 24h`,
		"advance 1s 2s":                         `usage: advance TIME`,
		"expect s":                              `usage: expect NAME KEY=VALUE`,
		"expect s frames":                       `"frames" is no condition: want KEY=VALUE, or one of != < > <= >=`,
		"subscribe s r a b order=any":           `order: want ascending or descending`,
		"subscribe s r a b from=then":           `from: want latest, next, largest or a group`,
		"subscribe s*99999 r a b":               `want NAME*N, N up to 10000`,
		"subscribe s r a b via=tcp":             `via: want quic or webtransport`,
		"subscribe s r a b retry=perhaps":       `retry: want yes or no`,
		"relay r\ndialects lite-05":             `x:2: dialects comes once, before every other verb`,
		"dialects lite-99":                      `"lite-99" is no version that is spoken here: those are`,
		"cut a>":                                `a name has 1 to 64 letters`,
		"publish p r room a fps=1 video":        `"video" after an option`,
		strings.Repeat("x", maxLine+1):          `a story has at most`,
		strings.Repeat("relay r\n", maxLines+1): `a story has at most`,
	} {
		_, err := Parse("x", text)
		require.ErrorContains(t, err, want, "%.40q", text)
	}
}

// What makes no sense where it stands is told when it is played, and by whom.
func TestUnplayable(t *testing.T) {
	for text, want := range map[string]string{
		"relay r\nrelay r":           `there is a "r" already`,
		"stop x":                     `nobody is called "x"`,
		"relay r\npause r":           `r is no publisher that runs`,
		"relay r\nunsubscribe r":     `r is no subscriber`,
		"relay r\nrestart r":         `r runs`,
		"relay r\nstop r\nstop r":    `r does not run`,
		"relay r\nlink * latency=1s": `the links of all nodes are set before there are any`,
		"relay r\ndisconnect r q":    `r is not joined to q`,
		"relay r q\nconnect r q":     `r is joined to q already`,
		"drain r":                    `r is no relay that runs`,
		"relay r\nexpect r age<1s":   `nothing is known of "age": there are alive, sessions`,
		"relay r\nexpect r alive<1":  `alive is no number`,
		"relay r\nexpect r tracks=x": `"x" is nothing that tracks could be`,
	} {
		s, err := Parse("x", text)
		require.NoError(t, err)
		require.ErrorContains(t, NewPlayer(t).Play(s, nil).Err, want, text)
	}
}

// FuzzParse: whatever is a story is written as it is read.
func FuzzParse(f *testing.F) {
	for _, s := range stories(f) {
		b, err := os.ReadFile("testdata/" + s.Name + ".txt")
		require.NoError(f, err)
		f.Add(string(b))
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse("x", text)
		if err != nil {
			assert.Regexp(t, `^x:\d+: `, err.Error())
			return
		}
		again, err := Parse("x", s.String())
		require.NoError(t, err)
		assert.Equal(t, s.String(), again.String())
		require.Len(t, again.Lines, len(s.Lines))
		for i, l := range again.Lines {
			if l.String() != s.Lines[i].String() {
				t.Errorf("line %d: %v is not %v", i, l, s.Lines[i])
			}
		}
	})
}

var coded = regexp.MustCompile("`([^`]+)`")

// TestManual: docs/simulation.md names every verb as it is used, and every fact
// that can be expected of somebody, and no others.
func TestManual(t *testing.T) {
	b, err := os.ReadFile("../../docs/simulation.md")
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(b), "\n## Verbs\n")
	list, rest, ok := strings.Cut(rest, "\n## Facts\n")
	require.True(t, ok)
	told := map[string]bool{}
	for _, line := range strings.Split(list, "\n") {
		if strings.HasPrefix(line, "    ") {
			told[strings.TrimSpace(line)] = true
		}
	}
	for name, v := range verbs {
		usage := name + " " + v.usage
		assert.True(t, told[usage], "%s is missing under Verbs", usage)
		delete(told, usage)
	}
	assert.Empty(t, told, "no verb is used so")

	facts := map[string]string{}
	list, _, _ = strings.Cut(rest, "\n## ")
	for _, line := range strings.Split(list, "\n") {
		if who, what, ok := strings.Cut(strings.Trim(line, "| "), " | "); ok {
			facts[who] = what
		}
	}
	r := NewPlayer(t).Run(nil, func(w *World) error {
		w.play(t, "relay relay\npublish publisher relay room video\nsubscribe subscriber relay room video\n"+
			"watch watcher relay\nfetch fetcher relay room video 0\nannounce announcer relay crowd count=3\nadvance 1s")
		for _, a := range w.actors {
			var keys, want []string
			for _, f := range a.facts() {
				keys = append(keys, f.key)
			}
			for _, m := range coded.FindAllStringSubmatch(facts[a.base().name], -1) {
				want = append(want, m[1])
			}
			if _, dials := a.(*relayNode); !dials {
				want = append([]string{"alive", "connected", "sessions", "at"}, want...)
			}
			assert.Equal(t, want, keys, a.base().name)
		}
		return nil
	})
	require.NoError(t, r.Err)
}
