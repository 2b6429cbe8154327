package webtransportgo

import (
	"context"
	"io"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	quicgo "github.com/quic-go/quic-go"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/ports/quic"
)

// bothRoles runs f in a bubble of its own for each side of a session.
func bothRoles(t *testing.T, f func(t *testing.T, a, b quic.Connection, cut func())) {
	certificate()
	for _, role := range []string{"client", "server"} {
		t.Run(role, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dialing, listening, lose, stop := lossy(t)
				ln, err := listening.Listen(serverConf("h3"), nil)
				require.NoError(t, err)
				s := serve(ln, NewServer(nil), nil, nil)
				a, err := dialFrom(dialing)(context.Background(), s.url(), nil, nil, clientConf(), nil)
				require.NoError(t, err)
				b := <-s.sessions
				if role == "server" {
					a, b = b, a
				}
				f(t, a, b, lose)
				closeBoth(t, a, b)
				s.stop(t)
				stop()
			})
		})
	}
}

// TestCloseDeadPeer: CloseWithError takes no more than a second, and what
// blocks returns by then.
func TestCloseDeadPeer(t *testing.T) {
	bothRoles(t, func(t *testing.T, a, b quic.Connection, cut func()) {
		ctx := context.Background()
		str, err := a.OpenStream(ctx)
		require.NoError(t, err)
		_, err = str.Write([]byte("x"))
		require.NoError(t, err)
		time.Sleep(time.Second)
		cut()
		want := &quic.ConnError{Code: 5, Reason: "gone"}
		errs := make(chan error)
		for _, call := range []func() error{
			func() error { _, err := str.Read(make([]byte, 1)); return err },
			func() error { _, err := str.Write(make([]byte, 32<<20)); return err },
			func() error { _, err := a.AcceptStream(ctx); return err },
			func() error { _, err := a.AcceptUniStream(ctx); return err },
			func() error { _, err := a.ReceiveDatagram(ctx); return err },
		} {
			go func() { errs <- call() }()
		}
		synctest.Wait()
		start := time.Now()
		require.NoError(t, a.CloseWithError(5, "gone"))
		require.NoError(t, a.CloseWithError(6, "twice"))
		require.LessOrEqual(t, time.Since(start), time.Second)
		for range 5 {
			require.Equal(t, want, <-errs)
		}
		require.LessOrEqual(t, time.Since(start), time.Second)
		_, err = a.OpenStream(ctx)
		require.Equal(t, want, err)
		require.Equal(t, want, str.TryWrite([]byte("x")))
	})
}

// TestLost: a session that ends with its connection says what became of it.
func TestLost(t *testing.T) {
	bothRoles(t, func(t *testing.T, a, b quic.Connection, cut func()) {
		cut()
		_, err := a.AcceptStream(context.Background())
		var lost *quic.ConnError
		var idle *quicgo.IdleTimeoutError
		require.ErrorAs(t, err, &lost)
		require.ErrorAs(t, err, &idle)
		<-a.Context().Done()
		require.Same(t, lost, context.Cause(a.Context()))
	})
}

// TestCodes: a session carries 32 bits of a code and 1,024 bytes of a reason.
func TestCodes(t *testing.T) {
	for _, row := range []struct {
		code   quic.ErrorCode
		reason string
		want   quic.ConnError
	}{
		{0, "", quic.ConnError{}},
		{math.MaxUint32, "", quic.ConnError{Code: math.MaxUint32}},
		{math.MaxUint32 + 1, "", quic.ConnError{Code: math.MaxUint32}},
		{1 << 62, strings.Repeat("ü", 2000), quic.ConnError{Code: math.MaxUint32, Reason: strings.Repeat("ü", 512)}},
		{1, strings.Repeat("€", 1000), quic.ConnError{Code: 1, Reason: strings.Repeat("€", 341)}},
	} {
		bothRoles(t, func(t *testing.T, a, b quic.Connection, _ func()) {
			require.NoError(t, a.CloseWithError(row.code, row.reason))
			<-a.Context().Done()
			<-b.Context().Done()
			want := row.want
			require.Equal(t, &want, context.Cause(a.Context()))
			want.Remote = true
			require.Equal(t, &want, context.Cause(b.Context()))
		})
	}
}

func TestStreamCodes(t *testing.T) {
	for _, code := range []quic.ErrorCode{0, 1, 29, 30, 31, 59, 60, 0x1234, math.MaxUint32 - 1, math.MaxUint32, math.MaxUint32 + 1} {
		want := min(code, math.MaxUint32)
		bothRoles(t, func(t *testing.T, a, b quic.Connection, _ func()) {
			ctx := context.Background()
			s, err := a.OpenStream(ctx)
			require.NoError(t, err)
			_, err = s.Write([]byte("x"))
			require.NoError(t, err)
			r, err := b.AcceptStream(ctx)
			require.NoError(t, err)
			_, err = io.ReadFull(r, make([]byte, 1))
			require.NoError(t, err)
			s.CancelWrite(code)
			s.CancelRead(code)
			_, err = r.Read(make([]byte, 1))
			require.ErrorIs(t, err, &quic.StreamError{Code: want, Remote: true})
			_, err = s.Read(make([]byte, 1))
			require.ErrorIs(t, err, &quic.StreamError{Code: want})
			<-r.Context().Done()
			require.ErrorIs(t, context.Cause(r.Context()), &quic.StreamError{Code: want, Remote: true})
			<-s.Context().Done()
			require.ErrorIs(t, context.Cause(s.Context()), &quic.StreamError{Code: want})
			_, err = s.Write([]byte("x"))
			require.ErrorIs(t, err, &quic.StreamError{Code: want})
			require.ErrorIs(t, s.TryWrite([]byte("x")), &quic.StreamError{Code: want})
		})
	}
	_, ok := streamCode(firstCode - 1)
	require.False(t, ok)
	_, ok = streamCode(lastCode + 1)
	require.False(t, ok)
	_, ok = streamCode(0x52e4a40fa8f9) // reserved
	require.False(t, ok)
	code, ok := streamCode(lastCode)
	require.True(t, ok)
	require.Equal(t, quic.ErrorCode(math.MaxUint32), code)
}

// TestWriteAfterClose covers a stream that was closed before its first byte:
// the library sends the header of such a stream in the background.
func TestWriteAfterClose(t *testing.T) {
	bothRoles(t, func(t *testing.T, a, b quic.Connection, _ func()) {
		ctx := context.Background()
		s, err := a.OpenUniStream(ctx)
		require.NoError(t, err)
		require.NoError(t, s.Close())
		_, err = s.Write([]byte("x"))
		require.Equal(t, quic.ErrFinished, err)
		require.Equal(t, quic.ErrFinished, s.TryWrite([]byte("x")))
		<-s.Context().Done()
		require.Equal(t, quic.ErrFinished, context.Cause(s.Context()))
		r, err := b.AcceptUniStream(ctx)
		require.NoError(t, err)
		_, err = r.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err)

		s, err = a.OpenUniStream(ctx)
		require.NoError(t, err)
		s.CancelWrite(9)
		s.CancelWrite(10)
		_, err = s.Write([]byte("x"))
		require.ErrorIs(t, err, &quic.StreamError{Code: 9})
		require.NoError(t, s.Close())
		require.ErrorIs(t, s.TryWrite([]byte("x")), &quic.StreamError{Code: 9})
	})
}
