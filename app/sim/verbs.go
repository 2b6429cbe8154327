package sim

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/app/moqt"
)

// A verb is what a line of a story can say.
type verb struct {
	usage       string
	least, most int    // arguments; most < 0: any number
	kinds       []kind // of the arguments, the last one for all that follow
	options     map[string]kind
	conds       bool // the first argument is followed by conditions
	run         func(*World, *Line) error
}

var (
	linkOptions = map[string]kind{
		"latency": span, "jitter": span, "rate": bytesize, "loss": share, "queue": count, "mtu": count,
	}
	clientOptions = map[string]kind{"root": word, "via": via, "retry": yesno}
)

func with(base map[string]kind, more map[string]kind) map[string]kind {
	all := map[string]kind{}
	for _, m := range []map[string]kind{base, more} {
		for k, v := range m {
			all[k] = v
		}
	}
	return all
}

// verbs are all of them. It is filled in by init because a verb may play
// others.
var verbs map[string]*verb

func init() {
	each := func(f func(w *World, a actor, l *Line) error) func(*World, *Line) error {
		return func(w *World, l *Line) error {
			found, err := w.find(l.Args[0])
			for _, a := range found {
				if err == nil {
					err = f(w, a, l)
					w.Wait()
				}
			}
			return err
		}
	}
	verbs = map[string]*verb{
		"dialects": {usage: "VERSION[+VERSION...]...", least: 1, most: -1},
		"link": {
			usage: "* | A [B] | A>B [latency= jitter= rate= loss= queue= mtu=]", least: 1, most: 2,
			kinds: []kind{arrow, place}, options: linkOptions, run: (*World).setLink,
		},
		"slow": {
			usage: "A [B] | A>B [latency= jitter= rate= loss= queue= mtu=]", least: 1, most: 2,
			kinds: []kind{arrow, place}, options: linkOptions, run: (*World).setLink,
		},
		"cut":  {usage: "A [B] | A>B", least: 1, most: 2, kinds: []kind{arrow, place}, run: (*World).cut},
		"heal": {usage: "* | A [B] | A>B", least: 1, most: 2, kinds: []kind{arrow, place}, run: (*World).heal},
		"relay": {
			usage: "NAME[*N] [UPSTREAM...] [cache= linger= patience= idle= minlatency= announcements=]", least: 1, most: -1,
			kinds: []kind{names_, name}, run: (*World).relay,
			options: map[string]kind{"cache": bytesize, "linger": span, "patience": span, "idle": span, "minlatency": span, "announcements": count},
		},
		"connect":    {usage: "RELAY UPSTREAM", least: 2, most: 2, kinds: []kind{name}, run: (*World).connect},
		"disconnect": {usage: "RELAY UPSTREAM", least: 2, most: 2, kinds: []kind{name}, run: (*World).disconnect},
		"publish": {
			usage: "NAME[*N] RELAY PATH TRACK... [fps= gop= size= groups= hop= content= maxage= priority= cache= root= via= retry=]", least: 4, most: -1,
			kinds: []kind{names_, name, word}, run: (*World).publish,
			options: with(clientOptions, map[string]kind{
				"fps": count, "gop": count, "size": bytesize, "groups": count, "hop": count, "content": name, "maxage": span, "priority": count, "cache": bytesize,
			}),
		},
		"announce": {
			usage: "NAME RELAY PREFIX count= [root= via=]", least: 3, most: 3,
			kinds: []kind{name, name, word}, run: (*World).announce, options: with(clientOptions, map[string]kind{"count": count}),
		},
		"subscribe": {
			usage: "NAME[*N] RELAY PATH TRACK [latency= priority= order= from= root= via= retry=]", least: 4, most: 4,
			kinds: []kind{names_, name, word}, run: (*World).subscribe,
			options: with(clientOptions, map[string]kind{"latency": span, "priority": count, "order": order, "from": start}),
		},
		"watch": {
			usage: "NAME[*N] RELAY [PREFIX] [announcements= root= via=]", least: 2, most: 3,
			kinds: []kind{names_, name, word}, run: (*World).watch, options: with(clientOptions, map[string]kind{"announcements": count}),
		},
		"fetch": {
			usage: "NAME RELAY PATH TRACK GROUP [root= via=]", least: 5, most: 5,
			kinds: []kind{name, name, word, word, count}, run: (*World).fetch, options: clientOptions,
		},
		"unsubscribe": {usage: "NAME", least: 1, most: 1, kinds: []kind{pattern}, run: each(func(w *World, a actor, _ *Line) error {
			s, ok := a.(*subscriber)
			if !ok {
				return nonsense("%s is no subscriber", a.base().name)
			}
			s.unsubscribe()
			return nil
		})},
		"unannounce": {usage: "PUBLISHER", least: 1, most: 1, kinds: []kind{pattern}, run: each(publishing(func(p *publisher, _ *Line) { p.unannounce() }))},
		"reannounce": {usage: "PUBLISHER", least: 1, most: 1, kinds: []kind{pattern}, run: each(publishing(func(p *publisher, _ *Line) { p.announce() }))},
		"pause":      {usage: "PUBLISHER", least: 1, most: 1, kinds: []kind{pattern}, run: each(publishing(func(p *publisher, _ *Line) { p.paused = true }))},
		"resume":     {usage: "PUBLISHER", least: 1, most: 1, kinds: []kind{pattern}, run: each(publishing(func(p *publisher, _ *Line) { p.resume() }))},
		"flap": {
			usage: "PUBLISHER rate= for=", least: 1, most: 1, kinds: []kind{pattern}, options: map[string]kind{"rate": count, "for": span},
			run: each(publishing(func(p *publisher, l *Line) {
				p.flapping = time.Second / time.Duration(max(1, l.number("rate", count, 1000)))
				p.flapNext = p.w.Now()
				p.flapEnd = p.flapNext + l.span("for", time.Second)
			})),
		},
		"stall": {usage: "NAME", least: 1, most: 1, kinds: []kind{pattern}, run: each(stall(true))},
		"wake":  {usage: "NAME", least: 1, most: 1, kinds: []kind{pattern}, run: each(stall(false))},
		"stop":  {usage: "NAME", least: 1, most: 1, kinds: []kind{pattern}, run: each(stop)},
		"crash": {usage: "NAME", least: 1, most: 1, kinds: []kind{pattern}, run: each(crash)},
		"restart": {usage: "NAME", least: 1, most: 1, kinds: []kind{pattern}, run: each(func(w *World, a actor, _ *Line) error {
			if a.base().alive {
				return nonsense("%s runs", a.base().name)
			}
			w.disturbed()
			a.base().open()
			a.begin()
			return nil
		})},
		"goaway": {usage: "RELAY [TO] [timeout=]", least: 1, most: 2, kinds: []kind{name}, options: map[string]kind{"timeout": span}, run: (*World).goaway},
		"drain":  {usage: "RELAY [timeout=]", least: 1, most: 1, kinds: []kind{name}, options: map[string]kind{"timeout": span}, run: (*World).drain},
		"advance": {usage: "TIME", least: 1, most: 1, kinds: []kind{span}, run: func(w *World, l *Line) error {
			d, _ := time.ParseDuration(l.Args[0])
			w.Advance(d)
			return nil
		}},
		"expect": {usage: "NAME KEY=VALUE...", least: 1, most: 1, kinds: []kind{pattern}, conds: true, run: (*World).expect},
	}
}

func publishing(f func(*publisher, *Line)) func(*World, actor, *Line) error {
	return func(w *World, a actor, l *Line) error {
		p, ok := a.(*publisher)
		if !ok || !p.alive {
			return nonsense("%s is no publisher that runs", a.base().name)
		}
		w.disturbed()
		f(p, l)
		return nil
	}
}

func stall(on bool) func(*World, actor, *Line) error {
	return func(w *World, a actor, _ *Line) error {
		w.disturbed()
		if s, ok := a.(*subscriber); ok {
			s.mu.Lock()
			s.stalled = on
			s.mu.Unlock()
		}
		if on {
			a.base().node.Stall()
		} else {
			a.base().node.Resume()
		}
		return nil
	}
}

func stop(w *World, a actor, _ *Line) error {
	if !a.base().alive {
		return nonsense("%s does not run", a.base().name)
	}
	w.disturbed()
	a.leave()
	w.Wait()
	a.base().quit()
	return nil
}

func crash(w *World, a actor, _ *Line) error {
	if !a.base().alive {
		return nonsense("%s does not run", a.base().name)
	}
	w.disturbed()
	switch a := a.(type) {
	case *publisher:
		a.crash()
	case *relayNode:
		a.crash()
		a.stopServing()
	default:
		a.base().crash()
	}
	return nil
}

// links returns the links that a line is about.
func (w *World) ends(l *Line) [][2]string {
	if from, to, one := strings.Cut(l.Args[0], ">"); one {
		return [][2]string{{from, to}}
	}
	a := l.Args[0]
	if len(l.Args) > 1 && l.Args[1] != "*" {
		return [][2]string{{a, l.Args[1]}, {l.Args[1], a}}
	}
	// A node with everybody else.
	var all [][2]string
	for _, b := range w.actors {
		if n := b.base().name; n != a {
			all = append(all, [2]string{a, n}, [2]string{n, a})
		}
	}
	return all
}

func (w *World) state(a, b string) *state {
	s := w.links[[2]string{a, b}]
	if s == nil {
		s = &state{Link: w.link}
		w.links[[2]string{a, b}] = s
	}
	return s
}

// setLink sets a link, or changes what is named of it.
func (w *World) setLink(l *Line) error {
	change := func(was memnet.Link) memnet.Link {
		if l.Verb == "link" {
			was = memnet.Link{}
		}
		return memnet.Link{
			Latency: l.span("latency", was.Latency), Jitter: l.span("jitter", was.Jitter),
			Rate: int64(l.number("rate", bytesize, float64(was.Rate))), Loss: l.number("loss", share, was.Loss),
			Queue: int(l.number("queue", count, float64(was.Queue))), MTU: int(l.number("mtu", count, float64(was.MTU))),
		}
	}
	w.disturbed()
	if l.Args[0] == "*" {
		if len(w.actors) > 0 {
			return nonsense("the links of all nodes are set before there are any")
		}
		w.link = change(w.link)
		w.net.SetLinks(w.link)
		return nil
	}
	for _, e := range w.ends(l) {
		s := w.state(e[0], e[1])
		s.Link = change(s.Link)
		w.net.SetLink(e[0], e[1], s.Link)
	}
	return nil
}

func (w *World) cut(l *Line) error {
	w.disturbed()
	for _, e := range w.ends(l) {
		w.state(e[0], e[1]).cut = true
		w.net.Partition(e[0], e[1])
	}
	return nil
}

func (w *World) heal(l *Line) error {
	w.disturbed()
	if l.Args[0] == "*" {
		w.healAll()
		return nil
	}
	for _, e := range w.ends(l) {
		w.state(e[0], e[1]).cut = false
		w.net.Heal(e[0], e[1])
	}
	return nil
}

func (w *World) healAll() {
	for _, a := range w.actors {
		for _, b := range w.actors {
			x, y := a.base().name, b.base().name
			if s := w.links[[2]string{x, y}]; s != nil && s.cut {
				s.cut = false
				w.net.Heal(x, y)
			}
		}
	}
}

func (w *World) relayNamed(name string) (*relayNode, error) {
	r, ok := w.byName[name].(*relayNode)
	if !ok || !r.alive {
		return nil, nonsense("%s is no relay that runs", name)
	}
	return r, nil
}

func (w *World) connect(l *Line) error {
	r, err := w.relayNamed(l.Args[0])
	if err != nil {
		return err
	}
	if r.leaving[l.Args[1]] != nil {
		return nonsense("%s is joined to %s already", r.name, l.Args[1])
	}
	w.disturbed()
	r.join(l.Args[1])
	r.connect(l.Args[1])
	return nil
}

func (w *World) disconnect(l *Line) error {
	r, err := w.relayNamed(l.Args[0])
	if err != nil {
		return err
	}
	w.disturbed()
	return r.disconnect(l.Args[1])
}

func (w *World) goaway(l *Line) error {
	r, err := w.relayNamed(l.Args[0])
	if err != nil {
		return err
	}
	to := ""
	if len(l.Args) > 1 {
		to = l.Args[1]
	}
	w.disturbed()
	r.goaway(to, l.span("timeout", 5*time.Second))
	return nil
}

func (w *World) drain(l *Line) error {
	r, err := w.relayNamed(l.Args[0])
	if err != nil {
		return err
	}
	w.disturbed()
	r.drain(l.span("timeout", 5*time.Second))
	return nil
}

// announce publishes many broadcasts without tracks over one session.
func (w *World) announce(l *Line) error {
	if err := w.free(l.Args[0]); err != nil {
		return err
	}
	a := &announcer{dialer: w.dialer(l.Args[0], l.Args[1], l), prefix: moqt.ParsePath(l.Args[2])}
	a.count = int(l.number("count", count, 1))
	w.disturbed()
	w.enter(a)
	return nil
}

func (w *World) expect(l *Line) error {
	found, err := w.find(l.Args[0])
	if err != nil {
		return err
	}
	for _, a := range found {
		facts := a.facts()
		for _, c := range l.Conds {
			ok, err := c.holds(facts)
			if err != nil {
				return err
			}
			if !ok {
				return fmt.Errorf("%s%s%s does not hold: %s is %s", c.Key, c.Op, c.Value, a.base().name, all(facts))
			}
		}
	}
	return nil
}

// all describes every fact, those too that are not logged.
func all(facts []fact) string {
	for i := range facts {
		facts[i].quiet = false
	}
	return describe(facts)
}

// anywhere follows a GOAWAY to every place.
func anywhere(_, _ *url.URL) error { return nil }

// pathless reports whether the path of a URL is lost on raw QUIC.
func pathless(versions []string) bool {
	for _, v := range versions {
		if n, err := strconv.Atoi(strings.TrimPrefix(v, "moq-lite-0")); err == nil && n < 5 {
			return true
		}
	}
	return false
}
