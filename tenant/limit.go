package tenant

import (
	"fmt"
	"time"
)

// LimitError refuses something because a limit is reached. It names the limit and the setting that changes it.
type LimitError struct {
	Tenant  ID
	Limit   string // what is limited, in words: "series"
	Value   int64  // what would have been reached
	Max     int64
	Setting string // its key: "granary.tenants.max"
	// Wait is how long it is so at least; 0 if nobody knows.
	Wait time.Duration
	// Number is that of the limit in LimitFields, 0 if it is none of them.
	Number int
	// Fixed says that it stays so: what was sent is more than may ever be.
	Fixed bool
}

// Over refuses what has passed the limit of that number.
func Over(id ID, number int, value, most int64) *LimitError {
	f := LimitNumbered(number)
	return &LimitError{Tenant: id, Limit: limitWords[number], Value: value, Max: most, Setting: f.Setting(), Number: number, Fixed: number != LimitSeries && number != LimitMemory}
}

// limitWords are what limits bound, as errors say it, of those that errors are about.
var limitWords = [numLimits]string{
	LimitSeries: "series", LimitMemory: "bytes of memory", LimitTags: "tags of a series", LimitTagName: "bytes of the name of a tag", LimitTagValue: "bytes of the value of a tag",
}

func (e *LimitError) Error() string {
	switch {
	case e.Max == 0:
		return fmt.Sprintf("tenant %q does not exist, and a write does not make it (setting %s)", e.Tenant, e.Setting)
	case e.Fixed:
		return fmt.Sprintf("tenant %q: %d is beyond the limit of %d %s (setting %s)", e.Tenant, e.Value, e.Max, e.Limit, e.Setting)
	}
	return fmt.Sprintf("tenant %q: the limit of %d %s is reached (setting %s)", e.Tenant, e.Max, e.Limit, e.Setting)
}

// Kind is "over limit", or "invalid" if it stays so.
func (e *LimitError) Kind() string {
	if e.Fixed {
		return "invalid"
	}
	return "over limit"
}

// Code is the stable code of the error.
func (*LimitError) Code() string { return "tenant-limit" }

// RetryAfter is how long to wait before trying again.
func (e *LimitError) RetryAfter() time.Duration { return e.Wait }

// Lasting says that time alone does not help: somebody has to raise the limit, or to remove something.
func (e *LimitError) Lasting() bool { return e.Wait == 0 }

// Problem names the tenant, the limit and the setting.
func (e *LimitError) Problem() map[string]any {
	return map[string]any{"tenant": string(e.Tenant), "limit": e.Max, "setting": e.Setting}
}

// RateError refuses samples of a tenant that has sent more than its rate allows.
type RateError struct {
	Tenant      ID
	Rate, Burst int64
	Wait        time.Duration // until it may send again
}

func (e *RateError) Error() string {
	return fmt.Sprintf("tenant %q has sent more than its limit of %d samples a second, %d at once; it may send again in %v (settings granary.limits.samples-per-second, granary.limits.samples-burst)",
		e.Tenant, e.Rate, e.Burst, e.Wait.Round(time.Millisecond))
}

// Kind is "over limit".
func (*RateError) Kind() string { return "over limit" }

// Code is the stable code of the error.
func (*RateError) Code() string { return "rate-limit" }

// RetryAfter is how long to wait before trying again.
func (e *RateError) RetryAfter() time.Duration { return e.Wait }

// Problem names the tenant, the limit and the setting.
func (e *RateError) Problem() map[string]any {
	return map[string]any{"tenant": string(e.Tenant), "limit": e.Rate, "setting": LimitNumbered(LimitSamplesPerSecond).Setting()}
}

// CheckRate is nil if the tenant may send samples now, else a *RateError. It is asked before work is done for what was sent,
// and once more under a lock before it is stored.
func (r *Registry) CheckRate(n Num, now int64) error {
	s := r.Standing(n)
	wait := s.Wait(now)
	if wait == 0 {
		return nil
	}
	l := s.Limits()
	return &RateError{Tenant: r.ID(n), Rate: l.SamplesPerSecond, Burst: l.Burst(), Wait: wait}
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
