package isolation_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// ofProcess is what an answer tells of a process: what it has refused.
var ofProcess = regexp.MustCompile(`"used":[0-9]+|"refused":[0-9]+`)

// ofUpkeep is what changes without a request, as upkeep goes on behind them: the memory and the files that a tenant takes, and what
// it has read, which is accounted for a second later, in an hour in which nothing else need have happened.
var ofUpkeep = regexp.MustCompile(`,"last_used":"[^"]*"|"held":\{"samples".*?\}\}|"name":"memory",[^}]*"used":[0-9]+|"queries":[0-9]+,"samples_read":[0-9]+,"bytes_sent":[0-9]+|` +
	`granary_tenant_(limit_used|memory|held)[^\n]*memory[^\n]*`)
var ofReads = regexp.MustCompile(`,?\{"tenant":"[^"]*","start":[^,]*,"end":[^,]*,"samples":0,"bytes":0,"series":[0-9]+,"series_peak":[0-9]+,"series_hours":[0-9]+,"series_created":0,"series_removed":0,\}`)

// settled is a text without what changes by itself.
func settled(text string) string {
	text = ofReads.ReplaceAllString(ofUpkeep.ReplaceAllString(text, ""), "")
	return strings.ReplaceAll(text, "[,{", "[{")
}

// fingerprint is everything that a tenant has, read without leaving a trace.
func (u *universe) fingerprint(world int, p *party) string {
	var b strings.Builder
	g := &gen{d: u.d, p: p, now: u.clock.now()}
	ask := func(method, target, body string) *answer {
		r := &request{op: "fingerprint", method: method, target: target, body: body}
		g.sign(r, p.credentials[0])
		a := u.worlds[world].send(r)
		fmt.Fprintf(&b, "%s %s %s: %s\n", method, target, body, inOrder(mask(settled(a.text()))))
		return a
	}
	for _, op := range u.d.operations {
		if op.method != "GET" || !strings.HasPrefix(op.path, "/v2") || strings.Contains(op.path, "{") || op.id == "getQuery" {
			continue
		}
		if !slices.ContainsFunc(op.params, func(p param) bool { return p.required }) {
			ask("GET", op.path, "")
		}
	}
	ask("GET", "/v2/metrics?limit=10000&samples&times=ns&count&sort=ref", "")
	ask("POST", "/v2/query", `{"selector":"{}","start":"2000-01-01T00:00:00Z","end":"2100-01-01T00:00:00Z","time_format":"ns","tags":true}`)
	ask("GET", "/v2/cardinality?top=1000", "")
	ask("GET", "/v2/tags?limit=10000&count", "")
	ask("GET", "/v2/tags/__name__?limit=10000&count", "")
	ask("GET", "/api/debug?selector="+p.cluster, "")
	ask("GET", "/hawkular/metrics/metrics?timestamps=true", "")
	ask("GET", "/hawkular/metrics/tenants", "")
	ask("GET", "/v1/metric?limit=1000", "")
	ask("GET", "/v1/resource/generic?history=true&limit=1000", "")
	ask("GET", "/v1/resource_type", "")
	ask("GET", "/v1/archive_policy", "")
	ask("GET", "/v1/archive_policy_rule", "")
	ask("GET", "/v2/tenants/"+p.id, "")
	return b.String()
}
