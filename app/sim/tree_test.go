package sim

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	tree     = flag.String("tree", "", "play the relay tree over these versions, and print its figures: moq-lite-05")
	treeTime = flag.Duration("treetime", time.Minute, "how long the relay tree is played")
	treeSize = flag.Int("treesize", 2000, "how many bytes a frame of it has")
)

// theTree is a relay tree with 1,000 subscribers: a minute of video of 30
// frames a second, over links that lose one packet in a hundred.
const theTree = `
link * latency=10ms jitter=5ms loss=0.01
relay origin
relay edge*10 origin
publish cam origin live/cam video fps=30 gop=60 size=%d
advance 1s
%sadvance %v
expect s* missing=0 age<1s
expect cam readers=1
expect origin tracks=1 subscriptions=10
pause cam
`

// TestTree prints what the tree has cost. It needs a minute of one processor; with
// two it is slower, as they wait for each other more than they do side by side.
func TestTree(t *testing.T) {
	if *tree == "" {
		t.Skip("-tree=moq-lite-05 plays it")
	}
	var subs strings.Builder
	for i := range 10 {
		fmt.Fprintf(&subs, "subscribe s%d_*100 edge%d live/cam video latency=2s\n", i, i+1)
	}
	s, err := Parse("tree", fmt.Sprintf(theTree, *treeSize, subs.String(), *treeTime))
	require.NoError(t, err)
	r := NewPlayer(t).Play(s, &Config{Seed: 1, Dialects: strings.Split(*tree, "+"), Loose: true})
	if r.Err != nil {
		t.Errorf("line %d: %v", r.Line, r.Err)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.Logf("%s, %d kbit/s: %v; heap of %.0f MB then, %.0f MB from the system, peak RSS %s; on %d processors",
		*tree, *treeSize*30*8/1000, r.Figures, float64(r.Figures.Heap)/1e6, float64(m.Sys)/1e6, peakRSS(), runtime.GOMAXPROCS(0))
}

// peakRSS returns what Linux says; elsewhere it is unknown.
func peakRSS() string {
	b, _ := os.ReadFile("/proc/self/status")
	if hwm := regexp.MustCompile(`VmHWM:\s+(.*)`).FindSubmatch(b); hwm != nil {
		return string(hwm[1])
	}
	return "unknown"
}
