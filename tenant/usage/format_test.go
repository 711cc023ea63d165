package usage

import (
	"bytes"
	"encoding/hex"
	"flag"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the files in testdata anew: the formats have changed on purpose")

// TestFormats holds what is on disk of usage against the bytes of the first release, which every later one has to read: the payloads of
// the journal's records 16 and 17, and keys and values of the buckets usage, usage-nodes and usage-state.
func TestFormats(t *testing.T) {
	entries := []Entry{
		{Tenant: 1, Counts: Counts{Samples: 300, Bytes: 1 << 40, Created: 2}, Subject: "alice"},
		{Tenant: math.MaxUint32, Counts: Counts{Removed: 7}},
		{Tenant: 3, Counts: Counts{Queries: 1, Read: 2_000_000, Sent: 70_000}},
		{Tenant: 4, Counts: Counts{1, 2, 3, 4, 5, 6, math.MaxUint64}, Subject: "ü"},
	}
	account, reads := AppendAccount(nil), AppendEntry(AppendAccount(nil), &entries[2])
	for i := range entries {
		account = AppendEntry(account, &entries[i])
	}
	start := int64(20_000) * day
	hours := []Hour{
		{Start: start, Counts: Counts{Samples: 1, Bytes: 200, Created: 1}, Series: 1, Peak: 3},
		{Start: start + 23*hour, Counts: Counts{1, 2, 3, 4, 5, 6, 1 << 50}, Series: 70_000, Peak: 70_000},
	}
	spans := []span{{-5, 5}, {1_700_000_000_000_000_000, 1_700_000_300_000_000_000}, {math.MaxInt64 - 9, math.MaxInt64}}
	node := NodeKey{Tenant: 2, Cluster: "alex", Name: "a\x0001", User: "", Template: "large"}
	made := [][]byte{account, reads, dayKey(7, start), appendDay(nil, hours), node.Bytes(), appendSpans(nil, spans)}

	const path = "testdata/records.hex"
	if *update {
		var text strings.Builder
		for _, b := range made {
			text.WriteString(hex.EncodeToString(b) + "\n")
		}
		if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var old [][]byte
	for line := range strings.Lines(string(text)) {
		b, err := hex.DecodeString(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		old = append(old, b)
	}
	if len(old) != len(made) {
		t.Fatalf("%d records", len(old))
	}
	for i := range made {
		if !bytes.Equal(made[i], old[i]) {
			t.Errorf("record %d is written as %x now, and was %x", i, made[i], old[i])
		}
	}

	var got []Entry
	if err := ParseAccount(old[0], func(e *Entry) { got = append(got, *e) }); err != nil || !slices.Equal(got, entries) {
		t.Errorf("%+v, %v", got, err)
	}
	got = nil
	if err := ParseAccount(old[1], func(e *Entry) { got = append(got, *e) }); err != nil || !slices.Equal(got, entries[2:3]) {
		t.Errorf("%+v, %v", got, err)
	}
	if list, err := parseDay(old[3], start); err != nil || !slices.Equal(list, hours) {
		t.Errorf("%+v, %v", list, err)
	}
	if k, ok := ParseNodeKey(old[4]); !ok || k != node {
		t.Errorf("%+v", k)
	}
	if list, err := parseSpans(old[5]); err != nil || !slices.Equal(list, spans) {
		t.Errorf("%+v, %v", list, err)
	}
}
