package hawkular

import (
	"math"
	"net/http"
	"strconv"

	"granary/api/edge"
	"granary/measures/query"
	"granary/metricdef"
	"granary/tenant/identity"
)

func (d *Dialect) periodRoutes() []route {
	return []route{{method: http.MethodGet, path: "/gauges/{id}/periods", right: identity.Read, serve: (*call).periods}}
}

// comparisons are the values of the parameter op.
var comparisons = map[string]func(value, threshold float64) bool{
	"lt":  func(v, t float64) bool { return v < t },
	"lte": func(v, t float64) bool { return v <= t },
	"eq":  func(v, t float64) bool { return v == t },
	"neq": func(v, t float64) bool { return v != t },
	"gt":  func(v, t float64) bool { return v > t },
	"gte": func(v, t float64) bool { return v >= t },
}

// periods answers when the values of a gauge were beyond a threshold: the times of the first and the last point of each run of points for
// which the comparison holds.
func (c *call) periods() error {
	a, err := c.ask()
	if err != nil {
		return err
	}
	from, to, err := c.span(a)
	if err != nil {
		return err
	}
	if !c.query.Has("threshold") {
		return badRequest("threshold: is missing")
	}
	threshold, err := strconv.ParseFloat(c.query.Get("threshold"), 64)
	if err != nil || math.IsNaN(threshold) || math.IsInf(threshold, 0) {
		return badRequest("threshold: %q is not a number", shorten(c.query.Get("threshold")))
	}
	holds := comparisons[c.query.Get("op")]
	if holds == nil {
		return badRequest("op: %q is none of lt, lte, eq, neq, gt and gte", shorten(c.query.Get("op")))
	}
	refs := c.own()
	if len(refs) == 0 {
		return c.empty()
	}
	if err := c.enter(); err != nil {
		return err
	}
	q, err := c.prepared(query.Request{Refs: refs, From: nanos(from), To: nanos(to)})
	if err != nil {
		return err
	}
	defer func() { edge.Query(c.w, c.tenant, q.Read()) }()
	o := c.output()
	some := false
	err = q.Run(c.ctx, func(f *query.Frame) error {
		value := func(i int) float64 {
			if f.Kind == metricdef.KindInt {
				return float64(f.Ints[i])
			}
			return f.Values[i]
		}
		return o.print(func(b []byte) []byte {
			b = append(b, '[')
			for i := 0; i < f.Len() && o.err == nil; i++ {
				if !holds(value(i), threshold) {
					continue
				}
				first := i
				for i+1 < f.Len() && holds(value(i+1), threshold) {
					i++
				}
				b = append(o.between(b, some), '[')
				some = true
				b = append(strconv.AppendInt(b, millis(f.Times[first]), 10), ',')
				b = append(strconv.AppendInt(b, millis(f.Times[i]), 10), ']')
			}
			return append(b, ']')
		})
	})
	return c.endList(o, err)
}
