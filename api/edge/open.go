package edge

import (
	"net/http"
	"strconv"
	"strings"
)

// Health answers "/healthz": 200 as long as the process serves at all.
func Health() http.Handler {
	return GetOnly(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { text(w, http.StatusOK, "ok\n") }))
}

// Ready answers "/readyz": 200 if ready says so, else 503 with its progress and Retry-After.
func Ready(ready func() (ok bool, progress string)) http.Handler {
	return GetOnly(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ok, progress := ready()
		if !ok {
			w.Header().Set("Retry-After", "1")
			text(w, http.StatusServiceUnavailable, progress+"\n")
			return
		}
		text(w, http.StatusOK, "ready\n")
	}))
}

// GetOnly answers one path exactly, to GET and HEAD. A handler mounted under a prefix also sees what lies below it.
func GetOnly(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.Count(r.URL.Path, "/") > 1:
			http.NotFound(w, r)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		default:
			h.ServeHTTP(w, r)
		}
	})
}

func text(w http.ResponseWriter, status int, body string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

// Place is one line of the landing page.
type Place struct {
	Path string // what is shown as code
	Link bool   // and can be followed by a browser
	Text string // what it is
}

// Landing answers "/" for browsers (Accept: text/html) with a small page that shows where things are; everybody else
// goes to the other handler, nil: 404.
func Landing(version string, places []Place, other http.Handler) http.Handler {
	var list strings.Builder
	for _, p := range places {
		code := "<code>" + escapeHTML(p.Path) + "</code>"
		if p.Link {
			code = `<a href="` + escapeHTML(p.Path) + `">` + code + "</a>"
		}
		list.WriteString("<li>" + code + " " + escapeHTML(p.Text) + "</li>\n")
	}
	page := []byte(`<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Granary</title>
<style>body{font-family:system-ui,sans-serif;max-width:42em;margin:3em auto;padding:0 1em;line-height:1.5}code{background:#eee;padding:0 .3em}</style></head>
<body>
<h1>Granary</h1>
<p>A metrics service, version ` + escapeHTML(version) + `.</p>
<ul>
` + list.String() + `</ul>
</body>
</html>
`)
	if other == nil {
		other = http.NotFoundHandler()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead || !strings.Contains(r.Header.Get("Accept"), "text/html") {
			other.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		w.Header().Set("Vary", "Accept")
		CompressOff.Answer(w, r, http.StatusOK, "text/html; charset=utf-8", page)
	})
}

func escapeHTML(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(s)
}
