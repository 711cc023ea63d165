package identity

import (
	"slices"
	"strings"

	"granary/tenant"
)

// Everywhere stands for all tenants where tenants are named.
const Everywhere = "*"

// Grants is what a source gives to somebody: roles in all tenants, and roles in single ones.
type Grants struct {
	All   Roles
	Items []Grant
}

// GrantsOf gives the same roles in all tenants of a list; the tenant "*" is all of them. Operators are operators of the
// service, whatever the list says.
func GrantsOf(roles Roles, tenants ...tenant.ID) Grants {
	var g Grants
	if roles.Has(Operator) {
		g.All = Operator
	}
	for _, id := range tenants {
		if id == Everywhere {
			g.All |= roles
			continue
		}
		if in := roles &^ Operator; in != 0 {
			g.Items = append(g.Items, Grant{id, in})
		}
	}
	return g
}

// Allow is the most that a source may give.
type Allow struct {
	Operator bool
	// Tenants are those in which it may give roles; "*" among them is all. Nil is all.
	Tenants []tenant.ID
}

func (a *Allow) all() bool { return a.Tenants == nil || slices.Contains(a.Tenants, Everywhere) }

// limit takes away what is not allowed. Roles in all tenants become roles in those that are allowed.
func (a *Allow) limit(g Grants) Grants {
	if !a.Operator {
		g.All &^= Operator
	}
	if a.all() {
		return g
	}
	var out Grants
	for _, id := range a.Tenants {
		roles := g.All
		for _, item := range g.Items {
			if item.Tenant == id {
				roles |= item.Roles
			}
		}
		if roles &^= Operator; roles != 0 {
			out.Items = append(out.Items, Grant{id, roles})
		}
	}
	return out
}

// Names says what the values that a source gives for roles mean here. A role's own name always means itself.
type Names map[string]Roles

// of is the roles of a value, none for one that says nothing here.
func (n Names) of(value string) Roles {
	if r, ok := n[value]; ok {
		return r
	}
	r, _ := ParseRole(value)
	return r
}

// list splits a text of several values, by commas and white space.
func list(text string) []string {
	return strings.FieldsFunc(text, func(c rune) bool { return c == ',' || c == ' ' || c == '\t' })
}

// tenants reads a list of tenants; what is no id is passed over, for it can be nobody's.
func tenants(names []string) []tenant.ID {
	var ids []tenant.ID
	for _, name := range names {
		if id, err := tenant.Parse(name); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}
