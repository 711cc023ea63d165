package hawkular

import (
	"context"

	"granary/compat/hawkular/tagql"
	"granary/metricdef"
	"granary/metricdef/match"
	"granary/tenant"
)

// lists says how the mode reads lists of tags.
func (c *call) lists() tagql.Lists {
	if c.strict() {
		return tagql.Texts
	}
	return tagql.Patterns
}

// tagQuery reads a query over tags.
func (c *call) tagQuery(text string) (tagql.Query, error) { return tagql.Parse(text, c.lists()) }

// among are the metrics that lists and searches show: those of the types, or of any if none is given.
func (c *call) among(types ...metricdef.Type) metricdef.Filter {
	f := metricdef.Filter{Types: types}
	if c.d.o.Own {
		f.Dialect = Name
	}
	return f
}

// find are the metrics of the tenant for which the condition holds, in the order in which they were made.
func (c *call) find(e match.Expr, f metricdef.Filter) ([]metricdef.Ref, error) {
	if c.num == 0 {
		return nil, nil
	}
	return find(c.ctx, c.d.o.Definitions, c.num, e, f)
}

func find(ctx context.Context, defs Definitions, t tenant.Num, e match.Expr, f metricdef.Filter) ([]metricdef.Ref, error) {
	refs, err := defs.Select(ctx, t, e)
	if err != nil {
		return nil, err
	}
	return defs.Filter(ctx, refs, f)
}

// byTags are the metrics for which a query over tags holds. It looks at much: enter the gate of reads before.
func (c *call) byTags(text string, types ...metricdef.Type) ([]metricdef.Ref, error) {
	q, err := c.tagQuery(text)
	if err != nil {
		return nil, err
	}
	return c.find(q.Expr, c.among(types...))
}
