package relay

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSelfSigned(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	now := start
	c, err := SelfSigned(func() time.Time { return now }, "example.org", "192.0.2.1", "::")
	require.NoError(t, err)
	shown, err := c.GetCertificate(nil)
	require.NoError(t, err)
	leaf := shown.Leaf
	key, ok := leaf.PublicKey.(*ecdsa.PublicKey)
	require.True(t, ok)
	assert.Equal(t, elliptic.P256(), key.Curve)
	assert.LessOrEqual(t, leaf.NotAfter.Sub(leaf.NotBefore), 13*24*time.Hour)
	assert.True(t, leaf.NotBefore.Before(start))
	for _, host := range []string{"localhost", "127.0.0.1", "::1", "example.org", "192.0.2.1"} {
		assert.NoError(t, leaf.VerifyHostname(host))
	}
	assert.Len(t, leaf.IPAddresses, 3, "an unspecified address is no name")
	assert.Regexp(t, "^[0-9a-f]{64}$", c.SHA256())
}

func TestSelfSignedRenewsItself(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	now := start
	c, err := SelfSigned(func() time.Time { return now })
	require.NoError(t, err)
	first := c.SHA256()
	now = start.Add(9 * 24 * time.Hour)
	assert.Equal(t, first, c.SHA256(), "too early")
	for range 5 {
		before := c.SHA256()
		now = now.Add(10 * 24 * time.Hour)
		shown, err := c.GetCertificate(nil)
		require.NoError(t, err)
		assert.NotEqual(t, before, c.SHA256())
		assert.True(t, now.After(shown.Leaf.NotBefore) && now.Before(shown.Leaf.NotAfter), "it is valid whenever it is shown")
	}
}

func TestCertificateFiles(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	touch := func(name string) {
		at = at.Add(time.Second) // file systems with coarse times exist
		require.NoError(t, os.Chtimes(name, at, at))
	}
	write := func() string {
		pair, err := generate(time.Now(), nil)
		require.NoError(t, err)
		writePEM(t, pair, certFile, keyFile)
		touch(certFile)
		touch(keyFile)
		return fingerprint(pair)
	}
	var failures []error
	first := write()
	c, err := CertificateFiles(certFile, keyFile, func(err error) { failures = append(failures, err) })
	require.NoError(t, err)
	assert.Equal(t, first, c.SHA256())

	second := write()
	assert.Equal(t, second, c.SHA256(), "read again when changed")

	require.NoError(t, os.WriteFile(certFile, []byte("half a fi"), 0o600))
	touch(certFile)
	assert.Equal(t, second, c.SHA256(), "the last good pair stays")
	assert.Equal(t, second, c.SHA256())
	assert.Len(t, failures, 1, "told once")

	third := write()
	assert.Equal(t, third, c.SHA256())
	require.NoError(t, os.Remove(keyFile))
	assert.Equal(t, third, c.SHA256())
	assert.Len(t, failures, 2)

	_, err = CertificateFiles(filepath.Join(dir, "none"), keyFile, nil)
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// writePEM writes a pair as two files.
func writePEM(t testing.TB, pair *tls.Certificate, certFile, keyFile string) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	require.NoError(t, err)
	for name, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]},
		keyFile:  {Type: "PRIVATE KEY", Bytes: key},
	} {
		require.NoError(t, os.WriteFile(name, pem.EncodeToMemory(block), 0o600))
	}
}

func fingerprint(pair *tls.Certificate) string {
	c := &Certificate{now: time.Now, load: func(*tls.Certificate, time.Time) (*tls.Certificate, error) { return pair, nil }}
	return c.SHA256()
}
