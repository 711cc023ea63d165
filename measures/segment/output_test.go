package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"syscall"
	"testing"

	"granary/measures/journal/crashfs"
)

// TestWriteFaultIsNotForgotten makes each write of files that are larger than the buffer fail once. The writes after it
// succeed again, and still the file must not be finished.
func TestWriteFaultIsNotForgotten(t *testing.T) {
	large := bytes.Repeat([]byte("payload "), outputBuffer/8+1000)
	for _, c := range []struct {
		name  string
		write func(fs FS) error
	}{
		{"large payloads", func(fs FS) error {
			w, err := Create(testDir, 1, Options{FS: fs})
			if err != nil {
				return err
			}
			for range 3 {
				_, _ = w.Add(Entry{}, large) // a caller that looks at Finish only
			}
			_, err = w.Finish()
			return err
		}},
		{"small payloads", func(fs FS) error {
			w, err := Create(testDir, 1, Options{FS: fs})
			if err != nil {
				return err
			}
			for range 9000 {
				_, _ = w.Add(Entry{}, large[:90])
			}
			_, err = w.Finish()
			return err
		}},
		{"state", func(fs FS) error {
			w, err := CreateState(testDir, 1, Options{FS: fs})
			if err != nil {
				return err
			}
			for shard := range uint32(3) {
				_ = w.Section(shard, large)
			}
			_, err = w.Finish()
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			writes := func(fail int) (int, crashFS, error) {
				fs, n := newFS(), 0
				fs.Hook(func(op crashfs.Op) crashfs.Fault {
					if op.Kind != crashfs.Write {
						return crashfs.Fault{}
					}
					if n++; n == fail {
						return crashfs.Fault{Err: syscall.ENOSPC, Wrote: op.Size / 2}
					}
					return crashfs.Fault{}
				})
				err := c.write(fs)
				return n, fs, err
			}
			total, _, err := writes(0)
			if err != nil || total < 3 {
				t.Fatalf("%d writes, %v", total, err)
			}
			for fail := 1; fail <= total; fail++ {
				_, fs, err := writes(fail)
				if !errors.Is(err, syscall.ENOSPC) {
					t.Errorf("write %d of %d failed and Finish said %v", fail, total, err)
				}
				if files := fs.Files(); len(files) > 0 {
					t.Errorf("write %d of %d failed and %d files are there", fail, total, len(files))
				}
			}
		})
	}
}

// TestAddSaysWhatFailed: the error of a write comes at the latest with the Add after it.
func TestAddSaysWhatFailed(t *testing.T) {
	fs := newFS()
	w, err := Create(testDir, 1, Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	fs.Hook(func(op crashfs.Op) crashfs.Fault {
		if op.Kind == crashfs.Write {
			return crashfs.Fault{Err: syscall.EIO}
		}
		return crashfs.Fault{}
	})
	_, first := w.Add(Entry{}, make([]byte, 2*outputBuffer))
	fs.Hook(nil)
	_, then := w.Add(Entry{}, nil)
	if !errors.Is(first, syscall.EIO) || !errors.Is(then, syscall.EIO) {
		t.Errorf("Add = %v, then %v", first, then)
	}
	w.Abort()
}

// TestLeftTemporaryFile begins a file whose temporary name an earlier process has left, longer than the new one.
func TestLeftTemporaryFile(t *testing.T) {
	fs := newFS()
	for _, name := range []string{SegmentName(1), StateName(2), ManifestName} {
		fs.Put(testDir+"/"+name+temporary, make([]byte, 100_000))
	}
	entries, payloads := testEntries(3, 1)
	if _, err := writeSegment(fs, testDir, 1, entries, payloads); err != nil {
		t.Fatal(err)
	}
	if _, err := writeState(fs, testDir, 2, nil, nil); err != nil {
		t.Fatal(err)
	}
	m := &Manifest{NextFile: 3, State: StateName(2), Files: []FileInfo{{ID: 1, Name: SegmentName(1)}}}
	if err := m.save(fs, testDir); err != nil {
		t.Fatal(err)
	}
	if err := verify(fs, testDir+"/"+SegmentName(1)); err != nil {
		t.Error(err)
	}
	if _, err := readSections(fs, testDir+"/"+StateName(2)); err != nil {
		t.Error(err)
	}
	if _, err := loadManifest(fs, testDir); err != nil {
		t.Error(err)
	}
}

// TestIndexThatDoesNotReachItsEnd has good checksums and eight bytes that no entry accounts for.
func TestIndexThatDoesNotReachItsEnd(t *testing.T) {
	fs := newFS()
	w, err := Create(testDir, 1, Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Add(Entry{}, []byte("payload")); err != nil {
		t.Fatal(err)
	}
	if err := w.out.write(make([]byte, align)); err != nil {
		t.Fatal(err)
	}
	info, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	wantDamaged(t, verify(fs, testDir+"/"+info.Name))
}

func TestPayloadSumKnowsItsPlace(t *testing.T) {
	p := []byte("payload")
	at := payloadSum(1, 64, p)
	for _, c := range []struct {
		id  uint32
		off uint64
	}{{2, 64}, {1, 72}, {1, 64 + 1<<32}, {1, 64 + 7<<32}} {
		if payloadSum(c.id, c.off, p) == at {
			t.Errorf("file %d, offset %d: the same checksum as file 1, offset 64", c.id, c.off)
		}
	}
}

// TestStateImpossibleLength has a section with a good head that names more bytes than there are.
func TestStateImpossibleLength(t *testing.T) {
	for _, length := range []uint64{11, 1 << 20, 1 << 40, 1<<63 - 1, 1 << 63, 1<<64 - 1} {
		fs := newFS()
		info, err := writeState(fs, testDir, 1, nil, []byte("ten bytes!"))
		if err != nil {
			t.Fatal(err)
		}
		path := testDir + "/" + info.Name
		b := fs.Files()[path]
		head := b[headSize+sectionHead:][:sectionHead]
		binary.LittleEndian.PutUint64(head[8:], length)
		binary.LittleEndian.PutUint32(head[20:], sum(head[:20]))
		fs.Put(path, b)
		got, err := readSections(fs, path)
		wantDamaged(t, err)
		if len(got) != 1 {
			t.Errorf("length %d: %d sections, want the first", length, len(got))
		}
	}
}
