package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"granary/cmd/granary/config"
	"granary/cmd/granary/loadgen"
)

var update = flag.Bool("update", false, "write the golden files anew")

// command runs one command line and gives its exit code and what it printed.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(t.Context(), args, env{&out, &err})
	return code, out.String(), err.String()
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestHelp(t *testing.T) {
	t.Setenv("COLUMNS", "") // the width of the help
	var all strings.Builder
	for _, args := range [][]string{{}, {"serve"}, {"check"}, {"load"}, {"demo"}, {"bridge"}, {"bridge", "prometheus"}, {"bridge", "influxdb"}, {"bridge", "run"}, {"import", "cc-metric-store"}, {"import", "resources"}, {"export"}, {"verify"}, {"token"}, {"token", "keygen"}, {"token", "new"}, {"key"}, {"key", "new"}, {"key", "hash"}, {"healthcheck"}, {"version"}, {"completion"}, {"man"}} {
		code, out, err := command(t, append([]string{"help"}, args...)...)
		if code != exitOK || err != "" {
			t.Errorf("help %v: exit code %d, %s", args, code, err)
		}
		all.WriteString("$ granary " + strings.Join(append([]string{"help"}, args...), " ") + "\n" + out + "\n")
	}
	const golden = "testdata/help.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(all.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), all.String()); d != "" {
		t.Errorf("the help has changed; go test -update writes it anew:\n%s", d)
	}
	if _, out, _ := command(t); !strings.HasPrefix(all.String(), "$ granary help\n"+out) {
		t.Error("no command is not the same as help")
	}
}

func TestExitCodes(t *testing.T) {
	good := write(t, "config.json", `{}`)
	bad := write(t, "config.json", `{"main": {"adr": 1}}`)
	for _, c := range []struct {
		args []string
		code int
		want string // in stderr
	}{
		{[]string{"version"}, exitOK, ""},
		{[]string{"check", good}, exitOK, ""},
		{[]string{"check", bad}, exitFailure, "main.adr: unknown key"},
		{[]string{"check", good + ".none"}, exitFailure, "no such file"},
		{[]string{"check"}, exitUsage, `expected "<config>"`},
		{[]string{"nothing"}, exitUsage, "nothing"},
		{[]string{"serve", "--none"}, exitUsage, "unknown flag"},
		{[]string{"serve", "--config", bad}, exitFailure, "main.adr"},
		{[]string{"serve", "--listen", "nowhere"}, exitFailure, "command line: --listen"},
		{[]string{"serve", "-config=" + bad, "-loglevel", "err", "-logdate"}, exitFailure, "main.adr"},
		{[]string{"load", "--rate", "fast"}, exitUsage, "--rate"},
		{[]string{"load", "--rate", "max"}, exitUsage, "needs --steps, --backfill or --duration"},
		{[]string{"load", "--interval", "x"}, exitUsage, "--interval"},
		{[]string{"load", "--hosts", "0"}, exitUsage, "0 hosts"},
		{[]string{"load", "--precision", "h"}, exitUsage, "--precision"},
		{[]string{"load", "--target", "ftp://x"}, exitFailure, "expected a URL"},
		{[]string{"demo", "--interval", "100ms"}, exitUsage, "whole seconds"},
		{[]string{"token", "new", "--key", good, "--exp", "x"}, exitUsage, "--exp"},
		{[]string{"token", "new", "--key", good}, exitFailure, "expected a private key"},
		{[]string{"completion", "tcsh"}, exitUsage, "bash"},
	} {
		code, _, stderr := command(t, c.args...)
		if code != c.code || !strings.Contains(stderr, c.want) || (c.code == exitOK) != (stderr == "") {
			t.Errorf("%v: exit code %d, want %d; stderr %q, want ...%s...", c.args, code, c.code, stderr, c.want)
		}
	}
}

func TestServeFlags(t *testing.T) {
	file := write(t, "config.yaml", "main: {addr: ':1'}\ngranary: {data: /a}\n")
	cli := &CLI{}
	parser, err := newParser(cli, env{io.Discard, io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(rewrite([]string{"serve", "-config", file, "-dev", "-gops", "-loglevel=crit", "--listen", ":2", "--data", "/b"})); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := cli.Serve.load()
	if err != nil || cfg.Listen != ":2" || cfg.Data != "/b" || cfg.Log.Level.String() != "ERROR" || cfg.Path != file || !cli.Serve.Dev {
		t.Errorf("%+v, %v", cfg, err)
	}
}

func TestHangups(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	c := hangups(ctx)
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	select {
	case <-c:
	case <-time.After(10 * time.Second):
		t.Fatal("the signal does not arrive")
	}
}

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "alex"), 0o700); err != nil {
		t.Fatal(err)
	}
	file := write(t, "config.json", `{
		"main": {"addr": "127.0.0.1:8082", "https-cert-file": "/none/c.pem", "https-key-file": "/none/k.pem"},
		"metrics": {"a": {"frequency": 60, "aggregation": "max"}, "b": {"frequency": 10}, "c": {"frequency": 60}},
		"metric-store": {"retention-in-memory": "48h", "memory-cap": 0, "num-workers": 3, "checkpoints": {"directory": "`+dir+`"},
			"nats-subscriptions": [{"subscribe-to": "hpc-nats"}]},
		"nats": {"address": "nats://h:4222", "prefix": 1}
	}`)
	code, out, stderr := command(t, "check", file)
	if code != exitOK || stderr != "" {
		t.Fatalf("%d, %s", code, stderr)
	}
	for _, want := range []string{
		"Doubtful:\n  " + file + ":3: metrics.a.aggregation: expected",
		"Unknown, and ignored:\n  " + file + ":6: nats.prefix: unknown key",
		"Accepted without effect:\n  " + file + ":4: metric-store.num-workers: is accepted without effect\n",
		"TLS cannot be served: certificate: ",
		"granary import cc-metric-store " + dir,
		"  listen      https://127.0.0.1:8082\n",
		"  metrics     3 (1 every 10 s, 2 every 60 s)\n",
		"  retention   2d, Hawkular's metrics apart\n", "  memory cap  none\n", "  nats        nats://h:4222: hpc-nats\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	for file, want := range map[string]string{
		`{"main": {"addr": ":80", "jwt-public-key": "kzfYrYy+TzpanWZHJ5qSdMj5uKUWgq74BWhQG6copP0="}}`:                              "JWTs of main.jwt-public-key on /api; all else is closed (granary.identity or granary.auth: none lets others in)",
		`{"main": {"addr": ":80", "jwt-public-key": "kzfYrYy+TzpanWZHJ5qSdMj5uKUWgq74BWhQG6copP0="}, "granary": {"auth": "none"}}`: "JWTs of main.jwt-public-key on /api; none for the rest",
		`{"main": {"addr": ":80"}}`:                              "none is demanded: /api is for every address, all else for this machine only (granary.identity or granary.auth: none lets others in)",
		`{"main": {"addr": ":80"}, "granary": {"auth": "none"}}`: "none is demanded",
		`{}`:                                    "none is demanded, and only this machine can connect",
		`{"metric-store": {"memory-cap": 100}}`: "100GB",
		`{"granary": {"memory-cap": "8GiB"}}`:   "8GiB",
		`{"granary": {"bounds": {"past": "90m", "future": "0s"}}}`:                                                                                          "up to 1h30m old, none ahead of now (ClusterCockpit and NATS)",
		`{"granary": {"bounds": {"past": "none", "future": "none"}}}`:                                                                                       "of any age, or ahead of now by any time (ClusterCockpit and NATS)",
		`{"granary": {"tenants": {"default": "me"}, "compat": {"clustercockpit": {"cluster-tenants": {"b": "y", "a": "x"}}}}}`:                              "me, x of cluster a, y of cluster b",
		`{"granary": {"compat": {"clustercockpit": {"enabled": false}}}}`:                                                                                   "/api is not served",
		`{"granary": {"compat": {"hawkular": {"enabled": false}}}}`:                                                                                         "/hawkular is not served",
		`{"metric-store": {"retention-in-memory": "0s"}, "granary": {"compat": {"hawkular": {"enabled": false}}}}`:                                          "for ever",
		`{"granary": {"compat": {"hawkular": {}}}}`:                                                                                                         "as Mohawk and Hawkular; kept 7d from the writing; no admin token; web pages of *",
		`{"granary": {"compat": {"hawkular": {"strict": true, "retention": "forever", "cors-origins": [], "admin-token": {"token": "0123456789abcdef"}}}}}`: "strictly as Hawkular; kept for ever; an admin token; no web pages",
		`{"granary": {"rules": [{"name": "all", "pattern": "*", "policy": "low"}]}}`:                                                                        "as Mohawk and Hawkular; kept as granary.policies says; no admin token; web pages of *",
		`{"granary": {"compat": {"hawkular": {"alerts": {"rules": [{"id": "a", "metrics": ["m"], "alert-if-lower-than": 1}]}}}}}`:                           "1 rule, looked at every 5s; nobody is told",
		`{"granary": {"compat": {"hawkular": {"alerts": {"server": "http://u:hush@h/append?key=hush", "rules": [{"id": "a", "metrics": ["m"], "alert-if-lower-than": 1}, {"id": "b", "metrics": ["m"], "alert-if-lower-than": 1}]}}}}}`: "2 rules, looked at every 5s; changes are sent to http://h/append",
		`{"granary": {"journal": {"sync": "always"}}}`: "synced before each acknowledgement",
	} {
		if code, out, stderr := command(t, "check", write(t, "c.json", file)); code != exitOK || !strings.Contains(out, "  "+want+"\n") {
			t.Errorf("%s: no %q in %s%s", file, want, out, stderr)
		}
	}
	if _, out, _ = command(t, "check", write(t, "empty.yaml", "")); !strings.Contains(out, "any, every 60 s") || !strings.Contains(out, "retention   30d") {
		t.Errorf("%s", out)
	}
}

// TestCheckSaysAll: what a file is warned of stands before its faults, so that it can be mended in one go.
func TestCheckSaysAll(t *testing.T) {
	file := write(t, "c.yaml", "port: 8080\nbearer-auth: 0123456789abcdef\n")
	code, out, stderr := command(t, "check", file)
	if code != exitFailure || !strings.HasPrefix(out, "Unknown, and ignored:\n  "+file+":1: port: ") || strings.Contains(out, "is valid") ||
		!strings.Contains(stderr, file+" is not valid:\n"+file+":2: bearer-auth: ") {
		t.Errorf("%d, %s%s", code, out, stderr)
	}
}

// TestCheckLooksAtFiles: what serve would refuse of the files of this machine, check refuses.
func TestCheckLooksAtFiles(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ config, content, want string }{
		{"granary: {identity: {basic: {file: %q}}}", "alice:plain\n", "line 1: expected a bcrypt hash"},
		{"granary: {identity: {jwt: [{issuer: 'https://i', audience: [g], jwks-file: %q}]}}", "", "granary.identity cannot be used: issuer https://i"},
		{"granary: {identity: {jwt: [{issuer: 'https://i', audience: [g], jwks-file: %q}]}}", "{", "granary.identity cannot be used: issuer https://i"},
		{"granary: {identity: {tokens: [{name: t, token-file: %q, roles: [reader], tenants: [a]}]}}", "short", "less than 16 bytes"},
		{"granary: {identity: {tokens: [{name: t, token-file: %q, roles: [reader], tenants: [a]}]}}", "absent", "no such file"},
		{"granary: {compat: {hawkular: {alerts: {ca: %q, rules: [{id: a, metrics: [m], alert-if-lower-than: 1}]}}}}", "no PEM", "granary.compat.hawkular.alerts.ca: "},
		{"granary: {compat: {hawkular: {alerts: {ca: %q, rules: [{id: a, metrics: [m], alert-if-lower-than: 1}]}}}}", "absent", "no such file"},
		{"main: {addr: '127.0.0.1:1', https-cert-file: %[1]q, https-key-file: %[1]q}", "no PEM", "TLS cannot be served"},
	} {
		file := filepath.Join(dir, "file")
		if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if c.content == "absent" {
			file += ".none"
		}
		code, out, stderr := command(t, "check", write(t, "c.yaml", fmt.Sprintf(c.config, file)))
		if code != exitFailure || !strings.Contains(stderr, "cannot be served on this machine") || !strings.Contains(stderr, c.want) || strings.Contains(out, "is valid") {
			t.Errorf("%s with %q: %d, %s%s", c.config, c.content, code, out, stderr)
		}
	}
}

func TestToken(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key.pem")
	code, out, stderr := command(t, "token", "keygen", "--out", key)
	if code != exitOK || stderr != "" {
		t.Fatalf("%d, %s", code, stderr)
	}
	if i, err := os.Stat(key); err != nil || i.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", i.Mode(), err)
	}
	// What it prints goes into the section main as it is.
	cfg, _, err := config.Load(write(t, "config.json", `{"main": {`+out+`}}`), config.Options{})
	if err != nil || len(cfg.Auth.ClusterCockpitKey) != 32 {
		t.Errorf("%v", err)
	}
	if code, _, _ = command(t, "token", "keygen", "--out", key); code != exitFailure {
		t.Error("a key is written over another one")
	}
	code, out, _ = command(t, "token", "new", "--key", key, "--sub", "collector", "--exp", "0")
	if code != exitOK || strings.Count(out, ".") != 2 {
		t.Errorf("%d, %s", code, out)
	}
	if code, out, _ = command(t, "token", "keygen"); code != exitOK || !strings.HasPrefix(out, "-----BEGIN PRIVATE KEY-----") {
		t.Errorf("%d, %s", code, out)
	}
}

func TestLoad(t *testing.T) {
	var mu sync.Mutex
	lines := 0
	status := http.StatusOK
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		lines += bytes.Count(b, []byte("\n"))
		w.Header().Set("X-Granary-Ignored", "unknown-metric=1")
		w.WriteHeader(status)
		if status != http.StatusOK {
			_, _ = io.WriteString(w, "disk full")
		}
	}))
	defer srv.Close()
	args := []string{"load", "--target", srv.URL, "--hosts", "3", "--rate", "max", "--steps", "4", "--batch", "50"}
	code, out, stderr := command(t, append(args, "--json")...)
	if code != exitOK || stderr != "" {
		t.Fatalf("%d, %s", code, stderr)
	}
	var report struct {
		Acknowledged int              `json:"samples_acknowledged"`
		Ignored      map[string]int64 `json:"ignored"`
		Status       map[string]int64 `json:"status"`
	}
	want := 4 * 3 * (30 + 2*3 + 16*4)
	if err := json.Unmarshal([]byte(out), &report); err != nil || report.Acknowledged != want || lines != want || report.Status["200"] != report.Ignored["unknown-metric"] {
		t.Errorf("%+v, %d lines, %v", report, lines, err)
	}
	status = http.StatusServiceUnavailable
	code, out, stderr = command(t, args...)
	if code != exitFailure || !strings.Contains(out, "disk full") || !strings.Contains(stderr, "no batch was accepted") {
		t.Errorf("%d, %s, %s", code, out, stderr)
	}
	if code, out, _ = command(t, "load", "--target", srv.URL, "--duration", "1ms", "--backfill", "1h"); code != exitOK && !strings.Contains(out, "disk full") {
		t.Errorf("%d, %s", code, out)
	}
}

func TestLoadTakesMetricsOfAConfiguration(t *testing.T) {
	code, out, stderr := command(t, "load", "--print-config", "--node-metrics", "2", "--interval", "15s")
	if code != exitOK {
		t.Fatal(stderr)
	}
	file := write(t, "config.json", out)
	cfg, warns, err := config.Load(file, config.Options{})
	if err != nil || len(warns) > 0 || len(cfg.Metrics) != 2+11 || cfg.Metrics[0].Frequency != 15*time.Second {
		t.Fatalf("%+v, %v, %v", cfg.Metrics, warns, err)
	}
	c := LoadCmd{Metrics: file, Interval: "1s", Hosts: 1, Precision: "s"}
	cl, err := c.cluster()
	if err != nil || cl.Interval != 15*time.Second || len(cl.Metrics) != 13 {
		t.Errorf("%+v, %v", cl, err)
	}
}

func TestLedgerAndVerify(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/query") {
			var q struct{ Queries []any }
			if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"results": make([][]any, len(q.Queries))})
		}
	}))
	defer srv.Close()
	ledger := filepath.Join(t.TempDir(), "ledger")
	if code, _, stderr := command(t, "load", "--target", srv.URL, "--hosts", "1", "--rate", "1e9", "--steps", "2", "--ledger", ledger); code != exitOK {
		t.Fatal(stderr)
	}
	// This server has forgotten everything.
	code, out, stderr := command(t, "load", "--target", srv.URL, "--verify", ledger)
	if code != exitFailure || out != "200 samples were acknowledged: 200 missing, 0 different\n" || !strings.Contains(stderr, "cpu_load of n0001") {
		t.Errorf("%d, %s, %s", code, out, stderr)
	}
}

// TestCompletion asks bash itself.
// TestLoadForADuration: a rate and a duration are enough; the run begins so far back that its times are not ahead of now.
func TestLoadForADuration(t *testing.T) {
	c := LoadCmd{Rate: "max", Duration: "20s", Backfill: "0s"}
	cl := loadgen.Cluster{Interval: 10 * time.Second}
	p, err := c.plan(&cl)
	if err != nil {
		t.Fatal(err)
	}
	end := cl.Start.Add(time.Duration(p.Steps-1) * cl.Interval)
	if p.Duration != 20*time.Second || p.Steps != int64(longPast/cl.Interval)+1 || end.After(time.Now()) {
		t.Errorf("%d steps from %v to %v in %v", p.Steps, cl.Start, end, p.Duration)
	}
}

func TestKeyCommands(t *testing.T) {
	code, out, _ := command(t, "key", "new")
	lines := strings.Fields(out)
	if code != exitOK || len(lines) != 4 || lines[0] != "token:" || lines[2] != "sha256:" {
		t.Fatalf("%d %s", code, out)
	}
	file := write(t, "token", " "+lines[1]+"\n")
	if code, again, _ := command(t, "key", "hash", file); code != exitOK || again != "sha256: "+lines[3]+"\n" {
		t.Errorf("%d %s", code, again)
	}
	made := filepath.Join(t.TempDir(), "made")
	code, sum, _ := command(t, "key", "new", "--out", made)
	if code != exitOK || strings.Contains(sum, "token") {
		t.Errorf("%d %s", code, sum)
	}
	if code, again, _ := command(t, "key", "hash", made); code != exitOK || again != sum {
		t.Errorf("%d %s", code, again)
	}
	if code, _, _ := command(t, "key", "new", "--out", made); code != exitFailure {
		t.Error("a file was written over")
	}
	if code, _, err := command(t, "key", "hash", write(t, "short", "hunter2")); code != exitFailure || strings.Contains(err, "hunter2") || !strings.Contains(err, "less than 16 bytes") {
		t.Errorf("%d %s", code, err)
	}
}
