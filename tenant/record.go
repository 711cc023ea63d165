package tenant

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// A tenant's record is
//
//	version  byte, 1
//	length   uvarint, of the body
//	body     num (uvarint), created (varint, ns since 1970), flags (byte; bit 0: implicit),
//	         limit on series (uvarint), id (the rest of the body)
//
// The length is outside of the body so that records can stand behind one another.

const (
	recordVersion = 1
	flagImplicit  = 1 << 0
)

func appendRecord(dst []byte, t *Tenant) []byte {
	var body [3*binary.MaxVarintLen64 + 1 + MaxIDLen]byte
	b := binary.AppendUvarint(body[:0], uint64(t.Num))
	b = binary.AppendVarint(b, t.Created.UnixNano())
	var flags byte
	if t.Implicit {
		flags |= flagImplicit
	}
	b = append(b, flags)
	b = binary.AppendUvarint(b, uint64(t.Limits.Series))
	b = append(b, t.ID...)
	dst = append(dst, recordVersion)
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

var errCut = errors.New("tenant record: cut short")

// parseRecord reads the record at the front of rec and returns its length.
func parseRecord(rec []byte) (int, Tenant, error) {
	if len(rec) == 0 {
		return 0, Tenant{}, errCut
	}
	if rec[0] != recordVersion {
		return 0, Tenant{}, fmt.Errorf("tenant record: version %d, this program knows %d", rec[0], recordVersion)
	}
	size, n := binary.Uvarint(rec[1:])
	if n <= 0 || size > uint64(len(rec)-1-n) {
		return 0, Tenant{}, errCut
	}
	end := 1 + n + int(size)
	b := rec[1+n : end]

	num, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, Tenant{}, errCut
	}
	if num == 0 || num > 1<<32-1 {
		return 0, Tenant{}, fmt.Errorf("tenant record: number %d", num)
	}
	b = b[n:]
	created, n := binary.Varint(b)
	if n <= 0 || len(b) == n {
		return 0, Tenant{}, errCut
	}
	flags := b[n]
	if flags&^flagImplicit != 0 {
		return 0, Tenant{}, fmt.Errorf("tenant record: flags %#x", flags)
	}
	b = b[n+1:]
	series, n := binary.Uvarint(b)
	if n <= 0 || series > 1<<63-1 {
		return 0, Tenant{}, fmt.Errorf("tenant record: limit on series of tenant %d", num)
	}
	id, err := Parse(string(b[n:]))
	if err != nil {
		return 0, Tenant{}, fmt.Errorf("tenant record: number %d: %w", num, err)
	}
	return end, Tenant{
		Num:      Num(num),
		ID:       id,
		Created:  time.Unix(0, created).UTC(),
		Implicit: flags&flagImplicit != 0,
		Limits:   Limits{Series: int64(series)},
	}, nil
}
