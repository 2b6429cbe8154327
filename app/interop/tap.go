package interop

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// A tap writes results as TAP 14. The first error of the writer stays.
type tap struct {
	w   io.Writer
	n   int // points so far
	err error
}

func (t *tap) line(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format+"\n", args...)
	}
}

func (t *tap) begin(plan int, comments ...string) {
	t.line("TAP version 14")
	for _, c := range comments {
		t.line("# %s", oneLine(c))
	}
	t.line("1..%d", plan)
}

// point writes the result of a case and what is known of it.
func (t *tap) point(name string, err error, took time.Duration, facts ...fact) {
	t.n++
	_, skip := errors.AsType[skipped](err)
	switch {
	case err == nil:
		t.line("ok %d - %s", t.n, name)
	case skip:
		t.line("ok %d - %s # SKIP %s", t.n, name, oneLine(err.Error()))
	default:
		t.line("not ok %d - %s", t.n, name)
	}
	t.line("  ---")
	t.line("  duration_ms: %d", took.Milliseconds())
	for _, f := range facts {
		t.line("  %s: %s", f.name, quoted(f.value))
	}
	if err != nil && !skip {
		if f, ok := errors.AsType[*failure](err); ok {
			t.line("  expected: %s", quoted(f.expected))
			t.line("  received: %s", quoted(f.received))
		}
		t.line("  message: %s", quoted(err.Error()))
	}
	t.line("  ...")
}

// bailOut says that nothing more can be tried.
func (t *tap) bailOut(reason string) { t.line("Bail out! %s", oneLine(reason)) }

// A fact is a line of a YAML block.
type fact struct{ name, value string }

// quoted is s as a string of YAML, which takes those of JSON.
func quoted(s string) string {
	b, _ := json.Marshal(s) // a string always can
	return string(b)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
