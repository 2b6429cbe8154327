package memnet_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/ports/quic"
)

// A plan is how a half of a stream goes; both ends know it.
type plan struct {
	size  int           // bytes to write
	end   int           // 0, 1: reset while writing; 2: reset after FIN; else FIN
	stop  bool          // the reader stops in the middle
	after time.Duration // until the reset
	pause time.Duration // of the reader, now and then
}

func newPlan(seed, half uint64) plan {
	r := rand.New(rand.NewPCG(seed, half))
	return plan{
		size:  r.IntN(20_000),
		end:   r.IntN(6),
		stop:  r.IntN(5) == 0,
		after: time.Duration(r.IntN(20)) * time.Millisecond,
		pause: time.Duration(r.IntN(5)) * time.Millisecond,
	}
}

// content is what every half carries, up to its size.
var content = func() []byte {
	data := make([]byte, 20_000)
	for i := range data {
		data[i] = byte(i * i >> 3)
	}
	return data
}()

func (p plan) write(w *world, s quic.SendStream) {
	if p.end <= 1 {
		go func() {
			w.sleep(p.after)
			if p.end == 0 {
				s.SetReliableBoundary()
			}
			s.CancelWrite(1)
		}()
	}
	if _, err := s.Write(content[:p.size]); err != nil {
		assert.ErrorAs(w, err, new(*quic.StreamError))
	}
	if p.end > 1 {
		assert.NoError(w, s.Close())
	}
	if p.end == 2 {
		s.CancelWrite(2)
	}
	<-s.Context().Done()
}

func (p plan) read(w *world, s quic.ReceiveStream) {
	var got []byte
	buf := make([]byte, 700)
	for i := 0; ; i++ {
		if p.stop && i == 3 {
			s.CancelRead(9)
		}
		if i%3 == 0 {
			w.sleep(p.pause)
		}
		n, err := s.Read(buf)
		got = append(got, buf[:n]...)
		if err == nil {
			continue
		}
		assert.True(w, bytes.HasPrefix(content, got), "other bytes than were written")
		if err == io.EOF {
			assert.Len(w, got, p.size)
		} else {
			assert.ErrorAs(w, err, new(*quic.StreamError))
		}
		return
	}
}

// TestNothingLeaks ends streams in every way, over a bad link with narrow
// windows. Readers see a prefix of what was written, and all of it with FIN;
// afterwards every credit is back.
func TestNothingLeaks(t *testing.T) {
	const limit, streams = 8, 200
	for seed := range uint64(20) {
		link := memnet.Link{Latency: 3 * time.Millisecond, Jitter: 4 * time.Millisecond, Loss: 0.03}
		conf := &quic.Config{
			MaxIncomingStreams: limit, MaxIncomingUniStreams: limit,
			InitialStreamReceiveWindow: 5000, MaxStreamReceiveWindow: 5000,
			InitialConnectionReceiveWindow: 12_000, MaxConnectionReceiveWindow: 12_000,
		}
		inWorld(t, memnet.Config{Seed: seed, Link: link}, conf, func(w *world) {
			there := func(i int) plan { return newPlan(seed, uint64(2*i)) }
			back := func(i int) plan { return newPlan(seed, uint64(2*i+1)) }
			var wg sync.WaitGroup
			wg.Go(func() {
				for i := range streams {
					s, err := w.client.OpenStream(w.ctx)
					require.NoError(t, err)
					wg.Go(func() { there(i).write(w, s) })
					wg.Go(func() { back(i).read(w, s) })
				}
			})
			wg.Go(func() {
				for i := range streams { // QUIC accepts in the order of opening
					s, err := w.server.AcceptStream(w.ctx)
					require.NoError(t, err)
					wg.Go(func() { back(i).write(w, s) })
					wg.Go(func() { there(i).read(w, s) })
				}
			})
			wg.Wait()
			w.arrival(500_000)
			for range 3 * limit {
				s, err := w.client.OpenStream(w.ctx)
				require.NoError(t, err)
				require.NoError(t, s.Close())
				r, err := w.server.AcceptStream(w.ctx)
				require.NoError(t, err)
				for _, end := range []struct {
					io.Reader
					io.Closer
				}{{r, r}, {s, s}} {
					_, err = io.ReadAll(end)
					require.NoError(t, err)
					require.NoError(t, end.Close())
				}
			}
		})
	}
}
