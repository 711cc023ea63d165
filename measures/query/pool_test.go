package query

import (
	"context"
	"testing"
)

// TestEachInOrder has many more results than places for them, and sees each once and in order.
func TestEachInOrder(t *testing.T) {
	q := &Query{engine: New(fake{}.source(), Options{}), cost: Cost{Samples: 1 << 20}}
	const n = 1000
	c := q.crew(t.Context(), n)
	defer q.release(c)
	results := make([]int, q.ring(n))
	at := 0
	err := q.each(context.Background(), c, n, func(_ context.Context, _ *worker, i, slot int) error {
		results[slot] = i
		return nil
	}, func(i, slot int) error {
		if i != at || results[slot] != i {
			t.Errorf("%d with the result of %d, want %d", i, results[slot], at)
		}
		at++
		return nil
	})
	if err != nil || at != n {
		t.Errorf("%d, %v", at, err)
	}
}
