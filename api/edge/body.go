package edge

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	firstRead = 64 << 10 // what a Content-Length may make us allocate before a byte has come
	minRead   = 512
	// maxWindow bounds the memory of a zstd frame; RFC 8878 asks decoders to support 8 MiB.
	maxWindow = 8 << 20
)

// BodyOptions are the limits of a Bodies.
type BodyOptions struct {
	Limit   int64  // bytes of one body, after decompression; 0: 64 MiB
	Setting string // the name of the setting behind Limit, for the error
	// InWork bounds the bytes of all bodies that are held at the same time; 0: no bound.
	InWork        int64
	InWorkSetting string
}

// Bodies reads request bodies whole into pooled, counted buffers. It is safe for concurrent use.
type Bodies struct {
	o    BodyOptions
	held atomic.Int64
	pool sync.Pool // *Body
}

// NewBodies makes a reader of bodies.
func NewBodies(o BodyOptions) *Bodies {
	if o.Limit <= 0 {
		o.Limit = 64 << 20
	}
	b := &Bodies{o: o}
	b.pool.New = func() any { return &Body{} }
	return b
}

// Held is the number of bytes that bodies hold that were read and not yet freed.
func (b *Bodies) Held() int64 { return b.held.Load() }

// Body is one request body, decompressed. Free gives its memory back; Bytes must not be used afterwards.
type Body struct {
	Bytes []byte
	// Cut says why the body ended before its Content-Length, its chunk framing or its compressed stream did; nil if it is
	// whole. Bytes is what had come until then. A sender that gave up and a read timeout both look like this.
	Cut error

	from    *Bodies
	counted int64
}

// Read reads the body of r, undoing its Content-Encoding (gzip, zstd). The error is a *TooLargeError, *BusyError,
// *EncodingError or *DamagedError; a body that is cut short is not an error, see Body.Cut.
func (b *Bodies) Read(r *http.Request) (*Body, error) {
	encoding, err := contentEncoding(r)
	if err != nil {
		return nil, err
	}
	if encoding == "" && r.ContentLength > b.o.Limit {
		return nil, b.tooLarge()
	}
	body := b.pool.Get().(*Body)
	body.from, body.Cut, body.Bytes = b, nil, body.Bytes[:0]
	if err := body.fill(r, encoding); err != nil {
		body.Free()
		return nil, err
	}
	return body, nil
}

// Free gives the body's memory back.
func (b *Body) Free() {
	from := b.from
	if from == nil {
		return
	}
	from.held.Add(-b.counted)
	b.from, b.counted, b.Cut = nil, 0, nil
	if cap(b.Bytes) > keepLarge {
		b.Bytes = nil
	}
	from.pool.Put(b)
}

func (b *Bodies) tooLarge() error {
	return &TooLargeError{What: "request body", Limit: b.o.Limit, Setting: b.o.Setting}
}

// contentEncoding is "", "gzip" or "zstd".
func contentEncoding(r *http.Request) (string, error) {
	encoding := ""
	for _, field := range r.Header["Content-Encoding"] {
		for one := range strings.SplitSeq(field, ",") {
			name := strings.ToLower(strings.TrimSpace(one))
			switch name {
			case "", "identity":
				continue
			case "x-gzip":
				name = "gzip"
			case "gzip", "zstd":
			default:
				return "", &EncodingError{Encoding: strings.TrimSpace(one)}
			}
			if encoding != "" {
				return "", &EncodingError{Encoding: encoding + ", " + name}
			}
			encoding = name
		}
	}
	return encoding, nil
}

// wire remembers how the connection ended, so that a cut connection can be told from a damaged stream.
type wire struct {
	r   io.Reader
	err error
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}

func (b *Body) fill(r *http.Request, encoding string) error {
	src := &wire{r: r.Body}
	expect := r.ContentLength
	switch encoding {
	case "gzip":
		z, err := newGzip(src)
		if err != nil {
			return b.end(src, encoding, err)
		}
		defer gzipReaders.Put(z)
		return b.drain(src, z, encoding, expect)
	case "zstd":
		z, err := newZstd(src)
		if err != nil {
			return b.end(src, encoding, err)
		}
		defer func() {
			if z.Reset(nil) == nil {
				zstdReaders.Put(z)
			}
		}()
		return b.drain(src, z, encoding, expect)
	default:
		return b.drain(src, src, encoding, expect)
	}
}

// drain reads r to its end. Memory grows with what has come, never with what the sender says will come.
func (b *Body) drain(src *wire, r io.Reader, encoding string, expect int64) error {
	limit := b.from.o.Limit
	if err := b.grow(int(min(max(expect, 0), firstRead)) + minRead); err != nil {
		return err
	}
	for {
		if cap(b.Bytes)-len(b.Bytes) < minRead {
			// A plain body whose first part has come is given all it announced: copying twice would be waste.
			n := cap(b.Bytes)
			if encoding == "" && expect > 0 && int64(n) < expect && expect <= 16*int64(len(b.Bytes)) {
				n = int(expect) - len(b.Bytes) + minRead
			}
			if err := b.grow(n); err != nil {
				return err
			}
		}
		n, err := r.Read(b.Bytes[len(b.Bytes):cap(b.Bytes)])
		b.Bytes = b.Bytes[:len(b.Bytes)+n]
		if int64(len(b.Bytes)) > limit {
			return b.from.tooLarge()
		}
		if err != nil {
			return b.end(src, encoding, err)
		}
	}
}

// end makes the last error of a read into the body's end.
func (b *Body) end(src *wire, encoding string, err error) error {
	switch {
	case src.err != nil:
		b.Cut = fmt.Errorf("request body ended after %d bytes: %w", len(b.Bytes), src.err)
	case errors.Is(err, io.EOF): // also with no byte at all where a compressed stream should be: an empty body
	case errors.Is(err, io.ErrUnexpectedEOF):
		b.Cut = fmt.Errorf("%s stream of the request body ended after %d bytes: %w", encoding, len(b.Bytes), err)
	default:
		return &DamagedError{Encoding: encoding, Err: err}
	}
	return nil
}

// grow makes room for n more bytes and counts it.
func (b *Body) grow(n int) error {
	need := len(b.Bytes) + n
	// One byte more than the limit is enough to know that it was passed.
	need = min(need, int(b.from.o.Limit)+minRead)
	if need > cap(b.Bytes) {
		if err := b.count(int64(need)); err != nil {
			return err
		}
		grown := make([]byte, len(b.Bytes), need)
		copy(grown, b.Bytes)
		b.Bytes = grown
		return nil
	}
	return b.count(int64(cap(b.Bytes)))
}

func (b *Body) count(n int64) error {
	if n <= b.counted {
		return nil
	}
	held := b.from.held.Add(n - b.counted)
	b.counted = n
	if max := b.from.o.InWork; max > 0 && held > max {
		return &BusyError{Limit: max, Setting: b.from.o.InWorkSetting}
	}
	return nil
}

var gzipReaders, zstdReaders sync.Pool

func newGzip(r io.Reader) (*gzip.Reader, error) {
	if z, ok := gzipReaders.Get().(*gzip.Reader); ok {
		err := z.Reset(r)
		return z, err
	}
	return gzip.NewReader(r)
}

func newZstd(r io.Reader) (*zstd.Decoder, error) {
	if z, ok := zstdReaders.Get().(*zstd.Decoder); ok {
		err := z.Reset(r)
		return z, err
	}
	return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
}
