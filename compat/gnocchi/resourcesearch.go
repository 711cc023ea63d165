package gnocchi

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"granary/api/edge"
	"granary/compat/gnocchi/filter"
	"granary/compat/gnocchi/pyjson"
	"granary/metricdef/resource"
	"granary/tenant"
	"granary/tenant/identity"
)

// listing is what the parameters of a list of resources ask for.
type listing struct {
	page
	details, history bool
	attrs            []string // members that are printed; nil: all
	keys             []resource.SortKey
	after            *resource.Marker
}

// defaultSort is the order of a list of resources that names none.
var defaultSort = []string{"revision_start:asc", "started_at:asc"}

// listing reads the parameters of a list of resources. A list of the history of one resource has former revisions whatever they say.
func (c *call) listing(history bool) (l listing, err error) {
	if l.details, err = c.option("details"); err != nil {
		return l, err
	}
	if l.history, err = c.option("history"); err != nil {
		return l, err
	}
	l.history = l.history || history
	l.attrs = slices.DeleteFunc(slices.Clone(c.query["attrs"]), func(s string) bool { return s == "" })
	if len(l.attrs) == 0 {
		l.attrs = nil
	}
	if l.page, err = c.page(); err != nil {
		return l, err
	}
	if len(l.sort) == 0 {
		l.sort = defaultSort
	}
	for _, s := range l.sort {
		key, err := sortKey(s)
		if err != nil {
			return l, err
		}
		l.keys = append(l.keys, key)
	}
	if l.marker != "" {
		l.after, err = c.resourceMarker(l.marker, l.history)
	}
	return l, err
}

// option is a flag that may be a parameter, or as published a parameter of a media type in Accept.
func (c *call) option(name string) (bool, error) {
	if _, ok := c.query[name]; ok {
		return c.flag(name)
	}
	for _, field := range c.r.Header["Accept"] {
		for one := range strings.SplitSeq(field, ",") {
			_, params, _ := strings.Cut(one, ";")
			for p := range strings.SplitSeq(params, ";") {
				if key, value, _ := strings.Cut(p, "="); strings.EqualFold(strings.TrimSpace(key), name) {
					return parseFlag(name, strings.Trim(strings.TrimSpace(value), `"`))
				}
			}
		}
	}
	return false, nil
}

// directions are the ways to sort by a key.
var directions = map[string]resource.SortKey{
	"":     {},
	"asc":  {},
	"desc": {Desc: true},

	"asc-nullsfirst":  {Nulls: resource.NullsFirst},
	"asc-nullslast":   {Nulls: resource.NullsLast},
	"desc-nullsfirst": {Desc: true, Nulls: resource.NullsFirst},
	"desc-nullslast":  {Desc: true, Nulls: resource.NullsLast},
}

// sortKey reads KEY or KEY:DIRECTION.
func sortKey(text string) (resource.SortKey, error) {
	name, dir, _ := strings.Cut(text, ":")
	key, ok := directions[dir]
	if !ok {
		return key, badPagination("Unknown sort direction, must be one of: asc-nullsfirst, asc-nullslast, desc-nullsfirst, desc-nullslast")
	}
	key.Attribute = name
	return key, nil
}

func badPagination(format string, args ...any) error {
	return badRequest("Invalid pagination: `"+format+"'", args...)
}

func badSortKey(name string) error {
	return badPagination("Sort key supplied is invalid: %s", shorten(name))
}
func badMarker(text string) error { return badPagination("Invalid marker: `%s'", shorten(text)) }

// resourceMarker reads where a page begins: ID or, in the history, ID@REVISION. Behind a comma stands the tenant, where an id alone would not do.
func (c *call) resourceMarker(text string, history bool) (*resource.Marker, error) {
	var m resource.Marker
	rest, owner, ok := strings.Cut(text, ",")
	if ok {
		t, known := c.d.o.Tenants.Lookup(tenant.ID(owner))
		if m.Tenant = t.Num; !known || !c.wide() {
			return nil, badMarker(text)
		}
	}
	if history {
		id, revision, _ := strings.Cut(rest, "@")
		n, err := strconv.Atoi(revision)
		if err != nil {
			return nil, badMarker(text)
		}
		rest, m.Revision = id, n
	}
	if m.ID, ok = parseUUID(rest); !ok {
		return nil, badMarker(text)
	}
	return &m, nil
}

// markerOf is the marker behind a resource.
func (c *call) markerOf(r *resource.Resource, history bool) string {
	text := r.ID.String()
	if history {
		text += "@" + strconv.Itoa(r.Number())
	}
	if c.wide() && len(c.d.o.Resources.Where(r.ID)) > 1 {
		text += "," + string(c.d.o.Tenants.ID(r.Tenant))
	}
	return text
}

// listResources answers the resources of a type.
func (c *call) listResources() error {
	t, err := c.resourceType()
	if err != nil {
		return err
	}
	return c.find(t, nil, listResource)
}

// searchResources answers the resources that a query describes.
func (c *call) searchResources() error {
	t, err := c.resourceType()
	if err != nil {
		return err
	}
	q, err := c.resourceQuery()
	if err != nil {
		return err
	}
	return c.find(t, q, searchResource)
}

// resourceQuery is the query of a request: its body or else its parameter filter, nil if it has neither.
func (c *call) resourceQuery() (filter.Query, error) {
	v, ok, err := c.someJSON()
	if err != nil {
		return nil, err
	}
	if ok {
		q, err := filter.FromJSON(v)
		if err != nil {
			return nil, invalid(err)
		}
		return q, nil
	}
	if text := c.query.Get("filter"); text != "" {
		return filter.Parse(text)
	}
	return nil, nil
}

// find answers the resources of a type that a query describes, and over which the caller may do something by the rules.
func (c *call) find(t *resource.Type, q filter.Query, a action) error {
	l, err := c.listing(false)
	if err != nil {
		return err
	}
	where, err := c.bind(q, t, l.history)
	if err != nil {
		return err
	}
	if c.wide() {
		c.d.o.Audit.Wide(c.r, c.id, "resource.list", identity.Everywhere)
	}
	return c.list(t, &l, resource.Search{Tenants: c.scope(), Where: both(where, c.sight(a))})
}

// scope is the tenants in the caller's sight, as searches take them; nil: all.
func (c *call) scope() []tenant.Num {
	switch {
	case c.wide():
		return nil
	case c.num == 0:
		return []tenant.Num{}
	}
	return []tenant.Num{c.num}
}

// bind is a query as the store takes it.
func (c *call) bind(q filter.Query, t *resource.Type, history bool) (resource.Query, error) {
	if q == nil {
		return nil, nil
	}
	b := filter.Binding{Type: t, History: history, Now: c.now, ID: func(text string) (uuid.UUID, error) { return resourceID(text, c.creator) }}
	return b.Query(q)
}

// both asks for what two queries ask, the first one first; nil asks for nothing.
func both(a, b resource.Query) resource.Query {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return resource.And{a, b}
}

// list answers one page of what a search finds in a type.
func (c *call) list(t *resource.Type, l *listing, q resource.Search) error {
	if err := c.enter(); err != nil {
		return err
	}
	q.Type, q.History, q.Sort, q.After, q.Limit = t.Name, l.history, l.keys, l.after, l.limit
	found, err := c.d.o.Resources.Search(c.ctx, q)
	var marker *resource.MarkerError
	var key *resource.SortError
	switch {
	case errors.As(err, &marker):
		return badMarker(l.marker)
	case errors.As(err, &key):
		return badSortKey(key.Attribute)
	case err != nil:
		return err
	}
	if n := len(found.Resources); n >= l.limit {
		c.next(l.page, l.sort, c.markerOf(&found.Resources[n-1], l.history))
	}
	buf := edge.NewBuffer()
	defer buf.Free()
	p := c.printer(t, l)
	buf.B = append(buf.B, '[')
	for i := range found.Resources {
		buf.B = p.append(pyjson.AppendItem(buf.B), &found.Resources[i])
	}
	buf.B = append(buf.B, ']')
	return c.answer(http.StatusOK, buf.B)
}

// listHistory answers the revisions of a resource.
func (c *call) listHistory() error {
	r, t, err := c.resource(getResource)
	if err != nil {
		return err
	}
	l, err := c.listing(true)
	if err != nil {
		return err
	}
	one := &resource.Compare{Attribute: "id", Op: resource.Eq, Values: []resource.Operand{{Value: resource.UUIDValue(r.ID)}}}
	return c.list(t, &l, resource.Search{Tenants: []tenant.Num{r.Tenant}, Where: one})
}
