package main

import (
	"slices"
	"testing"
	"time"

	"granary/cmd/granary/config"
	"granary/measures/ingest/mapping"
)

func TestMappingTable(t *testing.T) {
	own := mapping.Rule{Name: "a", From: []mapping.Match{{Metric: "m.f", Labels: map[string]string{"x": "1", "y": "!~2|3"}, Rate: true, Scale: 0.5}}, Combine: mapping.Max, Slot: time.Minute, Tags: map[string]string{"t": "v"},
		Dialects: []string{"influx"}}
	got := mappingTable(&config.Mapping{Defaults: true, Rules: []mapping.Rule{own}})
	for _, want := range []string{
		`a = max by cluster, hostname of 0.5 * rate m.f{x="1",y!~"2|3"}; t="v"; every 1m; of influx`,
		`cpu_user = avg by cluster, hostname of 100 * rate node_cpu_seconds_total{mode="user"}; host -> hostname; instance -> hostname; in %`,
	} {
		if !slices.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	if got := mappingTable(&config.Mapping{}); len(got) != 1 || got[0] != "none" {
		t.Error(got)
	}
}
