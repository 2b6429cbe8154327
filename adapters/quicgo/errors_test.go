package quicgo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"unicode/utf8"

	quicgo "github.com/quic-go/quic-go"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/ports/quic"
)

func TestConnError(t *testing.T) {
	other := errors.New("other")
	ended := &quic.ConnError{Code: 3}
	for _, row := range []struct {
		in   error
		want error // nil: a *ConnError around in
		side bool
	}{
		{in: &quicgo.ApplicationError{ErrorCode: 7, Remote: true, ErrorMessage: "bye"}, want: &quic.ConnError{Code: 7, Remote: true, Reason: "bye"}},
		{in: fmt.Errorf("wrapped: %w", &quicgo.ApplicationError{ErrorCode: 7}), want: &quic.ConnError{Code: 7}},
		{in: &quicgo.TransportError{ErrorCode: quicgo.ConnectionRefused, Remote: true}, side: true},
		{in: &quicgo.TransportError{ErrorCode: 0x100 + 120}},
		{in: &quicgo.IdleTimeoutError{}},
		{in: &quicgo.HandshakeTimeoutError{}},
		{in: &quicgo.StatelessResetError{}},
		{in: &quicgo.VersionNegotiationError{}},
		{in: quicgo.ErrTransportClosed},
		{in: quicgo.Err0RTTRejected},
		{in: ended, want: ended},
		{in: other, want: other},
		{in: context.Canceled, want: context.Canceled},
		{in: io.EOF, want: io.EOF},
	} {
		got := ConnError(row.in)
		if row.want != nil {
			require.Equal(t, row.want, got)
			continue
		}
		e, ok := got.(*quic.ConnError)
		require.True(t, ok, "%v became %T", row.in, got)
		require.ErrorIs(t, e, row.in)
		require.Equal(t, row.side, e.Remote)
		require.Zero(t, e.Code)
	}
	require.NoError(t, ConnError(nil))
	var lost *quic.ConnError
	require.ErrorAs(t, connCause(other), &lost)
	require.ErrorIs(t, lost, other)
}

func TestStreamError(t *testing.T) {
	in := &quicgo.StreamError{StreamID: 4, ErrorCode: 9, Remote: true}
	got := streamError(in)
	require.Equal(t, &quic.StreamError{Code: 9, Remote: true, Err: in}, got)
	var theirs *quicgo.StreamError
	require.ErrorAs(t, got, &theirs)
	require.Equal(t, quic.ErrWouldBlock, streamError(quicgo.ErrWouldBlock))
	require.Equal(t, quic.ErrFinished, streamError(quicgo.ErrStreamClosed))
	require.Equal(t, io.EOF, streamError(io.EOF))
	require.Equal(t, &quic.ConnError{Code: 1}, streamError(&quicgo.ApplicationError{ErrorCode: 1}))
	require.Equal(t, quic.ErrWouldBlock, openError(&quicgo.StreamLimitReachedError{}))
}

// TestNoCommonProtocol ends in a TLS alert.
func TestNoCommonProtocol(t *testing.T) {
	certificate()
	synctest.Test(t, func(t *testing.T) {
		a, b, stop := simulated(t)
		defer stop()
		ln, err := b.Listen(serverConf(alpn), nil)
		require.NoError(t, err)
		defer ln.Close()
		_, err = a.Dial(context.Background(), serverAddr, clientConf("other"), nil)
		var lost *quic.ConnError
		var alert *quicgo.TransportError
		require.ErrorAs(t, err, &lost)
		require.ErrorAs(t, err, &alert)
		require.True(t, lost.Remote)
		require.Equal(t, quicgo.TransportErrorCode(0x100+120), alert.ErrorCode)
	})
}

// TestLongReason: a reason arrives, however long it was.
func TestLongReason(t *testing.T) {
	certificate()
	for _, reason := range []string{"short", strings.Repeat("x", maxReason), strings.Repeat("ü", 5000)} {
		synctest.Test(t, func(t *testing.T) {
			client, server, stop := simPipe(t, nil)
			defer stop()
			require.NoError(t, client.CloseWithError(5, reason))
			<-server.Context().Done()
			var e *quic.ConnError
			require.ErrorAs(t, context.Cause(server.Context()), &e)
			require.Equal(t, quic.ErrorCode(5), e.Code)
			require.True(t, e.Remote)
			require.Equal(t, reason[:min(len(reason), maxReason)], e.Reason)
			require.True(t, utf8.ValidString(e.Reason))
		})
	}
	require.Equal(t, "aü", truncate("aüü", 4))
	require.Empty(t, truncate("ü", 1))
}

// TestHugeCodes: codes that QUIC cannot carry are capped.
func TestHugeCodes(t *testing.T) {
	certificate()
	const most = 1<<62 - 1
	synctest.Test(t, func(t *testing.T) {
		client, server, stop := simPipe(t, nil)
		defer stop()
		ctx := context.Background()
		s, err := client.OpenStream(ctx)
		require.NoError(t, err)
		_, err = s.Write([]byte("x"))
		require.NoError(t, err)
		r, err := server.AcceptStream(ctx)
		require.NoError(t, err)
		_, err = io.ReadFull(r, make([]byte, 1))
		require.NoError(t, err)
		s.CancelWrite(1 << 63)
		s.CancelRead(1 << 63)
		_, err = r.Read(make([]byte, 1))
		require.ErrorIs(t, err, &quic.StreamError{Code: most, Remote: true})
		<-r.Context().Done()
		require.ErrorIs(t, context.Cause(r.Context()), &quic.StreamError{Code: most, Remote: true})
		require.NoError(t, client.CloseWithError(1<<63, ""))
		<-server.Context().Done()
		require.Equal(t, &quic.ConnError{Code: most, Remote: true}, context.Cause(server.Context()))
	})
}
