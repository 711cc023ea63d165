package tenant

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func apply(t *testing.T, r *Registry, id ID, l Limits) Num {
	t.Helper()
	n := r.Reserve(&Draft{ID: id, Settings: Settings{Limits: l}}, now)
	if _, _, err := r.Apply(r.AppendRecord(nil, n)); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestLimitsInForce(t *testing.T) {
	r := NewRegistry(Options{Limits: Limits{Series: 100, Body: 1 << 20, QuerySeries: 50, Weight: 1}})
	own := apply(t, r, "own", Limits{Series: 7, Body: 2 << 20, QuerySeries: NoLimit, Past: time.Hour})
	other := apply(t, r, "other", Limits{})
	limits := func(n Num, want Limits) {
		t.Helper()
		if got := r.Limits(n); got != want {
			t.Errorf("tenant %d: %+v", n, got)
		}
	}
	// What the configuration caps nobody passes.
	limits(own, Limits{Series: 7, Body: 1 << 20, QuerySeries: 50, Weight: 1, Past: time.Hour})
	limits(other, Limits{Series: 100, Body: 1 << 20, QuerySeries: 50, Weight: 1})
	limits(99, Limits{Series: 100, Body: 1 << 20, QuerySeries: 50, Weight: 1})
	stand := r.Standing(other)
	r.SetOverrides(Overrides{All: Limits{Series: 30, Weight: 2}, Tenants: map[ID]Limits{"other": {Series: NoLimit, Tags: 9}, "own": {Series: 8, Future: time.Minute}, "later": {Tags: 3}}})
	limits(own, Limits{Series: 7, Body: 1 << 20, QuerySeries: 50, Weight: 2, Past: time.Hour, Future: time.Minute})
	limits(other, Limits{Body: 1 << 20, QuerySeries: 50, Weight: 2, Tags: 9})
	limits(0, Limits{Series: 30, Body: 1 << 20, QuerySeries: 50, Weight: 2})
	if r.Standing(other) != stand || stand.Limits().Tags != 9 {
		t.Error("a change of the overrides does not reach who holds on to a standing")
	}
	limits(apply(t, r, "later", Limits{}), Limits{Series: 30, Body: 1 << 20, QuerySeries: 50, Weight: 2, Tags: 3})
	sources := r.LimitSources(own)
	for number, want := range map[int]LimitSource{LimitSeries: FromTenant, LimitBody: FromConfiguration, LimitQuerySeries: FromConfiguration, LimitPast: FromTenant,
		LimitFuture: FromOverrides, LimitWeight: FromOverrides, LimitTags: FromConfiguration} {
		if got := sources[number-1]; got != want {
			t.Errorf("%s is from %s, not %s", LimitNumbered(number).Name, got, want)
		}
	}
	if _, _, err := r.Update(r.AppendSettings(nil, own, Settings{Limits: Limits{Series: NoLimit}})); err != nil {
		t.Fatal(err)
	}
	limits(own, Limits{Body: 1 << 20, QuerySeries: 50, Weight: 2, Future: time.Minute})
	r.SetOverrides(Overrides{})
	if got := fmt.Sprint(r.SetOverrides(Overrides{All: Limits{Tags: 77}}), r.SetOverrides(Overrides{All: Limits{Tags: 77}}), r.SetOverrides(Overrides{})[0]); !strings.HasPrefix(got, "[* ") || !strings.HasSuffix(got, "] []*") {
		t.Errorf("changed: %s", got)
	}
	limits(own, Limits{Body: 1 << 20, QuerySeries: 50, Weight: 1})
	limits(other, Limits{Series: 100, Body: 1 << 20, QuerySeries: 50, Weight: 1})
}

// TestStandingOfATenantMadeAgain: one that is deleted and made again owes nothing and has none of the old limits.
func TestStandingOfATenantMadeAgain(t *testing.T) {
	r := NewRegistry(Options{Limits: Limits{SamplesPerSecond: 10, SamplesBurst: 10}})
	n := apply(t, r, "a", Limits{Series: 3})
	s := r.Standing(n)
	s.Charge(now, 1000)
	s.Refuse(LimitSeries, 5)
	var rate *RateError
	if err := r.CheckRate(n, now); !errors.As(err, &rate) || rate.Tenant != "a" || rate.RetryAfter() != 99*time.Second || s.BurstUsed(now) != 1000 {
		t.Errorf("%v, %d used", err, s.BurstUsed(now))
	}
	for _, done := range []bool{false, true} {
		r.Leave(n)
		if _, _, err := r.Update(r.AppendEnd(nil, n, done)); err != nil {
			t.Fatal(err)
		}
	}
	again := apply(t, r, "a", Limits{})
	if err := r.CheckRate(again, now); err != nil || r.Limits(again).Series != 0 || r.Standing(again).Refused(LimitSeries) != 0 {
		t.Errorf("%v, %+v", err, r.Limits(again))
	}
	if r.Standing(n) != r.Standing(0) {
		t.Error("a tenant whose data is gone still has a standing")
	}
	free := apply(t, r, "free", Limits{SamplesPerSecond: NoLimit})
	r.Standing(free).Charge(now, 1e9)
	if err := r.CheckRate(free, now); err != nil {
		t.Error(err)
	}
}

// TestOverridesUnderLoad changes overrides and settings while limits are read: what is read is one of the states, whole.
func TestOverridesUnderLoad(t *testing.T) {
	r := NewRegistry(Options{Limits: Limits{Series: 1, Tags: 1}})
	var nums []Num
	for i := range 300 {
		nums = append(nums, apply(t, r, ID("t"+string(rune('a'+i%26))+string(rune('a'+i/26))), Limits{}))
	}
	var wg, readers sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if l := r.Standing(nums[i%len(nums)]).Limits(); l.Series != l.Tags {
					t.Errorf("half a change: %+v", l)
					return
				}
			}
		})
	}
	wg.Go(func() {
		for i := range int64(200) {
			r.SetOverrides(Overrides{All: Limits{Series: i + 1, Tags: i + 1}, Tenants: map[ID]Limits{"taa": {Series: i + 5, Tags: i + 5}}})
		}
	})
	wg.Go(func() {
		for i := range int64(200) {
			n := nums[i%7]
			if _, _, err := r.Update(r.AppendSettings(nil, n, Settings{Limits: Limits{Series: i + 9, Tags: i + 9}})); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	close(stop)
	readers.Wait()
	if got := r.Limits(nums[10]).Series; got != 200 {
		t.Errorf("%d at the end", got)
	}
}

func TestCreateRate(t *testing.T) {
	r := NewRegistry(Options{CreateRate: 6, CreateBurst: 2, MaxTenants: 100})
	r.Expect("named")
	write := func(id ID, at int64) error { return r.Admit(&Draft{ID: id, Implicit: true}, at) }
	if err := errors.Join(write("a", now), write("b", now)); err != nil {
		t.Fatal(err)
	}
	var limit *LimitError
	if err := write("c", now); !errors.As(err, &limit) || limit.RetryAfter() != 10*time.Second || limit.Setting != "granary.tenants.create-rate" || limit.Kind() != "over limit" {
		t.Errorf("%v, %+v", err, limit)
	}
	if err := errors.Join(write("named", now), r.Admit(&Draft{ID: "call"}, now)); err != nil {
		t.Errorf("what is named or made by a call is refused: %v", err)
	}
	if err := write("c", now+10*second); err != nil {
		t.Error(err)
	}
	var counts []uint64
	r.CreationsRefused(func(_ Creation, n uint64) { counts = append(counts, n) })
	if !slices.Equal(counts, []uint64{0, 0, 1}) {
		t.Errorf("%v", counts)
	}
}

func BenchmarkLimits(b *testing.B) {
	r := NewRegistry(Options{Limits: Limits{Series: 100}})
	n := r.Reserve(&Draft{ID: "a"}, now)
	b.ReportAllocs()
	for b.Loop() {
		if r.Standing(n).Limits().Series != 100 {
			b.Fatal()
		}
	}
}
