package main_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// errorCodes finds the stable codes of errors in the source: the texts that methods named Code return, the first arguments of
// functions named unavailable, which make errors of package measures, and the second members of Gnocchi's refusals.
func errorCodes(t *testing.T) []string {
	t.Helper()
	var codes []string
	add := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if code, err := strconv.Unquote(lit.Value); err == nil && code != "" {
				codes = append(codes, code)
			}
		}
	}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Name.Name != "Code" || n.Recv == nil || n.Body == nil {
					return true
				}
				ast.Inspect(n.Body, func(n ast.Node) bool {
					if r, ok := n.(*ast.ReturnStmt); ok {
						for _, e := range r.Results {
							add(e)
						}
					}
					return true
				})
			case *ast.CompositeLit:
				if f, ok := n.Type.(*ast.Ident); ok && f.Name == "refusal" && parsed.Name.Name == "gnocchi" && len(n.Elts) > 1 {
					add(n.Elts[1])
				}
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "unavailable" && len(n.Args) > 0 {
					add(n.Args[0])
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

// TestEveryErrorCodeHasAPage: who meets a code finds docs/errors/CODE.md, which says what it means and what to do, and
// the list of pages is complete.
func TestEveryErrorCodeHasAPage(t *testing.T) {
	dir := filepath.Join(root, "docs", "errors")
	list, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	codes := errorCodes(t)
	if len(codes) < 20 {
		t.Errorf("only %d codes were found in the source: %q", len(codes), codes)
	}
	for _, code := range codes {
		if !regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`).MatchString(code) {
			t.Errorf("%q is not a code of words and hyphens", code)
			continue
		}
		page, err := os.ReadFile(filepath.Join(dir, code+".md"))
		if errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the code %q has no page docs/errors/%s.md", code, code)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{"# " + code + "\n", "\n## What it means\n", "\n## What to do\n"} {
			if !strings.Contains(string(page), part) {
				t.Errorf("docs/errors/%s.md lacks %q", code, part)
			}
		}
		if !strings.Contains(string(list), "]("+code+".md)") {
			t.Errorf("docs/errors/README.md does not list %s", code)
		}
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages {
		if code := strings.TrimSuffix(filepath.Base(p), ".md"); code != "README" && !slices.Contains(codes, code) {
			t.Errorf("%s is a page of a code that the source does not have", p)
		}
	}
}
