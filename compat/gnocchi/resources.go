package gnocchi

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/google/uuid"

	"granary/compat/gnocchi/pyjson"
	"granary/metricdef/resource"
	"granary/tenant"
	"granary/tenant/identity"
)

func (d *Dialect) resourceRoutes() []route {
	return []route{
		{method: "GET", path: "/resource", serve: (*call).listResourceRoots, right: identity.Read, anyone: true},
		{method: "GET", path: "/resource/{type}", serve: (*call).listResources, right: identity.Read, anyone: true},
		{method: "POST", path: "/resource/{type}", serve: (*call).createResource, right: identity.Write},
		{method: "DELETE", path: "/resource/{type}", serve: (*call).deleteResources, right: identity.Manage, audit: "resource.delete"},
		{method: "GET", path: "/resource/{type}/{id}", serve: (*call).showResource, right: identity.Read},
		{method: "PATCH", path: "/resource/{type}/{id}", serve: (*call).updateResource, right: identity.Write},
		{method: "DELETE", path: "/resource/{type}/{id}", serve: (*call).deleteResource, right: identity.Manage, audit: "resource.delete"},
		{method: "GET", path: "/resource/{type}/{id}/history", serve: (*call).listHistory, right: identity.Read},
		{method: "GET", path: "/resource/{type}/{id}/metric", serve: (*call).listResourceMetrics, right: identity.Read},
		{method: "POST", path: "/resource/{type}/{id}/metric", serve: (*call).addResourceMetrics, right: identity.Write},
		{method: "POST", path: "/search/resource/{type}", serve: (*call).searchResources, right: identity.Read, anyone: true},
	}
}

// listResourceRoots answers where the resources of each type are.
func (c *call) listResourceRoots() error {
	b := []byte{'{'}
	for _, t := range c.d.o.Resources.Types() {
		b = pyjson.AppendString(pyjson.AppendName(b, t.Name), c.url("/resource/"+url.PathEscape(t.Name)))
	}
	return c.answer(http.StatusOK, append(b, '}'))
}

// resourceType is the type that the path names.
func (c *call) resourceType() (*resource.Type, error) {
	t, ok := c.d.o.Resources.Type(c.vars["type"])
	if !ok {
		return nil, noResourceType(c.vars["type"])
	}
	return &t, nil
}

func noResourceType(name string) error {
	return noObject("Resource type %s does not exist", shorten(name))
}

// resource is the resource that the path names, seen as one of the type that the path names: the generic type has all of them. What
// the caller must not see is as good as not there; what the caller sees, but may not treat like this, is refused.
func (c *call) resource(a action) (*resource.Resource, *resource.Type, error) {
	t, err := c.resourceType()
	if err != nil {
		return nil, nil, err
	}
	r, err := c.seenResource(t)
	if err != nil {
		return nil, nil, err
	}
	o := c.objectOfResource(r)
	err = c.demand(a, &o)
	if err != nil && a == getResource && o.tenant != c.home {
		err = noResource(r.ID) // of another project, to who may search it and not look at it
	}
	return r, t, err
}

// seenResource is the resource of a type that the path names, if it is in the caller's sight.
func (c *call) seenResource(t *resource.Type) (*resource.Resource, error) {
	text := c.vars["id"]
	id, err := resourceID(text, c.creator)
	if err != nil {
		return nil, noObject("Resource %s does not exist", shorten(text))
	}
	r, err := c.findResource(t, id)
	if err == nil && r == nil {
		err = noResource(id)
	}
	return r, err
}

func noResource(id uuid.UUID) error { return noObject("Resource %s does not exist", id) }

// anyType is the type that every resource has.
var anyType = &resource.Type{Name: resource.Generic}

// findResource is the resource of that id in the caller's sight, nil if there is none. Where that is more than one tenant the caller's
// own comes first, then who has a resource that the caller made. Of several others none is chosen: what is meant for one project must not
// go to another that has made a resource of the same id.
func (c *call) findResource(t *resource.Type, id uuid.UUID) (*resource.Resource, error) {
	candidates := []tenant.Num{c.num}
	if c.wide() {
		candidates = append(candidates, c.d.o.Resources.Where(id)...)
	}
	var found *resource.Resource
	others := 0
	for i, n := range candidates {
		r, ok := c.d.o.Resources.Get(n, id)
		if !ok || t.Name != resource.Generic && r.Type != t.Name {
			continue
		}
		if i == 0 || r.Creator != "" && r.Creator == c.creator {
			return &r, nil
		}
		found = &r
		others++
	}
	if others > 1 {
		return nil, &refusal{http.StatusConflict, "resource-ambiguous",
			fmt.Sprintf("Resource %s exists in %d projects: say in which, by the project of the request", id, others)}
	}
	return found, nil
}

// showResource answers one resource.
func (c *call) showResource() error {
	r, t, err := c.resource(getResource)
	if err != nil {
		return err
	}
	setRevision(c.w.Header(), r)
	switch precondition(c.r, r) {
	case http.StatusNotModified:
		c.w.WriteHeader(http.StatusNotModified)
		return nil
	case http.StatusPreconditionFailed:
		return errPrecondition
	}
	return c.answer(http.StatusOK, c.printer(t, nil).append(nil, r))
}

// showChanged answers a resource that has just been made or changed.
func (c *call) showChanged(status int, r *resource.Resource, t *resource.Type) error {
	setRevision(c.w.Header(), r)
	b := c.printer(t, nil).append(nil, r)
	if status == http.StatusCreated {
		return c.created("/resource/"+url.PathEscape(t.Name)+"/"+r.ID.String(), b)
	}
	return c.answer(status, b)
}
