package sim

import (
	"os"
	"strings"
	"testing"
)

// Test plays a story in each combination of versions that it is told for, with
// one seed, as subtests of t: an expectation that does not hold, or anything
// that never may be, fails the test and prints the story so far. conf may be
// nil; its Dialects replace those of the story.
func Test(t *testing.T, story string, conf *Config) {
	t.Helper()
	s, err := Parse(t.Name(), story)
	if err != nil {
		t.Fatal(err)
	}
	mixes := s.Mixes()
	if conf != nil && len(conf.Dialects) > 0 {
		mixes = []string{strings.Join(conf.Dialects, "+")}
	}
	for _, mix := range mixes {
		t.Run(mix, func(t *testing.T) {
			var c Config
			if conf != nil {
				c = *conf
			}
			c.Dialects = strings.Split(mix, "+")
			check(t, s, NewPlayer(t).Play(s, &c))
		})
	}
}

func check(t *testing.T, s *Story, r *Result) {
	t.Helper()
	if r.Err != nil {
		t.Errorf("%s:%d: %v\n%s", s.Name, r.Line, r.Err, r.Log)
	}
}

// Run plays what f does in a world, in a bubble of its own, and fails t by
// what is wrong. conf may be nil.
func Run(t *testing.T, conf *Config, f func(w *World) error) {
	t.Helper()
	if r := NewPlayer(t).Run(conf, f); r.Err != nil {
		t.Errorf("%v\n%s", r.Err, r.Log)
	}
}

// Main plays stories outside go test: it calls f with a player, and ends the
// process with what f returns. It takes the command line away from whoever
// reads os.Args.
func Main(f func(*Player) int) {
	os.Args = os.Args[:1]
	testing.Main(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{
		Name: "sim",
		F:    func(t *testing.T) { os.Exit(f(NewPlayer(t))) },
	}}, nil, nil)
}
