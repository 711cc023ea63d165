package alerts

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"granary/metricdef"
	"granary/metricdef/match"
	"granary/tenant"
)

// Defaults of Options.
const (
	DefaultInterval = 5 * time.Second
	DefaultWindow   = 5 * time.Minute
)

// Metrics is what the rules are held against.
type Metrics interface {
	// Tenant is the number of a tenant, 0 if it is not there.
	Tenant(id tenant.ID) tenant.Num
	// Find is the metric of an id.
	Find(t tenant.Num, typ metricdef.Type, id string) (metricdef.Ref, bool)
	// Select are the metrics of a type for which the condition holds.
	Select(ctx context.Context, t tenant.Num, typ metricdef.Type, e match.Expr) ([]metricdef.Ref, error)
	// ID is the id of a metric, "" if it is not there any more.
	ID(ref metricdef.Ref) string
	// Newest is the newest value of a metric from one time to another, both included, in nanoseconds since 1970.
	Newest(ctx context.Context, ref metricdef.Ref, from, to int64) (t int64, v float64, ok bool, err error)
}

// Options are the parts of a Watch. Metrics and Rules are required.
type Options struct {
	Metrics Metrics
	Rules   []Rule
	// Interval is the time between two looks; 0: DefaultInterval.
	Interval time.Duration
	// Window is how old the value may be by which a metric is judged; 0: DefaultWindow.
	Window time.Duration
	// AtStart says which alerts are sent when they are first judged.
	AtStart AtStart
	// Hook says who is told.
	Hook Hook

	Now func() time.Time // nil: time.Now
	// Wait returns when the time has passed, or with an error when the context has ended; nil: by the clock on the wall.
	Wait   func(ctx context.Context, d time.Duration) error
	Logger *slog.Logger // nil: slog.Default
}

// AtStart says which alerts are sent when they are first judged after a start.
type AtStart uint8

const (
	// AtStartAll sends each, ok too: an alert may have ended while the service was down, or its end may not have reached the receiver
	// before, which would hold it for firing for ever.
	AtStartAll    AtStart = iota
	AtStartFiring         // only those that are not ok
)

// AtStartNames are the names of the ways, as a configuration gives them.
var AtStartNames = [...]string{"all", "firing"}

// Watch looks at metrics and sends changes. It is safe for concurrent use.
type Watch struct {
	o    Options
	hook *hook

	mu     sync.Mutex
	states []state // as Options.Rules

	// patient is until when nothing is called missing: values may lack because nobody could write them before the start.
	patient   atomic.Int64
	heartbeat atomic.Int64 // ms of the last look
	looks     atomic.Uint64
	failures  atomic.Uint64
	changes   [numStatuses]atomic.Uint64 // by what an alert became
}

// state is what was found of a rule.
type state struct {
	status  Status
	trigger trigger
	missing []string // metrics without a value, the first of them
	without int      // how many there are
	failed  bool     // the last look did not succeed, which has been said
	known   bool     // it has been judged since the start
}

// trigger is the value that made an alert fire last.
type trigger struct {
	metric string
	value  float64
	time   int64 // ms
}

// New makes a watch. It works from Run on.
func New(o Options) (*Watch, error) {
	o.Interval, o.Window = cmp.Or(o.Interval, DefaultInterval), cmp.Or(o.Window, DefaultWindow)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Wait == nil {
		o.Wait = wait
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	for i := range o.Rules {
		if err := o.Rules[i].Validate(); err != nil {
			return nil, err
		}
	}
	h, err := newHook(&o)
	if err != nil {
		return nil, err
	}
	return &Watch{o: o, hook: h, states: make([]state, len(o.Rules))}, nil
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Run looks at the metrics and sends changes until the context ends. Until the window has passed once nothing is called missing.
func (w *Watch) Run(ctx context.Context) {
	var sender sync.WaitGroup
	sender.Go(func() { w.hook.run(ctx) })
	defer sender.Wait()
	w.patient.Store(w.o.Now().Add(w.o.Window).UnixNano())
	for {
		begun := w.o.Now()
		w.Look(ctx)
		// A look that takes longer than the interval is followed by the next one at once.
		if w.o.Wait(ctx, max(w.o.Interval-w.o.Now().Sub(begun), 0)) != nil {
			return
		}
	}
}

// Look judges all rules once.
func (w *Watch) Look(ctx context.Context) {
	for i := range w.o.Rules {
		if ctx.Err() != nil {
			return
		}
		r := &w.o.Rules[i]
		now := w.o.Now()
		found, err := w.judge(ctx, r, now)
		if ctx.Err() != nil {
			return // half a look says nothing
		}
		w.settle(i, found, err, now)
	}
	w.remind()
	w.heartbeat.Store(w.o.Now().UnixMilli())
	w.looks.Add(1)
}

// remind tells the receiver how it stands with alerts of which it missed a change.
func (w *Watch) remind() {
	due := w.hook.due()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, i := range due {
		w.send(i, w.o.Now(), true)
	}
}

// maxMissing is how many of the metrics without a value an alert names.
const maxMissing = 100

// finding is what is found of a rule at a look.
type finding struct {
	w        *Watch
	rule     *Rule
	from, to int64 // where values count

	state
	metrics int
}

// judge finds out how it stands with a rule. The first metric whose value fires decides.
func (w *Watch) judge(ctx context.Context, r *Rule, now time.Time) (state, error) {
	f := finding{w: w, rule: r, from: now.Add(-w.o.Window).UnixNano(), to: now.UnixNano()}
	num := w.o.Metrics.Tenant(r.Tenant)
	seen := make(map[metricdef.Ref]bool, len(r.Metrics))
	for _, id := range r.Metrics {
		var ref metricdef.Ref
		if num != 0 {
			ref, _ = w.o.Metrics.Find(num, r.Type, id)
		}
		if done, err := f.look(ctx, ref, id); done || err != nil {
			return f.state, err
		}
		seen[ref] = true
	}
	if r.Tags != "" && num != 0 {
		refs, err := w.o.Metrics.Select(ctx, num, r.Type, r.Selector)
		if err != nil {
			return f.state, err
		}
		for _, ref := range refs {
			if seen[ref] {
				continue
			}
			if done, err := f.look(ctx, ref, ""); done || err != nil {
				return f.state, err
			}
		}
	}
	if r.lacks(f.without, f.metrics) {
		f.status = NoData
	}
	return f.state, nil
}

// look judges one metric, ref 0 for one that is not there, and says whether it fires. The id may be left to be found.
func (f *finding) look(ctx context.Context, ref metricdef.Ref, id string) (fires bool, err error) {
	t, v, ok := int64(0), math.NaN(), false
	if ref != 0 {
		if t, v, ok, err = f.w.o.Metrics.Newest(ctx, ref, f.from, f.to); err != nil {
			return false, err
		}
	}
	if ok && !math.IsNaN(v) && !f.rule.Fires(v) {
		f.metrics++
		return false, nil
	}
	if id == "" {
		if id = f.w.o.Metrics.ID(ref); id == "" {
			return false, nil // it has ended since it was found
		}
	}
	f.metrics++
	if ok && !math.IsNaN(v) {
		f.status, f.trigger = Firing, trigger{metric: id, value: v, time: time.Unix(0, t).UnixMilli()}
		return true, nil
	}
	if f.without++; len(f.missing) < maxMissing {
		f.missing = append(f.missing, id)
	}
	return false, nil
}

// settle takes down what was found, and sends it if it is another status than before.
func (w *Watch) settle(i int, found state, err error, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r, s := &w.o.Rules[i], &w.states[i]
	if err != nil {
		w.failures.Add(1)
		if !s.failed {
			w.o.Logger.Error("an alert could not be judged; it stays as it was", "alert", r.ID, "tenant", r.Tenant, "status", s.status, "error", err)
		}
		s.failed = true
		return
	}
	if found.status == NoData && s.status != NoData && now.UnixNano() < w.patient.Load() {
		found = state{status: s.status, known: s.known} // nobody can tell yet
	} else {
		found.known = true
	}
	if found.trigger.metric == "" {
		found.trigger = s.trigger
	}
	if found.status != NoData {
		found.missing, found.without = nil, 0
	}
	changed, first := found.status != s.status, found.known && !s.known
	*s = found
	switch {
	case changed:
		w.changes[s.status].Add(1)
		w.o.Logger.Info("an alert changed", append([]any{"alert", r.ID, "tenant", r.Tenant, "status", s.status}, s.why()...)...)
	case first && w.o.AtStart == AtStartAll: // no change, as far as we know
	default:
		return
	}
	w.send(i, now, false)
}

// shownMissing is how many metrics without a value a line of the log names.
const shownMissing = 3

// why is what a line of the log says of the metrics by which an alert has its status.
func (s *state) why() []any {
	switch s.status {
	case Firing:
		return []any{"metric", s.trigger.metric, "value", s.trigger.value}
	case NoData:
		return []any{"missing", s.without, "metrics", s.missing[:min(len(s.missing), shownMissing)]}
	}
	return nil
}

// send has the state of an alert sent: a change, or a reminder. w.mu is held.
func (w *Watch) send(i int, now time.Time, reminder bool) {
	r, s := &w.o.Rules[i], &w.states[i]
	w.hook.put(notice{rule: i, alert: r.ID, status: s.status, at: now, body: (&Alert{r, *s}).Append(nil), reminder: reminder})
}

// Alerts are the alerts of a tenant as they stand, in the order of the rules.
func (w *Watch) Alerts(t tenant.ID) []Alert {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []Alert
	for i := range w.o.Rules {
		if r := &w.o.Rules[i]; r.Tenant == t {
			s := w.states[i]
			s.missing = slices.Clone(s.missing)
			list = append(list, Alert{r, s})
		}
	}
	return list
}

// Interval is the time between two looks.
func (w *Watch) Interval() time.Duration { return w.o.Interval }

// Heartbeat is the time of the last look in milliseconds since 1970, 0 before the first.
func (w *Watch) Heartbeat() int64 { return w.heartbeat.Load() }

// Server is the address that is told of changes, without what may be secret in it; "" if there is none.
func (w *Watch) Server() string { return w.hook.shown }

// Stats is what a watch has done since the start.
type Stats struct {
	Looks    uint64
	Failures uint64            // rules that could not be judged
	Statuses map[Status]int    // alerts by how they stand
	Changes  map[Status]uint64 // by what an alert became
	Waiting  int               // changes that are to be sent
	Untold   int               // alerts of which the receiver does not know how they stand: the last change was given up
	Sent     uint64
	Failed   uint64          // attempts to send
	Lost     map[Loss]uint64 // changes that were given up, by why
}

// Stats is what the watch has done.
func (w *Watch) Stats() Stats {
	s := Stats{Looks: w.looks.Load(), Failures: w.failures.Load(), Statuses: make(map[Status]int), Changes: make(map[Status]uint64), Lost: make(map[Loss]uint64)}
	for status := range numStatuses {
		s.Statuses[status], s.Changes[status] = 0, w.changes[status].Load()
	}
	w.mu.Lock()
	for i := range w.states {
		s.Statuses[w.states[i].status]++
	}
	w.mu.Unlock()
	w.hook.stats(&s)
	return s
}

// annotations in the order of their names.
func (r *Rule) annotated() []string { return slices.Sorted(maps.Keys(r.Annotations)) }
