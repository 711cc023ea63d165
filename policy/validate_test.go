package policy

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestItem(t *testing.T) {
	const m, h, d = time.Minute, time.Hour, 24 * time.Hour
	for _, c := range []struct {
		item  Item
		want  Tier
		fault ItemFault
	}{
		{Item{m, 10080, 0}, Tier{m, 10080}, 0},
		{Item{7 * time.Second, 0, m}, Tier{7 * time.Second, 8}, 0}, // whole buckets only
		{Item{0, 60, h}, Tier{m, 60}, 0},
		{Item{m, 60, h}, Tier{m, 60}, 0},
		{Item{m, 0, 0}, Tier{m, 0}, 0}, // for ever
		{Item{1, 1, 1}, Tier{1, 1}, 0},
		{Item{0, 3, time.Second}, Tier{}, ItemFraction},
		{Item{0, 7, h}, Tier{}, ItemFraction},
		{Item{0, 2, 1}, Tier{}, ItemFraction},
		{Item{m, 60, 2 * h}, Tier{}, ItemMismatch},
		{Item{h, 0, m}, Tier{}, ItemTooShort},
		{Item{0, 5, 0}, Tier{}, ItemTooLittle},
		{Item{0, 0, h}, Tier{}, ItemTooLittle},
		{Item{}, Tier{}, ItemTooLittle},
		{Item{-m, 5, 0}, Tier{}, ItemNegative},
		{Item{m, -5, 0}, Tier{}, ItemNegative},
		{Item{m, 5, -h}, Tier{}, ItemNegative},
		{Item{m, math.MaxInt64, 0}, Tier{}, ItemTooLong},
		{Item{d, 365*100 + 1, 0}, Tier{}, ItemTooLong},
		{Item{d, 365 * 100, 0}, Tier{d, 365 * 100}, 0},
		{Item{1, 1e12 + 1, 0}, Tier{}, ItemTooLong},
		{Item{math.MaxInt64, 0, 0}, Tier{}, ItemTooLong},
		{Item{math.MaxInt64, 2, 0}, Tier{}, ItemTooLong},
		{Item{0, 1, math.MaxInt64}, Tier{}, ItemTooLong},
	} {
		got, err := c.item.Tier()
		var e *ItemError
		if errors.As(err, &e) != (c.fault != 0) || e != nil && e.Fault != c.fault || got != c.want {
			t.Errorf("%+v: %+v, %v; want %+v, %d", c.item, got, err, c.want, c.fault)
		}
		if err != nil && !strings.Contains(err.Error(), e.Reason()) {
			t.Errorf("%v", err)
		}
	}
}

func FuzzItem(f *testing.F) {
	f.Add(int64(time.Minute), int64(5), int64(0))
	f.Add(int64(0), int64(7), int64(time.Hour))
	f.Add(int64(math.MaxInt64), int64(math.MaxInt64), int64(-1))
	f.Fuzz(func(t *testing.T, g, n, span int64) {
		i := Item{time.Duration(g), n, time.Duration(span)}
		tier, err := i.Tier()
		if err != nil {
			return
		}
		p := Policy{Name: "p", Raw: Retention{Length: WindowOnly}, Tiers: []Tier{tier}, Methods: []Method{Mean}}
		if err := p.Validate(); err != nil {
			t.Fatalf("%+v became %+v: %v", i, tier, err)
		}
		again, err := Item{tier.Granularity, tier.Points, tier.Timespan()}.Tier()
		if err != nil || again != tier {
			t.Fatalf("%+v became %+v, %v", tier, again, err)
		}
	})
}

func TestValidateTiers(t *testing.T) {
	good := func() Policy {
		return Policy{Name: "p", Raw: Retention{Length: time.Hour}, Tiers: []Tier{{time.Second, 60}, {time.Minute, 0}}, Methods: []Method{Sum, Mean}, BackWindow: 2}
	}
	if err := good().Validate(); err != nil {
		t.Error(err)
	}
	gridded := good()
	gridded.Grid, gridded.Raw.Length = 10*time.Second, WindowOnly
	if err := gridded.Validate(); err != nil {
		t.Error(err)
	}
	var many []Tier
	for i := range MaxTiers + 1 {
		many = append(many, Tier{time.Duration(i+1) * time.Second, 1})
	}
	for _, c := range []struct {
		change func(p *Policy)
		field  string
	}{
		{func(p *Policy) { p.Name = strings.Repeat("x", MaxName+1) }, "name"},
		{func(p *Policy) { p.Name = "a\n" }, "name"},
		{func(p *Policy) { p.Name = "\xff" }, "name"},
		{func(p *Policy) { p.Tiers, p.Methods, p.BackWindow = nil, nil, 0; p.Raw.Length = WindowOnly }, "raw.retention"},
		{func(p *Policy) { p.Tiers = nil }, "methods"},
		{func(p *Policy) { p.Methods = nil }, "methods"},
		{func(p *Policy) { p.Tiers, p.Methods = nil, nil }, "back_window"},
		{func(p *Policy) { p.BackWindow = -1 }, "back_window"},
		{func(p *Policy) { p.BackWindow = math.MaxInt }, "back_window"},
		{func(p *Policy) { p.Tiers = many }, "tiers"},
		{func(p *Policy) { p.Methods = make([]Method, MaxMethods+1) }, "methods"},
		{func(p *Policy) { p.Tiers[0].Granularity = 0 }, "tiers[0].granularity"},
		{func(p *Policy) { p.Tiers[1].Granularity = MaxSpan + 1 }, "tiers[1].granularity"},
		{func(p *Policy) { p.Tiers[1].Granularity = time.Second }, "tiers[1].granularity"},
		{func(p *Policy) { p.Tiers[1].Granularity = time.Millisecond }, "tiers[1].granularity"},
		{func(p *Policy) { p.Tiers[0].Points = -1 }, "tiers[0].points"},
		{func(p *Policy) { p.Tiers[0].Points = MaxPoints + 1 }, "tiers[0].points"},
		{func(p *Policy) { p.Tiers[1].Points = MaxPoints }, "tiers[1].timespan"},
		{func(p *Policy) { p.Methods[1] = Sum }, "methods[1]"},
		{func(p *Policy) { p.Methods = []Method{Mean, Sum} }, "methods[1]"},
		{func(p *Policy) { p.Methods[0] = NoMethod }, "methods[0]"},
		{func(p *Policy) { p.Grid = MaxSpan + 1 }, "grid"},
	} {
		p := good()
		c.change(&p)
		var e *InvalidError
		if err := p.Validate(); !errors.As(err, &e) || e.Field != c.field || e.Kind() != "invalid" || e.Code() != "policy-invalid" {
			t.Errorf("%s: %v", c.field, err)
		}
	}
}

func TestMethodList(t *testing.T) {
	defaults := DefaultMethods()
	if !slices.IsSorted(defaults) {
		t.Fatal("the default methods are not in order")
	}
	without := func(list []Method, m Method) []Method {
		return slices.DeleteFunc(slices.Clone(list), func(o Method) bool { return o == m })
	}
	all := Methods()
	slices.Sort(all)
	for _, c := range []struct {
		list string
		want []Method
	}{
		{"", defaults},
		{"mean", []Method{Mean}},
		{"max mean max", []Method{Mean, Max}},
		{"95pct rate:mean last", []Method{Last, Mean.Rate(), Percentile(95)}},
		{"*", all},
		{"* -mean", without(all, Mean)},
		{"* mean", all},
		{"-sum", without(defaults, Sum)},
		{"+last -mean", append(without(defaults, Mean)[:3:3], Last, Count, Std)},
		{"last +max", []Method{Max, Last}},
		{"-mean +mean", without(defaults, Mean)}, // what is taken away is taken away
		{"mean -mean", []Method{}},
	} {
		got, err := MethodList(strings.Fields(c.list), defaults, Methods())
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q: %v, %v; want %v", c.list, got, err, c.want)
		}
	}
	for _, bad := range []string{"none", "+", "-", "++mean", "mean *mean", "+*", "+-mean"} {
		var e *MethodError
		if _, err := MethodList(strings.Fields(bad), defaults, Methods()); !errors.As(err, &e) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
