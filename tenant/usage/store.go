package usage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"granary/tenant"
)

// The buckets of the store.
const (
	// BucketHours has a day of a tenant: its number and the day since 1970, four bytes each, big-endian, to dayRecord.
	BucketHours = "usage"
	// BucketNodes has a node: NodeKey.Bytes to spansRecord.
	BucketNodes = "usage-nodes"
	// BucketState has "position", the last record that is counted, in eight bytes, big-endian; and for each tenant its number to
	// how many series it has and the newest hour that was counted in, two varints.
	BucketState = "usage-state"
)

// Buckets are all of them.
var Buckets = []string{BucketHours, BucketNodes, BucketState}

// IsPosition says whether a key is the one of the position.
func IsPosition(bucket string, key []byte) bool {
	return bucket == BucketState && bytes.Equal(key, positionKey)
}

var positionKey = []byte("position")

// Reader reads what a store holds. Keys and values are valid until the call that gave the reader returns.
type Reader interface {
	// Get is nil for a key that is not there. The error says that the value is damaged.
	Get(bucket string, key []byte) ([]byte, error)
	// Each calls fn for the keys from one on, in their order, until it answers false. damaged says that the value cannot be read.
	Each(bucket string, from []byte, fn func(key, value []byte, damaged error) bool) error
}

// Writer changes what a store holds.
type Writer interface {
	Reader
	Put(bucket string, key, value []byte) error
	Delete(bucket string, key []byte) error
}

// Store keeps what the ledger saves.
type Store interface {
	View(fn func(Reader) error) error
	// Update makes the changes of fn in one transaction, if fn returns nil.
	Update(fn func(Writer) error) error
}

const (
	dayVersion   = 1
	spansVersion = 1
	day          = 24 * hour
)

func tenantKey(t tenant.Num) []byte { return binary.BigEndian.AppendUint32(nil, uint32(t)) }

func dayKey(t tenant.Num, start int64) []byte {
	return binary.BigEndian.AppendUint32(tenantKey(t), uint32(start/day))
}

// appendDay appends the hours of one day: a byte of version, then for each hour its number (byte), and as uvarints samples, bytes, created, removed, queries,
// read, sent, series at its end, and by how much the peak was higher.
func appendDay(b []byte, list []Hour) []byte {
	b = append(b, dayVersion)
	for i := range list {
		h := &list[i]
		b = append(b, byte(h.Start%day/hour))
		for _, v := range [...]uint64{h.Samples, h.Bytes, h.Created, h.Removed, h.Queries, h.Read, h.Sent, uint64(max(h.Series, 0)), uint64(max(h.Peak-h.Series, 0))} {
			b = binary.AppendUvarint(b, v)
		}
	}
	return b
}

var errRecord = errors.New("the record is damaged")

func parseDay(p []byte, start int64) ([]Hour, error) {
	if len(p) == 0 || p[0] != dayVersion {
		return nil, fmt.Errorf("%w: unknown version", errRecord)
	}
	d := decoder{p: p[1:]}
	var list []Hour
	for len(d.p) > 0 {
		n := int64(d.byte())
		if n >= day/hour || len(list) > 0 && start+n*hour <= list[len(list)-1].Start {
			return nil, fmt.Errorf("%w: hour %d", errRecord, n)
		}
		h := Hour{Start: start + n*hour}
		for _, v := range [...]*uint64{&h.Samples, &h.Bytes, &h.Created, &h.Removed, &h.Queries, &h.Read, &h.Sent} {
			*v = d.uvarint()
		}
		series, above := d.uvarint(), d.uvarint()
		if series > math.MaxUint32 || above > math.MaxUint32 {
			return nil, fmt.Errorf("%w: %d series", errRecord, series)
		}
		h.Series, h.Peak = int64(series), int64(series+above)
		list = append(list, h)
	}
	if d.failed {
		return nil, errRecord
	}
	return list, nil
}

// appendSpans appends the lives of a node: a byte of version, then for each varint from - end of the one before, uvarint length.
func appendSpans(b []byte, list []span) []byte {
	b = append(b, spansVersion)
	var at int64
	for _, s := range list {
		b = binary.AppendVarint(b, s.from-at)
		b = binary.AppendUvarint(b, uint64(s.to-s.from))
		at = s.to
	}
	return b
}

func parseSpans(p []byte) ([]span, error) {
	if len(p) == 0 || p[0] != spansVersion {
		return nil, fmt.Errorf("%w: unknown version", errRecord)
	}
	d := decoder{p: p[1:]}
	var list []span
	var at int64
	for len(d.p) > 0 {
		from := at + d.varint()
		length := d.uvarint()
		to := from + int64(length)
		if d.failed || length > math.MaxInt64 || to < from || len(list) > 0 && from <= at {
			return nil, errRecord
		}
		list = append(list, span{from, to})
		at = to
	}
	return list, nil
}

// Bytes is the key of a node in the store, and names it elsewhere: its tenant, and its texts, each with 0, 255 for a zero in it and 0, 1 at its end, so that keys
// have the order of nodes.
func (k *NodeKey) Bytes() []byte {
	b := tenantKey(k.Tenant)
	for _, s := range [...]string{k.Cluster, k.Name, k.User, k.Template} {
		for i := range len(s) {
			if b = append(b, s[i]); s[i] == 0 {
				b = append(b, 255)
			}
		}
		b = append(b, 0, 1)
	}
	return b
}

// ParseNodeKey reads what Bytes has made.
func ParseNodeKey(b []byte) (k NodeKey, ok bool) {
	if len(b) < 4 {
		return k, false
	}
	k.Tenant = tenant.Num(binary.BigEndian.Uint32(b))
	b = b[4:]
	for _, s := range [...]*string{&k.Cluster, &k.Name, &k.User, &k.Template} {
		var text []byte
		for {
			if len(b) < 2 {
				return k, false
			}
			if b[0] != 0 {
				text = append(text, b[0])
				b = b[1:]
				continue
			}
			end := b[1] == 1
			if !end && b[1] != 255 {
				return k, false
			}
			b = b[2:]
			if end {
				break
			}
			text = append(text, 0)
		}
		*s = string(text)
	}
	return k, len(b) == 0
}

// decoder reads numbers and remembers that it failed.
type decoder struct {
	p      []byte
	failed bool
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.p)
	if n <= 0 {
		d.failed, d.p = true, nil
		return 0
	}
	d.p = d.p[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.p)
	if n <= 0 {
		d.failed, d.p = true, nil
		return 0
	}
	d.p = d.p[n:]
	return v
}

func (d *decoder) byte() byte {
	if len(d.p) == 0 {
		d.failed = true
		return 0
	}
	c := d.p[0]
	d.p = d.p[1:]
	return c
}
