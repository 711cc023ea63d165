package query

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"granary/measures"
	"granary/metricdef"
	"granary/policy"
)

func TestPool(t *testing.T) {
	e, s := small(t)
	num := prepare(t, s, 10*time.Second)
	typed := func(host int, typ metricdef.Type) measures.Draft {
		d := draft(num, "own", host)
		d.Def.Type = typ
		return d
	}
	const big = int64(1) << 60
	var b measures.Batch
	for host := range 2 {
		for i := range int64(2) {
			b.AddIntDraft(typed(10+host, metricdef.Counter), epoch+i*30*sec, big+i+int64(host)*100)
			b.AddTextDraft(typed(20+host, metricdef.String), epoch+i*30*sec, fmt.Sprint(host, i))
		}
	}
	commit(t, s, &b)
	counters, texts := []metricdef.Ref{b.Refs[0], b.Refs[4]}, []metricdef.Ref{b.Refs[1], b.Refs[5]}
	both := []metricdef.Ref{2, 1}
	minute := Buckets{Step: 60 * sec}
	for _, c := range []struct {
		what     string
		r        Request
		from, to int64
		want     string
	}{
		{"samples", Request{Refs: both}, 0, 91, "0[]: 0=1 10=10 30=2 60=3 70=20 90=4"},
		{"newest first", Request{Refs: both, Desc: true, Limit: 3}, 0, 1000, "0[]: 360=30 350=-1 300=5"},
		{"equal times are in the order of the refs", Request{Refs: []metricdef.Ref{counters[1], 1, counters[0]}}, 0, 30, fmt.Sprintf("0[]: 0=1 0=%g 0=%g", float64(big), float64(big+100))},
		{"newest first of them, too", Request{Refs: []metricdef.Ref{counters[1], 1, counters[0]}, Desc: true}, 0, 30, fmt.Sprintf("0[]: 0=%g 0=%g 0=1", float64(big+100), float64(big))},
		{"median of all", Request{Refs: both, Pool: true, Over: policy.Median}, 0, 1000, "0[]: 0=4"},
		{"means of minutes", Request{Refs: both, Buckets: minute, Fill: Fill{How: Null}}, 0, 240, "0[]: 0=4.333333333333333 60=9 120=- 180=-"},
		{"first and last", Request{Refs: both, Buckets: minute, Over: policy.First}, 0, 400, "0[]: 0=1 60=3 300=5 360=30"},
		{"by tags", Request{Refs: both, Buckets: minute, Over: policy.Count, By: []string{"host"}}, 0, 400, "0[{host h00001}]: 0=2 60=2 300=1\n0[{host h00002}]: 0=1 60=1 300=1 360=1"},
		{"rates are those of each series", Request{Refs: both, Rate: Rate{Per: time.Minute, Falls: FallsDrop, Inside: true}}, 0, 1000, "0[]: 30=2 60=2 70=10 90=2 300=0.2857142857142857 360=186"},
		{"previous, from before the range", Request{Refs: both, Buckets: minute, Fill: Fill{How: Previous}, Over: policy.Count}, 180, 361, "0[]: 180=3 240=3 300=2 360=1"},
		{"how many are up", Request{Refs: []metricdef.Ref{3}, Buckets: minute, Over: policy.Sum}, 0, 130, "0[]: 0=1 60=0 120=1"},
		{"nothing", Request{Refs: []metricdef.Ref{77}, Buckets: minute}, 0, 130, "0[]:"},
		{"no series", Request{Buckets: minute}, 0, 130, ""},
	} {
		c.r.From, c.r.To, c.r.Pool = epoch+c.from*sec, epoch+c.to*sec, true
		if got, err := answer(t, e, c.r); err != nil || got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s\n%v", c.what, got, c.want, err)
		}
	}
	for _, c := range []struct {
		refs []metricdef.Ref
		want string
	}{
		{counters, fmt.Sprint([]int64{big, big + 100, big + 1, big + 101}, []string{})},
		{texts, fmt.Sprint([]int64{}, []string{"0 0", "1 0", "0 1", "1 1"})},
	} {
		q, err := e.Prepare(t.Context(), Request{Refs: c.refs, From: epoch, To: epoch + 100*sec, Pool: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := q.Run(t.Context(), func(f *Frame) error {
			if got := fmt.Sprint(f.Ints, f.Texts); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	r := Request{Refs: both, From: epoch, To: epoch + 400*sec, Buckets: minute, Pool: true, Overs: []policy.Method{policy.Median, policy.Std}, Extra: []func([]float64) (float64, bool){newestTwice}}
	if got := columns(t, e, r); got != "0[]: 0=2|4.932882862316247|4 60=4|9.539392014169456|8 300=2|4.242640687119285|-2 360=30||" {
		t.Error(got)
	}
}

// TestMerge puts rows together whose times are spread, alike, or far apart but for a heap of them.
func TestMerge(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	var c combiner
	for round := range 300 {
		rows := make([]points, rnd.IntN(8))
		var want []cell
		for i := range rows {
			at := int64(0)
			for range rnd.IntN(100) {
				switch round % 3 {
				case 0:
					at += 1 + rnd.Int64N(1000)
				case 1:
					at += 10 * sec
				default:
					at += 1 + rnd.Int64N(5)
					if rnd.IntN(300) == 0 {
						at += farthest / 64
					}
				}
				rows[i].add(at-farthest/2, float64(i))
				want = append(want, cell{at - farthest/2, float64(i)})
			}
		}
		slices.SortStableFunc(want, cell.compare)
		got := c.merge(rows)
		if len(got.at) != len(want) || len(got.values) != len(want) {
			t.Fatalf("%d samples, want %d", len(got.at), len(want))
		}
		for i, w := range want {
			if got.at[i] != w.at || got.values[i] != w.value {
				t.Fatalf("sample %d is %d %v, want %v", i, got.at[i], got.values[i], w)
			}
		}
	}
}
