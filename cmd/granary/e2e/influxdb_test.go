//go:build e2e

package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// field is the values of a field of one series by their times in nanoseconds, as texts that say every bit.
type field map[int64]string

// fieldValue is a value as a field has it: a number, whole or not, or a text in quotes.
func fieldValue(raw json.RawMessage) string {
	text := string(raw)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return strconv.FormatInt(n, 10)
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil {
		return said(f)
	}
	switch text { // as Granary is told to keep them
	case "true":
		return "1"
	case "false":
		return "0"
	}
	return text
}

// fields is what a real InfluxDB has in retention policies of a database, by the names and tags that Granary gives its series.
func (s *realServer) fields(t *testing.T, database string, policies ...string) map[string]field {
	t.Helper()
	var query strings.Builder
	for _, policy := range policies {
		fmt.Fprintf(&query, `SELECT * FROM %q./.*/ GROUP BY *;`, policy)
	}
	status, body := s.do(http.MethodGet, "/query?"+url.Values{"db": {database}, "epoch": {"ns"}, "q": {query.String()}}.Encode(), nil)
	var answer struct {
		Results []struct {
			Error  string
			Series []struct {
				Name    string
				Tags    map[string]string
				Columns []string
				Values  [][]json.RawMessage
			}
		}
	}
	if err := json.Unmarshal(body, &answer); status != http.StatusOK || err != nil || len(answer.Results) != len(policies) {
		t.Fatalf("influxdb: %d %s, %v", status, body, err)
	}
	all := map[string]field{}
	for _, result := range answer.Results {
		if result.Error != "" {
			t.Fatalf("influxdb: %s", body)
		}
		for _, series := range result.Series {
			maps.DeleteFunc(series.Tags, func(_, v string) bool { return v == "" })
			for i, column := range series.Columns[1:] {
				name := series.Name + "_" + column
				if column == "value" {
					name = series.Name
				}
				f := field{}
				for _, row := range series.Values {
					at, err := strconv.ParseInt(string(row[0]), 10, 64)
					must(t, err)
					if string(row[i+1]) != "null" {
						f[at] = fieldValue(row[i+1])
					}
				}
				if len(f) > 0 {
					all[keyOf(name, series.Tags)] = f
				}
			}
		}
	}
	return all
}

// fields is what a tenant of Granary's has of whatever type, but for derived series.
func (o tenantOf) fields(t *testing.T) map[string]field {
	t.Helper()
	status, body := o.do(http.MethodPost, "/v2/query", `{"types":["gauge","counter","string"],"start":"-2d","end":"now+1h","time_format":"ns"}`)
	var answer struct {
		Frames []struct {
			Name        string
			Tags        map[string]string
			Start, Step int64
			Times       []int64
			Values      []json.RawMessage
		}
	}
	if err := json.Unmarshal(body, &answer); status != http.StatusOK || err != nil {
		t.Fatalf("query: %d %s, %v", status, body, err)
	}
	all := map[string]field{}
	for _, frame := range answer.Frames {
		f := field{}
		for i, raw := range frame.Values {
			at := frame.Start + frame.Step*int64(i)
			if frame.Step == 0 {
				at = frame.Times[i]
			}
			f[at] = fieldValue(raw)
		}
		all[keyOf(frame.Name, frame.Tags)] = f
	}
	return all
}

// sameFields complains about what two sides do not have in the same way.
func sameFields(t *testing.T, want, got map[string]field) {
	t.Helper()
	count, faults := 0, 0
	for key, f := range want {
		count += len(f)
		if !maps.Equal(f, got[key]) {
			if faults++; faults < 8 {
				t.Errorf("%s:\n%s\nwant\n%s", key, got[key], f)
			}
		}
	}
	for key, f := range got {
		if want[key] == nil {
			if faults++; faults < 8 {
				t.Errorf("there is %s, %s", key, f)
			}
		}
	}
	if faults > 0 {
		t.Errorf("%d faults, %d series of %d", faults, len(got), len(want))
	}
	t.Logf("%d series, %d values", len(want), count)
}

func (f field) String() string {
	var b strings.Builder
	for i, at := range slices.Sorted(maps.Keys(f)) {
		if i == 5 {
			return b.String() + "…"
		}
		fmt.Fprintf(&b, "%d %s, ", at, f[at])
	}
	return b.String()
}

// hostAndPort are the parts of a URL.
func hostAndPort(t *testing.T, address string) (host, port string) {
	t.Helper()
	u, err := url.Parse(address)
	must(t, err)
	return u.Hostname(), u.Port()
}

// TestInfluxShell uses InfluxDB's own shell on a real InfluxDB and on Granary, and expects that it says the same and that both have the
// same afterwards.
func TestInfluxShell(t *testing.T) {
	t.Parallel()
	program(t, "influx", "influxdb-client", "GRANARY_E2E_INFLUXDB")
	real := startInfluxDB(t)
	dir := t.TempDir()
	p := serve(t, configFile(t, filepath.Join(dir, "config.json"), object{"granary": object{"disk-free-mark": 0,
		// What SHOW DATABASES names, and "use" looks for.
		"compat": object{"influx": object{"databases": object{"site": "_ops"}}}}}), filepath.Join(dir, "data"))
	base := time.Now().Add(-time.Hour).Unix()
	file := filepath.Join(dir, "import")
	var b strings.Builder
	b.WriteString("# DDL\nCREATE DATABASE site\n# DML\n# CONTEXT-DATABASE: site\n")
	for i := range int64(6000) { // more than the shell sends at once
		fmt.Fprintf(&b, "imported,host=n%d,path=/a\\ b\\,c value=%d.25,n=%di %d\n", i%7, i, i, base+i/7)
	}
	must(t, os.WriteFile(file, []byte(b.String()), 0o600))
	nanoseconds := strconv.FormatInt(base*1e9, 10)
	for _, c := range []struct {
		args []string
		both string // what both say, with other words beside it; "": they say the same
	}{
		{args: []string{"-execute", "CREATE DATABASE site"}},
		{args: []string{"-execute", `CREATE DATABASE "of others" WITH DURATION 3d NAME "short"`}},
		{args: []string{"-execute", "SHOW DATABASES"}, both: "site\n"},
		{args: []string{"-execute", "use site"}},
		{args: []string{"-execute", "CREATE RETENTION POLICY week ON site DURATION 7d REPLICATION 1"}},
		{args: []string{"-database", "site", "-execute", `INSERT cpu,host=a,zone=\ x\,y usage=1.5,n=7i,up=true,text="a \"b\" \\ c" ` + nanoseconds}},
		{args: []string{"-database", "site", "-execute", `INSERT cpu,host=ü usage=1e-3,n=-9223372036854775808i,up=F ` + nanoseconds}},
		{args: []string{"-database", "site", "-precision", "s", "-execute", `INSERT INTO week temp value=-0.5 ` + strconv.FormatInt(base, 10)}},
		{args: []string{"-database", "site", "-execute", `INSERT cpu,host=a,zone=\ x\,y n=2.5 ` + nanoseconds}, both: "field type conflict"},
		{args: []string{"-database", "site", "-execute", `INSERT cpu,host=a usage= ` + nanoseconds}, both: "unable to parse"},
		{args: []string{"-execute", "NONSENSE"}, both: "error parsing query"},
		{args: []string{"-import", "-path", file, "-precision", "s"}, both: "Failed 0 inserts"},
	} {
		var codes [2]int
		var said [2]string
		for i, address := range []string{real.url, p.url} {
			host, port := hostAndPort(t, address)
			codes[i], said[i] = run(t, "", "influx", append([]string{"-host", host, "-port", port}, c.args...)...)
		}
		same := said[0] == said[1]
		if c.both != "" {
			same = strings.Contains(said[0], c.both) && strings.Contains(said[1], c.both)
		}
		if codes[0] != codes[1] || !same {
			t.Errorf("influx %q: exit code %d, InfluxDB %d\n%s\nInfluxDB:\n%s", c.args, codes[1], codes[0], said[1], said[0])
		}
	}
	sameFields(t, real.fields(t, "site", "autogen", "week"), tenantOf{p: p, tenant: "_ops"}.fields(t))
	p.stop()
}

// TestInfluxLibrary uses the Python library of InfluxDB 1.x on a real InfluxDB and on Granary.
func TestInfluxLibrary(t *testing.T) {
	t.Parallel()
	real := startInfluxDB(t)
	python := pythonWith(t, "influxdb", "GRANARY_E2E_INFLUXDB")
	dir := t.TempDir()
	const token = "the-token-of-the-library"
	databases := object{"influx": object{"databases": object{"site": "lab"}}} // which SHOW DATABASES names
	config := configFile(t, filepath.Join(dir, "config.json"), object{"granary": object{"disk-free-mark": 0, "compat": databases, "identity": object{
		"tokens": []object{{"name": "site", "token": token, "roles": []string{"reader", "writer"}, "tenants": []string{"lab"}}},
	}}})
	plain := configFile(t, filepath.Join(dir, "open.json"), object{"granary": object{"disk-free-mark": 0, "compat": object{"influx": object{"databases": object{"site": "_ops"}}}}})
	open, closed := serve(t, plain, filepath.Join(dir, "open")), serve(t, config, filepath.Join(dir, "closed"))
	base := strconv.FormatInt(time.Now().Add(-time.Hour).Unix(), 10)
	var want map[string]any
	for _, c := range []struct{ name, url, user, password string }{
		{"influxdb", real.url, "root", "root"},
		{"open", open.url, "root", "root"}, // what the library sends if it is told nothing
		{"closed", closed.url, "site", token},
	} {
		host, port := hostAndPort(t, c.url)
		code, out := run(t, "", python, filepath.FromSlash("testdata/influxlib.py"), host, port, c.user, c.password, base)
		var got map[string]any
		if err := json.Unmarshal([]byte(out), &got); code != 0 || err != nil {
			t.Fatalf("%s: %d %s", c.name, code, out)
		}
		t.Logf("%s: %s", c.name, out)
		if version, _ := got["version"].(string); version == "" {
			t.Errorf("%s has no version", c.name)
		}
		delete(got, "version")
		if want == nil {
			want = got
		} else if !maps.Equal(want, got) {
			t.Errorf("%s: %v, want %v", c.name, got, want)
		}
	}
	sameFields(t, real.fields(t, "site", "autogen", "week"), tenantOf{p: open, tenant: "_ops"}.fields(t))
	sameFields(t, real.fields(t, "site", "autogen", "week"), tenantOf{closed, "lab", http.Header{"Authorization": {"Bearer " + token}}}.fields(t))
	closed.stop()
	open.stop()
}
