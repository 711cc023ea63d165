package alerts

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"granary/metricdef"
)

func TestForms(t *testing.T) {
	for _, c := range []struct {
		lower, higher *float64
		form          Form
		fires, not    []float64
	}{
		{new(10.0), nil, Lower, []float64{9.99, -5, math.Inf(-1)}, []float64{10, 11, math.NaN()}},
		{nil, new(10.0), Higher, []float64{10, 11, math.Inf(1)}, []float64{9.99, math.NaN()}},
		{new(10.0), new(20.0), Outside, []float64{9, 20, 21}, []float64{10, 15, 19.9}},
		{new(0.0), nil, Lower, []float64{-1}, []float64{0}},
	} {
		r := Rule{Lower: c.lower, Higher: c.higher}
		if r.Form() != c.form {
			t.Errorf("%v, want %v", r.Form(), c.form)
		}
		for _, v := range c.fires {
			if !r.Fires(v) {
				t.Errorf("form %v does not fire at %v", c.form, v)
			}
		}
		for _, v := range c.not {
			if r.Fires(v) {
				t.Errorf("form %v fires at %v", c.form, v)
			}
		}
	}
}

func TestRefusedRules(t *testing.T) {
	good := Rule{ID: "a", Type: metricdef.Gauge, Metrics: []string{"m"}, Lower: new(1.0)}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for field, change := range map[string]func(*Rule){
		"id: must":                      func(r *Rule) { r.ID = "" },
		"metrics: names no":             func(r *Rule) { r.Metrics = nil },
		"metrics: an id":                func(r *Rule) { r.Metrics = []string{"a", ""} },
		"type: ":                        func(r *Rule) { r.Type = metricdef.String },
		"alert-if-lower-than: there is": func(r *Rule) { r.Lower = nil },
		"alert-if-lower-than: is no":    func(r *Rule) { r.Lower = new(math.NaN()) },
		"alert-if-higher-than: is no":   func(r *Rule) { r.Higher = new(math.Inf(1)) },
		"alert-if-lower-than: is above": func(r *Rule) { r.Higher = new(0.5) },
	} {
		r := good
		change(&r)
		if err := r.Validate(); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%v, want %s", err, field)
		}
		if _, err := New(Options{Metrics: &fakeMetrics{}, Rules: []Rule{r}}); err == nil {
			t.Errorf("%s is watched", field)
		}
	}
	for _, server := range []string{"localhost:9099", "ftp://host/x", "http://", "://", "http://user:secret@ho st/"} {
		_, err := New(Options{Metrics: &fakeMetrics{}, Hook: Hook{Server: server}})
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", server, err)
		}
	}
}

// TestStates takes an alert through all states, by metrics that are named.
func TestStates(t *testing.T) {
	r := newReceiver(t)
	b := newBed(t, Hook{Server: r.URL, Agent: "granary/test"}, Rule{ID: "memory", Metrics: []string{"a", "b"}, Lower: new(10.0), Higher: new(20.0), Annotations: map[string]string{"to": "me", "a \"b\"": "<c>"}})
	if b.Heartbeat() != 0 {
		t.Error("a heart before the first look")
	}
	b.put("a", 15)
	b.put("b", 15)
	b.look()
	b.is(OK)
	if got := b.Heartbeat(); got != epoch.UnixMilli() {
		t.Errorf("heartbeat %d", got)
	}
	b.put("b", 20)
	b.look()
	b.is(Firing)
	b.look() // no change
	b.put("a", 5)
	b.look()
	b.is(Firing)
	b.put("a", 15)
	b.put("b", 15)
	b.look()
	b.is(OK)
	b.pass(DefaultWindow + time.Millisecond)
	b.put("b", 15)
	b.look()
	b.is(NoData)
	b.put("b", 25) // one that fires goes before one that is missing
	b.look()
	b.is(Firing)
	b.put("b", 15)
	b.look()
	b.is(NoData)
	b.put("a", 15)
	b.look()
	b.is(OK)
	want := []string{"memory firing", "memory ok", "memory missing", "memory firing", "memory missing", "memory ok"}
	b.settle(len(want))
	if got := r.got(); !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
	first, third := r.bodies[0], r.bodies[2]
	for name, want := range map[string]any{
		"ID": "memory", "Annotations": map[string]any{"to": "me", "a \"b\"": "<c>"}, "Metrics": []any{"a", "b"}, "Tags": "", "Tenant": "t", "AlertIfHigherThan": 20.0, "AlertIfLowerThan": 10.0,
		"Type": 1.0, "State": true, "TrigerMetric": "b", "TrigerValue": 20.0, "TrigerTimestamp": float64(epoch.UnixMilli()), "Status": "firing", "MissingMetrics": []any{}, "MissingCount": 0.0,
	} {
		if got := first[name]; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if len(first) != 15 {
		t.Errorf("members %v", first)
	}
	if third["State"] != false || fmt.Sprint(third["MissingMetrics"]) != "[a]" || third["MissingCount"] != 1.0 || third["TrigerMetric"] == "" {
		t.Errorf("%v", third)
	}
	if h := r.headers[0]; h.Get("Content-Type") != "application/json" || h.Get("User-Agent") != "granary/test" || r.methods[0] != "POST" {
		t.Errorf("%s %v", r.methods[0], h)
	}
	b.stop()
	s := b.Stats()
	if s.Looks != 9 || s.Sent != 6 || s.Failed != 0 || s.Statuses[OK] != 1 || s.Changes[Firing] != 2 || s.Changes[NoData] != 2 || s.Changes[OK] != 2 || s.Waiting != 0 {
		t.Errorf("%+v", s)
	}
}

// TestMissing says which lack of values makes an alert missing.
func TestMissing(t *testing.T) {
	for _, c := range []struct {
		rule           Rule
		none, one, all Status // metrics with a value
	}{
		{Rule{Metrics: []string{"n1", "n2"}}, NoData, NoData, OK},
		{Rule{Metrics: []string{"n1", "n2"}, Missing: MissingAll}, NoData, OK, OK},
		{Rule{Metrics: []string{"n1", "n2"}, Missing: MissingNever}, OK, OK, OK},
		{Rule{Tags: "x"}, NoData, OK, OK},
		{Rule{Tags: "x", Missing: MissingAny}, NoData, NoData, OK},
		{Rule{Metrics: []string{"n1"}, Tags: "x"}, NoData, OK, OK},
		{Rule{Metrics: []string{"unheard of"}}, NoData, NoData, NoData},
		{Rule{Metrics: []string{"n1"}, Tenant: "other"}, NoData, NoData, NoData},
		{Rule{Tags: "x", Tenant: "other"}, NoData, NoData, NoData},
	} {
		c.rule.ID, c.rule.Higher = "a", new(10.0)
		for n, want := range []Status{c.none, c.one, c.all} {
			b := newBed(t, Hook{}, c.rule)
			for i := range 2 {
				b.put(fmt.Sprint("n", i+1), 5)
			}
			b.pass(DefaultWindow + 1)
			for i := range n {
				b.put(fmt.Sprint("n", i+1), 5)
			}
			b.look()
			if got := b.Alerts(b.o.Rules[0].Tenant)[0]; got.Status() != want {
				t.Errorf("%+v with %d values: %v, want %v", c.rule, n, got.Status(), want)
			}
			b.stop()
		}
	}
	b := newBed(t, Hook{}, Rule{ID: "a", Tags: "x", Higher: new(10.0)})
	b.look()
	b.is(NoData) // nothing is found
	b.put("n1", math.NaN())
	b.look()
	b.is(NoData)
}

// TestByTags looks at what a query finds, which comes and goes.
func TestByTags(t *testing.T) {
	b := newBed(t, Hook{}, Rule{ID: "a", Tags: "role:web", Metrics: []string{"x"}, Higher: new(10.0)})
	b.put("x", 1)
	b.put("n1", 1)
	b.look()
	b.is(OK)
	b.put("n2", 12)
	b.look()
	b.is(Firing)
	if a := b.Alerts("t")[0]; a.state.trigger.metric != "n2" || a.state.trigger.value != 12 {
		t.Errorf("%+v", a.state)
	}
	b.metrics.fail(errBroken)
	b.put("n2", 1)
	b.look()
	b.look()
	b.is(Firing) // it stays as it was
	if n := strings.Count(b.log.String(), "could not be judged"); n != 1 || b.Stats().Failures != 2 {
		t.Errorf("said %d times: %s", n, b.log)
	}
	b.metrics.fail(nil)
	b.look()
	b.is(OK)
	// Of many that are missing some are named, and all are counted.
	b = newBed(t, Hook{}, Rule{ID: "a", Tags: "x", Higher: new(10.0)})
	for i := range 3 * maxMissing {
		b.put(fmt.Sprint("n", i), 1)
	}
	b.pass(time.Hour)
	b.look()
	if a := b.Alerts("t")[0]; len(a.state.missing) != maxMissing || a.state.without != 3*maxMissing {
		t.Errorf("%d of %d", len(a.state.missing), a.state.without)
	}
}

// TestTextOfAlerts is JSON whatever rules and values hold.
func TestTextOfAlerts(t *testing.T) {
	for _, v := range []float64{0, -0.5, math.Inf(1), math.Inf(-1), math.MaxFloat64, 1e-300} {
		b := newBed(t, Hook{}, Rule{ID: "a\x00\"\xff", Tags: "<&>", Metrics: []string{"ä"}, Annotations: map[string]string{"": "\n"}, Lower: new(-1e300), Higher: new(-1e299), Tenant: "t"})
		b.put("ä", v)
		b.look()
		list := b.Alerts("t")
		var got map[string]any
		if err := json.Unmarshal(list[0].Append(nil), &got); err != nil {
			t.Errorf("%v: %v: %s", v, err, list[0].Append(nil))
		}
		if _, number := got["TrigerValue"].(float64); !number {
			t.Errorf("%v: %v", v, got["TrigerValue"])
		}
		if len(b.Alerts("other")) != 0 {
			t.Error("another tenant sees it")
		}
	}
	b := newBed(t, Hook{}, Rule{ID: "a", Metrics: []string{"m"}, Lower: new(0.0)})
	text := string((&Alert{&b.o.Rules[0], state{}}).Append(nil))
	const want = `{"ID":"a","Annotations":{},"Metrics":["m"],"Tags":"","Tenant":"t","AlertIfHigherThan":null,"AlertIfLowerThan":0,"Type":3,"State":false,` +
		`"TrigerMetric":"","TrigerValue":0,"TrigerTimestamp":0,"Status":"ok","MissingMetrics":[],"MissingCount":0}`
	if text != want {
		t.Errorf("%s\n%s", text, want)
	}
}

// TestRun looks at once and then each interval, and ends with the context.
func TestRun(t *testing.T) {
	m := &fakeMetrics{}
	m.set("m", epoch, 50)
	now := epoch
	waits := make(chan time.Duration)
	goOn := make(chan struct{})
	w, err := New(Options{Metrics: m, Rules: []Rule{{ID: "a", Tenant: "t", Type: metricdef.Gauge, Metrics: []string{"m"}, Higher: new(10.0)}}, Interval: 7 * time.Second,
		Now: func() time.Time { return now },
		Wait: func(ctx context.Context, d time.Duration) error {
			select {
			case waits <- d:
			case <-ctx.Done():
				return ctx.Err()
			}
			select {
			case <-goOn:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx) }()
	for i := range 3 {
		if d := <-waits; d != 7*time.Second {
			t.Errorf("waits %v", d)
		}
		if n := w.Stats().Looks; n != uint64(i+1) {
			t.Errorf("%d looks, want %d", n, i+1)
		}
		goOn <- struct{}{}
	}
	cancel()
	<-done
}

// TestPatience calls nothing missing before the window has passed since the start.
func TestPatience(t *testing.T) {
	b := newBed(t, Hook{}, Rule{ID: "a", Metrics: []string{"m"}, Higher: new(10.0)})
	b.patient.Store(b.clock().Add(DefaultWindow).UnixNano())
	b.look()
	b.is(OK)
	b.put("m", 50)
	b.look()
	b.is(Firing)
	b.put("m", 1)
	b.pass(DefaultWindow - 1)
	b.look()
	b.is(OK)
	b.pass(2)
	b.look()
	b.is(NoData)
	b.patient.Store(b.clock().Add(time.Hour).UnixNano())
	b.look()
	b.is(NoData) // what is missing stays so
}

// TestRunByTheClock is the same with the clock on the wall.
func TestRunByTheClock(t *testing.T) {
	r := newReceiver(t)
	m := &fakeMetrics{}
	m.set("m", time.Now(), 50)
	w, err := New(Options{Metrics: m, Rules: []Rule{{ID: "a", Tenant: "t", Type: metricdef.Gauge, Metrics: []string{"m"}, Higher: new(10.0)}}, Interval: time.Millisecond, Hook: Hook{Server: r.URL}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx) }()
	r.wait(t, 1)
	cancel()
	<-done
}

// TestWhileWritten looks, lists and counts while values are written.
func TestWhileWritten(t *testing.T) {
	r := newReceiver(t)
	b := newBed(t, Hook{Server: r.URL}, Rule{ID: "a", Metrics: []string{"n1"}, Higher: new(10.0)}, Rule{ID: "b", Tags: "x", Lower: new(10.0)})
	b.put("n1", 1)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for k := range 200 {
				b.put(fmt.Sprint("n", i), float64(k%20))
			}
		})
	}
	wg.Go(func() {
		for range 200 {
			for _, a := range b.Alerts("t") {
				if !json.Valid(a.Append(nil)) {
					t.Errorf("%s", a.Append(nil))
				}
			}
			b.Stats()
		}
	})
	for range 200 {
		b.look()
	}
	wg.Wait()
	b.stop()
	s := b.Stats()
	changes := s.Changes[OK] + s.Changes[Firing] + s.Changes[NoData]
	if lost := s.Lost[LostStopped]; s.Sent+lost != changes || s.Lost[LostQueue]+s.Lost[LostRefused]+s.Lost[LostRetries] != 0 {
		t.Errorf("%d changes: %+v", changes, s)
	}
}

// TestAtStart sends the first state that is known of each alert, since its end may have been lost with the process before.
func TestAtStart(t *testing.T) {
	rules := func() []Rule {
		return []Rule{
			{ID: "ended", Metrics: []string{"a"}, Higher: new(10.0)},
			{ID: "fires", Metrics: []string{"b"}, Higher: new(10.0)},
			{ID: "silent", Metrics: []string{"c"}, Higher: new(10.0)},
			{ID: "late", Metrics: []string{"d"}, Higher: new(10.0)},
		}
	}
	for start, want := range map[AtStart][]string{
		AtStartAll:    {"ended ok", "fires firing", "late ok", "silent missing"},
		AtStartFiring: {"fires firing", "silent missing"},
	} {
		r := newReceiver(t)
		b := startBed(t, start, Hook{Server: r.URL, Queue: 1}, rules()...)
		b.patient.Store(b.clock().Add(DefaultWindow).UnixNano())
		b.put("a", 1)
		b.put("b", 50)
		b.metrics.fail(errBroken)
		b.look() // nothing is known by that
		b.metrics.fail(nil)
		b.look()
		b.look()
		b.put("d", 1)
		b.look()
		b.pass(DefaultWindow)
		for _, id := range []string{"a", "d"} {
			b.put(id, 1)
		}
		b.put("b", 50)
		b.pass(1)
		b.look()
		b.look()
		b.settle(len(want))
		if got := r.got(); !slices.Equal(got, want) {
			t.Errorf("at start %s: sent %q, want %q", AtStartNames[start], got, want)
		}
		b.stop()
		if s := b.Stats(); s.Changes[OK] != 0 || s.Changes[Firing] != 1 || s.Changes[NoData] != 1 || s.Sent != uint64(len(want)) || s.Lost[LostQueue] != 0 {
			t.Errorf("at start %s: %+v", AtStartNames[start], s)
		}
	}
}

// TestEndAcrossRestart tells the receiver of an end that it could not take before the process was killed.
func TestEndAcrossRestart(t *testing.T) {
	r := newReceiver(t, 200, 503, 200)
	rule := Rule{ID: "load", Metrics: []string{"m"}, Higher: new(10.0)}
	b := startBed(t, AtStartAll, Hook{Server: r.URL}, rule)
	b.put("m", 50)
	b.look()
	b.settle(1)
	b.put("m", 1)
	b.look()
	<-b.pauses // the receiver is down
	b.stop()
	b = startBed(t, AtStartAll, Hook{Server: r.URL}, rule)
	b.put("m", 1)
	b.look()
	b.settle(1)
	if got, want := r.got(), []string{"load firing", "load ok"}; !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
}
