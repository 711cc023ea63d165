package tenant

import "fmt"

// LimitError refuses something because a limit is reached. It names the limit and the setting that changes it.
type LimitError struct {
	Tenant  ID
	Limit   string // what is limited, in words: "series"
	Value   int64  // what would have been reached
	Max     int64
	Setting string // its key: "granary.tenants.max"
}

func (e *LimitError) Error() string {
	if e.Max == 0 {
		return fmt.Sprintf("tenant %q does not exist, and a write does not make it (setting %s)", e.Tenant, e.Setting)
	}
	return fmt.Sprintf("tenant %q: the limit of %d %s is reached (setting %s)", e.Tenant, e.Max, e.Limit, e.Setting)
}

// Kind is "over limit".
func (*LimitError) Kind() string { return "over limit" }

// Code is the stable code of the error.
func (*LimitError) Code() string { return "tenant-limit" }

// Problem names the tenant, the limit and the setting.
func (e *LimitError) Problem() map[string]any {
	return map[string]any{"tenant": string(e.Tenant), "limit": e.Max, "setting": e.Setting}
}

// UnknownError says that there is no such tenant.
type UnknownError struct {
	ID  ID // "" if it was asked for by number
	Num Num
}

func (e *UnknownError) Error() string {
	if e.ID != "" {
		return fmt.Sprintf("there is no tenant %q", e.ID)
	}
	return fmt.Sprintf("there is no tenant of the number %d", e.Num)
}

// Kind is "not found".
func (*UnknownError) Kind() string { return "not found" }

// Code is the stable code of the error.
func (*UnknownError) Code() string { return "tenant-not-found" }
