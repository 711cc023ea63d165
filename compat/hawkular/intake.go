package hawkular

import (
	"context"
	"math"
	"net/http"
	"slices"
	"sort"

	"granary/api/edge"
	"granary/compat/hawkular/points"
	"granary/measures"
	"granary/measures/ingest"
	"granary/measures/ingest/known"
	"granary/metricdef"
	"granary/tenant"
	"granary/tenant/queue"
)

// maxRows is how many samples go into one commit.
const maxRows = 8192

// intake stores the points of one body. It belongs to one request at a time and keeps its memory.
type intake struct {
	c   *call
	ctx context.Context
	num tenant.Num
	who string // for the account of what the tenant uses
	dec *points.Decoder

	series []series // of the metrics of the body
	last   *known.Entry
	key    []byte

	batch measures.Batch
	base  int   // the row of the body that is the first one of the batch
	rows  []int // those of a batch whose rows do not stand beside one another; nil else
	// admitted is measures.Batch.Admitted.
	admitted bool
	turn     queue.Turn

	stored, refused, stale int
	malformed              int // points of a body that is wrong, up to the one that is
	ignored                [measures.NumReasons]int
	first                  string // why the first point was refused, and which it is
}

// series is what a metric of a body is: a series that is there, or the draft of one.
type series struct {
	entry *known.Entry // nil: its id is not remembered
	draft *metricdef.Draft
	ref   metricdef.Ref // 0: it is not there
	kind  metricdef.Kind
}

func (d *Dialect) takeIntake() *intake {
	if in, ok := d.intakes.Get().(*intake); ok {
		return in
	}
	return &intake{dec: points.NewDecoder(points.Options{MaxText: d.o.MaxText, Setting: settingText})}
}

func (in *intake) begin(c *call) {
	// What has come is stored whether or not its sender waits for the answer.
	in.c, in.ctx, in.num = c, context.WithoutCancel(c.ctx), c.num
	if in.who = ""; c.who != nil {
		in.who = c.who.Subject
	}
	in.turn = queue.From(c.ctx).Turn()
}

// end lets go of the body, and gives the intake back.
func (in *intake) end() {
	d := in.c.d
	in.dec.Reset()
	in.batch.Reset()
	clear(in.series)
	if cap(in.series) > maxRows {
		in.series = nil
	}
	*in = intake{dec: in.dec, series: in.series[:0], key: in.key[:0], batch: in.batch}
	d.intakes.Put(in)
}

// store reads a body and stores its points, in turns with the work of others.
func (in *intake) store(body []byte, read reading) error {
	if err := in.turn.Begin(in.ctx); err != nil {
		return err
	}
	defer in.turn.End()
	if err := read(in.c, in.dec, body, &in.turn); err != nil {
		in.malformed = len(in.dec.Times) + 1
		return err
	}
	rows := len(in.dec.Times)
	if rows == 0 {
		return nil
	}
	if err := in.resolve(); err != nil {
		return err
	}
	for from := 0; from < rows; from += maxRows {
		if err := in.turn.Begin(in.ctx); err != nil {
			return err
		}
		in.fill(from, min(from+maxRows, rows))
		if err := in.flush(); err != nil {
			return err
		}
	}
	return nil
}

// resolve finds the series of all metrics of the body, and refuses it where it is known that they cannot take it.
func (in *intake) resolve() error {
	if in.num == 0 {
		// The tenant comes into being with its first good point.
		num, err := in.c.d.o.Store.EnsureTenant(in.ctx, in.c.tenant)
		if err != nil {
			return err
		}
		in.num = num
	}
	in.series, in.last = in.series[:0], nil
	var drafts map[string]*metricdef.Draft
	for m := range in.dec.Metrics {
		s := in.find(m)
		if s.ref == 0 {
			if s.draft = drafts[string(in.keyOf(m))]; s.draft == nil {
				if drafts == nil {
					drafts = map[string]*metricdef.Draft{}
				}
				s.draft = in.draft(m)
				drafts[string(in.keyOf(m))] = s.draft
			}
			s.kind = s.draft.Values()
		}
		in.series = append(in.series, s)
		if err := in.checkWhole(m); err != nil {
			return err
		}
		if m%1024 == 1023 {
			in.turn.Spent(1024 * workOfSeries)
		}
	}
	return in.checkLimit(len(drafts))
}

// workOfSeries is the work of finding a metric, in units of turns.
const workOfSeries = 100

// keyOf is what the series of a metric is remembered by: its type and its id.
func (in *intake) keyOf(m int) []byte {
	in.key = append(append(in.key[:0], byte(in.dec.Metrics[m].Type)), in.dec.ID(m)...)
	return in.key
}

// find is the series of a metric, with the ref 0 if it is not there: the one that followed last time, or by the cache, or by the
// registry.
func (in *intake) find(m int) series {
	key := in.keyOf(m)
	var e *known.Entry
	if in.last != nil {
		if e = in.last.Next(); e != nil && e.Text != string(key) {
			e = nil
		}
	}
	if e == nil {
		if e = in.c.d.known.Find(in.num, key); e != nil && in.last != nil {
			in.last.Follow(e)
		}
	}
	if e != nil {
		in.last = e
		if ref := e.Ref(); ref != 0 && !in.gone(m, e) {
			return series{entry: e, ref: ref, kind: e.Kind}
		}
	}
	return in.ask(m)
}

// gone says whether what is remembered of a gauge that keeps whole numbers is that of a series which has ended. Of all others the store
// tells, but by that kind points are refused before it is asked.
func (in *intake) gone(m int, e *known.Entry) bool {
	return e.Kind == metricdef.KindInt && in.dec.Metrics[m].Type == metricdef.Gauge && in.c.d.o.Definitions.Kind(e.Ref()) != metricdef.KindInt
}

// ask finds the series of a metric in the registry: that whose key text the id is, else the one of that name without tags. What is
// found as it stands is remembered; the other may become that of another series when one with that key text is made.
func (in *intake) ask(m int) series {
	defs, typ, id := in.c.d.o.Definitions, in.dec.Metrics[m].Type, in.dec.ID(m)
	ref, asKey := lookUp(defs, in.num, typ, id)
	// One that another writer is about to make has the kind that its draft asks for.
	s := series{ref: ref, kind: defs.Kind(ref)}
	if ref == 0 || s.kind == 0 {
		return series{}
	}
	if asKey {
		in.c.d.known.Learn(in.num, in.keyOf(m), s.ref, s.kind)
		s.entry = in.c.d.known.Find(in.num, in.key)
		in.last = s.entry
	}
	return s
}

// draft is the definition of a metric that is not there.
func (in *intake) draft(m int) *metricdef.Draft {
	return &metricdef.Draft{
		Identity: metricdef.Identity{Tenant: in.num, Type: in.dec.Metrics[m].Type, Name: string(in.dec.ID(m))},
		Dialect:  Name,
	}
}

// checkWhole refuses numbers that are not whole of a gauge that keeps whole ones, as another dialect may have made it.
func (in *intake) checkWhole(m int) error {
	if in.series[m].kind != metricdef.KindInt || in.dec.Metrics[m].Type != metricdef.Gauge {
		return nil
	}
	from, to := in.dec.Rows(m)
	for row := from; row < to; row++ {
		if v := in.dec.Values[row]; v != math.Trunc(v) || v < -1<<63 || v >= 1<<63 {
			in.malformed = len(in.dec.Times)
			return &wholeError{in.dec.Path(m, row), v}
		}
	}
	return nil
}

// checkLimit refuses a body that would make more series than its tenant may have, unless the setting says that such a write succeeds.
func (in *intake) checkLimit(fresh int) error {
	o := &in.c.d.o
	standing := o.Tenants.Standing(in.num)
	limit := standing.Limits().Series
	has := int64(o.Definitions.Claimed(in.num))
	if fresh == 0 || limit <= 0 || has+int64(fresh) <= limit || o.SeriesStatus == http.StatusOK {
		return nil
	}
	rows := len(in.dec.Times)
	standing.Refuse(tenant.LimitSeries, rows)
	in.ignored[measures.SeriesLimit] += rows
	in.refused += rows
	return &seriesError{tenant.Over(in.c.tenant, tenant.LimitSeries, has+int64(fresh), limit), fresh, rows, o.SeriesStatus}
}

// fill makes a batch of the rows from, …, to-1 of the body.
func (in *intake) fill(from, to int) {
	b := &in.batch
	b.Reset()
	in.base, in.rows = from, nil
	for m := in.dec.MetricOf(from); m < len(in.dec.Metrics); m++ {
		low, high := in.dec.Rows(m)
		if low >= to {
			break
		}
		if low >= from {
			b.Bytes += in.dec.Size(m) // it counts in the batch of its first point
		}
		in.add(m, max(low, from), min(high, to))
	}
}

// add adds the rows from, …, to-1, which are points of one metric.
func (in *intake) add(m, from, to int) {
	b, p, s := &in.batch, &in.dec.Points, &in.series[m]
	at := len(b.Refs) - from
	typ := p.Metrics[m].Type
	texts := p.Texts[sort.Search(len(p.Texts), func(i int) bool { return p.Texts[i].Row >= from }):]
	switch typ {
	case metricdef.Counter:
		for row := from; row < to; row++ {
			b.AddInt(s.ref, p.Times[row], measures.WordInt(p.Values[row]))
		}
	case metricdef.String:
		for row := from; row < to; row++ {
			b.AddText(s.ref, p.Times[row], texts[row-from].Text)
		}
	default:
		for range to - from {
			b.Refs = append(b.Refs, s.ref)
		}
		b.Times, b.Values = append(b.Times, p.Times[from:to]...), append(b.Values, p.Values[from:to]...)
	}
	if s.draft != nil { // one names the series of all these rows, whose ref is 0
		b.Drafts = append(b.Drafts, measures.Draft{At: at + from, More: to - from - 1, Def: *s.draft})
	}
	tags := p.Tags[sort.Search(len(p.Tags), func(i int) bool { return p.Tags[i].Row >= from }):]
	for len(tags) > 0 && tags[0].Row < to {
		b.Tags = append(b.Tags, measures.Text{Row: at + tags[0].Row, Text: tags[0].Text})
		tags = tags[1:]
	}
}

// row is the row of the body that is a row of the batch.
func (in *intake) row(row int) int {
	if in.rows != nil {
		return in.rows[row]
	}
	return in.base + row
}

// Piece implements measures.Pieces: the metric of a row.
func (in *intake) Piece(row int) (metric int, size int64) {
	m := in.dec.MetricOf(in.row(row))
	first, _ := in.dec.Rows(m)
	if in.rows == nil && first < in.base {
		return m, 0 // it counted in the batch before
	}
	if in.rows != nil {
		if _, here := slices.BinarySearch(in.rows, first); !here {
			return m, 0
		}
	}
	return m, in.dec.Size(m)
}

// flush stores the batch, and gives the turn up before. Points whose series ended meanwhile are written again, to one that is made
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
		refused := 0
		for why, n := range b.Refused {
			in.ignored[why] += n
			refused += n
		}
		if len(b.Refusals) > 0 && in.first == "" {
			in.first = in.refusal(b.Refusals[0])
		}
		in.refused += refused
		in.stored += len(b.Refs) - len(b.Stale) - refused
		in.learn()
		if len(b.Stale) == 0 {
			break
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

// refusal says which point the store refused, and why.
func (in *intake) refusal(r measures.Refusal) string {
	row := in.row(r.Row)
	l := in.c.d.o.Tenants.Limits(in.num)
	text := ingest.LimitText(r.Why, in.c.tenant, &l)
	if text == "" {
		text = ingest.ReasonText(r.Why)
	}
	return in.dec.Path(in.dec.MetricOf(row), row) + ": " + text
}

// learn remembers the series that the batch has made.
func (in *intake) learn() {
	last := -1
	for i := range in.batch.Drafts {
		d := &in.batch.Drafts[i]
		m := in.dec.MetricOf(in.row(d.At))
		if d.Ref == 0 || m == last {
			continue
		}
		last = m
		in.series[m] = in.ask(m)
		if in.series[m].ref == 0 { // it has ended already
			in.series[m] = series{draft: &metricdef.Draft{Identity: d.Def.Identity, Dialect: Name}, kind: d.Def.Values()}
		}
	}
}

// again makes the batch one of the stale rows: their series, or the whole tenant, have ended.
func (in *intake) again() error {
	b := &in.batch
	rows, left := make([]int, len(b.Stale)), b.Left
	for i, row := range b.Stale {
		rows[i] = in.row(row)
	}
	num, err := in.c.d.o.Store.EnsureTenant(in.ctx, in.c.tenant)
	if err != nil {
		return err
	}
	if err := in.turn.Begin(in.ctx); err != nil {
		return err
	}
	if num != in.num {
		in.num = num
		if err := in.resolve(); err != nil {
			return err
		}
	}
	b.Reset()
	in.rows = rows
	for i := 0; i < len(rows); {
		m := in.dec.MetricOf(rows[i])
		if s := &in.series[m]; s.draft == nil {
			if s.entry != nil {
				s.entry.Set(0)
			}
			if *s = in.ask(m); s.ref == 0 {
				*s = series{draft: in.draft(m)}
			}
		}
		_, end := in.dec.Rows(m)
		from := i
		for i < len(rows) && rows[i] < end && rows[i]-rows[from] == i-from {
			i++
		}
		in.add(m, rows[from], rows[i-1]+1)
	}
	b.Bytes = left
	return nil
}

// wholeError refuses a value of a gauge that keeps whole numbers.
type wholeError struct {
	path  string
	value float64
}

func (e *wholeError) Error() string {
	return string(edge.AppendFloat([]byte(e.path+".value: "), e.value)) + " is not a whole number of 64 bits, which its metric keeps"
}
func (*wholeError) Kind() string { return string(edge.Invalid) }
func (*wholeError) Code() string { return "value-invalid" }
