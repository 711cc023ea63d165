package config

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func loadBridge(kind, content string) (*Bridge, error) {
	return LoadBridge("/etc/granary/bridge/b.yaml", kind, Options{ReadFile: func(string) ([]byte, error) { return []byte(content), nil }})
}

func TestBridge(t *testing.T) {
	b, err := loadBridge(Prometheus, `
interval: 30s
time: sample
concurrency: 2
cluster: alex
tags: {rack: r1}
host: {pattern: '([^.]+)\..*'}
granary:
  url: https://granary.example.org
  token-file: token
  tenant: site
  lines: 100
  max-wait: 10s
  tls: {ca-file: /etc/ca.pem}
sources:
  - {name: a, url: "http://a:9090", bearer: secret, timeout: 3s, max-answer: 1MiB}
  - {url: "http://b:9090/prom", user: u, password-file: pw}
spool: {dir: /tmp/s, size: 16MiB, age: 2d}
metrics:
  cpu_load: node_load1
  mem_bw:
    - {query: q1, type: socket, labels: {type-id: package}, scale: 0.5, unit: MB/s, sources: [a]}
    - {query: q2, cluster: other, tags: {rack: ""}, host: {label: node, strip-port: false, pattern: "n[0-9]+"}}
`)
	if err != nil {
		t.Fatal(err)
	}
	if b.Interval != 30*time.Second || !b.OwnTime || b.Concurrency != 2 {
		t.Errorf("%+v", b)
	}
	want := BridgeTarget{Tenant: "site", Lines: 100, MaxWait: 10 * time.Second, BridgeEndpoint: BridgeEndpoint{
		URL: "https://granary.example.org", Timeout: 10 * time.Second, BearerFile: "/etc/granary/bridge/token", CAFile: "/etc/ca.pem"}}
	if d := cmp.Diff(want, b.Granary); d != "" {
		t.Error(d)
	}
	sources := []BridgeSource{
		{Name: "a", MaxAnswer: 1 << 20, BridgeEndpoint: BridgeEndpoint{URL: "http://a:9090", Timeout: 3 * time.Second, Bearer: "secret"}},
		{Name: "b:9090", MaxAnswer: 64 << 20, BridgeEndpoint: BridgeEndpoint{URL: "http://b:9090/prom", Timeout: 10 * time.Second, User: "u", PasswordFile: "/etc/granary/bridge/pw"}},
	}
	if d := cmp.Diff(sources, b.Sources); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(BridgeSpool{Dir: "/tmp/s", Size: 16 << 20, Age: 48 * time.Hour}, b.Spool); d != "" {
		t.Error(d)
	}
	if len(b.Metrics) != 3 {
		t.Fatalf("%+v", b.Metrics)
	}
	load, first, second := b.Metrics[0], b.Metrics[1], b.Metrics[2]
	if load.Query != "node_load1" || load.Scale != 1 || load.Host.Label != "instance" || !load.Host.StripPort || load.Host.Replace != "$1" || len(load.Sources) != 2 {
		t.Errorf("%+v", load)
	}
	if d := cmp.Diff(map[string]string{"cluster": "alex", "type": "node", "rack": "r1"}, load.Tags); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(map[string]string{"cluster": "alex", "type": "socket", "rack": "r1", "unit": "MB/s"}, first.Tags); d != "" {
		t.Error(d)
	}
	if first.Scale != 0.5 || first.Labels["type-id"] != "package" || len(first.Sources) != 1 || first.Line != 22 {
		t.Errorf("%+v", first)
	}
	if d := cmp.Diff(map[string]string{"cluster": "other", "type": "node"}, second.Tags); d != "" {
		t.Error(d)
	}
	if h := second.Host; h.Label != "node" || h.StripPort || h.Pattern.String() != "^(?s:n[0-9]+)$" || len(second.Labels) != 0 {
		t.Errorf("%+v", second)
	}
}

func TestBridgeInfluxDB(t *testing.T) {
	b, err := loadBridge("", `
kind: influxdb
cluster: alex
sources: [{url: "http://i:8086", database: telegraf, retention-policy: autogen, org: o, token: t}]
metrics:
  cpu_load: {query: q, column: last}
  cpu_user: {query: f, language: flux}
`)
	if err != nil {
		t.Fatal(err)
	}
	if b.Kind != InfluxDB || b.Granary.URL != "http://127.0.0.1:8082" || b.Sources[0].Database != "telegraf" || b.Sources[0].Token != "t" {
		t.Errorf("%+v", b)
	}
	if m := b.Metrics; m[0].Language != InfluxQL || m[0].Column != "last" || m[0].Host.Label != "host" || m[0].Host.StripPort || m[1].Language != Flux {
		t.Errorf("%+v", m)
	}
}

func TestFaultsOfABridge(t *testing.T) {
	const good = "cluster: c\nsources: [{url: 'http://a:1'}]\nmetrics: {m: q}\n"
	for _, c := range []struct{ kind, content, want string }{
		{"", "cluster: c", "kind: expected prometheus or influxdb"},
		{Prometheus, "kind: influxdb\n" + good, "b.yaml:1: kind: expected prometheus"},
		{Prometheus, "", "metrics: expected an object of metrics"},
		{Prometheus, "", "sources: expected a list"},
		{Prometheus, good + "intervall: 5s\n", "b.yaml:4: intervall: unknown key; did you mean interval?"},
		{Prometheus, "cluster: c\nsources: [{url: 'http://a:1'}]\nmetrics:\n  m:\n    query: q\n    scal: 3\n", "b.yaml:6: metrics.m.scal: unknown key; did you mean scale?"},
		{Prometheus, "cluster: c\nsources:\n  - url: http://a:1\n    database: x\nmetrics: {m: q}\n", "b.yaml:4: sources[0].database: unknown key"},
		{Prometheus, good + "interval: 1500ms\n", "interval: expected whole seconds"},
		{Prometheus, good + "time: now\n", "time: expected one of round, sample"},
		{Prometheus, "sources: [{url: 'http://a:1'}]\nmetrics: {m: q}\n", "metrics.m: expected a cluster"},
		{Prometheus, "cluster: c\nsources: [{url: 'a:1'}]\nmetrics: {m: q}\n", "sources[0].url: expected the address of a server"},
		{Prometheus, "cluster: c\nsources: [{url: 'http://u:p@a:1'}]\nmetrics: {m: q}\n", "not in the address"},
		{Prometheus, "cluster: c\nsources: [{url: 'http://a:1', bearer: x, user: y}]\nmetrics: {m: q}\n", "expected one way to say who asks"},
		{Prometheus, "cluster: c\nsources: [{url: 'http://a:1', password: y}]\nmetrics: {m: q}\n", "expected a user"},
		{Prometheus, "cluster: c\nsources: [{url: 'http://a:1', tls: {cert-file: y}}]\nmetrics: {m: q}\n", "expected cert-file and key-file"},
		{Prometheus, "cluster: c\nsources: [{url: 'http://a:1'}, {url: 'http://a:1/x'}]\nmetrics: {m: q}\n", "expected a name that no other source has"},
		{Prometheus, "cluster: c\nsources: [{url: 'http://a:1'}]\nmetrics: {m: {query: q, sources: [x]}}\n", `expected the name of a source, found "x"`},
		{Prometheus, "cluster: c\nsources: [{url: 'http://a:1'}]\nmetrics: {m: {query: q, scale: 0}}\n", "expected a scale other than 0"},
		{Prometheus, "cluster: c\nsources: [{url: 'http://a:1'}]\nmetrics: {m: ' '}\n", "metrics.m: expected a query"},
		{Prometheus, "cluster: c\nsources: [{url: 'http://a:1'}]\nmetrics: {m: []}\n", "metrics.m: expected a query"},
		{Prometheus, "cluster: c\nsources: [{url: 'http://a:1'}]\nmetrics: {m: null}\n", "metrics.m: expected a query"},
		{Prometheus, "cluster: c\nsources: [{url: 'http://a:1'}]\nmetrics: {m: 5}\n", "metrics.m: expected an object, found 5"},
		{Prometheus, good + "host: {pattern: '(?=x)'}\n", "host.pattern: expected a regular expression (RE2)"},
		{Prometheus, good + "host: {pattern: 'a)(b'}\n", "host.pattern: expected a regular expression (RE2)"},
		{Prometheus, good + "host: {replace: '$1'}\n", "host.replace: expected a pattern"},
		{Prometheus, good + "spool: {size: 1MiB}\n", "spool.size: expected a size"},
		{Prometheus, good + "tags: {a: [b]}\n", "tags: expected an object of texts"},
		{InfluxDB, good, "metrics.m: expected the database of InfluxQL in the source a:1"},
		{InfluxDB, good + "language: flux\n", "metrics.m: expected the org of Flux in the source a:1"},
		{Prometheus, "cluster: c\nsources: []\nmetrics: {m: q}", "sources: expected a list of servers"},
		{Prometheus, "a: b: c", "not valid YAML"},
		{Prometheus, "0", "b.yaml:1: expected an object with the members sources and metrics, found 0"},
		{Prometheus, "metrics: 5\nsources: 5\ngranary: 5\nhost: 5\nspool: 5", "granary: expected an object"},
	} {
		_, err := loadBridge(c.kind, c.content)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.content, err, c.want)
		}
	}
	_, err := LoadBridge("none", Prometheus, Options{ReadFile: func(string) ([]byte, error) { return nil, fs.ErrNotExist }})
	if err == nil || !strings.Contains(err.Error(), "expected a file that can be read") {
		t.Error(err)
	}
}

// TestSecretsOfABridge: no fault quotes one.
func TestSecretsOfABridge(t *testing.T) {
	_, err := loadBridge(Prometheus, "cluster: c\nsources: [{url: 'http://a:1', bearer: [hunter2], password: hunter2}]\nmetrics: {m: q}\ngranary: {token: hunter2, url: x}\n")
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}

func FuzzLoadBridge(f *testing.F) {
	f.Add("cluster: c\nsources: [{url: 'http://a:1'}]\nmetrics: {m: q}\n", true)
	f.Add("cluster: c\nhost: {pattern: '(a)'}\nsources: [{url: 'http://a:1', database: d}]\nmetrics: {m: [{query: q, labels: {a: b}}]}\n", false)
	f.Add("[]", true)
	f.Add("cluster: A\nsources: []\nmetrics: {0: A}", false)
	f.Add("granary: 5\nsources: [5, null, {}]\nmetrics: {a: 5, b: null, c: [], d: [null, 5, {}]}\nhost: []\nspool: x", false)
	f.Fuzz(func(t *testing.T, content string, prometheus bool) {
		kind := InfluxDB
		if prometheus {
			kind = Prometheus
		}
		b, err := loadBridge(kind, content)
		if err == nil && (len(b.Metrics) == 0 || len(b.Sources) == 0 || b.Interval < time.Second) {
			t.Fatalf("%+v", b)
		}
	})
}

// TestFilesOfTheBridgeGuide: what docs/bridge.md shows is valid.
func TestFilesOfTheBridgeGuide(t *testing.T) {
	page, err := os.ReadFile("../../../docs/bridge.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```").FindAllStringSubmatch(string(page), -1)
	if len(shown) != 3 {
		t.Errorf("%d files", len(shown))
	}
	for _, m := range shown {
		b, err := loadBridge("", m[1])
		if err != nil || len(b.Metrics) != 5 {
			t.Errorf("%v\n%s", err, m[1])
		}
	}
}

// TestEveryKeyOfABridgeIsDocumented holds the keys that the sections ask for against the table of docs/bridge.md, by their last part.
func TestEveryKeyOfABridgeIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../../docs/bridge.md")
	if err != nil {
		t.Fatal(err)
	}
	table := ""
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "| `") {
			table += strings.Split(line, "|")[1]
		}
	}
	for _, kind := range []string{Prometheus, InfluxDB} {
		keys := 0
		content := "cluster: c\nsources: [{url: 'http://a:1', database: d}]\nmetrics: {NAME: {query: q}}\n"
		_, err := LoadBridge("b.yaml", kind, Options{
			ReadFile: func(string) ([]byte, error) {
				return []byte(strings.ReplaceAll(content, ", database: d", map[string]string{InfluxDB: ", database: d"}[kind])), nil
			},
			keys: func(path string) {
				keys++
				last := path[strings.LastIndexByte(path, '.')+1:]
				if !regexp.MustCompile("[`.]" + regexp.QuoteMeta(last) + "(\\[\\])?[`.]").MatchString(table) {
					t.Errorf("docs/bridge.md does not name the key %s", path)
				}
			},
		})
		if err != nil || keys < 50 {
			t.Errorf("%s: %d keys, %v", kind, keys, err)
		}
	}
}
