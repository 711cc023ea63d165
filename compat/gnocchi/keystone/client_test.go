package keystone_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"granary/compat/gnocchi/keystone"
	"granary/compat/gnocchi/keystone/keystonetest"
	"granary/tenant/identity"
)

// bed is a client of a fake, with a clock.
type bed struct {
	*keystone.Client
	fake *keystonetest.Fake
	log  bytes.Buffer
	ns   atomic.Int64
}

func (b *bed) now() time.Time          { return time.Unix(0, b.ns.Load()) }
func (b *bed) advance(d time.Duration) { b.ns.Add(int64(d)) }

func newBed(t *testing.T, change ...func(*keystone.Options)) *bed {
	b := &bed{fake: keystonetest.New(t)}
	b.ns.Store(time.Date(2026, 2, 1, 10, 0, 0, 0, time.UTC).UnixNano())
	b.fake.Now = b.now
	o := keystone.Options{URL: b.fake.URL, User: keystonetest.User, Project: keystonetest.Project, Now: b.now,
		Password: func() (string, error) { return keystonetest.Password, nil }, Logger: slog.New(slog.NewTextHandler(&b.log, nil))}
	for _, f := range change {
		f(&o)
	}
	b.Client = keystone.New(o)
	return b
}

func (b *bed) checks() int {
	_, n := b.fake.Counts()
	return n
}

// TestCheck: a token is whose Keystone says, as long as Keystone says, and Keystone is not asked again and again.
func TestCheck(t *testing.T) {
	b := newBed(t)
	end := b.now().Add(time.Hour)
	b.fake.Issue("a", keystonetest.Token{User: "u1", Project: "p1", Roles: []string{"member", "Admin"}, Expires: end})
	b.fake.Issue("unscoped", keystonetest.Token{User: "u2", Expires: end})
	ctx := context.Background()
	want := &keystone.Holder{User: "u1", Project: "p1", Name: "name of u1", Roles: []string{"member", "Admin"}, Expires: end.UTC()}
	for range 3 {
		got, err := b.Check(ctx, "a")
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Fatal(err, d)
		}
	}
	if logins, checks := b.fake.Counts(); logins != 1 || checks != 1 {
		t.Errorf("%d logins and %d questions", logins, checks)
	}
	if h, err := b.Check(ctx, "unscoped"); err != nil || h.Project != "" || h.Roles != nil {
		t.Errorf("%+v %v", h, err)
	}
	if !b.Knows("a", b.now()) || b.Knows("b", b.now()) || b.Knows("a", end) {
		t.Error("what is known is not")
	}
	b.advance(keystone.DefaultCache) // it may have been taken back
	if _, err := b.Check(ctx, "a"); err != nil || b.checks() != 3 {
		t.Error(err, b.checks())
	}
	b.advance(time.Hour)
	var refused *identity.Error
	if _, err := b.Check(ctx, "a"); !errors.As(err, &refused) || refused.Fault != identity.Expired || b.checks() != 3 {
		t.Error(err, b.checks())
	}
}

// TestWrong: who shows what Keystone does not know is refused, and Keystone is not asked about it again for a while.
func TestWrong(t *testing.T) {
	b := newBed(t)
	ctx := context.Background()
	var refused *identity.Error
	for range 3 {
		if _, err := b.Check(ctx, "nobody's"); !errors.As(err, &refused) || refused.Fault != identity.Wrong || !refused.Guess() {
			t.Fatal(err)
		}
	}
	for _, odd := range []string{"", "a b", "a\n", "ä", strings.Repeat("x", identity.MaxToken+1)} {
		if _, err := b.Check(ctx, odd); !errors.As(err, &refused) {
			t.Errorf("%.20q: %v", odd, err)
		}
	}
	if b.checks() != 1 {
		t.Errorf("%d questions", b.checks())
	}
	b.fake.Issue("nobody's", keystonetest.Token{User: "u", Project: "p"})
	b.advance(31 * time.Second)
	if _, err := b.Check(ctx, "nobody's"); err != nil {
		t.Error(err)
	}
	b.fake.Revoke("nobody's")
	b.advance(keystone.DefaultCache)
	if _, err := b.Check(ctx, "nobody's"); !errors.As(err, &refused) || refused.Fault != identity.Expired || refused.Guess() {
		t.Error(err)
	}
}

// TestRenewal: the token that asks is renewed when Keystone takes it no more, with the password of then.
func TestRenewal(t *testing.T) {
	password := keystonetest.Password
	b := newBed(t, func(o *keystone.Options) { o.Password = func() (string, error) { return password, nil } })
	ctx := context.Background()
	for i := range 3 {
		token := fmt.Sprint("t", i)
		b.fake.Issue(token, keystonetest.Token{User: "u", Project: "p"})
		if _, err := b.Check(ctx, token); err != nil {
			t.Fatal(err)
		}
		b.fake.Forget()
		password = fmt.Sprint("number ", i)
		b.fake.SetPassword(password)
	}
	if logins, _ := b.fake.Counts(); logins != 3 {
		t.Errorf("%d logins", logins)
	}
	b.fake.SetPassword("something else")
	var down *keystone.UnavailableError
	if _, err := b.Check(ctx, "more"); !errors.As(err, &down) || !strings.Contains(b.log.String(), "is refused") || strings.Contains(b.log.String(), password) {
		t.Errorf("%v %s", err, &b.log)
	}
}

// TestDown: while Keystone does not answer, what it said goes on to hold until the token expires, and nothing else does.
func TestDown(t *testing.T) {
	b := newBed(t)
	ctx := context.Background()
	end := b.now().Add(time.Hour)
	b.fake.Issue("a", keystonetest.Token{User: "u", Project: "p", Expires: end})
	if _, err := b.Check(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	b.fake.SetDown(true)
	for range 10 {
		b.advance(keystone.DefaultCache)
		if h, err := b.Check(ctx, "a"); err != nil || h.User != "u" {
			t.Fatal(err)
		}
	}
	var down *keystone.UnavailableError
	if _, err := b.Check(ctx, "b"); !errors.As(err, &down) || down.RetryAfter() <= 0 || down.Kind() != "unavailable" {
		t.Error(err)
	}
	if n := strings.Count(b.log.String(), "level=ERROR"); n != 1 {
		t.Errorf("it is logged %d times: %s", n, &b.log)
	}
	_, before := b.fake.Counts()
	b.fake.SetDown(false)
	if _, err := b.Check(ctx, "b"); !errors.As(err, &down) || b.checks() != before {
		t.Error("it is asked again at once", err)
	}
	b.advance(down.RetryAfter())
	b.fake.Issue("b", keystonetest.Token{User: "u", Project: "p", Expires: end})
	if _, err := b.Check(ctx, "b"); err != nil || !strings.Contains(b.log.String(), "answers again") {
		t.Error(err, b.log.String())
	}
	b.fake.SetDown(true)
	b.advance(10 * time.Minute)
	var refused *identity.Error
	if _, err := b.Check(ctx, "a"); !errors.As(err, &refused) || refused.Fault != identity.Expired {
		t.Error(err)
	}
}

// TestOneQuestion: who comes with the same token at once asks once, and who goes away takes nobody along.
func TestOneQuestion(t *testing.T) {
	b := newBed(t)
	b.fake.Issue("a", keystonetest.Token{User: "u", Project: "p"})
	release := b.fake.Hold()
	gone, leave := context.WithCancel(context.Background())
	first := make(chan error, 1)
	go func() { _, err := b.Check(gone, "a"); first <- err }()
	leave()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := b.Check(context.Background(), "a"); err != nil {
				t.Error(err)
			}
		})
	}
	release()
	wg.Wait()
	if logins, checks := b.fake.Counts(); logins != 1 || checks != 1 {
		t.Errorf("%d logins and %d questions", logins, checks)
	}
}

// TestManyQuestions: Keystone is asked a bounded number of questions at once.
func TestManyQuestions(t *testing.T) {
	b := newBed(t)
	if _, err := b.Check(context.Background(), "x"); err == nil { // so that it is logged in
		t.Fatal("x is good")
	}
	release := b.fake.Hold()
	var busy atomic.Int64
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			_, err := b.Check(context.Background(), fmt.Sprint("t", i))
			var down *keystone.UnavailableError
			if errors.As(err, &down) && busy.Add(1) == 84 {
				release()
			}
		})
	}
	wg.Wait()
	if busy.Load() != 84 || b.checks() != 17 {
		t.Errorf("%d were sent away, %d asked", busy.Load(), b.checks()-1)
	}
}

// TestHostile: answers that are none, that lead elsewhere, or that never end are no answers.
func TestHostile(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("it follows to %s with %v", r.URL, r.Header)
	}))
	defer elsewhere.Close()
	for name, h := range map[string]http.HandlerFunc{
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		},
		"no JSON": func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"nobody":  func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(`{"token":{}}`)) },
		"no end":  func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(`{"token":{"user":{"id":"u"}}}`)) },
		"endless": func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(`{"token":{"user":{"id":"`))
			for range 40 {
				_, _ = w.Write(bytes.Repeat([]byte("x"), 64<<10))
			}
			_, _ = w.Write([]byte(`"},"expires_at":"2100-01-01T00:00:00Z"}}`))
		},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost && name != "redirect" {
				w.Header().Set("X-Subject-Token", "t")
				w.WriteHeader(http.StatusCreated)
				_, _ = w.Write([]byte(`{"token":{}}`))
				return
			}
			h(w, r)
		}))
		b := newBed(t, func(o *keystone.Options) { o.URL = s.URL + "/v3/" })
		var down *keystone.UnavailableError
		if h, err := b.Check(context.Background(), "a"); !errors.As(err, &down) {
			t.Errorf("%s: %+v %v", name, h, err)
		}
		s.Close()
	}
}

// TestTLS: Keystone's certificate is checked.
func TestTLS(t *testing.T) {
	fake := keystonetest.NewTLS(t)
	fake.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	fake.Issue("a", keystonetest.Token{User: "u", Project: "p"})
	roots := x509.NewCertPool()
	roots.AddCert(fake.Certificate())
	for _, trusted := range []bool{true, false} {
		o := keystone.Options{URL: fake.URL, User: keystonetest.User, Project: keystonetest.Project, Logger: slog.New(slog.DiscardHandler),
			Password: func() (string, error) { return keystonetest.Password, nil }, Roots: x509.NewCertPool()}
		if trusted {
			o.Roots = roots
		}
		if _, err := keystone.New(o).Check(context.Background(), "a"); (err == nil) != trusted {
			t.Errorf("trusted %v: %v", trusted, err)
		}
	}
}

// BenchmarkCheck is a token that is known.
func BenchmarkCheck(b *testing.B) {
	fake := keystonetest.New(b)
	fake.Issue("a", keystonetest.Token{User: "u", Project: "p"})
	c := keystone.New(keystone.Options{URL: fake.URL, User: keystonetest.User, Project: keystonetest.Project, Password: func() (string, error) { return keystonetest.Password, nil }})
	ctx := context.Background()
	if _, err := c.Check(ctx, "a"); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Check(ctx, "a"); err != nil {
			b.Fatal(err)
		}
	}
}
