package gnocchi

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"granary/measures"
	"granary/metricdef"
	"granary/policy"
)

// aDay is a bed with 100 metrics that have a point for each minute of a day, and their ids.
func aDay(b *testing.B) (*bed, []uuid.UUID) {
	d := newBed(b)
	d.policies(window(b, "medium", 0, "", policy.Tier{Granularity: time.Minute, Points: 10080}, policy.Tier{Granularity: time.Hour, Points: 8760}))
	rnd := rand.New(rand.NewPCG(1, 2))
	ids := make([]uuid.UUID, 100)
	for i := range ids {
		ids[i] = d.metric("_ops", metricdef.Draft{Policy: "medium", Creator: "admin"})
		ref, _ := d.store.Definitions.ByID(ids[i])
		var batch measures.Batch
		for m := range 1440 {
			batch.Add(ref, int64(1_577_836_800+60*m)*1e9, float64(rnd.IntN(10_000))/100)
		}
		if err := d.store.Commit(b.Context(), &batch); err != nil {
			b.Fatal(err)
		}
	}
	return d, ids
}

// BenchmarkAggregates is the target of 15 ms of a processor for the mean of 100 metrics over a day of minutes.
func BenchmarkAggregates(b *testing.B) {
	d, ids := aDay(b)
	var refs strings.Builder
	for _, id := range ids {
		fmt.Fprintf(&refs, " (%s mean)", id)
	}
	for _, c := range []struct{ name, operations string }{
		{"mean", "(aggregate mean (metric" + refs.String() + "))"},
		{"median", "(aggregate median (metric" + refs.String() + "))"},
		{"scaled", "(* (aggregate sum (abs (metric" + refs.String() + "))) 4)"},
		{"resample", "(aggregate mean (resample max 3600 (metric" + refs.String() + ")))"},
		{"each", "(metric" + refs.String() + ")"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			before := spent()
			for b.Loop() {
				if w := d.ask(http.MethodPost, "/v1/aggregates?granularity=60", `{"operations": "`+c.operations+`"}`); w.Code != http.StatusOK {
					b.Fatal(w.Code, w.Body)
				}
			}
			b.ReportMetric(float64(spent()-before)/1e6/float64(b.N), "cpu-ms/op")
		})
	}
	b.Run("old", func(b *testing.B) {
		path := "/v1/aggregation/metric?granularity=60"
		for _, id := range ids {
			path += "&metric=" + id.String()
		}
		b.ReportAllocs()
		for b.Loop() {
			if w := d.get(path); w.Code != http.StatusOK {
				b.Fatal(w.Code, w.Body)
			}
		}
	})
}
