package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"granary/cmd/granary/config"
	"granary/cmd/granary/server"
	"granary/cmd/granary/writer"
	"granary/compat/clustercockpit/checkpoint"
)

// ImportCmd takes over what another store has kept.
type ImportCmd struct {
	CCMetricStore ImportCCMetricStoreCmd `cmd:"" name:"cc-metric-store" help:"Read a checkpoint directory of cc-metric-store. Exit code 1 if a file was damaged; the rest is imported nevertheless."`
	Resources     ImportResourcesCmd     `cmd:"" name:"resources" help:"Read resource types and resources that granary export --resources has printed."`
}

// ImportCCMetricStoreCmd reads a checkpoint directory.
type ImportCCMetricStoreCmd struct {
	Dir    string `arg:"" type:"existingdir" placeholder:"DIR" help:"Checkpoint directory; nothing is changed in it."`
	Config string `short:"c" type:"existingfile" placeholder:"FILE" help:"Write into the data folder of this configuration, while no server has it open. The metrics must be those that the server will use."`
	Data   string `type:"path" placeholder:"DIR" help:"Data folder; wins over that of --config."`
	URL    string `name:"url" placeholder:"URL" help:"Write to this running server instead, such as http://127.0.0.1:8082."`
	Token  string `env:"GRANARY_TOKEN" placeholder:"JWT" help:"Bearer token for --url."`
	Since  string `placeholder:"TIME" help:"Leave out what is older: RFC 3339, Unix seconds, or a duration back from now such as 7d."`
}

// Run imports and says what became of it. It fails after the import if a file was damaged.
func (c *ImportCCMetricStoreCmd) Run(ctx context.Context, e env) error {
	o := checkpoint.ImportOptions{}
	if c.Since != "" {
		since, err := parseTime("--since", c.Since, time.Now())
		if err != nil {
			return err
		}
		o.From = since.Unix()
	}
	if isTerminal(e.stderr) {
		o.Progress = func(r checkpoint.ImportReport) {
			fmt.Fprintf(e.stderr, "\r\033[K%d samples", r.Sent)
		}
	}
	sink, closeSink, err := c.sink(ctx, e)
	if err != nil {
		return err
	}
	began := time.Now()
	report, err := checkpoint.Import(ctx, c.Dir, sink, o)
	if o.Progress != nil {
		fmt.Fprint(e.stderr, "\r\033[K")
	}
	printImport(e.stdout, report, time.Since(began))
	err = errors.Join(err, closeSink())
	if n := damagedFiles(report); n > 0 && err == nil {
		err = fmt.Errorf("%s of %s damaged; the rest is imported", files(n), c.Dir)
	}
	return err
}

// sink is the running server or the data folder.
func (c *ImportCCMetricStoreCmd) sink(ctx context.Context, e env) (checkpoint.Sink, func() error, error) {
	switch {
	case c.URL != "" && (c.Config != "" || c.Data != ""):
		return nil, nil, usagef("--url writes to a running server, --config and --data into a folder: expected one of both ways")
	case c.URL != "":
		w, err := writer.NewHTTP(c.URL, c.Token)
		if err != nil {
			return nil, nil, usagef("--url: %v", err)
		}
		return w, func() error { w.Close(); return nil }, nil
	case c.Config == "":
		// Without the metrics and their frequencies samples would be put on a grid that is not theirs.
		return nil, nil, usagef("where to? Expected --config FILE for the data folder of that configuration, or --url URL of a running server")
	}
	cfg, _, err := config.Load(c.Config, config.Options{Overrides: config.Overrides{Data: c.Data}})
	if err != nil {
		return nil, nil, fmt.Errorf("%s is not valid:\n%w", c.Config, err)
	}
	f, err := server.OpenOffline(ctx, cfg, server.Options{Logger: newLogger(e.stderr, cfg.Log)}, true)
	if err != nil {
		return nil, nil, err
	}
	return f, f.Close, nil
}

func printImport(w io.Writer, r checkpoint.ImportReport, took time.Duration) {
	for _, list := range []struct {
		title    string
		problems []checkpoint.Problem
	}{{"Damaged, and left out", r.Damaged}, {"Stray, and left out", r.Stray}, {"Cannot be written as line protocol, and left out", r.Unprintable}} {
		if len(list.problems) == 0 {
			continue
		}
		fmt.Fprintln(w, list.title+":")
		for _, p := range list.problems {
			fmt.Fprintln(w, "  "+p.String())
		}
	}
	fmt.Fprintf(w, "%d hosts, %d files, in %.1f s\n", r.Hosts, r.Files, took.Seconds())
	fmt.Fprintln(w, summary(r))
}

// summary is the line that a script or a hurried reader looks at: what was read, what is stored now, why the rest is not.
func summary(r checkpoint.ImportReport) string {
	type cause struct {
		n    int64
		text string
	}
	var causes []cause
	stored, not := r.Sent, r.Early+r.UnprintableSamples
	for _, reason := range slices.Sorted(maps.Keys(r.Ignored)) {
		n := r.Ignored[reason]
		stored, not = stored-n, not+n
		causes = append(causes, cause{n, reason})
	}
	causes = append(causes, cause{r.Early, "older than --since"}, cause{r.UnprintableSamples, "not to be written as line protocol"})
	causes = slices.DeleteFunc(causes, func(c cause) bool { return c.n == 0 })
	line := fmt.Appendf(nil, "%d samples read, %d stored", stored+not, stored)
	if not > 0 {
		line = fmt.Appendf(line, ", %d not", not)
	}
	for i, c := range causes {
		switch {
		case len(causes) == 1:
			line = fmt.Appendf(line, ": %s", c.text)
		case i == 0:
			line = fmt.Appendf(line, ": %d %s", c.n, c.text)
		default:
			line = fmt.Appendf(line, ", %d %s", c.n, c.text)
		}
	}
	if n := damagedFiles(r); n > 0 {
		line = fmt.Appendf(line, "; %s damaged", files(n))
	}
	return string(line)
}

// damagedFiles counts files, of which one may be damaged in many places.
func damagedFiles(r checkpoint.ImportReport) int {
	paths := make(map[string]bool)
	for _, p := range r.Damaged {
		paths[p.Path] = true
	}
	return len(paths)
}

func files(n int) string {
	if n == 1 {
		return "1 file"
	}
	return fmt.Sprintf("%d files", n)
}
