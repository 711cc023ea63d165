package identity

import (
	"cmp"
	"crypto/subtle"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"granary/tenant"
)

// KeyBucket is the catalogue bucket that holds the keys: the id and the record.
const KeyBucket = "keys"

// Bounds of how many keys there are, those that have ended among them until they are removed.
const (
	maxAllKeys      = 100_000
	maxKeysOfTenant = 1_000
)

// Keys knows all API keys. Like tenant.Registry it hears of a change when the change is in the journal: Apply live and in replay,
// Restore from the catalogue. Methods are safe for concurrent use; those that change it are called by one goroutine at a time.
type Keys struct {
	sink tenant.Sink

	mu   sync.RWMutex
	byID map[string]*apiKey
}

// apiKey is one key. Only the day of its last use changes.
type apiKey struct {
	rec   KeyRecord
	who   *Identity
	until int64 // nanoseconds since 1970; 0: for ever
	used  atomic.Int64
	saved int64 // the day that the catalogue has; for one goroutine at a time
}

// NewKeys makes an empty registry. sink may be nil.
func NewKeys(sink tenant.Sink) *Keys { return &Keys{sink: sink, byID: map[string]*apiKey{}} }

// find says who shows a text that has the form of a key; nil, nil if there is no such key.
func (k *Keys) find(id, secret string, now time.Time) (*Identity, error) {
	sum := sumOf(secret) // also for an id that is nobody's: it takes the same time
	k.mu.RLock()
	key := k.byID[id]
	k.mu.RUnlock()
	var want digest
	if key != nil {
		want = key.rec.Digest
	}
	if subtle.ConstantTimeCompare(want[:], sum[:]) != 1 || key == nil {
		return nil, nil
	}
	switch {
	case !key.rec.Revoked.IsZero():
		return nil, refuse(KeyRevoked, "the key has been revoked")
	case key.until != 0 && now.UnixNano() >= key.until:
		return nil, refuse(Expired, "the key has expired")
	}
	if d := dayOf(now); key.used.Load() < d {
		key.used.Store(d)
	}
	return key.who, nil
}

// Get is the key of an id.
func (k *Keys) Get(id string) (KeyRecord, bool) {
	k.mu.RLock()
	key := k.byID[id]
	k.mu.RUnlock()
	if key == nil {
		return KeyRecord{}, false
	}
	return key.record(), true
}

func (key *apiKey) record() KeyRecord {
	r := key.rec
	r.Grants.Items = slices.Clone(r.Grants.Items)
	if d := key.used.Load(); d > 0 {
		r.Used = time.Unix(d*day, 0).UTC()
	}
	return r
}

// InForce says whether a key can be used.
func (k *Keys) InForce(id string, now time.Time) bool {
	r, ok := k.Get(id)
	return ok && r.Revoked.IsZero() && (r.Expires.IsZero() || now.Before(r.Expires))
}

// All are the keys, by the time of their making.
func (k *Keys) All() []KeyRecord {
	k.mu.RLock()
	list := make([]KeyRecord, 0, len(k.byID))
	for _, key := range k.byID {
		list = append(list, key.record())
	}
	k.mu.RUnlock()
	slices.SortFunc(list, func(a, b KeyRecord) int {
		return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID))
	})
	return list
}

// Len is the number of keys.
func (k *Keys) Len() int {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return len(k.byID)
}

// Admit says whether there may be one key more. The error is a *KeyError.
func (k *Keys) Admit(r *KeyRecord) error {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.byID[r.ID] != nil {
		return &KeyError{Text: "there is a key of that id", code: keyEnded}
	}
	if len(k.byID) >= maxAllKeys {
		return &KeyError{Text: fmt.Sprintf("there are %d keys; remove those that have ended", maxAllKeys), code: keyTooMany}
	}
	of := make(map[tenant.ID]int)
	for _, key := range k.byID {
		for _, g := range key.rec.Grants.Items {
			of[g.Tenant]++
		}
	}
	for _, g := range r.Grants.Items {
		if of[g.Tenant] >= maxKeysOfTenant {
			return &KeyError{Text: fmt.Sprintf("tenant %q has %d keys; remove those that have ended", g.Tenant, maxKeysOfTenant), code: keyTooMany}
		}
	}
	return nil
}

// Remove is the record that makes a key forgotten.
func (r *KeyRecord) Remove() *KeyRecord { return &KeyRecord{ID: r.ID, removed: true} }

// Ended refuses the change of a key that has been revoked.
func Ended() *KeyError {
	return &KeyError{Text: "the key has been revoked; make another one", code: keyEnded}
}

// Apply puts what the record at the front of rec says in the place of what is known of its key, and returns the record's length.
// Records are applied in their order.
func (k *Keys) Apply(rec []byte) (int, error) {
	n, r, err := parseKey(rec)
	if err == nil {
		k.put(r, true)
	}
	return n, err
}

// Restore does what Apply does with a value of the catalogue; the sink is not called.
func (k *Keys) Restore(value []byte) error {
	n, r, err := parseKey(value)
	if err == nil && n != len(value) {
		err = fmt.Errorf("key record: %d bytes behind it", len(value)-n)
	}
	if err == nil {
		k.put(r, false)
	}
	return err
}

// DropTenant takes a tenant that was deleted out of all keys, since one of that name made later is another; what is left with none is
// revoked. It is part of applying the record that ends the tenant, and does the same in replay.
func (k *Keys) DropTenant(id tenant.ID, now time.Time) {
	k.mu.RLock()
	var changed []KeyRecord
	for _, key := range k.byID {
		if r := key.record(); r.Drop(id, now) {
			changed = append(changed, r)
		}
	}
	k.mu.RUnlock()
	for _, r := range changed {
		k.put(r, true)
	}
}

// put makes a key what its record says, and tells the sink.
func (k *Keys) put(r KeyRecord, tell bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var value []byte
	if r.removed {
		delete(k.byID, r.ID)
	} else {
		key := &apiKey{rec: r, who: New(r.Subject, Key, r.ID, r.Grants.All, r.Grants.Items...)}
		if !r.Expires.IsZero() {
			key.until = r.Expires.UnixNano()
		}
		// A record of the journal does not know of the last use; the catalogue may, and so may who has used it since.
		key.saved = dayOf(r.Used)
		if was := k.byID[r.ID]; was != nil {
			key.saved = max(key.saved, was.used.Load())
		}
		key.used.Store(key.saved)
		k.byID[r.ID] = key
		if kept := key.record(); tell {
			value = AppendKey(nil, &kept)
		}
	}
	if tell && k.sink != nil {
		k.sink.Put(KeyBucket, []byte(r.ID), value)
	}
}

// SaveUse tells the sink of keys that have been used on a later day than it knows.
func (k *Keys) SaveUse() {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.sink == nil {
		return
	}
	for id, key := range k.byID {
		if d := key.used.Load(); d > key.saved {
			key.saved = d
			r := key.record()
			k.sink.Put(KeyBucket, []byte(id), AppendKey(nil, &r))
		}
	}
}
