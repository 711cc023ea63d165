package points

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"granary/measures"
	"granary/metricdef"
)

// node is a JSON value, read by the library alone.
type node struct {
	kind    jsontext.Kind
	raw     string
	text    string
	names   []string
	members []node // or elements
}

func parse(b []byte) (node, bool) {
	d := jsontext.NewDecoder(bytes.NewReader(b), jsontext.AllowDuplicateNames(true))
	n, err := parseNode(d)
	if err == nil {
		_, err = d.ReadToken()
	}
	return n, errors.Is(err, io.EOF)
}

func parseNode(d *jsontext.Decoder) (n node, err error) {
	n.kind = d.PeekKind()
	switch n.kind {
	case '{', '[':
		object := n.kind == '{'
		if _, err = d.ReadToken(); err != nil {
			return n, err
		}
		for d.PeekKind() != '}' && d.PeekKind() != ']' {
			if object {
				t, err := d.ReadToken()
				if err != nil {
					return n, err
				}
				n.names = append(n.names, t.String())
			}
			m, err := parseNode(d)
			if err != nil {
				return n, err
			}
			n.members = append(n.members, m)
		}
		_, err = d.ReadToken()
		return n, err
	}
	v, err := d.ReadValue()
	if n.raw = string(v); err == nil && n.kind == '"' {
		var b []byte
		b, err = jsontext.AppendUnquote(nil, v)
		n.text = string(b)
	}
	return n, err
}

// member is the only member of that name; false if there are several, nil if there is none.
func (n *node) member(name string) (*node, bool) {
	var found *node
	for i, m := range n.names {
		if m == name {
			if found != nil {
				return nil, false
			}
			found = &n.members[i]
		}
	}
	return found, true
}

// model reads a body by the rules, in the plainest way.
type model struct{ rows []string }

func (m *model) body(form string, n node, typ metricdef.Type) bool {
	if n.kind == 'n' || n.kind == '[' && len(n.members) == 0 {
		return true
	}
	switch {
	case form == "one" && n.kind == '[':
		return m.points(typ, "x", n)
	case form == "several" && n.kind == '[':
		return m.metrics(typ, n)
	case form == "mixed" && n.kind == '{':
		for name, typ := range map[string]metricdef.Type{"gauges": 1, "counters": 2, "availabilities": 3, "strings": 4} {
			if _, ok := n.member(name); !ok {
				return false
			}
			_ = typ
		}
		for i, name := range n.names { // in the order of the body
			l := slices.Index(listNames[:], name)
			if kind := n.members[i].kind; l <= 0 && (kind == '[' || kind == '{') {
				return false
			}
			if l > 0 && !m.metrics(listTypes[l], n.members[i]) {
				return false
			}
		}
		return true
	}
	return false
}

func (m *model) metrics(typ metricdef.Type, n node) bool {
	if n.kind == 'n' {
		return true
	}
	if n.kind != '[' {
		return false
	}
	for _, one := range n.members {
		id, ok := one.member("id")
		data, ok2 := one.member("data")
		if !ok || !ok2 || id == nil || data == nil || id.kind != '"' || id.text == "" || len(id.text) > metricdef.MaxText || data.kind != '[' || !m.points(typ, id.text, *data) {
			return false
		}
	}
	return true
}

func number(n *node) (*big.Rat, string, bool) {
	s := n.raw
	if n.kind == '"' {
		s = n.text
	}
	if v := jsontext.Value(s); n.kind != '0' && n.kind != '"' || !v.IsValid() || strings.TrimSpace(s) != s || v.Kind() != '0' {
		return nil, s, false
	}
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		if e, err := strconv.Atoi(s[i+1:]); err != nil || e > 1000 || e < -1000 {
			return nil, s, true
		}
	}
	r, ok := new(big.Rat).SetString(s)
	return r, s, ok
}

func (m *model) points(typ metricdef.Type, id string, n node) bool {
	for _, p := range n.members {
		t, ok := p.member("timestamp")
		v, ok2 := p.member("value")
		tags, ok3 := p.member("tags")
		if !ok || !ok2 || !ok3 || t == nil || v == nil {
			return false
		}
		if t.kind == '"' && t.text != "" && strings.Trim(t.text, "0123456789") == "" {
			t = &node{kind: '0', raw: strings.TrimLeft(t.text[:len(t.text)-1], "0") + t.text[len(t.text)-1:]}
		}
		ms, _, ok := number(t)
		if !ok || ms == nil || !ms.IsInt() || ms.Sign() < 0 || ms.Cmp(new(big.Rat).SetInt64(MaxTime)) > 0 {
			return false
		}
		line := fmt.Sprintf("%v %s %d ", typ, id, ms.Num().Int64()*nanos)
		switch typ {
		case metricdef.Gauge:
			_, s, ok := number(v)
			f, err := strconv.ParseFloat(s, 64)
			if !ok || err != nil {
				return false
			}
			line += fmt.Sprint(f)
		case metricdef.Counter:
			r, _, ok := number(v)
			if !ok || r == nil || !r.IsInt() || !r.Num().IsInt64() {
				return false
			}
			line += r.Num().String()
		case metricdef.Availability:
			if v.kind != '"' || !slices.ContainsFunc([]string{"up", "down", "unknown", "admin"}, func(s string) bool { return strings.EqualFold(s, v.text) }) {
				return false
			}
			line += strings.ToLower(v.text)
			if s, err := metricdef.ParseState(v.text); err == nil {
				line = line[:len(line)-len(strings.ToLower(v.text))] + s.String()
			}
		default:
			s, ok := scalarNode(v)
			if !ok || utf8.RuneCountInString(s) > MaxCharacters || len(s) > measures.DefaultMaxText {
				return false
			}
			line += s
		}
		if tags != nil && tags.kind != 'n' {
			text, ok := modelTags(tags)
			if !ok {
				return false
			}
			line += text
		}
		m.rows = append(m.rows, line)
	}
	return true
}

func scalarNode(n *node) (string, bool) {
	if n.kind == '"' {
		return n.text, true
	}
	return n.raw, n.kind == '0' || n.kind == 't' || n.kind == 'f'
}

func modelTags(n *node) (string, bool) {
	if n.kind != '{' {
		return "", false
	}
	var parts []string
	values := map[string]string{}
	size := 0
	for i, name := range n.names {
		v, ok := scalarNode(&n.members[i])
		if name == "" || !ok && n.members[i].kind != 'n' {
			return "", false
		}
		if n.members[i].kind == 'n' {
			v = ""
		}
		if size += len(name) + len(v) + 1; size > measures.DefaultMaxText {
			return "", false
		}
		if v == "" {
			continue
		}
		if _, twice := values[name]; twice {
			return "", false
		}
		values[name] = v
		parts = append(parts, name)
	}
	slices.Sort(parts)
	for i, name := range parts {
		k, _ := jsontext.AppendQuote(nil, name)
		v, _ := jsontext.AppendQuote(nil, values[name])
		parts[i] = string(k) + ":" + string(v)
	}
	if len(parts) == 0 {
		return "", true
	}
	text := "{" + strings.Join(parts, ",") + "}"
	return " " + text, len(text) <= measures.DefaultMaxText
}

// FuzzPoints holds the decoder against the model: they take the same bodies and read the same points. Nothing takes more memory than
// the body gives reason for.
func FuzzPoints(f *testing.F) {
	for _, s := range []string{
		`[{"id":"a","data":[{"timestamp":1700000000000,"value":1.5},{"value":-2e-1,"timestamp":2}]},{"data":[{ "timestamp" : "3" , "value" : "7" }],"id":"b"}]`,
		`[{"timestamp":1,"value":1.1,"tags":{"y":2,"x":1.0,"b":true,"n":null,"e":"","a":"\u0022"}},{"timestamp":2,"value":2,"tags":null},{"timestamp":"0003","value":-0}]`,
		`{"gauges":[{"id":"a","data":[{"timestamp":1,"value":1}]}],"counters":[{"id":"a","data":[{"timestamp":1,"value":2.0}]}],"availabilities":[{"id":"a","data":[{"timestamp":1,"value":"UP"}]}],"strings":[{"id":"a","data":[{"timestamp":1,"value":"s"}]}],"o":[1]}`,
		`[{"timestamp":4611686018428,"value":9007199254740993},{"timestamp":17e11,"value":1e400}]`,
		`[{"id":"\u0061","id":"b","data":[{"timestamp":1,"value":"up","value":"down"}]},null]`,
		`[{id:'a',data:[{timestamp:1,'value':2}]}]`,
		`[{"timestamp":1,"value":"x"},{"value":"y\n","timestamp":2},{"timestamp":2,"value":12}]`,
	} {
		for kind := range byte(6) {
			f.Add([]byte(s), kind)
		}
	}
	d := NewDecoder(Options{})
	f.Fuzz(func(t *testing.T, b []byte, kind byte) {
		typ, form := metricdef.Type(kind%4+1), []string{"several", "one", "mixed"}[kind/4%3]
		var err error
		switch form {
		case "several":
			err = d.Several(b, typ, nil)
		case "one":
			err = d.One(b, typ, "x", nil)
		default:
			err = d.Mixed(b, nil)
		}
		body := b
		n, valid := parse(body)
		if strict, changed := Strict(b); !valid && changed {
			body = strict
			n, valid = parse(body)
		}
		var m model
		ok := valid && m.body(form, n, typ)
		if ok != (err == nil) {
			t.Fatalf("%q as %s %v: %v, the model says %v", b, form, typ, err, ok)
		}
		if err != nil {
			if len(err.Error()) > 1000 || !utf8.ValidString(err.Error()) && utf8.Valid(b) {
				t.Fatalf("%q", err)
			}
			return
		}
		if got := show(&d.Points); !slices.Equal(trim(got), trim(m.rows)) {
			t.Fatalf("%q as %s %v\n got %q\nwant %q", b, form, typ, got, m.rows)
		}
		if len(d.Times) > len(body)/smallestPoint+1 || len(d.Metrics) > len(body)/smallestPoint+1 {
			t.Fatalf("%d points of %d metrics in %d bytes", len(d.Times), len(d.Metrics), len(body))
		}
	})
}

// trim takes the blank at the end of an empty text away.
func trim(lines []string) []string {
	out := slices.Clone(lines)
	for i := range out {
		out[i] = strings.TrimSpace(strings.TrimSuffix(out[i], "!"))
	}
	return out
}
