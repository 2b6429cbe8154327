package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moqtgo/moqt/adapters/quicgo"
	"github.com/moqtgo/moqt/app/moqt"
	"github.com/moqtgo/moqt/app/relay"
	"github.com/moqtgo/moqt/app/web"
	"github.com/moqtgo/moqt/ports/quic"
)

type relayCmd struct {
	Listen   string        `placeholder:"HOST:PORT" help:"UDP address for sessions; HTTP is on the same TCP port (MOQT_PORT, [::]:4443)."`
	TLSCert  string        `name:"tls-cert" type:"path" placeholder:"FILE" help:"Certificate chain, PEM; read again when changed (MOQT_CERT). Without it a certificate is generated."`
	TLSKey   string        `name:"tls-key" type:"path" placeholder:"FILE" help:"Key of the certificate, PEM (MOQT_KEY)."`
	Origin   []string      `placeholder:"ORIGIN" help:"Web pages that may connect, such as https://example.org; repeatable. Without it all may."`
	Upstream []string      `placeholder:"URL" help:"Relay to join; repeatable."`
	Clock    bool          `help:"Publish a small live broadcast, \"clock\"."`
	Demo     bool          `help:"Publish a small film in a loop, \"demo\"."`
	Film     string        `type:"path" placeholder:"FILE" help:"The film of --demo, a fragmented MP4; without it a small one that is in this program."`
	Drain    time.Duration `default:"5s" help:"How long sessions may take to leave after the first signal (${default})."`
	LogLevel string        `enum:"debug,info,warn,error" default:"info" placeholder:"LEVEL" help:"debug, info, warn or error (${default})."`
	tlsFlags
}

// Validate is called by kong.
func (c *relayCmd) Validate() error {
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return errors.New("--tls-cert and --tls-key belong together")
	}
	if c.Film != "" && !c.Demo {
		return errors.New("--film belongs to --demo")
	}
	for _, u := range c.Upstream {
		if err := checkURL(u); err != nil {
			return err
		}
	}
	for _, o := range c.Origin {
		if u, err := url.Parse(o); err != nil || u.Scheme == "" || u.Host == "" || u.Path != "" {
			return fmt.Errorf("--origin %q is no origin: want scheme://host or scheme://host:port", o)
		}
	}
	return nil
}

// Run serves until a signal comes, then drains; a second signal ends it.
func (c *relayCmd) Run(w *world) error {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel)) // the enum holds
	if err := c.environment(w); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(w.err, &slog.HandlerOptions{Level: level}))
	cert, err := c.certificate(log)
	if err != nil {
		return err
	}
	tlsConf, err := c.config()
	if err != nil {
		return err
	}
	r := &relay.Relay{Logger: log, Client: &moqt.Client{TLSConfig: tlsConf, Logger: log}, Page: web.Handler()}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := c.own(ctx, r.TrackMux(), log); err != nil {
		return err
	}
	ready := make(chan net.Addr, 1)
	var overTCP net.Listener
	server := &moqt.Server{
		Addr:            c.Listen,
		TLSConfig:       &tls.Config{GetCertificate: cert.GetCertificate, MinVersion: tls.VersionTLS13},
		CheckHTTPOrigin: c.checkOrigin,
		Handler:         r,
		Logger:          log,
		ListenFunc: func(addr string, tlsConf *tls.Config, conf *quic.Config) (quic.Listener, error) {
			ln, tcp, err := c.listen(addr, tlsConf, conf)
			if err == nil {
				overTCP = tcp
				ready <- ln.Addr()
			}
			return ln, err
		},
	}
	served := make(chan error, 1)
	go func() { served <- server.ListenAndServe() }()
	var addr net.Addr
	select {
	case addr = <-ready:
	case err := <-served:
		return err
	}
	httpServer := &http.Server{
		Handler: r.HTTPHandler(cert), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		TLSConfig: &tls.Config{GetCertificate: cert.GetCertificate, MinVersion: tls.VersionTLS12},
		ErrorLog:  slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	var webErr error
	webDone := make(chan struct{})
	go func() {
		defer close(webDone)
		if c.TLSCert != "" {
			webErr = httpServer.ServeTLS(overTCP, "", "")
		} else {
			webErr = httpServer.Serve(overTCP)
		}
	}()
	var work sync.WaitGroup
	for _, u := range c.Upstream {
		work.Go(func() { _ = r.Connect(ctx, u) })
	}
	c.greet(w, addr, cert)

	select {
	case s := <-w.signals:
		w.say("%v: asking %d sessions to leave within %v; a second signal ends at once", s, r.Stats().Sessions, c.Drain)
		err = c.shutdown(w, server)
	case err = <-served:
	case <-webDone:
		err = fmt.Errorf("HTTP: %w", webErr)
	}
	cancel()
	_ = server.Close()
	_ = httpServer.Close()
	<-webDone
	work.Wait()
	return err
}

// own publishes the broadcasts of the relay itself until ctx ends.
func (c *relayCmd) own(ctx context.Context, mux *moqt.TrackMux, log *slog.Logger) error {
	if c.Clock {
		if err := relay.Clock(ctx, mux); err != nil {
			return err
		}
	}
	if !c.Demo {
		return nil
	}
	var film io.ReadSeeker
	if c.Film != "" {
		f, err := os.Open(c.Film)
		if err != nil {
			return fmt.Errorf("--film: %w", err)
		}
		film = f // open as long as this process
	}
	if err := relay.Demo(ctx, mux, film, log); err != nil {
		return fmt.Errorf("--demo: %w", err)
	}
	return nil
}

// environment takes from the variables of the interop runner what the command
// line does not say. MOQT_ROLE says that they are meant: then there are
// certificates in their place. MOQT_MLOG_DIR has no use: no such log is written.
func (c *relayCmd) environment(w *world) error {
	role := w.getenv("MOQT_ROLE")
	if role != "" && role != "relay" {
		return exit{exitUnsupported, fmt.Errorf("the role %q is none of this command's: it is a relay", role)}
	}
	if c.Listen == "" {
		c.Listen = "[::]:" + first(w.getenv("MOQT_PORT"), "4443")
	}
	cert, key := w.getenv("MOQT_CERT"), w.getenv("MOQT_KEY")
	if c.TLSCert == "" && (role != "" || cert != "" || key != "") {
		c.TLSCert, c.TLSKey = first(cert, mountedCert), first(key, mountedKey)
	}
	return nil
}

// shutdown drains the server, until the second signal at most.
func (c *relayCmd) shutdown(w *world, server *moqt.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), c.Drain)
	defer cancel()
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = server.Shutdown(ctx)
	}()
	select {
	case <-done:
		if errors.Is(err, context.DeadlineExceeded) {
			w.say("some sessions did not leave")
			err = nil
		}
		return err
	case <-w.signals:
		cancel()
		<-done
		return exit{code: exitInterrupted}
	}
}

func (c *relayCmd) certificate(log *slog.Logger) (*relay.Certificate, error) {
	if c.TLSCert != "" {
		return relay.CertificateFiles(c.TLSCert, c.TLSKey, func(err error) {
			log.Error("certificate not read again; the old one stays", "error", err)
		})
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return nil, err
	}
	hosts := []string{}
	if host != "" {
		hosts = append(hosts, host)
	}
	return relay.SelfSigned(nil, hosts...)
}

// checkOrigin decides about web pages; what is no web page has no Origin.
func (c *relayCmd) checkOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	return len(c.Origin) == 0 || origin == "" ||
		slices.ContainsFunc(c.Origin, func(o string) bool { return strings.EqualFold(o, origin) })
}

// listen opens the UDP port and the same TCP port. Where the default address
// needs IPv6 and there is none, it is 0.0.0.0.
func (c *relayCmd) listen(addr string, tlsConf *tls.Config, conf *quic.Config) (quic.Listener, net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, nil, err
	}
	for try := 0; ; try++ {
		ln, tcp, err := listenBoth(host, port, tlsConf, conf)
		if err != nil && host == "::" {
			if ln4, tcp4, err4 := listenBoth("0.0.0.0", port, tlsConf, conf); err4 == nil {
				return ln4, tcp4, nil
			}
		}
		// A UDP port that is free need not be so in TCP.
		if err == nil || port != "0" || try == 10 {
			return ln, tcp, err
		}
	}
}

func listenBoth(host, port string, tlsConf *tls.Config, conf *quic.Config) (quic.Listener, net.Listener, error) {
	ln, err := quicgo.Listen(net.JoinHostPort(host, port), tlsConf, conf)
	if err != nil {
		return nil, nil, err
	}
	_, port, _ = net.SplitHostPort(ln.Addr().String())
	tcp, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		_ = ln.Close()
		return nil, nil, err
	}
	return ln, tcp, nil
}

// greet says where the relay is and what to do next.
func (c *relayCmd) greet(w *world, addr net.Addr, cert *relay.Certificate) {
	host, port, _ := net.SplitHostPort(addr.String())
	names := []string{host}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		names = []string{"localhost", "127.0.0.1"}
		if name, err := os.Hostname(); err == nil && c.TLSCert != "" {
			names = append([]string{name}, names...)
		}
	}
	scheme, flags := "http", " --cert-sha256 "+cert.SHA256()
	if c.TLSCert != "" {
		scheme, flags = "https", ""
	}
	for _, name := range names {
		at := net.JoinHostPort(name, port)
		fmt.Fprintf(w.out, "sessions  https://%s/ (WebTransport)  moqt://%s/ (QUIC)  HTTP %s://%s/\n", at, at, scheme, at)
	}
	fmt.Fprintf(w.out, "web page  %s://%s/\n", scheme, net.JoinHostPort(names[0], port))
	if c.TLSCert == "" {
		fmt.Fprintf(w.out, "certificate  generated, SHA-256 %s\n", cert.SHA256())
	}
	if len(c.Origin) == 0 {
		fmt.Fprintln(w.out, "origins  every web page may connect; restrict that with --origin")
	}
	for _, u := range c.Upstream {
		fmt.Fprintf(w.out, "upstream  %s\n", u)
	}
	base := "moqt"
	if arg := os.Args[0]; strings.Contains(arg, "go-build") {
		base = "go run ./app/cmd/moqt" // what it has built may be gone by then
	} else if strings.ContainsRune(arg, os.PathSeparator) {
		base = arg
	}
	u := "https://" + net.JoinHostPort(names[0], port) + "/"
	if c.Demo {
		fmt.Fprintf(w.out, "\nWatch the film of this relay, %q, in a browser at\n\n  %s://%s/watch/%[1]s\n", relay.DemoBroadcast, scheme, net.JoinHostPort(names[0], port))
	}
	if c.Clock {
		fmt.Fprintf(w.out, "\nWatch the clock of this relay with\n\n  %s subscribe%s %s %s\n\n", base, flags, u, relay.ClockBroadcast)
		return
	}
	fmt.Fprintf(w.out, "\nNext:\n  %s publish%s %s hello\n  %s subscribe%s %s hello\n\n", base, flags, u, base, flags, u)
}
