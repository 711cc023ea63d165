package native

import (
	"testing"
	"time"

	"granary/api/edge"
	"granary/measures/query"
)

func TestOrigins(t *testing.T) {
	minute := int64(time.Minute)
	for _, c := range []struct {
		list []query.Origin
		want string
	}{
		{nil, ""},
		{[]query.Origin{{From: 5}}, `,"source":"raw"`},
		{[]query.Origin{{From: 5, Tier: 90 * minute}}, `,"source":"tier 1h30m"`},
		{[]query.Origin{{From: 0}, {From: minute, Tier: 5 * minute}}, `,"source":[{"from":0,"source":"raw"},{"from":60,"source":"tier 5m"}]`},
	} {
		if got := string(appendOrigins(nil, edge.Seconds, c.list)); got != c.want {
			t.Errorf("%v: %s, want %s", c.list, got, c.want)
		}
	}
}
