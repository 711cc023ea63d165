package segment

import (
	"path/filepath"
	"testing"
)

const benchEntries = 1_000_000

// benchSegment is a file of a million entries with payloads of 150 bytes on average.
func benchSegment(b *testing.B) (path string, entries []Entry) {
	b.Helper()
	entries, payloads := testEntries(benchEntries, 1)
	dir := b.TempDir()
	info, err := writeSegment(OS{}, dir, 1, entries, payloads)
	if err != nil {
		b.Fatal(err)
	}
	return filepath.Join(dir, info.Name), entries
}

// BenchmarkAdd is the cost of one entry with its share of the index.
func BenchmarkAdd(b *testing.B) {
	entries, payloads := testEntries(blockEntries, 1)
	dir := b.TempDir()
	w, err := Create(dir, 1, Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(150)
	i := 0
	for b.Loop() {
		if _, err := w.Add(entries[i%blockEntries], payloads[i%blockEntries]); err != nil {
			b.Fatal(err)
		}
		i++
	}
	w.Abort()
}

// BenchmarkOpen opens a file of a million entries.
func BenchmarkOpen(b *testing.B) {
	path, _ := benchSegment(b)
	b.ReportAllocs()
	for b.Loop() {
		f, err := Open(path)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(f.t.length)/benchEntries, "index-B/entry")
		f.Close()
	}
}

// BenchmarkEntries reads a million entries.
func BenchmarkEntries(b *testing.B) {
	path, _ := benchSegment(b)
	f, err := Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		if err := f.Entries(func(Entry) error { n++; return nil }); err != nil || n != benchEntries {
			b.Fatal(n, err)
		}
	}
}

// BenchmarkReadAt reads payloads in an order that jumps, from the kernel's memory.
func BenchmarkReadAt(b *testing.B) {
	path, entries := benchSegment(b)
	f, err := Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	buf := make([]byte, 4096)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		e := &entries[i%benchEntries]
		if _, err := f.ReadAt(buf, e.Off, e.Len); err != nil {
			b.Fatal(err)
		}
		i += 7919
	}
}

// BenchmarkState writes and syncs a state file of 64 sections of 1 MiB.
func BenchmarkState(b *testing.B) {
	dir := b.TempDir()
	section := make([]byte, 1<<20)
	b.SetBytes(64 << 20)
	b.ReportAllocs()
	for b.Loop() {
		w, err := CreateState(dir, 1, Options{})
		if err != nil {
			b.Fatal(err)
		}
		for shard := range uint32(64) {
			if err := w.Section(shard, section); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := w.Finish(); err != nil {
			b.Fatal(err)
		}
	}
}
