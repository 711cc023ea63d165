package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
)

type section struct {
	shard int
	b     []byte
}

func readSections(fs FS, path string) (got []section, err error) {
	err = readState(fs, path, func(shard int, b []byte) error {
		got = append(got, section{shard, bytes.Clone(b)})
		return nil
	})
	return got, err
}

func sameSection(a, b section) bool { return a.shard == b.shard && bytes.Equal(a.b, b.b) }

func TestStateRoundTrip(t *testing.T) {
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(1, 7))
	var want []section
	w, err := CreateState(dir, 12, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range []int{0, 1, 100, 5 << 20, outputBuffer - headSize, 3, 300_000, 0} {
		b := make([]byte, n)
		for j := range b {
			b[j] = byte(r.Uint32())
		}
		want = append(want, section{shard: i / 2 * 1000, b: b})
		if err := w.Section(uint32(i/2*1000), b); err != nil {
			t.Fatal(err)
		}
	}
	info, err := w.Finish()
	if err != nil || info.Name != "state-00000012" || info.Entries != uint64(len(want)) {
		t.Fatalf("Finish = %+v, %v", info, err)
	}
	path := filepath.Join(dir, info.Name)
	got, err := readSections(OS{}, path)
	if err != nil || !slices.EqualFunc(got, want, sameSection) {
		t.Errorf("%d sections, %v", len(got), err)
	}
	stop := errors.New("stop")
	if err := ReadState(path, func(int, []byte) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("ReadState = %v", err)
	}
}

// TestStateDamage says which sections are read from a damaged file.
func TestStateDamage(t *testing.T) {
	sections := []section{{3, bytes.Repeat([]byte("a"), 40)}, {4, bytes.Repeat([]byte("b"), 50)}, {5, bytes.Repeat([]byte("c"), 60)}}
	at := []int{headSize, headSize + sectionHead + 40, headSize + 2*sectionHead + 90}
	for _, c := range []struct {
		name  string
		spoil func(b []byte) []byte
		left  []int // which of sections
	}{
		{"section", func(b []byte) []byte { b[at[1]+sectionHead+7]++; return b }, []int{0, 2}},
		{"head of a section", func(b []byte) []byte { b[at[1]+9]++; return b }, []int{0}},
		{"head", func(b []byte) []byte { b[12]++; return b }, []int{0, 1, 2}},
		{"trailer", func(b []byte) []byte { b[len(b)-9]++; return b }, []int{0, 1, 2}},
		{"both ends", func(b []byte) []byte { b[0]++; b[len(b)-9]++; return b }, nil},
		{"cut in a section", func(b []byte) []byte { return b[:at[2]+sectionHead+20] }, []int{0, 1}},
		{"cut in the head of a section", func(b []byte) []byte { return b[:at[2]+5] }, []int{0, 1}},
		{"cut between sections", func(b []byte) []byte { return b[:at[2]] }, []int{0, 1}},
		{"section taken out", func(b []byte) []byte { return slices.Delete(b, at[1], at[2]) }, []int{0}},
		{"empty", func(b []byte) []byte { return nil }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			fs := newFS()
			w, err := CreateState(testDir, 1, Options{FS: fs})
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range sections {
				if err := w.Section(uint32(s.shard), s.b); err != nil {
					t.Fatal(err)
				}
			}
			info, err := w.Finish()
			if err != nil {
				t.Fatal(err)
			}
			path := testDir + "/" + info.Name
			fs.Put(path, c.spoil(fs.Files()[path]))
			got, err := readSections(fs, path)
			wantDamaged(t, err)
			var want []section
			for _, i := range c.left {
				want = append(want, sections[i])
			}
			if !slices.EqualFunc(got, want, sameSection) {
				t.Errorf("read %v, want %v", got, want)
			}
		})
	}
}

func TestStateEveryByte(t *testing.T) {
	fs := newFS()
	info, err := writeState(fs, testDir, 1, []byte("shard zero"), []byte("shard one"))
	if err != nil {
		t.Fatal(err)
	}
	path := testDir + "/" + info.Name
	b := fs.Files()[path]
	for i := range b {
		c := bytes.Clone(b)
		c[i] ^= 1 << (i % 8)
		fs.Put(path, c)
		_, err := readSections(fs, path)
		wantDamaged(t, err)
		fs.Put(path, b[:i])
		_, err = readSections(fs, path)
		wantDamaged(t, err)
		if t.Failed() {
			t.Fatalf("byte %d of %d", i, len(b))
		}
	}
}

func TestStateNewerFormat(t *testing.T) {
	fs := newFS()
	info, err := writeState(fs, testDir, 1, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	path := testDir + "/" + info.Name
	fs.Put(path, newerHead(fs.Files()[path]))
	got, err := readSections(fs, path)
	var newer *NewerFormatError
	if !errors.As(err, &newer) || len(got) > 0 {
		t.Errorf("ReadState: %v, %d sections", err, len(got))
	}
}

func FuzzState(f *testing.F) {
	fs := newFS()
	info, err := writeState(fs, testDir, 1, []byte("shard zero"), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(fs.Files()[testDir+"/"+info.Name], true)
	f.Fuzz(func(t *testing.T, b []byte, repair bool) {
		b = bytes.Clone(b)
		if repair && len(b) >= headSize+sectionHead+trailerSize {
			// What the checksums of both ends and of the first section protect is to be reached.
			binary.LittleEndian.PutUint32(b[headSize-4:], sum(b[:headSize-4]))
			end := b[len(b)-trailerSize:]
			binary.LittleEndian.PutUint32(end[trailerSize-4:], sum(end[:trailerSize-4]))
			head := b[headSize:][:sectionHead]
			binary.LittleEndian.PutUint32(head, sectionMagic)
			binary.LittleEndian.PutUint32(head[20:], sum(head[:20]))
		}
		fs := newFS()
		fs.Put(testDir+"/state", b)
		total := 0
		err := readState(fs, testDir+"/state", func(_ int, s []byte) error {
			total += len(s)
			return nil
		})
		if total > len(b) {
			t.Fatal(fmt.Errorf("%d bytes of sections in a file of %d, %w", total, len(b), err))
		}
	})
}
