package ingest

import (
	"fmt"
	"strconv"
	"time"

	"granary/measures"
	"granary/tenant"
)

// ReasonText says in words why the store did not take a sample.
func ReasonText(why measures.Reason) string { return reasonTexts[why] }

// LimitText names the limit of the tenant that a reason comes from, with its value and its setting; "" if it comes from none. l are
// the limits in force.
func LimitText(why measures.Reason, id tenant.ID, l *tenant.Limits) string {
	number := why.Limit()
	if number == 0 {
		return ""
	}
	f := tenant.LimitNumbered(number)
	value := strconv.FormatInt(*f.Of(l), 10)
	switch f.Unit {
	case tenant.UnitDuration:
		value = tenant.DurationText(time.Duration(*f.Of(l)))
	case tenant.UnitBytes:
		value += " bytes"
	}
	return fmt.Sprintf("%s; the limit of tenant %q is %s (setting %s)", limitTexts[why], id, value, f.Setting())
}

var limitTexts = map[measures.Reason]string{
	measures.SeriesLimit: "the tenant has as many series as it may have", measures.TagsLimit: "the new series has too many tags",
	measures.TagNameLimit: "the name of a tag of the new series is too long", measures.TagValueLimit: "the value of a tag of the new series is too long",
	measures.PastLimit: "it is too old", measures.FutureLimit: "it is too far in the future", measures.LineLimit: "its line is too long",
	measures.RateLimit: "too many samples came in a short time", measures.MemoryLimit: "the metric does not exist, and the tenant has as much in memory as it may have",
}

var reasonTexts = func() (t [measures.NumReasons]string) {
	for r := range t {
		t[r] = measures.Reason(r).String()
	}
	t[measures.TooOld], t[measures.TooNew] = "the time is further in the past than can be stored", "the time is further in the future than can be stored"
	t[measures.OutsideWindow] = "it is older than the window of its policy, where buckets are final; raw.retention and back_window of the policy say how late a sample may be"
	t[measures.Duplicate] = "there is another value at this time, and the policy refuses a second one"
	t[measures.Freed] = "it is older than what was freed"
	t[measures.SeriesLimit] = "the tenant's limit on series is reached (setting granary.limits.series)"
	t[measures.MemoryLimit] = "the metric does not exist, and the tenant's limit on memory is reached (setting granary.limits.memory)"
	t[measures.WrongKind] = "its metric cannot have such a value"
	t[measures.TextTooLong] = "the text, or its tags, are too long"
	return t
}()
