package edge

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

func request(body io.Reader, length int64, header ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", body)
	r.ContentLength = length
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

func gzipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zstded(t testing.TB, b []byte) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return z.EncodeAll(b, nil)
}

// broken ends with an error that is not io.EOF, as a connection does that is cut.
type broken struct{ r io.Reader }

func (b broken) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func TestBodies(t *testing.T) {
	bodies := NewBodies(BodyOptions{Limit: 1 << 20, Setting: "limits.body"})
	text := bytes.Repeat([]byte("0123456789abcdef"), 4096) // 64 KiB
	full := bytes.Repeat(text, 16)                         // the limit
	for _, c := range []struct {
		name   string
		body   io.Reader
		length int64
		header []string
		want   []byte
		cut    bool
		err    string
	}{
		{"empty", http.NoBody, 0, nil, nil, false, ""},
		{"plain", bytes.NewReader(text), int64(len(text)), nil, text, false, ""},
		{"plain of unknown length", bytes.NewReader(text), -1, nil, text, false, ""},
		{"as large as allowed", bytes.NewReader(full), int64(len(full)), nil, full, false, ""},
		{"one byte more", io.MultiReader(bytes.NewReader(full), strings.NewReader("x")), -1, nil, nil, false, "request body exceeds the limit of 1048576 bytes (setting limits.body)"},
		{"announced too large", strings.NewReader("x"), 1<<20 + 1, nil, nil, false, "request body exceeds the limit of 1048576 bytes (setting limits.body)"},
		{"identity", strings.NewReader("x"), 1, []string{"Content-Encoding", "identity"}, []byte("x"), false, ""},
		{"gzip", bytes.NewReader(gzipped(t, text)), -1, []string{"Content-Encoding", "gzip"}, text, false, ""},
		{"gzip again, pooled", bytes.NewReader(gzipped(t, text)), -1, []string{"Content-Encoding", "X-GZIP"}, text, false, ""},
		{"zstd", bytes.NewReader(zstded(t, text)), -1, []string{"Content-Encoding", "zstd"}, text, false, ""},
		{"zstd again, pooled", bytes.NewReader(zstded(t, text)), -1, []string{"Content-Encoding", "zstd"}, text, false, ""},
		{"gzip that grows too large", bytes.NewReader(gzipped(t, make([]byte, 1<<20+1))), -1, []string{"Content-Encoding", "gzip"}, nil, false, "request body exceeds the limit of 1048576 bytes (setting limits.body)"},
		{"zstd that grows too large", bytes.NewReader(zstded(t, make([]byte, 1<<26))), -1, []string{"Content-Encoding", "zstd"}, nil, false, "request body exceeds the limit of 1048576 bytes (setting limits.body)"},
		{"empty gzip", http.NoBody, 0, []string{"Content-Encoding", "gzip"}, nil, false, ""},
		{"no gzip", strings.NewReader("hello hello hello"), -1, []string{"Content-Encoding", "gzip"}, nil, false, "request body is not valid gzip: gzip: invalid header"},
		{"no zstd", strings.NewReader("hello hello hello"), -1, []string{"Content-Encoding", "zstd"}, nil, false, "request body is not valid zstd: invalid input: magic number mismatch"},
		{"gzip with junk behind", io.MultiReader(bytes.NewReader(gzipped(t, text)), strings.NewReader("junk junk junk")), -1, []string{"Content-Encoding", "gzip"}, nil, false, "request body is not valid gzip: gzip: invalid header"},
		{"cut", broken{strings.NewReader("half a li")}, 1000, nil, []byte("half a li"), true, ""},
		{"cut at once", broken{http.NoBody}, 1000, nil, nil, true, ""},
		{"cut gzip header", broken{bytes.NewReader(gzipped(t, text)[:5])}, -1, []string{"Content-Encoding", "gzip"}, nil, true, ""},
		{"gzip without its end", bytes.NewReader(gzipped(t, text)[:60]), -1, []string{"Content-Encoding", "gzip"}, text[:0], true, ""},
		{"unknown encoding", strings.NewReader("x"), 1, []string{"Content-Encoding", "br"}, nil, false, `Content-Encoding "br" is not understood; gzip, zstd and identity are`},
		{"two encodings", strings.NewReader("x"), 1, []string{"Content-Encoding", "gzip, zstd"}, nil, false, `Content-Encoding "gzip, zstd" is not understood; gzip, zstd and identity are`},
	} {
		body, err := bodies.Read(request(c.body, c.length, c.header...))
		if c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !bytes.HasPrefix(body.Bytes, c.want) || !c.cut && len(body.Bytes) != len(c.want) || (body.Cut != nil) != c.cut {
			t.Errorf("%s: %d bytes, want %d, cut %v", c.name, len(body.Bytes), len(c.want), body.Cut)
		}
		if bodies.Held() < int64(len(body.Bytes)) {
			t.Errorf("%s: %d bytes held of %d", c.name, bodies.Held(), len(body.Bytes))
		}
		body.Free()
		body.Free() // twice is once
	}
	if bodies.Held() != 0 {
		t.Errorf("%d bytes are held", bodies.Held())
	}
}

func TestBodiesInWork(t *testing.T) {
	bodies := NewBodies(BodyOptions{InWork: 100_000, InWorkSetting: "limits.bodies"})
	first, err := bodies.Read(request(bytes.NewReader(make([]byte, 60_000)), 60_000))
	if err != nil {
		t.Fatal(err)
	}
	_, err = bodies.Read(request(bytes.NewReader(make([]byte, 60_000)), 60_000))
	var busy *BusyError
	if !errors.As(err, &busy) || KindOf(err) != Unavailable || !strings.Contains(err.Error(), "100000 bytes (setting limits.bodies)") {
		t.Errorf("%v", err)
	}
	first.Free()
	if second, err := bodies.Read(request(bytes.NewReader(make([]byte, 60_000)), 60_000)); err != nil {
		t.Errorf("after the first is done: %v", err)
	} else {
		second.Free()
	}
}

// TestAnnouncedLength: a header makes nobody allocate.
func TestAnnouncedLength(t *testing.T) {
	bodies := NewBodies(BodyOptions{Limit: 1 << 40})
	body, err := bodies.Read(request(broken{strings.NewReader("x")}, 1<<39))
	if err != nil || cap(body.Bytes) > 1<<20 {
		t.Errorf("%d bytes allocated, %v", cap(body.Bytes), err)
	}
}

func FuzzBody(f *testing.F) {
	f.Add([]byte("plain"), uint8(0))
	f.Add(gzipped(f, []byte("text")), uint8(1))
	f.Add(zstded(f, []byte("text")), uint8(2))
	bodies := NewBodies(BodyOptions{Limit: 1 << 16})
	f.Fuzz(func(t *testing.T, b []byte, kind uint8) {
		encoding := []string{"", "gzip", "zstd"}[kind%3]
		body, err := bodies.Read(request(bytes.NewReader(b), -1, "Content-Encoding", encoding))
		if err == nil {
			body.Free()
		}
		if bodies.Held() != 0 {
			t.Fatalf("%d bytes are held", bodies.Held())
		}
	})
}

func BenchmarkReadBody(b *testing.B) {
	text := make([]byte, 400_000)
	r := rand.New(rand.NewPCG(1, 0))
	for i := range text {
		text[i] = "cpu_load,cluster=alex value=12.5\n"[r.IntN(33)]
	}
	bodies := NewBodies(BodyOptions{})
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	src := bytes.NewReader(text)
	req := request(src, int64(len(text)))
	for range b.N {
		src.Reset(text)
		req.Body = io.NopCloser(src)
		body, err := bodies.Read(req)
		if err != nil {
			b.Fatal(err)
		}
		body.Free()
	}
}
