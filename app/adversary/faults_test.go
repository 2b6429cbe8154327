package adversary

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/testutils/simnet"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/adapters/memnet"
	adapter "github.com/moqtgo/moqt/adapters/quicgo"
	"github.com/moqtgo/moqt/app/moqt"
	"github.com/moqtgo/moqt/app/relay"
	"github.com/moqtgo/moqt/ports/quic"
	"github.com/moqtgo/moqt/ports/quic/quicfault"
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

// A stack is a network with the nodes relay, publisher and viewer.
type stack struct {
	listen quic.ListenAddrFunc
	dial   func(name string) quic.DialAddrFunc
	name   func(net.Addr) string
	stop   func()
}

func onMemnet(*testing.T) *stack {
	network := memnet.New(memnet.Config{Seed: 1, Settle: synctest.Wait, Link: memnet.Link{Latency: 10 * time.Millisecond}})
	return &stack{
		listen: network.Node("relay").Listen,
		dial:   func(name string) quic.DialAddrFunc { return network.Node(name).Dial },
		name:   func(a net.Addr) string { return a.(memnet.Addr).Node },
		stop:   network.Close,
	}
}

// onQUIC is quic-go on a network of packets.
func onQUIC(t *testing.T) *stack {
	network := &simnet.Simnet{Router: &simnet.PerfectRouter{}}
	link := simnet.NodeBiDiLinkSettings{LatencyFunc: func(simnet.Packet) time.Duration { return 10 * time.Millisecond }}
	addrs := map[string]*net.UDPAddr{}
	sockets := map[string]*adapter.Socket{}
	for i, name := range []string{"relay", "publisher", "viewer"} {
		addrs[name] = &net.UDPAddr{IP: net.IPv4(1, 0, 0, byte(i+1)).To4(), Port: 443}
		sockets[name] = adapter.NewSocket(network.NewEndpoint(addrs[name], link))
	}
	require.NoError(t, network.Start())
	return &stack{
		listen: func(_ string, tlsConf *tls.Config, conf *quic.Config) (quic.Listener, error) {
			return sockets["relay"].Listen(tlsConf, conf)
		},
		dial: func(name string) quic.DialAddrFunc {
			return func(ctx context.Context, _ string, tlsConf *tls.Config, conf *quic.Config) (quic.Connection, error) {
				return sockets[name].Dial(ctx, addrs["relay"], tlsConf, conf)
			}
		},
		name: func(a net.Addr) string {
			for name, addr := range addrs {
				if addr.String() == a.String() {
					return name
				}
			}
			return ""
		},
		stop: func() {
			for _, s := range sockets {
				_ = s.Close()
			}
			_ = network.Close()
		},
	}
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
			return &faultyListener{l, f, on}, nil
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
			case err == io.EOF: // who does not read a request any more has ended it, and well
				require.True(t, f.faults[0].Op == quicfault.Read && f.faults[0].Reset != nil, "a clean end")
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
// finds its stream reset, or its connection closed: no panic, no leak, and the
// API says what has happened.
func TestPortFaults(t *testing.T) { sweep(t, onMemnet, *every) }

// The same on quic-go, with faults that are spread over all calls.
func TestPortFaultsQUIC(t *testing.T) { sweep(t, onQUIC, 5**every) }

func sweep(t *testing.T, stack func(*testing.T) *stack, every int) {
	certificate()
	ops := []quicfault.Op{
		quicfault.OpenStream, quicfault.OpenUniStream, quicfault.TryOpenUniStream, quicfault.AcceptStream, quicfault.AcceptUniStream,
		quicfault.ReceiveDatagram, quicfault.Write, quicfault.TryWrite, quicfault.Close, quicfault.Read,
	}
	kinds := map[string]quicfault.Fault{
		"fail": {Err: errFault}, "delay": {Delay: 3 * time.Second},
		"reset": {Reset: quicfault.Code(1)}, "close": {CloseWith: quicfault.Code(1)},
	}
	played, n := 0, 0
	for _, version := range families {
		for _, place := range places {
			clean := &faulty{version: version, place: place, stack: stack}
			synctest.Test(t, clean.play)
			require.NotNil(t, clean.conn)
			for _, op := range ops {
				for call := range clean.conn.Calls(op) {
					for _, kind := range []string{"fail", "delay", "reset", "close"} {
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
