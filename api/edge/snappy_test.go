package edge

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/klauspost/compress/snappy"
)

func TestReadBlock(t *testing.T) {
	b := NewBodies(BodyOptions{Limit: 8 << 20})
	text := []byte(strings.Repeat("all good things ", 1000))
	ask := func(body []byte, encoding string) (*Body, error) {
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		if encoding != "" {
			r.Header.Set("Content-Encoding", encoding)
		}
		return b.ReadBlockFor(r, "t")
	}
	for _, encoding := range []string{"", "snappy", "Snappy"} {
		for _, text := range [][]byte{text, {}, []byte("x"), bytes.Repeat([]byte("0123456789abcdef"), 400<<10)[:6<<20]} {
			got, err := ask(snappy.Encode(nil, text), encoding)
			if err != nil || !bytes.Equal(got.Bytes, text) {
				t.Fatal(encoding, err, len(text))
			}
			if b.Held() < int64(len(text)) {
				t.Error("it does not count", b.Held())
			}
			got.Free()
		}
	}
	huge := binary.AppendUvarint(nil, 1<<31)
	for name, c := range map[string]struct {
		body     []byte
		encoding string
		want     any
	}{
		"empty":    {nil, "", new(*DamagedError)},
		"garbage":  {[]byte("hello, this is no snappy"), "snappy", new(*DamagedError)},
		"cut":      {snappy.Encode(nil, text)[:20], "snappy", new(*DamagedError)},
		"size":     {append(huge, 0, 0), "snappy", new(*TooLargeError)},
		"ratio":    {append(binary.AppendUvarint(nil, 5<<20), 0, 0), "snappy", new(*RatioError)},
		"encoding": {snappy.Encode(nil, text), "snappy, br", new(*EncodingError)},
	} {
		if _, err := ask(c.body, c.encoding); !errors.As(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if b.Held() != 0 {
		t.Error("it is still held:", b.Held())
	}
	// What else it is packed in comes off first.
	got, err := ask(gzipped(t, snappy.Encode(nil, text)), "snappy, gzip")
	if err != nil || !bytes.Equal(got.Bytes, text) {
		t.Error(err)
	}
	got.Free()
}
