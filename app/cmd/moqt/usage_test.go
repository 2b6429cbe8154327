package main

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/app/relay"
)

func TestUsage(t *testing.T) {
	for _, test := range []struct {
		args string
		code int
		says string
	}{
		{"", exitUsage, "expected one of"},
		{"--help", exitOK, "Exit codes"},
		{"relay --help", exitOK, "--upstream"},
		{"publish --help", exitOK, "--no-wait"},
		{"version", exitOK, "moq-lite-05"},
		{"dance", exitUsage, "dance"},
		{"relay --bogus", exitUsage, "--bogus"},
		{"relay --tls-cert=x", exitUsage, "belong together"},
		{"relay --upstream=ftp://x", exitUsage, "https://host:port/"},
		{"relay --origin=example.org", exitUsage, "no origin"},
		{"relay --log-level=loud", exitUsage, "loud"},
		{"relay --film=x", exitUsage, "belongs to --demo"},
		{"relay --demo --film=nothing.mp4", exitError, "nothing.mp4"},
		{"relay --demo --film=usage_test.go", exitError, "no MP4"},
		{"relay --listen=nowhere", exitError, "nowhere"},
		{"publish moqt://x/", exitUsage, "broadcast"},
		{"publish --group=0 moqt://x/ y", exitUsage, "--group"},
		{"publish --chunk=0 moqt://x/ y", exitUsage, "--chunk"},
		{"publish http://x/ y", exitUsage, "moqt://host:port/"},
		{"subscribe https:///x y", exitUsage, "no host"},
		{"subscribe --version=moq-lite-99 moqt://x/ y", exitUsage, "moq-lite-05"},
		{"list --cert-sha256=xyz moqt://x/", exitUsage, "64 hex digits"},
		{"fetch --group=-1 moqt://x/ y", exitUsage, "group"},
	} {
		t.Run(test.args, func(t *testing.T) {
			var out, err syncBuffer
			got := run(strings.Fields(test.args), &world{in: strings.NewReader(""), out: &out, err: &err})
			assert.Equal(t, test.code, got, err.String())
			assert.Contains(t, out.String()+err.String(), test.says)
			if got != exitOK {
				assert.Empty(t, out.String(), "standard output is for what was asked for")
			}
		})
	}
}

func writePair(t *testing.T, c *relay.Certificate, certFile, keyFile string) {
	t.Helper()
	pair, err := c.GetCertificate(nil)
	require.NoError(t, err)
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey.(*ecdsa.PrivateKey))
	require.NoError(t, err)
	for name, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]},
		keyFile:  {Type: "PRIVATE KEY", Bytes: key},
	} {
		require.NoError(t, os.WriteFile(name, pem.EncodeToMemory(block), 0o600))
	}
}

func TestOrigin(t *testing.T) {
	for _, test := range []struct {
		flags  []string
		origin string
		want   bool
	}{
		{nil, "https://anything.example", true},
		{nil, "", true},
		{[]string{"https://a.example", "http://localhost:8080"}, "https://a.example", true},
		{[]string{"https://a.example", "http://localhost:8080"}, "http://LOCALHOST:8080", true},
		{[]string{"https://a.example"}, "https://a.example:8443", false},
		{[]string{"https://a.example"}, "http://a.example", false},
		{[]string{"https://a.example"}, "https://a.example.evil", false},
		{[]string{"https://a.example"}, "null", false},
		{[]string{"https://a.example"}, "", true}, // no web page
	} {
		c := relayCmd{Origin: test.flags}
		r := httptest.NewRequest("CONNECT", "https://relay/", nil)
		if test.origin != "" {
			r.Header.Set("Origin", test.origin)
		}
		assert.Equal(t, test.want, c.checkOrigin(r), test)
	}
}
