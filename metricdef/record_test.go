package metricdef

import (
	"bytes"
	"encoding/hex"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
)

var example = Draft{
	Identity: Identity{Tenant: 3, Type: Counter, Name: "bytes", Tags: []Tag{{"cluster", "alex"}, {"hostname", "a0101"}}},
	Plain:    []Tag{{"rack", "7"}},
	Unit:     "B", Dialect: "native", Explicit: true,
}

// The bytes of format 1. They must stay readable for ever.
const exampleRecord = "014000000103020115cd853dfe9c9717066e617469766501420562797465730207636c757374657204616c657808686f73746e616d6505613031303101047261636b0137"

func TestRecordFormat(t *testing.T) {
	r := NewRegistry(Options{})
	rec := r.AppendRecord([]byte("before"), r.Reserve(&example, 1_700_000_000_123_456_789))[len("before"):]
	if got := hex.EncodeToString(rec); got != exampleRecord {
		t.Errorf("record %s, want %s", got, exampleRecord)
	}
	want, _ := hex.DecodeString(exampleRecord)
	again := NewRegistry(Options{})
	if _, _, err := again.Apply(want); err != nil {
		t.Fatal(err)
	}
	d, ok := again.Get(1)
	if !ok || !sameDraft(d.Draft, example) || d.Created.UnixNano() != 1_700_000_000_123_456_789 {
		t.Errorf("read as %+v", d)
	}
	if len(r.AppendRecord(nil, 99)) != 0 {
		t.Error("a ref without a definition has a record")
	}
}

func TestSeveralRecordsInOnePayload(t *testing.T) {
	r := NewRegistry(Options{})
	var payload []byte
	for _, name := range []string{"a", "b", "c"} {
		d := example
		d.Name = name
		payload = r.AppendRecord(payload, r.Reserve(&d, 1))
	}
	again := NewRegistry(Options{})
	var refs []Ref
	for len(payload) > 0 {
		n, ref, err := again.Apply(payload)
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, ref)
		payload = payload[n:]
	}
	if !slices.Equal(refs, []Ref{1, 2, 3}) || again.Name(3) != "c" {
		t.Errorf("refs %v", refs)
	}
}

func TestDamagedRecords(t *testing.T) {
	good, err := hex.DecodeString(exampleRecord)
	if err != nil {
		t.Fatal(err)
	}
	change := func(at int, with ...byte) []byte {
		b := bytes.Clone(good)
		copy(b[at:], with)
		return b
	}
	for _, c := range []struct {
		name   string
		b      []byte
		reason string
	}{
		{"empty", nil, "too early"},
		{"cut", good[:len(good)-1], "too early"},
		{"version 0", change(0, 0), "unknown version 0"},
		{"version 2", change(0, 2), "format 2, this program knows formats up to 1"},
		{"too long", change(1, 0xff, 0xff, 0xff), "at most"},
		{"too short", change(1, good[1]-1), "too early"},
		{"ref 0", change(4, 0), "out of range"},
		{"tenant 0", change(5, 0), "tenant 0"},
		{"type 9", change(6, 9), "type 9"},
		{"flags", change(7, 0xf1), "flags 0xf1"},
	} {
		r := NewRegistry(Options{})
		n, ref, err := r.Apply(c.b)
		if err == nil || !strings.Contains(err.Error(), c.reason) || n != 0 || ref != 0 {
			t.Errorf("%s: %d, %d, %v, want %q", c.name, n, ref, err, c.reason)
		}
		if r.Len() != 0 || r.check() != nil {
			t.Errorf("%s: something of it was taken", c.name)
		}
		var newer *VersionError
		if errors.As(err, &newer) != (c.name == "version 2") {
			t.Errorf("%s: %T", c.name, err)
		}
	}
}

func TestRestoreRefusesWhatIsNotItsOwn(t *testing.T) {
	good, _ := hex.DecodeString(exampleRecord)
	for _, c := range []struct {
		key, value []byte
		reason     string
	}{
		{[]byte("x"), good, "1 bytes, 4 expected"},
		{[]byte{0, 0, 0, 2}, good, "ref 1 under the key of 2"},
		{[]byte{0, 0, 0, 1}, append(bytes.Clone(good), 1), "1 bytes behind"},
		{[]byte{0, 0, 0, 0}, []byte{1}, "next ref has 1 bytes"},
		{[]byte{0, 0, 0, 1}, nil, "too early"},
	} {
		if err := NewRegistry(Options{}).Restore(c.key, c.value); err == nil || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("key %x: %v, want %q", c.key, err, c.reason)
		}
	}
}

// FuzzApply checks that damage is an error, leaves nothing behind and allocates little, and that what is accepted is read
// and printed the same.
func FuzzApply(f *testing.F) {
	good, _ := hex.DecodeString(exampleRecord)
	f.Add(good)
	f.Add(append(bytes.Clone(good), good...))
	for i := range good {
		b := bytes.Clone(good)
		b[i] ^= 0x81
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r := NewRegistry(Options{})
		n, ref, err := r.Apply(b)
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20+16*uint64(len(b)) {
			t.Fatalf("%d bytes allocated for a record of %d", grown, len(b))
		}
		if bad := r.check(); ref < 1<<16 && bad != nil {
			t.Fatal(bad)
		}
		if err != nil {
			if r.Len() != 0 {
				t.Fatal("something of a damaged record was taken")
			}
			return
		}
		d, ok := r.Get(ref)
		if !ok {
			t.Fatal("the definition is not there")
		}
		again := NewRegistry(Options{})
		rec := r.AppendRecord(nil, ref)
		if _, _, err := again.Apply(rec); err != nil {
			t.Fatalf("%x became %x: %v", b[:n], rec, err)
		}
		if e, _ := again.Get(ref); !sameDraft(d.Draft, e.Draft) || d.ID != e.ID || !d.Created.Equal(e.Created) {
			t.Fatalf("%+v became %+v", d, e)
		}
		r.Remove([]Ref{ref})
		if r.Len() != 0 {
			t.Fatal("the definition is still there")
		}
	})
}
