package queue

import (
	"errors"
	"fmt"
	"time"

	"granary/tenant"
)

// ErrFull says that there was no room, or no turn, in time. The work may be tried again later. A *FullError is it.
var ErrFull = errors.New("queue: no room in time")

// FullError refuses work that found no room or no turn in time.
type FullError struct {
	What   Kind
	Tenant tenant.ID
	// Limit is the bound that stood in the way and Setting the name of its setting.
	Limit   int64
	Setting string

	why  outcome
	wait time.Duration
}

func (e *FullError) Error() string {
	switch {
	case e.why == lateTurn:
		return fmt.Sprintf("the request waited %v for its turn behind others (setting %s); try again", e.wait, e.Setting)
	case e.why == tooMany && e.What == Queries:
		return fmt.Sprintf("%d queries wait already, which is the limit of the tenant (setting %s); try again", e.Limit, e.Setting)
	case e.why == tooMany:
		return fmt.Sprintf("%d writes wait already, which is the limit of the tenant (setting %s); try again", e.Limit, e.Setting)
	case e.why == timedHere && e.What == Queries:
		return fmt.Sprintf("%d queries of the tenant are worked on, which is its limit (setting %s); try again", e.Limit, e.Setting)
	case e.why == timedHere:
		return fmt.Sprintf("request bodies of the tenant in work would exceed %d bytes (setting %s), try again", e.Limit, e.Setting)
	case e.What == Queries:
		return fmt.Sprintf("%d queries are worked on, which is the limit (setting %s); try again", e.Limit, e.Setting)
	}
	return fmt.Sprintf("request bodies in work would exceed %d bytes (setting %s), try again", e.Limit, e.Setting)
}

// Is says that it is an ErrFull.
func (*FullError) Is(target error) bool { return target == ErrFull }

// Kind is "over limit".
func (*FullError) Kind() string { return "over limit" }

// Code is the stable code of the error.
func (e *FullError) Code() string {
	if e.What == Queries {
		return "queries-in-work"
	}
	return "bodies-in-work"
}

// Problem names the limit and its setting.
func (e *FullError) Problem() map[string]any {
	m := map[string]any{"limit": e.Limit, "setting": e.Setting}
	if e.why == lateTurn {
		m["limit"] = e.wait.String()
	}
	return m
}

// full is the error of a call that was refused.
func (q *Queue) full(why outcome, share Share, n int64) error {
	o := &q.fair.o
	if why == never {
		return fmt.Errorf("queue: %d units never fit into %d", n, min(share.Units, o.Units))
	}
	e := &FullError{What: o.Kind, Tenant: q.id, Limit: o.Units, Setting: o.Setting, why: why, wait: share.Wait}
	switch why {
	case tooMany:
		e.Limit, e.Setting = share.Length, o.SettingLength
	case timedHere:
		e.Limit, e.Setting = share.Units, o.SettingShare
	case lateTurn:
		e.Limit, e.Setting = int64(share.Wait), o.SettingWait
	}
	return e
}
