package quicgo

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	quicgo "github.com/quic-go/quic-go"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/ports/quic"
)

// TestDatagramQueue plays a quic-go whose queue is full.
func TestDatagramQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 1200
		gate := make(chan error)
		var sent [][]byte
		q := DatagramQueue{Send: func(p []byte) error {
			if len(p) > limit {
				return &quicgo.DatagramTooLargeError{MaxDatagramPayloadSize: limit}
			}
			err := <-gate
			if err == nil {
				sent = append(sent, append([]byte(nil), p...))
			}
			return err
		}}
		require.Equal(t, &quic.DatagramTooLargeError{Max: limit}, q.Push(make([]byte, limit+1)))
		p := []byte{0}
		for i := range datagramQueueLen {
			p[0] = byte(i)
			require.NoError(t, q.Push(p))
		}
		require.Equal(t, quic.ErrWouldBlock, q.Push(p))
		require.Equal(t, int64(1), q.Dropped())
		gate <- nil
		synctest.Wait()
		require.NoError(t, q.Push(p))
		for range datagramQueueLen {
			gate <- nil
		}
		synctest.Wait()
		require.Len(t, sent, datagramQueueLen+1)
		for i, p := range sent[:datagramQueueLen] {
			require.Equal(t, []byte{byte(i)}, p)
		}
		require.False(t, q.running, "a goroutine waits for nothing")

		// The path shrinks under a datagram that was accepted.
		require.NoError(t, q.Push(make([]byte, limit)))
		gate <- &quicgo.DatagramTooLargeError{MaxDatagramPayloadSize: 1000}
		synctest.Wait()
		require.Equal(t, 1000, q.max)
		require.Equal(t, int64(2), q.Dropped())

		// The connection ends.
		require.NoError(t, q.Push(p))
		require.NoError(t, q.Push(p))
		gate <- &quicgo.ApplicationError{ErrorCode: 4, Remote: true}
		synctest.Wait()
		require.Equal(t, &quic.ConnError{Code: 4, Remote: true}, q.Push(p))
		require.False(t, q.running)
	})
}

func TestDatagramQueueLimitFails(t *testing.T) {
	broken := errors.New("broken")
	q := DatagramQueue{Send: func([]byte) error { return broken }}
	require.Equal(t, broken, q.Push([]byte("x")))
}

// TestDatagramDeadPath sends into a network that has died: no call blocks, and
// what does not fit is said to be dropped.
func TestDatagramDeadPath(t *testing.T) {
	certificate()
	synctest.Test(t, func(t *testing.T) {
		a, b, stop := simulated(t)
		defer stop()
		conf := &quic.Config{EnableDatagrams: true}
		ln, err := b.Listen(serverConf(alpn), conf)
		require.NoError(t, err)
		client, err := a.Dial(context.Background(), serverAddr, clientConf(alpn), conf)
		require.NoError(t, err)
		server, err := ln.Accept(context.Background())
		require.NoError(t, err)
		require.NoError(t, ln.Close())
		require.NoError(t, b.Close())
		time.Sleep(time.Second)
		_ = a.transport.Conn.Close()
		start := time.Now()
		dropped := 0
		for range 5000 {
			err := server.SendDatagram(make([]byte, 1000))
			if err != nil {
				require.Equal(t, quic.ErrWouldBlock, err)
				dropped++
			}
			synctest.Wait()
		}
		require.Zero(t, time.Since(start))
		require.Greater(t, dropped, 4000)
		require.Equal(t, int64(dropped), server.Stats().DatagramsDroppedSend)
		<-server.Context().Done()
		<-client.Context().Done()
	})
}
