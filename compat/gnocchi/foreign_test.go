package gnocchi

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/klauspost/compress/snappy"

	"granary/measures"
	"granary/measures/ingest/remote"
	"granary/metricdef/resource"
	"granary/policy"
	"granary/tenant"
)

// ruled is a bed in which all metrics have a policy of minutes.
func ruled(tb testing.TB, change ...func(*Options)) *bed {
	b := newBed(tb, change...)
	set, err := policy.NewSet(policy.Content{Open: true, Policies: []policy.Policy{window(tb, "m", 5, "mean sum count", policy.Tier{Granularity: time.Minute, Points: 1000})},
		Rules: []policy.Rule{policy.GnocchiRule("all", "*", "m")}})
	if err != nil {
		tb.Fatal(err)
	}
	if err := b.store.SetPolicies(tb.Context(), set); err != nil {
		tb.Fatal(err)
	}
	return b
}

// metricsOf are the metrics of a resource that somebody calls so, with their sums.
func (b *bed) metricsOf(of, creator, original string) (res resource.Resource, list []string) {
	b.tb.Helper()
	id, err := resourceID(original, creator)
	if err != nil {
		b.tb.Fatal(err)
	}
	num := b.tenant(tenant.ID(of))
	res, ok := b.store.Resources.Get(num, id)
	if !ok {
		b.tb.Fatalf("there is no resource %q of %s", original, creator)
	}
	for _, l := range b.store.Definitions.AppendLinks(nil, num, id) {
		list = append(list, l.Label+" "+b.values(l.ID))
	}
	slices.Sort(list)
	return res, list
}

func TestInflux(t *testing.T) {
	b := ruled(t)
	w := b.ask("GET", "/v1/influxdb/ping", "", "Accept", "", "Authorization", "")
	if w.Code != http.StatusNoContent || w.Header().Get("X-Influxdb-Version") != "Gnocchi "+b.o.Version {
		t.Error(w.Code, w.Header())
	}
	if w := b.ask("HEAD", "/v1/influxdb/ping", "", "Accept", ""); w.Code != http.StatusNoContent {
		t.Error(w.Code)
	}
	if w := b.get("/v1/influxdb/ping"); w.Code != http.StatusNotAcceptable {
		t.Error(w.Code, w.Body)
	}
	for _, c := range []struct {
		who    []string
		q      string
		status int
		want   string
	}{
		{nil, "create+database+telegraf", 204, ""}, {nil, "CREATE%20DATABASE%20%22telegraf%22%3B", 204, ""}, {service, "create+database+influxdb", 204, ""},
		{nil, "", 204, ""}, {nil, "show+databases", 501, `{"cause": "Not implemented error", "detail": "q", "reason": "Query not implemented"}`}, {nil, "create+database+a+b", 501, ""},
		{bob, "create+database+mine", 403, ""},
	} {
		if status, answer := b.postAs(c.who, "/v1/influxdb/query?q="+c.q, ""); status != c.status || !strings.Contains(answer, c.want) {
			t.Errorf("%s: %d %s", c.q, status, answer)
		}
	}
	if w := b.ask("POST", "/v1/influxdb/query", "q=create+database+posted", "Content-Type", "application/x-www-form-urlencoded"); w.Code != 204 {
		t.Error(w.Code, w.Body)
	}
	for _, name := range []string{"telegraf", "influxdb", "posted"} {
		if _, ok := b.store.Resources.Type(name); !ok {
			t.Error("there is no type", name)
		}
	}
	const path = "/v1/influxdb/write?db=telegraf"
	lines := "cpu,host=h1,cpu=cpu-total,az=x/y usage=1.5,count=3i,name=\"a b\" 1577836800000000000\n\n# a comment\r\n" +
		"cpu,az=x/y,cpu=cpu-total,host=h1 usage=2.5,count=4u 1577836860000000000\nmem,host=h1 free=7 1577836800000000000\nmem,host=h2 free=8 1577836800000000000\nmem,host=h2 text=\"x\""
	if status, answer := b.postAs(bob, path, lines); status != 204 || answer != "" {
		t.Fatal(status, answer)
	}
	res, list := b.metricsOf("p1", "bob:p1", "h1")
	want := `cpu.count@az=x_y,cpu=cpu-total [["T00:00", 60.0, 3.0], ["T01:00", 60.0, 4.0]]
cpu.usage@az=x_y,cpu=cpu-total [["T00:00", 60.0, 1.5], ["T01:00", 60.0, 2.5]]
mem.free [["T00:00", 60.0, 7.0]]`
	if got := strings.Join(list, "\n"); got != want || res.Type != "telegraf" || res.Original != "h1" || res.Creator != "bob:p1" {
		t.Errorf("%v\n%s", res, got)
	}
	if _, list := b.metricsOf("p1", "bob:p1", "h2"); len(list) != 1 {
		t.Error(list)
	}
	for _, c := range []struct {
		path, body string
		header     []string
		status     int
		want       string
	}{
		{path, "cpu,host=h3 usage=1 1577836800000000000\ncpu,host=h3 usage=true", nil, 400, `{"cause": "Value error", "detail": "line", "reason": "Unable to parse line 2"}`},
		{path, "cpu,host=h3", nil, 400, "Unable to parse line 1"}, {path, "\n\ncpu,host=h3 usage=x", nil, 400, "Unable to parse line 3"},
		{path, "cpu,az=1 usage=1", nil, 400, "{\"cause\": \"Value error\", \"detail\": \"key\", \"reason\": \"Unable to find key `host' in tags\"}"},
		{path, "cpu,host=a/b usage=1", nil, 400, "not supported in resource id"},
		{path, "cpu,host=h3 usage=1 -5", nil, 400, "Unable to parse line 1: Timestamp must be after Epoch"},
		{path, "cpu,host=h3 usage=1 4611686018427387904", nil, 400, "the timestamp is beyond 2116-02-20T23:53:38+00:00"},
		{path, "cpu,host=h3 usage=1 99999999999999999999999", nil, 400, "Unable to parse line 1"},
		{"/v1/influxdb/write?db=nope", "cpu,host=h3 usage=1", nil, 404, "db: Resource type nope does not exist"},
		{path + "&precision=y", "cpu,host=h3 usage=1", nil, 400, "precision"},
		{"/v1/influxdb/write?precision=s", "cpu,node=n1 usage=1 1577836800", []string{"X-Gnocchi-InfluxDB-Tag-Resource-ID", "node", "Content-Type", "text/plain"}, 204, ""},
		{path, "", nil, 204, ""},
		{path, "cpu,host=now usage=1", nil, 204, ""},
	} {
		w := b.ask("POST", c.path, c.body, append(c.header, bob...)...)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s %s: %d %s", c.path, c.body, w.Code, w.Body)
		}
	}
	if id, _ := resourceID("h3", "bob:p1"); b.store.Resources.Has(b.tenant("p1"), id) {
		t.Error("a body that was refused has left a resource")
	}
	if _, list := b.metricsOf("p1", "bob:p1", "n1"); len(list) != 1 || list[0] != `cpu.usage [["T00:00", 60.0, 1.0]]` {
		t.Error(list)
	}
	if _, list := b.metricsOf("p1", "bob:p1", "now"); list[0] != `cpu.usage [["2026-11-28T12:00:00", 60.0, 1.0]]` {
		t.Error(list)
	}
}

// FuzzInflux: no line does harm, and what is refused leaves nothing.
func FuzzInflux(f *testing.F) {
	for _, s := range []string{"cpu,host=h usage=1.5,n=3i 1577836800000000000", "cpu,host=h,a=b\\,c x=1\ny,host=g z=\"t\"", "# c\n\n", "a,host=h b=t"} {
		f.Add(s)
	}
	b := ruled(f)
	if err := b.store.CreateResourceType(f.Context(), resource.Type{Name: "influxdb"}); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		w := b.ask("POST", "/v1/influxdb/write", s)
		if w.Code != 204 && w.Code != 400 {
			t.Fatalf("%q: %d %s", s, w.Code, w.Body)
		}
	})
}

// message is one of remote write.
type message []byte

func (m message) bytes(field int, b []byte) message {
	return append(binary.AppendUvarint(append(m, byte(field<<3|2)), uint64(len(b))), b...)
}

// series adds a series; labels are name=value, values those of one minute after the other.
func (m message) series(labels string, values ...float64) message {
	var s message
	for l := range strings.SplitSeq(labels, " ") {
		name, value, _ := strings.Cut(l, "=")
		s = s.bytes(1, message{}.bytes(1, []byte(name)).bytes(2, []byte(value)))
	}
	for i, v := range values {
		p := binary.LittleEndian.AppendUint64([]byte{9}, math.Float64bits(v))
		s = s.bytes(2, binary.AppendUvarint(append(p, 16), uint64(1577836800000+60000*i)))
	}
	return m.bytes(1, s)
}

func TestPrometheus(t *testing.T) {
	b := ruled(t)
	const path = "/v1/prometheus/write"
	write := func(m []byte, header ...string) (int, string, http.Header) {
		w := b.ask("POST", path, string(m), append([]string{"Accept", "", "Content-Type", "application/x-protobuf", "Content-Encoding", "snappy", "X-User-Id", "bob", "X-Project-Id", "p1"}, header...)...)
		return w.Code, w.Body.String(), w.Header()
	}
	m := message{}.series("__name__=up job=node instance=a:9100", 1, 0).series("__name__=cpu job=node instance=a:9100 mode=idle cpu=0", 5).
		series("__name__=cpu job=node instance=a:9100 mode=user cpu=0", 6, math.Float64frombits(remote.Stale)).series("__name__=up instance=http://x/y", 1).series("__name__=lonely", 4)
	for range 2 {
		if status, answer, h := write(snappy.Encode(nil, m)); status != 202 || answer != "" || !strings.HasPrefix(h.Get("Content-Type"), "text/html") || h.Get("X-Granary-Ignored") != "" {
			t.Fatal(status, answer, h)
		}
	}
	res, list := b.metricsOf("p1", "bob:p1", "node@a:9100")
	want := `cpu@cpu=0,mode=idle [["T00:00", 60.0, 5.0]]
cpu@cpu=0,mode=user [["T00:00", 60.0, 6.0]]
up [["T00:00", 60.0, 1.0], ["T01:00", 60.0, 0.0]]`
	if got := strings.Join(list, "\n"); got != want || res.Type != "prometheus" || res.Attributes["job"].Text != "node" || res.Attributes["instance"].Text != "a:9100" {
		t.Errorf("%v\n%s", res, got)
	}
	if res, list := b.metricsOf("p1", "bob:p1", "none@http:__x_y"); len(list) != 1 || res.Attributes["instance"].Text != "http://x/y" || res.Attributes["job"].Text != "none" {
		t.Error(res, list)
	}
	b.metricsOf("p1", "bob:p1", "none@none")

	if status, _, _ := write(snappy.Encode(nil, m), "Accept", "application/json"); status != 406 {
		t.Error(status)
	}
	for name, body := range map[string][]byte{"garbage": []byte("hello, this is no snappy"), "protobuf": snappy.Encode(nil, []byte("hello")), "nothing": nil} {
		if status, answer, _ := write(body); status != 400 || !strings.HasPrefix(answer, "400 Bad Request") {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	// A series that cannot be stored does not cost the others.
	m = message{}.series("job=node instance=a:9100", 1).series("__name__=other job=node instance=a:9100", 3).series("__name__=up instance="+strings.Repeat("x", 300), 1).
		series("__name__=long job=node instance=a:9100 path="+strings.Repeat("x", 600), 8)
	if status, answer, _ := write(snappy.Encode(nil, m), "Accept", "application/json, text/html;q=0.1"); status != 400 || !strings.Contains(answer, "2 of 4 series were not stored: series 0: it has no label __name__; 2 measures were stored") {
		t.Error(status, answer)
	}
	if _, list := b.metricsOf("p1", "bob:p1", "node@a:9100"); len(list) != 5 {
		t.Error(list)
	}
	// What is no sample of a metric is counted.
	h := message{}.bytes(1, message{}.bytes(1, message{}.bytes(1, []byte("__name__")).bytes(2, []byte("h"))).bytes(4, nil))
	if status, answer, header := write(snappy.Encode(nil, h)); status != 400 || !strings.Contains(answer, "native histograms are not stored") || header.Get("X-Granary-Ignored") != "wrong-kind=1" {
		t.Error(status, answer, header)
	}
	old := append(message{}.series("__name__=up job=node instance=a:9100", 1), message{}.bytes(1, message{}.bytes(1, message{}.bytes(1, []byte("__name__")).bytes(2, []byte("h"))).
		bytes(2, binary.AppendUvarint([]byte{16}, 1<<62)))...)
	if status, answer, header := write(snappy.Encode(nil, old)); status != 202 || header.Get("X-Granary-Ignored") != "too-new=1" {
		t.Error(status, answer, header)
	}
}

// Somebody else's resource of the same names is another one, and what others have made is not written to.
func TestForeignOfTwo(t *testing.T) {
	b := ruled(t)
	if err := b.store.CreateResourceType(t.Context(), resource.Type{Name: "influxdb"}); err != nil {
		t.Fatal(err)
	}
	for _, who := range [][]string{bob, eve} {
		if status, answer := b.postAs(who, "/v1/influxdb/write", "cpu,host=h usage=1"); status != 204 {
			t.Fatal(status, answer)
		}
	}
	b.metricsOf("p1", "bob:p1", "h")
	b.metricsOf("p2", "eve:p2", "h")
	// A host that is called as a resource of somebody else in the same tenant is called is that one.
	other := uuid.New()
	num := b.tenant("_ops")
	if _, _, err := b.store.ChangeResource(t.Context(), &measures.ResourceChange{Tenant: num, ID: other,
		Create: &resource.Draft{Original: other.String(), Type: resource.Generic, Creator: "ann", Started: 1}}); err != nil {
		t.Fatal(err)
	}
	w := b.ask("POST", "/v1/influxdb/write", fmt.Sprintf("cpu,host=%s usage=1", other), "Authorization", basic("zoe"))
	if w.Code != 403 {
		t.Error(w.Code, w.Body)
	}
	if list := b.store.Definitions.AppendLinks(nil, num, other); len(list) != 0 {
		t.Error(list)
	}
}

// TestInfluxNames: a line costs what its length says, whatever it repeats in the names of its metrics.
func TestInfluxNames(t *testing.T) {
	b := newBed(t)
	if w := b.ask("POST", "/v1/influxdb/query?q=create+database+telegraf", ""); w.Code != 204 {
		t.Fatal(w.Code, w.Body)
	}
	const tooLong = "a metric name has at most 65535 bytes"
	many := func(n int, between, one string) string { return strings.Repeat(between+one, n)[len(between):] }
	for _, c := range []struct{ name, line, text string }{
		{"many tags", "cpu,host=h," + many(1<<20, ",", "t=v") + " f=1", tooLong},
		{"a long tag", "cpu,host=h,t=" + strings.Repeat("v", 1<<16) + " f=1", tooLong},
		{"a long field", "cpu,host=h " + strings.Repeat("f", 1<<16) + "=1", tooLong},
		{"all tags in many fields", "cpu,host=h,t=" + strings.Repeat("v", 60_000) + " " + many(1<<16, ",", "f=1"), "line 1: the names of the metrics of one body have at most 134217728 bytes together; send fewer lines at once"},
	} {
		w := b.ask("POST", "/v1/influxdb/write?db=telegraf", c.line)
		if w.Code != 400 || !strings.Contains(w.Body.String(), c.text) {
			t.Errorf("%s: %d %.300s", c.name, w.Code, w.Body)
		}
	}
	if w := b.get("/v1/resource/telegraf"); w.Body.String() != "[]" {
		t.Errorf("resources were made: %s", w.Body)
	}
}
