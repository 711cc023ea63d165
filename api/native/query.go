package native

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"granary/api/edge"
	"granary/measures/query"
	"granary/metricdef"
	"granary/metricdef/match"
	"granary/policy"
	"granary/tenant/queue"
)

// Queries prepares and bounds queries; query.Engine does.
type Queries interface {
	Prepare(ctx context.Context, r query.Request) (*query.Query, error)
	Admit(most, cost query.Cost) error
}

func (a *API) queryRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/query", right: reads, serve: a.getQuery, produces: queryTypes},
		{method: http.MethodPost, path: "/query", right: reads, serve: a.postQuery, produces: queryTypes},
	}
}

const (
	typeCSV       = "text/csv"
	maxQueries    = 100     // of one request
	maxIDs        = 100_000 // of all queries of one request
	maxGroupBy    = 16
	defaultBefore = time.Hour // how far before its end a range begins that names no start
)

var errIDs = &syntaxError{text: fmt.Sprintf("the queries of the request have more than %d ids together, which is the limit", maxIDs)}

var queryTypes = []string{typeJSON, typeNDJSON, typeCSV}

// querySpec is one query of a request, in the members of a body.
type querySpec struct {
	IDs      []string `json:"ids"`
	Names    texts    `json:"names"`
	Types    texts    `json:"types"`
	Selector selector `json:"selector"`

	Start    moment   `json:"start"`
	End      moment   `json:"end"`
	Bucket   duration `json:"bucket"`
	Buckets  int64    `json:"buckets"`
	Align    string   `json:"align"`
	Method   string   `json:"method"`
	Rate     bool     `json:"rate"`
	Across   string   `json:"across"`
	GroupBy  texts    `json:"group_by"`
	Fill     filling  `json:"fill"`
	Lookback duration `json:"lookback"`

	Limit       int64  `json:"limit"`
	Order       string `json:"order"`
	SeriesLimit int64  `json:"series_limit"`
	PointTags   bool   `json:"tags"`
}

// queryBody is the body of POST /v2/query: one query, or several with names. What stands beside "queries" holds for those
// that do not say otherwise.
type queryBody struct {
	querySpec
	Queries    map[string]jsontext.Value `json:"queries"`
	TimeFormat string                    `json:"time_format"`
	BigInts    string                    `json:"big_ints"`
}

// moment is a time in a body: a text or a number as edge.ParseTime reads it.
type moment struct{ text string }

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (m *moment) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	text, err := textOrNumber(d, "a time: a text such as now-1h or 2026-01-31T12:00:00Z, or a number")
	m.text = text
	return err
}

// textOrNumber reads a text, or a number as it is written.
func textOrNumber(d *jsontext.Decoder, what string) (string, error) {
	kind := d.PeekKind()
	raw, err := d.ReadValue()
	if err != nil {
		return "", err
	}
	switch kind {
	case '"':
		b, err := jsontext.AppendUnquote(nil, raw)
		return string(b), err
	case '0':
		return string(raw), nil
	}
	return "", &syntaxError{text: "expected " + what}
}

// filling is what fills buckets without a value: a name, or a number.
type filling struct{ query.Fill }

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (f *filling) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	const forms = "none, null, previous, linear or a number"
	if d.PeekKind() == 'n' {
		f.How = query.Null
		return d.SkipValue()
	}
	text, err := textOrNumber(d, forms)
	if err != nil {
		return err
	}
	if !f.parse(text) {
		return &syntaxError{text: fmt.Sprintf("%q is not %s", shorten(text), forms)}
	}
	return nil
}

func (f *filling) parse(text string) bool {
	f.Fill = query.Fill{}
	switch text {
	case "", "none":
		return true
	case "null":
		f.How = query.Null
	case "previous":
		f.How = query.Previous
	case "linear":
		f.How = query.Linear
	default:
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || strings.Trim(text, "+-.0123456789eE") != "" {
			return false
		}
		f.How, f.Number = query.Number, v
	}
	return true
}

// namedQuery is a query with the name that its frames carry.
type namedQuery struct {
	name string // "" for the only one of a request that gives none
	path string // of its members in the body
	spec querySpec

	query *query.Query
}

// asked is a whole request.
type asked struct {
	queries []namedQuery
	url     bool // the parameters of a URL, not a body
	format  edge.TimeFormat
	bigText bool // whole numbers that a double cannot hold are texts

	ids      int // of all queries
	notFound []string
	missing  map[uuid.UUID]bool // those of notFound
	notes    []note

	// spill takes what has been printed of a frame, sends it if that is much, and returns where to go on.
	spill func(b []byte) []byte
}

// add adds a query, unless it has too many ids with those before.
func (q *asked) add(n namedQuery) error {
	if q.ids += len(n.spec.IDs); q.ids > maxIDs {
		return edge.At(n.path+"/ids", errIDs)
	}
	q.queries = append(q.queries, n)
	return nil
}

// note tells what is worth knowing about an answer.
type note struct{ query, code, text string }

func (a *API) postQuery(w http.ResponseWriter, r *http.Request) error {
	if err := a.params(r).end(); err != nil {
		return err
	}
	var b queryBody
	if err := a.decode(r, &b); err != nil {
		return err
	}
	var q asked
	var err error
	if q.format, err = edge.ParseTimeFormat(b.TimeFormat); err != nil {
		return edge.At("/time_format", err)
	}
	switch b.BigInts {
	case "", "number":
	case "string":
		q.bigText = true
	default:
		return edge.At("/big_ints", &syntaxError{text: `is neither "number" nor "string"`})
	}
	if b.Queries == nil {
		if err := q.add(namedQuery{spec: b.querySpec}); err != nil {
			return err
		}
		return a.answerQueries(w, r, &q)
	}
	if n := len(b.Queries); n == 0 || n > maxQueries {
		return edge.At("/queries", &syntaxError{text: fmt.Sprintf("there are %d queries, from 1 to %d are possible", n, maxQueries)})
	}
	// What would be too large in one selector is so in a hundred.
	var bounds match.Bounds
	if err := bounds.AddAll(b.Selector.expr); err != nil {
		return edge.At("/selector", &syntaxError{text: err.Error()})
	}
	for _, name := range slices.Sorted(maps.Keys(b.Queries)) {
		n := namedQuery{name: name, path: edge.Pointer("/queries", name), spec: b.querySpec}
		// Decoding writes into lists that are there.
		n.spec.IDs, n.spec.Names = slices.Clone(n.spec.IDs), slices.Clone(n.spec.Names)
		n.spec.Types, n.spec.GroupBy = slices.Clone(n.spec.Types), slices.Clone(n.spec.GroupBy)
		n.spec.Selector = selector{}
		if err := decodeJSON(b.Queries[name], &n.spec); err != nil {
			return edge.At(n.path, err)
		}
		if !n.spec.Selector.given {
			n.spec.Selector = b.Selector
		} else if err := bounds.AddAll(n.spec.Selector.expr); err != nil {
			return edge.At(n.path+"/selector", &syntaxError{text: "of all selectors of the request together: " + err.Error()})
		}
		if err := q.add(n); err != nil {
			return err
		}
	}
	return a.answerQueries(w, r, &q)
}

func (a *API) getQuery(w http.ResponseWriter, r *http.Request) error {
	p := a.params(r)
	q := asked{url: true, format: p.format(), bigText: p.choice("big_ints", "number", "string") == "string"}
	s := querySpec{
		IDs: split(p.list("id")), Names: p.list("name"), Types: split(p.list("type")),
		Start: moment{p.instant("start")}, End: moment{p.instant("end")},
		Bucket: duration(p.duration("bucket", 0)), Buckets: p.integer("buckets", 0, 1, 1<<40), Align: p.text("align", ""),
		Method: p.text("method", ""), Rate: p.bool("rate", false), Across: p.text("across", ""), GroupBy: split(p.list("group_by")),
		Lookback: duration(p.duration("lookback", 0)),
		Limit:    p.integer("limit", 0, 1, 1<<40), Order: p.text("order", ""), SeriesLimit: p.integer("series_limit", 0, 1, 1<<40),
		PointTags: p.bool("tags", false),
	}
	if text := p.text("fill", ""); !s.Fill.parse(text) {
		p.fail("fill", "%q is not none, null, previous, linear or a number", shorten(text))
	}
	if p.has("bucket") && s.Bucket <= 0 {
		p.fail("bucket", "must be longer than nothing; without it the range is not divided")
	}
	e, and := p.selector()
	if err := p.end(); err != nil {
		return err
	}
	if e != nil || len(and) > 0 {
		search := metricSearch{and: and}
		search.Selector.expr = e
		s.Selector.expr, s.Selector.given = search.expr(), true
	}
	q.queries = []namedQuery{{spec: s}}
	return a.answerQueries(w, r, &q)
}

// split takes lists apart that are separated by commas.
func split(lists []string) (all []string) {
	for _, list := range lists {
		all = append(all, strings.Split(list, ",")...)
	}
	return all
}

// instant is the text of a time. No form of a time has a space, and a "+" that is not escaped arrives as one.
func (p *params) instant(name string) string { return strings.ReplaceAll(p.text(name, ""), " ", "+") }

// answerQueries prepares all queries, holds them together against the limits, and answers.
func (a *API) answerQueries(w http.ResponseWriter, r *http.Request, q *asked) error {
	ticket, err := a.turn(r)
	if err != nil {
		return err
	}
	defer ticket.Leave()
	r = r.WithContext(queue.With(r.Context(), ticket))
	now := a.o.Now()
	var cost query.Cost
	most := a.mostOf(r)
	for i := range q.queries {
		n := &q.queries[i]
		if err := a.prepare(r, q, n, now, most); err != nil {
			a.refusedQuery(r, err)
			if q.url {
				return inURL(err)
			}
			return edge.At(n.path, err)
		}
		// At once: preparing costs something too.
		cost = cost.Add(n.query.Cost())
		if err := a.o.Queries.Admit(most, cost); err != nil {
			a.refusedQuery(r, err)
			return tooMuch(err)
		}
	}
	defer func() {
		var read int64
		for i := range q.queries {
			read += q.queries[i].query.Read()
		}
		edge.Query(w, tenantOf(r), read)
	}()
	return a.runQueries(w, r, q)
}

// prepare selects the series of a query and prepares it. Errors carry the path of a member.
func (a *API) prepare(r *http.Request, q *asked, n *namedQuery, now time.Time, most query.Cost) error {
	req, err := n.spec.request(now)
	if err != nil {
		return err
	}
	req.Most = most
	if req.Refs, err = a.selected(r, q, n); err != nil {
		return err
	}
	n.query, err = a.o.Queries.Prepare(r.Context(), req)
	var invalid *query.RequestError
	var kind *query.KindError
	switch {
	case errors.As(err, &invalid):
		return edge.At("/"+invalid.Member, err)
	case errors.As(err, &kind):
		return edge.At("/"+kind.Member, err)
	case err != nil:
		return tooMuch(err)
	}
	if left := n.query.LeftOut(); left > 0 {
		q.notes = append(q.notes, note{n.name, "series-limit", fmt.Sprintf("%d more series are left out (series_limit)", left)})
	}
	if behind := n.query.Behind(); behind > 0 {
		q.notes = append(q.notes, note{n.name, "raw-window", fmt.Sprintf("of %d series the policy keeps raw samples in the window of its tiers only, and no tier "+
			"keeps what is asked for: what is older is not in the answer", behind)})
	}
	return nil
}

// costError is a refusal for what a query costs, which is an answer that is too large.
type costError struct{ err error }

func (e *costError) Error() string { return e.err.Error() }
func (e *costError) Unwrap() error { return e.err }

// Status implements errors that name their own status.
func (*costError) Status() int { return http.StatusRequestEntityTooLarge }

func tooMuch(err error) error {
	var cost *query.CostError
	if errors.As(err, &cost) {
		return &costError{err}
	}
	return err
}

// request puts the query into the engine's words. Errors carry the path of a member.
func (s *querySpec) request(now time.Time) (r query.Request, err error) {
	if s.End.text == "" {
		s.End.text = "now"
	}
	if r.To, err = edge.ParseTime(s.End.text, now); err != nil {
		return r, edge.At("/end", err)
	}
	if s.Start.text == "" {
		r.From = max(r.To, math.MinInt64+int64(defaultBefore)) - int64(defaultBefore)
	} else if r.From, err = edge.ParseTime(s.Start.text, now); err != nil {
		return r, edge.At("/start", err)
	}
	for _, m := range []struct {
		name, text string
		to         *policy.Method
	}{{"method", s.Method, &r.Over}, {"across", s.Across, &r.Across}} {
		if m.text == "" || m.text == "none" {
			continue
		}
		if *m.to, err = policy.ParseMethod(m.text); err != nil {
			return r, edge.At("/"+m.name, err)
		}
	}
	switch s.Align {
	case "":
		// Equal parts of a range begin with it, buckets of a width where everybody's begin.
		r.Buckets.FromStart = s.Buckets > 0
	case "epoch":
	case "start":
		r.Buckets.FromStart = true
	default:
		return r, edge.At("/align", &syntaxError{text: `is neither "epoch" nor "start"`})
	}
	switch s.Order {
	case "", "asc":
	case "desc":
		r.Desc = true
	default:
		return r, edge.At("/order", &syntaxError{text: `is neither "asc" nor "desc"`})
	}
	if len(s.GroupBy) > maxGroupBy {
		return r, edge.At("/group_by", &syntaxError{text: fmt.Sprintf("has more than %d tags", maxGroupBy)})
	}
	r.Buckets.Step, r.Buckets.Count = int64(s.Bucket), s.Buckets
	if s.Rate {
		r.Rate.Per = time.Second
	}
	r.By, r.Fill = s.GroupBy, s.Fill.Fill
	r.Fill.Lookback = int64(s.Lookback)
	r.Limit, r.MaxSeries, r.PointTags = s.Limit, s.SeriesLimit, s.PointTags
	return r, nil
}

// selected are the series of a query: those of its ids, and those that its names, types and selector find.
func (a *API) selected(r *http.Request, q *asked, n *namedQuery) ([]metricdef.Ref, error) {
	s := &n.spec
	search := metricSearch{Selector: s.Selector, Name: s.Names, Type: s.Types}
	searches := s.Selector.given || len(s.Names) > 0 || len(s.Types) > 0
	if !searches && len(s.IDs) == 0 {
		const member = "selector"
		return nil, edge.At("/"+member, &query.RequestError{Member: member, Text: "nothing is selected: give ids, names, types or a selector"})
	}
	t, exists := a.reading(r)
	var refs []metricdef.Ref
	for i, text := range s.IDs {
		id, err := uuid.Parse(text)
		if err != nil || len(text) != 36 {
			return nil, edge.At("/ids/"+strconv.Itoa(i), &syntaxError{text: fmt.Sprintf("%q is no UUID", shorten(text))})
		}
		ref, ok := a.o.Definitions.ByID(id)
		if ok && exists {
			d, known := a.o.Definitions.Get(ref)
			ok = known && d.Tenant == t.Num
		}
		if !ok || !exists {
			if !q.missing[id] {
				if q.missing == nil {
					q.missing = map[uuid.UUID]bool{}
				}
				q.missing[id] = true
				q.notFound = append(q.notFound, id.String())
			}
			continue
		}
		refs = append(refs, ref)
	}
	if !searches {
		return refs, nil
	}
	page, err := search.page()
	if err != nil {
		return nil, renamed(err, "/type", "/types")
	}
	page.Limit = 0
	if !exists {
		t.Num = 0 // the number of no tenant: the request is checked as any other
	}
	found, err := a.o.Definitions.Search(r.Context(), t.Num, search.expr(), page)
	return append(refs, found.Refs...), err
}

// inURL is an error at a member of a body as one at the parameter that has its place in a URL.
func inURL(err error) error {
	var at *edge.PathError
	if !errors.As(err, &at) {
		return err
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(at.Path, "/"), "/")
	switch name {
	case "ids", "names", "types":
		name = strings.TrimSuffix(name, "s")
	}
	return namedAs(edge.At("/"+name, at.Err))
}

// renamed puts a path in the place of another.
func renamed(err error, from, to string) error {
	var at *edge.PathError
	if errors.As(err, &at) && at.Path == from {
		return edge.At(to, at.Err)
	}
	return err
}
