//go:build e2e

package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// TestMohawksShellTests runs Mohawk's own tests, which are for bats, from a folder with its source. They find a command mohawk that makes a
// configuration of its flags, and want the port 8080, and a token that is shorter than tokens are here.
func TestMohawksShellTests(t *testing.T) {
	t.Parallel()
	const variable = "GRANARY_E2E_MOHAWK"
	folder := os.Getenv(variable)
	if folder == "" {
		t.Skip(variable + " names no folder with the source of Mohawk")
	}
	program(t, "curl", "curl", variable)
	bats := program(t, "bats", "bats", variable)
	commands, err := filepath.Abs(filepath.FromSlash("testdata/mohawk"))
	must(t, err)
	dir, listen := t.TempDir(), freePort(t)
	b, err := os.ReadFile(filepath.Join(folder, "test", "mohawk.bats"))
	must(t, err)
	text := strings.NewReplacer("127.0.0.1:8080", listen, "bearer-auth=123", "bearer-auth=0123456789abcdef", "Bearer 123", "Bearer 0123456789abcdef").Replace(string(b))
	tests := filepath.Join(dir, "mohawk.bats")
	must(t, os.WriteFile(tests, []byte(text), 0o600))
	hash, err := bcrypt.GenerateFromPassword([]byte("pass"), bcrypt.MinCost)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "users"), []byte("user:"+string(hash)+"\n"), 0o600))
	t.Cleanup(func() { // of a test that has broken off
		b, _ := os.ReadFile(filepath.Join(dir, "pid"))
		if pid, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it has mostly gone
		}
	})

	cmd := exec.CommandContext(t.Context(), bats, "--tap", tests)
	cmd.Dir, cmd.WaitDelay = folder, time.Second
	cmd.Env = append(os.Environ(), "PATH="+commands+string(os.PathListSeparator)+os.Getenv("PATH"), "PROGRAM="+granary, "LISTEN="+listen, "RUN="+dir)
	said, _ := cmd.CombinedOutput() // it is an error if one of them fails
	var failed []string
	results := regexp.MustCompile(`(?m)^(not )?ok \d+ (.*)$`).FindAllStringSubmatch(string(said), -1)
	for _, r := range results {
		if r[1] != "" {
			failed = append(failed, r[2])
		}
	}
	// It wants a heartbeat of 0, and alerts are looked at as soon as the service is there.
	if len(results) != 12 || !slices.Equal(failed, []string{"alerts are on"}) || !strings.Contains(string(said), `"Heartbeat\":\"0\"`) {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		t.Errorf("of %d tests these fail: %q\n%s\n%s", len(results), failed, said, log)
	}
	t.Logf("%d of %d", len(results)-len(failed), len(results))
}
