package points

import (
	"math"
	"sort"
	"strconv"

	"granary/measures"
	"granary/metricdef"
	"granary/tenant/queue"
)

const (
	// MaxTime is the last time that a point may have, in milliseconds since 1970, in the year 2116: what the store can hold.
	// The first one is 0.
	MaxTime = (1<<62 - 1) / nanos
	// MaxCharacters is how many characters a value of a string may have.
	MaxCharacters = 2048

	nanos = 1_000_000 // in a millisecond
)

// Options are limits of the store. A body that passes one is refused before anything of it is stored.
type Options struct {
	MaxText int    // bytes of a text, or of the tags of a point; 0: measures.DefaultMaxText
	Setting string // the setting behind MaxText, for errors
}

// Points are the points of one body, in the order of the body, as columns.
type Points struct {
	Metrics []Metric // those that have points
	Listed  int      // how many metrics the body names, with those that have none
	Times   []int64  // nanoseconds since 1970 UTC
	Values  []float64
	Texts   []Text // of the points of strings
	Tags    []Text // of the points that have some, in the form in which tags of samples are stored

	body []byte
	own  []byte // ids that are not in the body as they are
}

// Text is the text, or the tags, of the point in a row.
type Text struct {
	Row  int
	Text string
}

// Metric is one metric of a body. An id may come more than once.
type Metric struct {
	at, size int32 // of its text in the body
	id, idn  int32 // of its id, in the body or in own
	first    int32
	index    int32 // in its list
	list     list
	owned    bool
	Type     metricdef.Type
}

// list is a list of metrics in a body.
type list uint8

const (
	unnamed list = iota // the body is the list
	gaugeList
	counterList
	availabilityList
	stringList
	lists
)

var (
	listNames = [lists]string{"", "gauges", "counters", "availabilities", "strings"}
	listTypes = [lists]metricdef.Type{0, metricdef.Gauge, metricdef.Counter, metricdef.Availability, metricdef.String}
)

// ID is the id of a metric. It is valid as long as the body and until the decoder reads another one.
func (p *Points) ID(metric int) []byte {
	m := &p.Metrics[metric]
	from := p.body
	if m.owned {
		from = p.own
	}
	return from[m.id : m.id+m.idn]
}

// Rows are the rows of a metric: from its first one to the one behind its last.
func (p *Points) Rows(metric int) (from, to int) {
	to = len(p.Times)
	if metric+1 < len(p.Metrics) {
		to = int(p.Metrics[metric+1].first)
	}
	return int(p.Metrics[metric].first), to
}

// MetricOf is the metric of a row.
func (p *Points) MetricOf(row int) int {
	return sort.Search(len(p.Metrics), func(m int) bool { return int(p.Metrics[m].first) > row }) - 1
}

// Size is how many bytes of the body a metric takes.
func (p *Points) Size(metric int) int64 { return int64(p.Metrics[metric].size) }

// Path is the place of a point in the body, as errors name it. REQUIRES: the row is one of the metric's.
func (p *Points) Path(metric, row int) string {
	m := &p.Metrics[metric]
	return path(m.list, int(m.index), row-int(m.first))
}

// path is the place of a point, or of a metric if the point is below 0. The metric is below 0 where the body is a list of points.
func path(l list, metric, point int) string {
	b := []byte(listNames[l])
	if metric >= 0 {
		b = append(strconv.AppendInt(append(b, '['), int64(metric), 10), ']')
		if point >= 0 {
			b = append(b, ".data"...)
		}
	}
	if point >= 0 {
		b = append(strconv.AppendInt(append(b, '['), int64(point), 10), ']')
	}
	return string(b)
}

// Decoder reads bodies, one after the other. It keeps its memory.
type Decoder struct {
	Points
	o    Options
	turn *queue.Turn

	typ  metricdef.Type
	list list
	at   int // index of the metric that is read in its list, below 0 where the body is a list of points

	scratch []byte
	pairs   []metricdef.Tag

	paced  int // up to where the work is paid for
	strict int // bytes behind it that the slow way has read
}

// NewDecoder makes a decoder.
func NewDecoder(o Options) *Decoder {
	if o.MaxText <= 0 {
		o.MaxText = measures.DefaultMaxText
	}
	return &Decoder{o: o}
}

// keepRows is how many rows of memory are kept from one body to the next.
const keepRows = 1 << 17

// Reset lets go of the body.
func (d *Decoder) Reset() {
	d.reset(nil)
	d.turn = nil
}

func (d *Decoder) reset(body []byte) {
	p := &d.Points
	if cap(p.Times) > keepRows || cap(p.Metrics) > keepRows || cap(p.own) > keepRows || cap(p.Texts) > keepRows || cap(p.Tags) > keepRows {
		*p = Points{}
	}
	clear(p.Texts)
	clear(p.Tags)
	*p = Points{Metrics: p.Metrics[:0], Times: p.Times[:0], Values: p.Values[:0], Texts: p.Texts[:0], Tags: p.Tags[:0], own: p.own[:0], body: body}
	d.typ, d.list, d.at, d.paced, d.strict = 0, unnamed, -1, 0, 0
	if cap(d.scratch) > keepRows {
		d.scratch = nil
	}
}

// Several reads [{"id", "data": [{"timestamp", "value"}]}].
func (d *Decoder) Several(body []byte, typ metricdef.Type, turn *queue.Turn) error {
	return d.read(body, turn, func(i int) (int, error) {
		d.typ = typ
		return d.metrics(i, unnamed)
	})
}

// One reads [{"timestamp", "value"}], the points of the metric of that id.
func (d *Decoder) One(body []byte, typ metricdef.Type, id string, turn *queue.Turn) error {
	return d.read(body, turn, func(i int) (int, error) {
		d.typ = typ
		return d.one(i, id)
	})
}

// Mixed reads {"gauges": […], "counters": […], "availabilities": […], "strings": […]}, each a list of metrics.
func (d *Decoder) Mixed(body []byte, turn *queue.Turn) error { return d.read(body, turn, d.mixed) }

// read reads a body: as JSON, and if it is none, once more with what Hawkular Metrics takes beyond JSON put right. If it is none then either, the
// error is that which comes later in what was sent.
func (d *Decoder) read(body []byte, turn *queue.Turn, form func(i int) (int, error)) error {
	d.turn = turn
	err := d.once(body, form)
	broken := asBroken(err)
	if broken == nil {
		return err
	}
	strict, changed := Strict(body)
	if !changed {
		return err
	}
	again := d.once(strict, form)
	if still := asBroken(again); still != nil {
		if still.at = Place(body, still.at); still.at < broken.at {
			return err
		}
	}
	return again
}

// once reads a body as JSON.
func (d *Decoder) once(body []byte, form func(i int) (int, error)) error {
	d.reset(body)
	if len(body) > math.MaxInt32 {
		return &Error{Text: "the body is larger than what can be read at once"}
	}
	i := skipSpace(body, 0)
	if i == len(body) {
		return &Error{Text: TextEmpty}
	}
	i, err := form(i)
	if err != nil {
		return err
	}
	if i = skipSpace(body, i); i < len(body) {
		return d.brokenAt(i, "there is something behind the end")
	}
	return nil
}
