package series

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"granary/compat/gnocchi/when"
	"granary/metricdef"
	"granary/policy"
)

func dayOf(text string) int64 {
	t, err := time.Parse("2006-01-02", text)
	if err != nil {
		panic(err)
	}
	return t.UnixNano()
}

func unit(letter string) when.Calendar {
	c, ok := when.ParseCalendar(letter)
	if !ok {
		panic(letter)
	}
	return c
}

func TestGrouping(t *testing.T) {
	for _, c := range []struct {
		letter, day, first, next string
	}{
		{"Y", "2020-02-29", "2020-01-01", "2021-01-01"},
		{"H", "2020-06-30", "2020-01-01", "2020-07-01"},
		{"H", "2020-07-01", "2020-07-01", "2021-01-01"},
		{"Q", "2020-12-31", "2020-10-01", "2021-01-01"},
		{"Q", "2020-05-05", "2020-04-01", "2020-07-01"},
		{"M", "2020-12-01", "2020-12-01", "2021-01-01"},
		{"M", "2020-02-29", "2020-02-01", "2020-03-01"},
		{"W", "2014-10-06", "2014-10-05", "2014-10-12"}, // a Monday
		{"W", "2020-01-01", "2019-12-29", "2020-01-05"},
		{"W", "2020-01-05", "2020-01-05", "2020-01-12"}, // a Sunday
	} {
		g := Grouping{Unit: unit(c.letter)}
		at := dayOf(c.day) + int64(23*time.Hour)
		if got := g.Floor(at); got != dayOf(c.first) {
			t.Errorf("%s of %s begins at %s", c.letter, c.day, time.Unix(0, got).UTC())
		}
		if got := g.Next(at); got != dayOf(c.next) {
			t.Errorf("%s behind %s begins at %s", c.letter, c.day, time.Unix(0, got).UTC())
		}
		if got := g.Ceil(at); got != dayOf(c.next) {
			t.Errorf("%s from %s on begins at %s", c.letter, c.day, time.Unix(0, got).UTC())
		}
		if got := g.Ceil(dayOf(c.first)); got != dayOf(c.first) {
			t.Errorf("%s at its first day begins at %s", c.letter, time.Unix(0, got).UTC())
		}
	}
	// The ends of time do not overflow.
	for _, letter := range []string{"Y", "W"} {
		g := Grouping{Unit: unit(letter)}
		if g.Floor(Earliest) > Earliest || g.Next(Latest) < Latest {
			t.Errorf("%s does not hold the ends of time", letter)
		}
	}
	if g := (Grouping{Step: 7}); g.Floor(-1) != -7 || g.Next(-1) != 0 || g.Ceil(-7) != -7 || g.Ceil(1) != 7 {
		t.Error("widths are not aligned to 1970")
	}
}

func TestResample(t *testing.T) {
	minute := int64(time.Minute)
	c := Column{Times: []int64{0, minute, 3 * minute, 4 * minute, 10 * minute}, Values: []float64{5, 100, -4, 6, 1}}
	for _, x := range []struct {
		method string
		step   int64
		want   Column
	}{
		{"mean", 2 * minute, Column{[]int64{0, 2 * minute, 4 * minute, 10 * minute}, []float64{52.5, -4, 6, 1}}},
		{"count", 5 * minute, Column{[]int64{0, 10 * minute}, []float64{4, 1}}},
		{"std", 2 * minute, Column{[]int64{0}, []float64{67.17514421272202}}},
		{"last", 5 * minute, Column{[]int64{0, 10 * minute}, []float64{6, 1}}},
		{"mean", minute / 2, Column{c.Times, c.Values}},
		{"rate:mean", 5 * minute, Column{[]int64{0, 10 * minute}, []float64{(95.0 - 104 + 10) / 3, -5}}},
		{"rate:last", 2 * minute, Column{[]int64{0, 2 * minute, 4 * minute, 10 * minute}, []float64{95, -104, 10, -5}}},
	} {
		m, err := policy.ParseMethod(x.method)
		if err != nil {
			t.Fatal(err)
		}
		got := Resample(c, m, Grouping{Step: x.step})
		if !slices.Equal(got.Times, x.want.Times) || !slices.EqualFunc(got.Values, x.want.Values, near) {
			t.Errorf("%s by %v is %v, want %v", x.method, time.Duration(x.step), got, x.want)
		}
	}
	if got := Resample(Column{[]int64{1}, []float64{1}}, policy.Sum.Rate(), Grouping{Step: 5}); len(got.Times) > 0 {
		t.Errorf("one value has a rate: %v", got)
	}
	if got := c.Within(minute, 4*minute); !slices.Equal(got.Times, []int64{minute, 3 * minute}) || !slices.Equal(got.Values, []float64{100, -4}) {
		t.Errorf("within: %v", got)
	}
	if got := c.Within(20*minute, 30*minute); len(got.Times) > 0 {
		t.Errorf("within nothing: %v", got)
	}
}

// TestResampled holds what is read for a resample of a part against the same part of a resample of everything.
func TestResampled(t *testing.T) {
	minute := int64(time.Minute)
	b := newBed(t)
	p := archive(t, "p", vectorPolicy{Methods: []string{"mean", "sum", "rate:last"}, Tiers: []vectorTier{{60, 0}}})
	b.policies(p)
	ref := b.metric(metricdef.Gauge, "m", "p")
	base := dayOf("2020-01-01")
	var times []int64
	var values []float64
	for i := range int64(500) {
		if i%7 != 3 {
			times, values = append(times, base+i*minute), append(values, float64(i*i%97))
		}
	}
	b.post(ref, times, values)
	for _, g := range []Grouping{{Step: 7 * minute}, {Step: minute / 2}, {Unit: when.Month}} {
		for _, m := range []policy.Method{policy.Mean, policy.Last.Rate()} {
			w := Want{ref, m, minute, Earliest, Latest}
			all := Resample(b.read(w)[0], m, g)
			for from := base - 10*minute; from < base+510*minute; from += 61 * minute {
				w.Start, w.Stop = from, from+133*minute
				got := Resample(b.read(w.Resampled(g))[0], m, g).Within(g.Floor(w.Start), w.Stop)
				want := all.Within(g.Floor(w.Start), w.Stop)
				if !slices.Equal(got.Times, want.Times) || !slices.Equal(got.Values, want.Values) {
					t.Errorf("%v of %v from %d: %v, want %v", g, m, from, got, want)
				}
			}
		}
	}
}

// TestResampleInParts: a column that comes in parts gives what it gives as a whole.
func TestResampleInParts(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		var c Column
		at := dayOf("2019-12-20")
		for range rng.IntN(200) {
			at += 1 + rng.Int64N(int64(30*time.Hour))
			c.Times, c.Values = append(c.Times, at), append(c.Values, math.Round(rng.NormFloat64()*100)/8)
		}
		groups := []Grouping{{Step: 1 + rng.Int64N(int64(100*time.Hour))}, {Unit: when.Month}, {Unit: when.Week}}
		g := groups[rng.IntN(len(groups))]
		m := policy.GnocchiMethods()[rng.IntN(len(policy.GnocchiMethods()))]
		want := Resample(c, m, g)
		r := NewResampler(m, g)
		var got Column
		add := func(c Column) { got.Times, got.Values = append(got.Times, c.Times...), append(got.Values, c.Values...) }
		for i := 0; i < len(c.Times); {
			j := i + rng.IntN(len(c.Times)-i+1)
			add(r.Add(c.Part(i, j)))
			i = j
		}
		add(r.End())
		if !slices.Equal(got.Times, want.Times) || !slices.EqualFunc(got.Values, want.Values, near) {
			t.Fatalf("%v by %v: %v, want %v", m, g, got, want)
		}
		for i, start := range want.Times {
			if g.Floor(start) != start || i > 0 && start <= want.Times[i-1] {
				t.Fatalf("%v by %v: a bucket begins at %d", m, g, start)
			}
		}
	}
}
