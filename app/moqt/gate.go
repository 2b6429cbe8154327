package moqt

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
)

// A gate decides which connections a Server takes in, and counts them. A
// connection is pending until its session is set up.
type gate struct {
	mu       sync.Mutex
	total    tally
	hosts    map[string]*tally // those with connections
	attempts *dialect.Bucket   // to connect, from addresses that may be forged
	stats    ServerStats
}

type tally struct{ conns, pending int }

// enter takes a connection in, or says why not.
func (g *gate) enter(c *Config, from net.Addr) error {
	host := hostOf(from)
	perHost, pendingPerHost := c.maxConnsPerHost(host), c.maxPendingPerHost(host)
	g.mu.Lock()
	defer g.mu.Unlock()
	at := g.hosts[host]
	if at == nil {
		at = &tally{}
	}
	refuse := func(n *int64, what string, limit int) error {
		*n++
		return moq.Errorf(moq.CodeTooMany, "more than %d %s", limit, what)
	}
	switch {
	case over(g.total.pending, c.maxPending()):
		return refuse(&g.stats.RefusedPending, "connections in their set-up", c.maxPending())
	case over(at.pending, pendingPerHost):
		return refuse(&g.stats.RefusedPending, "connections of one host in their set-up", pendingPerHost)
	case over(g.total.conns, c.maxConns()):
		return refuse(&g.stats.RefusedConns, "connections", c.maxConns())
	case over(at.conns, perHost):
		return refuse(&g.stats.RefusedConns, "connections of one host", perHost)
	}
	if g.hosts == nil {
		g.hosts = map[string]*tally{}
	}
	g.hosts[host] = at
	g.total.conns++
	g.total.pending++
	at.conns++
	at.pending++
	return nil
}

// over says that one more would be too many; a negative limit is none.
func over(n, limit int) bool { return limit >= 0 && n >= limit }

// settle notes that a connection is no longer pending, leave that it has ended.
func (g *gate) settle(from net.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.total.pending--
	g.hosts[hostOf(from)].pending--
}

func (g *gate) leave(from net.Addr) {
	host := hostOf(from)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.total.conns--
	at := g.hosts[host]
	if at.conns--; at.conns == 0 {
		delete(g.hosts, host)
	}
}

// doubt says whether an attempt to connect has to show that its address is not
// forged: where there are more attempts, or more set-ups under way, than a
// server without attackers sees.
func (g *gate) doubt(c *Config) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.attempts == nil {
		g.attempts = &dialect.Bucket{Rate: c.attemptRate(), Burst: c.attemptRate()}
	}
	busy := c.maxPending() >= 0 && 2*g.total.pending >= c.maxPending()
	if c.attemptRate() < 0 || g.attempts.Try(time.Now()) && !busy {
		return false
	}
	g.stats.Retries++
	return true
}

func (g *gate) panicked() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stats.Panics++
}

func (g *gate) figures() ServerStats {
	g.mu.Lock()
	defer g.mu.Unlock()
	st := g.stats
	st.Conns, st.Pending, st.Hosts = g.total.conns, g.total.pending, len(g.hosts)
	return st
}

// hostOf is who an address belongs to: an IPv4 address, the 64 bits of an IPv6
// network, or what a transport that has neither calls its hosts.
func hostOf(a net.Addr) string {
	if a == nil {
		return ""
	}
	host, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if ip = ip.Unmap(); ip.Is4() || ip.IsLoopback() {
		return ip.String()
	}
	network, _ := ip.WithZone("").Prefix(64)
	return network.String()
}

// ServerStats are figures of a Server.
type ServerStats struct {
	Sessions       int   // live
	Conns          int   // connections, those without a session included
	Pending        int   // connections in their set-up
	Hosts          int   // where they come from
	RefusedPending int64 // connections, since the start: too many in their set-up
	RefusedConns   int64 // connections, since the start: too many altogether
	Retries        int64 // attempts to connect that had to verify their address
	Panics         int64 // of handlers and of sessions, which were ended for it
}

// Stats returns the figures of now.
func (s *Server) Stats() ServerStats {
	st := s.gate.figures()
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Sessions = len(s.sessions)
	return st
}
