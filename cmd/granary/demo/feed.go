package demo

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"granary/cmd/granary/loadgen"
	"granary/policy"
)

// The clusters that a demo feeds.
const (
	Cluster      = "demo"  // simulated
	LocalCluster = "local" // this host
)

// Options say what is fed.
type Options struct {
	Hosts    int
	Interval time.Duration // whole seconds
	Past     time.Duration // how much of the simulated cluster's past is written at once
	Seed     uint64
	Sender   loadgen.Sender
	Host     *Host // nil feeds no host
	Logger   *slog.Logger
}

// Metrics are the metrics of both clusters, for the server's configuration.
func Metrics(interval time.Duration) []policy.ClusterCockpitMetric {
	var out []policy.ClusterCockpitMetric
	seen := make(map[string]bool)
	add := func(name string, sum bool) {
		if seen[name] {
			return
		}
		seen[name] = true
		across := policy.Mean
		if sum {
			across = policy.Sum
		}
		out = append(out, policy.ClusterCockpitMetric{Name: name, Frequency: interval, Across: across})
	}
	for _, m := range loadgen.Builtin(-1) {
		add(m.Name, m.Sum)
	}
	for _, m := range HostMetrics() {
		add(m.Name, m.Sum)
	}
	return out
}

// Feed writes until ctx ends, which is no error. ready is called when the past has been written.
func Feed(ctx context.Context, o Options, ready func()) error {
	interval := o.Interval.Truncate(time.Second)
	start := time.Now().Add(-o.Past).Truncate(interval)
	g, err := loadgen.New(loadgen.Cluster{
		Name: Cluster, Hosts: o.Hosts, Sockets: 2, Threads: 8, Accelerators: 1, Metrics: loadgen.Builtin(-1),
		Interval: interval, Start: start, Seed: o.Seed,
	})
	if err != nil {
		return err
	}
	if o.Host != nil {
		// Rates are those since the last reading, so the first step of the present has some only if this one was made before.
		if _, err := o.Host.Lines(nil, time.Now()); err != nil {
			o.Logger.Warn("this host's own metrics cannot be read", "error", err)
			o.Host = nil
		}
	}
	steps := int64(o.Past/interval) + 1
	if _, err := loadgen.Run(ctx, g, loadgen.Plan{Steps: steps, Rate: loadgen.Max, Connections: 1, Batch: 5000}, o.Sender); err != nil {
		return err
	}
	ready()
	var body []byte
	for step := steps; ; step++ {
		t := time.NewTimer(time.Until(g.Time(step)))
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case now := <-t.C:
			body = g.AppendLines(body[:0], 0, g.Series(), step)
			if o.Host != nil {
				if body, err = o.Host.Lines(body, now); err != nil {
					o.Logger.Warn("this host's own metrics cannot be read", "error", err)
					o.Host = nil
				}
			}
			o.send(ctx, body)
		}
	}
}

func (o *Options) send(ctx context.Context, body []byte) {
	a, err := o.Sender.Send(ctx, body)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		o.Logger.Warn("a batch was not sent", "error", err)
	case !a.Accepted:
		o.Logger.Warn("a batch was refused", "status", a.Status, "text", a.Text)
	}
}

// PrintQueries writes queries to try, against the server at base.
func PrintQueries(w io.Writer, base, hostname string, now time.Time) error {
	from, to := now.Add(-10*time.Minute).Unix(), now.Add(time.Hour).Unix()
	_, err := fmt.Fprintf(w, `Try:

  # this host's processors, from ten minutes ago on
  curl -s %[1]s/api/query -d '{"cluster":"%[5]s","from":%[2]d,"to":%[3]d,"with-padding":false,"queries":[{"metric":"cpu_user","host":"%[6]s"}]}'

  # one simulated node's flops, summed over its hardware threads
  curl -s %[1]s/api/query -d '{"cluster":"%[4]s","from":%[2]d,"to":%[3]d,"queries":[{"metric":"flops_any","host":"n0001","type":"hwthread","type-ids":["0","1","2","3","4","5","6","7"],"aggreg":true}]}'

  # the memory of all nodes of the simulated cluster, statistics only
  curl -s %[1]s/api/query -d '{"cluster":"%[4]s","from":%[2]d,"to":%[3]d,"with-data":false,"for-all-nodes":["mem_used"]}'

  # the same memory through the native API: the sum of all nodes, a point a minute, as for a chart
  curl -s '%[1]s/v2/query?name=mem_used&tag=cluster=%[4]s&start=-10m&bucket=1m&method=mean&across=sum'

  # and as clients of Hawkular and Mohawk ask: statistics of each node in buckets of five minutes
  curl -s %[1]s/hawkular/metrics/m/stats/query -d '{"tags":"cluster:%[4]s,hostname:n000.*","start":"-10mn","bucketDuration":"5mn"}'

All there is to ask, to read and to try: %[1]s/swagger/

Stop with Ctrl-C.
`, base, from, to, Cluster, LocalCluster, hostname)
	return err
}
