package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/moqtgo/moqt/app/interop"
	"github.com/moqtgo/moqt/app/moqt"
	"github.com/moqtgo/moqt/ports/quic"
)

// interopCmd is the test client of the MoQ interop runner: its flags, variables
// and exit codes are the runner's.
type interopCmd struct {
	Relay            string        `short:"r" placeholder:"URL" help:"Relay to test: https (WebTransport) or moqt (QUIC); RELAY_URL, https://localhost:4443."`
	Test             string        `short:"t" placeholder:"NAME" help:"Play this case only; TESTCASE. Without it those of the runner."`
	All              bool          `help:"Play the cases that the runner does not have, too."`
	List             bool          `short:"l" help:"List the cases."`
	Verbose          *bool         `short:"v" help:"Tell of each step on standard error; VERBOSE."`
	TLSDisableVerify *bool         `name:"tls-disable-verify" help:"Do not check the certificate of the relay; TLS_DISABLE_VERIFY."`
	TLSCert          *string       `name:"tls-cert" type:"path" placeholder:"FILE" help:"Accept the certificate in this file beside those of the authorities (/certs/cert.pem, if it is there)."`
	Grace            time.Duration `placeholder:"DURATION" help:"Wait longer for everything than the runner does."`
	Draft            string        `placeholder:"DRAFT" help:"Speak this draft only, such as draft-18; MOQT_DRAFT. The preview of draft-20 is offered only so."`
}

// What the runner mounts.
const (
	mountedCert = "/certs/cert.pem"
	mountedKey  = "/certs/priv.key"
)

// Run writes TAP 14 to standard output.
func (c *interopCmd) Run(w *world) error {
	if c.List {
		for _, known := range interop.Cases() {
			fmt.Fprintln(w.out, known.ID)
		}
		return nil
	}
	if role := w.getenv("MOQT_ROLE"); role != "" && role != "client" {
		return exit{exitUnsupported, fmt.Errorf("the role %q is none of this command's: it is a client", role)}
	}
	verbose, err := w.flag(c.Verbose, "VERBOSE")
	if err != nil {
		return err
	}
	tlsConf, err := c.tls(w)
	if err != nil {
		return err
	}
	r := &interop.Runner{
		URL: first(c.Relay, w.getenv("RELAY_URL"), "https://localhost:4443"), Version: version(), Grace: c.Grace,
		Client: &moqt.Client{TLSConfig: tlsConf, QUICConfig: &quic.Config{EnableDatagrams: true}, Config: &moqt.Config{}},
	}
	if verbose {
		r.Logger = slog.New(slog.NewTextHandler(w.err, nil))
		r.Client.Logger = r.Logger
	}
	if w.net != nil {
		r.Client.DialQUICFunc, r.Client.DialWebTransportFunc = w.net.dial, w.net.dialWeb
	}
	if draft := first(c.Draft, w.getenv("MOQT_DRAFT")); draft != "" {
		v, err := interop.Version(draft)
		if err != nil {
			return exit{exitUnsupported, err}
		}
		r.Client.Config.Versions = []string{v}
	}
	ctx, stop := w.interruptible()
	defer stop()
	ok, err := r.Run(ctx, w.out, c.names(w))
	switch {
	case errors.Is(err, interop.ErrUnsupported):
		return exit{exitUnsupported, err}
	case err == nil && !ok:
		return exit{code: exitError} // it has been said
	}
	return err
}

// names returns the cases to play.
func (c *interopCmd) names(w *world) (names []string) {
	one := c.Test
	if one == "" && !c.All {
		one = w.getenv("TESTCASE")
	}
	if one != "" {
		return []string{one}
	}
	for _, known := range interop.Cases() {
		if c.All || !known.Extra {
			names = append(names, known.ID)
		}
	}
	return names
}

// tls returns whom to trust.
func (c *interopCmd) tls(w *world) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS13}
	disable, err := w.flag(c.TLSDisableVerify, "TLS_DISABLE_VERIFY")
	if err != nil || disable {
		conf.InsecureSkipVerify = true
		return conf, err
	}
	file := mountedCert
	if c.TLSCert != nil {
		file = *c.TLSCert
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) && c.TLSCert == nil {
		return conf, nil
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("%s has no certificate", file)
	}
	conf.InsecureSkipVerify = true // VerifyConnection does
	conf.VerifyConnection = func(st tls.ConnectionState) error {
		leaf := st.PeerCertificates[0]
		if string(leaf.Raw) == string(block.Bytes) {
			return nil
		}
		others := x509.NewCertPool()
		for _, cert := range st.PeerCertificates[1:] {
			others.AddCert(cert)
		}
		if _, err := leaf.Verify(x509.VerifyOptions{DNSName: st.ServerName, Intermediates: others}); err != nil {
			return fmt.Errorf("the certificate of the relay is not that of %s: %w", file, err)
		}
		return nil
	}
	return conf, nil
}

// flag is a flag that a variable sets where the command line does not.
func (w *world) flag(given *bool, name string) (bool, error) {
	if given != nil {
		return *given, nil
	}
	value := w.getenv(name)
	if value == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(value)
	if err != nil {
		return false, exit{exitUsage, fmt.Errorf("%s=%s is neither true nor false", name, value)}
	}
	return b, nil
}

// first returns the first that is not empty.
func first(all ...string) string {
	for _, s := range all {
		if s != "" {
			return s
		}
	}
	return ""
}
