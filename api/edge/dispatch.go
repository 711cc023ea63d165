package edge

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"runtime/debug"
	"strings"
	"time"

	"granary/tenant"
)

// Route is one path that a dialect answers, for the table of all routes. Paths that a dialect owns but answers with 404
// are none.
type Route struct {
	Path string // as it stands in the URL: "/api/query"
	// Deep routes also answer the path with a slash at its end and everything below.
	Deep    bool
	Methods []string
	// Variables are the forms of variables in Path ("{id}"), as regular expressions; those not named take any one element.
	Variables map[string]string
	// Open routes ask for no identity.
	Open bool
}

// Panicker is a handler that words the answer to a panic itself; the header has not been sent when it is called.
// Handlers without it get a plain 500.
type Panicker interface {
	AnswerPanic(w http.ResponseWriter, r *http.Request)
}

// Observation is what the dispatcher has seen of one request.
type Observation struct {
	Dialect string // the name under which the handler was mounted
	Method  string
	Status  int // 0: the connection was closed without an answer
	Bytes   int64
	Took    time.Duration
}

// DispatchOptions are the parts of a Dispatcher.
type DispatchOptions struct {
	Logger *slog.Logger     // nil: slog.Default
	Now    func() time.Time // nil: time.Now
	// Observe is called after every request, if it is set. It must be fast and safe for concurrent use.
	Observe func(Observation)
	// Asked is called after every request that has told Query of itself, if it is set. bytes are those of the answer.
	Asked func(id tenant.ID, samples, bytes int64)
	// Access is the level of the access log, a line for each request; debug if it is not set.
	Access slog.Leveler
	// Default answers what nobody has mounted; nil: 404 in plain text.
	Default http.Handler
}

// Dispatcher sends a request to the handler that is mounted under the longest prefix of its path, recovers from panics
// and writes the access log. Mount everything before the first request.
type Dispatcher struct {
	o      DispatchOptions
	mounts map[string]*mount
	none   *mount
	depth  int // slashes in the longest prefix
	cleans bool
}

type mount struct {
	name    string
	handler http.Handler
	clean   bool
}

// NewDispatcher makes a dispatcher with nothing mounted.
func NewDispatcher(o DispatchOptions) *Dispatcher {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Access == nil {
		o.Access = slog.LevelDebug
	}
	if o.Default == nil {
		o.Default = http.NotFoundHandler()
	}
	return &Dispatcher{o: o, mounts: map[string]*mount{}, none: &mount{handler: o.Default}}
}

// Mount gives everything at and below the prefix ("/api") to the handler; "/" is the path "/" alone. It panics if the
// prefix is mounted already or does not begin with a slash: both are mistakes of the program.
func (d *Dispatcher) Mount(prefix, name string, h http.Handler) {
	if !strings.HasPrefix(prefix, "/") || len(prefix) > 1 && strings.HasSuffix(prefix, "/") {
		panic("edge: the prefix " + prefix + " must begin with a slash and not end with one")
	}
	if _, dup := d.mounts[prefix]; dup {
		panic("edge: two handlers for " + prefix)
	}
	d.mounts[prefix] = &mount{name: name, handler: h}
	d.depth = max(d.depth, strings.Count(prefix, "/"))
}

// MountClean is Mount for the handler of a peer that takes empty, "." and ".." elements out of a path before it looks at it. It
// also gets what only then lies at or below the prefix: "/v2//metrics/./queues". The handler sees what was sent.
func (d *Dispatcher) MountClean(prefix, name string, h http.Handler) {
	d.Mount(prefix, name, h)
	d.mounts[prefix].clean = true
	d.cleans = true
}

// Owner is the name under which the handler of a path was mounted, "" if there is none.
func (d *Dispatcher) Owner(path string) string { return d.find(path).name }

// find returns the owner of a path.
func (d *Dispatcher) find(p string) *mount {
	if d.cleans && (strings.Contains(p, "//") || strings.Contains(p, "/.")) {
		if m := d.longest(path.Clean(p)); m.clean {
			return m
		}
	}
	return d.longest(p)
}

// longest returns the owner of the longest prefix of a path. Slashes at its front count as one, so that a dialect sees, and
// may redirect, what is meant for it.
func (d *Dispatcher) longest(path string) *mount {
	for len(path) > 1 && path[1] == '/' {
		path = path[1:]
	}
	if path == "/" || path == "" {
		if m := d.mounts["/"]; m != nil {
			return m
		}
		return d.none
	}
	// No prefix has more segments than depth: what lies deeper is not looked at.
	end, slashes := len(path), 0
	for i := range len(path) {
		if path[i] == '/' {
			if slashes++; slashes > d.depth {
				end = i
				break
			}
		}
	}
	for path = path[:end]; len(path) > 1; path = path[:strings.LastIndexByte(path, '/')] {
		if m := d.mounts[path]; m != nil {
			return m
		}
	}
	return d.none
}

// ServeHTTP implements http.Handler.
func (d *Dispatcher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p := r.URL.Path
	if r.URL.RawPath != "" {
		r = spelt(r)
		p = r.URL.RawPath
	}
	m := d.find(p)
	rec := &recorder{ResponseWriter: w}
	start := d.o.Now()
	defer d.finish(m, rec, r, start)
	m.handler.ServeHTTP(rec, r)
}

// spelt is a request whose encoded path can be relied upon. With a character in it that should have been encoded, such as a bar, net/url passes over
// what was sent, and EscapedPath has a slash where %2F was.
func spelt(r *http.Request) *http.Request {
	raw := r.URL.RawPath
	if r.URL.EscapedPath() == raw {
		return r
	}
	b := make([]byte, 0, len(raw)+16)
	for _, c := range []byte(raw) {
		if c > ' ' && c < 0x7f && !strings.ContainsRune("\"#<>?\\^`{|}", rune(c)) {
			b = append(b, c)
		} else {
			b = fmt.Appendf(b, "%%%02X", c)
		}
	}
	other, u := *r, *r.URL
	u.RawPath, other.URL = string(b), &u
	return &other
}

// finish ends a request: it answers a panic, logs, and observes.
func (d *Dispatcher) finish(m *mount, rec *recorder, r *http.Request, start time.Time) {
	cause := recover()
	abort := false
	if cause != nil {
		err, _ := cause.(error)
		meant := errors.Is(err, http.ErrAbortHandler)
		abort = rec.status != 0 || meant
		if !meant {
			d.o.Logger.Error("handler panicked", "dialect", m.name, "method", r.Method, "path", r.URL.Path,
				"panic", cause, "stack", string(debug.Stack()))
		}
		if !abort {
			d.answerPanic(m, rec, r)
		}
	} else if rec.status == 0 {
		rec.status = http.StatusOK // as net/http answers for a handler that says nothing
	}
	if rec.asked != "" && d.o.Asked != nil && rec.status < http.StatusBadRequest {
		d.o.Asked(rec.asked, rec.read, rec.bytes)
	}
	took := d.o.Now().Sub(start)
	if d.o.Observe != nil {
		d.o.Observe(Observation{m.name, r.Method, rec.status, rec.bytes, took})
	}
	if level := d.o.Access.Level(); d.o.Logger.Enabled(r.Context(), level) {
		d.o.Logger.LogAttrs(r.Context(), level, "request", slog.String("dialect", m.name), slog.String("method", r.Method),
			slog.String("path", r.URL.Path), slog.Int("status", rec.status), slog.Int64("bytes", rec.bytes),
			slog.Duration("took", took), slog.String("remote", r.RemoteAddr))
	}
	if abort {
		// Half an answer must not look like a whole one.
		panic(http.ErrAbortHandler)
	}
}

func (d *Dispatcher) answerPanic(m *mount, rec *recorder, r *http.Request) {
	h := rec.Header()
	h.Del("Content-Length")
	h.Del("Content-Encoding")
	if p, ok := m.handler.(Panicker); ok {
		p.AnswerPanic(rec, r)
		return
	}
	http.Error(rec, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
	asked  tenant.ID // whose samples the answer is made of
	read   int64     // how many
}

// Query says that a request reads samples of a tenant, and how many, for the account of what tenants use.
func Query(w http.ResponseWriter, id tenant.ID, samples int64) {
	for {
		switch v := w.(type) {
		case *recorder:
			v.asked = id
			v.read += samples
			return
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return
		}
	}
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= 200 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
