package tenant

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

// Bounds on the texts of settings, in bytes.
const (
	MaxName        = 256
	MaxDescription = 4096
)

// Settings are what an operator may change of a tenant. The zero value is that of a tenant that nobody has said anything about.
type Settings struct {
	Name        string // for people; "" is the id
	Description string
	Retention   Retention
	Limits      Limits
}

// Retention says by type how long raw samples live of metrics whose policy nobody chose; 0 leaves it to the policy.
type Retention struct {
	Gauge, Counter, Availability, Text time.Duration
}

// SettingsError says which setting of a tenant cannot be so.
type SettingsError struct {
	Field string // "name", "description", "retention", "limits.series"
	Err   error
}

func (e *SettingsError) Error() string {
	return fmt.Sprintf("settings of a tenant: %s: %v", e.Field, e.Err)
}

// Unwrap is what is wrong with it.
func (e *SettingsError) Unwrap() error { return e.Err }

// Kind is "invalid".
func (*SettingsError) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (*SettingsError) Code() string { return "tenant-settings" }

// Validate says what is wrong with the settings. The error is a *SettingsError.
func (s *Settings) Validate() error {
	if err := s.sound(); err != nil {
		return err
	}
	return s.Limits.check()
}

// sound is Validate without the ranges of limits, which may have been others when a record was written.
func (s *Settings) sound() error {
	for _, f := range []struct {
		name, text string
		limit      int
	}{{"name", s.Name, MaxName}, {"description", s.Description, MaxDescription}} {
		if len(f.text) > f.limit {
			return &SettingsError{f.name, fmt.Errorf("has %d bytes, more than %d", len(f.text), f.limit)}
		}
		if !utf8.ValidString(f.text) {
			return &SettingsError{f.name, errors.New("is not UTF-8")}
		}
	}
	for _, d := range s.Retention.all() {
		if *d < 0 {
			return &SettingsError{"retention", fmt.Errorf("%v is below zero", *d)}
		}
	}
	for i := range LimitFields {
		f := &LimitFields[i]
		if v := *f.of(&s.Limits); v < NoLimit {
			return &SettingsError{"limits." + f.Name, fmt.Errorf("%d is below zero", v)}
		}
	}
	return nil
}

// Changes tells set of each retention that is another one in now: its name, what it was, and what it is. nil is one that is not set.
func (r *Retention) Changes(now *Retention, set func(name string, was, is any)) {
	span := func(d time.Duration) any {
		if d == 0 {
			return nil
		}
		return DurationText(d)
	}
	was, is := r.all(), now.all()
	for i, name := range [...]string{"gauge", "counter", "availability", "string"} {
		if *was[i] != *is[i] {
			set("retention."+name, span(*was[i]), span(*is[i]))
		}
	}
}

// all are the durations in the order of the record.
func (r *Retention) all() [4]*time.Duration {
	return [...]*time.Duration{&r.Gauge, &r.Counter, &r.Availability, &r.Text}
}
