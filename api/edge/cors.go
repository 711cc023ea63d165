package edge

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// CORS lets the scripts of web pages from other origins ask. The zero value lets none.
type CORS struct {
	// Origins are the origins that may ask, "https://dash.example.org"; "*" is every one.
	Origins []string
	// Setting is what errors name; "": granary.cors.origins.
	Setting string
	any     bool
	guard   *http.CrossOriginProtection
}

// What a page may send and see. Cookies are no part of it: identity is in a header.
var (
	corsAllow  = strings.Join([]string{"Authorization", "Content-Type", "Content-Encoding", "Accept", "Tenant", "Hawkular-Tenant", "X-Scope-OrgID", "X-Api-Key"}, ", ")
	corsExpose = strings.Join([]string{"Link", "Location", "Retry-After", "Allow", "Content-Encoding", "X-Granary-Ignored"}, ", ")
)

const settingOrigins = "granary.cors.origins"

// corsAge is how long a browser may remember the answer to a preflight, in seconds.
const corsAge = "600"

// NewCORS makes the rules for these origins.
func NewCORS(origins []string) *CORS {
	c := &CORS{Origins: origins, any: slices.Contains(origins, "*"), guard: http.NewCrossOriginProtection()}
	for _, o := range origins {
		if o != "*" {
			// What the guard cannot read is no origin, and no browser sends it.
			_ = c.guard.AddTrustedOrigin(o)
		}
	}
	return c
}

// Allow writes the fields that let the page of a request read the answer, and says whether the request was a preflight that
// is answered now. methods are those of the path.
func (c *CORS) Allow(w http.ResponseWriter, r *http.Request, methods []string) (answered bool) {
	if len(c.Origins) == 0 {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" || !c.any && !slices.Contains(c.Origins, origin) {
		return false
	}
	if c.any {
		origin = "*"
	}
	h["Access-Control-Allow-Origin"] = []string{origin}
	h["Access-Control-Expose-Headers"] = []string{corsExpose}
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h["Access-Control-Allow-Methods"] = []string{strings.Join(methods, ", ")}
	h["Access-Control-Allow-Headers"] = []string{corsAllow}
	h["Access-Control-Max-Age"] = []string{corsAge}
	w.WriteHeader(http.StatusNoContent)
	return true
}

// Check refuses a request that changes something and comes from the page of an origin that is not let in. A browser sends
// some of these without asking first, and a service that is open to its machine would take them from any page that somebody
// looks at there. Programs other than browsers do not say where they come from, and are not refused.
func (c *CORS) Check(r *http.Request) error {
	if c.any {
		return nil
	}
	if err := c.guard.Check(r); err != nil {
		return &OriginError{Origin: r.Header.Get("Origin"), Setting: cmp.Or(c.Setting, settingOrigins)}
	}
	return nil
}

// OriginError refuses a change that the page of another origin asks for.
type OriginError struct{ Origin, Setting string }

func (e *OriginError) Error() string {
	return fmt.Sprintf("a page from %q may not do this (setting %s)", shorten(e.Origin), e.Setting)
}

// Kind implements the kinds of errors.
func (*OriginError) Kind() string { return string(Forbidden) }

// Code implements the codes of errors.
func (*OriginError) Code() string { return "origin-forbidden" }

// Problem names the setting.
func (e *OriginError) Problem() map[string]any {
	return map[string]any{"setting": e.Setting}
}
