package loadgen

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"
)

func small() Cluster {
	return Cluster{
		Name: "alex", Hosts: 3, Sockets: 2, Threads: 4, Accelerators: 2, Metrics: Builtin(5),
		Interval: 10 * time.Second, Start: time.Unix(1_700_000_000, 0), Seed: 7,
	}
}

func generator(t testing.TB, c Cluster) *Generator {
	t.Helper()
	g, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestLinesAreReadBack(t *testing.T) {
	c := small()
	c.Name = "a cluster, a=b"
	c.Metrics = append(c.Metrics, Named("odd, name"))
	g := generator(t, c)
	if want := 3 * (5 + 3*2 + 4*4 + 4*2 + 1); g.Series() != want {
		t.Fatalf("%d series, want %d", g.Series(), want)
	}
	body := g.AppendLines(nil, 0, g.Series(), 3)
	if again := generator(t, c).AppendLines(nil, 0, g.Series(), 3); !bytes.Equal(body, again) {
		t.Error("the same seed gives other lines")
	}
	dec := lineprotocol.NewDecoderWithBytes(body)
	seen := make(map[string]bool)
	for i := 0; dec.Next(); i++ {
		s := g.Sample(i, 3)
		name, err := dec.Measurement()
		if err != nil || string(name) != s.Metric {
			t.Fatalf("line %d: measurement %q, %v; want %q", i, name, err, s.Metric)
		}
		tags := make(map[string]string)
		for {
			k, v, err := dec.NextTag()
			if err != nil {
				t.Fatal(err)
			}
			if k == nil {
				break
			}
			tags[string(k)] = string(v)
		}
		wantType := s.Type
		if wantType == "" {
			wantType = "node"
		}
		if tags["cluster"] != c.Name || tags["hostname"] != s.Host || tags["type"] != wantType || tags["type-id"] != s.TypeID {
			t.Fatalf("line %d: tags %v for %+v", i, tags, s)
		}
		key, v, err := dec.NextField()
		if f, ok := v.Interface().(float64); err != nil || string(key) != "value" || !ok || f != s.Value {
			t.Fatalf("line %d: field %s %v, %v; want %v", i, key, v, err, s.Value)
		}
		if _, _, err := dec.NextField(); err != nil {
			t.Fatal(err)
		}
		at, err := dec.Time(lineprotocol.Second, time.Time{})
		if err != nil || !at.Equal(s.Time) || at.Unix() != 1_700_000_030 {
			t.Fatalf("line %d: time %v, %v", i, at, err)
		}
		seen[string(g.Key(i))] = true
	}
	if len(seen) != g.Series() {
		t.Errorf("%d different series, want %d", len(seen), g.Series())
	}
}

func TestPrecision(t *testing.T) {
	c := small()
	c.Interval, c.Precision = 100*time.Millisecond, time.Millisecond
	if line := generator(t, c).AppendLine(nil, 0, 3); !bytes.HasSuffix(line, []byte(" 1700000000300\n")) {
		t.Errorf("%s", line)
	}
}

// TestKinds holds each kind against what it is meant to look like.
func TestKinds(t *testing.T) {
	const n = 2000
	for kind := range numKinds {
		var sum, changes float64
		whole, low, high := true, math.Inf(1), math.Inf(-1)
		last := math.NaN()
		for step := range int64(n) {
			v := value(kind, 99, step)
			if v < 0 || math.IsInf(v, 0) || math.IsNaN(v) {
				t.Fatalf("kind %d: %v at step %d", kind, v, step)
			}
			if kind == Counter && v <= last {
				t.Fatalf("the counter falls from %v to %v", last, v)
			}
			if kind == Bytes && math.Mod(v, 4096) != 0 {
				t.Fatalf("%v bytes are no pages", v)
			}
			if v != last {
				changes++
			}
			whole = whole && v == math.Trunc(v)
			low, high, last = min(low, v), max(high, v), v
			sum += v
		}
		ok := false
		switch kind {
		case Constant:
			ok = changes == 1 && whole
		case Bytes:
			ok = whole && changes > n/4 && changes < n/2
		case Percent:
			ok = !whole && high <= 100 && high > low
		case Noisy:
			ok = !whole && changes == n
		case Counter:
			ok = whole && changes == n && high < 1<<53
		case Temperature:
			ok = whole && changes < n/4 && high-low > 1
		case Sparse:
			ok = sum > 0 && changes < n/10
		case Rate:
			ok = !whole && changes > n/5 && changes < n/3
		}
		if !ok {
			t.Errorf("kind %d: whole %v, %v changes, from %v to %v", kind, whole, changes, low, high)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for want, change := range map[string]func(*Cluster){
		"no name":             func(c *Cluster) { c.Name = "" },
		"cannot be simulated": func(c *Cluster) { c.Hosts = 0 },
		"too short":           func(c *Cluster) { c.Interval = time.Millisecond },
		"precision":           func(c *Cluster) { c.Precision = time.Minute; c.Interval = time.Hour },
		"no series":           func(c *Cluster) { c.Metrics = nil },
		"more than":           func(c *Cluster) { c.Hosts = 1 << 40 },
		`the metric ""`:       func(c *Cluster) { c.Metrics = []Metric{{}} },
	} {
		c := small()
		change(&c)
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want ...%s...", err, want)
		}
	}
}

func TestBuiltin(t *testing.T) {
	nodes := 0
	names := make(map[string]bool)
	for _, m := range Builtin(-1) {
		if m.Level == Node {
			nodes++
		}
		names[m.Name] = true
		if Named(m.Name) != m {
			t.Errorf("Named(%q) = %+v", m.Name, Named(m.Name))
		}
	}
	if nodes != 30 || len(names) != len(builtin) || len(Builtin(0)) != len(builtin)-30 {
		t.Errorf("%d node metrics, %d names of %d", nodes, len(names), len(builtin))
	}
}

func BenchmarkAppendLines(b *testing.B) {
	c := small()
	c.Hosts, c.Threads, c.Metrics = 200, 16, Builtin(-1)
	g := generator(b, c)
	body := g.AppendLines(nil, 0, 5000, 1)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for i := int64(0); b.Loop(); i++ {
		body = g.AppendLines(body[:0], 0, 5000, i)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/5000, "ns/line")
}
