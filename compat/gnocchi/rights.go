package gnocchi

import (
	"granary/tenant"
	"granary/tenant/identity"
)

// action is something that a rule allows or forbids.
type action uint8

// The actions, as Gnocchi's policy names them.
const (
	getStatus action = iota
	createResourceType
	updateResourceType
	deleteResourceType
	createArchivePolicy
	updateArchivePolicy
	deleteArchivePolicy
	createArchivePolicyRule
	updateArchivePolicyRule
	deleteArchivePolicyRule
	getResource
	listResource
	searchResource
	updateResource
	deleteResource
	deleteResources
	getMetric
	listMetric
	searchMetric
	deleteMetric
	getMeasures
	postMeasures

	numActions
)

// who is a set of those who may do something.
type who uint8

const (
	whoAdmin   who = 1 << iota // the role admin
	whoService                 // the role service
	whoCreator                 // who made the object, and all of that project
	whoOwner                   // the project of the resource, or of the metric's resource
)

// rules says who may do what.
var rules = [numActions]who{
	getStatus:               whoAdmin,
	createResourceType:      whoAdmin | whoService,
	updateResourceType:      whoAdmin | whoService,
	deleteResourceType:      whoAdmin,
	createArchivePolicy:     whoAdmin | whoService,
	updateArchivePolicy:     whoAdmin,
	deleteArchivePolicy:     whoAdmin,
	createArchivePolicyRule: whoAdmin,
	updateArchivePolicyRule: whoAdmin,
	deleteArchivePolicyRule: whoAdmin,
	getResource:             whoAdmin | whoCreator | whoOwner,
	listResource:            whoAdmin | whoCreator | whoOwner,
	searchResource:          whoAdmin | whoService | whoCreator | whoOwner,
	updateResource:          whoAdmin | whoService | whoCreator,
	deleteResource:          whoAdmin | whoCreator,
	deleteResources:         whoAdmin | whoCreator,
	getMetric:               whoAdmin | whoService | whoCreator | whoOwner,
	listMetric:              whoAdmin | whoCreator | whoOwner,
	searchMetric:            whoAdmin | whoCreator | whoOwner,
	deleteMetric:            whoAdmin | whoCreator,
	getMeasures:             whoAdmin | whoService | whoCreator | whoOwner,
	postMeasures:            whoAdmin | whoService | whoCreator,
}

// object is what a rule looks at of a metric or resource. The zero value is nobody's.
type object struct {
	tenant  tenant.ID
	creator string // "": another dialect made it
	// project is that of the resource, or of the metric's resource; "": none.
	project string
}

// may says whether the caller may do something to an object; nil: to the service.
func (c *caller) may(a action, o *object) bool {
	allowed := rules[a]
	switch {
	case allowed&whoAdmin != 0 && c.admin, allowed&whoService != 0 && c.service:
		return true
	case o == nil:
		return false
	case !c.wide() && o.tenant != c.home:
		return false // of another tenant nothing is seen, whatever else holds
	case allowed&whoCreator != 0 && c.made(o, a):
		return true
	}
	return allowed&whoOwner != 0 && c.owns(o)
}

// made says whether the caller made an object, or somebody of the same project. What other dialects made, whose makers nobody
// knows, belongs to all who may write in its tenant.
func (c *caller) made(o *object, a action) bool {
	if o.creator == "" {
		right := identity.Write
		if a == deleteMetric {
			right = identity.Manage
		}
		return c.known && c.id.May(o.tenant, right)
	}
	if c.creator == o.creator {
		return true
	}
	_, project := splitCreator(o.creator)
	return c.project != "" && c.project == project
}

// owns says whether an object belongs to the caller's project.
func (c *caller) owns(o *object) bool {
	if o.creator == "" {
		return c.known && c.id.May(o.tenant, identity.Read)
	}
	return c.project != "" && c.project == o.project
}
