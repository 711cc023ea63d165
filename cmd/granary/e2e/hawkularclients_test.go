//go:build e2e

package e2e_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// ownTests are the tests that a client of Hawkular's has of its own, by their names: whether each passes.
type ownTests map[string]bool

// eachMode runs the tests of a client against the program in both modes. It expects that they are at least so many, and that all of
// them pass but, in the default mode, those that are named. The client's words tell why.
func eachMode(t *testing.T, least int, differ []string, tests func(p *process) (passed ownTests, said []byte)) {
	t.Helper()
	for _, mode := range []struct {
		strict bool
		differ []string
	}{{true, nil}, {false, differ}} {
		p := serveHawkular(t, mode.strict, nil)
		passed, said := tests(p)
		var failed []string
		for name, ok := range passed {
			if !ok {
				failed = append(failed, name)
			}
		}
		slices.Sort(failed)
		if len(passed) < least || !slices.Equal(failed, mode.differ) {
			t.Errorf("strict %v: of %d tests, want %d, these fail: %q, want %q\n%s", mode.strict, len(passed), least, failed, mode.differ, said)
		}
		t.Logf("strict %v: %d of %d", mode.strict, len(passed)-len(failed), len(passed))
		p.stop()
	}
}

// clientFolder is a folder with the source of a client, which the environment names. The test is skipped if it does not.
func clientFolder(t *testing.T, variable string) string {
	t.Helper()
	folder := os.Getenv(variable)
	if folder == "" {
		t.Skip(variable + " names no folder with the source of the client")
	}
	folder, err := filepath.Abs(folder)
	must(t, err)
	return folder
}

// rewritten is a file with some of its texts, which all have to be there, replaced.
func rewritten(t *testing.T, path string, pairs ...string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	text := string(b)
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("%s has no %s", path, pairs[i])
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text
}

// TestHawkularGoClient runs the tests of the client for Go, through which Heapster and OpenShift's agent send, as Debian has them. They
// want a server on port 8080, with a token of theirs.
func TestHawkularGoClient(t *testing.T) {
	t.Parallel()
	const sources, library = "/usr/share/gocode", "github.com/hawkular/hawkular-client-go/metrics"
	file := filepath.Join(sources, "src", filepath.FromSlash(library), "client_test.go")
	if _, err := os.Stat(file); err != nil {
		const text = "there is no client of Hawkular's for Go on this machine (Debian: apt-get install golang-github-hawkular-hawkular-client-go-dev)"
		if os.Getenv("GRANARY_E2E_HAWKULAR") == "required" {
			t.Fatal(text)
		}
		t.Skip(text)
	}
	dir := t.TempDir()
	changed, overlay, tests := filepath.Join(dir, "client_test.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "tests")
	must(t, os.WriteFile(changed, []byte(rewritten(t, file, "import (", "import (\n\"os\"", `"http://localhost:8080"`, `os.Getenv("HAWKULAR")`,
		`"secret"`, strconv.Quote(hawkularAdmin))), 0o600))
	configFile(t, overlay, object{"Replace": map[string]string{file: changed}})
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", tests, "-overlay", overlay, library)
	build.Dir = dir // what Debian has is in no module
	build.Env = append(os.Environ(), "GO111MODULE=off", "GOPATH="+sources, "GOFLAGS=-trimpath")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	result := regexp.MustCompile(`(?m)^--- (PASS|FAIL): (\S+)`)
	eachMode(t, 14, []string{"TestTenantModifier"}, func(p *process) (ownTests, []byte) {
		cmd := exec.CommandContext(t.Context(), tests, "-test.v")
		cmd.Env = append(os.Environ(), "HAWKULAR="+p.url)
		out, _ := cmd.CombinedOutput() // it is an error if one of them fails
		passed := ownTests{}
		for _, m := range result.FindAllSubmatch(out, -1) {
			passed[string(m[2])] = string(m[1]) == "PASS"
		}
		return passed, out
	})
}

// TestHawkularPythonClient runs the tests of the client for Python, from a folder with its source.
func TestHawkularPythonClient(t *testing.T) {
	t.Parallel()
	folder := clientFolder(t, "GRANARY_E2E_HAWKULAR_PYTHON")
	python := pythonWith(t, "unittest", "GRANARY_E2E_HAWKULAR_PYTHON")
	eachMode(t, 21, []string{"test_gauge_creation"}, func(p *process) (ownTests, []byte) {
		host, port := hostAndPort(t, p.url)
		_, out := run(t, "", python, filepath.FromSlash("testdata/hawkularpy.py"), folder, host, port, hawkularAdmin)
		var result struct {
			Passed ownTests
			Said   string
		}
		if err := json.Unmarshal([]byte(out), &result); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return result.Passed, []byte(result.Said)
	})
}

// TestHawkularRubyClient runs the tests of the client for Ruby, from a folder with its source. Without the recordings that they play
// by themselves they want a server on port 8081, with a token of theirs.
func TestHawkularRubyClient(t *testing.T) {
	t.Parallel()
	folder := clientFolder(t, "GRANARY_E2E_HAWKULAR_RUBY")
	rspec := program(t, "rspec", "ruby-rspec ruby-rest-client ruby-addressable ruby-vcr ruby-webmock", "GRANARY_E2E_HAWKULAR_RUBY")
	without, err := filepath.Abs(filepath.FromSlash("testdata/hawkularruby"))
	must(t, err)
	lenient := []string{"metrics_services NonSecure Mixed metrics Should fetch stats for mixed metric", "metrics_services NonSecure No Tenant Should fail"}
	eachMode(t, 64, lenient, func(p *process) (ownTests, []byte) {
		dir := t.TempDir()
		must(t, os.CopyFS(dir, os.DirFS(folder)))
		spec := filepath.Join(dir, "spec", "integration", "metric_spec.rb")
		must(t, os.WriteFile(spec, []byte(rewritten(t, spec, "http://localhost:8081", p.url, "'123-456-789'", "'"+hawkularAdmin+"'")), 0o600))
		cmd := exec.CommandContext(t.Context(), rspec, "-I", without, "-I", "lib", "--format", "json", "--out", "result", "--format", "progress", spec)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "VCR_OFF=1")
		out, err := cmd.CombinedOutput()
		var result struct {
			Examples []struct {
				Name   string `json:"full_description"`
				Status string
			}
		}
		b, readErr := os.ReadFile(filepath.Join(dir, "result"))
		if readErr != nil || json.Unmarshal(b, &result) != nil || len(result.Examples) == 0 {
			t.Fatalf("%v, %v\n%s", err, readErr, out)
		}
		passed := ownTests{}
		for _, e := range result.Examples {
			if e.Status != "pending" { // it is for another version
				passed[e.Name] = e.Status == "passed"
			}
		}
		return passed, out
	})
}
