package export

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"granary/measures/ingest/lineout"
	"granary/metricdef"
	"granary/tenant"
)

type sample struct {
	t int64
	v float64
}

// value is the sample as the store would give it: of a text only the digits are known here.
func (s *fakeStore) value(ref metricdef.Ref, x sample) lineout.Value {
	v := lineout.Value{Kind: s.defs[ref-1].Values(), Float: x.v, Int: int64(x.v), Text: fmt.Sprintf("text \"%v\"", x.v)}
	if s.defs[ref-1].Type == metricdef.Counter && v.Kind == metricdef.KindInt && float64(v.Int) != x.v {
		v.Kind = metricdef.KindFloat
	}
	return v
}

// fakeStore is a Source in memory.
type fakeStore struct {
	defs    []metricdef.Definition
	samples map[metricdef.Ref][]sample
	fail    error
}

func (s *fakeStore) add(t tenant.Num, typ metricdef.Type, name string, tags []metricdef.Tag, samples ...sample) *metricdef.Definition {
	d := metricdef.Definition{Ref: metricdef.Ref(len(s.defs) + 1)}
	d.Identity = metricdef.Identity{Tenant: t, Type: typ, Name: name, Tags: tags}
	s.defs = append(s.defs, d)
	if s.samples == nil {
		s.samples = map[metricdef.Ref][]sample{}
	}
	s.samples[d.Ref] = samples
	return &s.defs[len(s.defs)-1]
}

func (s *fakeStore) Derived(ref metricdef.Ref) []metricdef.Tag {
	d := &s.defs[ref-1]
	if d.Label == "" {
		return nil
	}
	return []metricdef.Tag{{Name: metricdef.LabelTag, Value: d.Label}, {Name: metricdef.ResourceTag, Value: d.Resource.String()}}
}

func (s *fakeStore) EachSeries(fn func(metricdef.Definition) error) error {
	for _, d := range s.defs {
		if err := fn(d); err != nil {
			return err
		}
	}
	return nil
}

func (s *fakeStore) ReadRaw(_ context.Context, ref metricdef.Ref, from, to int64, fn func(int64, lineout.Value) error) error {
	for _, x := range s.samples[ref] {
		if x.t >= from && x.t < to {
			if err := fn(x.t, s.value(ref, x)); err != nil {
				return err
			}
		}
	}
	return s.fail
}

func tags(pairs ...string) (t []metricdef.Tag) {
	for i := 0; i < len(pairs); i += 2 {
		t = append(t, metricdef.Tag{Name: pairs[i], Value: pairs[i+1]})
	}
	return t
}

const at = 1_700_000_000e9

func newStore() *fakeStore {
	s := &fakeStore{}
	d := s.add(1, metricdef.Gauge, "flops", tags("cluster", "alex", "hostname", "a b", "type", "core"), sample{at, 0.1}, sample{at + 60e9, -2}, sample{at + 60e9 + 5, 3})
	d.Plain, d.Unit = tags("cluster", "hidden", "note", "", "rack", "r=1"), "GFlop/s"
	s.add(1, metricdef.Gauge, "net/rx", nil, sample{at, 1})
	s.add(2, metricdef.Counter, "flops", tags("cluster", "alex"), sample{at, 1e21})
	s.add(1, metricdef.String, "state", nil, sample{at, 1})
	s.add(1, metricdef.Availability, "up", nil, sample{at, 1}, sample{at + 1, 9})
	s.add(1, metricdef.Counter, "bytes", nil, sample{at, 12})
	s.add(1, metricdef.Gauge, "holes", nil, sample{at, math.NaN()}, sample{5, 1}, sample{at, 7})
	s.add(1, metricdef.Gauge, "new\nline", nil, sample{at, 1})
	s.add(1, metricdef.Gauge, "empty", nil)
	return s
}

func TestWrite(t *testing.T) {
	all := `flops,cluster=alex,hostname=a\ b,rack=r\=1,type=core,unit=GFlop/s value=0.1 1700000000
flops,cluster=alex,hostname=a\ b,rack=r\=1,type=core,unit=GFlop/s value=-2 1700000060
flops,cluster=alex,hostname=a\ b,rack=r\=1,type=core,unit=GFlop/s value=3 1700000060000000005
net/rx value=1 1700000000
flops,cluster=alex value=1000000000000000000000 1700000000
state value="text \"1\"" 1700000000
up value="up" 1700000000
bytes value=12i 1700000000
holes value=7 1700000000
`
	lines := strings.SplitAfter(all, "\n")
	for _, tt := range []struct {
		name   string
		change func(*Selection)
		want   string
		series int
	}{
		{"all", func(*Selection) {}, all, 7},
		{"tenant", func(s *Selection) { s.Tenant = 2 }, lines[4], 1},
		{"metric", func(s *Selection) { s.Metric = "fl?ps" }, strings.Join(lines[:3], "") + lines[4], 2},
		{"metric across a slash", func(s *Selection) { s.Metric = "net*" }, lines[3], 1},
		{"tag", func(s *Selection) { s.Tags = tags("cluster", "alex", "rack", "r=1") }, strings.Join(lines[:3], ""), 1},
		{"time", func(s *Selection) { s.From, s.To = at+60e9, at+60e9+1 }, lines[1], 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sel := Everything()
			tt.change(&sel)
			var out bytes.Buffer
			stats, err := Write(t.Context(), newStore(), &out, sel)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, out.String()); diff != "" {
				t.Error(diff)
			}
			if stats.Series != tt.series || stats.Samples != int64(strings.Count(tt.want, "\n")) {
				t.Errorf("%+v", stats)
			}
			if tt.name == "all" && (stats.Unprintable != 4 || !errors.Is(stats.First, lineout.ErrUnprintable) || !strings.HasPrefix(stats.First.Error(), "series up: value 9 is no state")) {
				t.Errorf("%+v", stats)
			}
		})
	}
}

// TestWriteDerivedTags: a series whose name is an id is of use elsewhere only with what people know it by.
func TestWriteDerivedTags(t *testing.T) {
	s := newStore()
	d := s.add(1, metricdef.Gauge, "01020304-0506-4708-890a-0b0c0d0e0f10", nil, sample{at, 1})
	d.ByID, d.Label, d.Resource, d.Plain = true, "cpu", uuid.UUID{9}, tags("metric_name", "mine")
	for _, want := range [][]metricdef.Tag{nil, tags("resource_id", "09000000-0000-0000-0000-000000000000"), tags("resource_id", "other")} {
		sel := Everything()
		sel.Metric, sel.Tags = "01*", want
		line := "01020304-0506-4708-890a-0b0c0d0e0f10,metric_name=mine,resource_id=09000000-0000-0000-0000-000000000000 value=1 1700000000\n"
		if len(want) > 0 && want[0].Value == "other" {
			line = ""
		}
		var out bytes.Buffer
		if _, err := Write(t.Context(), s, &out, sel); err != nil || out.String() != line {
			t.Errorf("%v: %v\n%swant\n%s", want, err, out.String(), line)
		}
	}
}

func TestWriteFails(t *testing.T) {
	sel := Everything()
	sel.Metric = "["
	if _, err := Write(t.Context(), newStore(), &bytes.Buffer{}, sel); err == nil || !strings.Contains(err.Error(), `"["`) {
		t.Errorf("bad pattern: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Write(ctx, newStore(), &bytes.Buffer{}, Everything()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	s := newStore()
	s.fail = errors.New("damaged")
	if _, err := Write(t.Context(), s, &bytes.Buffer{}, Everything()); !errors.Is(err, s.fail) || !strings.Contains(err.Error(), `flops{cluster="alex"`) {
		t.Errorf("store: %v", err)
	}
	full := errors.New("full")
	if _, err := Write(t.Context(), newStore(), writerFunc(func([]byte) (int, error) { return 0, full }), Everything()); !errors.Is(err, full) {
		t.Errorf("writer: %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// TestReadBack: a store filled from what another printed prints the same text, and its values have equal bits.
func TestReadBack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	first := &fakeStore{}
	for i := range 20 {
		var samples []sample
		for j := range 200 {
			v := math.Float64frombits(r.Uint64())
			if math.IsNaN(v) || math.IsInf(v, 0) {
				v = math.Copysign(0, -1)
			}
			samples = append(samples, sample{at + int64(j)*60e9 + r.Int64N(2)*r.Int64N(1e9), v})
		}
		first.add(1, metricdef.Gauge, fmt.Sprintf("m,%d =x", i), tags("cluster", `c\ ,=`, "hostname", fmt.Sprint("höst ", i)), samples...)
	}
	var out bytes.Buffer
	if _, err := Write(t.Context(), first, &out, Everything()); err != nil {
		t.Fatal(err)
	}
	second := &fakeStore{}
	dec := lineprotocol.NewDecoderWithBytes(out.Bytes())
	for dec.Next() {
		name, _ := dec.Measurement()
		var list []string
		for {
			k, v, err := dec.NextTag()
			if err != nil {
				t.Fatal(err)
			}
			if k == nil {
				break
			}
			list = append(list, string(k), string(v))
		}
		_, v, err := dec.NextField()
		if err != nil {
			t.Fatal(err)
		}
		n, err := dec.TimeBytes()
		if err != nil {
			t.Fatal(err)
		}
		var ts int64
		if _, err := fmt.Sscan(string(n), &ts); err != nil {
			t.Fatal(err)
		}
		if ts < 1e11 {
			ts *= 1e9
		}
		if n := len(second.defs); n == 0 || second.defs[n-1].Name != string(name) {
			second.add(1, metricdef.Gauge, string(name), tags(list...))
		}
		ref := second.defs[len(second.defs)-1].Ref
		second.samples[ref] = append(second.samples[ref], sample{ts, v.FloatV()})
	}
	equalBits := cmp.Comparer(func(a, b sample) bool { return a.t == b.t && math.Float64bits(a.v) == math.Float64bits(b.v) })
	if diff := cmp.Diff(first.samples, second.samples, equalBits); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(first.defs, second.defs); diff != "" {
		t.Error(diff)
	}
}

// BenchmarkWrite prints 1,000 series of 360 samples.
func BenchmarkWrite(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	s := &fakeStore{}
	for i := range 1000 {
		var samples []sample
		for j := range 360 {
			samples = append(samples, sample{at + int64(j)*10e9, math.Round(r.Float64()*1e4) / 100})
		}
		s.add(1, metricdef.Gauge, "flops_any", tags("cluster", "alex", "hostname", fmt.Sprint("a", i), "type", "hwthread", "type-id", "3"), samples...)
	}
	b.ReportAllocs()
	for b.Loop() {
		stats, err := Write(b.Context(), s, writerFunc(func(p []byte) (int, error) { return len(p), nil }), Everything())
		if err != nil || stats.Samples != 360_000 {
			b.Fatal(stats, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/360_000, "ns/sample")
}
