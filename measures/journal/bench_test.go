package journal

import (
	"math/rand/v2"
	"testing"
)

// samplesPayload is the size of a record of 5,000 samples at 7 bytes each.
const samplesPayload = 35_000

func randomPayload(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func benchOpen(b *testing.B, dir string, mode SyncMode) *File {
	b.Helper()
	f, _, err := Open(dir, Options{Sync: mode})
	if err != nil {
		b.Fatal(err)
	}
	return f
}

// BenchmarkAppend encodes and writes groups of one record of 5,000 samples.
func BenchmarkAppend(b *testing.B) {
	for _, mode := range []SyncMode{Never, Interval, Always} {
		b.Run(mode.String(), func(b *testing.B) {
			f := benchOpen(b, b.TempDir(), mode)
			defer f.Close()
			payload := randomPayload(samplesPayload)
			var g Group
			b.SetBytes(samplesPayload)
			b.ReportAllocs()
			seq := uint64(0)
			for b.Loop() {
				seq++
				g.Reset()
				g.Begin(1, 1)
				g.Buf = append(g.Buf, payload...)
				if err := g.End(seq); err != nil {
					b.Fatal(err)
				}
				if err := f.Append(&g); err != nil {
					b.Fatal(err)
				}
				if f.Size() > 128<<20 {
					if err := f.Rotate(); err != nil {
						b.Fatal(err)
					}
					if err := f.Trim(seq); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// BenchmarkGroup encodes without writing: what the checksum costs.
func BenchmarkGroup(b *testing.B) {
	payload := randomPayload(samplesPayload)
	var g Group
	b.SetBytes(samplesPayload)
	b.ReportAllocs()
	for b.Loop() {
		g.Reset()
		g.Begin(1, 1)
		g.Buf = append(g.Buf, payload...)
		if err := g.End(1); err != nil {
			b.Fatal(err)
		}
	}
}

// benchLog is a log of 10 million samples at 7 bytes in records of the given size.
func benchLog(b *testing.B, size int) string {
	b.Helper()
	dir := b.TempDir()
	f := benchOpen(b, dir, Never)
	defer f.Close()
	payload := randomPayload(size)
	var g Group
	for seq := uint64(1); seq <= uint64(70_000_000/size); seq++ {
		g.Begin(1, 1)
		g.Buf = append(g.Buf, payload...)
		if err := g.End(seq); err != nil {
			b.Fatal(err)
		}
		if g.Len() > 1<<20 {
			if err := f.Append(&g); err != nil {
				b.Fatal(err)
			}
			g.Reset()
		}
	}
	if err := f.Append(&g); err != nil {
		b.Fatal(err)
	}
	return dir
}

// BenchmarkReplay reads 10 million samples, from the kernel's memory.
func BenchmarkReplay(b *testing.B) {
	for _, c := range []struct {
		name string
		size int
	}{{"records of 35 kB", samplesPayload}, {"records of 700 B", 700}} {
		b.Run(c.name, func(b *testing.B) {
			f := benchOpen(b, benchLog(b, c.size), Never)
			defer f.Close()
			b.SetBytes(f.Bytes())
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				if err := f.ReadFrom(b.Context(), 0, func(r Record) error { n++; return nil }); err != nil || n == 0 {
					b.Fatal(n, err)
				}
			}
		})
	}
}

// BenchmarkOpen reads the newest segment, of 10 million samples, as a start does.
func BenchmarkOpen(b *testing.B) {
	dir := benchLog(b, samplesPayload)
	b.ReportAllocs()
	for b.Loop() {
		benchOpen(b, dir, Never).Close()
	}
}
