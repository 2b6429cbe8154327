package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Swarm makes a story up: a network, who publishes and subscribes in it, and
// what goes wrong, all from the seed. It tells it for one of the combinations
// of versions given; for any where there are none.
func Swarm(seed uint64, mixes []string) *Story {
	m := &maker{Rand: rand.New(rand.NewPCG(seed, spread(seed))), dead: map[string]bool{}, at: map[string]string{}}
	m.mix = m.version(mixes)
	m.network()
	m.people()
	for range 4 + m.IntN(12) {
		m.event()
		m.say("advance %v", m.time(8*time.Second))
	}
	m.say("heal *")
	m.say("advance %v", quiet)
	s, err := Parse(fmt.Sprintf("swarm-%d", seed), strings.Join(m.lines, "\n"))
	if err != nil {
		panic(err) // the maker does not know its verbs
	}
	s.Dialects = []string{m.mix}
	return s
}

// quiet is how long the end of a story is, when nothing goes wrong any more:
// longer than the bound of recovery.
const quiet = recovery + 15*time.Second

// A maker makes a story up.
type maker struct {
	*rand.Rand
	mix    string
	lines  []string
	relays []string
	links  [][2]string       // of relays, who joins whom
	at     map[string]string // the relay of everybody else
	pubs   []string
	subs   []string // subscribers, watchers and fetchers too
	dead   map[string]bool
	paths  []broadcast
	events int
}

// A broadcast is a path that somebody publishes.
type broadcast struct{ root, path, options string }

func (m *maker) say(format string, args ...any) {
	m.lines = append(m.lines, strings.TrimRight(fmt.Sprintf(format, args...), " "))
}

func (m *maker) chance(percent int) bool { return m.IntN(100) < percent }

func pick[T any](m *maker, all []T) T { return all[m.IntN(len(all))] }

func (m *maker) time(most time.Duration) time.Duration {
	return time.Duration(1+m.Int64N(int64(most/time.Millisecond))) * time.Millisecond
}

// maybe returns an option, or nothing.
func (m *maker) maybe(percent int, format string, value func() any) string {
	if !m.chance(percent) {
		return ""
	}
	return fmt.Sprintf(" "+format, value())
}

// version picks a combination of versions: a known one, or any two.
func (m *maker) version(mixes []string) string {
	switch {
	case len(mixes) > 0:
		return pick(m, mixes)
	case m.chance(25):
		return pick(m, Dialects) + "+" + pick(m, Dialects)
	}
	return pick(m, append(append([]string(nil), Dialects...), Mixes...))
}

// hops reports whether every version names the relays that an announcement has
// come through, so that relays may be joined as one likes; moq-lite-03 counts
// them.
func (m *maker) hops() bool { return !strings.Contains(m.mix, "moq-lite-03") }

// network says which relays there are: a tree, and where the versions allow it
// a ring, or relays that are joined twice.
func (m *maker) network() {
	m.say("link * latency=%dms jitter=%dms%s%s", 1+m.IntN(60), m.IntN(20),
		m.maybe(40, "loss=%.2f", func() any { return 0.01 * float64(1+m.IntN(6)) }),
		m.maybe(15, "mtu=%d", func() any { return 300 + m.IntN(1200) }))
	n := 1 + m.IntN(5)
	for i := range n {
		r := fmt.Sprintf("r%d", i+1)
		var ups []string
		if i > 0 {
			ups = append(ups, pick(m, m.relays))
		}
		if more := pick2(m, m.relays, ups); m.hops() && m.chance(60) && more != "" {
			ups = append(ups, more)
		}
		for _, up := range ups {
			m.links = append(m.links, [2]string{r, up})
		}
		m.say("%s%s", strings.Join(append([]string{"relay", r}, ups...), " "), m.relayOptions())
		m.relays = append(m.relays, r)
	}
	if m.hops() && n > 2 && m.chance(50) { // the last one closes a ring
		m.join(m.relays[0], m.relays[n-1])
	}
}

// pick2 picks one of all that is none of not; "" where there is none.
func pick2(m *maker, all, not []string) string {
	var rest []string
	for _, a := range all {
		if !strings.Contains(" "+strings.Join(not, " ")+" ", " "+a+" ") {
			rest = append(rest, a)
		}
	}
	if len(rest) == 0 {
		return ""
	}
	return pick(m, rest)
}

func (m *maker) join(r, up string) {
	m.say("connect %s %s", r, up)
	m.links = append(m.links, [2]string{r, up})
}

func (m *maker) relayOptions() string {
	return m.maybe(10, "cache=%dk", func() any { return 64 + m.IntN(512) }) +
		m.maybe(10, "linger=%v", func() any { return m.time(10 * time.Second) }) +
		m.maybe(10, "patience=%v", func() any { return m.time(3 * time.Second) }) +
		m.maybe(10, "idle=%v", func() any { return m.time(20 * time.Second) }) +
		m.maybe(10, "minlatency=%v", func() any { return m.time(3 * time.Second) })
}

// people says who is there before anything happens.
func (m *maker) people() {
	for range 1 + m.IntN(3) {
		m.publisher()
	}
	for range 1 + m.IntN(6) {
		m.subscriber()
	}
	if m.chance(60) {
		m.watcher()
	}
	m.say("advance %v", m.time(5*time.Second))
}

// client returns the options that everybody may have who dials a relay.
func (m *maker) client() string {
	return m.maybe(20, "via=%s", func() any { return "webtransport" })
}

// publisher adds one of a new broadcast, or of one that is there: a standby
// with the same content, or somebody who takes the name over.
func (m *maker) publisher() string {
	p := fmt.Sprintf("p%d", len(m.pubs)+1)
	m.pubs = append(m.pubs, p)
	b := broadcast{path: fmt.Sprintf("room/%d", 1+m.IntN(3))}
	if m.chance(30) {
		b.root = pick(m, []string{"a", "b"})
	}
	b.options = fmt.Sprintf(" fps=%d gop=%d size=%d", 2+m.IntN(10), 1+m.IntN(10), 200+m.IntN(3000)) +
		m.maybe(10, "maxage=%v", func() any { return m.time(20 * time.Second) }) +
		m.maybe(10, "priority=%d", func() any { return m.IntN(256) })
	switch {
	case len(m.paths) > 0 && m.chance(20):
		b = pick(m, m.paths)
	case m.chance(30): // it is the same after a restart, and may have a standby
		b.options += fmt.Sprintf(" hop=%d content=c%d", 100+len(m.pubs), len(m.pubs))
	default:
		b.options += m.maybe(10, "groups=%d", func() any { return 1 + m.IntN(40) })
	}
	m.paths = append(m.paths, b)
	m.at[p] = pick(m, m.relays)
	root := ""
	if b.root != "" {
		root = " root=" + b.root
	}
	m.say("publish %s %s %s video%s%s%s%s", p, m.at[p], b.path, pick(m, []string{"", " audio"}), b.options, root, m.client())
	return p
}

// place returns a relay, a path with its root, and the options for it. What it
// names is what somebody publishes, seen from one of the roots above it.
func (m *maker) place() (relay, path, options string) {
	b := pick(m, m.paths)
	relay, path = pick(m, m.relays), b.path
	if b.root != "" && m.chance(30) { // seen from above
		return relay, b.root + "/" + b.path, m.client()
	}
	if b.root != "" {
		return relay, path, " root=" + b.root + m.client()
	}
	return relay, path, m.client()
}

func (m *maker) subscriber() {
	s := fmt.Sprintf("s%d", len(m.subs)+1)
	m.subs = append(m.subs, s)
	r, path, options := m.place()
	m.at[s] = r
	track := "video"
	if m.chance(15) {
		track = "audio"
	}
	m.say("subscribe %s %s %s %s%s%s%s%s%s", s, r, path, track, options,
		m.maybe(30, "latency=%v", func() any { return 100*time.Millisecond + m.time(3*time.Second) }),
		m.maybe(15, "priority=%d", func() any { return m.IntN(256) }),
		m.maybe(15, "order=%s", func() any { return "ascending" }),
		m.maybe(20, "from=%s", func() any { return pick(m, []string{"next", "largest", "0", "3"}) }))
}

func (m *maker) watcher() {
	w := fmt.Sprintf("w%d", len(m.subs)+1)
	m.subs = append(m.subs, w)
	m.at[w] = pick(m, m.relays)
	m.say("watch %s %s%s%s", w, m.at[w], pick(m, []string{"", " room", " a/room"}), m.client())
}
