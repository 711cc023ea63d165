package gnocchi

import (
	"github.com/google/uuid"

	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/series"
	"granary/metricdef/resource"
)

// metricForm says how much of its resource and of its policy a metric shows.
type metricForm uint8

const (
	metricMade   metricForm = iota // the id of its resource and the name of its policy
	metricListed                   // the id of its resource, and its policy
	metricWhole                    // its resource and its policy
)

// resourceOfMetric is what a metric shows of its resource.
var resourceOfMetric = []string{"creator", "started_at", "revision_start", "ended_at", "user_id", "project_id", "original_resource_id", "id", "type", "revision_end",
	"created_by_user_id", "created_by_project_id"}

// appendMetric appends a metric.
func (c *call) appendMetric(dst []byte, m *metric, form metricForm) []byte {
	dst = pyjson.AppendString(append(dst, `{"id": `...), m.ID.String())
	dst = pyjson.AppendString(append(dst, `, "creator": `...), m.Creator)
	dst = pyjson.AppendFilled(append(dst, `, "name": `...), shownName(&m.Draft))
	dst = pyjson.AppendFilled(append(dst, `, "unit": `...), m.Unit)
	switch {
	case form == metricWhole:
		dst = append(dst, `, "resource": `...)
		if r, ok := c.d.o.Resources.Get(m.Tenant, m.Resource); ok && m.Resource != uuid.Nil {
			p := c.printer(&resource.Type{Name: resource.Generic}, nil)
			p.only = resourceOfMetric
			dst = p.append(dst, &r)
		} else {
			dst = append(dst, "null"...)
		}
	case m.Resource == uuid.Nil:
		dst = append(dst, `, "resource_id": null`...)
	default:
		dst = pyjson.AppendString(append(dst, `, "resource_id": `...), m.Resource.String())
	}
	p := series.PolicyOf(c.d.o.Policies, &m.Draft)
	if form == metricMade {
		dst = pyjson.AppendString(append(dst, `, "archive_policy_name": `...), p.Name)
	} else {
		dst = appendPolicy(append(dst, `, "archive_policy": `...), &p)
	}
	user, project := splitCreator(m.Creator)
	dst = pyjson.AppendString(append(dst, `, "created_by_user_id": `...), user)
	dst = pyjson.AppendString(append(dst, `, "created_by_project_id": `...), project)
	return append(dst, '}')
}
