package interop

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/moqtgo/moqt/adapters/quicgo"
	"github.com/moqtgo/moqt/adapters/webtransportgo"
	"github.com/moqtgo/moqt/app/moqt"
	"github.com/moqtgo/moqt/ports/quic"
)

// ErrUnsupported says that there is no case of a name.
var ErrUnsupported = errors.New("no such case")

// A Runner plays cases against a relay. Do not copy it.
type Runner struct {
	// URL of the relay: https is WebTransport, moqt raw QUIC. Its path is
	// that of every session.
	URL string
	// Client dials; nil is a zero one. Without Config.Versions it offers
	// those of Offered.
	Client *moqt.Client
	// Grace is what every limit is extended by: for slow machines and paths.
	Grace time.Duration
	// Version is that of this program, for the report.
	Version string
	// Logger is told of each step; nil is silent.
	Logger *slog.Logger

	client  *moqt.Client
	reached atomic.Bool // the relay has answered on the transport
}

// Run plays the cases with these names, one after the other, and writes what
// became of them to out. ok says that none has failed. A relay that cannot be
// reached at all ends it with "Bail out!". The error is ErrUnsupported, before
// anything was written, or that of out.
func (r *Runner) Run(ctx context.Context, out io.Writer, names []string) (ok bool, err error) {
	chosen := make([]Case, len(names))
	for i, name := range names {
		if chosen[i], ok = Find(name); !ok {
			return false, fmt.Errorf("%w: %q", ErrUnsupported, name)
		}
	}
	r.prepare()
	t := &tap{w: out}
	t.begin(len(names), "moqt "+r.Version, "Relay: "+redacted(r.URL), "Drafts offered: "+drafts(r.client.Config.Versions))
	ok = true
	for i, c := range chosen {
		if ctx.Err() != nil {
			t.bailOut(context.Cause(ctx).Error())
			return false, t.err
		}
		err := r.play(ctx, t, names[i], c)
		if _, skip := errors.AsType[skipped](err); err != nil && !skip {
			ok = false
		}
		if !r.reached.Load() {
			t.bailOut(fmt.Sprintf("the relay cannot be reached: %v", err))
			return false, t.err
		}
	}
	return ok, t.err
}

// play plays one case under the name that it was asked for by.
func (r *Runner) play(ctx context.Context, t *tap, name string, c Case) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, c.Limit+r.Grace)
	defer cancel()
	a := &attempt{r: r, ctx: ctx}
	err := c.play(a)
	var facts []fact
	if len(a.peers) > 0 {
		facts = append(facts, fact{"draft", Draft(a.peers[0].Version())})
	}
	if end := a.leave(); err == nil {
		err = end
	}
	t.point(name, err, time.Since(began), facts...)
	return err
}

// prepare makes the client that dials, which notes that it has reached the
// relay.
func (r *Runner) prepare() {
	if r.Logger == nil {
		r.Logger = slog.New(slog.DiscardHandler)
	}
	c := moqt.Client{}
	if r.Client != nil {
		c = *r.Client
	}
	conf := moqt.Config{}
	if c.Config != nil {
		conf = *c.Config
	}
	if len(conf.Versions) == 0 {
		conf.Versions = Offered()
	}
	c.Config = &conf
	c.Redirect = func(_, to *url.URL) error {
		return fmt.Errorf("the cases are about one relay, not about %s", to.Redacted())
	}
	dial, dialWeb := c.DialQUICFunc, c.DialWebTransportFunc
	if dial == nil {
		dial = quicgo.Dial
	}
	if dialWeb == nil {
		dialWeb = webtransportgo.Dial
	}
	c.DialQUICFunc = func(ctx context.Context, addr string, tlsConf *tls.Config, conf *quic.Config) (quic.Connection, error) {
		return r.note(dial(ctx, addr, tlsConf, conf))
	}
	c.DialWebTransportFunc = func(ctx context.Context, url string, h http.Header, protocols []string, tlsConf *tls.Config, conf *quic.Config) (quic.Connection, error) {
		return r.note(dialWeb(ctx, url, h, protocols, tlsConf, conf))
	}
	r.client = &c
}

func (r *Runner) note(c quic.Connection, err error) (quic.Connection, error) {
	if err == nil {
		r.reached.Store(true)
	}
	return c, err
}

func drafts(versions []string) string {
	names := make([]string, len(versions))
	for i, v := range versions {
		names[i] = Draft(v)
	}
	return strings.Join(names, ", ")
}

func redacted(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return rawURL
	}
	return u.Redacted()
}
