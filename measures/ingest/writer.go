package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"granary/measures"
	"granary/measures/ingest/line"
	"granary/measures/ingest/mapping"
	"granary/metricdef"
	"granary/tenant"
	"granary/tenant/queue"
)

// Store takes batches. measures.Store is one.
type Store interface {
	// Commit returns when the samples of the batch are in the journal and can be read. It tells in the batch which rows it
	// did not store. After an error nothing of the batch is stored.
	Commit(ctx context.Context, b *measures.Batch) error
}

// Resolver finds the definitions that exist. metricdef.Registry is one.
type Resolver = line.Resolver

// LineError is one malformed line.
type LineError = line.Error

// Options configure a Writer. Zero values take the defaults.
type Options struct {
	MaxLine  int               // bytes of a line, 64 KiB by default (setting granary.limits.line)
	MaxRows  int               // rows of a commit, 8,192 by default
	Cache    line.CacheOptions // its Now is that of the writer if nil
	Now      func() time.Time  // time.Now by default
	Logger   *slog.Logger      // slog.Default by default
	Counters *Counters         // where to count; own ones by default
	Tenants  Tenants           // what tenants may do; nil: everything
}

// Tenants says what tenants may do. tenant.Registry does.
type Tenants interface {
	Standing(n tenant.Num) *tenant.Standing
	CheckRate(n tenant.Num, now int64) error
	ID(n tenant.Num) tenant.ID
}

// Writer is the way in for samples. It is safe for concurrent use.
type Writer struct {
	store    Store
	cache    *line.Cache
	counters *Counters
	warnings *warnings
	tenants  Tenants
	now      func() time.Time
	decoders sync.Pool // of *decoder
}

// New makes a writer in front of a store whose definitions are found by defs.
func New(store Store, defs Resolver, o Options) *Writer {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Counters == nil {
		o.Counters = &Counters{}
	}
	if o.Cache.Now == nil {
		o.Cache.Now = o.Now
	}
	w := &Writer{
		store:    store,
		cache:    line.NewCache(o.Cache),
		counters: o.Counters,
		warnings: newWarnings(o.Logger, o.Now),
		tenants:  o.Tenants,
		now:      o.Now,
	}
	decode := line.Options{Cache: w.cache, MaxLine: o.MaxLine, MaxRows: o.MaxRows, Now: o.Now}
	if o.Tenants != nil {
		decode.LineLimit = func(n tenant.Num) int64 { return o.Tenants.Standing(n).Limits().Line }
	}
	w.decoders.New = func() any { return newDecoder(defs, decode) }
	return w
}

// Counters are the writer's counters.
func (w *Writer) Counters() *Counters { return w.counters }

// CacheStats says what the cache of wire keys holds.
func (w *Writer) CacheStats() line.CacheStats { return w.cache.Stats() }

// Drop forgets what was learned about lines. It must be called after policies or mappings have changed and are in force.
func (w *Writer) Drop() { w.cache.Drop() }

// Tidy gives back what is remembered of senders that have been silent for long, and answers how many bytes.
func (w *Writer) Tidy() int64 { return w.cache.Tidy() }

// Forget forgets definitions that have ended. It is not needed for correctness and walks the whole cache: it frees the
// next body of these series from a second round.
func (w *Writer) Forget(refs []metricdef.Ref) { w.cache.Forget(refs) }

// Result says what became of a body.
type Result struct {
	Lines     int                      // lines that hold something: no blank lines, no comments
	Stored    int                      // samples
	Derived   int                      // samples that were made of others by the mapping, and stored
	Ignored   [measures.NumReasons]int // samples that were well-formed and not stored, by reason
	Malformed int                      // lines
	First     *LineError               // the first malformed line, nil if there is none
	Field     *line.FieldError         // the first value of a type that its field cannot have, nil if there is none

	// examples are lines that show reasons, 0 where there is none.
	examples [measures.NumReasons]int
	// limited is a tenant that each reason was met in, of those that come from limits of tenants.
	limited [measures.NumReasons]tenant.Num
	rate    error // of the tenant that must wait longest, a *tenant.RateError
}

// Example is the number of a line whose sample was not stored for a reason, 0 if none is known.
func (r *Result) Example(why measures.Reason) int { return r.examples[why] }

// IgnoredHeader is the value of the header X-Granary-Ignored: "unknown-metric=3, too-old=1", empty if nothing was ignored.
func (r *Result) IgnoredHeader() string { return IgnoredHeader(&r.Ignored) }

// IgnoredHeader is the value of the header X-Granary-Ignored for samples that were not stored, by reason.
func IgnoredHeader(ignored *[measures.NumReasons]int) string {
	var b []byte
	for reason, n := range ignored {
		if n == 0 {
			continue
		}
		if len(b) > 0 {
			b = append(b, ", "...)
		}
		b = append(b, measures.Reason(reason).String()...)
		b = append(b, '=')
		b = strconv.AppendInt(b, int64(n), 10)
	}
	return string(b)
}

// Sender is who sends a body.
type Sender struct {
	Subject string // for the account of what a tenant uses
	// May refuses a tenant to the sender; nil: none is. It is asked before anything of a tenant is stored, also where the
	// cache of keys knows the tenant of a line from what others have sent.
	May func(tenant.Num) error
	// Whole is for a sender that asks again: if a tenant has sent more than its rate allows nothing is stored, so that asking again
	// stores nothing twice.
	Whole bool
}

// WriteLines is WriteFrom for a sender who needs no asking.
func (w *Writer) WriteLines(ctx context.Context, m line.Mapping, body []byte) (Result, error) {
	return w.WriteFrom(ctx, m, Sender{}, body)
}

// WriteFrom decodes a body of line protocol and stores its samples. It returns when they are in the journal. The body
// may be used again after that.
//
// An error is one of the store, of the mapping or of the context; Result tells what was stored before. Lines that are
// not as they should be are no error: they are in the Result. A body that did not arrive as a whole must be cut by
// line.Complete first.
//
// Samples of a tenant that has sent more than its rate allows are not stored; those of the others are. The error is a
// *tenant.RateError then.
func (w *Writer) WriteFrom(ctx context.Context, m line.Mapping, from Sender, body []byte) (Result, error) {
	d := w.decoders.Get().(*decoder)
	var r Result
	err := w.write(ctx, d, m, from, body, &r)
	if err == nil {
		err = r.rate
	}
	for _, p := range d.Parts() {
		if p.TooLong > 0 && w.tenants != nil {
			w.tenants.Standing(p.Tenant).Refuse(tenant.LimitLine, p.TooLong)
			r.limited[measures.LineLimit] = p.Tenant
		}
	}
	w.account(m, d.Decoder, len(body), &r, err)
	d.End()
	d.derived.End()
	d.derived = nil
	w.decoders.Put(d)
	return r, err
}

func (w *Writer) write(ctx context.Context, d *decoder, m line.Mapping, from Sender, body []byte, r *Result) error {
	if m, ok := m.(mapping.Deriving); ok {
		d.derived = m.Rules().Begin()
	}
	if err := d.Begin(m, body); err != nil {
		return err
	}
	// Decoding goes in turns with others. Commits wait outside of them: they have an order of their own.
	turn := d.Pace(queue.From(ctx).Turn())
	defer turn.End()
	for {
		if err := turn.Begin(ctx); err != nil {
			return err
		}
		more, failed := d.Decode()
		turn.End()
		if from.Whole {
			if err := w.checkRates(d.Parts()); err != nil {
				return err
			}
		}
		if err := w.commitParts(ctx, d.Decoder, from, r); err != nil {
			return err
		}
		if err := w.commitDerived(ctx, d, from, r); err != nil {
			return err
		}
		if failed != nil || !more {
			return failed
		}
	}
}

// commitParts stores what is decoded. Where a tenant was deleted meanwhile, its lines are decoded once more, and may be those of another
// part then, which was stored before or is new.
func (w *Writer) commitParts(ctx context.Context, d *line.Decoder, from Sender, r *Result) error {
	for round := 1; ; round++ {
		left := 0
		for i := 0; i < len(d.Parts()); i++ {
			p := d.Parts()[i]
			if from.May != nil {
				if err := from.May(p.Tenant); err != nil {
					return err
				}
			}
			if err := w.commit(ctx, d, p, from, r); err != nil {
				if errors.As(err, new(*tenant.RateError)) && !from.Whole {
					w.refuse(d, p, err, r)
					continue
				}
				return err
			}
		}
		for _, p := range d.Parts() {
			left += len(p.Batch.Refs)
		}
		switch {
		case left == 0:
			return nil
		case round == Rounds:
			return &UnstableError{Rows: left}
		}
	}
}

// checkRates says whether a tenant of which nothing is stored yet has sent more than its rate allows.
func (w *Writer) checkRates(parts []*line.Part) error {
	if w.tenants == nil {
		return nil
	}
	now := w.now().UnixNano()
	for _, p := range parts {
		if len(p.Batch.Refs) > 0 && !p.Admitted {
			if err := w.tenants.CheckRate(p.Tenant, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// refuse counts a part that is not stored since its tenant has sent more than its rate allows. What follows of the body is not
// stored for it either.
func (w *Writer) refuse(d *line.Decoder, p *line.Part, err error, r *Result) {
	r.Ignored[measures.RateLimit] += len(p.Batch.Refs)
	r.limited[measures.RateLimit] = p.Tenant
	p.Refused = err
	d.Drop(p)
	if wait(err) > wait(r.rate) {
		r.rate = err
	}
}

// wait is how long an error says that its sender should wait.
func wait(err error) time.Duration {
	var rate *tenant.RateError
	if errors.As(err, &rate) {
		return rate.Wait
	}
	return 0
}

// commit stores one part. Rows whose series ended meanwhile are decoded once more, which makes the series anew.
func (w *Writer) commit(ctx context.Context, d *line.Decoder, p *line.Part, from Sender, r *Result) error {
	for round := 1; len(p.Batch.Refs) > 0; round++ {
		p.Batch.Tenant, p.Batch.Subject = p.Tenant, from.Subject
		if err := ctx.Err(); err != nil {
			return err
		}
		if p.Refused != nil {
			return p.Refused
		}
		p.Batch.Admitted = p.Admitted
		if err := Commit(ctx, w.store, &p.Batch); err != nil {
			return err
		}
		p.Admitted = true
		stale := len(p.Batch.Stale)
		stored := len(p.Batch.Refs) - stale
		for reason, n := range p.Batch.Refused {
			r.Ignored[reason] += n
			stored -= n
			if n > 0 {
				r.limited[reason] = p.Tenant
			}
		}
		for _, refusal := range p.Batch.Refusals {
			d.Note(p, refusal)
		}
		r.Stored += stored
		if stale == 0 {
			break
		}
		if round == Rounds {
			return &UnstableError{Rows: stale}
		}
		w.counters.Dialect(d.Dialect()).Stale.Add(uint64(stale))
		if err := d.Again(p); err != nil {
			return err
		}
	}
	d.Done(p)
	return nil
}

// Commit stores a batch of the work whose ticket the context carries: after who has less on its way into the journal, if need be.
// No turn should be held.
func Commit(ctx context.Context, store Store, b *measures.Batch) error {
	ticket := queue.From(ctx)
	if err := ticket.Store(ctx, len(b.Refs)); err != nil {
		return err
	}
	defer ticket.Stored()
	return store.Commit(ctx, b)
}

// Rounds is how often samples are committed at most whose series are removed while they are on their way. A commit that meets a
// removal waits for its end, so each round needs a removal of its own: whoever gets to the last one writes against somebody who
// removes the same series without a pause.
const Rounds = 8

// UnstableError says that series ended in each of the rounds while their samples were on their way.
type UnstableError struct{ Rows int }

func (e *UnstableError) Error() string {
	return fmt.Sprintf("%d samples not stored: their series were removed %d times while they were being written; send them again", e.Rows, Rounds)
}

// Kind is "unavailable": the sender may try again.
func (*UnstableError) Kind() string { return "unavailable" }

// Code is the stable code of the error.
func (*UnstableError) Code() string { return "series-unstable" }

// account completes the result and counts it.
func (w *Writer) account(m line.Mapping, d *line.Decoder, size int, r *Result, err error) {
	dialect := m.Dialect()
	t := d.Tally()
	refused := r.Ignored
	r.Lines, r.Malformed, r.First, r.Field = t.Lines, t.Malformed, t.First, t.Field
	c := w.counters.Dialect(dialect)
	for reason, n := range t.Ignored {
		r.Ignored[reason] += n
		if total := r.Ignored[reason]; total > 0 {
			c.Ignored[reason].Add(uint64(total))
			at, example := d.Example(measures.Reason(reason))
			r.examples[reason] = at
			w.warnings.ignored(dialect, measures.Reason(reason), n+refused[reason], w.remedy(measures.Reason(reason), m.Bounds(), &r.limited), at, example)
		}
	}
	if r.Malformed > 0 {
		c.Malformed.Add(uint64(r.Malformed))
		w.warnings.malformed(dialect, r.Malformed, r.First)
	}
	c.Bodies.Add(1)
	c.Bytes.Add(uint64(size))
	c.Lines.Add(uint64(t.Lines))
	c.Stored.Add(uint64(r.Stored + r.Derived))
	c.Predicted.Add(uint64(t.Predicted))
	c.LookedUp.Add(uint64(t.LookedUp))
	c.Parsed.Add(uint64(t.Parsed))
	if err != nil {
		c.Failed.Add(1)
	}
}
