package identity

import (
	"cmp"
	"crypto"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// issuer is an Issuer with its keys.
type issuer struct {
	o     Issuer
	files *files
	keys  atomic.Pointer[keySet]

	mu   sync.Mutex
	read time.Time // when a token with a key that is not known last made the files be read
}

// keySet is the keys of an issuer at a time. It is never changed, only replaced.
type keySet struct {
	byName map[keyName]crypto.PublicKey
	// only is the name of the one key of an algorithm, for tokens that name none; "" where there are several.
	only map[string]keyName
}

// keyName names a key. The algorithm belongs to it, so that no token can use a key for another algorithm than its own.
type keyName struct{ id, algorithm string }

func newKeySet() *keySet {
	return &keySet{byName: map[keyName]crypto.PublicKey{}, only: map[string]keyName{}}
}

// add adds a key; false if there is one of that name.
func (s *keySet) add(id string, key crypto.PublicKey) bool {
	name := keyName{id, algorithmOf(key)}
	if s.byName[name] != nil {
		return false
	}
	if _, others := s.only[name.algorithm]; others {
		s.only[name.algorithm] = keyName{}
	} else {
		s.only[name.algorithm] = name
	}
	s.byName[name] = key
	return true
}

func newIssuer(o Issuer, read func(string) ([]byte, error)) (*issuer, error) {
	if o.Algorithms == nil {
		o.Algorithms = Algorithms
	}
	o.Claims.Subject = cmp.Or(o.Claims.Subject, "sub")
	o.Claims.Roles = cmp.Or(o.Claims.Roles, "granary.roles")
	o.Claims.Tenants = cmp.Or(o.Claims.Tenants, "granary.tenants")
	names := []string{}
	if o.JWKSFile != "" {
		names = append(names, o.JWKSFile)
	}
	for _, k := range o.Keys {
		names = append(names, k.File)
	}
	i := &issuer{o: o}
	i.files = newFiles(read, i.take, names...)
	return i, i.files.load()
}

// take puts keys into force. contents are those of the files, in their order.
func (i *issuer) take(contents [][]byte) error {
	set := newKeySet()
	for at, b := range contents {
		file := i.files.names[at]
		if i.o.JWKSFile != "" && at == 0 {
			keys, err := ParseJWKS(b)
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			for _, k := range keys {
				if !set.add(k.ID, k.Public) {
					return fmt.Errorf("%s: two keys of one kid and one type", file)
				}
			}
			continue
		}
		key, err := ParsePublicKey(b)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if !set.add(i.o.Keys[at-len(contents)+len(i.o.Keys)].ID, key) {
			return fmt.Errorf("%s: there is another key of its kid and type", file)
		}
	}
	i.keys.Store(set)
	return nil
}

// readAgain is how often a token that names a key that is not known makes the files be read.
const readAgain = time.Second

// key finds the key that a token must be signed with. A key that is not known may have come into the files just now.
func (i *issuer) key(kid any, algorithm string, now time.Time) (*keySet, crypto.PublicKey, error) {
	id, isText := kid.(string)
	switch {
	case kid != nil && !isText:
		return nil, nil, refuse(Invalid, "the token's kid is no text")
	case !slices.Contains(i.o.Algorithms, algorithm):
		return nil, nil, refuse(Invalid, "the token's algorithm is not one that its issuer may use")
	}
	set := i.keys.Load()
	key := set.find(id, algorithm)
	if key == nil && i.reread(set, now) {
		set = i.keys.Load()
		key = set.find(id, algorithm)
	}
	if key == nil {
		return nil, nil, refuse(Invalid, "the token is signed with a key that is not known here (kid)")
	}
	return set, key, nil
}

func (s *keySet) find(id, algorithm string) crypto.PublicKey {
	name := keyName{id, algorithm}
	if id == "" {
		name = s.only[algorithm]
	}
	return s.byName[name]
}

// reread reads the files if it is time to, and says whether there are other keys than those of set.
func (i *issuer) reread(set *keySet, now time.Time) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.keys.Load() != set {
		return true // somebody else has
	}
	if since := now.Sub(i.read); since >= 0 && since < readAgain && !i.read.IsZero() {
		return false
	}
	i.read = now
	i.files.loadChanged(true)
	return i.keys.Load() != set
}
