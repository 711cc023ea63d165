package clustercockpit

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

// memory is a store of a few hundred samples that keeps the rules of slots, windows and combination in the plainest form.
type memory struct {
	mu     sync.Mutex
	roots  map[tenant.Num]*level
	series []*slots // by ref - 1
	set    *policy.Set
	now    func() time.Time
	fail   error // what every Grid, Free and WriteLines answers, if set

	reads int
}

type level struct {
	m        *memory
	children map[string]*level
	metrics  map[string]metricdef.Ref
}

// slots are the samples of one series by slot number; slot 0 is that of the first sample.
type slots struct {
	anchor, step int64 // of slot 0; nanoseconds
	values       map[int64]float64
	freed        int64 // windows that end before are gone
}

var _ interface {
	Tree
	Reader
	Store
	Writer
	Policies
	Tenants
} = (*memory)(nil)

func newMemory(set *policy.Set, now func() time.Time) *memory {
	return &memory{roots: map[tenant.Num]*level{}, set: set, now: now}
}

func (m *memory) Current() *policy.Set { return m.set }

// Lookup knows the tenants "_ops" (1) and "other" (2).
func (m *memory) Lookup(id tenant.ID) (tenant.Tenant, bool) {
	for i, known := range []tenant.ID{"_ops", "other"} {
		if id == known {
			return tenant.Tenant{Num: tenant.Num(i + 1), ID: id}, true
		}
	}
	return tenant.Tenant{}, false
}

func (m *memory) Root(t tenant.Num) Node {
	if l := m.roots[t]; l != nil {
		return l
	}
	return nil
}

func (l *level) Child(name string) Node {
	if c := l.children[name]; c != nil {
		return c
	}
	return nil
}

func (l *level) Children(yield func(string, Node) bool) {
	for _, name := range sorted(l.children) {
		if !yield(name, l.children[name]) {
			return
		}
	}
}

func (l *level) Series(metric string) (metricdef.Ref, bool) {
	ref, ok := l.metrics[metric]
	return ref, ok
}

func (l *level) AppendNearest(refs []metricdef.Ref, metric string) []metricdef.Ref {
	if ref, ok := l.metrics[metric]; ok {
		return append(refs, ref)
	}
	for _, name := range sorted(l.children) {
		refs = l.children[name].AppendNearest(refs, metric)
	}
	return refs
}

func (l *level) AllSeries(yield func(string, metricdef.Ref) bool) {
	for _, name := range sorted(l.metrics) {
		if !yield(name, l.metrics[name]) {
			return
		}
	}
}

func sorted[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// put stores one sample of a series, making it if needed.
func (m *memory) put(t tenant.Num, path []string, metric string, at int64, v float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.roots[t]
	if l == nil {
		l = &level{m: m, children: map[string]*level{}, metrics: map[string]metricdef.Ref{}}
		m.roots[t] = l
	}
	for _, name := range path {
		c := l.children[name]
		if c == nil {
			c = &level{m: m, children: map[string]*level{}, metrics: map[string]metricdef.Ref{}}
			l.children[name] = c
		}
		l = c
	}
	ref, ok := l.metrics[metric]
	if !ok {
		p, _ := m.set.Resolve(Name, metric)
		m.series = append(m.series, &slots{anchor: at, step: int64(p.Grid), values: map[int64]float64{}, freed: math.MinInt64})
		ref = metricdef.Ref(len(m.series))
		l.metrics[metric] = ref
	}
	s := m.series[ref-1]
	if len(s.values) == 0 {
		s.anchor = at
	}
	s.values[s.slot(at)] = v
}

// slot is the number of the slot that holds a time: slots reach half a step around their own time.
func (s *slots) slot(t int64) int64 { return floorDiv(t-s.anchor+s.step/second/2*second, s.step) }

func (s *slots) ends() (first, last int64) {
	first, last = math.MaxInt64, math.MinInt64
	for k := range s.values {
		first, last = min(first, k), max(last, k)
	}
	return first, last
}

var errNoMethod = errors.New("several series and no method")

func (m *memory) Grid(_ context.Context, refs []metricdef.Ref, from, to int64, method policy.Method, g *Grid) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	if m.fail != nil {
		return 0, m.fail
	}
	var live []*slots
	for _, ref := range refs {
		if s := m.series[ref-1]; len(s.values) > 0 {
			live = append(live, s)
		}
	}
	if len(live) > 1 && method == policy.NoMethod {
		return len(live), errNoMethod
	}
	g.Values = g.Values[:0]
	if len(live) == 0 {
		return 0, nil
	}
	g.From, g.Step = from, live[0].step
	for _, s := range live {
		first, _ := s.ends()
		g.From = max(g.From, s.anchor+first*s.step)
	}
	for t := g.From; t < to; t += g.Step {
		sum := math.Copysign(0, -1) // the sum of one value is that value, -0 too
		for _, s := range live {
			if _, last := s.ends(); s.slot(t) > last {
				return len(live), nil
			}
			v, ok := s.values[s.slot(t)]
			if !ok {
				v = math.NaN()
			}
			sum += v
		}
		if len(live) > 1 && method == policy.Mean {
			sum /= float64(len(live))
		}
		g.Values = append(g.Values, sum)
	}
	return len(live), nil
}

func (m *memory) Newest(ref metricdef.Ref) (t, step int64, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.series[ref-1]
	_, last := s.ends()
	return s.anchor + last*s.step, s.step, len(s.values) > 0
}

func (m *memory) Windows(dst []Window, ref metricdef.Ref) []Window {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.windows(dst, ref)
}

func (m *memory) windows(dst []Window, ref metricdef.Ref) []Window {
	s := m.series[ref-1]
	for _, k := range sorted(s.values) {
		at := s.anchor + k*s.step
		if n := len(dst); n > 0 && at-dst[n-1].First < 512*s.step {
			dst[n-1].Slots = int((at-dst[n-1].First)/s.step) + 1
			continue
		}
		dst = append(dst, Window{First: at, Step: s.step, Slots: 1})
	}
	return dst
}

func (m *memory) Free(_ context.Context, refs []metricdef.Ref, to int64) (freed int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return 0, m.fail
	}
	for _, ref := range refs {
		s := m.series[ref-1]
		for _, w := range m.windows(nil, ref) {
			if w.First+int64(w.Slots)*w.Step >= to {
				continue
			}
			freed++
			for i := range int64(w.Slots) {
				delete(s.values, (w.First-s.anchor)/s.step+i)
			}
		}
	}
	return freed, nil
}

// WriteLines keeps the dialect's rules of lines, without speed.
func (m *memory) WriteLines(_ context.Context, from Source, body []byte) (out Written, err error) {
	if m.fail != nil {
		return out, m.fail
	}
	ignored := 0
	dec := lineprotocol.NewDecoderWithBytes(body)
	for dec.Next() {
		if err := m.line(dec, from); errors.Is(err, errIgnored) {
			ignored++
		} else if err != nil {
			if out.Malformed++; out.Malformed == 1 {
				out.First = BadLine{Line: 1, Text: "?", Reason: err.Error()}
			}
		} else {
			out.Stored++
		}
	}
	if ignored > 0 {
		out.Ignored = "some=1"
	}
	return out, nil
}

var errIgnored = errors.New("ignored")

func (m *memory) line(dec *lineprotocol.Decoder, from Source) error {
	name, err := dec.Measurement()
	if err != nil {
		return err
	}
	metric := string(name)
	if !m.set.Known(Name, metric) {
		return errIgnored
	}
	tags := map[string]string{"cluster": from.Cluster}
	for {
		k, v, err := dec.NextTag()
		if err != nil {
			return err
		}
		if k == nil {
			break
		}
		switch key := string(k); key {
		case "host":
			tags["hostname"] = string(v)
		case "type-id", "stype-id":
			tags[key] += string(v)
		case "type":
			if string(v) != "node" {
				tags[key] = string(v)
			}
		default:
			tags[key] = string(v)
		}
	}
	value, found := 0.0, false
	for {
		k, v, err := dec.NextField()
		if err != nil {
			return err
		}
		if k == nil {
			break
		}
		if string(k) != "value" {
			return errIgnored
		}
		switch v.Kind() {
		case lineprotocol.Float, lineprotocol.Int, lineprotocol.Uint:
		default:
			return errIgnored
		}
		value, found = number(v), true
	}
	at := m.now().Unix()
	raw, err := dec.TimeBytes()
	if err != nil {
		return err
	}
	if len(raw) > 0 {
		t, err := lineTime(string(raw))
		if err != nil {
			return err
		}
		at = t
	}
	if !found || tags["cluster"] == "" || tags["hostname"] == "" {
		return errors.New("no cluster or hostname")
	}
	path := []string{tags["cluster"], tags["hostname"]}
	for _, p := range path {
		if strings.ContainsAny(p, `/\`) || strings.Contains(p, "..") {
			return errIgnored
		}
	}
	if at > m.now().Unix()+600 {
		return errIgnored
	}
	if t := tags["type"] + tags["type-id"]; t != "" {
		path = append(path, t)
		if s := tags["stype"] + tags["stype-id"]; s != "" {
			path = append(path, s)
		}
	}
	m.put(1, path, metric, at*second, value)
	return nil
}

func number(v lineprotocol.Value) float64 {
	switch v.Kind() {
	case lineprotocol.Int:
		return float64(v.IntV())
	case lineprotocol.Uint:
		return float64(v.UintV())
	}
	return v.FloatV()
}

// lineTime reads a bare timestamp by its size, in seconds.
func lineTime(s string) (int64, error) {
	n := int64(0)
	neg := strings.HasPrefix(s, "-")
	for _, c := range strings.TrimPrefix(s, "-") {
		if c < '0' || c > '9' || n > math.MaxInt64/10-10 {
			return 0, errors.New("bad timestamp")
		}
		n = n*10 + int64(c-'0')
	}
	for _, limit := range []int64{1e11, 1e14, 1e17} {
		if n < limit {
			n /= limit / 1e11
			if neg {
				n = -n
			}
			return n, nil
		}
	}
	return n / 1e9, nil
}

// testSet is the set of policies of the recorded exchanges.
func testSet(t testing.TB) *policy.Set {
	t.Helper()
	var metrics []policy.ClusterCockpitMetric
	for name, m := range map[string]struct {
		step   time.Duration
		across policy.Method
	}{
		"cpu_load": {60, policy.NoMethod}, "cpu_user": {60, policy.Mean}, "flops_any": {60, policy.Sum}, "mem_bw": {60, policy.Sum},
		"mem_used": {60, policy.NoMethod}, "net_bw": {10, policy.Sum}, "temp": {10, policy.Mean}, "load10": {10, policy.NoMethod},
	} {
		metrics = append(metrics, policy.ClusterCockpitMetric{Name: name, Frequency: m.step * time.Second, Across: m.across})
	}
	set, err := policy.FromClusterCockpit(metrics, policy.Retention{Length: policy.Forever}, false)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// testNow is the clock of the tests.
var testNow = time.Date(2025, 1, 2, 0, 0, 0, 0, time.UTC)

// newTest makes a dialect over an empty memory.
func newTest(t testing.TB, change func(*Options)) (*Dialect, *memory) {
	t.Helper()
	m := newMemory(testSet(t), func() time.Time { return testNow })
	o := Options{Tree: m, Reader: m, Store: m, Writer: m, Policies: m, Tenants: m, Default: "_ops", Now: m.now, Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&o)
	}
	return New(o), m
}

// ask sends one request and returns the answer.
func ask(h http.Handler, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// write stores lines that must all be good.
func (m *memory) write(t testing.TB, lines string) {
	t.Helper()
	out, err := m.WriteLines(context.Background(), Source{}, []byte(lines))
	if err != nil || out.Malformed > 0 || out.Ignored != "" {
		t.Fatalf("setup: %+v, %v", out, err)
	}
}
