package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"granary/cmd/granary/config"
	"granary/cmd/granary/export"
	"granary/cmd/granary/server"
	"granary/metricdef"
	"granary/tenant"
)

// ExportCmd prints a data folder as line protocol, or its resources as JSON.
type ExportCmd struct {
	Config    string   `short:"c" type:"existingfile" placeholder:"FILE" help:"Read the data folder of this configuration, while no server has it open."`
	Data      string   `type:"path" placeholder:"DIR" help:"Data folder; wins over that of --config. [./granary-data]"`
	Out       string   `short:"o" type:"path" placeholder:"FILE" help:"Write to this file, which must not exist, instead of standard output."`
	Tenant    string   `placeholder:"ID" help:"Only this tenant."`
	Resources bool     `help:"Print resource types, and resources with their revisions and metrics, as JSON, one object a line, instead of samples."`
	Metric    string   `placeholder:"PATTERN" help:"Only metrics whose name fits; * and ? stand for anything."`
	Tag       []string `placeholder:"NAME=VALUE" help:"Only series with this tag, such as cluster=alex; may be given several times."`
	From      string   `placeholder:"TIME" help:"Only samples from this time on: RFC 3339, Unix seconds, or a duration back from now such as 7d."`
	To        string   `placeholder:"TIME" help:"Only samples before this time."`
}

// Run prints the lines, and on standard error how many there were.
func (c *ExportCmd) Run(ctx context.Context, e env) (err error) {
	sel, err := c.selection(time.Now())
	if err != nil {
		return err
	}
	cfg, _, err := config.Load(c.Config, config.Options{Overrides: config.Overrides{Data: c.Data}})
	if err != nil {
		return err
	}
	f, err := server.OpenOffline(ctx, cfg, server.Options{Logger: newLogger(e.stderr, cfg.Log)}, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if c.Tenant != "" {
		t, ok := f.Tenant(tenant.ID(c.Tenant))
		if !ok {
			return fmt.Errorf("there is no tenant %q", c.Tenant)
		}
		sel.Tenant = t
	}
	out := e.stdout
	if c.Out != "" {
		file, openErr := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
		if openErr != nil {
			return openErr
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		out = file
	}
	if c.Resources {
		count, err := export.WriteResources(ctx, f, out, sel.Tenant)
		fmt.Fprintf(e.stderr, "%d resources\n", count)
		return err
	}
	stats, err := export.Write(ctx, f, out, sel)
	fmt.Fprintf(e.stderr, "%d samples of %d series\n", stats.Samples, stats.Series)
	if stats.Unprintable > 0 {
		fmt.Fprintf(e.stderr, "%d samples cannot be written as line protocol; the first: %v\n", stats.Unprintable, stats.First)
	}
	return err
}

func (c *ExportCmd) selection(now time.Time) (export.Selection, error) {
	if c.Resources && (c.Metric != "" || len(c.Tag) > 0 || c.From != "" || c.To != "") {
		return export.Selection{}, usagef("--resources prints no samples: --metric, --tag, --from and --to select some")
	}
	sel := export.Selection{Metric: c.Metric, From: math.MinInt64, To: math.MaxInt64}
	for _, tag := range c.Tag {
		name, value, ok := strings.Cut(tag, "=")
		if !ok || name == "" {
			return sel, usagef("--tag: expected NAME=VALUE, found %q", tag)
		}
		sel.Tags = append(sel.Tags, metricdef.Tag{Name: name, Value: value})
	}
	for _, bound := range []struct {
		flag, text string
		dst        *int64
	}{{"--from", c.From, &sel.From}, {"--to", c.To, &sel.To}} {
		if bound.text == "" {
			continue
		}
		t, err := parseTime(bound.flag, bound.text, now)
		if err != nil {
			return sel, err
		}
		*bound.dst = t.UnixNano()
	}
	return sel, nil
}

// parseTime reads RFC 3339, Unix seconds, or a duration that is counted back from now.
func parseTime(flag, text string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	if s, err := strconv.ParseInt(text, 10, 64); err == nil && s > -9e9 && s < 9e9 {
		return time.Unix(s, 0), nil
	}
	if d, err := config.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, usagef(`%s: expected a time such as "2026-01-31T00:00:00Z", Unix seconds, or a duration such as "7d", found %q`, flag, text)
}
