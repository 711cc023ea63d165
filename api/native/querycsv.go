package native

import (
	"slices"
	"strconv"
	"strings"

	"granary/measures/query"
	"granary/metricdef"
)

// csvPrinter prints a row a point (RFC 4180): query, id, name, tags, time, value, and the tags of the point if they are asked
// for. Rows of groups have no id and no name. A point without a value has an empty one.
type csvPrinter struct {
	q    *asked
	head []byte // the columns of a frame that are the same in all its rows
}

func (p *csvPrinter) pointTags() bool {
	for i := range p.q.queries {
		if p.q.queries[i].spec.PointTags {
			return true
		}
	}
	return false
}

func (p *csvPrinter) begin(b []byte) []byte {
	b = append(b, "query,id,name,tags,time,value"...)
	if p.pointTags() {
		b = append(b, ",point_tags"...)
	}
	return append(b, '\r', '\n')
}

func (p *csvPrinter) frame(b []byte, name string, f *query.Frame, d *metricdef.Definition) []byte {
	h := append(appendField(p.head[:0], name), ',')
	if d != nil {
		h = append(append(h, d.ID.String()...), ',')
		h = append(appendField(h, d.Name), ',')
		h = appendField(h, tagText(d.Tags, d.Plain))
	} else {
		h = append(h, ",,"...)
		h = appendField(h, tagText(f.Group))
	}
	p.head = append(h, ',')
	withTags := p.pointTags()
	for i := range f.Len() {
		if i%spillPoints == spillPoints-1 {
			b = p.q.spill(b)
		}
		b = append(b, p.head...)
		at := len(b)
		b = p.q.format.Append(b, f.Time(i))
		if b[at] == '"' { // a text needs no quotes here
			b = append(b[:at], b[at+1:len(b)-1]...)
		}
		b = append(b, ',')
		if f.Has(i) {
			b = p.value(b, f, i)
		}
		if withTags {
			b = append(b, ',')
			if i < len(f.Tags) {
				b = appendField(b, f.Tags[i])
			}
		}
		b = append(b, '\r', '\n')
	}
	return b
}

func (p *csvPrinter) end(b []byte, _ *asked) []byte { return b }

func (p *csvPrinter) value(b []byte, f *query.Frame, i int) []byte {
	switch f.Kind {
	case metricdef.KindInt:
		return strconv.AppendInt(b, f.Ints[i], 10)
	case metricdef.KindState:
		return append(b, stateName(f.Values[i])...)
	case metricdef.KindText:
		return appendField(b, f.Texts[i])
	}
	at := len(b)
	b = (&jsonPrinter{q: p.q}).value(b, f, i)
	if b[at] == '"' { // NaN and infinities
		b = append(b[:at], b[at+1:len(b)-1]...)
	}
	return b
}

// tagText is the text of tags as in the key of a metric, without braces: host="a",rack="r1".
func tagText(lists ...[]metricdef.Tag) string {
	var all []metricdef.Tag
	for _, list := range lists {
		all = append(all, list...)
	}
	if len(all) == 0 {
		return ""
	}
	slices.SortFunc(all, func(a, b metricdef.Tag) int { return strings.Compare(a.Name, b.Name) })
	key := string(metricdef.AppendKey(nil, "", all))
	return strings.TrimSuffix(strings.TrimPrefix(key, "{"), "}")
}

// appendField appends a field, in quotes if it must be.
func appendField(b []byte, s string) []byte {
	if !strings.ContainsAny(s, "\",\r\n") && s == strings.TrimSpace(s) {
		return append(b, s...)
	}
	b = append(b, '"')
	for {
		i := strings.IndexByte(s, '"')
		if i < 0 {
			break
		}
		b = append(append(b, s[:i]...), '"', '"')
		s = s[i+1:]
	}
	return append(append(b, s...), '"')
}
