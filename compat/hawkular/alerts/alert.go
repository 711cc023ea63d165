package alerts

import (
	"math"
	"strconv"

	"granary/api/edge"
)

// Status is how it stands with an alert.
type Status uint8

const (
	OK Status = iota
	Firing
	NoData // no value to judge: "missing"
	numStatuses
)

// String is the stable name of the status.
func (s Status) String() string { return [...]string{"ok", "firing", "missing"}[s] }

// Alert is a rule and what was found of it.
type Alert struct {
	*Rule
	state state
}

// Status is how it stands with the alert.
func (a *Alert) Status() Status { return a.state.status }

// Append appends the alert as JSON. The members up to TrigerTimestamp are Mohawk's, in its spelling; State is true only while the alert
// is firing. The others are ours. The triggering value stays from the last time that the alert fired.
func (a *Alert) Append(b []byte) []byte {
	b = edge.AppendString(append(b, `{"ID":`...), a.ID)
	b = append(b, `,"Annotations":{`...)
	for i, name := range a.annotated() {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(edge.AppendString(b, name), ':')
		b = edge.AppendString(b, a.Annotations[name])
	}
	b = edge.AppendStrings(append(b, `},"Metrics":`...), a.Metrics)
	b = edge.AppendString(append(b, `,"Tags":`...), a.Tags)
	b = edge.AppendString(append(b, `,"Tenant":`...), string(a.Tenant))
	b = appendLimit(append(b, `,"AlertIfHigherThan":`...), a.Higher)
	b = appendLimit(append(b, `,"AlertIfLowerThan":`...), a.Lower)
	b = strconv.AppendUint(append(b, `,"Type":`...), uint64(a.Form()), 10)
	b = edge.AppendBool(append(b, `,"State":`...), a.state.status == Firing)
	b = edge.AppendString(append(b, `,"TrigerMetric":`...), a.state.trigger.metric)
	b = appendValue(append(b, `,"TrigerValue":`...), a.state.trigger.value)
	b = strconv.AppendInt(append(b, `,"TrigerTimestamp":`...), a.state.trigger.time, 10)
	b = edge.AppendString(append(b, `,"Status":`...), a.state.status.String())
	b = edge.AppendStrings(append(b, `,"MissingMetrics":`...), a.state.missing)
	b = strconv.AppendInt(append(b, `,"MissingCount":`...), int64(a.state.without), 10)
	return append(b, '}')
}

func appendLimit(b []byte, v *float64) []byte {
	if v == nil {
		return append(b, "null"...)
	}
	return edge.AppendFloat(b, *v)
}

// appendValue appends a value as a number: who parses the member as one must not stumble over an infinity.
func appendValue(b []byte, v float64) []byte {
	switch {
	case math.IsInf(v, 1):
		v = math.MaxFloat64
	case math.IsInf(v, -1):
		v = -math.MaxFloat64
	}
	return edge.AppendFloat(b, v)
}
