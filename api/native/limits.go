package native

import (
	"errors"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"granary/api/edge"
	"granary/measures/query"
	"granary/tenant"
)

func (a *API) limitRoutes() []route {
	return []route{{method: http.MethodGet, path: "/limits", right: enters, serve: a.readLimits}}
}

// limitsBody are the limits that a body names, by their names in JSON. null and 0 take back what was set, "none" is no limit.
type limitsBody map[string]jsontext.Value

// limitMember is the name of a limit in JSON.
func limitMember(f *tenant.LimitField) string { return strings.ReplaceAll(f.Name, "-", "_") }

// onto puts the limits that the body names in the place of those that l has.
//
// base are the limits of the service, which those that are capped may not pass.
func (b limitsBody) onto(l, base *tenant.Limits) error {
	known := 0
	for i := range tenant.LimitFields {
		f := &tenant.LimitFields[i]
		raw, ok := b[limitMember(f)]
		if !ok {
			continue
		}
		known++
		v, err := readLimit(raw, f.Unit)
		if err != nil {
			return edge.At("/limits/"+limitMember(f), err)
		}
		if err := f.Within(v, base); err != nil {
			return &tenant.SettingsError{Field: "limits." + f.Name, Err: err}
		}
		*f.Of(l) = v
	}
	if known == len(b) {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(b)) {
		if tenant.LimitNamed(strings.ReplaceAll(name, "_", "-")) == nil || strings.Contains(name, "-") {
			return &syntaxError{text: "there is no limit of this name" + meant(name), path: edge.Pointer("/limits", name), has: true}
		}
	}
	return nil
}

// meant is the end of a sentence about a name that no limit has.
func meant(name string) string {
	var known []string
	for i := range tenant.LimitFields {
		known = append(known, limitMember(&tenant.LimitFields[i]))
	}
	if near := tenant.Nearest(strings.ReplaceAll(name, "-", "_"), known); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}

// readLimit reads the value of a limit: 0 takes it back.
func readLimit(raw jsontext.Value, unit tenant.LimitUnit) (int64, error) {
	switch {
	case raw.Kind() == 'n':
		return 0, nil
	case string(raw) == `"none"`:
		return tenant.NoLimit, nil
	case unit == tenant.UnitDuration:
		text := string(raw)
		if raw.Kind() == '"' {
			b, err := jsontext.AppendUnquote(nil, raw)
			if err != nil {
				return 0, syntax(err)
			}
			text = string(b)
		} else if raw.Kind() != '0' {
			return 0, &syntaxError{text: `expected a duration (a text such as 5m, or a number of seconds), "none" or null`, has: true}
		}
		d, err := edge.ParseDuration(text)
		if err == nil && d < 0 {
			err = &syntaxError{text: "a duration below zero", has: true}
		}
		return int64(d), err
	}
	if raw.Kind() == '"' && unit == tenant.UnitBytes {
		text, err := jsontext.AppendUnquote(nil, raw)
		if err != nil {
			return 0, syntax(err)
		}
		v, err := tenant.ParseSize(string(text))
		if err != nil {
			return 0, &syntaxError{text: shorten(string(text)) + ` is no size such as 65536, "64KiB" or "8GB", nor "none" or null`, has: true}
		}
		return v, nil
	}
	v, err := strconv.ParseInt(string(raw), 10, 64)
	if raw.Kind() != '0' || err != nil || v < 0 || v == math.MaxInt64 {
		return 0, &syntaxError{text: `expected a whole number, "none" or null`, has: true}
	}
	return v, nil
}

// ownLimits are the limits that were set for a tenant, as limitsBody has them.
func ownLimits(l *tenant.Limits) map[string]any {
	own := map[string]any{}
	for i := range tenant.LimitFields {
		f := &tenant.LimitFields[i]
		switch v := *f.Of(l); {
		case v == 0:
		case v < 0:
			own[limitMember(f)] = "none"
		default:
			own[limitMember(f)] = limitValue(f, v)
		}
	}
	return own
}

func limitValue(f *tenant.LimitField, v int64) any {
	if f.Unit == tenant.UnitDuration {
		return durationText(time.Duration(v))
	}
	return v
}

// limitAnswer is a limit in force.
type limitAnswer struct {
	Name    string `json:"name"`
	Value   any    `json:"value"` // a number, or the text of a duration; null is no limit
	Unit    string `json:"unit"`
	Source  string `json:"source"`
	Setting string `json:"setting"`
	Used    *int64 `json:"used,omitzero"`
	Refused uint64 `json:"refused"`
}

var unitNames = [...]string{tenant.UnitCount: "count", tenant.UnitBytes: "bytes", tenant.UnitDuration: "duration"}

// readLimits shows a tenant its limits. One that does not exist has those of a tenant of which nothing is said.
func (a *API) readLimits(w http.ResponseWriter, r *http.Request) error {
	if err := a.params(r).end(); err != nil {
		return err
	}
	var out struct {
		Tenant string        `json:"tenant"`
		Limits []limitAnswer `json:"limits"`
	}
	out.Tenant = string(tenantOf(r))
	t, there := a.reading(r)
	l := a.o.Tenants.Limits(t.Num)
	var sources []tenant.LimitSource
	if a.o.LimitSources != nil {
		sources = a.o.LimitSources(t.Num)
	}
	for i := range tenant.LimitFields {
		f := &tenant.LimitFields[i]
		shown := limitAnswer{Name: limitMember(f), Unit: unitNames[f.Unit], Source: string(tenant.FromConfiguration), Setting: f.Setting()}
		if v := f.InForce(&l); v > 0 {
			shown.Value = limitValue(f, v)
		}
		if sources != nil {
			shown.Source = string(sources[i])
		}
		if there && a.o.LimitUse != nil {
			if used, known := a.o.LimitUse(&t, int(f.Number)); known {
				shown.Used = &used
			}
		}
		if there && a.o.Standing != nil {
			shown.Refused = a.o.Standing(t.Num).Refused(int(f.Number))
		}
		out.Limits = append(out.Limits, shown)
	}
	return a.send(w, r, http.StatusOK, &out)
}

// mostOf is what the queries of a request may cost together, by the limits of its tenant.
func (a *API) mostOf(r *http.Request) query.Cost {
	t, ok := a.reading(r)
	if !ok {
		return query.Cost{}
	}
	l := a.o.Tenants.Limits(t.Num)
	return query.Cost{Series: l.QuerySeries, Samples: l.QuerySamples}
}

// refusedQuery counts a request that costs more than its tenant may ask for.
func (a *API) refusedQuery(r *http.Request, err error) {
	var cost *query.CostError
	t, ok := a.reading(r)
	if !ok || a.o.Standing == nil || !errors.As(err, &cost) {
		return
	}
	switch cost.Setting {
	case query.SettingSeries:
		a.o.Standing(t.Num).Refuse(tenant.LimitQuerySeries, 1)
	case query.SettingSamples:
		a.o.Standing(t.Num).Refuse(tenant.LimitQuerySamples, 1)
	}
}
