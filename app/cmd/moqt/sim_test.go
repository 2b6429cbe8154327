package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/app/sim"
)

// simulate runs moqt sim with the player of a test.
func simulate(t *testing.T, args ...string) (code int, out, said string) {
	t.Helper()
	return simulateFrom(t, "", args...)
}

func simulateFrom(t *testing.T, in string, args ...string) (code int, out, said string) {
	t.Helper()
	var stdout, stderr syncBuffer
	w := &world{in: strings.NewReader(in), out: &stdout, err: &stderr}
	w.play = func(f func(*sim.Player) int) { f(sim.NewPlayer(t)) }
	code = run(append([]string{"sim"}, args...), w)
	return code, stdout.String(), stderr.String()
}

func story(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "story.txt")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

const goodStory = "relay r\npublish p r room video\nsubscribe s r room video\nadvance 3s\nexpect s frames>10\n"

func TestSim(t *testing.T) {
	file := story(t, goodStory)
	code, out, said := simulate(t, file, "--dialect=lite-05")
	assert.Equal(t, exitOK, code, said)
	assert.Contains(t, out, "> expect s frames>10\n")
	assert.Contains(t, out, "seed=1 moq-lite-05 trace=")

	trace := filepath.Join(t.TempDir(), "trace")
	code, out, said = simulate(t, file, "--dialect=lite-04+moqt-18", "--seeds=3", "--trace="+trace)
	assert.Equal(t, exitOK, code, said)
	assert.Equal(t, 3, strings.Count(out, "ok   "))
	b, err := os.ReadFile(trace)
	require.NoError(t, err)
	assert.Contains(t, string(b), "s group 0 object 3 of p#1")
}

func TestSimFails(t *testing.T) {
	file := story(t, strings.Replace(goodStory, "frames>10", "frames>1000", 1))
	code, out, said := simulate(t, file, "--dialect=moqt-19", "--seed=7")
	assert.Equal(t, exitError, code)
	assert.Contains(t, out, "FAIL")
	assert.Contains(t, said, ":5: expect s frames>1000")
	assert.Contains(t, said, "again: moqt sim "+filepath.ToSlash(file)+" --seed=7 --dialect=moqt-19")
}

func TestSimSwarm(t *testing.T) {
	code, out, said := simulate(t, "--swarm", "--seeds=2", "--dialect=lite-05", "--dialect=moqt-20")
	assert.Equal(t, exitOK, code, said)
	assert.Contains(t, out, "ok   seed=2")
}

// TestSimSwarmFails asks for the impossible: what is shown then is a story that
// no line can be left out of, and the commands replay what they say.
func TestSimSwarmFails(t *testing.T) {
	impossible := []string{"--swarm", "--seed=2", "--bound=1ms", "--dialect=lite-05", "--dialect=moqt-20"}
	code, out, said := simulate(t, impossible...)
	require.Equal(t, exitError, code)
	_, again, _ := strings.Cut(said, "again: moqt sim ")
	again, _, _ = strings.Cut(again, "\n")
	assert.Equal(t, "--swarm --seed=2 --bound=1ms --dialect=moq-lite-05 --dialect=moqt-20", again)
	_, sameOut, same := simulate(t, strings.Fields(again)...)
	assert.Equal(t, [2]string{out, said}, [2]string{sameOut, same})

	_, small, _ := strings.Cut(out, "moqt sim ")
	args, text, found := strings.Cut(small, " - <<'END'\n")
	require.True(t, found, out)
	text, _, _ = strings.Cut(text, "END\n")
	assert.LessOrEqual(t, strings.Count(text, "\n"), 5, "dialects, relay, publish, subscribe, advance:\n%s", text)
	code, out, why := simulateFrom(t, text, append(strings.Fields(args), "-")...)
	assert.Equal(t, exitError, code)
	assert.Contains(t, out, "FAIL -")
	_, want, _ := strings.Cut(said, "shrinking the story ...\n")
	line, want, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(want), "moqt: line "), ": ")
	assert.Contains(t, why, "-:"+line+": "+want)
}

func TestSimUsage(t *testing.T) {
	good, bad := story(t, goodStory), story(t, "relay r\ndance\n")
	for _, test := range []struct{ args, says string }{
		{"", "--swarm"},
		{"--swarm " + good, "--swarm"},
		{good + " --seeds=0", "--seeds"},
		{good + " --dialect=lite-99", "lite-99"},
		{bad, `:2: unknown verb "dance"`},
		{good + "x", "no such file"},
	} {
		code, out, said := simulate(t, strings.Fields(test.args)...)
		assert.Equal(t, exitUsage, code, test.args)
		assert.Contains(t, said, test.says)
		assert.Empty(t, out)
	}
}
