package mapping

import (
	"strconv"

	"granary/measures/ingest/line"
	"granary/metricdef"
	"granary/tenant"
)

// Lines is what a mapping of lines is that a table takes series of, for mappings to embed. Their dialect gives the rest.
type Lines struct{ Table *Table }

// Deriving is a line.Deriving that says which table it is for.
type Deriving interface {
	line.Deriving
	// Rules is the table, nil if there is none.
	Rules() *Table
}

// Rules implements Deriving.
func (l Lines) Rules() *Table { return l.Table }

// AppendTo appends to the scope of a mapping what stands for the table: what is remembered of one is of no use to another.
func (l Lines) AppendTo(scope []byte) []byte {
	if l.Table == nil {
		return scope
	}
	return strconv.AppendUint(append(scope, " mapping "...), l.Table.id, 10)
}

// SourceOf is Table.SourceOfField as line.Deriving wants it.
func (l Lines) SourceOf(dialect string, num tenant.Num, measurement, field string, tags []metricdef.Tag) line.Source {
	if s := l.Table.SourceOfField(dialect, num, measurement, field, tags); s != nil {
		return s
	}
	return nil
}

// ClusterCockpit is a mapping of ClusterCockpit's lines of which a table takes some. A measurement that is not configured is not ignored if
// something that is configured is made of it.
type ClusterCockpit struct {
	*line.ClusterCockpit
	Lines
}

var _ Deriving = ClusterCockpit{}

// AppendScope appends that of the lines, and the table.
func (c ClusterCockpit) AppendScope(dst []byte) []byte {
	return c.AppendTo(append(c.ClusterCockpit.AppendScope(dst), 0))
}

// Takes says whether something that is configured may be made of a field, or of any of the measurement.
func (c ClusterCockpit) Takes(measurement, field string) (takes bool) {
	if field != "" {
		return c.Table.TakesField(measurement, field)
	}
	c.Table.Names(measurement, func(name string) bool {
		takes = c.Wanted(name)
		return !takes
	})
	return takes
}

// Source is what the samples of a field are handed over with.
func (c ClusterCockpit) Source(num tenant.Num, measurement, field string, tags []metricdef.Tag) line.Source {
	return c.SourceOf(line.DialectClusterCockpit, num, measurement, field, tags)
}
