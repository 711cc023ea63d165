package clustercockpit

import (
	"context"
	"math"
	"net/http"
	"strconv"

	"granary/api/edge"
	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
	"granary/tenant/queue"
)

const second = int64(1e9)

// Work, in units of turns: of a row without its series, of looking at a level and its metrics, and of a number in the answer.
const (
	workOfRow    = 500
	workOfLevel  = 1000
	workOfNumber = 25
	numbersAtOne = 1 << 12
)

// Texts of errors that stand in an entry of a row. Clients of the original know them.
const (
	textPrefix      = "[METRICSTORE]> "
	textRange       = textPrefix + "invalid time range"
	textUnknown     = textPrefix + "unknown metric: "
	textAggregation = textPrefix + "invalid aggregation"
)

// answer builds the answer to one query request. It is reused, so that a request allocates little more than its names.
type answer struct {
	d       *Dialect
	ctx     context.Context
	req     queryRequest
	set     *policy.Set
	cluster Node
	from    int64 // nanoseconds
	to      int64
	points  int64 // of the grids so far
	samples int64 // of the series behind them
	series  int64
	tenant  tenant.Num    // of the cluster; 0: there is none
	most    tenant.Limits // its own
	ticket  queue.Ticket
	turn    queue.Turn

	b       []byte
	refs    []metricdef.Ref
	levels  []Node
	grid    Grid
	sampled []float64
}

// query serves /api/query.
func (d *Dialect) query(w http.ResponseWriter, r *http.Request) {
	body, err := d.o.Requests.Read(r)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	defer body.Free()
	a := d.queries.Get().(*answer)
	defer a.release()
	if err := d.checkCount(body.Bytes); err != nil {
		d.fail(w, r, err)
		return
	}
	if err := decodeQuery(body.Bytes, &a.req); err != nil {
		d.fail(w, r, err)
		return
	}
	if !d.enter(w, r, &a.ticket, a.req.Cluster) {
		return
	}
	defer a.ticket.Leave()
	buf := edge.NewBuffer()
	defer buf.Free()
	a.ctx, a.b = r.Context(), buf.B
	a.turn = a.ticket.Turn()
	a.grid.Turn = &a.turn
	defer a.turn.End()
	if err = a.turn.Begin(a.ctx); err == nil {
		err = a.build()
		a.turn.End()
	}
	buf.B = a.b
	a.ticket.Leave() // a client that reads slowly keeps nobody waiting
	edge.Query(w, d.charged(r, a.req.Cluster), a.samples)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	d.o.Compress.Answer(w, r, http.StatusOK, "application/json", buf.B)
}

func (a *answer) release() {
	d := a.d
	clear(a.req.Queries[:cap(a.req.Queries)])
	clear(a.levels[:cap(a.levels)])
	queries, levels := a.req.Queries[:0], a.levels[:0]
	if cap(queries) > 10_000 {
		queries = nil
	}
	*a = answer{d: d, req: queryRequest{Queries: queries}, refs: a.refs[:0], levels: levels, grid: Grid{Values: a.grid.Values[:0]}, sampled: a.sampled[:0]}
	if cap(a.grid.Values) <= 1<<20 && cap(a.sampled) <= 1<<20 && cap(a.refs) <= 1<<20 {
		d.queries.Put(a)
	}
}

// build writes the whole answer into a.b.
func (a *answer) build() error {
	a.set = a.d.o.Policies.Current()
	a.cluster = a.d.cluster(a.ctx, a.req.Cluster)
	a.limit()
	a.from, a.to = nanoseconds(a.req.From), nanoseconds(a.req.To)
	if a.req.From == 0 {
		a.from = math.MinInt64 // the oldest data, whatever that is
	}
	var hosts []string
	if len(a.req.ForAllNodes) > 0 && a.cluster != nil {
		hosts = a.hosts()
	}
	a.b = append(a.b, '{')
	if len(hosts) > 0 {
		if err := a.echo(hosts); err != nil {
			return err
		}
	}
	a.b = append(a.b, `"results":[`...)
	first := true
	row := func(q *query, host Node) error {
		if !first {
			a.b = append(a.b, ',')
		}
		first = false
		return a.row(q, host)
	}
	for i := range a.req.Queries {
		q := &a.req.Queries[i]
		if err := row(q, a.host(q)); err != nil {
			return err
		}
	}
	for _, name := range hosts {
		host := a.cluster.Child(name)
		for _, metric := range a.req.ForAllNodes {
			if err := row(&query{Metric: metric, Host: name}, host); err != nil {
				return err
			}
		}
	}
	a.b = append(a.b, "]}\n"...)
	return nil
}

func (a *answer) host(q *query) Node {
	name := q.Host
	if name == "" {
		name = q.Hostname
	}
	if name == "" || a.cluster == nil {
		return nil
	}
	return a.cluster.Child(name)
}

// hosts are the names of the cluster's hosts that have data, sorted.
func (a *answer) hosts() []string {
	var names []string
	a.cluster.Children(func(name string, n Node) bool {
		if a.anyLives(n) || a.d.hasData(n) {
			names = append(names, name)
		}
		a.turn.Spent(workOfLevel)
		return a.ctx.Err() == nil
	})
	return names
}

// anyLives says whether one of the metrics asked for has data at the level itself: where it has, which is nearly always,
// the other series need not be looked at.
func (a *answer) anyLives(n Node) bool {
	for _, metric := range a.req.ForAllNodes {
		if ref, ok := n.Series(metric); ok && a.d.lives(ref) {
			return true
		}
	}
	return false
}

// echo writes the queries that for-all-nodes stands for; cc-backend reads from them what the rows are.
func (a *answer) echo(hosts []string) error {
	b := a.b
	b = append(b, `"queries":[`...)
	for i, host := range hosts {
		for j, metric := range a.req.ForAllNodes {
			if i+j > 0 {
				b = append(b, ',')
			}
			b = append(b, `{"metric":`...)
			b = edge.AppendString(b, metric)
			b = append(b, `,"host":`...)
			b = edge.AppendString(b, host)
			b = append(b, `,"resolution":0,"aggreg":false}`...)
			a.b = b
			if err := a.size(); err != nil {
				return err
			}
		}
	}
	a.b = append(a.b, "],"...)
	return nil
}

// size refuses an answer that has grown too large.
func (a *answer) size() error {
	if limit := a.d.o.Answer; int64(len(a.b)) > limit {
		return &edge.TooLargeError{What: "answer", Limit: limit, Setting: settingAnswer}
	}
	return nil
}

// row writes the answer to one query: an array with an entry per level asked for. A level without series leaves no hole:
// it gets an entry without data if another level of the row has series, so that entry k belongs to id k. If no level has
// series the row is empty.
func (a *answer) row(q *query, host Node) error {
	if err := a.ctx.Err(); err != nil {
		return err
	}
	a.turn.Spent(workOfRow)
	a.b = append(a.b, '[')
	method, step, known := a.metric(q.Metric)
	var (
		entries int
		missing int   // levels without series before the first that has some
		steps   int64 // of the entries without data, seconds; 0: no level with series yet
	)
	err := q.levels(host, a.levels, func(group []Node) error {
		a.levels = group
		if entries > 0 {
			a.b = append(a.b, ',')
		}
		mark := len(a.b)
		if a.req.From > a.req.To {
			a.error(textRange)
			entries++
			return nil
		}
		found, resolution, err := a.read(q, group, method, step, known)
		switch {
		case err != nil:
			return err
		case !found && !known:
			a.error(textUnknown + q.Metric)
		case !found && steps == 0:
			a.b = a.b[:mark]
			missing++
			return nil
		case !found:
			a.empty(steps)
		case steps == 0:
			steps = resolution
			if missing > 0 {
				a.prefix(mark, missing, steps)
			}
		}
		entries++
		return a.size()
	})
	a.b = append(a.b, ']')
	if err != nil {
		return err
	}
	return a.size()
}

// prefix puts entries without data in front of what stands behind mark.
func (a *answer) prefix(mark, n int, steps int64) {
	own := len(a.b)
	for range n {
		a.empty(steps)
		a.b = append(a.b, ',')
	}
	added := len(a.b) - own
	a.b = append(a.b, a.b[mark:own]...)
	copy(a.b[mark:], a.b[own:])
	a.b = a.b[:own+added]
}

// metric is how series of a metric are combined and how far their slots lie apart, in seconds. known is false if no
// policy wants the metric; series that are there nevertheless (the metric was taken out of the configuration, or came
// through another dialect) are read at the default.
func (a *answer) metric(name string) (method policy.Method, step int64, known bool) {
	p, known := a.set.Resolve(Name, name)
	return p.Across, max(int64(p.Grid)/second, 1), known && name != ""
}

// read reads the series of a group of levels and writes the entry. found is false, and nothing is written, if there is no
// series with a sample. resolution is that of the entry, in seconds.
func (a *answer) read(q *query, group []Node, method policy.Method, step int64, known bool) (found bool, resolution int64, err error) {
	refs := a.refs[:0]
	for _, n := range group {
		if n != nil {
			refs = n.AppendNearest(refs, q.Metric)
		}
	}
	a.refs = refs
	if len(refs) == 0 {
		return false, 0, nil
	}
	a.series += int64(len(refs))
	if err := a.within(); err != nil {
		return false, 0, err
	}
	n, err := a.d.o.Reader.Grid(a.ctx, refs, a.from, a.to, method, &a.grid)
	if n < len(refs) {
		// A series without samples does not hide its children, and does not count. Definitions outlive their samples for a
		// while only, so this is rare.
		if refs = a.living(group, q.Metric); len(refs) == 0 {
			return false, 0, nil
		}
		n, err = a.d.o.Reader.Grid(a.ctx, refs, a.from, a.to, method, &a.grid)
	}
	switch {
	case err != nil && n > 1 && method != policy.Sum && method != policy.Mean:
		a.error(textAggregation)
		return true, step, nil
	case err != nil && edge.KindOf(err) == edge.OverLimit:
		// One entry that asks for too much takes nothing from the others.
		a.error(textPrefix + err.Error())
		return true, step, nil
	case err != nil:
		return false, 0, err
	case n == 0:
		return false, 0, nil
	}
	a.samples += int64(n) * int64(len(a.grid.Values))
	if err := a.within(); err != nil {
		return false, 0, err
	}
	if a.points += int64(len(a.grid.Values)); a.d.o.Points > 0 && a.points > a.d.o.Points {
		return false, 0, &edge.TooLargeError{What: "answer", Limit: a.d.o.Points, Points: true, Setting: settingPoints}
	}
	return true, a.entry(q), nil
}

// living gathers only series that have samples.
func (a *answer) living(group []Node, metric string) []metricdef.Ref {
	refs := a.refs[:0]
	for _, n := range group {
		refs = gather(refs, n, metric, a.d.lives)
	}
	a.refs = refs
	return refs
}

// entry writes what a.grid holds: resampled, with the statistics of what is left, scaled, padded, in this order.
func (a *answer) entry(q *query) (resolution int64) {
	native := max(a.grid.Step/second, 1)
	from := floorDiv(a.grid.From, second)
	to := from + int64(len(a.grid.Values))*native
	x := a.grid.Values
	if q.Resolution > native {
		for i, v := range x {
			if v-v != 0 {
				x[i] = math.NaN()
			}
		}
	}
	x, resolution, err := resample(a.sampled[:0], x, native, q.Resolution)
	if err != nil {
		a.error(err.Error())
		return native
	}
	if resolution != native {
		a.sampled = x
	}
	var s stats
	if a.req.WithStats {
		s = statsOf(x)
	}
	if f := float64(q.Scale); f != 0 && f != 1 {
		if a.req.WithStats {
			s = stats{s.mean * f, s.min * f, s.max * f}
		}
		if a.req.WithData {
			for i := range x {
				x[i] *= f
			}
		}
	}
	pad := 0
	if a.req.WithPadding && a.req.From != 0 {
		pad = a.padding(from, native)
	}
	b := a.b
	b = append(b, '{')
	if a.req.WithData && pad+len(x) > 0 {
		b = append(b, `"data":`...)
		if pad > 0 {
			b = append(b, '[')
			b = edge.AppendNulls(b, pad)
			if len(x) == 0 {
				b = append(b, ']')
			} else {
				at := len(b)
				b = a.numbers(b, x)
				b[at] = ','
			}
		} else {
			b = a.numbers(b, x)
		}
		b = append(b, ',')
	}
	a.b = b
	a.tail(from, to, resolution, s)
	return resolution
}

// numbers appends an array, in turns with the work of others.
func (a *answer) numbers(b []byte, x []float64) []byte {
	for first := true; ; first = false {
		part := x[:min(len(x), numbersAtOne)]
		at := len(b)
		b = edge.AppendFixed3Array(b, part)
		if !first {
			b[at] = ','
		}
		a.turn.Spent(workOfNumber * int64(len(part)))
		if x = x[len(part):]; len(x) == 0 {
			return b
		}
		b = b[:len(b)-1] // the bracket
	}
}

// padding is the number of nulls that stand for the time between the start of the request and the first slot: in steps
// of the data, also where it was resampled, and also beyond the end of the request, since clients count on both. None is
// given where it would be more than the limit; the member "from" says in any case where the data begins.
func (a *answer) padding(from, native int64) int {
	n := floorDiv(from, native) - floorDiv(a.req.From, native)
	if n <= 0 || n > int64(a.d.o.Padding) {
		return 0
	}
	return int(n)
}

// empty writes the entry of a level without series.
func (a *answer) empty(steps int64) {
	a.b = append(a.b, '{')
	s := stats{}
	if a.req.WithStats {
		s = noStats
	}
	a.tail(a.req.From, a.req.From, steps, s)
}

func (a *answer) tail(from, to, resolution int64, s stats) {
	b := a.b
	b = append(b, `"from":`...)
	b = strconv.AppendInt(b, from, 10)
	b = append(b, `,"to":`...)
	b = strconv.AppendInt(b, to, 10)
	b = append(b, `,"resolution":`...)
	b = strconv.AppendInt(b, resolution, 10)
	b = append(b, `,"avg":`...)
	b = edge.AppendFixed2OrNull(b, s.mean)
	b = append(b, `,"min":`...)
	b = edge.AppendFixed2OrNull(b, s.min)
	b = append(b, `,"max":`...)
	b = edge.AppendFixed2OrNull(b, s.max)
	b = append(b, '}')
	a.b = b
}

// error writes an entry that is an error.
func (a *answer) error(text string) {
	b := a.b
	b = append(b, `{"error":`...)
	b = edge.AppendString(b, text)
	b = append(b, `,"from":0,"to":0,"resolution":0,"avg":0.00,"min":0.00,"max":0.00}`...)
	a.b = b
}

// stats are the statistics of one entry. The zero value is what stands in an entry whose statistics were not asked for.
type stats struct{ mean, min, max float64 }

var noStats = stats{math.NaN(), math.NaN(), math.NaN()}

// statsOf ignores holes and infinities.
func statsOf(x []float64) stats {
	if len(x) == 0 {
		return noStats
	}
	// Most series have no holes. A sum that is a number shows that. It is made of four, always the same way, because each
	// addition waits for the one before.
	var sums [4]float64
	lo, hi := x[0], x[0]
	rest := x
	for ; len(rest) >= 4; rest = rest[4:] {
		v := (*[4]float64)(rest)
		sums[0] += v[0]
		sums[1] += v[1]
		sums[2] += v[2]
		sums[3] += v[3]
		if v[0] < lo {
			lo = v[0]
		}
		if v[0] > hi {
			hi = v[0]
		}
		if v[1] < lo {
			lo = v[1]
		}
		if v[1] > hi {
			hi = v[1]
		}
		if v[2] < lo {
			lo = v[2]
		}
		if v[2] > hi {
			hi = v[2]
		}
		if v[3] < lo {
			lo = v[3]
		}
		if v[3] > hi {
			hi = v[3]
		}
	}
	sum := (sums[0] + sums[1]) + (sums[2] + sums[3])
	for _, v := range rest {
		sum += v
		if v < lo {
			lo = v
		}
		if v > hi {
			hi = v
		}
	}
	if sum-sum == 0 {
		return stats{sum / float64(len(x)), lo, hi}
	}
	return statsWithHoles(x)
}

func statsWithHoles(x []float64) stats {
	n, sum := 0, 0.0
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, v := range x {
		if v-v != 0 {
			continue
		}
		n++
		sum += v
		lo, hi = min(lo, v), max(hi, v)
	}
	if n == 0 {
		return noStats
	}
	mean := sum / float64(n)
	if sum-sum != 0 { // the sum of large numbers passed the range, their mean does not
		mean = 0
		for _, v := range x {
			if v-v == 0 {
				mean += v / float64(n)
			}
		}
	}
	return stats{mean, lo, hi}
}

// nanoseconds is s seconds, held at the ends of the range: no sample lies beyond them.
func nanoseconds(s int64) int64 {
	switch {
	case s > math.MaxInt64/second:
		return math.MaxInt64
	case s < math.MinInt64/second:
		return math.MinInt64
	}
	return s * second
}

// floorDiv is a/b rounded down, b > 0.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
