package memnet

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/moqtgo/moqt/ports/quic"
)

// h3 is the ALPN of HTTP/3.
const h3 = "h3"

// The header fields of the subprotocol negotiation.
const (
	availableProtocols = "Wt-Available-Protocols"
	chosenProtocol     = "Wt-Protocol"
)

// http3NoError is H3_NO_ERROR.
const http3NoError quic.ErrorCode = 0x100

func http3Error(code quic.ErrorCode) error {
	return fmt.Errorf("memnet: the HTTP/3 connection was closed with code %#x", uint64(code))
}

// webState is what HTTP/3 knows of a connection. It carries one session.
type webState struct {
	session  bool // streams and codes are those of a session
	request  *exchange
	response *exchange
	wake     signal
}

// An exchange is an extended CONNECT or its answer.
type exchange struct {
	url       *url.URL
	header    http.Header
	protocols []string
	status    int
	protocol  string
}

func (c *conn) receiveRequest(e *exchange) {
	c.web.request = e
	c.web.wake.fire()
}

func (c *conn) receiveResponse(e *exchange) {
	c.web.response = e
	c.web.wake.fire()
}

// A session is a connection over which a WebTransport session was established.
type session struct {
	*conn
	url      *url.URL
	subproto string
}

func (s *session) State() quic.State {
	state := s.conn.State()
	state.Transport = quic.WebTransport
	state.Protocol = s.subproto
	state.URL = s.url
	return state
}

// maxReason is what a session's close capsule takes.
const maxReason = 1024

func (s *session) CloseWithError(code quic.ErrorCode, reason string) error {
	reason = reason[:min(len(reason), maxReason)]
	s.net.mu.Lock()
	defer s.net.release()
	code = s.cap(code)
	s.close(&quic.ConnError{Code: code, Reason: reason}, &quic.ConnError{Code: code, Reason: reason, Remote: true})
	return nil
}

// DialWebTransport is a webtransport.DialFunc: it dials the host of rawURL,
// port 443 if it has none, and asks for a session. tlsConf counts for nothing.
func (d *Node) DialWebTransport(ctx context.Context, rawURL string, h http.Header, protocols []string, tlsConf *tls.Config, conf *quic.Config) (quic.Connection, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "https" || u.Hostname() == "" {
		return nil, fmt.Errorf("memnet: %q is not an https URL with a host", rawURL)
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	own := quic.Config{}
	if conf != nil {
		own = *conf
	}
	own.EnableDatagrams = true
	c, err := d.dial(ctx, net.JoinHostPort(u.Hostname(), port), []string{h3}, &own, true)
	if err != nil {
		return nil, err
	}
	header := h.Clone()
	if header == nil {
		header = make(http.Header)
	}
	if len(protocols) > 0 {
		header.Set(availableProtocols, quoteList(protocols))
	}
	c.net.mu.Lock()
	defer c.net.release()
	c.wantControl(frame{kind: requestFrame, stream: -1, web: &exchange{url: u, header: header, protocols: slices.Clone(protocols)}})
	for c.web.response == nil {
		if err := c.sleep(ctx, &c.web.wake); err != nil {
			c.closeHTTP3(http3NoError)
			return nil, err
		}
	}
	answer := c.web.response
	if !answer.accepted() {
		c.closeHTTP3(http3NoError)
		return nil, fmt.Errorf("memnet: no session at %s: the server answered %d %s", u, answer.status, http.StatusText(answer.status))
	}
	return &session{conn: c, url: u, subproto: answer.protocol}, nil
}

// accepted: an upgrade's answer carries the URL back.
func (e *exchange) accepted() bool { return e.url != nil }

func (c *conn) closeHTTP3(code quic.ErrorCode) {
	err := http3Error(code)
	c.close(&quic.ConnError{Err: err}, &quic.ConnError{Remote: true, Err: err})
}

// quoteList writes a list of strings as structured field.
func quoteList(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = strconv.Quote(s)
	}
	return strings.Join(quoted, ", ")
}
