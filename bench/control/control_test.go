package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// TestMain lets the test binary play the program that Start starts.
func TestMain(m *testing.M) {
	switch os.Getenv("CONTROL_TEST_PROGRAM") {
	case "good":
		fill := func(s *Stats) { s.Frames = 42 }
		if Serve(context.Background(), os.Stdin, os.Stdout, Ready{URL: "rawfan://x"}, fill) != nil {
			os.Exit(1)
		}
		os.Exit(0)
	case "mute":
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func TestServe(t *testing.T) {
	var out bytes.Buffer
	err := Serve(t.Context(), strings.NewReader("read\ncollect\n"), &out, Ready{URL: "u"}, func(s *Stats) { s.Frames = 7 })
	require.NoError(t, err)
	dec := json.NewDecoder(&out)
	var ready Ready
	require.NoError(t, dec.Decode(&ready))
	require.Equal(t, "u", ready.URL)
	var first, second Stats
	require.NoError(t, dec.Decode(&first))
	require.NoError(t, dec.Decode(&second))
	require.Equal(t, uint64(7), first.Frames)
	require.Positive(t, first.CPU)
	require.Positive(t, first.Heap)
	require.Positive(t, first.Goroutines)
	require.Greater(t, second.Mallocs, first.Mallocs)
	require.GreaterOrEqual(t, second.GCs, first.GCs+2)
	require.GreaterOrEqual(t, second.CPU, first.CPU)

	require.ErrorContains(t, Serve(t.Context(), strings.NewReader("dance\n"), io.Discard, Ready{}, nil), "dance")
}

func TestServeEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	r, w := io.Pipe()
	defer w.Close()
	out, in := io.Pipe()
	done := make(chan error)
	go func() { done <- Serve(ctx, r, in, Ready{}, nil) }()
	_, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	why := errors.New("why")
	cancel(why)
	require.ErrorIs(t, <-done, why)
}

func TestProcess(t *testing.T) {
	t.Setenv("CONTROL_TEST_PROGRAM", "good")
	p, err := Start(20*time.Second, os.Args[0])
	require.NoError(t, err)
	require.Equal(t, "rawfan://x", p.Ready.URL)
	s, err := p.Ask(Collect)
	require.NoError(t, err)
	require.Equal(t, uint64(42), s.Frames)
	p.Stop()
	require.True(t, p.cmd.ProcessState.Success())
	_, err = p.Ask(Read)
	require.Error(t, err)
}

func TestProcessThatIsNeverReady(t *testing.T) {
	t.Setenv("CONTROL_TEST_PROGRAM", "mute")
	_, err := Start(50*time.Millisecond, os.Args[0])
	require.ErrorContains(t, err, "did not get ready")
}
