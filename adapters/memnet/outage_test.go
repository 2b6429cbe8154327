package memnet_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/ports/quic"
)

func TestPartition(t *testing.T) {
	link := memnet.Link{Latency: 10 * time.Millisecond}
	inWorld(t, memnet.Config{Link: link}, &quic.Config{EnableDatagrams: true}, func(w *world) {
		w.net.Partition("client", "server")
		require.NoError(t, w.client.SendDatagram([]byte("lost")))
		go func() {
			w.sleep(5 * time.Second)
			w.net.Heal("client", "server")
		}()
		assert.Equal(t, 5010*time.Millisecond, w.arrival(10_000))
		require.NoError(t, w.client.SendDatagram([]byte("found")))
		got, err := w.server.ReceiveDatagram(w.ctx)
		require.NoError(t, err)
		assert.Equal(t, "found", string(got))

		w.net.Partition("server", "client")
		assert.Equal(t, 10*time.Millisecond, w.arrival(10_000), "this direction is not cut")
	})
}

// TestPartitionOutlastsIdleTimeout: both sides lose the connection.
func TestPartitionOutlastsIdleTimeout(t *testing.T) {
	for _, both := range []bool{true, false} {
		inWorld(t, memnet.Config{}, &quic.Config{MaxIdleTimeout: 10 * time.Second}, func(w *world) {
			w.sleep(time.Minute) // PINGs keep it alive
			require.NoError(t, w.client.Context().Err())
			start := time.Now()
			w.net.Partition("client", "server")
			if both {
				w.net.Partition("server", "client")
			}
			<-w.server.Context().Done()
			assert.Equal(t, 10*time.Second, time.Since(start))
			<-w.client.Context().Done()
			if both {
				assert.Equal(t, 10*time.Second, time.Since(start))
			} else {
				assert.Equal(t, 20*time.Second, time.Since(start), "it heard the server's PINGs until that gave up")
			}
			for _, c := range []quic.Connection{w.client, w.server} {
				var end *quic.ConnError
				require.ErrorAs(t, context.Cause(c.Context()), &end)
				var timeout interface{ Timeout() bool }
				require.ErrorAs(t, end.Err, &timeout)
				assert.True(t, timeout.Timeout())
			}
		})
	}
}

func TestPartitionWithinIdleTimeout(t *testing.T) {
	inWorld(t, memnet.Config{}, &quic.Config{MaxIdleTimeout: 10 * time.Second}, func(w *world) {
		for range 5 {
			w.net.Partition("client", "server")
			w.sleep(9 * time.Second)
			w.net.Heal("client", "server")
		}
		w.sleep(time.Minute)
		require.NoError(t, w.client.Context().Err())
		require.NoError(t, w.server.Context().Err())
	})
}

// TestIdleTimeout: without PINGs only traffic keeps a connection.
func TestIdleTimeout(t *testing.T) {
	inWorld(t, memnet.Config{}, &quic.Config{MaxIdleTimeout: 10 * time.Second, KeepAlivePeriod: -1}, func(w *world) {
		start := time.Now()
		for range 5 {
			w.sleep(8 * time.Second)
			w.arrival(1)
		}
		require.NoError(t, w.client.Context().Err())
		<-w.client.Context().Done()
		<-w.server.Context().Done()
		assert.Equal(t, 50*time.Second, time.Since(start))
	})
}

func TestCrash(t *testing.T) {
	inWorld(t, memnet.Config{}, &quic.Config{MaxIdleTimeout: 10 * time.Second}, func(w *world) {
		w.net.Node("server").Crash()
		assert.Error(t, w.server.Context().Err())
		assert.NoError(t, w.client.Context().Err())
		assert.Equal(t, 10*time.Second, took(func() { <-w.client.Context().Done() }))
		_, err := w.net.Node("server").Listen(":1", nil, nil)
		assert.NoError(t, err, "the node can be used again")
	})
}

// TestNetworkClose ends everything with an error that says so.
func TestNetworkClose(t *testing.T) {
	inWorld(t, memnet.Config{}, nil, func(w *world) {
		read := make(chan error)
		go func() {
			_, err := w.server.AcceptStream(w.ctx)
			read <- err
		}()
		w.net.Wait()
		go w.net.Close()
		var end *quic.ConnError
		require.ErrorAs(t, <-read, &end)
		w.net.Close()
		w.net.Wait()
		_, err := w.client.OpenStream(w.ctx)
		require.ErrorAs(t, err, &end)
		_, err = w.net.Node("x").Dial(w.ctx, "server:1", nil, nil)
		require.Error(t, err)
		_, err = w.net.Node("x").Listen(":1", nil, nil)
		require.Error(t, err)
	})
}

// TestCutHoldsAFlight: a cut link takes a flight of packets; the rest waits in
// its streams, where a reset still spares it and urgency counts.
func TestCutHoldsAFlight(t *testing.T) {
	inWorld(t, memnet.Config{Link: memnet.Link{Latency: 10 * time.Millisecond, Rate: 1 << 20}}, nil, func(w *world) {
		w.net.Partition("client", "server")
		bulk, err := w.client.OpenUniStream(w.ctx)
		require.NoError(t, err)
		wrote := make(chan error, 1)
		go func() {
			_, err := bulk.Write(make([]byte, 200_000)) // within the window
			wrote <- err
		}()
		w.net.Wait()
		sent := w.client.Stats().BytesSent
		assert.Less(t, sent, int64(45_000))
		urgent, err := w.client.OpenUniStream(w.ctx)
		require.NoError(t, err)
		urgent.SetPriority(0, false)
		go func() { _, _ = urgent.Write([]byte("now")) }()
		w.net.Wait()
		bulk.CancelWrite(1)
		require.Error(t, <-wrote)
		w.net.Heal("client", "server")
		assert.Less(t, took(func() {
			for range 2 {
				r, err := w.server.AcceptUniStream(w.ctx)
				require.NoError(t, err)
				if _, err = io.ReadFull(r, make([]byte, 3)); err == nil {
					return
				}
			}
			t.Error("neither stream brought the urgent bytes")
		}), 100*time.Millisecond)
	})
}

// TestRestart: a node that has crashed serves again, and what remains of its
// past is silent.
func TestRestart(t *testing.T) {
	conf := &quic.Config{MaxIdleTimeout: 10 * time.Second}
	inWorld(t, memnet.Config{Link: memnet.Link{Latency: time.Millisecond}}, conf, func(w *world) {
		old := w.client
		w.net.Node("server").Crash()
		l, err := w.net.Node("server").Listen(":1", nil, conf)
		require.NoError(t, err)
		w.client, err = w.net.Node("client").Dial(w.ctx, "server:1", nil, conf)
		require.NoError(t, err)
		w.server, err = l.Accept(w.ctx)
		require.NoError(t, err)
		assert.Equal(t, time.Millisecond, w.arrival(1000))
		s, err := old.OpenUniStream(w.ctx)
		require.NoError(t, err)
		_, err = s.Write([]byte("to whom?"))
		require.NoError(t, err)
		<-old.Context().Done()
		require.NoError(t, w.client.Context().Err())
		ctx, cancel := context.WithTimeout(w.ctx, time.Second)
		defer cancel()
		_, err = w.server.AcceptUniStream(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded, "the new server hears nothing of the old connection")
	})
}
