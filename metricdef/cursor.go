package metricdef

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
)

// CursorError says that a cursor does not belong to the request: it was not made by Granary, or for another order.
type CursorError struct{ Err error }

func (e *CursorError) Error() string { return "cursor: " + e.Err.Error() }

func (e *CursorError) Unwrap() error { return e.Err }

// Kind is the kind of the error for the edges.
func (e *CursorError) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (e *CursorError) Code() string { return "cursor-invalid" }

// maxPlace is how many bytes of a text take part in an order, so that a cursor fits into an address.
const maxPlace = 1024

// place is where something stands in an order: by text, by number, by ref. A cursor is the place of the last item that
// was answered, not the item, so that it stays good when that item goes.
type place struct {
	text string
	num  int64
	ref  Ref
}

const (
	cursorVersion = 1
	// cursorLimit is the greatest length of a cursor in bytes, before it is made text.
	cursorLimit = 2 + binary.MaxVarintLen64 + binary.MaxVarintLen32 + maxPlace + sha256.Size
)

// cursor prints a place in an order.
func (p place) cursor(order byte) string {
	b := append(make([]byte, 0, 32+len(p.text)), cursorVersion, order)
	b = binary.AppendVarint(b, p.num)
	b = binary.AppendUvarint(b, uint64(p.ref))
	return base64.RawURLEncoding.EncodeToString(append(b, p.text...))
}

// parseCursor reads the place that cursor printed for the same order.
func parseCursor(text string, order byte) (place, error) {
	if len(text) > base64.RawURLEncoding.EncodedLen(cursorLimit) {
		return place{}, &CursorError{fmt.Errorf("%d bytes are too long", len(text))}
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < 2 || b[0] != cursorVersion {
		return place{}, &CursorError{errors.New("not one of an earlier answer")}
	}
	if b[1] != order {
		return place{}, &CursorError{errors.New("of an answer in another order")}
	}
	num, n := binary.Varint(b[2:])
	if n <= 0 {
		return place{}, &CursorError{errors.New("not one of an earlier answer")}
	}
	b = b[2+n:]
	ref, n := binary.Uvarint(b)
	if n <= 0 || ref > uint64(maxRef) {
		return place{}, &CursorError{errors.New("not one of an earlier answer")}
	}
	return place{string(b[n:]), num, Ref(ref)}, nil
}

// textPlace is what a text is sorted by where texts are listed: itself, or its front and a hash of it.
func textPlace(s string) string {
	if len(s) <= maxPlace {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return s[:maxPlace] + string(sum[:])
}
