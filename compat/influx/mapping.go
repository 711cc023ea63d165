package influx

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"granary/measures/ingest/line"
	rules "granary/measures/ingest/mapping"
	"granary/metricdef"
	"granary/tenant"
)

// valueField is the field that gives a metric the name of its measurement alone.
const valueField = "value"

// mapping says what the lines of a request mean: a gauge for each field, or a series of texts, with all tags.
type mapping struct {
	rules.Lines
	ctx    context.Context
	store  Store
	id     tenant.ID
	fields Fields
	bounds line.Bounds
	unit   time.Duration
}

var (
	errRepeatedTag = errors.New("duplicate tags")
	errReservedTag = errors.New(`the tag "` + metricdef.NameTag + `" is reserved: searches find the name of the metric by it`)
)

// Dialect is Name.
func (*mapping) Dialect() string { return Name }

// Typed implements line.Typed.
func (*mapping) Typed() {}

// Exactly implements line.Exact.
func (m *mapping) Exactly() line.Exactness {
	return line.Exactness{Strings: m.fields.Strings, Booleans: m.fields.Booleans, Unit: m.unit}
}

// AppendScope appends dialect, tenant and the table of rules.
func (m *mapping) AppendScope(dst []byte) []byte {
	return m.AppendTo(append(append(dst, Name+" "...), m.id...))
}

// Takes says whether other samples may be made of a field, or of any of the measurement.
func (m *mapping) Takes(measurement, field string) bool {
	return m.Table.TakesField(measurement, field)
}

// Source is what the samples of a field are handed over with.
func (m *mapping) Source(num tenant.Num, measurement, field string, tags []metricdef.Tag) line.Source {
	return m.SourceOf(Name, num, measurement, field, tags)
}

// Bounds are those of the request.
func (m *mapping) Bounds() line.Bounds { return m.bounds }

// Wanted says yes: whatever comes is stored.
func (*mapping) Wanted(string) bool { return true }

// Metric names a field.
func (*mapping) Metric(dst []byte, measurement, field string) ([]byte, bool) {
	dst = append(dst, measurement...)
	if field != valueField {
		dst = append(append(dst, '_'), field...)
	}
	return dst, true
}

// Series takes all tags. A name that is there twice is refused, as InfluxDB does.
func (m *mapping) Series(_ string, tags []metricdef.Tag, s *line.Series) error {
	s.Tags = append(s.Tags, tags...)
	slices.SortFunc(s.Tags, func(a, b metricdef.Tag) int { return strings.Compare(a.Name, b.Name) })
	for i, t := range s.Tags {
		switch {
		case t.Name == metricdef.NameTag:
			return errReservedTag
		case i > 0 && s.Tags[i-1].Name == t.Name:
			return errRepeatedTag
		}
	}
	num, err := m.store.EnsureTenant(m.ctx, m.id)
	if err != nil {
		return &line.AbortError{Err: err}
	}
	s.Tenant, s.Type = num, metricdef.Gauge
	return nil
}

// rules is the table in force.
func (d *Dialect) rules() rules.Lines {
	if d.o.Mapping == nil {
		return rules.Lines{}
	}
	return rules.Lines{Table: d.o.Mapping()}
}
