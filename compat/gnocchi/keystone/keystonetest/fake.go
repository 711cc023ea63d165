// Package keystonetest is a small Keystone v3 for tests: users log in with passwords, and tokens are validated and revoked.
package keystonetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// Token is what a token says.
type Token struct {
	User    string // an id
	Project string // an id; "": none
	Roles   []string
	Expires time.Time // zero: an hour from now
}

// The account that may validate tokens.
const (
	User     = "granary"
	Password = "of the service"
	Project  = "service"
)

// Fake is a server that speaks the protocol. It is safe for concurrent use.
type Fake struct {
	*httptest.Server
	Now func() time.Time // nil: time.Now

	mu       sync.Mutex
	tokens   map[string]Token
	password string
	service  map[string]bool // tokens that may validate others
	logins   int
	checks   int
	down     bool
	hold     chan struct{} // not nil: answers wait until it is closed
}

// New starts a server that ends with the test.
func New(tb testing.TB) *Fake {
	f := fake()
	f.Server = httptest.NewServer(f.mux())
	tb.Cleanup(f.Close)
	return f
}

// NewTLS is New with a certificate that signs itself.
func NewTLS(tb testing.TB) *Fake {
	f := fake()
	f.Server = httptest.NewTLSServer(f.mux())
	tb.Cleanup(f.Close)
	return f
}

func fake() *Fake {
	return &Fake{tokens: map[string]Token{}, service: map[string]bool{}, password: Password}
}

// Issue makes a token good.
func (f *Fake) Issue(text string, t Token) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t.Expires.IsZero() {
		t.Expires = f.now().Add(time.Hour)
	}
	f.tokens[text] = t
}

// Revoke takes a token back.
func (f *Fake) Revoke(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.tokens, text)
}

// Forget takes back all tokens of the service.
func (f *Fake) Forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.service)
}

// SetPassword changes the password of User.
func (f *Fake) SetPassword(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.password = text
}

// SetDown answers everything with 503, or does so no more.
func (f *Fake) SetDown(down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
}

// Hold lets answers wait until what it returns is called.
func (f *Fake) Hold() (release func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hold = make(chan struct{})
	return sync.OnceFunc(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		close(f.hold)
		f.hold = nil
	})
}

// Counts are how many logins and questions about tokens there were.
func (f *Fake) Counts() (logins, checks int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.logins, f.checks
}

func (f *Fake) now() time.Time {
	if f.Now != nil {
		return f.Now()
	}
	return time.Now()
}

func (f *Fake) mux() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v3/auth/tokens", f.login)
	mux.HandleFunc("GET /v3/auth/tokens", f.check)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		down, hold := f.down, f.hold
		f.mu.Unlock()
		if hold != nil {
			<-hold
		}
		if down {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (f *Fake) login(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Auth struct {
			Identity struct {
				Methods  []string
				Password struct {
					User struct {
						Name, Password string
						Domain         struct{ Name string }
					}
				}
			}
			Scope struct {
				Project struct {
					Name   string
					Domain struct{ Name string }
				}
			}
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		fail(w, http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logins++
	who, scope := &body.Auth.Identity.Password.User, &body.Auth.Scope.Project
	if who.Name != User || who.Domain.Name != "Default" || who.Password != f.password || scope.Name != Project || scope.Domain.Name != "Default" {
		fail(w, http.StatusUnauthorized)
		return
	}
	text := fmt.Sprintf("service-%d", f.logins)
	f.service[text] = true
	w.Header().Set("X-Subject-Token", text)
	show(w, http.StatusCreated, Token{User: "id-of-granary", Project: "id-of-service", Roles: []string{"service"}, Expires: f.now().Add(time.Hour)})
}

func (f *Fake) check(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.service[r.Header.Get("X-Auth-Token")] {
		fail(w, http.StatusUnauthorized)
		return
	}
	f.checks++
	t, ok := f.tokens[r.Header.Get("X-Subject-Token")]
	if !ok || !f.now().Before(t.Expires) {
		fail(w, http.StatusNotFound)
		return
	}
	show(w, http.StatusOK, t)
}

func show(w http.ResponseWriter, status int, t Token) {
	ref := func(id string) map[string]any {
		return map[string]any{"id": id, "name": "name of " + id, "domain": map[string]any{"id": "default", "name": "Default"}}
	}
	roles := []any{}
	for _, name := range t.Roles {
		roles = append(roles, map[string]any{"id": "id of " + name, "name": name})
	}
	token := map[string]any{"methods": []string{"password"}, "user": ref(t.User), "roles": roles, "audit_ids": []string{"x"},
		"issued_at": t.Expires.Add(-time.Hour).UTC().Format("2006-01-02T15:04:05.000000Z"), "expires_at": t.Expires.UTC().Format("2006-01-02T15:04:05.000000Z")}
	if t.Project != "" {
		token["project"], token["is_domain"] = ref(t.Project), false
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"token": token})
}

func fail(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	text := http.StatusText(status)
	_, _ = w.Write([]byte(`{"error":{"code":` + fmt.Sprint(status) + `,"title":"` + text + `","message":"` + strings.ToLower(text) + `"}}`))
}
