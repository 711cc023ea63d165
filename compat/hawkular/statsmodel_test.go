package hawkular

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"

	"granary/metricdef"
)

// naive are statistics as the contract words them, made without thought of what it costs.
type naive struct {
	strict, gauge bool
	percentiles   []float64
}

// bucket is the statistics of values in the order of time; nil if there is none.
func (n naive) bucket(values []float64) map[string]float64 {
	if len(values) == 0 {
		return nil
	}
	sorted := slices.Clone(values)
	sort.Float64s(sorted)
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	b := map[string]float64{"min": sorted[0], "max": sorted[len(sorted)-1], "sum": sum, "avg": sum / float64(len(values)), "samples": float64(len(values))}
	exact := func(p float64) float64 {
		at := p / 100 * float64(len(sorted)-1)
		low := int(math.Floor(at))
		high := min(low+1, len(sorted)-1)
		return sorted[low] + (sorted[high]-sorted[low])*(at-float64(low))
	}
	quantile := func(name string, p float64) {
		switch {
		case !n.strict:
			b[name] = exact(p)
		case p == 0, p == 100:
			b[name] = exact(p)
		case len(sorted) <= 5:
			b[name] = sorted[int(p/100*float64(len(sorted)-1))]
		}
	}
	quantile("median", 50)
	for _, p := range n.percentiles {
		quantile(fmt.Sprint("p", p), p)
	}
	if !n.strict {
		b["first"], b["last"] = values[0], values[len(values)-1]
		if len(values) > 1 {
			squares := 0.0
			for _, v := range values {
				squares += (v - b["avg"]) * (v - b["avg"])
			}
			b["std"] = math.Sqrt(squares / float64(len(values)-1))
		}
	}
	return b
}

// rates are per minute; the first point has none, and counters do not fall.
func rates(points []point, counter bool) (list []point) {
	for i := 1; i < len(points); i++ {
		d := points[i].value - points[i-1].value
		if !counter || d >= 0 {
			list = append(list, point{at: points[i].at, value: d * 60000 / float64(points[i].at-points[i-1].at)})
		}
	}
	return list
}

// edges are those of the buckets of a range: by a number of buckets, or by their width.
func edges(from, to, count, width int64) []int64 {
	if width == 0 {
		span := big.NewInt(to - from)
		q, r := new(big.Int).DivMod(span, big.NewInt(count), new(big.Int))
		up := new(big.Int).Add(q, big.NewInt(1))
		if r.Sign() != 0 && new(big.Int).Mul(big.NewInt(count-1), up).Cmp(span) < 0 {
			q = up
		}
		width = q.Int64()
	} else {
		for count = 1; from+count*width < to; count++ {
		}
	}
	list := []int64{from}
	for i := range count {
		list = append(list, from+(i+1)*width)
	}
	return list
}

// readBucket reads a bucket of an answer as naive has it.
func readBucket(t *testing.T, raw map[string]json.RawMessage, asked []string) (start, end int64, empty bool, b map[string]float64) {
	t.Helper()
	b = map[string]float64{}
	for name, text := range raw {
		var err error
		switch name {
		case "start":
			err = json.Unmarshal(text, &start)
		case "end":
			err = json.Unmarshal(text, &end)
		case "empty":
			err = json.Unmarshal(text, &empty)
		case "percentiles":
			var list []struct {
				Quantile         float64
				Value            float64
				OriginalQuantile string
			}
			err = json.Unmarshal(text, &list)
			for i, p := range list {
				b[fmt.Sprint("p", p.Quantile)] = p.Value
				if p.OriginalQuantile != asked[i] {
					t.Errorf("percentile %d is %q, asked for %q", i, p.OriginalQuantile, asked[i])
				}
			}
		default:
			var v float64
			err = json.Unmarshal(text, &v)
			b[name] = v
		}
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	return start, end, empty, b
}

// TestStatsModel compares random questions with the naive reading of the contract.
func TestStatsModel(t *testing.T) {
	both(t, func(t *testing.T, b *bed) {
		rng := rand.New(rand.NewPCG(3, 4))
		data := map[string][]point{}
		for _, typ := range []metricdef.Type{metricdef.Gauge, metricdef.Counter} {
			for i := range 4 {
				var points []point
				at, value := int64(1_000_000+rng.IntN(1000)), 0.0
				for range 400 {
					at += 1 + int64(rng.ExpFloat64()*900)
					value += math.Round(rng.NormFloat64() * 1000)
					if typ == metricdef.Gauge {
						value += math.Round(rng.NormFloat64()*100) / 128
					}
					points = append(points, point{at: at, value: value})
				}
				name := fmt.Sprint("m", i)
				b.put("t", typ, name, []string{"all=1"}, points...)
				data[typ.String()+name] = points
			}
		}
		for range 400 {
			counter, rate, stacked := rng.IntN(2) == 0, rng.IntN(3) == 0, rng.IntN(3) == 0
			typ, path := "gauge", "/gauges"
			if counter {
				typ, path = "counter", "/counters"
			}
			from := int64(1_000_000 + rng.IntN(400_000))
			to := from + 1 + int64(rng.IntN(100_000))
			count, width := int64(1+rng.IntN(40)), int64(0)
			query := fmt.Sprintf("start=%d&end=%d&percentiles=90.0,%%2099.99,0,100", from, to)
			asked := []string{"90.0", "99.99", "0", "100"}
			if rng.IntN(2) == 0 {
				count, width = 0, 1+int64(rng.IntN(30_000))
				query += fmt.Sprintf("&bucketDuration=%dms", width)
			} else {
				if count > to-from {
					continue
				}
				query += fmt.Sprintf("&buckets=%d", count)
			}
			names := []string{"m0", "m1", "m2", "m3"}[:1+rng.IntN(4)]
			for _, n := range names {
				query += "&metrics=" + n
			}
			if stacked {
				query += "&stacked=true"
			}
			path += map[bool]string{true: "/rate/stats?", false: "/stats?"}[rate] + query
			n := naive{strict: b.o.Strict, gauge: !counter, percentiles: []float64{90, 99.99, 0, 100}}
			lists := make([][]point, len(names))
			for i, name := range names {
				points := slices.DeleteFunc(slices.Clone(data[typ+name]), func(p point) bool { return p.at < from || p.at >= to })
				if rate {
					points = rates(points, counter)
				}
				lists[i] = points
			}
			var got []map[string]json.RawMessage
			w := b.ask(path, "")
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 {
				t.Fatalf("%s: %d, %v: %s", path, w.Code, err, w.Body)
			}
			borders := edges(from, to, count, width)
			if len(got) != len(borders)-1 {
				t.Fatalf("%s: %d buckets, want %d", path, len(got), len(borders)-1)
			}
			for i := range got {
				start, end, empty, has := readBucket(t, got[i], asked)
				var want map[string]float64
				inside := func(list []point) (values []float64) {
					for _, p := range list {
						if p.at >= borders[i] && p.at < borders[i+1] {
							values = append(values, p.value)
						}
					}
					return values
				}
				if stacked {
					want = stackedUp(n, lists, inside)
				} else {
					want = n.bucket(inside(merged(lists)))
				}
				if empty && stacked && n.strict {
					clear(has) // its zeros are nothing
				}
				if start != borders[i] || end != borders[i+1] || empty != (want == nil) {
					t.Fatalf("%s: bucket %d: %s, want from %d to %d, %v", path, i, got[i], borders[i], borders[i+1], want)
				}
				for name, v := range want {
					if math.Abs(has[name]-v) > 1e-6*max(1, math.Abs(v)) {
						t.Fatalf("%s: bucket %d: %s is %v, want %v: %s", path, i, name, has[name], v, got[i])
					}
				}
				// What the estimator makes of more than a few values is tested where it is.
				for name := range has {
					if _, ok := want[name]; !ok && !(n.strict && (name == "median" || strings.HasPrefix(name, "p"))) {
						t.Fatalf("%s: bucket %d has %s: %s", path, i, name, got[i])
					}
				}
			}
		}
	})
}

// merged is all points by their times, those of one time by their metrics.
func merged(lists [][]point) (all []point) {
	for _, l := range lists {
		all = append(all, l...)
	}
	slices.SortStableFunc(all, func(a, b point) int { return int(a.at - b.at) })
	return all
}

// stackedUp adds up the statistics of each metric.
func stackedUp(n naive, lists [][]point, inside func([]point) []float64) map[string]float64 {
	var sums map[string]float64
	known := map[string]int{}
	metrics := 0
	for _, l := range lists {
		one := n.bucket(inside(l))
		if one == nil {
			continue
		}
		metrics++
		if sums == nil {
			sums = map[string]float64{}
		}
		for name, v := range one {
			known[name]++
			sums[name] += v
		}
	}
	if sums == nil {
		return nil
	}
	for name, times := range known {
		// An estimate of one of them is not known here.
		if times < metrics || name == "first" || name == "last" || name == "std" {
			delete(sums, name)
		}
	}
	sums["samples"] = float64(metrics)
	return sums
}
