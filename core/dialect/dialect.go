// Package dialect holds what every wire dialect shares: the seam between the
// session and a wire format, the goroutines of a session, its limits, and the
// egress that turns subscriptions into streams.
package dialect

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
	"github.com/moqtgo/moqt/core/wire"
	"github.com/moqtgo/moqt/ports/quic"
)

// Role is the side of a session.
type Role uint8

const (
	Server Role = iota
	Client
)

// A Row is one draft of a dialect: how it is named in the handshake, and what
// it can do that matters to others.
type Row struct {
	Token string // ALPN and WebTransport subprotocol
	Code  uint64 // version in an in-band list; 0: chosen by Token alone
	// Carriage is what it can carry of a track.
	Carriage moq.Carriage
}

// A Dialect speaks the drafts of one wire family.
type Dialect interface {
	Rows() []Row
	// Open does what may happen before the decision to accept. As a server
	// it returns when the request is known: at once where the path comes
	// from State().URL or does not exist. in is not nil where the version
	// was negotiated in-band.
	Open(ctx context.Context, c quic.Connection, row Row, role Role, cfg *Config, in *InBand) (Pending, error)
}

// InBand is a set-up that chose the version on a stream: the first
// bidirectional stream of a server's connection, its CLIENT_SETUP read.
type InBand struct {
	Stream   quic.Stream
	In       *wire.Stream // reads Stream; it may have read ahead
	Versions []uint64
	Params   []byte // count and parameters, unparsed
}

// A Pending is a session before the decision to accept it. As a client there
// is no decision: Accept starts the session.
type Pending interface {
	Request() *Request
	// Config returns the settings of the session to be: they may be changed
	// until Accept.
	Config() *Config
	// Accept sends the server's set-up where one exists, and serves the
	// session with home: what the peer asks for is looked up there.
	Accept(ctx context.Context, home *route.View) (Peer, error)
	Reject(code quic.ErrorCode, reason string) error
	// Fail refuses with the dialect's code for err.
	Fail(err error) error
}

// A Request is what a client asks for when it sets a session up.
type Request struct {
	Path     string // with its leading slash; "" where the dialect carries none
	Query    string // without "?"
	Host     string // as the client wrote it; "" where unknown
	Versions []string
	// Params are the set-up parameters by their number, unparsed.
	Params     map[uint64][]byte
	TLS        *tls.ConnectionState
	RemoteAddr net.Addr
	LocalAddr  net.Addr
}

// A Peer is what we may ask of the other side. Tracks that it is given as a
// Source are named by their absolute path in the home view.
type Peer interface {
	route.Source
	// TrackInfo asks for what the publisher says of a track.
	TrackInfo(context.Context, moq.FullTrackName) (moq.TrackInfo, error)
	// Publish offers a track to the peer, by its absolute name in the home
	// view (moq-transport PUBLISH), and returns its answer. The track is then
	// served until it ends, ctx does or the peer withdraws. lite returns
	// moq.ErrUnsupported.
	Publish(context.Context, moq.FullTrackName, *moq.Track) error
	// SubscribeTracks asks the peer to publish every track below a prefix
	// until ctx ends, and returns its answer. What comes is published in the
	// home view. lite returns moq.ErrUnsupported.
	SubscribeTracks(context.Context, moq.Path) error
	// Announced watches the broadcasts of the peer below a prefix.
	Announced(context.Context, moq.Path) (*route.AnnounceReader, error)
	// Accepted waits until the peer has answered our announcement of a path
	// of the home view: nil says that it took it. It returns
	// moq.ErrUnsupported where announcements have no answer.
	Accepted(context.Context, moq.Path) error
	// Probe returns estimates of the path from the peer to us.
	Probe(context.Context) (*moq.ProbeReader, error)
	// Goaway asks the peer to move to uri, or anywhere where it is empty.
	Goaway(ctx context.Context, uri string, timeout time.Duration) error
	// RemoteAddr returns the address of the peer.
	RemoteAddr() net.Addr
	// Close ends the session with a code of the dialect for err; nil is a
	// clean end.
	Close(err error)
	// Wait returns when the session has ended and its goroutines are gone.
	Wait() error
}

// Subscribe subscribes to a track of the peer, by its absolute name, and waits
// until the peer has accepted. Close the reader to unsubscribe.
func Subscribe(ctx context.Context, p route.Source, name moq.FullTrackName, s moq.Subscription, limits moq.CacheLimits) (*moq.TrackReader, error) {
	t := moq.NewTrack(name, limits, func(t *moq.Track) {
		if t.Demand().Readers == 0 {
			p.Drop(t)
		} else {
			p.Want(t)
		}
	})
	r := t.Subscribe(s, nil)
	if _, err := t.WaitInfo(ctx); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}
