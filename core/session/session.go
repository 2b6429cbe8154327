// Package session is what users of the core hold: it negotiates a dialect for
// a connection, and offers what the peer can do.
package session

import (
	"context"
	"net"
	"time"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
	"github.com/moqtgo/moqt/ports/quic"
)

// A Session is one session with a peer. Its methods may be called
// concurrently. Names are relative to the session.
type Session struct {
	peer dialect.Peer
	c    quic.Connection
	req  *dialect.Request
	root moq.Path
	conf *Config
}

// Config are the settings of sessions.
type Config struct {
	dialect.Config
	// Versions are the tokens to speak, the preferred one first; nil is all.
	Versions []string
}

// Accept accepts a pending session as a server, or starts it as a client:
// what the peer asks for is looked up in home. Errors are those of the
// transport, of ctx, or a moq.Error that says what of the set-up is wrong.
func Accept(ctx context.Context, p *Pending, home *route.View) (*Session, error) {
	peer, err := p.Pending.Accept(ctx, home)
	if err != nil {
		return nil, failed(err)
	}
	return &Session{peer: peer, c: p.conn, req: p.Request(), root: home.Root(), conf: p.conf}, nil
}

func (s *Session) absolute(n moq.FullTrackName) moq.FullTrackName {
	n.Path = s.root.Join(n.Path)
	return n
}

// Subscribe subscribes to a track of the peer and waits until it has
// accepted. Close the reader to unsubscribe.
func (s *Session) Subscribe(ctx context.Context, name moq.FullTrackName, sub moq.Subscription) (*moq.TrackReader, error) {
	return dialect.Subscribe(ctx, s.peer, s.absolute(name), sub, s.conf.Limits.Cache)
}

// Fetch asks the peer for objects of the past.
func (s *Session) Fetch(ctx context.Context, r moq.FetchRequest) (*moq.ObjectReader, error) {
	r.Name = s.absolute(r.Name)
	return s.peer.Fetch(ctx, r)
}

// TrackInfo asks for what the publisher says of a track.
func (s *Session) TrackInfo(ctx context.Context, name moq.FullTrackName) (moq.TrackInfo, error) {
	return s.peer.TrackInfo(ctx, s.absolute(name))
}

// Publish offers a track to the peer and returns its answer (moq-transport
// PUBLISH). The track, whose own name does not count, is then served until it
// ends, ctx does or the peer does not want it any more. moq-lite returns
// moq.ErrUnsupported.
func (s *Session) Publish(ctx context.Context, name moq.FullTrackName, t *moq.Track) error {
	return s.peer.Publish(ctx, s.absolute(name), t)
}

// SubscribeTracks asks the peer to offer every track below prefix that it knows
// by name, until ctx ends, and returns its answer (moq-transport
// SUBSCRIBE_TRACKS). What it offers is taken and published in the home view.
// moq-lite returns moq.ErrUnsupported.
func (s *Session) SubscribeTracks(ctx context.Context, prefix moq.Path) error {
	return s.peer.SubscribeTracks(ctx, prefix)
}

// Announced watches the broadcasts of the peer below prefix until ctx ends.
func (s *Session) Announced(ctx context.Context, prefix moq.Path) (*route.AnnounceReader, error) {
	return s.peer.Announced(ctx, prefix)
}

// Accepted waits until the peer has answered the announcement of a path that
// the home view has: nil says that it took it.
func (s *Session) Accepted(ctx context.Context, path moq.Path) error {
	return s.peer.Accepted(ctx, path)
}

// Source returns the peer as where tracks come from, by their absolute names
// in the home view.
func (s *Session) Source() route.Source { return s.peer }

// Probe returns estimates of the path from the peer to us.
func (s *Session) Probe(ctx context.Context) (*moq.ProbeReader, error) { return s.peer.Probe(ctx) }

// Goaway asks the peer to move to uri, or anywhere where that is empty. It
// returns moq.ErrUnsupported where the version has no such message.
func (s *Session) Goaway(ctx context.Context, uri string, timeout time.Duration) error {
	return s.peer.Goaway(ctx, uri, timeout)
}

// Stats returns figures of the connection.
func (s *Session) Stats() quic.Stats { return s.c.Stats() }

// CloseWithError ends the session with a code of its dialect; 0 is a clean
// end.
func (s *Session) CloseWithError(code quic.ErrorCode, reason string) error {
	return s.c.CloseWithError(code, reason)
}

// Close ends the session with its dialect's code for err; nil is a clean end.
func (s *Session) Close(err error) { s.peer.Close(err) }

// Context ends with the session; its cause is a *quic.ConnError.
func (s *Session) Context() context.Context { return s.c.Context() }

// Wait returns when the session has ended and nothing of it runs any more. The
// error says why it ended.
func (s *Session) Wait() error { return s.peer.Wait() }

// Request returns what the client asked for.
func (s *Session) Request() *dialect.Request { return s.req }

// Path returns the path that the client asked for.
func (s *Session) Path() string { return s.req.Path }

// Version returns the token of the draft that is spoken.
func (s *Session) Version() string { return s.req.Versions[0] }

// LocalAddr returns our address.
func (s *Session) LocalAddr() net.Addr { return s.c.State().LocalAddr }

// RemoteAddr returns the peer's address.
func (s *Session) RemoteAddr() net.Addr { return s.c.State().RemoteAddr }
