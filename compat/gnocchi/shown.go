package gnocchi

import (
	"slices"
	"strconv"
	"strings"

	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/series"
	"granary/compat/gnocchi/when"
	"granary/metricdef"
	"granary/policy"
)

// How the dialect shows what other dialects made.

// basicMethods are the methods that are shown of a policy whose metrics have all: those that are no percentile and no rate.
var basicMethods = slices.DeleteFunc(policy.GnocchiMethods(), func(m policy.Method) bool {
	_, percentile := m.Percent()
	return percentile || m.IsRate()
})

// appendPolicy appends a policy as an archive policy. One without tiers has the granularity that its metrics are read at.
func appendPolicy(b []byte, p *policy.Policy) []byte {
	kept := series.KeptBy(p)
	tiers, methods := p.Given(), kept.Methods
	if kept.Computed {
		tiers, methods = kept.Tiers, basicMethods
	}
	b = pyjson.AppendString(append(b, `{"name": `...), p.Name)
	b = strconv.AppendInt(append(b, `, "back_window": `...), int64(p.BackWindow), 10)
	b = append(b, `, "definition": [`...)
	for _, t := range tiers {
		b = append(pyjson.AppendItem(b), `{"timespan": `...)
		if t.Points > 0 {
			b = append(when.AppendSpan(append(b, '"'), int64(t.Timespan())), '"')
		} else {
			b = append(b, "null"...)
		}
		b = when.AppendSpan(append(b, `, "granularity": "`...), int64(t.Granularity))
		b = append(b, `", "points": `...)
		if t.Points > 0 {
			b = strconv.AppendInt(b, t.Points, 10)
		} else {
			b = append(b, "null"...)
		}
		b = append(b, '}')
	}
	b = append(b, `], "aggregation_methods": [`...)
	for _, m := range methods {
		b = pyjson.AppendString(pyjson.AppendItem(b), m.String())
	}
	return append(b, "]}"...)
}

// isArchive says whether a policy is listed as an archive policy: others can be asked for by their names.
func isArchive(p *policy.Policy) bool { return len(p.Tiers) > 0 }

// slashes makes a name one that Gnocchi can have.
var slashes = strings.NewReplacer("/", "_")

// shownName is the name under which a metric is seen: the one that people gave it, or that of another dialect with its identity tags,
// "load@cluster=a,host=b"; "" if it has none.
func shownName(d *metricdef.Draft) string {
	if d.ByID || d.Label != "" {
		return d.Label
	}
	if len(d.Tags) == 0 {
		return slashes.Replace(d.Name)
	}
	var b strings.Builder
	b.WriteString(d.Name)
	for i, t := range d.Tags {
		if i == 0 {
			b.WriteByte('@')
		} else {
			b.WriteByte(',')
		}
		b.WriteString(t.Name)
		b.WriteByte('=')
		b.WriteString(t.Value)
	}
	return slashes.Replace(b.String())
}
