package gnocchi

import (
	"net/http"
	"time"

	"granary/compat/gnocchi/attribute"
	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/schema"
	"granary/compat/gnocchi/when"
	"granary/metricdef/resource"
	"granary/tenant"
)

// resourceBody is what a body says of a resource. What it does not name is nil.
type resourceBody struct {
	id             namedResource
	user, project  **string // of nil: null
	started, ended *int64
	attributes     map[string]*resource.Value
	metrics        []metricWish
	replace        bool // there are metrics, and the resource has no others from then on
}

// resourceBody reads the body of a request for a resource of a type: a new one says its id and all that the type demands.
func (c *call) resourceBody(t *resource.Type, fresh bool) (*resourceBody, error) {
	date := func(v any) (any, error) { return attribute.Time(v, c.now) }
	fields := []schema.Field{
		{Name: "user_id", Check: ownerID}, {Name: "project_id", Check: ownerID}, {Name: "started_at", Check: date}, {Name: "ended_at", Check: date},
		{Name: "metrics", Check: metricWishes},
	}
	if fresh {
		fields = append(fields, schema.Field{Name: "id", Required: true, Check: c.resourceName})
	}
	for i := range t.Attributes {
		a := &t.Attributes[i]
		fields = append(fields, schema.Field{Name: a.Name, Required: fresh && a.Required, Check: attribute.Value(a, c.now)})
	}
	o, err := c.object(fields...)
	if err != nil {
		return nil, err
	}
	return bodyOf(o), nil
}

// bodyOf sorts what the members of a body mean.
func bodyOf(o *pyjson.Object) *resourceBody {
	b := &resourceBody{}
	for i, name := range o.Names {
		switch v := o.Values[i].(type) {
		case namedResource:
			b.id = v
		case *string:
			if name == "user_id" {
				b.user = &v
			} else {
				b.project = &v
			}
		case int64:
			if name == "started_at" {
				b.started = &v
			} else {
				b.ended = &v
			}
		case []metricWish:
			b.metrics, b.replace = v, true
		case resource.Value:
			if b.attributes == nil {
				b.attributes = make(map[string]*resource.Value)
			}
			b.attributes[name] = &v
		}
	}
	return b
}

// ownerID is the check of the id of a user or a project, which may be null; it means a *string.
func ownerID(v any) (any, error) {
	if v == nil {
		return (*string)(nil), nil
	}
	s, ok := v.(string)
	if !ok {
		return nil, schema.NotValid()
	}
	if len(s) > resource.MaxName {
		return nil, schema.Wrong("length of value must be at most 255")
	}
	return &s, nil
}

// draft is a new resource as the body describes it.
func (b *resourceBody) draft(t *resource.Type, creator string, now time.Time) (*resource.Draft, error) {
	d := &resource.Draft{ID: b.id.id, Original: b.id.text, Type: t.Name, Creator: creator, Started: now.UnixMicro() * 1000}
	if b.user != nil {
		d.User = *b.user
	}
	if b.project != nil {
		d.Project = *b.project
	}
	if b.started != nil {
		d.Started = *b.started
	}
	if b.ended != nil {
		if d.Ended = *b.ended; d.Ended < d.Started {
			return nil, badRequest("Start timestamp cannot be after end timestamp")
		}
	}
	for name, v := range b.attributes {
		if d.Attributes == nil {
			d.Attributes = make(map[string]resource.Value, len(b.attributes))
		}
		d.Attributes[name] = *v
	}
	return d, nil
}

// update is the change of a resource that the body describes.
func (b *resourceBody) update() *resource.Update {
	return &resource.Update{User: b.user, Project: b.project, Started: b.started, Ended: b.ended, Attributes: b.attributes}
}

// fits says whether a resource can change as the body describes it.
func (b *resourceBody) fits(r *resource.Resource, t *resource.Type) error {
	started, ended, name := r.Started, r.Ended, "ended_at"
	if b.started != nil {
		started, name = *b.started, "started_at"
	}
	if b.ended != nil {
		ended, name = *b.ended, "ended_at"
	}
	if ended == 0 || started <= ended {
		return nil
	}
	at := ended
	if name == "started_at" {
		at = started
	}
	text := []byte(when.Datetime(at))
	text[len("2006-01-02")] = ' '
	return badRequest("Value %s for attribute %s on resource type %s is invalid", text, name, t.Name)
}

// merelyNamed says whether the caller is somebody of whom a name is known and nothing else. All that they make lies in one tenant, so that
// the project of a resource is one of its attributes to them.
func (c *caller) merelyNamed() bool { return c.project == "" && !c.vouched }

// ownerOf is the tenant of a resource that says whose it is: that of its project if that is the caller's, or if the caller's role reaches beyond.
// Without a project it is the caller's.
func (c *call) ownerOf(project **string) (tenant.ID, error) {
	if project == nil || *project == nil || c.merelyNamed() {
		return c.home, nil
	}
	text := **project
	switch {
	case tenant.ID(text) == c.home, text == c.project && !c.wide():
		return c.home, nil
	case !c.wide():
		return "", errForbidden
	}
	id, err := tenant.Parse(text)
	if err != nil {
		return "", badRequest("Invalid input: project_id: %v", err)
	}
	c.reach(id)
	return id, nil
}

// keepsOwner says whether a resource stays with its tenant though it changes its project.
func (c *call) keepsOwner(b *resourceBody, r *resource.Resource) error {
	if b.project == nil {
		return nil
	}
	p, owner := *b.project, c.d.o.Tenants.ID(r.Tenant)
	switch {
	case p == nil && r.Project == nil, p != nil && r.Project != nil && *p == *r.Project: // it does not change
		return nil
	case p != nil && tenant.ID(*p) == owner:
		return nil
	case owner == c.home && (p == nil || c.merelyNamed() || *p == c.project):
		return nil
	}
	return &refusal{http.StatusConflict, "resource-owner", "Resource " + r.ID.String() + " belongs to the project " + string(owner) +
		", which project_id cannot change: the resource and its metrics would move to another tenant"}
}
