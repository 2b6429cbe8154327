package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/bench/workload"
)

// TestRun is the whole thing, small: it builds and starts the programs.
func TestRun(t *testing.T) {
	file := filepath.Join(t.TempDir(), "samples")
	o := options{
		work:     workload.All[0],
		counts:   []int{1, 3},
		subjects: subjects[:1],
		rounds:   2,
		warm:     time.Millisecond,
		window:   300 * time.Millisecond,
		idle:     2,
		samples:  file,
	}
	var out strings.Builder
	require.NoError(t, run(&o, &out, t.Logf))
	require.Contains(t, out.String(), "µs/delivery")
	require.Contains(t, out.String(), "idle subject")

	text, err := os.ReadFile(file)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	require.Len(t, lines, 5)
	for _, line := range lines[:4] {
		var s sample
		require.NoError(t, json.Unmarshal([]byte(line), &s))
		require.Positive(t, s.Deliveries)
		require.Positive(t, s.Micros)
		require.Positive(t, s.Mallocs)
		require.Zero(t, s.Dropped)
	}
	var s idleSample
	require.NoError(t, json.Unmarshal([]byte(lines[4]), &s))
	require.Positive(t, s.Goroutines)
}

func TestRunFailsWithTheSubscribers(t *testing.T) {
	bad := subjects[0]
	bad.load = "carrier pigeon"
	o := options{work: workload.All[0], counts: []int{1}, subjects: []subject{bad}, rounds: 1}
	require.ErrorContains(t, run(&o, &strings.Builder{}, t.Logf), "load did not get ready")
}

func TestSummarize(t *testing.T) {
	all := subjects
	defer func() { subjects = all }()
	subjects = []subject{{name: "floor"}, {name: "relay"}}
	samples := []sample{
		// The machine was slow in round 1: the ratio is still that of the round.
		{Subject: "relay", N: 50, Round: 0, Micros: 88, Mallocs: 12, Rate: 1500, Others: 0.1},
		{Subject: "floor", N: 50, Round: 0, Micros: 80, Mallocs: 11.5, Rate: 1500, Others: 0.2},
		{Subject: "floor", N: 50, Round: 1, Micros: 160, Mallocs: 11.5, Rate: 1500, Dropped: 2},
		{Subject: "relay", N: 50, Round: 1, Micros: 176, Mallocs: 12.5, Rate: 1200, Dropped: 3},
		{Subject: "floor", N: 50, Round: 2, Micros: 100, Mallocs: 11.7, Rate: 1500},
		{Subject: "relay", N: 50, Round: 2, Micros: 130, Mallocs: 12, Rate: 1500},
		{Subject: "relay", N: 10, Round: 0, Micros: 60, Rate: 300},
	}
	got := summarize(samples, 30)
	require.Len(t, got, 3)
	require.Equal(t, "relay", got[0].subject)
	require.Equal(t, 10, got[0].n)
	require.Zero(t, got[0].ratio, "no floor in that block")
	require.Equal(t, "floor", got[1].subject)
	require.InDelta(t, 1, got[1].ratio, 1e-9)
	require.InDelta(t, 100, got[1].micros, 1e-9)
	relay := got[2]
	require.Equal(t, 3, relay.rounds)
	require.InDelta(t, 130, relay.micros, 1e-9)
	require.InDelta(t, 88, relay.low, 1e-9)
	require.InDelta(t, 176, relay.high, 1e-9)
	require.InDelta(t, 1.1, relay.ratio, 1e-9)
	require.InDelta(t, 0.5, relay.aboveFloor, 1e-9)
	require.InDelta(t, 1, relay.delivered, 1e-9)
	require.Equal(t, uint64(3), relay.dropped)
}

func TestWriteMarksDoubts(t *testing.T) {
	good := summary{subject: "floor", n: 50, rounds: 5, micros: 80, ratio: 1, delivered: 1}
	for name, change := range map[string]func(*summary){
		"others":  func(s *summary) { s.others = 0.5 },
		"late":    func(s *summary) { s.delivered = 0.7 },
		"dropped": func(s *summary) { s.dropped = 1 },
	} {
		bad := good
		change(&bad)
		var out strings.Builder
		require.NoError(t, write(&out, []summary{bad}, nil))
		require.Contains(t, out.String(), "floor*", name)
		require.Contains(t, out.String(), "not to be trusted", name)
	}
	var out strings.Builder
	require.NoError(t, write(&out, []summary{good}, nil))
	require.NotContains(t, out.String(), "*")
}

func TestMedian(t *testing.T) {
	require.Zero(t, median(nil))
	require.InDelta(t, 2, median([]float64{3, 1, 2}), 0)
	require.InDelta(t, 2.5, median([]float64{4, 1, 2, 3}), 0)
}

func TestParseBusy(t *testing.T) {
	d, err := parseBusy("cpu  100 20 30 9999 8888 4 5 6 7 8\ncpu0 1 2 3\n")
	require.NoError(t, err)
	require.Equal(t, 1650*time.Millisecond, d)
	for _, text := range []string{"", "cpu 1 2", "intr 1 2 3 4 5 6 7 8", "cpu a 1 2 3 4 5 6 7"} {
		_, err := parseBusy(text)
		require.Error(t, err, text)
	}
}

func TestFlags(t *testing.T) {
	counts, err := parseCounts("50,100")
	require.NoError(t, err)
	require.Equal(t, []int{50, 100}, counts)
	for _, bad := range []string{"", "0", "-1", "5,", "x"} {
		_, err := parseCounts(bad)
		require.Error(t, err, bad)
	}
	chosen, err := choose("floor")
	require.NoError(t, err)
	require.Equal(t, "floor", names(chosen))
	_, err = choose("floor,unicorn")
	require.ErrorContains(t, err, "unicorn")
}
