package keystone

import (
	"crypto/sha256"
	"sync"
)

// digest stands for a token.
type digest [sha256.Size]byte

// maxRemembered bounds what is remembered. There are two halves of this size: a full one takes the place of the older one, so what is
// used stays.
const maxRemembered = 4096

// memory remembers something of tokens. The zero value remembers nothing yet.
type memory[V any] struct {
	mu         sync.Mutex
	young, old map[digest]V
}

// get is what is remembered of a token.
func (m *memory[V]) get(d digest) (v V, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok = m.young[d]; ok {
		return v, true
	}
	if v, ok = m.old[d]; ok {
		m.keep(d, v)
	}
	return v, ok
}

// put remembers something in the place of what was.
func (m *memory[V]) put(d digest, v V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keep(d, v)
}

// drop forgets a token.
func (m *memory[V]) drop(d digest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.young, d)
	delete(m.old, d)
}

// keep is put. REQUIRES: m.mu.
func (m *memory[V]) keep(d digest, v V) {
	if _, there := m.young[d]; !there && len(m.young) >= maxRemembered || m.young == nil {
		m.young, m.old = make(map[digest]V), m.young
	}
	m.young[d] = v
}
