package config

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const docPath = "../../../docs/config.md"

func doc(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile(docPath)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestEveryKeyIsDocumented holds the keys that the sections ask for against the tables of docs/config.md, both ways.
func TestEveryKeyIsDocumented(t *testing.T) {
	known := make(map[string]bool)
	index := regexp.MustCompile(`\[\d+\]`)
	_, _, err := Load("c.json", Options{
		ReadFile: func(string) ([]byte, error) { return []byte(`{}`), nil },
		keys:     func(path string) { known[index.ReplaceAllString(path, "[]")] = true },
	})
	if err != nil {
		t.Fatal(err)
	}
	documented := make(map[string]bool)
	for _, line := range strings.Split(doc(t), "\n") {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(strings.Split(line, "|")[1], -1) {
			documented[m[1]] = true
		}
	}
	for k := range known {
		group := false
		for other := range known {
			group = group || strings.HasPrefix(other, k+".") || strings.HasPrefix(other, k+"[")
		}
		if !group && k != "metrics" && !documented[k] {
			t.Errorf("the key %s is not in %s", k, docPath)
		}
	}
	for k := range documented {
		if !known[k] {
			t.Errorf("%s names the key %s, which nothing reads", docPath, k)
		}
	}
}

func TestExamples(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```(json|yaml)\n(.*?)```").FindAllStringSubmatch(doc(t), -1)
	if len(blocks) != 2 {
		t.Fatalf("%d examples", len(blocks))
	}
	for _, b := range blocks {
		f := files{"config." + b[1]: b[2], "/etc/granary/backend-token": "token"}
		c, warns, err := load(t, f, Overrides{})
		if err != nil {
			t.Errorf("%s: %v", b[1], err)
			continue
		}
		for _, w := range warns {
			if w.Kind != NoEffect {
				t.Errorf("%s: %v", b[1], w)
			}
		}
		if b[1] != "yaml" {
			continue
		}
		// The YAML example claims to be the defaults.
		want := Default()
		want.Path, want.Files, want.Metrics, want.AnyMetric, want.PeerDirectory = c.Path, c.Files, c.Metrics, false, c.PeerDirectory
		if d := cmp.Diff(want, c, ignoreInner); d != "" {
			t.Error(d)
		}
	}
}

func FuzzLoad(f *testing.F) {
	b, err := os.ReadFile(docPath)
	if err != nil {
		f.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?s)```(json|yaml)\n(.*?)```").FindAllStringSubmatch(string(b), -1) {
		f.Add([]byte(m[2]), m[1] == "yaml")
	}
	f.Add([]byte("a: &a [*a]"), true)
	f.Add([]byte("metrics: {? [a] : b}"), true)
	f.Add([]byte(`{"metrics":{"a":{"frequency":1e3}}}`), false)
	f.Fuzz(func(t *testing.T, data []byte, yaml bool) {
		name := "c.json"
		if yaml {
			name = "c.yaml"
		}
		read := func(n string) ([]byte, error) {
			if n == name {
				return data, nil
			}
			return nil, os.ErrNotExist
		}
		c, _, err := Load(name, Options{ReadFile: read})
		if err != nil {
			return
		}
		s, _ := c.Policies()
		for _, m := range c.Metrics {
			if p, ok := s.Resolve("clustercockpit", m.Name); !ok || p.Grid != m.Frequency {
				t.Fatalf("metric %q resolves to %+v, %v", m.Name, p, ok)
			}
		}
		if c.Listen == "" || c.Data == "" || c.Retention == 0 || c.MemoryCap < 0 {
			t.Fatalf("%+v", c)
		}
	})
}

// TestConfigurationsOfTheGuides: what the guides show of a configuration is one.
func TestConfigurationsOfTheGuides(t *testing.T) {
	fence := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```")
	found := 0
	for _, page := range []string{"securing", "limits", "usage", "coopr", "hawkular", "grafana", "migrating-from-mohawk", "migrating-from-gnocchi", "gnocchi"} {
		b, err := os.ReadFile("../../../docs/" + page + ".md")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range fence.FindAllStringSubmatch(string(b), -1) {
			if !strings.HasPrefix(m[1], "main:") && !strings.HasPrefix(m[1], "granary:") {
				continue
			}
			found++
			if _, warns, err := load(t, files{"config.yaml": m[1]}, Overrides{}); err != nil || len(warns) > 0 {
				t.Errorf("%s: %v %v\n%s", page, err, warns, m[1])
			}
		}
	}
	if found < 4 {
		t.Errorf("only %d", found)
	}
}
