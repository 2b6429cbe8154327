package moqtgo

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// blocks returns the fenced blocks of a language in the README.
func blocks(t *testing.T, language string) []string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllSubmatch(text, -1) {
		found = append(found, string(m[1]))
	}
	return found
}

// build compiles the program in a block, or the command, to a file.
func build(t *testing.T, out, source string) {
	t.Helper()
	if cmd, err := exec.Command("go", "build", "-o", out, source).CombinedOutput(); err != nil {
		t.Fatalf("%s does not build: %v\n%s", source, err, cmd)
	}
}

// freePort returns a port that is free for UDP and TCP.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func TestReadmeShell(t *testing.T) {
	sh := blocks(t, "sh")
	if len(sh) != 2 {
		t.Fatalf("%d shell blocks", len(sh))
	}
	if first := strings.Fields(sh[0]); strings.Join(first, " ") != "make run make test" {
		t.Fatalf("the first two commands are %q", sh[0])
	}
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"\nrun:", "\ntest:"} {
		if !bytes.Contains(makefile, []byte(target)) {
			t.Errorf("the Makefile has no target%s", target)
		}
	}

	dir := t.TempDir()
	build(t, filepath.Join(dir, "moqt"), "./app/cmd/moqt")
	port := freePort(t)
	script := strings.ReplaceAll(sh[1], "localhost:4443", "localhost:"+port)
	script = strings.Replace(script, "go install ./app/cmd/moqt\n", "", 1)
	script = strings.Replace(script, "moqt relay &", "moqt relay --listen '[::]:"+port+"' & relay=$!", 1)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-ec", script+"\nkill $relay\nwait\n")
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	if got := out.String(); !strings.HasSuffix(got, "1\n2\n3\n4\n5\n") {
		t.Fatalf("%v, printed %q\n%s", err, got, log.String())
	}
}

// The server, the publisher and the subscriber of the README build and work
// together: the publisher with a relay, the subscriber with both.
func TestReadmeGo(t *testing.T) {
	programs := blocks(t, "go")
	if len(programs) != 3 {
		t.Fatalf("%d Go blocks", len(programs))
	}
	dir := t.TempDir()
	port := freePort(t)
	names := []string{"server", "publisher", "subscriber"}
	for i, name := range names {
		source := filepath.Join(dir, name+".go")
		text := strings.ReplaceAll(programs[i], ":4443", ":"+port)
		if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		build(t, filepath.Join(dir, name), source)
	}
	build(t, filepath.Join(dir, "moqt"), "./app/cmd/moqt")

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	start := func(name string, args ...string) (*exec.Cmd, *lines) {
		cmd := exec.CommandContext(ctx, filepath.Join(dir, name), args...)
		out := newLines()
		cmd.Stdout, cmd.Stderr = out, out
		cmd.WaitDelay = time.Second
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd, out
	}
	stop := func(cmd *exec.Cmd) {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}

	server, _ := start("server")
	// subscribe redials until the server listens.
	clock, out := start("moqt", "subscribe", "--insecure", "moqt://localhost:"+port+"/", "clock")
	out.want(ctx, t, `^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$`)
	stop(clock)
	stop(server)

	relay, out := start("moqt", "relay", "--listen", "[::]:"+port)
	out.want(ctx, t, "listening|sessions")
	publisher, _ := start("publisher")
	list, out := start("moqt", "list", "--insecure", "moqt://localhost:"+port+"/")
	out.want(ctx, t, `demo/go`)
	subscriber, out := start("subscriber")
	out.want(ctx, t, `^number \d+$`)
	for _, cmd := range []*exec.Cmd{subscriber, list, publisher, relay} {
		stop(cmd)
	}
}

// lines collects the output of a process, line by line.
type lines struct {
	rest  []byte
	lines chan string
}

func newLines() *lines { return &lines{lines: make(chan string, 1000)} }

func (l *lines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		line, rest, found := bytes.Cut(l.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		select {
		case l.lines <- string(line):
		default: // nobody reads so many
		}
		l.rest = rest
	}
}

// want waits for a line that matches.
func (l *lines) want(ctx context.Context, t *testing.T, pattern string) {
	t.Helper()
	re := regexp.MustCompile(pattern)
	var seen []string
	for {
		select {
		case line := <-l.lines:
			seen = append(seen, line)
			if re.MatchString(line) {
				return
			}
		case <-ctx.Done():
			t.Fatalf("no line matches %q in\n%s", pattern, strings.Join(seen, "\n"))
		}
	}
}
