package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
)

func TestSegmentRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, 2, blockEntries - 1, blockEntries, blockEntries + 1, 5000} {
		dir := t.TempDir()
		entries, payloads := testEntries(n, uint64(n))
		info, err := writeSegment(OS{}, dir, 7, entries, payloads)
		if err != nil {
			t.Fatal(err)
		}
		if info.ID != 7 || info.Name != "00000007.seg" || info.Entries != uint64(n) {
			t.Errorf("info %+v", info)
		}
		path := filepath.Join(dir, info.Name)
		if err := Verify(path); err != nil {
			t.Errorf("Verify: %v", err)
		}
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if f.ID() != 7 || f.Len() != n || f.Size() != info.Size || f.Path() != path {
			t.Errorf("id %d, %d entries, %d bytes, %s", f.ID(), f.Len(), f.Size(), f.Path())
		}
		var got []Entry
		if err := f.Entries(func(e Entry) error { got = append(got, e); return nil }); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, entries) {
			t.Fatalf("%d entries differ from what was written", n)
		}
		buf := make([]byte, 512)
		for i, e := range got {
			if e.Off%8 != 0 || e.Off >= MaxOffset {
				t.Fatalf("offset %d", e.Off)
			}
			p, err := f.ReadAt(buf, e.Off, e.Len)
			if err != nil || !bytes.Equal(p, payloads[i]) {
				t.Fatalf("payload %d: %v", i, err)
			}
		}
		stop := errors.New("stop")
		if err := f.Entries(func(Entry) error { return stop }); n > 0 && !errors.Is(err, stop) {
			t.Errorf("Entries = %v", err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestReadAt(t *testing.T) {
	dir := t.TempDir()
	entries, payloads := testEntries(10, 1)
	payloads[3], payloads[4] = []byte("twelve bytes"), nil
	info, err := writeSegment(OS{}, dir, 1, entries, payloads)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(filepath.Join(dir, info.Name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	off := entries[3].Off
	for _, dst := range [][]byte{nil, make([]byte, 3), make([]byte, 0, 20), make([]byte, 100)} {
		p, err := f.ReadAt(dst, off, 12)
		if err != nil || string(p) != "twelve bytes" {
			t.Errorf("ReadAt = %q, %v", p, err)
		}
		if cap(dst) >= 20 && &p[0] != &dst[:20][8] {
			t.Error("the payload is not a part of dst, which has room for it")
		}
	}
	if p, err := f.ReadAt(nil, entries[4].Off, 0); err != nil || len(p) != 0 {
		t.Errorf("empty payload: %q, %v", p, err)
	}
	wantDamaged(t, second(f.ReadAt(nil, off, 11)))
	wantDamaged(t, second(f.ReadAt(nil, off+8, 4)))
	for _, c := range []struct {
		off uint64
		n   uint32
	}{{off + 1, 12}, {0, 8}, {16, 8}, {uint64(info.Size), 0}, {off, math.MaxUint32}, {math.MaxUint64 - 7, 16}, {off, uint32(info.Size)}} {
		if _, err := f.ReadAt(nil, c.off, c.n); err == nil {
			t.Errorf("ReadAt(%d, %d) succeeded", c.off, c.n)
		}
	}
	buf := make([]byte, 1024)
	if n := testing.AllocsPerRun(100, func() { _, _ = f.ReadAt(buf, off, 12) }); n > 0 {
		t.Errorf("%v allocations a read", n)
	}
}

func second(_ []byte, err error) error { return err }

func TestWriterLimits(t *testing.T) {
	fs := newFS()
	w, err := Create(testDir, 1, Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	var limit *LimitError
	if _, err := w.Add(Entry{}, make([]byte, MaxPayload+1)); !errors.As(err, &limit) {
		t.Errorf("Add of a large payload: %v", err)
	}
	if _, err := w.Add(Entry{}, make([]byte, MaxPayload)); err != nil {
		t.Errorf("Add of the largest payload: %v", err)
	}
	w.out.flushed += int64(MaxOffset) - int64(w.out.size()) - 64 // as if so much had been written
	if _, err := w.Add(Entry{}, make([]byte, 60)); !errors.As(err, &limit) {
		t.Errorf("Add to a full file: %v", err)
	}
	w.Abort()
	w.Abort()
	if files := fs.Files(); len(files) > 0 {
		t.Errorf("Abort left %d files", len(files))
	}
	if _, err := w.Finish(); err == nil {
		t.Error("Finish after Abort succeeded")
	}
}

func TestAbortAfterFinish(t *testing.T) {
	fs := newFS()
	w, err := Create(testDir, 1, Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	if err := verify(fs, testDir+"/00000001.seg"); err != nil {
		t.Error(err)
	}
}

// TestSegmentEveryByte changes each byte and cuts at each length.
func TestSegmentEveryByte(t *testing.T) {
	fs := newFS()
	entries, payloads := testEntries(20, 2)
	info, err := writeSegment(fs, testDir, 1, entries, payloads)
	if err != nil {
		t.Fatal(err)
	}
	path := testDir + "/" + info.Name
	b := fs.Files()[path]
	padding := make([]bool, len(b))
	for _, e := range entries {
		for i := e.Off + payloadHead + uint64(e.Len); i < afterPayload(e.Off, e.Len); i++ {
			padding[i] = true // is never read
		}
	}
	for i := range b {
		c := bytes.Clone(b)
		c[i] ^= 1 << (i % 8)
		fs.Put(path, c)
		if err := verify(fs, path); !padding[i] {
			wantDamaged(t, err)
		}
		fs.Put(path, b[:i])
		wantDamaged(t, verify(fs, path))
		if t.Failed() {
			t.Fatalf("byte %d of %d", i, len(b))
		}
	}
	fs.Put(path, append(b, 0))
	wantDamaged(t, verify(fs, path))
}

func TestSegmentNewerFormat(t *testing.T) {
	fs := newFS()
	info, err := writeSegment(fs, testDir, 1, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	path := testDir + "/" + info.Name
	fs.Put(path, newerHead(fs.Files()[path]))
	_, err = openFile(fs, path)
	var newer *NewerFormatError
	if !errors.As(err, &newer) || newer.Path != path || newer.Version != Version+1 {
		t.Errorf("Open: %v", err)
	}
}

// newerHead gives a file the next version of the format.
func newerHead(b []byte) []byte {
	b = bytes.Clone(b)
	binary.LittleEndian.PutUint32(b[8:], Version+1)
	binary.LittleEndian.PutUint32(b[headSize-4:], sum(b[:headSize-4]))
	return b
}

// TestPayloadsSwapped exchanges two payloads of one length, as a medium does that writes to the wrong place.
func TestPayloadsSwapped(t *testing.T) {
	fs := newFS()
	entries := make([]Entry, 2)
	info, err := writeSegment(fs, testDir, 1, entries, [][]byte{[]byte("one 8...."), []byte("two 8....")})
	if err != nil {
		t.Fatal(err)
	}
	path := testDir + "/" + info.Name
	b := fs.Files()[path]
	n := entries[1].Off - entries[0].Off
	one := bytes.Clone(b[entries[0].Off:][:n])
	copy(b[entries[0].Off:], b[entries[1].Off:][:n])
	copy(b[entries[1].Off:], one)
	fs.Put(path, b)
	wantDamaged(t, verify(fs, path))
}

func TestColumn(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 6))
	random := func(n int, f func() uint64) []uint64 {
		v := make([]uint64, n)
		for i := range v {
			v[i] = f()
		}
		return v
	}
	for _, c := range []struct {
		name string
		v    []uint64
		most int // bytes
	}{
		{"one", []uint64{42}, 17},
		{"constant", random(1024, func() uint64 { return 7 }), 17},
		{"extremes", []uint64{0, math.MaxUint64, 1 << 63, 1<<63 - 1, 1}, 17 + 5*8},
		{"negative times", []uint64{^uint64(0), ^uint64(999), 0, 1000}, 17 + 8},
		{"seconds", random(1024, func() uint64 { return 1_700_000_000e9 + 1e9*r.Uint64N(512) }), 17 + 1024*9/8},
		{"refs of a shard", random(1024, func() uint64 { return 64*r.Uint64N(4096) + 5 }), 17 + 1024*12/8},
		{"random", random(1024, r.Uint64), 17 + 8192},
		{"57 bits", random(9, func() uint64 { return r.Uint64N(1 << 57) }), 17 + 9*8},
		{"56 bits", random(9, func() uint64 { return r.Uint64N(1 << 56) }), 17 + 9*7},
		{"descending", []uint64{900, 600, 300, 0}, 17 + 1},
	} {
		b := appendColumn(nil, slices.Clone(c.v))
		if len(b) > c.most {
			t.Errorf("%s: %d bytes, want at most %d", c.name, len(b), c.most)
		}
		got := make([]uint64, len(c.v))
		rest, ok := decodeColumn(got, append(b, make([]byte, columnSpare)...))
		if !ok || len(rest) != columnSpare || !slices.Equal(got, c.v) {
			t.Errorf("%s: decoded %v", c.name, got[:min(5, len(got))])
		}
		if _, ok := decodeColumn(got, b); ok {
			t.Errorf("%s: a column without spare bytes was decoded", c.name)
		}
	}
}

func FuzzColumn(f *testing.F) {
	f.Add(binary.LittleEndian.AppendUint64(make([]byte, 16), 1000))
	f.Fuzz(func(t *testing.T, b []byte) {
		var v []uint64
		for ; len(b) >= 8 && len(v) < blockEntries; b = b[8:] {
			v = append(v, binary.LittleEndian.Uint64(b)>>(b[0]&63))
		}
		if len(v) == 0 {
			return
		}
		got := make([]uint64, len(v))
		packed := append(appendColumn(nil, slices.Clone(v)), make([]byte, columnSpare)...)
		rest, ok := decodeColumn(got, packed)
		if !ok || len(rest) != columnSpare || !slices.Equal(got, v) {
			t.Fatalf("wrote %v, read %v", v, got)
		}
	})
}

// FuzzSegment reads damaged files. The checksums of ends and blocks are made right again, so that what they protect is
// reached.
func FuzzSegment(f *testing.F) {
	fs := newFS()
	for n := range 3 {
		entries, payloads := testEntries(n*3, uint64(n))
		info, err := writeSegment(fs, testDir, 1, entries, payloads)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(fs.Files()[testDir+"/"+info.Name], true)
		fs = newFS()
	}
	f.Fuzz(func(t *testing.T, b []byte, repair bool) {
		b = bytes.Clone(b)
		if repair && len(b) >= headSize+trailerSize {
			binary.LittleEndian.PutUint32(b[headSize-4:], sum(b[:headSize-4]))
			end := b[len(b)-trailerSize:]
			binary.LittleEndian.PutUint32(end[trailerSize-4:], sum(end[:trailerSize-4]))
			if at := binary.LittleEndian.Uint64(end[8:]); at < uint64(len(b)-trailerSize-blockHead) {
				index := b[at : len(b)-trailerSize]
				if n := binary.LittleEndian.Uint32(index); uint64(n) <= uint64(len(index)-blockHead) {
					binary.LittleEndian.PutUint32(index[4:], sum(index[blockHead:][:n]))
				}
			}
		}
		fs := newFS()
		path := testDir + "/00000001.seg"
		fs.Put(path, b)
		s, err := openFile(fs, path)
		if err != nil {
			return
		}
		defer s.Close()
		n := 0
		err = s.Entries(func(e Entry) error {
			n++
			p, err := s.ReadAt(nil, e.Off, e.Len)
			if err == nil && len(p) != int(e.Len) {
				t.Fatalf("payload of %d bytes, want %d", len(p), e.Len)
			}
			return nil
		})
		if err == nil && n != s.Len() {
			t.Fatalf("%d entries, Len is %d", n, s.Len())
		}
		if n > len(b) {
			t.Fatalf("%d entries in %d bytes", n, len(b))
		}
	})
}
