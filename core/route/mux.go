// Package route knows who has what: publications and those who watch for
// them, the best route for each peer, and one shared track for each upstream
// subscription. It is passive like package moq: it decides, and others act.
package route

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/moqtgo/moqt/core/moq"
)

// A Source is where the objects of a publication come from: a session, or a
// handler in this process. Its methods must not block, but for Fetch. Sources
// are compared: use a pointer.
type Source interface {
	// Track returns the track of an absolute name where it exists already: a
	// producer's own log. nil makes the Mux make one that Want is told of.
	Track(name moq.FullTrackName) *moq.Track
	// Want says that the track has demand or that its demand has changed:
	// look at t.Demand. A demand that is paused asks for the info only; one
	// without readers may come back until Drop. The source appends to t until
	// it is told to Drop it, and ends it with Finish or Fail. Want can be
	// called again, and after Drop.
	Want(t *moq.Track)
	// Drop says that t is not wanted any more from this source: another one
	// may be writing it now. It can be called again, and without Want.
	Drop(t *moq.Track)
	// Fetch asks for objects of the past and blocks until the first answer.
	Fetch(ctx context.Context, r moq.FetchRequest) (*moq.ObjectReader, error)
}

// Config are the settings of a Mux. The zero value takes the defaults named.
type Config struct {
	// Hop is the id of this node in the hop lists of announcements.
	Hop uint64
	// Linger is how long a broadcast whose publisher vanished stays
	// announced: 5 s. Negative: not at all.
	Linger time.Duration
	// Patience is how long a subscription to an unknown broadcast waits for
	// its announcement: 1 s. Negative: not at all.
	Patience time.Duration
	// Idle is how long a track without readers stays subscribed: 30 s.
	// Negative: not at all.
	Idle time.Duration
	// MaxHops is the longest hop list that is passed on: 32.
	MaxHops int
	// Cache bounds each shared track.
	Cache moq.CacheLimits
	// CacheBytes is what all shared tracks may hold together: 1 GiB. RootBytes
	// is what those may that are published below the root of one scope: half of
	// that. See moq.Budget.
	CacheBytes, RootBytes int64
	// Broadcasts is how many publications of sessions there may be, those that
	// linger included: 262,144. RootBroadcasts is how many of them may be below
	// one root: 65,536.
	Broadcasts, RootBroadcasts int
}

func (c Config) withDefaults() Config {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&c.Linger, 5 * time.Second}, {&c.Patience, time.Second}, {&c.Idle, 30 * time.Second}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if c.MaxHops == 0 {
		c.MaxHops = 32
	}
	orDefault(&c.CacheBytes, 1<<30)
	orDefault(&c.RootBytes, c.CacheBytes/2)
	orDefault(&c.Broadcasts, 1<<18)
	orDefault(&c.RootBroadcasts, 1<<16)
	return c
}

func orDefault[T int | int64](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// A Mux connects publications with those who watch and subscribe. All methods
// may be called concurrently.
type Mux struct {
	conf  Config
	cache *moq.Budget

	mu       sync.Mutex
	root     node
	total    int              // publications of sessions
	totals   map[moq.Path]int // of those below one root
	feeds    map[*moq.Track]*feed
	fading   map[*content]struct{} // contents without a live publication
	endings  map[*node]struct{}    // where echoes may come
	counted  bool                  // somebody has counted nodes, and not named them
	serial   uint64
	ended    uint64 // contents
	alarm    func(time.Time)
	watchers int
	lost     moq.LossCounter
}

// NewMux returns an empty Mux.
func NewMux(conf Config) *Mux {
	conf = conf.withDefaults()
	return &Mux{
		conf: conf, cache: moq.NewBudget(conf.CacheBytes, conf.RootBytes),
		feeds: map[*moq.Track]*feed{}, fading: map[*content]struct{}{}, endings: map[*node]struct{}{}, totals: map[moq.Path]int{},
	}
}

// Lost counts what the versions of the sessions could not carry.
func (m *Mux) Lost() *moq.LossCounter { return &m.lost }

// Hop returns the id of this node.
func (m *Mux) Hop() uint64 { return m.conf.Hop }

// SetAlarm sets who is told when the next Sweep is due; a zero time means at
// once. It is called without locks held and must not block.
func (m *Mux) SetAlarm(alarm func(time.Time)) {
	m.mu.Lock()
	m.alarm = alarm
	m.mu.Unlock()
}

func (m *Mux) ring(at time.Time) {
	m.mu.Lock()
	alarm := m.alarm
	m.mu.Unlock()
	if alarm != nil {
		alarm(at)
	}
}

// Stats counts what a Mux holds.
type Stats struct {
	Broadcasts int // paths with a publication that is alive or lingers
	Tracks     int // shared tracks
	Readers    int // subscriptions of shared tracks
	Watchers   int
	Cached     int64 // bytes that shared tracks hold
	Evicted    int64 // groups that went because all tracks together held too much, since the start
}

// Stats returns what the Mux holds now.
func (m *Mux) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	cache := m.cache.Stats()
	s := Stats{Tracks: len(m.feeds), Watchers: m.watchers, Cached: cache.Bytes, Evicted: cache.Evicted}
	for t := range m.feeds {
		s.Readers += t.Demand().Readers
	}
	m.root.walk("", func(_ moq.Path, n *node) {
		if n.active() != nil {
			s.Broadcasts++
		}
	})
	return s
}

// A Feed is one shared track.
type Feed struct {
	Track *moq.Track
	// Source is where its objects come from, the first one of several; nil where
	// it waits for one.
	Source Source
	// Former says that the broadcast or the track has ended: those who had
	// subscribed keep the track for as long as they read it, others get another
	// one.
	Former bool

	mux  *Mux
	feed *feed
}

// Peers returns the peers of the views that read the track now, each once and in
// no order.
func (f Feed) Peers() []any {
	f.mux.mu.Lock()
	defer f.mux.mu.Unlock()
	f.feed.prune()
	peers := map[any]struct{}{}
	for _, v := range f.feed.viewers {
		if v.peer != nil {
			peers[v.peer] = struct{}{}
		}
	}
	return slices.Collect(maps.Keys(peers))
}

// Feeds returns the shared tracks in the order of their names.
func (m *Mux) Feeds() []Feed {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []*feed
	for _, f := range m.feeds {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b *feed) int {
		return cmp.Or(a.track.Name().Compare(b.track.Name()), cmp.Compare(a.serial, b.serial))
	})
	feeds := make([]Feed, len(all))
	for i, f := range all {
		feeds[i] = Feed{Track: f.track, Former: f.content.ended || f.over(), mux: m, feed: f}
		if len(f.pubs) > 0 {
			feeds[i].Source = f.pubs[0].source
		}
	}
	return feeds
}

// Sweep does what is due at now: it ends broadcasts that have lingered and
// waited long enough, and drops tracks that nobody reads. It returns when it
// wants to be called next; the zero time means not before the next alarm.
func (m *Mux) Sweep(now time.Time) (next time.Time) {
	later := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	var calls calls
	m.mu.Lock()
	var ended []*content
	fading := slices.SortedFunc(maps.Keys(m.fading), func(a, b *content) int { return cmp.Compare(a.serial, b.serial) })
	for _, c := range fading {
		if next := c.giveUp(now, &calls); !next.IsZero() {
			later(next)
		}
		if now.Before(c.deadline) {
			later(c.deadline)
		} else {
			ended = append(ended, c)
		}
	}
	for _, c := range ended {
		m.endContent(c, &calls)
	}
	m.unhush(now, later, &calls)
	var idle []*feed
	for _, f := range m.feeds {
		switch due := f.due(now, m.conf.Idle); {
		case due.IsZero():
		case now.Before(due):
			later(due)
		default:
			idle = append(idle, f)
		}
	}
	slices.SortFunc(idle, func(a, b *feed) int { return cmp.Compare(a.serial, b.serial) })
	for _, f := range idle {
		f.forget(m)
		f.dropped(m, &calls)
	}
	m.straighten(m.strays(), &calls)
	m.release(now, later, &calls)
	m.mu.Unlock()
	calls.run()
	return next
}

// due returns when the feed is to be dropped; the zero time while it is read.
func (f *feed) due(now time.Time, patience time.Duration) time.Time {
	if f.track.Demand().Readers > 0 || len(f.pushed) > 0 {
		f.idle = time.Time{}
		return f.idle
	}
	if f.idle.IsZero() {
		f.idle = now
	}
	if _, err := f.track.Ended(); err != nil {
		return now
	}
	return f.idle.Add(max(0, patience))
}

// tell makes the source believe what is true of its track. Calls for one track
// may overtake each other, so whoever makes one looks again afterwards: the
// last one that the source sees is right.
func (m *Mux) tell(s Source, t *moq.Track) {
	for wanted := m.feeding(s, t); ; {
		if wanted {
			s.Want(t)
		} else {
			s.Drop(t)
		}
		now := m.feeding(s, t)
		if now == wanted {
			return
		}
		wanted = now
	}
}

func (m *Mux) feeding(s Source, t *moq.Track) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.feeds[t]
	return f != nil && f.fedBy(s)
}

// calls are what must be done once the lock is released.
type calls []func()

func (c *calls) add(f func())                        { *c = append(*c, f) }
func (c *calls) want(m *Mux, s Source, t *moq.Track) { c.add(func() { m.tell(s, t) }) }
func (c *calls) drop(m *Mux, s Source, t *moq.Track) { c.add(func() { m.tell(s, t) }) }
func (c *calls) fail(t *moq.Track, e *moq.Error)     { c.add(func() { t.Fail(e) }) }

func (c calls) run() {
	for _, f := range c {
		f()
	}
}
