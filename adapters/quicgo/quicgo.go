// Package quicgo implements the QUIC port over quic-go.
//
// [Listen] and [Dial] own one plain *net.UDPConn each, so that segmentation
// offload, ECN and batched reads work. A [Socket] listens and dials on one
// packet connection that the caller brings.
package quicgo

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/moqtgo/moqt/ports/quic"
)

var (
	_ quic.ListenAddrFunc = Listen
	_ quic.DialAddrFunc   = Dial
)

// Listen listens on the UDP address addr, "host:port". An empty host is every
// address of both families. tlsConf needs a certificate and NextProtos. A port
// of 0 picks a free one.
//
// Closing the listener leaves accepted connections alive; the socket is closed
// with the last of them.
func Listen(addr string, tlsConf *tls.Config, conf *quic.Config) (quic.Listener, error) {
	udpAddr, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, err
	}
	udp, err := net.ListenUDP("udp", udpAddr)
	if err != nil {
		return nil, err
	}
	s := NewSocket(udp)
	defer s.Close()
	return s.Listen(tlsConf, conf)
}

// Dial dials addr, "host:port", from a socket of its own, which is closed when
// the connection ends. Where a host has several addresses they are tried in
// turn with a head start of 250 ms each, and the first handshake wins.
//
// ctx bounds the handshake only. tlsConf needs NextProtos; its ServerName
// defaults to the host.
func Dial(ctx context.Context, addr string, tlsConf *tls.Config, conf *quic.Config) (quic.Connection, error) {
	addrs, err := resolve(ctx, addr)
	if err != nil {
		return nil, err
	}
	tlsConf, err = clientTLS(tlsConf, addr)
	if err != nil {
		return nil, err
	}
	return race(ctx, addrs, func(ctx context.Context, a *net.UDPAddr) (quic.Connection, error) {
		network := "udp6"
		if a.IP.To4() != nil {
			network = "udp4"
		}
		udp, err := net.ListenUDP(network, nil)
		if err != nil {
			return nil, err
		}
		s := NewSocket(udp)
		defer s.Close()
		return s.Dial(ctx, a, tlsConf, conf)
	})
}
