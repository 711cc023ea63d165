package query

import (
	"fmt"

	"granary/metricdef"
	"granary/policy"
)

// Request is one question to the engine. The caller has selected the series, and has seen to it that they belong to the
// tenant that asks.
type Request struct {
	Refs []metricdef.Ref // in any order; answered in ascending order, each once
	// From and To bound the range [From, To), nanoseconds. Samples outside never count, but for two cases: the first rate of
	// the range is taken from the sample before it, and Previous looks back as far as its Lookback.
	From, To int64

	Buckets Buckets
	Rate    Rate // turns samples into rates before everything else
	// Over is what is made of the samples of a bucket; none is Mean where there are buckets. Without buckets it makes
	// one value of the whole range.
	Over policy.Method
	// Overs are several methods over time in one pass, instead of Over: the frames have a column for each, and the buckets in which
	// one of the columns has a value. All of them work on differences, or none. Series of numbers only; none but Null fills.
	Overs []policy.Method
	// Extra are further columns, behind those of Overs: what these functions make of the values of a bucket in the order of time, one
	// value at least. They are called by several goroutines at once, and do not change what they are given. Tiers cannot answer them.
	Extra []func(values []float64) (float64, bool)
	// Across is what is made of the values that the series of a group have in a bucket; series without a value there do not
	// count. The order of the values, for First and Last, is that of the refs. None keeps the series apart.
	Across policy.Method
	// Pool puts the samples of all series of a group together, by time and then by ref, after they have become rates: the group is
	// answered like one series that has them all, so that it may have several samples at a time. It never comes from tiers.
	Pool bool
	By   []string // names of tags: series with the same values are a group. None is one group.
	// Kept answers a series that has a tier of the width of the buckets with what that tier keeps and with nothing beside it: whole buckets,
	// also where the range cuts one, and none that the tier has outlived. Without it raw samples give what the tier does not.
	Kept bool
	Fill Fill // of buckets without a value, after Over and Across

	Limit     int64 // points of a frame, in the order asked for; 0: all
	Desc      bool  // newest first
	MaxSeries int64 // series, the lowest refs; 0: all
	// Most is what the request may cost beyond what Options say: the limits of who asks. 0 is no limit of that kind.
	Most      Cost
	PointTags bool // with the tags of points; raw samples only
	// Pieces answers a series in a frame for each slice that is read of it, one series after the other, instead of one frame for all of it:
	// so that there may be more points than should be in memory together. Series without a point have no frame. Of samples, or of buckets of
	// one method that are neither filled nor limited nor turned.
	Pieces bool
	// Beside, if not nil, is called with the frame of each series, by the goroutine that made it and by several at once, before yield gets it
	// in its turn. What takes as long as reading, such as printing, is done beside it so. Not of groups.
	Beside func(*Frame)
}

// Buckets says how the range is divided. The zero value does not divide it: the answer has the samples themselves.
//
// A bucket has the time of its beginning, and the samples from there until the next one begins. The first and the last may
// reach out of the range; they have the samples that lie inside.
type Buckets struct {
	Step int64 // width, nanoseconds
	// Count divides the range into so many buckets at most; their width is rounded up to whole milliseconds if it is one
	// millisecond at least.
	Count int64
	// FromStart lets the first bucket begin with the range. Else buckets begin at multiples of their width since
	// 1970-01-01T00:00Z, and a Count may give one more.
	FromStart bool
}

// Filling is what becomes of a bucket without a value.
type Filling uint8

// What a frame has for a bucket without a value.
const (
	LeaveOut Filling = iota // nothing: the frame has the buckets with a value only
	Null                    // a place that is marked as empty
	Previous                // the value before it
	Linear                  // what lies on the line between the values around it; nothing before the first and behind the last
	Number                  // always the same
)

// Fill says what becomes of buckets without a value.
type Fill struct {
	How    Filling
	Number float64
	// Lookback is how far before a bucket the value for Previous may begin, nanoseconds; 0: ten buckets. Whole buckets
	// before the range are looked at too, that far from its beginning.
	Lookback int64
}

// defaultLookback is the Lookback that is meant by none, in buckets.
const defaultLookback = 10

// RequestError says what is wrong with a request.
type RequestError struct {
	Member string // of the request, as the native API names it
	Text   string
}

func (e *RequestError) Error() string { return "query: " + e.Member + ": " + e.Text }

// Kind tells the edge what sort of error this is.
func (*RequestError) Kind() string { return "invalid" }

// Code is the error's stable name.
func (*RequestError) Code() string { return "query-invalid" }

func wrong(member, format string, args ...any) error {
	return &RequestError{member, fmt.Sprintf(format, args...)}
}

// KindError says that a method makes no sense of the values of a series.
type KindError struct {
	Ref    metricdef.Ref // 0: of the values of a group
	Name   string        // of the series
	Values metricdef.Kind
	Method string
	Member string // of the request
	Allows string
}

func (e *KindError) Error() string {
	what := "values of a group"
	if e.Ref != 0 {
		what = fmt.Sprintf("series %q", e.Name)
	}
	return fmt.Sprintf("query: %s: %s has values of kind %s, of which there is no %s; there is %s", e.Member, what, e.Values, e.Method, e.Allows)
}

// Kind tells the edge what sort of error this is.
func (*KindError) Kind() string { return "invalid" }

// Code is the error's stable name.
func (*KindError) Code() string { return "query-kind" }

// The settings behind the limits of a query.
const (
	SettingSamples = "granary.limits.query-samples"
	SettingSeries  = "granary.limits.query-series"
)

// CostError refuses a request that would go through more than is allowed, before it is computed.
type CostError struct {
	What         string // "points", "samples", "series"
	Count, Limit int64
	Setting      string
}

func (e *CostError) Error() string {
	verb := "read"
	if e.What == "points" {
		verb = "hold"
	}
	count := fmt.Sprint(e.Count)
	if e.Count >= plenty {
		count = "far too many"
	}
	return fmt.Sprintf("query: the answer would %s %s %s, the limit is %d (setting %s)", verb, count, e.What, e.Limit, e.Setting)
}

// Kind tells the edge what sort of error this is.
func (*CostError) Kind() string { return "over limit" }

// Code is the error's stable name.
func (e *CostError) Code() string {
	switch e.What {
	case "samples":
		return "query-samples"
	case "series":
		return "query-series"
	}
	return "answer-too-large"
}

// Problem has what the edge adds to its answer.
func (e *CostError) Problem() map[string]any {
	return map[string]any{"limit": e.Limit, "setting": e.Setting}
}

// check says what is wrong with a request by itself.
func (r *Request) check() error {
	b := &r.Buckets
	switch {
	case r.From >= r.To:
		return wrong("end", "is not after start")
	case b.Step < 0 || b.Step > farthest:
		return wrong("bucket", "is not above zero and below %d years", farthest/yearly)
	case b.Count < 0:
		return wrong("buckets", "is not above zero")
	case b.Step > 0 && b.Count > 0:
		return wrong("buckets", "stands beside bucket: one of them divides the range")
	case r.Kept && (b.Step == 0 || b.FromStart):
		return wrong("buckets", "of what tiers keep have a width, and begin at multiples of it")
	case r.Over != policy.NoMethod && !r.Over.Valid():
		return wrong("method", "is not one of the catalogue")
	case r.columns() > 0 && r.Over != policy.NoMethod:
		return wrong("method", "stands beside several methods")
	case r.columns() > mostColumns:
		return wrong("methods", "are more than %d", mostColumns)
	case r.columns() > 0 && r.Fill.How != LeaveOut && r.Fill.How != Null:
		return wrong("fill", "buckets with several values are filled by null only")
	case r.Across != policy.NoMethod && !r.Across.Valid():
		return wrong("across", "is not one of the catalogue")
	case r.Across.IsRate():
		return wrong("across", "%s: there are no rates across series; rates are made over time, by method or rate", r.Across)
	case r.Pool && r.Across != policy.NoMethod:
		return wrong("across", "makes nothing of series whose samples are put together")
	case len(r.By) > 0 && !r.grouped():
		return wrong("group_by", "needs a method across series (across)")
	case r.Limit < 0:
		return wrong("limit", "is below zero")
	case r.MaxSeries < 0:
		return wrong("series_limit", "is below zero")
	case r.Fill.Lookback < 0 || r.Fill.Lookback > farthest:
		return wrong("fill", "lookback is below zero or too long")
	}
	for _, m := range r.Overs {
		if !m.Valid() {
			return wrong("methods", "are not all of the catalogue")
		}
		if m.IsRate() != r.Overs[0].IsRate() || m.IsRate() && len(r.Extra) > 0 {
			return wrong("methods", "are of values in part, in part of differences")
		}
	}
	if err := r.Rate.check(); err != nil {
		return err
	}
	if r.raw() {
		switch {
		case r.Across != policy.NoMethod:
			return wrong("across", "needs buckets (bucket, buckets) or a method over time (method)")
		case r.Fill.How != LeaveOut:
			return wrong("fill", "needs buckets (bucket, buckets)")
		case r.Pieces && (r.Pool || r.Beside != nil):
			return wrong("pieces", "are of one series after the other")
		case r.PointTags && r.Pool:
			return wrong("tags", "points of series that are put together have no tags")
		}
	} else if r.Pieces && (r.grouped() || r.Beside != nil || r.columns() > 0 || r.Fill.How != LeaveOut || r.Limit > 0 || r.Desc) {
		return wrong("pieces", "are of samples, or of buckets of one series after the other as they come")
	} else if r.PointTags {
		return wrong("tags", "points that are aggregated have no tags; leave out bucket, buckets and method")
	}
	return nil
}

// grouped says whether the frames are groups of series.
func (r *Request) grouped() bool { return r.Across != policy.NoMethod || r.Pool }

// raw says whether the samples themselves are asked for.
func (r *Request) raw() bool {
	return r.Buckets.Step == 0 && r.Buckets.Count == 0 && r.Over == policy.NoMethod && r.columns() == 0
}

const (
	farthest = 1 << 62 // times and widths in nanoseconds are below it; samples are, too
	yearly   = 365 * 86400 * int64(1e9)
	plenty   = 1 << 50 // what counts are bounded by, so that they can be added

	mostColumns = 1000
)
