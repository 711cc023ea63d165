package server

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"granary/compat/hawkular"
)

// TestHawkularAllAtOnce writes, lists, tags, reads and deletes the same metrics at the same time, through every operation, while their
// tenant is made and deleted. Another tenant, which nobody deletes, keeps every point that is written to it. It is for the race detector.
func TestHawkularAllAtOnce(t *testing.T) {
	hawkularModes(t, func(t *testing.T, s *Server) {
		var all sync.WaitGroup
		var mu sync.Mutex
		failed, answers := []string(nil), map[int]int{}
		check := func(method, path, body string, header ...string) {
			w := ask(s, here, method, path, body, append([]string{"Content-Type", "application/json"}, header...)...)
			why := sane(w, method)
			if w.Header().Get(hawkular.ErrorHeader) == "series-unstable" {
				why = "" // whose sender comes again
			}
			mu.Lock()
			defer mu.Unlock()
			answers[w.Code]++
			if why != "" || !slices.Contains([]int{200, 201, 204, 400, 404, 405, 409, 503}, w.Code) {
				failed = append(failed, fmt.Sprintf("%s %s %s: %s: %d %s", method, path, body, why, w.Code, w.Body))
			}
		}
		fit := func(text string, i int) string {
			return strings.ReplaceAll(strings.ReplaceAll(text, "%d", strconv.Itoa(i%3)), "NOW", strconv.FormatInt(time.Now().UnixMilli(), 10))
		}
		for _, of := range [][3]string{
			{"POST", "/gauges/raw", `[{"id":"a%d","data":[{"timestamp":NOW,"value":1}]},{"id":"b","data":[{"timestamp":NOW,"value":1}]}]`},
			{"POST", "/metrics/raw", `{"gauges":[{"id":"a%d","data":[{"timestamp":NOW,"value":2}]}],"strings":[{"id":"s","data":[{"timestamp":NOW,"value":"x"}]}]}`},
			{"GET", "/metrics?tags=t:*", ""}, {"GET", "/metrics?timestamps=true", ""}, {"PUT", "/gauges/a%d/tags", `{"t":"%d"}`}, {"DELETE", "/gauges/a%d/tags/t", ""}, {"DELETE", "/gauges/a%d", ""}, {"POST", "/gauges", `{"id":"a%d","tags":{"t":"x"}}`},
			{"PUT", "/gauges/tags", `[{"id":"a%d","tags":{"t":"y"}},{"id":"b","tags":{"t":"%d"}}]`}, {"DELETE", "/gauges/a%d/raw?start=-1h", ""},
			{"POST", "/gauges/raw/query", `{"tags":"t:*","start":"-1h"}`}, {"POST", "/m/stats/query", `{"tags":"t:*","start":"-1h","buckets":3}`}, {"GET", "/gauges/a%d/raw?start=-1h", ""}, {"GET", "/exports", ""},
		} {
			all.Go(func() {
				for i := range 40 {
					check(of[0], hawkular.Prefix+fit(of[1], i), fit(of[2], i), "Hawkular-Tenant", "many")
				}
			})
		}
		// Every operation, in no order.
		var operations [][2]string
		everywhere(t, s, "a1", "t:*", func(method, path string) {
			if method != http.MethodOptions && !strings.Contains(path, "/tenants") {
				operations = append(operations, [2]string{method, path})
			}
		})
		bodies := []string{`[{"timestamp":NOW,"value":1}]`, `[{"id":"a%d","data":[{"timestamp":NOW,"value":3}]}]`, `{"gauges":[{"id":"a%d","data":[{"timestamp":NOW,"value":4}]}]}`, `{"id":"a%d","type":"gauge"}`, `{"t":"z"}`, `{"tags":"t:*","start":"-1h","buckets":2}`, `{"metrics":["a%d"],"start":"-1h","buckets":2}`}
		for worker := range uint64(3) {
			all.Go(func() {
				rng := rand.New(rand.NewPCG(worker, 5))
				for i := range 150 {
					op := operations[rng.IntN(len(operations))]
					target := op[1] + []string{"", "?start=-1h&buckets=2", "?tags=t:*&buckets=2", "?fromEarliest=true"}[rng.IntN(4)]
					check(op[0], target, fit(bodies[rng.IntN(len(bodies))], i), "Hawkular-Tenant", "many", hawkular.AdminHeader, ofAdmins)
				}
			})
		}
		all.Go(func() {
			for i := range 25 {
				time.Sleep(2 * time.Millisecond) // so that there is something to delete
				if i%3 == 0 {
					check("POST", hawkular.Prefix+"/tenants?overwrite=true", `{"id":"many","retentions":{"gauge":7}}`, "Hawkular-Tenant", "many", hawkular.AdminHeader, ofAdmins)
				}
				check("DELETE", hawkular.Prefix+"/tenants/many", "", "Hawkular-Tenant", "many", hawkular.AdminHeader, ofAdmins)
			}
		})
		const writers, rounds = 2, 60
		for n := range writers {
			all.Go(func() {
				for i := range rounds {
					w := speak(s, "kept", "POST", "/gauges/raw", fmt.Sprintf(`[{"id":"a1","data":[{"timestamp":%d,"value":%d}]},{"id":"b%d","data":[{"timestamp":%d,"value":1}]}]`, 1000+n*rounds+i, i, i, 1000+i))
					if w.Code != 200 {
						t.Errorf("%d %s", w.Code, w.Body)
					}
				}
			})
		}
		all.Wait()
		for _, f := range failed {
			t.Error(f)
		}
		var points []struct{ Timestamp int64 }
		w := speak(s, "kept", "GET", "/gauges/a1/raw?fromEarliest=true&order=asc", "")
		if err := json.Unmarshal(w.Body.Bytes(), &points); err != nil || len(points) != writers*rounds || points[0].Timestamp != 1000 || points[writers*rounds-1].Timestamp != 1000+writers*rounds-1 {
			t.Errorf("%v: %d points are kept", err, len(points))
		}
		t.Logf("answers by status %v", answers)
	})
}
