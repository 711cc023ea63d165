package hawkular

import (
	"net/url"
	"slices"
	"strings"

	"github.com/gorilla/mux"

	"granary/api/edge"
	"granary/compat/hawkular/tagql"
	"granary/metricdef"
)

// removeTags takes tags away from a metric; with a name may stand a value, which does not count.
func (d *Dialect) removeTags(c *call) error {
	def, ok := c.definition(c.typ, c.vars["id"])
	names, err := c.meant(def.Ref)
	if err != nil {
		return err
	}
	if ok {
		// The store has its locks while it looks for them.
		names = slices.DeleteFunc(names, func(name string) bool { return d.o.Definitions.Tag(def.Ref, name) == "" })
		err := d.o.Store.UpdateDefinition(c.ctx, def.Ref, metricdef.Update{Remove: names})
		if err != nil && edge.KindOf(err) != edge.NotFound {
			return err
		}
	}
	return c.done("Deleted tags for %s@%s", c.tenant, c.vars["id"])
}

// meant are the names of the tags that the path says are to go from a metric. What stands between two commas that are not escaped is one
// tag if the metric has a tag of that name, or of that name and value: clients escape what is in them, commas too, and do not mean the
// tags of which they are made. All else is a list, also if it is escaped as a whole, as Hawkular reads it.
func (c *call) meant(ref metricdef.Ref) ([]string, error) {
	var names, rest []string
	for part := range strings.SplitSeq(mux.Vars(c.r)["names"], ",") {
		text, err := url.PathUnescape(part)
		if err != nil {
			return nil, badRequest("the path cannot be read: %v", err)
		}
		if name := c.named(ref, text); name != "" {
			names = append(names, name)
		} else {
			rest = append(rest, text)
		}
	}
	if len(rest) == 0 {
		return names, nil
	}
	listed, err := tagql.Names(strings.Join(rest, ","), c.lists())
	return append(names, listed...), err
}

// named is the name of the tag of a metric that a text is, or that a text is with its value behind a colon; "" if it has none.
func (c *call) named(ref metricdef.Ref, text string) string {
	if name := tagql.Stored(text); c.d.o.Definitions.Tag(ref, name) != "" {
		return name
	}
	for i := range text {
		if text[i] != ':' || i+1 == len(text) {
			continue
		}
		if name := tagql.Stored(text[:i]); c.d.o.Definitions.Tag(ref, name) == text[i+1:] {
			return name
		}
	}
	return ""
}
