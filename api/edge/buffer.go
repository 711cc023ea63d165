package edge

import "sync"

// Buffers up to keepSmall go back into a pool that the collector empties. The collector runs often in a process whose heap is
// small, and a service that gives large answers would grow each from the beginning; so a few buffers up to keepLarge are
// kept outside of its reach. Larger ones are given up: one answer must not pin its memory for ever.
const (
	keepSmall = 64 << 10
	keepLarge = 4 << 20
)

var large = make(chan *Buffer, 4)

// Buffer is a pooled byte slice. B is owned by whoever got the buffer, until Free.
type Buffer struct{ B []byte }

var buffers = sync.Pool{New: func() any { return &Buffer{B: make([]byte, 0, 4096)} }}

// NewBuffer returns an empty buffer from the pool.
func NewBuffer() *Buffer {
	select {
	case b := <-large:
		return b
	default:
	}
	b := buffers.Get().(*Buffer)
	return b
}

// Free gives the buffer back. Neither it nor any part of its bytes may be used afterwards.
func (b *Buffer) Free() {
	b.B = b.B[:0]
	switch {
	case cap(b.B) <= keepSmall:
		buffers.Put(b)
	case cap(b.B) <= keepLarge:
		select {
		case large <- b:
		default:
		}
	}
}

// Write appends p, so that a Buffer is an io.Writer. It never fails.
func (b *Buffer) Write(p []byte) (int, error) {
	b.B = append(b.B, p...)
	return len(p), nil
}
