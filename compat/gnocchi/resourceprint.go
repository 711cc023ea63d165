package gnocchi

import (
	"slices"
	"strings"

	"granary/compat/gnocchi/attribute"
	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/when"
	"granary/metricdef"
	"granary/metricdef/resource"
)

// resourcePrinter prints resources one after the other.
type resourcePrinter struct {
	c *call
	// of is the type that the path names; as generic ones resources show no attributes of their own, unless details are asked for.
	of      *resource.Type
	details bool
	only    []string // members that are asked for; nil: all
	links   []metricdef.Link
	// last is the type of the resource before, with its attributes.
	last resource.Type
}

// printer prints resources as those of a type, and as a listing asks for; nil: in full.
func (c *call) printer(t *resource.Type, l *listing) *resourcePrinter {
	p := &resourcePrinter{c: c, of: t}
	if l != nil {
		p.details, p.only = l.details, l.attrs
	}
	return p
}

// append appends a resource.
func (p *resourcePrinter) append(dst []byte, r *resource.Resource) []byte {
	dst = append(dst, '{')
	text := func(name string, s *string) {
		if p.wants(name) {
			dst = pyjson.AppendText(pyjson.AppendName(dst, name), s)
		}
	}
	date := func(name string, ns int64) {
		if !p.wants(name) {
			return
		}
		if dst = pyjson.AppendName(dst, name); ns == 0 {
			dst = append(dst, "null"...)
			return
		}
		dst = append(when.AppendDatetime(append(dst, '"'), ns), '"')
	}
	id := r.ID.String()
	user, project := r.CreatedBy()
	text("creator", &r.Creator)
	if p.wants("started_at") { // it is never null, whatever its number
		dst = append(when.AppendDatetime(append(pyjson.AppendName(dst, "started_at"), '"'), r.Started), '"')
	}
	date("revision_start", r.RevisionStart)
	date("ended_at", r.Ended)
	text("user_id", r.User)
	text("project_id", r.Project)
	text("original_resource_id", &r.Original)
	text("id", &id)
	text("type", &r.Type)
	dst = p.attributes(dst, r)
	date("revision_end", r.RevisionEnd)
	if p.wants("metrics") {
		dst = p.metrics(pyjson.AppendName(dst, "metrics"), r)
	}
	text("created_by_user_id", &user)
	text("created_by_project_id", &project)
	return append(dst, '}')
}

func (p *resourcePrinter) wants(name string) bool {
	return p.only == nil || slices.Contains(p.only, name)
}

// attributes appends the attributes that the type of a resource has, those without a value too.
func (p *resourcePrinter) attributes(dst []byte, r *resource.Resource) []byte {
	t := p.of
	if t.Name == resource.Generic {
		if !p.details {
			return dst
		}
		if p.last.Name != r.Type {
			p.last, _ = p.c.d.o.Resources.Type(r.Type)
		}
		t = &p.last
	}
	for i := range t.Attributes {
		if name := t.Attributes[i].Name; p.wants(name) {
			v, ok := r.Attributes[name]
			dst = attribute.AppendValue(pyjson.AppendName(dst, name), v, ok)
		}
	}
	return dst
}

// metrics appends the metrics of a resource by their names.
func (p *resourcePrinter) metrics(dst []byte, r *resource.Resource) []byte {
	p.links = p.c.d.o.Definitions.AppendLinks(p.links[:0], r.Tenant, r.ID)
	slices.SortFunc(p.links, func(a, b metricdef.Link) int { return strings.Compare(a.Label, b.Label) })
	dst = append(dst, '{')
	for i := range p.links {
		l := &p.links[i]
		dst = pyjson.AppendString(pyjson.AppendName(dst, l.Label), l.ID.String())
	}
	return append(dst, '}')
}
