package hawkular

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"granary/metricdef"
)

// The functions here bring answers, and what an oracle expects, to texts that can be compared. "" is an answer of nothing.

func decoded[T any](text []byte) (v T) {
	if err := json.Unmarshal(text, &v); err != nil {
		panic(fmt.Sprintf("%v: %s", err, text))
	}
	return v
}

// readIDs: the types and ids of metrics, in their order.
func readIDs(text []byte) string {
	var b []string
	for _, m := range decoded[[]metric](text) {
		b = append(b, m.Type+" "+m.ID)
	}
	return strings.Join(b, ", ")
}

func idsOf(list []*modelMetric) string {
	var b []string
	for _, c := range list {
		b = append(b, c.typ.String()+" "+c.id)
	}
	return strings.Join(b, ", ")
}

// readValues: the values of tags by their names.
func readValues(text []byte) string { return valuesText(decoded[map[string][]string](text)) }

func valuesOf(o *oracle, list []*modelMetric) string {
	values := map[string][]string{}
	if o == nil {
		return ""
	}
	for _, name := range o.names {
		for _, c := range list {
			if v := c.tags[name]; v != "" {
				values[name] = append(values[name], v)
			}
		}
		slices.Sort(values[name])
		values[name] = slices.Compact(values[name])
	}
	return valuesText(values)
}

func valuesText(values map[string][]string) string {
	maps.DeleteFunc(values, func(_ string, list []string) bool { return list == nil })
	if len(values) == 0 {
		return ""
	}
	return fmt.Sprintf("%q", values)
}

// readData: metrics with the number of elements that each has.
func readData(text []byte) string {
	var b []string
	for _, m := range decoded[[]struct {
		ID   string            `json:"id"`
		Data []json.RawMessage `json:"data"`
	}](text) {
		b = append(b, m.ID+" "+strconv.Itoa(len(m.Data)))
	}
	return strings.Join(b, ", ")
}

func dataOf(list []*modelMetric) string {
	var b []string
	for _, c := range list {
		if c.points > 0 {
			b = append(b, c.id+" "+strconv.Itoa(c.points))
		}
	}
	return strings.Join(b, ", ")
}

// ratesOf are those of each two points that follow one another. Values fall with time, so counters have none.
func ratesOf(list []*modelMetric) string {
	var b []string
	for _, c := range list {
		if c.points > 1 && c.typ == metricdef.Gauge {
			b = append(b, c.id+" "+strconv.Itoa(c.points-1))
		}
	}
	return strings.Join(b, ", ")
}

// eachOf is one bucket of each.
func eachOf(list []*modelMetric) string {
	var b []string
	for _, c := range list {
		b = append(b, c.id+" 1")
	}
	return strings.Join(b, ", ")
}

// modelBucket is what is compared of a bucket.
type modelBucket struct {
	Samples int     `json:"samples"`
	Min     float64 `json:"min"`
	Max     float64 `json:"max"`
	Sum     float64 `json:"sum"`
	Empty   bool    `json:"empty"`
}

// readPooled: the one bucket of all metrics.
func readPooled(text []byte) string { return fmt.Sprint(decoded[[]modelBucket](text)) }

func pooledOf(list []*modelMetric) string { return fmt.Sprint([]modelBucket{bucketOf(list...)}) }

func bucketOf(list ...*modelMetric) (b modelBucket) {
	for _, c := range list {
		for k := range c.points {
			v := float64(c.serial + k)
			b = b.with(modelBucket{Samples: 1, Min: v, Max: v, Sum: v})
		}
	}
	b.Empty = b.Samples == 0
	return b
}

// with is the bucket of the values of both.
func (b modelBucket) with(o modelBucket) modelBucket {
	switch {
	case b.Samples == 0:
		return o
	case o.Samples == 0:
		return b
	}
	return modelBucket{Samples: b.Samples + o.Samples, Min: min(b.Min, o.Min), Max: max(b.Max, o.Max), Sum: b.Sum + o.Sum}
}

// readGeneric: the one bucket of each metric, by type and id. Of states only the number counts.
func readGeneric(text []byte) string {
	return genericText(decoded[map[string]map[string][]modelBucket](text))
}

func genericOf(list []*modelMetric) string {
	all := map[string]map[string][]modelBucket{}
	for _, c := range list {
		if c.typ == metricdef.String {
			continue
		}
		typ := c.typ.String()
		if all[typ] == nil {
			all[typ] = map[string][]modelBucket{}
		}
		b := bucketOf(c)
		if c.typ == metricdef.Availability {
			b = modelBucket{Samples: b.Samples, Empty: b.Empty}
		}
		all[typ][c.id] = []modelBucket{b}
	}
	return genericText(all)
}

func genericText(all map[string]map[string][]modelBucket) string {
	if len(all) == 0 {
		return ""
	}
	return fmt.Sprint(all)
}

// readExports: how many values there are.
func readExports(text []byte) string {
	n := 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			n++
		}
	}
	return strconv.Itoa(n)
}

func exportedOf(list []*modelMetric) string {
	n := 0
	for _, c := range list {
		if c.points > 0 && (c.typ == metricdef.Gauge || c.typ == metricdef.Counter) {
			n++
		}
	}
	return strconv.Itoa(n)
}
