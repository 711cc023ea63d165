package native

import (
	"context"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"granary/api/edge"
	"granary/metricdef"
	"granary/metricdef/match"
	"granary/tenant"
)

// Definitions finds metrics.
type Definitions interface {
	Search(ctx context.Context, t tenant.Num, e match.Expr, p metricdef.Page) (metricdef.Found, error)
	Tags(ctx context.Context, t tenant.Num, e match.Expr, p metricdef.TagPage) (metricdef.TagsFound, error)
	Values(ctx context.Context, t tenant.Num, name string, e match.Expr, p metricdef.TagPage) (metricdef.ValuesFound, error)
	Cardinality(ctx context.Context, t tenant.Num, e match.Expr, n int) (metricdef.Cardinality, error)
	Get(ref metricdef.Ref) (metricdef.Definition, bool)
	ByID(id uuid.UUID) (metricdef.Ref, bool)
	// Resolve finds a metric by its key, also one that is about to be made, and Kind says what its values are.
	Resolve(t tenant.Num, typ metricdef.Type, key []byte) (metricdef.Ref, bool)
	Kind(ref metricdef.Ref) metricdef.Kind
	// Count is the number of series of a tenant.
	Count(t tenant.Num) int
}

// Ends says which samples of a metric are the first and the last that are shown, in nanoseconds; false if there are none.
type Ends interface {
	Newest(ref metricdef.Ref) (t int64, ok bool)
	Ends(ref metricdef.Ref) (first, last int64, ok bool)
}

func (a *API) metricRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/metrics", right: reads, serve: a.listMetrics},
		{method: http.MethodPost, path: "/metrics/search", right: reads, serve: a.searchMetrics},
		{method: http.MethodPost, path: "/metrics", right: writes, serve: a.createMetrics},
		{method: http.MethodPost, path: "/metrics/delete", right: manages, audit: "metric.delete", serve: a.deleteMetrics},
		{method: http.MethodGet, path: "/metrics/{id}", right: reads, serve: a.readMetric},
		{method: http.MethodPatch, path: "/metrics/{id}", right: writes, serve: a.patchMetric},
		{method: http.MethodDelete, path: "/metrics/{id}", right: manages, audit: "metric.delete", serve: a.deleteMetric},
	}
}

// metricError says that the tenant has no metric of an id. Whether another tenant has one makes no difference.
type metricError struct{ id uuid.UUID }

func (e *metricError) Error() string { return "there is no metric " + e.id.String() }
func (*metricError) Kind() string    { return string(edge.NotFound) }
func (*metricError) Code() string    { return "metric-unknown" }

// Pages of metrics and tags.
const (
	defaultLimit = 100
	maxLimit     = 10_000
)

// metricSearch is the body of POST /v2/metrics/search, and what the parameters of GET /v2/metrics say.
type metricSearch struct {
	Selector     selector  `json:"selector"`
	Name         texts     `json:"name"` // one of them
	Type         texts     `json:"type"` // one of them
	Sort         string    `json:"sort"`
	Order        string    `json:"order"`
	Limit        *int64    `json:"limit"`
	Cursor       string    `json:"cursor"`
	ActiveWithin *duration `json:"active_within"`
	IdleFor      *duration `json:"idle_for"`
	Count        bool      `json:"count"`
	Samples      bool      `json:"samples"`
	TimeFormat   string    `json:"time_format"`

	and    []match.Expr // more conditions
	format edge.TimeFormat
}

// texts is a text or a list of texts, of which there are at most maxItems.
type texts []string

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (t *texts) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	switch d.PeekKind() {
	case '"':
		*t = texts{""}
		return json.UnmarshalDecode(d, &(*t)[0])
	case '[':
	default:
		return json.UnmarshalDecode(d, (*[]string)(t))
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	*t = texts{}
	for d.PeekKind() != ']' {
		if len(*t) == maxItems {
			return errItems
		}
		*t = append(*t, "")
		if err := json.UnmarshalDecode(d, &(*t)[len(*t)-1]); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

// duration is a duration in a body: a text as edge.ParseDuration reads it, or a number of seconds.
type duration time.Duration

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (v *duration) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	kind := d.PeekKind()
	raw, err := d.ReadValue()
	if err != nil {
		return err
	}
	text := string(raw)
	switch kind {
	case '"':
		b, err := jsontext.AppendUnquote(nil, raw)
		if err != nil {
			return err
		}
		text = string(b)
	case '0':
	default:
		return &syntaxError{text: "expected a duration: a text such as 5m, or a number of seconds"}
	}
	parsed, err := edge.ParseDuration(text)
	*v = duration(parsed)
	return err
}

func (a *API) listMetrics(w http.ResponseWriter, r *http.Request) error {
	p := a.params(r)
	s := metricSearch{
		Name: p.list("name"), Sort: p.text("sort", ""), Order: p.text("order", ""), Cursor: p.text("cursor", ""),
		Count: p.bool("count", false), Samples: p.bool("samples", false), format: p.format(),
	}
	for _, list := range p.list("type") {
		s.Type = append(s.Type, strings.Split(list, ",")...)
	}
	limit := p.integer("limit", defaultLimit, 1, maxLimit)
	s.Limit = &limit
	for _, age := range []struct {
		name string
		to   **duration
	}{{"active_within", &s.ActiveWithin}, {"idle_for", &s.IdleFor}} {
		if p.has(age.name) {
			d := duration(p.duration(age.name, 0))
			*age.to = &d
		} else {
			p.list(age.name)
		}
	}
	s.Selector.expr, s.and = p.selector()
	if err := p.end(); err != nil {
		return err
	}
	ticket, err := a.turn(r)
	if err != nil {
		return err
	}
	defer ticket.Leave()
	found, err := a.find(r, &s)
	if err != nil {
		return namedAs(err)
	}
	if found.Next != "" {
		w.Header()["Link"] = []string{nextLink(r, found.Next)}
	}
	ticket.Leave()
	return a.sendMetrics(w, r, &s, found)
}

// nextLink is a Link to the next page.
func nextLink(r *http.Request, cursor string) string {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		q = url.Values{}
	}
	q.Set("cursor", cursor)
	return "<" + r.URL.EscapedPath() + "?" + q.Encode() + `>; rel="next"`
}

func (a *API) searchMetrics(w http.ResponseWriter, r *http.Request) error {
	if err := a.params(r).end(); err != nil {
		return err
	}
	var s metricSearch
	if err := a.decode(r, &s); err != nil {
		return err
	}
	var err error
	if s.format, err = edge.ParseTimeFormat(s.TimeFormat); err != nil {
		return edge.At("/time_format", err)
	}
	ticket, err := a.turn(r)
	if err != nil {
		return err
	}
	defer ticket.Leave()
	found, err := a.find(r, &s)
	if err != nil {
		return err
	}
	ticket.Leave()
	return a.sendMetrics(w, r, &s, found)
}

// page makes the page that is asked for. Errors carry the path of a member.
func (s *metricSearch) page() (metricdef.Page, error) {
	p := metricdef.Page{After: s.Cursor, Limit: defaultLimit, Total: s.Count}
	if s.Limit != nil {
		if *s.Limit < 1 || *s.Limit > maxLimit {
			return p, edge.At("/limit", &syntaxError{text: "is not a whole number from 1 to 10000"})
		}
		p.Limit = int(*s.Limit)
	}
	if s.Sort != "" {
		var ok bool
		if p.Sort, ok = metricdef.ParseOrder(s.Sort); !ok {
			return p, edge.At("/sort", &syntaxError{text: `is none of "ref", "name", "created", "id"`})
		}
	}
	switch s.Order {
	case "", "asc":
	case "desc":
		p.Desc = true
	default:
		return p, edge.At("/order", &syntaxError{text: `is neither "asc" nor "desc"`})
	}
	for _, name := range s.Type {
		t, ok := metricdef.ParseType(name)
		if !ok {
			return p, edge.At("/type", errTypes)
		}
		if !slices.Contains(p.Types, t) {
			p.Types = append(p.Types, t)
		}
	}
	return p, nil
}

// expr is all conditions together.
func (s *metricSearch) expr() match.Expr {
	all := slices.Clone(s.and)
	if s.Selector.expr != nil {
		all = append(all, s.Selector.expr)
	}
	if len(s.Name) > 0 {
		all = append(all, match.In(match.NameTag, s.Name...))
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return match.And(all)
}

// find searches. In a tenant that does not exist there is nothing.
func (a *API) find(r *http.Request, s *metricSearch) (metricdef.Found, error) {
	p, err := s.page()
	if err != nil {
		return metricdef.Found{}, err
	}
	p.Keep = a.keep(s)
	t, ok := a.reading(r)
	if !ok {
		t.Num = 0 // the number of no tenant: the request is checked as any other
	}
	found, err := a.o.Definitions.Search(r.Context(), t.Num, s.expr(), p)
	if edge.CodeOf(err) == "cursor-invalid" {
		err = edge.At("/cursor", err)
	}
	return found, err
}

// keep is the condition on the time of the newest sample, nil if there is none. A metric without samples is idle since it
// was made.
func (a *API) keep(s *metricSearch) func(metricdef.Ref) bool {
	if s.ActiveWithin == nil && s.IdleFor == nil {
		return nil
	}
	now := a.o.Now().UnixNano()
	return func(ref metricdef.Ref) bool {
		newest, ok := a.o.Ends.Newest(ref)
		if s.ActiveWithin != nil && (!ok || newest < ago(now, *s.ActiveWithin)) {
			return false
		}
		if s.IdleFor == nil {
			return true
		}
		if !ok {
			d, known := a.o.Definitions.Get(ref)
			if newest = d.Created.UnixNano(); !known {
				return false
			}
		}
		return newest <= ago(now, *s.IdleFor)
	}
}

// ago is the time that lies d before now, as far back as times go.
func ago(now int64, d duration) int64 {
	if at := now - int64(d); at <= now {
		return at
	}
	return math.MinInt64
}

func (a *API) readMetric(w http.ResponseWriter, r *http.Request) error {
	p := a.params(r)
	samples, format := p.bool("samples", false), p.format()
	if err := p.end(); err != nil {
		return err
	}
	d, err := a.metric(r)
	if err != nil {
		return err
	}
	return a.sendMetric(w, r, http.StatusOK, &d, samples, format)
}

// metric is the metric of the path.
func (a *API) metric(r *http.Request) (metricdef.Definition, error) {
	id, err := uuid.Parse(variable(r, "id"))
	if err != nil {
		return metricdef.Definition{}, &metricError{}
	}
	return a.lookup(r, id)
}

// lookup is the metric of an id, if it belongs to the tenant of the request.
func (a *API) lookup(r *http.Request, id uuid.UUID) (metricdef.Definition, error) {
	t, exists := a.reading(r)
	ref, found := a.o.Definitions.ByID(id)
	if !found || !exists {
		return metricdef.Definition{}, &metricError{id}
	}
	d, found := a.o.Definitions.Get(ref)
	if !found || d.Tenant != t.Num {
		return metricdef.Definition{}, &metricError{id}
	}
	return d, nil
}
