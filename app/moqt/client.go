package moqt

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"time"

	"github.com/moqtgo/moqt/adapters/quicgo"
	"github.com/moqtgo/moqt/adapters/webtransportgo"
	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/session"
	"github.com/moqtgo/moqt/ports/quic"
	"github.com/moqtgo/moqt/ports/webtransport"
)

// A Client dials sessions. The zero value is ready.
type Client struct {
	// TLSConfig is cloned; its NextProtos do not count: Config.Versions do.
	TLSConfig *tls.Config
	// QUICConfig are the limits of the transport; nil takes the defaults.
	QUICConfig *quic.Config
	// Config are the settings of sessions; nil takes the defaults.
	Config *Config
	// Redirect decides whether a GOAWAY of the server is followed from one URL
	// to another: an error says no. nil is SameHost. to is from where the
	// server has named no other place.
	Redirect func(from, to *url.URL) error
	// DialQUICFunc is the QUIC stack; nil is adapters/quicgo.
	DialQUICFunc quic.DialAddrFunc
	// DialWebTransportFunc is the WebTransport stack; nil is
	// adapters/webtransportgo.
	DialWebTransportFunc webtransport.DialFunc
	// Logger is told of what goes wrong; nil is silent.
	Logger *slog.Logger
}

// Dial sets a session up with the server at rawURL: https is WebTransport,
// moqt and moql are raw QUIC. The port is 443 where none is given. The path and
// the query arrive as those of SetupRequest, where the version can carry them.
//
// The server is offered what is in mux, DefaultMux if that is nil; with
// Config.Import what the server announces is entered there. ctx bounds the
// set-up only.
//
// The session follows a GOAWAY: see Redirect. It dials the new URL, continues
// its subscriptions and watches there, and closes the old connection.
//
// A set-up fails with the error of the transport (quic.ConnError,
// quic.StreamError) or of ctx, or with an Error: ErrMalformed for a server that
// answers what it must not, ErrTimeout for one that does not answer, and
// ErrUnsupported for another version.
func (c *Client) Dial(ctx context.Context, rawURL string, mux *TrackMux) (*Session, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	s := newSession(u.Path)
	s.move = newMover(c, s, mux.orDefault(), u)
	core, inUse, err := s.move.dial(ctx, u)
	if err != nil {
		s.move.cancel(err)
		return nil, err
	}
	s.start(core)
	s.move.use(core)
	inUse()
	return s, nil
}

// SameHost follows a GOAWAY to another port or path of the same host, with the
// same scheme.
func SameHost(from, to *url.URL) error {
	switch {
	case from.Scheme != to.Scheme:
		return fmt.Errorf("moqt: a redirection from %s to %s", from.Scheme, to.Scheme)
	case from.Hostname() != to.Hostname():
		return fmt.Errorf("moqt: a redirection from %s to %s", from.Hostname(), to.Hostname())
	}
	return nil
}

// open dials u and opens a session on the connection.
func (c *Client) open(ctx context.Context, u *url.URL, mux *TrackMux, onGoaway func(string, time.Duration)) (*session.Session, error) {
	conf := c.Config.core()
	conf.Host, conf.OnGoaway = u.Host, onGoaway
	conf.OnPanic = func(v any, stack []byte) {
		orSilent(c.Logger).Error("panic", "value", v, "stack", string(stack))
	}
	conn, err := c.connect(ctx, u, conf)
	if err != nil {
		return nil, err
	}
	p, err := session.Open(ctx, conn, dialect.Client, conf)
	if err != nil {
		return nil, err
	}
	core, err := session.Accept(ctx, p, mux.view)
	if err != nil {
		_ = conn.CloseWithError(SessionInternal, "set-up failed")
		return nil, err
	}
	return core, nil
}

func (c *Client) connect(ctx context.Context, u *url.URL, conf *session.Config) (quic.Connection, error) {
	if u.Hostname() == "" {
		return nil, fmt.Errorf("moqt: the URL %q has no host", u)
	}
	protocols := c.Config.versions()
	if len(protocols) == 0 {
		return nil, fmt.Errorf("moqt: none of the versions %q is spoken here", conf.Versions)
	}
	tlsConf := &tls.Config{}
	if c.TLSConfig != nil {
		tlsConf = c.TLSConfig.Clone()
	}
	switch u.Scheme {
	case "https":
		dial := c.DialWebTransportFunc
		if dial == nil {
			dial = webtransportgo.Dial
		}
		tlsConf.NextProtos = nil
		return dial(ctx, withoutFragment(u), nil, protocols, tlsConf, c.QUICConfig)
	case "moqt", "moql":
		dial := c.DialQUICFunc
		if dial == nil {
			dial = quicgo.Dial
		}
		conf.Target = target(u)
		tlsConf.NextProtos = protocols
		port := u.Port()
		if port == "" {
			port = "443"
		}
		return dial(ctx, net.JoinHostPort(u.Hostname(), port), tlsConf, c.QUICConfig)
	}
	return nil, fmt.Errorf("moqt: the URL %q has none of the schemes https, moqt and moql", u)
}

func withoutFragment(u *url.URL) string {
	v := *u
	v.Fragment, v.RawFragment, v.User = "", "", nil
	return v.String()
}

// target returns the path and query of u as they travel on raw QUIC.
func target(u *url.URL) string {
	t := u.EscapedPath()
	if t == "" {
		t = "/"
	}
	if u.RawQuery != "" {
		t += "?" + u.RawQuery
	}
	return t
}
