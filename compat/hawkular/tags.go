package hawkular

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"granary/api/edge"
	"granary/compat/hawkular/tagql"
	"granary/measures"
	"granary/metricdef"
	"granary/metricdef/match"
	"granary/tenant/identity"
)

func (d *Dialect) tagRoutes() []route {
	routes := []route{
		{method: http.MethodGet, path: "/{type}/{id}/tags", right: identity.Read, serve: d.readTags},
		{method: http.MethodPut, path: "/{type}/{id}/tags", right: identity.Write, serve: d.setTags},
		{method: http.MethodDelete, path: "/{type}/{id}/tags/{names}", right: identity.Write, serve: d.removeTags},
		{method: http.MethodGet, path: "/{type}/tags/{tags}", right: identity.Read, serve: d.tagValues},
		{method: http.MethodGet, path: "/{metrics}/tags/{tags}", right: identity.Read, serve: d.tagValues},
		{method: http.MethodGet, path: "/{metrics}/tags", right: identity.Read, serve: d.tagNames},
	}
	if !d.o.Strict {
		routes = append(routes, route{method: http.MethodPut, path: "/{type}/tags", right: identity.Write, serve: d.setManyTags})
	}
	return routes
}

// tagSet is an object of tags in a body. Numbers, and true and false, are as good as their texts. A tag with an empty value is as good as
// one that is not there: where tags are set it goes away.
type tagSet struct {
	set  []metricdef.Tag // sorted by name, each once
	drop []string
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (t *tagSet) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	*t = tagSet{}
	switch kind := d.PeekKind(); kind {
	case '{':
	case 'n':
		return d.SkipValue()
	default:
		if err := d.SkipValue(); err != nil {
			return err
		}
		return badRequest("expected an object of tags, found %s", kinds[kind])
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return err
		}
		tag := metricdef.Tag{Name: tagql.Stored(name.String())}
		raw, err := d.ReadValue()
		if err != nil {
			return err
		}
		if strings.TrimSpace(tag.Name) == "" {
			return badRequest("the name of a tag is blank")
		}
		if raw.Kind() == 'n' {
			return badRequest("the tag %q has the value null; give it a text, or delete it", shorten(tagql.Shown(tag.Name)))
		}
		if tag.Value, err = scalar(raw); err != nil {
			return badRequest("the tag %q: %v", shorten(tagql.Shown(tag.Name)), err)
		}
		if err := t.put(tag); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

// put sets a tag, over what was said of it before. There are no more than a metric can have.
func (t *tagSet) put(tag metricdef.Tag) error {
	i, has := slices.BinarySearchFunc(t.set, tag.Name, func(t metricdef.Tag, name string) int { return strings.Compare(t.Name, name) })
	k := slices.Index(t.drop, tag.Name)
	switch {
	case !has && k < 0 && len(t.set)+len(t.drop) >= metricdef.MaxTags:
		return badRequest("more than %d tags", metricdef.MaxTags)
	case tag.Value == "" && has:
		t.set = slices.Delete(t.set, i, i+1)
		fallthrough
	case tag.Value == "" && k < 0:
		t.drop = append(t.drop, tag.Name)
	case tag.Value == "":
	case has:
		t.set[i] = tag
	default:
		t.set = slices.Insert(t.set, i, tag)
		if k >= 0 {
			t.drop = slices.Delete(t.drop, k, k+1)
		}
	}
	return nil
}

// over puts what other tags say over these.
func (t *tagSet) over(other *tagSet) error {
	for _, tag := range other.set {
		if err := t.put(tag); err != nil {
			return err
		}
	}
	for _, name := range other.drop {
		if err := t.put(metricdef.Tag{Name: name}); err != nil {
			return err
		}
	}
	return nil
}

func (t *tagSet) empty() bool { return len(t.set)+len(t.drop) == 0 }

func (d *Dialect) readTags(c *call) error {
	def, ok := c.definition(c.typ, c.vars["id"])
	if !ok || len(def.Tags)+len(def.Plain) == 0 {
		return c.emptyMap()
	}
	return c.json(appendTags(nil, &def))
}

// setTags sets tags of a metric beside those that it has, and makes it if need be.
func (d *Dialect) setTags(c *call) error {
	var tags tagSet
	if err := c.decode(&tags); err != nil {
		return err
	}
	if err := c.tag([]tagged{{ID: c.vars["id"], Tags: tags}}); err != nil {
		return err
	}
	return c.done("Updated tags for %s@%s", c.tenant, c.vars["id"])
}

// setManyTags is setTags for several metrics. All of them get their tags, or none does.
func (d *Dialect) setManyTags(c *call) error {
	var list taggedList
	if err := c.decode(&list); err != nil {
		return err
	}
	if err := c.tag(list); err != nil {
		return err
	}
	return c.done("Updated tags for %d items", len(list))
}

// tagged is a metric with tags that it is to get.
type tagged struct {
	ID   string `json:"id"`
	Tags tagSet `json:"tags"`
}

// taggedList is a list of at most maxTagged metrics.
type taggedList []tagged

const maxTagged = 20_000

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (l *taggedList) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	return readList(d, (*[]tagged)(l), maxTagged, "metrics")
}

// itemError names the element of a list that is at fault.
type itemError struct {
	at  int
	id  string
	err error
}

func (e *itemError) Error() string {
	return fmt.Sprintf("element %d, metric %q: %v", e.at, shorten(e.id), e.err)
}
func (e *itemError) Unwrap() error { return e.err }

// inItem says which metric of several an error is about.
func inItem(list []tagged, i int, err error) error {
	if err == nil || len(list) == 1 {
		return err
	}
	return &itemError{i, list[i].ID, err}
}

// tag gives metrics of the type of the path their tags, all of them or none, and makes those that there are not. They count as made by
// a call from then on.
func (c *call) tag(list []tagged) error {
	var items []tagged // each metric once
	at := make(map[string]int, len(list))
	for i := range list {
		item := &list[i]
		if strings.TrimSpace(item.ID) == "" {
			return inItem(list, i, badRequest("the id of the metric is missing"))
		}
		draft := metricdef.Draft{Identity: metricdef.Identity{Tenant: 1, Type: c.typ, Name: item.ID}, Plain: item.Tags.set}
		if err := draft.Validate(); err != nil {
			return inItem(list, i, err)
		}
		if k, ok := at[item.ID]; ok {
			if err := items[k].Tags.over(&item.Tags); err != nil {
				return inItem(list, i, err)
			}
		} else if !item.Tags.empty() {
			at[item.ID] = len(items)
			items = append(items, *item)
		}
	}
	if len(items) == 0 {
		return nil
	}
	if _, err := c.ensure(); err != nil {
		return err
	}
	for range tries {
		if err := c.tagOnce(items); edge.KindOf(err) != edge.NotFound {
			return err
		}
	}
	return &endedError{}
}

// tagOnce is one try of tag. The error is of kind not found if a metric has ended meanwhile.
func (c *call) tagOnce(items []tagged) error {
	var drafts []metricdef.Draft
	var changes []measures.DefinitionUpdate
	var draftOf, changeOf []int // the item of each
	change := func(ref metricdef.Ref, i int, plain []metricdef.Tag) {
		changes = append(changes, measures.DefinitionUpdate{Ref: ref, Update: metricdef.Update{Set: plain, Remove: items[i].Tags.drop, Explicit: true}})
		changeOf = append(changeOf, i)
	}
	at := make(map[metricdef.Ref]int) // a metric may have two ids: its key text, and its name
	for i := range items {
		tags := &items[i].Tags
		def, ok := c.definition(c.typ, items[i].ID)
		k, again := at[def.Ref]
		if ok && again {
			if err := items[changeOf[k]].Tags.over(tags); err != nil {
				return inItem(items, i, err)
			}
			tags = &items[changeOf[k]].Tags
		}
		plain, err := plainOf(tags.set, def.Tags)
		if err != nil {
			return inItem(items, i, err)
		}
		switch {
		case ok && again:
			changes[k].Set, changes[k].Remove = plain, tags.drop
		case ok:
			at[def.Ref] = len(changes)
			change(def.Ref, i, plain)
		default:
			drafts, draftOf = append(drafts, metricdef.Draft{
				Identity: metricdef.Identity{Tenant: c.num, Type: c.typ, Name: items[i].ID}, Dialect: Name, Explicit: true, Plain: plain,
			}), append(draftOf, i)
		}
	}
	var made []metricdef.Ref
	for k, r := range c.d.o.Store.CreateDefinitions(c.ctx, drafts) {
		switch {
		case r.Err != nil:
			return errors.Join(inItem(items, draftOf[k], r.Err), c.unmake(made))
		case r.Existed: // somebody else made it meanwhile
			change(r.Ref, draftOf[k], drafts[k].Plain)
		default:
			made = append(made, r.Ref)
		}
	}
	if i, err := c.d.o.Store.UpdateDefinitions(c.ctx, changes); err != nil {
		if i >= 0 {
			err = inItem(items, changeOf[i], err)
		}
		return errors.Join(err, c.unmake(made))
	}
	return nil
}

// unmake takes back what a request has made that cannot be done as a whole. A metric to which somebody has written meanwhile stays:
// nothing that was acknowledged is lost.
func (c *call) unmake(refs []metricdef.Ref) error {
	if len(refs) == 0 {
		return nil
	}
	_, err := c.d.o.Store.DeleteUnwritten(c.ctx, refs)
	return err
}

// tagValues answers for each tag that a query names the values that it has among the metrics for which the query holds.
func (d *Dialect) tagValues(c *call) error {
	types, err := c.types()
	if err != nil {
		return err
	}
	q, err := c.tagQuery(c.vars["tags"])
	if err != nil {
		return err
	}
	if err := c.enter(); err != nil {
		return err
	}
	found, err := d.o.Definitions.ValuesOf(c.ctx, c.num, q.Names, q.Expr, c.among(types...))
	if err != nil {
		return err
	}
	s := c.stream(typeJSON)
	n := 0
	for i, values := range found {
		if len(values) == 0 {
			continue
		}
		s.B = append(edge.AppendString(append(s.B, "{,"[min(n, 1)]), tagql.Shown(q.Names[i])), ':')
		n++
		for k, v := range values {
			s.B = edge.AppendString(append(s.B, "[,"[min(k, 1)]), v.Value)
			if err = s.Flush(); err != nil {
				return c.endStream(s, err)
			}
		}
		s.B = append(s.B, ']')
	}
	if n == 0 {
		s.Free()
		return c.emptyMap()
	}
	s.B = append(s.B, '}')
	return c.endStream(s, nil)
}

// tagNames answers the names of the tags that metrics have.
func (d *Dialect) tagNames(c *call) error {
	types, err := c.types()
	if err != nil {
		return err
	}
	var only *match.Matcher
	if pattern := c.query.Get("filter"); pattern != "" {
		if only, err = match.Regexp("filter", pattern); err != nil {
			return err
		}
	}
	if err := c.enter(); err != nil {
		return err
	}
	found, err := d.o.Definitions.Tags(c.ctx, c.num, nil, metricdef.TagPage{Among: c.among(types...)})
	if err != nil {
		return err
	}
	buf := edge.NewBuffer()
	defer buf.Free()
	for _, t := range found.Tags {
		if name := tagql.Shown(t.Name); only == nil || only.Match(name) {
			buf.B = edge.AppendString(append(buf.B, "[,"[min(len(buf.B), 1)]), name)
		}
	}
	if len(buf.B) == 0 {
		return c.empty()
	}
	buf.B = append(buf.B, ']')
	return c.json(buf.B)
}
