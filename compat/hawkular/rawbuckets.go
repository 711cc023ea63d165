package hawkular

import (
	"net/http"
	"slices"
	"strings"

	"granary/metricdef"
)

// aggregates says whether a question for points is one for buckets: in Mohawk a bucketDuration makes it one. A duration of nothing does
// not, and neither does any where there are no numbers.
func (c *call) aggregates(a *ask) bool {
	if c.strict() || a.BucketDuration == "" || c.typ != metricdef.Gauge && c.typ != metricdef.Counter {
		return false
	}
	digits := strings.TrimRight(string(a.BucketDuration), "smnhd")
	return strings.Trim(digits, "0") != "" || digits == ""
}

// answerAggregates answers a question for points by the buckets in which there are any, in the order of points and as many as are asked
// for: of one metric as a list, of several as a list of metrics, from which those without points are left out.
func (c *call) answerAggregates(a *ask, several bool, refs []metricdef.Ref) error {
	s := &section{typ: c.typ}
	slices.Sort(refs)
	for _, ref := range slices.Compact(refs) { // an id may be given twice, and be found by its tags too
		if d, ok := c.d.o.Definitions.Get(ref); ok {
			s.metrics = append(s.metrics, named{ref, idOf(&d)})
		}
	}
	only := *a
	only.Buckets, only.Stacked = nil, false
	var err error
	if s.plan, err = c.plan(&only, c.typ, false, s.refs()); err != nil {
		return err
	}
	s.plan.form, s.plan.request.Limit = filledBuckets, a.most()
	if s.plan.request.Desc, err = c.desc(a, c.route.method == http.MethodPost); err != nil {
		return err
	}
	if len(s.metrics) == 0 {
		return c.empty()
	}
	s.printer()
	if err := c.enter(); err != nil {
		return err
	}
	if _, err := c.prepare(s.plan, int64(len(s.metrics))); err != nil {
		return err
	}
	defer c.account(s.plan)
	o := c.output()
	if several {
		err = c.print(o, s, true)
	} else {
		err = c.printAlone(o, s.plan)
	}
	return c.endStream(o.stream, err)
}
