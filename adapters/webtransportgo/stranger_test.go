package webtransportgo

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	quicgo "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
	"github.com/stretchr/testify/require"

	adapter "github.com/moqtgo/moqt/adapters/quicgo"
	"github.com/moqtgo/moqt/ports/quic"
)

// A stranger is a client that speaks HTTP/3 and builds the rest by hand. It
// stops every stream of a session as if the session had ended.
type stranger struct {
	t    *testing.T
	conn *quicgo.Conn
	h3   *http3.RawClientConn
}

// meet lets a stranger loose on a server, in a bubble.
func meet(t *testing.T, f func(p *stranger, s *site)) {
	certificate()
	synctest.Test(t, func(t *testing.T) {
		a, b, stop := network(t)
		ln, err := b.Listen(serverConf("h3"), nil)
		require.NoError(t, err)
		s := serve(ln, NewServer(nil), []string{"sub"}, nil)
		p := newStranger(t, a, true)
		f(p, s)
		s.stop(t)
		<-p.conn.Context().Done()
		stop()
	})
}

func newStranger(t *testing.T, socket *adapter.Socket, datagrams bool) *stranger {
	c, err := socket.Dial(context.Background(), serverAddr, clientConf("h3"), &quic.Config{EnableDatagrams: true})
	require.NoError(t, err)
	conn := c.(*adapter.Conn).QUICConn()
	h3 := (&http3.Transport{EnableDatagrams: datagrams}).NewRawClientConn(conn)
	go func() {
		for {
			str, err := conn.AcceptUniStream(context.Background())
			if err != nil {
				return
			}
			go func() {
				if typ, err := quicvarint.Peek(str); err == nil && typ == 0x54 {
					str.CancelRead(sessionGone)
				} else {
					h3.HandleUnidirectionalStream(str)
				}
			}()
		}
	}()
	return &stranger{t, conn, h3}
}

// connect sends a CONNECT and returns its stream and the status.
func (p *stranger) connect(proto string) (*http3.RequestStream, int) {
	<-p.h3.ReceivedSettings()
	str, err := p.h3.OpenRequestStream(context.Background())
	require.NoError(p.t, err)
	u, err := url.Parse("https://" + serverAddr.String() + "/")
	require.NoError(p.t, err)
	require.NoError(p.t, str.SendRequestHeader(&http.Request{Method: http.MethodConnect, Proto: proto, Host: u.Host, URL: u, Header: http.Header{}}))
	response, err := str.ReadResponse()
	require.NoError(p.t, err)
	return str, response.StatusCode
}

// TestFlowControlIsOff: with the flow control of WebTransport negotiated,
// streams that do not count would break a session.
func TestFlowControlIsOff(t *testing.T) {
	meet(t, func(p *stranger, _ *site) {
		<-p.h3.ReceivedSettings()
		settings := p.h3.Settings()
		require.True(t, settings.EnableDatagrams)
		require.True(t, settings.EnableExtendedConnect)
		for _, id := range []uint64{0x2b61, 0x2b64, 0x2b65} { // WT_INITIAL_MAX_DATA, _STREAMS_UNI, _STREAMS_BIDI
			require.NotContains(t, settings.Other, id)
		}
		require.Contains(t, settings.Other, uint64(0x2c7cf000)) // WT_ENABLED
	})
}

// TestOneSession: a connection has one session in its life.
func TestOneSession(t *testing.T) {
	meet(t, func(p *stranger, s *site) {
		_, status := p.connect("webtransport")
		require.Equal(t, http.StatusOK, status)
		first := <-s.sessions
		_, status = p.connect("webtransport-h3")
		require.Equal(t, http.StatusTooManyRequests, status)
		require.NoError(t, first.Context().Err())
	})
}

// TestConnectStreamEnds: an end without a capsule is a close with code 0.
func TestConnectStreamEnds(t *testing.T) {
	meet(t, func(p *stranger, s *site) {
		str, _ := p.connect("webtransport")
		sess := <-s.sessions
		require.NoError(t, str.Close())
		_, err := sess.AcceptStream(context.Background())
		require.Equal(t, &quic.ConnError{Remote: true}, err)
		<-p.conn.Context().Done()
	})
}

func TestConnectStreamIsReset(t *testing.T) {
	meet(t, func(p *stranger, s *site) {
		str, _ := p.connect("webtransport")
		sess := <-s.sessions
		str.CancelWrite(7)
		_, err := sess.AcceptUniStream(context.Background())
		var e *quic.ConnError
		require.ErrorAs(t, err, &e)
		require.True(t, e.Remote)
		require.Error(t, e.Err)
		<-sess.Context().Done()
		require.Same(t, e, context.Cause(sess.Context()))
	})
}

func TestMalformedCapsule(t *testing.T) {
	meet(t, func(p *stranger, s *site) {
		str, _ := p.connect("webtransport")
		sess := <-s.sessions
		_, err := str.Write([]byte{0x68, 0x43, 0x02, 0xff, 0xff}) // a close of two bytes
		require.NoError(t, err)
		<-sess.Context().Done()
		var e *quic.ConnError
		require.ErrorAs(t, context.Cause(sess.Context()), &e)
		require.Error(t, e.Err)
	})
}

// uni opens a unidirectional stream of the session whose id is 0.
func (p *stranger) uni(payload string) *quicgo.SendStream {
	str, err := p.conn.OpenUniStream()
	require.NoError(p.t, err)
	_, err = str.Write(append(quicvarint.Append(quicvarint.Append(nil, 0x54), 0), payload...))
	require.NoError(p.t, err)
	str.SetReliableBoundary()
	return str
}

// TestStreamGoneBeforeItsSession: the library waits for the end of the session
// after such a reset. CancelRead and CancelWrite end the wait.
func TestStreamGoneBeforeItsSession(t *testing.T) {
	meet(t, func(p *stranger, s *site) {
		p.connect("webtransport")
		sess := <-s.sessions
		str := p.uni("x")
		r, err := sess.AcceptUniStream(context.Background())
		require.NoError(t, err)
		_, err = io.ReadFull(r, make([]byte, 1))
		require.NoError(t, err)
		str.CancelWrite(sessionGone)
		errs := make(chan error, 1)
		go func() {
			_, err := r.Read(make([]byte, 1))
			errs <- err
		}()
		time.Sleep(time.Minute)
		require.Empty(t, errs)
		r.CancelRead(3)
		require.ErrorIs(t, <-errs, &quic.StreamError{Code: 3})

		w, err := sess.OpenUniStream(context.Background())
		require.NoError(t, err)
		_, err = w.Write([]byte("x"))
		require.NoError(t, err)
		go func() {
			_, err := w.Write(make([]byte, 64<<20))
			errs <- err
		}()
		time.Sleep(time.Minute)
		require.Empty(t, errs)
		w.CancelWrite(4)
		require.ErrorIs(t, <-errs, &quic.StreamError{Code: 4})
		<-w.Context().Done()
		require.ErrorIs(t, context.Cause(w.Context()), &quic.StreamError{Remote: true})
		require.NoError(t, sess.Context().Err())
	})
}

// TestForeignStreamCode resets a stream with a code of HTTP/3.
func TestForeignStreamCode(t *testing.T) {
	meet(t, func(p *stranger, s *site) {
		p.connect("webtransport")
		sess := <-s.sessions
		str := p.uni("x")
		r, err := sess.AcceptUniStream(context.Background())
		require.NoError(t, err)
		_, err = io.ReadFull(r, make([]byte, 1))
		require.NoError(t, err)
		str.CancelWrite(quicgo.StreamErrorCode(http3.ErrCodeRequestCanceled))
		_, err = r.Read(make([]byte, 1))
		var e *quic.StreamError
		require.ErrorAs(t, err, &e)
		require.True(t, e.Remote)
		require.Zero(t, e.Code)
		require.NoError(t, sess.Context().Err())
	})
}

// TestNoHTTPDatagrams: a client that lacks what a session needs is told so.
func TestNoHTTPDatagrams(t *testing.T) {
	certificate()
	synctest.Test(t, func(t *testing.T) {
		a, b, stop := network(t)
		ln, err := b.Listen(serverConf("h3"), nil)
		require.NoError(t, err)
		s := serve(ln, NewServer(nil), nil, nil)
		p := newStranger(t, a, false)
		_, status := p.connect("webtransport")
		require.Equal(t, http.StatusBadRequest, status)
		s.stop(t)
		<-p.conn.Context().Done()
		stop()
	})
}
