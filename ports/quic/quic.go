// Package quic is the port through which the core uses a QUIC stack: a
// connection with streams and datagrams, and nothing else. Adapters implement
// it over quic-go, over webtransport-go and over an in-memory network; package
// quictest holds the contract as a test suite.
//
// A WebTransport session is a [Connection] too: who uses one never asks which.
package quic

import (
	"context"
	"crypto/tls"
	"io"
	"net"
)

// ErrorCode is an application error code, as carried by RESET_STREAM,
// STOP_SENDING and CONNECTION_CLOSE. What a number means is the business of
// the protocol above. WebTransport carries 32 bits; an adapter caps larger
// codes there.
type ErrorCode uint64

// A SendStream is the sending half of a stream.
//
// One Write, TryWrite or Close may be under way at a time; every other method
// may be called at any time from any goroutine.
type SendStream interface {
	// Write writes p and blocks for flow control and until the stack has
	// taken the bytes. p may be reused when it returns. Errors are
	// *StreamError (CancelWrite here, STOP_SENDING there) or *ConnError.
	io.Writer

	// TryWrite writes all of p or nothing and never blocks. It returns
	// ErrWouldBlock where p would have to wait, and where more than
	// TryWriteLimit bytes were taken this way since a Write last returned:
	// then the next bytes must go through Write, whose return proves that
	// the queue has left.
	TryWrite(p []byte) error

	// Close ends the stream with FIN. It does not wait for delivery and
	// does nothing after CancelWrite.
	Close() error

	// CancelWrite ends the stream with RESET_STREAM, also after Close while
	// bytes are unacknowledged, and unblocks a Write in progress.
	CancelWrite(ErrorCode)

	// SetPriority sets the RFC 9218 urgency, 0 (first) to 7, and whether
	// streams of this urgency share the connection. It has no effect where
	// State().Priorities is false.
	SetPriority(urgency uint8, incremental bool)

	// SetReliableBoundary makes the bytes written so far survive a later
	// CancelWrite (RESET_STREAM_AT). It has no effect where that is not
	// supported.
	SetReliableBoundary()

	// Context is done once the stream is closed for writing. Its cause is
	// ErrFinished after Close, a *StreamError after CancelWrite (Remote
	// false) or STOP_SENDING (Remote true), and a *ConnError when the
	// connection ended.
	Context() context.Context
}

// TryWriteLimit is how many bytes TryWrite may take on one stream since a
// Write on it last returned.
const TryWriteLimit = 2400

// A ReceiveStream is the receiving half of a stream.
//
// One Read may be under way at a time; CancelRead may be called at any time.
type ReceiveStream interface {
	// Read returns io.EOF after FIN, a *StreamError after a reset (Remote
	// true) or CancelRead (Remote false), and a *ConnError when the
	// connection ended. FIN may come with the last bytes or after them.
	io.Reader

	// CancelRead asks the peer to stop (STOP_SENDING) and unblocks a Read in
	// progress.
	CancelRead(ErrorCode)
}

// A Stream is a bidirectional stream; its two halves end independently.
type Stream interface {
	SendStream
	ReceiveStream
}

// A Connection is one QUIC connection or one WebTransport session. All of its
// methods may be called concurrently.
//
// A call that fails because the connection ended returns the *ConnError
// itself; Context may be done slightly later.
type Connection interface {
	// OpenStream opens a bidirectional stream. It blocks for stream credit,
	// first come first served. The peer sees the stream with its first byte.
	OpenStream(context.Context) (Stream, error)
	// OpenUniStream opens a unidirectional stream, as OpenStream.
	OpenUniStream(context.Context) (SendStream, error)
	// TryOpenUniStream never blocks: it returns ErrWouldBlock without stream
	// credit and while calls of OpenUniStream wait.
	TryOpenUniStream() (SendStream, error)
	// AcceptStream returns the next bidirectional stream of the peer.
	AcceptStream(context.Context) (Stream, error)
	// AcceptUniStream returns the next unidirectional stream of the peer.
	AcceptUniStream(context.Context) (ReceiveStream, error)

	// SendDatagram sends an unreliable datagram. It copies p and never
	// blocks: ErrWouldBlock says that the datagram was dropped,
	// *DatagramTooLargeError that none of this size can be sent, and
	// ErrNoDatagrams that State().Datagrams is false.
	SendDatagram(p []byte) error
	// ReceiveDatagram returns the next datagram; the caller owns it.
	ReceiveDatagram(context.Context) ([]byte, error)

	// HandshakeComplete waits for the end of the handshake. Until then only
	// set-up may be processed: 0-RTT data can be replayed.
	HandshakeComplete(context.Context) error

	// CloseWithError ends the connection and unblocks everything. It is
	// idempotent: the first code wins.
	CloseWithError(ErrorCode, string) error

	// Context ends with the connection; its cause is a *ConnError.
	Context() context.Context
	// State says what was negotiated. It is complete after
	// HandshakeComplete.
	State() State
	// Stats is cheap enough to be polled.
	Stats() Stats
}

// A Listener accepts connections.
type Listener interface {
	// Accept returns the next connection. It may do so before the handshake
	// has ended only with Config.Allow0RTT. After Close it returns
	// ErrListenerClosed.
	Accept(context.Context) (Connection, error)
	// Close stops accepting. Accepted connections live on; the socket is
	// released with the last of them.
	Close() error
	Addr() net.Addr
}

// ListenAddrFunc listens on addr ("host:port"). tlsConf and conf are not
// modified; a nil conf is a zero Config.
type ListenAddrFunc func(addr string, tlsConf *tls.Config, conf *Config) (Listener, error)

// DialAddrFunc dials addr ("host:port"); ctx bounds the handshake only.
// tlsConf and conf are not modified; a nil conf is a zero Config.
type DialAddrFunc func(ctx context.Context, addr string, tlsConf *tls.Config, conf *Config) (Connection, error)
