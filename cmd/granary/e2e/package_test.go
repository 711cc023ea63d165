//go:build e2e

package e2e_test

import (
	"bytes"
	"debug/elf"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// sizeLimit is what docs/install.md says that the program has, about, and some room.
const sizeLimit = 32 << 20

// recipe runs one of the scripts in .ci, stamped with a version of the test's, and gives the file that it names.
func recipe(t *testing.T, script, dist string, more ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", filepath.Join("..", "..", "..", ".ci", script))
	cmd.Env = append(append(os.Environ(), "DIST="+dist, "VERSION=v1.2.3-4-gabc", "COMMIT=abc", "DATE=2026-11-28T12:00:00Z"), more...)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, complaints.String())
	}
	return strings.TrimSpace(string(out))
}

// TestShipped builds what is shipped, twice, and the Debian package of it: the program needs nothing of the machine and is the same each
// time, says what it is, and runs with the configuration of the package.
func TestShipped(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it is shipped for Linux")
	}
	dist := t.TempDir()
	program := recipe(t, "build", dist)
	stat, err := os.Stat(program)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %.1f MiB", program, float64(stat.Size())/(1<<20))
	if stat.Size() > sizeLimit {
		t.Errorf("the program has %d bytes; docs/install.md says less than %d", stat.Size(), sizeLimit)
	}
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the program is not static: it has %v", p.Type)
		}
	}
	out, err := exec.CommandContext(t.Context(), program, "version").Output()
	if want := "granary v1.2.3-4-gabc (commit abc, 2026-11-28T12:00:00Z) " + runtime.Version() + " linux/" + runtime.GOARCH + "\n"; err != nil || string(out) != want {
		t.Errorf("%v: %q, want %q", err, out, want)
	}
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		if again := recipe(t, "build", t.TempDir()); !equalFiles(t, program, again) {
			t.Error("two builds differ")
		}
		t.Skip("there is no dpkg-deb here")
	}
	// The package is made of another build.
	other := t.TempDir()
	deb, tree := recipe(t, "package", other, "COMPRESS=none"), t.TempDir()
	if name := filepath.Base(deb); !strings.HasPrefix(name, "granary_1.2.3+4+gabc_") {
		t.Errorf("the package is called %s", name)
	}
	for _, args := range [][]string{{"--extract", deb, tree}, {"--control", deb, filepath.Join(tree, "DEBIAN")}} {
		if out, err := exec.CommandContext(t.Context(), "dpkg-deb", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	installed := filepath.Join(tree, "usr/bin/granary")
	if !equalFiles(t, program, installed) {
		t.Error("two builds differ")
	}
	checkTree(t, tree)
	config := filepath.Join(tree, "etc/granary/granary.json")
	p := serve(t, config, filepath.Join(t.TempDir(), "data")) // by the program of all tests, which is the same but for its stamp
	if out, err := exec.CommandContext(t.Context(), installed, "healthcheck", "--ready", "--url", p.url).CombinedOutput(); err != nil || !bytes.Contains(out, []byte("200 OK")) {
		t.Errorf("%v: %s", err, out)
	}
	if status, answer := p.get("/healthz"); status != http.StatusOK {
		t.Errorf("%d %s", status, answer)
	}
	p.stop()
}

// checkTree looks at what a package brings: the files of each kind, the unit naming the program and the configuration that are in it, and
// scripts that the shell understands.
func checkTree(t *testing.T, tree string) {
	t.Helper()
	for _, name := range []string{
		"etc/granary/granary.json", "var/lib/granary", "usr/lib/systemd/system/granary.service", "usr/share/man/man1/granary.1.gz", "usr/share/man/man5/granary.json.5.gz",
		"usr/share/bash-completion/completions/granary", "usr/share/zsh/vendor-completions/_granary", "usr/share/fish/vendor_completions.d/granary.fish",
		"usr/share/doc/granary/copyright", "usr/share/doc/granary/third-party-licences.gz", "usr/share/doc/granary/changelog.gz", "usr/share/doc/granary/README.Debian",
	} {
		if stat, err := os.Stat(filepath.Join(tree, name)); err != nil {
			t.Error(err)
		} else if stat.Mode().Perm()&0o022 != 0 {
			t.Errorf("%s may be written by others: %v", name, stat.Mode())
		}
	}
	unit := readFile(t, filepath.Join(tree, "usr/lib/systemd/system/granary.service"))
	for _, line := range []string{
		"ExecStart=/usr/bin/granary serve --config /etc/granary/granary.json --data /var/lib/granary\n", "StateDirectory=granary\n", "User=granary\n", "Type=notify\n", "WatchdogSec=",
	} {
		if !strings.Contains(unit, "\n"+line) {
			t.Errorf("the unit has no %q", line)
		}
	}
	if lines := strings.Fields(readFile(t, filepath.Join(tree, "DEBIAN/conffiles"))); !slices.Equal(lines, []string{"/etc/granary/granary.json"}) {
		t.Errorf("conffiles: %q", lines)
	}
	for _, script := range []string{"postinst", "prerm", "postrm"} {
		if out, err := exec.CommandContext(t.Context(), "sh", "-n", filepath.Join(tree, "DEBIAN", script)).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", script, err, out)
		}
	}
	if control := readFile(t, filepath.Join(tree, "DEBIAN/control")); !strings.Contains(control, "\nVersion: 1.2.3+4+gabc\n") {
		t.Errorf("control:\n%s", control)
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func equalFiles(t *testing.T, a, b string) bool {
	t.Helper()
	return readFile(t, a) == readFile(t, b)
}
