//go:build e2e

package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// withoutRevision is what is made anew with a resource.
var withoutRevision = regexp.MustCompile(`"revision_start": "[^"]*", `)

// TestGnocchiCopy brings what one server has over its Gnocchi API to another, by the steps of docs/migrating-from-gnocchi.md.
func TestGnocchiCopy(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("GRANARY_E2E_GNOCCHI") == "required" {
			t.Fatal(err)
		}
		t.Skip("there is no python3 on this machine")
	}
	dir := t.TempDir()
	config := configFile(t, filepath.Join(dir, "config.json"), object{"metrics": object{}, "granary": object{"compat": object{"gnocchi": object{"max-limit": 2}}}})
	from := serve(t, config, filepath.Join(dir, "from"))
	admin := http.Header{"Authorization": {"basic YWRtaW46"}, "Content-Type": {"application/json"}, "Accept": {"application/json"}}
	bob := http.Header{"Authorization": {"basic Ym9iOg=="}, "Content-Type": {"application/json"}, "Accept": {"application/json"}}
	paul := http.Header{"X-User-Id": {"paul"}, "X-Project-Id": {"shop"}, "X-Roles": {"member"}, "Content-Type": {"application/json"}, "Accept": {"application/json"}}
	post := func(path, body string, who http.Header) string {
		t.Helper()
		status, _, answer := from.do("POST", "/v1"+path, who, strings.NewReader(body))
		if status >= 300 {
			t.Fatalf("%s: %d %s", path, status, answer)
		}
		return string(answer)
	}
	var points strings.Builder
	now := time.Now().Unix() / 3600 * 3600
	for i := range int64(150) {
		fmt.Fprintf(&points, `,{"timestamp": %d, "value": %d.5}`, now-9000+60*i, i)
	}
	measures := "[" + points.String()[1:] + "]"
	post("/archive_policy", `{"name": "short", "back_window": 1, "definition": [{"granularity": "1m", "points": 90}, {"granularity": "1h", "timespan": "30 days"}, {"granularity": "1d"}],
		"aggregation_methods": ["max", "mean"]}`, admin)
	post("/archive_policy_rule", `{"name": "disks", "metric_pattern": "disk*", "archive_policy_name": "short"}`, admin)
	post("/resource_type", `{"name": "server", "attributes": {"rack": {"type": "string", "max_length": 8}, "cores": {"type": "number", "required": false}}}`, admin)
	post("/resource/server", `{"id": "db1", "rack": "r1", "cores": 16, "metrics": {"cpu": {"archive_policy_name": "short", "unit": "%"}, "disk.io": {}}}`, admin)
	post("/resource/generic", `{"id": "web1", "metrics": {"mem": {"archive_policy_name": "medium"}}}`, paul)
	for i := range 3 {
		post("/resource/generic", fmt.Sprintf(`{"id": "more %d", "ended_at": "2096-01-01"}`, i), paul)
	}
	post("/resource/server/db1/metric/cpu/measures", measures, admin)
	post("/resource/generic/web1/metric/mem/measures", measures, paul)
	_, bare, _ := strings.Cut(post("/metric", `{"name": "bare", "archive_policy_name": "low"}`, bob), `"id": "`)
	bare, _, _ = strings.Cut(bare, `"`)
	post("/metric/"+bare+"/measures", measures, bob)

	files, data := filepath.Join(dir, "files"), filepath.Join(dir, "to")
	script := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), python, append([]string{"../../../docs/tools/gnocchi_copy.py"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	if got := script("read", from.url, files); got != "4 metrics, 1 of them without a resource, and 271 measures read\n" {
		t.Errorf("read: %s", got)
	}
	to := serve(t, config, data)
	if got := script("policies", files, to.url); got != "" {
		t.Errorf("policies: %s", got)
	}
	to.stop()
	if code, out, failed := command(t, "import", "resources", filepath.Join(files, "resources.json"), "--config", config, "--data", data); code != 0 ||
		!strings.HasPrefix(out, "1 resource types and 5 resources with 3 metrics made;") {
		t.Fatalf("%d %s %s", code, out, failed)
	}
	to = serve(t, config, data)
	if got := script("measures", files, to.url); got != "271 measures written\n" {
		t.Errorf("measures: %s", got)
	}
	// The second time it finds what it has made; what has a window behind it is there.
	if got := script("measures", files, to.url); got != "271 measures written, 119 of them not stored: window\n" {
		t.Errorf("measures again: %s", got)
	}
	// What lies behind the window is told.
	if status, _, body := to.do("POST", "/v1/resource/generic/web1/metric/mem/measures", paul, strings.NewReader(`[{"timestamp": "now", "value": 1}]`)); status != 202 {
		t.Fatalf("%d %s", status, body)
	}
	if got := script("measures", files, to.url); got != "271 measures written, 179 of them not stored: window\n" {
		t.Errorf("behind the window: %s", got)
	}
	ids, err := os.ReadFile(filepath.Join(files, "ids.txt"))
	if err != nil {
		t.Fatal(err)
	}
	renamed := strings.Fields(string(ids))
	if len(renamed) != 2 || renamed[0] != bare {
		t.Fatalf("%q", ids)
	}
	for _, c := range []struct {
		path string
		who  http.Header
	}{
		{"/archive_policy/short", admin},
		{"/archive_policy_rule/disks", admin},
		{"/resource_type/server", admin},
		{"/resource/server?attrs=rack&attrs=cores&attrs=metrics&attrs=original_resource_id&attrs=started_at&attrs=creator&attrs=id", admin},
		{"/resource/generic?attrs=id&attrs=original_resource_id&attrs=ended_at&attrs=metrics&attrs=project_id&attrs=creator", paul},
		{"/resource/generic/web1/metric/mem", paul},
		{"/resource/generic/web1/metric/mem/measures?granularity=60&stop=" + fmt.Sprint(now), paul},
		{"/resource/server/db1/metric/cpu/measures?granularity=60", admin},
		{"/metric/" + bare + "/measures", bob},
		{"/metric/" + bare, bob},
	} {
		answer := func(p *process, path string) string {
			status, _, body := p.do("GET", "/v1"+path, c.who, nil)
			return fmt.Sprintln(status, withoutRevision.ReplaceAllString(string(body), ""))
		}
		want := answer(from, c.path)
		if got := strings.ReplaceAll(answer(to, strings.ReplaceAll(c.path, bare, renamed[1])), renamed[1], bare); got != want || !strings.HasPrefix(got, "200") {
			t.Errorf("%s:\n%s, want\n%s", c.path, got, want)
		}
	}
}
