//go:build e2e

package e2e_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"granary/cmd/granary/keys"
)

// freePort is an address that nobody listens on, for a file in which a real site would name one.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// minute is a time some hours ago, a whole minute.
func minute() int64 { return time.Now().Add(-6*time.Hour).Unix() / 60 * 60 }

// TestDropIn starts the program as cc-metric-store is started, with the same file, flags and working directory.
func TestDropIn(t *testing.T) {
	dir := t.TempDir()
	address := freePort(t)

	// The key pair and a token, as the program makes them.
	code, out, errs := command(t, "token", "keygen", "--out", filepath.Join(dir, "key.pem"))
	public := regexp.MustCompile(`"jwt-public-key": "([^"]+)"`).FindStringSubmatch(out)
	if code != 0 || public == nil {
		t.Fatalf("keygen: %d %s%s", code, out, errs)
	}
	code, token, errs := command(t, "token", "new", "--key", filepath.Join(dir, "key.pem"), "--sub", "collector", "--exp", "1d")
	if code != 0 {
		t.Fatalf("token: %d %s", code, errs)
	}
	token = strings.TrimSpace(token)

	checkpoint := filepath.Join(dir, "var", "checkpoints", "fritz", "f0101")
	if err := os.MkdirAll(checkpoint, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(checkpoint, "1700000000.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := object{
		"main": object{"addr": address, "jwt-public-key": public[1], "debug": object{"gops": false}},
		"metrics": object{
			"cpu_load":  object{"frequency": 60, "aggregation": nil},
			"flops_any": object{"frequency": 60, "aggregation": "sum"},
		},
		"metric-store": object{
			"checkpoints":         object{"file-format": "wal", "directory": "./var/checkpoints", "max-wal-size": 1 << 30},
			"checkpoint-interval": "12h", "num-workers": 2, "memory-cap": 8, "retention-in-memory": "48h",
			"cleanup": object{"mode": "delete"},
		},
		// checkTokens shows more wrong tokens than an address may within a minute.
		"granary": object{"identity": object{"failures": object{"allowed": 1000}}},
	}
	configFile(t, filepath.Join(dir, "config.json"), config)
	start := func() *process {
		p := launch(t, dir, "serve", "-config", "./config.json", "-dev", "-loglevel", "info", "-logdate", "-gops")
		p.url = "http://" + address
		p.ready()
		return p
	}
	p := start()
	p.log.await(t, regexp.MustCompile(`checkpoint directory of cc-metric-store holds files.*granary import`))

	t0 := minute()
	t.Run("token", func(t *testing.T) { checkTokens(t, p, dir, token, t0) })

	bearer := http.Header{"Authorization": {"Bearer " + token}}
	write := func(body string) {
		t.Helper()
		if status, header, answer := p.do(http.MethodPost, "/api/write/?cluster=fritz", bearer, strings.NewReader(body)); status != http.StatusOK || len(header["X-Granary-Ignored"]) > 0 {
			t.Fatalf("write: %d %s, ignored %q", status, answer, header["X-Granary-Ignored"])
		}
	}
	read := func(metric string, from, to int64) (int64, []int64) {
		t.Helper()
		body := fmt.Sprintf(`{"cluster":"fritz","from":%d,"to":%d,"queries":[{"metric":%q,"host":"f0101"}]}`, from, to, metric)
		status, _, answer := p.do(http.MethodGet, "/api/query", bearer, strings.NewReader(body))
		rows, err := results(answer)
		if status != http.StatusOK || err != nil || len(rows) != 1 || len(rows[0]) != 1 {
			t.Fatalf("query: %d %s", status, answer)
		}
		v, err := thousandths(nil, rows[0][0].Data)
		if err != nil || rows[0][0].Error != nil {
			t.Fatalf("query: %s", answer)
		}
		return rows[0][0].Resolution, v
	}
	var lines strings.Builder
	var old []int64
	for k := range int64(20) {
		fmt.Fprintf(&lines, "cpu_load,hostname=f0101 value=%d.5 %d\n", k, t0+60*k)
		old = append(old, 1000*k+500)
	}
	write(lines.String())
	wantRow := func(what, metric string, from, to, resolution int64, want []int64) {
		t.Helper()
		if r, v := read(metric, from, to); r != resolution || fmt.Sprint(v) != fmt.Sprint(want) {
			t.Errorf("%s: resolution %d, %v; want %d, %v", what, r, v, resolution, want)
		}
	}
	wantRow("before the reload", "cpu_load", t0, t0+1200, 60, old)

	// The frequency changes: what is old stays, what is new is finer, and both together come at the coarser step.
	config["metrics"].(object)["cpu_load"] = object{"frequency": 10, "aggregation": nil}
	configFile(t, filepath.Join(dir, "config.json"), config)
	if err := p.cmd.Process.Signal(hangup); err != nil {
		t.Fatal(err)
	}
	p.log.await(t, regexp.MustCompile(`msg="metrics reloaded"`))
	lines.Reset()
	var fine, mixed []int64
	for k := range int64(12) {
		fmt.Fprintf(&lines, "cpu_load,hostname=f0101 value=%d.25 %d\n", 100+k, t0+1200+10*k)
		fine = append(fine, 1000*(100+k)+250)
	}
	write(lines.String())
	check := func(when string) {
		t.Helper()
		wantRow("old samples "+when, "cpu_load", t0, t0+1200, 60, old)
		wantRow("new samples "+when, "cpu_load", t0+1200, t0+1320, 10, fine)
		if r, v := read("cpu_load", t0, t0+1320); r != 60 || len(v) < 21 || fmt.Sprint(v[:19]) != fmt.Sprint(old[:19]) {
			t.Errorf("both %s: resolution %d, %v; want 60 and to begin as %v", when, r, v, old)
		} else if mixed == nil {
			mixed = v
		} else if fmt.Sprint(v) != fmt.Sprint(mixed) {
			t.Errorf("both %s: %v, before %v", when, v, mixed)
		}
	}
	check("after the reload")
	p.kill()
	p = start()
	check("after a kill")
	p.stop()
	p = start()
	check("after a stop")

	// A file with a fault changes nothing.
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"metrics":{"cpu_load":{"frequency":0}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Process.Signal(hangup); err != nil {
		t.Fatal(err)
	}
	p.log.await(t, regexp.MustCompile(`configuration not reloaded.*metrics\.cpu_load\.frequency`))
	check("after a reload that failed")
	p.stop()

	var found []string
	err := filepath.Walk(filepath.Join(dir, "var"), func(path string, i os.FileInfo, err error) error {
		if err == nil && !i.IsDir() {
			found = append(found, path)
		}
		return err
	})
	if err != nil || len(found) != 1 {
		t.Errorf("the directory of cc-metric-store holds %v now (%v)", found, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "granary-data", "LOCK")); err != nil {
		t.Errorf("the data is not in the working directory: %v", err)
	}
}

// checkTokens asks each endpoint with tokens of all kinds.
func checkTokens(t *testing.T, p *process, dir, token string, now int64) {
	private, err := os.ReadFile(filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := keys.ParsePrivate(private)
	if err != nil {
		t.Fatal(err)
	}
	other, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}
	signed := func(key ed25519.PrivateKey, claims jwt.MapClaims) string {
		s, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return "Bearer " + s
	}
	public, err := base64.StdEncoding.DecodeString(keys.EncodePublic(key))
	if err != nil {
		t.Fatal(err)
	}
	symmetric, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{}).SignedString(public)
	if err != nil {
		t.Fatal(err)
	}
	hour := time.Now().Unix()
	refused := []struct{ header, want string }{
		{"", "Use JWT Authentication"},
		{"Basic " + token, "Use JWT Authentication"},
		{"Bearer ", "Use JWT Authentication"},
		{"Bearer x", "token contains an invalid number of segments"},
		{signed(other, nil), "ed25519: verification error"},
		{signed(key, jwt.MapClaims{"exp": hour - 3600}), "Token is expired"},
		{signed(key, jwt.MapClaims{"nbf": hour + 3600}), "Token is not valid yet"},
		{signed(key, jwt.MapClaims{"iat": hour + 3600}), "Token used before issued"},
		{"Bearer " + symmetric, "only Ed25519/EdDSA supported"},
	}
	endpoints := []struct{ method, path, body string }{
		{http.MethodPost, "/api/write/?cluster=fritz", fmt.Sprintf("flops_any,hostname=f0102 value=1 %d\n", now)},
		{http.MethodGet, "/api/query", `{"cluster":"fritz","queries":[]}`},
		{http.MethodPost, "/api/query/", `{"cluster":"fritz","queries":[]}`},
		{http.MethodPost, "/api/free/?to=1", `[]`},
		{http.MethodGet, "/api/debug", ``},
		{http.MethodGet, "/api/healthcheck", `{"cluster":"fritz","nodes":[],"metric-names":[]}`},
	}
	for _, e := range endpoints {
		for _, r := range refused {
			header := http.Header{}
			if r.header != "" {
				header.Set("Authorization", r.header)
			}
			status, _, answer := p.do(e.method, e.path, header, strings.NewReader(e.body))
			if status != http.StatusUnauthorized || strings.TrimSpace(string(answer)) != r.want {
				t.Errorf("%s %s with %.20q: %d %q, want 401 %q", e.method, e.path, r.header, status, answer, r.want)
			}
		}
		for _, accepted := range []string{"Bearer " + token, "bearer " + token, signed(key, nil), signed(key, jwt.MapClaims{"exp": hour + 3600, "nbf": hour - 1})} {
			status, _, answer := p.do(e.method, e.path, http.Header{"Authorization": {accepted}}, strings.NewReader(e.body))
			if status != http.StatusOK {
				t.Errorf("%s %s: %d %q", e.method, e.path, status, answer)
			}
		}
	}
	// What is decided before a token is asked for.
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/api/nothing": 404, "/api/write": 405} {
		if status, answer := p.get(path); status != want {
			t.Errorf("%s: %d %q, want %d", path, status, answer, want)
		}
	}
	// Nothing that was refused has been stored.
	_, _, answer := p.do(http.MethodGet, "/api/debug?selector=fritz:f0102", http.Header{"Authorization": {"Bearer " + token}}, nil)
	if !json.Valid(answer) || !strings.Contains(string(answer), "flops_any") {
		t.Errorf("debug: %s", answer)
	}
}
