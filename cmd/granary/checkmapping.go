package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"granary/cmd/granary/config"
	"granary/measures/ingest/mapping"
)

// mappingTable is the mapping in force, a line each rule.
func mappingTable(m *config.Mapping) []string {
	var lines []string
	for _, r := range m.Table() {
		lines = append(lines, mappingRule(&r))
	}
	if len(lines) == 0 {
		lines = []string{"none"}
	}
	return lines
}

// mappingRule is such as: net_bw = sum by cluster, hostname of rate net_bytes_recv{interface!~"lo|all"}, rate net_bytes_sent{…}; instance -> hostname.
func mappingRule(r *mapping.Rule) string {
	var from []string
	for i := range r.From {
		m := &r.From[i]
		text := m.Metric
		var labels []string
		for _, label := range slices.Sorted(maps.Keys(m.Labels)) {
			value, not := strings.CutPrefix(m.Labels[label], "!")
			pattern, matches := strings.CutPrefix(value, "~")
			op := map[[2]bool]string{{false, false}: "=", {true, false}: "!=", {false, true}: "=~", {true, true}: "!~"}[[2]bool{not, matches}]
			labels = append(labels, label+op+strconv.Quote(pattern))
		}
		if len(labels) > 0 {
			text += "{" + strings.Join(labels, ",") + "}"
		}
		if m.Rate {
			text = "rate " + text
		}
		if m.Scale != 0 && m.Scale != 1 {
			text = strconv.FormatFloat(m.Scale, 'g', 7, 64) + " * " + text
		}
		from = append(from, text)
	}
	out := r.Name + " = "
	if r.Combine != "" {
		by := r.By
		if len(by) == 0 {
			by = []string{"cluster", "hostname"}
		}
		out += fmt.Sprintf("%s by %s of ", r.Combine, strings.Join(by, ", "))
	}
	parts := []string{out + strings.Join(from, ", ")}
	for _, label := range slices.Sorted(maps.Keys(r.Rename)) {
		parts = append(parts, label+" -> "+r.Rename[label])
	}
	for _, tag := range slices.Sorted(maps.Keys(r.Tags)) {
		parts = append(parts, tag+"="+strconv.Quote(r.Tags[tag]))
	}
	if r.Unit != "" {
		parts = append(parts, "in "+r.Unit)
	}
	if r.Slot > 0 {
		parts = append(parts, "every "+shortDuration(r.Slot))
	}
	if len(r.Dialects) > 0 {
		parts = append(parts, "of "+strings.Join(r.Dialects, ", "))
	}
	return strings.Join(parts, "; ")
}
