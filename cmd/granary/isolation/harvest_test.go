package isolation_test

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
)

var nextPage = regexp.MustCompile(`<([^>]+)>; rel=.?"next`)

// take remembers what an answer tells of things that there are, so that later requests are about them.
func (u *universe) take(s *step, world int, a *answer, text string) {
	if a.status >= 200 && a.status < 400 {
		u.done[s.r.op]++
	}
	if s.by == nil || s.by == u.b[1] && world != 1 || s.by == u.a && world != 0 {
		return
	}
	s.by.gatherText(s.r, a, text)
}

// gather remembers what an answer tells.
func (p *party) gather(r *request, a *answer) { p.gatherText(r, a, a.text()) }

// gatherText is gather with the answer as it is known in all worlds.
func (p *party) gatherText(r *request, a *answer, text string) {
	if a.status < 300 {
		p.remember(r)
	}
	if m := nextPage.FindStringSubmatch(text); m != nil {
		p.keep("link", m[1])
	}
	if a.status >= 300 || !strings.Contains(a.header.Get("Content-Type"), "json") {
		return
	}
	_, body, _ := strings.Cut(text, "\n\n")
	var v any
	if json.Unmarshal([]byte(body), &v) != nil {
		return
	}
	if strings.HasPrefix(r.op, "gnocchi") {
		p.harvestGnocchi(r.op, v)
	} else {
		p.harvest(r.op, "", v)
	}
}

// remember keeps a request for the other to send. It is signed anew then.
func (p *party) remember(r *request) {
	const most = 60
	c := *r
	c.header = slices.DeleteFunc(slices.Clone(r.header), func(f field) bool { return signs(f.name) })
	c.target = ofParameters.ReplaceAllString(c.target, "")
	if p.sent = append(p.sent, &c); len(p.sent) > most {
		p.sent = p.sent[1:]
	}
}

// named says what the member "name" of an answer names.
func named(op string) string {
	for _, of := range []string{"Polic", "Rule", "Metric", "Measures"} {
		if strings.Contains(op, of) {
			return map[string]string{"Polic": "policy", "Rule": "rule", "Metric": "metric", "Measures": "metric"}[of]
		}
	}
	return ""
}

// hold keeps an API key, to be used from now on.
func (p *party) hold(c credential) {
	const most = 14
	if p.all {
		return // the operator's are not for tenants
	}
	if len(p.credentials) >= most {
		p.credentials = slices.Delete(p.credentials, most/2, most/2+1)
	}
	p.credentials = append(p.credentials, c)
}

// harvest walks through an answer.
func (p *party) harvest(op, name string, v any) {
	switch x := v.(type) {
	case map[string]any:
		if secret, ok := x["key"].(string); ok && op == "createKey" {
			subject, _ := x["subject"].(string)
			p.hold(credential{subject: subject, secret: secret})
		}
		for _, member := range slices.Sorted(maps.Keys(x)) {
			if (name == "tags" || name == "plain_tags") && p.rng.IntN(4) == 0 {
				if value, ok := x[member].(string); ok {
					p.find("tag", member)
					p.find("tagvalue", value)
				}
			}
			p.harvest(op, member, x[member])
		}
	case []any:
		for _, item := range x[:min(len(x), 20)] {
			p.harvest(op, name, item)
		}
	case string:
		switch {
		case name == "id" && strings.HasPrefix(op, "hawkular"):
			p.find("hawkular", x)
		case name == "id" && len(x) == 36:
			p.keep("id", x)
			p.find("id", x)
		case name == "id" && strings.HasPrefix(x, "\u00abkey"):
			p.find("key", x)
		case name == "next":
			p.keep("cursor", x)
		case name == "name":
			p.find(named(op), x)
		}
	}
}
