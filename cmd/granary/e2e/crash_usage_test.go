//go:build e2e

package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// TestCrashUsage kills the service again and again while tenants write in all forms, one of them is deleted and made anew, and another
// one comes in through a stream of NATS. Behind each start the ledger has, hour by hour, all samples, bytes and series that were
// acknowledged and no more than were sent; and each node lives through the minutes that its samples and the grace cover, with
// the gaps between them. In the end it writes the bill.
func TestCrashUsage(t *testing.T) {
	rng := random(t)
	url, conn := broker(t)
	js, err := jetstream.New(conn)
	must(t, err)
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "METRICS", Subjects: []string{subject}})
	must(t, err)
	consumer, err := stream.CreateConsumer(t.Context(), jetstream.ConsumerConfig{
		Durable: "granary", FilterSubject: subject, AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Second, MaxAckPending: 100_000,
	})
	must(t, err)
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	config := configFile(t, filepath.Join(dir, "config.json"), object{
		"nats":         object{"address": url},
		"metric-store": object{"nats-subscriptions": []object{{"subscribe-to": subject, "durable": true, "tenant": "stream"}}},
		"granary": object{
			"journal": object{"sync": "never"}, "snapshot": object{"interval": "1s", "journal-bytes": "1MiB"}, "disk-free-mark": 0,
			"usage":  object{"grace": spenderGrace.String()},
			"compat": object{"clustercockpit": object{"cluster-tenants": object{"alpha": "alpha", "beta": "beta", "passing": "passing"}}},
		},
	})
	var spenders []*spender
	for i, id := range []string{"alpha", "beta", "passing"} {
		spenders = append(spenders, newSpender(id, id == "passing", rand.New(rand.NewPCG(rng.Uint64(), uint64(i)))))
	}
	pub := newSpender("stream", false, rand.New(rand.NewPCG(rng.Uint64(), 9)))
	p := serve(t, config, data)
	for range rounds(t, 8) {
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for _, s := range spenders {
			wg.Go(func() { s.run(ctx, p) })
		}
		wg.Go(func() { pub.publish(ctx, js) })
		time.Sleep(200*time.Millisecond + time.Duration(rng.IntN(1500))*time.Millisecond) // the moment of the kill is what is tested
		p.alive()
		p.kill()
		cancel()
		wg.Wait()
		plain.CloseIdleConnections()
		p = serve(t, config, data)
		times := uint64(0)
		poll(t, "the stream to be read", func() bool {
			info, err := consumer.Info(t.Context())
			must(t, err)
			times = info.Delivered.Consumer
			return info.NumPending == 0 && info.NumAckPending == 0
		})
		pub.delivered(times)
		for _, s := range append(spenders, pub) {
			s.settle(t, p)
			s.check(t, p)
		}
		if t.Failed() {
			t.Fatalf("%s", p.log)
		}
	}
	if n := len(spenders[2].lives); n < 2 {
		t.Errorf("the tenant that passes has had %d lives", n)
	}
	for _, s := range append(spenders, pub) {
		l := s.lives[len(s.lives)-1]
		t.Logf("%s: %d lives, in the last one %d samples acknowledged, %d sent, %d nodes", s.id, len(s.lives), l.acked.samples, l.sent.samples, len(l.sure))
	}
	bill(t, p, append(spenders, pub))
	p.stop()
}

// TestUsageOfImport: what is imported counts like what is written, whether a server takes it or it goes into the folder of one that is
// not running.
func TestUsageOfImport(t *testing.T) {
	dir := t.TempDir()
	config := configFile(t, filepath.Join(dir, "config.json"), object{"metrics": object{"load_one": object{"frequency": 60, "aggregation": "sum"}}, "granary": object{"disk-free-mark": 0}})
	begin := minute() - 6*3600
	peer := filepath.Join(dir, "checkpoints", "alex", "a0101")
	must(t, os.MkdirAll(peer, 0o700))
	must(t, os.WriteFile(filepath.Join(peer, fmt.Sprint(begin, ".json")), fmt.Appendf(nil,
		`{"from":%[1]d,"to":%[2]d,"metrics":{"load_one":{"frequency":60,"start":%[1]d,"data":[1,2,3,null,null,null,null,null,null,null,null,null,null,4]}},"children":{}}`, begin, begin+840), 0o600))
	for _, online := range []bool{false, true} {
		data := filepath.Join(dir, fmt.Sprint("data-", online))
		args := []string{"import", "cc-metric-store", filepath.Join(dir, "checkpoints")}
		var p *process
		if online {
			p = serve(t, config, data)
			args = append(args, "--url", p.url)
		} else {
			args = append(args, "--config", config, "--data", data)
		}
		if code, out, errs := command(t, args...); code != 0 || !strings.Contains(out, "4 stored") {
			t.Fatalf("%d %s%s", code, out, errs)
		}
		if online {
			p.kill()
		}
		p = serve(t, config, data)
		var answer struct {
			Usage []usageRow
			Nodes []nodeRow
		}
		for _, path := range []string{"/v2/usage?start=now-1d&times=s", fmt.Sprint("/v2/usage/nodes?times=s&start=", begin-60)} {
			status, body := p.get(path)
			if err := json.Unmarshal([]byte(body), &answer); status != http.StatusOK || err != nil {
				t.Fatalf("%d %s", status, body)
			}
		}
		line := uint64(len(fmt.Sprintf("load_one,cluster=alex,hostname=a0101 value=1 %d\n", begin)))
		var sum usageRow
		for _, u := range answer.Usage {
			sum.Samples, sum.Bytes, sum.Created = sum.Samples+u.Samples, sum.Bytes+u.Bytes, sum.Created+u.Created
		}
		if sum.Samples != 4 || sum.Bytes < 4*line || sum.Bytes > 4*line+100 || sum.Created != 1 {
			t.Errorf("online %t: %+v, lines of %d bytes", online, sum, line)
		}
		if len(answer.Nodes) != 1 || answer.Nodes[0].Name != "a0101" || answer.Nodes[0].Cluster != "alex" || len(answer.Nodes[0].Lives) != 2 ||
			answer.Nodes[0].Lives[0].Start != begin || answer.Nodes[0].Lives[0].End != begin+120+300 || answer.Nodes[0].Lives[1].Start != begin+13*60 {
			t.Errorf("online %t: %+v", online, answer.Nodes)
		}
		p.stop()
	}
}

// bill writes the bill of a month from what the API tells an operator: samples, series by the hour, and hours of nodes.
func bill(t *testing.T, p *process, spenders []*spender) {
	t.Helper()
	lines := func(path string) (rows [][]string) {
		status, body := p.get(path)
		if status != http.StatusOK {
			t.Fatalf("%s: %d %s", path, status, body)
		}
		for line := range strings.SplitSeq(strings.TrimSpace(body), "\r\n") {
			rows = append(rows, strings.Split(line, ","))
		}
		return rows[1:]
	}
	now := time.Now().UTC()
	month := now.AddDate(0, 0, -27).Format(time.RFC3339)
	billed := map[string]float64{}
	for _, row := range lines("/v2/usage?tenants=*&by=month&format=csv&start=" + month) {
		var samples, seriesHours float64
		fmt.Sscan(row[4], &samples)
		fmt.Sscan(row[8], &seriesHours)
		billed[row[0]] += samples*1e-6 + seriesHours*1e-3
		if samples == 0 || seriesHours < 1 {
			t.Errorf("%v", row)
		}
	}
	for _, row := range lines("/v2/usage/nodes?tenants=*&format=csv&start=" + month) {
		var hours float64
		fmt.Sscan(row[9], &hours)
		billed[row[0]] += hours * 0.01
	}
	for _, s := range spenders {
		if billed[s.id] <= 0 {
			t.Errorf("%s pays %f", s.id, billed[s.id])
		}
	}
	if status, body := p.get("/v2/cardinality"); status != http.StatusOK {
		t.Errorf("%d %s", status, body)
	}
}
