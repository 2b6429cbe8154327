package session

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
)

// scenario plays two publishers, five subscribers, announcement churn and a
// reset through a relay, and writes its trace.
func scenario(t *testing.T, seed uint64, trace io.Writer) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldOn(t, memnet.New(memnet.Config{
			Seed: seed, Settle: synctest.Wait, Trace: trace,
			Link: memnet.Link{Latency: 10 * time.Millisecond, Jitter: 3 * time.Millisecond, Loss: 0.02, Rate: 4 << 20},
		}))
		defer w.close()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		alice, video, _ := publish("room/alice", "video")
		bob, audio, pub := publish("room/bob", "audio")
		pa, pb := w.dial("pub1", "moq-lite-05", alice), w.dial("pub2", "moq-lite-04", bob)
		var subs []*Session
		for i := range 5 {
			who := fmt.Sprintf("sub%d", i+1)
			s := w.dial(who, versions[i%len(versions)], nil)
			subs = append(subs, s)
			watch, err := s.Announced(ctx, "room")
			require.NoError(t, err)
			wg.Go(func() {
				for a := range watch.All(ctx) {
					w.net.Trace(who, fmt.Sprintf("announced %s %d", a.Path, a.Change))
				}
			})
			for _, name := range []moq.FullTrackName{{Path: "room/alice", Name: "video"}, {Path: "room/bob", Name: "audio"}} {
				wg.Go(func() {
					follow(ctx, w, s, fmt.Sprintf("%s/%s", who, name.Name), name)
				})
				w.net.Wait() // one thing at a time
			}
		}
		for g := range 4 {
			write(t, video, g)
			a, err := audio.AppendGroup()
			require.NoError(t, err)
			for i := range 10 {
				require.NoError(t, a.WriteFrame(moq.Frame{Payload: payload(g, i, 160)}))
				time.Sleep(20 * time.Millisecond)
			}
			if g == 2 {
				a.CloseWithError(moq.ErrInternal)
			} else {
				require.NoError(t, a.Close())
			}
			if g%2 == 1 { // churn
				pub.End()
				time.Sleep(30 * time.Millisecond)
				pub, err = bob.View(route.Scope{}).Publish("room/bob", route.Route{}, &source{map[string]*moq.Track{"audio": audio.Track()}})
				require.NoError(t, err)
			}
		}
		time.Sleep(time.Second)
		require.NoError(t, video.Close())
		require.NoError(t, pb.CloseWithError(0, ""))
		time.Sleep(3 * time.Second)
		cancel()
		for _, s := range append(subs, pa) {
			require.NoError(t, s.CloseWithError(0, ""))
			_ = s.Wait()
		}
		wg.Wait()
	})
}

// follow subscribes to a track and traces what it gets.
func follow(ctx context.Context, w *world, s *Session, who string, name moq.FullTrackName) {
	r, err := s.Subscribe(ctx, name, moq.Subscription{})
	if err != nil {
		w.net.Trace(who, "refused "+err.Error())
		return
	}
	defer r.Close()
	for g, err := range r.Groups(ctx) {
		if err != nil {
			w.net.Trace(who, "track: "+err.Error())
			return
		}
		for f, err := range g.Frames(ctx) {
			if err != nil {
				w.net.Trace(who, fmt.Sprintf("group %d: %v", g.Sequence(), err))
				break
			}
			w.net.Trace(who, fmt.Sprintf("group %d len=%d", g.Sequence(), len(f.Payload)))
		}
	}
	w.net.Trace(who, "end")
}

// traceRuns is how often TestTrace plays the scenario with either number of
// processors.
const traceRuns = 100

// TestTrace shows that the seed is the schedule: 200 runs of one seed give one
// trace with one processor and with two, and another seed gives another.
func TestTrace(t *testing.T) {
	var first bytes.Buffer
	scenario(t, 1, &first)
	require.Greater(t, bytes.Count(first.Bytes(), []byte("\n")), 1000)
	runs := traceRuns
	if raceEnabled || testing.Short() {
		runs = 5
	}
	for _, procs := range []int{1, 2} {
		func() {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			for i := range runs {
				h := fnv.New64a()
				var again bytes.Buffer
				scenario(t, 1, io.MultiWriter(h, &again))
				if !bytes.Equal(first.Bytes(), again.Bytes()) {
					t.Fatalf("run %d with %d processors differs:\n%s", i, procs, firstDifference(first.Bytes(), again.Bytes()))
				}
			}
		}()
	}
	var other bytes.Buffer
	scenario(t, 2, &other)
	require.NotEqual(t, first.String(), other.String())
}

func firstDifference(a, b []byte) string {
	al, bl := bytes.Split(a, []byte("\n")), bytes.Split(b, []byte("\n"))
	for i := range min(len(al), len(bl)) {
		if !bytes.Equal(al[i], bl[i]) {
			from := max(0, i-8)
			return fmt.Sprintf("line %d\n--- first\n%s\n--- now\n%s", i,
				bytes.Join(al[from:min(len(al), i+5)], []byte("\n")), bytes.Join(bl[from:min(len(bl), i+5)], []byte("\n")))
		}
	}
	return fmt.Sprintf("%d and %d lines", len(al), len(bl))
}
