package measures

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"granary/policy"
)

// TestPoliciesAtOnce has several callers set policies at once: one of the sets is in force in the end, under a revision of
// its own, and a crash does not change which.
func TestPoliciesAtOnce(t *testing.T) {
	ctx := context.Background()
	o := testOptions(t.TempDir(), &clock{testEpoch})
	s := openTest(t, o)
	setup(t, s, policy.Forever)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := s.SetPolicies(ctx, testSet(t, policy.Forever, time.Duration(i+1)*time.Second)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	want := s.Policies.Current()
	for range 2 {
		got := s.Policies.Current()
		if !policy.Equal(got, want) || got.Revision() != want.Revision() {
			t.Errorf("revision %d, want %d", got.Revision(), want.Revision())
		}
		// The last call counts.
		if err := s.SetPolicies(ctx, testSet(t, policy.Forever, time.Hour)); err != nil {
			t.Fatal(err)
		}
		want = s.Policies.Current()
		if p, _ := want.Resolve("clustercockpit", "m60"); p.Grid != time.Hour {
			t.Errorf("%+v", p)
		}
		s.crash()
		s = openTest(t, o)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestPoliciesTooLarge refuses a set that no journal record can hold, with an error and not with a panic.
func TestPoliciesTooLarge(t *testing.T) {
	ctx := context.Background()
	o := testOptions(t.TempDir(), &clock{testEpoch})
	s := openTest(t, o)
	setup(t, s, policy.Forever)
	var metrics []policy.ClusterCockpitMetric
	for i := range 5000 {
		metrics = append(metrics, policy.ClusterCockpitMetric{Name: fmt.Sprintf("m%d%s", i, strings.Repeat("x", 200)), Frequency: time.Minute})
	}
	set, err := policy.FromClusterCockpit(metrics, policy.Retention{Length: policy.Forever, Clock: policy.SampleClock}, true)
	if err != nil {
		t.Fatal(err)
	}
	var kind interface{ Kind() string }
	if err := s.SetPolicies(ctx, set); !errors.As(err, &kind) || kind.Kind() != "over limit" {
		t.Errorf("%v", err)
	}
	write(t, s, 1, "m10", []int{0}, testEpoch, 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
