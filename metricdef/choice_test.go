package metricdef

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"granary/tenant"
)

func TestChoices(t *testing.T) {
	ctx := context.Background()
	r := NewRegistry(Options{})
	add := func(num tenant.Num, n int, name, dialect, policy string) {
		for i := range n {
			d := &Draft{Identity: Identity{Tenant: num, Type: Gauge, Name: name, Tags: []Tag{{"i", fmt.Sprintf("%d %s %s", i, dialect, policy)}}}, Dialect: dialect, Policy: policy}
			ref := r.Reserve(d, 1)
			if _, _, err := r.Apply(r.AppendRecord(nil, ref)); err != nil {
				t.Fatal(err)
			}
		}
	}
	add(1, 3, "a", "native", "")
	add(1, 2, "b", "native", "p")
	add(1, 1, "a", "native", "p")
	add(1, 4, "a", "influx", "")
	add(2, 5, "a", "native", "p")
	r.Reserve(&Draft{Identity: Identity{Tenant: 1, Type: Gauge, Name: "reserved"}, Dialect: "native", Policy: "p"}, 1)
	got, err := r.Choices(ctx, 1)
	if d := cmp.Diff([]Choice{{"native", "a", "", 3}, {"native", "b", "p", 2}, {"native", "a", "p", 1}, {"influx", "a", "", 4}}, got); d != "" || err != nil {
		t.Errorf("%v %s", err, d)
	}
	for policy, want := range map[string]int{"p": 3, "q": 0, "a": 0, "": 0} {
		if n, err := r.Naming(ctx, 1, policy); n != want || err != nil {
			t.Errorf("%q: %d, %v", policy, n, err)
		}
	}
	if n, err := r.Naming(ctx, 9, "p"); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := r.Choices(ended, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := r.Naming(ended, 1, "p"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func BenchmarkChoices(b *testing.B) {
	r := NewRegistry(Options{})
	for i := range 100_000 {
		d := &Draft{Identity: Identity{Tenant: 1, Type: Gauge, Name: fmt.Sprint("m", i%100), Tags: []Tag{{"i", fmt.Sprint(i)}}}, Dialect: "native"}
		if _, _, err := r.Apply(r.AppendRecord(nil, r.Reserve(d, 1))); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if list, err := r.Choices(context.Background(), 1); err != nil || len(list) != 100 {
			b.Fatal(len(list), err)
		}
	}
}
