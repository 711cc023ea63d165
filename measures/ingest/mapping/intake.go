package mapping

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"

	"granary/measures"
	"granary/tenant"
)

// Store takes batches, as ingest.Store does.
type Store interface {
	Commit(ctx context.Context, b *measures.Batch) error
}

// Intake gathers the samples of one body. It belongs to one goroutine at a time.
type Intake struct {
	table    *Table
	adds     []add
	admitted []tenant.Num
	now      int64
	counts   Counts // of what is not handed on

	// Scratch of Commit.
	items []item
	stage stage
}

// add is a sample that was handed over.
type add struct {
	src   *Source
	at    int64
	value float64
}

// item is a sample for one output.
type item struct {
	take  *take
	out   *output
	home  uint64 // their ids: items are sorted by them
	id    uint64
	at    int64
	order int // in which it was handed over
	value float64
}

// kept is for how many samples memory is kept from body to body.
const kept = 1 << 15

// Begin starts a body. A nil table gives nil, which takes nothing.
func (t *Table) Begin() *Intake {
	if t == nil {
		return nil
	}
	in := t.intakes.Get().(*Intake)
	in.now = t.o.Now().Unix()
	return in
}

// Add hands a sample over: the time in nanoseconds since 1970 UTC, and the value. NaN says that the series ends here: its rate begins anew. It does
// nothing but to remember it.
func (in *Intake) Add(s *Source, timeNS int64, v float64) {
	if s.table != in.table {
		in.counts.Dropped[Reloaded]++
		return
	}
	in.adds = append(in.adds, add{s, timeNS, v})
}

// Admit says that the tenant's rate was asked for samples of the same body. It is not asked again for what comes out.
func (in *Intake) Admit(num tenant.Num) {
	if in != nil && len(in.adds) > 0 && !slices.Contains(in.admitted, num) {
		in.admitted = append(in.admitted, num)
	}
}

// Drop takes back what was handed over for a tenant: its samples are not stored.
func (in *Intake) Drop(num tenant.Num) {
	if in != nil {
		in.adds = slices.DeleteFunc(in.adds, func(a add) bool { return a.src.num == num })
	}
}

// Len is how many samples Commit would work on.
func (in *Intake) Len() int {
	if in == nil {
		return 0
	}
	return len(in.adds)
}

// End lets go of the body, and of what was not committed.
func (in *Intake) End() {
	if in == nil {
		return
	}
	in.table.o.Counters.count(&in.counts)
	in.counts = Counts{}
	in.reset()
	in.admitted = in.admitted[:0]
	in.table.intakes.Put(in)
}

func (in *Intake) reset() {
	clear(in.adds)
	clear(in.items)
	in.adds, in.items = in.adds[:0], in.items[:0]
	if cap(in.adds) > kept {
		in.adds = nil
	}
	if cap(in.items) > kept {
		in.items = nil
	}
}

// maxRows bounds the samples that are worked on at once, and so the rows of a batch.
const maxRows = 8192

// Commit makes samples of those that were handed over since the last time and stores them, one tenant after the other. When it returns they are in the
// journal; Counts tells what became of them, also of those before an error.
//
// An error is one of the store or the context. What was not stored is forgotten as if it had not come: if the body is sent again, it
// gives the same. A tenant that has sent more than its rate allows costs the others nothing; the error is a *tenant.RateError then.
func (in *Intake) Commit(ctx context.Context, store Store, subject string) (Counts, error) {
	if in == nil || len(in.adds) == 0 {
		return Counts{}, nil
	}
	in.expand()
	counts := in.counts
	in.counts = Counts{}
	var late error // of a tenant whose rate is used up
	items := in.items
	for len(items) > 0 {
		h := items[0].take.src.home
		n := slices.IndexFunc(items, func(i item) bool { return i.take.src.home != h })
		if n < 0 {
			n = len(items)
		}
		of := items[:n]
		items = items[n:]
		for len(of) > 0 {
			some := of[:min(len(of), maxRows)]
			of = of[len(some):]
			c, err := in.commit(ctx, store, h, subject, some)
			counts.add(&c)
			if err == nil {
				continue
			}
			if errors.As(err, new(*tenant.RateError)) {
				late = err
				counts.Ignored[measures.RateLimit] += len(some) + len(of)
				break
			}
			in.table.o.Counters.count(&counts)
			in.reset()
			return counts, err
		}
	}
	in.table.o.Counters.count(&counts)
	in.reset()
	return counts, late
}

// expand makes items of what was handed over, in the order in which they are worked on: by tenant, by what comes out, by time. Of
// those at one time the last comes last.
func (in *Intake) expand() {
	for order, a := range in.adds {
		s := a.src.live()
		switch {
		case s == nil:
			in.counts.Dropped[NoRoom]++
			continue
		case math.IsInf(a.value, 0):
			in.counts.Dropped[NotFinite]++
			continue
		}
		if s.used.Load() < in.now {
			s.used.Store(in.now)
		}
		for i := range s.takes {
			k := &s.takes[i]
			out := k.out.Load()
			in.items = append(in.items, item{k, out, s.home.id, out.id, a.at, order, a.value})
		}
	}
	slices.SortFunc(in.items, func(a, b item) int {
		return cmp.Or(cmp.Compare(a.home, b.home), cmp.Compare(a.id, b.id), cmp.Compare(a.at, b.at), a.order-b.order)
	})
}

// commit stores what comes out of items of one tenant, and moves its state on.
func (in *Intake) commit(ctx context.Context, store Store, h *home, subject string, items []item) (Counts, error) {
	var mask uint32
	for i := range items {
		mask |= 1 << items[i].out.stripe
	}
	h.lock(mask)
	defer h.unlock(mask)
	st := &in.stage
	st.begin(in.table)
	defer st.end()
	for len(items) > 0 {
		out := items[0].out
		n := 1
		for n < len(items) && items[n].out == out {
			n++
		}
		st.take(out, items[:n])
		items = items[n:]
	}
	gone, err := st.store(ctx, store, h.num, subject, slices.Contains(in.admitted, h.num))
	if err != nil {
		st.discard()
		return Counts{}, err
	}
	st.keep()
	if gone {
		in.table.end(h)
	}
	return st.counts, nil
}

// lock locks the stripes of a mask, in ascending order.
func (h *home) lock(mask uint32) {
	for n := range stripes {
		if mask&(1<<n) != 0 {
			h.stripes[n].Lock()
		}
	}
}

func (h *home) unlock(mask uint32) {
	for n := range stripes {
		if mask&(1<<n) != 0 {
			h.stripes[n].Unlock()
		}
	}
}
