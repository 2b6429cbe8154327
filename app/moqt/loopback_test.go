package moqt

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/adapters/quicgo"
	"github.com/moqtgo/moqt/ports/quic"
)

// certificate writes a certificate for localhost and returns its files and who
// trusts it.
func certificate(t *testing.T) (certFile, keyFile string, roots *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots = x509.NewCertPool()
	roots.AddCert(cert)
	return certFile, keyFile, roots
}

// TestLoopback runs the stacks that are used by default, over real sockets: raw
// QUIC and WebTransport at one port.
func TestLoopback(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // a fail-safe
	defer cancel()
	certFile, keyFile, roots := certificate(t)
	mux := NewTrackMux(nil)
	b := NewBroadcast()
	track, err := b.Track("t", TrackInfo{})
	require.NoError(t, err)
	require.NoError(t, mux.Announce(ctx, "b", b))
	router := NewRouter()
	router.HandleFunc("localhost/{room}", func(w SetupResponseWriter, r *SetupRequest) {
		require.Equal(t, "room", r.PathValue("room"))
		require.NotNil(t, r.TLS)
		_, err := AcceptRelay(w, r, mux)
		require.NoError(t, err)
	})
	addr := make(chan net.Addr, 1)
	server := &Server{
		Addr: "127.0.0.1:0", Handler: router,
		QUICConfig: &quic.Config{Allow0RTT: true, EnableDatagrams: true},
		ListenFunc: func(a string, tlsConf *tls.Config, conf *quic.Config) (quic.Listener, error) {
			ln, err := quicgo.Listen(a, tlsConf, conf)
			if err == nil {
				addr <- ln.Addr()
			}
			return ln, err
		},
	}
	served := make(chan error, 1)
	go func() { served <- server.ListenAndServeTLS(certFile, keyFile) }()
	var port int
	select {
	case a := <-addr:
		port = a.(*net.UDPAddr).Port
	case err := <-served:
		t.Fatal(err)
	}
	client := &Client{TLSConfig: &tls.Config{RootCAs: roots, ServerName: "localhost"}, QUICConfig: &quic.Config{EnableDatagrams: true}}
	large := bytes.Repeat([]byte("0123456789"), 100_000)
	writeGroup(t, track, "first", string(large), "")

	var sessions []*Session
	for _, scheme := range []string{"moqt", "https"} {
		url := fmt.Sprintf("%s://localhost:%d/room", scheme, port)
		own := NewTrackMux(nil)
		require.NoError(t, own.PublishFunc(ctx, Path(scheme), func(w *TrackWriter) { writeGroup(t, w, "from", scheme) }))
		sess, err := client.Dial(ctx, url, own)
		require.NoError(t, err)
		sessions = append(sessions, sess)
		r, err := sess.Subscribe(ctx, "b", "t", nil)
		require.NoError(t, err)
		_, frames := readGroup(ctx, t, r)
		require.Len(t, frames, 3)
		require.Equal(t, string(large), frames[1])
		r.Close()

		// what the client offers is served by the server, as by a relay
		up, err := mux.Subscribe(ctx, Path(scheme), "x", nil)
		require.NoError(t, err)
		_, frames = readGroup(ctx, t, up)
		require.Equal(t, []string{"from", scheme}, frames)
		_, err = up.NextGroup(ctx)
		require.Equal(t, io.EOF, err)
		up.Close()
		require.Positive(t, sess.Stats().SmoothedRTT)
	}
	stranger := fmt.Sprintf("moqt://localhost:%d/a/b", port)
	sess, err := client.Dial(ctx, stranger, NewTrackMux(nil))
	if err == nil {
		err = sess.Wait()
	}
	var closed *ConnError
	require.ErrorAs(t, err, &closed)
	require.Equal(t, SessionNotFound, closed.Code)

	require.NoError(t, server.Close())
	require.ErrorIs(t, <-served, ErrServerClosed)
	for _, sess := range sessions {
		require.ErrorAs(t, sess.Wait(), &closed)
		require.NoError(t, closed.Err)
		require.Equal(t, SessionNoError, closed.Code)
	}
}

// One connection is handed to the server by hand.
func TestServeQUICConn(t *testing.T) {
	bubble(t, func(w *world) {
		s, r := w.server()
		r.HandleFunc("/", accept)
		ln, err := w.net.Node("server").Listen(":9", &tls.Config{NextProtos: Versions()}, nil)
		require.NoError(w, err)
		served := make(chan error, 1)
		w.wg.Go(func() {
			conn, err := ln.Accept(context.Background())
			require.NoError(w, err)
			served <- s.ServeQUICConn(conn)
		})
		sess := w.dial("c", "moqt://server:9", nil)
		w.sleep(time.Second)
		require.Empty(w, served, "it blocks until the connection ends")
		w.end(sess)
		require.NoError(w, <-served)
		require.NoError(w, ln.Close())
		require.NoError(w, s.Close())
	})
}
