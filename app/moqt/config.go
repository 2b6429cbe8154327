package moqt

import (
	"log/slog"
	"net/netip"
	"time"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/session"
)

// Config are the settings of sessions. The zero value, and nil, take the
// defaults named.
type Config struct {
	// Versions are the drafts to speak, the preferred one first, by their
	// ALPN: "moq-lite-05". Empty is all that Versions returns.
	Versions []string
	// SetupTimeout bounds each step of the set-up, the handler included: 5 s.
	SetupTimeout time.Duration
	// RequestTimeout bounds the wait for the answer to a request: 10 s.
	RequestTimeout time.Duration
	// MinLatency is how long a group is still sent, whatever the subscriber
	// says, once a newer one exists: 1 s.
	MinLatency time.Duration
	// Coalesce is how long what is ready to be sent waits for more of it, so
	// that it leaves in fewer packets: 0. Depending on the connection it is up
	// to half as long again.
	Coalesce time.Duration
	// Import enters what the peer announces into the TrackMux: what makes a
	// session one of a relay.
	Import bool
	// Hop is the id that is put into announcements instead of the TrackMux's.
	Hop uint64
	// MaxPending is how many connections of a Server may be in their set-up
	// at once; further ones are closed: 1024. MaxPendingPerHost is how many of
	// them one IPv4 address or IPv6 /64 may have: 128. Negative: any number,
	// here and below.
	MaxPending, MaxPendingPerHost int
	// MaxConns is how many connections a Server may have at once: 16,384.
	// MaxConnsPerHost is how many of them one host may have: 1024. A loopback
	// address, which may be a proxy, is limited only where that is set.
	MaxConns, MaxConnsPerHost int
	// AttemptRate is how many attempts to connect a second are taken at their
	// word; beyond, and while half of MaxPending is in use, the client has to
	// verify its address: 200. It counts where QUICConfig.VerifySourceAddress
	// is nil.
	AttemptRate int
	// OnGoaway is called, in a goroutine of its own, when the peer asks to
	// move to uri ("" for anywhere) within timeout (0: unknown). A Client
	// follows by itself, see Client.Redirect.
	OnGoaway func(s *Session, uri string, timeout time.Duration)
	Limits   Limits
}

// Versions returns the drafts that we speak, the preferred one first, by their
// ALPN and WebTransport subprotocol.
func Versions() []string { return session.Protocols(nil) }

func (c *Config) orZero() *Config {
	if c == nil {
		return &Config{}
	}
	return c
}

func (c *Config) setupTimeout() time.Duration {
	if c == nil || c.SetupTimeout <= 0 {
		return 5 * time.Second
	}
	return c.SetupTimeout
}

func (c *Config) maxPending() int  { return orInt(c.orZero().MaxPending, 1024) }
func (c *Config) maxConns() int    { return orInt(c.orZero().MaxConns, 16<<10) }
func (c *Config) attemptRate() int { return orInt(c.orZero().AttemptRate, 200) }

func (c *Config) maxPendingPerHost(host string) int {
	return perHost(c.orZero().MaxPendingPerHost, host, 128)
}

func (c *Config) maxConnsPerHost(host string) int {
	return perHost(c.orZero().MaxConnsPerHost, host, 1024)
}

func perHost(n int, host string, otherwise int) int {
	if ip, err := netip.ParseAddr(host); n == 0 && err == nil && ip.IsLoopback() {
		return -1
	}
	return orInt(n, otherwise)
}

func orInt(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

// core returns the settings as the core has them.
func (c *Config) core() *session.Config {
	c = c.orZero()
	conf := &session.Config{Config: dialect.Config{
		Hop: c.Hop, Import: c.Import, SetupTimeout: c.setupTimeout(),
		RequestTimeout: c.RequestTimeout, MinLatency: c.MinLatency, Coalesce: c.Coalesce, Limits: c.Limits,
	}}
	if len(c.Versions) > 0 {
		conf.Versions = c.Versions
	}
	return conf
}

func (c *Config) versions() []string {
	return session.Protocols(c.core().Versions)
}

func orSilent(l *slog.Logger) *slog.Logger {
	if l == nil {
		return slog.New(slog.DiscardHandler)
	}
	return l
}
