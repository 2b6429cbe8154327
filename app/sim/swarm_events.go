package sim

import (
	"fmt"
	"slices"
	"time"
)

// An occurrence is something that can happen in a story; weight is how often.
type occurrence struct {
	weight int
	happen func(*maker)
}

var occurrences = []occurrence{
	{8, (*maker).crash},
	{8, (*maker).restart},
	{5, (*maker).stop},
	{8, (*maker).cut},
	{4, func(m *maker) { m.say("heal *") }},
	{3, func(m *maker) {
		if a, b := m.hop(); a != "" {
			m.say("heal %s %s", a, b)
		}
	}},
	{6, (*maker).slow},
	{4, (*maker).republish},
	{3, (*maker).pause},
	{2, (*maker).flap},
	{4, (*maker).subscriber},
	{2, (*maker).watcher},
	{2, func(m *maker) { m.publisher() }},
	{3, (*maker).fetch},
	{3, func(m *maker) {
		if s := m.one(m.subs); s != "" && s[0] == 's' {
			m.say("unsubscribe %s", s)
		}
	}},
	{4, (*maker).stall},
	{4, (*maker).goaway},
	{3, (*maker).drain},
	{3, (*maker).rejoin},
	{2, (*maker).announce},
}

// event makes one thing happen.
func (m *maker) event() {
	m.events++
	total := 0
	for _, o := range occurrences {
		total += o.weight
	}
	n := m.IntN(total)
	for _, o := range occurrences {
		if n -= o.weight; n < 0 {
			o.happen(m)
			return
		}
	}
}

// one picks somebody who runs; "" where nobody does.
func (m *maker) one(all []string) string {
	all = slices.DeleteFunc(slices.Clone(all), func(n string) bool { return m.dead[n] })
	if len(all) == 0 {
		return ""
	}
	return pick(m, all)
}

func (m *maker) everybody() []string { return slices.Concat(m.relays, m.pubs, m.subs) }

func (m *maker) crash() {
	if n := m.one(m.everybody()); n != "" {
		m.say("crash %s", n)
		m.dead[n] = true
	}
}

// restart starts one of those again that have crashed or were stopped.
func (m *maker) restart() {
	all := slices.DeleteFunc(m.everybody(), func(n string) bool { return !m.dead[n] })
	if len(all) > 0 {
		n := pick(m, all)
		m.say("restart %s", n)
		m.dead[n] = false
	}
}

func (m *maker) stop() {
	if n := m.one(slices.Concat(m.pubs, m.subs)); n != "" {
		m.say("stop %s", n)
		m.dead[n] = true
	}
}

// hop picks two that talk to each other.
func (m *maker) hop() (a, b string) {
	if len(m.links) > 0 && m.chance(70) {
		l := pick(m, m.links)
		return l[0], l[1]
	}
	if n := m.one(slices.Concat(m.pubs, m.subs)); n != "" {
		return n, m.at[n]
	}
	return "", ""
}

func (m *maker) cut() {
	a, b := m.hop()
	switch {
	case a == "":
	case m.chance(35):
		if m.chance(50) {
			a, b = b, a
		}
		m.say("cut %s>%s", a, b)
	default:
		m.say("cut %s %s", a, b)
	}
}

func (m *maker) slow() {
	if m.chance(30) {
		if a, b := m.hop(); a != "" {
			m.say("slow %s %s rate=%dk latency=%dms", a, b, 20+m.IntN(200), 1+m.IntN(300))
		}
		return
	}
	n := pick(m, m.everybody())
	m.say("slow %s * rate=%dk%s", n, 20+m.IntN(200), m.maybe(30, "queue=%d", func() any { return 1 + m.IntN(64) }))
}

// republish takes a broadcast back and offers it again.
func (m *maker) republish() {
	if p := m.one(m.pubs); p != "" {
		m.say("unannounce %s", p)
		m.say("advance %v", m.time(3*time.Second))
		m.say("reannounce %s", p)
	}
}

// pause stops a publisher from writing for a while.
func (m *maker) pause() {
	if p := m.one(m.pubs); p != "" {
		m.say("pause %s", p)
		m.say("advance %v", m.time(10*time.Second))
		m.say("resume %s", p)
	}
}

func (m *maker) flap() {
	if p := m.one(m.pubs); p != "" {
		m.say("flap %s rate=%d for=%v", p, 1+m.IntN(200), m.time(2*time.Second))
	}
}

// fetch asks for a group that may have been, or may not.
func (m *maker) fetch() {
	r, path, options := m.place()
	f := fmt.Sprintf("f%d", len(m.subs)+1)
	m.subs = append(m.subs, f)
	m.at[f] = r
	m.say("fetch %s %s %s video %d%s", f, r, path, m.IntN(60), options)
}

// stall has a reader hang for a while.
func (m *maker) stall() {
	if s := m.one(m.subs); s != "" && s[0] != 'f' {
		m.say("stall %s", s)
		m.say("advance %v", m.time(20*time.Second))
		m.say("wake %s", s)
	}
}

// goaway sends everybody who has dialed a relay back to it, or to another one.
func (m *maker) goaway() {
	r := m.one(m.relays)
	if r == "" {
		return
	}
	to := ""
	if other := m.one(m.relays); other != r && m.chance(50) {
		to = " " + other
	}
	m.say("goaway %s%s timeout=%v", r, to, time.Second+m.time(5*time.Second))
}

// drain ends a relay in order; it may come back.
func (m *maker) drain() {
	if r := m.one(m.relays); r != "" {
		m.say("drain %s timeout=%v", r, time.Second+m.time(5*time.Second))
		m.dead[r] = true
	}
}

// rejoin ends the session of two relays for a while.
func (m *maker) rejoin() {
	if len(m.links) == 0 {
		return
	}
	l := pick(m, m.links)
	if m.dead[l[0]] {
		return
	}
	m.say("disconnect %s %s", l[0], l[1])
	m.say("advance %v", m.time(10*time.Second))
	m.say("connect %s %s", l[0], l[1])
}

// announce publishes many names at once.
func (m *maker) announce() {
	a := fmt.Sprintf("n%d", m.events)
	m.say("announce %s %s many/%s count=%d", a, pick(m, m.relays), a, 1+m.IntN(100))
}
