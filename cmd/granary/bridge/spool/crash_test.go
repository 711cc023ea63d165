package spool

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"granary/measures/journal"
	"granary/measures/journal/crashfs"
)

// crashFS is a file system that can be stopped, as the journal asks for one.
type crashFS struct{ *crashfs.FS }

func handle(h *crashfs.Handle, err error) (journal.Handle, error) {
	if err != nil {
		return nil, err
	}
	return h, nil
}

func (f crashFS) Create(path string) (journal.Handle, error)    { return handle(f.FS.Create(path)) }
func (f crashFS) Open(path string) (journal.Handle, error)      { return handle(f.FS.Open(path)) }
func (f crashFS) OpenWrite(path string) (journal.Handle, error) { return handle(f.FS.OpenWrite(path)) }

// promise is what a spool has said before the machine stood still.
type promise struct {
	acked []string // bodies that Append took
	tried string   // the body of the Append that the end came upon
	done  int      // how many of them Done took
}

// script appends and takes until the file system stops or all is done.
func script(fs *crashfs.FS) (p promise) {
	o := testOptions()
	o.FS, o.Size = crashFS{fs}, 1<<10 // segments of 128 bytes: many of them
	s, err := Open("spool", o)
	if err != nil {
		return p
	}
	s.o.Size = 1 << 20
	for i := range 30 {
		p.tried = fmt.Sprintf("m,n=%02d value=1\n", i)
		if s.Append([]byte(p.tried)) != nil {
			return p
		}
		p.acked, p.tried = append(p.acked, p.tried), ""
		if i%3 == 2 {
			for range 2 {
				b, ok, err := s.Peek()
				if err != nil || !ok {
					return p
				}
				p.done++ // the server has it, whether or not the spool can say so
				if s.Done(b) != nil {
					return p
				}
			}
		}
	}
	_ = s.Close() // the end may come upon it
	return p
}

// TestCrash stops the machine at each step, cuts the power or kills the process, and wants all that was promised.
func TestCrash(t *testing.T) {
	whole := crashfs.New()
	if p := script(whole); len(p.acked) != 30 || p.done != 20 {
		t.Fatalf("%+v", p)
	}
	steps := whole.Steps()
	for stop := 1; stop <= steps; stop++ {
		for seed := range uint64(4) {
			fs := crashfs.New()
			fs.StopAfter(stop)
			p := script(fs)
			left := fs.Kill()
			if seed > 0 {
				left = fs.Crash(seed)
			}
			o := testOptions()
			o.FS = crashFS{left}
			s, err := Open("spool", o)
			if err != nil {
				t.Fatalf("step %d, seed %d: %v", stop, seed, err)
			}
			got := take(t, s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			wantPromise(t, fmt.Sprintf("step %d, seed %d", stop, seed), p, got)
			if again, err := Open("spool", o); err != nil || len(take(t, again)) != 0 {
				t.Fatalf("step %d, seed %d: what was taken came back (%v)", stop, seed, err)
			}
		}
	}
	t.Logf("%d steps", steps)
}

func wantPromise(t *testing.T, where string, p promise, got []string) {
	t.Helper()
	all := p.acked
	if p.tried != "" {
		all = append(slices.Clone(all), p.tried)
	}
	// What is there is a row of what was appended, from some place to the end.
	first := len(all)
	if len(got) > 0 {
		if first = slices.Index(all, got[0]); first < 0 {
			t.Fatalf("%s: %q was never appended", where, got[0])
		}
	}
	want := all[first:]
	if !slices.Equal(got, want) && !(p.tried != "" && slices.Equal(got, all[min(first, len(p.acked)):len(p.acked)])) {
		t.Fatalf("%s: %q, want %q", where, got, want)
	}
	if len(got) == 0 {
		first = len(p.acked)
	}
	if first > p.done {
		t.Fatalf("%s: %d bodies were lost: taken %d, found from %d", where, first-p.done, p.done, first)
	}
	if p.done-first > markedEvery {
		t.Fatalf("%s: %d bodies that were taken came back", where, p.done-first)
	}
}

// TestFullDisk: bodies that the disk does not take wait in memory, in their order, and those after them are on disk again.
func TestFullDisk(t *testing.T) {
	fs := crashfs.New()
	o := testOptions()
	o.FS = crashFS{fs}
	s, err := Open("spool", o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Append([]byte("a\n")); err != nil {
		t.Fatal(err)
	}
	fs.Hook(func(op crashfs.Op) crashfs.Fault {
		if op.Kind == crashfs.Write || op.Kind == crashfs.Create {
			return crashfs.Fault{Err: errors.New("no space left on device")}
		}
		return crashfs.Fault{}
	})
	if err := s.Append([]byte("b\n")); err == nil {
		t.Fatal("a full disk took a body")
	}
	fs.Hook(nil)
	if err := s.Append([]byte("c\n")); err != nil {
		t.Fatal(err)
	}
	if got := take(t, s); !slices.Equal(got, []string{"a\n", "b\n", "c\n"}) {
		t.Errorf("%q", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err = Open("spool", o)
	if err != nil {
		t.Fatal(err)
	}
	if got := take(t, s); len(got) != 0 {
		t.Errorf("%q came back", got)
	}
	fs.Hook(func(op crashfs.Op) crashfs.Fault { return crashfs.Fault{Err: errors.New("no space left on device")} })
	if err := s.Append([]byte("d\ne\n")); err == nil {
		t.Fatal("a full disk took a body")
	}
	if err := s.Close(); err == nil || s.Stats().Lines != 2 {
		t.Errorf("%v, %+v", err, s.Stats())
	}
}

// FuzzOpen: whatever stands in the file, a spool opens or says why not, and what it hands out it lets go of.
func FuzzOpen(f *testing.F) {
	fs := crashfs.New()
	script(fs)
	for path, data := range fs.Files() {
		f.Add(data, path)
	}
	f.Add([]byte("GRANJRNL"), "")
	f.Fuzz(func(t *testing.T, data []byte, _ string) {
		fs := crashfs.New()
		if err := fs.MkdirAll("spool/lines"); err != nil {
			t.Fatal(err)
		}
		fs.Put("spool/lines/00000001.wal", data)
		o := testOptions()
		o.FS = crashFS{fs}
		s, err := Open("spool", o)
		if err != nil {
			return
		}
		take(t, s)
		if err := s.Append([]byte("new\n")); err != nil {
			t.Fatal(err)
		}
		if got := take(t, s); !slices.Equal(got, []string{"new\n"}) {
			t.Fatalf("%q", got)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
