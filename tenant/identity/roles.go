package identity

import (
	"fmt"
	"strings"
)

// Roles is a set of roles.
type Roles uint8

// The roles. What each may do is said by May.
const (
	Reader   Roles = 1 << iota // reads samples, definitions and what the tenant uses
	Writer                     // writes samples, makes and changes definitions
	Admin                      // of a tenant: reads, writes, deletes, and rules its policies, keys and usage
	Operator                   // of the service: everything, in every tenant
)

var roleNames = [...]string{"reader", "writer", "admin", "operator"}

// ParseRole reads the name of one role. The error is a *RoleError.
func ParseRole(name string) (Roles, error) {
	for i, n := range roleNames {
		if n == name {
			return 1 << i, nil
		}
	}
	return 0, &RoleError{name}
}

// Has says whether all roles of x are in the set.
func (r Roles) Has(x Roles) bool { return r&x == x }

// Names are the names of the roles, ascending by what they may do.
func (r Roles) Names() []string {
	names := []string{}
	for i, n := range roleNames {
		if r&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return names
}

// String is the names with commas between them.
func (r Roles) String() string { return strings.Join(r.Names(), ",") }

// Right is what an operation asks of who wants it.
type Right uint8

// The rights.
const (
	Read    Right = iota // see samples, definitions, usage and limits of a tenant
	Write                // store samples, make and change definitions of a tenant
	Manage               // delete what a tenant has; change its policies, rules and keys
	Operate              // what concerns the service, or more than one tenant
)

// String is the right in words, for errors: "needs the right to write".
func (r Right) String() string { return [...]string{"read", "write", "manage", "operate"}[r] }

// sufficient are the roles of which any one gives a right.
var sufficient = [...]Roles{Read: Reader | Admin | Operator, Write: Writer | Admin | Operator, Manage: Admin | Operator, Operate: Operator}

// May says whether the roles give the right.
func (r Roles) May(x Right) bool { return r&sufficient[x] != 0 }

// Giving are the roles of which any one gives the right, for errors.
func (r Right) Giving() Roles { return sufficient[r] }

// RoleError says that there is no role of that name.
type RoleError struct{ Name string }

func (e *RoleError) Error() string {
	return fmt.Sprintf("there is no role %.40q; there are %s", e.Name, strings.Join(roleNames[:], ", "))
}

// Kind is "invalid".
func (*RoleError) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (*RoleError) Code() string { return "role-unknown" }
