package influx

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"granary/api/edge"
	"granary/metricdef"
	"granary/metricdef/match"
	"granary/tenant"
	"granary/tenant/identity"
	"granary/tenant/queue"
)

// DefaultRows is how many rows a statement answers at most.
const DefaultRows = 10_000

// statements answers the statements of a query: those by which clients find out what there is, and those that make what need not be made. What
// else InfluxDB knows is refused by name, in the result of the statement.
func (c *call) statements() error {
	q, err := c.one("q")
	if err != nil {
		return err
	}
	if c.r.Method == http.MethodPost {
		if q, err = c.form(q); err != nil {
			return err
		}
	}
	list, err := parseQuery(q)
	if strings.TrimSpace(q) == "" {
		err = badRequest(`missing required parameter "q"`)
	}
	if reads := err != nil || slices.ContainsFunc(list, func(s statement) bool { return s.about != nothing }); reads {
		if denied := edge.Demand(c.who, c.tenant, identity.Read); denied != nil {
			return denied
		}
	} else if denied := edge.Demand(c.who, c.tenant, identity.Read); denied != nil && edge.Demand(c.who, c.tenant, identity.Write) != nil {
		return denied
	}
	if err != nil {
		return err
	}
	b := append([]byte(nil), `{"results":[`...)
	for i := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"statement_id":%d`, i)
		if b, err = c.result(b, &list[i]); err != nil {
			return err
		}
		b = append(b, '}')
	}
	return c.json(http.StatusOK, append(b, "]}\n"...))
}

// form takes the parameters of a body that is a form, where it has some: q is that of the URL, which wins.
func (c *call) form(q string) (string, error) {
	body, err := c.d.o.Requests.Read(c.r)
	if err != nil {
		return "", err
	}
	defer body.Free()
	if body.Cut != nil {
		return "", badRequest("the body does not arrive as a whole: %v", body.Cut)
	}
	if edge.MediaType(c.r) != "application/x-www-form-urlencoded" || q != "" {
		return q, nil
	}
	form, err := url.ParseQuery(string(body.Bytes))
	if err != nil {
		return "", badRequest("the body cannot be read: %v", err)
	}
	return form.Get("q"), nil
}

// notServed says which API answers what a statement asks for.
func notServed(words string) string {
	switch words {
	case "SELECT":
		return "SELECT is not served here: samples are read with GET /v2/query, and through the other APIs of Granary"
	case "DROP MEASUREMENT", "DROP SERIES", "DELETE FROM", "DELETE WHERE":
		return words + " is not served here: metrics are deleted with POST /v2/metrics/delete, and their samples with POST /v2/measures/delete"
	case "DROP DATABASE":
		return words + " is not served here: tenants are deleted with DELETE /v2/tenants/ID"
	}
	return words + " is not served here; SHOW DATABASES, RETENTION POLICIES, MEASUREMENTS, FIELD KEYS, TAG KEYS, TAG VALUES and SERIES are, and CREATE and ALTER of databases and retention policies succeed without effect"
}

// result appends what a statement answers.
func (c *call) result(b []byte, s *statement) ([]byte, error) {
	switch s.about {
	case nothing:
		return b, nil
	case refused:
		b = append(b, `,"error":`...)
		return edge.AppendString(b, notServed(s.words)), nil
	case databases:
		return appendSeries(b, "databases", []string{"name"}, rows(s, c.databases())), nil
	case retentionPolicies:
		kept := "0s"
		if past := c.d.o.Bounds(c.tenant).Past; past > 0 {
			kept = past.String()
		}
		b = append(b, `,"series":[{"columns":["name","duration","shardGroupDuration","replicaN","default"],"values":[["autogen",`...)
		return append(edge.AppendString(b, kept), `,"168h0m0s",1,true]]}]`...), nil
	}
	return c.index(b, s)
}

// databases are the names of the first version's databases that lead to a tenant of who asks, and the one that the request names.
func (c *call) databases() []string {
	var list []string
	for name, id := range c.d.o.Databases {
		if !strings.Contains(name, "/") && c.who.Scope().Contains(id) {
			list = append(list, name)
		}
	}
	if db := c.query.Get("db"); db != "" {
		list = append(list, db)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// rows cuts a list as a statement says, and to what one may have.
func rows(s *statement, list []string) []string {
	list = list[min(s.skip, len(list)):]
	return list[:min(s.most(), len(list))]
}

// most is how many rows a statement may have.
func (s *statement) most() int {
	if s.limit > 0 {
		return min(s.limit, DefaultRows)
	}
	return DefaultRows
}

// appendSeries appends the answer that is one list.
func appendSeries(b []byte, name string, columns, list []string) []byte {
	if len(list) == 0 && name != "databases" {
		return b
	}
	b = append(b, `,"series":[{`...)
	if name != "" {
		b = append(b, `"name":`...)
		b = append(edge.AppendString(b, name), ',')
	}
	b = append(b, `"columns":[`...)
	for i, column := range columns {
		if i > 0 {
			b = append(b, ',')
		}
		b = edge.AppendString(b, column)
	}
	b = append(b, ']')
	if len(list) > 0 {
		b = append(b, `,"values":[`...)
		for i, v := range list {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(edge.AppendString(append(b, '['), v), ']')
		}
		b = append(b, ']')
	}
	return append(b, "}]"...)
}

// index answers from the index of metrics: each is a measurement with the one field value.
func (c *call) index(b []byte, s *statement) ([]byte, error) {
	t, ok := c.d.o.Tenants.Lookup(c.tenant)
	if !ok {
		return b, nil
	}
	var ticket queue.Ticket
	if _, err := c.d.o.Reads.Pass(c.ctx, c.tenant, &ticket); err != nil {
		return nil, err
	}
	defer ticket.Leave()
	e := match.And{s.where}
	if len(s.from) > 0 {
		e = append(e, s.from)
	}
	switch s.about {
	case measurements:
		names, err := c.valuesOf(t.Num, metricdef.NameTag, e, s.skip+s.most())
		return appendSeries(b, "measurements", []string{"name"}, rows(s, names)), err
	case series:
		return c.series(b, s, t.Num, e)
	}
	return c.byMeasurement(b, s, t.Num, e)
}

func (c *call) valuesOf(num tenant.Num, name string, e match.Expr, n int) ([]string, error) {
	found, err := c.d.o.Definitions.Values(c.ctx, num, name, e, metricdef.TagPage{Limit: n})
	if err != nil {
		return nil, err
	}
	list := make([]string, len(found.Values))
	for i, v := range found.Values {
		list[i] = v.Value
	}
	return list, nil
}

// series lists the keys of series.
func (c *call) series(b []byte, s *statement, num tenant.Num, e match.Expr) ([]byte, error) {
	found, err := c.d.o.Definitions.Search(c.ctx, num, e, metricdef.Page{Sort: metricdef.ByName, Limit: s.skip + s.most()})
	if err != nil {
		return nil, err
	}
	var list []string
	for _, ref := range found.Refs {
		if d, ok := c.d.o.Definitions.Get(ref); ok {
			list = append(list, seriesKey(&d))
		}
	}
	return appendSeries(b, "", []string{"key"}, rows(s, list)), nil
}

var escapeMeasurement, escapeTag = strings.NewReplacer(",", `\,`, " ", `\ `), strings.NewReplacer(",", `\,`, " ", `\ `, "=", `\=`)

// seriesKey is the key of a series as line protocol writes it.
func seriesKey(d *metricdef.Definition) string {
	key := []byte(escapeMeasurement.Replace(d.Name))
	for _, t := range d.Tags {
		key = append(append(key, ','), escapeTag.Replace(t.Name)...)
		key = append(append(key, '='), escapeTag.Replace(t.Value)...)
	}
	return string(key)
}

// byMeasurement lists fields, tags or values of each measurement.
func (c *call) byMeasurement(b []byte, s *statement, num tenant.Num, e match.And) ([]byte, error) {
	names, err := c.valuesOf(num, metricdef.NameTag, e, DefaultRows)
	if err != nil {
		return nil, err
	}
	columns := map[subject]string{fieldKeys: `,"columns":["fieldKey","fieldType"]`, tagKeys: `,"columns":["tagKey"]`, tagValues: `,"columns":["key","value"]`}[s.about]
	comma, left := `,"series":[`, DefaultRows
	for _, name := range names {
		if left <= 0 {
			break
		}
		of := append(e[:len(e):len(e)], match.Equal(metricdef.NameTag, name))
		pairs, err := c.pairs(s, num, of)
		if err != nil {
			return nil, err
		}
		pairs = pairs[min(s.skip, len(pairs)):]
		if pairs = pairs[:min(s.most(), left, len(pairs))]; len(pairs) == 0 {
			continue
		}
		left -= len(pairs)
		b = append(append(b, comma...), `{"name":`...)
		b = edge.AppendString(b, name)
		b = append(b, columns...)
		before := `,"values":[[`
		for _, p := range pairs {
			b = edge.AppendString(append(b, before...), p[0])
			if s.about != tagKeys {
				b = edge.AppendString(append(b, ','), p[1])
			}
			before = `],[`
		}
		b, comma = append(b, "]]}"...), ","
	}
	if comma == "," {
		b = append(b, ']')
	}
	return b, nil
}

// pairs are the rows of one measurement.
func (c *call) pairs(s *statement, num tenant.Num, e match.And) (list [][2]string, err error) {
	defs := c.d.o.Definitions
	if s.about == fieldKeys {
		found, err := defs.Search(c.ctx, num, e, metricdef.Page{Limit: 1})
		if err != nil || len(found.Refs) == 0 {
			return nil, err
		}
		typ := map[metricdef.Kind]string{metricdef.KindInt: "integer", metricdef.KindText: "string"}[defs.Kind(found.Refs[0])]
		if typ == "" {
			typ = "float"
		}
		return [][2]string{{valueField, typ}}, nil
	}
	found, err := defs.Tags(c.ctx, num, e, metricdef.TagPage{})
	if err != nil {
		return nil, err
	}
	for _, t := range found.Tags {
		if s.about == tagKeys {
			list = append(list, [2]string{t.Name})
			continue
		}
		if !slices.ContainsFunc(s.keys, func(m match.Expr) bool { return m.Eval(func(string) string { return t.Name }) }) {
			continue
		}
		values, err := c.valuesOf(num, t.Name, e, DefaultRows)
		if err != nil {
			return nil, err
		}
		for _, v := range values {
			list = append(list, [2]string{t.Name, v})
		}
	}
	return list, nil
}
