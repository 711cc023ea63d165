package isolation_test

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// speaksInflux says whether an operation is one of InfluxDB's.
func (o *operation) speaksInflux() bool { return strings.HasPrefix(o.id, "influx") }

// influxWord is a parameter by what it means there. Databases that the configuration gives to tenants are called dba, dbb and dbz.
func (g *gen) influxWord(name string) (any, bool) {
	rng := g.p.rng
	own, other := "db"+g.p.cluster[1:], "dbz"
	if g.p.other != nil {
		other = "db" + g.p.other.cluster[1:]
	}
	db := own
	switch rng.IntN(6) {
	case 0:
		db = choose(rng, "telegraf", g.fresh("text"))
	case 1:
		if g.foreign > rng.IntN(100) {
			db = choose(rng, other, "dbz")
		}
	}
	switch name {
	case "db", "bucket":
		return db, true
	case "rp":
		return choose(rng, "autogen", "", "a"), true
	case "org", "orgID":
		return choose(rng, "org", "orgb"), true
	case "q":
		return choose(rng, "SHOW DATABASES", `CREATE DATABASE "`+db+`"`, "SHOW RETENTION POLICIES ON "+db, "SHOW MEASUREMENTS", "SHOW TAG KEYS", `SHOW TAG VALUES WITH KEY = "`+g.pick("tag")+`"`,
			`SHOW FIELD KEYS FROM "`+g.pick("metric")+`"`, "DROP DATABASE "+db, `SELECT * FROM "`+g.pick("metric")+`"`), true
	case "epoch":
		return "s", true
	}
	return nil, false
}

// influxLines are lines with one field or several.
func (g *gen) influxLines() string {
	rng := g.p.rng
	var b strings.Builder
	for range 1 + rng.IntN(4) {
		b.WriteString(g.pick("metric"))
		if rng.IntN(3) > 0 {
			fmt.Fprintf(&b, ",cluster=%s", choose(rng, g.p.cluster, "cz"))
		}
		fmt.Fprintf(&b, ",%s=%s", choose(rng, "host", "hostname"), g.pick("host"))
		if rng.IntN(3) == 0 {
			fmt.Fprintf(&b, ",%s=%s", g.fresh("tag"), g.pick("tagvalue"))
		}
		b.WriteString(" " + choose(rng, "value", "value", "used") + fmt.Sprintf("=%g", g.sample()))
		switch rng.IntN(6) {
		case 0:
			fmt.Fprintf(&b, ",count=%di", int64(g.sample()))
		case 1:
			fmt.Fprintf(&b, ",text=%q,ok=true", g.pick("text"))
		}
		if rng.IntN(5) > 0 {
			fmt.Fprintf(&b, " %d", g.now.Add(-time.Duration(rng.IntN(3600))*time.Second).Unix())
		}
		b.WriteString("\n")
	}
	return b.String()
}

// byParameters shows a credential in the parameters of the address, as InfluxDB's clients may.
func byParameters(r *request, c credential) {
	separator := "?"
	if strings.Contains(r.target, "?") {
		separator = "&"
	}
	r.target += separator + "u=" + url.QueryEscape(c.subject) + "&p=" + url.QueryEscape(c.secret)
}

// ofParameters finds what byParameters has added.
var ofParameters = regexp.MustCompile(`[?&]u=[^&]*&p=[^&]*`)
