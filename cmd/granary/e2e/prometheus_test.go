//go:build e2e

package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// history is the samples of a series by their times in milliseconds, as texts that say every bit.
type history map[int64]string

// said is a float as a history has it.
func said(v float64) string {
	if math.IsNaN(v) {
		return "NaN"
	}
	return strconv.FormatFloat(v, 'x', -1, 64)
}

// keyOf is a name and labels as texts of both sides write them.
func keyOf(name string, labels map[string]string) string {
	var b strings.Builder
	b.WriteString(name)
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		fmt.Fprintf(&b, " %s=%q", label, labels[label])
	}
	return b.String()
}

// scraped is what Prometheus itself has stored of what the exporter shows.
func scraped(t *testing.T, s *realServer) map[string]history {
	t.Helper()
	status, body := s.do(http.MethodGet, "/api/v1/query?query="+url.QueryEscape(`{job="e2e",__name__=~"e2e_.*"}[1h]`), nil)
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Values [][2]any
			}
		}
	}
	if err := json.Unmarshal(body, &answer); status != http.StatusOK || err != nil {
		t.Fatalf("prometheus: %d %s, %v", status, body, err)
	}
	all := map[string]history{}
	for _, r := range answer.Data.Result {
		h := history{}
		for _, pair := range r.Values {
			at, _ := pair[0].(float64)
			text, _ := pair[1].(string)
			v, err := strconv.ParseFloat(text, 64)
			must(t, err)
			h[int64(math.Round(at*1000))] = said(v)
		}
		name := r.Metric["__name__"]
		delete(r.Metric, "__name__")
		all[keyOf(name, r.Metric)] = h
	}
	return all
}

// tenantOf is a tenant of a server, and the fields of a header with which it may be read.
type tenantOf struct {
	p      *process
	tenant string
	header http.Header
}

func (o tenantOf) do(method, path, body string) (int, []byte) {
	header := http.Header{"Tenant": {o.tenant}, "Content-Type": {"application/json"}}
	if strings.HasPrefix(path, "/v1/") {
		header = http.Header{"X-Project-Id": {o.tenant}} // as Gnocchi's clients say it
	}
	maps.Copy(header, o.header)
	status, _, answer := o.p.do(method, path, header, strings.NewReader(body))
	return status, answer
}

// stored is what a tenant of Granary's has of what the exporter shows. A sample that says that its series has ended comes as NaN.
func (o tenantOf) stored(t *testing.T) map[string]history {
	t.Helper()
	all := o.chosen(t, `{job="e2e"}`)
	maps.DeleteFunc(all, func(key string, _ history) bool { return !strings.HasPrefix(key, "e2e_") })
	return all
}

// chosen is what a tenant has of the gauges that a selector chooses, as the native API gives it.
func (o tenantOf) chosen(t *testing.T, selector string) map[string]history {
	t.Helper()
	question, err := json.Marshal(object{"selector": selector, "start": "-1h", "end": "now+1m"})
	must(t, err)
	status, body := o.do(http.MethodPost, "/v2/query", string(question))
	var answer struct {
		Frames []struct {
			Name        string
			Type, Kind  string
			Tags        map[string]string
			Start, Step int64
			Times       []int64
			Values      []json.RawMessage
		}
	}
	if status == http.StatusNotFound {
		return nil // nothing has come yet
	}
	if err := json.Unmarshal(body, &answer); status != http.StatusOK || err != nil {
		t.Fatalf("query: %d %s, %v", status, body, err)
	}
	all := map[string]history{}
	for _, f := range answer.Frames {
		if f.Type != "gauge" || f.Kind != "float" {
			t.Errorf("%s is a %s of %s", f.Name, f.Type, f.Kind)
		}
		h := history{}
		for i, raw := range f.Values {
			at := f.Start + f.Step*int64(i)
			if f.Step == 0 {
				at = f.Times[i]
			}
			v, err := strconv.ParseFloat(strings.Trim(string(raw), `"`), 64)
			must(t, err)
			h[at] = said(v)
		}
		all[keyOf(f.Name, f.Tags)] = h
	}
	return all
}

// differences says what of the one side the other one does not have. Behind the last sample of a series there may be one NaN more, which
// says that it has ended.
func differences(want, got map[string]history) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	for key, samples := range want {
		have := got[key]
		last, missing := int64(0), 0
		for at, v := range samples {
			last = max(last, at)
			switch text, ok := have[at]; {
			case !ok:
				missing++
			case text != v:
				fault("%s at %d is %s, want %s", key, at, text, v)
			}
		}
		if missing > 0 {
			fault("%s: %d of %d samples are missing", key, missing, len(samples))
		}
		more := 0
		for at, v := range have {
			if _, ok := samples[at]; ok {
				continue
			}
			if more++; v != "NaN" || at < last || more > 1 {
				fault("%s at %d is %s, and nothing of that time was scraped", key, at, v)
			}
		}
	}
	for key := range got {
		if want[key] == nil {
			fault("%s was not scraped", key)
		}
	}
	return faults
}

// await waits until a tenant has all that was scraped, and says what it has else.
func (o tenantOf) await(t *testing.T, want map[string]history) {
	t.Helper()
	var faults []string
	end := time.Now().Add(patience / 2)
	for {
		if faults = differences(want, o.stored(t)); len(faults) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Errorf("tenant %s: %d faults, such as\n%s", o.tenant, len(faults), strings.Join(faults[:min(len(faults), 12)], "\n"))
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// remoteWrite is a part of Prometheus' configuration: where to, and that it tries again soon.
func remoteWrite(name, address string, more object) object {
	o := object{"name": name, "url": address, "remote_timeout": "5s",
		"queue_config":    object{"capacity": 2000, "max_shards": 4, "max_samples_per_send": 300, "batch_send_deadline": "100ms", "min_backoff": "50ms", "max_backoff": "300ms"},
		"metadata_config": object{"send": true, "send_interval": "1s"}}
	maps.Copy(o, more)
	return o
}
