package edge

import "sync"

// keepCapacity is the largest buffer that goes back into a pool. One large answer must not pin its memory for ever.
const keepCapacity = 4 << 20

// Buffer is a pooled byte slice. B is owned by whoever got the buffer, until Free.
type Buffer struct{ B []byte }

var buffers = sync.Pool{New: func() any { return &Buffer{B: make([]byte, 0, 4096)} }}

// NewBuffer returns an empty buffer from the pool.
func NewBuffer() *Buffer {
	b := buffers.Get().(*Buffer)
	b.B = b.B[:0]
	return b
}

// Free gives the buffer back. Neither it nor any part of its bytes may be used afterwards.
func (b *Buffer) Free() {
	if cap(b.B) > keepCapacity {
		return
	}
	buffers.Put(b)
}

// Write appends p, so that a Buffer is an io.Writer. It never fails.
func (b *Buffer) Write(p []byte) (int, error) {
	b.B = append(b.B, p...)
	return len(p), nil
}
