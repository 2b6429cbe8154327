package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// asCommand makes the test binary be the command.
const asCommand = "MOQT_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

// failSafe is how long a real process may take for anything.
const failSafe = 20 * time.Second

// A process is the command in a process of its own.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	ctx context.Context

	mu     sync.Mutex
	lines  []string // of both outputs, but for stdout where that is taken
	grown  chan struct{}
	stdout bytes.Buffer
	done   chan struct{}
}

// launch starts the command. Its standard output is collected.
func launch(t *testing.T, stdin io.Reader, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), failSafe)
	p := &process{t: t, ctx: ctx, grown: make(chan struct{}), done: make(chan struct{})}
	p.cmd = exec.Command(os.Args[0], args...)
	p.cmd.Env = append(os.Environ(), asCommand+"=1")
	p.cmd.Stdin = stdin
	stdout, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	stderr, err := p.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	var readers sync.WaitGroup
	readers.Go(func() { p.scan(io.TeeReader(stdout, &p.stdout)) })
	readers.Go(func() { p.scan(stderr) })
	go func() {
		readers.Wait()
		_ = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
		cancel()
		if t.Failed() {
			t.Logf("%q ended with %v:\n%s", args, p.cmd.ProcessState, strings.Join(p.lines, "\n"))
		}
	})
	return p
}

// scan notes the lines of r; what is no text is shortened.
func (p *process) scan(r io.Reader) {
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadString('\n')
		p.mu.Lock()
		if line = strings.TrimSpace(line); line != "" && len(p.lines) < 1000 {
			p.lines = append(p.lines, line[:min(len(line), 500)])
		}
		close(p.grown)
		p.grown = make(chan struct{})
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// says waits until an output has a match of the expression, and returns its
// groups.
func (p *process) says(expression string) []string {
	p.t.Helper()
	re := regexp.MustCompile(expression)
	for {
		p.mu.Lock()
		text, grown := strings.Join(p.lines, "\n"), p.grown
		p.mu.Unlock()
		if m := re.FindStringSubmatch(text); m != nil {
			return m
		}
		select {
		case <-grown:
		case <-p.done:
			require.FailNow(p.t, "the process ended before it said "+expression)
		case <-p.ctx.Done():
			require.FailNow(p.t, "the process did not say "+expression)
		}
	}
}

// wait returns the exit code.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-p.ctx.Done():
		require.FailNow(p.t, "the process did not end")
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) signal(s syscall.Signal) { require.NoError(p.t, p.cmd.Process.Signal(s)) }

// A relayProcess is `moqt relay`.
type relayProcess struct {
	*process
	addr, http, hash string
}

func launchRelay(t *testing.T, args ...string) *relayProcess {
	t.Helper()
	p := launch(t, nil, append([]string{"relay", "--listen", "127.0.0.1:0"}, args...)...)
	m := p.says(`sessions +https://(\S+)/ .*HTTP (\S+)/\n`)
	r := &relayProcess{process: p, addr: m[1], http: m[2]}
	if strings.HasPrefix(r.http, "http:") {
		r.hash = get(t, r.http+"/certificate.sha256")
	}
	return r
}

// pinned returns the flags that make a client accept the relay.
func (r *relayProcess) pinned(command string, args ...string) []string {
	return append([]string{command, "--cert-sha256", r.hash}, args...)
}

func get(t *testing.T, url string) string {
	t.Helper()
	status, body := tryGet(t, http.DefaultClient, url)
	require.Equal(t, 200, status, "%s: %s", url, body)
	return body
}

func tryGet(t *testing.T, c *http.Client, url string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), failSafe)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	require.NoError(t, err)
	q.Close = true
	res, err := c.Do(q)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(body)
}
