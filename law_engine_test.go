package moqtgo

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strconv"
	"strings"
)

// A file is a source file as the law sees it. ast is nil for other languages.
type file struct {
	path string // slashes, from the root
	src  string
	test bool
	ast  *ast.File
	set  *token.FileSet
}

// A rule looks at the whole tree and reports what breaks it.
type rule struct {
	name  string
	why   string
	check func(tree []*file, broken report)
}

// A report takes one breach; at may be nil.
type report func(f *file, at ast.Node, format string, args ...any)

// A breach is a broken rule at a place.
type breach struct {
	where, what, rule, why string
}

func (b breach) String() string {
	return fmt.Sprintf("%s: %s\n\tlaw: %s\n\twhy: %s", b.where, b.what, b.rule, b.why)
}

// load reads the sources below the root of fsys: what git or npm fetched,
// other modules and folders that the go command ignores are left out.
func load(fsys fs.FS) ([]*file, error) {
	var tree []*file
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if p == "." {
				return nil
			}
			if _, err := fs.Stat(fsys, p+"/go.mod"); err == nil || ignored(p) {
				return fs.SkipDir
			}
			return nil
		}
		switch path.Ext(p) {
		case ".go", ".mjs", ".js", ".ts", ".html", ".css":
		default:
			return nil
		}
		src, err := fs.ReadFile(fsys, p)
		if err != nil {
			return err
		}
		f := &file{path: p, src: string(src), test: strings.HasSuffix(p, "_test.go")}
		if path.Ext(p) == ".go" {
			f.set = token.NewFileSet()
			if f.ast, err = parser.ParseFile(f.set, p, src, parser.ParseComments|parser.SkipObjectResolution); err != nil {
				return err
			}
		}
		tree = append(tree, f)
		return nil
	})
	return tree, err
}

// ignored says which folders are not ours: those that the go command leaves
// out and those that git does.
func ignored(folder string) bool {
	switch folder {
	case "bin", "dist", "app/web/site/dist", "e2e/dist", "e2e/out":
		return true
	}
	switch name := path.Base(folder); name {
	case "testdata", "node_modules", "vendor":
		return true
	default:
		return name[0] == '.' || name[0] == '_'
	}
}

// judge returns every breach, in the order of the files.
func judge(tree []*file) []breach {
	var all []breach
	add := func(f *file, at ast.Node, name, why, what string) {
		where := f.path
		if at != nil {
			where += ":" + strconv.Itoa(f.set.Position(at.Pos()).Line)
		}
		all = append(all, breach{where, what, name, why})
	}
	judgeImports(tree, func(f *file, at ast.Node, why, what string) {
		add(f, at, "imports", why, what)
	})
	for _, r := range rules {
		r.check(tree, func(f *file, at ast.Node, format string, args ...any) {
			add(f, at, r.name, r.why, fmt.Sprintf(format, args...))
		})
	}
	slices.SortStableFunc(all, func(a, b breach) int { return strings.Compare(a.where, b.where) })
	return all
}

// product returns the Go files that are not tests.
func product(tree []*file) []*file {
	var files []*file
	for _, f := range tree {
		if f.ast != nil && !f.test {
			files = append(files, f)
		}
	}
	return files
}

func (f *file) dir() string { return path.Dir(f.path) }

// in reports whether f is in folder or below it.
func (f *file) in(folder string) bool {
	return folder == "." || within(f.dir(), folder+"/...")
}

func (f *file) imports(p string) bool {
	return slices.ContainsFunc(f.ast.Imports, func(s *ast.ImportSpec) bool { return unquote(s) == p })
}

// uses yields the names that f takes from the package p, under whatever name
// it is imported.
func (f *file) uses(p string) iter.Seq2[ast.Node, string] {
	return func(yield func(ast.Node, string) bool) {
		for _, spec := range f.ast.Imports {
			if unquote(spec) != p {
				continue
			}
			local := path.Base(p)
			if spec.Name != nil {
				local = spec.Name.Name
			}
			for n := range ast.Preorder(f.ast) {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok {
					continue
				}
				if id, ok := sel.X.(*ast.Ident); ok && id.Name == local && !yield(sel, sel.Sel.Name) {
					return
				}
			}
		}
	}
}

func unquote(spec *ast.ImportSpec) string {
	p, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		return spec.Path.Value
	}
	return p
}

// within reports whether p is pattern, or, for a pattern that ends in "/...",
// the folder before it or something below.
func within(p, pattern string) bool {
	folder, below := strings.CutSuffix(pattern, "/...")
	return p == folder || below && strings.HasPrefix(p, folder+"/")
}
