package interop_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"io/fs"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/app/interop"
)

// What the runner's schema says of an entry; it forbids other keys.
type (
	implementation struct {
		Name          string          `json:"name"`
		Organization  string          `json:"organization"`
		Repository    string          `json:"repository"`
		DraftVersions []string        `json:"draft_versions"`
		Notes         string          `json:"notes"`
		Roles         map[string]role `json:"roles"`
	}
	role struct {
		Docker *image     `json:"docker"`
		Remote []endpoint `json:"remote"`
	}
	image struct {
		Image string `json:"image"`
		URL   string `json:"url"`
		Build struct {
			Dockerfile string `json:"dockerfile"`
			Context    string `json:"context"`
		} `json:"build"`
		UpstreamImage string            `json:"upstream_image"`
		Env           map[string]string `json:"env"`
		Notes         string            `json:"notes"`
	}
	endpoint struct {
		URL              string `json:"url"`
		Transport        string `json:"transport"`
		Status           string `json:"status"`
		DraftVersion     string `json:"draft_version"`
		TLSDisableVerify bool   `json:"tls_disable_verify"`
		Notes            string `json:"notes"`
	}
)

func TestRegistration(t *testing.T) {
	data, err := os.ReadFile("registration.json")
	require.NoError(t, err)
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	var all map[string]implementation
	require.NoError(t, d.Decode(&all))
	require.Len(t, all, 1)
	url := regexp.MustCompile(`^(https://|moqt://)[a-zA-Z0-9][a-zA-Z0-9.-]*(:[0-9]+)?(/.*)?$`)
	for key, entry := range all {
		require.Regexp(t, `^[a-z][a-z0-9-]*$`, key)
		require.NotEmpty(t, entry.Name)
		require.Regexp(t, `^https://`, entry.Repository)
		var offered []string
		for _, v := range interop.Offered() {
			offered = append(offered, interop.Draft(v))
		}
		require.Equal(t, offered, entry.DraftVersions, "what is negotiated, in that order")
		for _, draft := range entry.DraftVersions {
			require.Regexp(t, `^draft-\d+$`, draft)
		}
		require.NotEmpty(t, entry.Roles)
		for name, r := range entry.Roles {
			require.Contains(t, []string{"relay", "client", "publisher", "subscriber"}, name)
			require.NotNil(t, r.Docker)
			require.NotEmpty(t, r.Docker.Image)
			if r.Docker.URL != "" {
				require.Regexp(t, url, r.Docker.URL)
			}
			_, file, ok := strings.Cut(r.Docker.Build.Dockerfile, "/"+key+"/")
			require.True(t, ok)
			require.FileExists(t, filepath.Join("..", file))
			require.True(t, strings.HasSuffix(r.Docker.Build.Context, "/"+key))
			for _, e := range r.Remote {
				require.Regexp(t, url, e.URL)
				require.Contains(t, []string{"quic", "webtransport"}, e.Transport)
				require.Contains(t, []string{"", "active", "inactive", "untested"}, e.Status)
			}
		}
	}
}

// A recipe is what a Dockerfile says, as far as it can be followed without
// Docker.
type recipe struct {
	from       []string
	copied     []string // from the context
	build      []string // the command that makes the binary
	env        []string
	user       string
	entrypoint []string
}

func readRecipe(t *testing.T, name string) (r recipe) {
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	for line := range strings.Lines(string(data)) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "FROM":
			r.from = append(r.from, strings.Fields(rest)[0])
		case "COPY":
			if files := strings.Fields(rest); !strings.HasPrefix(files[0], "--from") {
				r.copied = append(r.copied, files[:len(files)-1]...)
			}
		case "RUN":
			if strings.Contains(rest, "go build") {
				r.build = strings.Fields(rest)
			}
		case "ENV":
			r.env = append(r.env, rest)
		case "USER":
			r.user = rest
		case "ENTRYPOINT":
			require.NoError(t, json.Unmarshal([]byte(rest), &r.entrypoint))
		case "", "#", "WORKDIR", "EXPOSE":
		default:
			require.Fail(t, "an instruction that this test does not know", line)
		}
	}
	return r
}

// make builds the binary from the package of the recipe. Its flags, which only
// make it smaller, would build everything anew.
func (r *recipe) make(t *testing.T) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "moqt")
	require.Equal(t, "/moqt", r.build[slices.Index(r.build, "-o")+1])
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", binary, r.build[len(r.build)-1])
	cmd.Dir = ".."
	said, err := cmd.CombinedOutput()
	require.NoError(t, err, string(said))
	return binary
}

// What the images do, without Docker: the same package, entry points and
// variables, but for the places of files and ports.
func TestDockerfiles(t *testing.T) {
	relay, client := readRecipe(t, "Dockerfile.relay"), readRecipe(t, "Dockerfile.client")
	mod, err := os.ReadFile("../go.mod")
	require.NoError(t, err)
	wanted := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(mod))[1]
	for _, r := range []recipe{relay, client} {
		require.Len(t, r.from, 2, "two stages")
		for _, from := range r.from {
			require.Regexp(t, `^[a-z]+:\d+\.\d+(\.\d+)?-[a-z]+$`, from, "pinned")
		}
		require.True(t, strings.HasPrefix(r.from[0], "golang:"+wanted+"."), r.from[0])
		require.Equal(t, "1000:65534", r.user)
		require.Equal(t, relay.build, r.build)
		require.Equal(t, "moqt", r.entrypoint[0])
		for _, file := range r.copied {
			_, err := fs.Stat(os.DirFS(".."), filepath.Clean(file))
			require.NoError(t, err)
		}
	}

	binary := relay.make(t)
	certs := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	certificates(t, certs)
	server := exec.CommandContext(ctx, binary, relay.entrypoint[1:]...)
	server.Env = append(slices.Clone(relay.env), "MOQT_PORT=0", "MOQT_CERT="+certs+"/cert.pem", "MOQT_KEY="+certs+"/priv.key", "MOQT_MLOG_DIR="+certs)
	out, err := server.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, server.Start())
	defer func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	}()
	port := readPort(t, out)
	for _, scheme := range []string{"https", "moqt"} {
		c := exec.CommandContext(ctx, binary, append(slices.Clone(client.entrypoint[1:]), "--grace", "10s", "--tls-cert", certs+"/cert.pem")...)
		c.Env = append(slices.Clone(client.env), "RELAY_URL="+scheme+"://127.0.0.1:"+port, "TLS_DISABLE_VERIFY=false")
		tap, err := c.CombinedOutput()
		require.NoError(t, err, string(tap))
		require.Equal(t, 6, bytes.Count(tap, []byte("\nok ")), string(tap))
	}
	c := exec.CommandContext(ctx, binary, client.entrypoint[1:]...)
	c.Env = append(slices.Clone(client.env), "TESTCASE=dance")
	require.Error(t, c.Run())
	require.Equal(t, 127, c.ProcessState.ExitCode())
}

// readPort reads the relay's port from what it prints, and the rest of that.
func readPort(t *testing.T, out io.Reader) string {
	t.Helper()
	var text []byte
	buf := make([]byte, 1<<10)
	re := regexp.MustCompile(`sessions +https://[^/]+:(\d+)/`)
	for {
		n, err := out.Read(buf)
		text = append(text, buf[:n]...)
		if m := re.FindSubmatch(text); m != nil {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return string(m[1])
		}
		require.NoError(t, err, string(text))
	}
}

// certificates makes the files that the runner mounts, as its own script does.
func certificates(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().AddDate(0, 0, 10),
		BasicConstraintsValid: true, IsCA: true,
		DNSNames: []string{"localhost", "relay", "moq-relay"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: cert},
		"priv.key": {Type: "PRIVATE KEY", Bytes: private},
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600))
	}
}
