package webtransportgo

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go/testutils/simnet"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	adapter "github.com/moqtgo/moqt/adapters/quicgo"
	"github.com/moqtgo/moqt/ports/quic"
	"github.com/moqtgo/moqt/ports/quic/quictest"
	"github.com/moqtgo/moqt/ports/webtransport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// failSafe bounds waits on events over real sockets.
const failSafe = 20 * time.Second

func deadline(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), failSafe)
	t.Cleanup(cancel)
	return ctx
}

var (
	serverAddr = &net.UDPAddr{IP: net.IPv4(1, 0, 0, 1).To4(), Port: 4433}
	clientAddr = &net.UDPAddr{IP: net.IPv4(1, 0, 0, 2).To4(), Port: 4433}
)

// certificate is valid in real time and in the year 2000, where bubbles begin.
var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "localhost"},
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback, serverAddr.IP},
		NotBefore:    time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA:         true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

func serverConf(alpn ...string) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{certificate()}, NextProtos: alpn}
}

func clientConf(alpn ...string) *tls.Config {
	leaf, err := x509.ParseCertificate(certificate().Certificate[0])
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Config{RootCAs: pool, NextProtos: alpn}
}

// site is a WebTransport server on a listener. Its sessions come out of a
// channel.
type site struct {
	ln       quic.Listener
	server   webtransport.Server
	sessions chan quic.Connection
	wg       sync.WaitGroup
}

// serve serves ln; h is given the requests that are no sessions.
func serve(ln quic.Listener, server webtransport.Server, protocols []string, h http.Handler) *site {
	s := &site{ln: ln, server: server, sessions: make(chan quic.Connection, 16)}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sess, err := server.Upgrade(w, r, protocols)
		if err == webtransport.ErrNotWebTransport && h != nil {
			h.ServeHTTP(w, r)
		}
		if err == nil {
			s.sessions <- sess
		}
	})
	s.wg.Go(func() {
		for {
			conn, err := ln.Accept(context.Background())
			if err != nil {
				return
			}
			s.wg.Go(func() { _ = server.ServeQUICConn(conn, handler) })
		}
	})
	return s
}

// stop ends everything and waits for it.
func (s *site) stop(t testing.TB) {
	require.NoError(t, s.server.Close())
	require.NoError(t, s.ln.Close())
	s.wg.Wait()
}

func (s *site) url() string {
	return fmt.Sprintf("https://%s/path?query=1", s.ln.Addr())
}

// network returns two sockets with 5 ms of latency each way. It is for a
// bubble.
func network(t testing.TB) (client, server *adapter.Socket, stop func()) {
	return networkWith(t, func() time.Duration { return 5 * time.Millisecond })
}

// lossy is network with a way to lose everything from some moment on.
func lossy(t testing.TB) (client, server *adapter.Socket, lose func(), stop func()) {
	var lost atomic.Bool
	client, server, stop = networkWith(t, func() time.Duration {
		if lost.Load() {
			return 24 * time.Hour
		}
		return 5 * time.Millisecond
	})
	return client, server, func() { lost.Store(true) }, stop
}

// reordering is network with jitter.
func reordering(t testing.TB) (client, server *adapter.Socket, stop func()) {
	var n atomic.Int64
	return networkWith(t, func() time.Duration { return time.Duration(5+n.Add(1)*7%13) * time.Millisecond })
}

func networkWith(t testing.TB, latency func() time.Duration) (client, server *adapter.Socket, stop func()) {
	network := &simnet.Simnet{Router: &simnet.PerfectRouter{}}
	link := simnet.NodeBiDiLinkSettings{LatencyFunc: func(simnet.Packet) time.Duration { return latency() }}
	client = adapter.NewSocket(network.NewEndpoint(clientAddr, link))
	server = adapter.NewSocket(network.NewEndpoint(serverAddr, link))
	require.NoError(t, network.Start())
	return client, server, func() {
		require.NoError(t, client.Close())
		require.NoError(t, server.Close())
		require.NoError(t, network.Close())
	}
}

// dialFrom returns Dial from socket to the simulated server.
func dialFrom(socket *adapter.Socket) webtransport.DialFunc {
	return NewDialFunc(func(ctx context.Context, _ string, tlsConf *tls.Config, conf *quic.Config) (quic.Connection, error) {
		return socket.Dial(ctx, serverAddr, tlsConf, conf)
	})
}

func simPipe(t testing.TB, conf *quic.Config) (client, server quic.Connection, stop func()) {
	return pipeOn(t, conf, network)
}

func jitterPipe(t testing.TB, conf *quic.Config) (client, server quic.Connection, stop func()) {
	return pipeOn(t, conf, reordering)
}

func pipeOn(
	t testing.TB, conf *quic.Config,
	network func(testing.TB) (client, server *adapter.Socket, stop func()),
) (client, server quic.Connection, stop func()) {
	a, b, closeNetwork := network(t)
	ln, err := b.Listen(serverConf("h3"), conf)
	require.NoError(t, err)
	site := serve(ln, NewServer(nil), []string{"sub"}, nil)
	client, err = dialFrom(a)(context.Background(), site.url(), nil, []string{"sub"}, clientConf(), conf)
	require.NoError(t, err)
	server = <-site.sessions
	return client, server, func() {
		closeBoth(t, client, server)
		site.stop(t)
		closeNetwork()
	}
}

func loopPipe(t testing.TB, conf *quic.Config) (client, server quic.Connection, stop func()) {
	ln, err := adapter.Listen("127.0.0.1:0", serverConf("h3"), conf)
	require.NoError(t, err)
	site := serve(ln, NewServer(nil), []string{"sub"}, nil)
	client, err = Dial(deadline(t), site.url(), nil, []string{"sub"}, clientConf(), conf)
	require.NoError(t, err)
	server = <-site.sessions
	return client, server, func() {
		closeBoth(t, client, server)
		site.stop(t)
	}
}

func closeBoth(t testing.TB, client, server quic.Connection) {
	require.NoError(t, client.CloseWithError(0, ""))
	require.NoError(t, server.CloseWithError(0, ""))
	<-client.Context().Done()
	<-server.Context().Done()
}

// lacking is what the library hides.
var lacking = []quictest.Capability{quictest.TryWrite, quictest.ReliableBoundary}

func TestSimulated(t *testing.T) {
	certificate()
	quictest.TestConnection(t, quictest.Config{Bubble: true, MakePipe: simPipe, Skip: lacking})
}

func TestJitter(t *testing.T) {
	certificate()
	quictest.TestConnection(t, quictest.Config{Bubble: true, MakePipe: jitterPipe, Skip: lacking})
}

func TestLoopback(t *testing.T) {
	quictest.TestConnection(t, quictest.Config{MakePipe: loopPipe, Skip: lacking})
}
