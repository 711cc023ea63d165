package influx

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"granary/measures/ingest/line"
	"granary/metricdef"
	"granary/tenant"
	"granary/tenant/identity"
)

const second0 = 1767225600_000000000

// TestWrite: what a line becomes, with either version's form.
func TestWrite(t *testing.T) {
	for _, c := range []struct {
		target, body string
		typ          metricdef.Type
		key          string
		kind         metricdef.Kind
		want         sample
	}{
		{"/write?db=d", "cpu,host=a,cpu=c0 usage_user=1.5 1767225600000000000", metricdef.Gauge, `cpu_usage_user{cpu="c0",host="a"}`, metricdef.KindFloat, sample{at: second0, v: 1.5}},
		{"/write?db=d&precision=s", "load,host=a value=2 1767225600", metricdef.Gauge, `load{host="a"}`, metricdef.KindFloat, sample{at: second0, v: 2}},
		{"/write?precision=n", "n value=2 1767225600000000000", metricdef.Gauge, `n`, metricdef.KindFloat, sample{at: second0, v: 2}},
		{"/write?precision=u", "u value=2 1767225600000000", metricdef.Gauge, `u`, metricdef.KindFloat, sample{at: second0, v: 2}},
		{"/write?precision=ms&consistency=any", "ms value=2 1767225600000", metricdef.Gauge, `ms`, metricdef.KindFloat, sample{at: second0, v: 2}},
		{"/write?precision=m", "m value=2 29453760", metricdef.Gauge, `m`, metricdef.KindFloat, sample{at: second0, v: 2}},
		{"/write?precision=h", "h value=2 490896", metricdef.Gauge, `h`, metricdef.KindFloat, sample{at: second0, v: 2}},
		{"/write", "bare value=2 1767225600000", metricdef.Gauge, `bare`, metricdef.KindFloat, sample{at: second0, v: 2}},
		{"/write", "none value=2", metricdef.Gauge, `none`, metricdef.KindFloat, sample{at: second0, v: 2}},
		{"/api/v2/write?org=o&bucket=b&precision=ns", "ns value=2 1767225600000000000", metricdef.Gauge, `ns`, metricdef.KindFloat, sample{at: second0, v: 2}},
		{"/api/v2/write?precision=us", "us value=2 1767225600000000", metricdef.Gauge, `us`, metricdef.KindFloat, sample{at: second0, v: 2}},
		{"/write", "mem used=9007199254740993i,total=18446744073709551615i\nmem used=9007199254740993i 1767225600000", metricdef.Gauge, `mem_used`, metricdef.KindInt, sample{at: second0, i: 9007199254740993}},
		{"/write", "disk free=9007199254740993u 1767225600000", metricdef.Gauge, `disk_free`, metricdef.KindInt, sample{at: second0, i: 9007199254740993}},
		{"/write", "up ok=true 1767225600000", metricdef.Gauge, `up_ok`, metricdef.KindFloat, sample{at: second0, v: 1}},
		{"/write", `sys,host=a uptime_format="1 day, \"x\"" 1767225600000`, metricdef.String, `sys_uptime_format{host="a"}`, metricdef.KindText, sample{at: second0, text: `1 day, "x"`}},
		{"/write", "twice f=1,f=2 1767225600000", metricdef.Gauge, `twice_f`, metricdef.KindFloat, sample{at: second0, v: 2}},
	} {
		b := newBed(t)
		w := b.ask(http.MethodPost, c.target, c.body)
		if w.Code != http.StatusNoContent && !strings.Contains(c.body, "18446744073709551615i") {
			t.Errorf("%s %q: %d %s", c.target, c.body, w.Code, w.Body)
		}
		if w.Header().Get("X-Influxdb-Version") == "" || w.Header().Get("X-Influxdb-Build") == "" {
			t.Errorf("%v", w.Header())
		}
		kind, got := b.samples("_ops", c.typ, c.key)
		if kind != c.kind || len(got) != 1 || got[0] != c.want {
			t.Errorf("%s %q: %v of kind %v, want %v of %v", c.target, c.body, got, kind, c.want, c.kind)
		}
	}
}

// TestPartialWrites: what is good of a body is stored, and what is not is named, in the form of either version.
func TestPartialWrites(t *testing.T) {
	const good = "good value=1 1767225600000\n"
	for _, c := range []struct {
		body    string
		first   int    // status of the first version
		code    string // of the second one
		part    string
		nothing bool // nothing was stored
	}{
		{"bad value=\n" + good, 400, "invalid", "partial write: unable to parse 'bad value=': ", false},
		{"bad value=", 400, "invalid", `"unable to parse 'bad value=': at line 1:11: `, true},
		{"bad value=1 1 1\nbad\nbad,\n" + good, 400, "invalid", "(and 2 lines more); 1 values were stored dropped=3", false},
		{"x value=NaN\n" + good, 400, "invalid", "unable to parse 'x value=NaN'", false},
		{"x value=-inf\n" + good, 400, "invalid", "unable to parse", false},
		{"x,a=1,a=2 value=1\n" + good, 400, "invalid", "duplicate tags", false},
		{"x,a= value=1\n" + good, 400, "invalid", "unable to parse", false},
		{"x,=1 value=1\n" + good, 400, "invalid", "unable to parse", false},
		{"x =1\n" + good, 400, "invalid", "unable to parse", false},
		{"x,a=\xff value=1\n" + good, 400, "invalid", "invalid utf-8", false},
		{"x \xff=1\n" + good, 400, "invalid", "invalid utf-8", false},
		{"x,__name__=y value=1\n" + good, 400, "invalid", "is reserved", false},
		{"x\x00 value=1\n" + good, 400, "invalid", "unable to parse", false},
		{"x value=1 99999999999999999999\n" + good, 400, "invalid", "unable to parse", false},
		{"x value=1 1767225600\nx value=1i 1767225601\n" + good, 400, "unprocessable entity",
			`partial write: field type conflict: input field \"value\" on measurement \"x\" is type integer, already exists as type float (line 2, 1 values); 2 values were stored dropped=1`, false},
		{"x i=1i 1767225600\nx s=\"\",i=1,j=2 1767225601\n" + good, 400, "unprocessable entity", `input field \"i\" on measurement \"x\" is type float, already exists as type integer`, false},
		{"x i=1i 1767225600\nx i=true 1767225601\n" + good, 400, "unprocessable entity", `input field \"i\" on measurement \"x\" is type boolean, already exists as type integer`, false},
		{"x f=18446744073709551615u\n" + good, 400, "unprocessable entity", `input field \"f\" on measurement \"x\" is type unsigned and above`, false},
		{"x value=1 1700000000\n" + good, 400, "unprocessable entity", "partial write: points beyond retention policy: 1 values are older than 30d", false},
		{"x a=1,b=2 1767229200\n" + good, 400, "unprocessable entity", "2 values are more than 10m ahead (setting granary.compat.influx.bounds.future) (line 1); 1 values were stored dropped=2", false},
	} {
		b := newBed(t)
		b.want("/write?db=d", c.body, c.first, c.part)
		if _, got := b.samples("_ops", metricdef.Gauge, "good"); (len(got) == 0) != c.nothing {
			t.Errorf("%q: stored %v", c.body, got)
		}
		b = newBed(t)
		status := http.StatusBadRequest
		if c.code == "unprocessable entity" {
			status = http.StatusUnprocessableEntity
		}
		h := b.want("/api/v2/write?bucket=b", c.body, status, `{"code":"`+c.code+`","message":`)
		if h.Get("X-Platform-Error-Code") != c.code || h.Get(ErrorHeader) == "" {
			t.Errorf("%q: %v", c.body, h)
		}
	}
}

// TestConflictOfTexts: numbers and texts are different series here, and yet no field is both.
func TestConflictOfTexts(t *testing.T) {
	b := newBed(t)
	b.want("/write", "m,a=b f=1,s=\"x\" 1767225600", 204, "")
	b.want("/write", "m,a=b f=\"x\" 1767225601", 400, `input field \"f\" on measurement \"m\" is type string, already exists as type number`)
	b.want("/write", "m,a=b s=1i 1767225601", 400, `input field \"s\" on measurement \"m\" is type integer, already exists as type string`)
	b.want("/write", "m,a=c f=\"x\",s=1 1767225601", 204, "") // another series
}

// TestFields: fields that are no numbers, as the setting and the tenant's own say.
func TestFields(t *testing.T) {
	set := func(o *Options) {
		o.Fields = Fields{Strings: line.Pass, Booleans: line.Refuse}
		o.TenantFields = map[tenant.ID]Fields{"own": {Strings: line.Refuse, Booleans: line.Pass}}
	}
	b := newBed(t, set)
	if h := b.want("/write", `m s="x",f=1 1767225600`, 204, ""); h.Get("X-Granary-Ignored") != "unmapped-field=1" {
		t.Errorf("%v", h)
	}
	b.want("/write", `m b=true,f=1 1767225601`, 400, `input field \"b\" on measurement \"m\" is type boolean, which is refused (line 1, 1 values); 1 values were stored dropped=1`)
	b.want("/write", `m s="x",f=1 1767225600`, 400, `input field \"s\" on measurement \"m\" is type string`, "Tenant", "own")
	if h := b.want("/write", `m b=t,f=1 1767225600`, 204, "", "Tenant", "own"); h.Get("X-Granary-Ignored") != "unmapped-field=1" {
		t.Errorf("%v", h)
	}
	if _, got := b.samples("_ops", metricdef.Gauge, "m_f"); len(got) != 2 {
		t.Errorf("%v", got)
	}
}

// TestTenants: a header, then the database or bucket, then what is left.
func TestTenants(t *testing.T) {
	b := newBed(t, func(o *Options) {
		o.Databases = map[string]tenant.ID{"telegraf": "t1", "telegraf/week": "t2", "hpc/telegraf": "t3", "other": "t4"}
	})
	for i, c := range []struct {
		target string
		header []string
		want   tenant.ID
	}{
		{"/write?db=telegraf", nil, "t1"},
		{"/write?db=telegraf&rp=week", nil, "t2"},
		{"/write?db=telegraf&rp=year", nil, "t1"},
		{"/write?db=nobody", nil, "_ops"},
		{"/write", nil, "_ops"},
		{"/write?db=telegraf", []string{"Tenant", "t9"}, "t9"},
		{"/write?db=telegraf", []string{"X-Scope-OrgID", "t9"}, "t9"},
		{"/api/v2/write?org=hpc&bucket=telegraf", nil, "t3"},
		{"/api/v2/write?orgID=hpc&bucket=telegraf", nil, "t3"},
		{"/api/v2/write?org=else&bucket=telegraf", nil, "t1"},
		{"/api/v2/write?bucket=telegraf/week", nil, "t2"},
		{"/api/v2/write?bucket=telegraf/year", nil, "t1"},
		{"/api/v2/write?bucket=nobody", nil, "_ops"},
	} {
		name := fmt.Sprintf("m%d", i)
		b.want(c.target, name+" value=1 1767225600", 204, "", c.header...)
		if _, got := b.samples(c.want, metricdef.Gauge, name); len(got) != 1 {
			t.Errorf("%s %q: it is not in %q", c.target, c.header, c.want)
		}
	}
	b.want("/write?db=telegraf", "m value=1", 400, "chooses two tenants", "Tenant", "a", "X-Scope-OrgID", "b")
}

// member is who may write to one tenant and read there.
type member struct{ of tenant.ID }

func (m member) Authenticate(*http.Request) (*identity.Identity, error) {
	return identity.New("m", identity.Key, "k", 0, identity.Grant{Tenant: m.of, Roles: identity.Admin}), nil
}

// TestForeignDatabase: whose a database is that leads to the tenant of somebody else is not said.
func TestForeignDatabase(t *testing.T) {
	b := newBed(t, func(o *Options) {
		o.Databases = map[string]tenant.ID{"mine": "t1", "theirs": "secret", "mine/week": "secret", "org/bucket": "secret"}
		o.Auth = member{"t1"}
	})
	b.want("/write?db=mine", "m value=1", 204, "")
	for target, name := range map[string]string{
		"/write?db=theirs": "theirs", "/write?db=theirs&rp=year": "theirs", "/write?db=mine&rp=week": "mine/week",
		"/api/v2/write?org=org&bucket=bucket": "org/bucket", "/api/v2/write?bucket=theirs/a": "theirs", "/query?db=theirs&q=SHOW+DATABASES": "theirs",
	} {
		h := b.want(target, "m value=1", 403, `"database \"`+name+`\" belongs to a tenant that is not yours"}`)
		if said := fmt.Sprint(h); strings.Contains(said, "secret") || h.Get("X-Granary-Error") != "tenant-forbidden" {
			t.Errorf("%s: %s", target, said)
		}
	}
}

// TestRequests: what a request is refused for before its body is looked at, and what is answered to probes.
func TestRequests(t *testing.T) {
	starting := false
	b := newBed(t, func(o *Options) { o.Ready = func() (bool, string) { return !starting, "replaying" } })
	for _, c := range []struct {
		method, target string
		status         int
		want           string
	}{
		{"GET", "/ping", 204, ""},
		{"HEAD", "/ping", 204, ""},
		{"GET", "/ping?verbose=true", 200, `{"version":"` + InfluxVersion + `"}`},
		{"GET", "/ping?verbose=0", 204, ""},
		{"GET", "/health", 200, `"status":"pass"`},
		{"POST", "/ping", 405, `{"error":"POST is not possible here`},
		{"OPTIONS", "/write", 204, ""},
		{"GET", "/write", 405, `{"error":`},
		{"GET", "/api/v2/write", 405, `{"code":"method not allowed","message":`},
		{"GET", "/api/v2/buckets", 404, `{"code":"not found","message":"path not found: \"/api/v2/buckets\""}`},
		{"POST", "/api/v2", 404, `{"code":"not found"`},
		{"POST", "/write?precision=d", 400, `{"error":"invalid precision \"d\" (use n, ns, u, us, ms, s, m, h)"}`},
		{"POST", "/api/v2/write?precision=h", 400, `{"code":"invalid","message":"invalid precision \"h\" (use ns, us, ms, s)"}`},
		{"POST", "/write?consistency=most", 400, `invalid consistency level`},
		{"POST", "/write?precision=s&precision=ms", 400, `is there twice`},
		{"POST", "/write?db=%zz", 400, `the query string cannot be read`},
		{"POST", "/write", 204, ""},
	} {
		w := b.ask(c.method, c.target, "")
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s %s: %d %s, want %d %s", c.method, c.target, w.Code, w.Body, c.status, c.want)
		}
	}
	starting = true
	if h := b.want("/write", "m value=1", 503, `{"error":"not ready: replaying"}`); h.Get("Retry-After") == "" || h.Get("X-Influxdb-Error") == "" {
		t.Errorf("%v", h)
	}
	if w := b.ask("GET", "/health", ""); w.Code != 503 || !strings.Contains(w.Body.String(), `"status":"fail"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := b.ask("GET", "/ping", ""); w.Code != 204 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestPressure: clients of the first version throw away what got any 4xx, so that they get 503 for what passes; those of the second one know 429.
func TestPressure(t *testing.T) {
	b := newBed(t, func(o *Options) {
		o.CheckRate = func(tenant.ID) error { return &tenant.RateError{Tenant: "t", Rate: 1, Burst: 1, Wait: 2_500_000_000} }
	})
	if h := b.want("/write", "m value=1", 503, "has sent more than its limit"); h.Get("Retry-After") != "3" {
		t.Errorf("%v", h)
	}
	if h := b.want("/api/v2/write", "m value=1", 429, `{"code":"too many requests"`); h.Get("Retry-After") != "3" {
		t.Errorf("%v", h)
	}
}

// TestEncodedBodies: gzip, and what says that it is gzip and is none.
func TestEncodedBodies(t *testing.T) {
	b := newBed(t)
	var s strings.Builder
	z := gzip.NewWriter(&s)
	if _, err := z.Write([]byte("m value=1 1767225600\n")); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	b.want("/write", s.String(), 204, "", "Content-Encoding", "gzip")
	b.want("/write", s.String()[:s.Len()-8], 400, "does not arrive as a whole", "Content-Encoding", "gzip")
	b.want("/write", "this is no gzip at all", 400, "is not valid gzip", "Content-Encoding", "gzip")
	b.want("/write", "m value=1", 415, "br", "Content-Encoding", "br")
	if _, got := b.samples("_ops", metricdef.Gauge, "m"); len(got) != 1 {
		t.Errorf("%v", got)
	}
}
