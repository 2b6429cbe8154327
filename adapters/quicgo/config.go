package quicgo

import (
	"crypto/tls"
	"errors"
	"net"
	"slices"

	quicgo "github.com/quic-go/quic-go"

	"github.com/moqtgo/moqt/ports/quic"
)

const alpnHTTP3 = "h3"

// quicConfig translates conf. HTTP/3 needs datagrams for WebTransport, and
// WebTransport needs resets with partial delivery on both sides.
func quicConfig(conf *quic.Config, nextProtos []string) *quicgo.Config {
	c := conf.WithDefaults()
	return &quicgo.Config{
		HandshakeIdleTimeout:             c.HandshakeIdleTimeout,
		MaxIdleTimeout:                   c.MaxIdleTimeout,
		KeepAlivePeriod:                  max(c.KeepAlivePeriod, 0),
		MaxIncomingStreams:               c.MaxIncomingStreams,
		MaxIncomingUniStreams:            c.MaxIncomingUniStreams,
		InitialStreamReceiveWindow:       c.InitialStreamReceiveWindow,
		MaxStreamReceiveWindow:           c.MaxStreamReceiveWindow,
		InitialConnectionReceiveWindow:   c.InitialConnectionReceiveWindow,
		MaxConnectionReceiveWindow:       c.MaxConnectionReceiveWindow,
		Allow0RTT:                        c.Allow0RTT,
		EnableDatagrams:                  c.EnableDatagrams || slices.Contains(nextProtos, alpnHTTP3),
		EnableStreamResetPartialDelivery: true,
	}
}

func serverTLS(c *tls.Config) (*tls.Config, error) {
	if c == nil {
		return nil, errors.New("quicgo: a listener needs a tls.Config")
	}
	if len(c.NextProtos) == 0 && c.GetConfigForClient == nil {
		return nil, errors.New("quicgo: tls.Config.NextProtos is empty; QUIC needs an ALPN")
	}
	return c.Clone(), nil
}

// clientTLS returns a copy of c whose ServerName is filled in from addr.
func clientTLS(c *tls.Config, addr string) (*tls.Config, error) {
	if c == nil || len(c.NextProtos) == 0 {
		return nil, errors.New("quicgo: dialing needs a tls.Config with NextProtos; QUIC needs an ALPN")
	}
	c = c.Clone()
	if c.ServerName == "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		c.ServerName = host
	}
	return c, nil
}
