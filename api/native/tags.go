package native

import (
	"net/http"
	"strconv"

	"granary/api/edge"
	"granary/metricdef"
	"granary/metricdef/match"
)

func (a *API) tagRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/tags", right: reads, serve: a.listTags},
		{method: http.MethodGet, path: "/tags/{name}", right: reads, serve: a.listValues},
		{method: http.MethodGet, path: "/cardinality", right: reads, serve: a.cardinality},
	}
}

// tagPage reads which names or values are wanted, and the metrics that are counted.
func (p *params) tagPage() (match.Expr, metricdef.TagPage) {
	page := metricdef.TagPage{
		After: p.text("cursor", ""), Limit: int(p.integer("limit", defaultLimit, 1, maxLimit)), Total: p.bool("count", false),
	}
	if text := p.text("prefix", ""); text != "" {
		page.Match = append(page.Match, match.Prefix("", text))
	}
	if pattern := p.text("regex", ""); p.has("regex") {
		m, err := match.Regexp("", pattern)
		if err != nil {
			p.refuse("regex", err)
		} else {
			page.Match = append(page.Match, m)
		}
	}
	return p.among(), page
}

// among is the condition on the metrics that are counted, nil for all.
func (p *params) among() match.Expr {
	s := metricSearch{Name: p.list("name")}
	s.Selector.expr, s.and = p.selector()
	return s.expr()
}

// ofCursor names the parameter that an error of a cursor is about.
func ofCursor(err error) error {
	if edge.CodeOf(err) == "cursor-invalid" {
		return &namedError{"cursor", err}
	}
	return err
}

func (a *API) listTags(w http.ResponseWriter, r *http.Request) error {
	p := a.params(r)
	e, page := p.tagPage()
	if err := p.end(); err != nil {
		return err
	}
	ticket, err := a.turn(r)
	if err != nil {
		return err
	}
	defer ticket.Leave()
	t, _ := a.reading(r)
	found, err := a.o.Definitions.Tags(r.Context(), t.Num, e, page)
	if err != nil {
		return ofCursor(err)
	}
	buf := edge.NewBuffer()
	defer buf.Free()
	b := append(buf.B, `{"tags":`...)
	b = appendTagCounts(b, found.Tags)
	buf.B = appendPage(b, found.Next, found.Total)
	if found.Next != "" {
		w.Header()["Link"] = []string{nextLink(r, found.Next)}
	}
	ticket.Leave()
	a.sendBytes(w, r, http.StatusOK, typeJSON, buf.B)
	return nil
}

func (a *API) listValues(w http.ResponseWriter, r *http.Request) error {
	p := a.params(r)
	e, page := p.tagPage()
	if err := p.end(); err != nil {
		return err
	}
	ticket, err := a.turn(r)
	if err != nil {
		return err
	}
	defer ticket.Leave()
	t, _ := a.reading(r)
	name := variable(r, "name")
	found, err := a.o.Definitions.Values(r.Context(), t.Num, name, e, page)
	if err != nil {
		return ofCursor(err)
	}
	buf := edge.NewBuffer()
	defer buf.Free()
	b := edge.AppendString(append(buf.B, `{"name":`...), name)
	b = appendValueCounts(append(b, `,"values":`...), "value", found.Values)
	buf.B = appendPage(b, found.Next, found.Total)
	if found.Next != "" {
		w.Header()["Link"] = []string{nextLink(r, found.Next)}
	}
	ticket.Leave()
	a.sendBytes(w, r, http.StatusOK, typeJSON, buf.B)
	return nil
}

const maxTop = 1000

func (a *API) cardinality(w http.ResponseWriter, r *http.Request) error {
	p := a.params(r)
	top := p.integer("top", 10, 1, maxTop)
	e := p.among()
	if err := p.end(); err != nil {
		return err
	}
	ticket, err := a.turn(r)
	if err != nil {
		return err
	}
	defer ticket.Leave()
	t, _ := a.reading(r)
	c, err := a.o.Definitions.Cardinality(r.Context(), t.Num, e, int(top))
	if err != nil {
		return err
	}
	buf := edge.NewBuffer()
	defer buf.Free()
	b := buf.B
	for i, count := range []struct {
		name string
		n    int
	}{{"metrics", c.Series}, {"names", c.Names}, {"tags", c.Tags}, {"pairs", c.Pairs}} {
		b = append(b, "{,"[min(i, 1)])
		b = append(edge.AppendString(b, count.name), ':')
		b = strconv.AppendInt(b, int64(count.n), 10)
	}
	b = appendValueCounts(append(b, `,"top_names":`...), "name", c.TopNames)
	b = appendTagCounts(append(b, `,"top_tags":`...), c.TopTags)
	b = append(b, `,"top_pairs":[`...)
	for i, pair := range c.TopPairs {
		if i > 0 {
			b = append(b, ',')
		}
		b = edge.AppendString(append(b, `{"name":`...), pair.Name)
		b = edge.AppendString(append(b, `,"value":`...), pair.Value)
		b = appendCount(b, "metrics", pair.Definitions)
	}
	buf.B = append(b, ']', '}', '\n')
	ticket.Leave()
	a.sendBytes(w, r, http.StatusOK, typeJSON, buf.B)
	return nil
}

// appendCount appends the last member of an object.
func appendCount(b []byte, name string, n int) []byte {
	b = append(append(append(b, ',', '"'), name...), '"', ':')
	return append(strconv.AppendInt(b, int64(n), 10), '}')
}

func appendTagCounts(b []byte, list []metricdef.TagCount) []byte {
	b = append(b, '[')
	for i, c := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = edge.AppendString(append(b, `{"name":`...), c.Name)
		b = strconv.AppendInt(append(b, `,"values":`...), int64(c.Values), 10)
		b = appendCount(b, "metrics", c.Definitions)
	}
	return append(b, ']')
}

func appendValueCounts(b []byte, name string, list []metricdef.ValueCount) []byte {
	b = append(b, '[')
	for i, c := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '{', '"'), name...), '"', ':')
		b = edge.AppendString(b, c.Value)
		b = appendCount(b, "metrics", c.Definitions)
	}
	return append(b, ']')
}
