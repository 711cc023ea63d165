package edge

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

func zlibbed(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zlib.NewWriter(&out)
	_, err := z.Write(b)
	if cerr := z.Close(); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
	return out.Bytes()
}

func deflated(t testing.TB, b []byte, level int) []byte {
	t.Helper()
	var out bytes.Buffer
	z, err := flate.NewWriter(&out, level)
	if err != nil {
		t.Fatal(err)
	}
	_, err = z.Write(b)
	if cerr := z.Close(); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
	return out.Bytes()
}

// TestDeflate: both things that go by this name are read, again and again, and told from what is neither.
func TestDeflate(t *testing.T) {
	bodies := NewBodies(BodyOptions{Limit: 1 << 20, Setting: "limits.body"})
	text := bytes.Repeat([]byte("cpu_load,cluster=alex value=12.5\n"), 3000)
	for _, c := range []struct {
		name string
		body []byte
		want []byte
		cut  bool
		err  string
	}{
		{"zlib", zlibbed(t, text), text, false, ""},
		{"bare", deflated(t, text, 6), text, false, ""},
		{"bare, stored", deflated(t, text, 0), text, false, ""},
		{"bare, Huffman only", deflated(t, text, flate.HuffmanOnly), text, false, ""},
		{"zlib again", zlibbed(t, text), text, false, ""},
		{"bare again", deflated(t, text, 1), text, false, ""},
		{"zlib of nothing", zlibbed(t, nil), nil, false, ""},
		{"bare of nothing", deflated(t, nil, 6), nil, false, ""},
		{"nothing", nil, nil, false, ""},
		{"one byte", []byte{0x78}, nil, true, ""},
		{"zlib, cut", zlibbed(t, text)[:20], nil, true, ""},
		{"zlib without its sum", zlibbed(t, text)[:len(zlibbed(t, text))-4], text, true, ""},
		{"bare, cut", deflated(t, text, 6)[:20], nil, true, ""},
		{"zlib with a wrong sum", append(zlibbed(t, text)[:len(zlibbed(t, text))-1], 0x55), nil, false, "request body is not valid deflate"},
		{"zlib with bytes behind", append(zlibbed(t, text), 'x'), nil, false, "bytes behind the end"},
		{"bare with bytes behind", append(deflated(t, text, 6), "xx"...), nil, false, "bytes behind the end"},
		{"text", []byte("hello hello hello"), nil, false, "request body is not valid deflate"},
		{"zlib with a dictionary", []byte{0x78, 0xbb, 1, 2, 3, 4, 5}, nil, false, "request body is not valid deflate"},
		{"too large", zlibbed(t, make([]byte, 1<<20+1)), nil, false, "exceeds the limit of 1048576 bytes"},
	} {
		body, err := bodies.Read(request(bytes.NewReader(c.body), -1, "Content-Encoding", "deflate"))
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if (body.Cut != nil) != c.cut || !c.cut && !bytes.Equal(body.Bytes, c.want) || !bytes.HasPrefix(text, body.Bytes) {
			t.Errorf("%s: %d bytes, cut %v", c.name, len(body.Bytes), body.Cut)
		}
		body.Free()
	}
	if bodies.Held() != 0 {
		t.Errorf("%d bytes are held", bodies.Held())
	}
}

// TestBombs: what becomes very much larger is refused soon, below the limit on bodies, in each encoding; what is only
// repetitive is not.
func TestBombs(t *testing.T) {
	const limit = 256 << 20
	bodies := NewBodies(BodyOptions{Limit: limit, Setting: "limits.body"})
	zeros := make([]byte, 8<<20)
	lines := bytes.Repeat([]byte("cpu_load,cluster=alex,hostname=n0001 value=12.5 1700000000\n"), 20_000) // 1.2 MB: below where the ratio counts
	for encoding, pack := range map[string]func(testing.TB, []byte) []byte{
		"gzip": gzipped, "zstd": zstded, "deflate": zlibbed,
		"Deflate": func(t testing.TB, b []byte) []byte { return deflated(t, b, 9) },
	} {
		src := bytes.NewReader(pack(t, zeros))
		_, err := bodies.Read(request(src, -1, "Content-Encoding", encoding))
		if err == nil || CodeOf(err) != "compression-ratio" || Status(err) != http.StatusBadRequest {
			t.Errorf("%s: %v", encoding, err)
		}
		body, err := bodies.Read(request(bytes.NewReader(pack(t, lines)), -1, "Content-Encoding", encoding))
		if err != nil || !bytes.Equal(body.Bytes, lines) {
			t.Errorf("%s of lines: %v", encoding, err)
			continue
		}
		body.Free()
	}
	// A frame of zstd that asks for more memory than decoders must have.
	var wide bytes.Buffer
	z, err := zstd.NewWriter(&wide, zstd.WithWindowSize(1<<27))
	if err != nil {
		t.Fatal(err)
	}
	_, err = z.Write(zeros)
	if cerr := z.Close(); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
	if _, err := bodies.Read(request(&wide, -1, "Content-Encoding", "zstd")); err == nil || CodeOf(err) != "damaged-body" {
		t.Errorf("a window of 128 MiB: %v", err)
	}
	if bodies.Held() != 0 {
		t.Errorf("%d bytes are held", bodies.Held())
	}
}
