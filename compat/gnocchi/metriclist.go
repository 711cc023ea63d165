package gnocchi

import (
	"bytes"
	"cmp"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"granary/api/edge"
	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/series"
	"granary/metricdef"
	"granary/metricdef/match"
	"granary/metricdef/resource"
	"granary/tenant"
	"granary/tenant/identity"
)

// metricSearch is a list of metrics on its way.
type metricSearch struct {
	c *call
	page
	keys []resource.SortKey
	// after is the last metric of the page before; nil: there is none.
	after *metric

	// What metrics must have; nil: anything.
	id                          *uuid.UUID
	name, unit, policy, creator *string
	none                        bool // nothing fits
}

// metricKeys are what lists of metrics can be sorted by.
var metricKeys = []string{"id", "name", "unit", "creator", "resource_id", "archive_policy_name", "status"}

// listMetrics answers the metrics that the caller may see in lists.
func (c *call) listMetrics() error {
	s, err := c.metricSearch()
	if err != nil {
		return err
	}
	if err := c.enter(); err != nil {
		return err
	}
	if c.wide() {
		c.d.o.Audit.Wide(c.r, c.id, "metric.list", identity.Everywhere)
	}
	list, err := s.run()
	if err != nil {
		return err
	}
	if n := len(list); n >= s.limit {
		c.next(s.page, s.sort, list[n-1].ID.String())
	}
	buf := edge.NewBuffer()
	defer buf.Free()
	p := c.metrics()
	buf.B = append(buf.B, '[')
	for _, m := range list {
		buf.B = p.item(pyjson.AppendItem(buf.B), &m.Definition)
	}
	buf.B = append(buf.B, ']')
	return c.answer(http.StatusOK, buf.B)
}

// metricSearch reads the parameters of a list of metrics.
func (c *call) metricSearch() (*metricSearch, error) {
	s := &metricSearch{c: c}
	var err error
	if s.page, err = c.page(); err != nil {
		return nil, err
	}
	if len(s.sort) == 0 {
		s.sort = []string{"id:asc"}
	}
	for _, text := range s.sort {
		key, err := sortKey(text)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(metricKeys, key.Attribute) {
			return nil, badSortKey(key.Attribute)
		}
		s.keys = append(s.keys, key)
	}
	if err := s.filters(); err != nil {
		return nil, err
	}
	if s.marker != "" {
		id, ok := parseUUID(s.marker)
		if ok {
			s.after, ok = c.metricByID(id)
		}
		if !ok || !c.lists(s.after) {
			return nil, badMarker(s.marker)
		}
	}
	return s, nil
}

// filters reads what metrics must have.
func (s *metricSearch) filters() error {
	text := func(name string) (*string, error) {
		list := s.c.query[name]
		switch {
		case len(list) > 1:
			return nil, badRequest("Invalid input: expected str for dictionary value @ data['%s']", name)
		case len(list) == 0:
			return nil, nil
		}
		return &list[0], nil
	}
	var id, status, user, project *string
	for name, to := range map[string]**string{"id": &id, "name": &s.name, "unit": &s.unit, "archive_policy_name": &s.policy, "creator": &s.creator,
		"status": &status, "user_id": &user, "project_id": &project} {
		var err error
		if *to, err = text(name); err != nil {
			return err
		}
	}
	if id != nil {
		v, ok := parseUUID(*id)
		if !ok {
			return badRequest("Invalid input: not a valid value for dictionary value @ data['id']")
		}
		s.id = &v
	}
	if status != nil {
		switch *status {
		case "active":
		case "delete": // there is nothing between a metric and its end
			s.none = true
		default:
			return badRequest("Invalid input: not a valid value for dictionary value @ data['status']")
		}
	}
	if user != nil || project != nil {
		var creator string
		if user != nil {
			creator = *user
		}
		creator += ":"
		if project != nil {
			creator += *project
		}
		s.none = s.none || s.creator != nil && *s.creator != creator
		s.creator = &creator
	}
	return nil
}

// lists says whether lists have a metric for the caller. The role service sees of other tenants what it made itself.
func (c *call) lists(m *metric) bool {
	if m.creator == "" && !c.admin && m.tenant != c.home {
		return false
	}
	return c.may(listMetric, &m.object)
}

// fits is the metric of a ref, if it is one of the list, whatever page it is on.
func (s *metricSearch) fits(ref metricdef.Ref) (*metric, bool) {
	m, ok := s.c.metricOf(ref)
	switch {
	case !ok,
		s.id != nil && m.ID != *s.id,
		s.creator != nil && m.Creator != *s.creator,
		s.unit != nil && (m.Unit == "" || m.Unit != *s.unit),
		s.name != nil && (*s.name == "" || shownName(&m.Draft) != *s.name),
		s.policy != nil && s.policyOf(m) != *s.policy,
		!s.c.lists(m):
		return nil, false
	}
	return m, true
}

func (s *metricSearch) policyOf(m *metric) string {
	p := series.PolicyOf(s.c.d.o.Policies, &m.Draft)
	return p.Name
}

// run finds the metrics of the page, in their order.
func (s *metricSearch) run() ([]*metric, error) {
	if s.none {
		return nil, nil
	}
	if s.id != nil {
		ref, ok := s.c.d.o.Definitions.ByID(*s.id)
		if !ok {
			return nil, nil
		}
		return s.pick(func(yield func(metricdef.Ref) bool) { yield(ref) })
	}
	if k := s.keys[0]; k.Attribute == "id" && !k.Desc && s.name == nil && s.crowded() {
		if list, done, err := s.walk(); done || err != nil {
			return list, err
		}
	}
	if s.keys[0].Attribute == "id" && !s.c.wide() {
		return s.search()
	}
	expr, err := s.named()
	if err != nil {
		return nil, err
	}
	var failed error
	list, err := s.pick(func(yield func(metricdef.Ref) bool) {
		for _, t := range s.c.tenants() {
			var refs []metricdef.Ref
			if refs, failed = s.refs(t, expr); failed != nil {
				return
			}
			for _, ref := range refs {
				if !yield(ref) {
					return
				}
			}
		}
	})
	return list, cmp.Or(failed, err)
}

// crowded says whether most of the ids that a walk over all of them passes are of the caller's tenants, so that it is shorter than to look at
// all that these have.
func (s *metricSearch) crowded() bool {
	if s.c.wide() {
		return true
	}
	own := int64(s.c.d.o.Definitions.Count(s.c.num))
	return own*own > int64(s.c.d.o.Definitions.Len())*int64(s.limit)
}

// walk goes over the ids of all tenants in their order. It is not done if it would take long, since few fit: metrics that lie beside each
// other in that order do so nowhere else.
func (s *metricSearch) walk() (list []*metric, done bool, err error) {
	var from uuid.UUID
	if s.after != nil {
		from = s.after.ID
	}
	n, most := 0, 8*s.limit+1024
	for ref := range s.c.d.o.Definitions.AfterID(from) {
		if n++; n%1024 == 0 {
			if err := s.c.ctx.Err(); err != nil {
				return nil, false, err
			}
		}
		if n > most {
			return nil, false, nil
		}
		if m, ok := s.fits(ref); ok {
			if list = append(list, m); len(list) == s.limit {
				break
			}
		}
	}
	return list, true, nil
}

// search lets the registry find the page of a list by id in the caller's home.
func (s *metricSearch) search() ([]*metric, error) {
	if s.c.num == 0 {
		return nil, nil
	}
	expr, err := s.named()
	if err != nil {
		return nil, err
	}
	p := metricdef.Page{Sort: metricdef.ByID, Desc: s.keys[0].Desc, Limit: s.limit, Keep: func(ref metricdef.Ref) bool {
		_, ok := s.fits(ref)
		return ok
	}}
	if s.after != nil {
		p.Behind = s.after.ID
	}
	found, err := s.c.d.o.Definitions.Search(s.c.ctx, s.c.num, expr, p)
	if err != nil {
		return nil, err
	}
	var list []*metric
	for _, ref := range found.Refs {
		if m, ok := s.fits(ref); ok { // it may be gone meanwhile
			list = append(list, m)
		}
	}
	return list, nil
}

// refs are the metrics of a tenant that may have the name that is asked for.
func (s *metricSearch) refs(t tenant.Num, expr match.Expr) ([]metricdef.Ref, error) {
	if expr == nil {
		return s.c.d.o.Definitions.OfTenant(t), nil
	}
	return s.c.d.o.Definitions.Select(s.c.ctx, t, expr)
}

// named is what the definitions have that are seen under the name that is asked for, and some others; nil: no name is asked for.
func (s *metricSearch) named() (match.Expr, error) {
	if s.name == nil {
		return nil, nil
	}
	if !utf8.ValidString(*s.name) {
		return nil, badRequest("name: %q is not UTF-8", *s.name)
	}
	// That of another dialect stands before its tags, and has a slash where "_" is seen.
	name, _, _ := strings.Cut(*s.name, "@")
	pattern := strings.ReplaceAll(regexp.QuoteMeta(name), "_", "[_/]") + "(@.*)?"
	other, err := match.Regexp(match.NameTag, pattern)
	if err != nil {
		return nil, badRequest("name: %v", err)
	}
	return match.Or{match.Equal(metricdef.LabelTag, *s.name), other}, nil
}

// ranked is a metric with the values that it is sorted by.
type ranked struct {
	*metric
	by []nullable
}

// nullable is a text, or none.
type nullable struct {
	text string
	null bool
}

func filled(s string) nullable { return nullable{s, s == ""} }

func (s *metricSearch) rank(m *metric) ranked {
	r := ranked{m, make([]nullable, len(s.keys))}
	for i, k := range s.keys {
		switch k.Attribute {
		case "id":
			r.by[i].text = string(m.ID[:])
		case "name":
			r.by[i] = filled(shownName(&m.Draft))
		case "unit":
			r.by[i] = filled(m.Unit)
		case "creator":
			r.by[i] = filled(m.Creator)
		case "resource_id":
			r.by[i] = nullable{string(m.Resource[:]), m.Resource == uuid.Nil}
		case "archive_policy_name":
			r.by[i].text = s.policyOf(m)
		}
	}
	return r
}

// compare says which of two metrics comes first. Among equals it is the one whose id does.
func (s *metricSearch) compare(a, b ranked) int {
	for i := range s.keys {
		k, x, y := &s.keys[i], a.by[i], b.by[i]
		switch {
		case x.null != y.null:
			first := k.Nulls == resource.NullsFirst || k.Nulls == resource.NullsAsLarge && k.Desc
			if x.null == first {
				return -1
			}
			return 1
		case x.text == y.text:
		case k.Desc:
			return strings.Compare(y.text, x.text)
		default:
			return strings.Compare(x.text, y.text)
		}
	}
	return bytes.Compare(a.ID[:], b.ID[:])
}

// pick takes the metrics of the page out of all that there may be. It holds a few times as many as a page has.
func (s *metricSearch) pick(all func(yield func(metricdef.Ref) bool)) ([]*metric, error) {
	var list []ranked
	cut := func() {
		slices.SortFunc(list, s.compare)
		list = slices.Delete(list, min(s.limit, len(list)), len(list))
	}
	var after *ranked
	if s.after != nil {
		r := s.rank(s.after)
		after = &r
	}
	n, most := 0, 4*s.limit+1024
	var err error
	all(func(ref metricdef.Ref) bool {
		if n++; n%1024 == 0 {
			if err = s.c.ctx.Err(); err != nil {
				return false
			}
		}
		m, ok := s.fits(ref)
		if !ok {
			return true
		}
		if r := s.rank(m); after == nil || s.compare(r, *after) > 0 {
			if list = append(list, r); len(list) >= most {
				cut()
			}
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	cut()
	page := make([]*metric, len(list))
	for i := range list {
		page[i] = list[i].metric
	}
	return page, nil
}
