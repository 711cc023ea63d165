package edge

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// Compress says how answers are compressed for clients that accept gzip.
type Compress uint8

const (
	// CompressFast codes bytes by their frequency only (Huffman): 0.6 ms for the 500 kB of a typical answer, where the
	// lowest level that looks for repetitions takes 3.6 ms, and numbers hardly repeat.
	CompressFast Compress = iota
	// CompressOff never compresses.
	CompressOff
	// CompressBest is for slow networks.
	CompressBest

	// every is a flag beside them: small answers too.
	every Compress = 1 << 7
)

// CompressFrom is the size in bytes above which an answer is compressed.
const CompressFrom = 32 << 10

// ParseCompress reads the setting compress: off, fast or best.
func ParseCompress(s string) (Compress, error) {
	switch s {
	case "fast":
		return CompressFast, nil
	case "off":
		return CompressOff, nil
	case "best":
		return CompressBest, nil
	}
	return CompressFast, fmt.Errorf("compress: %q is not one of off, fast, best", s)
}

// Every is c for answers of any size, for the clients of a peer that compresses the smallest one. It costs small answers more time
// than it saves, so who can do without should.
func (c Compress) Every() Compress { return c | every }

// level is c without the flag.
func (c Compress) level() Compress { return c &^ every }

// String is the setting's text.
func (c Compress) String() string { return [...]string{"fast", "off", "best"}[c.level()] }

// Answer sends a whole answer with one write: compressed if it is large, the client accepts gzip and c allows it, with
// its Content-Length in any case. The header fields of w are kept; body may be reused when Answer returns. To HEAD only
// the header goes out, the same as to GET.
func (c Compress) Answer(w http.ResponseWriter, r *http.Request, status int, contentType string, body []byte) {
	h := w.Header()
	if contentType != "" {
		h["Content-Type"] = []string{contentType}
	}
	if c.level() != CompressOff && (len(body) > CompressFrom || c != c.level() && len(body) > 0) {
		vary(h, "Accept-Encoding")
		if AcceptsGzip(r) {
			out := NewBuffer()
			defer out.Free()
			c.gzip(out, body)
			h["Content-Encoding"] = []string{"gzip"}
			body = out.B
		}
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	if len(body) > 0 && r.Method != http.MethodHead {
		// The client may be gone; there is nobody left to tell.
		_, _ = w.Write(body)
	}
}

var gzipWriters [CompressBest + 1]sync.Pool

// vary says that an answer depends on a field of the request, if that is not said already.
func vary(h http.Header, field string) {
	for _, v := range h["Vary"] {
		if strings.Contains(v, field) {
			return
		}
	}
	h["Vary"] = append(h["Vary"], field)
}

// gzipTo returns a pooled writer.
func (c Compress) gzipTo(dst io.Writer) *gzip.Writer {
	c = c.level()
	if z, ok := gzipWriters[c].Get().(*gzip.Writer); ok {
		z.Reset(dst)
		return z
	}
	level := gzip.HuffmanOnly
	if c == CompressBest {
		level = gzip.DefaultCompression
	}
	z, _ := gzip.NewWriterLevel(dst, level) // fails on an unknown level only
	return z
}

func (c Compress) gzip(dst *Buffer, body []byte) {
	z := c.gzipTo(dst)
	// A Buffer takes every byte, so neither can fail.
	_, _ = z.Write(body)
	_ = z.Close()
	gzipWriters[c.level()].Put(z)
}

// AcceptsGzip says whether the client takes gzip: Accept-Encoding has gzip, x-gzip or * with a weight above 0; a weight for
// gzip itself wins over *.
func AcceptsGzip(r *http.Request) bool {
	star := false
	for _, field := range r.Header["Accept-Encoding"] {
		for one := range strings.SplitSeq(field, ",") {
			name, params, _ := strings.Cut(one, ";")
			name = strings.TrimSpace(name)
			switch {
			case strings.EqualFold(name, "gzip"), strings.EqualFold(name, "x-gzip"):
				return wanted(params)
			case name == "*":
				star = wanted(params)
			}
		}
	}
	return star
}

// wanted is false if the parameters hold a weight of 0.
func wanted(params string) bool {
	for p := range strings.SplitSeq(params, ";") {
		k, v, ok := strings.Cut(p, "=")
		if ok && strings.EqualFold(strings.TrimSpace(k), "q") {
			q, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
			return err == nil && q > 0
		}
	}
	return true
}
