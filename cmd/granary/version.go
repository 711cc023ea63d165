package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// What the linker sets, see .ci/build: -ldflags "-X main.version=v1.2.3". What it does not set comes from what the Go command has noted of
// the repository.
var version, commit, date string

// VersionCmd prints the version.
type VersionCmd struct{}

// buildVersion is what the program knows of its own making. Commit and date, of the commit in RFC 3339, are empty if nobody has said
// them.
type buildVersion struct {
	version, commit, date string
	modified              bool
}

func currentVersion() buildVersion {
	v := buildVersion{version: version, commit: commit, date: date}
	info, ok := debug.ReadBuildInfo()
	if ok && v.version == "" {
		v.version = info.Main.Version
	}
	if v.version == "" || v.version == "(devel)" {
		v.version = "development"
	}
	if !ok || commit != "" {
		return v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.commit = s.Value
		case "vcs.time":
			v.date = s.Value
		case "vcs.modified":
			v.modified = s.Value == "true"
		}
	}
	return v
}

// String is the version alone.
func (v buildVersion) String() string { return v.version }

// Run prints the version.
func (*VersionCmd) Run(e env) error {
	v := currentVersion()
	text := "granary " + v.version
	if v.commit != "" {
		text += " (commit " + v.commit
		if v.date != "" {
			text += ", " + v.date
		}
		if v.modified {
			text += ", modified"
		}
		text += ")"
	}
	_, err := fmt.Fprintf(e.stdout, "%s %s %s/%s\n", text, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
