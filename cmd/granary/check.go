package main

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"granary/cmd/granary/config"
	"granary/policy"
)

// CheckCmd checks a configuration.
type CheckCmd struct {
	Config string `arg:"" placeholder:"CONFIG" help:"Configuration file."`
}

// Run prints what is doubtful, what is without effect, and what is in force; a faulty file is an error.
func (c *CheckCmd) Run(e env) error {
	cfg, warns, err := config.Load(c.Config, config.Options{})
	if err != nil {
		return fmt.Errorf("%s is not valid:\n%w", c.Config, err)
	}
	for _, group := range []struct {
		kind  config.WarningKind
		title string
	}{
		{config.Doubtful, "Doubtful"},
		{config.Unknown, "Unknown, and ignored"},
		{config.NoEffect, "Accepted without effect"},
	} {
		printWarnings(e.stdout, group.title, slices.DeleteFunc(slices.Clone(warns), func(w config.Warning) bool { return w.Kind != group.kind }))
	}
	printNotes(e.stdout, surroundings(cfg))
	fmt.Fprintf(e.stdout, "%s is valid. In force:\n", c.Config)
	return printConfig(e.stdout, cfg)
}

func printWarnings(w io.Writer, title string, warns []config.Warning) {
	if len(warns) == 0 {
		return
	}
	fmt.Fprintln(w, title+":")
	for _, x := range warns {
		fmt.Fprintln(w, "  "+x.String())
	}
	fmt.Fprintln(w)
}

func printNotes(w io.Writer, notes []string) {
	if len(notes) == 0 {
		return
	}
	fmt.Fprintln(w, "On this machine:")
	for _, n := range notes {
		fmt.Fprintln(w, "  "+n)
	}
	fmt.Fprintln(w)
}

// surroundings looks at the files that the configuration names. They may well be elsewhere, so this makes notes, not errors.
func surroundings(cfg *config.Config) []string {
	var notes []string
	if cfg.TLS.Enabled() {
		if _, err := tls.LoadX509KeyPair(cfg.TLS.CertFile, cfg.TLS.KeyFile); err != nil {
			notes = append(notes, "the certificate cannot be used: "+err.Error())
		}
	}
	if f := cfg.NATS.CredsFile; f != "" {
		if _, err := os.Stat(f); err != nil {
			notes = append(notes, "nats.creds-file-path: "+err.Error())
		}
	}
	if cfg.PeerFiles() {
		notes = append(notes, fmt.Sprintf("%s holds checkpoints of cc-metric-store; take them over with: granary import cc-metric-store %s", cfg.PeerDirectory, cfg.PeerDirectory))
	}
	return notes
}

// printConfig writes what a reader of the file wants to see confirmed.
func printConfig(w io.Writer, cfg *config.Config) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "  %s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	scheme := "http"
	if cfg.TLS.Enabled() {
		scheme = "https"
	}
	row("listen", "%s://%s", scheme, cfg.Listen)
	row("data", "%s", cfg.Data)
	switch {
	case cfg.Auth.ClusterCockpitKey != nil:
		row("identity", "JWTs of main.jwt-public-key")
	default:
		row("identity", "none is demanded")
	}
	if cfg.AnyMetric {
		row("metrics", "any, every 60 s")
	} else {
		row("metrics", "%s", metricSummary(cfg.Metrics))
	}
	if cfg.Retention == policy.Forever {
		row("retention", "for ever")
	} else {
		row("retention", "%s", shortDuration(cfg.Retention))
	}
	if cfg.MemoryCap > 0 {
		row("memory cap", "%s", config.FormatSize(cfg.MemoryCap))
	} else {
		row("memory cap", "none")
	}
	row("journal", "sync %s", cfg.Journal.Sync)
	if cfg.Backend.URL != "" {
		row("backend", "%s", cfg.Backend.URL)
	}
	if cfg.NATS.Active() {
		var subjects []string
		for _, s := range cfg.NATS.Subscriptions {
			subjects = append(subjects, s.Subject)
		}
		row("nats", "%s: %s", cfg.NATS.Address, strings.Join(subjects, ", "))
	}
	return t.Flush()
}

// metricSummary is "12 (4 every 10 s, 8 every 60 s)".
func metricSummary(metrics []policy.ClusterCockpitMetric) string {
	count := make(map[time.Duration]int)
	for _, m := range metrics {
		count[m.Frequency]++
	}
	type step struct {
		every time.Duration
		n     int
	}
	var steps []step
	for every, n := range count {
		steps = append(steps, step{every, n})
	}
	slices.SortFunc(steps, func(a, b step) int { return cmp.Compare(a.every, b.every) })
	var parts []string
	for _, s := range steps {
		parts = append(parts, fmt.Sprintf("%d every %d s", s.n, s.every/time.Second))
	}
	if len(parts) == 0 {
		return "none"
	}
	return fmt.Sprintf("%d (%s)", len(metrics), strings.Join(parts, ", "))
}

// shortDuration writes whole days as such.
func shortDuration(d time.Duration) string {
	if day := 24 * time.Hour; d >= day && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	return d.String()
}
