package mapping

import (
	"slices"
	"strings"

	"granary/metricdef"
	"granary/policy"
)

// result is what comes out of a series by a rule: the tags, identity and plain, both sorted. It is false if the series lacks a tag that is
// demanded. The tags that are given are sorted.
func (r *rule) result(dialect string, tags []metricdef.Tag) (id, plain []metricdef.Tag, ok bool) {
	all := make([]metricdef.Tag, 0, len(tags)+len(r.add))
	for _, t := range tags {
		if t.Name != metricdef.NameTag && !isNode(t) {
			all = append(all, t)
		}
	}
	for _, to := range r.rename {
		i := slices.IndexFunc(all, func(t metricdef.Tag) bool { return t.Name == to.Name })
		if i < 0 || valueOf(all, to.Value) != "" {
			continue
		}
		all[i].Name = to.Value
		if to.Name == "instance" && to.Value == "hostname" {
			all[i].Value = host(all[i].Value)
		}
	}
	for _, t := range r.add {
		if valueOf(all, t.Name) == "" {
			all = append(all, t)
		}
	}
	all = slices.DeleteFunc(all, func(t metricdef.Tag) bool { return t.Value == "" })
	slices.SortFunc(all, func(a, b metricdef.Tag) int { return strings.Compare(a.Name, b.Name) })
	switch {
	case r.Combine != "":
		for _, name := range r.by {
			value := valueOf(all, name)
			if value == "" {
				return nil, nil, false
			}
			id = append(id, metricdef.Tag{Name: name, Value: value})
		}
	case dialect == policy.ClusterCockpit:
		for _, t := range all {
			if identifies(t.Name) {
				id = append(id, t)
			} else {
				plain = append(plain, t)
			}
		}
	default:
		id = all
	}
	return id, plain, true
}

// isNode says whether a tag is type=node, which is no type.
func isNode(t metricdef.Tag) bool { return t.Name == "type" && t.Value == "node" }

// identifies says whether a tag is part of the identity of a series that came through ClusterCockpit.
func identifies(tag string) bool {
	switch tag {
	case "cluster", "hostname", "type", "type-id", "stype", "stype-id":
		return true
	}
	return false
}

// host is the host of "host:port", "[address]:port" or what has no port.
func host(instance string) string {
	if rest, ok := strings.CutPrefix(instance, "["); ok {
		if address, _, ok := strings.Cut(rest, "]"); ok {
			return address
		}
	}
	name, port, ok := strings.Cut(instance, ":")
	if !ok || strings.Contains(port, ":") {
		return instance // an address of IPv6 as it stands, or no port
	}
	return name
}
