package memnet

import (
	"time"

	"github.com/moqtgo/moqt/ports/quic"
)

// PINGs are not simulated one by one: as long as they would pass, nobody is
// idle. Once they would not, a timer runs.
type silence struct {
	last    time.Duration // when the idle timer was last restarted
	sent    bool          // something since we last heard from the peer
	pinged  bool          // PINGs keep us alive
	armed   bool
	timers  uint64
	timeout time.Duration // the smaller one of both sides
}

func (c *conn) heard() {
	c.silent.last = c.net.now()
	c.silent.sent = false
}

func (c *conn) spoke() {
	if !c.silent.sent {
		c.silent.last = c.net.now()
		c.silent.sent = true
	}
}

// hears reports whether PINGs, ours or the peer's, make us hear the peer.
func (c *conn) hears() bool {
	p := c.peer
	return p.err == nil && !p.link.down && (p.conf.KeepAlivePeriod > 0 || c.conf.KeepAlivePeriod > 0 && !c.link.down)
}

// updateSilence is called when hears may have changed.
func (c *conn) updateSilence() {
	if c.err != nil || !c.established {
		return
	}
	s := &c.silent
	hears := c.hears()
	if s.pinged && !hears {
		s.last = c.net.now()
	}
	s.pinged = hears
	if !hears && !s.armed {
		s.armed = true
		s.timers++
		c.net.at(s.last+s.timeout, c.lane, "idle", s.timers, c.idle)
	}
}

func (c *conn) idle() {
	c.silent.armed = false
	if c.err != nil || c.silent.pinged {
		return
	}
	if c.net.now() < c.silent.last+c.silent.timeout {
		c.updateSilence()
		return
	}
	c.end(&quic.ConnError{Err: timeoutError("idle timeout: nothing was heard from the peer")})
}

// contact tells the connections over a link, and those over its way back, that
// it was cut or healed.
func (n *Network) contact(l *link) {
	for _, name := range []string{l.a, l.b} {
		if d := n.nodes[name]; d != nil {
			for c := range d.conns {
				c.updateSilence()
			}
		}
	}
}
