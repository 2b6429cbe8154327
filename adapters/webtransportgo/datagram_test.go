package webtransportgo

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/ports/quic"
)

func TestInbox(t *testing.T) {
	b := newInbox()
	_, ok := b.take()
	require.False(t, ok)
	for i := range inboxLen + 3 {
		b.put([]byte{byte(i)})
	}
	require.Equal(t, int64(3), b.lost())
	for i := range inboxLen {
		select {
		case <-b.wake:
		default:
			t.Fatal("no token for the next caller")
		}
		p, ok := b.take()
		require.True(t, ok)
		require.Equal(t, []byte{byte(i + 3)}, p, "the oldest were not dropped")
	}
	_, ok = b.take()
	require.False(t, ok)
}

// TestDatagramSize: the limit that is named is the one that works, although
// HTTP/3 puts an identifier in front.
func TestDatagramSize(t *testing.T) {
	bothRoles(t, func(t *testing.T, a, b quic.Connection, _ func()) {
		var large *quic.DatagramTooLargeError
		require.ErrorAs(t, a.SendDatagram(make([]byte, 10_000)), &large)
		require.ErrorAs(t, a.SendDatagram(make([]byte, large.Max+1)), &large)
		require.NoError(t, a.SendDatagram(make([]byte, large.Max)))
		p, err := b.ReceiveDatagram(context.Background())
		require.NoError(t, err)
		require.Len(t, p, large.Max)
	})
}

// TestReceiveDatagramConcurrently has many waiting callers.
func TestReceiveDatagramConcurrently(t *testing.T) {
	bothRoles(t, func(t *testing.T, a, b quic.Connection, _ func()) {
		const n = 8
		errs := make(chan error, 2*n)
		for range 2 * n {
			go func() {
				_, err := b.ReceiveDatagram(context.Background())
				errs <- err
			}()
		}
		synctest.Wait()
		for range n {
			require.NoError(t, a.SendDatagram([]byte("x")))
		}
		for range n {
			require.NoError(t, <-errs)
		}
		require.NoError(t, a.CloseWithError(1, ""))
		for range n {
			require.ErrorIs(t, <-errs, &quic.ConnError{Code: 1, Remote: true})
		}
	})
}
