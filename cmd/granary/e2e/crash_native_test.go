//go:build e2e

package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
)

// nativeSender writes one series of each form through /v2/measures, a step a second of sample time, and remembers what was
// acknowledged.
type nativeSender struct {
	tenant string
	form   string // "json", "ndjson", "line"
	base   int64  // seconds
	next   int    // the first step that is not acknowledged
}

// body is so many steps from the next one on, of the sender's series: a gauge, a counter beyond what floats hold, and a text.
func (s *nativeSender) body(steps int) (body []byte, media string) {
	var b strings.Builder
	if s.form == "line" {
		for i := s.next; i < s.next+steps; i++ {
			fmt.Fprintf(&b, "load,form=line value=%d.5 %d\n", i, s.base+int64(i))
			fmt.Fprintf(&b, "count,form=line value=%di %d\n", exact(i), s.base+int64(i))
			fmt.Fprintf(&b, "text,form=line value=\"t%d\" %d\n", i, s.base+int64(i))
		}
		return []byte(b.String()), "text/plain"
	}
	for n, name := range []string{"load", "count", "text"} {
		if n > 0 && s.form == "json" {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"name":%q,"type":%q,"tags":{"form":%q},"samples":[`, name, []string{"gauge", "counter", "string"}[n], s.form)
		for i := s.next; i < s.next+steps; i++ {
			if i > s.next {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `[%d,%s]`, (s.base+int64(i))*1000, []string{fmt.Sprintf("%d.5", i), strconv.FormatInt(exact(i), 10), fmt.Sprintf(`"t%d"`, i)}[n])
		}
		b.WriteString("]}")
		if s.form == "ndjson" {
			b.WriteByte('\n')
		}
	}
	if s.form == "ndjson" {
		return []byte(b.String()), "application/x-ndjson"
	}
	return []byte(`{"metrics":[` + b.String() + `]}`), "application/json"
}

// exact is a whole number that a float64 cannot hold.
func exact(i int) int64 { return 1<<53 + 1 + 2*int64(i) }

// run writes until the server has gone.
func (s *nativeSender) run(p *process, steps int) error {
	for {
		body, media := s.body(steps)
		header := http.Header{"Content-Type": {media}, "Tenant": {s.tenant}}
		if steps%2 == 0 {
			var z bytes.Buffer
			w := gzip.NewWriter(&z)
			_, _ = w.Write(body)
			_ = w.Close()
			body = z.Bytes()
			header.Set("Content-Encoding", "gzip")
		}
		status, _, answer := p.do(http.MethodPost, "/v2/measures", header, bytes.NewReader(body))
		switch status {
		case 0:
			return nil
		case http.StatusServiceUnavailable:
			continue
		case http.StatusOK:
		default:
			return fmt.Errorf("%s of %s: %d %.500s", s.form, s.tenant, status, answer)
		}
		var got struct{ Stored, Rejected int }
		if err := json.Unmarshal(answer, &got); err != nil || got.Stored != 3*steps || got.Rejected != 0 {
			return fmt.Errorf("%s of %s: %.500s", s.form, s.tenant, answer)
		}
		s.next += steps
	}
}

// TestCrashNative kills a server that is written to through /v2/measures, in all forms and by two tenants, again and again.
// What was acknowledged is in what is exported afterwards, to the last bit, and in its own tenant alone.
func TestCrashNative(t *testing.T) {
	rng := random(t)
	dir := t.TempDir()
	data, config := filepath.Join(dir, "data"), filepath.Join(dir, "config.json")
	configFile(t, config, object{"granary": object{"snapshot": object{"interval": "1s", "journal-bytes": "1MiB"}, "disk-free-mark": 0}})
	base := time.Now().Unix() - 86400
	var senders []*nativeSender
	for _, tenant := range []string{"one", "two"} {
		for _, form := range []string{"json", "ndjson", "line"} {
			senders = append(senders, &nativeSender{tenant: tenant, form: form, base: base})
		}
	}
	n := rounds(t, 12)
	for round := range n {
		p := serve(t, config, data)
		var wg sync.WaitGroup
		for i, s := range senders {
			steps := 1 + rng.IntN(20)
			if s.next+10_000 > 86400 {
				continue // the future is not written to
			}
			wg.Go(func() {
				if err := s.run(p, steps); err != nil {
					t.Errorf("round %d, sender %d: %v", round, i, err)
					p.kill()
				}
			})
		}
		time.Sleep(killAfter(round, rng)) // the moment of the kill is what is tested
		p.kill()
		wg.Wait()
		if t.Failed() {
			t.Fatalf("%s", p.log)
		}
	}
	total := 0
	for _, tenant := range []string{"one", "two"} {
		code, out, errs := command(t, "export", "--data", data, "--tenant", tenant)
		if code != 0 {
			t.Fatalf("export: %d %s", code, errs)
		}
		lines := map[string]bool{}
		for line := range strings.Lines(out) {
			lines[strings.TrimSpace(line)] = true
		}
		for _, s := range senders {
			if s.tenant != tenant {
				continue
			}
			total += s.next
			for i := range s.next {
				at := strconv.FormatInt(s.base+int64(i), 10)
				for _, want := range []string{
					fmt.Sprintf("load,form=%s value=%d.5 %s", s.form, i, at),
					fmt.Sprintf("count,form=%s value=%di %s", s.form, exact(i), at),
					fmt.Sprintf("text,form=%s value=\"t%d\" %s", s.form, i, at),
				} {
					if !lines[want] {
						t.Fatalf("%s lacks what was acknowledged: %s\n%.600s", tenant, want, out)
					}
				}
			}
		}
	}
	t.Logf("%d rounds, %d steps of three series", n, total)
	if total < 10 {
		t.Errorf("only %d steps were acknowledged", total)
	}
	if code, out, errs := command(t, "verify", data); code != 0 {
		t.Errorf("verify: exit code %d\n%s%s", code, out, errs)
	}
}
