package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"granary/measures/journal/crashfs"
)

// threeSegments is a log of records 1 to 30, ten a segment, each with a payload of about 100 bytes.
func threeSegments(t *testing.T) (*crashfs.FS, map[uint64]string) {
	t.Helper()
	fs := crashfs.New()
	f, _ := testOpen(t, fs, Options{Sync: Always})
	all := map[uint64]string{}
	for seq := uint64(1); seq <= 30; seq++ {
		all[seq] = strings.Repeat(fmt.Sprintf("record %d, ", seq), 9)
		if err := f.Append(groupOf(t, seq, all[seq])); err != nil {
			t.Fatal(err)
		}
		if seq%10 == 0 && seq < 30 {
			if err := f.Rotate(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return fs, all
}

// frames returns where the records of a whole segment begin, and its end.
func frames(b []byte) []int {
	at := []int{segmentHeaderSize}
	for n := segmentHeaderSize; n < len(b); {
		n += frameLength(b[n:])
		at = append(at, n)
	}
	return at
}

// TestDamage spoils segments and says what is lost.
func TestDamage(t *testing.T) {
	flip := func(at int) func([]byte, []int) []byte {
		return func(b []byte, _ []int) []byte { b[at] ^= 0x10; return b }
	}
	inRecord := func(i, off int) func([]byte, []int) []byte {
		return func(b []byte, at []int) []byte { b[at[i]+off] ^= 0x10; return b }
	}
	for _, c := range []struct {
		name    string
		segment int
		spoil   func(b []byte, at []int) []byte
		lost    []uint64
		cut     string // what Open says it has cut off
		damaged string // what Open and then ReadFrom find, joined
	}{
		{"magic of a record", 1, inRecord(4, 0), []uint64{5}, "", "no record begins here"},
		{"marker of a record", 1, inRecord(4, 5), []uint64{5}, "", "the record belongs to another segment"},
		{"number of a record", 1, inRecord(4, 8), []uint64{5}, "", "the checksum of the record header does not hold"},
		{"length of a record", 2, inRecord(0, 24), []uint64{11}, "", "the checksum of the record header does not hold"},
		{"payload", 2, inRecord(3, 60), []uint64{14}, "", "the checksum of the record does not hold"},
		{"payload of the last record of an old segment", 2, inRecord(9, 60), []uint64{20}, "", "the checksum of the record does not hold|record 20 is missing"},
		{"old segment cut off", 1, func(b []byte, at []int) []byte { return b[:at[8]+50] }, []uint64{9, 10}, "",
			"cut off in a payload|records 9 to 10 are missing"},
		{"hole", 2, func(b []byte, at []int) []byte { clear(b[at[2]+5 : at[6]+2]); return b }, []uint64{13, 14, 15, 16, 17}, "", "the checksum of the record header does not hold"},
		{"all but the head is zero", 2, func(b []byte, at []int) []byte { clear(b[at[0]:]); return b },
			[]uint64{11, 12, 13, 14, 15, 16, 17, 18, 19, 20}, "", "no record begins here|records 11 to 20 are missing"},
		{"bytes between records", 1, func(b []byte, at []int) []byte { return slices.Insert(b, at[5], []byte("what is this?")...) }, nil, "", "no record begins here"},
		{"records swapped", 1, func(b []byte, at []int) []byte {
			second := bytes.Clone(b[at[2]:at[3]])
			return slices.Insert(slices.Delete(b, at[2], at[3]), at[1], second...)
		}, []uint64{2}, "", "record 2 is missing|record 2 stands where 4 is due"},
		{"record twice", 1, func(b []byte, at []int) []byte { return slices.Insert(b, at[3], b[at[2]:at[3]]...) }, nil, "", "record 3 stands where 4 is due"},
		{"head of an old segment", 2, flip(17), nil, "", "the head of the segment is damaged"},
		{"magic of an old segment", 1, flip(1), nil, "", "the head of the segment is damaged"},
		{"head and first record of an old segment", 2, func(b []byte, at []int) []byte { clear(b[:at[0]+30]); return b }, []uint64{11}, "",
			"the head of the segment is damaged|no record begins here"},
		{"head of the newest segment", 3, flip(30), nil, "", "the head of the segment is damaged"},
		{"newest segment: payload in the middle", 3, inRecord(4, 60), []uint64{25}, "", "the checksum of the record does not hold"},
		{"newest segment: last payload", 3, inRecord(9, 60), []uint64{30}, "the checksum of the record does not hold", ""},
		{"newest segment: last header", 3, inRecord(9, 10), []uint64{30}, "the checksum of the record header does not hold", ""},
		{"newest segment: cut in a payload", 3, func(b []byte, at []int) []byte { return b[:at[9]+77] }, []uint64{30}, "cut off in a payload", ""},
		{"newest segment: cut in a header", 3, func(b []byte, at []int) []byte { return b[:at[9]+35] }, []uint64{30}, "cut off in a record header", ""},
		{"newest segment: zeros behind", 3, func(b []byte, _ []int) []byte { return append(b, make([]byte, 5000)...) }, nil, "no record begins here", ""},
		{"newest segment: cut in its head", 3, func(b []byte, _ []int) []byte { return b[:20] },
			[]uint64{21, 22, 23, 24, 25, 26, 27, 28, 29, 30}, "the segment was made and never written", ""},
		{"newest segment: zeros", 3, func(b []byte, _ []int) []byte { clear(b); return b },
			[]uint64{21, 22, 23, 24, 25, 26, 27, 28, 29, 30}, "the segment was made and never written", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			fs, all := threeSegments(t)
			path := segmentPath(testDir, uint64(c.segment))
			b := fs.Files()[path]
			b = c.spoil(b, frames(b))
			fs.Put(path, b)

			problems := len(verify(crashFS{fs}, testDir))
			f, rec := testOpen(t, fs, Options{Sync: Always})
			var cut, damaged []string
			for _, p := range rec.Cut {
				cut = append(cut, p.Reason)
			}
			got := contents(t, f)
			contents(t, f) // a second time reports nothing new
			found := append(rec.Damaged, f.Problems()...)
			for _, p := range found {
				damaged = append(damaged, p.Reason)
				if p.Length > 0 && !bytes.Equal(fs.Files()[p.Copy], b[p.Offset:p.Offset+p.Length]) {
					t.Errorf("quarantine %q does not hold the bytes of %v", p.Copy, p)
				}
				if p.Length > 0 && len(fs.Files()[p.Copy+".reason"]) == 0 {
					t.Errorf("no reason beside %q", p.Copy)
				}
			}
			if s := strings.Join(cut, "|"); s != c.cut {
				t.Errorf("cut %q, want %q", s, c.cut)
			}
			if s := strings.Join(damaged, "|"); s != c.damaged {
				t.Errorf("damaged %q, want %q", s, c.damaged)
			}
			if problems != len(cut)+len(found) {
				t.Errorf("Verify finds %d problems, Open and ReadFrom find %d", problems, len(cut)+len(found))
			}
			for _, seq := range c.lost {
				delete(all, seq)
			}
			if !maps.Equal(got, all) {
				t.Errorf("read %v, want %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(all)))
			}
			if c.cut == "" {
				all[31] = "goes on"
			} else {
				all[f.Last().Seq+1] = "goes on"
			}
			if err := f.Append(groupOf(t, f.Last().Seq+1, "goes on")); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			f, _ = testOpen(t, fs, Options{})
			defer f.Close()
			if got := contents(t, f); !maps.Equal(got, all) {
				t.Errorf("after opening again %v, want %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(all)))
			}
		})
	}
}

// TestDamageAnywhere spoils random bytes: nothing that is read is wrong, and what lies outside of the damage is there.
func TestDamageAnywhere(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 4))
		fs, all := threeSegments(t)
		path := segmentPath(testDir, uint64(1+r.IntN(2)))
		b := fs.Files()[path]
		at := frames(b)
		from := r.IntN(len(b))
		to := min(len(b), from+1+r.IntN(200))
		for i := from; i < to; i++ {
			b[i] = byte(r.Uint32())
		}
		fs.Put(path, b)
		f, _ := testOpen(t, fs, Options{})
		got := contents(t, f)
		first := uint64(1)
		if path == segmentPath(testDir, 2) {
			first = 11
		}
		for i, a := range at[:len(at)-1] {
			if from < at[i+1] && a < to {
				if seq := first + uint64(i); got[seq] == "" || got[seq] == all[seq] {
					got[seq] = all[seq] // hit or not: a byte may have been replaced by itself
				}
			}
		}
		if !maps.Equal(got, all) {
			t.Fatalf("seed %d, %s from %d to %d: read %v", seed, path, from, to, slices.Sorted(maps.Keys(got)))
		}
		f.Close()
	}
}

// TestForgedRecord hides a record in a payload and spoils what stands before it. Reading must not wake it up.
func TestForgedRecord(t *testing.T) {
	fs := crashfs.New()
	f, _ := testOpen(t, fs, Options{})
	forged := groupOf(t, 2, "forged") // with the number that will be due
	forged.stamp(testMarker()^1, 0)   // and a marker that is not the segment's: its writer cannot know that
	evil := string(forged.Buf)
	for seq := uint64(1); seq < 4; seq++ {
		if err := f.Append(groupOf(t, seq, strings.Repeat(evil, 3))); err != nil {
			t.Fatal(err)
		}
	}
	f.Close()
	path := segmentPath(testDir, 1)
	b := fs.Files()[path]
	clear(b[frames(b)[1]:][:recordHeaderSize])
	fs.Put(path, b)
	f, _ = testOpen(t, fs, Options{})
	defer f.Close()
	got := contents(t, f)
	if len(got) != 2 || got[1] == "" || got[3] == "" {
		t.Errorf("read %v", got)
	}
}

// TestNothingIsAppendedBehindDamage has a header in the newest segment that names more bytes than there are, and a good
// record behind it. Records that are added must not come to lie within its reach.
func TestNothingIsAppendedBehindDamage(t *testing.T) {
	fs, all := threeSegments(t)
	path := segmentPath(testDir, 3)
	b := fs.Files()[path]
	at := frames(b)
	fs.Put(path, slices.Insert(b, at[9], forgedHeader(testMarker(), 30, 1000)...))
	f, rec := testOpen(t, fs, Options{Sync: Always})
	if len(rec.Damaged) != 1 || len(rec.Cut) != 0 {
		t.Errorf("recovery %+v", rec)
	}
	for seq := uint64(31); seq <= 50; seq++ {
		all[seq] = strings.Repeat("later ", 20)
		mustAppend(t, f, seq, all[seq])
		if got := contents(t, f); !maps.Equal(got, all) {
			t.Fatalf("after record %d was added, read %v", seq, slices.Sorted(maps.Keys(got)))
		}
	}
	f.Close()
	f, _ = testOpen(t, fs, Options{})
	defer f.Close()
	if got := contents(t, f); !maps.Equal(got, all) {
		t.Errorf("after opening again, read %v", slices.Sorted(maps.Keys(got)))
	}
}

func TestNewerFormatIsLeftAlone(t *testing.T) {
	for _, segment := range []uint64{1, 3} {
		fs, _ := threeSegments(t)
		path := segmentPath(testDir, segment)
		b := fs.Files()[path]
		h, _ := parseSegmentHeader(b)
		h.version = Version + 1
		copy(b, h.append(nil))
		fs.Put(path, append(b, "a torn end that is not ours to cut"...))
		fs.Put(testDir+"/00000004.wal.tmp", []byte("not ours to remove"))
		before := fs.Files()
		_, _, err := tryOpen(fs, Options{})
		var newer *NewerFormatError
		if !errors.As(err, &newer) || newer.Path != path || newer.Version != Version+1 || !strings.Contains(err.Error(), path) {
			t.Errorf("Open: %v", err)
		}
		if !maps.EqualFunc(before, fs.Files(), bytes.Equal) {
			t.Error("Open changed files")
		}
		if p := verify(crashFS{fs}, testDir); len(p) == 0 || p[0].Path != path {
			t.Errorf("Verify: %v", p)
		}
	}
}

func TestOtherPartitionIsRefused(t *testing.T) {
	fs, _ := threeSegments(t)
	_, _, err := tryOpen(fs, Options{Partition: 1})
	var e *PartitionError
	if !errors.As(err, &e) || e.Got != 0 || e.Want != 1 {
		t.Errorf("Open: %v", err)
	}
}

// TestQuarantineFull keeps a torn end that cannot be copied, and goes on in a new segment.
func TestQuarantineFull(t *testing.T) {
	fs, all := threeSegments(t)
	path := segmentPath(testDir, 3)
	b := fs.Files()[path]
	b[len(b)-1] ^= 1
	fs.Put(path, b)
	full := errors.New("no space")
	fs.Hook(func(op crashfs.Op) crashfs.Fault {
		if op.Kind == crashfs.Write && strings.HasPrefix(op.Path, testQuarantine) {
			return crashfs.Fault{Err: full}
		}
		return crashfs.Fault{}
	})
	f, rec := testOpen(t, fs, Options{})
	if len(rec.Cut) > 0 || len(rec.Damaged) != 1 || !errors.Is(rec.Damaged[0].Err, full) {
		t.Errorf("recovery %+v", rec)
	}
	if !bytes.Equal(fs.Files()[path], b) {
		t.Error("the segment was changed")
	}
	if err := f.Append(groupOf(t, 30, "in place of the damaged one")); err != nil {
		t.Fatal(err)
	}
	all[30] = "in place of the damaged one"
	f.Close()
	fs.Hook(nil)
	f, _ = testOpen(t, fs, Options{})
	defer f.Close()
	if got := contents(t, f); !maps.Equal(got, all) {
		t.Errorf("read %v", slices.Sorted(maps.Keys(got)))
	}
}

func TestSegmentNames(t *testing.T) {
	for _, c := range []struct {
		name string
		id   uint64
	}{
		{"00000001.wal", 1}, {"99999999.wal", 99999999}, {"100000000.wal", 100000000},
		{"00000000.wal", 0}, {"000000001.wal", 0}, {"1.wal", 0}, {"0000000a.wal", 0}, {"00000001.wal.tmp", 0},
		{"-0000001.wal", 0}, {"99999999999999999999.wal", 0}, {"", 0}, {".wal", 0},
	} {
		id, ok := segmentID(c.name, segmentSuffix)
		if id != c.id && ok || ok != (c.id > 0) {
			t.Errorf("segmentID(%q) = %d, %v", c.name, id, ok)
		}
		if ok && segmentPath("", id) != c.name {
			t.Errorf("segmentPath(%d) = %q", id, segmentPath("", id))
		}
	}
}

// repaired makes the checksums of the head and of everything that looks like a record right, so that what they protect is
// reached.
func repaired(b []byte) []byte {
	b = bytes.Clone(b)
	if len(b) >= segmentHeaderSize {
		binary.LittleEndian.PutUint32(b[36:], crc32.Checksum(b[:36], castagnoli))
	}
	for at := segmentHeaderSize; at+recordHeaderSize <= len(b); at++ {
		h := b[at:]
		if binary.LittleEndian.Uint32(h) != recordMagic {
			continue
		}
		sum := crc32.Checksum(h[recordSumFrom:recordSumTo], castagnoli)
		binary.LittleEndian.PutUint32(h[28:], sum)
		if n := frameLength(h); n <= len(h) {
			binary.LittleEndian.PutUint32(h[32:], crc32.Update(sum, castagnoli, h[recordHeaderSize:n]))
		}
	}
	return b
}

// FuzzSegment reads damaged segments: no panic, no record that does not hold, no way of reading that never ends.
func FuzzSegment(f *testing.F) {
	g := new(Group)
	for seq := uint64(1); seq < 4; seq++ {
		g.Begin(1, 2)
		g.Buf = append(g.Buf, "payload"...)
		if err := g.End(seq); err != nil {
			f.Fatal(err)
		}
	}
	g.stamp(testMarker(), 0)
	head := segmentHeader{version: Version, first: 1, marker: testMarker()}.append(nil)
	f.Add(slices.Concat(head, g.Buf), uint64(0), false)
	f.Add(slices.Concat(head, g.Buf[:50], g.Buf), uint64(2), false)
	f.Add(slices.Concat(make([]byte, segmentHeaderSize), g.Buf), uint64(0), false)
	huge := bytes.Clone(g.Buf)
	binary.LittleEndian.PutUint32(huge[24:], 0xFFFFFFFF)
	f.Add(slices.Concat(head, huge), uint64(0), true)
	f.Fuzz(func(t *testing.T, b []byte, from uint64, repair bool) {
		if repair {
			b = repaired(b)
		}
		h, ok := parseSegmentHeader(b)
		s := newScanner(bytes.NewReader(b), int64(len(b)), h, ok, nil)
		s.from = from
		covered := int64(segmentHeaderSize)
		s.report = func(d damage) {
			if d.offset < covered || d.offset+d.length > int64(len(b)) {
				t.Fatalf("damage %+v, read up to %d of %d", d, covered, len(b))
			}
			covered = d.offset + d.length
		}
		last := uint64(0)
		for {
			h, payload, ok := s.scan()
			if !ok {
				break
			}
			if h.seq <= last || h.seq < from || !h.holds(payload) {
				t.Fatalf("record %d after %d", h.seq, last)
			}
			last = h.seq
		}
		if s.err != nil || len(b) > segmentHeaderSize && s.offset() != int64(len(b)) && s.next < s.below {
			t.Fatalf("ended at %d of %d: %v", s.offset(), len(b), s.err)
		}
		if cap(s.buf) > readSize+maxFrame {
			t.Fatalf("buffer of %d bytes", cap(s.buf))
		}

		fs := crashfs.New()
		fs.Put(segmentPath(testDir, 1), b)
		verify(crashFS{fs}, testDir)
		l, _, err := tryOpen(fs, Options{})
		if err != nil {
			return
		}
		contents(t, l)
		seq := l.Last().Seq
		if seq < 1<<63 {
			if err := l.Append(groupOf(t, seq+1, "one more")); err != nil {
				t.Fatal(err)
			}
			if got := contents(t, l)[seq+1]; got != "one more" {
				t.Fatalf("read %q", got)
			}
		}
		l.Close()
	})
}
