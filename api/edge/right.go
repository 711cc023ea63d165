package edge

import (
	"fmt"
	"slices"
	"strings"

	"granary/tenant"
	"granary/tenant/identity"
)

// Demand is nil if the identity has the right in the tenant. Else it is the refusal: the tenant is not theirs at all
// (*ForbiddenError), or their roles in it do not reach (*RightError).
func Demand(i *identity.Identity, id tenant.ID, right identity.Right) error {
	switch {
	case right == identity.Operate:
		if i.Operator() { // an operator of one tenant operates nothing
			return nil
		}
		return &RightError{Right: right}
	case i.May(id, right):
		return nil
	case i.Scope().Contains(id):
		return &RightError{Right: right, Tenant: id}
	}
	return &ForbiddenError{Tenant: id}
}

// Anywhere says whether the identity has the right in any tenant.
func Anywhere(i *identity.Identity, right identity.Right) bool {
	return i != nil && (i.Everywhere().May(right) || slices.ContainsFunc(i.Grants(), func(g identity.Grant) bool { return g.Roles.May(right) }))
}

// RightError refuses an operation to who may enter the tenant and lacks the right for it there.
type RightError struct {
	Right  identity.Right
	Tenant tenant.ID // "": any of those that the identity may enter
}

func (e *RightError) Error() string {
	roles := e.Right.Giving().Names()
	giving := "the role " + roles[0] + " gives"
	if n := len(roles) - 1; n > 0 {
		giving = "the roles " + strings.Join(roles[:n], ", ") + " and " + roles[n] + " give"
	}
	where := "in a tenant"
	switch {
	case e.Right == identity.Operate:
		where = "the service"
	case e.Tenant != "":
		where = fmt.Sprintf("in tenant %q", string(e.Tenant))
	}
	return fmt.Sprintf("this needs the right to %s %s, which %s", e.Right, where, giving)
}

// Kind implements the kinds of errors.
func (*RightError) Kind() string { return string(Forbidden) }

// Code implements the codes of errors.
func (*RightError) Code() string { return "right-missing" }

// Problem names the right, the tenant, and the roles that give it.
func (e *RightError) Problem() map[string]any {
	m := map[string]any{"right": e.Right.String(), "roles": e.Right.Giving().Names()}
	if e.Tenant != "" && e.Right != identity.Operate {
		m["tenant"] = string(e.Tenant)
	}
	return m
}
