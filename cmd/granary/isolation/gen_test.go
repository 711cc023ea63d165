package isolation_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// gen makes requests of one tenant.
type gen struct {
	d   *document
	p   *party
	now time.Time

	foreign int // percent of the names that are the other's
	op      *operation
	depth   int
}

// valid makes a request as the document wants it, with names of things that exist if it knows any.
func (g *gen) valid(op *operation) *request {
	g.op, g.depth = op, 0
	r := &request{op: op.id, method: op.method, target: op.path}
	query := url.Values{}
	for _, p := range op.params {
		if !p.required && !g.wants(p.name) || op.speaksInflux() && (p.name == "u" || p.name == "p") { // with which carry shows who asks
			continue
		}
		switch p.in {
		case "path":
			r.target = strings.ReplaceAll(r.target, "{"+p.name+"}", url.PathEscape(g.text(g.param(p))))
		case "query":
			n := 1
			if p.many {
				n += g.p.rng.IntN(2)
			}
			for range n {
				query.Add(p.name, g.text(g.param(p)))
			}
		}
	}
	if op.speaksHawkular() {
		g.agree(r.target, query)
	}
	if op.speaksGnocchi() {
		g.agreeGnocchi(query)
	}
	if len(query) > 0 {
		r.target += "?" + query.Encode()
	}
	if op.path == "/" {
		r.set("Accept", "text/html")
	}
	if len(op.bodies) > 0 {
		g.fill(r, op.bodies[g.p.rng.IntN(len(op.bodies))])
	}
	if op.speaksGnocchi() && strings.HasPrefix(op.path, "/v1/") && g.p.rng.IntN(5) == 0 {
		r.target = "/gnocchi" + r.target
	}
	return r
}

// wants says whether a parameter that need not be there is. Those that leave little over are rare.
func (g *gen) wants(name string) bool {
	switch name {
	case "cursor", "If-None-Match", "active_within", "idle_for", "regex", "prefix", "selector", "tag", "name", "id", "type", "buckets", "scope":
		return g.p.rng.IntN(6) == 0
	}
	return g.p.rng.IntN(4) == 0
}

func (g *gen) param(p param) any {
	if g.op.speaksHawkular() {
		if v, ok := g.hawkularWord(p.name); ok && p.schema["enum"] == nil {
			return v
		}
	}
	if g.op.speaksGnocchi() {
		return g.gnocchiWord(p)
	}
	if g.op.speaksInflux() {
		if v, ok := g.influxWord(p.name); ok {
			return v
		}
	}
	schema := p.schema
	if p.many {
		schema = g.d.node(schema["items"])
	}
	if _, isText := schema["type"].(string); !isText && schema["oneOf"] == nil && schema["enum"] == nil {
		return g.word(p.name)
	}
	if p.name == "tag" && p.in == "query" {
		return g.condition()
	}
	return g.value(p.name, schema)
}

// text is a value as it stands in an address.
func (g *gen) text(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64)
	default:
		return fmt.Sprint(v)
	}
}

// fill makes a body.
func (g *gen) fill(r *request, m media) {
	r.set("Content-Type", m.name)
	switch {
	case g.op.id == "remoteWrite":
		g.fillRemote(r)
	case g.op.speaksInflux() && strings.Contains(m.name, "form"):
		r.body = url.Values{"q": {g.text(g.param(param{name: "q", schema: map[string]any{}}))}}.Encode()
	case g.op.speaksInflux():
		r.body = g.influxLines()
	case g.op.speaksHawkular():
		r.body = g.hawkularBody(r.target)
	case g.op.speaksGnocchi():
		r.body = g.gnocchiBody(r)
	case g.op.id == "writeLines" || strings.Contains(m.name, "line-protocol") || m.name == "text/plain":
		r.body = g.lines()
	case g.op.id == "freeWindows":
		list := [][]string{{g.word("cluster")}}
		switch g.p.rng.IntN(3) {
		case 0:
			list = [][]string{{}}
		case 1:
			list = append(list, []string{g.word("cluster"), g.pick("host")})
		}
		b, err := json.Marshal(list)
		if err != nil {
			panic(err)
		}
		r.body = string(b)
		r.target = strings.Replace(r.target, "to=", choose(g.p.rng, "to=", "to=9"), 1) // much later
	case strings.Contains(m.name, "ndjson"):
		var b strings.Builder
		for range 1 + g.p.rng.IntN(3) {
			b.WriteString(g.json("", m.schema) + "\n")
		}
		r.body = b.String()
	default:
		r.body = g.json("", m.schema)
	}
}

func (g *gen) json(name string, schema map[string]any) string {
	b, err := json.Marshal(g.value(name, schema))
	if err != nil {
		panic(err)
	}
	return string(b)
}

// value makes a value of a schema. name is that of the parameter or member, by which its meaning is known.
func (g *gen) value(name string, schema map[string]any) any {
	g.depth++
	defer func() { g.depth-- }()
	rng := g.p.rng
	if all, ok := schema["allOf"].([]any); ok {
		out := map[string]any{}
		for _, one := range all {
			if m, ok := g.value(name, g.d.node(one)).(map[string]any); ok {
				maps.Copy(out, m)
			}
		}
		return out
	}
	if one, ok := schema["oneOf"].([]any); ok {
		if v, ok := g.special(name, schema); ok {
			return v
		}
		return g.value(name, g.d.node(one[rng.IntN(len(one))]))
	}
	if c, ok := schema["const"]; ok {
		return c
	}
	if list, ok := schema["enum"].([]any); ok {
		return list[rng.IntN(len(list))]
	}
	typ, _ := schema["type"].(string)
	if list, ok := schema["type"].([]any); ok {
		typ, _ = list[rng.IntN(len(list))].(string)
	}
	if v, ok := g.special(name, schema); ok {
		return v
	}
	switch typ {
	case "null":
		return nil
	case "boolean":
		return rng.IntN(2) == 0
	case "integer", "number":
		return g.number(name, schema)
	case "array":
		n := 1 + rng.IntN(2)
		if g.depth > 8 {
			n = 1
		}
		list := []any{}
		for range n {
			list = append(list, g.value(name, g.d.node(schema["items"])))
		}
		return list
	case "object":
		return g.object(name, schema)
	case "string":
		return g.word(name)
	}
	return g.word(name)
}

func (g *gen) object(name string, schema map[string]any) any {
	out := map[string]any{}
	required, _ := schema["required"].([]any)
	properties, _ := schema["properties"].(map[string]any)
	for _, member := range slices.Sorted(maps.Keys(properties)) {
		need := slices.Contains(required, any(member))
		if !need && (g.p.rng.IntN(100) >= likely(member, len(properties)) || g.depth > 8) {
			continue
		}
		out[member] = g.value(member, g.d.node(properties[member]))
	}
	if more, ok := schema["additionalProperties"].(map[string]any); ok {
		for range 1 + g.p.rng.IntN(2) {
			out[g.word("key of "+name)] = g.value("value of "+name, g.d.node(more))
		}
	}
	return out
}

// likely says in how many of 100 objects a member is that need not be there. One of many is rare, for most of them do not go
// with each other.
func likely(member string, of int) int {
	switch member {
	case "ids", "id":
		return 40
	case "selector", "names", "name":
		return 30
	}
	return min(40, 350/max(of, 1))
}

func (g *gen) number(name string, schema map[string]any) any {
	low, high := 0.0, 1000.0
	if v, ok := schema["minimum"].(float64); ok {
		low, high = v, v+1000
	}
	if v, ok := schema["maximum"].(float64); ok {
		high = v
	}
	switch name {
	case "from", "to", "start", "end", "time":
		return g.now.Add(-time.Duration(g.p.rng.IntN(7200)) * time.Second).Unix()
	case "limit", "top", "series_limit", "buckets", "points":
		high = min(high, 12)
	case "resolution", "back_window":
		high = low
	}
	n := low + float64(g.p.rng.IntN(int(max(high-low, 0))+1))
	if schema["type"] == "integer" {
		return int64(n)
	}
	return n + 0.5
}

// when makes a time near now in one of its forms.
func (g *gen) when() any {
	at := g.now.Add(-time.Duration(g.p.rng.IntN(7200)) * time.Second)
	switch g.p.rng.IntN(5) {
	case 0:
		return "now-" + strconv.Itoa(1+g.p.rng.IntN(90)) + "m"
	case 1:
		return at.Format(time.RFC3339)
	case 2:
		return strconv.FormatInt(at.UnixMilli(), 10)
	case 3:
		return strconv.FormatInt(at.Unix(), 10)
	}
	return strconv.FormatInt(at.UnixNano(), 10)
}

func choose[T any](rng *rand.Rand, list ...T) T { return list[rng.IntN(len(list))] }

// mangle makes something of a request that is wrong in one way or another.
func (g *gen) mangle(r *request) {
	rng := g.p.rng
	path, query, _ := strings.Cut(r.target, "?")
	switch rng.IntN(16) {
	case 0:
		r.method = choose(rng, "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY")
	case 1:
		path += choose(rng, "/", "//", "/.", "/..", "%00", "%2f", "/x", ";a=b", "%", "/%2e%2e")
	case 2:
		path = choose(rng, "/", "//", "/./", "/x/..", "/%2e/") + strings.TrimPrefix(path, "/")
	case 3:
		at := 1 + rng.IntN(len(path))
		path = path[:at] + choose(rng, "%00", "%0a", "\xff", "%e2%80%8b", "A", "'", "\"") + path[at:]
	case 4:
		query += "&" + choose(rng, "x=1", "tenant="+g.p.otherID(), "limit=-1", "limit=99999999999999999999", "cursor=-Q", "scope=service", "all=true", "tenants=*", "tenants="+g.p.otherID(), "times=x", "%zz")
	case 5:
		if at := strings.IndexByte(query, '='); at >= 0 {
			query = query[:at+1] + choose(rng, "", "%00", "%ff", "-1", "1e999", strings.Repeat("a", 3000), "'", "{}", "*", "(((", "[a-", "%F0%9F%92%A9") + "&" + query
		}
	case 6:
		if n := len(r.body); n > 0 {
			r.body = r.body[:rng.IntN(n)]
		}
	case 7:
		if n := len(r.body); n > 0 {
			at := rng.IntN(n)
			r.body = r.body[:at] + choose(rng, "\x00", "\"", "{", "[", ",", "\xff", "\u202e", "1e400", "null", "\\u0000", "\n") + r.body[at:]
		}
	case 8:
		if n := len(r.body); n > 1 {
			at := rng.IntN(n - 1)
			r.body = r.body[:at] + r.body[at+1:]
		}
	case 9:
		r.body = choose(rng, "", "null", "{}", "[]", "true", "\"\"", "0", "[[]]", strings.Repeat("[", 2000), "{\"a\":", `{"ids":[]}`, `{"name":null}`) + r.body
	case 10:
		r.set("Content-Type", choose(rng, "text/plain", "application/json", "application/x-ndjson", "text/html", "x", "application/json; charset=utf-16"))
	case 11:
		r.set("Content-Encoding", choose(rng, "gzip", "zstd", "deflate", "br", "gzip, gzip", "identity"))
	case 12:
		r.set("Accept", choose(rng, "text/csv", "application/x-ndjson", "text/html", "image/png", "*/*;q=0", "application/json"))
	case 13:
		r.set("Tenant", choose(rng, g.p.otherID(), "", "a/b", "..", strings.Repeat("x", 200), g.p.id+" ", strings.ToUpper(g.p.id), "ghost", g.p.id+"\u200b"))
	case 14:
		r.set(choose(rng, "Hawkular-Tenant", "X-Scope-OrgID", "X-Project-Id", "tenant"), choose(rng, g.p.otherID(), g.p.id))
	case 15:
		r.set(choose(rng, "Accept-Encoding", "Range", "If-None-Match", "Expect", "X-Forwarded-For", "X-HTTP-Method-Override"), choose(rng, "gzip", "bytes=0-10", "*", "100-continue", "10.0.0.1", "DELETE"))
	}
	r.target = path
	if query != "" {
		r.target += "?" + strings.NewReplacer(" ", "%20", "\n", "%0a").Replace(query)
	}
}

func (p *party) otherID() string {
	if p.other == nil {
		return "tenant-of-nobody"
	}
	return p.other.id
}
