//go:build e2e

package e2e_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"granary/tenant"
)

// perHost is how many series `granary load` makes of a host without further flags.
const perHost = 100

// load is how many series are written, every 10 seconds for so long, to a server with a cap; "" for none.
type load struct {
	series int
	span   time.Duration
	cap    string
}

// TestSizing measures what series and samples take, as docs/sizing.md shows it. GRANARY_E2E_SIZING has what is measured, "1000x1h,10000x24h@200MiB"
// with a memory cap behind the @: the table is in the log (-v). Without it one small load is measured, and held against what the page promises with much room to spare.
func TestSizing(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("there is no /proc on this machine")
	}
	loads := []load{{1000, time.Hour, ""}}
	if text := os.Getenv("GRANARY_E2E_SIZING"); text != "" {
		loads = nil
		for _, part := range strings.Split(text, ",") {
			part, limit, _ := strings.Cut(part, "@")
			series, span, _ := strings.Cut(part, "x")
			l := load{cap: limit}
			var err error
			if l.series, err = strconv.Atoi(series); err == nil {
				l.span, err = time.ParseDuration(span)
			}
			if err != nil || l.series < perHost {
				t.Fatalf("GRANARY_E2E_SIZING: %q is no load such as 1000x1h", part)
			}
			loads = append(loads, l)
		}
	}
	t.Log("| series | samples | start MB | memory MB | peak MB | counted MB | CPU s/M samples | journal B/sample | segments B/sample | definitions.db B/series | files open | memory after a start MB | start s |")
	for _, l := range loads {
		s := l.measure(t)
		t.Log(s)
		if len(loads) == 1 && (s.memory-s.began > 40e6 || s.disk/s.samples > 6 || s.cpu > 10) {
			t.Errorf("%+v", s)
		}
	}
}

// size is what a load took: bytes, and seconds.
type size struct {
	series, samples              float64
	began, memory, peak, counted float64 // resident memory before and after, its peak, and what the store counts of it
	cpu                          float64 // seconds per million samples
	journal, disk, definitions   float64 // the journal before a snapshot, samples after one, definitions
	files                        int
	again                        float64 // resident memory after a start with all that
	start                        time.Duration
}

func (s size) String() string {
	journal := "trimmed"
	if s.journal > 0 {
		journal = fmt.Sprintf("%.1f", s.journal/s.samples)
	}
	return fmt.Sprintf("| %.0f | %.0f | %.0f | %.0f | %.0f | %.0f | %.2f | %s | %.2f | %.0f | %d | %.0f | %.2f |", s.series, s.samples, s.began/1e6, s.memory/1e6, s.peak/1e6,
		s.counted/1e6, s.cpu, journal, s.disk/s.samples, s.definitions/s.series, s.files, s.again/1e6, s.start.Seconds())
}

func (l load) measure(t *testing.T) (s size) {
	t.Helper()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	code, metrics, failed := command(t, "load", "--print-config", "--interval", "10s")
	if code != 0 {
		t.Fatal(failed)
	}
	var config object
	if err := json.Unmarshal([]byte(metrics), &config); err != nil {
		t.Fatal(err)
	}
	if l.cap != "" {
		config["granary"] = object{"memory-cap": l.cap}
	}
	file := configFile(t, filepath.Join(dir, "config.json"), config)
	p := serve(t, file, data)
	s.began = p.status("VmRSS")
	cpu := p.metric("process_cpu_seconds_total")
	sender := exec.CommandContext(t.Context(), "nice", granary, "load", "--target", p.url, "--hosts", strconv.Itoa(l.series/perHost), "--rate", "max",
		"--steps", strconv.Itoa(int(l.span/(10*time.Second))), "--retry")
	if out, err := sender.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if l.cap != "" {
		limit, err := tenant.ParseSize(l.cap)
		if err != nil {
			t.Fatal(err)
		}
		poll(t, "the memory to be below its cap", func() bool { return p.metric("granary_memory_bytes") <= float64(limit) })
	}
	s.series, s.samples = p.metric("granary_series"), p.metric("granary_samples_total")
	s.memory, s.peak, s.counted = p.status("VmRSS"), p.status("VmHWM"), p.metric("granary_memory_bytes")
	s.cpu = (p.metric("process_cpu_seconds_total") - cpu) / (s.samples / 1e6)
	if p.metric("granary_snapshots_total") == 0 {
		s.journal = p.metric("granary_journal_bytes")
	}
	s.files = int(p.metric("process_open_fds"))
	p.end() // writes a snapshot; it may take longer than tests of little data wait
	s.disk = bytesBelow(t, filepath.Join(data, "segments"))
	s.definitions = bytesBelow(t, filepath.Join(data, "definitions.db"))
	began := time.Now()
	p = serve(t, file, data)
	s.start, s.again = time.Since(began), p.status("VmRSS")
	p.kill()
	return s
}

// status is a line of /proc/PID/status that is in kB, in bytes.
func (p *process) status(name string) float64 {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			n, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			if err != nil {
				p.t.Fatal(err)
			}
			return n * 1024
		}
	}
	p.t.Fatalf("/proc/PID/status has no %s", name)
	return 0
}

// bytesBelow is how large the files of a folder are, or a file is.
func bytesBelow(t *testing.T, path string) (sum float64) {
	t.Helper()
	err := filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sum += float64(info.Size())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}
