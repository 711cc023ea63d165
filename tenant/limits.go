package tenant

import "time"

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

// LimitField is one kind of limit.
type LimitField struct {
	Name   string // "samples-per-second": granary.limits.NAME; with underscores, the member in JSON
	Unit   LimitUnit
	Number uint64 // in records; never reused
	of     func(*Limits) *int64
}

// Of is the value of the limit in l.
func (f *LimitField) Of(l *Limits) *int64 { return f.of(l) }

// LimitFields are all limits, in the order in which they are shown. The table is what records, settings, REST and metrics
// are made from.
var LimitFields = []LimitField{
	{"series", UnitCount, 1, func(l *Limits) *int64 { return &l.Series }},
	{"samples-per-second", UnitCount, 2, func(l *Limits) *int64 { return &l.SamplesPerSecond }},
	{"samples-burst", UnitCount, 3, func(l *Limits) *int64 { return &l.SamplesBurst }},
	{"body", UnitBytes, 4, func(l *Limits) *int64 { return &l.Body }},
	{"line", UnitBytes, 5, func(l *Limits) *int64 { return &l.Line }},
	{"tag-name", UnitBytes, 6, func(l *Limits) *int64 { return &l.TagName }},
	{"tag-value", UnitBytes, 7, func(l *Limits) *int64 { return &l.TagValue }},
	{"tags", UnitCount, 8, func(l *Limits) *int64 { return &l.Tags }},
	{"past", UnitDuration, 9, func(l *Limits) *int64 { return (*int64)(&l.Past) }},
	{"future", UnitDuration, 10, func(l *Limits) *int64 { return (*int64)(&l.Future) }},
	{"query-samples", UnitCount, 11, func(l *Limits) *int64 { return &l.QuerySamples }},
	{"query-series", UnitCount, 12, func(l *Limits) *int64 { return &l.QuerySeries }},
	{"concurrent-queries", UnitCount, 13, func(l *Limits) *int64 { return &l.ConcurrentQueries }},
	{"queue", UnitBytes, 14, func(l *Limits) *int64 { return &l.Queue }},
	{"queue-length", UnitCount, 15, func(l *Limits) *int64 { return &l.QueueLength }},
	{"queue-wait", UnitDuration, 16, func(l *Limits) *int64 { return (*int64)(&l.QueueWait) }},
	{"weight", UnitCount, 17, func(l *Limits) *int64 { return &l.Weight }},
	{"retention", UnitDuration, 18, func(l *Limits) *int64 { return (*int64)(&l.Retention) }},
	{"memory", UnitBytes, 19, func(l *Limits) *int64 { return &l.Memory }},
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
