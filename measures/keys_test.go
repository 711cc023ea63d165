package measures

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"granary/metricdef/catalog"
	"granary/policy"
	"granary/tenant"
	"granary/tenant/identity"
)

// newKey is the record of a key with roles in some tenants.
func newKey(subject string, roles identity.Roles, tenants ...tenant.ID) identity.KeyRecord {
	_, id, digest := identity.NewKey()
	return identity.KeyRecord{ID: id, Digest: digest, Name: "for " + subject, Subject: subject, Grants: identity.GrantsOf(roles, tenants...),
		Created: time.Unix(0, testEpoch).UTC(), Creator: "me"}
}

// keysText is all keys as a text, so that states can be compared.
func keysText(s *Store) string {
	var b strings.Builder
	for _, r := range s.Keys.All() {
		fmt.Fprintf(&b, "%s %s %s %v %v %v %s\n", r.Subject, r.Name, r.Grants.All, r.Grants.Items, r.Expires.Unix(), r.Revoked.Unix(), r.Creator)
	}
	return b.String()
}

// TestKeys makes, changes and ends keys, with a crash or a stop behind each step.
func TestKeys(t *testing.T) {
	for _, how := range []string{"crash", "flush", "snapshot", "stop"} {
		t.Run(how, func(t *testing.T) {
			c := &clock{testEpoch}
			o := testOptions(t.TempDir(), c)
			s := openTest(t, o)
			setup(t, s, policy.Forever)
			again := func() {
				t.Helper()
				want := keysText(s)
				switch how {
				case "flush": // the catalogue is ahead of the shards: replay brings what it has again
					if err := s.catalog.Flush(s.syncTo); err != nil {
						t.Fatal(err)
					}
					s.crash()
				case "snapshot":
					if err := s.Snapshot(); err != nil {
						t.Fatal(err)
					}
					s.crash()
				case "stop":
					if err := s.Close(); err != nil {
						t.Fatal(err)
					}
				default:
					s.crash()
				}
				s = openTest(t, o)
				if got := keysText(s); got != want {
					t.Fatalf("before:\n%s\nafter:\n%s", want, got)
				}
			}
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			tenantOf := func(id tenant.ID) tenant.Num {
				t.Helper()
				num, _, err := s.CreateTenant(t.Context(), tenant.Draft{ID: id})
				must(err)
				return num
			}
			a, b := newKey("one", identity.Writer, "x"), newKey("both", identity.Reader, "x", "y")
			all := newKey("all", identity.Admin, "*", "x")
			x := tenantOf("x")
			for _, r := range []identity.KeyRecord{a, b, all} {
				must(s.PutKey(t.Context(), r, ""))
			}
			again()
			if err := s.PutKey(t.Context(), a, ""); codeOf(err) != "key-ended" {
				t.Error(err)
			}
			if s.log.Synced().Seq < s.log.Last().Seq {
				t.Error("a key is not on the disk when the call returns")
			}
			if err := s.PutKey(t.Context(), identity.KeyRecord{ID: "short"}, ""); codeOf(err) != "key-invalid" {
				t.Error(err)
			}
			changed, err := s.ChangeKey(t.Context(), b.ID, func(r *identity.KeyRecord) error { r.Name = "renamed"; return nil })
			must(err)
			if changed.Name != "renamed" || !strings.Contains(keysText(s), "renamed") {
				t.Errorf("%+v", changed)
			}
			again()
			// The tenant goes, and comes again under its name; a key that is made for that one stays.
			must(s.DeleteTenant(t.Context(), x))
			again()
			next := tenantOf("x")
			fresh := newKey("fresh", identity.Writer, "x")
			must(s.PutKey(t.Context(), fresh, ""))
			check := func() {
				t.Helper()
				for id, want := range map[string]string{a.ID: "false ", b.ID: "true y", all.ID: "true *", fresh.ID: "true x"} {
					r, _ := s.Keys.Get(id)
					got := fmt.Sprint(r.Revoked.IsZero(), " ")
					if r.Grants.All != 0 {
						got += "*"
					}
					for _, g := range r.Grants.Items {
						got += string(g.Tenant)
					}
					if got != want {
						t.Errorf("key of %s: %s, want %s", r.Subject, got, want)
					}
				}
			}
			check()
			again()
			must(s.SweepTenants(t.Context())) // its second record must not touch the keys
			check()
			again()
			if err := s.PutKey(t.Context(), newKey("late", identity.Reader, "x"), a.ID); codeOf(err) != "key-ended" {
				t.Errorf("a key that ended has made another: %v", err)
			}
			must(s.PutKey(t.Context(), newKey("child", identity.Reader, "x"), fresh.ID))
			if _, err := s.ChangeKey(t.Context(), a.ID, func(r *identity.KeyRecord) error { r.Revoked = time.Time{}; return nil }); codeOf(err) != "key-ended" {
				t.Error(err)
			}
			c.ns += int64(time.Hour)
			must(s.RevokeKey(t.Context(), b.ID, nil))
			again()
			if r, _ := s.Keys.Get(b.ID); !r.Revoked.Equal(time.Unix(0, c.ns)) {
				t.Errorf("revoked at %v", r.Revoked)
			}
			if err := s.RevokeKey(t.Context(), fresh.ID, func(*identity.KeyRecord) ([]tenant.ID, error) { return nil, identity.UnknownKey() }); codeOf(err) != "key-not-found" {
				t.Error(err)
			}
			part := newKey("part", identity.Reader, "x", "y", "z")
			must(s.PutKey(t.Context(), part, ""))
			must(s.RevokeKey(t.Context(), part.ID, func(*identity.KeyRecord) ([]tenant.ID, error) { return []tenant.ID{"x", "z"}, nil }))
			again()
			if r, _ := s.Keys.Get(part.ID); fmt.Sprint(r.Grants) != fmt.Sprint(identity.GrantsOf(identity.Reader, "y")) || !r.Revoked.IsZero() {
				t.Errorf("%+v is left of a key", r)
			}
			must(s.RevokeKey(t.Context(), part.ID, func(*identity.KeyRecord) ([]tenant.ID, error) { return []tenant.ID{"y"}, nil }))
			again()
			if r, _ := s.Keys.Get(part.ID); r.Reaches("y") || r.Revoked.IsZero() {
				t.Errorf("%+v has nothing left and is in force", r)
			}
			must(s.RevokeKey(t.Context(), b.ID, nil)) // a second time forgets it
			if _, there := s.Keys.Get(b.ID); there {
				t.Error("it is still there")
			}
			again()
			for _, err := range []error{s.RevokeKey(t.Context(), b.ID, nil), func() error { _, err := s.ChangeKey(t.Context(), b.ID, nil); return err }()} {
				if codeOf(err) != "key-not-found" {
					t.Error(err)
				}
			}
			if s.Tenants.State(next) != tenant.Present {
				t.Error("the tenant is gone")
			}
			must(s.Close())
		})
	}
}

// TestKeyUse: the day of the last use survives a stop.
func TestKeyUse(t *testing.T) {
	c := &clock{testEpoch}
	o := testOptions(t.TempDir(), c)
	s := openTest(t, o)
	num := setup(t, s, policy.Forever)
	text, id, digest := identity.NewKey()
	r := newKey("me", identity.Reader, "_ops")
	r.ID, r.Digest = id, digest
	if err := s.PutKey(t.Context(), r, ""); err != nil {
		t.Fatal(err)
	}
	if err := s.Snapshot(); err != nil {
		t.Fatal(err)
	}
	auth, err := identity.NewAuthority(identity.AuthorityOptions{Keys: s.Keys})
	if err != nil {
		t.Fatal(err)
	}
	day := time.Unix(0, testEpoch).UTC().Truncate(24 * time.Hour)
	if _, err := auth.Identify(identity.Credential{Kind: identity.Bearer, Token: text}, time.Unix(0, testEpoch)); err != nil {
		t.Fatal(err)
	}
	write(t, s, num, "m10", []int{0}, testEpoch, 1)
	for range 2 {
		if r, _ := s.Keys.Get(id); !r.Used.Equal(day) {
			t.Errorf("last used %v, want %v", r.Used, day)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openTest(t, o)
	}
	// A change by a record, which does not know of it, keeps it.
	if _, err := s.ChangeKey(t.Context(), id, func(r *identity.KeyRecord) error { r.Used = time.Time{}; return nil }); err != nil {
		t.Fatal(err)
	}
	if r, _ := s.Keys.Get(id); !r.Used.Equal(day) {
		t.Errorf("last used %v, want %v", r.Used, day)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFailedKeys: what the journal does not take has not happened.
func TestFailedKeys(t *testing.T) {
	for _, f := range failures {
		t.Run(f.name, func(t *testing.T) {
			fs, o, _ := failing(t, f.sync)
			s := openTest(t, o)
			setup(t, s, time.Hour)
			kept := newKey("kept", identity.Writer, "x")
			if err := s.PutKey(t.Context(), kept, ""); err != nil {
				t.Fatal(err)
			}
			want := keysText(s)
			fs.mode.Store(f.mode)
			wantUnavailable(t, s.PutKey(t.Context(), newKey("new", identity.Writer, "x"), ""))
			wantUnavailable(t, s.RevokeKey(t.Context(), kept.ID, nil))
			fs.mode.Store(failNot)
			for range 2 {
				if got := keysText(s); got != want {
					t.Errorf("%s, want %s", got, want)
				}
				s.crash()
				s = openTest(t, o)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestDamagedKey: an entry of the catalogue that cannot be read is left out, alone.
func TestDamagedKey(t *testing.T) {
	o := testOptions(t.TempDir(), &clock{testEpoch})
	s := openTest(t, o)
	setup(t, s, policy.Forever)
	if err := s.PutKey(t.Context(), newKey("me", identity.Writer, "x"), ""); err != nil {
		t.Fatal(err)
	}
	s.com.mu.Lock()
	s.catalog.Put(s.applied.Load(), catalog.Change{Bucket: identity.KeyBucket, Key: []byte("damaged"), Value: []byte{9}})
	s.com.mu.Unlock()
	want := keysText(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, o)
	if got := keysText(s); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
