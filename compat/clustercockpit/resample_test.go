package clustercockpit

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// plainLTTB is written from the description of the algorithm, bucket by bucket, without running indices.
func plainLTTB(x []float64, m int) []float64 {
	n := len(x)
	if m <= 2 {
		return []float64{x[0], x[n-1]}
	}
	w := float64(n-2) / float64(m-2)
	edge := func(k int) int { // where bucket k ends, k from 0
		e := int(math.Floor(float64(k+1)*w)) + 1
		if k > 0 {
			e = min(e, n-2)
		}
		return e
	}
	out := []float64{x[0]}
	prev := 0
	for k := range m - 2 {
		low := 1
		if k > 0 {
			low = edge(k - 1)
		}
		next := x[min(edge(k), n):max(edge(k), min(edge(k+1), n-2)+1)]
		mean, hole := 0.0, len(next) == 0
		for _, v := range next {
			mean += v
			hole = hole || math.IsNaN(v)
		}
		mean /= float64(len(next))
		at := (float64(edge(k)) + float64(edge(k)+len(next)-1)) / 2
		type candidate struct {
			j    int
			area float64
		}
		var all []candidate
		for j := low; j < edge(k); j++ {
			area := math.Abs((float64(prev)-float64(j))*(mean-x[prev])-(float64(prev)-at)*(x[j]-x[prev])) / 2
			if hole {
				area = math.NaN()
			}
			all = append(all, candidate{j, area})
		}
		best := all[0]
		for _, c := range all[1:] {
			switch {
			case math.IsNaN(best.area):
				if math.IsNaN(c.area) {
					best = c
				}
			case math.IsNaN(c.area) || c.area > best.area:
				best = c
			}
		}
		out = append(out, x[best.j])
		prev = best.j
	}
	return append(out, x[n-1])
}

func sameBits(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) || x != x && y != y })
}

func TestLTTBAgainstModel(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 0))
	for round := range 400 {
		n := 1000 + r.IntN(2000)
		x := make([]float64, n)
		v := 0.0
		for i := range x {
			v += r.NormFloat64()
			x[i] = v
			if round%2 == 1 && r.IntN(40) == 0 {
				x[i] = math.NaN()
			}
		}
		m := 1 + r.IntN(n/2)
		if round < 5 {
			m = round + 1
		}
		got, want := lttb(nil, x, m), plainLTTB(x, m)
		if !sameBits(got, want) {
			t.Fatalf("n %d m %d: %v\nwant %v", n, m, got, want)
		}
		if len(got) != max(m, 2) {
			t.Fatalf("n %d m %d: %d points", n, m, len(got))
		}
	}
}

func TestLTTBBesideHoles(t *testing.T) {
	x := make([]float64, 1002)
	for i := range x {
		x[i] = float64(i)
	}
	x[150] = math.NaN() // in the second bucket of [1,101) [101,201) ...
	got := lttb(nil, x, 12)
	// The first bucket looks at a hole, so its last candidate is picked; the second holds the hole, and the area of no
	// other candidate can displace it.
	if got[1] != 100 || got[2] == got[2] || len(got) != 12 {
		t.Errorf("%v", got)
	}
}

func TestResample(t *testing.T) {
	long := make([]float64, 1200)
	short := long[:999]
	for _, c := range []struct {
		x          []float64
		have, want int64
		points     int
		resolution int64
		err        string
	}{
		{long, 60, 0, 1200, 60, ""},
		{long, 60, -5, 1200, 60, ""},
		{long, 60, 30, 1200, 60, ""},
		{long, 60, 60, 1200, 60, ""},
		{long, 60, 120, 600, 120, ""},
		{long, 60, 300, 240, 300, ""},
		{long, 60, 60 * 1200, 2, 72000, ""}, // m = 1
		{long, 60, 60 * 600, 2, 36000, ""},  // m = 2
		{long, 60, 60 * 1201, 1200, 60, ""}, // m = 0
		{short, 60, 120, 999, 60, ""},
		{nil, 60, 120, 0, 60, ""},
		{short, 60, 90, 0, 0, "new sampling frequency (90) must be a multiple of old frequency (60)"},
	} {
		got, resolution, err := resample(nil, c.x, c.have, c.want)
		if fmt.Sprint(err) != cmpOr(c.err, "<nil>") || len(got) != c.points || resolution != c.resolution {
			t.Errorf("%d points %d -> %d: %d points, %d, %v", len(c.x), c.have, c.want, len(got), resolution, err)
		}
	}
}

func cmpOr(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// TestResampledAnswer: statistics are those of the points picked; padding stays in native steps.
func TestResampledAnswer(t *testing.T) {
	d, m := newTest(t, nil)
	x := make([]float64, 2000)
	for i := range x {
		x[i] = math.Sin(float64(i)/50) * float64(i%7)
		m.put(1, []string{"c", "h"}, "load10", (t0+int64(i)*10)*second, x[i])
	}
	got := results(t, d, t0-50, t0+20000, `"queries":[{"metric":"load10","host":"h","resolution":40}]`)
	picked := plainLTTB(x, 500)
	s := statsOf(picked)
	var want strings.Builder
	want.WriteString("null,null,null,null,null")
	for _, v := range picked {
		fmt.Fprintf(&want, ",%.3f", v)
	}
	tail := fmt.Sprintf(`],"from":%d,"to":%d,"resolution":40,"avg":%.2f,"min":%.2f,"max":%.2f}]]`, t0, t0+20000, s.mean, s.min, s.max)
	all := `[[{"data":[` + want.String() + tail
	for i := range min(len(got), len(all)) {
		if got[i] != all[i] {
			t.Fatalf("at %d: %.60s\nwant %.60s", i, got[i:], all[i:])
		}
	}
	if len(got) != len(all) {
		t.Errorf("%d bytes, want %d", len(got), len(all))
	}
	if w := ask(d, http.MethodGet, "/api/query", fmt.Sprintf(`{"cluster":"c","from":%d,"to":%d,"queries":[{"metric":"load10","host":"h","resolution":25}]}`, t0, t0+100)); !strings.Contains(w.Body.String(), `{"error":"new sampling frequency (25) must be a multiple of old frequency (10)","from":0`) {
		t.Errorf("not a multiple: %s", w.Body)
	}
}
