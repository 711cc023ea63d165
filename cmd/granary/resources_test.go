package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestExportImportResources(t *testing.T) {
	cfg := write(t, "config.json", `{"metrics": {}, "granary": {"disk-free-mark": 0, "log": {"level": "error"}}}`)
	lines := `{"resource_type":{"name":"vm","attributes":[{"name":"host","type":"string","required":true,"max_length":9}]}}
{"tenant":"shop","resource":{"id":"01000000-0000-4000-8000-000000000000","original_resource_id":"my vm","type":"vm","creator":"u:p","started_at":"2026-01-31T00:00:00Z","revision":3,"revision_start":"2026-01-31T00:00:00Z","attributes":{"host":"a01"}},"metrics":[{"id":"02000000-0000-4000-8000-000000000000","name":"cpu","unit":"ns","creator":"u:p"}]}
`
	file := write(t, "resources.json", lines)
	first, second := filepath.Join(t.TempDir(), "first"), filepath.Join(t.TempDir(), "second")
	for _, want := range []string{
		"1 resource types and 1 resources with 1 metrics made; 0 resources were there already; 0 former revisions left out\n",
		"0 resource types and 0 resources with 0 metrics made; 1 resources were there already; 0 former revisions left out\n",
	} {
		if code, out, stderr := command(t, "import", "resources", file, "--config", cfg, "--data", first); code != exitOK || out != want {
			t.Fatalf("%d, %s, %s", code, out, stderr)
		}
	}
	printed := filepath.Join(t.TempDir(), "printed.json")
	if code, _, stderr := command(t, "export", "--data", first, "--resources", "--tenant", "shop", "--out", printed); code != exitOK || !strings.Contains(stderr, "1 resources\n") {
		t.Fatalf("%d, %s", code, stderr)
	}
	if code, out, stderr := command(t, "import", "resources", printed, "--config", cfg, "--data", second); code != exitOK {
		t.Fatalf("%d, %s, %s", code, out, stderr)
	}
	strip := func(s string) string { // a revision begins when it is made
		before, rest, _ := strings.Cut(s, `"revision_start":"`)
		_, after, _ := strings.Cut(rest, `"`)
		return before + after
	}
	want, err := os.ReadFile(printed)
	if err != nil {
		t.Fatal(err)
	}
	code, out, stderr := command(t, "export", "--data", second, "--resources")
	if code != exitOK || strip(out) != strip(string(want)) || strip(out) != strip(strings.Replace(lines, `"revision":3`, `"revision":1`, 1)) {
		t.Errorf("%d, %s, %s, want %s", code, out, stderr, want)
	}
	if code, _, stderr := command(t, "export", "--data", second, "--resources", "--metric", "x"); code != exitUsage || !strings.Contains(stderr, "--resources prints no samples") {
		t.Errorf("%d, %s", code, stderr)
	}
	other := write(t, "other.json", `{"resource_type":{"name":"vm","attributes":[]}}`)
	if code, _, stderr := command(t, "import", "resources", other, "--config", cfg, "--data", second); code != exitFailure || !strings.Contains(stderr, "object 1: resource type \"vm\" exists already, with other attributes") {
		t.Errorf("%d, %s", code, stderr)
	}
}
