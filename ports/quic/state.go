package quic

import (
	"crypto/tls"
	"net"
	"net/url"
	"time"
)

// Transport is the kind of a connection. It is for logs and statistics; no
// protocol decision depends on it but where a path and an error code travel.
type Transport uint8

const (
	// QUIC is a raw QUIC connection.
	QUIC Transport = iota
	// WebTransport is a session over HTTP/3.
	WebTransport
)

func (t Transport) String() string {
	if t == WebTransport {
		return "webtransport"
	}
	return "quic"
}

// State says what a connection has negotiated.
type State struct {
	// Protocol is the ALPN, or the WebTransport subprotocol; "" if none was
	// chosen.
	Protocol   string
	Transport  Transport
	LocalAddr  net.Addr
	RemoteAddr net.Addr
	// TLS is the state of the handshake; nil where there is no TLS.
	TLS *tls.ConnectionState
	// URL is the URL of the WebTransport request; nil on raw QUIC.
	URL *url.URL
	// Priorities says that SendStream.SetPriority has an effect.
	Priorities bool
	// Datagrams says that both sides take datagrams.
	Datagrams bool
}

// Unknown marks a field of Stats that a stack cannot report.
const Unknown = -1

// Stats are figures of a connection. A field that the stack cannot report is
// Unknown (any negative value).
type Stats struct {
	MinRTT, LatestRTT, SmoothedRTT time.Duration
	// CongestionWindow is in bytes.
	CongestionWindow                         int64
	BytesSent, PacketsSent                   int64
	BytesReceived, PacketsReceived           int64
	BytesLost, PacketsLost                   int64
	DatagramsDroppedSend, DatagramsDroppedIn int64
}

// UnknownStats is a Stats in which every field is Unknown.
func UnknownStats() Stats {
	return Stats{
		MinRTT: Unknown, LatestRTT: Unknown, SmoothedRTT: Unknown,
		CongestionWindow: Unknown,
		BytesSent:        Unknown, PacketsSent: Unknown,
		BytesReceived: Unknown, PacketsReceived: Unknown,
		BytesLost: Unknown, PacketsLost: Unknown,
		DatagramsDroppedSend: Unknown, DatagramsDroppedIn: Unknown,
	}
}
