package tenant

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// NoLimit is the value of a limit that a tenant is free of, whatever the default is.
const NoLimit = -1

// Limits bound what one tenant may hold and do. Zero means nothing was said: in the settings of a tenant that its default
// holds, in the limits in force (Registry.Limits) that there is no limit of that kind. LimitFields names them all.
type Limits struct {
	Series            int64         // definitions at the same time
	SamplesPerSecond  int64         // samples stored, averaged over time
	SamplesBurst      int64         // samples that may come at once beyond that
	Body              int64         // bytes of one body of measures, after decompression
	Line              int64         // bytes of a line of line protocol
	TagName           int64         // bytes of the name of a tag
	TagValue          int64         // bytes of the value of a tag
	Tags              int64         // identity tags of a series
	Past              time.Duration // how old an arriving sample may be
	Future            time.Duration // how far ahead of now
	QuerySamples      int64         // samples that one query goes through
	QuerySeries       int64         // series that one query reads
	ConcurrentQueries int64         // queries worked on at the same time
	Queue             int64         // bytes of bodies that wait or are worked on
	QueueLength       int64         // writes that wait
	QueueWait         time.Duration // how long a write or a query waits for its turn
	Weight            int64         // share of the service beside other tenants that want it too; 1 if nothing is said
	Retention         time.Duration // the longest that anything is kept
	Memory            int64         // bytes of memory for definitions and samples
}

// LimitUnit is what the number of a limit counts.
type LimitUnit uint8

// The units of limits.
const (
	UnitCount LimitUnit = iota
	UnitBytes
	UnitDuration // nanoseconds
)

// The numbers of limits. They stand in records and are never reused.
const (
	LimitSeries = 1 + iota
	LimitSamplesPerSecond
	LimitSamplesBurst
	LimitBody
	LimitLine
	LimitTagName
	LimitTagValue
	LimitTags
	LimitPast
	LimitFuture
	LimitQuerySamples
	LimitQuerySeries
	LimitConcurrentQueries
	LimitQueue
	LimitQueueLength
	LimitQueueWait
	LimitWeight
	LimitRetention
	LimitMemory
	numLimits
)

// LimitField is one kind of limit.
type LimitField struct {
	Name   string // "samples-per-second": granary.limits.NAME; with underscores, the member in JSON
	Unit   LimitUnit
	Number uint64 // in records; never reused
	// Min and Max are what a limit of that kind may be set to.
	Min, Max int64
	// Capped says that what the configuration says is a bound of the whole service too: a tenant may have less of it, not more.
	Capped bool
	of     func(*Limits) *int64
}

// Of is the value of the limit in l.
func (f *LimitField) Of(l *Limits) *int64 { return f.of(l) }

// InForce is the value of the limit where l are the limits in force: a burst of which nothing is said follows from the rate.
func (f *LimitField) InForce(l *Limits) int64 {
	if f.Number == LimitSamplesBurst {
		return l.Burst()
	}
	return *f.of(l)
}

// Value is a value of the limit for a log: the text of a duration, or the number.
func (f *LimitField) Value(v int64) any {
	if f.Unit == UnitDuration {
		return time.Duration(v).String() // some forms of logs write a Duration in nanoseconds
	}
	return v
}

// Setting is the key of the limit in the configuration.
func (f *LimitField) Setting() string { return "granary.limits." + f.Name }

// Check says what is wrong with a value: nothing with 0 and NoLimit.
func (f *LimitField) Check(v int64) error {
	if v == 0 || v == NoLimit || v >= f.Min && v <= f.Max {
		return nil
	}
	if f.Unit == UnitDuration {
		return fmt.Errorf("%v is not between %v and %v", time.Duration(v), time.Duration(f.Min), time.Duration(f.Max))
	}
	return fmt.Errorf("%d is not between %d and %d", v, f.Min, f.Max)
}

const (
	many    = 1 << 50            // of what is counted
	forever = int64(1<<62 - 1)   // about 146 years
	second  = int64(time.Second) //
)

// LimitFields are all limits, in the order in which they are shown, which is that of their numbers. The table is what records,
// settings, REST and metrics are made from.
var LimitFields = []LimitField{
	{"series", UnitCount, LimitSeries, 1, math.MaxInt64, false, func(l *Limits) *int64 { return &l.Series }},
	{"samples-per-second", UnitCount, LimitSamplesPerSecond, 1, many, false, func(l *Limits) *int64 { return &l.SamplesPerSecond }},
	{"samples-burst", UnitCount, LimitSamplesBurst, 1, many, false, func(l *Limits) *int64 { return &l.SamplesBurst }},
	{"body", UnitBytes, LimitBody, 1 << 10, 1 << 30, true, func(l *Limits) *int64 { return &l.Body }},
	{"line", UnitBytes, LimitLine, 1 << 8, 1 << 24, true, func(l *Limits) *int64 { return &l.Line }},
	{"tag-name", UnitBytes, LimitTagName, 1, 1 << 20, false, func(l *Limits) *int64 { return &l.TagName }},
	{"tag-value", UnitBytes, LimitTagValue, 1, 1 << 20, false, func(l *Limits) *int64 { return &l.TagValue }},
	{"tags", UnitCount, LimitTags, 1, 1 << 20, false, func(l *Limits) *int64 { return &l.Tags }},
	{"past", UnitDuration, LimitPast, second, forever, false, func(l *Limits) *int64 { return (*int64)(&l.Past) }},
	{"future", UnitDuration, LimitFuture, second, forever, false, func(l *Limits) *int64 { return (*int64)(&l.Future) }},
	{"query-samples", UnitCount, LimitQuerySamples, 1, many, true, func(l *Limits) *int64 { return &l.QuerySamples }},
	{"query-series", UnitCount, LimitQuerySeries, 1, many, true, func(l *Limits) *int64 { return &l.QuerySeries }},
	{"concurrent-queries", UnitCount, LimitConcurrentQueries, 1, 1 << 20, true, func(l *Limits) *int64 { return &l.ConcurrentQueries }},
	{"queue", UnitBytes, LimitQueue, 64 << 10, many, false, func(l *Limits) *int64 { return &l.Queue }},
	{"queue-length", UnitCount, LimitQueueLength, 1, 1 << 20, false, func(l *Limits) *int64 { return &l.QueueLength }},
	{"queue-wait", UnitDuration, LimitQueueWait, int64(time.Millisecond), 3600 * second, false, func(l *Limits) *int64 { return (*int64)(&l.QueueWait) }},
	{"weight", UnitCount, LimitWeight, 1, 1000, false, func(l *Limits) *int64 { return &l.Weight }},
	{"retention", UnitDuration, LimitRetention, 60 * second, forever, false, func(l *Limits) *int64 { return (*int64)(&l.Retention) }},
	{"memory", UnitBytes, LimitMemory, 1 << 20, many, false, func(l *Limits) *int64 { return &l.Memory }},
}

// LimitNumbered is the limit of that number.
func LimitNumbered(n int) *LimitField { return &LimitFields[n-1] }

// LimitNamed is the limit of that name, nil if there is none.
func LimitNamed(name string) *LimitField {
	for i := range LimitFields {
		if LimitFields[i].Name == name {
			return &LimitFields[i]
		}
	}
	return nil
}

// check says what is wrong with the first limit that cannot be so.
func (l *Limits) check() error {
	for i := range LimitFields {
		f := &LimitFields[i]
		if err := f.Check(*f.of(l)); err != nil {
			return &SettingsError{"limits." + f.Name, err}
		}
	}
	return nil
}

// Within says what is wrong with a value where base are the limits of the configuration: it may be capped there.
func (f *LimitField) Within(v int64, base *Limits) error {
	most := *f.of(base)
	if !f.Capped || most <= 0 || v <= most {
		return nil
	}
	if f.Unit == UnitBytes {
		return fmt.Errorf("%s is more than the service allows, %s (setting %s)", FormatSize(v), FormatSize(most), f.Setting())
	}
	return fmt.Errorf("%d is more than the service allows, %d (setting %s)", v, most, f.Setting())
}

// within is the limits in force where base are those of the configuration: nothing that is capped passes them.
func (l Limits) within(base *Limits) Limits {
	for i := range LimitFields {
		f := &LimitFields[i]
		if !f.Capped {
			continue
		}
		if most, v := *f.of(base), f.of(&l); most > 0 && (*v <= 0 || *v > most) {
			*v = most
		}
	}
	return l
}

// DefaultBurst is how many seconds of its rate a tenant may send at once where nothing is said of its burst: senders of
// metrics come once a minute.
const DefaultBurst = 60

// Burst is how many samples may come at once, 0 where the rate is not limited.
func (l *Limits) Burst() int64 {
	if l.SamplesPerSecond <= 0 || l.SamplesBurst > 0 {
		return max(l.SamplesBurst, 0)
	}
	return DefaultBurst * min(l.SamplesPerSecond, many)
}

// Over is the limits of l where it says something, else those of base; a limit that l is free of is none.
func (l Limits) Over(base Limits) Limits {
	for i := range LimitFields {
		switch v := *LimitFields[i].of(&l); {
		case v > 0:
			*LimitFields[i].of(&base) = v
		case v < 0:
			*LimitFields[i].of(&base) = 0
		}
	}
	return base
}

// DurationText writes a duration that is not negative as the configuration takes it: "7d", "1h30m", "500ms".
func DurationText(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	var b []byte
	for _, u := range []struct {
		name string
		len  time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}, {"us", time.Microsecond}, {"ns", 1}} {
		if n := d / u.len; n > 0 {
			b = append(strconv.AppendInt(b, int64(n), 10), u.name...)
			d %= u.len
		}
	}
	return string(b)
}
