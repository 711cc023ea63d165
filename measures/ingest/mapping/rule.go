package mapping

import "time"

// Rule says what is made of which series.
type Rule struct {
	Name string  // of the metric that comes out. Several rules may have the same.
	From []Match // what it is made of: every series that fits one of these
	// Dialects are those whose series it takes, such as line.DialectClusterCockpit; none: all.
	Dialects []string
	// Combine is Sum, Avg, Min or Max of all series that come to the same tags, within a slot. "": each series is one for itself.
	Combine string
	// By are the tags that are left where it combines, none: cluster and hostname. A series that lacks one is not taken.
	By []string
	// Rename gives labels the names of tags, before By is looked at. A tag that the series has already stays as it is. "instance" loses
	// its port on the way to "hostname".
	Rename map[string]string
	Tags   map[string]string // added where the series has none of that name
	Unit   string            // of what comes out, "" if it is not known
	// Slot is the width of the slots, counted from 1970 UTC, within which series fall together: of each the last sample counts, and the
	// result has the time at which the slot begins. 0: the grid that the policy of the metric has, and where it has none, samples fall
	// together that have the same time.
	Slot time.Duration
	Keep bool // the series that it takes are stored under their own names too
}

// What Rule.Combine can be.
const (
	Sum = "sum"
	Avg = "avg"
	Min = "min"
	Max = "max"
)

// Match says which series a rule takes, and as what.
type Match struct {
	// Metric is the name of the series. What comes as a field of a line is named measurement_field or measurement.field, and the field
	// "value" for its measurement alone as well.
	Metric string
	// Labels are conditions on labels: "value", "!value", "~regex", "!~regex". A label that is not there is an empty one. A regular expression
	// is an RE2 for the whole value.
	Labels map[string]string
	Scale  float64 // by which the value, or the rate, is multiplied; 0 is 1
	// Rate makes of a counter how much it grows in a second. A value below the one before is one of a counter that began at zero again.
	Rate bool
}
