package native

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"granary/measures"
	"granary/measures/journal"
	"granary/measures/query"
	"granary/metricdef"
	"granary/tenant"
	"granary/tenant/queue"
)

var update = flag.Bool("update", false, "write the answers into the files of testdata")

// queryWorld is an API on a store with samples of every kind.
func queryWorld(t testing.TB, o query.Options, change ...func(*Options)) (*API, *measures.Store) {
	t.Helper()
	s, err := measures.Open(measures.Options{Dir: t.TempDir(), Sync: journal.Never, Now: func() time.Time { return testNow }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Recover(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	o.Definitions = s.Definitions
	a := bare(append([]func(*Options){func(n *Options) {
		n.Tenants, n.Definitions, n.Queries = s.Tenants, s.Definitions, query.New(s, o)
	}}, change...)...)
	put := func(id tenant.ID, fill func(draft func(typ metricdef.Type, name string, tags ...metricdef.Tag) measures.Draft, b *measures.Batch)) {
		num, err := s.EnsureTenant(context.Background(), id)
		if err != nil {
			t.Fatal(err)
		}
		var b measures.Batch
		fill(func(typ metricdef.Type, name string, tags ...metricdef.Tag) measures.Draft {
			return measures.Draft{Def: metricdef.Draft{Dialect: Name, Unit: "W", Identity: metricdef.Identity{Tenant: num, Type: typ, Name: name, Tags: tags}}}
		}, &b)
		if err := s.Commit(context.Background(), &b); err != nil {
			t.Fatal(err)
		}
	}
	at := func(minutes float64) int64 {
		return testNow.Add(time.Duration(minutes * float64(time.Minute))).UnixNano()
	}
	put("_ops", func(draft func(metricdef.Type, string, ...metricdef.Tag) measures.Draft, b *measures.Batch) {
		for h, host := range []string{"h1", "h2", "h3"} {
			d := draft(metricdef.Gauge, "power", metricdef.Tag{Name: "host", Value: host})
			d.Def.Plain = []metricdef.Tag{{Name: "rack", Value: []string{"r1", "r1", "r2"}[h]}}
			for m := -30; m < 0; m++ {
				if h == 1 && m > -20 && m < -10 {
					continue
				}
				b.AddDraft(d, at(float64(m)+float64(h)/4), float64(100*(h+1)+m)+0.25)
			}
		}
		c := draft(metricdef.Counter, "bytes", metricdef.Tag{Name: "host", Value: "h1"})
		for i := range int64(4) {
			b.AddIntDraft(c, at(float64(-4+i)), 9007199254740993+i*60)
		}
		b.AddTags(`{"by":"x,\"y\""}`)
		up := draft(metricdef.Availability, "up", metricdef.Tag{Name: "host", Value: "h1"})
		for i, state := range []metricdef.State{metricdef.Up, metricdef.Down, metricdef.Admin} {
			b.AddDraft(up, at(float64(-3+i)), float64(state))
		}
		b.AddTextDraft(draft(metricdef.String, "version", metricdef.Tag{Name: "host", Value: `q"u,ote`}), at(-5), "1.0\n\"rc\"")
		b.AddTextDraft(draft(metricdef.String, "version", metricdef.Tag{Name: "host", Value: `q"u,ote`}), at(-2), "1.1")
		odd := draft(metricdef.Gauge, "odd")
		for i, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e300, 1e-9} {
			b.AddDraft(odd, at(-5)+int64(i)*int64(time.Second)/4, v)
		}
	})
	put("other", func(draft func(metricdef.Type, string, ...metricdef.Tag) measures.Draft, b *measures.Batch) {
		b.AddDraft(draft(metricdef.Gauge, "power", metricdef.Tag{Name: "host", Value: "secret"}), at(-5), 4711)
	})
	return a, s
}

// TestQueryAnswers holds answers against those in testdata/query.txt. Each case there is a comment, a request (method and
// URL, headers, a body), and below a line of dashes the answer.
func TestQueryAnswers(t *testing.T) {
	const file = "testdata/query.txt"
	a, _ := queryWorld(t, query.Options{MaxPoints: 10_000, MaxSamples: 1000, MaxSeries: 50})
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for i, text := range strings.Split(string(raw), "\n======\n") {
		question, want, _ := strings.Cut(text, "\n------\n")
		var comment, body string
		var line string
		var header []string
		for l := range strings.SplitSeq(strings.TrimSpace(question), "\n") {
			name, value, isHeader := strings.Cut(l, ": ")
			switch {
			case strings.HasPrefix(l, "#"):
				comment += l
			case line == "":
				line = l
			case body == "" && isHeader && !strings.HasPrefix(l, "{"):
				header = append(header, name, value)
			default:
				body += l + "\n"
			}
		}
		method, url, _ := strings.Cut(line, " ")
		w := ask(a, method, url, body, header...)
		var got strings.Builder
		fmt.Fprintf(&got, "%d %s\n", w.Code, w.Header().Get("Content-Type"))
		got.WriteString(strings.ReplaceAll(w.Body.String(), "\r\n", "␍\n"))
		if got.String() != strings.TrimSuffix(want, "\n")+"\n" && !*update {
			t.Errorf("%s\n%s\n%s\nwant\n%s", comment, line, got.String(), want)
		}
		if i > 0 {
			out.WriteString("\n======\n")
		}
		fmt.Fprintf(&out, "%s\n------\n%s", strings.TrimSpace(question), strings.TrimSuffix(got.String(), "\n"))
	}
	if *update {
		if err := os.WriteFile(file, append(bytes.TrimSuffix(out.Bytes(), []byte("\n")), '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestQueryLarge streams an answer that is too large to be held back, compressed and not, and has the whole of it.
func TestQueryLarge(t *testing.T) {
	a, s := queryWorld(t, query.Options{})
	num, _ := s.EnsureTenant(context.Background(), "_ops")
	var b measures.Batch
	for i := range 60_000 {
		b.AddDraft(measures.Draft{Def: metricdef.Draft{Dialect: Name, Identity: metricdef.Identity{Tenant: num, Type: metricdef.Gauge, Name: fmt.Sprint("large", i/10_000)}}},
			testNow.UnixNano()-int64(60_000-i)*int64(time.Second), float64(i)/3)
	}
	if err := s.Commit(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(a)
	defer server.Close()
	for _, accept := range queryTypes {
		for _, encoding := range []string{"", "gzip"} {
			req, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, server.URL+`/v2/query?selector=__name__%3D~%22large.*%22&start=-1d`, nil)
			req.Header.Set("Accept", accept)
			// Without a header of ours the client asks for gzip and takes it off itself.
			if encoding == "" {
				req.Header.Set("Accept-Encoding", "identity")
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			var body bytes.Buffer
			_, err = body.ReadFrom(resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != http.StatusOK || resp.Uncompressed != (encoding == "gzip") || resp.ContentLength >= 0 {
				t.Fatalf("%s %s: %d, %v, length %d, %.200s", accept, encoding, resp.StatusCode, err, resp.ContentLength, body.String())
			}
			if n := strings.Count(body.String(), ".3333333"); n < 19_000 {
				t.Errorf("%s %s: %d thirds in %d bytes", accept, encoding, n, body.Len())
			}
		}
	}
}

// failing answers some frames, then an error.
type failing struct{ *measures.Store }

var errDisk = fmt.Errorf("the disk is gone")

func (f failing) Read(ctx context.Context, r *measures.Reader, ref metricdef.Ref, from, to int64) error {
	if f.Definitions.Name(ref) == "odd" {
		return errDisk
	}
	return f.Store.Read(ctx, r, ref, from, to)
}

// TestQueryFails: an error before anything is sent is a problem, one behind the beginning ends lines with a status and all
// else with the connection.
func TestQueryFails(t *testing.T) {
	var a *API
	a, s := queryWorld(t, query.Options{}, func(*Options) {})
	a.o.Queries = query.New(failing{s}, query.Options{Definitions: s.Definitions})
	if w := ask(a, "GET", "/v2/query?type=gauge", ""); w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "disk") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	num, _ := s.EnsureTenant(context.Background(), "_ops")
	var b measures.Batch
	for i := range 40_000 {
		b.AddDraft(measures.Draft{Def: metricdef.Draft{Dialect: Name, Identity: metricdef.Identity{Tenant: num, Type: metricdef.Gauge, Name: "power", Tags: []metricdef.Tag{{Name: "host", Value: "h1"}}}}},
			testNow.UnixNano()-int64(i)*int64(time.Second), float64(i)/3)
	}
	if err := s.Commit(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	w := ask(a, "GET", "/v2/query?type=gauge&start=-1d", "", "Accept", typeNDJSON)
	lines := strings.Split(strings.TrimSpace(w.Body.String()), "\n")
	if last := lines[len(lines)-1]; w.Code != http.StatusOK || !strings.HasPrefix(last, `{"status":"error","frames":3,`) || !strings.Contains(last, `"problem":{"type":"about:blank","title":"Internal Server Error","status":500,`) || !strings.HasSuffix(last, "}}") {
		t.Errorf("%d %.300s", w.Code, last)
	}
	func() {
		defer func() {
			if recover() != http.ErrAbortHandler {
				t.Error("the connection stays")
			}
		}()
		ask(a, "GET", "/v2/query?type=gauge&start=-1d", "")
	}()
}

func TestQueryGate(t *testing.T) {
	gate := queue.NewFair(queue.FairOptions{Kind: queue.Queries, Units: 1})
	a, _ := queryWorld(t, query.Options{}, func(o *Options) { o.Reads = gate })
	var ticket queue.Ticket
	if err := gate.Queue("mine").Enter(context.Background(), &ticket, 1); err != nil {
		t.Fatal(err)
	}
	w := ask(a, "GET", "/v2/query?name=power", "")
	if p := problemOf(t, w); w.Code != http.StatusTooManyRequests || p["code"] != "queries-in-work" || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %v", w.Code, p)
	}
	ticket.Leave()
	for range 3 {
		if w := ask(a, "GET", "/v2/query?name=power", ""); w.Code != http.StatusOK {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
}

// FuzzQueryBody: no body brings the service down, and what is refused is refused in good form.
func FuzzQueryBody(f *testing.F) {
	a, _ := queryWorld(f, query.Options{MaxPoints: 1000, MaxSamples: 1000})
	f.Add(`{"names":["power"],"start":"-1h","bucket":"5m","method":"mean","across":"sum","group_by":["rack"],"fill":"linear"}`)
	f.Add(`{"queries":{"a":{"selector":{"tag":"host","value":"h1"},"buckets":7,"fill":0.5}},"end":1e300}`)
	f.Fuzz(func(t *testing.T, body string) {
		if w := ask(a, "POST", "/v2/query", body); w.Code != http.StatusOK {
			problemOf(t, w)
		}
	})
}
