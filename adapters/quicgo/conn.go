package quicgo

import (
	"context"
	"sync"
	"unicode/utf8"

	quicgo "github.com/quic-go/quic-go"

	"github.com/moqtgo/moqt/ports/quic"
)

// maxReason is how many bytes of a reason are sent: they have to fit into one
// packet.
const maxReason = 1024

// A Conn is a connection of quic-go as a [quic.Connection].
type Conn struct {
	conn *quicgo.Conn
	ctx  Context

	// quic-go wakes one caller per event and may lose a wake-up where
	// several accept at a time: they take turns.
	bidi, uni, datagram Turn

	datagramsOnce sync.Once
	datagramsOn   bool
	outbox        DatagramQueue
}

var _ quic.Connection = (*Conn)(nil)

// NewConn wraps a connection of quic-go.
func NewConn(c *quicgo.Conn) *Conn {
	return &Conn{
		conn: c, bidi: NewTurn(), uni: NewTurn(), datagram: NewTurn(),
		outbox: DatagramQueue{Send: c.SendDatagram},
	}
}

// QUICConn returns the connection of quic-go.
func (c *Conn) QUICConn() *quicgo.Conn { return c.conn }

func (c *Conn) OpenStream(ctx context.Context) (quic.Stream, error) {
	str, err := c.conn.OpenStreamSync(ctx)
	if err != nil {
		return nil, openError(err)
	}
	return newStream(str), nil
}

func (c *Conn) OpenUniStream(ctx context.Context) (quic.SendStream, error) {
	str, err := c.conn.OpenUniStreamSync(ctx)
	if err != nil {
		return nil, openError(err)
	}
	return &sendStream{str: str}, nil
}

// TryOpenUniStream relies on quic-go, whose OpenUniStream refuses while calls
// of OpenUniStreamSync wait.
func (c *Conn) TryOpenUniStream() (quic.SendStream, error) {
	str, err := c.conn.OpenUniStream()
	if err != nil {
		return nil, openError(err)
	}
	return &sendStream{str: str}, nil
}

func (c *Conn) AcceptStream(ctx context.Context) (quic.Stream, error) {
	if err := c.bidi.Take(ctx); err != nil {
		return nil, err
	}
	str, err := c.conn.AcceptStream(ctx)
	c.bidi.Pass()
	if err != nil {
		return nil, ConnError(err)
	}
	return newStream(str), nil
}

func (c *Conn) AcceptUniStream(ctx context.Context) (quic.ReceiveStream, error) {
	if err := c.uni.Take(ctx); err != nil {
		return nil, err
	}
	str, err := c.conn.AcceptUniStream(ctx)
	c.uni.Pass()
	if err != nil {
		return nil, ConnError(err)
	}
	return receiveStream{str}, nil
}

func (c *Conn) SendDatagram(p []byte) error {
	if c.conn.Context().Err() != nil {
		return connCause(context.Cause(c.conn.Context()))
	}
	if !c.datagrams() {
		return quic.ErrNoDatagrams
	}
	return c.outbox.Push(p)
}

func (c *Conn) ReceiveDatagram(ctx context.Context) ([]byte, error) {
	if !c.datagrams() {
		return nil, quic.ErrNoDatagrams
	}
	if err := c.datagram.Take(ctx); err != nil {
		return nil, err
	}
	p, err := c.conn.ReceiveDatagram(ctx)
	c.datagram.Pass()
	if err != nil {
		return nil, ConnError(err)
	}
	return p, nil
}

// datagrams says whether both sides take datagrams. The transport parameters
// of the peer are known before anybody gets hold of a Conn.
func (c *Conn) datagrams() bool {
	c.datagramsOnce.Do(func() {
		s := c.conn.ConnectionState().SupportsDatagrams
		c.datagramsOn = s.Local && s.Remote
	})
	return c.datagramsOn
}

func (c *Conn) HandshakeComplete(ctx context.Context) error {
	select {
	case <-c.conn.HandshakeComplete():
		return nil
	default:
	}
	select {
	case <-c.conn.HandshakeComplete():
		return nil
	case <-c.conn.Context().Done():
		return connCause(context.Cause(c.conn.Context()))
	case <-ctx.Done():
		return ctx.Err()
	}
}

// CloseWithError caps code to 62 bits and cuts reason down to 1,024 bytes.
func (c *Conn) CloseWithError(code quic.ErrorCode, reason string) error {
	return ConnError(c.conn.CloseWithError(quicgo.ApplicationErrorCode(cap62(code)), truncate(reason, maxReason)))
}

// truncate cuts s to n bytes without breaking a character.
func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func (c *Conn) Context() context.Context { return c.ctx.Of(c.conn.Context(), connCause) }

func (c *Conn) State() quic.State {
	s := c.conn.ConnectionState()
	return quic.State{
		Protocol:   s.TLS.NegotiatedProtocol,
		Transport:  quic.QUIC,
		LocalAddr:  c.conn.LocalAddr(),
		RemoteAddr: c.conn.RemoteAddr(),
		TLS:        &s.TLS,
		Priorities: true,
		Datagrams:  s.SupportsDatagrams.Local && s.SupportsDatagrams.Remote,
	}
}

func (c *Conn) Stats() quic.Stats {
	s := c.conn.ConnectionStats()
	stats := quic.UnknownStats()
	stats.MinRTT, stats.LatestRTT, stats.SmoothedRTT = s.MinRTT, s.LatestRTT, s.SmoothedRTT
	stats.CongestionWindow = int64(s.CongestionWindow)
	stats.BytesSent, stats.PacketsSent = int64(s.BytesSent), int64(s.PacketsSent)
	stats.BytesReceived, stats.PacketsReceived = int64(s.BytesReceived), int64(s.PacketsReceived)
	stats.BytesLost, stats.PacketsLost = int64(s.BytesLost), int64(s.PacketsLost)
	stats.DatagramsDroppedSend = c.outbox.Dropped()
	return stats
}
