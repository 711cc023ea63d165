package config

import (
	"crypto/ed25519"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"granary/policy"
	"granary/tenant"
)

// files is a file system of one directory.
type files map[string]string

func (f files) read(name string) ([]byte, error) {
	if s, ok := f[name]; ok {
		return []byte(s), nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

func load(t testing.TB, f files, o Overrides) (*Config, []Warning, error) {
	t.Helper()
	for _, name := range []string{"config.json", "config.yaml"} {
		if _, ok := f[name]; ok {
			return Load(name, Options{ReadFile: f.read, Overrides: o})
		}
	}
	return Load("", Options{ReadFile: f.read, Overrides: o})
}

var key = base64.StdEncoding.EncodeToString(make([]byte, 32))

var ignoreInner = cmp.Options{cmpopts.IgnoreUnexported(Config{}), cmpopts.EquateComparable(netip.Prefix{})}

func TestDefault(t *testing.T) {
	c, warns, err := Load("", Options{})
	if err != nil || len(warns) > 0 {
		t.Fatal(warns, err)
	}
	if d := cmp.Diff(Default(), c, ignoreInner); d != "" {
		t.Error(d)
	}
	if c.Listen != "127.0.0.1:8082" || c.Data != "./granary-data" || c.TLS.Enabled() || c.NATS.Active() || c.PeerFiles() {
		t.Errorf("%+v", c)
	}
	s, warns := c.Policies()
	p, ok := s.Resolve(policy.ClusterCockpit, "anything")
	if want := policy.ClusterCockpitDefault(policy.Retention{Length: DefaultRetention}); !ok || !p.Equal(want) || len(warns) > 0 {
		t.Errorf("any metric: %+v, %v, %v", p, ok, warns)
	}
}

// TestPeerFile reads a file as cc-metric-store takes it, with each of its keys.
func TestPeerFile(t *testing.T) {
	c, warns, err := load(t, files{"config.json": `{
	"main": {"addr": ":8082", "https-cert-file": "c.pem", "https-key-file": "k.pem", "user": "u", "group": "g",
		"backend-url": "http://cc:8080", "jwt-public-key": "` + key + `", "debug": {"dump-to-file": "x", "gops": true}},
	"metrics": {"a": {"frequency": 60, "aggregation": "sum"}, "b": {"frequency": 10, "aggregation": null},
		"c": {"frequency": 1, "aggregation": ""}, "d": {"frequency": 60, "aggregation": "max"}},
	"metric-store": {"retention-in-memory": "0s", "memory-cap": 8, "checkpoint-interval": "12h", "num-workers": 4,
		"checkpoints": {"file-format": "wal", "directory": "/cp", "max-wal-size": 0}, "cleanup": {"mode": "delete", "directory": "/a"},
		"debug": {"gops": false}, "nats-subscriptions": [{"subscribe-to": "hpc.>", "cluster-tag": "alex"}]},
	"nats": {"address": "nats://h:4222", "username": "u", "password": "p", "creds-file-path": "f", "prefix": "?"},
	"swagger": 7
}`}, Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Path, want.Files = "config.json", []string{"config.json"}
	want.Listen, want.User, want.Group = ":8082", "u", "g"
	want.TLS = TLS{CertFile: "c.pem", KeyFile: "k.pem", ClientAuth: ClientNone, MinVersion: tls.VersionTLS12}
	want.Backend.URL = "http://cc:8080"
	want.Auth.ClusterCockpitKey = make(ed25519.PublicKey, 32)
	want.AnyMetric = false
	want.Metrics = []policy.ClusterCockpitMetric{
		{Name: "a", Frequency: time.Minute, Across: policy.Sum}, {Name: "b", Frequency: 10 * time.Second},
		{Name: "c", Frequency: time.Second}, {Name: "d", Frequency: time.Minute},
	}
	want.Retention, want.MemoryCap, want.PeerDirectory = policy.Forever, 8e9, "/cp"
	want.NATS.Address, want.NATS.Username, want.NATS.Password, want.NATS.CredsFile = "nats://h:4222", "u", "p", "f"
	want.NATS.Subscriptions = []Subscription{{Subject: "hpc.>", ClusterTag: "alex", Consumer: "granary"}}
	if d := cmp.Diff(want, c, ignoreInner); d != "" {
		t.Error(d)
	}
	if !c.TLS.Enabled() || !c.NATS.Active() {
		t.Error("TLS or NATS are not on")
	}
	kinds := make(map[string]WarningKind)
	for _, w := range warns {
		kinds[w.Key] = w.Kind
	}
	if d := cmp.Diff(map[string]WarningKind{
		"main.debug.dump-to-file": NoEffect, "main.debug.gops": NoEffect, "metric-store.debug.gops": NoEffect,
		"metric-store.checkpoint-interval": NoEffect, "metric-store.num-workers": NoEffect, "metric-store.cleanup.directory": NoEffect,
		"metric-store.checkpoints.file-format": NoEffect, "metric-store.checkpoints.directory": NoEffect, "metric-store.checkpoints.max-wal-size": NoEffect,
		"metrics.d.aggregation": Doubtful, "nats.prefix": Unknown, "swagger": Unknown,
	}, kinds); d != "" {
		t.Error(d)
	}
	s, warns := c.Policies()
	if len(warns) != 1 || warns[0].String() != `config.json:5: metrics.d.aggregation: expected "sum", "avg" or null, found "max"; taken as null, as cc-metric-store does` {
		t.Errorf("metric warnings: %v", warns)
	}
	if p, _ := s.Resolve(policy.ClusterCockpit, "a"); p.Name != "cc-60s-sum" || p.Raw.Length != policy.Forever {
		t.Errorf("policy of a: %+v", p)
	}
	if s.Open() {
		t.Error("the set is open although metrics are given")
	}
}

func TestGranarySection(t *testing.T) {
	c, warns, err := load(t, files{"config.yaml": `
main: {addr: "127.0.0.1:1"}
metric-store: {memory-cap: 3, cleanup: {mode: archive}}
granary:
  listen: 127.0.0.1:2
  data: /d
  archive: none
  auth: none
  memory-cap: 1.5GiB
  compress: "off"
  disk-free-mark: 0
  tenants: {default: me, create: explicit, max: 5}
  journal: {sync: always, interval: 2s}
  snapshot: {interval: 1h, journal-bytes: 1MiB}
  limits: {body: 1MB, line: 1000, text: 500, query-points: 7, query-samples: 71, query-series: 72, answer-padding: 0, series: 9, concurrent-queries: 3}
  timeouts: {header: 1s, read: none, write: none, idle: 5s}
  bounds: {future: none, past: 7d}
  backend: {token-file: tok}
  compat:
    clustercockpit: {enabled: false, cluster-tenants: {alex: t1, "8": t2}, queue: 2MiB, queue-wait: 9s, max-answer: 3MiB, max-queries: 4, max-query-body: 5MiB}
    nats: {enabled: false, batch: 2kB, batch-wait: 1s, pending-messages: 1, pending: 65536}
  queue: {wait: 0s, workers: 3}
  swagger: {enabled: false}
  log: {level: debug, format: json}
  admin: {listen: "localhost:6060"}
`, "tok": "secret\n"}, Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Path, want.Files = "config.yaml", []string{"config.yaml"}
	want.Listen, want.Data, want.AdminListen = "127.0.0.1:2", "/d", "localhost:6060"
	want.Auth.Open = true
	want.PeerDirectory = "./var/checkpoints"
	want.MemoryCap, want.Compress, want.DiskFreeMark = 3<<29, CompressOff, 0
	want.Tenants = Tenants{Default: "me", Max: 5, CreateRate: 60, CreateBurst: 1000}
	want.Journal = Journal{SyncAlways, 2 * time.Second}
	want.Snapshot = Snapshot{time.Hour, 1 << 20}
	want.Limits = Limits{Limits: tenant.Limits{Series: 9, Body: 1_000_000, Line: 1000, QuerySamples: 71, QuerySeries: 72, ConcurrentQueries: 3, Weight: 1}, Text: 500, QueryPoints: 7, Connections: 16384, ConnectionsPerAddress: 4096}
	want.Timeouts = Timeouts{time.Second, Unbounded, Unbounded, 5 * time.Second}
	want.Bounds = Bounds{Unbounded, 7 * 24 * time.Hour}
	want.Backend.Token = "secret"
	want.ClusterCockpit = ClusterCockpit{Tenants: map[string]tenant.ID{"alex": "t1", "8": "t2"}, MaxAnswer: 3 << 20, MaxQueries: 4, MaxQueryBody: 5 << 20}
	want.Queue = Queue{Bytes: 2 << 20, Workers: 3}
	want.NATS = NATS{BatchBytes: 2000, BatchWait: time.Second, PendingMessages: 1, PendingBytes: 65536}
	want.Swagger = false
	want.Log = Log{slog.LevelDebug, true, false}
	if d := cmp.Diff(want, c, ignoreInner); d != "" {
		t.Error(d)
	}
	if len(warns) != 1 || warns[0].Key != "metric-store.cleanup.mode" || warns[0].Kind != NoEffect {
		t.Errorf("warnings: %v", warns)
	}
}

func TestTimeouts(t *testing.T) {
	for text, want := range map[string]string{
		"{}":                            "",
		"{read: 5m, write: 10m}":        "",
		"{read: 5m, write: none}":       "",
		"{read: none, write: none}":     "",
		"{read: 5m}":                    "config.yaml:1: granary.timeouts.write: 1m0s is shorter than read; it counts from the end of the header, so a body that takes longer gets no answer",
		"{read: none, write: 1h}":       "config.yaml:1: granary.timeouts.write: 1h0m0s is shorter than read; it counts from the end of the header, so a body that takes longer gets no answer",
		"{write: 10s}":                  "config.yaml:1: granary.timeouts.write: 10s is shorter than read; it counts from the end of the header, so a body that takes longer gets no answer",
		"{header: 1ms, idle: \"none\"}": "",
	} {
		_, warns, err := load(t, files{"config.yaml": "granary: {timeouts: " + text + "}"}, Overrides{})
		got := ""
		for _, w := range warns {
			got += w.String()
		}
		if err != nil || got != want {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
}

// TestOldLayout: a file of cc-metric-store 1.4 would be served without the identity that it asks for.
func TestOldLayout(t *testing.T) {
	_, _, err := load(t, files{"config.json": `{
		"metrics": {"clock": {"frequency": 60, "aggregation": "avg"}},
		"http-api": {"address": "localhost:8082"},
		"jwt-public-key": "` + key + `"
	}`}, Overrides{})
	want := "config.json:3: http-api: is a key of cc-metric-store 1.4; since 1.5 it is main.addr, main.https-cert-file and main.https-key-file\n" +
		"config.json:4: jwt-public-key: is a key of cc-metric-store 1.4; since 1.5 it is main.jwt-public-key"
	if err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}

func TestErrors(t *testing.T) {
	short := base64.StdEncoding.EncodeToString(make([]byte, 31))
	for _, c := range []struct{ name, file, want string }{
		{"cut JSON", `{"main": {`, "config.json:1: not valid JSON: unexpected end"},
		{"bad JSON", "{\n\"main\": {,}}", "config.json:2: not valid JSON"},
		{"behind", "{}\n{}", "config.json:2: not valid JSON"},
		{"not UTF-8", "{\"main\": \"\xff\"}", "expected UTF-8"},
		{"no object", "- 1", "expected an object, in JSON or YAML, with the sections main, metrics, metric-store, nats, granary, found a list"},
		{"TOML", "port = 8080\nbearer-auth = \"0123456789abcdef\"\n", "granary, found a text"},
		{"bad YAML", "main: [", "not valid YAML"},
		{"YAML twice", "main: {}\nmain: {}", "config.json:2: main: is given twice, first in line 1"},
		{"two documents", "main: {}\n---\nmain: {}", "found a second one"},
		{"merge", "a: &a {x: 1}\nmain:\n  <<: *a", "without merging"},
		{"JSON twice", `{"main": {"addr": ":1",` + "\n" + `"addr": ":2"}}`, "config.json:2: main.addr: is given twice, first in line 1"},
		{"section twice", `{"metrics": {}, "metrics": {}}`, "metrics: is given twice"},
		{"metric twice", `{"metrics": {"a": {"frequency": 1}, "a": {"frequency": 2}}}`, "metrics.a: is given twice"},
		{"deep", `{"x": ` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, "nested at most"},
		{"section kind", `{"main": 7}`, "config.json:1: main: expected an object, found 7"},
		{"unknown key", `{"main": {"adr": ":1"}}`, "main.adr: unknown key; did you mean addr?"},
		{"case", `{"main": {"Addr": ":1"}}`, "did you mean addr?"},
		{"underscore", `{"granary": {"memory_cap": 1}}`, "did you mean memory-cap?"},
		{"far key", `{"granary": {"journal": {"whatever": 1}}}`, "granary.journal.whatever: unknown key; expected one of sync, interval"},
		{"addr", `{"main": {"addr": "localhost"}}`, `main.addr: expected host:port`},
		{"port", `{"main": {"addr": ":99999"}}`, `found ":99999"`},
		{"key not base64", `{"main": {"jwt-public-key": "!"}}`, `main.jwt-public-key: expected an Ed25519 public key in base64`},
		{"key length", `{"main": {"jwt-public-key": "` + short + `"}}`, `base64 of 32 bytes, found base64 of 31 bytes`},
		{"backend", `{"main": {"backend-url": "cc:80"}}`, `main.backend-url: expected a URL with http or https, found "cc:80"`},
		{"no frequency", `{"metrics": {"m": {"aggregation": null}}}`, "metrics.m.frequency: expected a whole number of seconds above zero, found none"},
		{"zero", `{"metrics": {"m.x": {"frequency": 0}}}`, `metrics."m.x".frequency: expected a whole number of seconds above zero and at most a year, found 0`},
		{"negative", `{"metrics": {"m": {"frequency": -60}}}`, `found -60`},
		{"fraction", `{"metrics": {"m": {"frequency": 1.5}}}`, `found 1.5`},
		{"text", `{"metrics": {"m": {"frequency": "60"}}}`, `found "60"`},
		{"huge", `{"metrics": {"m": {"frequency": 9999999999}}}`, `found 9999999999`},
		{"aggregation", `{"metrics": {"m": {"frequency": 1, "aggregation": 7}}}`, `metrics.m.aggregation: expected "sum", "avg" or null, found 7`},
		{"metric key", `{"metrics": {"m": {"frequency": 1, "unit": "x"}}}`, `metrics.m.unit: unknown key`},
		{"metric kind", `{"metrics": {"m": 60}}`, `metrics.m: expected an object, found 60`},
		{"metric null", `{"metrics": {"m": null}}`, `metrics.m: expected an object such as`},
		{"empty metric", `{"metrics": {"": {"frequency": 1}}}`, `metrics."": expected the name of a metric`},
		{"retention", `{"metric-store": {"retention-in-memory": "soon"}}`, `metric-store.retention-in-memory: expected a duration such as "90s", "48h" or "7d", found "soon"`},
		{"retention below", `{"metric-store": {"retention-in-memory": "-1h"}}`, `found "-1h"`},
		{"cap", `{"metric-store": {"memory-cap": -1}}`, `metric-store.memory-cap: expected a whole number from 0`},
		{"cap text", `{"metric-store": {"memory-cap": "8GB"}}`, `found "8GB"`},
		{"workers", `{"metric-store": {"num-workers": "4"}}`, `expected a number, found "4"`},
		{"mode", `{"metric-store": {"cleanup": {"mode": "zip"}}}`, `expected one of delete, archive, found "zip"`},
		{"archive", `{"metric-store": {"cleanup": {"mode": "archive", "directory": "x"}}}`, `set granary.archive to "none"`},
		{"subject", `{"metric-store": {"nats-subscriptions": [{"subscribe-to": "a"}, {"cluster-tag": "x"}]}}`, `metric-store.nats-subscriptions[1].subscribe-to: expected a NATS subject, found ""`},
		{"wildcard", `{"metric-store": {"nats-subscriptions": [{"subscribe-to": "a.>.b"}]}}`, `found "a.>.b"`},
		{"consumer", `{"metric-store": {"nats-subscriptions": [{"subscribe-to": "a", "consumer": "a.b"}]}}`, `[0].consumer: expected a name`},
		{"sub null", `{"metric-store": {"nats-subscriptions": [null]}}`, `nats-subscriptions[0]: expected an object`},
		{"subs kind", `{"metric-store": {"nats-subscriptions": {}}}`, `expected a list of objects`},
		{"password", `{"nats": {"password": 1234}}`, `nats.password: expected a text, found a number`},
		{"sync", `{"granary": {"journal": {"sync": "often"}}}`, `granary.journal.sync: expected one of always, interval, never, found "often"`},
		{"interval", `{"granary": {"journal": {"interval": "0s"}}}`, `"7d", 1ms or more, found "0s"`},
		{"tenant", `{"granary": {"tenants": {"default": "a/b"}}}`, `granary.tenants.default: expected a tenant id`},
		{"cluster tenant", `{"granary": {"compat": {"clustercockpit": {"cluster-tenants": {"alex": 7}}}}}`, `cluster-tenants.alex: expected a tenant id`},
		{"body", `{"granary": {"limits": {"body": "1TiB"}}}`, `granary.limits.body: expected a size such as 65536, "64KiB" or "8GB", from 1KiB to 1GiB, found "1TiB"`},
		{"admin", `{"granary": {"admin": {"listen": "0.0.0.0:6060"}}}`, `granary.admin.listen: expected a loopback address`},
		{"level", `{"granary": {"log": {"level": "INFO"}}}`, `granary.log.level: expected one of debug, info, warn, error`},
		{"auth", `{"granary": {"auth": "basic"}}`, `granary.auth: expected one of none`},
		{"archive value", `{"granary": {"archive": "s3"}}`, `granary.archive: expected one of none`},
		{"bool", `{"granary": {"compat": {"nats": {"enabled": "yes"}}}}`, `expected true or false, found "yes"`},
		{"data", `{"granary": {"data": ""}}`, `granary.data: expected the path of a directory`},
		{"future", `{"granary": {"bounds": {"future": "all"}}}`, `or "none", found "all"`},
		{"two tokens", `{"granary": {"backend": {"token": "x", "token-file": "y"}}}`, `found both`},
		{"token file", `{"granary": {"backend": {"token-file": "y"}}}`, `granary.backend.token-file: expected a file that can be read`},
		{"include and section", `{"metrics": {}, "metrics-file": "m.json"}`, `metrics-file: expected the section metrics or a file that holds it, found both`},
		{"include missing", `{"metrics-file": "m.json"}`, `config.json:1: metrics-file: expected a file that can be read: m.json: file does not exist`},
		{"include kind", `{"metrics-file": 7}`, `metrics-file: expected the path of a file, found 7`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := load(t, files{"config.json": c.file}, Overrides{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v\nwant ...%s...", err, c.want)
			}
			var e *Error
			if !errors.As(err, &e) || e.File != "config.json" || strings.Contains(err.Error(), "1234") {
				t.Errorf("the error is %#v", err)
			}
		})
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	_, _, err := load(t, files{"config.json": `{"main": {"addr": 1, "x": 2}, "metrics": {"m": {"frequency": 0}}}`}, Overrides{})
	if err == nil || strings.Count(err.Error(), "config.json:1: ") != 3 {
		t.Errorf("%v", err)
	}
}

func TestDoubtful(t *testing.T) {
	for file, want := range map[string]string{
		`{"main": {"https-cert-file": "x"}}`:                                "certificate and key",
		`{"metric-store": {"nats-subscriptions": [{"subscribe-to": "a"}]}}`: "nats.address is missing",
		`{"metric-store-file": "x"}`:                                        "metric-store-file: unknown key",
		`{"metric-store": {"checkpoint-interval": "never"}}`:                "accepted without effect",
		`{"nats": {"addres": "x"}}`:                                         "did you mean address?",
	} {
		c, warns, err := load(t, files{"config.json": file}, Overrides{})
		if err != nil || len(warns) != 1 || !strings.Contains(warns[0].String(), want) {
			t.Errorf("%s: %v, %v", file, warns, err)
		} else if c.TLS.Enabled() || c.NATS.Active() {
			t.Errorf("%s: TLS or NATS are on", file)
		}
	}
}

func TestIncludes(t *testing.T) {
	f := files{
		"dir/config.json": `{"metrics-file": "metrics.json", "granary-file": "/etc/g.yaml", "other-file": "nothing"}`,
		"dir/metrics.json": `{"a": {"frequency": 60},
			"b": {"frequency": 0}}`,
		"/etc/g.yaml": "data: /d",
	}
	_, _, err := Load("dir/config.json", Options{ReadFile: f.read})
	if err == nil || !strings.HasPrefix(err.Error(), "dir/metrics.json:2: metrics.b.frequency: ") {
		t.Fatalf("a fault in an include: %v", err)
	}
	f["dir/metrics.json"] = `{"a": {"frequency": 60}}`
	c, warns, err := Load("dir/config.json", Options{ReadFile: f.read})
	if err != nil || c.Data != "/d" || len(c.Metrics) != 1 || len(warns) != 1 || warns[0].Key != "other-file" {
		t.Fatalf("%+v, %v, %v", c, warns, err)
	}
	if want := []string{"dir/config.json", "dir/metrics.json", "/etc/g.yaml"}; !cmp.Equal(c.Files, want) {
		t.Errorf("files %q", c.Files)
	}
	f["metrics.json"] = `{"fromcwd": {"frequency": 60}}`
	if c, _, err = Load("dir/config.json", Options{ReadFile: f.read}); err != nil || c.Metrics[0].Name != "fromcwd" {
		t.Errorf("the working directory does not come first: %+v, %v", c.Metrics, err)
	}
}

func TestOverrides(t *testing.T) {
	c, _, err := load(t, files{"config.json": `{"main": {"addr": ":1"}, "granary": {"data": "/a"}}`}, Overrides{":9", "/b", "warn"})
	if err != nil || c.Listen != ":9" || c.Data != "/b" || c.Log.Level != slog.LevelWarn {
		t.Errorf("%+v, %v", c, err)
	}
	_, _, err = load(t, files{}, Overrides{Listen: "x", LogLevel: "loud"})
	if err == nil || !strings.Contains(err.Error(), "command line: --listen: expected host:port") || !strings.Contains(err.Error(), "--log-level: expected one of") {
		t.Errorf("%v", err)
	}
}

func TestReload(t *testing.T) {
	f := files{"config.json": `{"metrics": {"a": {"frequency": 60}}, "metric-store": {"retention-in-memory": "1h"}}`}
	o := Options{ReadFile: f.read, Overrides: Overrides{Data: "/x"}}
	c, _, err := Load("config.json", o)
	if err != nil {
		t.Fatal(err)
	}
	old, _ := c.Policies()
	again := Options{ReadFile: f.read}
	if s, warns, err := c.Reload(again); err != nil || len(warns) > 0 || !policy.Equal(s.Policies, old) {
		t.Errorf("an unchanged file: %v, %v", warns, err)
	}
	f["config.json"] = `{"metrics": {"a": {"frequency": 10, "aggregation": "?"}}, "metric-store": {"retention-in-memory": "2h"}}`
	s, warns, err := c.Reload(again)
	if p, _ := s.Policies.Resolve(policy.ClusterCockpit, "a"); err != nil || len(warns) != 1 || p.Grid != 10*time.Second || p.Raw.Length != 2*time.Hour {
		t.Errorf("a changed metric: %+v, %v, %v", p, warns, err)
	}
	f["config.json"] = `{"metrics": {"a": {"frequency": 10}}, "granary": {"compress": "off"}}`
	if _, warns, err = c.Reload(again); err != nil || len(warns) != 1 || !strings.Contains(warns[0].Text, "next start") {
		t.Errorf("another change: %v, %v", warns, err)
	}
	f["config.json"] = `{"metrics": {"a": {"frequency": 0}}}`
	if _, _, err = c.Reload(again); err == nil {
		t.Error("a fault is accepted")
	}
	if s, _, err := Default().Reload(again); err != nil || !s.Policies.Open() {
		t.Errorf("without a file: %v", err)
	}
}

func TestWatcher(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	write := func(s string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`{}`)
	c, _, err := Load(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := c.Watch()
	if gone := w.Gone(); gone != nil {
		t.Error(gone)
	}
	if w.Changed() {
		t.Error("changed without a change")
	}
	write(`{ }`)
	if !w.Changed() || w.Changed() {
		t.Error("a change is not told once")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if w.Changed() {
		t.Error("a file that is gone counts")
	}
	if gone := w.Gone(); len(gone) != 1 || gone[0] != path || w.Gone() != nil || w.Changed() {
		t.Errorf("a file that is gone: %v", gone)
	}
	write(`{  }`)
	if !w.Changed() {
		t.Error("a file that is back does not count")
	}
	if _, _, err := Load(filepath.Join(t.TempDir(), "none.json"), Options{}); err == nil || !strings.Contains(err.Error(), "none.json: no such file") {
		t.Errorf("a missing file: %v", err)
	}
}

func TestPeerFiles(t *testing.T) {
	dir := t.TempDir()
	c := &Config{PeerDirectory: dir}
	if c.PeerFiles() {
		t.Error("an empty directory holds files")
	}
	if err := os.Mkdir(filepath.Join(dir, "alex"), 0o700); err != nil {
		t.Fatal(err)
	}
	if !c.PeerFiles() {
		t.Error("the directory is not seen")
	}
	if c.PeerDirectory = filepath.Join(dir, "none"); c.PeerFiles() {
		t.Error("a missing directory holds files")
	}
}
