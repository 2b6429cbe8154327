package quicgo

import (
	"context"
	"errors"
	"net"
	"slices"
	"time"

	"github.com/moqtgo/moqt/ports/quic"
)

// headStart is what each address of a host gets before the next one is tried
// beside it (RFC 8305 §5).
const headStart = 250 * time.Millisecond

// resolve returns the addresses of "host:port", in the resolver's order but
// with the address families alternating (RFC 8305 §4).
func resolve(ctx context.Context, addr string) ([]*net.UDPAddr, error) {
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "udp", service)
	if err != nil {
		return nil, err
	}
	if host == "" {
		host = "localhost"
	}
	ips, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	if err != nil {
		return nil, err
	}
	if host == "localhost" {
		ips = bothLoopbacks(ips)
	}
	return interleave(ips, port), nil
}

// bothLoopbacks adds the loopback address that a hosts file leaves out: browsers
// try both (RFC 6761 §6.3), and a server may listen on the other.
func bothLoopbacks(ips []net.IPAddr) []net.IPAddr {
	for _, ip := range []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback} {
		if !slices.ContainsFunc(ips, func(a net.IPAddr) bool { return a.IP.Equal(ip) }) {
			ips = append(ips, net.IPAddr{IP: ip})
		}
	}
	return ips
}

func interleave(ips []net.IPAddr, port int) []*net.UDPAddr {
	var first, second []*net.UDPAddr
	for _, ip := range ips {
		a := &net.UDPAddr{IP: ip.IP, Zone: ip.Zone, Port: port}
		if (ip.IP.To4() == nil) == (ips[0].IP.To4() == nil) {
			first = append(first, a)
		} else {
			second = append(second, a)
		}
	}
	addrs := make([]*net.UDPAddr, 0, len(ips))
	for i := range max(len(first), len(second)) {
		if i < len(first) {
			addrs = append(addrs, first[i])
		}
		if i < len(second) {
			addrs = append(addrs, second[i])
		}
	}
	return addrs
}

// race dials addrs one after the other, each with a head start, and returns
// the first connection. The error is that of the first address.
func race(
	ctx context.Context,
	addrs []*net.UDPAddr,
	dial func(context.Context, *net.UDPAddr) (quic.Connection, error),
) (quic.Connection, error) {
	if len(addrs) == 1 {
		return dial(ctx, addrs[0])
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	type result struct {
		index int
		conn  quic.Connection
		err   error
	}
	results := make(chan result)
	next, pending := 0, 0
	start := func() {
		index := next
		next++
		pending++
		go func() {
			conn, err := dial(ctx, addrs[index])
			results <- result{index, conn, err}
		}()
	}
	timer := time.NewTimer(headStart)
	defer timer.Stop()

	var winner quic.Connection
	err := errors.New("quicgo: the host has no address")
	errIndex := len(addrs)
	for pending > 0 || (winner == nil && next < len(addrs)) {
		if pending == 0 {
			start()
			timer.Reset(headStart)
		}
		select {
		case r := <-results:
			pending--
			switch {
			case r.err != nil:
				if r.index < errIndex {
					err, errIndex = r.err, r.index
				}
			case winner != nil:
				r.conn.CloseWithError(0, "")
			default:
				winner = r.conn
				cancel()
			}
		case <-timer.C:
			if winner == nil && next < len(addrs) {
				start()
				timer.Reset(headStart)
			}
		}
	}
	if winner == nil {
		return nil, err
	}
	return winner, nil
}
