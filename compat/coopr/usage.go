package coopr

import (
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"granary/api/edge"
	"granary/tenant/identity"
)

// periods are the values of groupby. They have fixed lengths, and begin at multiples of them since 1970.
var periods = map[string]int64{"hour": 3600, "day": 86400, "week": 7 * 86400, "month": 30 * 86400, "year": 360 * 86400}

// units are the values of timeunit, in any case.
var units = map[string]int64{
	"NANOSECONDS": 1, "MICROSECONDS": int64(time.Microsecond), "MILLISECONDS": int64(time.Millisecond), "SECONDS": int64(time.Second),
	"MINUTES": int64(time.Minute), "HOURS": int64(time.Hour), "DAYS": 24 * int64(time.Hour),
}

// question is what a request asks for.
type question struct {
	filter     Filter
	start, end *int64 // nil: not given
	groupby    string // as it was given
	period     int64  // seconds; 0 for one bucket
	unit       int64  // nanoseconds
}

// usage answers how long nodes have lived.
func (d *Dialect) usage(w http.ResponseWriter, r *http.Request) {
	c, no := d.caller(r)
	var q question
	if no == nil {
		q, no = d.question(r.URL.Query(), &c)
	}
	if no != nil {
		d.refuse(w, r, no)
		return
	}
	if q.filter.All {
		of := identity.Everywhere
		if q.filter.Name != nil {
			of = *q.filter.Name
		}
		d.o.Audit.Wide(r, c.who, Name+".usage", of)
	}
	now := d.o.Now().UnixNano()
	nodes, err := d.o.Nodes.Nodes(q.filter)
	if err != nil {
		d.refuse(w, r, &refusal{http.StatusInternalServerError, "Unable to read data from the database", err})
		return
	}
	t, ok := q.tally(nodes, now)
	if !ok {
		d.refuse(w, r, wrong("groupby", q.groupby))
		return
	}
	for i := range nodes {
		t.add(nodes[i].Lives, now)
	}
	buf := edge.NewBuffer()
	defer buf.Free()
	buf.B = t.append(buf.B)
	d.json(w, r, buf.B)
}

// question reads the parameters, and says which of them the caller may use.
func (d *Dialect) question(values url.Values, c *caller) (q question, no *refusal) {
	q.filter = Filter{All: c.super, Tenant: c.tenant.Num, User: parameter(values, "user"), Cluster: parameter(values, "cluster"), Template: parameter(values, "clustertemplate")}
	if !c.admin && (d.o.Usage == AccessDocs || !c.reads()) {
		return q, &refusal{status: http.StatusForbidden, text: "Forbidden to get node usage metrics."}
	}
	asked := parameter(values, "tenant")
	switch {
	case c.super:
		q.filter.Name = asked
	case asked != nil && (d.o.Usage == AccessDocs || *asked != string(c.tenant.ID)):
		return q, &refusal{status: http.StatusMethodNotAllowed,
			text: "Getting information about tenant " + *asked + " not allowed for tenant " + string(c.tenant.ID)}
	}
	start, end := parameter(values, "start"), parameter(values, "end")
	var ok [2]bool
	q.start, ok[0] = timestamp(start)
	q.end, ok[1] = timestamp(end)
	if !ok[0] || !ok[1] {
		return q, &refusal{status: http.StatusBadRequest, text: "Incorrect value for start " + orNull(start) + " or end " + orNull(end) + " timestamp"}
	}
	if raw := parameter(values, "groupby"); raw != nil {
		if q.groupby, q.period = *raw, periods[*raw]; q.period == 0 {
			return q, wrong("groupby", *raw)
		}
	}
	q.unit = int64(time.Second)
	if raw := parameter(values, "timeunit"); raw != nil {
		if q.unit = units[strings.ToUpper(*raw)]; q.unit == 0 {
			return q, wrong("timeunit", *raw)
		}
	}
	return q, nil
}

// parameter is the first value of a parameter, nil if there is none. One that is there and empty is not none.
func parameter(values url.Values, name string) *string {
	if list := values[name]; len(list) > 0 {
		return &list[0]
	}
	return nil
}

// timestamp reads whole seconds since 1970, nil for none.
func timestamp(raw *string) (*int64, bool) {
	if raw == nil {
		return nil, true
	}
	t, err := strconv.ParseInt(*raw, 10, 64)
	return &t, err == nil
}

func orNull(raw *string) string {
	if raw == nil {
		return "null"
	}
	return *raw
}

func wrong(name, value string) *refusal {
	return &refusal{status: http.StatusBadRequest, text: "Incorrect value for field " + name + ": " + value}
}

// tally makes the empty buckets that the question asks for. It is false if they are too many.
func (q *question) tally(nodes []Node, now int64) (*tally, bool) {
	start, end := int64(0), floor(now, int64(time.Second))
	period := q.period
	first, any := int64(math.MaxInt64), false
	for i := range nodes {
		for _, l := range nodes[i].Lives {
			first, any = min(first, l.From), true
		}
	}
	if any {
		start = floor(first, int64(time.Second))
	} else {
		period = 0 // of nothing there is one bucket
	}
	if q.start != nil {
		start = *q.start
	}
	if q.end != nil {
		end = *q.end
	}
	return newTally(start, end, period, q.unit)
}
