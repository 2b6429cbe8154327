package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/moqtgo/moqt/app/moqt"
	"github.com/moqtgo/moqt/app/relay"
	"github.com/moqtgo/moqt/ports/quic"
	"github.com/moqtgo/moqt/ports/webtransport"
)

// A network replaces the network of a process, for tests.
type network struct {
	dial    quic.DialAddrFunc
	dialWeb webtransport.DialFunc
}

// tlsFlags say which certificates of a server are good.
type tlsFlags struct {
	Insecure   bool     `help:"Do not check the certificate of the server: anybody may answer."`
	CertSHA256 []string `name:"cert-sha256" placeholder:"HEX" help:"Accept the certificate with this SHA-256 instead of asking the authorities; repeatable."`
}

// config returns the TLS settings.
func (f *tlsFlags) config() (*tls.Config, error) {
	conf := &tls.Config{InsecureSkipVerify: f.Insecure, MinVersion: tls.VersionTLS13}
	if f.Insecure || len(f.CertSHA256) == 0 {
		return conf, nil
	}
	var pins [][]byte
	for _, s := range f.CertSHA256 {
		pin, err := hex.DecodeString(strings.ReplaceAll(s, ":", ""))
		if err != nil || len(pin) != sha256.Size {
			return nil, exit{exitUsage, fmt.Errorf("--cert-sha256 %q is not 64 hex digits", s)}
		}
		pins = append(pins, pin)
	}
	conf.InsecureSkipVerify = true // VerifyConnection does
	conf.VerifyConnection = func(st tls.ConnectionState) error {
		sum := sha256.Sum256(st.PeerCertificates[0].Raw)
		if slices.ContainsFunc(pins, func(pin []byte) bool { return string(pin) == string(sum[:]) }) {
			return nil
		}
		return &pinError{hex.EncodeToString(sum[:])}
	}
	return conf, nil
}

type pinError struct{ got string }

func (e *pinError) Error() string {
	return fmt.Sprintf("the certificate of the server has the SHA-256 %s, which --cert-sha256 does not name", e.got)
}

// clientFlags are those of the commands that dial.
type clientFlags struct {
	tlsFlags
	Draft []string `name:"version" placeholder:"DRAFT" help:"Speak this draft only, such as moq-lite-04; repeatable, the preferred one first."`
	Once  bool     `help:"Do not dial again when the session ends."`
}

// Validate is called by kong.
func (f *clientFlags) Validate() error {
	for _, v := range f.Draft {
		if !slices.Contains(moqt.Versions(), v) {
			return fmt.Errorf("--version %s is not spoken here: want one of %s", v, strings.Join(moqt.Versions(), ", "))
		}
	}
	return nil
}

func checkURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return err
	case u.Scheme != "https" && u.Scheme != "moqt" && u.Scheme != "moql":
		return fmt.Errorf("%q: want a URL like https://host:port/ (WebTransport) or moqt://host:port/ (QUIC)", s)
	case u.Hostname() == "":
		return fmt.Errorf("%q has no host", s)
	}
	return nil
}

const (
	// dialTime bounds one attempt to set a session up.
	dialTime = 15 * time.Second
	// steady is how long a session must have lasted before its loss is
	// answered with a short wait.
	steady = 30 * time.Second
)

// A dialer keeps a session with one server.
type dialer struct {
	client *moqt.Client
	url    string
	once   bool
	w      *world
}

func (f *clientFlags) dialer(w *world, rawURL string, conf moqt.Config) (*dialer, error) {
	if err := checkURL(rawURL); err != nil {
		return nil, exit{exitUsage, err}
	}
	tlsConf, err := f.config()
	if err != nil {
		return nil, err
	}
	conf.Versions = f.Draft
	d := &dialer{
		client: &moqt.Client{TLSConfig: tlsConf, QUICConfig: &quic.Config{EnableDatagrams: true}, Config: &conf},
		url:    rawURL, once: f.Once, w: w,
	}
	if w.net != nil {
		d.client.DialQUICFunc, d.client.DialWebTransportFunc = w.net.dial, w.net.dialWeb
	}
	return d, nil
}

// run dials and runs use with the session, again and again: until use returns
// nil or a final error, or ctx ends. With --once the first error is final. mux
// is what the server is offered.
func (d *dialer) run(ctx context.Context, mux *moqt.TrackMux, use func(*moqt.Session) error) error {
	var wait relay.Backoff
	for {
		began := time.Now()
		err := d.try(ctx, mux, use)
		if err == nil {
			return nil
		}
		if context.Cause(ctx) != nil {
			return context.Cause(ctx)
		}
		if why := final(err); why != nil || d.once {
			return errors.Join(why, unless(why, err))
		}
		if time.Since(began) >= steady {
			wait.Reset()
		}
		next := wait.Next()
		d.w.say("%v; trying again in %v", err, next.Round(100*time.Millisecond))
		if err := sleep(ctx, next); err != nil {
			return err
		}
	}
}

func (d *dialer) try(ctx context.Context, mux *moqt.TrackMux, use func(*moqt.Session) error) error {
	dial, cancel := context.WithTimeoutCause(ctx, dialTime, errors.New("no answer in time"))
	defer cancel()
	s, err := d.client.Dial(dial, d.url, mux)
	if err != nil {
		if context.Cause(dial) != nil {
			err = context.Cause(dial)
		}
		return fmt.Errorf("%s: %w", d.url, err)
	}
	defer func() {
		_ = s.CloseWithError(moqt.SessionNoError, "")
		_ = s.Wait()
	}()
	return use(s)
}

// A finalError ends a command: to try again would not help.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

// final returns err if to try again would not help, in words for the user.
func final(err error) error {
	var e finalError
	var pin *pinError
	var authority x509.UnknownAuthorityError
	var verify *tls.CertificateVerificationError
	var closed *moqt.ConnError
	switch {
	case errors.As(err, &closed) && closed.Remote && (closed.Code == moqt.SessionUnauthorized || closed.Code == moqt.SessionNotFound):
		return err
	case errors.As(err, &e), errors.As(err, &pin), errors.Is(err, moqt.ErrUnauthorized):
		return err
	case errors.As(err, &authority), errors.As(err, &verify):
		return fmt.Errorf("%w (pin it with --cert-sha256: a relay prints its hash; or --insecure)", err)
	}
	return nil
}

func unless(first, err error) error {
	if first != nil {
		return nil
	}
	return err
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
