package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/app/interop"
	"github.com/moqtgo/moqt/app/relay"
)

// variables is an environment.
func variables(pairs ...string) func(string) string {
	env := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		env[pairs[i]] = pairs[i+1]
	}
	return func(name string) string { return env[name] }
}

// playInterop plays the client of the runner in this process.
func playInterop(env func(string) string, args ...string) (code int, stdout, stderr string) {
	var out, err syncBuffer
	code = run(append([]string{"interop", "--grace=10s"}, args...), &world{in: strings.NewReader(""), out: &out, err: &err, env: env})
	return code, out.String(), err.String()
}

// certificateFiles makes a pair of files as the runner does.
func certificateFiles(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "priv.key")
	cert, err := relay.SelfSigned(nil)
	require.NoError(t, err)
	writePair(t, cert, certFile, keyFile)
	return certFile, keyFile
}

// The relay that the runner starts passes the cases of the client that the
// runner starts: every draft, both transports, one UDP port.
func TestInterop(t *testing.T) {
	certFile, keyFile := certificateFiles(t)
	t.Setenv("MOQT_ROLE", "relay")
	t.Setenv("MOQT_PORT", "0")
	t.Setenv("MOQT_CERT", certFile)
	t.Setenv("MOQT_KEY", keyFile)
	t.Setenv("MOQT_MLOG_DIR", t.TempDir())
	p := launch(t, nil, "relay")
	port := p.says(`sessions +https://[^/]+:(\d+)/`)[1]
	t.Run("cases", func(t *testing.T) { // they end before the relay does
		for _, scheme := range []string{"moqt", "https"} {
			for _, version := range interop.Versions() {
				t.Run(scheme+" "+interop.Draft(version), func(t *testing.T) {
					t.Parallel()
					url := fmt.Sprintf("%s://127.0.0.1:%s/%s/%s", scheme, port, scheme, version) // a root of its own
					code, out, said := playInterop(variables("RELAY_URL", url, "MOQT_DRAFT", interop.Draft(version), "TLS_DISABLE_VERIFY", "false"),
						"--all", "--tls-cert", certFile)
					assert.Equal(t, exitOK, code, "%s\n%s", out, said)
					assert.True(t, strings.HasPrefix(out, "TAP version 14\n# moqt "), out)
					assert.Contains(t, out, fmt.Sprintf("\n# Relay: %s\n# Drafts offered: %s\n1..%d\n", url, interop.Draft(version), len(interop.Cases())))
					for i, c := range interop.Cases() {
						assert.Regexp(t, fmt.Sprintf(`\nok %d - %s\n  ---\n  duration_ms: \d+\n  draft: %q\n  \.\.\.\n`, i+1, c.ID, interop.Draft(version)), out)
					}
					assert.Empty(t, said)
				})
			}
		}
	})
}

// Flags come before variables, and variables before defaults.
func TestInteropUsage(t *testing.T) {
	certFile, keyFile := certificateFiles(t)
	r := launchRelay(t, "--tls-cert", certFile, "--tls-key", keyFile)
	url := "moqt://" + r.addr
	for _, test := range []struct {
		name string
		env  []string
		args []string
		code int
		says string // an expression, of standard output or error
	}{
		{"case", []string{"RELAY_URL", url, "TESTCASE", "setup-only", "TLS_DISABLE_VERIFY", "1"}, nil, exitOK, `1\.\.1\nok 1 - setup-only\n`},
		{"alias", []string{"TLS_DISABLE_VERIFY", "true"}, []string{"-r", url, "-t", "publish-namespace-only"}, exitOK, `ok 1 - publish-namespace-only\n`},
		{"flags win", []string{"RELAY_URL", "ftp://nowhere", "TESTCASE", "none", "TLS_DISABLE_VERIFY", "0", "MOQT_DRAFT", "99"},
			[]string{"--relay", url, "--test", "setup-only", "--tls-disable-verify", "--draft", "16"}, exitOK, `draft: "draft-16"`},
		{"a flag can say no", []string{"RELAY_URL", url, "TLS_DISABLE_VERIFY", "1"}, []string{"-t", "setup-only", "--tls-disable-verify=false"}, exitError, `certificate`},
		{"verbose", []string{"RELAY_URL", url, "VERBOSE", "1", "TLS_DISABLE_VERIFY", "1"}, []string{"-t", "announce-only"}, exitOK, `PUBLISH_NAMESPACE_OK`},
		{"wrong file", []string{"RELAY_URL", url}, []string{"-t", "setup-only", "--tls-cert", keyFile}, exitError, `no certificate`},
		{"no file", []string{"RELAY_URL", url}, []string{"--tls-cert", keyFile + ".none"}, exitError, `no such file`},
		{"unknown case", []string{"RELAY_URL", url}, []string{"-t", "dance"}, exitUnsupported, `"dance"`},
		{"unknown draft", []string{"MOQT_DRAFT", "draft-13"}, nil, exitUnsupported, `want one of draft-19`},
		{"lite is no draft", []string{"MOQT_DRAFT", "moq-lite-05"}, nil, exitUnsupported, `want one of draft-19`},
		{"other role", []string{"MOQT_ROLE", "publisher"}, nil, exitUnsupported, `role "publisher"`},
		{"own role", []string{"MOQT_ROLE", "client", "RELAY_URL", url, "TLS_DISABLE_VERIFY", "1", "TESTCASE", "setup-only"}, nil, exitOK, `ok 1`},
		{"no truth", []string{"TLS_DISABLE_VERIFY", "perhaps"}, nil, exitUsage, `neither true nor false`},
		{"nobody there", []string{"RELAY_URL", "moqt://127.0.0.1:1", "TLS_DISABLE_VERIFY", "1"}, nil, exitError, `(?s)1\.\.6\nnot ok 1 - setup-only\n.*\nBail out! the relay cannot be reached: `},
		{"no URL", []string{"RELAY_URL", "ftp://relay"}, nil, exitError, `Bail out! .*https, moqt`},
		{"list", nil, []string{"--list"}, exitOK, `^setup-only\nannounce-only\npublish-namespace-done\nsubscribe-error\nannounce-subscribe\nsubscribe-before-announce\n`},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, out, said := playInterop(variables(test.env...), test.args...)
			assert.Equal(t, test.code, code, "%s\n%s", out, said)
			assert.Regexp(t, test.says, out+said)
			if code != exitOK && code != exitError {
				assert.Empty(t, out, "nothing was played")
			}
		})
	}
}

// What the runner mounts is trusted, and only that.
func TestInteropCertificate(t *testing.T) {
	certFile, keyFile := certificateFiles(t)
	other, _ := certificateFiles(t)
	r := launchRelay(t, "--tls-cert", certFile, "--tls-key", keyFile)
	for _, scheme := range []string{"moqt://", "https://"} {
		code, out, _ := playInterop(variables("RELAY_URL", scheme+r.addr), "-t", "setup-only", "--tls-cert", certFile)
		assert.Equal(t, exitOK, code, out)
		code, out, _ = playInterop(variables("RELAY_URL", scheme+r.addr), "-t", "setup-only", "--tls-cert", other)
		assert.Equal(t, exitError, code, out)
		assert.Contains(t, out, "is not that of "+other)
		assert.Regexp(t, regexp.QuoteMeta("Bail out!"), out)
	}
}

// The variables of the runner, and what there is without them.
func TestRelayVariables(t *testing.T) {
	certFile, keyFile := certificateFiles(t)
	for _, test := range []struct {
		name string
		env  []string
		args []string
		want relayCmd
		code int
	}{
		{"none", nil, nil, relayCmd{Listen: "[::]:4443"}, 0},
		{"role", []string{"MOQT_ROLE", "relay"}, nil, relayCmd{Listen: "[::]:4443", TLSCert: "/certs/cert.pem", TLSKey: "/certs/priv.key"}, 0},
		{"all", []string{"MOQT_ROLE", "relay", "MOQT_PORT", "7", "MOQT_CERT", certFile, "MOQT_KEY", keyFile}, nil,
			relayCmd{Listen: "[::]:7", TLSCert: certFile, TLSKey: keyFile}, 0},
		{"port alone", []string{"MOQT_PORT", "7"}, nil, relayCmd{Listen: "[::]:7"}, 0},
		{"files alone", []string{"MOQT_CERT", certFile, "MOQT_KEY", keyFile}, nil, relayCmd{Listen: "[::]:4443", TLSCert: certFile, TLSKey: keyFile}, 0},
		{"flags win", []string{"MOQT_PORT", "7", "MOQT_ROLE", "relay"}, []string{"a:1", certFile, keyFile}, relayCmd{Listen: "a:1", TLSCert: certFile, TLSKey: keyFile}, 0},
		{"other role", []string{"MOQT_ROLE", "client"}, nil, relayCmd{}, exitUnsupported},
	} {
		t.Run(test.name, func(t *testing.T) {
			var c relayCmd
			if test.args != nil {
				c.Listen, c.TLSCert, c.TLSKey = test.args[0], test.args[1], test.args[2]
			}
			err := c.environment(&world{env: variables(test.env...)})
			if test.code != 0 {
				assert.Equal(t, test.code, code(err, &world{err: &syncBuffer{}}))
				return
			}
			require.NoError(t, err)
			assert.Equal(t, test.want, c)
		})
	}
	var out, said syncBuffer
	missing := keyFile + ".none"
	got := run([]string{"relay"}, &world{out: &out, err: &said, env: variables("MOQT_ROLE", "relay", "MOQT_CERT", missing)})
	assert.Equal(t, exitError, got)
	assert.Contains(t, said.String(), missing)
	assert.Equal(t, exitUnsupported, run([]string{"relay"}, &world{out: &out, err: &said, env: variables("MOQT_ROLE", "client")}))
}
