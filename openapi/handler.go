package openapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"

	"granary/api/edge"
	"granary/docs"
)

// Name is the name under which the routes are counted and logged.
const Name = "openapi"

// Where things are.
const (
	PathYAML = "/openapi.yaml"
	PathJSON = "/openapi.json"
	PathPage = "/swagger"
	// PathErrors is the list of all error codes; the page of one is below it.
	PathErrors = "/docs/errors"
)

// contentPolicy lets the page load what this service serves and nothing else. Swagger UI sets styles on its elements and shows
// images that it carries along.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Options say what is served beside the document.
type Options struct {
	Page bool // the page at /swagger/
}

// Handler serves the document and the page. Mount it at each of Prefixes. It is safe for concurrent use.
type Handler struct {
	o     Options
	files func() (map[string]*file, error)
}

// New makes the handler. Nothing is read before the first request.
func New(o Options) *Handler {
	h := &Handler{o: o}
	h.files = sync.OnceValues(h.load)
	return h
}

// Prefixes are the prefixes under which the handler is mounted.
func (h *Handler) Prefixes() []string {
	list := []string{PathYAML, PathJSON, PathErrors}
	if h.o.Page {
		list = append(list, PathPage)
	}
	return list
}

// Routes are the routes for the table of all routes. The files of the page other than the document are no API.
func (h *Handler) Routes() []edge.Route {
	methods := []string{http.MethodGet, http.MethodHead}
	routes := []edge.Route{
		{Path: PathYAML, Methods: methods, Open: true}, {Path: PathJSON, Methods: methods, Open: true},
		{Path: PathErrors, Methods: methods, Open: true}, {Path: PathErrors + "/{code}", Methods: methods, Open: true},
	}
	if h.o.Page {
		routes = append(routes, edge.Route{Path: PathPage, Methods: methods, Open: true}, edge.Route{Path: PathPage + "/{file}", Methods: methods, Open: true})
	}
	return routes
}

// load makes everything that is served, by its path.
func (h *Handler) load() (map[string]*file, error) {
	doc, err := Joined()
	if err != nil {
		return nil, err
	}
	// There is no registered media type for the YAML of OpenAPI yet that tools know; application/yaml is RFC 9512.
	all := map[string]*file{
		PathYAML: newFile("application/yaml", doc.YAML),
		PathJSON: newFile("application/json", doc.JSON),
	}
	if err := loadErrors(all); err != nil || !h.o.Page {
		return all, err
	}
	all[PathPage+"/doc.json"] = all[PathJSON]
	return all, loadPage(all)
}

// loadErrors adds the pages of the error codes. They are found with and without the ending, since problem documents leave it
// out and the pages refer to one another with it.
func loadErrors(all map[string]*file) error {
	pages, err := docs.Errors.ReadDir("errors")
	if err != nil {
		return err
	}
	for _, page := range pages {
		b, err := docs.Errors.ReadFile("errors/" + page.Name())
		if err != nil {
			return err
		}
		f := newFile("text/plain; charset=utf-8", b)
		all[PathErrors+"/"+page.Name()] = f
		all[PathErrors+"/"+strings.TrimSuffix(page.Name(), ".md")] = f
	}
	all[PathErrors] = all[PathErrors+"/README"]
	all[PathErrors+"/"] = all[PathErrors]
	return nil
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	page := h.o.Page && (r.URL.Path == PathPage || r.URL.Path == PathPage+"/")
	files, err := h.files()
	f := files[r.URL.Path]
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	case f == nil && !page:
		http.NotFound(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
	case page:
		http.Redirect(w, r, PathPage+"/index.html", http.StatusMovedPermanently)
	default:
		f.serve(w, r)
	}
}

// file is a constant answer.
type file struct {
	contentType string
	plain       []byte // nil: made of gz where a client wants it, which is rare
	gz          []byte // nil: compressing gains nothing
	tag         string // of the plain form, without quotes
}

// newFile makes a file and compresses it.
func newFile(contentType string, plain []byte) *file {
	var gz bytes.Buffer
	z, _ := gzip.NewWriterLevel(&gz, gzip.BestCompression) // fails on an unknown level only
	_, _ = z.Write(plain)                                  // a bytes.Buffer takes everything
	_ = z.Close()
	f := &file{contentType: contentType, plain: plain, tag: tagOf(plain)}
	if gz.Len() < len(plain)*9/10 {
		f.gz = gz.Bytes()
	}
	return f
}

func tagOf(b []byte) string {
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	body, tag := f.plain, `"`+f.tag+`"`
	if f.gz != nil {
		h.Add("Vary", "Accept-Encoding")
	}
	zipped := f.gz != nil && edge.AcceptsGzip(r)
	if zipped {
		body, tag = f.gz, `"`+f.tag+`-gzip"`
	}
	h.Set("ETag", tag)
	h.Set("Cache-Control", "no-cache") // ask each time: the next release has another document at this address
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", contentPolicy)
	if holds(r.Header["If-None-Match"], tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if zipped {
		h.Set("Content-Encoding", "gzip")
	} else if body == nil {
		var err error
		if body, err = decompress(f.gz); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	h.Set("Content-Type", f.contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client may be gone; there is nobody left to tell
	}
}

// holds says whether If-None-Match names the tag. Comparison is weak, as RFC 9110 asks for.
func holds(fields []string, tag string) bool {
	for _, field := range fields {
		for one := range strings.SplitSeq(field, ",") {
			if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == tag {
				return true
			}
		}
	}
	return false
}
