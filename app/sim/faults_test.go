package sim

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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

// TestMutants plants each fault in a checkout of HEAD of its own, and wants the
// stories and the swarm to find it; without a fault they must find nothing.
func TestMutants(t *testing.T) {
	if !*mutants {
		t.Skip("-mutants plants them: a quarter of an hour")
	}
	root := checkout(t)
	for _, f := range append([]string{""}, faults(t)...) {
		name := "none"
		if f != "" {
			name = strings.TrimSuffix(filepath.Base(f), ".patch")
		}
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "tree")
			out, err := run(t, root, "git", "worktree", "add", "--detach", dir, "HEAD")
			require.NoError(t, err, out)
			defer func() {
				_, _ = run(t, root, "git", "worktree", "remove", "--force", dir)
			}()
			if f != "" {
				out, err = run(t, dir, "git", "apply", f)
				require.NoError(t, err, out)
			}
			binary := filepath.Join(dir, "sim.test")
			out, err = run(t, dir, "go", "test", "-c", "-o", binary, "./app/sim")
			require.NoError(t, err, "it must be built, or nothing is shown:\n%s", out)
			out, err = run(t, filepath.Join(dir, "app", "sim"), binary,
				"-test.failfast", "-test.run=^(TestStories|TestSwarm)$", "-shrink=false", "-swarm=60", "-test.timeout=10m")
			if f == "" {
				require.NoError(t, err, out)
				return
			}
			require.Error(t, err, "nobody has noticed")
			found := regexp.MustCompile(`(?s)\w+_test\.go:\d+: .*?\n|panic: .*?\n`).FindString(out)
			t.Logf("found: %s", strings.TrimSpace(found))
		})
	}
}
