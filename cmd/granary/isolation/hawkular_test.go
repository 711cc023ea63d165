package isolation_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// speaksHawkular says whether an operation is one of Hawkular's, whose words mean other things than those of the native API.
func (o *operation) speaksHawkular() bool { return strings.HasPrefix(o.path, "/hawkular") }

// hawkularWord is a parameter or member by what it means there.
func (g *gen) hawkularWord(name string) (any, bool) {
	rng := g.p.rng
	switch name {
	case "id", "ids":
		if g.op.path == "/hawkular/metrics/metrics" && g.op.method == "GET" {
			return choose(rng, g.pick("hawkular"), g.pick("hawkular")+"|"+g.pick("hawkular"), ".*"), true
		}
		return g.pick("hawkular"), true
	case "tenant":
		return choose(rng, g.p.id, g.p.otherID(), "ghost", g.fresh("tenant")), true
	case "tags":
		if strings.HasSuffix(g.op.path, "/{id}/tags/{tags}") { // names
			return choose(rng, g.pick("tag"), g.pick("tag")+","+g.pick("tag")+":x"), true
		}
		return g.tagQuery(), true
	case "filter":
		return choose(rng, ".*", "t_.*", g.pick("tag")), true
	case "start":
		return g.hawkularTime(7200, 3600), true
	case "end":
		return g.hawkularTime(1800, 0), true
	case "bucketDuration":
		return choose(rng, "5mn", "600s", "1h"), true
	case "percentiles":
		return choose(rng, "50", "90,99.9"), true
	case "metrics":
		return g.pick("hawkular"), true
	case "order":
		return choose(rng, "ASC", "desc"), true
	case "threshold":
		return g.sample(), true
	case "limit":
		return rng.IntN(9), true
	case "state":
		return choose(rng, "T", "F"), true
	}
	return nil, false
}

// hawkularTime is a time from so many seconds ago to so many.
func (g *gen) hawkularTime(most, least int) any {
	ago := least + g.p.rng.IntN(most-least)
	if g.p.rng.IntN(2) == 0 {
		return "-" + strconv.Itoa(ago) + "s"
	}
	return strconv.FormatInt(g.now.Add(-time.Duration(ago)*time.Second).UnixMilli(), 10)
}

// tagQuery is a query over tags in one of the two languages.
func (g *gen) tagQuery() string {
	rng := g.p.rng
	tag, value := g.pick("tag"), g.pick("tagvalue")
	switch rng.IntN(7) {
	case 0:
		return tag + ":*"
	case 1:
		return tag + ":" + value + "," + g.pick("tag") + ":.*"
	case 2:
		return tag
	case 3:
		return tag + " ~ 'h.*' OR " + g.pick("tag") + " = '" + value + "'"
	case 4:
		return "NOT " + tag
	case 5:
		return "!" + tag + ":x"
	}
	return tag + ":" + value
}

// agree makes the parameters of a request go with each other: it takes some away that do not go with others, and adds one that is needed.
func (g *gen) agree(target string, query url.Values) {
	rng := g.p.rng
	stats := strings.Contains(g.op.path, "/stats") || g.op.id == "hawkularRateOld" || g.op.id == "hawkularDataOfSeveral"
	if query.Get("fromEarliest") == "true" {
		query.Del("start")
		query.Del("end")
	}
	buckets, duration := query.Has("buckets"), query.Has("bucketDuration")
	switch {
	case g.op.id == "hawkularTaggedStats":
	case stats && !buckets && !duration || buckets && duration:
		query.Del("buckets")
		query.Set("bucketDuration", choose(rng, "5mn", "1h"))
	}
	if g.op.id == "hawkularRaw" && !strings.Contains(target, "/gauges/") && !strings.Contains(target, "/counters/") {
		query.Del("bucketDuration")
	}
	if strings.HasSuffix(g.op.path, "/{id}/data") && (buckets || duration) {
		query.Del("limit")
		query.Del("order")
		if buckets && duration {
			query.Del("buckets")
		}
	}
	if stats && !strings.Contains(g.op.path, "/{id}/") {
		if rng.IntN(2) == 0 {
			query.Del("tags")
			query.Set("metrics", g.pick("hawkular"))
		} else {
			query.Del("metrics")
			query.Set("tags", g.tagQuery())
		}
	}
	if g.op.id == "hawkularMetrics" && query.Has("id") && !query.Has("tags") {
		query.Set("type", choose(rng, "gauge", "counter"))
	}
	if g.op.id == "hawkularDeleteRaw" {
		query.Set("start", "-2h")
		query.Set("end", "-"+strconv.Itoa(1+rng.IntN(90))+"mn")
	}
}

// hawkularBody is the body of a request.
func (g *gen) hawkularBody(target string) string {
	rng := g.p.rng
	typ := "gauge"
	for element, name := range map[string]string{"/counters": "counter", "/availability": "availability", "/strings": "string"} {
		if strings.HasPrefix(target, "/hawkular/metrics"+element) {
			typ = name
		}
	}
	var v any
	switch id := g.op.id; id {
	case "hawkularCreateTenant":
		v = map[string]any{"id": choose(rng, g.p.id, g.fresh("tenant")), "retentions": map[string]any{choose(rng, "gauge", "string"): 1 + rng.IntN(30)}}
	case "hawkularCreate", "hawkularCreateMetric":
		if id == "hawkularCreateMetric" {
			typ = choose(rng, "gauge", "counter", "availability", "string")
		}
		v = map[string]any{"id": g.hawkularNew(), "type": typ, "tags": g.hawkularTags(), "dataRetention": 1 + rng.IntN(30)}
	case "hawkularSetTags":
		v = g.hawkularTags()
	case "hawkularSetTagsOfMany":
		v = []any{map[string]any{"id": g.hawkularNew(), "tags": g.hawkularTags()}, map[string]any{"id": g.pick("hawkular"), "tags": g.hawkularTags()}}
	case "hawkularWriteMixed":
		v = map[string]any{"gauges": g.hawkularSeries("gauge"), choose(rng, "counters", "availabilities", "strings"): []any{}}
		if rng.IntN(2) == 0 {
			v = map[string]any{"counters": g.hawkularSeries("counter"), "strings": g.hawkularSeries("string")}
		}
	case "hawkularWrite", "hawkularWriteData", "hawkularWriteAvailabilityData":
		v = g.hawkularSeries(typ)
	case "hawkularWriteOne", "hawkularWriteOneData", "hawkularWriteOneAvailabilityData":
		v = g.hawkularPoints(typ)
	case "hawkularStatsBatch":
		v = map[string]any{g.pick("text"): g.hawkularQuery("hawkularStatsOfTypes"), "b": g.hawkularQuery("hawkularStatsOfTypes")}
	default:
		v = g.hawkularQuery(id)
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// hawkularQuery is a query in a body.
func (g *gen) hawkularQuery(op string) map[string]any {
	rng := g.p.rng
	q := map[string]any{"start": g.hawkularTime(7200, 3600)}
	if rng.IntN(3) == 0 {
		q["end"] = g.hawkularTime(1800, 0)
	}
	if rng.IntN(6) == 0 {
		q = map[string]any{"fromEarliest": true}
	}
	ids := []any{g.pick("hawkular"), g.pick("hawkular")}
	switch n := rng.IntN(3); {
	case n == 0:
		q["tags"] = g.tagQuery()
	case strings.HasSuffix(op, "Query") && op != "hawkularStatsQuery" || n == 1:
		q["ids"] = ids
	case op == "hawkularStatsQuery":
		q["metrics"] = ids
	default:
		q["metrics"] = map[string]any{"gauge": ids, "counter": ids[:1]}
	}
	if op == "hawkularRawQuery" || op == "hawkularRateQuery" {
		q["limit"], q["order"] = rng.IntN(5), choose(rng, "asc", "DESC")
		return q
	}
	if rng.IntN(2) == 0 {
		q["buckets"] = 1 + rng.IntN(5)
	} else {
		q["bucketDuration"] = choose(rng, "10mn", "1h")
	}
	return q
}

// hawkularNew is the id of a metric that may not be there yet.
func (g *gen) hawkularNew() string {
	id := g.pick("metric")
	g.p.keep("hawkular", id)
	return id
}

func (g *gen) hawkularTags() map[string]any {
	return map[string]any{g.pick("tag"): g.pick("tagvalue"), "descriptor_name": g.pick("text")}
}

func (g *gen) hawkularSeries(typ string) []any {
	var list []any
	for range 1 + g.p.rng.IntN(3) {
		list = append(list, map[string]any{"id": g.hawkularNew(), "data": g.hawkularPoints(typ)})
	}
	return list
}

func (g *gen) hawkularPoints(typ string) []any {
	rng := g.p.rng
	var list []any
	for range 1 + rng.IntN(4) {
		p := map[string]any{"timestamp": g.now.Add(-time.Duration(rng.IntN(7200)) * time.Second).UnixMilli()}
		switch typ {
		case "counter":
			p["value"] = int64(g.sample())
		case "availability":
			p["value"] = choose(rng, "up", "down", "unknown", "admin")
		case "string":
			p["value"] = fmt.Sprint("text ", g.pick("text"))
		default:
			p["value"] = g.sample()
		}
		if rng.IntN(5) == 0 {
			p["tags"] = map[string]any{g.pick("tag"): g.pick("tagvalue")}
		}
		list = append(list, p)
	}
	return list
}
