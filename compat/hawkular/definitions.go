package hawkular

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"granary/api/edge"
	"granary/metricdef"
	"granary/tenant"
	"granary/tenant/identity"
)

func (d *Dialect) definitionRoutes() []route {
	return []route{
		{method: http.MethodPost, path: "/{type}", right: identity.Write, serve: d.createMetric},
		{method: http.MethodPost, path: "/{metrics}", right: identity.Write, serve: d.createMetric},
		{method: http.MethodGet, path: "/{type}", right: identity.Read, serve: d.listMetrics},
		{method: http.MethodGet, path: "/{metrics}", right: identity.Read, serve: d.listMetrics},
		{method: http.MethodGet, path: "/{type}/{id}", right: identity.Read, serve: d.readMetric},
		{method: http.MethodDelete, path: "/{type}/{id}", right: identity.Manage, audit: "metric.delete", serve: d.deleteMetric},
	}
}

// pathOf is a type as paths name it.
func pathOf(typ metricdef.Type) string {
	for name, t := range typeNames {
		if t == typ {
			return name
		}
	}
	return ""
}

// existsError refuses to make what a call has made before. Clients know the text.
type existsError struct{ id string }

func (e *existsError) Error() string {
	return fmt.Sprintf("A metric with name [%s] already exists", shorten(e.id))
}
func (*existsError) Kind() string { return string(edge.Conflict) }
func (*existsError) Code() string { return "metric-exists" }

// endedError says that a metric was deleted again and again while a request was about to change it.
type endedError struct{}

func (*endedError) Error() string { return "the metric was deleted meanwhile" }
func (*endedError) Kind() string  { return string(edge.Conflict) }
func (*endedError) Code() string  { return "metric-ended" }

// tries is how often a change of a metric begins again since the metric has ended meanwhile.
const tries = 3

// definitionBody is a metric as a client asks for it. Other members are passed over: clients send back what they have read.
type definitionBody struct {
	ID        string  `json:"id"`
	Type      string  `json:"type"`
	Tags      tagSet  `json:"tags"`
	Retention keepFor `json:"dataRetention"`
}

// keepFor is a retention: a whole number of days, 0 for none of its own.
type keepFor time.Duration

// UnmarshalJSON implements json.Unmarshaler. Clients send numbers as texts too.
func (k *keepFor) UnmarshalJSON(b []byte) error {
	text, err := scalar(b)
	if err != nil || text == "" {
		return err
	}
	n, err := strconv.ParseInt(strings.TrimSuffix(text, ".0"), 10, 64)
	if err != nil || n < 0 || n > maxDays {
		return badRequest("%s is not a whole number of days from 0 to %d", shorten(string(b)), maxDays)
	}
	*k = keepFor(n) * keepFor(day)
	return nil
}

// ensure is the number of the tenant, which is made if need be and if the settings let it.
func (c *call) ensure() (tenant.Num, error) {
	if c.num != 0 {
		return c.num, nil
	}
	var err error
	c.num, err = c.d.o.Store.EnsureTenant(c.ctx, c.tenant)
	return c.num, err
}

// identity is what an id stands for: the identity of the metric that there is, else that of one without identity tags.
func (c *call) identity(typ metricdef.Type, id string) metricdef.Identity {
	if d, ok := c.definition(typ, id); ok {
		return d.Identity
	}
	return metricdef.Identity{Tenant: c.num, Type: typ, Name: id}
}

// typeNamed is the type of that name. The names of rates are known, but no metric has them.
func typeNamed(name string) (metricdef.Type, error) {
	typ, ok := metricdef.ParseType(name)
	switch {
	case ok:
		return typ, nil
	case name == "gauge_rate" || name == "counter_rate":
		return 0, badRequest("Incorrect type param %s", name)
	}
	return 0, badRequest("%s is not a recognized metric type", shorten(name))
}

// typed is the type of a metric that is to be made: that of the path, with which the body must agree, else that of the body.
func (c *call) typed(body *definitionBody) (metricdef.Type, error) {
	if body.Type == "" {
		if c.typ == 0 {
			return 0, badRequest("the type of the metric is missing")
		}
		return c.typ, nil
	}
	typ, err := typeNamed(body.Type)
	if err == nil && c.typ != 0 && typ != c.typ {
		return 0, badRequest("the type %s does not go with the path, which makes metrics of type %s", typ, c.typ)
	}
	return typ, err
}

func (d *Dialect) createMetric(c *call) error {
	var body definitionBody
	if err := c.decode(&body); err != nil {
		return err
	}
	overwrite, err := c.flag("overwrite")
	if err != nil {
		return err
	}
	if strings.TrimSpace(body.ID) == "" {
		return badRequest("the id of the metric is missing")
	}
	typ, err := c.typed(&body)
	if err != nil {
		return err
	}
	if err := c.create(typ, &body, overwrite); err != nil {
		return err
	}
	at := Prefix + "/" + pathOf(typ) + "/" + url.PathEscape(body.ID)
	return c.created(at, "Created %s@%s", c.tenant, body.ID)
}

// create makes a metric as somebody asks for it. One that only data has made becomes it; one that a call has made is a conflict, unless
// it is to be overwritten.
func (c *call) create(typ metricdef.Type, body *definitionBody, overwrite bool) error {
	draft := metricdef.Draft{Identity: metricdef.Identity{Tenant: 1, Type: typ, Name: body.ID}, Plain: body.Tags.set}
	if err := draft.Validate(); err != nil {
		return err // before a tenant is made for it
	}
	if _, err := c.ensure(); err != nil {
		return err
	}
	for range tries {
		draft = metricdef.Draft{Identity: c.identity(typ, body.ID), Dialect: Name, Explicit: true, Retention: time.Duration(body.Retention)}
		var err error
		if draft.Plain, err = plainOf(body.Tags.set, draft.Tags); err != nil {
			return err
		}
		made := c.d.o.Store.CreateDefinitions(c.ctx, []metricdef.Draft{draft})[0]
		switch {
		case made.Err != nil:
			return made.Err
		case !made.Existed:
			return nil
		case made.Explicit && !overwrite:
			return &existsError{body.ID}
		case !overwrite:
			return nil
		}
		u := metricdef.Update{Set: draft.Plain, Replace: true, Retention: &draft.Retention, Explicit: true}
		if err := c.d.o.Store.UpdateDefinition(c.ctx, made.Ref, u); edge.KindOf(err) != edge.NotFound {
			return err
		}
	}
	return &endedError{}
}

// plainOf are the tags that are to be set beside the identity tags of a metric. These keep their values: to set one that it has changes
// nothing, and another one is refused.
func plainOf(set, identity []metricdef.Tag) ([]metricdef.Tag, error) {
	if len(identity) == 0 {
		return set, nil
	}
	var plain []metricdef.Tag
	for _, t := range set {
		i, ok := slices.BinarySearchFunc(identity, t.Name, func(t metricdef.Tag, name string) int { return strings.Compare(t.Name, name) })
		switch {
		case !ok:
			plain = append(plain, t)
		case identity[i].Value != t.Value:
			return nil, &metricdef.IdentityTagError{Tag: t.Name}
		}
	}
	return plain, nil
}

func (d *Dialect) readMetric(c *call) error {
	def, ok := c.definition(c.typ, c.vars["id"])
	if !ok {
		return c.nothing()
	}
	p := lister{c: c, times: true}
	buf := edge.NewBuffer()
	defer buf.Free()
	var err error
	if buf.B, err = p.append(buf.B, &def); err != nil {
		return err
	}
	return c.json(buf.B)
}

// deleteMetric ends a metric with its points, whoever made it. One that there is not is as good as deleted.
func (d *Dialect) deleteMetric(c *call) error {
	n, err := 0, error(nil)
	if ref, ok := c.resolve(c.typ, c.vars["id"]); ok {
		n, err = d.o.Store.DeleteDefinitions(c.ctx, []metricdef.Ref{ref})
	}
	c.detail = map[string]any{"deleted": n}
	if err != nil {
		return err
	}
	return c.done("Deleted %s@%s", c.tenant, c.vars["id"])
}
