package moqtgo

import (
	"fmt"
	"go/ast"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// TestLaw holds the tree to the law. A broken rule prints its reason; a rule
// that has lost its reason is changed here, in the commit that needs it.
func TestLaw(t *testing.T) {
	tree, err := load(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range judge(tree) {
		t.Error(v)
	}
}

const (
	module = "github.com/moqtgo/moqt"
	std    = "std" // any package of the standard library
	others = "..." // any package of other modules

	quicGo           = "github.com/quic-go/quic-go/..."
	webtransportGo   = "github.com/quic-go/webtransport-go/..."
	structuredFields = "github.com/dunglas/httpsfv" // what webtransport-go writes its headers with
)

// A border says what the non-test files of a folder, and of the folders below
// it, may import. Entries are std, others, a folder of this module or a
// package path; "/..." includes what is below. A package may always import
// what is below itself. The longest matching folder is the one that counts.
type border struct {
	folder string
	may    []string
	not    []string // exceptions from may
	why    string
}

var (
	theStack = []string{quicGo, webtransportGo}

	borders = []border{
		{".", []string{std}, nil,
			"the root package is documentation"},
		{"ports", []string{std, "ports/..."}, nil,
			"a port belongs to us: with a foreign type in it, its owner would own our core"},
		{"core/wire", []string{std}, nil,
			"bytes in, values out: the codec knows nothing of networks or of the model"},
		{"core/moq", []string{std}, nil,
			"the nouns are shared by every wire family, so they know none"},
		{"core/route", []string{std, "core/moq"}, nil,
			"routing decides on names and times; connections are for those who carry its decisions out"},
		{"core/dialect", []string{std, "ports/quic", "ports/webtransport", "core/wire", "core/moq", "core/route"}, nil,
			"what the dialects share must not depend on one of them"},
		{"core/lite", []string{std, "ports/quic", "core/wire", "core/moq", "core/route", "core/dialect"}, nil,
			"a dialect speaks its own wire only; what two of them need lives in core/dialect"},
		{"core/ietf", []string{std, "ports/quic", "core/wire", "core/moq", "core/route", "core/dialect"}, nil,
			"a dialect speaks its own wire only; what two of them need lives in core/dialect"},
		{"core/session", []string{std, "ports/quic", "ports/webtransport", "core/..."}, nil,
			"a session works on every stack because it sees the ports alone"},
		{"adapters", []string{std, others, "ports/quic", "ports/webtransport"}, nil,
			"an adapter translates one stack into the ports; the core and other adapters are not its business"},
		{"adapters/memnet", []string{std, "ports/quic", "ports/webtransport"}, nil,
			"the in-memory network is ours entirely, or its schedule could not be a seed"},
		{"adapters/quicgo", []string{std, quicGo, "ports/quic", "ports/webtransport"}, nil,
			"an adapter translates one stack into the ports; the core and other adapters are not its business"},
		{"adapters/webtransportgo", []string{std, quicGo, webtransportGo, structuredFields, "ports/quic", "ports/webtransport", "adapters/quicgo"}, nil,
			"webtransport-go runs on quic-go, so the two adapters are one stack; nothing else is its business"},
		{"app", []string{std, others, "ports/...", "core/...", "adapters/...", "app/..."}, theStack,
			"applications choose adapters; a QUIC library named here could no longer be exchanged"},
		{"mocks", []string{std, "ports/quic", "ports/webtransport", "go.uber.org/mock/gomock"}, nil,
			"only the ports are mocked: everything else is cheap enough to be real"},
		{"bench", []string{std, others, "ports/...", "adapters/...", "app/...", "bench/..."}, nil,
			"a benchmark measures what users can import, beside the bare library"},
		{"e2e", []string{std, others, "ports/...", "adapters/...", "app/..."}, nil,
			"an end-to-end test uses what users can import"},
		{"interop", []string{std, others, "ports/...", "adapters/...", "app/..."}, nil,
			"an interop case uses what users can import"},
		{"docs", []string{std, others, "app/..."}, nil,
			"samples import what users import"},
	}
)

const maxLines = 500

// rules are the laws beside the borders.
var rules = []rule{
	{"one package comment", "one paragraph says what a package is for; two say different things", packageComments},
	{"no blank or dot imports", "an import that works by side effect, or without its name, cannot be followed by a reader", blankImports},
	{"pure core", "the core takes its world through ports and arguments: no process, no log of its own, no test code", pureCore},
	{"no test code in the product", "package testing in a binary brings its flags and its panics along", testingImports},
	{"decisions take now", "expiry and routing are functions of (state, now): then a table or a simulated clock can test them", clocks},
	{"goroutines have an owner", "who closes a session waits for its goroutines: in core they are born in dialect.Group, and the Mux runner", goroutines},
	{"no sleep in tests", "a test that sleeps on the wall clock is slow or flaky: open a synctest bubble or wait for the event", sleeps},
	{"short files", "one noun a file; over 500 lines there are two", lengths},
}

func packageComments(tree []*file, broken report) {
	type count struct {
		first *file
		docs  int
	}
	packages := map[string]*count{}
	for _, f := range tree {
		if f.ast == nil || f.test {
			continue
		}
		c := packages[f.dir()]
		if c == nil {
			c = &count{first: f}
			packages[f.dir()] = c
		}
		if f.ast.Doc == nil {
			continue
		}
		c.docs++
		want := "Package " + f.ast.Name.Name + " "
		if f.ast.Name.Name == "main" {
			want = "Command " + path.Base(f.dir()) + " "
		}
		if text := strings.Join(strings.Fields(f.ast.Doc.Text()), " "); !strings.HasPrefix(text, want) {
			broken(f, f.ast.Doc, "the package comment must begin with %q", want)
		}
	}
	for dir, c := range packages {
		if c.docs != 1 {
			broken(c.first, nil, "package %s has %d package comments", dir, c.docs)
		}
	}
}

func blankImports(tree []*file, broken report) {
	for _, f := range product(tree) {
		for _, spec := range f.ast.Imports {
			if spec.Name != nil && (spec.Name.Name == "_" || spec.Name.Name == ".") {
				broken(f, spec, "import %s %s", spec.Name.Name, spec.Path.Value)
			}
		}
	}
}

func pureCore(tree []*file, broken report) {
	for _, f := range product(tree) {
		if !f.in("core") {
			continue
		}
		for _, spec := range f.ast.Imports {
			switch p := unquote(spec); p {
			case "C", "log", "os", "syscall", "unsafe":
				broken(f, spec, "core imports %s", p)
			}
		}
	}
}

func testingImports(tree []*file, broken report) {
	for _, f := range product(tree) {
		// The conformance suite is test code for adapters to call; the
		// simulation runs in a synctest bubble also outside go test.
		if f.in("ports/quic/quictest") || f.in("app/sim") {
			continue
		}
		for _, spec := range f.ast.Imports {
			if p := unquote(spec); p == "testing" || strings.HasPrefix(p, "testing/") {
				broken(f, spec, "import of %s", p)
			}
		}
	}
}

func clocks(tree []*file, broken report) {
	wall := []string{"Now", "Sleep", "After", "AfterFunc", "Since", "Until", "Tick", "NewTimer", "NewTicker"}
	for _, f := range product(tree) {
		if !f.in("core/moq") && !f.in("core/route") {
			continue
		}
		for sel, name := range f.uses("time") {
			if slices.Contains(wall, name) {
				broken(f, sel, "time.%s", name)
			}
		}
	}
}

// mayGo are the files of core in which goroutines are born.
var mayGo = []string{
	"core/dialect/group.go", // dialect.Group
	"core/session/run.go",   // the Mux runner
}

func goroutines(tree []*file, broken report) {
	for _, f := range product(tree) {
		if !f.in("core") || slices.Contains(mayGo, f.path) {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if g, ok := n.(*ast.GoStmt); ok {
				broken(f, g, "go statement")
			}
			return true
		})
		for sel, name := range f.uses("sync") {
			if name == "WaitGroup" {
				broken(f, sel, "sync.WaitGroup, whose Go is a go statement")
			}
		}
	}
}

func sleeps(tree []*file, broken report) {
	for _, f := range tree {
		if f.ast == nil || !f.test || f.imports("testing/synctest") {
			continue
		}
		for sel, name := range f.uses("time") {
			if name == "Sleep" {
				broken(f, sel, "time.Sleep in a file without synctest")
			}
		}
	}
}

func lengths(tree []*file, broken report) {
	for _, f := range tree {
		if n := strings.Count(f.src, "\n"); n > maxLines && (f.ast == nil || !ast.IsGenerated(f.ast)) {
			broken(f, nil, "%d lines", n)
		}
	}
}

// judgeImports is the rule of the borders.
func judgeImports(tree []*file, broken func(f *file, at ast.Node, why, what string)) {
	for _, f := range product(tree) {
		var b *border
		for i, candidate := range borders {
			if f.in(candidate.folder) && (b == nil || len(candidate.folder) > len(b.folder)) {
				b = &borders[i]
			}
		}
		if b == nil || b.folder == "." && f.dir() != "." {
			broken(f, nil, "a package without a border has no place in the picture: give it a row in borders", "no border for "+f.dir())
			continue
		}
		for _, spec := range f.ast.Imports {
			if p := unquote(spec); !b.allows(f.dir(), p) {
				broken(f, spec, b.why, fmt.Sprintf("%s may not import %s", f.dir(), p))
			}
		}
	}
}

func (b *border) allows(dir, imported string) bool {
	own, isOwn := strings.CutPrefix(imported, module+"/")
	match := func(entry string) bool {
		switch {
		case entry == std:
			first, _, _ := strings.Cut(imported, "/")
			return !strings.Contains(first, ".")
		case entry == others:
			first, _, _ := strings.Cut(imported, "/")
			return strings.Contains(first, ".") && !isOwn && imported != module
		case isOwn:
			return within(own, entry)
		}
		return within(imported, entry)
	}
	if slices.ContainsFunc(b.not, match) {
		return false
	}
	return isOwn && within(own, dir+"/...") || slices.ContainsFunc(b.may, match)
}
