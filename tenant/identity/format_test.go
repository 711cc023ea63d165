package identity

import (
	"encoding/hex"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the files in testdata anew: the formats have changed on purpose")

// TestKeyFormat holds the record of a key, in the journal (15) and in the bucket keys, against the bytes of the first release, which every
// later one has to read.
func TestKeyFormat(t *testing.T) {
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	r := KeyRecord{
		ID: "0123456789ab", Name: "of the collector", Subject: "collector", Grants: GrantsOf(Writer, "a", "b"),
		Created: day.Add(time.Hour), Expires: day.AddDate(1, 0, 0), Creator: "alice", Revoked: day.Add(2 * time.Hour), Used: day,
	}
	r.Grants.All = Reader
	for i := range r.Digest {
		r.Digest[i] = byte(i)
	}
	made := hex.EncodeToString(AppendKey(nil, &r))
	const path = "testdata/keys.hex"
	if *update {
		if err := os.WriteFile(path, []byte(made+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if old := strings.TrimSpace(string(text)); made != old {
		t.Errorf("a key is written as %s now, and was %s", made, old)
	}
	old, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	n, got, err := parseKey(old)
	if err != nil || n != len(old) || !reflect.DeepEqual(got, r) {
		t.Errorf("%+v, %v; want %+v", got, err, r)
	}
}
