package main

import (
	"io"

	"github.com/alecthomas/kong"

	"granary/cmd/granary/manual"
	"granary/docs"
)

// ManCmd prints a manual page.
type ManCmd struct {
	Page string `arg:"" default:"granary" enum:"granary,granary.json" help:"${enum}. To read one: granary man ${default} | man -l -"`
}

// Run prints the page.
func (c *ManCmd) Run(e env, parser *kong.Kong) error {
	v := currentVersion()
	h := manual.Header{Name: c.Page, Section: 1, Version: v.version, What: "store of metrics for clusters and their services"}
	if len(v.date) >= len("2006-01-02") {
		h.Date = v.date[:len("2006-01-02")]
	}
	text := ""
	if c.Page == "granary" {
		text = manual.Command(h, parser.Model, commandSections...)
	} else {
		h.Section, h.What = 5, "configuration of granary(1)"
		text = manual.Document(h, docs.Config)
	}
	_, err := io.WriteString(e.stdout, text)
	return err
}

// commandSections are what granary(1) says beside the help.
var commandSections = []manual.Section{
	{Title: "EXIT STATUS", Entries: [][2]string{
		{"0", "success; of serve: it was told to stop"},
		{"1", "failure; standard error says of what"},
		{"2", "the command line is wrong"},
	}},
	{Title: "SIGNALS", Entries: [][2]string{
		{"SIGTERM, SIGINT", "stop: requests under way are finished, and a last snapshot is written. A second one ends the process at once, which loses nothing that was acknowledged."},
		{"SIGHUP", "serve reads metrics, policies and retention of the configuration again, and files of certificates, identities and limits."},
		{"SIGABRT", "what the watchdog of systemd sends to a service that is stuck: it prints what all of its goroutines wait for, and ends."},
	}},
	{Title: "ENVIRONMENT", Entries: [][2]string{
		{"NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID", "set by systemd; serve tells it when it is ready, how far a long start is, and that it works."},
		{"GOGC, GOMEMLIMIT, GOMAXPROCS", "the runtime's. serve sets GOGC to 30 unless it is given."},
	}},
	{Title: "FILES", Entries: [][2]string{
		{"/etc/granary/granary.json", "configuration, where the Debian package and the systemd unit look for it; see granary.json(5)."},
		{"/var/lib/granary", "data folder of the service: journal, segments, definitions, the audit log."},
	}},
	{Title: "SEE ALSO", Entries: [][2]string{
		{"granary.json(5), systemd.service(5)", "and the guides in /usr/share/doc/granary, or on the server itself below /swagger/."},
	}},
}
