package metricdef

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"granary/tenant"
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
	cursorVersion = 2
	// cursorLimit is the greatest length of a cursor in bytes, before it is made text.
	cursorLimit = 2 + aes.BlockSize + maxPlace + sha256.Size
)

// SecretLen is the length of what seals cursors, in bytes.
const SecretLen = 16

// seal makes and reads cursors. What stands in them beside a text is one block of a cipher, for a ref counts the definitions of
// all tenants, and a tenant has no business knowing that number. The tenant is in the block too: the cursors of
// others are as good as made up.
type seal struct{ block cipher.Block }

func newSeal(secret [SecretLen]byte) seal {
	block, err := aes.NewCipher(secret[:])
	if err != nil {
		panic(err) // of the length alone, which is right
	}
	return seal{block}
}

// Seal gives the secret that seals cursors, before the first search. With another one the cursors of before are refused.
func (r *Registry) Seal(secret [SecretLen]byte) { r.seal = newSeal(secret) }

// cursor prints a place in an order.
func (s seal) cursor(t tenant.Num, p place, order byte) string {
	var block [aes.BlockSize]byte
	binary.BigEndian.PutUint32(block[:], uint32(t))
	binary.BigEndian.PutUint32(block[4:], uint32(p.ref))
	binary.BigEndian.PutUint64(block[8:], uint64(p.num))
	s.block.Encrypt(block[:], block[:])
	b := append(make([]byte, 0, 32+len(p.text)), cursorVersion, order)
	return base64.RawURLEncoding.EncodeToString(append(append(b, block[:]...), p.text...))
}

// parse reads the place that cursor printed for the same tenant and order.
func (s seal) parse(t tenant.Num, text string, order byte) (place, error) {
	if len(text) > base64.RawURLEncoding.EncodedLen(cursorLimit) {
		return place{}, &CursorError{fmt.Errorf("%d bytes are too long", len(text))}
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < 2+aes.BlockSize || b[0] != cursorVersion {
		return place{}, &CursorError{errors.New("not one of an earlier answer")}
	}
	if b[1] != order {
		return place{}, &CursorError{errors.New("of an answer in another order")}
	}
	var block [aes.BlockSize]byte
	s.block.Decrypt(block[:], b[2:2+aes.BlockSize])
	ref := binary.BigEndian.Uint32(block[4:])
	if binary.BigEndian.Uint32(block[:]) != uint32(t) || uint64(ref) > uint64(maxRef) {
		return place{}, &CursorError{errors.New("not one of an earlier answer")}
	}
	return place{string(b[2+aes.BlockSize:]), int64(binary.BigEndian.Uint64(block[8:])), Ref(ref)}, nil
}

// textPlace is what a text is sorted by where texts are listed: itself, or its front and a hash of it.
func textPlace(s string) string {
	if len(s) <= maxPlace {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return s[:maxPlace] + string(sum[:])
}
