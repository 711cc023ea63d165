//go:build e2e

package e2e_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// senderConfig names the metrics of the senders.
func senderConfig(t *testing.T) string {
	metrics := object{}
	for _, name := range []string{"cpu_load", "mem_used", "flops_any", "acc_power", "rapl_power", "ib_recv"} {
		metrics[name] = object{"frequency": 60, "aggregation": "sum"}
	}
	return configFile(t, filepath.Join(t.TempDir(), "config.json"), object{"metrics": metrics, "granary": object{"disk-free-mark": 0}})
}

// TestPeerSenders sends what the programs around cc-metric-store send, and expects what they take for success.
func TestPeerSenders(t *testing.T) {
	p := serve(t, senderConfig(t), filepath.Join(t.TempDir(), "data"))
	at := minute()

	t.Run("cc-metric-collector", func(t *testing.T) {
		// The http sink: tags sorted by name, tags of its own such as unit, seconds, no Content-Type; only 200 is success.
		body := fmt.Sprintf("cpu_load,cluster=alex,hostname=a0101,type=node value=12.03 %[1]d\n"+
			"mem_used,cluster=alex,hostname=a0101,type=node,unit=GByte value=97i %[1]d\n"+
			"flops_any,cluster=alex,hostname=a0101,type=hwthread,type-id=0,unit=MFLOP/s value=812.5 %[1]d\n"+
			"flops_any,cluster=alex,hostname=a0101,type=hwthread,type-id=1,unit=MFLOP/s value=1012.5 %[1]d\n"+
			"rapl_power,cluster=alex,hostname=a0101,type=socket,type-id=1,unit=Watts value=155.25 %[1]d\n"+
			"acc_power,cluster=alex,hostname=a0101,type=accelerator,type-id=00000000:49:00.0,unit=watts value=301 %[1]d\n"+
			"ib_recv,cluster=alex,hostname=a0101,stype=network,stype-id=mlx5_0,type=node,unit=bytes/sec value=5 %[1]d\n"+
			"numastats_local,cluster=alex,hostname=a0101,type=memoryDomain,type-id=0 value=1 %[1]d\n", at)
		status, header, answer := p.do(http.MethodPost, "/api/write/", nil, strings.NewReader(body))
		if status != http.StatusOK || len(answer) != 0 || header.Get("X-Granary-Ignored") != "unknown-metric=1" {
			t.Errorf("%d %q, ignored %q", status, answer, header.Get("X-Granary-Ignored"))
		}
		for _, c := range []struct {
			s    selector
			want int64
		}{
			{selector{Metric: "cpu_load"}, 12030},
			{selector{Metric: "mem_used"}, 97000},
			{selector{Metric: "flops_any", Type: "hwthread", TypeIDs: []string{"1"}}, 1012500},
			{selector{Metric: "flops_any", Type: "hwthread", TypeIDs: []string{"0", "1"}, Aggreg: true}, 1825000},
			{selector{Metric: "flops_any"}, 1825000},
			{selector{Metric: "rapl_power", Type: "socket", TypeIDs: []string{"1"}}, 155250},
			{selector{Metric: "acc_power", Type: "accelerator", TypeIDs: []string{"00000000:49:00.0"}}, 301000},
			{selector{Metric: "ib_recv"}, 5000},
		} {
			c.s.Host = "a0101"
			expect(t, p, "alex", c.s, at, 60, c.want)
		}
	})

	t.Run("metric generator", func(t *testing.T) {
		// A shell script: curl --data-binary says that it sends a form.
		var body strings.Builder
		for id := range 4 {
			fmt.Fprintf(&body, "flops_any,hostname=a0903,type=hwthread,type-id=%d value=%d.0 %d\n", id, 10+id, at)
		}
		fmt.Fprintf(&body, "acc_power,hostname=a0903,type=accelerator,type-id=00000000:0E:00.0 value=77.0 %d\n", at)
		fmt.Fprintf(&body, "rapl_power,hostname=a0903,type=socket,type-id=0 value=65.0 %d\n", at)
		fmt.Fprintf(&body, "cpu_load,hostname=a0903,type=node value=54.0 %d\n", at)
		form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "User-Agent": {"curl/8.5.0"}, "Accept": {"*/*"}}
		if status, header, answer := p.do(http.MethodPost, "/api/write/?cluster=woody", form, strings.NewReader(body.String())); status != http.StatusOK || len(header["X-Granary-Ignored"]) > 0 {
			t.Errorf("%d %q, ignored %q", status, answer, header["X-Granary-Ignored"])
		}
		expect(t, p, "woody", selector{Metric: "flops_any", Host: "a0903"}, at, 60, 46000)
		expect(t, p, "woody", selector{Metric: "acc_power", Host: "a0903", Type: "accelerator", TypeIDs: []string{"00000000:0E:00.0"}}, at, 60, 77000)
		expect(t, p, "woody", selector{Metric: "rapl_power", Host: "a0903", Type: "socket", TypeIDs: []string{"0"}}, at, 60, 65000)
		expect(t, p, "woody", selector{Metric: "cpu_load", Host: "a0903"}, at, 60, 54000)
	})

	t.Run("prom2ccms", func(t *testing.T) {
		// Prometheus has values that are no number; the batch goes on behind them.
		body := fmt.Sprintf("cpu_load,cluster=prom,hostname=n1,type=node value=1 %[1]d\ncpu_load,cluster=prom,hostname=n2,type=node value=nan %[1]d\ncpu_load,cluster=prom,hostname=n3,type=node value=3 %[1]d\n", at)
		status, _, answer := p.write(body)
		if status != http.StatusBadRequest || !strings.Contains(answer, "line 2") || !strings.Contains(answer, "2 stored") {
			t.Errorf("%d %s", status, answer)
		}
		expect(t, p, "prom", selector{Metric: "cpu_load", Host: "n1"}, at, 60, 1000)
		expect(t, p, "prom", selector{Metric: "cpu_load", Host: "n3"}, at, 60, 3000)
	})

	t.Run("units of time", func(t *testing.T) {
		for i, unit := range []int64{1, 1e3, 1e6, 1e9} {
			p.mustWrite(fmt.Sprintf("cpu_load,cluster=units,hostname=u%d value=%d %d\n", i, i, (at+60)*unit))
			expect(t, p, "units", selector{Metric: "cpu_load", Host: fmt.Sprint("u", i)}, at+60, 60, int64(1000*i))
		}
	})
	p.stop()
}

// hostBody is lines of hosts with a prefix, and what the first of them must read.
func hostBody(prefix string, n int, at int64) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "cpu_load,cluster=bodies,hostname=%s%d value=%d.125 %d\n", prefix, i, i, at)
	}
	return b.String()
}

// TestBodies sends bodies in all the forms that HTTP knows, and bodies that break off.
func TestBodies(t *testing.T) {
	p := serve(t, senderConfig(t), filepath.Join(t.TempDir(), "data"))
	at := minute()
	const n = 300
	all := func(t *testing.T, prefix string, want int) {
		t.Helper()
		q := question{Cluster: "bodies", From: at, To: at + 60}
		for i := range n {
			q.Queries = append(q.Queries, selector{Metric: "cpu_load", Host: fmt.Sprint(prefix, i)})
		}
		for i, row := range p.mustAsk(q) {
			got := hole
			if len(row) == 1 {
				if v, err := thousandths(nil, row[0].Data); err == nil && len(v) == 1 {
					got = v[0]
				}
			}
			if i < want && got != int64(1000*i+125) || i >= want && len(row) > 0 {
				t.Fatalf("host %d of %d: %d thousandths", i, want, got)
			}
		}
	}
	zipped := func(body string) *bytes.Buffer {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := io.WriteString(z, body); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return &b
	}
	t.Run("gzip", func(t *testing.T) {
		status, _, answer := p.do(http.MethodPost, "/api/write", http.Header{"Content-Encoding": {"gzip"}}, zipped(hostBody("gzip", n, at)))
		if status != http.StatusOK {
			t.Fatalf("%d %s", status, answer)
		}
		all(t, "gzip", n)
	})
	t.Run("chunked", func(t *testing.T) {
		body := struct{ io.Reader }{strings.NewReader(hostBody("chunked", n, at))}
		if status, _, answer := p.do(http.MethodPost, "/api/write", nil, body); status != http.StatusOK {
			t.Fatalf("%d %s", status, answer)
		}
		all(t, "chunked", n)
	})
	t.Run("chunked gzip", func(t *testing.T) {
		body := struct{ io.Reader }{zipped(hostBody("both", n, at))}
		if status, _, answer := p.do(http.MethodPost, "/api/write", http.Header{"Content-Encoding": {"gzip"}}, body); status != http.StatusOK {
			t.Fatalf("%d %s", status, answer)
		}
		all(t, "both", n)
	})
	t.Run("no newline at the end", func(t *testing.T) {
		p.mustWrite(strings.TrimSuffix(hostBody("open", n, at), "\n"))
		all(t, "open", n)
	})

	// A connection that ends in the middle of a body: the lines that have come are stored, the one that has not ended is not,
	// though what has come of it would be a line.
	rng := rand.New(rand.NewPCG(1, 1))
	send := func(t *testing.T, head, body string, half bool) {
		t.Helper()
		c, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "POST /api/write/ HTTP/1.1\r\nHost: granary\r\n%s\r\n\r\n%s", head, body)
		if !half {
			return // closes both directions
		}
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusBadRequest || !regexp.MustCompile(`\d+ lines stored`).Match(text) {
			t.Errorf("%d %s, %v", res.StatusCode, text, err)
		}
	}
	for i, c := range []struct {
		name          string
		half, chunked bool
	}{
		{"cut, the sender listens", true, false},
		{"cut, the sender is gone", false, false},
		{"chunks cut, the sender listens", true, true},
		{"chunks cut, the sender is gone", false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			prefix := fmt.Sprintf("cut%d-", i)
			full := hostBody(prefix, n, at)
			lines := 1 + rng.IntN(n-2)
			cut := strings.Join(strings.SplitAfter(full, "\n")[:lines], "")
			// The next line breaks off behind two digits of its value: "value=12" of "value=123".
			next := strings.SplitAfter(full, "\n")[lines]
			cut += next[:strings.Index(next, "value=")+len("value=1")]
			if c.chunked {
				send(t, "Transfer-Encoding: chunked", fmt.Sprintf("%x\r\n%s\r\n", len(cut), cut), c.half)
			} else {
				send(t, fmt.Sprintf("Content-Length: %d", len(full)), cut, c.half)
			}
			poll(t, "the lines that have come", func() bool {
				r := p.mustAsk(question{Cluster: "bodies", From: at, To: at + 60, Queries: []selector{{Metric: "cpu_load", Host: fmt.Sprint(prefix, lines-1)}}})
				return len(r[0]) == 1
			})
			all(t, prefix, lines)
			// Not at another time either.
			_, debug := p.get("/api/debug?selector=bodies")
			if strings.Contains(debug, fmt.Sprintf(`"%s%d"`, prefix, lines)) || !strings.Contains(debug, fmt.Sprintf(`"%s%d"`, prefix, lines-1)) {
				t.Errorf("the line that was not finished has left something")
			}
		})
	}
	p.stop()
}
