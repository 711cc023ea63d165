package main_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	notSlug = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors are the names under which the headings of a page can be reached.
func anchors(page []byte) map[string]bool {
	names := map[string]bool{}
	for _, m := range heading.FindAllSubmatch(page, -1) {
		name := notSlug.ReplaceAllString(strings.ToLower(string(m[1])), "")
		names[strings.ReplaceAll(name, " ", "-")] = true
	}
	return names
}

// TestEveryPageIsInTheIndex: the list of the guides leads to each of them.
func TestEveryPageIsInTheIndex(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	index, err := os.ReadFile(filepath.Join(root, "docs", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		if name := filepath.Base(page); name != "README.md" && !strings.Contains(string(index), "]("+name) {
			t.Errorf("docs/README.md does not lead to %s", name)
		}
	}
}

// TestLinksOfThePages: a link to a file of the repository, or to a heading in it, leads somewhere.
func TestLinksOfThePages(t *testing.T) {
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && file != root && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		if d.IsDir() || filepath.Ext(file) != ".md" {
			return nil
		}
		page, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, m := range link.FindAllSubmatch(page, -1) {
			target, anchor, _ := strings.Cut(string(m[1]), "#")
			if strings.Contains(target, "://") {
				continue
			}
			linked := page
			if target != "" {
				if linked, err = os.ReadFile(filepath.Join(filepath.Dir(file), target)); err != nil {
					t.Errorf("%s: the link to %s leads nowhere", file, m[1])
					continue
				}
			}
			if anchor != "" && !anchors(linked)[anchor] {
				t.Errorf("%s: the link to %s leads to no heading", file, m[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
