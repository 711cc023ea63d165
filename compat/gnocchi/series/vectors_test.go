package series

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"granary/measures"
	"granary/measures/journal"
	"granary/measures/query"
	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

// bed is a store with what the tests need around it.
type bed struct {
	tb    testing.TB
	dir   string
	store *measures.Store
	num   tenant.Num
	now   time.Time
}

func newBed(tb testing.TB) *bed {
	tb.Helper()
	b := &bed{tb: tb, dir: tb.TempDir(), now: time.Unix(1_800_000_000, 0)}
	b.open()
	tb.Cleanup(b.close)
	num, err := b.store.EnsureTenant(context.Background(), "t")
	if err != nil {
		tb.Fatal(err)
	}
	b.num = num
	return b
}

func (b *bed) open() {
	b.tb.Helper()
	s, err := measures.Open(measures.Options{Dir: b.dir, Sync: journal.Never, Now: func() time.Time { return b.now }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.tb.Fatal(err)
	}
	if err := s.Recover(context.Background()); err != nil {
		b.tb.Fatal(err)
	}
	b.store = s
}

func (b *bed) close() {
	if err := b.store.Close(); err != nil {
		b.tb.Error(err)
	}
}

// policies puts policies into force.
func (b *bed) policies(list ...policy.Policy) {
	b.tb.Helper()
	set, err := policy.NewSet(policy.Content{Open: true, Policies: list})
	if err != nil {
		b.tb.Fatal(err)
	}
	if err := b.store.SetPolicies(context.Background(), set); err != nil {
		b.tb.Fatal(err)
	}
}

func (b *bed) metric(typ metricdef.Type, name, pol string) metricdef.Ref {
	b.tb.Helper()
	r := b.store.CreateDefinitions(context.Background(), []metricdef.Draft{{Identity: metricdef.Identity{Tenant: b.num, Type: typ, Name: name}, Policy: pol, Dialect: "gnocchi", Explicit: true}})
	if r[0].Err != nil {
		b.tb.Fatal(r[0].Err)
	}
	return r[0].Ref
}

// post stores points as one batch, and returns how many were not taken.
func (b *bed) post(ref metricdef.Ref, times []int64, values []float64) (refused int) {
	b.tb.Helper()
	var batch measures.Batch
	for i, t := range times {
		batch.Add(ref, t, values[i])
	}
	if err := b.store.Commit(context.Background(), &batch); err != nil {
		b.tb.Fatal(err)
	}
	for _, n := range batch.Refused {
		refused += n
	}
	return refused
}

func (b *bed) kept(ref metricdef.Ref) Kept {
	d, ok := b.store.Definitions.Get(ref)
	if !ok {
		b.tb.Fatalf("there is no metric %d", ref)
	}
	p := PolicyOf(b.store.Policies, &d.Draft)
	return KeptBy(&p)
}

// read reads columns as a whole, and holds them against those that come in parts.
func (b *bed) read(wants ...Want) []Column {
	b.tb.Helper()
	e := query.New(b.store, query.Options{Definitions: b.store.Definitions})
	p, err := Prepare(context.Background(), e, query.Cost{}, wants)
	if err != nil {
		b.tb.Fatal(err)
	}
	list, err := p.Columns(context.Background())
	if err != nil {
		b.tb.Fatal(err)
	}
	if p, err = PrepareParts(context.Background(), e, query.Cost{}, wants); err != nil {
		b.tb.Fatal(err)
	}
	parts := make([]Column, len(wants))
	at := 0
	err = p.Parts(context.Background(), func(want int, part Column, last bool) error {
		if want != at {
			b.tb.Errorf("a part of %d behind those of %d", want, at)
		}
		if last {
			at++
		}
		c := &parts[want]
		c.Times, c.Values = append(c.Times, part.Times...), append(c.Values, part.Values...)
		return nil
	})
	if err != nil || at != len(wants) {
		b.tb.Fatal(at, err)
	}
	for i := range list {
		if !slices.Equal(list[i].Times, parts[i].Times) || !slices.EqualFunc(list[i].Values, parts[i].Values, near) {
			b.tb.Errorf("%v: %d points as a whole, %d in parts", wants[i], len(list[i].Times), len(parts[i].Times))
		}
	}
	return list
}

// vectors are what a Gnocchi was seen to answer.
type vectors struct {
	Policies map[string]vectorPolicy
	Metrics  []struct {
		Name, Policy string
		Steps        []struct {
			Post  []point
			Tiers []vectorTier // the policy has them from now on
			Get   *vectorGet
		}
	}
}

type vectorPolicy struct {
	BackWindow int `json:"back_window"`
	Methods    []string
	Tiers      []vectorTier
}

type vectorTier struct {
	Granularity float64 // seconds
	Points      int64
}

type vectorGet struct {
	Name, Method string
	Granularity  float64
	Start, Stop  string
	Want         []row
	Differs      string // why the answer is another one than Gnocchi's, "" if it is the same
}

// point is [time, value], row [time in whole seconds, granularity, value].
type (
	point struct {
		time  int64
		value float64
	}
	row struct {
		time        string
		granularity float64
		value       float64
	}
)

func (p *point) UnmarshalJSON(text []byte) error {
	var at string
	var v number
	if err := json.Unmarshal(text, &[]any{&at, &v}); err != nil {
		return err
	}
	p.time, p.value = instant(at), float64(v)
	return nil
}

func (r *row) UnmarshalJSON(text []byte) error {
	var v number
	if err := json.Unmarshal(text, &[]any{&r.time, &r.granularity, &v}); err != nil {
		return err
	}
	r.value = float64(v)
	return nil
}

// number is a number, or the text of one that JSON does not know.
type number float64

func (n *number) UnmarshalJSON(text []byte) error {
	if s, err := strconv.Unquote(string(text)); err == nil {
		text = []byte(s)
	}
	v, err := strconv.ParseFloat(string(text), 64)
	*n = number(v)
	return err
}

func instant(text string) int64 {
	t, err := time.Parse("2006-01-02T15:04:05", text)
	if err != nil {
		panic(err)
	}
	return t.UnixNano()
}

// archive is a policy as Gnocchi's are.
func archive(tb testing.TB, name string, v vectorPolicy) policy.Policy {
	tb.Helper()
	methods, err := policy.MethodList(v.Methods, nil, nil)
	if err != nil {
		tb.Fatal(err)
	}
	p := policy.GnocchiPolicy(name, v.BackWindow, methods)
	for _, t := range v.Tiers {
		p.Tiers = append(p.Tiers, policy.Tier{Granularity: time.Duration(t.Granularity * 1e9), Points: t.Points})
	}
	return p
}

// near holds values together to 12 digits: Gnocchi adds some of them up in another order.
func near(a, b float64) bool {
	return a == b || a != a && b != b || math.Abs(a-b) <= 1e-12*math.Max(math.Abs(a), math.Abs(b))
}

// TestNumbers plays what was recorded of a Gnocchi against the store, as it is and with everything that may happen to a store between two
// requests.
func TestNumbers(t *testing.T) {
	text, err := os.ReadFile("testdata/numbers.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		between func(*bed)
	}{
		{"as it is", func(*bed) {}},
		{"tended", func(b *bed) { b.store.TendTiers(); b.store.Expire(context.Background()) }},
		{"snapshot", func(b *bed) {
			if err := b.store.Snapshot(); err != nil {
				t.Fatal(err)
			}
		}},
		{"restarted", func(b *bed) { b.close(); b.open() }},
	} {
		t.Run(c.name, func(t *testing.T) { playNumbers(t, &v, c.between) })
	}
}

func playNumbers(t *testing.T, v *vectors, between func(*bed)) {
	b := newBed(t)
	byName := map[string]vectorPolicy{}
	force := func() {
		var list []policy.Policy
		for name, p := range byName {
			list = append(list, archive(t, name, p))
		}
		b.policies(list...)
	}
	for name, p := range v.Policies {
		byName[name] = p
	}
	force()
	reads := 0
	for _, m := range v.Metrics {
		ref := b.metric(metricdef.Gauge, m.Name, m.Policy)
		for _, s := range m.Steps {
			switch {
			case s.Get != nil:
				reads++
				if got, want := b.rows(ref, s.Get), fmt.Sprint(s.Get.Want); !equalRows(got, s.Get.Want) {
					t.Errorf("%s:\n got  %v\n want %v", s.Get.Name, got, want)
				}
			case s.Tiers != nil:
				p := byName[m.Policy]
				p.Tiers = s.Tiers
				byName[m.Policy] = p
				force()
				between(b)
			default:
				var times []int64
				var values []float64
				for _, p := range s.Post {
					times, values = append(times, p.time), append(values, p.value)
				}
				b.post(ref, times, values)
				between(b)
			}
		}
	}
	if reads < 80 {
		t.Errorf("only %d reads were compared", reads)
	}
}

// rows are the answer to a get, coarsest granularity first. What the plan reads is held against what the store says of the tier.
func (b *bed) rows(ref metricdef.Ref, g *vectorGet) []row {
	b.tb.Helper()
	kept := b.kept(ref)
	m, err := policy.ParseMethod(g.Method)
	if err != nil || !kept.Has(m) {
		b.tb.Fatalf("%s: the method %q is not kept", g.Name, g.Method)
	}
	start, stop := int64(Earliest), int64(Latest)
	if g.Start != "" {
		start = instant(g.Start)
	}
	if g.Stop != "" {
		stop = instant(g.Stop)
	}
	var out []row
	for i, tier := range slices.Backward(kept.Tiers) {
		if g.Granularity != 0 && tier.Granularity.Seconds() != g.Granularity {
			continue
		}
		step := int64(tier.Granularity)
		c := b.read(Want{ref, m, step, start, stop})[0]
		var r measures.Reader
		if err := b.store.ReadTier(context.Background(), &r, ref, i, m, floor(start, step), ceil(stop, step)); err != nil {
			b.tb.Fatal(err)
		}
		if !slices.Equal(c.Times, r.Times) || !slices.EqualFunc(c.Values, r.Values, near) {
			b.tb.Errorf("%s: the plan reads %v, the tier has %v %v", g.Name, c, r.Times, r.Values)
		}
		for i, t := range c.Times {
			out = append(out, row{time.Unix(0, t).UTC().Format("2006-01-02T15:04:05"), tier.Granularity.Seconds(), c.Values[i]})
		}
	}
	return out
}

func equalRows(a, b []row) bool {
	return slices.EqualFunc(a, b, func(a, b row) bool {
		return a.time == b.time && a.granularity == b.granularity && near(a.value, b.value)
	})
}
