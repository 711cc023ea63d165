package main

import (
	"runtime"
	"testing"
)

// TestVersion: what the linker has set is said; what it has not set is not made up.
func TestVersion(t *testing.T) {
	v, c, d := version, commit, date
	defer func() { version, commit, date = v, c, d }()
	made := " " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH + "\n"
	for _, x := range []struct{ version, commit, date, want string }{
		{"v1.2.3", "abc", "2026-11-28T12:00:00Z", "granary v1.2.3 (commit abc, 2026-11-28T12:00:00Z)" + made},
		{"v1.2.3", "abc", "", "granary v1.2.3 (commit abc)" + made},
	} {
		version, commit, date = x.version, x.commit, x.date
		if code, out, stderr := command(t, "version"); code != exitOK || out != x.want || stderr != "" {
			t.Errorf("%d %q %q, want %q", code, out, stderr, x.want)
		}
	}
	version, commit, date = "", "", ""
	if got := currentVersion(); got.version == "" || got.version == "(devel)" {
		t.Errorf("%+v", got)
	}
}
