package dialect

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/moqtgo/moqt/core/moq"
)

// Config are the settings of a session. The zero value takes the defaults.
type Config struct {
	// Hop is the id that an endpoint which is no relay puts into its
	// announcements; 0: that of the home view's Mux.
	Hop uint64
	// Import publishes in the home view what the peer announces: what makes
	// a session one of a relay.
	Import bool
	// Leaf says that the client is a relay that has joined this one; peers
	// that can tell do so themselves. See route.Leaf.
	Leaf bool
	// Target is the path and query that a client asks for where the
	// transport carries no URL.
	Target string
	// Host is the host of the URL that the client dialed.
	Host string
	// SetupTimeout bounds each step of the set-up: 5 s.
	SetupTimeout time.Duration
	// RequestTimeout bounds the wait for the answer to a request: 10 s.
	RequestTimeout time.Duration
	// MinLatency is how long a group is still sent, whatever the subscriber
	// says, once a newer one exists: 1 s.
	MinLatency time.Duration
	// Coalesce is how long what is ready to be sent waits for more of it: 0.
	// Some of it leaves later, in fewer packets; how much later depends on the
	// connection, and is up to half as long again. A simulation sets about a
	// microsecond: then everything of an instant is known before any of it is
	// written, and it does not matter what came first.
	Coalesce time.Duration
	// OnGoaway is called when the peer asks to move to uri ("" for
	// anywhere).
	OnGoaway func(uri string, timeout time.Duration)
	// OnPanic is told of a panic in a goroutine of the session, which is then
	// closed with the dialect's code of an internal error. nil: the panic
	// ends the process, as tests want it.
	OnPanic func(v any, stack []byte)
	Limits  Limits
}

// WithDefaults returns c with every zero field replaced by its default.
func (c *Config) WithDefaults() *Config {
	var d Config
	if c != nil {
		d = *c
	}
	orDefault(&d.SetupTimeout, 5*time.Second)
	orDefault(&d.RequestTimeout, 10*time.Second)
	orDefault(&d.MinLatency, time.Second)
	d.Limits = d.Limits.withDefaults()
	return &d
}

// Gather waits for half of Coalesce, so that all that one moment brings is there
// and what comes of it is sent with the rest.
func (c *Config) Gather(ctx context.Context) { pause(ctx, c.Coalesce/2) }

// GatherEarly is Gather for what comes first of two that would meet otherwise.
func (c *Config) GatherEarly(ctx context.Context) { pause(ctx, c.Coalesce/4) }

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Limits bound what a peer may make us hold. A field left zero takes the
// default named.
type Limits struct {
	ControlBytes  int           // a control message: 64 KiB
	ParkedStreams int           // streams that came before what they belong to: 32
	ParkTime      time.Duration // how long they may wait: 1 s
	HeaderTime    time.Duration // until a stream's first message is complete: 10 s
	Requests      int           // request streams before their first message: 100; more wait
	RequestRate   int           // requests and updates a second once RequestBurst is spent: 200
	RequestBurst  int           // Subscriptions and Announcements together: a peer that is back asks for all it had
	Resets        int           // streams that the peer opens and aborts, a second: 100
	Updates       int           // updates of one request that we have not answered: 8
	UnsentBytes   int           // messages of ours that the peer does not read: 8 MiB
	Rendezvous    time.Duration // how long a subscription may ask to wait for its broadcast: 10 s
	Subscriptions int           // live subscriptions of the peer: 1024
	Watches       int           // announce streams of the peer: 256
	Announcements int           // live announcements of the peer: 4096
	AnnounceLull  time.Duration // between what a watcher is told of one change and of the next: 10 ms
	Fetches       int           // concurrent fetches of the peer: 16
	Probes        int           // probe streams of the peer: 8
	FetchTime     time.Duration // of one fetch: 20 s
	FetchGroups   int           // groups of one fetch: 1024
	OpenGroups    int           // open group streams of one subscription: 64; four times that from a peer
	Datagrams     int           // datagrams parked for a subscription to come: 30
	Cache         moq.CacheLimits
}

func (l Limits) withDefaults() Limits {
	orDefault(&l.ControlBytes, 64<<10)
	orDefault(&l.ParkedStreams, 32)
	orDefault(&l.ParkTime, time.Second)
	orDefault(&l.HeaderTime, 10*time.Second)
	orDefault(&l.Requests, 100)
	orDefault(&l.Rendezvous, 10*time.Second)
	orDefault(&l.Subscriptions, 1024)
	orDefault(&l.RequestRate, 200)
	orDefault(&l.Resets, 100)
	orDefault(&l.Updates, 8)
	orDefault(&l.UnsentBytes, 8<<20)
	orDefault(&l.Watches, 256)
	orDefault(&l.Announcements, 4096)
	orDefault(&l.RequestBurst, l.Subscriptions+l.Announcements)
	orDefault(&l.AnnounceLull, 10*time.Millisecond)
	orDefault(&l.Fetches, 16)
	orDefault(&l.Probes, 8)
	orDefault(&l.FetchTime, 20*time.Second)
	orDefault(&l.FetchGroups, 1024)
	orDefault(&l.OpenGroups, 64)
	orDefault(&l.Datagrams, 30)
	return l
}

func orDefault[T int | int64 | uint64 | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// A Quota counts what is in use of one kind.
type Quota struct {
	limit int64
	used  atomic.Int64
	// Refused counts what was over the limit.
	Refused atomic.Int64
}

// Take reserves one; false says that the limit is reached.
func (q *Quota) Take() bool {
	if q.used.Add(1) > q.limit {
		q.used.Add(-1)
		q.Refused.Add(1)
		return false
	}
	return true
}

// Release gives one back.
func (q *Quota) Release() { q.used.Add(-1) }

// Used returns how many are in use.
func (q *Quota) Used() int { return int(q.used.Load()) }

// A Budget is what the peer of one session may still use.
type Budget struct {
	Subscriptions, Watches, Announcements, Fetches, Probes, Parked Quota
}

// NewBudget returns the budget that l allows.
func NewBudget(l *Limits) *Budget {
	b := new(Budget)
	b.Subscriptions.limit = int64(l.Subscriptions)
	b.Watches.limit = int64(l.Watches)
	b.Announcements.limit = int64(l.Announcements)
	b.Fetches.limit = int64(l.Fetches)
	b.Probes.limit = int64(l.Probes)
	b.Parked.limit = int64(l.ParkedStreams)
	return b
}
