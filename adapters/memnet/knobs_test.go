package memnet_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/ports/quic"
)

// A world is a network with two nodes, in a bubble. It is ordered unless it has
// a Grain.
type world struct {
	*testing.T
	net            *memnet.Network
	ctx            context.Context
	client, server quic.Connection
}

// inWorld connects client to server and runs f.
func inWorld(t *testing.T, c memnet.Config, conf *quic.Config, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if c.Grain == 0 {
			c.Settle = synctest.Wait
		}
		w := &world{T: t, net: memnet.New(c), ctx: t.Context()}
		defer w.net.Close()
		l, err := w.net.Node("server").Listen(":1", nil, conf)
		require.NoError(t, err)
		w.client, err = w.net.Node("client").Dial(t.Context(), "server:1", nil, conf)
		require.NoError(t, err)
		w.server, err = l.Accept(t.Context())
		require.NoError(t, err)
		f(w)
	})
}

// send sends data on a stream of its own.
func (w *world) send(data []byte) quic.SendStream {
	s, err := w.client.OpenUniStream(w.ctx)
	require.NoError(w, err)
	_, err = s.Write(data)
	require.NoError(w, err)
	return s
}

// sleep lets virtual time pass.
func (w *world) sleep(d time.Duration) { time.Sleep(d) }

// took is the virtual time that f takes.
func took(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

// arrival sends n bytes and FIN, and is the time until the reader has them.
func (w *world) arrival(n int) time.Duration {
	return took(func() {
		go func() {
			s, err := w.client.OpenUniStream(w.ctx)
			if err == nil {
				_, _ = s.Write(make([]byte, n))
				_ = s.Close()
			}
		}()
		r, err := w.server.AcceptUniStream(w.ctx)
		require.NoError(w, err)
		got, err := io.ReadAll(r)
		require.NoError(w, err)
		require.Len(w, got, n)
	})
}

func TestLatency(t *testing.T) {
	link := memnet.Link{Latency: 30 * time.Millisecond}
	inWorld(t, memnet.Config{Link: link}, nil, func(w *world) {
		assert.Equal(t, 30*time.Millisecond, w.arrival(100))
		w.net.SetLink("client", "server", memnet.Link{Latency: 70 * time.Millisecond})
		assert.Equal(t, 70*time.Millisecond, w.arrival(100))
		w.net.SetLink("server", "client", memnet.Link{Latency: time.Second})
		assert.Equal(t, 70*time.Millisecond, w.arrival(100), "the way back is another link")
		assert.Equal(t, 1070*time.Millisecond, w.client.Stats().SmoothedRTT)
		assert.Equal(t, 1070*time.Millisecond, w.server.Stats().MinRTT)
	})
}

// What is due within a step of the clock arrives at its end.
func TestGrain(t *testing.T) {
	link := memnet.Link{Latency: 30 * time.Millisecond}
	inWorld(t, memnet.Config{Link: link, Grain: 20 * time.Millisecond}, nil, func(w *world) {
		assert.Equal(t, 40*time.Millisecond, w.arrival(100))
		w.sleep(15 * time.Millisecond)
		assert.Equal(t, 45*time.Millisecond, w.arrival(100))
		w.sleep(10 * time.Millisecond)
		assert.Equal(t, 30*time.Millisecond, w.arrival(100), "it is due at the end of a step")
		w.sleep(10 * time.Millisecond)
		w.net.SetLink("client", "server", memnet.Link{})
		assert.Zero(t, w.arrival(100))
	})
}

func TestHandshakeTakesARoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := memnet.New(memnet.Config{Settle: synctest.Wait, Link: memnet.Link{Latency: 30 * time.Millisecond}})
		defer net.Close()
		l, err := net.Node("server").Listen(":1", nil, nil)
		require.NoError(t, err)
		assert.Equal(t, 60*time.Millisecond, took(func() {
			_, err = net.Node("client").Dial(t.Context(), "server:1", nil, nil)
		}))
		require.NoError(t, err)
		assert.Equal(t, 30*time.Millisecond, took(func() { _, err = l.Accept(t.Context()) }))
		require.NoError(t, err)
	})
}

// TestJitter: frames of several streams overtake each other, and another seed
// does so in another way.
func TestJitter(t *testing.T) {
	order := func(seed uint64) (order []byte, times []time.Duration) {
		link := memnet.Link{Latency: 10 * time.Millisecond, Jitter: 20 * time.Millisecond}
		inWorld(t, memnet.Config{Seed: seed, Link: link}, nil, func(w *world) {
			start := time.Now()
			for i := range 20 {
				go func() {
					s, err := w.server.AcceptUniStream(w.ctx)
					if err != nil {
						return
					}
					b := make([]byte, 1)
					_, _ = s.Read(b)
					order = append(order, b[0]) // the network hands over one at a time
					times = append(times, time.Since(start))
				}()
				w.send([]byte{byte(i)})
			}
			time.Sleep(time.Second)
			w.net.Wait()
		})
		return order, times
	}
	first, times := order(1)
	require.Len(t, first, 20)
	assert.False(t, slices.IsSorted(first))
	assert.GreaterOrEqual(t, times[0], 10*time.Millisecond)
	assert.Less(t, times[19], 30*time.Millisecond)
	assert.Greater(t, times[19]-times[0], 10*time.Millisecond)
	again, _ := order(1)
	assert.Equal(t, first, again)
	other, _ := order(2)
	assert.NotEqual(t, first, other)
}

func TestRate(t *testing.T) {
	link := memnet.Link{Latency: 10 * time.Millisecond, Rate: 100_000}
	inWorld(t, memnet.Config{Link: link}, nil, func(w *world) {
		d := w.arrival(100_000)
		assert.InDelta(t, 1.043, d.Seconds(), 0.01, "100 kB and their headers at 100 kB/s")
		assert.Equal(t, int64(2000), w.client.Stats().CongestionWindow, "the bandwidth-delay product")
	})
}

// TestQueue: what the link has queued goes before an urgent stream.
func TestQueue(t *testing.T) {
	arrival := func(queue int) time.Duration {
		var d time.Duration
		link := memnet.Link{Rate: 100_000, Queue: queue}
		inWorld(t, memnet.Config{Link: link}, nil, func(w *world) {
			bulk, err := w.client.OpenUniStream(w.ctx)
			require.NoError(t, err)
			go func() { _, _ = bulk.Write(make([]byte, 100_000)) }()
			urgent, err := w.client.OpenUniStream(w.ctx)
			require.NoError(t, err)
			urgent.SetPriority(0, false)
			_, err = w.server.AcceptUniStream(w.ctx)
			require.NoError(t, err)
			go func() { _, _ = urgent.Write([]byte("now")) }()
			d = took(func() {
				r, err := w.server.AcceptUniStream(w.ctx)
				require.NoError(t, err)
				_, err = io.ReadFull(r, make([]byte, 3))
				require.NoError(t, err)
			})
		})
		return d
	}
	short, long := arrival(2), arrival(40)
	assert.Less(t, short, 30*time.Millisecond)
	assert.Greater(t, long, 400*time.Millisecond)
}

// TestQueueDropsDatagrams: beyond the queue SendDatagram drops.
func TestQueueDropsDatagrams(t *testing.T) {
	link := memnet.Link{Rate: 100_000, Queue: 5}
	inWorld(t, memnet.Config{Link: link}, &quic.Config{EnableDatagrams: true}, func(w *world) {
		taken := 0
		for range 100 {
			if err := w.client.SendDatagram(make([]byte, 1000)); err == nil {
				taken++
			} else {
				require.ErrorIs(t, err, quic.ErrWouldBlock)
			}
		}
		w.net.Wait()
		assert.Equal(t, 5, taken)
		assert.Equal(t, int64(95), w.client.Stats().DatagramsDroppedSend)
		for range taken {
			_, err := w.server.ReceiveDatagram(w.ctx)
			require.NoError(t, err)
		}
	})
}

// TestLoss: datagrams are lost, stream data comes later, and all of it.
func TestLoss(t *testing.T) {
	run := func(loss float64) (datagrams int, d time.Duration) {
		link := memnet.Link{Latency: 10 * time.Millisecond, Loss: loss}
		inWorld(t, memnet.Config{Seed: 3}, &quic.Config{EnableDatagrams: true}, func(w *world) {
			w.net.SetLink("client", "server", link)
			go func() {
				for {
					if _, err := w.server.ReceiveDatagram(w.ctx); err != nil {
						return
					}
					datagrams++
				}
			}()
			for range 200 {
				require.NoError(t, w.client.SendDatagram([]byte("x")))
				w.net.Wait()
			}
			time.Sleep(time.Second)
			w.net.Wait()
			assert.Equal(t, loss > 0, w.client.Stats().PacketsLost > 0)
			d = w.arrival(100_000)
		})
		return datagrams, d
	}
	n, d := run(0)
	assert.Equal(t, 200, n)
	assert.Equal(t, 10*time.Millisecond, d)
	n, d = run(0.2)
	assert.InDelta(t, 160, n, 25)
	assert.Greater(t, d, 30*time.Millisecond, "a retransmission takes a round trip")
	n, d = run(1)
	assert.Zero(t, n)
	assert.Greater(t, d, time.Second)
}

// TestMTU is what one hand-over and one datagram take.
func TestMTU(t *testing.T) {
	for _, mtu := range []int{0, 100, 5000} {
		inWorld(t, memnet.Config{Link: memnet.Link{MTU: mtu}}, &quic.Config{EnableDatagrams: true}, func(w *world) {
			want := mtu
			if mtu == 0 {
				want = 1200
			}
			w.send(make([]byte, 20_000))
			r, err := w.server.AcceptUniStream(w.ctx)
			require.NoError(t, err)
			n, err := r.Read(make([]byte, 20_000))
			require.NoError(t, err)
			assert.Equal(t, want, n)
			var large *quic.DatagramTooLargeError
			require.ErrorAs(t, w.client.SendDatagram(make([]byte, want+1)), &large)
			assert.Equal(t, want, large.Max)
			require.NoError(t, w.client.SendDatagram(make([]byte, want)))
		})
	}
}

// TestResetOvertakesData: with some seeds the reader never sees the bytes.
func TestResetOvertakesData(t *testing.T) {
	seen := make(map[int]bool)
	for seed := range uint64(20) {
		inWorld(t, memnet.Config{Seed: seed}, nil, func(w *world) {
			s := w.send([]byte("data"))
			s.CancelWrite(1)
			r, err := w.server.AcceptUniStream(w.ctx)
			require.NoError(t, err)
			got, err := io.ReadAll(r)
			var reset *quic.StreamError
			require.ErrorAs(t, err, &reset)
			seen[len(got)] = true
		})
	}
	assert.Equal(t, map[int]bool{0: true, 4: true}, seen)
}

// TestCancelAfterClose: what is under way is lost.
func TestCancelAfterClose(t *testing.T) {
	inWorld(t, memnet.Config{Link: memnet.Link{Latency: time.Millisecond, Rate: 1000}}, nil, func(w *world) {
		s, err := w.client.OpenUniStream(w.ctx)
		require.NoError(t, err)
		require.NoError(t, s.TryWrite(make([]byte, 2000)))
		require.NoError(t, s.Close())
		s.CancelWrite(7)
		r, err := w.server.AcceptUniStream(w.ctx)
		require.NoError(t, err)
		_, err = io.ReadAll(r)
		require.ErrorIs(t, err, &quic.StreamError{Code: 7, Remote: true})
		require.ErrorIs(t, context.Cause(s.Context()), quic.ErrFinished)
	})
}

// TestWindowGrows from the initial to the maximal size over a long link.
func TestWindowGrows(t *testing.T) {
	conf := quic.Config{
		InitialStreamReceiveWindow: 10_000, MaxStreamReceiveWindow: 10_000,
		InitialConnectionReceiveWindow: 1 << 20, MaxConnectionReceiveWindow: 1 << 20,
	}
	link := memnet.Link{Latency: 50 * time.Millisecond}
	var fixed, growing time.Duration
	inWorld(t, memnet.Config{Link: link}, &conf, func(w *world) { fixed = w.arrival(500_000) })
	conf.MaxStreamReceiveWindow = 1 << 20
	inWorld(t, memnet.Config{Link: link}, &conf, func(w *world) { growing = w.arrival(500_000) })
	assert.Greater(t, fixed, 3*time.Second)
	assert.Less(t, growing, time.Second)
}

// TestUrgencyOrder: a link with a rate sends by urgency.
func TestUrgencyOrder(t *testing.T) {
	inWorld(t, memnet.Config{Link: memnet.Link{Rate: 100_000, Queue: 1}}, nil, func(w *world) {
		done := make(chan string, 8)
		for i, urgency := range []uint8{7, 2, 5, 0} {
			s, err := w.client.OpenUniStream(w.ctx)
			require.NoError(t, err)
			s.SetPriority(urgency, false)
			go func() {
				_, _ = s.Write(bytes.Repeat([]byte{byte(i)}, 10_000))
				done <- fmt.Sprint(urgency)
			}()
		}
		go func() {
			for {
				r, err := w.server.AcceptUniStream(w.ctx)
				if errors.As(err, new(*quic.ConnError)) {
					return
				}
				go func() { _, _ = io.Copy(io.Discard, r) }()
			}
		}()
		var order []string
		for range 4 {
			order = append(order, <-done)
		}
		assert.Equal(t, []string{"0", "2", "5", "7"}, order)
	})
}

// TestLossTakesRate: what is lost has taken its time on the link.
func TestLossTakesRate(t *testing.T) {
	link := memnet.Link{Latency: time.Millisecond, Rate: 100_000}
	var clean, lossy time.Duration
	inWorld(t, memnet.Config{Link: link}, nil, func(w *world) { clean = w.arrival(200_000) })
	link.Loss = 0.5
	inWorld(t, memnet.Config{Link: link}, nil, func(w *world) { lossy = w.arrival(200_000) })
	assert.InDelta(t, 2, lossy.Seconds()/clean.Seconds(), 0.5)
}

// TestStall: a node that does not read stops its peer once the window is full,
// and loses nothing.
func TestStall(t *testing.T) {
	conf := &quic.Config{
		InitialStreamReceiveWindow: 10_000, MaxStreamReceiveWindow: 10_000, MaxIdleTimeout: 5 * time.Second,
	}
	inWorld(t, memnet.Config{Link: memnet.Link{Latency: time.Millisecond}}, conf, func(w *world) {
		w.net.Node("server").Stall()
		go func() {
			w.sleep(time.Minute)
			assert.InDelta(t, 10_000, w.client.Stats().BytesSent, 1000, "the window is full")
			w.net.Node("server").Resume()
		}()
		assert.InDelta(t, 60, w.arrival(50_000).Seconds(), 0.1)
		require.NoError(t, w.client.Context().Err(), "who does not read is still there")
	})
}
