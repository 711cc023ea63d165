package metricdef

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"granary/metricdef/match"
)

// TestExpensiveSearch refuses a search of many conditions over many values before it looks at one.
func TestExpensiveSearch(t *testing.T) {
	r := NewRegistry(Options{})
	for i := range 20_000 {
		d := Draft{Identity: Identity{Tenant: 1, Type: Gauge, Name: "cpu", Tags: []Tag{{Name: "host", Value: fmt.Sprint("h", i)}}}, Dialect: "native"}
		ref := r.Reserve(&d, 1)
		if _, _, err := r.Apply(r.AppendRecord(nil, ref)); err != nil {
			t.Fatal(err)
		}
	}
	var many match.Or
	for i := range 4000 {
		m, err := match.Regexp("host", fmt.Sprintf(".*%d.*q", i))
		if err != nil {
			t.Fatal(err)
		}
		many = append(many, m)
	}
	begun := time.Now()
	_, err := r.Select(context.Background(), 1, many)
	var refused *SearchError
	if !errors.As(err, &refused) || time.Since(begun) > time.Second {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
	if refs, err := r.Select(context.Background(), 1, many[:100]); err != nil || len(refs) != 0 {
		t.Errorf("%d found, %v", len(refs), err)
	}
	// Of few candidates each is asked, whatever the conditions are.
	if _, err := r.Select(context.Background(), 1, match.And{match.Equal("host", "h7"), many[0], many[1]}); err != nil {
		t.Error(err)
	}
}
