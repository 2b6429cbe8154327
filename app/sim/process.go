package sim

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/app/moqt"
	"github.com/moqtgo/moqt/app/relay"
)

// A process is what runs on a node, from one start to the next.
type process struct {
	w    *World
	name string
	node *memnet.Node

	alive  bool
	lives  int
	ctx    context.Context // of this life
	cancel context.CancelFunc
	wg     *sync.WaitGroup
}

func (w *World) process(name string) process {
	return process{w: w, name: name, node: w.net.Node(name)}
}

func (p *process) base() *process { return p }

func (p *process) open() {
	p.alive = true
	p.lives++
	p.ctx, p.cancel = context.WithCancel(p.w.ctx)
	p.wg = new(sync.WaitGroup)
}

// crash ends the process without a word.
func (p *process) crash() {
	p.alive = false
	p.node.Crash()
	p.cancel()
}

// quit ends what still runs, after leave.
func (p *process) quit() {
	p.alive = false
	p.cancel()
}

// run runs f in this life.
func (p *process) run(f func(ctx context.Context)) {
	ctx, wg := p.ctx, p.wg
	wg.Add(1)
	p.w.wg.Go(func() {
		defer wg.Done()
		f(ctx)
	})
}

// random returns a source of numbers for one purpose in this life.
func (p *process) random(purpose string) func() float64 {
	return source(hash(p.w.conf.Seed, p.name, purpose, fmt.Sprint(p.lives)))
}

// hop returns a node id that follows from the seed.
func (p *process) hop() uint64 {
	return 1 + hash(p.w.conf.Seed, p.name, "hop", fmt.Sprint(p.lives))>>12
}

// A dialer is a process that keeps a session with a relay.
type dialer struct {
	process
	relay  string // where it dials
	root   moqt.Path
	scheme string
	client *moqt.Client
	once   bool // it does not dial again

	mu       sync.Mutex
	session  *moqt.Session
	sessions int
	lastErr  error
}

func (w *World) dialer(name, relay string, l *Line) *dialer {
	d := &dialer{process: w.process(name), relay: relay, root: moqt.ParsePath(l.word("root", ""))}
	d.client = w.Client(name)
	d.client.Redirect = anywhere
	d.scheme = "moqt"
	if l.word("via", "") == "webtransport" || d.root != "" && pathless(d.client.Config.Versions) {
		d.scheme = "https"
	}
	d.once = l.word("retry", "yes") == "no"
	return d
}

func (d *dialer) url(relay string) string {
	return fmt.Sprintf("%s://%s:443/%s", d.scheme, relay, d.root)
}

// stay keeps a session until ctx ends, and calls use with each.
func (d *dialer) stay(ctx context.Context, mux *moqt.TrackMux, use func(context.Context, *moqt.Session)) {
	wait := relay.Backoff{Random: d.random("redial")}
	for ctx.Err() == nil {
		dial, cancel := context.WithTimeout(ctx, 10*time.Second)
		s, err := d.client.Dial(dial, d.url(d.relay), mux)
		cancel()
		d.met(s, err)
		if err == nil {
			d.w.note(d.name, "session %s", s.Version())
			if use != nil {
				use(s.Context(), s)
			}
			err = s.Wait()
			d.met(nil, err)
			wait.Reset()
		}
		d.w.note(d.name, "no session: %v", err)
		if d.once || wait.Wait(ctx) != nil {
			return
		}
	}
}

func (d *dialer) met(s *moqt.Session, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.session, d.lastErr = s, err
	if s != nil {
		d.sessions++
	}
}

// now returns the session, nil where there is none.
func (d *dialer) now() *moqt.Session {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.session
}

// where returns the relay that has the session; without one, the relay that is
// dialed.
func (d *dialer) where() string {
	if s := d.now(); s != nil && s.Context().Err() == nil {
		if a, ok := s.RemoteAddr().(memnet.Addr); ok {
			return a.Node
		}
	}
	return d.relay
}

// leave closes the session in order.
func (d *dialer) leave() {
	if s := d.now(); s != nil {
		_ = s.CloseWithError(moqt.SessionNoError, "")
		d.w.Wait()
	}
}

// connected returns facts of a session.
func (d *dialer) connected() []fact {
	d.mu.Lock()
	defer d.mu.Unlock()
	up := d.session != nil && d.session.Context().Err() == nil
	f := []fact{yes("alive", d.alive), yes("connected", up), number("sessions", d.sessions)}
	if up {
		if a, ok := d.session.RemoteAddr().(memnet.Addr); ok {
			f = append(f, text("at", a.Node))
		}
	}
	return f
}

func (d *dialer) check(*World) {}

func (d *dialer) over() error {
	if s := d.now(); s != nil && s.Context().Err() == nil {
		return fmt.Errorf("%s still has a session", d.name)
	}
	return nil
}
