package sim

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/moqtgo/moqt/app/sim.leak"))
}

var (
	pattern_ = flag.String("story", "*", "the stories to play, by their file names")
	rewrite  = flag.Bool("rewrite", false, "write the golden files anew")
	golden_  = flag.Bool("golden", true, "want TestStories to print what the golden files say")
	full     = flag.Bool("full", false, "every combination of versions, and -seeds seeds of each")
	seeds    = flag.Int("seeds", 5, "how many seeds to play with -full")
	runs     = flag.Int("runs", 2, "how often TestTrace plays one combination of versions of a story")
	swarm    = flag.Int("swarm", 20, "how many seeds TestSwarm plays")
	shrinks  = flag.Bool("shrink", true, "shrink the stories of TestSwarm that fail")
	first    = flag.Uint64("first", 1, "the first seed of TestSwarm")
)

func stories(t testing.TB) (all []*Story) {
	files, err := filepath.Glob("testdata/" + *pattern_ + ".txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		s, err := Parse(strings.TrimSuffix(filepath.Base(f), ".txt"), string(b))
		require.NoError(t, err)
		all = append(all, s)
	}
	return all
}

// some returns what of all combinations of a story is played each time: the
// first one, whose log is the golden file, and two that rotate.
func some(i int, s *Story) []string {
	all := s.Mixes()
	picked := []string{all[0], all[i%len(all)], all[(i+len(all)/2)%len(all)]}
	slices.Sort(picked[1:])
	return slices.Compact(picked)
}

// TestStories plays every story in testdata.
func TestStories(t *testing.T) {
	for i, s := range stories(t) {
		mixes, last := some(i, s), uint64(1)
		if *full {
			mixes, last = s.Mixes(), uint64(*seeds)
		}
		for seed := uint64(1); seed <= last; seed++ {
			for _, mix := range mixes {
				t.Run(fmt.Sprintf("%s/%s/%d", s.Name, mix, seed), func(t *testing.T) {
					t.Parallel()
					r := NewPlayer(t).Play(s, &Config{Seed: seed, Dialects: strings.Split(mix, "+")})
					check(t, s, r)
					if mix == s.Mixes()[0] && seed == 1 && r.Err == nil {
						golden(t, s.Name, r.Log)
					}
				})
			}
		}
	}
}

func golden(t *testing.T, name, log string) {
	if !*golden_ {
		return
	}
	file := "testdata/" + name + ".golden"
	if *rewrite {
		require.NoError(t, os.WriteFile(file, []byte(log), 0o600))
		return
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "go test ./app/sim -rewrite writes it")
	require.Equal(t, string(want), log, "go test ./app/sim -rewrite writes it anew")
}

// TestTrace shows that the seed is the schedule, with one processor and with
// two: each story in one combination of versions, which rotates, -runs times;
// with -full in all the others three times.
func TestTrace(t *testing.T) {
	for i, s := range stories(t) {
		all := s.Mixes()
		for j, mix := range all {
			n := *runs
			if j != i%len(all) {
				if n = 3; !*full {
					continue
				}
			}
			t.Run(s.Name+"/"+mix, func(t *testing.T) { sameTrace(t, s, mix, n) })
		}
	}
}

func sameTrace(t *testing.T, s *Story, mix string, n int) {
	p := NewPlayer(t)
	play := func(procs int, trace *bytes.Buffer) *Result {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		c := &Config{Seed: 1, Dialects: strings.Split(mix, "+")}
		if trace != nil {
			c.Trace = trace
		}
		return p.Play(s, c)
	}
	was := play(1, nil)
	check(t, s, was)
	for i := 1; i < n && !t.Failed(); i++ {
		if again := play(1+i%2, nil); again.Trace != was.Trace {
			t.Errorf("run %d has another trace than the first:\n%s", i, twoTraces(play))
		}
	}
}

// twoTraces plays until two runs differ and shows where they part.
func twoTraces(play func(int, *bytes.Buffer) *Result) string {
	var a bytes.Buffer
	play(1, &a)
	for i := range 200 {
		var b bytes.Buffer
		play(1+i%2, &b)
		if !bytes.Equal(a.Bytes(), b.Bytes()) {
			return firstDifference(a.Bytes(), b.Bytes())
		}
	}
	return "200 further runs were the same"
}

// firstDifference shows where two traces part.
func firstDifference(a, b []byte) string {
	al, bl := bytes.Split(a, []byte("\n")), bytes.Split(b, []byte("\n"))
	for i := range min(len(al), len(bl)) {
		if !bytes.Equal(al[i], bl[i]) {
			from := max(0, i-15)
			return fmt.Sprintf("line %d\n--- first\n%s\n--- now\n%s", i,
				bytes.Join(al[from:min(len(al), i+8)], []byte("\n")), bytes.Join(bl[from:min(len(bl), i+8)], []byte("\n")))
		}
	}
	return fmt.Sprintf("%d and %d lines", len(al), len(bl))
}
