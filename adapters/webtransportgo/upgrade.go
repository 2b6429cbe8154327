package webtransportgo

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/dunglas/httpsfv"
	"github.com/quic-go/quic-go/http3"

	"github.com/moqtgo/moqt/ports/quic"
	"github.com/moqtgo/moqt/ports/webtransport"
)

const (
	availableProtocols = "WT-Available-Protocols"
	chosenProtocol     = "WT-Protocol"
)

// http3Writer is what http3 gives to a handler.
type http3Writer interface {
	http.ResponseWriter
	http.Flusher
	http3.Settingser
	http3.HTTPStreamer
}

// keeper remembers the CONNECT stream, which the library takes through it and
// hides.
type keeper struct {
	http3Writer
	stream *http3.Stream
}

func (k *keeper) HTTPStream() *http3.Stream {
	k.stream = k.http3Writer.HTTPStream()
	return k.stream
}

// Upgrade writes 403 for a refused origin, 429 for a second session on one
// connection, 400 where the client lacks an extension, and 500 where the
// request does not come from ServeQUICConn of this server.
func (s *server) Upgrade(w http.ResponseWriter, r *http.Request, protocols []string) (quic.Connection, error) {
	if r.Method != http.MethodConnect || (r.Proto != "webtransport" && r.Proto != "webtransport-h3") {
		return nil, webtransport.ErrNotWebTransport
	}
	conn, _ := r.Context().Value(http3ConnKey{}).(*http3Conn)
	hw := unwrapWriter(w)
	if conn == nil || conn.server != s || hw == nil {
		return nil, refuse(w, http.StatusInternalServerError, "the request was not served by this WebTransport server")
	}
	if !s.checkOrigin(r) {
		return nil, refuse(w, http.StatusForbidden, "origin not allowed")
	}
	if !conn.claim() {
		return nil, refuse(w, http.StatusTooManyRequests, "this connection already has a session")
	}

	protocol := choose(protocols, r.Header.Values(availableProtocols))
	if protocol != "" {
		item, err := httpsfv.Marshal(httpsfv.NewItem(protocol))
		if err != nil {
			return nil, refuse(w, http.StatusInternalServerError, "the protocol cannot be written: "+err.Error())
		}
		hw.Header().Set(chosenProtocol, item)
	}
	k := &keeper{http3Writer: hw}
	sess, err := s.wt.Upgrade(k, r)
	if err != nil {
		if k.stream == nil {
			return nil, refuse(w, http.StatusBadRequest, err.Error())
		}
		return nil, err
	}
	session := newSession(sess, conn.conn, protocol, requestURL(r))
	session.owner, session.connect = conn, k.stream
	return session.watch(), nil
}

// claim takes the one session of the connection. It is never given back: the
// connection ends with the session.
func (c *http3Conn) claim() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.upgraded {
		return false
	}
	c.upgraded = true
	return true
}

// unwrapWriter finds the writer of http3 below middleware that has an Unwrap
// method, as http.ResponseController does.
func unwrapWriter(w http.ResponseWriter) http3Writer {
	for {
		if hw, ok := w.(http3Writer); ok {
			return hw
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return nil
		}
		w = u.Unwrap()
	}
}

type refusal struct {
	status int
	reason string
}

func (e *refusal) Error() string { return "webtransportgo: upgrade refused: " + e.reason }

func refuse(w http.ResponseWriter, status int, reason string) error {
	w.Header().Del(chosenProtocol)
	http.Error(w, reason, status)
	return &refusal{status, reason}
}

// choose returns the first of ours that is among the client's, which come as
// a structured list of strings (RFC 9651). A malformed list offers nothing.
func choose(ours, header []string) string {
	list, err := httpsfv.UnmarshalList(header)
	if err != nil {
		return ""
	}
	offered := make([]string, 0, len(list))
	for _, member := range list {
		if item, ok := member.(httpsfv.Item); ok {
			if name, ok := item.Value.(string); ok {
				offered = append(offered, name)
			}
		}
	}
	for _, name := range ours {
		if slices.Contains(offered, name) {
			return name
		}
	}
	return ""
}

// requestURL completes the URL of an extended CONNECT, which http3 parses from
// :path alone.
func requestURL(r *http.Request) *url.URL {
	u := *r.URL
	u.Scheme, u.Host = "https", r.Host
	return &u
}
