// Command moqt runs a relay for Media over QUIC, and publishes and subscribes
// from the command line.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/moqtgo/moqt/app/moqt"
	"github.com/moqtgo/moqt/app/sim"
)

// Exit codes.
const (
	exitOK          = 0
	exitError       = 1
	exitUsage       = 2
	exitLoss        = 3   // it worked, but something was lost on the way
	exitUnsupported = 127 // an interop case or role that there is not here
	exitInterrupted = 130 // ended by a signal before it was done
)

const epilogue = `Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but something was lost on the way, 127 unknown interop case or role, 130 interrupted.`

type cli struct {
	Relay     relayCmd     `cmd:"" help:"Run a relay."`
	Publish   publishCmd   `cmd:"" help:"Publish standard input: bytes as a track, or media."`
	Subscribe subscribeCmd `cmd:"" help:"Write a track, or media, to standard output."`
	List      listCmd      `cmd:"" help:"List broadcasts, and follow their changes."`
	Fetch     fetchCmd     `cmd:"" help:"Write one group of a track to standard output."`
	Interop   interopCmd   `cmd:"" help:"Play the cases of the MoQ interop runner against a relay."`
	Sim       simCmd       `cmd:"" help:"Play stories on a network in memory."`
	Version   versionCmd   `cmd:"" help:"Print the version and the drafts that are spoken."`
}

// A world is what a command may touch.
type world struct {
	in       io.Reader
	out, err io.Writer
	// env returns an environment variable, "" where it is not set; nil is
	// os.Getenv.
	env func(string) string
	// signals yields the signals that ask to end.
	signals <-chan os.Signal
	// release gives the signals back to the system: the next one ends the
	// process.
	release func()
	// terminal says that err is one: progress is shown there.
	terminal bool
	// net, if not nil, replaces the network.
	net *network
	// play, if not nil, replaces sim.Main.
	play func(func(*sim.Player) int)
}

func (w *world) getenv(name string) string {
	if w.env != nil {
		return w.env(name)
	}
	return os.Getenv(name)
}

// say prints a line for the user.
func (w *world) say(format string, args ...any) {
	fmt.Fprintf(w.err, "moqt: "+format+"\n", args...)
}

// An exit is an error that has its exit code, and has been said if err is nil.
type exit struct {
	code int
	err  error
}

func (e exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e exit) Unwrap() error { return e.err }

func main() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	os.Exit(run(os.Args[1:], &world{
		in: os.Stdin, out: os.Stdout, err: os.Stderr, terminal: isTerminal(os.Stderr),
		signals: signals, release: func() { signal.Stop(signals) },
	}))
}

// run runs one command and returns the exit code.
func run(args []string, w *world) int {
	var c cli
	ended := -1
	parser, err := kong.New(&c,
		kong.Name("moqt"),
		kong.Description("Media over QUIC: a relay, a publisher and a subscriber.\n\n"+epilogue),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Writers(w.out, w.err),
		kong.Exit(func(code int) { ended = code; panic(ended) }), // after --help
	)
	if err != nil {
		w.say("%v", err)
		return exitError
	}
	ctx, err := parse(parser, args)
	if ended >= 0 {
		return ended
	}
	if err != nil {
		w.say("%v", err)
		return exitUsage
	}
	return code(ctx.Run(w), w)
}

// parse is parser.Parse, which it lets be left by Exit.
func parse(parser *kong.Kong, args []string) (ctx *kong.Context, err error) {
	defer func() {
		if r := recover(); r != nil {
			if _, left := r.(int); !left {
				panic(r)
			}
		}
	}()
	return parser.Parse(args)
}

// code says what went wrong and returns the exit code.
func code(err error, w *world) int {
	var e exit
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &e):
		if e.err != nil {
			w.say("%v", e.err)
		}
		return e.code
	}
	w.say("%v", err)
	return exitError
}

// interruptible returns a context that the first signal ends; the second one
// ends the process.
func (w *world) interruptible() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.Background())
	done := make(chan struct{})
	go func() {
		select {
		case s := <-w.signals:
			if w.release != nil {
				w.release()
			}
			cancel(exit{code: exitInterrupted, err: fmt.Errorf("%v", s)})
		case <-done:
		}
	}()
	return ctx, func() {
		close(done)
		cancel(nil)
	}
}

type versionCmd struct{}

func (versionCmd) Run(w *world) error {
	fmt.Fprintf(w.out, "moqt %s\n", version())
	for _, v := range moqt.Versions() {
		fmt.Fprintln(w.out, v)
	}
	return nil
}

// version is that of the module.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "devel"
}

// isTerminal reports whether f is a terminal.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && f.Name() != os.DevNull
}
