package gnocchi

import (
	"granary/metricdef/resource"
	"granary/tenant/identity"
)

// sight is what a search has to ask for so that it finds those resources only, of those in the tenants that the caller sees, to which
// the caller may do something: it says of each what may says. nil asks for nothing.
func (c *caller) sight(a action) resource.Query {
	allowed := c.allowed(a)
	if allowed&whoAdmin != 0 && c.admin || allowed&whoService != 0 && c.service || allowed&whoEverybody != 0 && !c.wide() {
		return nil
	}
	is := func(attribute, text string) resource.Query {
		return &resource.Compare{Attribute: attribute, Op: resource.Eq, Values: []resource.Operand{{Value: resource.TextValue(text)}}}
	}
	seen := resource.Or{}
	if allowed&whoCreator != 0 {
		if c.known && c.creator != "" {
			seen = append(seen, is("creator", c.creator))
		}
		if c.project != "" {
			seen = append(seen, is("created_by_project_id", c.project))
		}
	}
	if allowed&whoOwner != 0 && c.project != "" {
		owned := is("project_id", c.project)
		seen = append(seen, resource.And{owned, resource.Not{Query: is("creator", "")}})
	}
	// What nobody is known to have made.
	right := identity.Read
	if allowed&whoOwner == 0 {
		right = identity.Write
	}
	if c.known && !c.wide() && c.id.May(c.home, right) {
		seen = append(seen, is("creator", ""))
	}
	return seen
}
