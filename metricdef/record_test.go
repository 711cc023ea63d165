package metricdef

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

var example = Draft{
	Identity: Identity{Tenant: 3, Type: Counter, Name: "bytes", Tags: []Tag{{"cluster", "alex"}, {"hostname", "a0101"}}},
	Plain:    []Tag{{"rack", "7"}},
	Unit:     "B", Policy: "medium", Kind: KindFloat, Dialect: "native", Explicit: true,
}

// keptAWeek is the example with a retention of its own.
func keptAWeek() Draft {
	d := example
	d.Retention = 7 * 24 * time.Hour
	return d
}

// linked is one as Gnocchi makes it.
var linked = Draft{
	Identity: Identity{Tenant: 3, Type: Gauge, Name: "01020304-0506-4708-890a-0b0c0d0e0f10"},
	Policy:   "low", Dialect: "gnocchi", Explicit: true,
	ByID: true, Label: "cpu", Creator: "u:p", Resource: uuid.UUID{0xaa, 15: 0xbb},
}

// The bytes of the formats, of the example and of what came with each. They must stay readable for ever. In format 1 a
// counter holds floats. Programs that came before the field of the retention keep it as one that they do not know.
const (
	exampleRecord1 = "014000000103020115cd853dfe9c9717066e617469766501420562797465730207636c757374657204616c657808686f73746e616d6505613031303101047261636b0137"
	exampleRecord  = "024b00000103020115cd853dfe9c9717066e617469766501420562797465730207636c757374657204616c657808686f73746e616d6505613031303101047261636b013701066d656469756d020101"
	exampleLinked  = "025f00000103010115cd853dfe9c971707676e6f6363686900243031303230333034" +
		"2d303530362d343730382d383930612d306230633064306530663130000001036c6f77040005036370750603753a700710aa0000000000000000000000000000bb"
	exampleRetention = "025500000103020115cd853dfe9c9717066e617469766501420562797465730207636c757374657204616c657808686f73746e616d6505613031303101047261636b013701066d656469756d02010103088080a4c9ffc18901"
)

func TestRecordFormat(t *testing.T) {
	for _, c := range []struct {
		draft  Draft
		record string
	}{{example, exampleRecord}, {keptAWeek(), exampleRetention}, {linked, exampleLinked}} {
		r := NewRegistry(Options{})
		rec := r.AppendRecord([]byte("before"), r.Reserve(&c.draft, 1_700_000_000_123_456_789))[len("before"):]
		if got := hex.EncodeToString(rec); got != c.record {
			t.Errorf("record %s, want %s", got, c.record)
		}
		want, _ := hex.DecodeString(c.record)
		again := NewRegistry(Options{})
		if _, _, err := again.Apply(want); err != nil {
			t.Fatal(err)
		}
		d, ok := again.Get(1)
		if !ok || !sameDraft(d.Draft, c.draft) || d.Created.UnixNano() != 1_700_000_000_123_456_789 {
			t.Errorf("read as %+v", d)
		}
		if len(r.AppendRecord(nil, 99)) != 0 {
			t.Error("a ref without a definition has a record")
		}
	}
}

// TestRetentionTakesNoRoom gives a definition two words more for a retention, and none without one.
func TestRetentionTakesNoRoom(t *testing.T) {
	r := NewRegistry(Options{})
	d := Draft{Identity: Identity{Tenant: 1, Type: Gauge, Name: "m"}}
	ref := r.Reserve(&d, 1)
	if _, _, err := r.Apply(r.AppendRecord(nil, ref)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		retention time.Duration
		words     int
	}{{0, 2}, {time.Hour, 4}, {1, 4}, {math.MaxInt64, 4}, {0, 2}} {
		rec, err := r.AppendUpdated(nil, ref, &Update{Retention: &c.retention, Explicit: true})
		if err != nil {
			t.Fatal(err)
		}
		if len(rec) > 0 {
			if _, _, err := r.Update(rec); err != nil {
				t.Fatal(err)
			}
		}
		if got, _ := r.Get(ref); got.Retention != c.retention || r.defs.get(ref).room() != c.words || !r.Explicit(ref) || r.check() != nil {
			t.Errorf("%v: %+v in %d words, %v", c.retention, got, r.defs.get(ref).room(), r.check())
		}
	}
	var invalid *InvalidError
	if _, err := r.AppendUpdated(nil, ref, &Update{Retention: new(time.Duration(-1))}); !errors.As(err, &invalid) || invalid.Field != "retention" {
		t.Error(err)
	}
}

func TestRecordFormat1(t *testing.T) {
	rec, _ := hex.DecodeString(exampleRecord1)
	r := NewRegistry(Options{})
	if _, _, err := r.Apply(rec); err != nil {
		t.Fatal(err)
	}
	want := example
	want.Policy = ""
	if d, ok := r.Get(1); !ok || !sameDraft(d.Draft, want) {
		t.Errorf("read as %+v", d)
	}
}

// TestUnknownFields keeps what a later program wrote, over updates, restarts and removals.
func TestUnknownFields(t *testing.T) {
	rec, _ := hex.DecodeString(exampleRetention)
	rec = append(rec, 9, 2, 'x', 'y', 200, 1, 0) // field 9 of two bytes, field 200 of none
	endRecord(rec, 0)
	r := NewRegistry(Options{})
	for range 2 {
		if _, _, err := r.Apply(rec); err != nil {
			t.Fatal(err)
		}
		if got := r.AppendRecord(nil, 1); !bytes.Equal(got, rec) {
			t.Fatalf("%x became %x", rec, got)
		}
		for _, policy := range []string{"", "low", "medium"} {
			retention := time.Duration(len(policy)/6) * 7 * 24 * time.Hour
			changed, err := r.AppendUpdated(nil, 1, &Update{Policy: &policy, Retention: &retention})
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := r.Update(changed); err != nil {
				t.Fatal(err)
			}
			if d, _ := r.Get(1); d.Policy != policy || d.Retention != retention || r.check() != nil {
				t.Fatalf("%+v, %v", d, r.check())
			}
		}
		if got := r.AppendRecord(nil, 1); !bytes.Equal(got, rec) {
			t.Fatalf("%x became %x by updates", rec, got)
		}
		r.Remove([]Ref{1})
		if err := r.check(); err != nil {
			t.Fatal(err)
		}
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
	with := func(field ...byte) []byte {
		b := append(bytes.Clone(good), field...)
		endRecord(b, 0)
		return b
	}
	for _, c := range []struct {
		name   string
		b      []byte
		reason string
	}{
		{"id with a value", with(fieldByID, 1, 0), "field 4 of 1 bytes"},
		{"name that is no id", with(fieldByID, 0), "a name that is no id"},
		{"empty label", with(fieldLabel, 0), "field 5 of 0 bytes"},
		{"empty creator", with(fieldCreator, 0), "field 6 of 0 bytes"},
		{"half a resource", with(fieldResource, 1, 1), "field 7 of 1 bytes"},
		{"resource 0", with(append([]byte{fieldResource, 16}, make([]byte, 16)...)...), "field 7 of 16 bytes"},
		{"resource without a label", with(append([]byte{fieldResource, 16}, "0123456789abcdef"...)...), "a resource without a label"},
		{"retention of no bytes", with(fieldRetention, 0), "field 3 of 0 bytes"},
		{"retention 0", with(fieldRetention, 1, 0), "field 3 of 1 bytes"},
		{"retention in too many bytes", with(fieldRetention, 2, 0x81, 0), "field 3 of 2 bytes"},
		{"retention cut", with(fieldRetention, 1, 0x81), "field 3 of 1 bytes"},
		{"retention with more behind", with(fieldRetention, 2, 1, 1), "field 3 of 2 bytes"},
		{"retention above int64", with(fieldRetention, 10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1), "field 3 of 10 bytes"},
		{"retention of eleven bytes", with(fieldRetention, 11, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1), "field 3 of 11 bytes"},
		{"empty", nil, "too early"},
		{"cut", good[:len(good)-1], "too early"},
		{"version 0", change(0, 0), "unknown version 0"},
		{"version 3", change(0, 3), "format 3, this program knows formats up to 2"},
		{"kind", change(len(good)-1, byte(KindText)), "kind text in a series of type counter"},
		{"fields", change(len(good)-3, 1), "out of order"},
		{"length of a field", change(len(good)-2, 2), "too early"},
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
		if errors.As(err, &newer) != (c.name == "version 3") {
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
	kept, _ := hex.DecodeString(exampleRetention)
	f.Add(kept)
	old, _ := hex.DecodeString(exampleRecord1)
	f.Add(old)
	byID, _ := hex.DecodeString(exampleLinked)
	f.Add(byID)
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
		unit := d.Unit + "x"
		rec, err = r.AppendUpdated(nil, ref, &Update{Unit: &unit, Set: []Tag{{"fuzz", "x"}}, Explicit: true, Replace: true})
		if err == nil {
			if _, _, err := r.Update(rec); err != nil {
				t.Fatalf("update %x: %v", rec, err)
			}
			if e, _ := r.Get(ref); e.Unit != unit || !e.Explicit || !slices.Equal(e.Plain, []Tag{{"fuzz", "x"}}) || e.Retention != d.Retention || e.Resource != d.Resource || e.Label != d.Label || e.ID != d.ID {
				t.Fatalf("%+v was not updated", e)
			}
		}
		if bad := r.check(); ref < 1<<16 && bad != nil {
			t.Fatal(bad)
		}
		r.Remove([]Ref{ref})
		if r.Len() != 0 {
			t.Fatal("the definition is still there")
		}
	})
}

func TestRecordReader(t *testing.T) {
	reg := NewRegistry(Options{})
	var b []byte
	for i := range 3 {
		ref := reg.Reserve(&Draft{Identity: Identity{Tenant: 7, Type: Gauge, Name: "m", Tags: []Tag{{"host", fmt.Sprint("h", i)}}}, Plain: []Tag{{"user", "u"}}}, 5)
		b = reg.AppendRecord(b, ref)
	}
	var r RecordReader
	for i := range 3 {
		n, err := r.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		b = b[n:]
		if r.Ref() != Ref(i+1) || r.Tenant() != 7 || r.Tag("host") != fmt.Sprint("h", i) || r.Tag("user") != "u" || r.Tag("none") != "" {
			t.Errorf("%d: ref %d of tenant %d, %q %q", i, r.Ref(), r.Tenant(), r.Tag("host"), r.Tag("user"))
		}
	}
	if _, err := r.Read([]byte{1, 2}); err == nil {
		t.Error("half a record")
	}
}
