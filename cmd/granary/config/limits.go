package config

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"granary/tenant"
)

// Limits is granary.limits. What exceeds one is refused with an error that names it.
type Limits struct {
	// Limits are those of each tenant of which nothing else is said. Those of body, line, query-samples, query-series and
	// concurrent-queries are bounds of the service too, which no tenant passes.
	tenant.Limits

	Text          int64 // text: bytes of a text, or of the tags of a sample
	QueryPoints   int64 // query-points: points of the answer to one request
	AnswerPadding int64 // answer-padding: points of front padding a series; beyond it none is given
	// Connections and ConnectionsPerAddress bound the connections of the listener: connections, connections-per-address; 0 is no
	// limit. Trusted proxies are not counted by address.
	Connections, ConnectionsPerAddress int64
	// SeriesStatus is the HTTP status of a write of which samples were not stored since the tenant's limit on series is
	// reached: series-status. 0 leaves it to the dialect.
	SeriesStatus int
	// Overrides is a file of limits by tenant, read again when it changes: overrides. "" for none.
	Overrides string
}

// readTenantLimits reads granary.limits.
func (c *Config) readTenantLimits(l *section, o Options) {
	own := &c.Limits.Limits
	for i := range tenant.LimitFields {
		f := &tenant.LimitFields[i]
		switch f.Number {
		case tenant.LimitBody, tenant.LimitLine: // memory has an end
			l.size(f.Name, f.Of(own), f.Min, f.Max)
		case tenant.LimitMemory:
			if !l.part(f, own, c.MemoryCap) {
				l.limit(f, own, 0)
			}
		default:
			l.limit(f, own, 0)
		}
	}
	l.size("text", &c.Limits.Text, 1<<6, 16<<10) // what a chunk of texts has room for
	l.integer("query-points", &c.Limits.QueryPoints, 1, math.MaxInt64)
	l.integer("answer-padding", &c.Limits.AnswerPadding, 0, math.MaxInt32)
	l.integer("connections", &c.Limits.Connections, 0, 1<<20)
	l.integer("connections-per-address", &c.Limits.ConnectionsPerAddress, 0, 1<<20)
	l.status("series-status", &c.Limits.SeriesStatus, http.StatusOK, http.StatusBadRequest, http.StatusTooManyRequests)
	l.text("overrides", &c.Limits.Overrides)
	if c.Limits.Overrides == "" {
		return
	}
	var err error
	if c.tenantOverrides, c.overridesPath, err = c.readOverrides(o); err != nil {
		l.r.errs = append(l.r.errs, err)
	}
}

// status reads one of a few statuses of HTTP; "auto" is 0.
func (s *section) status(key string, dst *int, allowed ...int) {
	n := s.get(key)
	if n == nil {
		return
	}
	expected := []string{"auto"}
	if n.text == "auto" {
		*dst = 0
		return
	}
	for _, status := range allowed {
		if n.kind == number && n.text == strconv.Itoa(status) {
			*dst = status
			return
		}
		expected = append(expected, strconv.Itoa(status))
	}
	s.wrong(n, key, "one of "+strings.Join(expected, ", "))
}

// part reads a limit that is given as a part of the memory cap: "10%". It is false if it is given in another form.
func (s *section) part(f *tenant.LimitField, l *tenant.Limits, memoryCap int64) bool {
	n := s.get(f.Name)
	if n == nil || n.kind != text || !strings.HasSuffix(n.text, "%") {
		return false
	}
	percent, err := strconv.ParseFloat(strings.TrimSuffix(n.text, "%"), 64)
	switch {
	case err != nil || !(percent > 0 && percent <= 100): // NaN is none
		s.wrong(n, f.Name, `a size, or a part of granary.memory-cap such as "10%"`)
	case memoryCap == 0:
		s.wrong(n, f.Name, "a size, since there is no granary.memory-cap to take a part of")
	default:
		*f.Of(l) = max(int64(float64(memoryCap)*percent/100), f.Min)
	}
	return true
}

// limit reads a limit of a tenant, by its name. The text "none" gives that value, and so does 0 where that is 0.
func (s *section) limit(f *tenant.LimitField, l *tenant.Limits, none int64) {
	n := s.get(f.Name)
	if n == nil {
		return
	}
	v, expected, err := int64(0), "", error(nil)
	good := n.kind == number || n.kind == text
	if none == 0 {
		expected = "0, "
	}
	switch f.Unit {
	case tenant.UnitBytes:
		v, err = tenant.ParseSize(n.text)
		expected += `"none" or a size such as 65536, "64KiB" or "8GB"` + sizeBetween(f.Min, f.Max)
	case tenant.UnitDuration:
		var d time.Duration
		d, err = ParseDuration(n.text)
		v = int64(d)
		good = good && (n.kind == text || n.text == "0")
		expected = fmt.Sprintf(`"none" or a duration such as "90s", "48h" or "7d", %v or more`, time.Duration(f.Min))
	default:
		v, err = strconv.ParseInt(n.text, 10, 64)
		good = n.kind == number || n.text == "none"
		expected += `"none" or a whole number` + between(f.Min, f.Max)
	}
	switch {
	case n.kind == text && n.text == "none", good && err == nil && v == 0 && none == 0:
		*f.Of(l) = none
	case !good || err != nil || v == 0 || v == tenant.NoLimit || f.Check(v) != nil:
		s.wrong(n, f.Name, expected)
	default:
		*f.Of(l) = v
	}
}

// allTenants is the key of an override that holds for every tenant.
const allTenants = "*"

// Overrides are the limits by tenant that Load has read.
func (c *Config) Overrides() tenant.Overrides { return c.tenantOverrides }

// ReadOverrides reads the file of limits by tenant. It is an object of the ids of tenants, or "*" for all of them, to objects of
// limits; tenants that do not exist may be named. The error tells every fault, with its line.
func (c *Config) ReadOverrides(o Options) (tenant.Overrides, error) {
	if c.Limits.Overrides == "" {
		return tenant.Overrides{}, nil
	}
	over, _, err := c.readOverrides(o)
	return over, err
}

func (c *Config) readOverrides(o Options) (over tenant.Overrides, file string, err error) {
	root, file, err := readInclude(c.Path, c.Limits.Overrides, o)
	if err != nil {
		if _, ok := err.(*Error); !ok { //nolint:errorlint // it is ours as it is, or not
			err = &Error{File: c.Limits.Overrides, Text: "expected a file that can be read: " + reason(err)}
		}
		return over, file, err
	}
	over.Tenants = map[tenant.ID]tenant.Limits{}
	r := &reader{}
	top := r.section(root, "")
	if top.n == nil {
		return over, file, r.err()
	}
	for _, m := range top.n.members {
		id, err := tenant.Parse(m.key)
		if err != nil {
			r.errs = append(r.errs, &Error{file, m.line, join("", m.key), "expected the id of a tenant: " + err.Error()})
			continue
		}
		var l tenant.Limits
		s := top.sub(m.key)
		for i := range tenant.LimitFields {
			s.limit(&tenant.LimitFields[i], &l, tenant.NoLimit)
		}
		s.end(true)
		if m.key == allTenants {
			over.All = l
		} else {
			over.Tenants[id] = l
		}
	}
	return over, file, r.err()
}
