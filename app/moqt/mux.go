package moqt

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	"net"
	"time"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
	"github.com/moqtgo/moqt/core/session"
)

// TrackMuxConfig are the settings of a TrackMux. The zero value, and nil, take
// the defaults named.
type TrackMuxConfig struct {
	// Hop is the id of this node in the hop lists of announcements, below
	// 2^53 so that JavaScript can hold it: a random one.
	Hop uint64
	// Linger is how long a broadcast whose publisher vanished stays
	// announced: 5 s. Negative: not at all.
	Linger time.Duration
	// Patience is how long a subscription to an unknown broadcast waits for
	// its announcement: 1 s. Negative: not at all.
	Patience time.Duration
	// Idle is how long a track without subscribers stays wanted from its
	// publisher: 30 s. Negative: not at all.
	Idle time.Duration
	// MaxHops is the longest hop list that is passed on: 32.
	MaxHops int
	// Cache bounds each track.
	Cache CacheLimits
	// CacheBytes is what all tracks that come from elsewhere may hold together:
	// 1 GiB. Where they hold more, the oldest groups go. RootCacheBytes is what
	// those may hold that are published below one root, see At: half of that.
	CacheBytes, RootCacheBytes int64
	// Broadcasts is how many broadcasts all sessions may have announced: 262,144;
	// RootBroadcasts, how many of them below one root: 65,536.
	Broadcasts, RootBroadcasts int
	// Logger is told of handlers that panic; nil is slog.Default(). Their track
	// ends with CodeInternal; the process lives on.
	Logger *slog.Logger
}

// A TrackMux connects publishers, in this process and at the other end of
// sessions, with those who watch and subscribe. It needs no closing. All
// methods may be called concurrently; paths may have slashes at their ends.
type TrackMux struct {
	mux   *route.Mux
	root  Path
	allow func(Op, Path) error // nil: everything
	view  *route.View          // all of the above
	cache CacheLimits
	log   *slog.Logger
}

// NewTrackMux returns an empty TrackMux.
func NewTrackMux(conf *TrackMuxConfig) *TrackMux {
	var c TrackMuxConfig
	if conf != nil {
		c = *conf
	}
	if c.Hop == 0 {
		c.Hop = randomHop()
	}
	m := session.NewMux(route.Config{
		Hop: c.Hop, Linger: c.Linger, Patience: c.Patience, Idle: c.Idle, MaxHops: c.MaxHops, Cache: c.Cache,
		CacheBytes: c.CacheBytes, RootBytes: c.RootCacheBytes, Broadcasts: c.Broadcasts, RootBroadcasts: c.RootBroadcasts,
	})
	return (&TrackMux{mux: m, cache: c.Cache, log: c.Logger}).scoped("", nil)
}

// scoped returns m below another root, and with another allow.
func (m *TrackMux) scoped(root Path, allow func(Op, Path) error) *TrackMux {
	return &TrackMux{
		mux: m.mux, root: root, allow: allow, cache: m.cache, log: m.log,
		view: m.mux.View(route.Scope{Root: root, Allow: allow}),
	}
}

func randomHop() uint64 {
	for {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails
		if hop := binary.BigEndian.Uint64(b[:]) >> 11; hop != 0 {
			return hop
		}
	}
}

// DefaultMux is the TrackMux that is used where none is given.
var DefaultMux = NewTrackMux(nil)

func (m *TrackMux) orDefault() *TrackMux {
	if m == nil {
		return DefaultMux
	}
	return m
}

// At returns what is below root of m: paths are relative to it, and nothing
// else can be reached.
func (m *TrackMux) At(root Path) *TrackMux {
	root = clean(root)
	allow := m.allow
	if allow != nil {
		allow = func(op Op, path Path) error { return m.allow(op, root.Join(path)) }
	}
	return m.scoped(m.root.Join(root), allow)
}

// With returns m restricted to what allow has no error for. It is asked before
// every operation, with the path relative to m; a refusal should be an *Error
// with CodeUnauthorized. Sessions that are accepted with the result are bound
// by it.
func (m *TrackMux) With(allow func(op Op, path Path) error) *TrackMux {
	both := func(op Op, path Path) error {
		if m.allow != nil {
			if err := m.allow(op, path); err != nil {
				return err
			}
		}
		return allow(op, path)
	}
	return m.scoped(m.root, both)
}

// Root returns the path that m is below.
func (m *TrackMux) Root() Path { return m.root }

// Hop returns the id of this node in the hop lists of announcements.
func (m *TrackMux) Hop() uint64 { return m.mux.Hop() }

// Stats counts what the whole TrackMux holds, whatever m is restricted to.
func (m *TrackMux) Stats() MuxStats { return m.mux.Stats() }

// Lost counts what could not cross from the version of a publisher to that of
// a subscriber, since the whole TrackMux was made.
func (m *TrackMux) Lost() LossCounts { return m.mux.Lost().Counts() }

// TrackStats are figures of a track that a TrackMux has from elsewhere, and
// shares among its subscribers.
type TrackStats struct {
	Name FullTrackName // absolute
	// From is the address of the session that feeds the track; nil where that
	// is a handler of this process, or where the track waits for a source.
	From          net.Addr
	Subscriptions int
	// Former says that the broadcast or the track has ended: those who had
	// subscribed still read it.
	Former bool
	Cached int64 // bytes in the cache, and 256 for each object

	feed route.Feed
}

// To returns the addresses of the sessions that read the track now, in no order.
func (t *TrackStats) To() (all []net.Addr) {
	for _, p := range t.feed.Peers() {
		all = append(all, p.(dialect.Peer).RemoteAddr())
	}
	return all
}

// Tracks returns the tracks of the whole TrackMux, whatever m is restricted
// to, in the order of their names. Those of a Broadcast in this process are not
// among them.
func (m *TrackMux) Tracks() []TrackStats {
	feeds := m.mux.Feeds()
	all := make([]TrackStats, len(feeds))
	for i, f := range feeds {
		all[i] = TrackStats{Name: f.Track.Name(), Subscriptions: f.Track.Demand().Readers, Former: f.Former, Cached: f.Track.Cached(), feed: f}
		if p, ok := f.Source.(dialect.Peer); ok {
			all[i].From = p.RemoteAddr()
		}
	}
	return all
}

// Publish announces a broadcast until ctx ends; it does not wait for that.
// handler is run, in a goroutine of its own, for each track of it that is
// wanted; those that run when ctx ends have their contexts ended.
func (m *TrackMux) Publish(ctx context.Context, path Path, handler TrackHandler) error {
	return m.enter(ctx, path, route.Route{}, newHandled(ctx, m, handler))
}

// PublishFunc is Publish with a function.
func (m *TrackMux) PublishFunc(ctx context.Context, path Path, f func(*TrackWriter)) error {
	return m.Publish(ctx, path, TrackHandlerFunc(f))
}

// HandlePrefix lets handler serve, until ctx ends, the broadcasts at prefix
// and below that nobody announces. They are not announced either. The longest
// prefix wins.
func (m *TrackMux) HandlePrefix(ctx context.Context, prefix Path, handler TrackHandler) error {
	return m.enter(ctx, prefix, route.Route{Prefix: true, Hidden: true}, newHandled(ctx, m, handler))
}

// Announce announces a broadcast until ctx ends; it does not wait for that,
// and the broadcast is not closed then. A broadcast can be announced under
// several paths.
func (m *TrackMux) Announce(ctx context.Context, path Path, b *Broadcast) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	pub, err := m.view.Publish(clean(path), route.Route{Tracks: b.list}, (*produced)(b))
	if err != nil {
		return err
	}
	b.enter(pub)
	context.AfterFunc(ctx, func() {
		b.leave(pub)
		pub.End()
	})
	return nil
}

func (m *TrackMux) enter(ctx context.Context, path Path, r route.Route, s route.Source) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	pub, err := m.view.Publish(clean(path), r, s)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, pub.End)
	return nil
}

// Subscribe subscribes to a track of the mux and waits until its publisher has
// said what it is. A nil sub is the live edge. Close the reader to
// unsubscribe.
func (m *TrackMux) Subscribe(ctx context.Context, path Path, track string, sub *Subscription) (*TrackReader, error) {
	var s Subscription
	if sub != nil {
		s = *sub
	}
	r, err := m.view.Subscribe(nameOf(path, track), s, time.Now(), nil)
	if err != nil {
		return nil, err
	}
	if _, err := r.WaitInfo(ctx); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Fetch returns a reader of objects of the past, from the cache where they are
// there. Close it.
func (m *TrackMux) Fetch(ctx context.Context, r FetchRequest) (*ObjectReader, error) {
	r.Name.Path = clean(r.Name.Path)
	return m.view.Fetch(ctx, r)
}

// Announced watches the broadcasts below prefix until ctx ends; those that
// there are come first. Paths are relative to m.
func (m *TrackMux) Announced(ctx context.Context, prefix Path) (*AnnounceReader, error) {
	r, err := m.view.Watch(clean(prefix), 0, nil)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { r.Fail(context.Cause(ctx)) })
	r.OnEnd(func() { stop() })
	return r, nil
}

// Publish is DefaultMux.Publish.
func Publish(ctx context.Context, path Path, handler TrackHandler) error {
	return DefaultMux.Publish(ctx, path, handler)
}

// PublishFunc is DefaultMux.PublishFunc.
func PublishFunc(ctx context.Context, path Path, f func(*TrackWriter)) error {
	return DefaultMux.PublishFunc(ctx, path, f)
}

// Announce is DefaultMux.Announce.
func Announce(ctx context.Context, path Path, b *Broadcast) error {
	return DefaultMux.Announce(ctx, path, b)
}

// withDefaults is what a producer says of a track when it says nothing else.
func withDefaults(info TrackInfo) TrackInfo {
	if info.Timescale == 0 {
		info.Timescale = 1000
	}
	if info.MaxAge == 0 {
		info.MaxAge = 5 * time.Second
	}
	return info
}

func asError(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errorAs(err); ok {
		return e
	}
	return &moq.Error{Code: moq.CodeInternal, Err: err}
}
