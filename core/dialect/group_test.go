package dialect

import (
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/ports/quic"
)

func TestGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGroup()
		release := make(chan struct{})
		var ran atomic.Int32
		require.True(t, g.Go(func() { <-release; ran.Add(1) }))
		start := g.Bind(func() { ran.Add(1) })
		require.True(t, start())
		require.True(t, start())
		g.Close()
		g.Close()
		require.False(t, g.Go(func() { ran.Add(100) }))
		require.False(t, start())
		waited := make(chan struct{})
		go func() { g.Wait(); close(waited) }()
		synctest.Wait()
		select {
		case <-waited:
			t.Fatal("Wait returned before the goroutines had ended")
		default:
		}
		close(release)
		<-waited
		require.EqualValues(t, 3, ran.Load())
		g.Wait()
	})
}

func TestBindDoesNotAllocate(t *testing.T) {
	g := NewGroup()
	done := make(chan struct{})
	start := g.Bind(func() { done <- struct{}{} })
	require.Zero(t, testing.AllocsPerRun(100, func() {
		start()
		<-done
	}))
	g.Close()
	g.Wait()
}

// A task that is woken while it is served is served again, tasks that are ready
// together are served in their order, and what may block runs beside.
func TestRunner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGroup()
		r := NewRunner(g)
		var order []string
		gate := make(chan struct{})
		var a, b, c Task
		again := true
		a.init(r, 1, func(later *[]func()) {
			order = append(order, "a")
			if again {
				again = false
				a.Wake()
			}
			*later = append(*later, func() { <-gate }, func() { <-gate })
		})
		b.init(r, 2, func(*[]func()) { order = append(order, "b") })
		hold := make(chan struct{})
		c.init(r, 0, func(*[]func()) { <-hold })
		c.Wake() // keeps the runner while the others get ready
		synctest.Wait()
		b.Wake()
		a.Wake()
		b.Wake()
		close(hold)
		synctest.Wait()
		require.Equal(t, []string{"a", "b", "a"}, order)
		require.Equal(t, 4, g.n, "four that block, the runner's own goroutine among them")
		b.Wake() // and still it runs
		synctest.Wait()
		require.Equal(t, "b", order[len(order)-1])
		close(gate)
		g.Close()
		g.Wait()
	})
}

// TestCoalesce: what is ready within the time is served at once, in the order
// of its rank.
func TestCoalesce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGroup()
		r := NewRunner(g)
		r.Coalesce(time.Millisecond, quic.State{})
		start := time.Now()
		var order []uint64
		var at []time.Duration
		tasks := make([]Task, 3)
		for i := range tasks {
			rank := uint64(3 - i)
			tasks[i].init(r, rank, func(*[]func()) { order, at = append(order, rank), append(at, time.Since(start)) })
			tasks[i].Wake()
			synctest.Wait()
		}
		time.Sleep(time.Second)
		g.Close()
		g.Wait()
		require.Equal(t, []uint64{1, 2, 3}, order)
		require.GreaterOrEqual(t, at[0], time.Millisecond)
		require.Less(t, at[0], 3*time.Millisecond/2)
		require.Equal(t, []time.Duration{at[0], at[0], at[0]}, at)
	})
}

// TestCoalescePhases: connections do not wait equally long.
func TestCoalescePhases(t *testing.T) {
	waits := map[time.Duration]bool{}
	for port := range 100 {
		r := NewRunner(NewGroup())
		r.Coalesce(time.Microsecond, quic.State{RemoteAddr: &net.UDPAddr{Port: port}})
		waits[r.coalesce] = true
	}
	require.Greater(t, len(waits), 50)
	r := NewRunner(NewGroup())
	r.Coalesce(0, quic.State{})
	require.Zero(t, r.coalesce)
}
