package isolation_test

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// special makes what a schema alone does not say enough of.
func (g *gen) special(name string, schema map[string]any) (any, bool) {
	rng := g.p.rng
	if schema["format"] == "uuid" {
		return g.pick("id"), true
	}
	switch name {
	case "start", "end", "time":
		return g.when(), true
	case "bucket", "granularity", "timespan", "lookback", "active_within", "idle_for", "grid":
		return choose[any](rng, "1m", "5m", "1h", "90s", 60, "1d"), true
	case "retention":
		if schema["type"] != "object" {
			return choose[any](rng, "1d", "30d", "forever", 86400), true
		}
	case "samples":
		if schema["type"] == "array" {
			return g.samples(), true
		}
	case "selector":
		if g.depth < 6 || schema["type"] == "string" {
			return g.selector(0), true
		}
	case "methods", "tiers", "raw":
		if schema["type"] == "array" && name == "tiers" {
			return []any{map[string]any{"granularity": choose(rng, "1m", "5m"), "points": 100 + rng.IntN(100)}}, true
		}
	case "fill":
		return choose[any](rng, "none", "null", "previous", 0.5), true
	case "kind": // what goes with a type is the type's own
		return nil, false
	}
	return nil, false
}

// word is a text by what it means.
func (g *gen) word(name string) string {
	rng := g.p.rng
	switch name {
	case "name", "names", "names[]", "prefix":
		switch {
		case strings.Contains(g.op.path, "/policies"):
			return g.pick("policy")
		case strings.Contains(g.op.path, "/rules"):
			return g.pick("rule")
		case strings.HasPrefix(g.op.path, "/v2/tags/{name}"):
			return g.pick("tag")
		case strings.Contains(g.op.path, "/tenants") || strings.Contains(g.op.path, "/keys"):
			return g.pick("text")
		}
		return g.pick("metric")
	case "policy":
		return g.pick("policy")
	case "id", "tenant", "tenants":
		return choose(rng, g.p.id, g.p.id, g.p.otherID(), "ghost", g.fresh("tenant"))
	case "cluster":
		if g.foreign > 0 && rng.IntN(15) == 0 {
			return "cz" // of a tenant whose name nobody is told
		}
		if g.foreign > rng.IntN(100) && g.p.other != nil {
			return g.p.other.cluster
		}
		return g.p.cluster
	case "host", "hostname", "node", "nodes":
		return g.pick("host")
	case "metric", "for-all-nodes", "metric-names":
		return g.pick("metric")
	case "pattern", "regex":
		return choose(rng, ".*", "m_.*", "m_*", "zq.*", "[a-z]+", g.pick("metric"))
	case "cursor":
		return g.pick("cursor")
	case "method", "methods", "across", "aggregation":
		return choose(rng, "mean", "sum", "min", "max", "count", "last", "95pct", "rate:mean")
	case "group_by", "key of tags", "key of plain_tags":
		return g.pick("tag")
	case "value of tags", "value of plain_tags":
		return g.pick("tagvalue")
	case "type", "types":
		return choose(rng, "gauge", "counter", "availability", "string")
	case "dialects":
		return choose(rng, "native", "clustercockpit")
	case "code":
		return choose(rng, "metric-unknown", "tenant-forbidden", "request-syntax")
	case "file":
		return choose(rng, "index.html", "doc.json")
	case "selector":
		return g.debugSelector()
	case "key":
		return g.pick("key")
	case "user", "subject":
		return g.pick("user")
	case "If-None-Match":
		return "*"
	case "unit", "description", "query", "value", "key of queries":
		return g.pick("text")
	}
	return g.pick("text")
}

// debugSelector is names from the cluster downwards.
func (g *gen) debugSelector() string {
	if !strings.HasPrefix(g.op.path, "/api") {
		return g.selector(0)
	}
	return choose(g.p.rng, g.word("cluster"), g.word("cluster")+":"+g.pick("host"), "")
}

// condition is one on a tag as it stands in an address.
func (g *gen) condition() string {
	op := choose(g.p.rng, "=", "=", "!=", "=~", "!~", "")
	if op == "" {
		return g.pick("tag")
	}
	if strings.HasSuffix(op, "~") {
		return g.pick("tag") + op + choose(g.p.rng, ".*", "h.*", "zq.+", g.pick("tagvalue"))
	}
	return g.pick("tag") + op + g.pick("tagvalue")
}

// selector is one as text.
func (g *gen) selector(depth int) string {
	rng := g.p.rng
	switch n := rng.IntN(8); {
	case n == 0:
		return "{}"
	case n < 3:
		return g.pick("metric")
	case n < 5:
		return fmt.Sprintf(`{%s=%q}`, g.pick("tag"), g.pick("tagvalue"))
	case n == 5:
		return fmt.Sprintf(`{%s=~%q}`, g.pick("tag"), choose(rng, ".*", "h.*", "zq.+"))
	case n == 6:
		return fmt.Sprintf(`%s{%s!=%q}`, g.pick("metric"), g.pick("tag"), g.pick("tagvalue"))
	}
	return fmt.Sprintf(`{%s=~".+"}`, g.pick("tag"))
}

// number is a value of the tenant.
func (g *gen) sample() float64 { return g.p.base + float64(g.p.rng.IntN(1000)) }

// samples are pairs of time and value of a gauge. Those of other types are refused, which is a case too.
func (g *gen) samples() []any {
	list := []any{}
	for range 1 + g.p.rng.IntN(4) {
		if g.p.rng.IntN(6) == 0 {
			list = append(list, map[string]any{"time": g.when(), "value": g.sample(), "tags": map[string]any{"why": g.pick("tagvalue")}})
			continue
		}
		list = append(list, []any{g.when(), choose[any](g.p.rng, g.sample(), g.sample(), g.sample(), "up", "text "+g.pick("text"))})
	}
	return list
}

// lines are lines of line protocol.
func (g *gen) lines() string {
	var b strings.Builder
	for range 1 + g.p.rng.IntN(5) {
		at := g.now.Add(-time.Duration(g.p.rng.IntN(3600)) * time.Second).Unix()
		b.WriteString(g.pick("metric"))
		if g.p.rng.IntN(4) > 0 || !strings.HasPrefix(g.op.path, "/api") {
			b.WriteString(",cluster=" + g.word("cluster"))
		}
		b.WriteString(",hostname=" + g.pick("host"))
		switch g.p.rng.IntN(4) {
		case 0:
			b.WriteString(",type=hwthread,type-id=" + strconv.Itoa(g.p.rng.IntN(3)))
		case 1:
			b.WriteString("," + g.pick("tag") + "=" + g.pick("tagvalue"))
		}
		b.WriteString(" value=" + strconv.FormatFloat(g.sample(), 'f', 1, 64))
		if g.p.rng.IntN(5) > 0 {
			b.WriteString(" " + strconv.FormatInt(at, 10))
		}
		b.WriteString("\n")
	}
	return b.String()
}
