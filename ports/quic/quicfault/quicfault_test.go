package quicfault_test

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/ports/quic"
	"github.com/moqtgo/moqt/ports/quic/quicfault"
	"github.com/moqtgo/moqt/ports/quic/quictest"
)

// TestTransparent: decorators without faults keep the contract.
func TestTransparent(t *testing.T) {
	quictest.TestConnection(t, quictest.Config{Bubble: true, MakePipe: func(_ testing.TB, conf *quic.Config) (client, server quic.Connection, stop func()) {
		client, server, stop = memnet.Pipe(memnet.Config{Settle: synctest.Wait}, conf)
		return quicfault.NewCounter(client), quicfault.NewConn(server), stop
	}})
}

// pipe runs f over a pipe in a bubble.
func pipe(t *testing.T, f func(t *testing.T, client, server quic.Connection)) {
	synctest.Test(t, func(t *testing.T) {
		client, server, stop := memnet.Pipe(memnet.Config{Settle: synctest.Wait}, &quic.Config{EnableDatagrams: true})
		defer stop()
		f(t, client, server)
	})
}

func TestCounter(t *testing.T) {
	pipe(t, func(t *testing.T, a, b quic.Connection) {
		ctx := t.Context()
		client, server := quicfault.NewCounter(a), quicfault.NewCounter(b)
		require.Equal(t, a, client.Unwrap())

		s, err := client.OpenStream(ctx)
		require.NoError(t, err)
		_, err = s.Write(make([]byte, 100))
		require.NoError(t, err)
		require.NoError(t, s.TryWrite(make([]byte, 20)))
		require.ErrorIs(t, s.TryWrite(make([]byte, 5000)), quic.ErrWouldBlock)
		require.NoError(t, s.Close())
		r, err := server.AcceptStream(ctx)
		require.NoError(t, err)
		_, err = io.ReadAll(r)
		require.NoError(t, err)
		r.CancelWrite(1)

		u, err := client.OpenUniStream(ctx)
		require.NoError(t, err)
		v, err := client.TryOpenUniStream()
		require.NoError(t, err)
		_, err = u.Write([]byte("u"))
		require.NoError(t, err)
		v.CancelWrite(2)
		w, err := server.AcceptUniStream(ctx)
		require.NoError(t, err)
		w.CancelRead(3)
		require.NoError(t, client.SendDatagram([]byte("d")))
		_, err = server.ReceiveDatagram(ctx)
		require.NoError(t, err)

		assert.Equal(t, quicfault.Traffic{Streams: 1, UniStreams: 2, Calls: 3, Bytes: 121, Ends: 1, Cancels: 1, Datagrams: 1}, client.Sent())
		assert.Equal(t, quicfault.Traffic{}, client.Received())
		got := server.Received()
		assert.Equal(t, int64(120), got.Bytes)
		assert.Equal(t, int64(1), got.Ends)
		assert.Equal(t, int64(1), got.Cancels)
		assert.Equal(t, int64(1), got.Streams)
		assert.Equal(t, int64(1), got.UniStreams)
		assert.Equal(t, int64(1), got.Datagrams)
		assert.Equal(t, quicfault.Traffic{Cancels: 1}, server.Sent())
	})
}

var errInjected = errors.New("injected")

// TestErr: every operation fails at the call that was named, and at no other.
func TestErr(t *testing.T) {
	for _, op := range []quicfault.Op{
		quicfault.OpenStream, quicfault.OpenUniStream, quicfault.TryOpenUniStream, quicfault.AcceptStream, quicfault.AcceptUniStream,
		quicfault.SendDatagram, quicfault.ReceiveDatagram, quicfault.Write, quicfault.TryWrite, quicfault.Close, quicfault.Read,
	} {
		for _, onwards := range []bool{false, true} {
			pipe(t, func(t *testing.T, a, b quic.Connection) {
				c := quicfault.NewConn(a, quicfault.Fault{Op: op, N: 2, Onwards: onwards, Err: errInjected})
				var failed []bool
				for range 3 {
					failed = append(failed, errors.Is(call(t, c, b, op), errInjected))
				}
				assert.Equal(t, []bool{false, true, onwards}, failed, "%s", op)
				assert.Equal(t, 3, c.Calls(op))
			})
		}
	}
}

// call makes one call of op on c, with b as the other end.
func call(t *testing.T, c, b quic.Connection, op quicfault.Op) (err error) {
	ctx := t.Context()
	must := func(err error) { require.NoError(t, err) }
	switch op {
	case quicfault.OpenStream:
		_, err = c.OpenStream(ctx)
	case quicfault.OpenUniStream:
		_, err = c.OpenUniStream(ctx)
	case quicfault.TryOpenUniStream:
		_, err = c.TryOpenUniStream()
	case quicfault.AcceptStream, quicfault.AcceptUniStream, quicfault.Read:
		s, e := b.OpenUniStream(ctx)
		must(e)
		bidi, e := b.OpenStream(ctx)
		must(e)
		must(s.TryWrite([]byte("x")))
		must(bidi.TryWrite([]byte("x")))
		if op == quicfault.AcceptStream {
			_, err = c.AcceptStream(ctx)
			break
		}
		r, e := c.AcceptUniStream(ctx)
		if op == quicfault.AcceptUniStream {
			return e
		}
		must(e)
		_, err = r.Read(make([]byte, 1))
	case quicfault.SendDatagram:
		err = c.SendDatagram([]byte("x"))
	case quicfault.ReceiveDatagram:
		must(b.SendDatagram([]byte("x")))
		_, err = c.ReceiveDatagram(ctx)
	default:
		s, e := c.OpenUniStream(ctx)
		must(e)
		switch op {
		case quicfault.Write:
			_, err = s.Write([]byte("x"))
		case quicfault.TryWrite:
			err = s.TryWrite([]byte("x"))
		case quicfault.Close:
			err = s.Close()
		}
	}
	return err
}

func TestDelayAndReset(t *testing.T) {
	pipe(t, func(t *testing.T, a, b quic.Connection) {
		ctx := t.Context()
		c := quicfault.NewConn(a,
			quicfault.Fault{Op: quicfault.Write, N: 2, Delay: 3 * time.Second},
			quicfault.Fault{Op: quicfault.Write, N: 3, Reset: quicfault.Code(7)},
			quicfault.Fault{Op: quicfault.Read, N: 1, Reset: quicfault.Code(8)},
			quicfault.Fault{Op: quicfault.OpenStream, N: 2, CloseWith: quicfault.Code(9)},
		)
		require.Equal(t, a, c.Unwrap())
		s, err := c.OpenStream(ctx)
		require.NoError(t, err)
		_, err = s.Write([]byte("1"))
		require.NoError(t, err)
		start := time.Now()
		_, err = s.Write([]byte("2"))
		require.NoError(t, err)
		assert.Equal(t, 3*time.Second, time.Since(start))
		_, err = s.Write([]byte("3"))
		require.ErrorIs(t, err, &quic.StreamError{Code: 7})
		_, err = s.Read(make([]byte, 1))
		require.ErrorIs(t, err, &quic.StreamError{Code: 8})
		_, err = c.OpenStream(ctx)
		require.ErrorIs(t, err, &quic.ConnError{Code: 9})
		<-b.Context().Done()
	})
}

// TestTruncate: half of the bytes arrive, and the end after them.
func TestTruncate(t *testing.T) {
	for _, op := range []quicfault.Op{quicfault.Write, quicfault.TryWrite} {
		for _, want := range []error{nil, errInjected} {
			pipe(t, func(t *testing.T, a, b quic.Connection) {
				c := quicfault.NewConn(a, quicfault.Fault{Op: op, N: 1, Truncate: true, Err: want})
				s, err := c.OpenUniStream(t.Context())
				require.NoError(t, err)
				if op == quicfault.Write {
					var n int
					n, err = s.Write([]byte("abcdef"))
					assert.Equal(t, 3, n)
				} else {
					err = s.TryWrite([]byte("abcdef"))
				}
				if want == nil {
					want = io.ErrShortWrite
				}
				require.Equal(t, want, err)
				r, err := b.AcceptUniStream(t.Context())
				require.NoError(t, err)
				got, err := io.ReadAll(r)
				require.NoError(t, err)
				assert.Equal(t, "abc", string(got))
			})
		}
	}
}
