package main_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is the import path of the repository's root, which lies two directories up.
const module, root = "granary", "../.."

// rule forbids imports: what lies in from may not import what lies in to, for the reason why.
type rule struct{ from, to, why string }

// A path names a package and all below it; with "!" in front of to, everything of ours but that.
var rules = []rule{
	{"measures/chunk", "", "codecs are bytes in, bytes out: no locks, no clocks, no tenants"},
	{"measures/journal", "!measures/journal", "a replicated log will stand here; it knows records, not what is in them"},
	{"tenant", "!tenant", "tenant is at the bottom"},
	{"policy", "!policy tenant", "policy is at the bottom: a rule matches names, not definitions"},
	{"metricdef", "!metricdef policy tenant", "definitions do not know their samples; replay hands records down"},
	{"measures", "api compat cmd openapi", "rooms answer Kind and Code and know neither HTTP nor a dialect"},
	{"api/edge", "compat cmd openapi", "what all dialects share knows no dialect"},
	{"api", "cmd", "cmd wires the rooms and is imported by none"},
	{"compat", "cmd openapi", "cmd wires the rooms and is imported by none"},
	{"openapi", "!openapi api/edge docs", "the document is about dialects and rooms, and knows none of them"},
}

// outside forbids packages of others.
var outside = []rule{
	{"tenant", "net/http", "rooms know no HTTP"},
	{"policy", "net/http", "rooms know no HTTP"},
	{"metricdef", "net/http", "rooms know no HTTP"},
	{"measures", "net/http", "rooms know no HTTP"},
	{"measures/chunk", "time", "codecs have no clock"},
	{"compat", "go.etcd.io/bbolt", "no dialect holds state of its own"},
	{"api", "go.etcd.io/bbolt", "the edge holds no state"},
	{"", "log", "log/slog, with the logger handed in"},
	{"", "math/rand", "math/rand/v2 needs no seed and has no lock"},
	{"tenant", "github.com/alecthomas/kong", "the command line belongs to cmd"},
	{"policy", "github.com/alecthomas/kong", "the command line belongs to cmd"},
	{"metricdef", "github.com/alecthomas/kong", "the command line belongs to cmd"},
	{"measures", "github.com/alecthomas/kong", "the command line belongs to cmd"},
	{"api", "github.com/alecthomas/kong", "the command line belongs to cmd"},
	{"compat", "github.com/alecthomas/kong", "the command line belongs to cmd"},
}

// topLevel is what may lie at the root, beside files whose name begins with a dot.
var topLevel = []string{"cmd", "tenant", "metricdef", "policy", "measures", "api", "compat", "openapi", "docs",
	"go.mod", "go.sum", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE"}

// source is one package of the repository, without its tests.
type source struct {
	path    string              // below the module: "measures/chunk"
	imports map[string][]string // by import path, the files that have it
	doc     string
}

func sources(t *testing.T) []*source {
	t.Helper()
	byDir := map[string]*source{}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); file != root && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		if isTool(parsed) {
			return nil
		}
		rel, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		p := byDir[rel]
		if p == nil {
			p = &source{path: filepath.ToSlash(rel), imports: map[string][]string{}}
			byDir[rel] = p
		}
		p.doc += parsed.Doc.Text()
		for _, i := range parsed.Imports {
			name, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			p.imports[name] = append(p.imports[name], filepath.Base(file))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var list []*source
	for _, p := range byDir {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *source) int { return strings.Compare(a.path, b.path) })
	return list
}

// isTool says whether a file is a program of its own, run by hand or by go generate, that no package contains.
func isTool(f *ast.File) bool {
	for _, group := range f.Comments {
		for _, c := range group.List {
			if c.Pos() < f.Package && c.Text == "//go:build ignore" {
				return true
			}
		}
	}
	return false
}

// within says whether the package p is dir or lies below it; "" holds them all.
func within(p, dir string) bool {
	return dir == "" || p == dir || strings.HasPrefix(p, dir+"/")
}

func (r rule) forbids(p string) bool {
	list, except := strings.CutPrefix(r.to, "!")
	in := slices.ContainsFunc(strings.Fields(list), func(dir string) bool { return within(p, dir) }) || list == ""
	return in != except
}

func TestForbiddenImports(t *testing.T) {
	for _, p := range sources(t) {
		for name, files := range p.imports {
			ours, isOurs := strings.CutPrefix(name, module+"/")
			for _, r := range rules {
				if isOurs && within(p.path, r.from) && r.forbids(ours) {
					t.Errorf("%s (%s) imports %s: %s", p.path, strings.Join(files, ", "), name, r.why)
				}
			}
			for _, r := range outside {
				if !isOurs && within(p.path, r.from) && name == r.to {
					t.Errorf("%s (%s) imports %s: %s", p.path, strings.Join(files, ", "), name, r.why)
				}
			}
		}
	}
}

// TestNoDialectImportsAnother: a dialect translates for its own clients; what two of them need belongs to a room.
func TestNoDialectImportsAnother(t *testing.T) {
	dialect := func(p string) string {
		rest, ok := strings.CutPrefix(p, "compat/")
		if !ok {
			return ""
		}
		name, _, _ := strings.Cut(rest, "/")
		return name
	}
	for _, p := range sources(t) {
		for name := range p.imports {
			mine, other := dialect(p.path), dialect(strings.TrimPrefix(name, module+"/"))
			if mine != "" && other != "" && mine != other {
				t.Errorf("%s imports the dialect %s", p.path, name)
			}
		}
	}
}

func TestEveryPackageHasADoc(t *testing.T) {
	for _, p := range sources(t) {
		want := "Package " + path.Base(p.path) + " "
		if p.path == "cmd/granary" {
			want = "Command granary "
		}
		if !strings.HasPrefix(p.doc, want) {
			t.Errorf("%s: the package comment begins %.30q, not %q", p.path, p.doc, want)
		}
	}
}

func TestTopLevelIsFixed(t *testing.T) {
	entries, err := filepath.Glob(filepath.Join(root, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := filepath.Base(e)
		// What .gitignore names may lie there too.
		ignored := name == "granary" || name == "granary-data" || name == "dist" || strings.HasSuffix(name, ".test") || strings.HasSuffix(name, ".prof")
		if !ignored && !strings.HasPrefix(name, ".") && !slices.Contains(topLevel, name) {
			t.Errorf("%s does not belong at the root", name)
		}
	}
}
