package moqtgo

import (
	"strings"
	"testing"
	"testing/fstest"
)

// TestLawCanFail plants breaches in small trees: each must be found, at its
// place and with its reason, and nothing else may be.
func TestLawCanFail(t *testing.T) {
	const (
		ports   = `"` + module + `/ports/quic"`
		lite    = `"` + module + `/core/lite"`
		ietf    = `"` + module + `/core/ietf"`
		moq     = `"` + module + `/core/moq"`
		session = `"` + module + `/core/session"`
		quicgo  = `"` + module + `/adapters/quicgo"`
		memnet  = `"` + module + `/adapters/memnet"`
	)
	imp := func(paths ...string) string { return "import (\n" + strings.Join(paths, "\n") + "\n)\n" }
	planted := map[string]bool{}
	for _, test := range []struct {
		name string
		path string // of the file that gets body below a good package clause
		body string
		more map[string]string
		want string // rule, "" for none
		what string // part of the text
	}{
		{name: "clean core", path: "core/lite/a.go", body: imp(`"io"`, ports, moq)},
		{name: "clean adapter", path: "adapters/webtransportgo/a.go", body: imp(quicgo, `"github.com/quic-go/webtransport-go"`, `"github.com/quic-go/quic-go/http3"`)},
		{name: "clean app", path: "app/relay/a.go", body: imp(quicgo, session, `"github.com/alecthomas/kong"`)},
		{name: "below itself", path: "core/moq/a.go", body: imp(`"` + module + `/core/moq/internal/ring"`)},
		{name: "new adapter", path: "adapters/quiche/a.go", body: imp(`"example.com/quiche"`)},
		{name: "a test may", path: "core/moq/a_test.go", body: imp(memnet, `_ "embed"`) + "func f() { go f() }\n"},

		{name: "port with a foreign type", path: "ports/quic/a.go", body: imp(`"github.com/quic-go/quic-go"`), want: "imports", what: "ports/quic may not import github.com/quic-go/quic-go"},
		{name: "port on core", path: "ports/quic/quictest/a.go", body: imp(moq), want: "imports"},
		{name: "wire on moq", path: "core/wire/a.go", body: imp(moq), want: "imports"},
		{name: "moq on ports", path: "core/moq/a.go", body: imp(ports), want: "imports"},
		{name: "moq on golang.org/x", path: "core/moq/a.go", body: imp(`"golang.org/x/sync/errgroup"`), want: "imports"},
		{name: "route on ports", path: "core/route/a.go", body: imp(ports), want: "imports"},
		{name: "dialect on lite", path: "core/dialect/a.go", body: imp(lite), want: "imports"},
		{name: "lite on ietf", path: "core/lite/a.go", body: imp(ietf), want: "imports"},
		{name: "ietf on lite", path: "core/ietf/a.go", body: imp(lite), want: "imports"},
		{name: "below ietf on lite", path: "core/ietf/v14/a.go", body: imp(lite), want: "imports"},
		{name: "session on an adapter", path: "core/session/a.go", body: imp(memnet), want: "imports"},
		{name: "session on quictest", path: "core/session/a.go", body: imp(`"` + module + `/ports/quic/quictest"`), want: "imports"},
		{name: "adapter on core", path: "adapters/quicgo/a.go", body: imp(moq), want: "imports"},
		{name: "adapter on adapter", path: "adapters/quicgo/a.go", body: imp(memnet), want: "imports"},
		{name: "webtransportgo on memnet", path: "adapters/webtransportgo/a.go", body: imp(memnet), want: "imports"},
		{name: "new adapter on adapter", path: "adapters/quiche/a.go", body: imp(quicgo), want: "imports"},
		{name: "memnet on a library", path: "adapters/memnet/a.go", body: imp(`"example.com/net"`), want: "imports"},
		{name: "app on quic-go", path: "app/moqt/a.go", body: imp(`"github.com/quic-go/quic-go/http3"`), want: "imports"},
		{name: "app on mocks", path: "app/moqt/a.go", body: imp(`"` + module + `/mocks"`), want: "imports"},
		{name: "mocks on core", path: "mocks/a.go", body: imp(moq), want: "imports"},
		{name: "bench on core", path: "bench/run/a.go", body: imp(moq), want: "imports"},
		{name: "root on anything", path: "a.go", body: imp(moq), want: "imports"},
		{name: "anything on root", path: "core/session/a.go", body: imp(`"` + module + `"`), want: "imports"},
		{name: "a name that begins alike", path: "core/lite/a.go", body: imp(`"` + module + `/core/moqtest"`), want: "imports"},
		{name: "no border", path: "helpers/a.go", want: "imports", what: "no border for helpers"},

		{name: "two package comments", path: "core/moq/a.go", more: map[string]string{"core/moq/b.go": "// Package moq again.\npackage moq\n"}, want: "one package comment", what: "has 2"},
		{name: "no package comment", path: "core/moq/a_test.go", more: map[string]string{"core/moq/b.go": "package moq\n"}, want: "one package comment", what: "has 0"},
		{name: "comment of another", path: "core/moq/a_test.go", more: map[string]string{"core/moq/b.go": "// Package route is.\npackage moq\n"}, want: "one package comment", what: "must begin"},
		{name: "blank import", path: "app/relay/a.go", body: imp(`_ "embed"`), want: "no blank or dot imports"},
		{name: "dot import", path: "core/moq/a.go", body: imp(`. "time"`), want: "no blank or dot imports"},
		{name: "core with os", path: "core/lite/a.go", body: imp(`"os"`), want: "pure core"},
		{name: "testing in memnet", path: "adapters/memnet/a.go", body: imp(`"testing/synctest"`), want: "no test code in the product"},
		{name: "clock", path: "core/route/a.go", body: imp(`"time"`) + "var t = time.Now()\n", want: "decisions take now", what: "time.Now"},
		{name: "clock by another name", path: "core/moq/a.go", body: imp(`clock "time"`) + "var c = clock.After(1)\n", want: "decisions take now"},
		{name: "clock as a value", path: "core/moq/a.go", body: imp(`"time"`) + "var now = time.Now\n", want: "decisions take now"},
		{name: "durations are fine", path: "core/moq/a.go", body: imp(`"time"`) + "var d = time.Second\n"},
		{name: "go in lite", path: "core/lite/a.go", body: "func f() { go f() }\n", want: "goroutines have an owner"},
		{name: "go in a closure", path: "core/moq/a.go", body: "var f = func() { func() { go g() }() }\nfunc g() {}\n", want: "goroutines have an owner"},
		{name: "WaitGroup.Go", path: "core/lite/a.go", body: imp(`"sync"`) + "type t struct { wg sync.WaitGroup }\n", want: "goroutines have an owner"},
		{name: "go in dialect.Group", path: "core/dialect/group.go", body: "func f() { go f() }\n"},
		{name: "go in app", path: "app/relay/a.go", body: "func f() { go f() }\n"},
		{name: "sleep", path: "app/relay/a_test.go", body: imp(`"time"`) + "func f() { time.Sleep(1) }\n", want: "no sleep in tests"},
		{name: "sleep in a bubble", path: "app/relay/a_test.go", body: imp(`"time"`, `"testing/synctest"`) + "func f() { time.Sleep(1) }\n"},
		{name: "long file", path: "app/relay/a.go", body: strings.Repeat("\n", maxLines), want: "short files"},
		{name: "long test", path: "app/relay/a_test.go", body: strings.Repeat("\n", maxLines), want: "short files"},
		{name: "long script", path: "app/relay/a_test.go", more: map[string]string{"e2e/run.mjs": strings.Repeat("\n", maxLines+1)}, want: "short files"},
		{name: "long generated file", path: "mocks/a.go", body: strings.Repeat("\n", maxLines), more: nil},
		{name: "another module", path: "tools/x/a.go", body: imp(`_ "x.example/y"`), more: map[string]string{"tools/go.mod": "module tools\n"}},
		{name: "what npm fetched", path: "app/relay/a_test.go", more: map[string]string{"e2e/node_modules/x/x.js": strings.Repeat("\n", maxLines+1)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dirs := strings.Split("moqtgo/"+test.path, "/")
			name := dirs[len(dirs)-2]
			src := "package " + name + "\n" + test.body
			if !strings.HasSuffix(test.path, "_test.go") {
				src = "// Package " + name + " is planted.\n" + src
			}
			if test.name == "long generated file" {
				src = "// Code generated by a test. DO NOT EDIT.\n\n" + src
			}
			fsys := fstest.MapFS{test.path: {Data: []byte(src)}}
			for p, src := range test.more {
				fsys[p] = &fstest.MapFile{Data: []byte(src)}
			}
			tree, err := load(fsys)
			if err != nil {
				t.Fatal(err)
			}
			found := judge(tree)
			if test.want == "" {
				if len(found) != 0 {
					t.Fatalf("found in a clean tree: %v", found)
				}
				return
			}
			if len(found) != 1 {
				t.Fatalf("want one breach, found %d: %v", len(found), found)
			}
			if b := found[0]; b.rule != test.want || b.why == "" || !strings.Contains(b.String(), test.what) {
				t.Errorf("want rule %q and text %q, found %v", test.want, test.what, b)
			}
		})
		planted[test.want] = true
	}
	for _, r := range rules {
		if !planted[r.name] {
			t.Errorf("no breach of %q is planted", r.name)
		}
	}
}
