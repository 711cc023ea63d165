package prometheus

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
	"time"

	"granary/api/edge"
	"granary/measures"
	"granary/measures/ingest"
	"granary/measures/ingest/known"
	"granary/measures/ingest/line"
	"granary/measures/ingest/mapping"
	"granary/measures/ingest/remote"
	"granary/metricdef"
	"granary/tenant"
	"granary/tenant/queue"
)

const (
	// maxRows is how many samples go into one commit.
	maxRows = 8192
	// keepRows is how many rows of memory are kept from one request to the next.
	keepRows = 1 << 17
	// maxFaults is how many faults an answer names.
	maxFaults = 5
)

// intake stores the samples of one request. It belongs to one request at a time and keeps its memory.
type intake struct {
	c   *call
	ctx context.Context
	num tenant.Num
	who string // for the account of what the tenant uses
	r   remote.Reader

	// What is to be stored of the request, in columns, and whose it is.
	refs   []metricdef.Ref
	times  []int64
	values []float64
	spans  []span
	drafts []measures.Draft // of series that are not there, At counted from the first row of the request

	memory    *learned
	last      *known.Entry    // of the series before
	derived   *mapping.Intake // of samples that others are made of; nil: there are no rules
	low, high int64           // milliseconds: what lies outside is not stored
	bounds    line.Bounds
	labels    []remote.Label
	text      []byte

	batch measures.Batch
	base  int   // the row of the request that is the first one of the batch
	rows  []int // those of a batch whose rows do not stand beside one another; nil else
	// admitted is measures.Batch.Admitted.
	admitted bool
	turn     queue.Turn

	stored, stale int
	consumed      int                      // samples that others are made of, and that are not stored themselves
	made          int                      // samples that were made and stored
	lost          [measures.NumReasons]int // samples that were made and that the store did not take
	malformed     int                      // series whose labels are none
	ignored       [measures.NumReasons]int
	faults        []string // the first ones
}

// span is a series of the request: its first row, and where it lies in the message.
type span struct{ row, from, to int32 }

func (d *Dialect) takeIntake() *intake {
	if in, ok := d.intakes.Get().(*intake); ok {
		return in
	}
	return &intake{}
}

func (in *intake) begin(c *call) {
	// What has come is stored whether or not its sender waits for the answer.
	in.c, in.ctx, in.num, in.who = c, context.WithoutCancel(c.ctx), c.num, c.who.Subject
	in.turn = queue.From(c.ctx).Turn()
	in.memory = c.d.memory()
	in.derived = in.memory.rules.Begin()
	in.bounds = c.d.o.Bounds()
	in.low, in.high = within(c.now, in.bounds)
}

// within are the first and the last millisecond that may be stored. Beyond what a time can hold nothing may, whatever the bounds.
func within(now time.Time, b line.Bounds) (low, high int64) {
	const most = math.MaxInt64 / int64(time.Millisecond)
	low, high = -most, most
	ms := now.UnixMilli()
	if b.Past > 0 {
		low = max(low, ms-b.Past.Milliseconds())
	}
	if b.Future > 0 {
		high = min(high, ms+b.Future.Milliseconds())
	}
	return low, high
}

// end lets go of the request, and gives the intake back.
func (in *intake) end() {
	d := in.c.d
	in.derived.End()
	in.r.Reset()
	in.batch.Refs, in.batch.Times, in.batch.Values = nil, nil, nil // those of the columns
	in.batch.Reset()
	clear(in.labels[:cap(in.labels)])
	clear(in.drafts)
	if cap(in.times) > keepRows || cap(in.spans) > keepRows {
		in.refs, in.times, in.values, in.spans = nil, nil, nil, nil
	}
	if cap(in.drafts) > maxRows {
		in.drafts = nil
	}
	*in = intake{r: in.r, refs: in.refs[:0], times: in.times[:0], values: in.values[:0], spans: in.spans[:0], drafts: in.drafts[:0],
		labels: in.labels[:0], text: in.text[:0], batch: in.batch}
	d.intakes.Put(in)
}

// fault remembers what is wrong with something, for the answer.
func (in *intake) fault(format string, args ...any) {
	if len(in.faults) < maxFaults {
		in.faults = append(in.faults, fmt.Sprintf(format, args...))
	}
}

// store reads a message and stores its samples, in turns with the work of others. A message that cannot be read to its end is damaged
// somewhere, and nothing of it is stored.
func (in *intake) store(message []byte) error {
	if err := in.turn.Begin(in.ctx); err != nil {
		return err
	}
	defer in.turn.End()
	if err := in.read(message); err != nil {
		return err
	}
	if in.num == 0 && len(in.times) > 0 {
		// The tenant comes into being with its first good sample, and only what is of a tenant can be mapped.
		var err error
		if in.num, err = in.c.d.o.Store.EnsureTenant(in.ctx, in.c.tenant); err != nil {
			return err
		}
		if err := in.read(message); err != nil {
			return err
		}
	}
	for from := 0; from < len(in.times); from += maxRows {
		if err := in.turn.Begin(in.ctx); err != nil {
			return err
		}
		in.fill(from, min(from+maxRows, len(in.times)))
		if err := in.flush(); err != nil {
			return err
		}
	}
	return in.derive()
}

// derive stores what is made of the samples, once they are stored.
func (in *intake) derive() error {
	if in.derived.Len() == 0 {
		return nil
	}
	in.turn.End()
	if in.admitted {
		in.derived.Admit(in.num)
	}
	counts, err := in.derived.Commit(in.ctx, ingest.InTurn{Store: in.c.d.o.Store}, in.who)
	in.made = counts.Stored
	in.lost = counts.Ignored
	return err
}

// read makes columns of a message. One that cannot be read to its end counts as one series that is none.
func (in *intake) read(message []byte) error {
	in.refs, in.times, in.values, in.spans, in.drafts = in.refs[:0], in.times[:0], in.values[:0], in.spans[:0], in.drafts[:0]
	in.last, in.malformed, in.consumed, in.ignored, in.faults = nil, 0, 0, [measures.NumReasons]int{}, nil
	err := in.readAll(message)
	if err != nil {
		in.refs, in.times, in.values = in.refs[:0], in.times[:0], in.values[:0]
		in.malformed, in.consumed, in.ignored = 1, 0, [measures.NumReasons]int{}
		in.derived.Drop(in.num)
	}
	return err
}

func (in *intake) readAll(message []byte) error {
	r := &in.r
	if err := r.Begin(in.c.version, message); err != nil {
		return err
	}
	paced := 0
	for r.Next() {
		from, to := r.At()
		if err := in.series(from, to); err != nil {
			return err
		}
		if from-paced > 16<<10 {
			in.turn.Spent(int64(from-paced) * remote.WorkOfByte)
			paced = from
		}
	}
	in.other(r)
	return r.Err()
}

// series takes the samples of the series that the reader has come to.
func (in *intake) series(from, to int) error {
	s, err := in.find()
	if err != nil {
		return in.refuse(err)
	}
	r, first := &in.r, len(in.times)
	for r.Sample() {
		switch t := r.Time; {
		case t < in.low:
			in.outside(measures.TooOld, t)
		case t > in.high:
			in.outside(measures.TooNew, t)
		case len(in.times)+in.consumed == in.c.d.o.MaxSamples:
			return &samplesError{in.c.d.o.MaxSamples}
		default:
			ns := t * int64(time.Millisecond)
			if s.source != nil {
				in.derived.Add(s.source, ns, r.Value)
				if !s.source.Keep() {
					in.consumed++
					continue
				}
			}
			in.refs, in.times, in.values = append(in.refs, s.ref), append(in.times, ns), append(in.values, r.Value)
		}
	}
	if n := len(in.times) - first; n > 0 {
		in.spans = append(in.spans, span{int32(first), int32(from), int32(to)})
		if s.draft != nil {
			in.drafts = append(in.drafts, measures.Draft{At: first, More: n - 1, Def: *s.draft})
		}
	}
	return nil
}

// refuse passes over a series that has no good labels.
func (in *intake) refuse(err error) error {
	var bad *remote.LabelError
	why := measures.BadName
	switch {
	case errors.As(err, &bad) && bad.Many:
		why = measures.TagsLimit
		err = fmt.Errorf("%w (setting %s)", err, settingLabels)
	case errors.As(err, &bad), edge.KindOf(err) == edge.Invalid:
	default:
		return err
	}
	in.malformed++
	in.fault("%v", err)
	for in.r.Sample() {
		in.ignored[why]++
	}
	return nil
}

// outside counts a sample that lies outside of the bounds.
func (in *intake) outside(why measures.Reason, ms int64) {
	if in.ignored[why]++; in.ignored[why] > 1 {
		return
	}
	setting, bound := settingPast, in.bounds.Past
	text := "is too old"
	if why == measures.TooNew {
		setting, bound, text = settingFuture, in.bounds.Future, "lies too far in the future"
	}
	limit := ""
	if bound > 0 {
		limit = fmt.Sprintf(", the limit is %s (setting %s)", tenant.DurationText(bound), setting)
	}
	in.fault("a sample at %d ms since 1970 %s%s", ms, text, limit)
}

// meaning is what the labels of a series stand for.
type meaning struct {
	ref    metricdef.Ref    // 0: it is not there, or not stored
	draft  *metricdef.Draft // what it will be, if it is not there
	source *mapping.Source  // of the samples that are made of it; nil: none are
}

// find is what the series is that the reader has come to: the one that followed last time, or by the cache, or by the registry.
func (in *intake) find() (meaning, error) {
	if in.last != nil {
		if e := in.last.Next(); e != nil && in.r.Is(e.Text) {
			return in.known(e)
		}
	}
	key, err := in.r.Key()
	if err != nil {
		return meaning{}, err
	}
	if in.num == 0 {
		return in.ask()
	}
	if e := in.memory.known.Find(in.num, key); e != nil {
		if in.last != nil {
			in.last.Follow(e)
		}
		return in.known(e)
	}
	return in.ask()
}

// known is what is remembered of a series.
func (in *intake) known(e *known.Entry) (meaning, error) {
	in.last = e
	m := meaning{ref: e.Ref()}
	m.source, _ = e.With.(*mapping.Source)
	if m.ref != 0 || m.source != nil && !m.source.Keep() {
		return m, nil
	}
	return in.ask()
}

// ask finds the series in the registry by its labels, and else makes the draft of one.
func (in *intake) ask() (m meaning, err error) {
	if m.draft, err = in.draft(); err != nil || in.num == 0 {
		return m, err
	}
	d := m.draft
	if rules := in.memory.rules; rules.Takes(d.Name) {
		if m.source = rules.Source(Name, in.num, d.Name, d.Tags); m.source != nil && !m.source.Keep() {
			m.draft = nil
			in.learn(m)
			return m, nil
		}
	}
	in.text = metricdef.AppendKey(in.text[:0], d.Name, d.Tags)
	if ref, ok := in.c.d.o.Definitions.Resolve(in.num, metricdef.Gauge, in.text); ok && ref != 0 {
		m.ref, m.draft = ref, nil
		in.learn(m)
	}
	return m, nil
}

// learn remembers what the labels mean that the reader has come to.
func (in *intake) learn(m meaning) {
	key, err := in.r.Key()
	if err != nil {
		return
	}
	var with any
	if m.source != nil {
		with = m.source
	}
	in.memory.known.LearnWith(in.num, key, m.ref, metricdef.KindFloat, with)
}

// draft is the definition of the series that the reader has come to: __name__ is the name, and all other labels are identity tags.
func (in *intake) draft() (*metricdef.Draft, error) {
	var err error
	if in.labels, err = in.r.Labels(in.labels[:0], in.c.d.o.MaxLabels+1); err != nil {
		return nil, err
	}
	d := &metricdef.Draft{Identity: metricdef.Identity{Tenant: in.num, Type: metricdef.Gauge}, Dialect: Name, Unit: in.r.Unit()}
	for _, l := range in.labels {
		if string(l.Name) == metricdef.NameTag {
			d.Name = string(l.Value)
			continue
		}
		d.Tags = append(d.Tags, metricdef.Tag{Name: string(l.Name), Value: string(l.Value)})
	}
	if d.Name == "" {
		from, _ := in.r.At()
		return nil, &remote.LabelError{At: from, Text: "a series has no label __name__: " + describe(in.labels)}
	}
	check := *d
	check.Tenant = max(check.Tenant, 1) // it may not be there yet, and is not what is wrong
	return d, check.Validate()
}

// describe is the front of labels, as people write them.
func describe(labels []remote.Label) string {
	b := []byte{'{'}
	for i, l := range labels {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = fmt.Appendf(b, "%s=%q", l.Name, l.Value)
		if len(b) > 200 {
			break
		}
	}
	return edge.Shorten(string(append(b, '}')), 200)
}

// spanOf is the series of a row of the request.
func (in *intake) spanOf(row int) int {
	return sort.Search(len(in.spans), func(i int) bool { return int(in.spans[i].row) > row }) - 1
}

// row is the row of the request that is a row of the batch.
func (in *intake) row(row int) int {
	if in.rows != nil {
		return in.rows[row]
	}
	return in.base + row
}

// Piece implements measures.Pieces: the series of a row.
func (in *intake) Piece(row int) (number int, size int64) {
	number = in.spanOf(in.row(row))
	s := in.spans[number]
	if in.rows == nil && int(s.row) < in.base {
		return number, 0 // it counted in the batch before
	}
	if in.rows != nil {
		if _, here := slices.BinarySearch(in.rows, int(s.row)); !here {
			return number, 0
		}
	}
	return number, int64(s.to - s.from)
}
