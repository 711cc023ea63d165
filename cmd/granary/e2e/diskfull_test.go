//go:build e2e

package e2e_test

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// smallDisk mounts a file system of a few megabytes, which takes rights that not everybody has.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v %s", err, out)
		}
	})
	return dir
}

// ballast leaves so many bytes free on a disk, until it is removed.
func ballast(t *testing.T, disk string, free int64) (remove func()) {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(disk, &st); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(disk, "ballast")
	if err := os.WriteFile(name, make([]byte, max(int64(st.Bavail)*int64(st.Bsize)-free, 0)), 0o600); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDiskFull fills the disk. Writes are refused while it is full, reads go on, and nothing that was acknowledged is lost.
func TestDiskFull(t *testing.T) {
	disk := smallDisk(t)
	rng := random(t)
	data := filepath.Join(disk, "data")
	config := configFile(t, filepath.Join(t.TempDir(), "config.json"), crashConfig("interval"))
	l, f := &ledger{}, &faults{t: t}
	s := newSenders(l, rng, 1, 6, true)[0]
	p := serve(t, config, data)
	// write sends one body and says what was answered.
	write := func() int {
		t.Helper()
		p.alive()
		s.fill()
		status, header, answer := p.do(http.MethodPost, "/api/write/", nil, bytes.NewReader(s.body))
		switch status {
		case http.StatusOK:
			l.acknowledged(s.list)
		case http.StatusServiceUnavailable:
			if header.Get("Retry-After") == "" || !strings.Contains(string(answer), "journal") {
				t.Fatalf("%v %s", header, answer)
			}
		default:
			t.Fatalf("%d %s\n%s", status, answer, p.log)
		}
		return status
	}
	fill := func() {
		t.Helper()
		full := 0
		for n := 0; full < 20; n++ {
			if write() != http.StatusOK {
				full++
			}
			if n > 50_000 {
				t.Fatal("the disk does not become full")
			}
		}
	}
	write()
	for round := range 3 {
		free := ballast(t, disk, 1<<20)
		fill()
		l.checkAll(p, f)
		if round == 1 { // a crash and a start on a full disk
			p.kill()
			p = serve(t, config, data)
			l.checkAll(p, f)
			write()
		}
		if round == 2 { // a stop on a full disk, which cannot write what it would like to
			p.end()
			p = serve(t, config, data)
			l.checkAll(p, f)
		}
		free()
		poll(t, "writes to be taken again", func() bool { return write() == http.StatusOK })
		for range 50 {
			if write() != http.StatusOK {
				t.Fatalf("a write is refused though there is room\n%s", p.log)
			}
		}
		poll(t, "a snapshot", func() bool { return p.metric("granary_snapshots_total") > 0 })
		p.kill()
		p = serve(t, config, data)
		l.checkAll(p, f)
		if f.any() {
			t.Fatalf("round %d:\n%s", round, p.log)
		}
	}
	t.Logf("%d samples checked", f.checked.Load())
	p.stop()
	if code, out, errs := command(t, "verify", data); code != 0 {
		t.Errorf("verify: exit code %d\n%s%s", code, out, errs)
	}
}

// TestDiskFreeMark lets the free space fall below the mark and rise again.
func TestDiskFreeMark(t *testing.T) {
	disk := smallDisk(t)
	c := crashConfig("interval")
	c["granary"].(object)["disk-free-mark"] = "3MiB"
	p := serve(t, configFile(t, filepath.Join(t.TempDir(), "config.json"), c), filepath.Join(disk, "data"))
	line := "load_one,cluster=c,hostname=h value=1\n"
	p.mustWrite(line)
	free := ballast(t, disk, 1<<20)
	poll(t, "writes to be refused", func() bool {
		status, header, answer := p.write(line)
		if status == http.StatusServiceUnavailable && (header.Get("Retry-After") == "" || !strings.Contains(answer, "disk-free-mark")) {
			t.Fatalf("%v %s", header, answer)
		}
		return status == http.StatusServiceUnavailable
	})
	if p.metric("granary_disk_low") != 1 {
		t.Error("/metrics does not say that the disk is low")
	}
	if status, _ := p.ask(question{Cluster: "c", Queries: []selector{{Metric: "load_one", Host: "h"}}}); status != http.StatusOK {
		t.Errorf("a query is answered %d", status)
	}
	// Hawkular's clients hear it too, whatever they would change, and find nothing of it.
	for _, of := range [][3]string{
		{http.MethodPost, "gauges/raw", `[{"id":"full","data":[{"timestamp":1,"value":1}]}]`}, {http.MethodPost, "m/raw", `{"strings":[{"id":"full","data":[{"timestamp":1,"value":"a"}]}]}`},
		{http.MethodPost, "gauges", `{"id":"full","tags":{"a":"b"}}`}, {http.MethodPut, "gauges/full/tags", `{"a":"b"}`}, {http.MethodPut, "gauges/tags", `[{"id":"full","tags":{"a":"b"}}]`},
	} {
		status, header, answer := p.do(of[0], "/hawkular/metrics/"+of[1], http.Header{"Content-Type": {"application/json"}}, strings.NewReader(of[2]))
		if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" || !strings.Contains(string(answer), `"errorMsg":`) || !strings.Contains(string(answer), "disk-free-mark") {
			t.Errorf("%s %s: %d %v %s", of[0], of[1], status, header, answer)
		}
	}
	if status, answer := p.get("/hawkular/metrics/metrics"); status != http.StatusOK || strings.Contains(answer, "full") {
		t.Errorf("metrics: %d %s", status, answer)
	}
	free()
	poll(t, "writes to be taken again", func() bool {
		status, _, _ := p.write(line)
		return status == http.StatusOK
	})
	p.stop()
}
