package quic

import (
	"net"
	"time"
)

// Config are the limits of a transport. The zero value is what a media relay
// wants; a field left zero takes the default that it names.
type Config struct {
	// Allow0RTT accepts early data as a server. Off by default: early data
	// can be replayed.
	Allow0RTT bool
	// VerifySourceAddress is asked, as a server, about every attempt to connect
	// from an address that may be forged: true makes the client show first that
	// it receives what is sent there, with a Retry, which costs it a round trip
	// and us no memory. It must not block. nil is never.
	VerifySourceAddress func(net.Addr) bool
	// EnableDatagrams negotiates RFC 9221 datagrams.
	EnableDatagrams bool
	// HandshakeIdleTimeout ends a handshake that makes no progress: 5 s.
	HandshakeIdleTimeout time.Duration
	// MaxIdleTimeout ends a silent connection: 30 s.
	MaxIdleTimeout time.Duration
	// KeepAlivePeriod sends PINGs on a silent connection: 5 s. Negative: never.
	KeepAlivePeriod time.Duration
	// MaxIncomingStreams is how many bidirectional streams the peer may have
	// open: 1024. Negative: none.
	MaxIncomingStreams int64
	// MaxIncomingUniStreams is how many unidirectional streams the peer may
	// have open: 1024. Negative: none.
	MaxIncomingUniStreams int64
	// InitialStreamReceiveWindow and the next three are flow-control windows
	// in bytes: 512 KiB, 6 MiB, 768 KiB and 15 MiB.
	InitialStreamReceiveWindow     uint64
	MaxStreamReceiveWindow         uint64
	InitialConnectionReceiveWindow uint64
	MaxConnectionReceiveWindow     uint64
}

// WithDefaults returns c with every zero field replaced by its default. A nil
// c is a zero Config.
func (c *Config) WithDefaults() Config {
	var d Config
	if c != nil {
		d = *c
	}
	setDefault(&d.HandshakeIdleTimeout, 5*time.Second)
	setDefault(&d.MaxIdleTimeout, 30*time.Second)
	setDefault(&d.KeepAlivePeriod, 5*time.Second)
	setDefault(&d.MaxIncomingStreams, 1024)
	setDefault(&d.MaxIncomingUniStreams, 1024)
	setDefault(&d.InitialStreamReceiveWindow, 512<<10)
	setDefault(&d.MaxStreamReceiveWindow, 6<<20)
	setDefault(&d.InitialConnectionReceiveWindow, 768<<10)
	setDefault(&d.MaxConnectionReceiveWindow, 15<<20)
	return d
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
