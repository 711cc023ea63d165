package isolation_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"granary/measures/ingest/remoteout"
)

// speaksGnocchi says whether an operation is one of Gnocchi's.
func (o *operation) speaksGnocchi() bool { return strings.HasPrefix(o.id, "gnocchi") }

// lot is what the ids of Gnocchi's metrics, which are left to chance, are made of. It is thrown anew for each step, so that the same step
// makes the same ids in all worlds.
type lot struct {
	mu   sync.Mutex
	from *rand.ChaCha8
}

// throw begins a step.
func (l *lot) throw(step int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], uint64(step)+1)
	l.from = rand.NewChaCha8(seed)
}

func (l *lot) Read(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.from.Read(b)
}

// Policies and types are everybody's, and in use by whoever has a metric or resource of them, which an operator who deletes one is told. So
// that both worlds go on alike they delete only spare ones, of which no tenant is told.
const spare = "spare"

// ofAll is the name of a policy, rule or type.
func (g *gen) ofAll(kind string) string {
	if g.p.all {
		return g.pick(spare + "-" + kind)
	}
	return g.pick(kind)
}

// newOfAll is the name of a policy or type that an operator makes. Some are spare.
func (g *gen) newOfAll(kind string) string {
	if g.p.rng.IntN(2) == 0 {
		return g.fresh(kind)
	}
	v := g.fresh(spare + "-" + kind)
	g.p.keep(spare+"-"+kind, v)
	return v
}

// gnocchiResource is what a resource is called. Operators see all resources, of which several have the same id, so they have names of their own.
func (g *gen) gnocchiResource() string {
	if g.p.all {
		return g.pick("opsresource")
	}
	return g.pick("gresource")
}

// gnocchiMetric is the id of a metric.
func (g *gen) gnocchiMetric() string {
	if g.p.all {
		return g.pick("opsmetric")
	}
	return g.pick("gmetric")
}

// gnocchiWord is a parameter by what it means there.
func (g *gen) gnocchiWord(p param) any {
	rng := g.p.rng
	metrics := strings.HasPrefix(g.op.path, "/v1/metric")
	switch p.name {
	case "type":
		switch {
		case strings.HasPrefix(g.op.path, "/v1/resource_type"):
			return g.ofAll("gtype")
		case g.op.id == "gnocchiCreateResource" && rng.IntN(3) == 0:
			return g.pick("gtype")
		}
		return "generic"
	case "id":
		if metrics {
			return g.gnocchiMetric()
		}
		return g.gnocchiResource()
	case "name":
		switch {
		case strings.HasPrefix(g.op.path, "/v1/archive_policy_rule"):
			return g.ofAll("grule")
		case strings.HasPrefix(g.op.path, "/v1/archive_policy"):
			return g.ofAll("gpolicy")
		}
		return g.pick("gname")
	case "metric", "metric_id":
		return g.gnocchiMetric()
	case "unit":
		return "W"
	case "archive_policy_name":
		return g.pick("gpolicy")
	case "creator":
		return "admin:" + choose(rng, g.p.id, g.p.otherID())
	case "project_id":
		return choose(rng, g.p.id, g.p.otherID())
	case "user_id":
		return "admin"
	case "status":
		return "active"
	case "limit":
		return 1 + rng.IntN(9)
	case "marker":
		switch {
		case metrics:
			return g.gnocchiMetric()
		case g.op.id == "gnocchiHistory":
			return g.gnocchiResource() + "@" + strconv.Itoa(rng.IntN(3))
		}
		return g.gnocchiResource()
	case "sort":
		if metrics {
			return choose(rng, "name:asc", "id:desc", "unit", "resource_id:asc-nullsfirst")
		}
		return choose(rng, "started_at:desc", "id", "user_id:asc-nullslast", "revision_start")
	case "aggregation", "reaggregation":
		return choose(rng, "mean", "sum", "min", "max", "count")
	case "granularity":
		return choose(rng, "300", "5 minutes", "1h")
	case "start":
		return g.gnocchiTime(7200, 3600)
	case "stop":
		return g.gnocchiTime(1800, 0)
	case "resample":
		return choose(rng, "600", "H")
	case "needed_overlap":
		return rng.IntN(101)
	case "fill":
		return choose(rng, "null", "0", "ffill", "dropna")
	case "groupby":
		return choose(rng, "type", "project_id", "user_id", "id")
	case "attrs":
		return choose(rng, "id", "type", "metrics")
	case "filter":
		return choose(rng, "user_id = '"+g.pick("text")+"'", "id = '"+g.gnocchiResource()+"'", "not type = 'x'")
	case "q":
		return "create database " + choose(rng, "influxdb", g.fresh("gtype"))
	case "db":
		return "influxdb"
	}
	return rng.IntN(2) == 0
}

// gnocchiTime is a time from so many seconds ago to so many.
func (g *gen) gnocchiTime(most, least int) any {
	ago := least + g.p.rng.IntN(most-least)
	at := g.now.Add(-time.Duration(ago) * time.Second).UTC()
	return choose(g.p.rng, "-"+strconv.Itoa(ago)+" seconds", strconv.FormatInt(at.Unix(), 10), at.Format("2006-01-02T15:04:05"))
}

// claim says in header fields who asks, which nobody may whom a proxy does not speak for.
func (g *gen) claim(r *request) {
	r.set("X-User-Id", choose(g.p.rng, "admin", "nobody"))
	r.set("X-Roles", choose(g.p.rng, "admin", "service", "member"))
	if g.p.rng.IntN(2) == 0 {
		r.set("X-Project-Id", choose(g.p.rng, g.p.id, g.p.otherID()))
	}
}

// agreeGnocchi makes the parameters of a request go with each other.
func (g *gen) agreeGnocchi(query url.Values) {
	if g.op.id == "gnocchiAggregationOfMetrics" && !query.Has("metric") {
		query.Set("metric", g.gnocchiMetric())
	}
	if query.Has("resample") {
		query.Set("granularity", "300")
	}
	if g.op.id == "gnocchiInfluxQuery" {
		query.Set("q", g.text(g.gnocchiWord(param{name: "q"})))
	}
	if g.op.id == "gnocchiAggregationOfMetrics" || g.op.id == "gnocchiAggregationOfMetricsOfBody" {
		query.Del("groupby")
	}
}

// gnocchiBody is the body of a request.
func (g *gen) gnocchiBody(r *request) string {
	rng := g.p.rng
	var v any
	switch id := g.op.id; id {
	case "gnocchiCreatePolicy":
		v = map[string]any{"name": g.newOfAll("gpolicy"), "definition": []any{map[string]any{"granularity": "5m", "points": 100 + rng.IntN(100)}}}
	case "gnocchiChangePolicy":
		v = map[string]any{"definition": []any{map[string]any{"granularity": "5m", "points": 100 + rng.IntN(100)}}}
	case "gnocchiCreateRule":
		name := g.fresh("grule")
		g.p.keep(spare+"-grule", name)
		v = map[string]any{"name": name, "metric_pattern": choose(rng, "*", "m_*", g.pick("text")), "archive_policy_name": "low"}
	case "gnocchiRenameRule":
		name := g.fresh("grule")
		g.p.keep(spare+"-grule", name)
		v = map[string]any{"name": name}
	case "gnocchiCreateMetric":
		m := g.gnocchiNewMetric()
		m["name"] = g.fresh("metric")
		if rng.IntN(4) == 0 {
			m["resource_id"] = g.gnocchiResource()
		}
		v = m
	case "gnocchiPostMeasures", "gnocchiPostMeasuresOfResource":
		v = g.gnocchiPoints()
	case "gnocchiPostBatch":
		v = map[string]any{g.gnocchiMetric(): g.gnocchiPoints(), g.gnocchiMetric(): g.gnocchiPoints()}
	case "gnocchiPostBatchOfResources":
		v = map[string]any{g.gnocchiResource(): map[string]any{g.pick("gname"): g.gnocchiPoints()}}
	case "gnocchiSearchValues":
		v = choose[any](rng, map[string]any{">=": 0}, map[string]any{"and": []any{map[string]any{">": g.sample()}, map[string]any{"!=": 7}}})
	case "gnocchiCreateResource":
		v = g.gnocchiNewResource(r.target)
	case "gnocchiChangeResource":
		v = choose[any](rng, map[string]any{"user_id": g.pick("text")}, map[string]any{"ended_at": g.now.Add(time.Hour).Format(time.RFC3339)},
			map[string]any{"metrics": g.gnocchiMetrics()}, map[string]any{"started_at": g.gnocchiTime(7200, 3600)})
	case "gnocchiAddMetrics":
		v = g.gnocchiMetrics()
		if rng.IntN(3) > 0 { // one that it has not
			v = map[string]any{g.fresh("metric"): g.gnocchiNewMetric()}
		}
	case "gnocchiSearchResources", "gnocchiAggregationOfResources":
		v = g.gnocchiQuery()
	case "gnocchiDeleteResources":
		v = map[string]any{"=": map[string]any{"id": g.gnocchiResource()}}
		if !g.p.all && rng.IntN(3) == 0 {
			v = map[string]any{"=": map[string]any{"user_id": g.pick("text")}}
		}
	case "gnocchiCreateResourceType":
		v = map[string]any{"name": g.newOfAll("gtype"), "attributes": map[string]any{"place": map[string]any{"type": "string", "required": false}}}
	case "gnocchiChangeResourceType":
		v = []any{map[string]any{"op": "add", "path": "/attributes/a" + g.p.word(), "value": map[string]any{"type": "number", "required": false}}}
	case "gnocchiAggregates":
		v = map[string]any{"operations": "(aggregate " + choose(rng, "mean", "sum", "max") + " (metric " + g.gnocchiMetric() + " mean))"}
		if rng.IntN(2) == 0 {
			v = map[string]any{"operations": []any{"aggregate", "sum", []any{"metric", g.pick("gname"), "mean"}}, "resource_type": "generic", "search": g.gnocchiQuery()}
		}
	case "gnocchiAggregationOfMetricsOfBody":
		v = []any{g.gnocchiMetric(), g.gnocchiMetric()}[rng.IntN(2):]
	case "gnocchiInfluxWrite":
		var b strings.Builder
		for range 1 + rng.IntN(4) {
			at := g.now.Add(-time.Duration(rng.IntN(7200)) * time.Second)
			fmt.Fprintf(&b, "%s,host=%s,%s=%s value=%g %d\n", g.pick("metric"), g.pick("host"), g.fresh("tag"), g.pick("tagvalue"), g.sample(), at.UnixNano())
		}
		return b.String()
	case "gnocchiPrometheusWrite":
		return g.remoteWrite(r, remoteout.AppendV1)
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func (g *gen) gnocchiNewMetric() map[string]any {
	policies := append([]string{"low", "medium"}, g.p.exist["gpolicy"]...)
	return map[string]any{"archive_policy_name": choose(g.p.rng, policies...), "unit": choose(g.p.rng, "W", "%")}
}

// gnocchiMetrics are metrics by the names that a resource has for them.
func (g *gen) gnocchiMetrics() map[string]any {
	m := map[string]any{g.pick("gname"): g.gnocchiNewMetric()}
	if g.p.rng.IntN(8) == 0 {
		m[g.pick("gname")] = g.gnocchiMetric()
	}
	return m
}

func (g *gen) gnocchiNewResource(target string) map[string]any {
	rng := g.p.rng
	m := map[string]any{"id": g.gnocchiResource(), "metrics": g.gnocchiMetrics(), "user_id": g.pick("text")}
	if rng.IntN(3) == 0 {
		m["project_id"] = g.p.id
		if g.foreign > rng.IntN(100) {
			m["project_id"] = g.p.otherID()
		}
	}
	if rng.IntN(3) == 0 {
		m["started_at"] = g.gnocchiTime(7200, 3600)
	}
	switch {
	case strings.HasSuffix(target, "/prometheus"):
		m["job"], m["instance"] = g.pick("text"), g.pick("host")
	case strings.Contains(target, "/gtype-") && rng.IntN(3) > 0:
		m["place"] = g.pick("text")
	}
	return m
}

// gnocchiQuery is a condition over resources.
func (g *gen) gnocchiQuery() map[string]any {
	is := func(op, attribute string, v any) map[string]any {
		return map[string]any{op: map[string]any{attribute: v}}
	}
	switch g.p.rng.IntN(7) {
	case 0:
		return is("=", "id", g.gnocchiResource())
	case 1:
		return is("in", "id", []any{g.gnocchiResource(), g.gnocchiResource()})
	case 2:
		return is("=", "user_id", g.pick("text"))
	case 3:
		return is("like", "original_resource_id", "%"+choose(g.p.rng, "r", "zq", "h")+"%")
	case 4:
		return is("=", "project_id", choose(g.p.rng, g.p.id, g.p.otherID()))
	case 5:
		return map[string]any{"not": is("=", "type", "instance")}
	}
	return map[string]any{"or": []any{is("=", "user_id", g.pick("text")), is("!=", "creator", "admin:"+g.p.otherID())}}
}

// gnocchiPoints are measures.
func (g *gen) gnocchiPoints() []any {
	var list []any
	for range 1 + g.p.rng.IntN(4) {
		at := g.now.Add(-time.Duration(g.p.rng.IntN(3600)) * time.Second).UTC()
		list = append(list, map[string]any{"timestamp": at.Format("2006-01-02T15:04:05"), "value": g.sample()})
	}
	return list
}

// harvestGnocchi remembers what an answer of Gnocchi's tells.
func (p *party) harvestGnocchi(op string, v any) {
	if p.all { // sees what is others', and has its own
		if m, ok := v.(map[string]any); ok && op == "gnocchiCreateMetric" {
			if id, ok := m["id"].(string); ok {
				p.find("opsmetric", id)
			}
		}
		return
	}
	switch x := v.(type) {
	case []any:
		for _, item := range x[:min(len(x), 20)] {
			p.harvestGnocchi(op, item)
		}
	case map[string]any:
		id, _ := x["id"].(string)
		name, _ := x["name"].(string)
		has := func(member string) bool { _, ok := x[member]; return ok }
		switch {
		case has("revision_start"):
			p.keep("gresource", id)
			p.find("gresource", id)
			metrics, _ := x["metrics"].(map[string]any)
			for _, name := range slices.Sorted(maps.Keys(metrics)) {
				if metric, ok := metrics[name].(string); ok {
					p.keep("gmetric", metric)
					p.find("gmetric", metric)
					p.find("gname", name)
				}
			}
		case has("unit") && id != "":
			p.keep("gmetric", id)
			p.find("gmetric", id)
			p.find("id", id)
		case strings.HasPrefix(name, spare):
		case has("metric_pattern"):
			p.find("grule", name)
		case has("definition"):
			p.find("gpolicy", name)
		case has("state"):
			p.find("gtype", name)
		}
	}
}
