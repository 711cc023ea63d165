package influx

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"granary/tenant"
)

// TestQuery: what statements are answered.
func TestQuery(t *testing.T) {
	b := newBed(t, func(o *Options) {
		o.Databases = map[string]tenant.ID{"telegraf": "_ops", "telegraf/week": "t2", "other": "t4"}
	})
	b.want("/write", "cpu,host=a usage=1,idle=2i 1767225600\ncpu,host=b usage=1 1767225600\nlog,host=a,x=a\\ b msg=\"m\" 1767225600", 204, "")
	b.want("/write", "foreign value=1 1767225600", 204, "", "Tenant", "t2")
	for _, c := range []struct{ q, want string }{
		{"CREATE DATABASE telegraf", `{"results":[{"statement_id":0}]}`},
		{`CREATE DATABASE "a b" WITH DURATION 30d REPLICATION 1 NAME "x"`, `{"results":[{"statement_id":0}]}`},
		{`create retention policy "x" on "y" duration 1h replication 1 default; alter retention policy x on y duration 2h;`, `{"results":[{"statement_id":0},{"statement_id":1}]}`},
		{"SHOW DATABASES", `{"results":[{"statement_id":0,"series":[{"name":"databases","columns":["name"],"values":[["other"],["telegraf"]]}]}]}`},
		{"SHOW RETENTION POLICIES ON telegraf", `{"results":[{"statement_id":0,"series":[{"columns":["name","duration","shardGroupDuration","replicaN","default"],"values":[["autogen","720h0m0s","168h0m0s",1,true]]}]}]}`},
		{"SHOW MEASUREMENTS", `{"results":[{"statement_id":0,"series":[{"name":"measurements","columns":["name"],"values":[["cpu_idle"],["cpu_usage"],["log_msg"]]}]}]}`},
		{"SHOW MEASUREMENTS LIMIT 1 OFFSET 1", `[["cpu_usage"]]`},
		{"SHOW MEASUREMENTS ON x WITH MEASUREMENT =~ /^cpu_u/", `[["cpu_usage"]]`},
		{"SHOW MEASUREMENTS WHERE host = 'b'", `[["cpu_usage"]]`},
		{"SHOW MEASUREMENTS WHERE host = 'c'", `{"results":[{"statement_id":0}]}`},
		{"SHOW FIELD KEYS", `"series":[{"name":"cpu_idle","columns":["fieldKey","fieldType"],"values":[["value","integer"]]},{"name":"cpu_usage","columns":["fieldKey","fieldType"],"values":[["value","float"]]},{"name":"log_msg","columns":["fieldKey","fieldType"],"values":[["value","string"]]}]`},
		{`SHOW FIELD KEYS FROM "db"."rp"."cpu_idle"`, `"series":[{"name":"cpu_idle","columns":["fieldKey","fieldType"],"values":[["value","integer"]]}]`},
		{"SHOW TAG KEYS FROM log_msg", `"series":[{"name":"log_msg","columns":["tagKey"],"values":[["host"],["x"]]}]`},
		{`SHOW TAG VALUES FROM cpu_usage WITH KEY = "host"`, `"series":[{"name":"cpu_usage","columns":["key","value"],"values":[["host","a"],["host","b"]]}]`},
		{`SHOW TAG VALUES FROM /log/ WITH KEY IN (x, "y")`, `"values":[["x","a b"]]`},
		{`SHOW TAG VALUES WITH KEY =~ /os/ WHERE host != 'a' AND x !~ /./`, `"series":[{"name":"cpu_usage","columns":["key","value"],"values":[["host","b"]]}]`},
		{"SHOW SERIES", `"series":[{"columns":["key"],"values":[["cpu_idle,host=a"],["cpu_usage,host=a"],["cpu_usage,host=b"],["log_msg,host=a,x=a\\ b"]]}]`},
		{"SELECT * FROM cpu; SHOW MEASUREMENTS LIMIT 1", `{"results":[{"statement_id":0,"error":"SELECT is not served here: samples are read with GET /v2/query, and through the other APIs of Granary"},{"statement_id":1,"series"`},
		{`DROP DATABASE "x"`, `"error":"DROP DATABASE is not served here: tenants are deleted with DELETE /v2/tenants/ID"`},
		{"SHOW USERS", `"error":"SHOW USERS is not served here; SHOW DATABASES`},
		{"SHOW SERIES CARDINALITY", `"error":"SHOW SERIES is not served here`},
	} {
		for _, w := range []string{b.ask("GET", "/query?q="+url.QueryEscape(c.q), "").Body.String(), b.ask("POST", "/query", "q="+url.QueryEscape(c.q), "Content-Type", "application/x-www-form-urlencoded").Body.String()} {
			if !json.Valid([]byte(w)) || !strings.Contains(w, c.want) {
				t.Errorf("%s: %s, want %s", c.q, w, c.want)
			}
		}
	}
	for q, want := range map[string]string{
		"":                                  `{"error":"missing required parameter \"q\""}`,
		"  ":                                `missing required parameter`,
		"FROB x":                            `{"error":"error parsing query: found FROB, expected SELECT,`,
		"SHOW MEASUREMENTS x":               `error parsing query: found x, expected ; or EOF at line 1, char 19`,
		"CREATE DATABASE":                   `found EOF, expected identifier`,
		"SHOW TAG VALUES":                   `found EOF, expected WITH`,
		"SHOW MEASUREMENTS WHERE a = b":     `expected string, regex`,
		"SHOW MEASUREMENTS WHERE a":         `expected =, !=, =~, !~`,
		"SHOW MEASUREMENTS LIMIT x":         `expected integer`,
		"SHOW MEASUREMENTS WHERE a=~/(/":    `error parsing query: `,
		`SHOW MEASUREMENTS WHERE "a`:        `the text is not closed at line 1, char 25`,
		strings.Repeat("SHOW SERIES;", 101): `more than 100 statements`,
	} {
		w := b.ask("GET", "/query?q="+url.QueryEscape(q), "")
		if w.Code != 400 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s, want %s", q, w.Code, w.Body, want)
		}
	}
	if w := b.ask("GET", "/query?q=SHOW+MEASUREMENTS&db=other", ""); !strings.Contains(w.Body.String(), `{"results":[{"statement_id":0}]}`) {
		t.Errorf("of a tenant that is not there: %s", w.Body)
	}
}

// FuzzParseQuery: no query makes the parser fail, and what it reads is bounded.
func FuzzParseQuery(f *testing.F) {
	for _, q := range []string{"SHOW TAG VALUES FROM \"a\".b./c/ WITH KEY IN (a, 'b') WHERE x =~ /y\\// AND z != '\\'' LIMIT 1 OFFSET 2;;CREATE DATABASE x", "SELECT 1", "SHOW", "show measurements with measurement !~ /(/", "\"", "/", "ALTER RETENTION POLICY"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, q string) {
		list, err := parseQuery(q)
		if len(list) > maxStatements || err != nil && list != nil {
			t.Errorf("%d statements, %v", len(list), err)
		}
	})
}
