package hawkular

import (
	"net/http"
	"strconv"

	"granary/api/edge"
	"granary/measures/query"
	"granary/metricdef"
	"granary/tenant/identity"
)

func (d *Dialect) availabilityRoutes() []route {
	return []route{{method: http.MethodGet, path: "/availability/{id}/stats", right: identity.Read, serve: (*call).availabilityStats}}
}

// availabilityStats answers the buckets of one metric of availability.
func (c *call) availabilityStats() error {
	a, err := c.statsAsk(false)
	if err != nil {
		return err
	}
	return c.stateBuckets(a)
}

// stateBuckets answers the buckets of the metric of availability that the path names.
func (c *call) stateBuckets(a *ask) error {
	p, err := c.planStates(a, c.own())
	if err != nil {
		return err
	}
	return c.answerList(p, func(o *output) error {
		return c.printFrame(o, p, func(dst []byte, f *query.Frame) []byte { return appendStates(dst, &p.buckets, f, p.skip, o) })
	})
}

// planStates lays the buckets of a question about availability. Their statistics are made from the states themselves, so these are what
// the engine is asked for, oldest first.
func (c *call) planStates(a *ask, refs []metricdef.Ref) (*plan, error) {
	only := *a
	only.Percentiles, only.Stacked = nil, false
	p, err := c.plan(&only, metricdef.Availability, false, refs)
	if err != nil {
		return nil, err
	}
	p.request.Buckets, p.request.Overs, p.request.Extra = query.Buckets{}, nil, nil
	return p, nil
}

// availability is what a bucket says of states. The state of its first point holds from the beginning of the bucket on, that of the last one
// to its end: nothing is carried over from the bucket before.
type availability struct {
	start, end int64                      // milliseconds
	lasted     [metricdef.NumStates]int64 // milliseconds
	seen       [metricdef.NumStates]bool
	samples    int64
	notUp      int64 // how often the metric was not up: runs of points
	lastNotUp  int64 // when it came back for the last time, or the end if it did not; 0: it was always up
	state      metricdef.State
	since      int64 // state, milliseconds
}

// begin makes it an empty bucket.
func (v *availability) begin(start, end int64) {
	*v = availability{start: start, end: end, since: start}
}

// add takes the next point.
func (v *availability) add(t int64, s metricdef.State) {
	if v.samples == 0 {
		v.state = s
	}
	v.pass(t)
	if s != metricdef.Up && (v.samples == 0 || v.state == metricdef.Up) {
		v.notUp++
	}
	v.state, v.seen[s] = s, true
	v.samples++
}

// pass lets the state hold until t.
func (v *availability) pass(t int64) {
	v.lasted[v.state] += t - v.since
	if v.state != metricdef.Up {
		v.lastNotUp = t
	}
	v.since = t
}

// appendTo appends the bucket as JSON.
func (v *availability) appendTo(b []byte, strict bool) []byte {
	number := func(name string, n int64) {
		b = strconv.AppendInt(append(append(append(b, ',', '"'), name...), '"', ':'), n, 10)
	}
	b = strconv.AppendInt(append(b, `{"start":`...), v.start, 10)
	number("end", v.end)
	if v.samples == 0 {
		return append(b, `,"empty":true}`...)
	}
	v.pass(v.end)
	b = append(b, `,"durationMap":{`...)
	more := false
	for s, seen := range v.seen {
		if !seen {
			continue
		}
		if more {
			b = append(b, ',')
		}
		more = true
		b = append(edge.AppendString(b, metricdef.State(s).String()), ':')
		b = strconv.AppendInt(b, v.lasted[s], 10)
	}
	b = append(b, '}')
	down, up, unknown, admin := v.lasted[metricdef.Down], v.lasted[metricdef.Up], v.lasted[metricdef.Unknown], v.lasted[metricdef.Admin]
	number("lastNotUptime", v.lastNotUp)
	b = appendDouble(append(b, `,"uptimeRatio":`...), float64(up)/float64(v.end-v.start), strict)
	number("notUpCount", v.notUp)
	number("samples", v.samples)
	number("notUpDuration", down+unknown+admin)
	number("upCount", v.samples-v.notUp)
	number("adminDuration", admin)
	number("downDuration", down)
	number("unknownDuration", unknown)
	number("upDuration", up)
	return append(b, `,"empty":false}`...)
}

// appendStates appends the list of all buckets of availability, oldest first. f has the states; nil is none. If skip is set, what is empty
// before the first of them is left out.
func appendStates(dst []byte, b *buckets, f *query.Frame, skip bool, o *output) []byte {
	dst = append(dst, '[')
	more := false
	var v availability
	print := func() {
		dst = v.appendTo(o.between(dst, more), o.strict)
		more = true
	}
	next := int64(0) // the first bucket that is not printed
	empty := func(until int64) {
		if skip && !more {
			next = until
		}
		for ; next < until && o.err == nil; next++ {
			v.begin(b.edge(next), b.edge(next+1))
			print()
		}
	}
	for i := 0; f != nil && i < f.Len(); {
		k := (millis(f.Times[i]) - b.start) / b.step
		empty(k)
		if o.err != nil {
			break
		}
		v.begin(b.edge(k), b.edge(k+1))
		for ; i < f.Len(); i++ {
			t := millis(f.Times[i])
			if (t-b.start)/b.step != k {
				break
			}
			v.add(t, stateOf(f.Values[i]))
		}
		print()
		next = k + 1
	}
	empty(b.count)
	return append(dst, ']')
}
