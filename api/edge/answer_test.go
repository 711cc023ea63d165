package edge

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/klauspost/compress/gzip"
)

func TestAnswer(t *testing.T) {
	large := AppendFixed3Array(nil, benchValues()[:10_000])
	small := large[:CompressFrom]
	for _, c := range []struct {
		name   string
		c      Compress
		accept string
		method string
		body   []byte
		gzip   bool
		vary   bool
	}{
		{"small", CompressFast, "gzip", "GET", small, false, false},
		{"large", CompressFast, "gzip", "GET", large, true, true},
		{"large, again from the pool", CompressFast, "deflate, gzip;q=0.5", "POST", large, true, true},
		{"large, best", CompressBest, "x-gzip", "GET", large, true, true},
		{"large, off", CompressOff, "gzip", "GET", large, false, false},
		{"not accepted", CompressFast, "", "GET", large, false, true},
		{"refused", CompressFast, "gzip;q=0", "GET", large, false, true},
		{"anything", CompressFast, "*", "GET", large, true, true},
		{"anything but gzip", CompressFast, "*, gzip;q=0", "GET", large, false, true},
		{"nothing but gzip", CompressFast, "gzip;q=1, *;q=0", "GET", large, true, true},
		{"head", CompressFast, "gzip", "HEAD", large, true, true},
		{"empty", CompressFast, "gzip", "GET", nil, false, false},
	} {
		r := httptest.NewRequest(c.method, "/", nil)
		if c.accept != "" {
			r.Header.Set("Accept-Encoding", c.accept)
		}
		w := httptest.NewRecorder()
		c.c.Answer(w, r, http.StatusAccepted, "text/plain", c.body)
		h := w.Header()
		if w.Code != http.StatusAccepted || h.Get("Content-Type") != "text/plain" || (h.Get("Content-Encoding") == "gzip") != c.gzip || (h.Get("Vary") == "Accept-Encoding") != c.vary {
			t.Errorf("%s: %d %v", c.name, w.Code, h)
		}
		if c.method == "HEAD" {
			if w.Body.Len() > 0 || h.Get("Content-Length") == "0" {
				t.Errorf("%s: %d bytes, %v", c.name, w.Body.Len(), h)
			}
			continue
		}
		if h.Get("Content-Length") != strconv.Itoa(w.Body.Len()) {
			t.Errorf("%s: %d bytes, %v", c.name, w.Body.Len(), h)
		}
		got := w.Body.Bytes()
		if c.gzip {
			z, err := gzip.NewReader(w.Body)
			if err != nil {
				t.Fatal(err)
			}
			if got, err = io.ReadAll(z); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, c.body) {
			t.Errorf("%s: another body", c.name)
		}
	}
}

func TestParseCompress(t *testing.T) {
	for _, c := range []Compress{CompressFast, CompressOff, CompressBest} {
		if got, err := ParseCompress(c.String()); got != c || err != nil {
			t.Errorf("%v: %v %v", c, got, err)
		}
	}
	if _, err := ParseCompress("gzip"); err == nil || err.Error() != `compress: "gzip" is not one of off, fast, best` {
		t.Errorf("%v", err)
	}
}

func BenchmarkAnswer(b *testing.B) {
	body := AppendFixed3Array(nil, benchValues())
	for _, c := range []Compress{CompressOff, CompressFast, CompressBest} {
		b.Run(c.String(), func(b *testing.B) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Accept-Encoding", "gzip")
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for range b.N {
				c.Answer(nowhere{http.Header{}}, r, http.StatusOK, "application/json", body)
			}
		})
	}
}

type nowhere struct{ h http.Header }

func (n nowhere) Header() http.Header       { return n.h }
func (nowhere) WriteHeader(int)             {}
func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

// TestEvery: with Every the smallest answer is compressed, and an empty one is not.
func TestEvery(t *testing.T) {
	for _, c := range []struct {
		level    Compress
		body     string
		encoding string
	}{
		{CompressFast, "x", ""}, {CompressFast.Every(), "x", "gzip"}, {CompressBest.Every(), "x", "gzip"}, {CompressOff.Every(), "x", ""}, {CompressFast.Every(), "", ""},
	} {
		for _, stream := range []bool{false, true} {
			r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
			r.Header.Set("Accept-Encoding", "gzip")
			w := httptest.NewRecorder()
			if stream {
				s := c.level.Stream(w, r, "text/plain")
				s.B = append(s.B, c.body...)
				if err := s.End(); err != nil {
					t.Fatal(err)
				}
				s.Free()
			} else {
				c.level.Answer(w, r, http.StatusOK, "text/plain", []byte(c.body))
			}
			if got := w.Header().Get("Content-Encoding"); got != c.encoding {
				t.Errorf("%v of %q: %q", c.level, c.body, got)
			}
		}
	}
	if s := CompressBest.Every().String(); s != "best" {
		t.Error(s)
	}
}
