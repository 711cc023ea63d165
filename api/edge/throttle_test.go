package edge

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"granary/tenant/audit"
	"granary/tenant/identity"
)

// throttled is a guard that knows the tokens "good", "gk_good" and "a.b.good", and the password "good" of everybody.
func throttled(t *testing.T, now *time.Time) (*Guard, *Throttle, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "audit.log")
	clock := func() time.Time { return *now }
	log, err := audit.Open(audit.Options{File: file, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	throttle := NewThrottle(ThrottleOptions{Allowed: 3, Window: time.Minute, Block: 2 * time.Minute})
	return NewGuard(GuardOptions{Authority: lenient{}, Throttle: throttle, Audit: &Audit{Log: log, Proxies: Loopback}, Carriers: Carriers{Proxies: Loopback}, Now: clock}), throttle, file
}

type lenient struct{}

func (lenient) Configured() bool { return true }

func (lenient) Holds(text string, _ time.Time) bool { return text == "gk_good" || text == "long, good" }

func (lenient) Identify(c identity.Credential, _ time.Time) (*identity.Identity, error) {
	if strings.HasSuffix(c.Token+c.Password, "good") {
		return identity.New("somebody", identity.Token, "", identity.Reader), nil
	}
	if c.Token == "a.b.old" {
		return nil, &identity.Error{Fault: identity.Expired, Reason: "expired"}
	}
	return nil, &identity.Error{Fault: identity.Wrong, Reason: "wrong"}
}

func TestThrottle(t *testing.T) {
	now := time.Unix(1e9, 0)
	g, _, file := throttled(t, &now)
	try := func(from string, header ...string) string {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = from
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		_, err := g.Authenticate(r)
		return CodeOf(err)
	}
	token := func(s string) []string { return []string{"X-Api-Key", s} }
	password := func(user, s string) []string { return []string{"Authorization", basic(user + ":" + s)} }
	type step struct {
		name, from string
		header     []string
		want       string
	}
	const bad, wait = "credentials-wrong", "too-many-failures"
	run := func(steps ...step) {
		t.Helper()
		for _, s := range steps {
			if got := try(s.from, s.header...); got != s.want {
				t.Errorf("%s: %q, want %q", s.name, got, s.want)
			}
		}
	}
	const one, two = "192.0.2.1:1", "192.0.2.2:1"
	run(
		step{"known here", one, token("good"), ""},
		step{"first", one, token("x"), bad}, step{"second", one, token("x"), bad}, step{"expired is no guess", one, token("a.b.old"), "token-expired"},
		step{"third", one, token("x"), bad},
		step{"fourth", one, token("x"), wait},
		step{"what was right before is not slowed", one, token("good"), ""},
		step{"a token that is new here waits", one, token("also good"), wait},
		step{"a key cannot be guessed", one, token("gk_good"), ""},
		step{"nor as a password", one, password("me", "gk_good"), ""},
		step{"a wrong key waits as a password", one, password("me", "gk_bad"), wait},
		step{"a token of the configuration gets through", one, token("long, good"), ""},
		step{"also as a password", one, password("me", "long, good"), ""},
		step{"a signed token cannot be guessed", one, token("a.b.good"), ""},
		step{"but a wrong one waits", one, token("gk_bad"), wait},
		step{"a password waits", one, password("me", "good"), wait},
		step{"nothing shown is no failure", one, nil, "identity-required"},
		step{"another address", two, token("also good"), ""},
	)
	now = now.Add(2*time.Minute - 1)
	run(step{"still", one, token("x"), wait})
	now = now.Add(1)
	run(step{"over", one, token("x"), bad}, step{"right", one, password("me", "good"), ""})
	// A window that is over begins anew.
	run(step{"second of two", one, token("x"), bad})
	now = now.Add(time.Minute)
	run(step{"new window", one, token("x"), bad}, step{"new window", one, token("x"), bad}, step{"new window", one, token("y"), bad}, step{"new window", one, token("x"), wait})
	// Passwords by name, from wherever the attempts come. Who was right before from elsewhere is not kept out by them.
	now = now.Add(time.Hour)
	run(
		step{"at home", "198.51.100.1:1", password("alice", "good"), ""},
		step{"a", "203.0.113.1:1", password("alice", "x"), bad}, step{"b", "203.0.113.2:1", password("alice", "x"), bad}, step{"c", "203.0.113.3:1", password("alice", "x"), bad},
		step{"d", "203.0.113.4:1", password("alice", "x"), wait},
		step{"right, and new from there", "203.0.113.5:1", password("alice", "good"), wait},
		step{"at home", "198.51.100.1:1", password("alice", "good"), ""},
		step{"another name", "203.0.113.4:1", password("bob", "good"), ""},
	)
	// Behind a proxy it is the client's address, of IPv6 the network.
	via := func(client string, header []string) []string {
		return append([]string{"X-Forwarded-For", client}, header...)
	}
	run(
		step{"a", "127.0.0.1:1", via("2001:db8::1", token("x")), bad}, step{"b", "127.0.0.1:1", via("2001:db8::2", token("x")), bad},
		step{"c", "127.0.0.1:1", via("2001:db8::3", token("x")), bad}, step{"d", "127.0.0.1:1", via("2001:db8::4", token("x")), wait},
		step{"another network", "127.0.0.1:1", via("2001:db8:0:1::1", token("x")), bad},
		step{"the proxy itself", "127.0.0.1:1", token("x"), bad},
	)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"good", "alice", "gk_", `"x"`} {
		if strings.Contains(string(b), secret) {
			t.Errorf("the audit log has %q: %s", secret, b)
		}
	}
	if !strings.Contains(string(b), `"remote":"2001:db8::1","action":"identity.failed","target":"/","outcome":"credentials-wrong","detail":{"shown":"a token"}`) {
		t.Errorf("%s", b)
	}
}

// TestThrottleIsBounded: any number of addresses takes the room of some, and those that have to wait are not forgotten for others.
func TestThrottleIsBounded(t *testing.T) {
	now := time.Unix(1e9, 0)
	_, throttle, _ := throttled(t, &now)
	bad := identity.Credential{Kind: identity.Bearer, Token: "x"}
	blocked := netip.MustParseAddr("192.0.2.1")
	for range 3 {
		if err := throttle.failed(blocked, bad, 0, now); err != nil {
			t.Error(err)
		}
	}
	for i := range 3 * maxGuessers {
		now = now.Add(time.Microsecond)
		if err := throttle.failed(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), bad, 0, now); err != nil {
			t.Error(err)
		}
	}
	if len(throttle.tries) > maxGuessers {
		t.Errorf("%d", len(throttle.tries))
	}
	if _, err := throttle.enter(blocked, bad, now); err == nil || !strings.Contains(err.Error(), "granary.identity.failures") {
		t.Error(err)
	}
	off := NewThrottle(ThrottleOptions{})
	for range 100 {
		if err := off.failed(blocked, bad, 0, now); err != nil {
			t.Error(err)
		}
	}
	if _, err := off.enter(blocked, bad, now); err != nil {
		t.Error(err)
	}
}

// BenchmarkAuthenticate is what the guard adds to a request whose credential is known, the authority aside, while somebody else fails.
func BenchmarkAuthenticate(b *testing.B) {
	for _, c := range []struct{ name, field, value string }{
		{"key", "X-Api-Key", "gk_good"}, {"token", "Authorization", "Bearer good"}, {"jwt", "Authorization", "Bearer a.b.good"}, {"basic", "Authorization", basic("me:good")},
	} {
		b.Run(c.name, func(b *testing.B) {
			throttle := NewThrottle(ThrottleOptions{Allowed: 3, Window: time.Hour, Block: time.Hour})
			g := NewGuard(GuardOptions{Authority: constant{}, Throttle: throttle, Carriers: Carriers{Proxies: Loopback, Subject: "X-Remote-User", Certificates: true}})
			_ = throttle.failed(netip.MustParseAddr("192.0.2.1"), identity.Credential{Kind: identity.Bearer, Token: "x"}, 0, time.Now())
			r := httptest.NewRequest(http.MethodGet, "/v2/metrics", nil)
			r.RemoteAddr = "192.0.2.7:4711"
			r.Header.Set(c.field, c.value)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := g.Authenticate(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

type constant struct{}

func (constant) Configured() bool { return true }

func (constant) Holds(string, time.Time) bool { return true }

func (constant) Identify(identity.Credential, time.Time) (*identity.Identity, error) {
	return identity.Open(), nil
}

func TestTooManyFailures(t *testing.T) {
	err := &TooManyFailuresError{Wait: 90*time.Second + 1}
	if Status(err) != 429 || err.RetryAfter() < 90*time.Second || !strings.Contains(fmt.Sprint(err), "1m30s") {
		t.Error(err)
	}
}
