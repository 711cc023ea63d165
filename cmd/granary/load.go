package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"granary/cmd/granary/config"
	"granary/cmd/granary/loadgen"
)

// LoadCmd generates metrics.
type LoadCmd struct {
	Target  string `default:"http://127.0.0.1:8082" placeholder:"URL" help:"Where to send to: http://, https:// (without a path /api/write/) or nats://. [${default}]"`
	Subject string `default:"hpc-nats" placeholder:"SUBJECT" help:"NATS subject. [${default}]"`
	Token   string `env:"GRANARY_TOKEN" placeholder:"JWT" help:"Bearer token, or NATS token."`

	Cluster      string `default:"granary" placeholder:"NAME" help:"Name of the simulated cluster. [${default}]"`
	Hosts        int    `default:"10" placeholder:"N" help:"Nodes. [${default}]"`
	Sockets      int    `default:"2" placeholder:"N" help:"Sockets of a node. [${default}]"`
	Threads      int    `default:"16" placeholder:"N" help:"Hardware threads of a node. [${default}]"`
	Accelerators int    `default:"0" placeholder:"N" help:"Accelerators of a node. [${default}]"`
	NodeMetrics  int    `default:"30" placeholder:"N" help:"How many of the built-in metrics of the node level. [${default}]"`
	Metrics      string `type:"existingfile" placeholder:"CONFIG" help:"Take the metrics of a configuration file instead; the longest of their frequencies is the interval."`
	Interval     string `default:"10s" placeholder:"DURATION" help:"Time between two steps. [${default}]"`
	Precision    string `default:"s" enum:"s,ms,us,ns" placeholder:"UNIT" help:"Unit of the time stamps: ${enum}. [${default}]"`
	Seed         uint64 `default:"1" placeholder:"N" help:"Seed of the values; equal seeds give equal lines. [${default}]"`

	Backfill string `default:"0s" placeholder:"DURATION" help:"Begin this long ago. With a --rate and --steps it is as long as the steps take, unless given; with a --rate and --duration alone 29d, just within the default retention, and the run ends early if it comes to now."`
	Steps    int64  `placeholder:"N" help:"Stop after so many steps; 0 goes on until --duration or Ctrl-C."`
	Duration string `default:"0s" placeholder:"DURATION" help:"Stop after this time."`
	Rate     string `default:"realtime" placeholder:"N" help:"Samples a second, max, or realtime: each step when its time has come, and what lies in the past at once. [${default}]"`

	Connections int    `default:"2" placeholder:"N" help:"Connections; each sends a share of the nodes. [${default}]"`
	Batch       int    `default:"5000" placeholder:"N" help:"Lines in one body, at most. [${default}]"`
	Gzip        bool   `help:"Compress the bodies."`
	Format      string `default:"line" enum:"line,remote-write,remote-write-2" placeholder:"FORMAT" help:"How samples are written, ${enum}: line protocol, or Prometheus remote write 1.0 or 2.0 to any receiver, by default at /api/v1/write. [${default}]"`
	Retry       bool   `help:"Send again what was refused, until it is accepted."`

	Ledger      string `type:"path" placeholder:"FILE" help:"Write down which batches were acknowledged."`
	Verify      string `type:"existingfile" placeholder:"LEDGER" help:"Send nothing; ask --target for every sample of a ledger."`
	PrintConfig bool   `help:"Send nothing; print a configuration that has the metrics."`
	JSON        bool   `name:"json" help:"Print the report as JSON."`
}

// longPast is where a run begins that has a rate and a duration only: how many steps it will come to nobody knows, so
// it gets as much time as a server with the default retention of 30 days takes.
const longPast = 29 * 24 * time.Hour

// sendTimeout bounds one batch.
const sendTimeout = 30 * time.Second

// Run sends, verifies or prints.
func (c *LoadCmd) Run(ctx context.Context, e env) error {
	if c.Verify != "" {
		return c.verify(ctx, e)
	}
	cluster, err := c.cluster()
	if err != nil {
		return err
	}
	if c.PrintConfig {
		return printMetrics(e.stdout, cluster)
	}
	plan, err := c.plan(&cluster)
	if err != nil {
		return err
	}
	g, err := loadgen.New(cluster)
	if err != nil {
		return usagef("%v", err)
	}
	s, err := loadgen.Open(loadgen.Target{
		URL: c.Target, Subject: c.Subject, Token: c.Token, Gzip: c.Gzip, Format: loadgen.Format(c.Format), Connections: c.Connections, Timeout: sendTimeout,
	})
	if err != nil {
		return err
	}
	defer s.Close()
	closeLedger, err := c.openLedger(&plan, g)
	if err != nil {
		return err
	}
	if isTerminal(e.stderr) && !c.JSON {
		plan.Progress = func(p loadgen.Progress) { printProgress(e.stderr, p) }
	}
	report, err := loadgen.Run(ctx, g, plan, s)
	if plan.Progress != nil {
		fmt.Fprint(e.stderr, "\r\033[K")
	}
	report.Target = redact(c.Target)
	if err := errors.Join(err, closeLedger()); err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(e.stdout, report)
	} else {
		err = report.Print(e.stdout)
	}
	if err == nil && report.Sent > 0 && report.Acknowledged == 0 {
		err = errors.New("no batch was accepted")
	}
	return err
}

func redact(target string) string {
	if u, err := url.Parse(target); err == nil {
		return u.Redacted()
	}
	return target
}

// cluster builds the description from the flags.
func (c *LoadCmd) cluster() (loadgen.Cluster, error) {
	interval, err := duration("--interval", c.Interval)
	if err != nil {
		return loadgen.Cluster{}, err
	}
	cl := loadgen.Cluster{
		Name: c.Cluster, Hosts: c.Hosts, Sockets: c.Sockets, Threads: c.Threads, Accelerators: c.Accelerators,
		Metrics: loadgen.Builtin(c.NodeMetrics), Interval: interval, Seed: c.Seed,
		Precision: map[string]time.Duration{"s": time.Second, "ms": time.Millisecond, "us": time.Microsecond, "ns": time.Nanosecond}[c.Precision],
	}
	if c.Metrics == "" {
		return cl, nil
	}
	cfg, _, err := config.Load(c.Metrics, config.Options{})
	if err != nil {
		return cl, err
	}
	if len(cfg.Metrics) == 0 {
		return cl, fmt.Errorf("%s: expected a section metrics that names some", c.Metrics)
	}
	cl.Metrics, cl.Interval = nil, 0
	for _, m := range cfg.Metrics {
		cl.Metrics = append(cl.Metrics, loadgen.Named(m.Name))
		cl.Interval = max(cl.Interval, m.Frequency)
	}
	return cl, nil
}

func duration(flag, text string) (time.Duration, error) {
	d, err := config.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, usagef(`%s: expected a duration such as "10s" or "7d", found %q`, flag, text)
	}
	return d, nil
}

// plan builds the plan from the flags, and sets the cluster's start.
func (c *LoadCmd) plan(cl *loadgen.Cluster) (loadgen.Plan, error) {
	p := loadgen.Plan{Steps: c.Steps, Connections: c.Connections, Batch: c.Batch, Format: loadgen.Format(c.Format), Retry: c.Retry}
	if p.Format != loadgen.Lines && (c.Gzip || strings.HasPrefix(c.Target, "nats:") || strings.HasPrefix(c.Target, "tls:")) {
		return p, usagef("--format %s: remote write goes to an HTTP URL, packed by snappy and nothing else", c.Format)
	}
	var err error
	if p.Duration, err = duration("--duration", c.Duration); err != nil {
		return p, err
	}
	backfill, err := duration("--backfill", c.Backfill)
	if err != nil {
		return p, err
	}
	switch c.Rate {
	case "realtime":
		p.Rate = loadgen.RealTime
	case "max":
		p.Rate = loadgen.Max
	default:
		if p.Rate, err = strconv.ParseFloat(c.Rate, 64); err != nil || !(p.Rate > 0 && p.Rate < 1e15) {
			return p, usagef("--rate: expected samples a second, max or realtime, found %q", c.Rate)
		}
	}
	if p.Rate != loadgen.RealTime {
		// Time stamps advance by the interval with each step, however fast that is sent; so that they do not run into the
		// future, they must begin far enough in the past.
		if backfill == 0 && c.Steps == 0 && p.Duration > 0 {
			backfill = longPast
		}
		switch {
		case backfill > 0 && c.Steps == 0:
			p.Steps = int64(backfill/cl.Interval) + 1
		case backfill == 0 && c.Steps > 0:
			if c.Steps > int64(time.Duration(1<<62)/max(cl.Interval, 1)) {
				return p, usagef("--steps: %d steps of %v are too long a time", c.Steps, cl.Interval)
			}
			backfill = time.Duration(c.Steps) * cl.Interval
		case backfill == 0:
			return p, usagef("--rate %s needs --steps, --backfill or --duration: how far back in time to begin", c.Rate)
		}
	}
	cl.Start = time.Now().Add(-backfill).Truncate(cl.Interval)
	return p, nil
}

// openLedger gives the plan its ledger, if one is asked for, and returns what closes it.
func (c *LoadCmd) openLedger(p *loadgen.Plan, g *loadgen.Generator) (func() error, error) {
	if c.Ledger == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(c.Ledger)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	l, err := loadgen.NewLedger(f, g)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	p.Ledger = l
	return func() error { return errors.Join(l.Flush(), f.Close()) }, nil
}

func (c *LoadCmd) verify(ctx context.Context, e env) error {
	f, err := os.Open(c.Verify)
	if err != nil {
		return err
	}
	defer f.Close()
	l, err := loadgen.ReadLedger(f)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Verify, err)
	}
	u, err := url.Parse(c.Target)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return usagef("--target: expected an HTTP URL to verify against, found %q", c.Target)
	}
	v, err := loadgen.Verify(ctx, l, &http.Client{Timeout: sendTimeout}, u.Scheme+"://"+u.Host, c.Token)
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(e.stdout, v)
	} else {
		_, err = fmt.Fprintf(e.stdout, "%d samples were acknowledged: %d missing, %d different\n", v.Checked, v.Missing, v.Different)
	}
	if err == nil && !v.OK() {
		err = fmt.Errorf("acknowledged samples are not there: %s", v.First)
	}
	return err
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// printMetrics writes a configuration with the metrics of a cluster at its interval.
func printMetrics(w io.Writer, c loadgen.Cluster) error {
	type metric struct {
		Frequency   int64  `json:"frequency"`
		Aggregation string `json:"aggregation"`
	}
	if c.Interval%time.Second != 0 {
		return usagef("--interval: a configuration has whole seconds, found %v", c.Interval)
	}
	metrics := make(map[string]metric)
	for _, m := range c.Metrics {
		aggregation := "avg"
		if m.Sum {
			aggregation = "sum"
		}
		metrics[m.Name] = metric{int64(c.Interval / time.Second), aggregation}
	}
	return printJSON(w, map[string]any{"metrics": metrics})
}

// isTerminal says whether somebody may be watching.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	i, err := f.Stat()
	return err == nil && i.Mode()&os.ModeCharDevice != 0
}

// printProgress draws one line over the last one.
func printProgress(w io.Writer, p loadgen.Progress) {
	const width = 30
	bar := ""
	if p.Steps > 0 {
		full := int(min(p.Step, p.Steps) * width / p.Steps)
		bar = "[" + strings.Repeat("=", full) + strings.Repeat(" ", width-full) + "] "
	}
	rate := 0.0
	if s := p.Elapsed.Seconds(); s > 0 {
		rate = float64(p.Acknowledged) / s
	}
	fmt.Fprintf(w, "\r\033[K%sstep %d, %d samples, %.0f/s, %s", bar, p.Step, p.Acknowledged, rate, p.Elapsed.Round(time.Second))
}
