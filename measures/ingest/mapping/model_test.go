package mapping

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"granary/measures"
)

// event is a sample of a source of the model.
type event struct {
	metric, host, dev string
	at                int64 // seconds
	value             float64
}

func (e event) source() string { return e.metric + "," + e.host + "," + e.dev }

// modelled is what a table makes of all samples that there are, worked out from the whole: rates in the order of times, slots
// over everything.
func modelled(r Rule, all []event) map[string]map[int64]float64 {
	bySource := map[string][]event{}
	for _, e := range all {
		bySource[e.source()] = append(bySource[e.source()], e)
	}
	type spot struct {
		host string
		at   int64
	}
	slots := map[spot]map[string]float64{}
	matches := map[spot]map[int]bool{}
	for name, events := range bySource {
		slices.SortFunc(events, func(a, b event) int { return int(a.at - b.at) })
		for i, e := range events {
			for m, match := range r.From {
				if match.Metric != e.metric {
					continue
				}
				v := e.value
				if match.Rate {
					if i == 0 || e.at-events[i-1].at > 300 {
						continue
					}
					grown := v - events[i-1].value
					if grown < 0 {
						grown = v
					}
					v = grown / float64(e.at-events[i-1].at)
				}
				if match.Scale != 0 {
					v *= match.Scale
				}
				s := spot{e.host, e.at}
				if width := int64(r.Slot / time.Second); width > 0 {
					s.at = e.at / width * width
				}
				if slots[s] == nil {
					slots[s], matches[s] = map[string]float64{}, map[int]bool{}
				}
				slots[s][fmt.Sprint(name, m)] = v // the last of a slot
				matches[s][m] = true
			}
		}
	}
	out := map[string]map[int64]float64{}
	for s, values := range slots {
		if len(matches[s]) < len(r.From) {
			continue
		}
		list := slices.Collect(maps.Values(values))
		v := 0.0
		for _, x := range list {
			v += x
		}
		switch r.Combine {
		case Avg:
			v /= float64(len(list))
		case Min:
			v = slices.Min(list)
		case Max:
			v = slices.Max(list)
		}
		key := fmt.Sprintf("1:%s{host=%q}", r.Name, s.host)
		if out[key] == nil {
			out[key] = map[int64]float64{}
		}
		out[key][s.at*1e9] = v
	}
	return out
}

// TestModel: whatever the sources, however their samples are spread over bodies, whichever bodies the store fails, whichever come again or at the
// same time: what is stored is what a plain model makes of all samples.
func TestModel(t *testing.T) {
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		r := Rule{Name: "out", By: []string{"host"}, Combine: []string{Sum, Avg, Min, Max}[rnd.IntN(4)], Slot: time.Duration(rnd.IntN(2)*30) * time.Second}
		for _, metric := range []string{"a", "b"}[:1+rnd.IntN(2)] {
			r.From = append(r.From, Match{Metric: metric, Rate: rnd.IntN(2) == 0, Scale: float64(rnd.IntN(5) - 2)})
		}
		var all []event
		var streams [][]event // of a source each, in the order of times
		for _, m := range r.From {
			for host := range 1 + rnd.IntN(3) {
				for dev := range 1 + rnd.IntN(3) {
					var stream []event
					at := int64(rnd.IntN(10))
					for range 10 + rnd.IntN(20) {
						stream = append(stream, event{m.Metric, fmt.Sprint("h", host), fmt.Sprint("d", dev), at, float64(rnd.IntN(1000))})
						if at += 10; rnd.IntN(15) == 0 {
							at += 400
						}
					}
					all = append(all, stream...)
					streams = append(streams, stream)
				}
			}
		}
		testModel(t, seed, r, streams, modelled(r, all), rnd)
	}
}

func testModel(t *testing.T, seed uint64, r Rule, streams [][]event, want map[string]map[int64]float64, rnd *rand.Rand) {
	t.Helper()
	table, store := mustCompile(t, Options{}, r), newStore()
	write := func(events []event) error {
		in := table.Begin()
		defer in.End()
		for _, e := range events {
			in.Add(table.Source("prometheus", 1, e.metric, tags("dev="+e.dev, "host="+e.host)), e.at*1e9, e.value)
		}
		_, err := in.Commit(t.Context(), store, "test")
		return err
	}
	var sent [][]event
	for at := int64(0); ; at += 20 { // a window of time after the other, as senders do, of fewer slots than are open
		left := false
		var bodies [][]event
		for i := range streams {
			n := slices.IndexFunc(streams[i], func(e event) bool { return e.at >= at })
			if n < 0 {
				n = len(streams[i])
			}
			left = left || n < len(streams[i])
			body := streams[i][:n]
			streams[i] = streams[i][n:]
			if k := rnd.IntN(3); k < len(bodies) {
				bodies[k] = append(bodies[k], body...)
			} else if len(body) > 0 {
				bodies = append(bodies, slices.Clone(body))
			}
		}
		rnd.Shuffle(len(bodies), func(i, j int) { bodies[i], bodies[j] = bodies[j], bodies[i] })
		if rnd.IntN(3) == 0 {
			broken := errors.New("broken")
			store.fail = func(*measures.Batch) error { return broken }
			for _, b := range bodies {
				if err := write(b); err != nil && !errors.Is(err, broken) {
					t.Fatal(err)
				}
			}
			store.fail = nil
		}
		var group sync.WaitGroup
		for _, b := range bodies {
			group.Go(func() {
				if err := write(b); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		sent = append(sent, bodies...)
		if rnd.IntN(3) == 0 && len(sent) > 0 { // one that came before comes again
			if err := write(sent[rnd.IntN(len(sent))]); err != nil {
				t.Fatal(err)
			}
		}
		if !left {
			break
		}
	}
	var wrong []string
	for key := range want {
		for at, v := range want[key] {
			if got, ok := store.values[key][at]; !ok || math.Abs(got-v) > 1e-9*max(1, math.Abs(v)) {
				wrong = append(wrong, fmt.Sprintf("%s@%d: %v (%v) instead of %v", key, at/1e9, got, ok, v))
			}
		}
		if len(store.values[key]) != len(want[key]) {
			wrong = append(wrong, fmt.Sprintf("%s: %d times instead of %d", key, len(store.values[key]), len(want[key])))
		}
	}
	if len(wrong) > 0 || len(store.values) != len(want) {
		slices.Sort(wrong)
		t.Fatalf("seed %d, %+v: %d series instead of %d\n%s", seed, r, len(store.values), len(want), strings.Join(wrong[:min(len(wrong), 8)], "\n"))
	}
}
