package hawkular

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"granary/metricdef"
)

// modelMetric is a metric as a client knows it.
type modelMetric struct {
	typ    metricdef.Type
	id     string
	own    bool // made by a client of Hawkular's or Mohawk's
	fixed  int  // so many of the tags, sorted, are of its identity
	tags   map[string]string
	points int // 0 to 3, at distinct times; their values are serial, serial+1, …
	serial int
}

// tagModel asks a dialect and an oracle the same.
type tagModel struct {
	*stored
	t       *testing.T
	rng     *rand.Rand
	own     bool
	metrics []*modelMetric // in the order in which they were made
	found   int            // metrics, by all queries together
	refused int            // queries
}

var (
	modelTypes  = []metricdef.Type{metricdef.Gauge, metricdef.Counter, metricdef.Availability, metricdef.String}
	modelNames  = []string{"a", "b", "host", "a.b", "x_1", "In2", "__name__", "sp ace", "c,d", "e:f", "p%q"}
	modelValues = []string{
		"a", "b", "ab", "abc", "aab", "a.b", "axb", "web1", "web2", "db1", "A B", "x/y", "ü", "a+b", "a b", "a,b", "a:b", "100%", "*", "!a", "a|b", "new\nline", ".", "or", "'", `back\slash`,
	}
	modelPatterns = []string{
		"*", ".*", ".+", "a*", "a?b?", "a.b", "a|b", "a|ab|web1", "web.*", "web[12]", "[^a]*", "(a|b)+", "^a$", "a$|^b", "web\\d", "a\\.b", "!a", "", "(?i)WEB1", ".", "..", "x|", "*a", "(", "[", "a{2}b", "a**", "(?=a)", "web1|web2|db1",
		".*1", "a.*b", "[ab]|web.*", `\Qa.b\E`, "a+b", "(?:)", "b|.*x.*",
	}
	modelSoup = []string{
		"a", "b", "host", "a.b", "web1", "'web1'", "'a b'", "'*'", "'web.*'", "=", "!=", "~", "!~", "in", "NOT", "and", "Or", "(", ")", "[", "]", ",", ":", "!", "*", "a:*", "host:web.*", "%2C", "%", "+", "|", "'", "?", "ü", "x", "not in", "a = a", "b ~ '.'",
	}
)

func pick[T any](rng *rand.Rand, list []T) T { return list[rng.IntN(len(list))] }

// populate makes metrics of all types, by this dialect and by another, for tenant "t", and for a neighbour the same with other values.
func (m *tagModel) populate(n int) {
	now := testNow.UnixMilli()
	for i := range n {
		c := &modelMetric{typ: pick(m.rng, modelTypes), id: fmt.Sprint("m", i), own: m.rng.IntN(4) > 0, tags: map[string]string{}, points: m.rng.IntN(4), serial: 10 * i}
		d := metricdef.Draft{Identity: metricdef.Identity{Type: c.typ, Name: c.id}, Dialect: Name}
		if !c.own {
			d.Dialect = "native"
			value := pick(m.rng, []string{"a", "web1", "web2"})
			d.Tags, c.tags["host"], c.fixed = []metricdef.Tag{{Name: "host", Value: value}}, value, 1
			c.id += `{host="` + value + `"}`
		}
		for range m.rng.IntN(4) {
			name := pick(m.rng, modelNames)
			if _, has := c.tags[name]; has || name == "__name__" {
				continue
			}
			c.tags[name] = pick(m.rng, modelValues)
			d.Plain = append(d.Plain, metricdef.Tag{Name: name, Value: c.tags[name]})
		}
		slices.SortFunc(d.Plain, func(a, b metricdef.Tag) int { return strings.Compare(a.Name, b.Name) })
		var points []sample
		for k := range c.points {
			s := sample{at: now - 1000*int64(1+k)}
			switch v := c.serial + k; c.typ {
			case metricdef.Gauge:
				s.value = float64(v)
			case metricdef.Counter:
				s.value = v
			case metricdef.Availability:
				s.value = metricdef.Up
			default:
				s.value = strconv.Itoa(v)
			}
			points = append(points, s)
		}
		m.writeAs("t", d, points...)
		if d.Tags = nil; len(points) > 0 {
			m.writeAs("neighbour", d, sample{at: now - 500, value: points[0].value})
		}
		m.metrics = append(m.metrics, c)
	}
}

// change does to some metrics what clients do to them, through the routes.
func (m *tagModel) change() {
	for i := len(m.metrics) - 1; i >= 0; i-- {
		c := m.metrics[i]
		path := "/" + pathOf(c.typ) + "/" + url.PathEscape(c.id)
		switch name := pick(m.rng, modelNames); m.rng.IntN(8) {
		case 0:
			m.must("DELETE", path, "")
			m.metrics = slices.Delete(m.metrics, i, i+1)
		case 1:
			if c.fixed > 0 && name == "host" {
				continue
			}
			c.tags[name] = pick(m.rng, modelValues)
			body, _ := json.Marshal(map[string]string{name: c.tags[name]})
			m.must("PUT", path+"/tags", string(body))
		case 2:
			if c.fixed > 0 && name == "host" || strings.ContainsAny(name, ",:%") {
				continue
			}
			delete(c.tags, name)
			m.must("DELETE", path+"/tags/"+url.PathEscape(name), "")
		}
	}
}

func (m *tagModel) must(method, path, body string) {
	m.t.Helper()
	if w := m.send(method, path, body, "Hawkular-Tenant", "t"); w.Code != 200 {
		m.t.Fatalf("%s %s %s: %d %s", method, path, body, w.Code, w.Body)
	}
}

// query makes a text: an expression, a list, or tokens in any order.
func (m *tagModel) query() string {
	rng := m.rng
	switch rng.IntN(5) {
	case 0, 1:
		return m.expression(rng.IntN(4))
	case 2, 3:
		var terms []string
		for range 1 + rng.IntN(3) {
			name, value := pick(rng, modelNames), pick(rng, modelValues)
			if rng.IntN(2) == 0 {
				value = pick(rng, modelPatterns)
			}
			switch rng.IntN(4) {
			case 0: // as it is
			case 1:
				value = url.QueryEscape(value)
			default:
				name, value = url.PathEscape(name), url.PathEscape(value)
			}
			terms = append(terms, pick(rng, []string{"", "", "", "!"})+name+":"+pick(rng, []string{"", "", "", "!"})+value)
		}
		return strings.Join(terms, ",") + pick(rng, []string{"", "", "", "", ","})
	}
	var b strings.Builder
	for range 1 + rng.IntN(6) {
		b.WriteString(pick(rng, modelSoup) + pick(rng, []string{"", " "}))
	}
	return b.String()
}

func (m *tagModel) expression(depth int) string {
	rng := m.rng
	if depth > 0 {
		word := pick(rng, []string{"AND", "and", "OR", "or", "Or"})
		left, right := m.expression(depth-1), m.expression(depth-1)
		if rng.IntN(2) == 0 {
			right = "(" + right + ")"
		}
		if rng.IntN(3) == 0 {
			left = "( " + left + " )"
		}
		return left + " " + word + " " + right
	}
	value := func(list []string) string {
		v := pick(rng, list)
		if oracleBare.MatchString(v) && rng.IntN(2) == 0 {
			return v
		}
		return "'" + v + "'"
	}
	space := func() string { return pick(rng, []string{"", " ", "  "}) }
	key := pick(rng, modelNames[:7])
	switch rng.IntN(8) {
	case 0:
		return key
	case 1:
		return pick(rng, []string{"NOT ", "not "}) + key
	case 2, 3:
		return key + space() + pick(rng, []string{"=", "!="}) + space() + value(modelValues)
	case 4, 5:
		return key + space() + pick(rng, []string{"~", "!~"}) + space() + value(modelPatterns)
	}
	var list []string
	for range 1 + rng.IntN(3) {
		list = append(list, value(pick(rng, [][]string{modelValues, modelPatterns})))
	}
	return key + pick(rng, []string{" IN ", " in ", " NOT IN ", " not In "}) + "[" + strings.Join(list, space()+","+space()) + "]"
}

// TestTagQueriesModel asks random queries of both forms, in both modes, on every route that takes one, and compares the answers with those of
// an oracle that asks every metric. Between the rounds the tags change.
func TestTagQueriesModel(t *testing.T) {
	rounds, queries := 3, 100
	if testing.Short() {
		rounds, queries = 2, 20
	}
	found, refused := 0, 0
	for i, mode := range []struct{ strict, own bool }{{false, false}, {true, false}, {false, true}} {
		m := &tagModel{t: t, rng: rand.New(rand.NewPCG(5, uint64(i))), own: mode.own}
		m.stored = newStored(t, mode.strict, func(o *Options) { o.Own = mode.own })
		m.populate(120)
		for range rounds {
			for range queries {
				m.compare(m.query())
			}
			for _, filter := range append([]string{""}, modelPatterns...) {
				m.compareNames(filter)
			}
			m.change()
		}
		found, refused = found+m.found, refused+m.refused
	}
	if !testing.Short() && (found < 1000 || refused < 100) {
		t.Errorf("%d metrics were found, %d queries were refused: the queries try too little", found, refused)
	}
}

// compare asks one query on every route.
func (m *tagModel) compare(text string) {
	m.t.Helper()
	o, err := readOracle(text, m.o.Strict)
	typ := pick(m.rng, modelTypes)
	all, of := m.matching(o, 0), m.matching(o, typ)
	if m.found += len(all); err != nil {
		m.refused++
	}
	tags, path := "tags="+url.QueryEscape(text), url.PathEscape(text)
	body := func(more string) string {
		quoted, _ := json.Marshal(text)
		return `{"tags":` + string(quoted) + more + `}`
	}
	span := fmt.Sprintf("&start=%d&end=%d&buckets=1", testNow.UnixMilli()-100_000, testNow.UnixMilli())
	spanBody := fmt.Sprintf(`,"start":%d,"end":%d,"buckets":1`, testNow.UnixMilli()-100_000, testNow.UnixMilli())
	ask := func(method, path, body string, read func(text []byte) string, want string) {
		m.t.Helper()
		w := m.send(method, path, body, "Hawkular-Tenant", "t")
		got := "?"
		switch {
		case w.Code == 200:
			got = read(w.Body.Bytes())
		case w.Code == 204 && m.o.Strict:
			got = ""
		case w.Code == 400 && strings.Contains(w.Body.String(), `{"errorMsg":`):
			got = "refused"
		}
		if err != nil {
			want = "refused"
		}
		if got != want {
			m.t.Fatalf("strict %v, own %v, %q:\n%s %s %s\n%d %.300s\n got %.300s\nwant %.300s", m.o.Strict, m.own, text, method, path, body, w.Code, w.Body, got, want)
		}
	}
	ask("GET", "/metrics?"+tags, "", readIDs, idsOf(all))
	ask("GET", "/"+pathOf(typ)+"?"+tags, "", readIDs, idsOf(of))
	some := slices.DeleteFunc(slices.Clone(of), func(c *modelMetric) bool { return !strings.HasPrefix(c.id, "m1") })
	ask("GET", "/m?"+tags+"&id=m1.*&type="+typ.String(), "", readIDs, idsOf(some))
	ask("GET", "/metrics/tags/"+path, "", readValues, valuesOf(o, all))
	ask("GET", "/m/tags/"+path+"?type="+typ.String(), "", readValues, valuesOf(o, of))
	ask("GET", "/"+pathOf(typ)+"/tags/"+path, "", readValues, valuesOf(o, of))
	ask("GET", "/"+pathOf(typ)+"/tags/"+path+"/raw", "", readData, dataOf(of))
	ask("POST", "/"+pathOf(typ)+"/raw/query", body(""), readData, dataOf(of))
	for _, typ := range []metricdef.Type{metricdef.Gauge, metricdef.Counter} {
		of := m.matching(o, typ)
		ask("GET", "/"+pathOf(typ)+"/stats?"+tags+span, "", readPooled, pooledOf(of))
		ask("POST", "/"+pathOf(typ)+"/stats/query", body(spanBody), readPooled, pooledOf(of))
		ask("POST", "/"+pathOf(typ)+"/rate/query", body(""), readData, ratesOf(of))
	}
	ask("POST", "/m/stats/query", body(spanBody), readGeneric, genericOf(all))
	if !m.o.Strict {
		ask("GET", "/exports?"+tags, "", readExports, exportedOf(all))
		spanBody = strings.ReplaceAll(spanBody, `"buckets":1`, `"bucketDuration":"100s"`)
		for _, typ := range []metricdef.Type{metricdef.Gauge, metricdef.Counter} {
			ask("POST", "/"+pathOf(typ)+"/stats/query", body(spanBody), readData, eachOf(m.matching(o, typ)))
		}
	}
}

// compareNames asks for the names of tags.
func (m *tagModel) compareNames(filter string) {
	m.t.Helper()
	typ := pick(m.rng, append([]metricdef.Type{0}, modelTypes...))
	path := "/m/tags?filter=" + url.QueryEscape(filter)
	if typ != 0 {
		path += "&type=" + typ.String()
	}
	w := m.send("GET", path, "", "Hawkular-Tenant", "t")
	fits, err := func(string) bool { return true }, error(nil)
	if filter != "" {
		fits, err = oraclePattern(filter)
	}
	if filter == "*" || err != nil { // a star alone is no expression here
		if w.Code != 400 {
			m.t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		return
	}
	var want, got []string
	for _, c := range m.matching(&oracle{holds: func(map[string]string) bool { return true }}, typ) {
		for name := range c.tags {
			if fits(name) {
				want = append(want, name)
			}
		}
	}
	slices.Sort(want)
	want = slices.Compact(want)
	if w.Code == 200 {
		got = read[[]string](m.t, w)
		slices.Sort(got)
	}
	if !slices.Equal(got, want) || w.Code == 204 != (m.o.Strict && len(want) == 0) {
		m.t.Fatalf("%s: %d %q, want %q", path, w.Code, got, want)
	}
}

// matching are the metrics of a type, or of all, for which the query holds.
func (m *tagModel) matching(o *oracle, typ metricdef.Type) (list []*modelMetric) {
	for _, c := range m.metrics {
		if o != nil && (typ == 0 || c.typ == typ) && (c.own || !m.own) && o.holds(c.tags) {
			list = append(list, c)
		}
	}
	return list
}

// TestTaggedStatsModel compares the statistics of points by their tags with those that an oracle makes of every point.
func TestTaggedStatsModel(t *testing.T) {
	found := 0
	for i, strict := range []bool{false, true} {
		m := &tagModel{t: t, stored: newStored(t, strict), rng: rand.New(rand.NewPCG(6, uint64(i)))}
		var points []sample
		var tags []map[string]string
		for k := range 80 {
			own := map[string]string{}
			for range m.rng.IntN(4) {
				own[pick(m.rng, modelNames)] = pick(m.rng, modelValues)
			}
			text, _ := json.Marshal(own)
			points = append(points, sample{testNow.UnixMilli() - 1000 - int64(k), float64(k), string(text)})
			if tags = append(tags, own); len(own) == 0 {
				points[k].tags = ""
			}
		}
		m.write(metricdef.Gauge, "g", nil, points...)
		for range 200 {
			text := m.query()
			path := "/gauges/g/stats/tags/" + url.PathEscape(text)
			w := m.send("GET", path, "", "Hawkular-Tenant", "t")
			o, err := readOracle(text, strict)
			if err != nil {
				if w.Code != 400 {
					t.Errorf("%s: %d %s", text, w.Code, w.Body)
				}
				continue
			}
			want := map[string]modelBucket{}
			for k, own := range tags {
				if !o.holds(own) {
					continue
				}
				var key []string
				for _, name := range slices.Sorted(slices.Values(o.names)) {
					if own[name] != "" {
						key = append(key, name+":"+own[name])
					}
				}
				b := &modelMetric{points: 1, serial: k}
				group := strings.Join(key, ",")
				want[group] = want[group].with(bucketOf(b))
			}
			got := map[string]modelBucket{}
			if w.Code == 200 {
				got = read[map[string]modelBucket](t, w)
			}
			if found += len(want); fmt.Sprint(got) != fmt.Sprint(want) || w.Code == 204 != (strict && len(want) == 0) {
				t.Errorf("strict %v, %s: %d\n got %v\nwant %v", strict, text, w.Code, got, want)
			}
		}
	}
	if found < 500 {
		t.Errorf("%d groups: the queries try too little", found)
	}
}
