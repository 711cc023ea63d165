package native

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"granary/api/edge/scan"
	"granary/measures"
	"granary/measures/ingest"
	"granary/metricdef"
	"granary/tenant"
)

// sink is a store that keeps what is committed as texts, in order.
type sink struct {
	*fakeTenants
	defs *metricdef.Registry
	rows []string
}

func (s *sink) Commit(_ context.Context, b *measures.Batch) error {
	drafts := b.Drafts
	for i, ref := range b.Refs {
		if ref == 0 {
			for i > drafts[0].At+drafts[0].More {
				drafts = drafts[1:]
			}
			d := &drafts[0]
			key := metricdef.AppendKey(nil, d.Def.Name, d.Def.Tags)
			var ok bool
			if ref, ok = s.defs.Resolve(d.Def.Tenant, d.Def.Type, key); !ok {
				ref = s.defs.Reserve(&d.Def, 1)
				if _, _, err := s.defs.Apply(s.defs.AppendRecord(nil, ref)); err != nil {
					return err
				}
			}
			d.Ref = ref
		}
		d, _ := s.defs.Get(ref)
		text, tags := "", ""
		for _, t := range b.Texts {
			if t.Row == i {
				text = t.Text
			}
		}
		for _, t := range b.Tags {
			if t.Row == i {
				tags = t.Text
			}
		}
		s.rows = append(s.rows, fmt.Sprintf("%v %s %v %d %x %q %q", d.Type, d.Name, d.Tags, b.Times[i], math.Float64bits(b.Values[i]), text, tags))
	}
	return nil
}

func newSink() (*API, *sink) {
	s := &sink{fakeTenants: &fakeTenants{}}
	s.defs = metricdef.NewRegistry(metricdef.Options{TenantID: func(n tenant.Num) tenant.ID { return s.id(n) }})
	return bare(func(o *Options) { o.Store, o.Tenants, o.Definitions, o.Lines = s, s, s.defs, noLines{} }), s
}

type noLines struct{ Lines }

func (noLines) Counters() *ingest.Counters { return &ingest.Counters{} }

// run reads a body and says what was stored and reported.
func (s *sink) run(a *API, b []byte, lines bool) ([]string, *measuresAnswer) {
	s.rows = nil
	in := &intake{}
	in.begin(context.Background(), a, "_ops", true)
	read := in.body
	if lines {
		read = in.lines
	}
	if err := read(b); err != nil {
		panic(err)
	}
	if err := in.flush(); err != nil {
		panic(err)
	}
	return slices.Clone(s.rows), in.report.answer()
}

// FuzzMeasures holds the fast way and the strict way against each other: whether the metrics of a body are known, and
// follow one another as they did before, changes nothing of what is stored and reported.
func FuzzMeasures(f *testing.F) {
	for _, s := range []string{
		`{"metrics":[{"name":"cpu","tags":{"host":"a"},"samples":[[1700000000,1.5],[1700000060000,2.5]]}]}`,
		`[{"name":"c","type":"counter","samples":[[1,7],[2,-9007199254740993]]},{"name":"c","samples":[{"time":1,"value":2.50}]}]`,
		`[{"name":"s","type":"availability","samples":[[1,"up"],[2,"x"]]},{"name":"t","type":"string","samples":[[1,"a"],[2,"\u0041"]]}]`,
		`[{"name":"x","samples":[[1,1e5],[1,1.e5],[01,1],[1,-0],[1,.5],[1,1E+2]]}]`,
		`[{"name":"x","samples":[[1,1]],"samples":[[1,1]]}]`,
		`[{"name":"x","samples":[[1,1]]},{"name":"x","samples":[[1,1]],"unit":"B"},{"name":"x","samples":[ ]}]`,
		`[{"name":"x","samples":[{"time":1,"value":2,"tags":{"b":"c","a":"d"}},{"time":9223372036854775807,"value":"NaN"}]}]`,
		`[{"name":"x","samples":[[1,1],[2,"x"],{"time":3,"value":1}`,
	} {
		f.Add([]byte(s), false)
		f.Add([]byte(s+"\n"+s), true)
		f.Add([]byte(s[1:len(s)-1]+"\n"+s[1:len(s)-1]), true)
	}
	f.Fuzz(func(t *testing.T, b []byte, lines bool) {
		if len(b) > 1<<12 {
			return
		}
		a, s := newSink()
		rows, report := s.run(a, b, lines)
		if report.Stored != len(rows) || report.Rejected > 0 && len(report.Errors) == 0 {
			t.Fatalf("%d rows, %+v", len(rows), report)
		}
		for range 2 {
			again, reported := s.run(a, b, lines)
			if d := cmp.Diff(rows, again); d != "" {
				t.Fatal(d)
			}
			if d := cmp.Diff(report, reported); d != "" {
				t.Fatal(d)
			}
		}
		// Of another tenant everything is unknown again.
		if _, err := s.EnsureTenant(t.Context(), "other"); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzSamples: what the fast way takes is JSON, and means the same to the strict way.
func FuzzSamples(f *testing.F) {
	for _, s := range []string{`[[1700000000000,12.5],[1700000000000, -1e-3]]`, `[{"time":1,"value":"up"}]`, `[[0,"text"],[100000000000000000,0]]`, `[[10000000000000,0]]`, `[[10000000000000000,0]]`, `[[10000000000,0]]`, `[ ]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 || b[0] != '[' {
			return
		}
		for kind := metricdef.KindFloat; kind <= metricdef.KindText; kind++ {
			var fast, strict columns
			fast.reset(kind)
			end, ok := fast.scan(b, 1)
			if !ok {
				continue
			}
			raw, err := nextValue(b)
			if err != nil || len(raw) != end {
				t.Fatalf("%q as %v is taken up to %d: %v", b, kind, end, err)
			}
			strict.reset(kind)
			for i := scan.Space(raw, 1); raw[i] != ']'; {
				one, err := nextValue(raw[i:])
				if err == nil {
					err = strict.read(one, testNow)
				}
				if err != nil {
					t.Fatalf("%q as %v: %v", b, kind, err)
				}
				if i = scan.Space(raw, i+len(one)); raw[i] == ',' {
					i = scan.Space(raw, i+1)
				}
			}
			same := slices.Equal(fast.times, strict.times) && slices.Equal(fast.texts, strict.texts) &&
				slices.EqualFunc(fast.values, strict.values, func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) })
			if !same {
				t.Fatalf("%q as %v: %+v, %+v", b, kind, fast, strict)
			}
		}
	})
}

func (*sink) MadeByWrites(tenant.ID) bool { return true }
