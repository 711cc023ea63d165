package hawkular

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"granary/api/edge"
	"granary/metricdef"
)

// slack is how far behind now a range ends if it names no end: a client reads what it wrote a moment ago, also in the same
// millisecond, and also if it rounds the time up, as Python's does. A start that is relative to now moves with it, so that a minute
// stays a minute and has one bucket of that width. Nobody can tell it from a request that took longer to arrive.
const slack = 5 * time.Millisecond

// ask is what a request says about a range and about the form of its answer, in its query string or in its body. What is not
// given is empty, or nil.
type ask struct {
	IDs  idList `json:"ids"`
	Tags string `json:"tags"` // a tag query

	Start          moment   `json:"start"`
	End            moment   `json:"end"`
	FromEarliest   flag     `json:"fromEarliest"`
	Limit          *integer `json:"limit"`
	Order          string   `json:"order"`
	Distinct       flag     `json:"distinct"`
	Buckets        *integer `json:"buckets"`
	BucketDuration moment   `json:"bucketDuration"`
	Percentiles    words    `json:"percentiles"`
	Stacked        flag     `json:"stacked"`
}

// ask reads the query string. A parameter that is empty is not given.
func (c *call) ask() (*ask, error) {
	a := &ask{
		Tags: c.query.Get("tags"), Start: moment(c.query.Get("start")), End: moment(c.query.Get("end")),
		Order: c.query.Get("order"), BucketDuration: moment(c.query.Get("bucketDuration")),
	}
	if text := c.query.Get("percentiles"); text != "" {
		a.Percentiles = splitWords(text)
	}
	for _, p := range []struct {
		name string
		to   *flag
	}{{"fromEarliest", &a.FromEarliest}, {"distinct", &a.Distinct}, {"stacked", &a.Stacked}} {
		if text := c.query.Get(p.name); text != "" {
			if err := p.to.parse(text); err != nil {
				return nil, badRequest("%s: %v", p.name, err)
			}
		}
	}
	for _, p := range []struct {
		name string
		to   **integer
	}{{"limit", &a.Limit}, {"buckets", &a.Buckets}} {
		if text := c.query.Get(p.name); text != "" {
			*p.to = new(integer)
			if err := (*p.to).parse(text); err != nil {
				return nil, badRequest("%s: %v", p.name, err)
			}
		}
	}
	return a, nil
}

// bucketed says whether buckets are asked for, and not the points themselves.
func (a *ask) bucketed() bool { return a.Buckets != nil || a.BucketDuration != "" }

// most is how many points of a metric are asked for at most, 0: all.
func (a *ask) most() int64 {
	if a.Limit == nil || *a.Limit < 0 {
		return 0
	}
	return int64(*a.Limit)
}

// desc says whether points are asked for newest first. The strict mode has one rule for all reads. In the default mode it is asked
// whether the question came by POST: such answers are oldest first, all others newest first.
func (c *call) desc(a *ask, posted bool) (bool, error) {
	switch {
	case a.Order != "":
		return strings.EqualFold(a.Order, "desc"), a.checkOrder()
	case c.strict():
		return a.most() == 0 || a.Start == "" || a.End != "", nil
	}
	return !posted, nil
}

// checkOrder refuses an order that is none, also where it does not count.
func (a *ask) checkOrder() error {
	if a.Order == "" || strings.EqualFold(a.Order, "asc") || strings.EqualFold(a.Order, "desc") {
		return nil
	}
	return badRequest("order: %q is neither asc nor desc", shorten(a.Order))
}

// spanError refuses the times of a range. Clients know the texts of Hawkular, which come first.
type spanError struct{ text string }

func (e *spanError) Error() string { return e.text }
func (*spanError) Kind() string    { return string(edge.Invalid) }
func (*spanError) Code() string    { return "time-invalid" }

// span is the range [from, to) that is asked for, in milliseconds. With fromEarliest it begins before everything that is kept; see
// earliest.
func (c *call) span(a *ask) (from, to int64, err error) {
	if a.FromEarliest && (a.Start != "" || a.End != "") {
		return 0, 0, badRequest("fromEarliest can only be used without start & end")
	}
	now := c.now
	if a.End == "" {
		now = now.Add(slack)
	}
	from, to = now.Add(-c.d.o.DefaultStart).UnixMilli(), now.UnixMilli()
	if a.FromEarliest {
		return -lastMilli, to, nil
	}
	for _, m := range []struct {
		name string
		text moment
		to   *int64
	}{{"start", a.Start, &from}, {"end", a.End, &to}} {
		if m.text == "" {
			continue
		}
		if *m.to, err = parseTime(m.name, c.spelt(m.text), now); err != nil {
			return 0, 0, badSpan(a, m.text)
		}
	}
	if to <= from {
		return 0, 0, &spanError{fmt.Sprintf("Range end must be strictly greater than start: %d is not behind %d", to, from)}
	}
	return from, to, nil
}

// spelt is a time as both modes take it. Mohawk has -5000 for five seconds ago, which Hawkular refuses, and so it does a plus that stands in an
// address as it is, where it is a blank.
func (c *call) spelt(m moment) string {
	n := len(m)
	switch {
	case n < 2 || c.strict():
		return string(m)
	case m[0] == '-' && m[n-1] >= '0' && m[n-1] <= '9':
		return string(m) + "ms"
	case m[0] == ' ':
		return "+" + string(m[1:])
	}
	return string(m)
}

func badSpan(a *ask, m moment) error {
	show := func(m moment) string {
		if m == "" {
			return "null"
		}
		return shorten(string(m))
	}
	what := "number"
	if m[0] == '-' || m[0] == '+' {
		what = "duration"
	}
	said := "The start (" + show(a.Start) + ") or end (" + show(a.End) + ") value does not correspond to a valid " + what + ". "
	if text := strings.TrimSpace(string(m)); isDuration(text) {
		text = shorten(text)
		return &spanError{said + text + " lacks a sign: -" + text + " is before now, +" + text + " (in an address %2B" + text + ") behind it"}
	}
	return &spanError{said + "A time is a number of milliseconds since 1970, or relative to now: a sign, a whole number and one of the units ms, s, mn, h, d, " +
		"as in -5mn or +1h"}
}

// behindNow is the end of what lies at or before now, in nanoseconds: that of a range that names none.
func (c *call) behindNow() int64 { return c.now.Add(slack).UnixNano() }

// earliest is where a range with fromEarliest begins, in milliseconds: at the oldest point that one of the metrics still has. It is
// lastMilli if none has any.
func (c *call) earliest(refs []metricdef.Ref) int64 {
	first := lastMilli
	for _, ref := range refs {
		if b, ok := c.d.o.Store.Bounds(ref, math.MinInt64, math.MaxInt64); ok {
			first = min(first, millis(b.First))
		}
	}
	return first
}

// moment is the text of a time or of a duration. In bodies it may be a number.
type moment string

// UnmarshalJSON implements json.Unmarshaler.
func (m *moment) UnmarshalJSON(b []byte) error {
	text, err := scalar(b)
	*m = moment(text)
	return err
}

// flag is true or false, in bodies also as a text.
type flag bool

func (f *flag) parse(text string) error {
	switch {
	case strings.EqualFold(text, "true"):
		*f = true
	case strings.EqualFold(text, "false"):
		*f = false
	default:
		return badRequest("%q is neither true nor false", shorten(text))
	}
	return nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (f *flag) UnmarshalJSON(b []byte) error {
	text, err := scalar(b)
	if err != nil || text == "" {
		return err
	}
	return f.parse(text)
}

// integer is a whole number, in bodies also as a text.
type integer int64

func (i *integer) parse(text string) error { return i.read(text, strconv.Quote(shorten(text))) }

// read takes a text for a number, which an error shows as it was written.
func (i *integer) read(text, written string) error {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return badRequest("%s is not a whole number of 64 bits", written)
	}
	*i = integer(n)
	return nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (i *integer) UnmarshalJSON(b []byte) error {
	text, err := scalar(b)
	if err != nil || text == "" {
		return err
	}
	return i.read(text, shorten(string(b)))
}

// words are the percentiles that are asked for, one more than can be at most: with commas between them, or as a list, whose numbers are texts too.
type words []string

func splitWords(text string) words { return strings.SplitN(text, ",", mostPercentiles+1) }

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (w *words) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() == '[' {
		var list []moment
		err := readList(d, &list, mostPercentiles, "of them")
		for _, m := range list {
			*w = append(*w, string(m))
		}
		return err
	}
	raw, err := d.ReadValue()
	if err != nil {
		return err
	}
	text, err := scalar(raw)
	if err != nil || text == "" {
		return err
	}
	*w = splitWords(text)
	return nil
}
