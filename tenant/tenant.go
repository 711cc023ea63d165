package tenant

import "time"

// ID is a tenant's validated name: 1 to 128 bytes of printable UTF-8 in normal form C, without "/". Make one with Parse. It is never used as a file name.
type ID string

// Num is the small number that a tenant has inside one partition: assigned in order by the record that created it,
// never reused. 0 is no tenant.
type Num uint32

// Tenant is one tenant as the registry shows it. Values are copies; a later change does not reach them.
type Tenant struct {
	Num     Num
	ID      ID
	Created time.Time
	// Implicit is true for a tenant that the first write made, false for one that was created by a call.
	Implicit bool
	Settings
}
