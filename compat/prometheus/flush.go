package prometheus

import (
	"sort"

	"granary/measures"
	"granary/measures/ingest"
	"granary/metricdef"
)

// fill makes a batch of the rows from, …, to-1 of the request. The columns of the batch are those of the request: nothing is copied.
func (in *intake) fill(from, to int) {
	b := &in.batch
	b.Reset()
	in.base, in.rows = from, nil
	b.Refs, b.Times, b.Values = in.refs[from:to:to], in.times[from:to:to], in.values[from:to:to]
	for i := sort.Search(len(in.drafts), func(i int) bool { return in.drafts[i].At+in.drafts[i].More >= from }); i < len(in.drafts); i++ {
		d := in.drafts[i]
		first, last := max(d.At, from), min(d.At+d.More, to-1)
		if first > last {
			break
		}
		b.Drafts = append(b.Drafts, measures.Draft{At: first - from, More: last - first, Def: d.Def})
	}
	for i := in.spanOf(from); i < len(in.spans) && int(in.spans[i].row) < to; i++ {
		if int(in.spans[i].row) >= from { // it counts in the batch of its first sample
			b.Bytes += int64(in.spans[i].to - in.spans[i].from)
		}
	}
}

// flush stores the batch, and gives the turn up before. Samples whose series ended meanwhile are written again, to one that is made
// anew, for as many rounds as a writer has.
func (in *intake) flush() error {
	b := &in.batch
	for round := 1; len(b.Refs) > 0; round++ {
		in.turn.End()
		b.Tenant, b.Subject, b.Admitted, b.Pieces = in.num, in.who, in.admitted, in
		if err := ingest.Commit(in.ctx, in.c.d.o.Store, b); err != nil {
			return err
		}
		in.admitted = true
		in.stored += len(b.Refs) - len(b.Stale)
		for why, n := range b.Refused {
			in.ignored[why] += n
			in.stored -= n
		}
		in.name()
		in.learnDrafts()
		if len(b.Stale) == 0 {
			return nil
		}
		if round == ingest.Rounds {
			return &ingest.UnstableError{Rows: len(b.Stale)}
		}
		in.stale += len(b.Stale)
		if err := in.again(); err != nil {
			return err
		}
	}
	return nil
}

// name names the first samples that the store has refused.
func (in *intake) name() {
	for _, refusal := range in.batch.Refusals {
		if len(in.faults) == maxFaults {
			return
		}
		s := in.spans[in.spanOf(in.row(refusal.Row))]
		in.r.Again(int(s.from), int(s.to))
		in.labels, _ = in.r.Labels(in.labels[:0], in.c.d.o.MaxLabels+1) // they have been read before
		l := in.c.d.o.Tenants.Limits(in.num)
		text := ingest.LimitText(refusal.Why, in.c.tenant, &l)
		if text == "" {
			text = ingest.ReasonText(refusal.Why)
		}
		in.fault("%s at %d ms since 1970: %s", describe(in.labels), in.batch.Times[refusal.Row]/1e6, text)
	}
}

// learnDrafts remembers the series that the batch has made.
func (in *intake) learnDrafts() {
	for i := range in.batch.Drafts {
		if d := &in.batch.Drafts[i]; d.Ref != 0 {
			s := in.spans[in.spanOf(in.row(d.At))]
			in.r.Again(int(s.from), int(s.to))
			m := meaning{ref: d.Ref}
			if rules := in.memory.rules; rules.Takes(d.Def.Name) {
				m.source = rules.Source(Name, in.num, d.Def.Name, d.Def.Tags)
			}
			in.learn(m)
		}
	}
}

// again makes the batch one of its stale rows: their series, or the whole tenant, have ended.
func (in *intake) again() error {
	b := &in.batch
	num, err := in.c.d.o.Store.EnsureTenant(in.ctx, in.c.tenant)
	if err != nil {
		return err
	}
	if err := in.turn.Begin(in.ctx); err != nil {
		return err
	}
	if num != in.num { // nothing that is known of the other is about this one
		in.num, in.last = num, nil
		for i := range in.drafts {
			in.drafts[i].Def.Tenant = num
		}
	}
	rows, left := make([]int, len(b.Stale)), b.Left
	refs, times, values := make([]metricdef.Ref, len(rows)), make([]int64, len(rows)), make([]float64, len(rows))
	for i, row := range b.Stale {
		rows[i], times[i], values[i] = in.row(row), b.Times[row], b.Values[row]
	}
	b.Reset()
	in.rows = rows
	for i := 0; i < len(rows); {
		n := in.spanOf(rows[i])
		end := len(in.times)
		if n+1 < len(in.spans) {
			end = int(in.spans[n+1].row)
		}
		last := i
		for last+1 < len(rows) && rows[last+1] < end {
			last++
		}
		s := in.spans[n]
		in.r.Again(int(s.from), int(s.to))
		m, err := in.ask()
		if err != nil {
			return err // it had good labels before
		}
		if m.draft != nil {
			b.Drafts = append(b.Drafts, measures.Draft{At: i, More: last - i, Def: *m.draft})
		}
		for ; i <= last; i++ {
			refs[i] = m.ref
		}
	}
	b.Refs, b.Times, b.Values, b.Bytes = refs, times, values, left
	return nil
}
