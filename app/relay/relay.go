package relay

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/moqtgo/moqt/app/moqt"
	"github.com/moqtgo/moqt/ports/quic"
)

// A Relay is a moqt.SetupHandler: it accepts every session, enters what that
// publishes and hands it out to the others. The path of a session's URL is the
// root of its names: a session at /a/b has what is below a/b and nothing else.
// Every path is accepted.
//
// The zero value is ready. Do not change the fields once it is in use; do not
// copy it.
type Relay struct {
	// Mux has what is published; nil is a new one. What this process announces
	// there is handed out too.
	Mux *moqt.TrackMux
	// Client dials upstream relays; nil is a zero one. Its Config.Import is
	// set, and a QUICConfig of nil is one with datagrams and 10,000 streams.
	Client *moqt.Client
	// IsLeaf says which clients are relays that have joined this one, where
	// they speak moq-transport without hops; ours are known. nil: none. See
	// Connect.
	IsLeaf func(*moqt.SetupRequest) bool
	// Logger is told of upstream relays that come and go; nil is silent.
	Logger *slog.Logger
	// Page answers GET and HEAD for what HTTPHandler has nothing at; nil is
	// 404 Not Found.
	Page http.Handler
	// Random returns the source of the numbers in [0, 1) that spread the waits
	// between the attempts to reach an upstream relay; nil is a shared one. A
	// simulation sets it.
	Random func(upstream string) func() float64

	once sync.Once

	mu       sync.Mutex
	sessions map[*moqt.Session]*url.URL // what was dialed, but for its host; nil: with an upstream relay
	total    int64
	sent     int64 // bytes of the sessions that have ended
	received int64
}

func (r *Relay) init() {
	r.once.Do(func() {
		if r.Mux == nil {
			r.Mux = moqt.NewTrackMux(nil)
		}
		if r.Logger == nil {
			r.Logger = slog.New(slog.DiscardHandler)
		}
		client := moqt.Client{}
		if c := r.Client; c != nil {
			client = moqt.Client{
				TLSConfig: c.TLSConfig, QUICConfig: c.QUICConfig, Config: c.Config, Redirect: c.Redirect,
				DialQUICFunc: c.DialQUICFunc, DialWebTransportFunc: c.DialWebTransportFunc, Logger: c.Logger,
			}
		}
		if client.QUICConfig == nil {
			client.QUICConfig = &quic.Config{
				EnableDatagrams: true, MaxIncomingStreams: upstreamStreams, MaxIncomingUniStreams: upstreamStreams,
			}
		}
		conf := moqt.Config{}
		if client.Config != nil {
			conf = *client.Config
		}
		conf.Import = true
		client.Config = &conf
		r.Client = &client
		r.sessions = map[*moqt.Session]*url.URL{}
	})
}

// TrackMux returns what is published.
func (r *Relay) TrackMux() *moqt.TrackMux {
	r.init()
	return r.Mux
}

// ServeMOQ accepts the session.
func (r *Relay) ServeMOQ(w moqt.SetupResponseWriter, req *moqt.SetupRequest) {
	r.init()
	accept := moqt.AcceptRelay
	if r.IsLeaf != nil && r.IsLeaf(req) {
		accept = moqt.AcceptLeaf
	}
	s, err := accept(w, req, r.Mux.At(moqt.ParsePath(req.Path)))
	if err != nil {
		return // the server has told
	}
	r.enter(s, dialed(req))
	context.AfterFunc(s.Context(), func() { // no goroutine waits meanwhile
		_ = s.Wait()
		r.leave(s)
	})
}

// dialed returns the URL of a client, but for its host.
func dialed(req *moqt.SetupRequest) *url.URL {
	u := &url.URL{Scheme: "moqt", Path: req.Path, RawQuery: req.Query}
	if req.HTTPRequest != nil {
		u.Scheme = "https"
	}
	return u
}

func (r *Relay) enter(s *moqt.Session, from *url.URL) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sessions[s] = from
	r.total++
}

func (r *Relay) leave(s *moqt.Session) {
	st := s.Stats()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sessions, s)
	r.sent += max(0, st.BytesSent)
	r.received += max(0, st.BytesReceived)
}

// upstreamStreams is how many streams of each kind an upstream relay may have
// open: it carries the tracks of all our sessions.
const upstreamStreams = 10_000

// setupTime bounds one attempt to reach an upstream relay.
const setupTime = 15 * time.Second

// steady is how long a session with an upstream relay must have lasted before
// its loss is answered with a short wait.
const steady = 30 * time.Second

// Connect joins an upstream relay until ctx ends: what that announces is
// handed out here, and what is published here is offered there. It dials again
// whenever the session ends or cannot be set up, after 1 to 30 s. The error is
// the cause of ctx.
//
// Relays may be joined as one likes: announcements name the relays that they
// came through, and none takes what has passed it before. Relays of others do not
// name them over moq-transport, unless they have moq-dev's cluster extension. To
// such an upstream relay goes what clients publish here, and what came from it
// goes to clients and to relays that name others; one that has joined this one
// (IsLeaf) gets what those give that have joined it too. So a star of them works,
// and a ring is no loop; a third step is not taken.
func (r *Relay) Connect(ctx context.Context, url string) error {
	r.init()
	log := r.Logger.With("upstream", url)
	var wait Backoff
	if r.Random != nil {
		wait.Random = r.Random(url)
	}
	for {
		dial, cancel := context.WithTimeout(ctx, setupTime)
		s, err := r.Client.Dial(dial, url, r.Mux)
		cancel()
		if err == nil {
			log.Info("upstream connected", "version", s.Version())
			began := time.Now()
			err = r.stay(ctx, s)
			if time.Since(began) >= steady {
				wait.Reset()
			}
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		d := wait.Next()
		log.Warn("upstream lost", "error", err, "retry", d.Round(time.Millisecond))
		if err := sleep(ctx, d); err != nil {
			return err
		}
	}
}

// stay waits until the session ends; the end of ctx ends it well.
func (r *Relay) stay(ctx context.Context, s *moqt.Session) error {
	r.enter(s, nil)
	defer r.leave(s)
	stop := context.AfterFunc(ctx, func() { _ = s.CloseWithError(moqt.SessionNoError, "") })
	defer stop()
	return s.Wait()
}

// Goaway asks everybody whose session was accepted here to move to uri within
// timeout, or anywhere where uri is empty. What uri leaves out is as it was for
// each session: with //host:port everybody keeps the scheme, the path, which is
// the root of its names, and the query; moqt://host:port takes WebTransport away.
// It returns when all have been asked; those whose version has no such message
// stay.
func (r *Relay) Goaway(ctx context.Context, uri string, timeout time.Duration) {
	r.init()
	r.mu.Lock()
	var asked sync.WaitGroup
	for s, from := range r.sessions {
		if from != nil {
			asked.Go(func() { _ = s.Goaway(ctx, destination(uri, from), timeout) })
		}
	}
	r.mu.Unlock()
	asked.Wait()
}

// destination completes uri for a client that has dialed from.
func destination(uri string, from *url.URL) string {
	to, err := url.Parse(uri)
	if err != nil || to.Host == "" {
		return uri
	}
	if to.Scheme == "" {
		to.Scheme = from.Scheme
	}
	if to.Path == "" && to.RawQuery == "" {
		to.Path, to.RawQuery = from.Path, from.RawQuery
	}
	return to.String()
}

// Stats are figures of a Relay.
type Stats struct {
	Sessions      int   // live ones, upstream relays included
	TotalSessions int64 // since the start
	Broadcasts    int   // announced here
	Tracks        int   // of sessions: one upstream subscription each
	Subscriptions int   // of those tracks
	Watchers      int   // announce streams that are open
	Cached        int64 // bytes that the tracks hold
	// Evicted counts groups that went, since the start, because all tracks
	// together held too much; see moqt.TrackMuxConfig.
	Evicted       int64
	BytesSent     int64 // UDP payload of all sessions, where their stack can tell
	BytesReceived int64
	// Lost counts what could not cross from the version of a publisher to that
	// of a subscriber, by its kind: once for every subscriber concerned.
	Lost moqt.LossCounts
}

// Stats returns the figures of now.
func (r *Relay) Stats() Stats {
	r.init()
	mux := r.Mux.Stats()
	r.mu.Lock()
	defer r.mu.Unlock()
	st := Stats{
		Sessions: len(r.sessions), TotalSessions: r.total,
		Broadcasts: mux.Broadcasts, Tracks: mux.Tracks, Subscriptions: mux.Readers, Watchers: mux.Watchers,
		Cached: mux.Cached, Evicted: mux.Evicted,
		BytesSent: r.sent, BytesReceived: r.received, Lost: r.Mux.Lost(),
	}
	for s := range r.sessions {
		c := s.Stats()
		st.BytesSent += max(0, c.BytesSent)
		st.BytesReceived += max(0, c.BytesReceived)
	}
	return st
}
