package adversary

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
	"github.com/stretchr/testify/require"

	adapter "github.com/moqtgo/moqt/adapters/quicgo"
	"github.com/moqtgo/moqt/ports/quic"
)

// Row 7: a client that asks for session after session on one connection of
// HTTP/3, and opens streams of those that it was refused. It has the first, which
// lives on. The ports have no call for that: whoever dials gets a connection and
// a session in one. So the requests are made by hand, on quic-go.
func TestManyWebTransportSessions(t *testing.T) {
	for _, v := range families {
		t.Run(v, func(t *testing.T) {
			rules{}.play(t, true, func(a *arena) {
				b := a.browse("evil")
				session, status := b.ask(v)
				require.Equal(a, http.StatusOK, status)
				first := &evil{Connection: session, version: v}
				first.setup("")
				for range 400 { // the credit is 1024 streams
					session, status := b.ask(v)
					require.Equal(a, http.StatusTooManyRequests, status)
					stranger := &evil{Connection: session, version: v}
					stranger.setup("")
					stranger.bidi(stranger.subscribe(0, "innocent", "video"))
				}
				require.Equal(a, 2+1, a.server.Stats().Sessions)
				require.Equal(a, 2+1, a.server.Stats().Conns)
				a.within(budget{heap: 8 * mib, goroutines: 60})
				first.bidi(first.subscribe(0, "innocent", "video"))
				a.pass(10 * time.Second) // streams of no session have 5
				require.NoError(a, first.Context().Err())
				require.Equal(a, 2, a.relay.Stats().Subscriptions, "the first is served, and no other")
				a.within(budget{heap: 8 * mib, goroutines: 60})
				first.leave()
			})
		})
	}
}

// A browser is a client of HTTP/3 that leaves its requests open.
type browser struct {
	*arena
	conn quic.Connection
	h3   *http3.RawClientConn
}

func (a *arena) browse(node string) *browser {
	a.Helper()
	ctx, cancel := soon()
	defer cancel()
	c, err := a.stack.dial(node)(ctx, "relay:443", &tls.Config{NextProtos: []string{http3.NextProtoH3}, InsecureSkipVerify: true}, nil)
	require.NoError(a, err)
	conn := c.(*adapter.Conn).QUICConn()
	b := &browser{a, c, (&http3.Transport{EnableDatagrams: true}).NewRawClientConn(conn)}
	a.wg.Go(func() {
		for {
			st, err := conn.AcceptUniStream(context.Background())
			if err != nil {
				return
			}
			a.wg.Go(func() {
				if kind, err := quicvarint.Peek(st); err == nil && kind != uniOfSession {
					b.h3.HandleUnidirectionalStream(st)
				}
			})
		}
	})
	<-b.h3.ReceivedSettings()
	return b
}

// ask asks for a session, and goes on as if it had it.
func (b *browser) ask(version string) (session ofSession, status int) {
	b.Helper()
	st, err := b.h3.OpenRequestStream(context.Background())
	require.NoError(b, err)
	require.NoError(b, st.SendRequestHeader(&http.Request{
		Method: http.MethodConnect, Proto: "webtransport", Host: "relay", URL: &url.URL{Scheme: "https", Host: "relay", Path: "/"},
		Header: http.Header{"Wt-Available-Protocols": {strconv.Quote(version)}},
	}))
	answer, err := st.ReadResponse()
	require.NoError(b, err)
	return ofSession{b.conn, uint64(st.StreamID())}, answer.StatusCode
}

// The types of streams of a session.
const (
	bidiOfSession = 0x41
	uniOfSession  = 0x54
)

// ofSession opens streams that say that they are of a session, which is known by
// the stream that asked for it.
type ofSession struct {
	quic.Connection
	session uint64
}

func (c ofSession) head(kind uint64) []byte {
	return quicvarint.Append(quicvarint.Append(nil, kind), c.session)
}

func (c ofSession) OpenStream(ctx context.Context) (quic.Stream, error) {
	st, err := c.Connection.OpenStream(ctx)
	if err == nil {
		_, err = st.Write(c.head(bidiOfSession))
	}
	return st, err
}

func (c ofSession) OpenUniStream(ctx context.Context) (quic.SendStream, error) {
	st, err := c.Connection.OpenUniStream(ctx)
	if err == nil {
		_, err = st.Write(c.head(uniOfSession))
	}
	return st, err
}
