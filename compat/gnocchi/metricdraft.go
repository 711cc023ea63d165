package gnocchi

import (
	"strings"

	"github.com/google/uuid"

	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/schema"
	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

// newMetric is a metric as a body wants it.
type newMetric struct {
	name   string // "": none
	policy string // "": a rule chooses it
	unit   string // "": none
	// tagged says that the name holds tags, and may be as long as those make it.
	tagged bool
}

// MaxUnit is how many characters the unit of a metric may have.
const MaxUnit = 31

// unitText is the check of a unit.
func unitText(v any) (any, error) {
	s, err := schema.StrMax(MaxUnit)(v)
	if err == nil && strings.ContainsRune(s.(string), 0) {
		err = schema.Wrong("the character U+0000 is not supported in a unit")
	}
	return s, err
}

// newMetricFields are the members of a body that wants a metric.
func newMetricFields() []schema.Field {
	return []schema.Field{
		{Name: "archive_policy_name", Check: schema.Str}, {Name: "name", Check: schema.Str}, {Name: "unit", Check: unitText},
	}
}

// newMetricOf is what the members of newMetricFields mean.
func newMetricOf(o *pyjson.Object) newMetric {
	return newMetric{name: text(o, "name"), policy: text(o, "archive_policy_name"), unit: text(o, "unit")}
}

// ensure is the number of a tenant, which is made if it is not there, but not for what cannot be: plan says what is to be made in the tenant of
// a number, 0 for one that there is not, or why that cannot be.
func (c *call) ensure(id tenant.ID, plan func(tenant.Num) error) (tenant.Num, error) {
	t, _ := c.d.o.Tenants.Lookup(id)
	if err := plan(t.Num); err != nil {
		return 0, err
	}
	num, err := c.d.o.Store.EnsureTenant(c.ctx, id)
	if err == nil && num != t.Num {
		err = plan(num)
	}
	return num, err
}

// draft is the definition of a new metric in a tenant; it has a new id, and belongs to no resource yet.
func (c *call) draft(num tenant.Num, m newMetric) (*metricdef.Draft, error) {
	if strings.Contains(m.name, "/") {
		return nil, badRequest("'/' is not supported in metric name")
	}
	if fault := schema.NameFault(m.name); fault != "" {
		return nil, badRequest("%s", fault)
	}
	most := schema.MaxName
	if m.tagged {
		most = metricdef.MaxText
	}
	if len(m.name) > most {
		return nil, nameTooLong(most)
	}
	view := c.d.o.Policies.For(num)
	var chosen policy.Policy
	if m.policy != "" {
		p, ok := view.ByName(m.policy)
		if !ok {
			return nil, badRequest("Archive policy %s does not exist", shorten(m.policy))
		}
		chosen = p.Policy
	} else {
		p, ok := view.Choice(Name, m.name)
		if !ok {
			return nil, badRequest("No archive policy name specified and no archive policy rule found matching the metric name %s", pythonText(m.name))
		}
		chosen = p
	}
	return &metricdef.Draft{
		Identity: metricdef.Identity{Tenant: num, Type: metricdef.Gauge, Name: uuid.NewString()}, ByID: true, Label: m.name, Unit: m.unit,
		Policy: chosen.Name, Creator: c.creator, Dialect: Name, Explicit: true,
	}, nil
}

func nameTooLong(most int) error { return badRequest("a metric name has at most %d bytes", most) }

// pythonText is a text as Python prints it, None if there is none.
func pythonText(s string) string {
	if s == "" {
		return "None"
	}
	return shorten(s)
}
