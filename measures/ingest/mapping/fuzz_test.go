package mapping

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"granary/measures"
	"granary/metricdef"
)

func appendKey(d *metricdef.Draft) []byte { return metricdef.AppendKey(nil, d.Name, d.Tags) }

// FuzzCompile: no rule panics, a fault names its rule, and what is taken gives definitions that a store can make.
func FuzzCompile(f *testing.F) {
	f.Add("out", "a.b", "l", "!~x|y", "sum", "host", "instance", "hostname", int64(0), 1.0, true)
	f.Add("", "a", "", "~(", "median", "", "__name__", "", int64(-1), math.NaN(), false)
	f.Add("a", "a", "x", "~a)(b", "", "", "a", "b", int64(5), math.Inf(1), false)
	f.Fuzz(func(t *testing.T, name, metric, label, condition, combine, by, from, to string, slot int64, scale float64, rate bool) {
		r := Rule{Name: name, From: []Match{{Metric: metric, Labels: map[string]string{label: condition}, Scale: scale, Rate: rate}}, Combine: combine, Rename: map[string]string{from: to}, Slot: time.Duration(slot)}
		if by != "" {
			r.By = strings.Split(by, ",")
		}
		table, err := Compile([]Rule{r}, Options{})
		if err != nil {
			if e := (*RuleError)(nil); !errors.As(err, &e) || e.Member == "" || e.Text == "" || e.Rule == "" {
				t.Fatalf("%#v", err)
			}
			return
		}
		if !table.Takes(metric) {
			t.Fatal("the metric is not taken")
		}
		list := tags("cluster=c", "host=h", "hostname=n")
		if label != "" && label != metricdef.NameTag {
			list = append(list, metricdef.Tag{Name: label, Value: strings.TrimLeft(condition, "!~")})
		}
		s := table.Source("influx", 1, metric, list)
		if s == nil {
			return
		}
		for i := range s.takes {
			if err := s.takes[i].def.Validate(); err != nil {
				t.Fatal(err)
			}
		}
		if again := table.Source("influx", 1, metric, list); again != s {
			t.Fatal("another source")
		}
	})
}

// FuzzIntake: whatever times and values come in whatever bodies, stored or not, what comes out is finite, and the same body again changes nothing.
func FuzzIntake(f *testing.F) {
	f.Add([]byte("0123456789abcdefghijklmnopqrstuvwxyz"), int64(0))
	f.Add(binary.LittleEndian.AppendUint64(make([]byte, 40), math.Float64bits(math.NaN())), int64(time.Minute))
	f.Add([]byte(strings.Repeat("\xff", 100)), int64(1))
	f.Fuzz(func(t *testing.T, b []byte, slot int64) {
		if slot < 0 {
			slot = 0
		}
		table := mustCompile(t, Options{},
			Rule{Name: "sum", Combine: Sum, By: []string{"host"}, Slot: time.Duration(slot), From: []Match{{Metric: "a"}, {Metric: "b", Rate: true}}},
			Rule{Name: "one", From: []Match{{Metric: "b", Rate: true}}})
		store := newStore()
		sources := []*Source{
			table.Source("influx", 1, "a", tags("host=x")), table.Source("influx", 1, "a", tags("dev=1", "host=x")), table.Source("influx", 1, "b", tags("host=x")), table.Source("influx", 2, "b", tags("host=x")),
		}
		for len(b) > 0 {
			in := table.Begin()
			size := min(len(b), int(b[0])%8*17+1)
			part := b[:size]
			b = b[size:]
			fails := part[0]&1 != 0
			write := func() {
				for p := part[1:]; len(p) >= 17; p = p[17:] {
					in.Add(sources[p[0]%4], int64(binary.LittleEndian.Uint64(p[1:])), math.Float64frombits(binary.LittleEndian.Uint64(p[9:])))
				}
				if _, err := in.Commit(t.Context(), store, ""); (err != nil) && !fails {
					t.Fatal(err)
				}
			}
			if fails {
				store.fail = func(*measures.Batch) error { return errors.New("broken") }
				write()
				store.fail, fails = nil, false
			}
			write()
			before := store.String()
			if write(); store.String() != before {
				t.Fatalf("before:\n%s\nbehind it:\n%s", before, store.String())
			}
			in.End()
		}
		for name, values := range store.values {
			for at, v := range values {
				if math.IsNaN(v) || math.IsInf(v, 0) {
					t.Fatalf("%s@%d: %v", name, at, v)
				}
			}
		}
	})
}
