package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/app/moqt"
	"github.com/moqtgo/moqt/ports/quic"
)

// Config are the settings of a World. The zero value, and nil, take the
// defaults named.
type Config struct {
	// Seed decides everything that is left to chance.
	Seed uint64
	// Dialects are the versions that clients speak, relays towards their
	// upstreams included, in turn: the newest moq-lite.
	Dialects []string
	// Link is every link that a story does not change: 5 ms.
	Link memnet.Link
	// Bound is how soon after the last fault every subscriber must receive
	// again: a minute, see recovery.
	Bound time.Duration
	// Log takes the lines of the story and what has changed with each.
	Log io.Writer
	// Trace takes a line for everything that the network hands over.
	Trace io.Writer
	// Loose does without one order of everything: it is faster, what arrives
	// does so in steps of 250 µs, and no two runs are the same.
	Loose bool
}

func (c *Config) withDefaults() Config {
	var d Config
	if c != nil {
		d = *c
	}
	if len(d.Dialects) == 0 {
		d.Dialects = Dialects[:1]
	}
	if d.Link == (memnet.Link{}) {
		d.Link.Latency = 5 * time.Millisecond
	}
	if d.Bound == 0 {
		d.Bound = recovery
	}
	if d.Log == nil {
		d.Log = io.Discard
	}
	return d
}

// A World is a network in memory with relays, publishers and subscribers on
// it, in virtual time. What is to happen in it happens one thing at a time, in
// an order that only the seed decides. It belongs to the goroutine of the
// function that Run called.
type World struct {
	conf   Config
	net    *memnet.Network
	start  time.Time
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	actors  []actor // in the order of their coming
	byName  map[string]actor
	timed   []timed
	dialed  int                      // clients so far
	epochs  map[string]time.Duration // by the label of a content
	links   map[[2]string]*state
	link    memnet.Link
	changed time.Duration // when the last fault or repair was
	said    map[string]string
	loops   map[string]time.Duration // since when a routing cycle is there
	checked time.Duration

	mu       sync.Mutex
	contents map[contentKey]*content
	broken   []error
}

// A state is what a link is like.
type state struct {
	memnet.Link
	cut bool
}

// An actor is somebody on a node.
type actor interface {
	base() *process
	begin()          // the process starts
	leave()          // it ends in order; begin may follow
	facts() []fact   // what can be said of it, in a fixed order
	check(w *World)  // that nothing is broken
	over() (s error) // that nothing is left of it
}

// A timed actor has something to do at times of its own.
type timed interface {
	actor
	// next returns when; false: never, as things are.
	next() (time.Duration, bool)
	act(now time.Duration)
}

// newWorld returns a world in the bubble that it is called in.
func newWorld(conf *Config) *World {
	w := &World{
		conf: conf.withDefaults(), start: time.Now(), byName: map[string]actor{},
		epochs: map[string]time.Duration{}, contents: map[contentKey]*content{},
		links: map[[2]string]*state{}, said: map[string]string{}, loops: map[string]time.Duration{},
	}
	w.link = w.conf.Link
	net := memnet.Config{Seed: w.conf.Seed, Settle: synctest.Wait, Trace: w.conf.Trace, Link: w.conf.Link}
	if w.conf.Loose {
		net.Settle, net.Grain = nil, grain
	}
	w.net = memnet.New(net)
	w.ctx, w.cancel = context.WithCancel(context.Background())
	return w
}

// Net returns the network.
func (w *World) Net() *memnet.Network { return w.net }

// Now returns the age of the world.
func (w *World) Now() time.Duration { return time.Since(w.start) }

// Wait returns when everything of this instant has happened.
func (w *World) Wait() {
	if w.conf.Loose {
		synctest.Wait()
		return
	}
	w.net.Wait()
}

// Advance lets time pass.
func (w *World) Advance(d time.Duration) {
	for end := w.Now() + d; ; {
		due, ok := w.next()
		step := min(end, w.checked+checkEvery)
		if ok {
			step = min(step, due)
		}
		if now := w.Now(); step > now {
			time.Sleep(step - now)
		}
		w.Wait()
		now := w.Now()
		for _, a := range w.timed {
			for {
				due, ok := a.next()
				if !ok || due > now || w.stopped() {
					break
				}
				a.act(now)
				w.Wait()
			}
		}
		w.check()
		if now >= end || w.stopped() {
			return
		}
	}
}

func (w *World) next() (due time.Duration, ok bool) {
	for _, a := range w.timed {
		if d, is := a.next(); is && (!ok || d < due) {
			due, ok = d, true
		}
	}
	return due, ok
}

// breach notes that something is broken that never may be.
func (w *World) breach(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := fmt.Errorf("at %v: "+format, append([]any{w.Now()}, args...)...)
	known := slices.ContainsFunc(w.broken, func(e error) bool { return e.Error() == err.Error() })
	if len(w.broken) < 10 && !known {
		w.broken = append(w.broken, err)
	}
}

func (w *World) stopped() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.broken) > 0
}

// Err returns what is broken.
func (w *World) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return errors.Join(w.broken...)
}

// note adds a line to the trace.
func (w *World) note(who, format string, args ...any) {
	if w.conf.Trace != nil {
		w.net.Trace(who, fmt.Sprintf(format, args...))
	}
}

// Do plays one line of a story.
func (w *World) Do(line string) error {
	l, err := parseLine(line)
	if err != nil || l == nil {
		return err
	}
	return w.do(l)
}

func (w *World) do(l *Line) error {
	fmt.Fprintf(w.conf.Log, "> %v\n", l)
	w.note("story", "%v", l)
	if err := verbs[l.Verb].run(w, l); err != nil {
		return fmt.Errorf("%v: %w", l, err)
	}
	w.Wait()
	w.check()
	w.report()
	return w.Err()
}

// report logs what has changed: actors of which the same is to be said share a
// line.
func (w *World) report() {
	if w.conf.Log == io.Discard {
		return
	}
	for i := 0; i < len(w.actors); {
		text := describe(w.actors[i].facts())
		last := i
		for last+1 < len(w.actors) && describe(w.actors[last+1].facts()) == text && w.changes(last+1, text) == w.changes(i, text) &&
			fmt.Sprintf("%T", w.actors[last+1]) == fmt.Sprintf("%T", w.actors[i]) {
			last++
		}
		if w.changes(i, text) && text != "" {
			who := w.actors[i].base().name
			if last > i {
				who += " … " + w.actors[last].base().name
			}
			fmt.Fprintf(w.conf.Log, "  %s: %s\n", who, text)
		}
		for ; i <= last; i++ {
			w.said[w.actors[i].base().name] = text
		}
	}
}

func (w *World) changes(i int, text string) bool { return w.said[w.actors[i].base().name] != text }

// enter adds an actor and starts it.
func (w *World) enter(a actor) {
	b := a.base()
	w.actors = append(w.actors, a)
	w.byName[b.name] = a
	if t, ok := a.(timed); ok {
		w.timed = append(w.timed, t)
	}
	b.open()
	a.begin()
}

// free returns an error where a name is taken.
func (w *World) free(name string) error {
	if w.byName[name] != nil {
		return nonsense("there is a %q already", name)
	}
	return nil
}

// find returns the actors that a pattern covers.
func (w *World) find(pattern string) ([]actor, error) {
	var found []actor
	for _, a := range w.actors {
		if matches(pattern, a.base().name) {
			found = append(found, a)
		}
	}
	if len(found) == 0 {
		return nil, nonsense("nobody is called %q", pattern)
	}
	return found, nil
}

// version returns what the next client speaks.
func (w *World) version() string {
	w.dialed++
	return w.conf.Dialects[(w.dialed-1)%len(w.conf.Dialects)]
}

// disturbed notes that the network or who is on it has changed.
func (w *World) disturbed() { w.changed = w.Now() }

// limits are those of every connection.
func limits(streams int64) *quic.Config {
	return &quic.Config{
		EnableDatagrams: true, MaxIncomingStreams: streams, MaxIncomingUniStreams: streams,
		MaxIdleTimeout: idleTimeout, KeepAlivePeriod: idleTimeout / 3,
	}
}

const (
	// idleTimeout is when a peer that is silent is taken for dead.
	idleTimeout = 10 * time.Second
	// recovery is how long it takes at most until everybody receives again:
	// a dead session is noticed after 10 s, an attempt to dial that has just
	// begun takes 10 s, and the next one may be 30 s + 25 % away.
	recovery = time.Minute
	// coalesce lets everything that one hand-over brings be there before any
	// of it is sent on. It is odd so that its parts do not add up to it: what
	// waits for a part of it once more does not meet what waits for all of it.
	coalesce = 1009 * time.Nanosecond
	// grain is the step in which a loose world goes on: a quarter of what
	// timers of QUIC are taken to be good for (RFC 9002 section 6.1.2).
	grain = 250 * time.Microsecond
	// checkEvery is how much time may pass between two looks at everything.
	checkEvery = 250 * time.Millisecond
)

// Client returns a client on a node of this world.
func (w *World) Client(node string) *moqt.Client {
	n := w.net.Node(node)
	return &moqt.Client{
		QUICConfig: limits(0), DialQUICFunc: n.Dial, DialWebTransportFunc: n.DialWebTransport,
		Config: &moqt.Config{Coalesce: coalesce, Versions: []string{w.version()}},
	}
}

// A contentKey is the label and the name under which something was published.
type contentKey struct {
	label string
	name  moqt.FullTrackName
}

// content returns what was published under a name and label; nil: nothing.
func (w *World) content(label string, n moqt.FullTrackName) *content {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.contents[contentKey{label, n}]
}

// An unplayable error says that a line makes no sense where it stands: of
// somebody who is not there, for example.
type unplayableError struct{ error }

func (e unplayableError) Unwrap() error { return e.error }

func nonsense(format string, args ...any) error {
	return unplayableError{fmt.Errorf(format, args...)}
}

func unplayable(err error) bool {
	var u unplayableError
	return errors.As(err, &u)
}
