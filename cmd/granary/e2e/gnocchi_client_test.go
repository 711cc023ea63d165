//go:build e2e

package e2e_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

// gnocchiCommand is the path of the command and of the Python that runs it; the test is skipped where there is none, unless it is
// said to be there.
func gnocchiCommand(t *testing.T) (command, python string) {
	t.Helper()
	command, err := exec.LookPath("gnocchi")
	if err == nil {
		var text []byte
		text, err = os.ReadFile(command)
		must(t, err)
		first, _, _ := strings.Cut(string(text), "\n")
		if interpreter, ok := strings.CutPrefix(first, "#!"); ok {
			return command, strings.TrimSpace(interpreter)
		}
	}
	const text = "there is no command gnocchi on this machine (Debian: apt-get install python3-gnocchiclient)"
	if os.Getenv("GRANARY_E2E_GNOCCHI") == "required" {
		t.Fatal(text)
	}
	t.Skip(text)
	return "", ""
}

// gnocchi calls the command, many times in one process.
type gnocchi struct {
	t       *testing.T
	url     string
	to      io.Writer
	answers *json.Decoder
}

// startGnocchi starts the process that calls the command on a server.
func startGnocchi(t *testing.T, python, url string) *gnocchi {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), python, filepath.FromSlash("testdata/gnocchi.py"))
	to, err := cmd.StdinPipe()
	must(t, err)
	from, err := cmd.StdoutPipe()
	must(t, err)
	cmd.Stderr = os.Stderr
	must(t, cmd.Start())
	t.Cleanup(func() {
		to.Close()
		_ = cmd.Wait() // what it says has been seen
	})
	return &gnocchi{t: t, url: url, to: to, answers: json.NewDecoder(bufio.NewReader(from))}
}

// someone calls the command in somebody's name.
type someone struct {
	*gnocchi
	environment map[string]string
}

// named is somebody who is known by a name alone.
func (g *gnocchi) named(name string) someone {
	return someone{g, map[string]string{"OS_AUTH_TYPE": "gnocchi-basic", "GNOCCHI_USER": name, "GNOCCHI_ENDPOINT": g.url}}
}

// of is somebody of a project, as the header fields of a proxy say it.
func (g *gnocchi) of(user, project, roles string) someone {
	return someone{g, map[string]string{"OS_AUTH_TYPE": "gnocchi-noauth", "GNOCCHI_USER_ID": user, "GNOCCHI_PROJECT_ID": project,
		"GNOCCHI_ROLES": roles, "GNOCCHI_ENDPOINT": g.url}}
}

// call makes a call, and gives its exit code and what it prints.
func (s someone) call(args ...string) (code int, out, errs string) {
	s.t.Helper()
	line, err := json.Marshal(object{"env": s.environment, "args": args})
	must(s.t, err)
	_, err = s.to.Write(append(line, '\n'))
	must(s.t, err)
	var answer struct {
		Code     int
		Out, Err string
	}
	must(s.t, s.answers.Decode(&answer))
	return answer.Code, answer.Out, answer.Err
}

// done makes a call that has to succeed.
func (s someone) done(args ...string) {
	s.t.Helper()
	if code, out, errs := s.call(args...); code != 0 {
		s.t.Fatalf("gnocchi %s: exit code %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
}

// refused makes a call that has to fail, with a text.
func (s someone) refused(text string, args ...string) {
	s.t.Helper()
	if code, out, errs := s.call(args...); code != 1 || !strings.Contains(errs, text) {
		s.t.Errorf("gnocchi %s: exit code %d, want 1 and %q\n%s%s", strings.Join(args, " "), code, text, out, errs)
	}
}

// row is an object that the command prints; list is several.
type (
	row  = map[string]any
	list = []row
)

// printed makes a call that has to succeed, and gives the JSON that it prints.
func printed[T any](s someone, args ...string) (v T) {
	s.t.Helper()
	code, out, errs := s.call(append(args, "-f", "json")...)
	err := json.Unmarshal([]byte(out), &v)
	if code != 0 || err != nil {
		s.t.Fatalf("gnocchi %s: exit code %d, %v\n%s%s", strings.Join(args, " "), code, err, out, errs)
	}
	return v
}

// has complains unless a row has certain members.
func (g *gnocchi) has(got row, want row) {
	g.t.Helper()
	for name, v := range want {
		if !reflect.DeepEqual(got[name], v) {
			g.t.Errorf("%s is %v, want %v, in %v", name, got[name], v, got)
		}
	}
}

// values complains unless rows have certain values, in their order.
func (g *gnocchi) values(rows list, want ...float64) {
	g.t.Helper()
	var got []float64
	for _, r := range rows {
		v, _ := r["value"].(float64)
		got = append(got, v)
	}
	if !reflect.DeepEqual(got, want) {
		g.t.Errorf("values %v, want %v", got, want)
	}
}

// names complains unless a member of rows, a text, is certain ones in their order.
func (g *gnocchi) names(rows list, member string, want ...string) {
	g.t.Helper()
	var got []string
	for _, r := range rows {
		s, _ := r[member].(string)
		got = append(got, s)
	}
	if !reflect.DeepEqual(got, want) {
		g.t.Errorf("%s: %q, want %q", member, got, want)
	}
}

// The real command does on Granary whatever it can do.
func TestGnocchiCommand(t *testing.T) {
	t.Parallel()
	command, python := gnocchiCommand(t)
	p := serve(t, "", filepath.Join(t.TempDir(), "data"))
	g := startGnocchi(t, python, p.url)
	t.Run("policies", func(t *testing.T) { g.on(t).policies() })
	t.Run("metrics", func(t *testing.T) { g.on(t).metrics() })
	t.Run("resources", func(t *testing.T) { g.on(t).resources() })
	t.Run("aggregates", func(t *testing.T) { g.on(t).aggregates() })
	t.Run("batches", func(t *testing.T) { g.on(t).batches() })
	t.Run("tenants", func(t *testing.T) { g.on(t).tenants() })
	t.Run("process", func(t *testing.T) { // the command itself, with its exit codes
		for _, c := range []struct {
			code int
			args []string
		}{{0, []string{"server", "version"}}, {1, []string{"metric", "show", "00000000-0000-4000-8000-000000000000"}}} {
			cmd := exec.CommandContext(t.Context(), command, c.args...)
			cmd.Env = append(os.Environ(), "OS_AUTH_TYPE=gnocchi-basic", "GNOCCHI_USER=admin", "GNOCCHI_ENDPOINT="+p.url)
			if out, _ := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != c.code {
				t.Errorf("gnocchi %s: exit code %d, want %d\n%s", strings.Join(c.args, " "), cmd.ProcessState.ExitCode(), c.code, out)
			}
		}
	})
	t.Run("library", func(t *testing.T) { g.on(t).library(python) })
}

// on is the same command in the course of another test.
func (g *gnocchi) on(t *testing.T) *gnocchi {
	c := *g
	c.t = t
	return &c
}

func (g *gnocchi) policies() {
	admin, jill := g.named("admin"), g.named("jill")
	methods := printed[map[string][]string](jill, "capabilities", "list")["aggregation_methods"]
	if len(methods) != 2*(9+99) {
		g.t.Errorf("%d methods", len(methods))
	}
	status := printed[row](admin, "status")
	g.has(status, row{"storage/total number of measures to process": 0.0, "storage/number of metric having measures to process": 0.0})
	jill.refused("403", "status")

	g.names(printed[list](jill, "archive-policy", "list"), "name", "bool", "high", "low", "medium")
	create := []string{"archive-policy", "create", "-d", "granularity:1s,points:60", "-d", "granularity:1m,timespan:1h",
		"-m", "mean", "-m", "max", "-m", "rate:last", "-b", "1", "fine"}
	jill.refused("403", create...)
	g.has(printed[row](admin, create...), row{"name": "fine", "back_window": 1.0, "aggregation_methods": []any{"mean", "max", "rate:last"}})
	admin.refused("Archive policy fine already exists (HTTP 409)", create...)
	admin.refused("400", "archive-policy", "create", "-d", "points:7,timespan:1h", "sevenths")
	g.has(printed[row](admin, "archive-policy", "update", "fine", "-d", "granularity:1s,points:120", "-d", "granularity:1m,timespan:2h"),
		row{"definition": []any{
			row{"granularity": "0:00:01", "points": 120.0, "timespan": "0:02:00"},
			row{"granularity": "0:01:00", "points": 120.0, "timespan": "2:00:00"}}})
	g.has(printed[row](jill, "archive-policy", "show", "medium"), row{"back_window": 0.0, "definition": []any{
		row{"granularity": "0:01:00", "points": 10080.0, "timespan": "7 days, 0:00:00"},
		row{"granularity": "1:00:00", "points": 8760.0, "timespan": "365 days, 0:00:00"}}})

	admin.done("archive-policy-rule", "create", "-a", "fine", "-m", "cpu.*", "cpus")
	g.has(printed[row](admin, "archive-policy-rule", "update", "cpus", "-n", "processors"), row{"name": "processors", "metric_pattern": "cpu.*"})
	g.has(printed[row](jill, "archive-policy-rule", "show", "processors"), row{"archive_policy_name": "fine"})
	g.names(printed[list](jill, "archive-policy-rule", "list"), "name", "processors", "default")
	admin.refused("Archive policy fine is still in use (HTTP 400)", "archive-policy", "delete", "fine")
	jill.refused("403", "archive-policy-rule", "delete", "processors")
	admin.done("archive-policy-rule", "delete", "processors")
	admin.done("archive-policy", "delete", "fine")
	admin.refused("Archive policy fine does not exist (HTTP 404)", "archive-policy", "show", "fine")
	admin.refused("Archive policy rule processors does not exist (HTTP 404)", "archive-policy-rule", "delete", "processors")
}

// clientBase is a full hour, some hours ago.
var clientBase = time.Now().UTC().Truncate(time.Hour).Add(-6 * time.Hour)

// at is a moment of the tests as text.
func at(seconds int) string {
	return clientBase.Add(time.Duration(seconds) * time.Second).Format("2006-01-02T15:04:05")
}

// measured are the arguments for measures, pairs of seconds and value.
func measured(pairs ...int) (args []string) {
	for i := 0; i < len(pairs); i += 2 {
		args = append(args, "-m", at(pairs[i])+"@"+strconv.Itoa(pairs[i+1]))
	}
	return args
}

func (g *gnocchi) metrics() {
	jill, jack := g.named("jill"), g.named("jack")
	metric := printed[row](jill, "metric", "create", "--archive-policy-name", "medium", "--unit", "%", "load")
	g.has(metric, row{"name": "load", "unit": "%", "archive_policy_name": "medium", "creator": "jill", "resource_id": nil})
	id, _ := metric["id"].(string)
	jill.refused("Archive policy nope does not exist (HTTP 400)", "metric", "create", "--archive-policy-name", "nope", "load")
	g.has(printed[row](jill, "metric", "create", "other"), row{"archive_policy/name": nil, "archive_policy_name": "low"}) // by the rule
	g.names(printed[list](jill, "metric", "list", "--sort", "name:asc"), "name", "load", "other")
	g.has(printed[row](jill, "metric", "show", id), row{"id": id, "archive_policy/name": "medium"})

	jill.done(append(append([]string{"measures", "add"}, measured(0, 10, 20, 14, 60, 30, 3600, 2)...), id)...)
	all := printed[list](jill, "measures", "show", "--utc", id)
	g.values(all, 18, 2, 12, 30, 2)
	g.has(all[0], row{"timestamp": at(0) + "+00:00", "granularity": 3600.0})
	show := func(more ...string) list {
		return printed[list](jill, append([]string{"measures", "show", "--utc", id}, more...)...)
	}
	g.values(show("--aggregation", "max", "--granularity", "60"), 14, 30, 2)
	g.values(show("--granularity", "60", "--start", at(60), "--stop", at(3600)), 30)
	g.values(show("--granularity", "60", "--resample", "3600", "--refresh"), 21, 2)
	jill.refused("Aggregation method does not exist for this metric", "measures", "show", "--aggregation", "99pct", id)
	jill.refused("at granularity '7.0'", "measures", "show", "--granularity", "7", id)
	jill.refused("'Must be a datetime or a timestamp'", "measures", "show", "--resample", "60", "--granularity", "60", "--start", "2300-01-01", id)

	jack.refused("403", "measures", "show", id)
	jack.refused("403", append(append([]string{"measures", "add"}, measured(0, 1)...), id)...)
	jack.refused("403", "metric", "delete", id)
	jill.done("metric", "delete", id)
	jill.refused("Metric "+id+" does not exist (HTTP 404)", "metric", "show", id)
}

func (g *gnocchi) resources() {
	admin, jill, jack := g.named("admin"), g.named("jill"), g.named("jack")
	jill.refused("403", "resource-type", "create", "host")
	g.has(printed[row](admin, "resource-type", "create", "-a", "rack:string:true:max_length=8", "host"),
		row{"attributes/rack": "max_length=8, min_length=0, required=True, type=string", "state": "active"})
	g.has(printed[row](admin, "resource-type", "update", "-a", "cores:number:false:min=1", "host"),
		row{"attributes/cores": "max=None, min=1, required=False, type=number"})
	g.names(printed[list](jill, "resource-type", "list"), "name", "generic", "host")
	g.has(printed[row](jill, "resource-type", "show", "host"), row{"name": "host"})

	jill.refused("required key not provided @ data['rack']", "resource", "create", "-t", "host", "n1")
	jill.refused("value must be at least 1", "resource", "create", "-t", "host", "-a", "rack:r1", "-a", "cores:0", "n1")
	made := printed[row](jill, "resource", "create", "-t", "host", "-a", "rack:r1", "-a", "cores:8", "-n", "cpu:medium", "n1")
	g.has(made, row{"original_resource_id": "n1", "type": "host", "rack": "r1", "cores": 8.0, "creator": "jill", "ended_at": nil})
	jill.refused("already exists (HTTP 409)", "resource", "create", "-t", "host", "-a", "rack:r1", "n1")
	jill.done("resource", "create", "-t", "host", "-a", "rack:r2", "n2")
	g.names(printed[list](jill, "resource", "list", "-t", "host", "--sort", "rack:desc"), "original_resource_id", "n2", "n1")
	g.names(printed[list](jill, "resource", "list", "-t", "host", "--sort", "rack:desc", "--limit", "1"), "original_resource_id", "n2")
	g.names(printed[list](jill, "resource", "list", "--details", "--sort", "rack:asc", "-t", "host"), "rack", "r1", "r2")

	moved := printed[row](jill, "resource", "update", "-t", "host", "-a", "rack:r3", "-n", "memory:low", "n1")
	g.has(moved, row{"rack": "r3", "revision_end": nil, "id": made["id"]})
	if metrics, _ := moved["metrics"].(row); len(metrics) != 2 {
		g.t.Errorf("metrics of n1: %v", moved["metrics"])
	}
	history := printed[list](jill, "resource", "history", "-t", "host", "n1")
	g.names(history, "rack", "r1", "r3")
	g.has(history[0], row{"revision_end": moved["revision_start"]})
	search := func(who someone, query string, more ...string) list {
		return printed[list](who, append([]string{"resource", "search", "-t", "host", query}, more...)...)
	}
	g.names(search(jill, "rack='r3' and cores>=8"), "original_resource_id", "n1")
	g.names(search(jill, "rack like 'r%' and not (rack='r3')"), "original_resource_id", "n2")
	g.names(search(jill, "rack in ['r1', 'r2']", "--history", "--sort", "rack:asc"), "rack", "r1", "r2")
	jill.refused("Resource type host has no shelf attribute (HTTP 400)", "resource", "search", "-t", "host", "shelf=1")
	jill.refused("Invalid filter", "resource", "search", "-t", "host", "rack=")

	jill.done(append(append([]string{"measures", "add", "-r", "n1"}, measured(0, 1, 60, 3)...), "cpu")...)
	g.values(printed[list](jill, "measures", "show", "-r", "n1", "--granularity", "60", "cpu"), 1, 3)
	g.has(printed[row](jill, "metric", "create", "-r", "n2", "disk"), row{"name": "disk", "archive_policy/name": "low"})
	g.has(printed[row](jill, "metric", "show", "-r", "n2", "disk"), row{"name": "disk", "resource/original_resource_id": "n2"})
	jill.refused("Named metric disk already exists (HTTP 409)", "metric", "create", "-r", "n2", "disk")
	jill.done("metric", "delete", "-r", "n2", "disk")

	id, _ := made["id"].(string)
	jack.refused("403", "resource", "update", "-t", "host", "-a", "rack:r9", id)
	jack.refused("403", "resource", "delete", id)
	admin.refused("Resource type host is still in use (HTTP 400)", "resource-type", "delete", "host")
	jill.done("resource", "delete", "n1")
	jill.refused("Resource "+id+" does not exist (HTTP 404)", "resource", "show", "n1")
	g.has(printed[row](admin, "resource", "batch", "delete", "original_resource_id='n2'"), row{"deleted": 1.0})
	admin.done("resource-type", "delete", "host")
	admin.refused("Resource type host does not exist (HTTP 404)", "resource-type", "show", "host")
}

func (g *gnocchi) aggregates() {
	admin, jill := g.named("admin"), g.named("jill")
	admin.done("resource-type", "create", "-a", "zone:string:false", "machine")
	var ids []string
	for i, zone := range []string{"east", "east", "west"} {
		name := "m" + strconv.Itoa(i)
		r := printed[row](jill, "resource", "create", "-t", "machine", "-a", "zone:"+zone, "-n", "cpu.user:medium", name)
		metrics, _ := r["metrics"].(row)
		id, _ := metrics["cpu.user"].(string)
		ids = append(ids, id)
		jill.done(append(append([]string{"measures", "add"}, measured(0, i+1, 60, 10*(i+1))...), id)...)
	}
	g.values(printed[list](jill, "aggregates", "--granularity", "60", "(* 2 (aggregate sum (metric ("+ids[0]+" mean) ("+ids[1]+" mean))))"), 6, 60)
	g.values(printed[list](jill, "aggregates", "--granularity", "60", "(metric "+ids[2]+" max)", "--start", at(60)), 30)
	g.values(printed[list](jill, "aggregates", "--resource-type", "machine", "--granularity", "60", "(aggregate mean (metric cpu.* mean))", "zone='east'"), 1.5, 15)
	groups := printed[list](jill, "aggregates", "--resource-type", "machine", "--granularity", "60", "--groupby", "zone",
		"(aggregate max (metric cpu.user mean))", "zone like '%st'")
	g.values(groups, 2, 20, 3, 30)
	g.names(groups, "group", "zone: east", "zone: east", "zone: west", "zone: west")
	jill.refused("'foo' operation invalid", "aggregates", "(foo (metric "+ids[0]+" mean))")
	jill.refused("Metrics with unknown aggregation", "aggregates", "(metric "+ids[0]+" 5pct)")
	jill.refused("Metric ['nope'] does not exist (HTTP 404)", "aggregates", "--resource-type", "machine", "(metric nope mean)", "zone='east'")

	g.values(printed[list](jill, "measures", "aggregation", "--granularity", "60", "--reaggregation", "max", "-m", ids[0], ids[1]), 2, 20)
	g.values(printed[list](jill, "measures", "aggregation", "--granularity", "60", "--resource-type", "machine", "--query", "zone='east'", "-m", "cpu.user"), 1.5, 15)
	g.has(printed[row](admin, "resource", "batch", "delete", "original_resource_id like 'm%'"), row{"deleted": 3.0})
	admin.done("resource-type", "delete", "machine")
}

func (g *gnocchi) batches() {
	jill := g.named("jill")
	dir := g.t.TempDir()
	file := func(name string, content object) string { return configFile(g.t, filepath.Join(dir, name), content) }
	points := []object{{"timestamp": at(0), "value": 7}, {"timestamp": at(300), "value": 9}}
	metric := printed[row](jill, "metric", "create", "batched")
	id, _ := metric["id"].(string)
	jill.done("measures", "batch-metrics", file("metrics", object{id: points}))
	g.values(printed[list](jill, "measures", "show", id), 7, 9)
	jill.refused("Unknown metrics: 00000000-0000-4000-8000-000000000000 (HTTP 400)", "measures", "batch-metrics",
		file("unknown", object{id: points, "00000000-0000-4000-8000-000000000000": points}))

	resource := printed[row](jill, "resource", "create", "b1")
	rid, _ := resource["id"].(string)
	content := file("resources", object{rid: object{"temperature": points}})
	jill.refused("Unknown metrics: "+rid+"/temperature (HTTP 400)", "measures", "batch-resources-metrics", content)
	jill.done("measures", "batch-resources-metrics", "--create-metrics", content)
	g.values(printed[list](jill, "measures", "show", "-r", "b1", "temperature"), 7, 9)
	jill.done("resource", "delete", "b1")
}

func (g *gnocchi) tenants() {
	service, paul, quin, chief := g.of("ceilometer", "service", "service"), g.of("paul", "shop", "member"), g.of("quin", "lab", "member"), g.of("chief", "office", "admin")
	made := printed[row](service, "resource", "create", "-a", "project_id:shop", "-a", "user_id:paul", "-n", "cpu:low", "instance")
	g.has(made, row{"project_id": "shop", "created_by_project_id": "service"})
	id, _ := made["id"].(string)
	service.done(append(append([]string{"measures", "add", "-r", id}, measured(0, 4)...), "cpu")...)

	g.names(printed[list](paul, "resource", "list"), "id", id)
	g.names(printed[list](paul, "metric", "list"), "name", "cpu")
	g.values(printed[list](paul, "measures", "show", "-r", id, "cpu"), 4)
	paul.refused("403", "resource", "delete", id)
	paul.refused("403", append(append([]string{"measures", "add", "-r", id}, measured(0, 5)...), "cpu")...)
	paul.refused("403", "resource", "create", "-a", "project_id:lab", "squatter")

	g.names(printed[list](quin, "resource", "list"), "id")
	g.names(printed[list](quin, "metric", "list"), "id")
	quin.refused("Resource "+id+" does not exist (HTTP 404)", "resource", "show", id)
	quin.refused("404", "measures", "show", "-r", id, "cpu")
	quin.refused("404", "resource", "delete", id)
	g.has(printed[row](quin, "resource", "create", id), row{"id": id, "creator": "quin:lab"}) // its own, whoever else has one of that id
	quin.done("resource", "delete", id)

	g.has(printed[row](chief, "resource", "show", id), row{"id": id})
	chief.done("resource", "delete", id)
	g.names(printed[list](paul, "resource", "list"), "id")
}

// library uses gnocchiclient as a library.
func (g *gnocchi) library(python string) {
	cmd := exec.CommandContext(g.t.Context(), python, filepath.FromSlash("testdata/gnocchilib.py"), g.url, strconv.FormatInt(clientBase.Unix(), 10))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	must(g.t, err)
	var got row
	must(g.t, json.Unmarshal(out, &got))
	g.has(got, row{
		"unknown":  []any{"vm-0", "vm-1", "vm-2", "vm-3", "vm-4"},
		"pages":    []any{[]any{"vm-0", "vm-1"}, []any{"vm-2", "vm-3"}, []any{"vm-4"}},
		"metrics":  5.0,
		"measures": []any{[]any{0.0, 300.0, 3.0}, []any{300.0, 300.0, 4.0}, []any{600.0, 300.0, 5.0}},
		"together": []any{10.0, 15.0, 20.0},
		"refused":  "Forbidden",
	})
}

// TestGnocchiDataMovesOver runs the program of the guide that takes data from one server to another.
func TestGnocchiDataMovesOver(t *testing.T) {
	t.Parallel()
	_, python := gnocchiCommand(t)
	page, err := os.ReadFile(filepath.FromSlash("../../../docs/gnocchi.md"))
	must(t, err)
	_, program, _ := strings.Cut(string(page), "```python\n")
	program, _, found := strings.Cut(program, "```")
	if !found {
		t.Fatal("the guide has no program")
	}
	from, to := serve(t, "", filepath.Join(t.TempDir(), "data")), serve(t, "", filepath.Join(t.TempDir(), "data"))
	g := startGnocchi(t, python, from.url)
	admin := g.named("admin")
	admin.done("archive-policy", "create", "-d", "granularity:1m,points:10", "-d", "granularity:1h,points:100", "-m", "mean", "hours")
	admin.done("resource-type", "create", "-a", "rack:string:true:max_length=8", "host")
	made := printed[row](admin, "resource", "create", "-t", "host", "-a", "rack:r1", "-a", "project_id:pages", "-n", "load:hours", "-n", "idle:low", "n1")
	id, _ := made["id"].(string)
	// Of the first hour the buckets of a minute have expired.
	admin.done(append(append([]string{"measures", "add", "-r", id}, measured(0, 1, 60, 3, 7200, 5, 7260, 6)...), "load")...)

	cmd := exec.CommandContext(t.Context(), python, "-c", program)
	cmd.Env = append(os.Environ(), "OLD="+from.url, "NEW="+to.url)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	there := *g
	there.url = to.url
	owner := there.of("paul", "pages", "member")
	resource := printed[row](owner, "resource", "show", "-t", "host", id)
	g.has(resource, row{"rack": "r1", "project_id": "pages", "started_at": made["started_at"]})
	if metrics, _ := resource["metrics"].(row); len(metrics) != 2 {
		t.Errorf("metrics: %v", resource["metrics"])
	}
	g.values(printed[list](owner, "measures", "show", "-r", id, "load"), 2, 5.5, 5, 6)
	g.has(printed[row](owner, "archive-policy", "show", "hours"), row{"aggregation_methods": []any{"mean"}})
}
