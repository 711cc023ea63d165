package hawkular

import (
	"errors"
	"math"
	"net/http"

	"granary/measures/query"
	"granary/tenant"
)

// buckets is a range that is divided: the first bucket begins with the range, wherever that is, and all have one width. The last one may
// end behind the range or, if a number of buckets was asked for, before its end. Times are milliseconds.
type buckets struct{ start, end, step, count int64 }

// mostBuckets is the largest number of buckets that the peers know.
const mostBuckets = math.MaxInt32

// The texts of Hawkular for the ways to ask for no buckets, which clients know.
const (
	textNeither = "Either the buckets or bucketDuration parameter must be used"
	textBoth    = "Both buckets and bucketDuration parameters are specified"
	textBounds  = "Limit and order cannot be used with bucketed results"
)

// divide lays the buckets that are asked for over a range.
func (c *call) divide(a *ask, from, to int64) (buckets, error) {
	if err := a.checkOrder(); err != nil {
		return buckets{}, err
	}
	switch {
	case a.Buckets != nil && a.BucketDuration != "":
		return buckets{}, badRequest(textBoth)
	case from < 0, from == 0 && c.strict():
		// Hawkular wants more than zero. The default mode divides what begins in 1970 too.
		return buckets{}, badRequest("start is not positive: %d", from)
	case a.Buckets != nil:
		return byCount(from, to, int64(*a.Buckets))
	case a.BucketDuration != "":
		step, err := c.width(a.BucketDuration)
		if err != nil {
			return buckets{}, err
		}
		return byWidth(from, to, step)
	}
	return buckets{}, badRequest(textNeither)
}

// width reads the width of buckets, in milliseconds. Mohawk takes a number without a unit for milliseconds, and a plus before it, which in an
// address may have become a blank.
func (c *call) width(m moment) (int64, error) {
	text := string(m)
	if !c.strict() {
		if text[0] == '+' || text[0] == ' ' {
			text = text[1:]
		}
		if n := len(text); n > 0 && text[n-1] >= '0' && text[n-1] <= '9' {
			text += "ms"
		}
	}
	return parseDuration("bucketDuration", text)
}

// byCount divides a range into so many buckets. A width that leaves a remainder is rounded up if the last bucket then still begins
// within the range; else the buckets end before it does.
func byCount(from, to, count int64) (buckets, error) {
	if count <= 0 || count > mostBuckets {
		return buckets{}, badRequest("buckets: %d is not a number from 1 to %d", count, int64(mostBuckets))
	}
	width := uint64(to) - uint64(from)
	n := uint64(count)
	step, rest := width/n, width%n
	if rest != 0 && step+1 <= (width-1)/(n-1) {
		step++
	}
	if step == 0 {
		return buckets{}, badRequest("buckets: %d are more than the range has milliseconds", count)
	}
	return buckets{from, to, int64(min(step, math.MaxInt64)), count}, nil
}

// byWidth divides a range into buckets of that width.
func byWidth(from, to, step int64) (buckets, error) {
	n := (uint64(to)-uint64(from)-1)/uint64(step) + 1
	if n > mostBuckets {
		return buckets{}, badRequest("bucketDuration: the range would have %d buckets, at most %d are possible", n, int64(mostBuckets))
	}
	return buckets{from, to, step, int64(n)}, nil
}

// edge is where bucket k begins, and the one before it ends.
func (b *buckets) edge(k int64) int64 {
	at := uint64(b.start) + uint64(k)*uint64(b.step)
	if at > math.MaxInt64 && b.start >= 0 {
		return math.MaxInt64
	}
	return int64(at)
}

// request is the part of a request to the engine that the buckets decide. false says that no sample can lie in them: they lie beyond
// all times that samples have.
func (b *buckets) request() (r query.Request, ok bool) {
	r.From, r.To = nanos(b.start), nanos(min(b.end, b.edge(b.count)))
	r.Buckets = query.Buckets{Step: longest, FromStart: true}
	if b.step < longest/millisecond {
		r.Buckets.Step = b.step * millisecond
	}
	r.To = min(r.To, longest)
	return r, r.From < r.To
}

// longest is the greatest width of a bucket that the engine takes, in nanoseconds, and the greatest time that it looks at.
const longest = 1 << 62

// place is the number of the bucket that begins at a time in nanoseconds.
func (b *buckets) place(r *query.Request, t int64) int64 {
	return (t - r.From) / r.Buckets.Step
}

// unbounded refuses a limit or an order beside buckets.
func unbounded(a *ask) error {
	if a.bucketed() && (a.Limit != nil || a.Order != "") {
		return badRequest(textBounds)
	}
	return nil
}

// sizeError refuses an answer that would be too large, or a question that would read too much, with 400: what the request asks for is
// to blame.
type sizeError struct{ err error }

func (e *sizeError) Error() string { return e.err.Error() }
func (e *sizeError) Unwrap() error { return e.err }
func (*sizeError) Status() int     { return http.StatusBadRequest }

// refused is a refusal for what a question costs as the dialect answers it. Those by a limit of the tenant are counted.
func (c *call) refused(err error) error {
	var cost *query.CostError
	if !errors.As(err, &cost) {
		return err
	}
	if c.num != 0 {
		switch cost.Setting {
		case query.SettingSeries:
			c.d.o.Tenants.Standing(c.num).Refuse(tenant.LimitQuerySeries, 1)
		case query.SettingSamples:
			c.d.o.Tenants.Standing(c.num).Refuse(tenant.LimitQuerySamples, 1)
		}
	}
	return &sizeError{err}
}
