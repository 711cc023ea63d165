package line

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"granary/measures"
	"granary/metricdef"
	"granary/tenant"
)

// ClusterCockpit maps the lines of ClusterCockpit's collectors:
//
//	metric,cluster=C,hostname=H[,type=T[,type-id=I]][,stype=S[,stype-id=J]][,unit=U] value=V [timestamp]
//
// Identity is the metric's name with cluster, hostname, type, type-id, stype and stype-id. `host` is another word for
// hostname; of repeated tags the last counts; type=node is no type, and without a type level there is no sub-type
// either. All other tags are plain. Only the numeric field `value` is mapped.
type ClusterCockpit struct {
	// Known says whether a metric is configured. Nil accepts every metric. The name must not be kept.
	Known func(metric string) bool
	// Cluster is the cluster of lines without the tag ("" if there is none): ?cluster= or a subscription's cluster-tag.
	Cluster string
	// Tenant names the tenant of a cluster. Its error ends the body. The name of the cluster must not be kept.
	Tenant func(cluster string) (tenant.Num, error)
	// Tenants identifies Tenant: mappings with equal Cluster and Tenants must send a line to the same tenant.
	Tenants string
	// Limits bounds the times.
	Limits Bounds
}

// DialectClusterCockpit is the name of the dialect.
const DialectClusterCockpit = "clustercockpit"

var (
	errNoCluster = errors.New(`the line has no tag "cluster" and no default cluster is given`)
	errNoHost    = errors.New(`the line has no tag "hostname"`)
)

// Dialect is DialectClusterCockpit.
func (c *ClusterCockpit) Dialect() string { return DialectClusterCockpit }

// AppendScope appends dialect, tenants and default cluster.
func (c *ClusterCockpit) AppendScope(dst []byte) []byte {
	dst = append(dst, DialectClusterCockpit+" "...)
	dst = strconv.AppendQuote(dst, c.Tenants)
	return append(dst, c.Cluster...)
}

// Bounds is c.Limits.
func (c *ClusterCockpit) Bounds() Bounds { return c.Limits }

// Wanted says whether the metric is configured.
func (c *ClusterCockpit) Wanted(measurement string) bool {
	return c.Known == nil || c.Known(measurement)
}

// Metric maps the field "value" to the measurement's name.
func (c *ClusterCockpit) Metric(dst []byte, measurement, field string) ([]byte, bool) {
	if field != "value" {
		return dst, false
	}
	return append(dst, measurement...), true
}

// Series sorts the tags of a line into identity and the rest.
func (c *ClusterCockpit) Series(_ string, tags []metricdef.Tag, s *Series) error {
	cluster := c.Cluster
	var host, typ, typeID, stype, stypeID string
	for _, t := range tags {
		switch t.Name {
		case "cluster":
			cluster = t.Value
		case "hostname", "host":
			host = t.Value
		case "type":
			typ = t.Value
		case "type-id":
			typeID = t.Value
		case "stype":
			stype = t.Value
		case "stype-id":
			stypeID = t.Value
		case metricdef.NameTag: // no definition may carry it
		default:
			s.Plain = append(s.Plain, t)
		}
	}
	switch {
	case cluster == "":
		return errNoCluster
	case host == "":
		return errNoHost
	case !addressable(cluster) || !addressable(host):
		return Ignore(measures.BadName)
	}
	if typ == "node" {
		typ, typeID = "", ""
	}
	if typ == "" && typeID == "" {
		stype, stypeID = "", ""
	}
	s.Type = metricdef.Gauge
	s.Tags = append(s.Tags, metricdef.Tag{Name: "cluster", Value: cluster}, metricdef.Tag{Name: "hostname", Value: host})
	for _, t := range [...]metricdef.Tag{{Name: "stype", Value: stype}, {Name: "stype-id", Value: stypeID}, {Name: "type", Value: typ}, {Name: "type-id", Value: typeID}} {
		if t.Value != "" {
			s.Tags = append(s.Tags, t)
		}
	}
	s.Plain = sortTags(s.Plain)
	for _, t := range s.Plain {
		if t.Name == "unit" {
			s.Unit = t.Value
		}
	}
	num, err := c.Tenant(cluster)
	if err != nil {
		return &AbortError{Err: err}
	}
	s.Tenant = num
	return nil
}

// addressable says whether the peer can address a cluster or host of this name: both are folders there, and parts of
// selectors.
func addressable(name string) bool {
	return !strings.Contains(name, "..") && !strings.ContainsAny(name, `/\`) && utf8.ValidString(name)
}

// sortTags sorts tags by name, in place. Of equal names the last stays.
func sortTags(tags []metricdef.Tag) []metricdef.Tag {
	slices.SortStableFunc(tags, func(a, b metricdef.Tag) int { return strings.Compare(a.Name, b.Name) })
	kept := tags[:0]
	for i, t := range tags {
		if i+1 == len(tags) || tags[i+1].Name != t.Name {
			kept = append(kept, t)
		}
	}
	return kept
}
