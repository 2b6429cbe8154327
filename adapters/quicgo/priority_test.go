package quicgo

import (
	"context"
	"io"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/ports/quic"
)

// TestPriority lets a connection window of 64 KiB decide between two streams
// that always have bytes to send: one Write each. quic-go takes what is queued
// at the moment, so a writer of small pieces is overtaken between two of them.
func TestPriority(t *testing.T) {
	certificate()
	const n = 512 << 10
	for _, urgent := range []int{0, 1} {
		synctest.Test(t, func(t *testing.T) {
			client, server, stop := simPipe(t, &quic.Config{
				InitialStreamReceiveWindow: 2 << 20, MaxStreamReceiveWindow: 2 << 20,
				InitialConnectionReceiveWindow: 64 << 10, MaxConnectionReceiveWindow: 64 << 10,
			})
			defer stop()
			ctx := context.Background()
			var send [2]quic.SendStream
			var recv [2]quic.ReceiveStream
			for i := range send {
				var err error
				send[i], err = client.OpenUniStream(ctx)
				require.NoError(t, err)
				_, err = send[i].Write([]byte{byte(i)})
				require.NoError(t, err)
				recv[i], err = server.AcceptUniStream(ctx)
				require.NoError(t, err)
				_, err = io.ReadFull(recv[i], make([]byte, 1))
				require.NoError(t, err)
			}
			send[urgent].SetPriority(0, false)
			send[1-urgent].SetPriority(200, false) // capped to 7
			for i := range send {
				go func() {
					send[i].Write(make([]byte, n))
					send[i].Close()
				}()
			}
			synctest.Wait()
			var order []int
			done := make(chan int)
			for i := range recv {
				go func() {
					io.Copy(io.Discard, recv[i])
					done <- i
				}()
			}
			order = append(order, <-done, <-done)
			require.Equal(t, []int{urgent, 1 - urgent}, order)
		})
	}
}
