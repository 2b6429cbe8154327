package quicgo

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go/testutils/simnet"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/moqtgo/moqt/ports/quic"
	"github.com/moqtgo/moqt/ports/quic/quictest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// failSafe bounds waits on events over real sockets.
const failSafe = 20 * time.Second

func deadline(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), failSafe)
	t.Cleanup(cancel)
	return ctx
}

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

const alpn = "test"

var (
	serverAddr = &net.UDPAddr{IP: net.IPv4(1, 0, 0, 1).To4(), Port: 4433}
	clientAddr = &net.UDPAddr{IP: net.IPv4(1, 0, 0, 2).To4(), Port: 4433}
)

// simulated returns two sockets with 5 ms of latency each way. It is for a
// bubble.
func simulated(t testing.TB) (client, server *Socket, stop func()) {
	return simulatedWith(t, func() time.Duration { return 5 * time.Millisecond })
}

// jitter reorders packets.
func jitter() func() time.Duration {
	var n atomic.Int64
	return func() time.Duration { return time.Duration(5+n.Add(1)*7%13) * time.Millisecond }
}

func simulatedWith(t testing.TB, latency func() time.Duration) (client, server *Socket, stop func()) {
	network := &simnet.Simnet{Router: &simnet.PerfectRouter{}}
	link := simnet.NodeBiDiLinkSettings{LatencyFunc: func(simnet.Packet) time.Duration { return latency() }}
	client = NewSocket(network.NewEndpoint(clientAddr, link))
	server = NewSocket(network.NewEndpoint(serverAddr, link))
	require.NoError(t, network.Start())
	return client, server, func() {
		require.NoError(t, client.Close())
		require.NoError(t, server.Close())
		require.NoError(t, network.Close())
	}
}

func simPipe(t testing.TB, conf *quic.Config) (client, server quic.Connection, stop func()) {
	return pipeOn(t, conf, simulated)
}

func jitterPipe(t testing.TB, conf *quic.Config) (client, server quic.Connection, stop func()) {
	return pipeOn(t, conf, func(t testing.TB) (client, server *Socket, stop func()) {
		return simulatedWith(t, jitter())
	})
}

func pipeOn(
	t testing.TB, conf *quic.Config,
	network func(testing.TB) (client, server *Socket, stop func()),
) (client, server quic.Connection, stop func()) {
	a, b, closeSockets := network(t)
	ln, err := b.Listen(serverConf(alpn), conf)
	require.NoError(t, err)
	client, err = a.Dial(context.Background(), serverAddr, clientConf(alpn), conf)
	require.NoError(t, err)
	server, err = ln.Accept(context.Background())
	require.NoError(t, err)
	return client, server, func() {
		require.NoError(t, ln.Close())
		closeBoth(t, client, server)
		closeSockets()
	}
}

func loopPipe(t testing.TB, conf *quic.Config) (client, server quic.Connection, stop func()) {
	ln, err := Listen("127.0.0.1:0", serverConf(alpn), conf)
	require.NoError(t, err)
	client, err = Dial(deadline(t), ln.Addr().String(), clientConf(alpn), conf)
	require.NoError(t, err)
	server, err = ln.Accept(deadline(t))
	require.NoError(t, err)
	return client, server, func() {
		require.NoError(t, ln.Close())
		closeBoth(t, client, server)
	}
}

func closeBoth(t testing.TB, client, server quic.Connection) {
	require.NoError(t, client.CloseWithError(0, ""))
	require.NoError(t, server.CloseWithError(0, ""))
	<-client.Context().Done()
	<-server.Context().Done()
}

func TestSimulated(t *testing.T) {
	certificate()
	quictest.TestConnection(t, quictest.Config{Bubble: true, MakePipe: simPipe})
}

func TestJitter(t *testing.T) {
	certificate()
	quictest.TestConnection(t, quictest.Config{Bubble: true, MakePipe: jitterPipe})
}

func TestLoopback(t *testing.T) {
	quictest.TestConnection(t, quictest.Config{MakePipe: loopPipe})
}
