//go:build e2e

package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// guideOfBridge is one of the files that docs/bridge.md shows, with the addresses led to real servers and more lines at its top.
func guideOfBridge(t *testing.T, dir, first, source, granary string, top ...string) string {
	t.Helper()
	page, err := os.ReadFile("../../../docs/bridge.md")
	must(t, err)
	for _, m := range regexp.MustCompile("(?ms)^```yaml\n(.*?)^```").FindAllStringSubmatch(string(page), -1) {
		if !strings.HasPrefix(m[1], first) {
			continue
		}
		text := regexp.MustCompile(`(?m)^    token-file: .*\n|^  token-file: .*\n|^interval: .*\n`).ReplaceAllString(m[1], "")
		text = regexp.MustCompile(`http://[a-z]+\.example\.org:[0-9]+`).ReplaceAllString(text, source)
		text = strings.ReplaceAll(text, "http://127.0.0.1:8082", granary) + strings.Join(top, "\n") + "\n"
		path := filepath.Join(dir, "bridge.yaml")
		must(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	t.Fatalf("docs/bridge.md shows no file that begins with %q", first)
	return ""
}

// bridgeConfig names the metrics of a bridge, with a frequency in seconds.
func bridgeConfig(t *testing.T, dir string, frequency int) string {
	metrics := object{}
	for _, name := range []string{"cpu_load", "cpu_user", "mem_used", "net_bw", "cpu_power"} {
		metrics[name] = object{"frequency": frequency, "aggregation": "sum"}
	}
	return configFile(t, filepath.Join(dir, "config.json"), object{"metrics": metrics, "granary": object{"disk-free-mark": 0}})
}

// prometheusOfNodes is a Prometheus that scrapes two nodes.
func prometheusOfNodes(t *testing.T) *realServer {
	nodes := strings.TrimPrefix(nodeExporter(t).URL, "http://")
	var targets []object
	for i := range 2 {
		targets = append(targets, object{"targets": []string{nodes}, "labels": object{"instance": fmt.Sprintf("node%02d:9100", i), "__metrics_path__": fmt.Sprint("/node", i)}})
	}
	return startPrometheus(t, object{"global": object{"scrape_interval": "250ms", "scrape_timeout": "250ms"},
		"scrape_configs": []object{{"job_name": "node", "static_configs": targets}}})
}

var roundOfBridge = regexp.MustCompile(`msg=round time=([0-9]+) lines=([0-9]+) queries=([0-9]+) failed=([0-9]+)`)

// roundsOf are the times of the rounds that a bridge says it has put into its spool.
func roundsOf(t *testing.T, b *process) (times []int64) {
	t.Helper()
	for _, m := range roundOfBridge.FindAllStringSubmatch(b.log.String(), -1) {
		at, err := strconv.ParseInt(m[1], 10, 64)
		must(t, err)
		if m[2] != "2" || m[4] != "0" {
			t.Errorf("round %s", m[0])
		}
		times = append(times, at)
	}
	return times
}

// startBridge starts a bridge that listens.
func startBridge(t *testing.T, args ...string) *process {
	t.Helper()
	b := launch(t, "", append([]string{"bridge"}, append(args, "--listen", "127.0.0.1:0", "--log-level", "debug")...)...)
	b.url = "http://" + b.log.await(t, regexp.MustCompile(`msg=listening listen=(\S+)`))[1]
	b.client = &http.Client{Timeout: patience, Transport: &http.Transport{}} // no document is about the bridge's listener
	return b
}

// TestBridgePrometheus pulls from a real Prometheus, kills Granary and the bridge with it, and wants every sample of every round.
func TestBridgePrometheus(t *testing.T) {
	t.Parallel()
	prometheus, dir := prometheusOfNodes(t), t.TempDir()
	address := freePort(t)
	config, data := bridgeConfig(t, dir, 1), filepath.Join(dir, "data")
	p := serve(t, config, data, "--listen", address)

	// What the guide shows, as it is.
	guide := guideOfBridge(t, dir, "kind: prometheus", prometheus.url, p.url, "interval: 1s")
	var out string
	poll(t, "rates of Prometheus", func() bool {
		var code int
		code, out, _ = command(t, "bridge", "prometheus", guide, "--dry-run")
		return code == 0 && strings.Count(out, "\n") == 8
	})
	for _, pattern := range []string{
		`(?m)^cpu_load,cluster=mycluster,hostname=node00,type=node value=0.75 [0-9]{10}$`,
		`(?m)^cpu_load,cluster=mycluster,hostname=node01,type=node value=1.75 [0-9]{10}$`,
		`(?m)^cpu_user,cluster=mycluster,hostname=node01,type=node,unit=% value=[0-9]+\.[0-9]+ [0-9]{10}$`, // over two minutes, of which there are seconds,
		`(?m)^mem_used,cluster=mycluster,hostname=node00,type=node,unit=MB value=64512 [0-9]{10}$`,
		`(?m)^net_bw,cluster=mycluster,hostname=node00,type=node,unit=bytes/s value=[1-9][0-9]*\.?[0-9]* [0-9]{10}$`,
	} {
		if !regexp.MustCompile(pattern).MatchString(out) {
			t.Errorf("no line is like %s\n%s", pattern, out)
		}
	}

	// An outage of Granary, in which the bridge is killed too.
	file := filepath.Join(dir, "outage.yaml")
	must(t, os.WriteFile(file, []byte("kind: prometheus\ncluster: mycluster\ninterval: 1s\ngranary: {url: '"+p.url+"', max-wait: 1s}\nspool: {dir: '"+filepath.Join(dir, "spool")+"'}\n"+
		"sources: [{url: '"+prometheus.url+"'}]\nmetrics: {cpu_load: node_load1}\n"), 0o600))
	first := startBridge(t, "run", file)
	poll(t, "lines to be sent", func() bool { return first.metric("granary_bridge_sent_lines_total") >= 2 })
	p.kill()
	waiting := func(b *process, n float64) {
		t.Helper()
		poll(t, "lines to wait", func() bool { return b.metric("granary_bridge_spool_lines") >= n })
	}
	waiting(first, 4)
	first.kill()
	second := startBridge(t, "run", file)
	waiting(second, 6)
	p = serve(t, config, data, "--listen", address)
	poll(t, "the spool to be empty", func() bool { return second.metric("granary_bridge_spool_lines") == 0 })
	p.kill() // once more, while new lines come
	p = serve(t, config, data, "--listen", address)
	rounds := len(roundsOf(t, second))
	poll(t, "another round", func() bool { return len(roundsOf(t, second)) > rounds })
	poll(t, "the spool to be empty", func() bool { return second.metric("granary_bridge_spool_lines") == 0 })
	if dropped := second.metric("granary_bridge_dropped_lines_total"); dropped != 0 {
		t.Errorf("%v lines were dropped", dropped)
	}
	second.stop()

	// The last round may have been broken off by the end; those before it were sent or wait.
	if code, _, said := command(t, "bridge", "run", file, "--once"); code != 0 {
		t.Errorf("once: %d %s", code, said)
	}
	times := append(roundsOf(t, first), roundsOf(t, second)...)
	if len(times) < 5 {
		t.Fatalf("only %d rounds", len(times))
	}
	for i, host := range []string{"node00", "node01"} {
		c, got := p.values("mycluster", selector{Metric: "cpu_load", Host: host}, times[0], times[len(times)-1]+1)
		for _, at := range times {
			if n := at - c.From; n < 0 || n >= int64(len(got)) || got[n] != int64(1000*i+750) {
				t.Errorf("%s: the round of %d is lost (from %d: %v)", host, at, c.From, got)
			}
		}
	}
}

// TestBridgeInfluxDB pulls from a real InfluxDB 1.x what a Telegraf would have written there.
func TestBridgeInfluxDB(t *testing.T) {
	t.Parallel()
	influx, dir := startInfluxDB(t), t.TempDir()
	if status, body := influx.do(http.MethodPost, "/query?q=CREATE+DATABASE+telegraf", nil); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	var lines strings.Builder
	now := time.Now().Unix()
	for i := range int64(3) { // three readings, the last one now
		at := now - 20 + 10*i
		for node := range int64(2) {
			host := fmt.Sprintf("host=node%02d", node)
			fmt.Fprintf(&lines, "system,%s load1=%d.25,load5=9 %d000000000\n", host, node, at)
			fmt.Fprintf(&lines, "cpu,cpu=cpu-total,%s usage_user=%d.5 %d000000000\ncpu,cpu=cpu0,%s usage_user=99 %d000000000\n", host, 10*(node+1), at, host, at)
			fmt.Fprintf(&lines, "mem,%s used=%di %d000000000\n", host, (node+1)<<30, at)
			for k, device := range []string{"eth0", "ib0", "lo", "all"} {
				n := i * int64(k+1) * (node + 1) * 1000
				fmt.Fprintf(&lines, "net,%s,interface=%s bytes_recv=%di,bytes_sent=%di %d000000000\n", host, device, 10*n, 20*n, at)
			}
			for _, name := range []string{"psu1", "psu2"} {
				fmt.Fprintf(&lines, "ipmi_sensor,%s,name=%s,unit=watts value=%d %d000000000\n", host, name, 100*(node+1), at)
			}
			fmt.Fprintf(&lines, "ipmi_sensor,%s,name=fan,unit=rpm value=3000 %d000000000\n", host, at)
		}
	}
	if status, body := influx.do(http.MethodPost, "/write?db=telegraf", strings.NewReader(lines.String())); status != http.StatusNoContent {
		t.Fatalf("%d %s", status, body)
	}
	address := freePort(t)
	file := guideOfBridge(t, dir, "kind: influxdb\ncluster", influx.url, "http://"+address, "interval: 60s", "spool: {dir: '"+filepath.Join(dir, "spool")+"'}")
	code, out, said := command(t, "bridge", "influxdb", file, "--dry-run")
	at := regexp.MustCompile(` ([0-9]{10})\n`).FindStringSubmatch(out)
	if code != 0 || at == nil {
		t.Fatalf("%d %s%s", code, out, said)
	}
	// Of eth0 and ib0: (1 + 2) x 1000 x 30 bytes in 10 s.
	want := `cpu_load,cluster=mycluster,hostname=node00,type=node value=0.25 AT
cpu_load,cluster=mycluster,hostname=node01,type=node value=1.25 AT
cpu_user,cluster=mycluster,hostname=node00,type=node,unit=% value=10.5 AT
cpu_user,cluster=mycluster,hostname=node01,type=node,unit=% value=20.5 AT
mem_used,cluster=mycluster,hostname=node00,type=node,unit=MB value=1024 AT
mem_used,cluster=mycluster,hostname=node01,type=node,unit=MB value=2048 AT
net_bw,cluster=mycluster,hostname=node00,type=node,unit=bytes/s value=9000 AT
net_bw,cluster=mycluster,hostname=node01,type=node,unit=bytes/s value=18000 AT
cpu_power,cluster=mycluster,hostname=node00,type=node,unit=W value=200 AT
cpu_power,cluster=mycluster,hostname=node01,type=node,unit=W value=400 AT
`
	if want = strings.ReplaceAll(want, "AT", at[1]); out != want {
		t.Errorf("got\n%swant\n%s", out, want)
	}
	// Granary is not there; what waits comes with the next run.
	if code, _, said := command(t, "bridge", "influxdb", file, "--once", "--patience", "0s"); code != 1 || !strings.Contains(said, "10 lines wait in the spool") {
		t.Errorf("%d %s", code, said)
	}
	p := serve(t, bridgeConfig(t, dir, 60), filepath.Join(dir, "data"), "--listen", address)
	if code, _, said := command(t, "bridge", "influxdb", file, "--once"); code != 0 {
		t.Errorf("%d %s", code, said)
	}
	round, err := strconv.ParseInt(at[1], 10, 64)
	must(t, err)
	for i, host := range []string{"node00", "node01"} {
		_, got := p.values("mycluster", selector{Metric: "net_bw", Host: host}, round, round+60)
		if len(got) != 1 || got[0] != int64(9_000_000*(i+1)) {
			t.Errorf("%s: %v", host, got)
		}
	}
	// A query that InfluxDB refuses is named, and the exit code says that something failed.
	broken := filepath.Join(dir, "broken.yaml")
	must(t, os.WriteFile(broken, []byte("cluster: c\nsources: [{url: '"+influx.url+"', database: telegraf}]\nmetrics: {a: SELECT FROM, b: SELECT last(load1) FROM system GROUP BY host}\n"), 0o600))
	if code, out, said := command(t, "bridge", "influxdb", broken, "--dry-run"); code != 1 || strings.Count(out, "\n") != 2 || !strings.Contains(said, "error parsing query") {
		t.Errorf("%d %s %s", code, out, said)
	}
	p.stop()
}

// TestBridgeCommand: what is wrong before anything is asked ends with 2, a spool in use with 1, and SIGTERM with 0.
func TestBridgeCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(text string) string {
		path := filepath.Join(dir, "b.yaml")
		must(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	const good = "cluster: c\nsources: [{url: 'http://127.0.0.1:1'}]\ngranary: {url: 'http://127.0.0.1:1'}\nmetrics: {m: q}\n"
	for _, c := range []struct {
		file string
		args []string
		code int
		want string
	}{
		{good + "metrik: 5\n", nil, 2, "b.yaml:5: metrik: unknown key; did you mean metrics?"},
		{good, []string{"--once", "--dry-run"}, 2, "can't be used together"},
		{good, []string{"--log-level", "loud"}, 2, "--log-level"},
		{good, []string{"--listen", "0.0.0.0:0", "--spool", filepath.Join(dir, "s")}, 2, "--listen"},
		{strings.Replace(good, "127.0.0.1:1'}]", "127.0.0.1:1', bearer-file: none}]", 1), []string{"--check"}, 2, "no such file"},
		{good, []string{"--check"}, 0, ""},
		{good, []string{"--dry-run"}, 1, "1 of 1 queries failed"},
		{good, []string{"--once", "--spool", filepath.Join(dir, "s")}, 1, "1 of 1 queries failed"},
		{good, []string{"--once", "--spool", "/dev/null/s"}, 1, "spool.dir"},
	} {
		code, _, said := command(t, append([]string{"bridge", "prometheus", write(c.file)}, c.args...)...)
		if code != c.code || !strings.Contains(said, c.want) {
			t.Errorf("%v: %d %s, want %d %s", c.args, code, said, c.code, c.want)
		}
	}
	spool := filepath.Join(dir, "s")
	b := startBridge(t, "prometheus", write(good), "--spool", spool)
	if code, _, said := command(t, "bridge", "prometheus", filepath.Join(dir, "b.yaml"), "--once", "--spool", spool); code != 1 || !strings.Contains(said, "in use by another process") {
		t.Errorf("%d %s", code, said)
	}
	if status, text := b.get("/healthz"); status != http.StatusOK {
		t.Errorf("%d %s", status, text)
	}
	must(t, b.cmd.Process.Signal(syscall.SIGTERM))
	if code := b.ended(); code != 0 {
		t.Errorf("SIGTERM: %d\n%s", code, b.log)
	}
}
