package adversary

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/adapters/webtransportgo"
	"github.com/moqtgo/moqt/app/moqt"
	"github.com/moqtgo/moqt/app/relay"
	"github.com/moqtgo/moqt/ports/quic"
	"github.com/moqtgo/moqt/ports/quic/quicfault"
	"github.com/moqtgo/moqt/ports/webtransport"
)

// every is how many faults the sweep goes on by.
var every = flag.Int("every", 1, "play every nth fault of the sweep")

var errFault = errors.New("injected fault")

// Where a connection is broken.
var places = []string{"publisher", "viewer", "relay to publisher", "relay to viewer"}

// A faulty is one run of publisher, relay and viewer in which one connection
// has a fault.
type faulty struct {
	version, place string
	faults         []quicfault.Fault
	stack          func(t *testing.T) *stack

	mu   sync.Mutex
	conn *quicfault.Conn
}

func (f *faulty) wrap(place string, c quic.Connection) quic.Connection {
	if place != f.place {
		return c
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conn = quicfault.NewConn(c, f.faults...)
	return f.conn
}

// A faultyServer has the faults in the sessions of an HTTP/3 server.
type faultyServer struct {
	webtransport.Server
	f *faulty
	s *stack
}

func (w *faultyServer) Upgrade(rw http.ResponseWriter, r *http.Request, protocols []string) (quic.Connection, error) {
	c, err := w.Server.Upgrade(rw, r, protocols)
	if err != nil {
		return nil, err
	}
	return w.f.wrap("relay to "+w.s.name(c.State().RemoteAddr), c), nil
}

type faultyListener struct {
	quic.Listener
	f *faulty
	s *stack
}

func (l *faultyListener) Accept(ctx context.Context) (quic.Connection, error) {
	c, err := l.Listener.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return l.f.wrap("relay to "+l.s.name(c.State().RemoteAddr), c), nil
}

// wantKnown wants an error that a user can tell from others.
func wantKnown(t *testing.T, err error) {
	t.Helper()
	var e *moqt.Error
	var conn *quic.ConnError
	var st *quic.StreamError
	known := errors.As(err, &e) || errors.As(err, &conn) || errors.As(err, &st) || errors.Is(err, errFault) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
	require.True(t, known, "an error of no kind: %v (%T)", err, err)
}

// play publishes three groups of three frames through the relay. What arrives
// must be what was sent, from the first frame of its group on; what goes wrong
// must be said. Nothing may be left.
func (f *faulty) play(t *testing.T) {
	on := f.stack(t)
	stop := sync.OnceFunc(on.stop)
	defer stop()
	r := &relay.Relay{}
	server := &moqt.Server{
		Addr: ":443", TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate()}},
		QUICConfig: &quic.Config{EnableDatagrams: true}, Handler: r,
		ListenFunc: func(addr string, tlsConf *tls.Config, conf *quic.Config) (quic.Listener, error) {
			l, err := on.listen(addr, tlsConf, conf)
			if err != nil {
				return nil, err
			}
			if on.web {
				return l, nil
			}
			return &faultyListener{l, f, on}, nil
		},
		NewWebtransportServerFunc: func(check func(*http.Request) bool) webtransport.Server {
			return &faultyServer{webtransportgo.NewServer(check), f, on}
		},
	}
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.ListenAndServe() })
	time.Sleep(time.Millisecond) // it listens
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	dial := func(name string, mux *moqt.TrackMux) (*moqt.Session, error) {
		c := moqt.Client{
			Config: &moqt.Config{Versions: []string{f.version}}, QUICConfig: &quic.Config{EnableDatagrams: true},
			TLSConfig: &tls.Config{InsecureSkipVerify: true},
			DialQUICFunc: func(ctx context.Context, addr string, tlsConf *tls.Config, conf *quic.Config) (quic.Connection, error) {
				c, err := on.dial(name)(ctx, addr, tlsConf, conf)
				if err != nil {
					return nil, err
				}
				return f.wrap(name, c), nil
			},
			DialWebTransportFunc: func(
				ctx context.Context, url string, h http.Header, protocols []string, tlsConf *tls.Config, conf *quic.Config,
			) (quic.Connection, error) {
				c, err := webtransportgo.NewDialFunc(on.dial(name))(ctx, url, h, protocols, tlsConf, conf)
				if err != nil {
					return nil, err
				}
				return f.wrap(name, c), nil
			},
		}
		if on.web {
			return c.Dial(ctx, "https://relay/", mux)
		}
		return c.Dial(ctx, "moqt://relay/", mux)
	}
	mux := moqt.NewTrackMux(nil)
	b := moqt.NewBroadcast()
	track, err := b.Track("video", moqt.TrackInfo{})
	require.NoError(t, err)
	pubCtx, unpublish := context.WithCancel(ctx)
	defer unpublish()
	require.NoError(t, mux.Announce(pubCtx, "b", b))
	var sessions []*moqt.Session
	end := func() {
		for _, s := range sessions {
			_ = s.CloseWithError(moqt.SessionNoError, "")
			_ = s.Wait()
		}
		unpublish()
		time.Sleep(2 * time.Minute) // what lingers
		st := r.Stats()
		require.Zero(t, st.Sessions+st.Broadcasts+st.Tracks+st.Subscriptions+st.Watchers, "%+v", st)
		figures := server.Stats()
		require.Zero(t, figures.Conns+figures.Pending+figures.Sessions, "%+v", figures)
		require.Zero(t, figures.Panics)
		_ = server.Close()
		stop()
		wg.Wait()
	}
	defer end()
	publisher, err := dial("publisher", mux)
	if err != nil {
		wantKnown(t, err)
		return
	}
	sessions = append(sessions, publisher)
	viewer, err := dial("viewer", moqt.NewTrackMux(nil))
	if err != nil {
		wantKnown(t, err)
		return
	}
	sessions = append(sessions, viewer)
	reader, err := viewer.Subscribe(ctx, "b", "video", nil)
	if err != nil {
		wantKnown(t, err)
		return
	}
	defer reader.Close()
	for group := range 3 {
		g, err := track.AppendGroup()
		require.NoError(t, err)
		for frame := range 3 {
			require.NoError(t, g.WriteFrame(moqt.Frame{Payload: []byte(fmt.Sprint(group, frame))}))
			time.Sleep(20 * time.Millisecond)
		}
		require.NoError(t, g.Close())
	}
	for {
		wait, stop := context.WithTimeout(ctx, 5*time.Second)
		g, err := reader.NextGroup(wait)
		if err != nil {
			stop()
			switch {
			case len(f.faults) == 0:
			case err == io.EOF: // who does not read a request any more has ended it, and well; so has who ends its stream
				require.True(t, f.faults[0].Op == quicfault.Read && f.faults[0].Reset != nil || f.faults[0].Truncate, "a clean end")
			default:
				wantKnown(t, err)
			}
			return
		}
		for frame := 0; ; frame++ {
			got, err := g.ReadFrame(wait)
			if err == io.EOF {
				break
			}
			if err != nil {
				require.NotEmpty(t, f.faults)
				wantKnown(t, err)
				break
			}
			require.Equal(t, fmt.Sprint(g.Sequence(), frame), string(got.Payload))
		}
		stop()
	}
}

// Every call that a run makes on one of its connections fails, is delayed,
// finds its stream reset, or its connection closed, or is cut short: no panic, no leak, and the
// API says what has happened.
func TestPortFaults(t *testing.T) { sweep(t, onMemnet, *every) }

// The same on quic-go, with faults that are spread over all calls.
func TestPortFaultsQUIC(t *testing.T) { sweep(t, onQUIC, 5**every) }

// And on webtransport-go.
func TestPortFaultsWebTransport(t *testing.T) { sweep(t, onWebTransport, 6**every) }

func sweep(t *testing.T, stack func(*testing.T) *stack, every int) {
	certificate()
	ops := []quicfault.Op{
		quicfault.OpenStream, quicfault.OpenUniStream, quicfault.TryOpenUniStream, quicfault.AcceptStream, quicfault.AcceptUniStream,
		quicfault.ReceiveDatagram, quicfault.Write, quicfault.TryWrite, quicfault.Close, quicfault.Read,
	}
	kinds := map[string]quicfault.Fault{
		"fail": {Err: errFault}, "delay": {Delay: 3 * time.Second},
		"reset": {Reset: quicfault.Code(1)}, "close": {CloseWith: quicfault.Code(1)},
		"truncate": {Truncate: true, Err: errFault},
	}
	played, n := 0, 0
	for _, version := range families {
		for _, place := range places {
			clean := &faulty{version: version, place: place, stack: stack}
			synctest.Test(t, clean.play)
			require.NotNil(t, clean.conn)
			for _, op := range ops {
				for call := range clean.conn.Calls(op) {
					for _, kind := range []string{"fail", "delay", "reset", "close", "truncate"} {
						if kind == "truncate" && op != quicfault.Write && op != quicfault.TryWrite {
							continue
						}
						if n++; n%every != 0 {
							continue
						}
						played++
						fault := kinds[kind]
						fault.Op, fault.N = op, call+1
						t.Run(fmt.Sprintf("%s/%s/%s/%s %d", version, place, kind, op, call+1), func(t *testing.T) {
							f := &faulty{version: version, place: place, stack: stack, faults: []quicfault.Fault{fault}}
							synctest.Test(t, f.play)
						})
					}
				}
			}
		}
	}
	t.Logf("%d of %d faults", played, n)
}
