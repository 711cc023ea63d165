package gnocchi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"sort"

	"github.com/google/uuid"

	"granary/compat/gnocchi/points"
	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/schema"
	"granary/measures"
	"granary/measures/ingest"
	"granary/measures/ingest/remote"
	"granary/metricdef"
	"granary/tenant"
	"granary/tenant/queue"
)

// mostRows is about how many samples go into one commit. All measures of a metric go into one, whatever their number: which of two at the
// same time stays, and where the window is, is a matter of the batch that they came in.
const mostRows = 1 << 17

// target is where the measures of a list go.
type target struct {
	id     uuid.UUID
	ref    metricdef.Ref
	tenant tenant.Num
	kind   metricdef.Kind
	// resource is that of the metric if it has ended, at a time; else zero.
	resource uuid.UUID
	ended    int64
}

// portion is a list of the body in a batch.
type portion struct {
	list int32
	row  int32 // of the batch: its first one
}

// intake stores the measures of one body. It belongs to one request at a time and keeps its memory.
type intake struct {
	c   *call
	ctx context.Context
	dec points.Decoder
	// remote reads what comes from Prometheus; nil until something has.
	remote *remote.Decoder
	// accepted answers a body of which nothing went wrong.
	accepted func() error

	targets []target // of the lists of the body
	order   []int32  // the lists, those of one tenant beside each other, and in there those of one metric

	batch    measures.Batch
	portions []portion // of the batch
	turn     queue.Turn

	stored, refused int
	missing         []string          // metrics that there are not
	forbidden       error             // of metrics that the caller may not write to
	gone            []string          // metrics that were deleted while their measures were on their way
	outlasted       map[lasting]int64 // by resource, the newest measure behind its end
	malformed       int               // measures of a body that is wrong, up to what is
	ignored         [measures.NumReasons]int
	first           string // why the first measure was refused, and which it is
	faults          faults
}

func (d *Dialect) takeIntake() *intake {
	if in, ok := d.intakes.Get().(*intake); ok {
		return in
	}
	return &intake{}
}

// end lets go of the body, and gives the intake back.
func (in *intake) end() {
	d := in.c.d
	in.dec.Reset()
	if in.remote != nil {
		in.remote.Reset()
	}
	in.batch.Reset()
	if cap(in.batch.Refs) > mostRows {
		in.batch = measures.Batch{}
	}
	if cap(in.targets) > mostRows {
		in.targets, in.order, in.portions = nil, nil, nil
	}
	*in = intake{dec: in.dec, remote: in.remote, targets: in.targets[:0], order: in.order[:0], portions: in.portions[:0], batch: in.batch}
	d.intakes.Put(in)
}

// take stores a body of measures: all of it, or nothing where anything is wrong with it. read reads the body and finds the metric of each
// of its lists.
func (c *call) take(read func(in *intake, body []byte) error) error {
	return c.takeAs(read, c.accepted)
}

// takeAs is take with an answer of its own.
func (c *call) takeAs(read func(in *intake, body []byte) error, accepted func() error) error {
	if err := c.typed(); err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	in := c.d.takeIntake()
	defer in.end()
	// What has come is stored whether or not its sender waits for the answer.
	in.c, in.ctx, in.turn, in.accepted = c, context.WithoutCancel(c.ctx), queue.From(c.ctx).Turn(), accepted
	err = in.store(body, read)
	in.count(len(body), err)
	if err != nil {
		if in.stored > 0 {
			err = in.partly(err)
		}
		return err
	}
	return in.answer()
}

// store reads a body and stores its measures, in turns with the work of others.
func (in *intake) store(body []byte, read func(in *intake, body []byte) error) error {
	if err := in.turn.Begin(in.ctx); err != nil {
		return err
	}
	defer in.turn.End()
	if err := read(in, body); err != nil {
		in.malformed = len(in.dec.Times) + 1
		return unreadable(err)
	}
	if err := in.checkWhole(); err != nil {
		in.malformed = len(in.dec.Times)
		return err
	}
	in.arrange()
	if err := in.checkRates(); err != nil {
		return err
	}
	for from := 0; from < len(in.order); {
		if err := in.turn.Begin(in.ctx); err != nil {
			return err
		}
		from = in.fill(from)
		if err := in.flush(); err != nil {
			return err
		}
	}
	if err := in.restore(); err != nil {
		return err
	}
	if len(in.gone) > 0 {
		return unknownMetrics(in.gone)
	}
	return nil
}

// unreadable is what is said of a body that the decoder refuses.
func unreadable(err error) error {
	switch err.(type) { //nolint:errorlint // they are the decoder's, as it made them
	case *schema.Error:
		return invalid(err)
	case *pyjson.SyntaxError:
		return undecodable(err)
	}
	return err
}

// checkWhole refuses numbers that are not whole for metrics that keep whole ones, as other dialects make them.
func (in *intake) checkWhole() error {
	for l := range in.targets {
		if in.targets[l].kind != metricdef.KindInt {
			continue
		}
		from, to := in.dec.Rows(l)
		for row := from; row < to; row++ {
			if v := in.dec.Values[row]; v != math.Trunc(v) || v < -1<<63 || v >= 1<<63 {
				return caused("Invalid input", "reason",
					fmt.Sprintf("%s: %s is not a whole number of 64 bits, which the metric %s keeps", in.dec.Path(row), pyjson.AppendFloat(nil, v), in.targets[l].id), "detail", []string{})
			}
		}
	}
	return nil
}

// arrange brings the lists into the order in which they are stored. Those without measures are left out.
func (in *intake) arrange() {
	in.order = in.order[:0]
	sorted := true
	last := target{}
	for l := range in.targets {
		if from, to := in.dec.Rows(l); from == to || in.targets[l].ref == 0 {
			continue
		}
		in.order = append(in.order, int32(l))
		sorted = sorted && compareTargets(&last, &in.targets[l]) <= 0
		last = in.targets[l]
	}
	if !sorted {
		slices.SortStableFunc(in.order, func(a, b int32) int { return compareTargets(&in.targets[a], &in.targets[b]) })
	}
}

func compareTargets(a, b *target) int {
	return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.ref, b.ref))
}

// checkRates refuses a body for several tenants before anything of it is stored, if one of them has sent more than its rate allows. That of a
// single tenant is asked for with its batch.
func (in *intake) checkRates() error {
	if in.c.d.o.CheckRate == nil || len(in.order) == 0 || in.targets[in.order[0]].tenant == in.targets[in.order[len(in.order)-1]].tenant {
		return nil
	}
	last := tenant.Num(0)
	for _, l := range in.order {
		if n := in.targets[l].tenant; n != last {
			if err := in.c.d.o.CheckRate(in.c.d.o.Tenants.ID(n)); err != nil {
				return err
			}
			last = n
		}
	}
	return nil
}

// fill makes a batch of lists from a place in the order on: those of one tenant, and all of a metric that it has something of. It gives the
// place that it has come to.
func (in *intake) fill(from int) int {
	b := &in.batch
	first := &in.targets[in.order[from]]
	admitted := from > 0 && in.targets[in.order[from-1]].tenant == first.tenant
	b.Reset()
	b.Tenant, b.Subject, b.Admitted, b.Pieces = first.tenant, in.c.id.Subject, admitted, in
	in.portions = in.portions[:0]
	if rows := min(len(in.dec.Times), mostRows); cap(b.Refs) < rows {
		b.Refs, b.Times, b.Values = make([]metricdef.Ref, 0, rows), make([]int64, 0, rows), make([]float64, 0, rows)
	}
	last := first
	for ; from < len(in.order); from++ {
		l := int(in.order[from])
		t := &in.targets[l]
		if t.tenant != first.tenant || len(b.Refs) >= mostRows && t.ref != last.ref {
			break
		}
		last = t
		low, high := in.dec.Rows(l)
		in.portions = append(in.portions, portion{int32(l), int32(len(b.Refs))})
		b.Bytes += in.dec.Size(l)
		if t.kind == metricdef.KindInt {
			for row := low; row < high; row++ {
				b.AddInt(t.ref, in.dec.Times[row], int64(in.dec.Values[row]))
			}
			continue
		}
		for range high - low {
			b.Refs = append(b.Refs, t.ref)
		}
		b.Times, b.Values = append(b.Times, in.dec.Times[low:high]...), append(b.Values, in.dec.Values[low:high]...)
	}
	return from
}

// portionOf is the portion of a row of the batch.
func (in *intake) portionOf(row int) portion {
	return in.portions[sort.Search(len(in.portions), func(i int) bool { return int(in.portions[i].row) > row })-1]
}

// Piece implements measures.Pieces: the list of a row.
func (in *intake) Piece(row int) (list int, size int64) {
	p := in.portionOf(row)
	return int(p.list), in.dec.Size(int(p.list))
}

// path is the place of a row of the batch in the body.
func (in *intake) path(row int) string {
	p := in.portionOf(row)
	from, _ := in.dec.Rows(int(p.list))
	return in.dec.Path(from + row - int(p.row))
}

// flush stores the batch, and gives the turn up before. A metric that has ended meanwhile is not made anew: its id will never be another's.
func (in *intake) flush() error {
	b := &in.batch
	in.turn.End()
	if err := ingest.Commit(in.ctx, in.c.d.o.Store, b); err != nil {
		return err
	}
	refused := 0
	for why, n := range b.Refused {
		in.ignored[why] += n
		refused += n
	}
	if len(b.Refusals) > 0 && in.first == "" {
		r := b.Refusals[0]
		l := in.c.d.o.Tenants.Limits(b.Tenant)
		in.first = in.path(r.Row) + ": " + cmp.Or(ingest.LimitText(r.Why, in.c.d.o.Tenants.ID(b.Tenant), &l), ingest.ReasonText(r.Why))
	}
	in.refused += refused
	in.stored += len(b.Refs) - len(b.Stale) - refused
	for _, row := range b.Stale {
		if id := in.targets[in.portionOf(row).list].id.String(); len(in.gone) == 0 || in.gone[len(in.gone)-1] != id {
			in.gone = append(in.gone, id)
		}
	}
	in.compareEnds()
	return nil
}

// answer says what became of a body that met no error. What the window of a policy does not take is an answer like any other; what a limit
// refuses is an error if nothing else came in.
func (in *intake) answer() error {
	if in.refused > 0 {
		reasons := ingest.IgnoredHeader(&in.ignored)
		in.c.w.Header()["X-Granary-Ignored"] = []string{reasons}
		if in.stored == 0 && in.ignored[measures.OutsideWindow] < in.refused {
			return &refusal{http.StatusBadRequest, "nothing-stored", fmt.Sprintf("nothing was stored: %s; %d measures were refused: %s", in.first, in.refused, reasons)}
		}
	}
	if in.faults.n > 0 {
		return &refusal{http.StatusBadRequest, "sample-refused", fmt.Sprintf("%s; %d measures were stored", in.faults.text(), in.stored)}
	}
	return in.accepted()
}

// count counts a body with those of the other dialects. A line is a measure.
func (in *intake) count(size int, err error) {
	c := in.c.d.o.Counters.Dialect(Name)
	c.Bodies.Add(1)
	c.Bytes.Add(uint64(size))
	c.Lines.Add(uint64(max(len(in.dec.Times), in.malformed)))
	c.Stored.Add(uint64(in.stored))
	for why, n := range in.ignored {
		c.Ignored[why].Add(uint64(n))
	}
	c.Malformed.Add(uint64(in.malformed))
	if err != nil && in.malformed == 0 {
		c.Failed.Add(1)
	}
}

// partError says that an error came when a part of a body was stored already.
type partError struct {
	err  error
	text string
}

func (in *intake) partly(err error) error {
	text := fmt.Sprintf("%v; %d measures of the body were stored, %d were not", err, in.stored, len(in.dec.Times)-in.stored)
	var own *refusal
	if errors.As(err, &own) {
		return &refusal{own.status, own.code, text}
	}
	return &partError{err, text}
}

func (e *partError) Error() string { return e.text }
func (e *partError) Unwrap() error { return e.err }
