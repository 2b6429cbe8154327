package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/app/relay"
)

// Five megabytes arrive as they were sent, through one relay and through two,
// over both transports.
func TestBytesThroughRelays(t *testing.T) {
	data := randomBytes(5_000_000)
	for _, scheme := range []string{"moqt", "https"} {
		t.Run(scheme, func(t *testing.T) {
			origin := launchRelay(t)
			edge := launchRelay(t, "--cert-sha256", origin.hash, "--upstream", scheme+"://"+origin.addr+"/")
			origin.says("session accepted")
			for name, from := range map[string]*relayProcess{"one relay": origin, "two relays": edge} {
				sub := launch(t, nil, from.pinned("subscribe", scheme+"://"+from.addr+"/", "a b/"+name)...)
				pub := launch(t, bytes.NewReader(data), origin.pinned("publish", scheme+"://"+origin.addr+"/", "a b/"+name)...)
				assert.Equal(t, exitOK, pub.wait(), name)
				assert.Equal(t, exitOK, sub.wait(), name)
				assert.True(t, bytes.Equal(data, sub.stdout.Bytes()), "%s: %d bytes", name, sub.stdout.Len())
			}
		})
	}
}

func TestRelayHTTP(t *testing.T) {
	r := launchRelay(t, "--clock")
	conn, err := tls.Dial("tcp", r.addr, &tls.Config{InsecureSkipVerify: true})
	if !assert.Error(t, err, "without --tls-cert TCP speaks plain HTTP") {
		_ = conn.Close()
	}
	assert.Regexp(t, "^[0-9a-f]{64}$", r.hash)
	assert.Equal(t, "ok\n", get(t, r.http+"/health"))
	assert.Equal(t, "clock\n", get(t, r.http+"/announced"))
	assert.Empty(t, get(t, r.http+"/announced/none"))
	assert.Regexp(t, `^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n)+$`, get(t, r.http+"/fetch/clock/data"))
	status, _ := tryGet(t, http.DefaultClient, r.http+"/fetch/clock/nothing")
	assert.Equal(t, 404, status)

	// The command that it prints works.
	m := r.says(`subscribe (--cert-sha256 \w+ \S+ clock)`)
	sub := launch(t, nil, append([]string{"subscribe"}, strings.Fields(m[1])...)...)
	sub.says(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`)
	sub.signal(syscall.SIGINT)
	assert.Equal(t, exitInterrupted, sub.wait())

}

func TestFetch(t *testing.T) {
	r := launchRelay(t)
	in, feed, err := os.Pipe()
	require.NoError(t, err)
	defer in.Close()
	defer feed.Close()
	launch(t, in, r.pinned("publish", "--lines", "--group=2", "moqt://"+r.addr, "x", "a/b c")...)
	sub := launch(t, nil, r.pinned("subscribe", "moqt://"+r.addr, "x", "a/b c")...)
	_, err = feed.WriteString("one\ntwo\nthree\nfour\n")
	require.NoError(t, err)
	sub.says("four")
	for _, scheme := range []string{"moqt://", "https://"} {
		for group, want := range map[string]string{"0": "one\ntwo\n", "1": "three\nfour\n"} {
			p := launch(t, nil, r.pinned("fetch", "--group", group, scheme+r.addr, "x", "a/b c")...)
			assert.Equal(t, exitOK, p.wait())
			assert.Equal(t, want, p.stdout.String())
			assert.Equal(t, want, get(t, r.http+"/fetch/x/a%2Fb%20c?group="+group))
		}
		newest := launch(t, nil, r.pinned("fetch", scheme+r.addr, "x", "a/b c")...)
		assert.Equal(t, exitOK, newest.wait())
		assert.Equal(t, "three\nfour\n", newest.stdout.String())
		for _, args := range [][]string{{"--group=7", scheme + r.addr, "x", "a/b c"}, {scheme + r.addr, "x", "none"}, {scheme + r.addr, "none"}} {
			p := launch(t, nil, r.pinned("fetch", args...)...)
			p.says("moqt: .*not found")
			assert.Equal(t, exitError, p.wait())
		}
	}
	assert.Equal(t, "three\nfour\n", get(t, r.http+"/fetch/x/a%2Fb%20c"))
}

func TestList(t *testing.T) {
	r := launchRelay(t, "--clock")
	list := launch(t, nil, r.pinned("list", "https://"+r.addr)...)
	list.says(`\+ clock`)
	in, feed, err := os.Pipe()
	require.NoError(t, err)
	defer in.Close()
	defer feed.Close()
	pub := launch(t, in, r.pinned("publish", "https://"+r.addr, "room/alice")...)
	list.says(`\+ room/alice`)
	pub.signal(syscall.SIGTERM)
	assert.Equal(t, exitInterrupted, pub.wait(), "nothing was published")
	list.says(`- room/alice`)
	list.signal(syscall.SIGINT)
	assert.Equal(t, exitOK, list.wait())
}

func TestSignals(t *testing.T) {
	idle := launchRelay(t)
	idle.signal(syscall.SIGTERM)
	assert.Equal(t, exitOK, idle.wait(), "nobody is there: at once")

	for _, test := range []struct {
		name, drain string
		again       bool
		code        int
	}{
		{"drained by force", "100ms", false, exitOK},
		{"second signal", "1h", true, exitInterrupted},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := launchRelay(t, "--drain", test.drain, "--clock")
			sub := launch(t, nil, r.pinned("subscribe", "--once", "--version=moq-lite-03", "moqt://"+r.addr, "clock")...) // has no GOAWAY
			sub.says(`\d\d:\d\d:\d\d`)
			r.signal(syscall.SIGINT)
			r.says("asking 1 sessions to leave")
			if test.again {
				r.signal(syscall.SIGINT)
			}
			assert.Equal(t, test.code, r.wait())
			assert.NotEqual(t, exitOK, sub.wait())
		})
	}
}

// With --tls-cert TCP speaks HTTPS, and changed files are read again.
func TestCertificateFiles(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write := func() string {
		cert, err := relay.SelfSigned(nil)
		require.NoError(t, err)
		writePair(t, cert, certFile+".new", keyFile+".new")
		require.NoError(t, os.Rename(keyFile+".new", keyFile))
		require.NoError(t, os.Rename(certFile+".new", certFile))
		return cert.SHA256()
	}
	first := write()
	r := launchRelay(t, "--tls-cert", certFile, "--tls-key", keyFile)
	require.True(t, strings.HasPrefix(r.http, "https://"))
	shown := func() (hash string) {
		c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
			InsecureSkipVerify: true,
			VerifyConnection: func(st tls.ConnectionState) error {
				sum := sha256.Sum256(st.PeerCertificates[0].Raw)
				hash = hex.EncodeToString(sum[:])
				return nil
			},
		}}}
		defer c.CloseIdleConnections()
		status, body := tryGet(t, c, r.http+"/certificate.sha256")
		assert.Equal(t, 200, status)
		assert.Equal(t, hash, body)
		return hash
	}
	assert.Equal(t, first, shown())
	second := write()
	assert.NotEqual(t, first, second)
	assert.Equal(t, second, shown())
	r.hash = second
	in := strings.NewReader("hello")
	sub := launch(t, nil, r.pinned("subscribe", "moqt://"+r.addr, "x")...)
	assert.Equal(t, exitOK, launch(t, in, r.pinned("publish", "https://"+r.addr, "x")...).wait())
	assert.Equal(t, exitOK, sub.wait())
	assert.Equal(t, "hello", sub.stdout.String())
}

// Wrong certificates are refused with a clear reason, and at once.
func TestCertificateChecks(t *testing.T) {
	r := launchRelay(t, "--clock")
	wrong := strings.Repeat("ab", 32)
	for _, scheme := range []string{"moqt://", "https://"} {
		for _, test := range []struct {
			name string
			args []string
			code int
			says string
		}{
			{"unknown authority", nil, exitError, "--cert-sha256"},
			{"wrong pin", []string{"--cert-sha256", wrong}, exitError, r.hash},
			{"no pin", []string{"--cert-sha256", "ab"}, exitUsage, "64 hex digits"},
			{"right pin", []string{"--cert-sha256", wrong, "--cert-sha256", r.hash}, exitOK, `\+ clock`},
			{"insecure", []string{"--insecure"}, exitOK, `\+ clock`},
		} {
			t.Run(scheme+test.name, func(t *testing.T) {
				args := append([]string{"list"}, test.args...)
				p := launch(t, nil, append(args, scheme+r.addr+"/")...)
				p.says(test.says)
				if test.code == exitOK {
					p.signal(syscall.SIGINT)
				}
				assert.Equal(t, test.code, p.wait())
			})
		}
	}
}
