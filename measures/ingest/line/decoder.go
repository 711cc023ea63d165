package line

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"time"

	"granary/measures"
	"granary/metricdef"
	"granary/tenant"
	"granary/tenant/queue"
)

// Resolver finds the definitions that exist. metricdef.Registry is one.
type Resolver interface {
	Resolve(t tenant.Num, typ metricdef.Type, key []byte) (metricdef.Ref, bool)
}

// Options configure a Decoder. Zero values take the defaults.
type Options struct {
	// Cache remembers keys. Nil: every line goes through the library.
	Cache *Cache
	// MaxLine bounds a line, in bytes without its newline, 64 KiB by default (setting granary.limits.line).
	MaxLine int
	// MaxRows bounds the rows that Decode gathers for one tenant before it returns, 8,192 by default.
	MaxRows int
	// Now is the clock, time.Now by default.
	Now func() time.Time
	// LineLimit is how long the lines of a tenant may be, beyond what MaxLine says of all; 0 is no limit. Nil: none has one.
	LineLimit func(tenant.Num) int64
	// Derived takes the samples of fields that a Deriving mapping has a source for, of each line once, as soon as the line is
	// decoded: before Decode returns, and whatever becomes of the part that their series are in. They lie within the bounds of the
	// mapping. A whole number comes as the float next to it. Nil: mappings derive nothing.
	Derived func(src Source, timeNS int64, v float64)
}

// Defaults of Options.
const (
	DefaultMaxLine = 64 << 10
	DefaultMaxRows = 8192 // half a millisecond in the journal: whoever comes behind waits for it
)

// Decoder turns bodies into batches, one body after the other:
//
//	d.Begin(mapping, body)
//	for more := true; more; {
//		more, err = d.Decode()
//		for _, p := range d.Parts() { store p.Batch; d.Done(p) }
//	}
//	d.End()
//
// It keeps its memory from body to body and belongs to one goroutine at a time. The body must not change until End, for
// batches refer to it.
type Decoder struct {
	o    Options
	defs Resolver

	// Of the body.
	m      Mapping
	typed  bool     // m is Typed
	derive Deriving // m, if samples are made of its samples
	// isExact says that m is Exact, and exact what it decides.
	isExact bool
	exact   Exactness
	body    []byte
	pos     int // start of the next line
	line    int // its number
	time    window
	scope   []byte
	epoch   uint64
	table   *table    // of the scope
	keys    *snapshot // of the table; nil: nothing is known of the scope
	last    *entry    // entry of the last line that was known
	ahead   int       // bytes that may still be searched for the end of strings that run over several lines
	again   bool      // lines are decoded that were decoded before
	tally   Tally
	parts   []*Part // in use
	spare   []*Part
	part    *Part        // the one that took the last row
	recent  stamp        // the last timestamp
	row     []fieldValue // of a known line with several fields
	parse   scratch      // of the slow path
	turn    queue.Turn
}

// A byte on the slow path is about as much work as so many on the fast one.
const slowness = 12

// Pace makes the decoder say to a turn how much it has worked. The caller begins and ends the one that is returned.
func (d *Decoder) Pace(t queue.Turn) *queue.Turn {
	d.turn = t
	return &d.turn
}

// NewDecoder makes a decoder that resolves unknown keys with defs.
func NewDecoder(defs Resolver, o Options) *Decoder {
	if o.MaxLine <= 0 {
		o.MaxLine = DefaultMaxLine
	}
	if o.MaxRows <= 0 {
		o.MaxRows = DefaultMaxRows
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Decoder{o: o, defs: defs}
}

// Complete cuts a body that did not arrive as a whole behind its last newline: an unfinished line is never stored.
func Complete(body []byte) []byte { return body[:bytes.LastIndexByte(body, '\n')+1] }

// Begin starts a body.
func (d *Decoder) Begin(m Mapping, body []byte) error {
	if len(body) > math.MaxUint32 {
		return fmt.Errorf("line protocol: body of %d bytes, at most %d can be decoded at once", len(body), uint32(math.MaxUint32))
	}
	now := d.o.Now()
	d.m, d.body, d.pos, d.line = m, body, 0, 1
	_, d.typed = m.(Typed)
	if d.derive = nil; d.o.Derived != nil {
		d.derive, _ = m.(Deriving)
	}
	d.time = newWindow(now.UnixNano(), m.Bounds())
	d.exact, d.isExact = Exactness{}, false
	if x, ok := m.(Exact); ok {
		d.exact, d.isExact = x.Exactly(), true
		d.time.unit = int64(d.exact.Unit)
	}
	d.ahead = 4*d.o.MaxLine + len(body)
	d.tally = Tally{}
	d.recent = stamp{}
	if d.o.Cache != nil {
		d.scope = m.AppendScope(d.scope[:0])
		d.epoch = d.o.Cache.current.Load().epoch
		d.look()
	}
	return nil
}

// look takes a fresh snapshot of what the cache knows of the scope, unless the cache was dropped since Begin: the
// mapping in hand may be out of date then, and so it goes on with what it has.
func (d *Decoder) look() {
	if d.o.Cache == nil {
		return
	}
	g := d.o.Cache.current.Load()
	if g.epoch != d.epoch {
		return
	}
	t := g.table(d.scope, d.time.now/1e9)
	if t == nil {
		return
	}
	if t != d.table {
		d.table, d.last = t, nil // ids mean something in their own table only
	}
	d.keys = t.view.Load()
}

// Decode reads lines until the body ends or a part is full, which is told by more. An error comes from the mapping and
// ends the body; what was decoded before stands.
func (d *Decoder) Decode() (more bool, err error) {
	d.look()
	for d.pos < len(d.body) {
		if d.full() {
			return true, nil
		}
		at := d.pos
		d.known(min(len(d.body)-at, queue.DefaultQuantum) + at)
		work := d.pos - at
		if work < queue.DefaultQuantum && d.pos < len(d.body) && !d.full() {
			at = d.pos
			if err := d.entry(); err != nil {
				return false, err
			}
			work += slowness * (d.pos - at)
		}
		d.turn.Spent(int64(work))
	}
	return false, nil
}

func (d *Decoder) full() bool { return d.part != nil && len(d.part.at) >= d.o.MaxRows }

// known takes lines of known series, those that begin before end, until it meets one that it does not know, or that is not plain.
func (d *Decoder) known(end int) {
	keys, body := d.keys, d.body
	if keys == nil {
		return
	}
	last, part := d.last, d.part
	pos, first := d.pos, d.line
	for pos < end {
		// Which series? Most likely the one that followed last time.
		var e *entry
		var id uint32
		predicted := false
		if last != nil {
			id = last.next.Load()
			e = keys.at(id)
			predicted = e != nil && e.flags&follows == 0 && e.opens(body[pos:])
		}
		if !predicted {
			if id, e = d.find(body[pos:]); e == nil {
				break
			}
			if last != nil {
				last.next.Store(id)
			}
		}
		ref := metricdef.Ref(e.ref.Load())
		if ref == 0 || e.owner() >= len(keys.tenants) {
			break // forgotten, or younger than the snapshot
		}
		var src Source
		if e.flags&derives != 0 {
			i := int(e.source().Load())
			if i >= len(keys.sources) || i == 0 && ref == alone {
				break
			}
			src = keys.sources[i]
		}
		last = e

		// Its value and time, and the line must be over.
		v, i, ok := parseFloat(body, pos+int(e.size))
		var n int64
		whole := false
		if d.typed && ok && i < len(body) && body[i] == 'i' {
			if n, i, ok = parseInt(body, pos+int(e.size)); !ok {
				break
			}
			whole = true
		}
		several := ok && i < len(body) && body[i] == ','
		if several {
			d.row = append(d.row[:0], fieldValue{ref, src, v, n, whole})
			last, i, ok = d.behind(e, id, i)
		}
		if !ok || i >= len(body) || body[i] != ' ' {
			break
		}
		t, next, ok := d.recent.match(body, i+1)
		if !ok {
			if t, next, ok = d.time.parseTime(body, i+1); !ok {
				break
			}
			d.recent.keep(body[i+1:next], t)
		}
		if next-pos > d.o.MaxLine {
			break
		}

		if reason, ok := d.time.check(t); !ok {
			count := 1
			if several {
				count = len(d.row)
			}
			d.tally.ignore(reason, count, d.line, pos)
		} else {
			if num := keys.tenants[e.owner()]; part == nil || part.Tenant != num {
				part = d.partOf(num)
			}
			if len(part.at) >= d.o.MaxRows || next-pos > part.maxLine {
				break
			}
			switch {
			case several:
				d.addRow(part, t, pos)
				part.Batch.Bytes += int64(next - pos)
			case ref == alone:
			case whole:
				part.addInt(ref, t, n, pos)
				part.Batch.Bytes += int64(next - pos)
			default:
				part.add(ref, t, v, pos)
				part.Batch.Bytes += int64(next - pos)
			}
			if src != nil && !several {
				if whole {
					v = float64(n)
				}
				d.o.Derived(src, t, v)
			}
		}
		if predicted {
			d.tally.Predicted++
		} else {
			d.tally.LookedUp++
		}
		d.line++
		pos = next
	}
	d.tally.Lines += d.line - first
	d.last, d.part, d.pos = last, part, pos
}

// find looks up the key at the start of text by its hash.
func (d *Decoder) find(text []byte) (uint32, *entry) {
	size := keySize(text)
	if size == 0 {
		return 0, nil
	}
	return d.keys.find(hashOf(d.o.Cache.seed, text[:size]), text[:size], 0)
}

// keySize is the length of the key at the start of text, 0 if there is none that could be remembered.
func keySize(text []byte) int {
	text = text[:min(len(text), maxKey)]
	space := bytes.IndexByte(text, ' ')
	if space <= 0 {
		return 0
	}
	equals := bytes.IndexByte(text[space:], '=')
	if equals < 0 {
		return 0
	}
	return space + equals + 1
}

// partOf is the part of a tenant, which may have to be opened.
func (d *Decoder) partOf(num tenant.Num) *Part {
	for _, p := range d.parts {
		if p.Tenant == num {
			return p
		}
	}
	var p *Part
	if n := len(d.spare); n > 0 {
		p, d.spare = d.spare[n-1], d.spare[:n-1]
	} else {
		p = new(Part)
	}
	p.begin(d.body, d.isExact)
	p.Tenant, p.Batch.Tenant, p.maxLine = num, num, math.MaxInt
	if d.o.LineLimit != nil {
		if n := d.o.LineLimit(num); n > 0 {
			p.maxLine = int(n)
		}
	}
	d.parts = append(d.parts, p)
	return p
}

// Parts are the parts that hold samples now, in the order in which their tenants came. The slice is valid until the next
// call of Decode or End.
func (d *Decoder) Parts() []*Part { return d.parts }

// Done takes note of a part that was stored: the cache learns its keys, and the part is empty again.
func (d *Decoder) Done(p *Part) {
	d.learn(p)
	p.reset()
}

func (d *Decoder) learn(p *Part) {
	if d.o.Cache == nil {
		return
	}
	for i := range p.resolved {
		if k := &p.resolved[i]; k.ref == 0 {
			k.ref = p.Batch.Refs[k.row]
		}
	}
	d.o.Cache.learn(d.epoch, d.scope, p.resolved)
}

// Drop empties a part that was not stored. The cache learns nothing of it.
func (d *Decoder) Drop(p *Part) { p.reset() }

// Again decodes the stale rows of a part that was stored once more; the part then holds nothing else. If the tenant is another one
// by now, they are in its part. The cache forgets their keys, and their lines go to the resolver as if they were new.
func (d *Decoder) Again(p *Part) error {
	stale := p.Batch.Stale
	p.resolved = slices.DeleteFunc(p.resolved, func(k known) bool {
		_, gone := slices.BinarySearch(stale, k.row)
		return gone
	})
	d.learn(p)
	lines := make([]int, 0, len(stale))
	for _, row := range stale {
		at := int(p.at[row])
		if len(lines) > 0 && lines[len(lines)-1] == at {
			continue
		}
		lines = append(lines, at)
		if d.keys != nil {
			if _, e := d.find(d.body[at:]); e != nil {
				e.ref.Store(0)
			}
		}
	}
	left := p.Batch.Left
	p.reset()

	pos, line, tally := d.pos, d.line, d.tally
	d.again = true
	defer func() {
		d.pos, d.line, d.tally, d.again = pos, line, tally, false
		if len(p.at) > 0 { // else they are another tenant's now
			p.Batch.Bytes = left
		}
	}()
	for _, at := range lines {
		d.pos = at
		if err := d.entry(); err != nil {
			return err
		}
	}
	return nil
}

// Dialect is the dialect of the body.
func (d *Decoder) Dialect() string { return d.m.Dialect() }

// Tally is what became of the lines so far.
func (d *Decoder) Tally() *Tally { return &d.tally }

// Note takes down the line of a row that the store refused, if it is the first for its reason.
func (d *Decoder) Note(p *Part, r measures.Refusal) {
	if x := &d.tally.examples[r.Why]; x.line == 0 && r.Row < len(p.at) {
		at := int(p.at[r.Row])
		*x = example{1 + bytes.Count(d.body[:at], newline), at}
	}
	if r.Why == measures.WrongKind && r.Row < len(p.at) {
		d.showRow(p, r.Row)
	}
}

// Example is a line that was ignored for a reason, shortened, and its number; 0 if there was none.
func (d *Decoder) Example(r measures.Reason) (line int, text string) {
	x := d.tally.examples[r]
	if x.line == 0 {
		return 0, ""
	}
	return x.line, shorten(d.body[x.at:])
}

// What a decoder keeps from body to body is bounded: parts for bodies of many tenants, and room for new series.
const (
	keptParts  = 8
	keptDrafts = 8192
)

// End lets go of the body.
func (d *Decoder) End() {
	for _, p := range d.parts {
		p.reset()
		p.body, p.Batch.Pieces = nil, nil
		p.Admitted, p.Refused, p.TooLong = false, nil, 0
		if cap(p.Batch.Drafts) > keptDrafts {
			p.Batch.Drafts = nil
		}
		if cap(p.resolved) > keptDrafts {
			p.resolved = nil
		}
		if len(d.spare) < keptParts {
			d.spare = append(d.spare, p)
		}
	}
	clear(d.parts)
	d.parts, d.part = d.parts[:0], nil
	d.m, d.derive, d.body, d.table, d.keys, d.last = nil, nil, nil, nil, nil, nil
	d.tally = Tally{}
	d.turn = queue.Turn{}
	d.parse.release()
}
