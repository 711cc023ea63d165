package native

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"time"

	"granary/api/edge"
	"granary/api/edge/scan"
	"granary/measures"
	"granary/measures/ingest"
	"granary/measures/ingest/known"
	"granary/metricdef"
	"granary/tenant"
	"granary/tenant/queue"
)

// maxRows is how many samples go into one commit.
const maxRows = 8192

// intake reads the items of one body, gathers their samples and stores them. It belongs to one request at a time and keeps
// its memory.
type intake struct {
	a      *API
	ctx    context.Context
	id     tenant.ID
	num    tenant.Num // 0: not there
	create bool       // make metrics that are not there
	now    time.Time
	// admitted is measures.Batch.Admitted.
	admitted bool

	batch  measures.Batch
	from   []origin // of the rows of the batch, in order
	at     []int32  // of each row, which sample of its item it is
	cols   columns
	key    []byte
	last   *known.Entry // of the item before
	report report
	turn   queue.Turn
	who    string // for the account of what the tenant uses
	size   int64  // bytes of the item that is being read, as long as they are in no batch
}

// The work of a byte of JSON, in units of turns, and of one that the strict way reads.
const (
	workOfByte   = 2
	workOfStrict = 20
)

// place is the path of an item: of the list that it is in, and its number there, below 0 for none. It becomes a text only
// when something is wrong.
type place struct {
	list string
	n    int
}

func (p place) String() string {
	if p.n < 0 {
		return p.list
	}
	return p.list + "/" + strconv.Itoa(p.n)
}

// origin is an item that rows of the batch come from.
type origin struct {
	row    int // its first one
	index  int
	line   int              // where lines are items
	path   place            // of the item
	known  *known.Entry     // nil: it was not known
	header []byte           // what may be learned; nil: nothing
	item   *item            // where neither known nor header has its text
	draft  *metricdef.Draft // nil: the metric is there
	kind   metricdef.Kind
	size   int64 // its bytes, if they count in this batch
}

func (in *intake) begin(ctx context.Context, a *API, id tenant.ID, create bool) {
	in.a, in.ctx, in.id, in.create, in.now = a, ctx, id, create, a.o.Now()
	in.num, in.last, in.report, in.admitted, in.size = 0, nil, report{}, false, 0
	if in.who = ""; edge.IdentityFrom(ctx) != nil {
		in.who = edge.IdentityFrom(ctx).Subject
	}
	in.turn = queue.From(ctx).Turn()
	in.cols.turn = &in.turn
	if t, ok := a.o.Tenants.Lookup(id); ok {
		in.num = t.Num
	}
	in.clear()
}

func (in *intake) clear() {
	in.batch.Reset()
	in.batch.Pieces = in
	clear(in.from)
	in.from, in.at = in.from[:0], in.at[:0]
}

// end lets go of the body.
func (in *intake) end() {
	in.clear()
	in.ctx, in.turn = nil, queue.Turn{}
}

// list reads the items of a list, from behind its bracket, and stores what becomes a batch. It returns the place behind the
// list. An error is one of the store and ends the body; broken says that what follows is no JSON.
func (in *intake) list(b []byte, i int, path string) (end int, broken, err error) {
	if i = scan.Space(b, i); i < len(b) && b[i] == ']' {
		return i + 1, nil, nil
	}
	for n := 0; ; n++ {
		if in.report.enough() {
			return i, errUnread, nil
		}
		if i, broken, err = in.item(b, i, n, place{path, n}); broken != nil || err != nil {
			return i, broken, err
		}
		i = scan.Space(b, i)
		switch {
		case i < len(b) && b[i] == ']':
			return i + 1, nil, nil
		case i >= len(b) || b[i] != ',':
			return i, brokenAt(i, "expected , or ] behind a metric"), nil
		}
		i = scan.Space(b, i+1)
	}
}

func brokenAt(i int, text string) error {
	return &syntaxError{text: fmt.Sprintf("no valid JSON at byte %d: %s", i, text)}
}

// lines reads one item a line.
func (in *intake) lines(b []byte) error {
	n := 0
	for number := 1; len(b) > 0; number++ {
		text := b
		if end := bytes.IndexByte(b, '\n'); end >= 0 {
			text, b = b[:end], b[end+1:]
		} else {
			b = nil
		}
		i := scan.Space(text, 0)
		if i == len(text) {
			continue
		}
		in.report.line = number
		if in.report.enough() {
			in.report.add(n, "", errUnread)
			break
		}
		end, broken, err := in.item(text, i, n, place{"", -1})
		if err != nil {
			return err
		}
		if rest := scan.Space(text, end); broken == nil && rest < len(text) {
			// The samples before it are stored; what stands behind is not understood.
			broken = brokenAt(rest, "there is something behind the metric")
		}
		if broken != nil {
			in.report.add(n, "", broken)
		}
		n++
	}
	in.report.line = 0
	return nil
}

// item reads the item at b[i:].
func (in *intake) item(b []byte, i, n int, path place) (end int, broken, err error) {
	if k := in.lookup(b, i); k != nil {
		in.cols.reset(k.Kind)
		if end, ok := in.cols.scan(b, i+len(k.Text)); ok {
			if end = scan.Space(b, end); end < len(b) && b[end] == '}' {
				in.last = k
				in.size = int64(end + 1 - i)
				in.turn.Spent(int64(min(end-i, workUnit)) * workOfByte)
				return end + 1, nil, in.add(origin{index: n, line: in.report.line, path: path, known: k, kind: k.Kind}, k.Ref())
			}
		}
	}
	if i >= len(b) {
		return i, brokenAt(i, "it ends too early"), nil
	}
	raw, verr := nextValue(b[i:])
	if verr != nil {
		return i, syntax(verr), nil
	}
	// An error of JSON counts bytes from the item.
	end = i + len(raw)
	in.size = int64(len(raw))
	err = in.strictItem(raw, n, path)
	in.turn.Spent(int64(min(len(raw), workUnit)) * workOfStrict)
	return end, nil, err
}

// lookup finds the metric of an item by the text in front of its samples: the one that followed last time, or by the text.
func (in *intake) lookup(b []byte, i int) *known.Entry {
	if in.num == 0 {
		return nil
	}
	if in.last != nil {
		if k := in.last.Next(); k != nil && len(b)-i > len(k.Text) && string(b[i:i+len(k.Text)]) == k.Text {
			return k
		}
	}
	end, ok := header(b, i)
	if !ok {
		return nil
	}
	k := in.a.headers.Find(in.num, b[i:end])
	if k != nil && in.last != nil {
		in.last.Follow(k)
	}
	return k
}

// strictItem reads an item by the rules, and reports what is wrong with it. The error is one of the store.
func (in *intake) strictItem(raw []byte, n int, path place) error {
	in.last = nil
	it, err := readItem(raw)
	if err != nil {
		in.report.refuseItem(n, path.String(), samplesIn(it), err)
		return nil
	}
	o := origin{index: n, line: in.report.line, path: path}
	if end, ok := header(raw, 0); ok {
		// What stands behind the samples would be part of the name too.
		stop := end - 1 + len(it.Samples)
		if stop < len(raw) && bytes.Equal(raw[end-1:stop], it.Samples) && raw[scan.Space(raw, stop)] == '}' {
			o.header = raw[:end]
		}
	}
	if o.header == nil {
		o.item = it
	}
	ref, err := in.resolve(it, &o)
	switch {
	case err != nil && edge.KindOf(err) != edge.Invalid && edge.KindOf(err) != edge.NotFound:
		return err
	case err != nil:
		in.report.refuseItem(n, path.String(), samplesIn(it), err)
		return nil
	}
	in.cols.reset(o.kind)
	in.cols.strict(it.Samples, in.now, func(i int, err error) bool {
		in.report.add(n, path.String(), edge.At("/samples/"+strconv.Itoa(i), err))
		return !in.report.enough()
	})
	if len(in.cols.times) == 0 {
		return nil
	}
	if o.draft != nil {
		// The tenant comes into being with its first good sample.
		if in.num == 0 {
			if in.num, err = in.a.o.Store.EnsureTenant(in.ctx, in.id); err != nil {
				return err
			}
		}
		if o.draft.Tenant = in.num; o.draft.Policy != "" {
			// Whether there is a policy of that name is asked before the metric is made. It is no explicit one: it ends with its data.
			made := in.a.o.Metrics.CreateDefinitions(in.ctx, []metricdef.Draft{*o.draft})[0]
			if made.Err != nil && edge.KindOf(made.Err) != edge.Invalid && edge.KindOf(made.Err) != edge.NotFound {
				return made.Err
			}
			if made.Err != nil {
				in.report.refuseItem(n, path.String(), len(in.cols.times), edge.At("/policy", made.Err))
				return nil
			}
			ref, o.draft = made.Ref, nil
		}
	}
	if o.draft == nil && o.header != nil {
		in.a.headers.Learn(in.num, o.header, ref, o.kind)
		in.last = in.a.headers.Find(in.num, o.header)
	}
	return in.add(o, ref)
}

// samplesIn is how many samples an item that cannot be stored has, at least 1.
func samplesIn(it *item) int {
	if it == nil || len(it.Samples) == 0 || it.Samples[0] != '[' {
		return 1
	}
	n, depth := 0, 0
	for i := 0; i < len(it.Samples); i++ {
		switch it.Samples[i] {
		case '[', '{':
			if depth++; depth == 2 {
				n++
			}
		case ']', '}':
			depth--
		case '"':
			for i++; it.Samples[i] != '"'; i++ {
				if it.Samples[i] == '\\' {
					i++
				}
			}
		}
	}
	return max(n, 1)
}

// resolve finds the metric of an item: its ref, or in the origin the draft of one that is not there.
func (in *intake) resolve(it *item, o *origin) (metricdef.Ref, error) {
	if it.ID != nil {
		id, err := it.parseID()
		if err != nil {
			return 0, err
		}
		ref, ok := in.a.o.Definitions.ByID(id)
		if d, there := in.a.o.Definitions.Get(ref); ok && there && in.num != 0 && d.Tenant == in.num {
			o.kind = d.Values()
			return ref, nil
		}
		return 0, edge.At("/id", &metricError{id})
	}
	d, err := it.draft()
	if err != nil {
		return 0, err
	}
	if in.num != 0 {
		in.key = metricdef.AppendKey(in.key[:0], d.Name, d.Tags)
		if ref, ok := in.a.o.Definitions.Resolve(in.num, d.Type, in.key); ok {
			// One that another writer is about to make has the kind that its draft asks for.
			if o.kind = in.a.o.Definitions.Kind(ref); o.kind != 0 {
				return ref, nil
			}
		}
	}
	if !in.create {
		return 0, edge.At("/name", &nameError{*it.Name})
	}
	o.draft, o.kind = d, d.Values()
	return 0, nil
}

// nameError says that the tenant has no metric of a name and tags, where none is to be made.
type nameError struct{ name string }

func (e *nameError) Error() string {
	return fmt.Sprintf("there is no metric %q with these tags, and create is false", shorten(e.name))
}
func (*nameError) Kind() string { return string(edge.NotFound) }
func (*nameError) Code() string { return "metric-unknown" }

// add puts the samples of the item into the batch, and stores it when it is full.
func (in *intake) add(o origin, ref metricdef.Ref) error {
	c, b := &in.cols, &in.batch
	tags := c.tags
	if len(c.times) > 0 {
		b.Bytes, o.size, in.size = b.Bytes+in.size, in.size, 0
	}
	for from := 0; from < len(c.times); {
		room := min(maxRows-len(b.Refs), len(c.times)-from)
		o.row = len(b.Refs)
		in.from = append(in.from, o)
		for i := from; i < from+room; i++ {
			in.row(&o, ref, i)
			if len(tags) > 0 && tags[0].row == i {
				b.AddTags(tags[0].text)
				tags = tags[1:]
			}
		}
		o.size = 0 // it counts in the first batch
		if from += room; len(b.Refs) == maxRows {
			if err := in.flush(); err != nil {
				return err
			}
			if err := in.turn.Begin(in.ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// row adds one sample of the columns.
func (in *intake) row(o *origin, ref metricdef.Ref, i int) {
	c, b := &in.cols, &in.batch
	t, v, n := c.times[i], c.values[i], int32(i)
	if c.at != nil {
		n = c.at[i]
	}
	in.at = append(in.at, n)
	if o.draft == nil {
		switch c.kind {
		case metricdef.KindInt:
			b.AddInt(ref, t, measures.WordInt(v))
		case metricdef.KindText:
			b.AddText(ref, t, c.texts[i])
		default:
			b.Add(ref, t, v)
		}
		return
	}
	if len(b.Refs) > o.row { // its draft is there already
		switch c.kind {
		case metricdef.KindInt:
			b.AddInt(0, t, measures.WordInt(v))
		case metricdef.KindText:
			b.AddText(0, t, c.texts[i])
		default:
			b.Add(0, t, v)
		}
		b.Same()
		return
	}
	d := measures.Draft{Def: *o.draft}
	switch c.kind {
	case metricdef.KindInt:
		b.AddIntDraft(d, t, measures.WordInt(v))
	case metricdef.KindText:
		b.AddTextDraft(d, t, c.texts[i])
	default:
		b.AddDraft(d, t, v)
	}
}

// flush stores the batch, and gives the turn up before. Samples whose metric ended meanwhile are written again, to one of the same name that is made
// anew, for as many rounds as a writer has.
func (in *intake) flush() error {
	b, line := &in.batch, in.report.line
	for round := 1; len(b.Refs) > 0; round++ {
		in.turn.End()
		b.Tenant, b.Subject, b.Admitted = in.num, in.who, in.admitted
		if err := ingest.Commit(in.ctx, in.a.o.Store, b); err != nil {
			return err
		}
		in.admitted = true
		refused := 0
		for reason, n := range b.Refused {
			if n > 0 {
				refused += n
				in.report.count(measures.Reason(reason), n)
			}
		}
		for _, r := range b.Refusals {
			o := in.originOf(r.Row)
			in.report.line = o.line
			in.report.show(o.index, o.path.String()+"/samples/"+strconv.Itoa(int(in.at[r.Row])), &refusedError{r.Why, in.a.limitText(in.id, r.Why)})
		}
		in.report.line = line
		in.report.stored += len(b.Refs) - len(b.Stale) - refused
		in.learn()
		if len(b.Stale) == 0 {
			break
		}
		if round == ingest.Rounds {
			return &ingest.UnstableError{Rows: len(b.Stale)}
		}
		if err := in.again(); err != nil {
			return err
		}
	}
	in.clear()
	return nil
}

// learn remembers the texts of the metrics that were made.
func (in *intake) learn() {
	drafts := in.batch.Drafts
	for i := range in.from {
		o := &in.from[i]
		if o.draft == nil {
			continue
		}
		for len(drafts) > 0 && drafts[0].At < o.row {
			drafts = drafts[1:]
		}
		if len(drafts) == 0 || drafts[0].At != o.row || drafts[0].Ref == 0 {
			continue
		}
		if ref := drafts[0].Ref; o.known != nil {
			o.known.Set(ref) // it may be one that the map has no more, but others still lead to
		} else if o.header != nil {
			in.a.headers.Learn(in.num, o.header, ref, o.kind)
		}
	}
}

// Piece implements measures.Pieces: the item of a row.
func (in *intake) Piece(row int) (first int, size int64) {
	o := in.originOf(row)
	return o.row, o.size
}

// originOf is the item of a row.
func (in *intake) originOf(row int) *origin {
	low, high := 0, len(in.from)
	for high-low > 1 {
		if mid := (low + high) / 2; in.from[mid].row <= row {
			low = mid
		} else {
			high = mid
		}
	}
	return &in.from[low]
}

// refusedError says why the store did not take a sample.
type refusedError struct {
	why   measures.Reason
	limit string // which limit of the tenant it was; "" for none
}

func (e *refusedError) Error() string {
	if e.limit != "" {
		return "not stored: " + e.limit
	}
	return "not stored: " + ingest.ReasonText(e.why)
}
func (*refusedError) Kind() string { return string(edge.Invalid) }
func (*refusedError) Code() string { return "sample-refused" }

// limitText names the limit of the tenant that a reason comes from, with its value and its setting; "" if it comes from none.
func (a *API) limitText(id tenant.ID, why measures.Reason) string {
	t, ok := a.o.Tenants.Lookup(id)
	if !ok {
		return ""
	}
	l := a.o.Tenants.Limits(t.Num)
	return ingest.LimitText(why, id, &l)
}
