package gnocchi

import (
	"net/http"
	"slices"
	"strings"
)

// What pages may use beside what the browser always lets them.
const (
	corsHeaders = "X-Auth-Token,X-Subject-Token,X-User-Id,X-Domain-Id,X-Project-Id,X-Roles,Authorization,Content-Type,Accept,If-Match,If-None-Match,If-Modified-Since,If-Unmodified-Since"
	corsExpose  = "ETag,Last-Modified,Link,Location,Retry-After,Allow,X-Granary-Ignored," + ErrorHeader
	corsAge     = "3600"
)

// cross writes the fields that let the page of a request read the answer, and answers what a browser asks before.
func (d *Dialect) cross(w http.ResponseWriter, r *http.Request) (answered bool) {
	if len(d.o.Origins) == 0 {
		return false
	}
	h := w.Header()
	h["Vary"] = []string{"Origin"}
	origin := r.Header.Get("Origin")
	if origin == "" || !slices.Contains(d.o.Origins, origin) && !slices.Contains(d.o.Origins, "*") {
		return false
	}
	h["Access-Control-Allow-Origin"] = []string{origin}
	h["Access-Control-Expose-Headers"] = []string{corsExpose}
	method := r.Header.Get("Access-Control-Request-Method")
	if r.Method != http.MethodOptions || method == "" {
		return false
	}
	if strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" && len(method) < 20 {
		h["Access-Control-Allow-Methods"] = []string{method}
	}
	h["Access-Control-Allow-Headers"] = []string{corsHeaders}
	h["Access-Control-Max-Age"] = []string{corsAge}
	w.WriteHeader(http.StatusOK)
	return true
}
