package writer

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"granary/compat/clustercockpit/checkpoint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var _ checkpoint.Sink = (*HTTP)(nil)

// server answers with one answer after the other, the last one for ever.
func server(t *testing.T, answers ...func(http.ResponseWriter)) (*HTTP, *[]string) {
	var seen []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen = append(seen, r.Method+" "+r.URL.String()+" "+r.Header.Get("Authorization")+" "+string(body))
		answers[min(len(seen), len(answers))-1](w)
	}))
	t.Cleanup(s.Close)
	h, err := NewHTTP(s.URL, "secret")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	h.Wait = time.Millisecond
	return h, &seen
}

func status(code int, header ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		io.WriteString(w, http.StatusText(code)+"\n")
	}
}

func TestWriteLines(t *testing.T) {
	h, seen := server(t, status(503), status(429), status(502), status(200, "X-Granary-Ignored", "unknown-metric=3, too-old=1"))
	ignored, err := h.WriteLines(t.Context(), []byte("m value=1\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"unknown-metric": 3, "too-old": 1}, ignored); diff != "" {
		t.Error(diff)
	}
	if want := "POST /api/write Bearer secret m value=1\n"; len(*seen) != 4 || (*seen)[3] != want {
		t.Errorf("requests %q", *seen)
	}
}

func TestWriteLinesIsRefused(t *testing.T) {
	for _, code := range []int{400, 401, 404, 413, 500} {
		h, seen := server(t, status(code))
		if _, err := h.WriteLines(t.Context(), nil); err == nil || !strings.Contains(err.Error(), http.StatusText(code)) || len(*seen) != 1 {
			t.Errorf("%d: %v after %d requests", code, err, len(*seen))
		}
	}
	h, _ := server(t, status(503, "Retry-After", "30"))
	h.Patience = 20 * time.Millisecond
	if _, err := h.WriteLines(t.Context(), nil); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "Service Unavailable") {
		t.Errorf("busy for ever: %v", err)
	}
	h, err := NewHTTP("http://127.0.0.1:1", "")
	if err != nil {
		t.Fatal(err)
	}
	h.Patience = 20 * time.Millisecond
	if _, err := h.WriteLines(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("nobody there: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"http://h:1":                    "http://h:1/api/write",
		"https://h/":                    "https://h/api/write",
		"http://h/api/write":            "http://h/api/write",
		"http://h/api/write/":           "http://h/api/write/",
		"http://h/base?cluster=alex":    "http://h/base/api/write?cluster=alex",
		"h:1":                           "",
		"ftp://h":                       "",
		"http://":                       "",
		"127.0.0.1:8082":                "",
		"http://h/%zz":                  "",
		"http://user:pass@h/sub/folder": "http://user:pass@h/sub/folder/api/write",
	} {
		h, err := NewHTTP(in, "")
		if want == "" && err == nil || want != "" && (err != nil || h.url != want) {
			t.Errorf("%q: %v, %v", in, h, err)
		}
	}
	for in, want := range map[string]map[string]int{"": nil, "a=1,a=2": {"a": 3}, "a, b=x, =": nil} {
		if diff := cmp.Diff(want, parseIgnored(in)); diff != "" {
			t.Error(diff)
		}
	}
}
