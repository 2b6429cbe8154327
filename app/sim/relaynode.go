package sim

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/app/moqt"
	"github.com/moqtgo/moqt/app/relay"
	"github.com/moqtgo/moqt/ports/quic"
)

// A relayNode is a relay.
type relayNode struct {
	process
	line      *Line
	version   string // towards its upstreams
	upstreams []string
	leaving   map[string]context.CancelFunc // by upstream
	relay     *relay.Relay
	server    *moqt.Server
	dead      []*relay.Relay // of earlier lives
	drained   bool

	mu     sync.Mutex
	dialed []quic.Connection // with upstreams, or where those have sent us
}

func (w *World) relay(l *Line) error {
	for _, n := range names(l.Args[0]) {
		if err := w.free(n); err != nil {
			return err
		}
		r := &relayNode{process: w.process(n), line: l, version: w.version()}
		for _, up := range l.Args[1:] {
			r.join(up)
		}
		w.disturbed()
		w.enter(r)
		w.Wait()
	}
	return nil
}

// Relay starts a relay on a node of that name, joined to others.
func (w *World) Relay(name string, upstreams ...string) (*relay.Relay, error) {
	err := w.do(&Line{Verb: "relay", Args: append([]string{name}, upstreams...)})
	if err != nil {
		return nil, err
	}
	return w.byName[name].(*relayNode).relay, nil
}

// join notes an upstream relay.
func (r *relayNode) join(up string) {
	if !slices.Contains(r.upstreams, up) {
		r.upstreams = append(r.upstreams, up)
	}
}

func (r *relayNode) begin() {
	l, n := r.line, r.node
	streams := int64(10_000)
	limits, conf := limits(streams), &moqt.Config{Coalesce: coalesce, MinLatency: l.span("minlatency", 0)}
	conf.Limits.Announcements = int(l.number("announcements", count, 0))
	conf.Limits.Cache.Bytes = int64(l.number("cache", bytesize, 0))
	r.relay = &relay.Relay{
		Mux: moqt.NewTrackMux(&moqt.TrackMuxConfig{
			Hop: r.hop(), Linger: l.span("linger", 0), Patience: l.span("patience", 0), Idle: l.span("idle", 0),
			Cache: conf.Limits.Cache,
		}),
		Random: func(upstream string) func() float64 { return r.random(upstream) },
	}
	upstream := *conf
	upstream.Versions = []string{r.version}
	r.relay.Client = &moqt.Client{
		QUICConfig: limits, Config: &upstream, DialQUICFunc: r.dial, DialWebTransportFunc: n.DialWebTransport, Redirect: anywhere,
	}
	r.server = &moqt.Server{
		Addr: ":443", TLSConfig: &tls.Config{}, QUICConfig: limits, Config: conf, Handler: r.relay,
		ListenFunc: n.Listen, NewWebtransportServerFunc: n.NewWebTransportServer,
	}
	r.drained = false
	s := r.server
	r.run(func(context.Context) { _ = s.ListenAndServe() })
	r.w.Wait()
	r.leaving = map[string]context.CancelFunc{}
	for _, up := range r.upstreams {
		r.connect(up)
	}
}

func (r *relayNode) dial(ctx context.Context, addr string, tlsConf *tls.Config, conf *quic.Config) (quic.Connection, error) {
	c, err := r.node.Dial(ctx, addr, tlsConf, conf)
	if err == nil {
		r.mu.Lock()
		r.dialed = append(r.dialed, c)
		r.mu.Unlock()
	}
	return c, err
}

// joined returns the relays that this one is joined to, or should be: its
// upstreams, and where a GOAWAY has sent it instead.
func (r *relayNode) joined() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dialed = slices.DeleteFunc(r.dialed, func(c quic.Connection) bool { return c.Context().Err() != nil })
	var live []string
	moved := false
	for _, c := range r.dialed {
		if a, ok := c.State().RemoteAddr.(memnet.Addr); ok {
			live = append(live, a.Node)
			moved = moved || !slices.Contains(r.upstreams, a.Node)
		}
	}
	if moved {
		return live
	}
	return r.upstreams
}

// connect keeps a session with an upstream relay.
func (r *relayNode) connect(up string) {
	ctx, cancel := context.WithCancel(r.ctx)
	r.leaving[up] = cancel
	this := r.relay
	r.run(func(context.Context) { _ = this.Connect(ctx, "moqt://"+up+":443/") })
	r.w.Wait()
}

func (r *relayNode) disconnect(up string) error {
	i := slices.Index(r.upstreams, up)
	if i < 0 {
		return nonsense("%s is not joined to %s", r.name, up)
	}
	r.upstreams = slices.Delete(r.upstreams, i, i+1)
	r.leaving[up]()
	delete(r.leaving, up)
	return nil
}

// stopServing keeps what the process was for the end of the world.
func (r *relayNode) stopServing() { r.dead = append(r.dead, r.relay) }

func (r *relayNode) leave() {
	r.cancel() // the upstreams
	r.w.Wait()
	_ = r.server.Close()
	r.stopServing()
}

// drain asks everybody to leave and waits for that, while time goes on.
func (r *relayNode) drain(d time.Duration) {
	s := r.server
	r.run(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, d)
		defer cancel()
		_ = s.Shutdown(ctx)
	})
	r.drained = true
	r.w.Advance(d)
	r.cancel()
	r.alive = false
	r.stopServing()
}

// goaway asks every session that was accepted to move, with its root.
func (r *relayNode) goaway(to string, timeout time.Duration) {
	uri := ""
	if to != "" {
		uri = "//" + to + ":443"
	}
	r.relay.Goaway(r.ctx, uri, timeout)
}

func (r *relayNode) facts() []fact {
	f := []fact{yes("alive", r.alive)}
	if !r.alive {
		return f
	}
	st := r.relay.Stats()
	return append(f, number("sessions", st.Sessions), number("broadcasts", st.Broadcasts),
		number("tracks", st.Tracks), number("subscriptions", st.Subscriptions), number("watchers", st.Watchers),
		number("cached", r.cached()).silent(), number("bytes", st.BytesSent).silent())
}

func (r *relayNode) cached() (n int64) {
	for _, t := range r.relay.TrackMux().Tracks() {
		n += t.Cached
	}
	return n
}

// check holds the relay to one subscription a track and peer, and to its
// budget of memory.
func (r *relayNode) check(w *World) {
	if !r.alive {
		return
	}
	r.judge(w, r.relay.TrackMux().Tracks())
}

// judge does so with what the relay says of its tracks.
func (r *relayNode) judge(w *World, tracks []moqt.TrackStats) {
	budget := int64(r.line.number("cache", bytesize, 64<<20))
	type feed struct {
		name moqt.FullTrackName
		from string
	}
	seen := map[feed]bool{}
	for _, t := range tracks {
		if t.Cached > budget+r.largestGroup() {
			w.breach("%s keeps %d bytes of %v; the limit is %d", r.name, t.Cached, t.Name, budget)
		}
		if t.From == nil || t.Former {
			continue
		}
		f := feed{t.Name, t.From.String()}
		if seen[f] {
			w.breach("%s has two subscriptions of %v from %s", r.name, t.Name, f.from)
		}
		seen[f] = true
	}
}

// largestGroup is what one group of any publisher may take: the newest one is
// always kept.
func (r *relayNode) largestGroup() (most int64) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	for _, c := range r.w.contents {
		most = max(most, int64(c.gop)*int64(c.size+512))
	}
	return most
}

// flows returns what comes from which node, and goes to which.
func (r *relayNode) flows() (all []flow) {
	relay := func(name string) bool { _, is := r.w.byName[name].(*relayNode); return is }
	node := func(a net.Addr) string { return a.(memnet.Addr).Node }
	for _, t := range r.relay.TrackMux().Tracks() {
		if t.From == nil {
			continue
		}
		f := flow{track: t.Name, at: r.name, from: node(t.From)}
		for _, to := range t.To() {
			if n := node(to); relay(n) {
				f.to = append(f.to, n)
			}
		}
		slices.Sort(f.to)
		f.to = slices.Compact(f.to)
		if !slices.ContainsFunc(all, f.same) { // many are alike where subscriptions leak
			all = append(all, f)
		}
	}
	return all
}

// over reports what is left of this process and of its earlier lives.
func (r *relayNode) over() error {
	var errs []error
	for _, dead := range r.dead {
		if st := dead.Stats(); st.Sessions+st.Broadcasts+st.Tracks+st.Subscriptions+st.Watchers > 0 {
			errs = append(errs, fmt.Errorf("%s still holds %d sessions, %d broadcasts, %d tracks, %d subscriptions and %d watchers",
				r.name, st.Sessions, st.Broadcasts, st.Tracks, st.Subscriptions, st.Watchers))
		}
	}
	return errors.Join(errs...)
}
