package gnocchi

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

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

// actionNames are the names of actions in the configuration, which are those of Gnocchi's policy.json.
var actionNames = [numActions]string{
	getStatus:               "get status",
	createResourceType:      "create resource type",
	updateResourceType:      "update resource type",
	deleteResourceType:      "delete resource type",
	createArchivePolicy:     "create archive policy",
	updateArchivePolicy:     "update archive policy",
	deleteArchivePolicy:     "delete archive policy",
	createArchivePolicyRule: "create archive policy rule",
	updateArchivePolicyRule: "update archive policy rule",
	deleteArchivePolicyRule: "delete archive policy rule",
	getResource:             "get resource",
	listResource:            "list resource",
	searchResource:          "search resource",
	updateResource:          "update resource",
	deleteResource:          "delete resource",
	deleteResources:         "delete resources",
	getMetric:               "get metric",
	listMetric:              "list metric",
	searchMetric:            "search metric",
	deleteMetric:            "delete metric",
	getMeasures:             "get measures",
	postMeasures:            "post measures",
}

// who is a set of those who may do something.
type who uint8

const (
	whoAdmin     who = 1 << iota // the role admin
	whoService                   // the role service
	whoCreator                   // who made the object, and all of that project
	whoOwner                     // the project of the resource, or of the metric's resource
	whoEverybody                 // who has shown who they are, in their own tenant; not those whose sight is all tenants
)

// whoNames are the names of those in the configuration.
var whoNames = []struct {
	name string
	who  who
}{{"admin", whoAdmin}, {"service", whoService}, {"creator", whoCreator}, {"owner", whoOwner}, {"everybody", whoEverybody}}

// rolePrefix begins the name of a role in the configuration.
const rolePrefix = "role:"

// rule is who may do something.
type rule struct {
	who   who
	roles []string // in lower case: who has one of them may, as everybody may
}

// Rules say who may do what. Make them with DefaultRules.
type Rules [numActions]rule

// DefaultRules are those of Gnocchi.
func DefaultRules() *Rules {
	var r Rules
	for a, who := range defaults {
		r[a].who = who
	}
	return &r
}

// Set says who may do something: some of admin, service, creator, owner, everybody, and "role:NAME" for a role that a proxy or Keystone
// gives; none for nobody. Only the first two reach beyond the caller's tenant, and have to be named
// if they are meant. The error is a *RuleError.
func (r *Rules) Set(name string, list []string) error {
	a := slices.Index(actionNames[:], name)
	if a < 0 {
		return &RuleError{What: name, Known: actionNames[:]}
	}
	var out rule
	for _, text := range list {
		if role, ok := strings.CutPrefix(text, rolePrefix); ok && role != "" {
			out.roles = append(out.roles, strings.ToLower(role))
			continue
		}
		at := slices.IndexFunc(whoNames, func(w struct {
			name string
			who  who
		}) bool {
			return w.name == text
		})
		if at < 0 {
			known := []string{}
			for _, w := range whoNames {
				known = append(known, w.name)
			}
			return &RuleError{What: text, Known: append(known, rolePrefix+"NAME")}
		}
		out.who |= whoNames[at].who
	}
	r[a] = out
	return nil
}

// Who says who may do something, in the words of Set; nil for an action that there is not.
func (r *Rules) Who(name string) []string {
	a := slices.Index(actionNames[:], name)
	if a < 0 {
		return nil
	}
	list := []string{}
	for _, w := range whoNames {
		if r[a].who&w.who != 0 {
			list = append(list, w.name)
		}
	}
	for _, role := range r[a].roles {
		list = append(list, rolePrefix+role)
	}
	return list
}

// Equal says whether two say the same.
func (r *Rules) Equal(other *Rules) bool { return reflect.DeepEqual(r, other) }

// RuleError says that there is no such action, or nobody of that name.
type RuleError struct {
	What  string
	Known []string
}

func (e *RuleError) Error() string {
	return fmt.Sprintf("there is no %.60q among %s", e.What, strings.Join(e.Known, ", "))
}

// defaults say who may do what where nothing else is said.
var defaults = [numActions]who{
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
	allowed := c.allowed(a)
	switch {
	case allowed&whoAdmin != 0 && c.admin, allowed&whoService != 0 && c.service:
		return true
	case o == nil:
		return allowed&whoEverybody != 0
	case !c.wide() && o.tenant != c.home:
		return false // of another tenant nothing is seen, whatever else holds
	case allowed&whoEverybody != 0 && !c.wide():
		return true
	case allowed&whoCreator != 0 && c.made(o, a):
		return true
	}
	return allowed&whoOwner != 0 && c.owns(o)
}

// allowed is who may do something. Everybody is among them only if the caller is of those who are meant.
func (c *caller) allowed(a action) who {
	r := &c.rules[a]
	who := r.who
	if slices.ContainsFunc(r.roles, func(role string) bool { return slices.Contains(c.roles, role) }) {
		who |= whoEverybody
	}
	if !c.known {
		who &^= whoEverybody
	}
	return who
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
	if c.known && c.creator == o.creator {
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
