package memnet

import (
	"slices"
	"time"
)

// A Link is one direction between two nodes. The zero value is perfect.
type Link struct {
	// Latency is the time from end to end; Jitter is what a packet may take
	// longer, at random. Frames of one stream keep their order.
	Latency, Jitter time.Duration
	// Rate is in bytes per second, headers included; 0 is unlimited.
	Rate int64
	// Loss is the share of packets that get lost, 0 to 1. A datagram is gone
	// then; a frame of a stream comes a retransmission later, after twelve at
	// the most, and what follows it in its stream waits. Every attempt takes
	// its share of a Rate.
	Loss float64
	// Queue is how many packets wait in front of a link with a Rate, in
	// their order: 16. Beyond that stream data waits in its stream, where
	// urgency counts, and datagrams are dropped.
	Queue int
	// MTU is how many bytes of payload a packet takes: 1200.
	MTU int
}

const (
	// overhead is what the headers of a packet cost at a Rate.
	overhead       = 40
	retransmitSlop = time.Millisecond
	maxAttempts    = 12
	// flight is how many packets of one end are under way on a link that is
	// cut. What comes after them waits in its stream, where it can still be
	// reset and where urgency counts.
	flight = 32
)

// A link is a Link at work.
type link struct {
	Link
	net  *Network
	a, b string
	own  bool // SetLink was called

	down   bool
	held   []packet      // sent while down
	busy   time.Duration // until when it transmits
	queued int           // packets not yet transmitted
	left   uint64        // packets transmitted
	active []*conn       // ends that have something to send
	turn   uint64
	dirty  bool
}

// A packet is one frame under way.
type packet struct {
	from  *conn
	frame frame
}

func (n *Network) link(a, b string) *link {
	l := n.links[[2]string{a, b}]
	if l == nil {
		l = &link{net: n, a: a, b: b}
		l.set(n.conf.Link)
		n.links[[2]string{a, b}] = l
	}
	return l
}

func (l *link) set(c Link) {
	if c.Queue <= 0 {
		c.Queue = 16
	}
	if c.MTU <= 0 {
		c.MTU = 1200
	}
	l.Link = c
	l.busy = min(l.busy, l.net.now())
	l.touch()
}

// touch has the link pumped soon.
func (l *link) touch() {
	if !l.dirty {
		l.dirty = true
		l.net.dirty = append(l.net.dirty, l)
	}
}

func (l *link) cut() {
	if !l.down {
		l.down = true
		l.net.contact(l)
	}
}

func (l *link) heal() {
	if !l.down {
		return
	}
	l.down = false
	l.net.contact(l)
	held := l.held
	l.held = nil
	l.touch()
	for _, p := range held {
		p.from.held = 0
		if p.from.err == nil { // an end that is gone does not retransmit
			l.transmit(p)
		}
	}
}

// pump sends what the ends of the link have to send: one packet an end and
// turn, as many as the queue takes.
func (l *link) pump() (worked bool) {
	for l.Rate == 0 || l.queued < l.Queue {
		c := l.next()
		if c == nil {
			break
		}
		l.turn++
		c.turn = l.turn
		p, ok := c.pop(l.MTU)
		if !ok {
			l.remove(c)
			continue
		}
		worked = true
		l.transmit(p)
	}
	return worked
}

// next is the end that has waited longest.
func (l *link) next() *conn {
	var best *conn
	for _, c := range l.active {
		if l.down && c.held >= flight && c.err == nil {
			continue
		}
		if best == nil || c.turn < best.turn || c.turn == best.turn && c.lane < best.lane {
			best = c
		}
	}
	return best
}

func (l *link) add(c *conn) {
	if !c.active {
		c.active = true
		l.active = append(l.active, c)
	}
	l.touch()
}

func (l *link) remove(c *conn) {
	c.active = false
	l.active = slices.DeleteFunc(l.active, func(o *conn) bool { return o == c })
}

// transmit puts a packet on the link.
func (l *link) transmit(p packet) {
	n, f := l.net, &p.frame
	p.from.spoke()
	size := int64(len(f.data)) + overhead
	p.from.stats.PacketsSent++
	p.from.stats.BytesSent += size
	if l.down {
		if f.kind != datagramFrame && f.kind != closeFrame {
			l.held = append(l.held, p)
			p.from.held++
		} else {
			p.from.lost(size)
		}
		return
	}
	due := n.now()
	var slot time.Duration // what a packet takes of the rate
	if l.Rate > 0 {
		slot = time.Duration(float64(size) / float64(l.Rate) * float64(time.Second))
		l.busy = max(l.busy, due) + slot
		due = l.busy
		l.queued++
		l.left++
		n.at(due, l.a+">"+l.b, "transmitted", l.left, func() { l.queued--; l.touch() })
	}
	due += l.Latency
	p.from.seq++
	seq := p.from.seq
	luck := spread(p.from.key ^ spread(seq))
	if l.Jitter > 0 {
		due += time.Duration(fraction(spread(luck^1)) * float64(l.Jitter))
	}
	for attempt := range uint64(maxAttempts) {
		if fraction(spread(luck^(attempt+2))) >= l.Loss {
			break
		}
		p.from.lost(size)
		if f.kind == datagramFrame {
			return
		}
		l.busy += slot
		rtt := l.Latency + n.link(l.b, l.a).Latency
		due += (rtt*9/8 + retransmitSlop) << min(attempt, 6)
	}
	if f.order != nil {
		due = max(due, *f.order)
		*f.order = due
	}
	lane := f.stream << 1
	if f.kind != dataFrame {
		lane |= 1 // control frames may overtake data
	}
	n.push(&event{due: due, key: spread(p.from.key ^ spread(uint64(lane)+1)), lane: p.from.lane, stream: lane, seq: seq, to: p.from.peer, frame: *f})
}
