package line

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"granary/metricdef"
	"granary/tenant"
)

// deriving is cockpit with sources: of cpu_load, which is kept, of mem_bw, which is not, of the field load of net_bw, which is not
// mapped, and of nosuch, which is not wanted. Series of type core have none.
type deriving struct {
	*ClusterCockpit
	sources map[string]*source
	asked   int
}

type source struct {
	name string
	keep bool
}

func (s *source) Keep() bool { return s.keep }

func derivingCockpit() *deriving { return &deriving{cockpit(), map[string]*source{}, 0} }

func (d *deriving) AppendScope(dst []byte) []byte {
	return append(d.ClusterCockpit.AppendScope(dst), " deriving"...)
}

func (d *deriving) Takes(measurement, field string) bool {
	switch measurement {
	case "cpu_load", "mem_bw", "nosuch":
		return field == "" || field == "value"
	case "net_bw":
		return field == "" || field == "load"
	}
	return false
}

func (d *deriving) Source(num tenant.Num, measurement, field string, tags []metricdef.Tag) Source {
	d.asked++
	name := fmt.Sprintf("%d/%s", num, metricdef.AppendKey(nil, strings.Clone(measurement)+"."+field, tags))
	if strings.Contains(name, `type="core"`) {
		return nil
	}
	s := d.sources[name]
	if s == nil {
		s = &source{name, measurement == "cpu_load" || measurement == "nosuch"}
		d.sources[name] = s
	}
	return s
}

// handed gathers what a decoder hands over.
type handed []string

func (h *handed) add(src Source, timeNS int64, v float64) {
	*h = append(*h, fmt.Sprintf("%s %v %d", src.(*source).name, v, timeNS))
}

func TestDeriving(t *testing.T) {
	const tags = `cluster="c",hostname="h"`
	tests := []struct {
		line    string
		samples int
		handed  []string
		ignored string
	}{
		{"cpu_load,cluster=c,hostname=h value=1.5 1735689600\n", 1, []string{"1/cpu_load.value{" + tags + "} 1.5 1735689600000000000"}, ""},
		{"mem_bw,cluster=c,host=h,unit=GB/s value=2i 1735689600\n", 0, []string{"1/mem_bw.value{" + tags + `,unit="GB/s"} 2 1735689600000000000`}, ""},
		{"nosuch,cluster=second,hostname=h value=3 1735689600\n", 0, []string{`2/nosuch.value{cluster="second",hostname="h"} 3 1735689600000000000`}, ""},
		{"nosuch,cluster=c,hostname=h load=3 1735689600\n", 0, nil, "unknown-metric=1"},
		{"nosuch,cluster=c,hostname=h value=3,load=4 1735689600\n", 0, []string{"1/nosuch.value{" + tags + "} 3 1735689600000000000"}, "unmapped-field=1"},
		{"nosuch,cluster=c,hostname=h,type=core,type-id=1 value=3 1735689600\n", 0, nil, "unknown-metric=1"},
		{"mem_bw,cluster=c,hostname=h,type=core,type-id=1 value=3 1735689600\n", 1, nil, ""},
		{"net_bw,cluster=c,hostname=h load=7 1735689600\n", 0, []string{"1/net_bw.load{" + tags + "} 7 1735689600000000000"}, ""},
		{"net_bw,cluster=c,hostname=h load=7,load=8,value=9,x=10 1735689600\n", 1, []string{"1/net_bw.load{" + tags + "} 8 1735689600000000000"}, "unmapped-field=1"},
		{"cpu_load,cluster=c,hostname=h value=1.5 1000\n", 0, nil, "too-old=1"},
		{"cpu_load,cluster=c,hostname=h value=\"on\" 1735689600\n", 0, nil, "unmapped-field=1"},
		{"cpu_user,cluster=c,hostname=h value=1 1735689600\n", 1, nil, ""},
	}
	var h handed
	m := derivingCockpit()
	d, r := open(t, Options{Cache: NewCache(CacheOptions{}), Derived: h.add})
	all := ""
	for _, x := range tests {
		all += x.line
		for _, pass := range []string{"cold", "warm"} {
			h = nil
			got := decode(d, r, m, x.line)
			if len(got.samples) != x.samples || !slices.Equal(h, x.handed) || got.ignoredText() != x.ignored || got.malformed > 0 {
				t.Errorf("%s: %s%+v, handed over %q", pass, x.line, got, h)
			}
		}
	}
	// Lines that are known are not asked for again.
	m.asked = 0
	decode(d, r, m, strings.Repeat(tests[0].line+strings.Replace(tests[1].line, "2i", "2", 1)+tests[2].line+tests[7].line, 10))
	if m.asked != 0 {
		t.Errorf("asked %d times for the sources of known keys", m.asked)
	}
	h = nil
	decode(d, r, cockpit(), all)
	if len(h) != 0 {
		t.Errorf("a mapping that derives nothing hands over %q", h)
	}
}

// TestDerivingOnce: samples that are decoded again, since their series had ended, are not handed over again.
func TestDerivingOnce(t *testing.T) {
	var h handed
	m := derivingCockpit()
	d, r := open(t, Options{Cache: NewCache(CacheOptions{}), Derived: h.add})
	if err := d.Begin(m, []byte("cpu_load,cluster=c,hostname=h value=1 1735689600\ncpu_load,cluster=c,hostname=h value=2 1735689601\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Decode(); err != nil {
		t.Fatal(err)
	}
	p := d.Parts()[0]
	p.Batch.Stale = []int{1}
	r.commit(&p.Batch)
	p.Batch.Refs[1] = 0
	if err := d.Again(p); err != nil {
		t.Fatal(err)
	}
	if len(h) != 2 || len(p.Batch.Refs) != 1 {
		t.Errorf("%d samples, handed over %q", len(p.Batch.Refs), h)
	}
	d.End()
}

// BenchmarkDecodeDeriving is BenchmarkDecodeKnown with a source for each line, and none of its own.
func BenchmarkDecodeDeriving(b *testing.B) {
	var sum float64
	m := &derivingAll{cockpit(), &source{"all", false}}
	d, r := open(b, Options{Cache: NewCache(CacheOptions{}), Derived: func(_ Source, _ int64, v float64) { sum += v }})
	_, body := workload(50, 50*94, now.Unix())
	decode(d, r, m, string(body))
	decode(d, r, m, string(body))
	benchmark(b, d, m, [][]byte{body}, nil)
}

type derivingAll struct {
	*ClusterCockpit
	source *source
}

func (d *derivingAll) Takes(string, string) bool { return true }

func (d *derivingAll) Source(tenant.Num, string, string, []metricdef.Tag) Source { return d.source }

// TestSourcesOfAKey: a key that gets another source hands over to that one, and the list grows by it alone.
func TestSourcesOfAKey(t *testing.T) {
	tb := newTable(0)
	first, second := &source{name: "first"}, &source{name: "second"}
	k := known{key: []byte("k value="), ref: 1, tenant: 1, takes: true}
	id := tb.put(7, &k, 0)
	e := tb.own.at(id)
	for i, x := range []struct {
		source Source
		listed int
	}{{nil, 0}, {first, 2}, {first, 2}, {second, 3}, {nil, 3}} {
		k.source = x.source
		if tb.put(7, &k, 0) != id {
			t.Fatal("the key has another entry")
		}
		if n := len(tb.own.sources); n != x.listed {
			t.Errorf("%d: %d sources, want %d", i, n, x.listed)
		}
		if at := e.source().Load(); x.source == nil && at != 0 || x.source != nil && tb.view.Load().sources[at] != x.source {
			t.Errorf("%d: the source is number %d", i, at)
		}
	}
	if tb.forget(map[metricdef.Ref]struct{}{1: {}}) != 1 || tb.put(8, &known{key: []byte("l value="), ref: 2, tenant: 1}, 0) == 0 || tb.forget(map[metricdef.Ref]struct{}{2: {}}) != 1 {
		t.Error("walking over entries with a source does not find the next one")
	}
}
