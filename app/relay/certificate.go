package relay

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"math/big"
	"net"
	"os"
	"sync"
	"time"
)

const (
	// lifetime is the validity of a generated certificate in total. Browsers
	// pin only certificates of at most 14 days.
	lifetime = 13 * 24 * time.Hour
	// backdate is for clients whose clock is behind.
	backdate = time.Hour
	// renewal is how long before its end a certificate is replaced.
	renewal = 3 * 24 * time.Hour
)

// A Certificate is what a server shows: its GetCertificate belongs into a
// tls.Config. It needs no goroutine: whoever asks for it has it renewed, or
// read again, when that is due. Its methods may be called concurrently.
type Certificate struct {
	now  func() time.Time
	load func(old *tls.Certificate, now time.Time) (*tls.Certificate, error)

	mu      sync.Mutex
	current *tls.Certificate
	onError func(error)
}

// SelfSigned returns a certificate that it makes itself, ECDSA P-256 and valid
// for 13 days, as browsers want it whose pages pin its hash. It is replaced
// three days before its end. It names localhost and the hosts given. now is
// the clock; nil is time.Now.
func SelfSigned(now func() time.Time, hosts ...string) (*Certificate, error) {
	return newCertificate(now, func(old *tls.Certificate, now time.Time) (*tls.Certificate, error) {
		if old != nil && now.Before(old.Leaf.NotAfter.Add(-renewal)) {
			return old, nil
		}
		return generate(now, hosts)
	})
}

// CertificateFiles returns a certificate of two PEM files. They are read again
// when one of them has changed; as long as that fails the last good pair stays,
// and onError, which may be nil, is told once a failure.
func CertificateFiles(certFile, keyFile string, onError func(error)) (*Certificate, error) {
	var good, bad [2]fileState
	c, err := newCertificate(nil, func(old *tls.Certificate, _ time.Time) (*tls.Certificate, error) {
		now := [2]fileState{stat(certFile), stat(keyFile)}
		if old != nil && (now == good || now == bad) {
			return old, nil
		}
		pair, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			bad = now
			return nil, err
		}
		good, bad = now, [2]fileState{}
		return &pair, nil
	})
	if err == nil {
		c.onError = onError
	}
	return c, err
}

func newCertificate(now func() time.Time, load func(*tls.Certificate, time.Time) (*tls.Certificate, error)) (*Certificate, error) {
	if now == nil {
		now = time.Now
	}
	c := &Certificate{now: now, load: load}
	var err error
	c.current, err = load(nil, now())
	return c, err
}

// GetCertificate is for tls.Config.
func (c *Certificate) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next, err := c.load(c.current, c.now())
	switch {
	case err == nil:
		c.current = next
	case c.onError != nil:
		c.onError(err)
	}
	return c.current, nil
}

// SHA256 returns the hash of the certificate that is shown now, in hex: what
// clients pin.
func (c *Certificate) SHA256() string {
	now, _ := c.GetCertificate(nil)
	sum := sha256.Sum256(now.Certificate[0])
	return hex.EncodeToString(sum[:])
}

// generate makes a certificate and its key.
func generate(now time.Time, hosts []string) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	from := now.Add(-backdate).Truncate(time.Second)
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "moqt relay"},
		NotBefore:             from,
		NotAfter:              from.Add(lifetime),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              []string{"localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip == nil {
			template.DNSNames = append(template.DNSNames, h)
		} else if !ip.IsUnspecified() {
			template.IPAddresses = append(template.IPAddresses, ip)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// A fileState tells whether a file has changed.
type fileState struct {
	size    int64
	changed time.Time
}

func stat(name string) fileState {
	info, err := os.Stat(name)
	if err != nil {
		return fileState{size: -1}
	}
	return fileState{info.Size(), info.ModTime()}
}
