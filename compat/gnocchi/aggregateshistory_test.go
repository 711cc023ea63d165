package gnocchi

import (
	"fmt"
	"math"
	"net/http"
	"testing"

	"github.com/google/uuid"

	"granary/compat/gnocchi/operations"
	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/series"
	"granary/measures"
	"granary/metricdef/resource"
)

// TestAggregatesHistory: what is computed of the revisions of a resource counts by the share of its buckets in which they hold.
func TestAggregatesHistory(t *testing.T) {
	f := newFleet(t)
	noon := float64(testNow.Unix())
	const day = 24 * 3600
	f.of("disk2", "vm2", "disk", "days", [2]float64{noon - day, 5}, [2]float64{noon, 8}, [2]float64{noon + day, 10})
	flavor := resource.NumberValue(3)
	_, _, err := f.store.ChangeResource(t.Context(), &measures.ResourceChange{Tenant: f.tenant("_ops"), ID: uuid.MustParse(f.ids["vm2"]),
		Update: &resource.Update{Attributes: map[string]*resource.Value{"flavor": &flavor}}})
	if err != nil {
		t.Fatal(err)
	}
	// The second revision begins a microsecond behind noon, since the first one begins at noon.
	const body = `{"operations": "(aggregate mean (metric disk mean))", "resource_type": "instance", "search": "original_resource_id = vm2"}`
	at := func(day int, value float64) string {
		return fmt.Sprintf(`["2026-11-%dT00:00:00+00:00", 86400.0, %s]`, day, pyjson.AppendFloat(nil, value))
	}
	for query, want := range map[string]string{
		"groupby=flavor": `[{"group": {"flavor": 3.0}, "measures": {"measures": {"aggregated": [` + at(27, 5) + ", " + at(28, 8) + ", " + at(29, 10) + `]}}}]`,
		"groupby=flavor&use_history=true": `[{"group": {"flavor": 2.0}, "measures": {"measures": {"aggregated": [` + at(27, 5) + ", " + at(28, 4.000000000092593) + `]}}}, ` +
			`{"group": {"flavor": 3.0}, "measures": {"measures": {"aggregated": [` + at(28, 3.9999999999074074) + ", " + at(29, 10) + `]}}}]`,
		"groupby=id&use_history=true": `[{"group": {"id": "$vm2"}, "measures": {"measures": {"aggregated": [` + at(27, 5) + ", " + at(28, 8) + ", " + at(29, 10) + `]}}}]`,
	} {
		f.check(http.MethodPost, "/v1/aggregates?"+query, body, http.StatusOK, want)
	}
	// Several resources in one group are added up.
	f.of("disk3", "vm3", "disk", "days", [2]float64{noon, 1})
	f.check(http.MethodPost, "/v1/aggregates?groupby=type&use_history=true&start=2026-11-27&stop=2026-12-01",
		`{"operations": "(aggregate mean (metric disk mean))", "resource_type": "instance", "search": "original_resource_id in ['vm2', 'vm3']"}`, http.StatusOK,
		`[{"group": {"type": "instance"}, "measures": {"measures": {"aggregated": [`+at(27, 5)+", "+at(28, 9)+", "+at(29, 10)+`]}}}]`)
}

func TestWeighed(t *testing.T) {
	revisions := []*resource.Resource{{Revision: 1, RevisionStart: 70, RevisionEnd: 125}, {Revision: 2, RevisionStart: 125, RevisionEnd: 130}, {Revision: 3, RevisionStart: 130}}
	var parts []*part
	var results [][]operations.Result
	for _, r := range revisions {
		p := &part{revision: r}
		of := []operations.Result{{Granularity: 10, Aggregated: true, Times: []int64{110, 120, 130}, Columns: [][]float64{{1, 2, 4}}}}
		columns := []series.Column{{Times: of[0].Times, Values: of[0].Columns[0]}}
		p.restrict(columns, 10)
		of[0].Times, of[0].Columns[0] = columns[0].Times, columns[0].Values
		parts, results = append(parts, p), append(results, of)
	}
	for i, want := range []string{"[110 120] [1 2]", "[120] [2]", "[130] [4]"} {
		if got := fmt.Sprint(results[i][0].Times, results[i][0].Columns[0]); got != want {
			t.Errorf("revision %d: %s, want %s", i+1, got, want)
		}
	}
	results[2] = append(results[2], operations.Result{Granularity: 20, Aggregated: true, Times: []int64{120}, Columns: [][]float64{{8}}},
		operations.Result{Granularity: 5, Aggregated: true, Times: []int64{130}, Columns: [][]float64{{math.NaN()}}})
	w := &terms{}
	w.rules.Fill.How = operations.DropNA
	got := fmt.Sprint(weighed(w, parts, results))
	if want := "[{20 [120] [[4]] true} {10 [110 120 130] [[1 2 4]] true} {5 [] [[]] true}]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
