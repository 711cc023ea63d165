package edge

import (
	"net/http"
	"strings"

	"github.com/klauspost/compress/snappy"

	"granary/tenant"
)

const encodingSnappy = "snappy"

// ReadBlockFor is ReadFor for a body that is one block of snappy, as senders of remote write make it, whether or not its Content-Encoding says
// so. What the block says of its size is held against the limits before there is room for it.
func (b *Bodies) ReadBlockFor(r *http.Request, id tenant.ID) (*Body, error) {
	body, err := b.ReadFor(withoutSnappy(r), id)
	if err != nil || body.Cut != nil {
		return body, err
	}
	if err := body.unpack(r); err != nil {
		body.Free()
		return nil, err
	}
	return body, nil
}

// withoutSnappy is a request whose Content-Encoding does not name snappy.
func withoutSnappy(r *http.Request) *http.Request {
	var left []string
	for _, field := range r.Header["Content-Encoding"] {
		for one := range strings.SplitSeq(field, ",") {
			if !strings.EqualFold(strings.TrimSpace(one), encodingSnappy) {
				left = append(left, one)
			}
		}
	}
	other := *r
	other.Header = r.Header.Clone()
	other.Header["Content-Encoding"] = left
	return &other
}

// unpack replaces the block by what it holds.
func (b *Body) unpack(r *http.Request) error {
	n, err := snappy.DecodedLen(b.Bytes)
	size := int64(n)
	switch {
	case err != nil:
		return &DamagedError{Encoding: encodingSnappy, Err: err}
	case size > b.limit:
		return b.from.tooLarge(b.limit, b.tenant, b.standing)
	case size > ratioFrom && size > MaxRatio*int64(len(b.Bytes)):
		return &RatioError{Encoding: encodingSnappy}
	}
	class := sizeFor(max(size, 1))
	if err := b.count(r.Context(), int64(cap(b.Bytes))+class); err != nil {
		return err
	}
	var room []byte
	other := b.from.take(class)
	if other != nil {
		room = other.Bytes
	} else {
		other, room = &Body{}, make([]byte, 0, class)
	}
	plain, err := snappy.DecodeStrict(room[:0:cap(room)], b.Bytes)
	if err != nil {
		other.Bytes = room
		b.from.keep(other)
		return &DamagedError{Encoding: encodingSnappy, Err: err}
	}
	other.Bytes, b.Bytes = b.Bytes[:0], plain
	b.from.keep(other)
	return nil
}
