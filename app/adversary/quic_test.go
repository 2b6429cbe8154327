package adversary

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"
	"github.com/stretchr/testify/require"

	adapter "github.com/moqtgo/moqt/adapters/quicgo"
	"github.com/moqtgo/moqt/app/moqt"
	"github.com/moqtgo/moqt/app/relay"
	"github.com/moqtgo/moqt/ports/quic"
)

// failSafe bounds waits on events over real sockets.
const failSafe = 20 * time.Second

var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

// A site is a relay on a real socket, with an innocent publisher and viewer.
type site struct {
	*testing.T
	ctx    context.Context
	addr   string
	server *moqt.Server
	relay  *relay.Relay
	served chan error

	publisher, viewer *moqt.Session
	track             *moqt.TrackWriter
	reader            *moqt.TrackReader
	base              figures
}

func newSite(t *testing.T, conf *moqt.Config) *site {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*failSafe)
	t.Cleanup(cancel)
	s := &site{T: t, ctx: ctx, relay: &relay.Relay{}, served: make(chan error, 1)}
	addr := make(chan string, 1)
	s.server = &moqt.Server{
		Addr: "127.0.0.1:0", TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate()}}, Config: conf, Handler: s.relay,
		QUICConfig: &quic.Config{EnableDatagrams: true},
		ListenFunc: func(a string, tlsConf *tls.Config, c *quic.Config) (quic.Listener, error) {
			ln, err := adapter.Listen(a, tlsConf, c)
			if err == nil {
				addr <- ln.Addr().String()
			}
			return ln, err
		},
	}
	go func() { s.served <- s.server.ListenAndServe() }()
	s.addr = <-addr
	mux := moqt.NewTrackMux(nil)
	b := moqt.NewBroadcast()
	var err error
	s.track, err = b.Track("video", moqt.TrackInfo{})
	require.NoError(t, err)
	require.NoError(t, mux.Announce(ctx, "innocent", b))
	s.publisher, s.viewer = s.client(moqt19, mux), s.client(lite05, moqt.NewTrackMux(nil))
	s.reader, err = s.viewer.Subscribe(ctx, "innocent", "video", nil)
	require.NoError(t, err)
	s.check()
	s.base = measure()
	return s
}

func (s *site) client(version string, mux *moqt.TrackMux) *moqt.Session {
	s.Helper()
	c := moqt.Client{TLSConfig: &tls.Config{InsecureSkipVerify: true}, Config: &moqt.Config{Versions: []string{version}}, QUICConfig: &quic.Config{EnableDatagrams: true}}
	sess, err := c.Dial(s.ctx, "moqt://"+s.addr+"/", mux)
	require.NoError(s, err)
	return sess
}

// check wants a group of the innocent to arrive.
func (s *site) check() {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, failSafe)
	defer cancel()
	g, err := s.track.AppendGroup()
	require.NoError(s, err)
	_, err = g.Write([]byte("ring"))
	require.NoError(s, err)
	require.NoError(s, g.Close())
	got, err := s.reader.NextGroup(ctx)
	require.NoError(s, err, "the innocent waits")
	_, err = got.ReadFrame(ctx)
	require.NoError(s, err, "the innocent waits")
}

func (s *site) within(b budget) {
	s.Helper()
	s.check()
	now := measure()
	heap, goroutines := max(0, now.heap-s.base.heap), now.goroutines-s.base.goroutines
	s.Logf("heap +%.1f MiB of %.1f, goroutines +%d of %d", float64(heap)/float64(mib), float64(b.heap)/float64(mib), goroutines, b.goroutines)
	require.LessOrEqual(s, heap, b.heap, "heap")
	require.LessOrEqual(s, goroutines, b.goroutines, "goroutines")
}

// until waits for an event that nobody signals.
func (s *site) until(what string, is func() bool) {
	s.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		require.NoError(s, s.ctx.Err(), what)
		<-tick.C
	}
}

func (s *site) close() {
	s.Helper()
	s.check()
	s.reader.Close()
	_ = s.publisher.CloseWithError(0, "")
	_ = s.viewer.CloseWithError(0, "")
	require.NoError(s, s.server.Close())
	require.ErrorIs(s, <-s.served, moqt.ErrServerClosed)
}

func (s *site) evil(version string) *evil {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, failSafe)
	defer cancel()
	c, err := adapter.Dial(ctx, s.addr, &tls.Config{NextProtos: []string{version}, InsecureSkipVerify: true},
		&quic.Config{EnableDatagrams: true, MaxIncomingStreams: 1 << 16, MaxIncomingUniStreams: 1 << 16})
	if err != nil {
		return nil
	}
	return &evil{Connection: c, version: version}
}

// Rows 4, 6 and 39 on real QUIC: 500 sessions, more than may be, of which half
// say nothing; and all of them leave.
func TestQUICSessions(t *testing.T) {
	s := newSite(t, &moqt.Config{MaxConns: 300, MaxConnsPerHost: 250, MaxPendingPerHost: 60})
	var mu sync.Mutex
	var all []*evil
	for i := 0; i < 500; i += 20 {
		var wg sync.WaitGroup
		for k := range 20 {
			wg.Go(func() {
				e := s.evil(moqt19)
				if e == nil {
					return
				}
				if (i+k)%2 == 0 {
					e.uni(bytes("af00 0000"))
				}
				mu.Lock()
				all = append(all, e)
				mu.Unlock()
			})
		}
		wg.Wait()
	}
	st := s.server.Stats()
	t.Logf("%+v", st)
	require.LessOrEqual(t, st.Conns, 250)
	require.LessOrEqual(t, st.Pending, 60)
	require.Positive(t, st.RefusedConns+st.RefusedPending)
	s.within(budget{heap: 96 * mib, goroutines: 250*2*12 + 500*4}) // both ends of each
	for _, e := range all {
		e.leave()
	}
	s.until("all have left", func() bool { return s.server.Stats().Conns == 2 })
	s.close()
}

// Rows 5, 8 and 13 on real QUIC: 10^4 requests of one session, refused, half
// open, or reset.
func TestQUICRequests(t *testing.T) {
	for _, v := range families {
		for _, how := range []string{"refused", "reset"} {
			t.Run(v+"/"+how, func(t *testing.T) {
				s := newSite(t, &moqt.Config{Limits: moqt.Limits{RequestRate: 1 << 20, RequestBurst: 1 << 20, Subscriptions: 500, Resets: 10}})
				e := s.evil(v)
				require.NotNil(t, e)
				e.setup("/")
				sent := 0
				var open []quic.Stream // not answered yet
				for i := range many {
					ctx, cancel := context.WithTimeout(s.ctx, failSafe)
					st, err := e.OpenStream(ctx)
					cancel()
					if err != nil {
						break
					}
					_, err = st.Write(e.subscribe(i, "innocent", "video"))
					if err != nil {
						break
					}
					switch {
					case how == "reset":
						st.CancelWrite(1)
						st.CancelRead(1)
					case i == 599:
						s.until("there is no room", func() bool { return s.relay.Stats().Subscriptions > 500 })
					case i >= 600:
						open = append(open, st)
					}
					if len(open) == 50 {
						for _, st := range open {
							_ = drain(st) // the answer
						}
						open = open[:0]
					}
					sent++
				}
				t.Logf("%d requests", sent)
				gone := func() bool { _, is := e.gone(); return is }
				if how == "reset" {
					s.until("the session is closed", gone)
				} else {
					require.False(t, gone())
				}
				s.within(budget{heap: 40 * mib, goroutines: 500*3 + 60})
				e.leave()
				s.close()
			})
		}
	}
}

// A deaf is a socket that sends and never receives: what comes is counted.
type deaf struct {
	net.PacketConn
	in, out atomic.Int64
	sent    func([]byte) // nil: to the socket
}

func (d *deaf) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		n, _, err := d.PacketConn.ReadFrom(p)
		if err != nil {
			return 0, nil, err
		}
		d.in.Add(int64(n))
	}
}

func (d *deaf) WriteTo(p []byte, a net.Addr) (int, error) {
	d.out.Add(int64(len(p)))
	if d.sent != nil {
		d.sent(p)
		return len(p), nil
	}
	return d.PacketConn.WriteTo(p, a)
}

// dialDeaf dials with a socket that hears nothing, until ctx ends or stop says
// that enough was sent.
func (s *site) dialDeaf(ctx context.Context, d *deaf) {
	s.Helper()
	addr, err := net.ResolveUDPAddr("udp", s.addr)
	require.NoError(s, err)
	tr := &quicgo.Transport{Conn: d}
	_, err = tr.Dial(ctx, addr, &tls.Config{
		NextProtos: []string{moqt19}, InsecureSkipVerify: true,
		CurvePreferences: []tls.CurveID{tls.X25519}, // so that a ClientHello fits one packet
	}, &quicgo.Config{})
	require.Error(s, err)
	require.NoError(s, tr.Close())
}

// Row 32: a client whose address is not verified is sent no more than three
// times what it has sent.
func TestAmplification(t *testing.T) {
	s := newSite(t, nil)
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	d := &deaf{PacketConn: pc}
	ctx, cancel := context.WithTimeout(s.ctx, 2*time.Second) // long enough to be sent everything again
	s.dialDeaf(ctx, d)
	cancel()
	require.NoError(t, pc.Close())
	t.Logf("%d bytes for %d", d.in.Load(), d.out.Load())
	require.Positive(t, d.in.Load())
	require.LessOrEqual(t, d.in.Load(), 3*d.out.Load())
	s.within(budget{heap: 4 * mib, goroutines: 60})
	s.close()
}

// Row 6: first packets from forged addresses. Beyond what may come at once the
// server answers with Retry and keeps nothing.
func TestForgedAddresses(t *testing.T) {
	s := newSite(t, &moqt.Config{AttemptRate: 40})
	var flights [][]byte // of clients that were never heard
	for range 300 {
		pc, err := net.ListenPacket("udp", "127.0.0.1:0")
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(s.ctx)
		d := &deaf{PacketConn: pc}
		d.sent = func(p []byte) {
			if ctx.Err() == nil {
				flights = append(flights, append([]byte(nil), p...))
			}
			cancel()
		}
		s.dialDeaf(ctx, d)
		cancel()
		require.NoError(t, pc.Close())
	}
	base := measure()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	addr, err := net.ResolveUDPAddr("udp", s.addr)
	require.NoError(t, err)
	for _, p := range flights {
		_, err := pc.WriteTo(p, addr)
		require.NoError(t, err)
	}
	s.until("the server has doubts", func() bool { return s.server.Stats().Retries >= int64(len(flights)/4) })
	now := measure()
	t.Logf("%d packets: %+v; goroutines +%d, heap +%d KiB", len(flights), s.server.Stats(), now.goroutines-base.goroutines, (now.heap-base.heap)/kib)
	require.LessOrEqual(t, now.goroutines-base.goroutines, 3*(40+40*10), "what was taken at its word, and the seconds since")
	require.LessOrEqual(t, now.heap-base.heap, 16*mib)
	s.check()
	require.NoError(t, pc.Close())
	s.close()
}

// Row 33: early data, which can be replayed, is not taken unless it is asked
// for.
func TestNoEarlyData(t *testing.T) {
	s := newSite(t, nil)
	conf := &tls.Config{NextProtos: []string{moqt19}, InsecureSkipVerify: true, ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	for i := range 2 {
		ctx, cancel := context.WithTimeout(s.ctx, failSafe)
		c, err := quicgo.DialAddrEarly(ctx, s.addr, conf, &quicgo.Config{})
		require.NoError(t, err)
		st, err := c.OpenUniStream()
		require.NoError(t, err)
		_, err = st.Write(bytes("af00 0000"))
		require.NoError(t, err)
		<-c.HandshakeComplete()
		require.False(t, c.ConnectionState().Used0RTT, "connection %d", i)
		in, err := c.AcceptUniStream(ctx) // the server's SETUP; the ticket has come with it
		require.NoError(t, err)
		var b [1]byte
		_, err = in.Read(b[:])
		require.NoError(t, err)
		require.NoError(t, c.CloseWithError(0, ""))
		cancel()
	}
	s.within(budget{heap: 4 * mib, goroutines: 60})
	s.close()
}

// Row 46: packets of nonsense, of every length, and of none.
func TestNonsensePackets(t *testing.T) {
	s := newSite(t, nil)
	pc, err := net.Dial("udp", s.addr)
	require.NoError(t, err)
	for i := range many {
		p := make([]byte, i%1400)
		_, _ = rand.Read(p)
		if len(p) > 0 && i%2 == 0 {
			p[0] |= 0xc0 // a long header
		}
		_, _ = pc.Write(p)
	}
	s.within(budget{heap: 8 * mib, goroutines: 60})
	require.NoError(t, pc.Close())
	s.close()
}
