package control

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// A Process is a program that was started and is ready.
type Process struct {
	Ready Ready
	name  string
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
}

// Start starts the program and waits, at most timeout, until it is ready.
func Start(timeout time.Duration, program string, args ...string) (*Process, error) {
	p := &Process{name: filepath.Base(program), cmd: exec.Command(program, args...)}
	p.cmd.Stderr = os.Stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.in, p.out = in, bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	if err := p.line(timeout, &p.Ready); err != nil {
		p.Stop()
		return nil, fmt.Errorf("%s did not get ready: %w", p.name, err)
	}
	return p, nil
}

// Ask sends a command and returns its answer.
func (p *Process) Ask(command string) (Stats, error) {
	var s Stats
	if _, err := fmt.Fprintln(p.in, command); err != nil {
		return s, fmt.Errorf("%s has ended: %w", p.name, err)
	}
	if err := p.line(10*time.Second, &s); err != nil {
		return s, fmt.Errorf("%s did not answer: %w", p.name, err)
	}
	return s, nil
}

// line reads one line; when it does not come in time the process is killed,
// which ends the read.
func (p *Process) line(timeout time.Duration, v any) error {
	fuse := time.AfterFunc(timeout, p.kill)
	defer fuse.Stop()
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return err
	}
	return json.Unmarshal(line, v)
}

// Stop ends the process and waits for it.
func (p *Process) Stop() {
	p.in.Close()
	fuse := time.AfterFunc(5*time.Second, p.kill)
	defer fuse.Stop()
	_ = p.cmd.Wait() // how it ended no longer matters
}

func (p *Process) kill() { _ = p.cmd.Process.Kill() }
