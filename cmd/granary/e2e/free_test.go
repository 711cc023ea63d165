//go:build e2e

package e2e_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// TestFree frees the first window of 512 slots of a series: neither a kill nor a stop brings it back.
func TestFree(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := serve(t, "", data)
	const slots, window = 600, 512
	from := minute() - 24*3600
	var body strings.Builder
	for k := range int64(slots) {
		fmt.Fprintf(&body, "load,cluster=c,hostname=h value=%d %d\n", k, from+60*k)
	}
	p.mustWrite(body.String())
	status, _, answer := p.do(http.MethodPost, fmt.Sprintf("/api/free/?to=%d", from+60*slots), nil, strings.NewReader(`[["c","h"]]`))
	if status != http.StatusOK || string(answer) != "buffers freed: 1\n" {
		t.Fatalf("%d %s", status, answer)
	}
	check := func(when string) {
		t.Helper()
		c, v := p.values("c", selector{Metric: "load", Host: "h"}, from, from+60*slots)
		if c.From != from+60*window || len(v) != slots-window || v[0] != 1000*window {
			t.Errorf("%s: %d values from slot %d on", when, len(v), (c.From-from)/60)
		}
		status, header, answer := p.write(fmt.Sprintf("load,cluster=c,hostname=h value=1 %d\n", from))
		if status != http.StatusOK || header.Get("X-Granary-Ignored") != "freed=1" {
			t.Errorf("%s: a sample from before is answered %d %s, ignored %q", when, status, answer, header.Get("X-Granary-Ignored"))
		}
	}
	check("at once")
	p.kill()
	p = serve(t, "", data)
	check("after a kill")
	p.stop()
	p = serve(t, "", data)
	check("after a stop")
	p.stop()
}
