package query

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"granary/policy"
	"granary/tenant/queue"
)

// fewSamples is how many samples are read by the caller's own goroutine: waking others would take longer.
const fewSamples = 1 << 14

// readersOf is how many goroutines read n series.
func (q *Query) readersOf(n int) int {
	if q.cost.Samples <= fewSamples {
		return 1
	}
	readers := q.engine.o.Readers
	if readers <= 0 {
		readers = runtime.GOMAXPROCS(0)
	}
	return max(min(n, readers), 1)
}

// ring is how many results of n series may wait for those before them.
func (q *Query) ring(n int) int {
	if r := q.readersOf(n); r > 1 {
		return 4 * r
	}
	return 1
}

var workers = sync.Pool{New: func() any { return new(worker) }}

// crew are the workers of one query.
type crew []*worker

func (q *Query) crew(ctx context.Context, n int) crew {
	c := make(crew, q.readersOf(n))
	ticket := queue.From(ctx)
	for i := range c {
		c[i] = workers.Get().(*worker)
		c[i].source, c[i].dictionary, c[i].turn = q.engine.source, &q.texts, ticket.Turn()
		c[i].ends = q.step == 0 && q.request.Across == policy.NoMethod
	}
	return c
}

// release gives the workers back, with what they hold of rows, and takes down what they have read.
func (q *Query) release(c crew) {
	for _, w := range c {
		q.read += w.read
		w.read = 0
		w.turn.End()
		w.source, w.dictionary, w.turn = nil, nil, queue.Turn{}
		w.trim()
		workers.Put(w)
	}
}

// each calls work for 0 to n-1 in a few goroutines, and done for each of them in order, in the caller's goroutine. slot is
// below ring(n) and belongs to one i from work to done. The first error ends it all, and each returns when no goroutine of
// it is left. Work has a turn, done has none: it may wait for whoever reads the answer.
func (q *Query) each(ctx context.Context, c crew, n int, work func(ctx context.Context, w *worker, i, slot int) error, done func(i, slot int) error) error {
	if len(c) == 1 {
		for i := range n {
			if err := ctx.Err(); err != nil {
				return err
			}
			err := c[0].turn.Begin(ctx)
			if err == nil {
				err = work(ctx, c[0], i, 0)
			}
			c[0].turn.End()
			if err != nil {
				return err
			}
			if err := done(i, 0); err != nil {
				return err
			}
		}
		return ctx.Err()
	}
	ring := q.ring(n)
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	var next atomic.Int64
	room := make(chan struct{}, ring) // a place in it is one result that is being made or waits
	ready := make([]chan error, ring)
	for i := range ready {
		ready[i] = make(chan error, 1)
	}
	for _, w := range c {
		group.Go(func() {
			defer w.turn.End()
			for {
				select {
				case room <- struct{}{}:
				default:
					w.turn.End() // those before it are not done, or nobody reads the answer
					select {
					case room <- struct{}{}:
					case <-ctx.Done():
						return
					}
				}
				if w.turn.Begin(ctx) != nil {
					return // the context has ended
				}
				// Numbers are drawn after places, so that no number is more than a ring ahead of what is done.
				i := int(next.Add(1)) - 1
				if i >= n || ctx.Err() != nil {
					return
				}
				ready[i%ring] <- work(ctx, w, i, i%ring)
			}
		})
	}
	for i := range n {
		select {
		case err := <-ready[i%ring]:
			if err != nil {
				return err
			}
		case <-ctx.Done():
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := done(i, i%ring); err != nil {
			return err
		}
		<-room
	}
	return ctx.Err()
}
