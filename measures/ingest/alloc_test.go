//go:build !race

package ingest

import (
	"context"
	"testing"
	"time"

	"granary/measures"
)

// TestNoAllocation: a warm body of known lines allocates nothing but what Commit does.
func TestNoAllocation(t *testing.T) {
	s := newStore()
	w := New(nothing{}, s, Options{Now: func() time.Time { return start }})
	m, body := ccMapping(), lines(5000)
	warm := writer(s, Options{})
	if _, err := warm.WriteLines(t.Context(), m, body); err != nil {
		t.Fatal(err)
	}
	write := func() {
		if r, err := w.WriteLines(t.Context(), m, body); err != nil || r.Stored != 5000 {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	write()
	write()
	if n := testing.AllocsPerRun(20, write); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

type nothing struct{}

func (nothing) Commit(context.Context, *measures.Batch) error { return nil }
