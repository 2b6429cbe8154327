// Package webtransport is the port through which a server turns HTTP/3
// requests into connections, and through which a client dials them.
package webtransport

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"

	"github.com/moqtgo/moqt/ports/quic"
)

// ErrNotWebTransport is returned by Server.Upgrade for a request that does not
// ask for a WebTransport session; nothing was written to it.
var ErrNotWebTransport = errors.New("webtransport: the request does not ask for a session")

// A Server upgrades requests to sessions. Implementations are safe for
// concurrent use.
type Server interface {
	// Upgrade picks the first of protocols (our order) that the client
	// offers, "" if none, and completes the handshake. On ErrNotWebTransport
	// w is untouched and the caller may fall back; with any other error a
	// status was written.
	Upgrade(w http.ResponseWriter, r *http.Request, protocols []string) (quic.Connection, error)
	// ServeQUICConn serves HTTP/3 with h on an accepted connection whose
	// ALPN is h3. It returns when the connection ends.
	ServeQUICConn(conn quic.Connection, h http.Handler) error
	// Close ends every HTTP/3 connection. Close the sessions first.
	Close() error
}

// DialFunc dials a WebTransport session at an https URL. h are additional
// request headers; protocols are offered as subprotocols in order. The choice
// is in State().Protocol. conf may be nil.
type DialFunc func(ctx context.Context, url string, h http.Header, protocols []string, tlsConf *tls.Config, conf *quic.Config) (quic.Connection, error)
