package native

import (
	"time"

	"granary/policy"
	"granary/tenant"
)

// policyAnswer is a policy in an answer.
type policyAnswer struct {
	Name       string       `json:"name"`
	Scope      string       `json:"scope"`
	Raw        rawAnswer    `json:"raw"`
	Grid       *string      `json:"grid"`
	GridSecs   *float64     `json:"grid_seconds"`
	Duplicates string       `json:"duplicates"`
	Across     string       `json:"across,omitzero"` // how ClusterCockpit combines series
	Tiers      []tierAnswer `json:"tiers"`
	Methods    []string     `json:"methods"`
	BackWindow int          `json:"back_window"`
	Metrics    *int         `json:"metrics,omitzero"` // of the tenant that have the policy
	Notes      []string     `json:"notes,omitempty"`
}

type rawAnswer struct {
	Retention string   `json:"retention"`
	Seconds   *float64 `json:"retention_seconds"` // null where it is no duration
	Clock     string   `json:"clock"`
}

// tierAnswer is a tier; points and timespan are null where it is kept for ever.
type tierAnswer struct {
	Granularity     string   `json:"granularity"`
	GranularitySecs float64  `json:"granularity_seconds"`
	Points          *int64   `json:"points"`
	Timespan        *string  `json:"timespan"`
	TimespanSecs    *float64 `json:"timespan_seconds"`
}

// both is a duration as text and in seconds, nil for none.
func both(d time.Duration) (*string, *float64) {
	if d <= 0 {
		return nil, nil
	}
	text, seconds := durationText(d), seconds(d)
	return &text, &seconds
}

func seconds(d time.Duration) float64 { return float64(d) / 1e9 }

func answerPolicy(p policy.ScopedPolicy) policyAnswer {
	a := policyAnswer{
		Name: p.Name, Scope: p.Scope.String(), Duplicates: duplicateNames[p.Duplicates], Tiers: []tierAnswer{}, Methods: []string{}, BackWindow: p.BackWindow,
		Raw: rawAnswer{Clock: clockNames[p.Raw.Clock]},
	}
	switch p.Raw.Length {
	case policy.Forever:
		a.Raw.Retention = textForever
	case policy.WindowOnly:
		a.Raw.Retention = textWindow
	default:
		s := seconds(p.Raw.Length)
		a.Raw.Retention, a.Raw.Seconds = durationText(p.Raw.Length), &s
	}
	a.Grid, a.GridSecs = both(p.Grid)
	if p.Across != policy.NoMethod {
		a.Across = p.Across.String()
	}
	for _, t := range p.Tiers {
		out := tierAnswer{Granularity: durationText(t.Granularity), GranularitySecs: seconds(t.Granularity)}
		if t.Points > 0 {
			out.Points = &t.Points
		}
		out.Timespan, out.TimespanSecs = both(t.Timespan())
		a.Tiers = append(a.Tiers, out)
	}
	for _, m := range p.Methods {
		a.Methods = append(a.Methods, m.String())
	}
	return a
}

// durationText writes a duration that is not negative as edge.ParseDuration reads it: "7d", "1h30m", "500ms".
func durationText(d time.Duration) string {
	return tenant.DurationText(d)
}
