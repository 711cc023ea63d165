//go:build e2e

package e2e_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fate is what becomes of a batch that a Telegraf has sent.
type fate string

const (
	delivered fate = "delivered"
	dropped   fate = "dropped"
	again     fate = "sent again" // and before it nothing else
)

// telegraf sends as an output of Telegraf's does, byte by byte, and takes the answers as it does (1.37).
type telegraf struct {
	path   string // and the query
	header http.Header
	judge  func(status int, answer []byte) fate
}

const telegrafAgent = "Telegraf/1.37.2 Go/1.25.5"

// outputInfluxdb is [[outputs.influxdb]]. Of what is no 204 it takes the error out of the JSON. It drops a batch of which a status says
// that the client is at fault, whatever it says besides, even that it came too soon.
func outputInfluxdb(database string) telegraf {
	return telegraf{"/write?" + url.Values{"db": {database}}.Encode(),
		http.Header{"User-Agent": {telegrafAgent}, "Content-Type": {"text/plain; charset=utf-8"}, "Content-Encoding": {"gzip"}},
		func(status int, answer []byte) fate {
			var said struct{ Error string }
			err := json.Unmarshal(answer, &said)
			switch {
			case status == http.StatusNoContent:
				return delivered
			case err != nil && len(answer) > 0, strings.Contains(said.Error, "database not found"):
				return again
			case status/100 == 4:
				return dropped
			}
			for _, text := range []string{"retention policy not found", "points beyond retention policy", "partial write", "unable to parse", "hinted handoff queue not empty"} {
				if strings.Contains(said.Error, text) {
					return dropped
				}
			}
			return again
		}}
}

// outputInfluxdb2 is [[outputs.influxdb_v2]].
func outputInfluxdb2(org, bucket, token string) telegraf {
	return telegraf{"/api/v2/write?" + url.Values{"org": {org}, "bucket": {bucket}}.Encode(),
		http.Header{"User-Agent": {telegrafAgent}, "Content-Type": {"text/plain; charset=utf-8"}, "Content-Encoding": {"gzip"}, "Authorization": {"Token " + token}},
		func(status int, _ []byte) fate {
			switch status {
			case http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusNoContent, http.StatusPartialContent, http.StatusMultiStatus, http.StatusAlreadyReported:
				return delivered
			case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusRequestEntityTooLarge: // the last in halves
				return again
			}
			if status/100 == 4 {
				return dropped
			}
			return again
		}}
}

// outputHTTP is [[outputs.http]] with data_format = "influx". It sends again whatever is no success.
func outputHTTP(path string, header http.Header) telegraf {
	h := http.Header{"User-Agent": {telegrafAgent}, "Content-Type": {"text/plain; charset=utf-8"}}
	maps.Copy(h, header)
	return telegraf{path, h, func(status int, _ []byte) fate {
		if status/100 == 2 {
			return delivered
		}
		return again
	}}
}

// send sends a batch, in chunks where it is compressed, and says what becomes of it.
func (o telegraf) send(t *testing.T, client *http.Client, base, body string) (fate, *http.Response, string) {
	t.Helper()
	var reader io.Reader = strings.NewReader(body)
	if o.header.Get("Content-Encoding") == "gzip" {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, err := io.WriteString(z, body)
		must(t, err)
		must(t, z.Close())
		reader = struct{ io.Reader }{&b}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+o.path, reader)
	must(t, err)
	req.Header = o.header.Clone()
	res, err := client.Do(req)
	must(t, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	must(t, err)
	return o.judge(res.StatusCode, answer), res, string(answer)
}

// gathered is what Telegraf's inputs cpu, mem, net, system and disk gather of a host in an interval, with tags for all of them: many
// fields a line, of floats, whole numbers and a text.
func gathered(host, tags string, step int, at time.Time) string {
	var b strings.Builder
	stamp, n := at.UnixNano(), float64(step)
	for i, cpu := range []string{"cpu-total", "cpu0", "cpu1"} {
		fmt.Fprintf(&b, "cpu,cpu=%s,%s%s usage_user=%v,usage_system=%v,usage_idle=%v,usage_iowait=0,usage_steal=0 %d\n", cpu, tags, host, 12.5+n+float64(i), 1.25, 86.25-n-float64(i), stamp)
	}
	fmt.Fprintf(&b, "mem,%s%s active=%di,available=%di,total=%di,used=%di,used_percent=%v %d\n", tags, host, 3<<30, int64(48-step)<<30, int64(64)<<30, int64(16+step)<<30, 25+n, stamp)
	for i, name := range []string{"eth0", "lo", "all"} {
		if name == "all" {
			fmt.Fprintf(&b, "net,%sinterface=all icmp_inmsgs=%di,tcp_activeopens=4i %d\n", tags+host+",", step, stamp)
			continue
		}
		fmt.Fprintf(&b, "net,%sinterface=%s bytes_sent=%di,bytes_recv=%di,packets_sent=%di,drop_in=0i %d\n", tags+host+",", name, 1000000*step, 2000000*step+i, 700*step, stamp)
	}
	fmt.Fprintf(&b, "system,%s%s load1=%v,load5=0.5,load15=0.25,n_cpus=2i,n_users=1i %d\n", tags, host, 0.75+n, stamp)
	fmt.Fprintf(&b, "system,%s%s uptime=%di %d\n", tags, host, 86400+10*step, stamp)
	fmt.Fprintf(&b, "system,%s%s uptime_format=\"1 day, 00:%02d\" %d\n", tags, host, step, stamp)
	fmt.Fprintf(&b, "disk,device=sda1,fstype=ext4,%s%s,mode=rw,path=/var/lib/a\\ b free=%di,used_percent=%v %d\n", tags, host, int64(1<<40)-int64(step), 12.000000000000002, stamp)
	return b.String()
}

// TestTelegrafOutputs sends batches as Telegraf's outputs do, and what the first one sends to a real InfluxDB too.
func TestTelegrafOutputs(t *testing.T) {
	t.Parallel()
	real := startInfluxDB(t)
	dir := t.TempDir()
	config := configFile(t, filepath.Join(dir, "config.json"), object{"granary": object{"disk-free-mark": 0,
		"compat": object{"influx": object{"databases": object{"telegraf": "first", "site/telegraf": "second"}}}}})
	p := serve(t, config, filepath.Join(dir, "data"))
	first, second, third := outputInfluxdb("telegraf"), outputInfluxdb2("site", "telegraf", "no-token-is-asked-for"),
		outputHTTP("/write?db=telegraf&precision=ns", http.Header{"Tenant": {"third"}})

	// At its start, and whenever a database is not found, it makes it.
	create := func(base string) string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/query", strings.NewReader(url.Values{"q": {`CREATE DATABASE "telegraf"`}}.Encode()))
		must(t, err)
		req.Header = http.Header{"User-Agent": {telegrafAgent}, "Content-Type": {"application/x-www-form-urlencoded"}}
		res, err := p.client.Do(req)
		must(t, err)
		defer res.Body.Close()
		answer, err := io.ReadAll(res.Body)
		must(t, err)
		if res.StatusCode != http.StatusOK {
			t.Errorf("create database: %d %s", res.StatusCode, answer)
		}
		return strings.TrimSpace(string(answer))
	}
	if got, want := create(p.url), `{"results":[{"statement_id":0}]}`; got != want {
		t.Errorf("create database: %s, want %s", got, want)
	}
	plain := &http.Client{Timeout: patience}
	if status, answer := real.do(http.MethodPost, "/query?q=CREATE+DATABASE+telegraf", nil); status != http.StatusOK {
		t.Fatal(string(answer))
	}
	at := time.Now().Add(-10 * time.Minute).Truncate(10 * time.Second)
	for step := range 12 {
		body := gathered("host=n1", "", step, at.Add(time.Duration(step)*10*time.Second)) + gathered("host=n2", "dc=east,", step, at.Add(time.Duration(step)*10*time.Second))
		if f, _, answer := first.send(t, plain, real.url, body); f != delivered {
			t.Fatalf("influxdb: %s %s", f, answer)
		}
		for _, o := range []telegraf{first, second, third} {
			if f, res, answer := o.send(t, p.client, p.url, body); f != delivered {
				t.Fatalf("%s: %s, %s %s", o.path, f, res.Status, answer)
			}
		}
	}
	want := real.fields(t, "telegraf", "autogen")
	for _, tenant := range []string{"first", "second", "third"} {
		sameFields(t, want, tenantOf{p: p, tenant: tenant}.fields(t))
	}

	// A line of another kind, one without fields and one of last year: the rest is stored, and nobody sends it again.
	now := at.Add(time.Hour).UnixNano()
	now = min(now, time.Now().UnixNano())
	bad := fmt.Sprintf("mem,host=n1 used=\"much\",active=5i %[1]d\nmem,host=n1 used= %[1]d\nmem,host=n1 used=7i %[2]d\nmem,host=n3 used=9i %[1]d\n", now, time.Now().AddDate(-1, 0, 0).UnixNano())
	for i, o := range []telegraf{first, second} {
		f, res, answer := o.send(t, p.client, p.url, bad)
		if f != dropped || res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s, %s %s", o.path, f, res.Status, answer)
		}
		t.Logf("%s %s", res.Status, answer)
		got := tenantOf{p: p, tenant: []string{"first", "second"}[i]}.fields(t)
		for key, v := range map[string]string{keyOf("mem_active", map[string]string{"host": "n1"}): "5", keyOf("mem_used", map[string]string{"host": "n3"}): "9"} {
			if got[key][now] != v {
				t.Errorf("%s: what was good beside what was not: %s is %s", o.path, key, got[key])
			}
		}
	}
	p.stop()
}

// TestTelegrafWaits shows which answers make Telegraf send a batch again: all that pass.
func TestTelegrafWaits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const token = "the-token-of-telegraf"
	config := configFile(t, filepath.Join(dir, "config.json"), object{"granary": object{"disk-free-mark": 0,
		"limits": object{"samples-per-second": 1, "samples-burst": 10},
		"identity": object{"tokens": []object{
			{"name": "telegraf", "token": token, "roles": []string{"writer"}, "tenants": []string{"one"}},
		}}}})
	p := serve(t, config, filepath.Join(dir, "data"))
	basic := outputInfluxdb("telegraf")
	basic.header.Set("Authorization", "Basic dGVsZWdyYWY6dGhlLXRva2VuLW9mLXRlbGVncmFm") // telegraf:the-token-of-telegraf
	v2 := outputInfluxdb2("site", "telegraf", token)
	plain := outputHTTP("/api/v2/write?bucket=telegraf", http.Header{"Authorization": {"Bearer " + token}})
	body := gathered("host=n1", "", 0, time.Now())
	if f, res, answer := v2.send(t, p.client, p.url, body); f != delivered {
		t.Fatalf("%s, %s %s", f, res.Status, answer)
	}
	for _, o := range []telegraf{basic, v2, plain} {
		f, res, answer := o.send(t, p.client, p.url, body)
		if f != again || res.Header.Get("Retry-After") == "" {
			t.Errorf("%s over the rate: %s, %s %s, Retry-After %q", o.path, f, res.Status, answer, res.Header.Get("Retry-After"))
		}
		t.Logf("%s over the rate: %s, Retry-After %s, %s", o.path, res.Status, res.Header.Get("Retry-After"), answer)
	}
	// A token that is wrong may be right later.
	if f, res, answer := outputInfluxdb2("site", "telegraf", "another-token-of-telegraf").send(t, p.client, p.url, body); f != again || res.StatusCode != http.StatusUnauthorized {
		t.Errorf("%s, %s %s", f, res.Status, answer)
	}
	p.stop()
}
