package gnocchi

import (
	"errors"
	"net/http"
	"net/url"

	"granary/compat/gnocchi/attribute"
	"granary/compat/gnocchi/pyjson"
	"granary/metricdef/resource"
	"granary/tenant/identity"
)

func (d *Dialect) resourceTypeRoutes() []route {
	return []route{
		{method: "GET", path: "/resource_type", serve: (*call).listResourceTypes, right: identity.Read},
		{method: "POST", path: "/resource_type", serve: (*call).createResourceType, right: identity.Read, audit: "resource-type.create"},
		{method: "GET", path: "/resource_type/{type}", serve: (*call).showResourceType, right: identity.Read},
		{method: "PATCH", path: "/resource_type/{type}", serve: (*call).updateResourceType, right: identity.Read, audit: "resource-type.change", takes: "application/json-patch+json"},
		{method: "DELETE", path: "/resource_type/{type}", serve: (*call).deleteResourceType, right: identity.Read, audit: "resource-type.delete"},
	}
}

// listResourceTypes answers all types.
func (c *call) listResourceTypes() error {
	b := []byte{'['}
	for _, t := range c.d.o.Resources.Types() {
		b = attribute.AppendType(pyjson.AppendItem(b), &t)
	}
	return c.answer(http.StatusOK, append(b, ']'))
}

// showResourceType answers one type.
func (c *call) showResourceType() error {
	t, err := c.resourceType()
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, attribute.AppendType(nil, t))
}

// createResourceType makes a type.
func (c *call) createResourceType() error {
	v, err := c.json(attribute.Type)
	if err != nil {
		return err
	}
	if err := c.demand(createResourceType, nil); err != nil {
		return err
	}
	t := v.(resource.Type)
	c.target = t.Name
	if err := c.d.o.Store.CreateResourceType(c.ctx, t); err != nil {
		return resourceTypeFault(err, t.Name)
	}
	made, _ := c.d.o.Resources.Type(t.Name)
	return c.created("/resource_type/"+url.PathEscape(t.Name), attribute.AppendType(nil, &made))
}

// updateResourceType changes the attributes of a type.
func (c *call) updateResourceType() error {
	t, err := c.resourceType()
	if err != nil {
		return err
	}
	if err := c.demand(updateResourceType, nil); err != nil {
		return err
	}
	v, err := c.json(attribute.ParsePatch)
	if err != nil {
		return err
	}
	c.target = t.Name
	changed, err := c.d.o.Store.UpdateResourceType(c.ctx, t.Name, func(t *resource.Type) (map[string]resource.Value, error) {
		fill, err := v.(attribute.Patch).Apply(t, c.now)
		if err != nil {
			return nil, invalid(err)
		}
		return fill, nil
	})
	var used *resource.InUseError
	if errors.As(err, &used) {
		return badRequest("Resource type %s has no attributes of its own", t.Name)
	}
	if err != nil {
		return resourceTypeFault(err, t.Name)
	}
	return c.answer(http.StatusOK, attribute.AppendType(nil, &changed))
}

// deleteResourceType ends a type.
func (c *call) deleteResourceType() error {
	t, err := c.resourceType()
	if err != nil {
		return err
	}
	if err := c.demand(deleteResourceType, nil); err != nil {
		return err
	}
	c.target = t.Name
	if err := c.d.o.Store.DeleteResourceType(c.ctx, t.Name); err != nil {
		return resourceTypeFault(err, t.Name)
	}
	return c.nothing()
}

// resourceTypeFault is what went wrong with a type, in Gnocchi's words.
func resourceTypeFault(err error, name string) error {
	var exist *resource.ExistsError
	var unknown *resource.UnknownTypeError
	var used *resource.InUseError
	switch {
	case errors.As(err, &exist):
		return exists("Resource type %s already exists", shorten(name))
	case errors.As(err, &unknown):
		return noResourceType(name)
	case errors.As(err, &used):
		return &refusal{http.StatusBadRequest, used.Code(), "Resource type " + shorten(name) + " is still in use"}
	}
	return err
}
