package dialect

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/ports/quic"
)

func TestIntake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := NewIntake(&Limits{Requests: 2, RequestRate: 10, RequestBurst: 3, Resets: 4})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		first, ok := in.Enter(ctx)
		require.True(t, ok)
		_, ok = in.Enter(ctx)
		require.True(t, ok)
		first()
		first() // counts once
		_, ok = in.Enter(ctx)
		require.True(t, ok)
		_, ok = in.Enter(ctx)
		require.False(t, ok, "two are half open until ctx ends")

		start := time.Now()
		for range 8 {
			require.True(t, in.Pace(t.Context()))
		}
		require.Equal(t, 500*time.Millisecond, time.Since(start))
		require.False(t, in.Pace(ctx), "ctx has ended")

		began := time.Now()
		for range 4 {
			require.NoError(t, in.Ended(began, true))
		}
		require.ErrorIs(t, in.Ended(began, true), moq.ErrTooMany)
		time.Sleep(time.Second)
		for range 100 { // they have been of use
			require.NoError(t, in.Ended(began, true))
		}
	})
}

func TestGroupRecovers(t *testing.T) {
	g := NewGroup()
	said := make(chan any, 1)
	g.Recover(func(v any, stack []byte) {
		require.Contains(t, string(stack), "intake_test.go")
		said <- v
	})
	require.True(t, g.Go(func() { panic("oops") }))
	require.Equal(t, "oops", <-said)
	g.Close()
	g.Wait()
}

// A stuck is a stream whose peer grants nothing until block is closed.
type stuck struct {
	quic.SendStream
	block chan struct{}
}

func (s *stuck) TryWrite([]byte) error { return quic.ErrWouldBlock }

func (s *stuck) Write(p []byte) (int, error) {
	<-s.block
	return len(p), nil
}

func (s *stuck) Close() error { return nil }

func TestUnsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGroup()
		r := NewRunner(g)
		over := 0
		r.Limit(100, func() { over++ })
		s := &stuck{block: make(chan struct{})}
		o := NewOutbox(r, 1, s)
		o.Send(make([]byte, 60))
		require.Zero(t, over)
		o.Send(make([]byte, 60))
		require.Equal(t, 1, over)
		close(s.block)
		o.Close()
		synctest.Wait()
		g.Close()
		g.Wait()
		require.Zero(t, r.unsent.Load(), "all is gone")
		o.Send(make([]byte, 1000))
		require.Equal(t, 1, over, "what is not taken is not owed")
		require.Zero(t, o.Queued())
	})
}

// Once there was nothing more to say, the next is said after a lull; until
// then as fast as it comes.
func TestAskLull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGroup()
		s := &stuck{block: make(chan struct{})}
		close(s.block)
		o := NewOutbox(NewRunner(g), 1, s)
		var pending int
		var said []time.Duration
		start := time.Now()
		o.Ask(func() []byte {
			if pending == 0 {
				return nil
			}
			pending--
			said = append(said, time.Since(start))
			return []byte{1}
		}, 10*time.Millisecond)
		say := func(n int) {
			synctest.Wait() // whoever asked before has had its answer
			pending += n
			o.Wake()
			synctest.Wait()
		}
		synctest.Wait()
		time.Sleep(time.Millisecond)
		say(3) // at once
		time.Sleep(time.Millisecond)
		say(1)
		say(1) // at 11
		time.Sleep(time.Second)
		say(1)
		const ms = time.Millisecond
		require.Equal(t, []time.Duration{ms, ms, ms, 11 * ms, 11 * ms, 1002 * ms}, said)
		o.Close()
		synctest.Wait()
		g.Close()
		g.Wait()
	})
}
