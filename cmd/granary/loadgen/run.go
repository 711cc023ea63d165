package loadgen

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// Max is the rate that waits for nothing but answers, and RealTime the one that sends a step when its time has come.
var Max = math.Inf(1)

const RealTime = 0

// Plan says how the lines of a generator are sent.
type Plan struct {
	Steps       int64         // how many; 0: until the context or Duration ends
	Duration    time.Duration // 0: no end
	Rate        float64       // samples a second, Max, or RealTime
	Connections int           // goroutines that send; each owns a share of the hosts, so a series' samples keep their order
	Batch       int           // lines, or samples, in one body, at most
	Format      Format        // of the bodies; "": Lines
	// Retry sends a batch again until it is accepted. Without it a batch that was refused is counted and forgotten.
	Retry bool
	// Ledger, if not nil, gets an entry for each batch that was accepted as a whole.
	Ledger *LedgerWriter
	// Progress, if not nil, is called about five times a second.
	Progress func(Progress)
}

// Progress is how far a run is.
type Progress struct {
	Step         int64 // the earliest that a connection is at
	Steps        int64 // 0: no end is known
	Acknowledged int64
	Elapsed      time.Duration
}

func (p *Plan) validate() error {
	switch {
	case p.Connections < 1:
		return fmt.Errorf("%d connections cannot send", p.Connections)
	case p.Batch < 1:
		return fmt.Errorf("a batch of %d lines cannot be sent", p.Batch)
	case p.Steps < 0 || p.Duration < 0 || p.Rate < 0 || math.IsNaN(p.Rate):
		return fmt.Errorf("%d steps, %v and %v samples/s are no plan", p.Steps, p.Duration, p.Rate)
	}
	return nil
}

// grace is how long the batches under way may take after a run was told to end.
const grace = 10 * time.Second

type run struct {
	g    *Generator
	p    Plan
	s    Sender
	from time.Time
	due  atomic.Int64 // samples that have been given a time to be sent at

	acknowledged atomic.Int64
	steps        []atomic.Int64 // of each connection

	mu     sync.Mutex
	report Report
	hist   histogram
	err    error
}

// Run sends the lines until the plan is done or ctx ends, which is no error; batches under way are finished within ten seconds. A
// report is returned in any case; the error is that of the plan or of the ledger.
func Run(ctx context.Context, g *Generator, p Plan, s Sender) (*Report, error) {
	if err := p.validate(); err != nil {
		return &Report{}, err
	}
	p.Connections = min(p.Connections, g.c.Hosts)
	r := &run{g: g, p: p, s: s, from: time.Now(), steps: make([]atomic.Int64, p.Connections)}
	r.report = Report{Hosts: g.c.Hosts, Series: g.Series(), Status: map[string]int64{}, Ignored: map[string]int64{}, Refusals: map[string]int64{}}
	if p.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.Duration)
		defer cancel()
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	send, cancelSend := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelSend()
	late := context.AfterFunc(ctx, func() {
		time.AfterFunc(grace, cancelSend)
	})
	defer late()

	var workers, watchers sync.WaitGroup
	done := make(chan struct{})
	if p.Progress != nil {
		watchers.Go(func() { r.watch(done) })
	}
	for c := range p.Connections {
		workers.Go(func() {
			if err := r.connection(ctx, send, c); err != nil {
				r.fail(err)
				stop()
			}
		})
	}
	workers.Wait()
	close(done)
	watchers.Wait()
	return r.finish(), r.err
}

func (r *run) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
}

func (r *run) watch(done <-chan struct{}) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-done:
			r.p.Progress(r.progress())
			return
		case <-tick.C:
			r.p.Progress(r.progress())
		}
	}
}

func (r *run) progress() Progress {
	p := Progress{Step: math.MaxInt64, Steps: r.p.Steps, Acknowledged: r.acknowledged.Load(), Elapsed: time.Since(r.from)}
	for i := range r.steps {
		p.Step = min(p.Step, r.steps[i].Load())
	}
	return p
}

// connection sends the share of connection c, step by step.
func (r *run) connection(ctx, send context.Context, c int) error {
	hosts := r.g.c.Hosts
	first := c * hosts / r.p.Connections * r.g.perHost
	end := (c + 1) * hosts / r.p.Connections * r.g.perHost
	var body []byte
	encode := r.g.encoder(r.p.Format)
	for step := int64(0); r.p.Steps == 0 || step < r.p.Steps; step++ {
		for at := first; at < end; at += r.p.Batch {
			n := min(r.p.Batch, end-at)
			if r.wait(ctx, step, n) != nil {
				return nil
			}
			body = encode(body[:0], at, n, step)
			if err := r.deliver(ctx, send, body, Ack{step, at, n}); err != nil {
				return err
			}
		}
		r.steps[c].Store(step + 1)
	}
	return nil
}

// wait returns when a batch of n samples is due.
func (r *run) wait(ctx context.Context, step int64, n int) error {
	switch r.p.Rate {
	case Max:
		return ctx.Err()
	case RealTime:
		return sleep(ctx, time.Until(r.g.Time(step)))
	}
	before := r.due.Add(int64(n)) - int64(n)
	at := r.from.Add(time.Duration(float64(before) / r.p.Rate * float64(time.Second)))
	return sleep(ctx, time.Until(at))
}

func sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil || d <= 0 {
		return err
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// deliver sends one batch, again and again if the plan says so. Its error is that of the ledger.
func (r *run) deliver(ctx, send context.Context, body []byte, ack Ack) error {
	for first := true; ; first = false {
		began := time.Now()
		a, err := r.s.Send(send, body)
		took := time.Since(began)
		r.count(a, err, took, len(body), ack.Count, first)
		if err == nil && a.Accepted {
			if r.p.Ledger != nil && len(a.Ignored) == 0 {
				return r.p.Ledger.Add(ack)
			}
			return nil
		}
		if !r.p.Retry || sleep(ctx, max(a.RetryAfter, 100*time.Millisecond)) != nil {
			return nil
		}
	}
}

func (r *run) count(a Answer, err error, took time.Duration, size, n int, first bool) {
	if err == nil && a.Accepted {
		r.acknowledged.Add(int64(n))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	rep := &r.report
	if first {
		rep.Batches++
		rep.Bytes += int64(size)
		rep.Sent += int64(n)
	} else {
		rep.Retries++
	}
	text := a.Text
	if err != nil {
		rep.Status["error"]++
		text = unwrapURL(err).Error()
	} else {
		rep.Status[a.Status]++
		r.hist.add(took)
	}
	for reason, n := range a.Ignored {
		rep.Ignored[reason] += n
	}
	if text == "" {
		return
	}
	if len(text) > maxRefusal {
		text = text[:maxRefusal] + "..."
	}
	if _, known := rep.Refusals[text]; known || len(rep.Refusals) < MaxRefusals {
		rep.Refusals[text]++
	}
}

// unwrapURL takes method and URL off a client's error, which are the same in all.
func unwrapURL(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err
	}
	return err
}

func (r *run) finish() *Report {
	rep := &r.report
	rep.Acknowledged = r.acknowledged.Load()
	rep.Seconds = time.Since(r.from).Seconds()
	if rep.Seconds > 0 {
		rep.Rate = float64(rep.Acknowledged) / rep.Seconds
	}
	h := &r.hist
	rep.Latency = Latency{milliseconds(h.quantile(0.5)), milliseconds(h.quantile(0.9)), milliseconds(h.quantile(0.99)), milliseconds(h.max)}
	return rep
}
