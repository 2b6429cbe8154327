package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Swarm makes a story up: a network, who publishes and subscribes in it, and
// what goes wrong, all from the seed. It tells it for one of the combinations
// of versions given; of all where there are none.
func Swarm(seed uint64, mixes []string) *Story {
	if len(mixes) == 0 {
		mixes = append(append([]string(nil), Dialects...), Mixes...)
	}
	m := &maker{Rand: rand.New(rand.NewPCG(seed, spread(seed)))}
	mix := mixes[m.IntN(len(mixes))]
	m.network()
	m.people()
	for range 4 + m.IntN(12) {
		m.event()
	}
	m.say("heal *")
	m.say("advance 90s")
	s, err := Parse(fmt.Sprintf("swarm-%d", seed), strings.Join(m.lines, "\n"))
	if err != nil {
		panic(err) // the maker does not know its verbs
	}
	s.Dialects = []string{mix}
	return s
}

// A maker makes a story up.
type maker struct {
	*rand.Rand
	lines  []string
	relays []string
	links  [][2]string // between relays
	pubs   []string
	subs   []string
	dead   map[string]bool
	cut    map[[2]string]bool
	paths  []string
	events int
}

func (m *maker) say(format string, args ...any) {
	m.lines = append(m.lines, fmt.Sprintf(format, args...))
}

func (m *maker) chance(percent int) bool { return m.IntN(100) < percent }

func pick[T any](m *maker, all []T) T { return all[m.IntN(len(all))] }

func (m *maker) network() {
	m.dead, m.cut = map[string]bool{}, map[[2]string]bool{}
	loss := ""
	if m.chance(40) {
		loss = fmt.Sprintf(" loss=0.0%d", 1+m.IntN(5))
	}
	m.say("link * latency=%dms jitter=%dms%s", 1+m.IntN(60), m.IntN(20), loss)
	n := 1 + m.IntN(4)
	for i := range n {
		r := fmt.Sprintf("r%d", i+1)
		ups := ""
		if i > 0 {
			up := pick(m, m.relays) // a tree
			ups = " " + up
			m.links = append(m.links, [2]string{r, up})
		}
		m.say("relay %s%s", r, ups)
		m.relays = append(m.relays, r)
	}
}

func (m *maker) people() {
	for i := range 1 + m.IntN(3) {
		p, path := fmt.Sprintf("p%d", i+1), fmt.Sprintf("room/%d", i+1)
		hop := ""
		if m.chance(30) {
			hop = fmt.Sprintf(" hop=%d", 100+i)
		}
		m.say("publish %s %s %s video fps=%d gop=%d size=%d%s", p, pick(m, m.relays), path, 2+m.IntN(10), 1+m.IntN(10), 200+m.IntN(3000), hop)
		m.pubs, m.paths = append(m.pubs, p), append(m.paths, path)
	}
	for i := range 1 + m.IntN(6) {
		s := fmt.Sprintf("s%d", i+1)
		latency := ""
		if m.chance(30) {
			latency = fmt.Sprintf(" latency=%dms", 100+m.IntN(3000))
		}
		m.say("subscribe %s %s %s video%s", s, pick(m, m.relays), pick(m, m.paths), latency)
		m.subs = append(m.subs, s)
	}
	if m.chance(60) {
		m.say("watch w1 %s room", pick(m, m.relays))
	}
	m.say("advance %v", m.time(5*time.Second))
}

func (m *maker) time(most time.Duration) time.Duration {
	return time.Duration(1+m.Int64N(int64(most/time.Millisecond))) * time.Millisecond
}

// everybody returns all that can crash.
func (m *maker) everybody() []string {
	return append(append(append([]string(nil), m.relays...), m.pubs...), m.subs...)
}

// event makes one thing happen, and time pass.
func (m *maker) event() {
	m.events++
	switch m.IntN(10) {
	case 0, 1: // crash, and a restart sooner or later
		n := pick(m, m.everybody())
		if m.dead[n] {
			m.say("restart %s", n)
		} else {
			m.say("crash %s", n)
		}
		m.dead[n] = !m.dead[n]
	case 2: // an end in order
		n := pick(m, append(append([]string(nil), m.pubs...), m.subs...))
		if !m.dead[n] {
			m.say("stop %s", n)
			m.dead[n] = true
		}
	case 3, 4: // a cut, one way or both
		if len(m.links) == 0 {
			break
		}
		l := pick(m, m.links)
		if m.chance(30) {
			m.say("cut %s>%s", l[0], l[1])
		} else {
			m.say("cut %s %s", l[0], l[1])
		}
		m.cut[l] = true
	case 5:
		m.say("heal *")
		clear(m.cut)
	case 6:
		n := pick(m, m.everybody())
		m.say("slow %s * rate=%dk", n, 20+m.IntN(200))
	case 7:
		if p := pick(m, m.pubs); !m.dead[p] {
			m.say("unannounce %s", p)
			m.say("advance %v", m.time(3*time.Second))
			m.say("reannounce %s", p)
		}
	case 8:
		n := fmt.Sprintf("x%d", m.events)
		m.say("subscribe %s %s %s video", n, pick(m, m.relays), pick(m, m.paths))
		m.subs = append(m.subs, n)
	case 9:
		if s := pick(m, m.subs); !m.dead[s] {
			m.say("unsubscribe %s", s)
		}
	}
	m.say("advance %v", m.time(8*time.Second))
}

// Shrink leaves lines out of a story that fails, as long as it still does, and
// returns the smallest one and what becomes of it.
func (p *Player) Shrink(s *Story, conf *Config, failed *Result) (*Story, *Result) {
	best := *s
	for size := max(1, len(best.Lines)/2); ; {
		smaller := false
		for from := 0; from < len(best.Lines); {
			t := best
			t.Lines = append(append([]Line(nil), best.Lines[:from]...), best.Lines[min(from+size, len(best.Lines)):]...)
			r := p.Play(&t, conf)
			if r.Err != nil && !unplayable(r.Err) {
				best, failed, smaller = t, r, true
			} else {
				from += size
			}
		}
		if size == 1 && !smaller {
			return renumber(&best), failed
		}
		if !smaller {
			size = max(1, size/2)
		}
	}
}

// renumber gives the lines the numbers that they have in String.
func renumber(s *Story) *Story {
	first := 1
	if len(s.Dialects) > 0 {
		first = 2
	}
	for i := range s.Lines {
		s.Lines[i].Number = first + i
	}
	return s
}
