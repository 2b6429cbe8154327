package moqtgo

import (
	"go/ast"
	"os"
	"strings"
	"testing"
)

// fewInputs is the least that a fuzz target has committed.
const fewInputs = 5

// Every fuzz target has a corpus, which plain go test plays too.
func TestFuzzCorpora(t *testing.T) {
	tree, err := load(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	targets := 0
	for _, f := range tree {
		if f.ast == nil || !f.test {
			continue
		}
		for _, decl := range f.ast.Decls {
			target, ok := decl.(*ast.FuncDecl)
			if !ok || !strings.HasPrefix(target.Name.Name, "Fuzz") {
				continue
			}
			targets++
			corpus := f.dir() + "/testdata/fuzz/" + target.Name.Name
			if inputs, err := os.ReadDir(corpus); err != nil || len(inputs) < fewInputs {
				t.Errorf("%s has %d inputs, %v", corpus, len(inputs), err)
			}
		}
	}
	if targets == 0 {
		t.Error("there are no fuzz targets")
	}
}
