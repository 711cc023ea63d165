package identity

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"granary/tenant"
)

// sampleKey is a key with every field.
func sampleKey() KeyRecord {
	r := KeyRecord{ID: "abcDEF012345", Name: "collector of alex", Subject: "collector", Creator: "alice", Used: time.Unix(20000*day, 0).UTC(),
		Created: testNow.UTC(), Expires: testNow.Add(time.Hour).UTC(), Revoked: testNow.Add(time.Minute).UTC()}
	r.Grants = Grants{All: Reader, Items: []Grant{{"a", Writer}, {"münchen", Reader | Admin}}}
	for i := range r.Digest {
		r.Digest[i] = byte(i)
	}
	return r
}

// keyBytes are the bytes of sampleKey in version 1, which must stay readable.
const keyBytes = "018c010c6162634445463031323334350120000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f0211636f6c6c6563746f72206f6620616c6578" +
	"0309636f6c6c6563746f72040101050d016102086dc3bc6e6368656e0506098080a0bbd29df1fa3107098080e5c698eff2fa310805616c696365090980e0dabf91a1f1fa310a03a09c01"

func TestKeyRecord(t *testing.T) {
	for _, r := range []KeyRecord{sampleKey(), {ID: "000000000000", Subject: "x"}} {
		b := AppendKey([]byte("before"), &r)[6:]
		n, got, err := parseKey(append(b, "behind"...))
		if err != nil || n != len(b) || !reflect.DeepEqual(got, r) {
			t.Errorf("%+v, %d of %d, %v", got, n, len(b), err)
		}
		for n := range b {
			if _, _, err := parseKey(b[:n]); err == nil {
				t.Errorf("%d of %d bytes are taken", n, len(b))
			}
		}
	}
	r := sampleKey()
	if got := hex.EncodeToString(AppendKey(nil, &r)); got != keyBytes {
		t.Errorf("the bytes have changed; what is on disk somewhere could not be read any more:\n%s", got)
	}
	// A field of a later program stays.
	body := append(AppendKey(nil, &KeyRecord{ID: "000000000000", Subject: "x"})[2:], 99, 3, 'n', 'e', 'w')
	rec := append([]byte{keyVersion, byte(len(body))}, body...)
	_, later, err := parseKey(rec)
	if err != nil || !bytes.Equal(AppendKey(nil, &later), rec) {
		t.Errorf("%+v, %v", later, err)
	}
	// The record of a key that is forgotten.
	rec = AppendKey(nil, r.Remove())
	if _, gone, err := parseKey(rec); err != nil || !gone.removed || gone.ID != r.ID {
		t.Errorf("%+v, %v", gone, err)
	}
}

func TestKeyValidate(t *testing.T) {
	many := make([]Grant, maxKeyGrants+1)
	for i := range many {
		many[i] = Grant{tenant.ID(fmt.Sprint(i)), Reader}
	}
	for want, change := range map[string]func(*KeyRecord){
		"":          func(*KeyRecord) {},
		"id":        func(r *KeyRecord) { r.ID = "abc-EF012345" },
		"name":      func(r *KeyRecord) { r.Name = "a\nb" },
		"subject":   func(r *KeyRecord) { r.Subject = "" },
		"creator":   func(r *KeyRecord) { r.Creator = "\xff" },
		"tenants":   func(r *KeyRecord) { r.Grants.Items = many },
		"tenants ":  func(r *KeyRecord) { r.Grants.Items = []Grant{{"a/b", Reader}} },
		"roles":     func(r *KeyRecord) { r.Grants.Items = []Grant{{"a", Operator}} },
		"roles ":    func(r *KeyRecord) { r.Grants.Items = []Grant{{"a", 0}} },
		"roles  ":   func(r *KeyRecord) { r.Grants.All = 128 },
		"expires":   func(r *KeyRecord) { r.Expires = time.Unix(-1, 0) },
		"expires ":  func(r *KeyRecord) { r.Expires = time.Unix(math.MaxInt64/1_000_000_000+1, 0) },
		"subject  ": func(r *KeyRecord) { r.Subject = strings.Repeat("x", 257) },
		"name ":     func(r *KeyRecord) { r.Name = strings.Repeat("x", 129) },
	} {
		r := sampleKey()
		change(&r)
		err := r.Validate()
		var ke *KeyError
		if errors.As(err, &ke); (err != nil) != (want != "") || ke != nil && ke.Field != strings.TrimSpace(want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

func TestKeyIdentity(t *testing.T) {
	keys := NewKeys(nil)
	a := authority(t, AuthorityOptions{Keys: keys})
	if a.Configured() || !authority(t, AuthorityOptions{Keys: keys, Locked: true}).Configured() {
		t.Error("keys are a source only where the configuration says so")
	}
	text, id, digest := NewKey()
	if len(text) != keyTextLen || !IsKeyID(id) || !strings.Contains(text, id) {
		t.Fatalf("%q", text)
	}
	put := func(r KeyRecord) {
		t.Helper()
		if _, err := keys.Apply(AppendKey(nil, &r)); err != nil {
			t.Fatal(err)
		}
	}
	r := KeyRecord{ID: id, Digest: digest, Subject: "collector", Created: testNow, Grants: GrantsOf(Writer, "a", "b")}
	check := func(text, want string, at time.Time) {
		t.Helper()
		for _, c := range []Credential{{Kind: Bearer, Token: text}, {Kind: Password, User: "anybody", Password: text}} {
			who, err := a.Identify(c, at)
			got := codeOf(err)
			if err == nil {
				got = grantsText(who)
				if who.Subject != "collector" || who.Credential != id || who.Source != Key {
					t.Errorf("%+v", who)
				}
			}
			if got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
	}
	check(text, "credentials-wrong", testNow)
	put(r)
	check(text, "a:writer b:writer", testNow)
	other := byte('A')
	if text[keyTextLen-2] == other {
		other = 'B'
	}
	for _, wrong := range []string{text[:keyTextLen-1], text + "x", text[:keyTextLen-2] + string(other) + text[keyTextLen-1:], strings.Replace(text, id, "000000000000", 1),
		"GK_" + text[3:], text[:15] + "-" + text[16:], text[:16] + strings.Repeat("\x00", 43)} {
		check(wrong, "credentials-wrong", testNow)
	}
	r.Expires = testNow.Add(time.Hour)
	put(r)
	check(text, "a:writer b:writer", testNow.Add(time.Hour-1))
	check(text, "token-expired", testNow.Add(time.Hour))
	keys.DropTenant("a", testNow)
	check(text, "b:writer", testNow)
	keys.DropTenant("nobody", testNow)
	keys.DropTenant("b", testNow)
	check(text, "key-revoked", testNow)
	if kept, _ := keys.Get(id); !kept.Revoked.Equal(testNow) || kept.Reaches("a") || keys.InForce(id, testNow) {
		t.Errorf("%+v", kept)
	}
	put(*r.Remove())
	check(text, "credentials-wrong", testNow)
	if keys.Len() != 0 {
		t.Error("it is still there")
	}
}

func TestKeyIDs(t *testing.T) {
	seen, letters := map[string]bool{}, map[rune]int{}
	for range 2000 {
		id := randomID()
		if seen[id] || !IsKeyID(id) {
			t.Fatal(id)
		}
		seen[id] = true
		for _, c := range id {
			letters[c]++
		}
	}
	for _, c := range keyAlphabet {
		if n := letters[c]; n < 250 || n > 550 { // 387 expected
			t.Errorf("%c %d times", c, n)
		}
	}
}

func TestKeyLimits(t *testing.T) {
	keys := NewKeys(nil)
	for i := range maxKeysOfTenant {
		r := KeyRecord{ID: fmt.Sprintf("%012d", i), Subject: "x", Grants: GrantsOf(Reader, "a")}
		if err := keys.Admit(&r); err != nil {
			t.Fatal(i, err)
		}
		if err := keys.Restore(AppendKey(nil, &r)); err != nil {
			t.Fatal(err)
		}
	}
	r := KeyRecord{ID: "abcdefghijkl", Subject: "x", Grants: GrantsOf(Reader, "b", "a")}
	var e *KeyError
	if err := keys.Admit(&r); !errors.As(err, &e) || e.Code() != "key-limit" || e.Kind() != "over limit" {
		t.Error(err)
	}
	r.Grants = GrantsOf(Reader, "b")
	if err := keys.Admit(&r); err != nil {
		t.Error(err)
	}
	if err := keys.Restore(append(AppendKey(nil, &r), 0)); err == nil {
		t.Error("bytes behind a record")
	}
	if list := keys.All(); len(list) != maxKeysOfTenant || list[0].ID != "000000000000" {
		t.Errorf("%d", len(list))
	}
}

func FuzzParseKey(f *testing.F) {
	r := sampleKey()
	f.Add(AppendKey(nil, &r))
	f.Add(AppendKey(nil, r.Remove()))
	f.Add([]byte{1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		n, r, err := parseKey(b)
		if err != nil {
			return
		}
		if n > len(b) || !r.removed && r.Validate() != nil {
			t.Fatalf("%+v", r)
		}
		again := AppendKey(nil, &r)
		if _, r2, err := parseKey(again); err != nil || !reflect.DeepEqual(r, r2) {
			t.Fatalf("%+v, again %+v, %v", r, r2, err)
		}
	})
}

// BenchmarkKey is what a request pays for an API key. None is remembered, so that one that is revoked is shut out at once.
func BenchmarkKey(b *testing.B) {
	keys := NewKeys(nil)
	text, id, digest := NewKey()
	r := KeyRecord{ID: id, Digest: digest, Subject: "x", Grants: GrantsOf(Reader, "a")}
	if _, err := keys.Apply(AppendKey(nil, &r)); err != nil {
		b.Fatal(err)
	}
	a := authority(b, AuthorityOptions{Keys: keys})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Identify(Credential{Kind: Bearer, Token: text}, testNow); err != nil {
			b.Fatal(err)
		}
	}
}
