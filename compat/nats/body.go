package nats

import (
	"bytes"
	"slices"
)

// body is a number of messages joined into one text of whole lines.
type body struct {
	text     []byte
	messages int
	alone    bool // nothing may be joined to the message that is in
}

// keepBody is the size up to which a body's memory is kept for the next one.
const keepBody = 4 << 20

func (b *body) reset() {
	if cap(b.text) > keepBody {
		b.text = nil
	}
	*b = body{text: b.text[:0]}
}

// fits says whether data may join what is in. A quotation mark can open a string that takes in line ends: in a damaged
// message it would swallow the lines of the next, so a message that has one stands alone.
func (b *body) fits(data []byte, limit int) bool {
	return b.messages == 0 || !b.alone && len(b.text)+len(data) < limit && bytes.IndexByte(data, '"') < 0
}

// full says that there is no use in waiting for more.
func (b *body) full(limit int) bool { return b.alone || len(b.text) >= limit }

// add joins data, and ends its last line if it is open.
func (b *body) add(data []byte) {
	b.messages++
	if len(data) == 0 {
		return
	}
	b.alone = bytes.IndexByte(data, '"') >= 0
	b.text = append(slices.Grow(b.text, len(data)+1), data...)
	if data[len(data)-1] != '\n' {
		b.text = append(b.text, '\n')
	}
}
