package measures

import (
	"slices"
	"testing"
	"time"

	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

// TestDraftOfManyRows: one draft for many rows says the same as one for each of them, whichever rows are refused.
func TestDraftOfManyRows(t *testing.T) {
	const old = testEpoch - 2*3600*second
	type row struct {
		t int64
		v any
	}
	for name, c := range map[string]struct {
		kind   metricdef.Kind
		limits tenant.Limits
		rows   []row
	}{
		"all":         {metricdef.KindFloat, tenant.Limits{}, []row{{testEpoch, 1.5}, {testEpoch + second, 2.5}, {testEpoch + 2*second, 3.5}}},
		"none":        {metricdef.KindFloat, tenant.Limits{Past: time.Hour}, []row{{old, 1.5}, {old + second, 2.5}}},
		"not first":   {metricdef.KindFloat, tenant.Limits{Past: time.Hour}, []row{{old, 1.5}, {testEpoch, 2.5}, {old, 1.0}, {testEpoch + second, 1.0}}},
		"wrong first": {metricdef.KindInt, tenant.Limits{}, []row{{testEpoch, 1.5}, {testEpoch + second, 7}, {testEpoch + 2*second, 0.5}}},
		"no room":     {metricdef.KindFloat, tenant.Limits{Series: 1}, []row{{testEpoch, 1.5}, {testEpoch + second, 7.0}}},
		"texts":       {metricdef.KindText, tenant.Limits{}, []row{{testEpoch, string(make([]byte, 10_000))}, {testEpoch + second, "x"}, {testEpoch + 2*second, "y"}}},
	} {
		t.Run(name, func(t *testing.T) {
			var refused [2][NumReasons]int
			var rows, refusals [2][]int
			var made [2]int
			for k := range 2 {
				s := openTest(t, testOptions(t.TempDir(), &clock{testEpoch}))
				num := setup(t, s, policy.Forever)
				write(t, s, num, "there", []int{1}, testEpoch, 1)
				if err := s.UpdateTenant(t.Context(), num, tenant.Settings{Limits: c.limits}); err != nil {
					t.Fatal(err)
				}
				d := nativeDraft(num, "m")
				if d.Def.Kind = c.kind; c.kind == metricdef.KindText {
					d.Def.Type = metricdef.String
				}
				had := s.Definitions.Len()
				var b Batch
				for i, r := range c.rows {
					if i > 0 && k == 1 {
						switch v := r.v.(type) {
						case int:
							b.AddInt(0, r.t, int64(v))
						case float64:
							b.Add(0, r.t, v)
						case string:
							b.AddText(0, r.t, v)
						}
						b.Same()
						continue
					}
					switch v := r.v.(type) {
					case int:
						b.AddIntDraft(d, r.t, int64(v))
					case float64:
						b.AddDraft(d, r.t, v)
					case string:
						b.AddTextDraft(d, r.t, v)
					}
				}
				b.Tenant = num
				if err := s.Commit(t.Context(), &b); err != nil {
					t.Fatal(err)
				}
				refused[k], made[k] = b.Refused, s.Definitions.Len()-had
				for i, ref := range b.Refs {
					if ref != 0 {
						rows[k] = append(rows[k], i)
						if ref != b.Drafts[0].Ref && k == 1 {
							t.Errorf("row %d is of series %d, the draft of %d", i, ref, b.Drafts[0].Ref)
						}
					}
				}
				for _, r := range b.Refusals {
					refusals[k] = append(refusals[k], r.Row)
				}
				slices.Sort(refusals[k])
			}
			if refused[0] != refused[1] || made[0] != made[1] || !slices.Equal(rows[0], rows[1]) || !slices.Equal(refusals[0], refusals[1]) {
				t.Errorf("refused %v, %v; made %v; rows %v; refusals %v", refused[0], refused[1], made, rows, refusals)
			}
			if len(rows[0]) == 0 != (name == "none" || name == "no room") {
				t.Errorf("rows %v are stored", rows[0])
			}
		})
	}
}

// TestSameStale: if the tenant is gone, all rows of a draft are stale, and in the next batch they are the same series again.
func TestSameStale(t *testing.T) {
	s := openTest(t, testOptions(t.TempDir(), &clock{testEpoch}))
	num := setup(t, s, policy.Forever)
	fill := func(b *Batch, num tenant.Num) {
		b.Reset()
		b.AddDraft(Draft{Def: defDraft(num, "m")}, testEpoch, 1)
		for i := range int64(2) {
			b.Add(0, testEpoch+(i+1)*second, 1)
			b.Same()
		}
	}
	var b Batch
	fill(&b, num)
	if err := s.DeleteTenant(t.Context(), num); err != nil {
		t.Fatal(err)
	}
	commit(t, s, &b)
	if !slices.Equal(b.Stale, []int{0, 1, 2}) || !slices.Equal(b.Refs, make([]metricdef.Ref, 3)) {
		t.Fatal(b.Stale, b.Refs)
	}
	again, err := s.EnsureTenant(t.Context(), "again")
	if err != nil {
		t.Fatal(err)
	}
	fill(&b, again)
	commit(t, s, &b)
	if ref := b.Refs[0]; len(b.Stale) != 0 || ref == 0 || !slices.Equal(b.Refs, []metricdef.Ref{ref, ref, ref}) {
		t.Error(b.Stale, b.Refs)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
