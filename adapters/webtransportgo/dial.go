package webtransportgo

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"github.com/quic-go/quic-go/http3"
	wtgo "github.com/quic-go/webtransport-go"

	adapter "github.com/moqtgo/moqt/adapters/quicgo"
	"github.com/moqtgo/moqt/ports/quic"
	"github.com/moqtgo/moqt/ports/webtransport"
)

var _ webtransport.DialFunc = Dial

// Dial opens a session at an https URL on a connection of its own, which is
// closed with the session. ctx bounds the dialing only. A nil tlsConf checks
// certificates against the system's roots.
//
// An answer other than 2xx is a *StatusError.
func Dial(ctx context.Context, rawURL string, h http.Header, protocols []string, tlsConf *tls.Config, conf *quic.Config) (quic.Connection, error) {
	return NewDialFunc(adapter.Dial)(ctx, rawURL, h, protocols, tlsConf, conf)
}

// A StatusError is the answer of a server that refused a session.
type StatusError struct {
	StatusCode int
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("webtransportgo: the server answered %d %s", e.StatusCode, http.StatusText(e.StatusCode))
}

// NewDialFunc returns Dial over connections that dial opens. They must come
// from adapters/quicgo, possibly below decorators with an Unwrap method.
func NewDialFunc(dial quic.DialAddrFunc) webtransport.DialFunc {
	return func(ctx context.Context, rawURL string, h http.Header, protocols []string, tlsConf *tls.Config, conf *quic.Config) (quic.Connection, error) {
		u, err := url.Parse(rawURL)
		if err != nil {
			return nil, err
		}
		if u.Scheme != "https" || u.Hostname() == "" {
			return nil, fmt.Errorf("webtransportgo: %q is not an https URL with a host", rawURL)
		}
		port := u.Port()
		if port == "" {
			port = "443"
		}
		if tlsConf == nil {
			tlsConf = &tls.Config{}
		}
		tlsConf = tlsConf.Clone()
		tlsConf.NextProtos = []string{http3.NextProtoH3}
		conn, err := dial(ctx, net.JoinHostPort(u.Hostname(), port), tlsConf, conf)
		if err != nil {
			return nil, err
		}
		sess, err := open(ctx, conn, u, h, protocols)
		if err != nil {
			conn.CloseWithError(quic.ErrorCode(http3.ErrCodeNoError), "")
			return nil, err
		}
		return sess, nil
	}
}

func open(ctx context.Context, conn quic.Connection, u *url.URL, h http.Header, protocols []string) (quic.Connection, error) {
	qc, err := quicConn(conn)
	if err != nil {
		return nil, err
	}
	transport := &wtgo.Transport{ApplicationProtocols: protocols, StreamReorderingTimeout: settingsTimeout}
	client, err := transport.NewClientConn(qc)
	if err != nil {
		return nil, err
	}
	defer transport.Close() // what it cancels is waited for while dialing only

	// The library waits for the response without looking at ctx.
	stop := context.AfterFunc(ctx, func() { closeHTTP3(qc) })
	response, wt, err := client.Dial(ctx, u.String(), h)
	if !stop() {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		if response != nil && (response.StatusCode < 200 || response.StatusCode > 299) {
			return nil, &StatusError{response.StatusCode}
		}
		if e, ok := errors.AsType[*wtgo.RequirementsNotMetError](err); ok {
			return nil, fmt.Errorf("webtransportgo: %w", e)
		}
		return nil, adapter.ConnError(err)
	}
	return newSession(wt, qc, wt.SessionState().ApplicationProtocol, u).watch(), nil
}
