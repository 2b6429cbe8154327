package sim

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var mutants = flag.Bool("mutants", false, "plant each of testdata/faults, and want the tests of this package to find it")

// faults returns the patches, each of which plants a fault.
func faults(t *testing.T) []string {
	files, err := filepath.Abs("testdata/faults")
	require.NoError(t, err)
	all, err := filepath.Glob(files + "/*.patch")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(all), 7)
	return all
}

// checkout returns the root of the git checkout that the tests run in.
func checkout(t *testing.T) string {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git: ", err)
	}
	out, err := exec.CommandContext(t.Context(), "git", "rev-parse", "--show-toplevel").Output()
	if err != nil {
		t.Skip("this is no checkout of git: ", err)
	}
	root := strings.TrimSpace(string(out))
	if _, err := os.Stat(filepath.Join(root, "app", "sim", "testdata", "faults")); err != nil {
		t.Skip("the checkout is not of this module: ", err)
	}
	return root
}

func run(t *testing.T, dir, name string, args ...string) (string, error) {
	c := exec.CommandContext(t.Context(), name, args...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	return string(out), err
}

// TestFaultsApply keeps the patches up to date: what does not apply any more
// plants nothing.
func TestFaultsApply(t *testing.T) {
	root := checkout(t)
	for _, f := range faults(t) {
		out, err := run(t, root, "git", "apply", "--check", f)
		assert.NoError(t, err, "%s must be made anew:\n%s", filepath.Base(f), out)
	}
}

// finds says for each fault what the stories, and the swarm, must say of it, so
// that a failure for another reason does not count.
var finds = map[string]struct{ stories, swarm string }{
	"deliver-a-group-twice":     {`got group \d+ twice in one subscription`, `got group \d+ twice in one subscription`},
	"drop-the-loop-check":       {`(?:ring|reflected):.*(?:fed each other|through one node twice)`, `relays have fed each other`},
	"forget-the-end-of-a-group": {`expect .*: (?:whole>=\d+|cut=0) does not hold`, `has received nothing of`},
	// What the swarm expects of everybody is true without it too.
	"ignore-max-latency":        {`overload:.*: old>=5 does not hold: hasty`, ""},
	"leak-a-subscription":       {`subscriptions; nobody subscribes`, `subscriptions.*; nobody subscribes`},
	"lose-an-unannounce":        {`has \d+ broadcasts; nobody publishes`, `has \d+ broadcasts; nobody publishes`},
	"serve-another-roots-track": {`roots:.*carl got an object of two/live:video that says it is "alice#1\|one/live`, `got an object of b/.* says it is "[^|]*\|a/`},
}

// TestMutants plants each fault in a checkout of HEAD of its own, and wants the
// stories and the swarm to find it; without a fault they must find nothing.
func TestMutants(t *testing.T) {
	if !*mutants {
		t.Skip("-mutants plants them: some minutes")
	}
	root := checkout(t)
	t.Run("none", func(t *testing.T) {
		play := plant(t, root, "")
		for _, test := range []string{"TestStories", "TestSwarm"} {
			out, err := play(test)
			require.NoError(t, err, "there is no fault to find:\n%s", out)
		}
	})
	for _, f := range faults(t) {
		name := strings.TrimSuffix(filepath.Base(f), ".patch")
		t.Run(name, func(t *testing.T) {
			want, known := finds[name]
			require.True(t, known, "finds does not say how it is found")
			play := plant(t, root, f)
			wantFound(t, play, "TestStories", want.stories)
			if want.swarm != "" {
				wantFound(t, play, "TestSwarm", want.swarm)
			}
		})
	}
}

// plant builds the tests of HEAD with a fault, and returns what runs one of them.
// It plays without golden files, which any change differs from.
func plant(t *testing.T, root, patch string) (play func(test string) (string, error)) {
	dir := filepath.Join(t.TempDir(), "tree")
	out, err := run(t, root, "git", "worktree", "add", "--detach", dir, "HEAD")
	require.NoError(t, err, out)
	t.Cleanup(func() {
		out, err := exec.CommandContext(context.Background(), "git", "-C", root, "worktree", "remove", "--force", dir).CombinedOutput()
		assert.NoError(t, err, string(out))
	})
	if patch != "" {
		out, err = run(t, dir, "git", "apply", patch)
		require.NoError(t, err, out)
	}
	binary := filepath.Join(dir, "sim.test")
	out, err = run(t, dir, "go", "test", "-c", "-o", binary, "./app/sim")
	require.NoError(t, err, "it must be built, or nothing is shown:\n%s", out)
	return func(test string) (string, error) {
		return run(t, filepath.Join(dir, "app", "sim"), binary, "-test.run=^"+test+"$",
			"-golden=false", "-shrink=false", "-swarm=100", "-test.timeout=10m")
	}
}

// wantFound runs a test, some of whose failures must be what want matches.
func wantFound(t *testing.T, play func(string) (string, error), test, want string) {
	out, err := play(test)
	require.Error(t, err, "%s has not noticed", test)
	complaint := regexp.MustCompile(`(?m)^ {8}.*(?:` + want + `).*$`)
	failures := strings.Split(out, "\n    --- FAIL: ")[1:]
	by := slices.DeleteFunc(slices.Clone(failures), func(f string) bool { return !complaint.MatchString(f) })
	require.NotEmpty(t, by, "%s says nothing like %s:\n%s", test, want, out)
	who, _, _ := strings.Cut(by[0], " ")
	t.Logf("%d of %d failures, such as %s: %.160q", len(by), len(failures), who, strings.TrimSpace(complaint.FindString(by[0])))
}
