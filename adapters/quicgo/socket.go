package quicgo

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"

	quicgo "github.com/quic-go/quic-go"

	"github.com/moqtgo/moqt/ports/quic"
)

// A Socket is one packet connection on which connections are accepted and
// dialed. It is closed once its owner has called Close and the listener and
// every connection have ended.
type Socket struct {
	transport *quicgo.Transport

	mu   sync.Mutex
	uses int // the owner, the listener, calls under way, connections
	done bool

	closeOnce sync.Once
}

// NewSocket takes over pc: nobody else may read from it, write to it or close
// it. A *net.UDPConn should come unwrapped.
func NewSocket(pc net.PacketConn) *Socket {
	return &Socket{transport: &quicgo.Transport{Conn: pc}, uses: 1}
}

// Close gives up the owner's use of the socket. What was accepted, dialed or
// is being listened for lives on.
func (s *Socket) Close() error {
	s.closeOnce.Do(s.release)
	return nil
}

// acquire adds a use. It says false if the socket is already closed.
func (s *Socket) acquire() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return false
	}
	s.uses++
	return true
}

func (s *Socket) release() {
	s.mu.Lock()
	s.uses--
	last := s.uses == 0
	s.done = s.done || last
	s.mu.Unlock()
	if last {
		s.transport.Close()
		s.transport.Conn.Close()
	}
}

// adopt makes c hold the socket until it ends. The caller holds it meanwhile.
func (s *Socket) adopt(c *quicgo.Conn) *Conn {
	s.acquire()
	context.AfterFunc(c.Context(), s.release)
	return NewConn(c)
}

// Listen accepts connections on the socket. There can be one listener at a
// time. It must not be called while another goroutine does.
func (s *Socket) Listen(tlsConf *tls.Config, conf *quic.Config) (quic.Listener, error) {
	tlsConf, err := serverTLS(tlsConf)
	if err != nil {
		return nil, err
	}
	if !s.acquire() {
		return nil, net.ErrClosed
	}
	c := quicConfig(conf, tlsConf.NextProtos)
	if conf != nil {
		s.transport.VerifySourceAddress = conf.VerifySourceAddress
	}
	var ln acceptor
	if c.Allow0RTT {
		ln, err = s.transport.ListenEarly(tlsConf, c)
	} else {
		ln, err = s.transport.Listen(tlsConf, c)
	}
	if err != nil {
		s.release()
		return nil, err
	}
	return &listener{socket: s, ln: ln}, nil
}

// Dial dials addr. ctx bounds the handshake only. A ServerName that tlsConf
// leaves empty is the IP address.
func (s *Socket) Dial(ctx context.Context, addr net.Addr, tlsConf *tls.Config, conf *quic.Config) (quic.Connection, error) {
	tlsConf, err := clientTLS(tlsConf, addr.String())
	if err != nil {
		return nil, err
	}
	if !s.acquire() {
		return nil, net.ErrClosed
	}
	defer s.release()
	c, err := s.transport.Dial(ctx, addr, tlsConf, quicConfig(conf, tlsConf.NextProtos))
	if err != nil {
		return nil, ConnError(err)
	}
	return s.adopt(c), nil
}

// acceptor is what quic-go's two listeners have in common.
type acceptor interface {
	Accept(context.Context) (*quicgo.Conn, error)
	Close() error
	Addr() net.Addr
}

type listener struct {
	socket    *Socket
	ln        acceptor
	closeOnce sync.Once
}

func (l *listener) Accept(ctx context.Context) (quic.Connection, error) {
	// The use held here keeps the socket open for a connection that is
	// taken from the queue while Close runs.
	if !l.socket.acquire() {
		return nil, quic.ErrListenerClosed
	}
	defer l.socket.release()
	c, err := l.ln.Accept(ctx)
	if err != nil {
		if errors.Is(err, quicgo.ErrServerClosed) || errors.Is(err, quicgo.ErrTransportClosed) {
			return nil, quic.ErrListenerClosed
		}
		return nil, err
	}
	return l.socket.adopt(c), nil
}

func (l *listener) Close() error {
	l.closeOnce.Do(func() {
		l.ln.Close()
		// Nobody will accept what is left in the queue. Accept does not
		// block any more.
		for {
			c, err := l.ln.Accept(context.Background())
			if err != nil {
				break
			}
			c.CloseWithError(0, "")
		}
		l.socket.release()
	})
	return nil
}

func (l *listener) Addr() net.Addr { return l.ln.Addr() }
