package main

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// checkpoints makes a checkpoint directory with one host, whose write-ahead log holds n samples of load, a minute apart,
// the last of them at last, and one of a thread.
func checkpoints(t *testing.T, last int64, n int) string {
	t.Helper()
	b := binary.LittleEndian.AppendUint32(nil, 0xCC1DA701)
	add := func(at int64, metric, level string, v float32) {
		p := binary.LittleEndian.AppendUint64(nil, uint64(at))
		p = append(binary.LittleEndian.AppendUint16(p, uint16(len(metric))), metric...)
		if level == "" {
			p = append(p, 0)
		} else {
			p = append(append(p, 1, byte(len(level))), level...)
		}
		p = binary.LittleEndian.AppendUint32(p, math.Float32bits(v))
		b = binary.LittleEndian.AppendUint32(b, 0xCC1DA7A1)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
		b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(p))
	}
	for i := range n {
		add(last-int64(n-1-i)*60, "load", "", float32(i)+0.1)
	}
	add(last, "ipc", "hwthread3", 2)
	dir := t.TempDir()
	host := filepath.Join(dir, "alex", "a01")
	if err := os.MkdirAll(host, 0o750); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"current.wal": b, "1700000000.bin": []byte("damaged"), "README": nil} {
		if err := os.WriteFile(filepath.Join(host, name), content, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestImportExportVerify(t *testing.T) {
	last := time.Now().Unix() / 60 * 60
	peer, data := checkpoints(t, last, 100), filepath.Join(t.TempDir(), "data")
	cfg := write(t, "config.json", `{"metrics": {"load": {"frequency": 60, "aggregation": null}, "ipc": {"frequency": 60, "aggregation": null}},
		"metric-store": {"retention-in-memory": "24h"}, "granary": {"data": "`+data+`", "disk-free-mark": 0, "log": {"level": "error"}}}`)
	for range 2 { // twice stores the same again
		code, out, stderr := command(t, "import", "cc-metric-store", peer, "--config", cfg)
		if code != exitFailure || stderr != "granary: 1 file of "+peer+" damaged; the rest is imported\n" {
			t.Fatalf("%d, %s", code, stderr)
		}
		for _, want := range []string{"Damaged, and left out:\n  " + filepath.Join(peer, "alex/a01/1700000000.bin"), "Stray, and left out:\n  " + filepath.Join(peer, "alex/a01/README"), "1 hosts, 1 files, in ", "\n101 samples read, 101 stored; 1 file damaged\n"} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in %s", want, out)
			}
		}
	}
	code, out, stderr := command(t, "export", "--config", cfg)
	if code != exitOK || stderr != "101 samples of 2 series\n" {
		t.Fatalf("%d, %s", code, stderr)
	}
	var want strings.Builder
	for i := range 100 {
		fmt.Fprintf(&want, "load,cluster=alex,hostname=a01 value=%v %d\n", float64(float32(i)+0.1), last-int64(99-i)*60)
	}
	fmt.Fprintf(&want, "ipc,cluster=alex,hostname=a01,type=hwthread,type-id=3 value=2 %d\n", last)
	if out != want.String() {
		t.Errorf("exported:\n%s\nwant:\n%s", out, want.String())
	}
	file := filepath.Join(t.TempDir(), "out")
	code, out, stderr = command(t, "export", "--data", data, "--out", file, "--metric", "lo*", "--tag", "hostname=a01", "--from", fmt.Sprint(last-60), "--to", time.Unix(last, 0).Format(time.RFC3339))
	if b, err := os.ReadFile(file); code != exitOK || out != "" || err != nil || strings.Count(string(b), "\n") != 1 {
		t.Errorf("%d, %q, %q, %v, %s", code, out, b, err, stderr)
	}
	if code, _, stderr = command(t, "export", "--data", data, "--out", file); code != exitFailure || !strings.Contains(stderr, "exists") {
		t.Errorf("%d, %s", code, stderr)
	}
	if code, _, stderr = command(t, "export", "--data", data, "--tenant", "none"); code != exitFailure || !strings.Contains(stderr, `no tenant "none"`) {
		t.Errorf("%d, %s", code, stderr)
	}

	if code, out, stderr = command(t, "verify", data); code != exitOK || !strings.Contains(out, " 0 problems\n") {
		t.Errorf("%d, %s, %s", code, out, stderr)
	}
	manifest := filepath.Join(data, "segments", "MANIFEST")
	if err := os.WriteFile(manifest, []byte("nothing"), 0o640); err != nil {
		t.Fatal(err)
	}
	if code, out, stderr = command(t, "verify", data); code != exitFailure || !strings.Contains(out, manifest+" is damaged") || !strings.Contains(stderr, "1 problems in "+data) {
		t.Errorf("%d, %s, %s", code, out, stderr)
	}
}

func TestImportIntoARunningServer(t *testing.T) {
	lines := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/write" || r.Header.Get("Authorization") != "Bearer jwt" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		lines++
		w.Header().Set("X-Granary-Ignored", "unknown-metric=1")
	}))
	defer srv.Close()
	peer := checkpoints(t, 1_700_000_000, 10)
	code, out, stderr := command(t, "import", "cc-metric-store", peer, "--url", srv.URL, "--token", "jwt", "--since", "1699999900")
	if code != exitFailure || !strings.Contains(stderr, "1 file of") || lines != 1 || !strings.HasSuffix(out, "\n11 samples read, 2 stored, 9 not: 1 unknown-metric, 8 older than --since; 1 file damaged\n") {
		t.Errorf("%d, %s, %s, %d bodies", code, out, stderr, lines)
	}
	if err := os.Remove(filepath.Join(peer, "alex/a01/1700000000.bin")); err != nil {
		t.Fatal(err)
	}
	code, out, stderr = command(t, "import", "cc-metric-store", peer, "--url", srv.URL, "--token", "jwt")
	if code != exitOK || stderr != "" || !strings.HasSuffix(out, "\n11 samples read, 10 stored, 1 not: unknown-metric\n") {
		t.Errorf("%d, %s, %s", code, out, stderr)
	}
	if code, _, stderr = command(t, "import", "cc-metric-store", peer, "--url", srv.URL, "--token", "wrong"); code != exitFailure || !strings.Contains(stderr, "401") {
		t.Errorf("%d, %s", code, stderr)
	}
}

func TestTransferUsage(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"import", "cc-metric-store", dir}, exitUsage, "where to?"},
		{[]string{"import", "cc-metric-store", dir, "--data", dir}, exitUsage, "where to?"},
		{[]string{"import", "cc-metric-store", dir, "--url", "http://h", "--data", dir}, exitUsage, "one of both"},
		{[]string{"import", "cc-metric-store", dir, "--url", "h"}, exitUsage, "not an address"},
		{[]string{"import", "cc-metric-store", dir, "--url", "http://h", "--since", "x"}, exitUsage, "--since"},
		{[]string{"import", "cc-metric-store", dir + "/none", "--url", "http://h"}, exitUsage, "no such file"},
		{[]string{"import", "other", dir}, exitUsage, "other"},
		{[]string{"export", "--data", dir + "/none"}, exitFailure, "no such file"},
		{[]string{"export", "--tag", "x"}, exitUsage, "NAME=VALUE"},
		{[]string{"export", "--from", "x"}, exitUsage, "--from"},
		{[]string{"verify", dir + "/none"}, exitUsage, "no such file"},
		{[]string{"verify", dir}, exitFailure, "granary: " + dir + " is no data folder: it has no definitions.db, journal or segments\n"},
	} {
		code, _, stderr := command(t, tt.args...)
		if code != tt.code || !strings.Contains(stderr, tt.want) {
			t.Errorf("%v: exit code %d, want %d; stderr %q, want ...%s...", tt.args, code, tt.code, stderr, tt.want)
		}
	}
}
