package edge

import (
	"bufio"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

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

// deflate reads what senders call deflate: the zlib format, as RFC 9110 has it, or the bare stream, as some send it.
type deflate struct {
	in    *bufio.Reader
	plain io.ReadCloser // a flate reader
	zlib  io.ReadCloser
	z     io.Reader // the one of them in use
}

var deflates sync.Pool

var errBehind = errors.New("there are bytes behind the end of the stream")

func newDeflate(r io.Reader) (*deflate, error) {
	d, ok := deflates.Get().(*deflate)
	if !ok {
		d = &deflate{in: bufio.NewReader(nil)}
	}
	d.in.Reset(r)
	head, err := d.in.Peek(2)
	if len(head) == 0 {
		return nil, err
	}
	// A header of zlib is a multiple of 31. Its first byte would begin a bare stream with an empty stored block whose padding
	// is not zero, which nothing writes.
	if len(head) == 2 && head[0]&0x8f == 0x08 && (uint(head[0])<<8|uint(head[1]))%31 == 0 {
		if d.zlib == nil {
			d.zlib, err = zlib.NewReader(d.in)
		} else {
			err = d.zlib.(zlib.Resetter).Reset(d.in, nil)
		}
		d.z = d.zlib
		return d, err
	}
	if d.plain == nil {
		d.plain = flate.NewReader(d.in)
	} else if err := d.plain.(flate.Resetter).Reset(d.in, nil); err != nil {
		return nil, err
	}
	d.z = d.plain
	return d, nil
}

func (d *deflate) Read(p []byte) (int, error) {
	n, err := d.z.Read(p)
	if errors.Is(err, io.EOF) {
		if _, more := d.in.Peek(1); more == nil {
			return n, errBehind
		}
	}
	return n, err
}

func (d *deflate) free() {
	d.in.Reset(nil)
	deflates.Put(d)
}
