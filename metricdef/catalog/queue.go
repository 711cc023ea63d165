package catalog

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"

	"go.etcd.io/bbolt"
)

// Change is one key of one bucket with its new value; a nil Value deletes the key.
type Change struct {
	Bucket     string
	Key, Value []byte
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sumLen is the length of the checksum in front of every value: CRC-32C over key and value, little endian. bbolt has
// checksums for its two meta pages only.
const sumLen = 4

// queued is a change whose key and stored value lie one behind the other in the buffer of its batch.
type queued struct {
	seq    uint64
	bucket string
	at     int
	key    int32
	value  int32 // with checksum; -1 deletes
}

// batch is a run of changes in the order of their records. It owns its bytes, which noone else writes to.
type batch struct {
	buf     []byte
	changes []queued
}

func (b *batch) add(seq uint64, ch *Change) {
	q := queued{seq: seq, bucket: ch.Bucket, at: len(b.buf), key: int32(len(ch.Key)), value: -1}
	b.buf = append(b.buf, ch.Key...)
	if ch.Value != nil {
		sum := crc32.Update(crc32.Checksum(ch.Key, castagnoli), castagnoli, ch.Value)
		b.buf = binary.LittleEndian.AppendUint32(b.buf, sum)
		b.buf = append(b.buf, ch.Value...)
		q.value = int32(sumLen + len(ch.Value))
	}
	b.changes = append(b.changes, q)
}

func (b *batch) keyOf(q *queued) []byte { return b.buf[q.at : q.at+int(q.key)] }

func (b *batch) valueOf(q *queued) []byte {
	at := q.at + int(q.key)
	return b.buf[at : at+int(q.value) : at+int(q.value)]
}

// split takes the changes up to seq out of b.
func (b *batch) split(seq uint64) batch {
	n, _ := slices.BinarySearchFunc(b.changes, seq, func(q queued, seq uint64) int {
		if q.seq <= seq {
			return -1
		}
		return 1
	})
	if n == len(b.changes) {
		taken := *b
		*b = batch{}
		return taken
	}
	var rest batch
	for i := n; i < len(b.changes); i++ {
		q := b.changes[i]
		end := q.at + int(q.key) + int(max(q.value, 0))
		at := len(rest.buf)
		rest.buf = append(rest.buf, b.buf[q.at:end]...)
		q.at = at
		rest.changes = append(rest.changes, q)
	}
	taken := batch{buf: b.buf, changes: b.changes[:n]}
	*b = rest
	return taken
}

// settle sorts the changes by bucket and key and keeps the last one of each key, so that the transaction goes through
// every bucket once, in its order.
func (b *batch) settle() {
	order := func(x, y queued) int {
		if c := cmp.Compare(x.bucket, y.bucket); c != 0 {
			return c
		}
		return bytes.Compare(b.keyOf(&x), b.keyOf(&y))
	}
	slices.SortStableFunc(b.changes, order)
	kept := b.changes[:0]
	for i, q := range b.changes {
		if i+1 < len(b.changes) && order(q, b.changes[i+1]) == 0 {
			continue
		}
		kept = append(kept, q)
	}
	b.changes = kept
}

// openValue checks a stored value of a file of that size and returns it without its checksum. In a damaged file lengths
// may be anything, so they are looked at before the bytes.
func openValue(key, stored []byte, size int64) ([]byte, error) {
	if len(key) > bbolt.MaxKeySize {
		return nil, fmt.Errorf("key of %d bytes, at most %d are possible", len(key), bbolt.MaxKeySize)
	}
	if len(stored) < sumLen || int64(len(stored)) > size {
		return nil, fmt.Errorf("value of %d bytes in a file of %d", len(stored), size)
	}
	value := stored[sumLen:]
	sum := crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
	if want := binary.LittleEndian.Uint32(stored); sum != want {
		return nil, fmt.Errorf("checksum %08x, %08x expected", sum, want)
	}
	return value, nil
}
