package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"granary/tenant"
	"granary/tenant/queue"
)

const (
	firstRead = 64 << 10 // what a Content-Length may make us allocate before a byte has come
	firstRoom = 1 << 20  // what it may make us keep free
	minRead   = 512
	// maxWindow bounds the memory of a zstd frame; RFC 8878 asks decoders to support 8 MiB.
	maxWindow = 8 << 20
	// ratioFrom is how many bytes a compressed body may become before its ratio counts: a small one does no harm.
	ratioFrom = 4 << 20
)

// MaxRatio is how many times its size a compressed body may become. Lines of metrics reach 50; what goes beyond is made to
// fill memory.
const MaxRatio = 400

// BodyOptions are the limits of a Bodies.
type BodyOptions struct {
	Limit   int64  // bytes of one body, after decompression; 0: 64 MiB
	Setting string // the name of the setting behind Limit, for the error
	// Queues, if not nil, bounds the bytes of all bodies that ReadFor holds at the same time, and is fair between tenants.
	Queues *queue.Fair
	// Standing, if not nil, tells how a tenant stands: its limit may be lower than Limit for the bodies of ReadFor.
	Standing func(tenant.ID) *tenant.Standing
}

// Bodies reads request bodies whole into pooled, counted buffers. It is safe for concurrent use.
type Bodies struct {
	o     BodyOptions
	held  atomic.Int64
	pools [bodyClasses]sync.Pool // *Body, by the size of its buffer
}

// NewBodies makes a reader of bodies.
func NewBodies(o BodyOptions) *Bodies {
	if o.Limit <= 0 {
		o.Limit = 64 << 20
	}
	return &Bodies{o: o}
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
	limit   int64        // what it may have, by Limit and by the size of the queue
	counted int64        // bytes of held
	queue   *queue.Queue // nil: it waits in none
	ticket  queue.Ticket
	// whose limit it is; nil if that of no tenant
	standing *tenant.Standing
	tenant   tenant.ID
}

// Read reads the body of r, undoing its Content-Encoding (gzip, zstd, deflate). The error is a *TooLargeError, *EncodingError,
// *RatioError or *DamagedError; a body that is cut short is not an error, see Body.Cut.
func (b *Bodies) Read(r *http.Request) (*Body, error) { return b.read(r, "", nil) }

// ReadFor is Read for a body that waits in the queue of a tenant until there is room. The error may also be a *queue.FullError,
// or the cause of the request's context. Work on the body takes its turns in the context that Body.Context gives.
func (b *Bodies) ReadFor(r *http.Request, id tenant.ID) (*Body, error) {
	if b.o.Queues == nil {
		return b.read(r, id, nil)
	}
	return b.read(r, id, b.o.Queues.Queue(id))
}

// limitOf is what a body of a tenant may have, by Limit, by the size of the queue, and by the limit of the tenant: whose Standing is
// told if that is what bounds it.
func (b *Bodies) limitOf(id tenant.ID, q *queue.Queue) (limit int64, standing *tenant.Standing) {
	limit = b.o.Limit
	if q != nil {
		limit = min(limit, q.Max())
	}
	if id != "" && b.o.Standing != nil {
		if st := b.o.Standing(id); st != nil {
			if own := st.Limits().Body; own > 0 && own < limit {
				return own, st
			}
		}
	}
	return limit, nil
}

func (b *Bodies) read(r *http.Request, id tenant.ID, q *queue.Queue) (*Body, error) {
	encoding, err := contentEncoding(r)
	if err != nil {
		return nil, err
	}
	expect := int64(-1) // bytes after decompression
	if encoding == "" {
		expect = r.ContentLength
	}
	limit, standing := b.limitOf(id, q)
	if expect > limit {
		return nil, b.tooLarge(limit, id, standing)
	}
	// Room for a usual body is taken at once: bodies that each hold a part and wait for more would stand in each other's way.
	// A larger one takes room for what has come, so that many announcements take little.
	first := int64(firstRead - minRead)
	if expect >= 0 {
		first = min(expect, firstRoom)
	}
	size := sizeFor(first + minRead)
	body := b.take(size)
	if body == nil {
		body = &Body{Bytes: make([]byte, 0, min(size, firstRead))}
	}
	body.from, body.queue, body.limit, body.tenant, body.standing = b, q, limit, id, standing
	if err := body.count(r.Context(), size); err != nil {
		body.Free()
		return nil, err
	}
	if err := body.fill(r, encoding, expect); err != nil {
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
	b.ticket.Leave()
	b.from, b.queue, b.standing, b.counted, b.Cut, b.Bytes = nil, nil, nil, 0, nil, b.Bytes[:0]
	from.keep(b)
}

// Context is the context in which the body is worked on: the work takes turns with that of others. It is of no use behind Free.
func (b *Body) Context(ctx context.Context) context.Context {
	if b.queue == nil {
		return ctx
	}
	return queue.With(ctx, &b.ticket)
}

func (b *Bodies) tooLarge(limit int64, id tenant.ID, standing *tenant.Standing) error {
	if standing != nil {
		standing.Refuse(tenant.LimitBody, 1)
		return &TooLargeError{What: "request body", Limit: limit, Tenant: id, Setting: tenant.LimitNumbered(tenant.LimitBody).Setting()}
	}
	setting := b.o.Setting
	if limit < b.o.Limit {
		setting = b.o.Queues.Queue(id).MaxSetting()
	}
	return &TooLargeError{What: "request body", Limit: limit, Setting: setting}
}

// count counts a buffer of that size as held, waiting in the queue if it has to. One that is larger than the queue alone,
// to find out that its body is, counts as all of it.
func (b *Body) count(ctx context.Context, size int64) error {
	if b.queue != nil {
		size = min(size, b.queue.Max())
	}
	more := size - b.counted
	if more <= 0 {
		return nil
	}
	if b.queue != nil {
		var err error
		if b.counted == 0 {
			err = b.queue.Enter(ctx, &b.ticket, more)
		} else {
			err = b.ticket.Grow(ctx, more)
		}
		if err != nil {
			return err
		}
	}
	b.from.held.Add(more)
	b.counted = size
	return nil
}

// Buffers have sizes of 4 KiB to 4 MiB by powers of two, so that a small body does not sit in the buffer of a large one and
// count as much. What is larger is not kept.
const (
	smallestClass = 12
	bodyClasses   = 11
)

// sizeFor is the size of the buffer for n bytes.
func sizeFor(n int64) int64 {
	class := max(bits.Len64(uint64(n-1)), smallestClass)
	if class >= smallestClass+bodyClasses {
		return n
	}
	return 1 << class
}

// take returns a buffer of that size if one is kept, else nil.
func (b *Bodies) take(size int64) *Body {
	if class := bits.Len64(uint64(size-1)) - smallestClass; class < bodyClasses {
		if body, ok := b.pools[class].Get().(*Body); ok {
			return body
		}
	}
	return nil
}

func (b *Bodies) keep(body *Body) {
	size := cap(body.Bytes)
	if class := bits.Len64(uint64(size-1)) - smallestClass; class >= 0 && class < bodyClasses && size == 1<<(class+smallestClass) {
		b.pools[class].Put(body)
	}
}

// contentEncoding is "", "gzip", "zstd" or "deflate".
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
			case "gzip", "zstd", "deflate":
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

// wire remembers how the connection ended, so that a cut connection can be told from a damaged stream, and what came.
type wire struct {
	r   io.Reader
	n   int64
	err error
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	w.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}

func (b *Body) fill(r *http.Request, encoding string, expect int64) error {
	src := &wire{r: r.Body}
	ctx := r.Context()
	switch encoding {
	case "gzip":
		z, err := newGzip(src)
		if err != nil {
			return b.end(src, encoding, err)
		}
		defer gzipReaders.Put(z)
		return b.drain(ctx, src, z, encoding, expect)
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
		return b.drain(ctx, src, z, encoding, expect)
	case "deflate":
		z, err := newDeflate(src)
		if err != nil {
			return b.end(src, encoding, err)
		}
		defer z.free()
		return b.drain(ctx, src, z, encoding, expect)
	default:
		return b.drain(ctx, src, src, encoding, expect)
	}
}

// drain reads r to its end. Memory grows with what has come, never with what the sender says will come.
func (b *Body) drain(ctx context.Context, src *wire, r io.Reader, encoding string, expect int64) error {
	for {
		if cap(b.Bytes)-len(b.Bytes) < minRead {
			// A plain body whose first part has come is given all it announced: copying twice would be waste.
			n := int64(cap(b.Bytes))
			if n < expect && expect <= 16*int64(len(b.Bytes)) {
				n = expect - int64(len(b.Bytes)) + minRead
			}
			if err := b.grow(ctx, n); err != nil {
				return err
			}
		}
		n, err := r.Read(b.Bytes[len(b.Bytes):cap(b.Bytes)])
		b.Bytes = b.Bytes[:len(b.Bytes)+n]
		if int64(len(b.Bytes)) > b.limit {
			return b.from.tooLarge(b.limit, b.tenant, b.standing)
		}
		if encoding != "" && int64(len(b.Bytes)) > ratioFrom && int64(len(b.Bytes)) > MaxRatio*src.n {
			return &RatioError{Encoding: encoding}
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

// grow makes room for n more bytes, waiting in the queue if it has to.
func (b *Body) grow(ctx context.Context, n int64) error {
	// A little more than the limit is enough to know that it was passed.
	size := sizeFor(min(int64(len(b.Bytes))+n, b.limit+minRead))
	if err := b.count(ctx, size); err != nil {
		return err
	}
	bytes := []byte(nil)
	if other := b.from.take(size); other != nil {
		bytes, other.Bytes = other.Bytes, b.Bytes[:0]
		bytes = append(bytes, b.Bytes...)
		b.from.keep(other)
	} else {
		bytes = append(make([]byte, 0, size), b.Bytes...)
	}
	b.Bytes = bytes
	return nil
}
