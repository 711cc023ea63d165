package usage

import (
	"encoding/binary"
	"fmt"
	"math"

	"granary/tenant"
)

// An account is a payload of the journal that says what tenants have used: a byte of version, then for each tenant
//
//	uvarint  its number
//	byte     which of the following stand there: bit 0 samples, 1 bytes, 2 created, 3 removed, 4 queries, 5 read, 6 sent, 7 subject
//	uvarint  each of the counts
//	text     the subject: a uvarint length and that many bytes
const accountVersion = 1

const (
	hasSubject = 1 << 7
	// maxSubject is how much of a subject is kept.
	maxSubject = maxText
	// maxReads is how many tenants one account of reads has, so that a record stays below the journal's limit.
	maxReads = 8_000
)

// Entry is what an account says of a tenant.
type Entry struct {
	Tenant tenant.Num
	Counts
	// Subject is who wrote the samples that follow the account, up to as many as it counts.
	Subject string
}

func (c *Counts) all() [7]*uint64 {
	return [...]*uint64{&c.Samples, &c.Bytes, &c.Created, &c.Removed, &c.Queries, &c.Read, &c.Sent}
}

// AppendAccount begins an account.
func AppendAccount(b []byte) []byte { return append(b, accountVersion) }

// AppendEntry appends what an account says of a tenant.
func AppendEntry(b []byte, e *Entry) []byte {
	b = binary.AppendUvarint(b, uint64(e.Tenant))
	at := len(b)
	b = append(b, 0)
	for i, v := range e.all() {
		if *v != 0 {
			b[at] |= 1 << i
			b = binary.AppendUvarint(b, *v)
		}
	}
	if e.Subject != "" {
		b[at] |= hasSubject
		s := e.Subject[:min(len(e.Subject), maxSubject)]
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	return b
}

// ParseAccount calls fn for each tenant of an account; the entry is valid until fn returns. A damaged account says nothing.
func ParseAccount(p []byte, fn func(*Entry)) error {
	if len(p) == 0 || p[0] != accountVersion {
		return fmt.Errorf("%w: unknown version", errRecord)
	}
	for _, fn := range [...]func(*Entry){func(*Entry) {}, fn} {
		d := decoder{p: p[1:]}
		for len(d.p) > 0 {
			n := d.uvarint()
			mask := d.byte()
			e := Entry{Tenant: tenant.Num(n)}
			for i, v := range e.all() {
				if mask&(1<<i) != 0 {
					*v = d.uvarint()
				}
			}
			if mask&hasSubject != 0 {
				size := d.uvarint()
				if size > maxSubject || size > uint64(len(d.p)) {
					return errRecord
				}
				e.Subject = string(d.p[:size])
				d.p = d.p[size:]
			}
			if d.failed || n == 0 || n > math.MaxUint32 {
				return errRecord
			}
			fn(&e)
		}
	}
	return nil
}

// Reads is an account of what tenants have read and the journal does not have yet, nil if there is nothing.
type Reads struct {
	Account []byte
	taken   map[tenant.Num]*Counts
}

// Reads takes what was told by Asked and is in no account. It counts when the account is applied; where the journal does not take
// it, Return gives it back.
func (l *Ledger) Reads() *Reads {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.reads) == 0 {
		return nil
	}
	r := &Reads{Account: AppendAccount(nil), taken: make(map[tenant.Num]*Counts, min(len(l.reads), maxReads))}
	for t, c := range l.reads {
		if len(r.taken) == maxReads {
			break
		}
		r.Account = AppendEntry(r.Account, &Entry{Tenant: t, Counts: *c})
		r.taken[t] = c
		delete(l.reads, t)
	}
	return r
}

// Return gives back what Reads has taken.
func (l *Ledger) Return(r *Reads) {
	for t, c := range r.taken {
		l.Asked(t, c.Queries, c.Read, c.Sent)
	}
}
