package main

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/moq"
)

// A rig is a collector on a track that the test writes.
type rig struct {
	*testing.T
	track *moq.Track
	c     *collector
	out   syncBuffer
	lost  []string
	done  chan error
}

func newRig(t *testing.T) *rig {
	r := &rig{T: t, done: make(chan error, 1)}
	r.c = &collector{out: &r.out, latency: 2 * time.Second, lost: func(first, last uint64, why string) {
		r.lost = append(r.lost, fmt.Sprintf("%d-%d %s", first, last, why))
	}}
	r.start(moq.Subscription{})
	return r
}

// start collects from a new track.
func (r *rig) start(s moq.Subscription) {
	r.track = moq.NewTrack(moq.FullTrackName{}, moq.CacheLimits{}, nil)
	reader := r.track.Subscribe(s, nil)
	go func() {
		defer reader.Close()
		r.done <- r.c.collect(r.Context(), reader)
	}()
}

func (r *rig) open(group uint64) *moq.GroupWriter {
	g, err := moq.NewTrackWriter(r.track, time.Now).OpenGroup(group)
	require.NoError(r, err)
	return g
}

// group writes a whole group, a frame for each text.
func (r *rig) group(sequence uint64, frames ...string) {
	g := r.open(sequence)
	for _, f := range frames {
		_, err := g.Write([]byte(f))
		require.NoError(r, err)
	}
	require.NoError(r, g.Close())
	synctest.Wait()
}

func TestOrder(t *testing.T) {
	for name, test := range map[string]struct {
		feed func(r *rig)
		out  string
		lost []string
		err  error
	}{
		"in order": {feed: func(r *rig) {
			r.group(0, "a", "b")
			r.group(1, "c")
			r.track.Finish(0)
		}, out: "abc"},
		"empty": {feed: func(r *rig) { r.track.Finish(0) }},
		"the first group overtaken": {feed: func(r *rig) {
			r.group(1, "b")
			time.Sleep(startGrace / 2)
			r.group(0, "a")
			r.track.Finish(0)
		}, out: "ab"},
		"joined late": {feed: func(r *rig) {
			r.group(7, "a")
			time.Sleep(startGrace)
			synctest.Wait()
			assert.Equal(r, "a", r.out.String(), "nothing before it came in time")
			r.group(8, "b")
			r.track.Finish(0)
		}, out: "ab"},
		"reversed": {feed: func(r *rig) {
			r.group(0, "a")
			for i := 3; i > 0; i-- {
				r.group(uint64(i), fmt.Sprint(i))
				time.Sleep(time.Second / 2)
			}
			r.track.Finish(0)
		}, out: "a123"},
		"an open group holds the next one back": {feed: func(r *rig) {
			g := r.open(0)
			_, _ = g.Write([]byte("a"))
			r.group(1, "c")
			time.Sleep(time.Second)
			synctest.Wait()
			assert.Equal(r, "a", r.out.String())
			_, _ = g.Write([]byte("b"))
			_ = g.Close()
			r.track.Finish(0)
		}, out: "abc"},
		"an open group is alone for as long as it likes": {feed: func(r *rig) {
			g := r.open(0)
			_, _ = g.Write([]byte("a"))
			time.Sleep(time.Hour)
			_, _ = g.Write([]byte("b"))
			_ = g.Close()
			r.track.Finish(0)
		}, out: "ab"},
		"an open group that is late": {feed: func(r *rig) {
			g := r.open(0)
			_, _ = g.Write([]byte("a"))
			r.group(1, "c")
			time.Sleep(3 * time.Second)
			_, _ = g.Write([]byte("b"))
			_ = g.Close()
			r.group(2, "d")
			r.track.Finish(0)
		}, out: "acd", lost: []string{"0-0 later groups did not wait any longer"}},
		"missing groups": {feed: func(r *rig) {
			r.group(0, "a")
			r.group(4, "e")
			time.Sleep(1900 * time.Millisecond)
			synctest.Wait()
			assert.Equal(r, "a", r.out.String(), "too early")
			time.Sleep(time.Second)
			r.group(2, "too late")
			r.group(5, "f")
			r.track.Finish(0)
		}, out: "aef", lost: []string{"1-3 missing"}},
		"missing at the end": {feed: func(r *rig) {
			r.group(0, "a")
			r.group(2, "c")
			r.track.Finish(5)
		}, out: "ac", lost: []string{"1-1 missing", "3-4 the track ended without them"}},
		"cut short": {feed: func(r *rig) {
			g := r.open(0)
			_, _ = g.Write([]byte("a"))
			g.CloseWithError(moq.Errorf(moq.CodeOld, "slow"))
			r.group(1, "b")
			r.track.Finish(0)
		}, out: "ab", lost: []string{"0-0 moq: too old: slow"}},
		"the track fails": {feed: func(r *rig) {
			r.group(0, "a")
			g := r.open(1)
			_, _ = g.Write([]byte("b"))
			synctest.Wait()
			r.track.Fail(moq.ErrDropped)
		}, out: "ab", err: moq.ErrDropped},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				test.feed(r)
				assert.ErrorIs(t, <-r.done, test.err)
				assert.Equal(t, test.out, r.out.String())
				assert.Equal(t, test.lost, r.lost)
			})
		})
	}
}

// What was written is not written again when the same content goes on, and
// nothing of it is lost.
func TestOrderResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.group(0, "a")
		g := r.open(1)
		_, _ = g.Write([]byte("b"))
		_, _ = g.Write([]byte("c"))
		synctest.Wait()
		r.track.Fail(moq.ErrDropped)
		require.ErrorIs(t, <-r.done, moq.ErrDropped)

		r.start(moq.Subscription{From: moq.FromAbsolute, Start: moq.Location{Group: r.c.next}})
		r.group(2, "e")
		r.group(1, "b", "c", "d")
		r.track.Finish(0)
		require.NoError(t, <-r.done)
		assert.Equal(t, "abcde", r.out.String())
		assert.Empty(t, r.lost)
	})
}

type failing struct{}

var errFull = errors.New("disk full")

func (failing) Write([]byte) (int, error) { return 0, errFull }

func TestOrderOutputFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.c.out = failing{}
		r.group(0, "a")
		assert.Equal(t, errFull, <-r.done)
	})
}

func TestOrderInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{latency: time.Second}
		track := moq.NewTrack(moq.FullTrackName{}, moq.CacheLimits{}, nil)
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("interrupt")
		time.AfterFunc(time.Minute, func() { cancel(why) })
		assert.Equal(t, why, c.collect(ctx, track.Subscribe(moq.Subscription{}, nil)))
	})
}

// Losses are said once a second at most; all of them count.
func TestLossesAreSaidRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out syncBuffer
		w := &world{err: &out}
		s := &subscriber{w: w, progress: newProgress(w, "")}
		for i := range uint64(100) {
			s.lose(i, i, "missing")
			time.Sleep(15 * time.Millisecond)
		}
		s.lose(200, 209, "missing")
		assert.EqualValues(t, 110, s.lost)
		assert.Equal(t, "moqt: lost group 0: missing\nmoqt: lost group 67 and 66 before: missing\n", out.String())
	})
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out syncBuffer
		p := newProgress(&world{err: &out, terminal: true}, "sent")
		p.state("publishing %s", "x")
		_, _ = p.count(&out).Write([]byte("12345"))
		time.Sleep(1500 * time.Millisecond)
		p.stop()
		p.stop()
		assert.Equal(t, "\r\x1b[Kpublishing x: sent 0 B, 0 B/s12345\r\x1b[Kpublishing x: sent 5 B, 5 B/s\r\x1b[K", out.String())
	})
}
