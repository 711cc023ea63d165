package query

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"granary/measures"
	"granary/metricdef"
	"granary/policy"
)

// TestKinds asks for whole numbers beyond 2^53, texts, and the tags of points; from heads and from chunks.
func TestKinds(t *testing.T) {
	s := openStore(t, t.TempDir())
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	num := prepare(t, s, 10*time.Second)
	typed := func(host int, typ metricdef.Type) measures.Draft {
		d := draft(num, "own", host)
		d.Def.Type = typ
		return d
	}
	const big = int64(1) << 60
	var b measures.Batch
	b.AddIntDraft(typed(1, metricdef.Counter), epoch, big+1)
	b.AddTags(`{"a":"1"}`)
	b.AddIntDraft(typed(1, metricdef.Counter), epoch+10*sec, big+4)
	b.AddIntDraft(typed(1, metricdef.Counter), epoch+20*sec, 5)
	b.AddTags(`{"a":"3"}`)
	for i, text := range []string{"x", "y", "x", "", "z"} {
		b.AddTextDraft(typed(2, metricdef.String), epoch+int64(i)*30*sec, text)
	}
	b.AddTags(`{"last":"1"}`)
	b.AddTextDraft(typed(3, metricdef.String), epoch, "other")
	commit(t, s, &b)
	b.Reset()
	for i := range int64(300) {
		b.AddTextDraft(typed(4, metricdef.String), epoch+i*sec, fmt.Sprint(i%7))
	}
	commit(t, s, &b)
	e := New(s, Options{Definitions: s.Definitions})
	show := func(r Request) string {
		r.From, r.To = epoch, epoch+1000*sec
		q, err := e.Prepare(context.Background(), r)
		if err != nil {
			return err.Error()
		}
		var b strings.Builder
		if err := q.Run(context.Background(), func(f *Frame) error {
			fmt.Fprintf(&b, "%v %v %v %v %q", f.Kind, f.Ints, f.Texts, f.Present, f.Tags)
			if f.Kind == metricdef.KindFloat {
				fmt.Fprint(&b, f.Values)
			}
			return nil
		}); err != nil {
			return err.Error()
		}
		return b.String()
	}
	minute := Buckets{Step: 60 * sec}
	for _, c := range []struct {
		r    Request
		want string
	}{
		{Request{Refs: []metricdef.Ref{1}}, `int [1152921504606846977 1152921504606846980 5] [] [] []`},
		{Request{Refs: []metricdef.Ref{1}, Desc: true, Limit: 1}, `int [5] [] [] []`},
		{Request{Refs: []metricdef.Ref{1}, PointTags: true}, `int [1152921504606846977 1152921504606846980 5] [] [] ["{\"a\":\"1\"}" "" "{\"a\":\"3\"}"]`},
		{Request{Refs: []metricdef.Ref{1}, PointTags: true, Desc: true, Limit: 2}, `int [5 1152921504606846980] [] [] ["{\"a\":\"3\"}" ""]`},
		{Request{Refs: []metricdef.Ref{1}, Rate: Rate{Per: time.Second}}, `float [] [] [] [][0.3 0.5]`},
		{Request{Refs: []metricdef.Ref{1}, Over: policy.Max.Rate()}, `float [] [] [] [][3]`},
		{Request{Refs: []metricdef.Ref{1}, Over: policy.Min}, `float [] [] [] [][5]`},
		{Request{Refs: []metricdef.Ref{2}, PointTags: true}, `text [] [x y x  z] [] ["" "" "" "" "{\"last\":\"1\"}"]`},
		{Request{Refs: []metricdef.Ref{2}, Desc: true, Limit: 2}, `text [] [z ] [] []`},
		{Request{Refs: []metricdef.Ref{2}, Buckets: minute, Over: policy.Last}, `text [] [y  z] [] []`},
		{Request{Refs: []metricdef.Ref{2}, Buckets: Buckets{Step: 15 * sec}, Over: policy.First, Limit: 3, Fill: Fill{How: Null}}, `text [] [x  y] [5] []`},
		{Request{Refs: []metricdef.Ref{2}, Over: policy.NUnique}, `float [] [] [] [][4]`},
		{Request{Refs: []metricdef.Ref{2, 3}, Over: policy.First, Across: policy.Last}, `text [] [other] [] []`},
		{Request{Refs: []metricdef.Ref{2, 3}, Over: policy.Count, Across: policy.Sum}, `float [] [] [] [][6]`},
		{Request{Refs: []metricdef.Ref{2}, Buckets: minute}, `query: method: series "own" has values of kind text, of which there is no mean; there is first, last, count and nunique`},
		{Request{Refs: []metricdef.Ref{2}, Buckets: minute, Over: policy.Last, Fill: Fill{How: Linear}}, `query: fill: buckets of kind text are filled by null or previous only`},
		{Request{Refs: []metricdef.Ref{4}, Over: policy.NUnique}, `float [] [] [] [][7]`},
		{Request{Refs: []metricdef.Ref{4}, Buckets: Buckets{Step: 240 * sec}, Over: policy.Count}, `float [] [] [] [][120 180]`},
		{Request{Refs: []metricdef.Ref{4}, Desc: true, Limit: 3}, `text [] [5 4 3] [] []`},
	} {
		if got := show(c.r); got != c.want {
			t.Errorf("%+v:\n%s\nwant\n%s", c.r, got, c.want)
		}
	}
	// Small parts must give what one read gives.
	for _, back := range []bool{false, true} {
		total, from, to := 0, epoch-sec, epoch+1000*sec
		for from < to {
			var r measures.TextReader
			at := s.Border(4, from, to, 50, back)
			lo, hi := from, at
			if back {
				lo, hi, to = at, to, at
			} else {
				from = at
			}
			if err := s.ReadText(context.Background(), &r, 4, lo, hi); err != nil {
				t.Fatal(err)
			}
			total += len(r.Texts)
		}
		if total != 300 {
			t.Errorf("%d texts in parts", total)
		}
	}
	if w := s.Weight(4, math.MinInt64, math.MaxInt64); w != 300 {
		t.Errorf("texts weigh %d", w)
	}
}
