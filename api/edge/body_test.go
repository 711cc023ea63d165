package edge

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"granary/tenant"
	"granary/tenant/queue"
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
		{"unknown encoding", strings.NewReader("x"), 1, []string{"Content-Encoding", "br"}, nil, false, `Content-Encoding "br" is not understood; gzip, zstd, deflate and identity are`},
		{"two encodings", strings.NewReader("x"), 1, []string{"Content-Encoding", "gzip, zstd"}, nil, false, `Content-Encoding "gzip, zstd" is not understood; gzip, zstd, deflate and identity are`},
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

// queueOf is room of which each tenant may have all.
func queueOf(units int64, wait time.Duration) *queue.Fair {
	return queue.NewFair(queue.FairOptions{Units: units, Setting: "limits.bodies", Share: func(tenant.ID) (queue.Share, bool) { return queue.Share{Wait: wait}, true }})
}

func TestBodiesInWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := queueOf(100_000, 2*time.Second)
		bodies := NewBodies(BodyOptions{Setting: "limits.body", Queues: gate})
		read := func() (*Body, error) {
			return bodies.ReadFor(request(bytes.NewReader(make([]byte, 60_000)), 60_000), "a")
		}
		first, err := read()
		if err != nil {
			t.Fatal(err)
		}
		_, err = read()
		var busy *queue.FullError
		if !errors.As(err, &busy) || Status(err) != http.StatusTooManyRequests || CodeOf(err) != "bodies-in-work" ||
			err.Error() != "request bodies in work would exceed 100000 bytes (setting limits.bodies), try again" {
			t.Errorf("%v", err)
		}
		// One that waits goes in when the first is done.
		time.AfterFunc(time.Second, first.Free)
		second, err := read()
		if err != nil {
			t.Fatalf("after the first is done: %v", err)
		}
		// The sender of one that waits goes away.
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := bodies.ReadFor(request(bytes.NewReader(make([]byte, 60_000)), 60_000).WithContext(ctx), "a"); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		second.Free()
		if bodies.Held() != 0 || gate.Total().Held != 0 {
			t.Errorf("%d bytes are held, %+v", bodies.Held(), gate.Total())
		}
	})
}

// TestLargerThanTheQueue: what never fits does not wait.
func TestLargerThanTheQueue(t *testing.T) {
	gate := queueOf(100_000, time.Hour)
	bodies := NewBodies(BodyOptions{Setting: "limits.body", Queues: gate})
	text := bytes.Repeat([]byte("x"), 100_001)
	for name, r := range map[string]*http.Request{
		"announced":   request(bytes.NewReader(text), int64(len(text))),
		"unannounced": request(bytes.NewReader(text), -1),
		"compressed":  request(bytes.NewReader(gzipped(t, text)), -1, "Content-Encoding", "gzip"),
	} {
		_, err := bodies.ReadFor(r, "a")
		if err == nil || Status(err) != http.StatusRequestEntityTooLarge || err.Error() != "request body exceeds the limit of 100000 bytes (setting limits.bodies)" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, r := range map[string]*http.Request{
		"announced":   request(bytes.NewReader(text[1:]), int64(len(text)-1)),
		"unannounced": request(bytes.NewReader(text[1:]), -1),
	} {
		body, err := bodies.ReadFor(r, "a")
		if err != nil {
			t.Fatalf("%s, as large as the queue: %v", name, err)
		}
		if len(body.Bytes) != 100_000 || gate.Total().Held != 100_000 {
			t.Errorf("%s: %d bytes, %+v", name, len(body.Bytes), gate.Total())
		}
		body.Free()
	}
	if bodies.Held() != 0 || gate.Total().Held != 0 {
		t.Errorf("%d bytes are held, %+v", bodies.Held(), gate.Total())
	}
}

// TestBodiesOfMany: whatever the sizes and encodings, each body comes whole, none waits for ever, the bound holds, and all room is
// given back.
func TestBodiesOfMany(t *testing.T) {
	const bound = 4 << 20
	gate := queueOf(bound, time.Minute)
	bodies := NewBodies(BodyOptions{Limit: 2 << 20, Setting: "limits.body", Queues: gate})
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 7))
			for range 6 {
				text := bytes.Repeat([]byte{byte(r.Uint32())}, 1+r.IntN(3<<19))
				req := request(bytes.NewReader(text), int64(len(text)))
				switch r.IntN(3) {
				case 0:
					req = request(bytes.NewReader(text), -1)
				case 1:
					z := gzipped(t, text)
					req = request(bytes.NewReader(z), int64(len(z)), "Content-Encoding", "gzip")
				}
				body, err := bodies.ReadFor(req, "a")
				if err != nil {
					t.Error(err)
					return
				}
				if !bytes.Equal(body.Bytes, text) || body.Cut != nil {
					t.Errorf("%d bytes of %d came, %v", len(body.Bytes), len(text), body.Cut)
				}
				if held := bodies.Held(); held > bound+4<<20 { // one body may pass the bound while it grows
					t.Errorf("%d bytes are held", held)
				}
				body.Free()
			}
		})
	}
	wg.Wait()
	if bodies.Held() != 0 || gate.Total().Held != 0 {
		t.Errorf("%d bytes are held, %+v", bodies.Held(), gate.Total())
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
	f.Add(zlibbed(f, []byte("text")), uint8(3))
	f.Add(deflated(f, []byte("text"), 6), uint8(3))
	bodies := NewBodies(BodyOptions{Limit: 1 << 16})
	f.Fuzz(func(t *testing.T, b []byte, kind uint8) {
		encoding := []string{"", "gzip", "zstd", "deflate"}[kind%4]
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
	bodies := NewBodies(BodyOptions{Queues: queueOf(256<<20, time.Second)})
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	src := bytes.NewReader(text)
	req := request(src, int64(len(text)))
	for range b.N {
		src.Reset(text)
		req.Body = io.NopCloser(src)
		body, err := bodies.ReadFor(req, "a")
		if err != nil {
			b.Fatal(err)
		}
		body.Free()
	}
}
