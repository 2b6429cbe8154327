package moqt

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/moqtgo/moqt/core/session"
)

// A Session is a session with a peer: what we may ask of it. What it may ask
// of us is in the TrackMux that the session was accepted or dialed with. Its
// methods may be called concurrently; paths are relative to the session and
// may have slashes at their ends.
//
// A Session of a Client follows a GOAWAY of the server to another connection;
// see Client.Redirect.
type Session struct {
	path  string
	ready chan struct{} // closed once core is set

	mu   sync.Mutex
	core *session.Session
	move *mover // nil where no GOAWAY is followed
}

func newSession(path string) *Session {
	return &Session{path: path, ready: make(chan struct{})}
}

func (s *Session) start(core *session.Session) {
	s.set(core)
	close(s.ready)
}

func (s *Session) set(core *session.Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.core = core
}

// now returns the session with the peer that is in use.
func (s *Session) now() *session.Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.core
}

// Subscribe subscribes to a track of the peer and waits until it has accepted.
// A nil sub is the live edge: the newest group from its start. Close the
// reader to unsubscribe. Errors match ErrNotFound and the like.
func (s *Session) Subscribe(ctx context.Context, path Path, track string, sub *Subscription) (*TrackReader, error) {
	var want Subscription
	if sub != nil {
		want = *sub
	}
	if s.move != nil {
		return s.move.subscribe(ctx, nameOf(path, track), want)
	}
	return s.now().Subscribe(ctx, nameOf(path, track), want)
}

// Fetch asks the peer for objects of the past; moq-lite fetches one whole
// group, see GroupFetch. Close the reader.
func (s *Session) Fetch(ctx context.Context, r FetchRequest) (*ObjectReader, error) {
	r.Name.Path = clean(r.Name.Path)
	return s.now().Fetch(ctx, r)
}

// TrackInfo asks for what the publisher says of a track.
func (s *Session) TrackInfo(ctx context.Context, path Path, track string) (TrackInfo, error) {
	return s.now().TrackInfo(ctx, nameOf(path, track))
}

// Publish offers a track to the peer, under a name that it need not have asked
// for, and returns the peer's answer (moq-transport PUBLISH). The track is then
// served until it ends, ctx does or the peer does not want it any more. moq-lite
// returns ErrUnsupported. The offer does not follow a GOAWAY.
func (s *Session) Publish(ctx context.Context, path Path, track string, w *TrackWriter) error {
	return s.now().Publish(ctx, nameOf(path, track), w.Track())
}

// SubscribeTracks asks the peer to offer every track below prefix that it knows
// by name, until ctx ends, and returns its answer (moq-transport
// SUBSCRIBE_TRACKS). What it offers is taken, and published in the TrackMux of
// the session. moq-lite returns ErrUnsupported. It does not follow a GOAWAY.
func (s *Session) SubscribeTracks(ctx context.Context, prefix Path) error {
	return s.now().SubscribeTracks(ctx, clean(prefix))
}

// Announced discovers the broadcasts of the peer below prefix, and watches
// them until ctx ends. Their paths include the prefix.
func (s *Session) Announced(ctx context.Context, prefix Path) (*AnnounceReader, error) {
	if s.move != nil {
		return s.move.announced(ctx, clean(prefix))
	}
	return s.now().Announced(ctx, clean(prefix))
}

// Accepted waits until the peer has answered our announcement of a broadcast:
// nil says that it took it, an *Error with Remote why not. The broadcast may be
// announced later than Accepted is called. moq-lite knows no answer, nor does
// a client of moq-transport 16 and later to what it has asked for: there it is
// ErrUnsupported.
func (s *Session) Accepted(ctx context.Context, path Path) error {
	return s.now().Accepted(ctx, clean(path))
}

// Probe returns estimates of the path from the peer to us, or ErrUnsupported.
func (s *Session) Probe(ctx context.Context) (*ProbeReader, error) { return s.now().Probe(ctx) }

// Goaway asks the peer to move to uri within timeout, or anywhere where uri is
// empty. It returns ErrUnsupported where the version has no such message.
func (s *Session) Goaway(ctx context.Context, uri string, timeout time.Duration) error {
	return s.now().Goaway(ctx, uri, timeout)
}

// Stats returns figures of the connection.
func (s *Session) Stats() Stats { return s.now().Stats() }

// CloseWithError ends the session; SessionNoError is a clean end, upon which
// the peer takes our broadcasts to have ended.
func (s *Session) CloseWithError(code ErrorCode, reason string) error {
	if s.move != nil {
		return s.move.close(code, reason)
	}
	return s.now().CloseWithError(code, reason)
}

// Context ends with the session; its cause is a *ConnError.
func (s *Session) Context() context.Context {
	if s.move != nil {
		return s.move.ctx
	}
	return s.now().Context()
}

// Wait returns when the session has ended and nothing of it runs any more. The
// error says why it ended: a *ConnError.
func (s *Session) Wait() error {
	if s.move != nil {
		return s.move.waitEnd()
	}
	return s.now().Wait()
}

// Path returns the path of the URL that the session was set up with.
func (s *Session) Path() string { return s.path }

// Version returns the ALPN of the draft that is spoken.
func (s *Session) Version() string { return s.now().Version() }

// LocalAddr returns our address.
func (s *Session) LocalAddr() net.Addr { return s.now().LocalAddr() }

// RemoteAddr returns the peer's address.
func (s *Session) RemoteAddr() net.Addr { return s.now().RemoteAddr() }
