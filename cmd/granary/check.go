package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"granary/cmd/granary/config"
	"granary/cmd/granary/server"
	"granary/policy"
	"granary/tenant"
	"granary/tenant/identity"
)

// CheckCmd checks a configuration.
type CheckCmd struct {
	Config string `arg:"" placeholder:"CONFIG" help:"Configuration file."`
}

// Run prints what is doubtful, what is without effect, and what is in force; a faulty file is an error, behind what else there is to say of it.
func (c *CheckCmd) Run(e env) error {
	cfg, warns, err := config.Load(c.Config, config.Options{})
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
	if err != nil {
		return fmt.Errorf("%s is not valid:\n%w", c.Config, err)
	}
	notes, faults := surroundings(cfg)
	printNotes(e.stdout, notes)
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("%s cannot be served on this machine:\n%w", c.Config, err)
	}
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

// surroundings looks at the files that the configuration names. What would keep a server from starting here is a fault. The certificate
// and the credentials of NATS may well be on another machine than the file that is checked, as that of cc-metric-store often is: that
// they are not there makes notes.
func surroundings(cfg *config.Config) (notes []string, faults []error) {
	if cfg.TLS.Enabled() {
		_, err := server.LoadTLS(cfg.TLS)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			notes = append(notes, "TLS cannot be served: "+err.Error())
		case err != nil:
			faults = append(faults, fmt.Errorf("TLS cannot be served: %w", err))
		}
	}
	if _, err := identity.NewAuthority(cfg.Identity.Sources()); err != nil {
		faults = append(faults, fmt.Errorf("granary.identity cannot be used: %w", err))
	}
	if _, err := identity.NewAuthority(cfg.Hawkular.AdminSources()); err != nil {
		faults = append(faults, fmt.Errorf("granary.compat.hawkular.admin-token cannot be used: %w", err))
	}
	if a := &cfg.Hawkular.Alerts; cfg.Hawkular.Enabled && len(a.Rules) > 0 && a.CA != "" {
		if _, err := server.LoadAlertAuthorities(a.CA); err != nil {
			faults = append(faults, err)
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
	return notes, faults
}

// dataFolder is the whole path of the folder that a server started here would use, and whether it is there. One
// that cannot be looked into is left to the start.
func dataFolder(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return dir + " (does not exist, will be made)"
	}
	return dir
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
	row("data", "%s", dataFolder(cfg.Data))
	row("identity", "%s", whoMayEnter(cfg))
	if cfg.AnyMetric {
		row("metrics", "any, every 60 s, averaged")
	} else {
		row("metrics", "%s", metricSummary(cfg.Metrics))
	}
	retention := "for ever"
	if cfg.Retention != policy.Forever {
		retention = shortDuration(cfg.Retention)
	}
	if cfg.Hawkular.Enabled {
		retention += ", Hawkular's metrics apart"
	}
	row("retention", "%s", retention)
	if cfg.MemoryCap > 0 {
		row("memory cap", "%s", tenant.FormatSize(cfg.MemoryCap))
	} else {
		row("memory cap", "none")
	}
	row("times", "%s (ClusterCockpit and NATS)", times(cfg))
	row("tenant", "%s", tenants(cfg))
	switch cfg.Journal.Sync {
	case config.SyncInterval:
		row("journal", "synced every %v", cfg.Journal.Interval)
	case config.SyncAlways:
		row("journal", "synced before each acknowledgement")
	default:
		row("journal", "synced when the kernel pleases")
	}
	row("snapshots", "every %s, or after %s of journal", shortDuration(cfg.Snapshot.Interval), tenant.FormatSize(cfg.Snapshot.JournalBytes))
	if cfg.DiskFreeMark > 0 {
		row("disk", "writes stop while less than %s is free", tenant.FormatSize(cfg.DiskFreeMark))
	}
	cc := cfg.ClusterCockpit
	if cc.Enabled {
		row("writes", "up to %s a body, %s of bodies at a time; more waits for %v", tenant.FormatSize(min(cfg.Limits.Body, cfg.Queue.Bytes)), tenant.FormatSize(cfg.Queue.Bytes), cfg.Queue.Wait)
		row("answers", "up to %d points and %s, compressed: %s", cfg.Limits.QueryPoints, tenant.FormatSize(cc.MaxAnswer), cfg.Compress)
	} else {
		row("api", "/api is not served")
	}
	row("hawkular", "%s", hawkularSummary(cfg))
	if cfg.Hawkular.Enabled && len(cfg.Hawkular.Alerts.Rules) > 0 {
		row("alerts", "%s", alertSummary(&cfg.Hawkular.Alerts))
	}
	for i, line := range mappingTable(&cfg.Mapping) {
		name := "mapping"
		if i > 0 {
			name = ""
		}
		row(name, "%s", line)
	}
	if cfg.Backend.URL != "" {
		row("backend", "%s", cfg.Backend.URL)
	}
	if cfg.NATS.Active() {
		row("nats", "%s: %s", cfg.NATS.Address, subscriptions(cfg.NATS.Subscriptions))
	}
	if cfg.User != "" || cfg.Group != "" {
		row("rights", "of %s", strings.Trim(cfg.User+":"+cfg.Group, ":"))
	}
	if cfg.AdminListen != "" {
		row("profiles", "http://%s/debug/pprof/", cfg.AdminListen)
	}
	return t.Flush()
}

// hawkularSummary says how Hawkular's and Mohawk's clients are served. Its policy counts from the writing, and has a retention of its own.
func hawkularSummary(cfg *config.Config) string {
	h := &cfg.Hawkular
	if !h.Enabled {
		return "/hawkular is not served"
	}
	mode := "as Mohawk and Hawkular"
	if h.Strict {
		mode = "strictly as Hawkular"
	}
	kept := "kept for ever"
	if h.Retention != policy.Forever {
		kept = "kept " + shortDuration(h.Retention) + " from the writing"
	}
	if !cfg.HawkularPolicy() {
		kept = "kept as granary.policies says"
	}
	token := "no admin token"
	if h.AdminToken != nil {
		token = "an admin token"
	}
	pages := "no web pages"
	if len(h.Origins) > 0 {
		pages = "web pages of " + strings.Join(h.Origins, ", ")
	}
	return strings.Join([]string{mode, kept, token, pages}, "; ")
}

func alertSummary(a *config.HawkularAlerts) string {
	told := "nobody is told"
	if a.Server != "" {
		told = "changes are sent to " + a.Receiver()
	}
	noun := "rules"
	if len(a.Rules) == 1 {
		noun = "rule"
	}
	return fmt.Sprintf("%d %s, looked at every %s; %s", len(a.Rules), noun, shortDuration(a.Interval), told)
}

// sources names the sources of identities.
func sources(cfg *config.Config) string {
	i := &cfg.Identity
	var list []string
	for _, s := range []struct {
		name  string
		there bool
	}{
		{"JWTs", len(i.Issuers) > 0}, {"API keys", i.Keys}, {"tokens of the configuration", len(i.Tokens) > 0}, {"names with passwords", i.Htpasswd != ""},
		{"header fields of proxies", i.Proxy.Subject != ""}, {"client certificates", len(i.Certificates) > 0},
	} {
		if s.there {
			list = append(list, s.name)
		}
	}
	return strings.Join(list, ", ")
}

// whoMayEnter says who may do what.
func whoMayEnter(cfg *config.Config) string {
	key, open := cfg.Auth.ClusterCockpitKey != nil, cfg.Auth.Open
	list := sources(cfg)
	switch {
	case list != "" && key:
		return list + "; JWTs of main.jwt-public-key on /api"
	case list != "":
		return list
	case key && open:
		return "JWTs of main.jwt-public-key on /api; none for the rest"
	case key:
		return "JWTs of main.jwt-public-key on /api; all else is closed (granary.identity or granary.auth: none lets others in)"
	case open:
		return "none is demanded"
	case loopback(cfg.Listen):
		return "none is demanded, and only this machine can connect"
	default:
		return "none is demanded: /api is for every address, all else for this machine only (granary.identity or granary.auth: none lets others in)"
	}
}

func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

// times says which times of samples are taken.
func times(cfg *config.Config) string {
	past := "of any age"
	switch {
	case cfg.Bounds.Past > 0:
		past = "up to " + shortDuration(cfg.Bounds.Past) + " old"
	case cfg.Bounds.Past == 0 && cfg.Retention != policy.Forever:
		past = "up to " + shortDuration(cfg.Retention) + " old"
	}
	switch {
	case cfg.Bounds.Future == config.Unbounded:
		return past + ", or ahead of now by any time"
	case cfg.Bounds.Future == 0:
		return past + ", none ahead of now"
	}
	return past + ", or ahead of now by " + shortDuration(cfg.Bounds.Future)
}

// tenants says where clusters lie.
func tenants(cfg *config.Config) string {
	list := []string{string(cfg.Tenants.Default)}
	for _, cluster := range slices.Sorted(maps.Keys(cfg.ClusterCockpit.Tenants)) {
		list = append(list, fmt.Sprintf("%s of cluster %s", cfg.ClusterCockpit.Tenants[cluster], cluster))
	}
	return strings.Join(list, ", ")
}

func subscriptions(subs []config.Subscription) string {
	var list []string
	for _, s := range subs {
		text := s.Subject
		if s.ClusterTag != "" {
			text += " (cluster " + s.ClusterTag + ")"
		}
		if s.Durable {
			text += " (durable)"
		}
		list = append(list, text)
	}
	return strings.Join(list, ", ")
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

// shortDuration writes whole days as such, and no units of which there are none.
func shortDuration(d time.Duration) string {
	if day := 24 * time.Hour; d >= day && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
